-- What each export told of a month, beside what FOCUS has of it. An export that feeds FOCUS is compared with its own rows, one
-- that does not with those of the account, by whichever export they came.
WITH
-- Azure's two exports are one bill told twice, so their rows are compared together.
focus AS (
  SELECT
    x_BillingPeriod AS period,
    x_SourceProvider AS provider,
    x_SourceType AS type,
    IF(x_SourceProvider = 'azure' AND x_SourceType = 'native', '', IFNULL(x_SourceName, '')) AS source,
    IFNULL(BillingAccountId, '') AS account,
    IFNULL(InvoiceId, '') AS invoice,
    BillingCurrency AS currency,
    SUM(BilledCost) AS billed,
    SUM(EffectiveCost) AS effective
  FROM `{project_id}.{tenant_id}.focus_cost_and_usage`
  GROUP BY 1, 2, 3, 4, 5, 6, 7
),
accounts AS (
  SELECT period, provider, LOWER(REGEXP_EXTRACT(account, r'[^/]*$')) AS account_key, invoice, currency, SUM(billed) AS billed
  FROM focus
  GROUP BY 1, 2, 3, 4, 5
),
told AS (
  SELECT
    a.*,
    IF(ENDS_WITH(a.provider_table, '_focus'), 'focus', 'native') AS type,
    IF(a.provider = 'azure' AND NOT ENDS_WITH(a.provider_table, '_focus'), '', IFNULL(a.source, '')) AS source_key,
    IFNULL(a.billing_account_id, '') AS account,
    IFNULL(a.invoice_id, '') AS invoice
  FROM `{project_id}.{tenant_id}.focus_provider_amounts` AS a
),
compared AS (
  SELECT
    t.*,
    f.period IS NOT NULL AS feeds,
    CASE
      WHEN f.period IS NULL THEN c.billed
      WHEN t.provider_table = 'azure_cost_amortized' THEN f.effective
      ELSE f.billed
    END AS focus_amount
  FROM told AS t
  LEFT JOIN focus AS f
    ON t.period = f.period AND t.provider = f.provider AND t.type = f.type AND t.source_key = f.source
    AND t.account = f.account AND t.invoice = f.invoice AND t.currency = f.currency
  LEFT JOIN accounts AS c
    ON t.period = c.period AND t.provider = c.provider AND LOWER(REGEXP_EXTRACT(t.account, r'[^/]*$')) = c.account_key
    AND t.invoice = c.invoice AND t.currency = c.currency
)
SELECT
  source,
  period,
  invoice_id,
  currency,
  CAST(NULL AS BIGNUMERIC) AS export_amount,
  amount AS provider_amount,
  focus_amount,
  CAST(NULL AS BIGNUMERIC) AS invoice_detail_amount,
  amount - IFNULL(focus_amount, 0) AS difference,
  provider,
  provider_table,
  billing_account_id,
  feeds,
  row_count,
  run_id
FROM compared
