-- What changed of a month that was closed: invoices whose charges come to something else than the lines that were made of
-- them before. It is asked when the charges are new and the lines are not. Closed is what focus_billing_period calls so,
-- as it stood when the lines were made.
WITH
lines AS (
  SELECT
    BillingAccountId AS account,
    IFNULL(x_SourceInvoiceId, '') AS invoice,
    BillingCurrency AS currency,
    BillingPeriodEnd AS ends_at,
    InvoiceDetailLastUpdated AS made_at,
    x_SourceName AS source,
    BilledCost AS billed
  FROM `focus_invoice_detail`
  WHERE x_BillingPeriod = CAST('{month}-01' AS DATE) AND x_SourceProvider = '{provider}'
),
closed AS (
  SELECT account, MAX(made_at) AS last_made_at
  FROM lines
  GROUP BY account
  HAVING
    MAX(ends_at) <= MIN(made_at)
    AND (
      ('{provider}' IN ('aws', 'azure') AND COUNTIF(invoice = '') = 0)
      OR TIMESTAMP_ADD(MAX(ends_at), INTERVAL 10 DAY) <= MIN(made_at)
    )
),
-- Google's exports are loaded by days: one that was not there is no correction.
known_days AS (
  SELECT DISTINCT billing_account_id AS account, usage_day
  FROM `focus_provider_amounts`
  WHERE period = CAST('{month}-01' AS DATE) AND provider = '{provider}' AND '{provider}' = 'gcp'
    AND usage_day IS NOT NULL
),
charges AS (
  SELECT
    c.BillingAccountId AS account,
    IFNULL(c.InvoiceId, '') AS invoice,
    c.BillingCurrency AS currency,
    c.x_SourceName AS source,
    c.BilledCost AS billed
  FROM `focus_cost_and_usage` AS c
  LEFT JOIN known_days AS k ON c.BillingAccountId = k.account AND DATE(c.ChargePeriodStart) = k.usage_day
  WHERE c.x_BillingPeriod = CAST('{month}-01' AS DATE) AND c.x_SourceProvider = '{provider}'
    AND ('{provider}' <> 'gcp' OR k.usage_day IS NOT NULL)
),
sides AS (
  SELECT account, invoice, currency, source, billed AS before, CAST(0 AS BIGNUMERIC) AS after FROM lines
  UNION ALL
  SELECT account, invoice, currency, source, CAST(0 AS BIGNUMERIC), billed FROM charges
),
named AS (
  SELECT account, invoice, currency, STRING_AGG(source, ', ' ORDER BY source) AS sources
  FROM (SELECT DISTINCT account, invoice, currency, source FROM sides WHERE source IS NOT NULL)
  GROUP BY account, invoice, currency
),
changed AS (
  SELECT s.account, s.invoice, s.currency, SUM(s.before) AS before, SUM(s.after) AS after
  FROM sides AS s
  GROUP BY s.account, s.invoice, s.currency
  HAVING SUM(s.before) <> SUM(s.after)
),
-- What is told already, where a run did not come to the new lines.
newest AS (
  SELECT billing_account_id AS account, invoice_id AS invoice, currency, amount_before AS before, amount_after AS after
  FROM `focus_corrections`
  WHERE period = CAST('{month}-01' AS DATE) AND provider = '{provider}'
  QUALIFY ROW_NUMBER() OVER (PARTITION BY billing_account_id, invoice_id, currency ORDER BY seen_at DESC, run_id) = 1
)
SELECT
  CAST('{month}-01' AS DATE) AS period,
  '{provider}' AS provider,
  c.account AS billing_account_id,
  c.invoice AS invoice_id,
  c.currency,
  n.sources,
  c.before AS amount_before,
  c.after AS amount_after,
  c.after - c.before AS difference,
  d.last_made_at AS made_before_at,
  CURRENT_TIMESTAMP() AS seen_at,
  '{run_id}' AS run_id,
  CONCAT(
    'account ', c.account, ', {month}, ', IF(c.invoice = '', 'on no invoice', CONCAT('invoice ', c.invoice)),
    ': the month was closed, and ', CAST(c.before AS STRING), ' ', c.currency, ' of ',
    FORMAT_TIMESTAMP('%Y-%m-%d', d.last_made_at), ' became ', CAST(c.after AS STRING), ', a correction of ',
    CAST(c.after - c.before AS STRING), IFNULL(CONCAT(', by source ', n.sources), '')
  ) AS message
FROM changed AS c
JOIN closed AS d ON c.account = d.account
LEFT JOIN named AS n ON c.account = n.account AND c.invoice = n.invoice AND c.currency = n.currency
LEFT JOIN newest AS t
  ON c.account = t.account AND c.invoice = t.invoice AND c.currency = t.currency AND c.before = t.before
  AND c.after = t.after
WHERE t.account IS NULL
