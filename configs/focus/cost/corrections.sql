-- What changed of a month that was closed: invoices whose charges come to something else than the lines that were made of
-- them before. It is asked when the charges are new and the lines are not. Closed is what focus_billing_period calls so,
-- as it stood when the lines were made.
WITH
lines AS (
  SELECT
    LOWER(REGEXP_EXTRACT(BillingAccountId, r'[^/]*$')) AS account,
    BillingAccountId AS account_told,
    IFNULL(x_SourceInvoiceId, '') AS invoice,
    BillingCurrency AS currency,
    BillingPeriodEnd AS ends_at,
    InvoiceDetailLastUpdated AS made_at,
    x_RunId AS made_by,
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
-- Google's exports are loaded by days: one that was not there is no correction, nor is one of another source that tells
-- of other projects.
known AS (
  SELECT DISTINCT
    LOWER(REGEXP_EXTRACT(billing_account_id, r'[^/]*$')) AS account,
    usage_day,
    provider_table,
    IFNULL(source, '') AS source,
    IFNULL(sub_account_id, '') AS sub_account,
    run_id
  FROM `focus_provider_amounts`
  WHERE period = CAST('{month}-01' AS DATE) AND provider = '{provider}' AND '{provider}' = 'gcp'
    AND usage_day IS NOT NULL
),
known_of_source AS (
  SELECT DISTINCT account, usage_day, provider_table, source FROM known
),
known_of_project AS (
  SELECT DISTINCT account, usage_day, sub_account FROM known
),
-- Accounts whose days are those of the lines: a run may have ended between the two.
in_step AS (
  SELECT DISTINCT l.account
  FROM lines AS l
  JOIN known AS k ON l.account = k.account AND l.made_by = k.run_id
),
charges AS (
  SELECT
    LOWER(REGEXP_EXTRACT(c.BillingAccountId, r'[^/]*$')) AS account,
    c.BillingAccountId AS account_told,
    IFNULL(c.InvoiceId, '') AS invoice,
    c.BillingCurrency AS currency,
    c.x_SourceName AS source,
    c.BilledCost AS billed
  FROM `focus_cost_and_usage` AS c
  LEFT JOIN in_step AS i ON LOWER(REGEXP_EXTRACT(c.BillingAccountId, r'[^/]*$')) = i.account
  LEFT JOIN known_of_source AS s
    ON LOWER(REGEXP_EXTRACT(c.BillingAccountId, r'[^/]*$')) = s.account AND DATE(c.ChargePeriodStart) = s.usage_day
    AND c.x_SourceTable = s.provider_table AND IFNULL(c.x_SourceName, '') = s.source
  LEFT JOIN known_of_project AS p
    ON LOWER(REGEXP_EXTRACT(c.BillingAccountId, r'[^/]*$')) = p.account AND DATE(c.ChargePeriodStart) = p.usage_day
    AND IFNULL(c.SubAccountId, '') = p.sub_account
  WHERE c.x_BillingPeriod = CAST('{month}-01' AS DATE) AND c.x_SourceProvider = '{provider}'
    AND (i.account IS NULL OR s.usage_day IS NOT NULL OR p.usage_day IS NOT NULL)
),
sides AS (
  SELECT account, account_told, invoice, currency, source, billed AS before, CAST(0 AS BIGNUMERIC) AS after FROM lines
  UNION ALL
  SELECT account, account_told, invoice, currency, source, CAST(0 AS BIGNUMERIC), billed FROM charges
),
named AS (
  SELECT account, invoice, currency, STRING_AGG(source, ', ' ORDER BY source) AS sources
  FROM (SELECT DISTINCT account, invoice, currency, source FROM sides WHERE source IS NOT NULL)
  GROUP BY account, invoice, currency
),
changed AS (
  SELECT
    s.account, s.invoice, s.currency,
    MAX(s.account_told) AS account_told,
    SUM(s.before) AS before,
    SUM(s.after) AS after
  FROM sides AS s
  GROUP BY s.account, s.invoice, s.currency
  HAVING SUM(s.before) <> SUM(s.after)
),
-- Charges that have come to their invoices since, and are as much as before.
invoiced AS (
  SELECT account, currency
  FROM changed
  GROUP BY account, currency
  HAVING SUM(before) = SUM(after)
    AND COUNTIF(invoice = '' AND ABS(after) < ABS(before)) = 1
    AND COUNTIF(invoice = '' AND after < before) * COUNTIF(invoice <> '' AND before <> 0 AND after < before) = 0
    AND COUNTIF(invoice = '' AND after > before) * COUNTIF(invoice <> '' AND before <> 0 AND after > before) = 0
),
-- What is told already, where a run did not come to the new lines.
newest AS (
  SELECT
    LOWER(REGEXP_EXTRACT(billing_account_id, r'[^/]*$')) AS account, invoice_id AS invoice, currency,
    amount_before AS before,
    amount_after AS after
  FROM `focus_corrections`
  WHERE period = CAST('{month}-01' AS DATE) AND provider = '{provider}'
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY LOWER(REGEXP_EXTRACT(billing_account_id, r'[^/]*$')), invoice_id, currency
    ORDER BY seen_at DESC, run_id
  ) = 1
)
SELECT
  CAST('{month}-01' AS DATE) AS period,
  '{provider}' AS provider,
  c.account_told AS billing_account_id,
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
    'account ', c.account_told, ', {month}, ', IF(c.invoice = '', 'on no invoice', CONCAT('invoice ', c.invoice)),
    ': the month was closed, and ', CAST(c.before AS STRING), ' ', c.currency, ' of ',
    FORMAT_TIMESTAMP('%Y-%m-%d', d.last_made_at), ' became ', CAST(c.after AS STRING), ', a correction of ',
    CAST(c.after - c.before AS STRING), IFNULL(CONCAT(', by source ', n.sources), ''),
    IF(
      '{provider}' = 'gcp' AND i.account IS NULL,
      '; days that are new may be part of it, for the run before ended before it noted which it had',
      ''
    )
  ) AS message
FROM changed AS c
JOIN closed AS d ON c.account = d.account
LEFT JOIN in_step AS i ON c.account = i.account
LEFT JOIN named AS n ON c.account = n.account AND c.invoice = n.invoice AND c.currency = n.currency
LEFT JOIN invoiced AS v ON c.account = v.account AND c.currency = v.currency
LEFT JOIN newest AS t
  ON c.account = t.account AND c.invoice = t.invoice AND c.currency = t.currency AND c.before = t.before
  AND c.after = t.after
WHERE t.account IS NULL AND v.account IS NULL
