-- The rate of the month between the currencies of prices and of the bill, as Azure's exports of a customer agreement tell
-- it, and the way back, which is 1 divided by it. It holds where nobody gave one. Final once the month is closed.
WITH told AS (
  SELECT
    pricing_currency AS from_currency,
    billing_currency_code AS to_currency,
    exchange_rate_pricing_to_billing AS rate,
    exchange_rate_date AS told_on,
    NULLIF(invoice_id, '') AS invoice
  FROM `azure_cost_exports`
  WHERE billing_period = CAST('{month}-01' AS DATE)
  UNION ALL
  SELECT
    pricing_currency, billing_currency_code, exchange_rate_pricing_to_billing, exchange_rate_date, NULLIF(invoice_id, '')
  FROM `azure_cost_amortized`
  WHERE billing_period = CAST('{month}-01' AS DATE)
),
ranked AS (
  SELECT
    from_currency,
    to_currency,
    rate,
    is_closed,
    ROW_NUMBER() OVER (PARTITION BY from_currency, to_currency ORDER BY told_on DESC, n DESC, rate) AS place
  FROM (
    SELECT from_currency, to_currency, rate, MAX(told_on) AS told_on, COUNT(*) AS n
    FROM told
    WHERE rate > 0 AND from_currency <> '' AND to_currency <> '' AND from_currency <> to_currency
    GROUP BY from_currency, to_currency, rate
  )
  CROSS JOIN (
    SELECT
      CURRENT_DATE() >= DATE_ADD(
        DATE_ADD(CAST('{month}-01' AS DATE), INTERVAL 1 MONTH),
        INTERVAL IF(COUNTIF(invoice IS NULL) = 0, 0, 10) DAY
      ) AS is_closed
    FROM told
  )
),
chosen AS (
  SELECT from_currency, to_currency, rate, is_closed FROM ranked WHERE place = 1
)
SELECT
  CAST('{month}-01' AS DATE) AS period,
  from_currency,
  to_currency,
  rate,
  IF(is_closed, 'final', 'provisional') AS status,
  CURRENT_TIMESTAMP() AS recorded_at,
  '{run_id}' AS run_id,
  'provider' AS source,
  '{provider}' AS provider
FROM (
  SELECT from_currency, to_currency, rate, is_closed FROM chosen
  UNION ALL
  SELECT to_currency, from_currency, ROUND(CAST(1 AS BIGNUMERIC) / rate, 20), is_closed FROM chosen
)
