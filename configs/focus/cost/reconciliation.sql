-- What each export told of a month, what of it the provider's table has, FOCUS, and the lines of its invoices. An export
-- that feeds FOCUS is compared with its own rows, one that does not with those of the account, by whichever export they
-- came.
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
    a.period, a.provider, a.provider_table, a.source, a.billing_account_id, a.invoice_id, a.currency,
    IF(ENDS_WITH(a.provider_table, '_focus'), 'focus', 'native') AS type,
    IF(a.provider = 'azure' AND NOT ENDS_WITH(a.provider_table, '_focus'), '', IFNULL(a.source, '')) AS source_key,
    IFNULL(a.billing_account_id, '') AS account,
    IFNULL(a.invoice_id, '') AS invoice,
    SUM(a.row_count) AS row_count,
    SUM(a.amount) AS amount,
    SUM(a.export_amount) AS export_amount,
    MAX(a.run_id) AS run_id
  FROM `{project_id}.{tenant_id}.focus_provider_amounts` AS a
  GROUP BY 1, 2, 3, 4, 5, 6, 7
),
-- The lines of the invoices.
details AS (
  SELECT
    x_BillingPeriod AS period,
    x_SourceProvider AS provider,
    IF(ENDS_WITH(x_SourceTable, '_focus'), 'focus', 'native') AS type,
    IF(
      x_SourceProvider = 'azure' AND NOT ENDS_WITH(x_SourceTable, '_focus'), '', IFNULL(x_SourceName, '')
    ) AS source,
    IFNULL(BillingAccountId, '') AS account,
    IFNULL(x_SourceInvoiceId, '') AS invoice,
    BillingCurrency AS currency,
    SUM(BilledCost) AS billed
  FROM `{project_id}.{tenant_id}.focus_invoice_detail`
  GROUP BY 1, 2, 3, 4, 5, 6, 7
),
compared AS (
  SELECT
    t.*,
    f.period IS NOT NULL AS feeds,
    CASE
      WHEN f.period IS NULL THEN c.billed
      WHEN t.provider_table = 'azure_cost_amortized' THEN f.effective
      ELSE f.billed
    END AS focus_amount,
    -- Of what the bill was paid with, not of what was used.
    IF(f.period IS NULL OR t.provider_table = 'azure_cost_amortized', NULL, IFNULL(d.billed, 0)) AS detail_amount
  FROM told AS t
  LEFT JOIN focus AS f
    ON t.period = f.period AND t.provider = f.provider AND t.type = f.type AND t.source_key = f.source
    AND t.account = f.account AND t.invoice = f.invoice AND t.currency = f.currency
  LEFT JOIN accounts AS c
    ON t.period = c.period AND t.provider = c.provider AND LOWER(REGEXP_EXTRACT(t.account, r'[^/]*$')) = c.account_key
    AND t.invoice = c.invoice AND t.currency = c.currency
  LEFT JOIN details AS d
    ON t.period = d.period AND t.provider = d.provider AND t.type = d.type AND t.source_key = d.source
    AND t.account = d.account AND t.invoice = d.invoice AND t.currency = d.currency
)
SELECT
  source,
  period,
  invoice_id,
  currency,
  export_amount,
  amount AS provider_amount,
  focus_amount,
  detail_amount AS invoice_detail_amount,
  -- The first of these that is not the next one, less that.
  CASE
    WHEN export_amount <> amount THEN export_amount - amount
    WHEN amount <> IFNULL(focus_amount, 0) THEN amount - IFNULL(focus_amount, 0)
    WHEN focus_amount <> detail_amount THEN focus_amount - detail_amount
    ELSE CAST(0 AS BIGNUMERIC)
  END AS difference,
  provider,
  provider_table,
  billing_account_id,
  feeds,
  row_count,
  run_id
FROM compared
