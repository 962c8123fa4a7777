-- The rate of the month between US dollars and the currency of the bill, as Google's exports tell it, and the way back,
-- which is 1 divided by it. It holds where nobody gave one. Final once the month is closed.
WITH told AS (
  SELECT 'USD' AS from_currency, currency AS to_currency, currency_conversion_rate AS rate, usage_date AS told_on
  FROM `gcp_cost_billing`
  WHERE IFNULL(NULLIF(invoice_month, ''), FORMAT_DATE('%Y%m', usage_date)) = REPLACE('{month}', '-', '')
  UNION ALL
  SELECT 'USD', currency, currency_conversion_rate, usage_date
  FROM `gcp_cost_standard`
  WHERE IFNULL(NULLIF(invoice_month, ''), FORMAT_DATE('%Y%m', usage_date)) = REPLACE('{month}', '-', '')
  UNION ALL
  SELECT 'USD', BillingCurrency, x_CurrencyConversionRate, usage_date
  FROM `gcp_cost_focus`
  WHERE DATE_TRUNC(DATE(BillingPeriodStart), MONTH) = CAST('{month}-01' AS DATE)
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
      CURRENT_DATE() >= DATE_ADD(DATE_ADD(CAST('{month}-01' AS DATE), INTERVAL 1 MONTH), INTERVAL 10 DAY) AS is_closed
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
