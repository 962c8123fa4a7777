-- Where the export, the table of the provider, FOCUS and the invoice's lines are not the same money: an invoice each, and
-- below it the days, accounts and services that differ most between the provider's table and FOCUS.
WITH
-- Azure's two exports are one bill told twice: its rows are compared together, with the one that tells what was paid.
sides AS (
  SELECT
    provider_table,
    IF(provider_table IN ('azure_cost_exports', 'azure_cost_amortized'), '', IFNULL(source, '')) AS source,
    IFNULL(billing_account_id, '') AS account,
    IFNULL(invoice_id, '') AS invoice,
    currency, usage_day, sub_account_id, service,
    1 AS told_rows,
    0 AS focus_rows,
    IF(export_amount IS NULL, 0, 1) AS export_rows,
    amount AS told,
    CAST(0 AS BIGNUMERIC) AS has,
    CAST(0 AS BIGNUMERIC) AS line,
    IFNULL(export_amount, 0) AS exported
  FROM `focus_provider_amounts`
  WHERE period = CAST('{month}-01' AS DATE) AND provider = '{provider}'
  UNION ALL
  SELECT
    IF(x_SourceTable = 'azure_cost_amortized', 'azure_cost_exports', x_SourceTable),
    IF(x_SourceTable IN ('azure_cost_exports', 'azure_cost_amortized'), '', IFNULL(x_SourceName, '')),
    IFNULL(BillingAccountId, ''), IFNULL(InvoiceId, ''), BillingCurrency, DATE(ChargePeriodStart), SubAccountId,
    ServiceName, 0, 1, 0, CAST(0 AS BIGNUMERIC), SUM(BilledCost), CAST(0 AS BIGNUMERIC), CAST(0 AS BIGNUMERIC)
  FROM `focus_cost_and_usage`
  WHERE x_BillingPeriod = CAST('{month}-01' AS DATE) AND x_SourceProvider = '{provider}'
  GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
  UNION ALL
  SELECT
    IF(x_SourceTable = 'azure_cost_amortized', 'azure_cost_exports', x_SourceTable),
    IF(x_SourceTable IN ('azure_cost_exports', 'azure_cost_amortized'), '', IFNULL(x_SourceName, '')),
    IFNULL(BillingAccountId, ''), IFNULL(x_SourceInvoiceId, ''), BillingCurrency, NULL, NULL, NULL, 0, 0, 0,
    CAST(0 AS BIGNUMERIC), CAST(0 AS BIGNUMERIC), BilledCost, CAST(0 AS BIGNUMERIC)
  FROM `focus_invoice_detail`
  WHERE x_BillingPeriod = CAST('{month}-01' AS DATE) AND x_SourceProvider = '{provider}'
),
-- Effective cost is what the amortized export tells.
compared AS (
  SELECT * FROM sides
  UNION ALL
  SELECT
    'azure_cost_amortized', '', IFNULL(BillingAccountId, ''), IFNULL(InvoiceId, ''), BillingCurrency, NULL, NULL, NULL,
    0, 1, 0, CAST(0 AS BIGNUMERIC), SUM(EffectiveCost), SUM(EffectiveCost), CAST(0 AS BIGNUMERIC)
  FROM `focus_cost_and_usage`
  WHERE x_BillingPeriod = CAST('{month}-01' AS DATE) AND '{provider}' = 'azure' AND x_SourceType = 'native'
  GROUP BY 1, 2, 3, 4, 5
),
invoices AS (
  SELECT
    provider_table, source, account, invoice, currency,
    SUM(told_rows) AS told_rows,
    SUM(focus_rows) AS focus_rows,
    SUM(export_rows) AS export_rows,
    SUM(told) AS told,
    SUM(has) AS has,
    SUM(line) AS line,
    SUM(exported) AS exported
  FROM compared
  GROUP BY provider_table, source, account, invoice, currency
),
-- What an export tells of a bill that another one feeds FOCUS with is for the reconciliation to show.
feeding AS (
  SELECT DISTINCT LOWER(REGEXP_EXTRACT(account, r'[^/]*$')) AS account_key FROM invoices WHERE focus_rows > 0
),
sources AS (
  SELECT provider_table, source, account, SUM(told_rows) AS told_rows, SUM(focus_rows) AS focus_rows
  FROM invoices
  GROUP BY provider_table, source, account
),
differing AS (
  SELECT
    i.*,
    CASE
      WHEN i.export_rows > 0 AND i.exported <> i.told THEN i.exported - i.told
      WHEN i.told <> i.has THEN i.told - i.has
      ELSE i.has - i.line
    END AS difference
  FROM invoices AS i
  JOIN sources AS s ON i.provider_table = s.provider_table AND i.source = s.source AND i.account = s.account
  LEFT JOIN feeding AS f ON f.account_key = LOWER(REGEXP_EXTRACT(i.account, r'[^/]*$'))
  WHERE
    -- Of one export of Azure without the other there is nothing to compare with.
    ('{provider}' <> 'azure' OR s.told_rows > 0)
    AND (s.focus_rows > 0 OR f.account_key IS NULL)
    AND ((i.export_rows > 0 AND i.exported <> i.told) OR i.told <> i.has OR i.has <> i.line)
),
parts AS (
  SELECT
    d.provider_table, d.source, d.account, d.invoice, d.currency, c.usage_day, c.sub_account_id, c.service,
    SUM(c.told) AS told,
    SUM(c.has) AS has
  FROM differing AS d
  JOIN compared AS c
    ON d.provider_table = c.provider_table AND d.source = c.source AND d.account = c.account AND d.invoice = c.invoice
    AND d.currency = c.currency
  WHERE c.usage_day IS NOT NULL AND d.told <> d.has AND d.provider_table <> 'azure_cost_amortized'
  GROUP BY d.provider_table, d.source, d.account, d.invoice, d.currency, c.usage_day, c.sub_account_id, c.service
  HAVING SUM(c.told) <> SUM(c.has)
),
ranked AS (
  SELECT
    p.*,
    ROW_NUMBER() OVER (
      PARTITION BY p.provider_table, p.source, p.account, p.invoice, p.currency
      ORDER BY ABS(p.told - p.has) DESC, p.usage_day, p.sub_account_id, p.service
    ) AS place
  FROM parts AS p
),
-- Who tells of which account, below the billing account, and whether the source says primary.
telling AS (
  SELECT
    LOWER(REGEXP_EXTRACT(IFNULL(billing_account_id, ''), r'[^/]*$')) AS account_key,
    LOWER(REGEXP_EXTRACT(IFNULL(sub_account_id, ''), r'[^/]*$')) AS sub_account_key,
    provider_table,
    IFNULL(source, '') AS source,
    currency,
    IFNULL(source, '') IN UNNEST(SPLIT('{primary_sources}')) AND IFNULL(source, '') <> '' AS is_primary,
    SUM(amount) AS amount
  FROM `focus_provider_amounts`
  WHERE period = CAST('{month}-01' AS DATE) AND provider = '{provider}' AND provider_table <> 'azure_cost_amortized'
    AND row_count > 0
  GROUP BY 1, 2, 3, 4, 5, 6
),
chosen AS (
  SELECT DISTINCT account_key, sub_account_key, provider_table, source FROM telling WHERE is_primary
),
-- Sources that tell of one account while none of them says primary.
rivals AS (
  SELECT r.account_key, STRING_AGG(r.source, ', ' ORDER BY r.source) AS sources
  FROM (SELECT DISTINCT account_key, source FROM telling WHERE source <> '') AS r
  LEFT JOIN (SELECT DISTINCT account_key FROM chosen) AS c ON r.account_key = c.account_key
  WHERE c.account_key IS NULL
  GROUP BY r.account_key
  HAVING COUNT(*) > 1
),
-- Several that say primary of the same.
twice AS (
  SELECT account_key, sources, COUNT(*) AS sub_accounts
  FROM (
    SELECT account_key, sub_account_key, STRING_AGG(source, ', ' ORDER BY source) AS sources
    FROM (SELECT DISTINCT account_key, sub_account_key, source FROM chosen)
    GROUP BY account_key, sub_account_key
    HAVING COUNT(*) > 1
  )
  GROUP BY account_key, sources
),
-- What FOCUS has of the accounts below each billing account, and from whom.
fed AS (
  SELECT
    provider_table, source, currency,
    LOWER(REGEXP_EXTRACT(account, r'[^/]*$')) AS account_key,
    LOWER(REGEXP_EXTRACT(IFNULL(sub_account_id, ''), r'[^/]*$')) AS sub_account_key,
    has
  FROM sides
  WHERE focus_rows > 0
),
totals AS (
  SELECT account_key, currency, SUM(has) AS has FROM fed GROUP BY account_key, currency
),
tellers AS (
  SELECT provider_table, source, account_key, currency, SUM(amount) AS told
  FROM telling
  GROUP BY provider_table, source, account_key, currency
),
-- What a source, of whichever kind, tells of a bill that another one which says primary tells of, and FOCUS has not. What
-- is of no account below may stand elsewhere: it is missing where the bills are not the same.
left_out AS (
  SELECT
    t.provider_table, t.source, t.account_key, t.currency,
    LOGICAL_OR(t.is_primary) AS is_primary,
    COUNT(*) AS sub_accounts,
    SUM(t.amount) AS amount
  FROM telling AS t
  JOIN (SELECT DISTINCT account_key FROM chosen) AS a ON t.account_key = a.account_key
  JOIN tellers AS b
    ON t.provider_table = b.provider_table AND t.source = b.source AND t.account_key = b.account_key
    AND t.currency = b.currency
  LEFT JOIN (SELECT DISTINCT account_key, sub_account_key FROM fed) AS c
    ON t.account_key = c.account_key AND t.sub_account_key = c.sub_account_key
  LEFT JOIN (SELECT DISTINCT provider_table, source, account_key FROM fed) AS f
    ON t.provider_table = f.provider_table AND t.source = f.source AND t.account_key = f.account_key
  LEFT JOIN totals AS h ON t.account_key = h.account_key AND t.currency = h.currency
  WHERE c.account_key IS NULL AND f.account_key IS NULL
    AND (t.sub_account_key <> '' OR b.told <> IFNULL(h.has, 0))
  GROUP BY t.provider_table, t.source, t.account_key, t.currency
  HAVING SUM(t.amount) <> 0
),
-- The most that differ, in one line for people.
worst AS (
  SELECT
    provider_table, source, account, invoice, currency,
    STRING_AGG(
      CONCAT(
        CAST(usage_day AS STRING), ' ', IFNULL(sub_account_id, 'no account'), ' ', IFNULL(service, 'no service'), ': ',
        CAST(told AS STRING), ' and ', CAST(has AS STRING)
      ), '; '
    ) AS rows_told
  FROM ranked
  WHERE place <= 3
  GROUP BY provider_table, source, account, invoice, currency
)
SELECT
  CAST('{month}-01' AS DATE) AS period,
  '{provider}' AS provider,
  d.provider_table,
  d.source,
  d.account AS billing_account_id,
  d.invoice AS invoice_id,
  d.currency,
  CAST(NULL AS DATE) AS usage_day,
  CAST(NULL AS STRING) AS sub_account_id,
  CAST(NULL AS STRING) AS service,
  IF(d.export_rows > 0, d.exported, NULL) AS export_amount,
  d.told AS provider_amount,
  d.has AS focus_amount,
  IF(d.provider_table = 'azure_cost_amortized', NULL, d.line) AS invoice_detail_amount,
  d.difference,
  CONCAT(
    IF(d.source = '', d.provider_table, CONCAT('source ', d.source)), ', {month}, ',
    IF(d.invoice = '', 'on no invoice yet', CONCAT('invoice ', d.invoice)), ': ',
    IF(d.export_rows > 0, CONCAT('the export tells ', CAST(d.exported AS STRING), ', '), ''),
    d.provider_table, ' has ', CAST(d.told AS STRING), ', focus_cost_and_usage ', CAST(d.has AS STRING),
    IF(
      d.provider_table = 'azure_cost_amortized', '', CONCAT(', focus_invoice_detail ', CAST(d.line AS STRING))
    ),
    ' ', d.currency, ', a difference of ', CAST(d.difference AS STRING),
    IFNULL(CONCAT('; most of it: ', w.rows_told), ''),
    IF(
      d.told = d.has OR r.sources IS NULL,
      '',
      CONCAT('; of this account tell the sources ', r.sources, ': primary of one of them says which counts')
    )
  ) AS message,
  '{run_id}' AS run_id
FROM differing AS d
LEFT JOIN worst AS w
  ON d.provider_table = w.provider_table AND d.source = w.source AND d.account = w.account AND d.invoice = w.invoice
  AND d.currency = w.currency
LEFT JOIN rivals AS r ON r.account_key = LOWER(REGEXP_EXTRACT(d.account, r'[^/]*$'))
UNION ALL
SELECT
  CAST('{month}-01' AS DATE), '{provider}', NULL, t.sources, t.account_key, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
  NULL, NULL,
  CONCAT(
    'sources ', t.sources, ', {month}: expected primary of one source for an account, got it of several for account ',
    t.account_key, IF(t.sub_accounts = 1, '', CONCAT(' and ', CAST(t.sub_accounts AS STRING), ' accounts below it')),
    ': the native export counts before the FOCUS export, then the first by name'
  ),
  '{run_id}'
FROM twice AS t
UNION ALL
SELECT
  CAST('{month}-01' AS DATE), '{provider}', l.provider_table, l.source, l.account_key, NULL, l.currency, NULL, NULL, NULL,
  NULL, l.amount, CAST(0 AS BIGNUMERIC), NULL, l.amount,
  CONCAT(
    'source ', l.source, ', {month}, account ', l.account_key, ': ', CAST(l.amount AS STRING), ' ', l.currency, ' of ',
    CAST(l.sub_accounts AS STRING), ' accounts below it does not count, for ',
    IF(
      l.is_primary,
      'a native export says primary of this account too; let one of them say it',
      'no source that says primary tells of them; let this source say it too'
    )
  ),
  '{run_id}'
FROM left_out AS l
UNION ALL
SELECT
  CAST('{month}-01' AS DATE), '{provider}', r.provider_table, r.source, r.account, r.invoice, r.currency, r.usage_day,
  r.sub_account_id, r.service, NULL, r.told, r.has, NULL, r.told - r.has, NULL, '{run_id}'
FROM ranked AS r
WHERE r.place <= 100
