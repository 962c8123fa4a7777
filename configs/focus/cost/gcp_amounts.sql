-- What Google's exports tell of an invoice month, net of credits, before anything is made of it.
WITH told AS (
  SELECT
    'gcp_cost_billing' AS provider_table,
    source_name AS source,
    IFNULL(billing_account_id, 'Not stated') AS billing_account_id,
    CONCAT(IFNULL(billing_account_id, 'Not stated'), '-', REPLACE('{month}', '-', '')) AS invoice_id,
    currency,
    net_cost AS line_amount
  FROM `gcp_cost_billing`
  WHERE IFNULL(NULLIF(invoice_month, ''), FORMAT_DATE('%Y%m', usage_date)) = REPLACE('{month}', '-', '')
  UNION ALL
  SELECT
    'gcp_cost_standard' AS provider_table,
    source_name AS source,
    IFNULL(billing_account_id, 'Not stated') AS billing_account_id,
    CONCAT(IFNULL(billing_account_id, 'Not stated'), '-', REPLACE('{month}', '-', '')) AS invoice_id,
    currency,
    net_cost AS line_amount
  FROM `gcp_cost_standard`
  WHERE IFNULL(NULLIF(invoice_month, ''), FORMAT_DATE('%Y%m', usage_date)) = REPLACE('{month}', '-', '')
  UNION ALL
  SELECT
    'gcp_cost_focus' AS provider_table,
    source_name AS source,
    BillingAccountId AS billing_account_id,
    COALESCE(InvoiceId, CONCAT(BillingAccountId, '-', REPLACE('{month}', '-', ''))) AS invoice_id,
    BillingCurrency AS currency,
    BilledCost AS line_amount
  FROM `gcp_cost_focus`
  WHERE DATE_TRUNC(DATE(BillingPeriodStart), MONTH) = CAST('{month}-01' AS DATE)
)
SELECT
  CAST('{month}-01' AS DATE) AS period,
  'gcp' AS provider,
  provider_table,
  source,
  billing_account_id,
  invoice_id,
  currency,
  COUNT(*) AS row_count,
  SUM(IFNULL(line_amount, 0)) AS amount,
  '{run_id}' AS run_id,
  CURRENT_TIMESTAMP() AS taken_at
FROM told
GROUP BY provider_table, source, billing_account_id, invoice_id, currency
