-- What Google's exports tell of an invoice month, net of credits, before anything is made of it.
SELECT
  CAST('{month}-01' AS DATE) AS period,
  'gcp' AS provider,
  'gcp_cost_billing' AS provider_table,
  source_name AS source,
  IFNULL(billing_account_id, 'Not stated') AS billing_account_id,
  CONCAT(IFNULL(billing_account_id, 'Not stated'), '-', REPLACE('{month}', '-', '')) AS invoice_id,
  currency,
  COUNT(*) AS row_count,
  SUM(IFNULL(net_cost, 0)) AS amount,
  '{run_id}' AS run_id,
  CURRENT_TIMESTAMP() AS taken_at
FROM `gcp_cost_billing`
WHERE IFNULL(NULLIF(invoice_month, ''), FORMAT_DATE('%Y%m', usage_date)) = REPLACE('{month}', '-', '')
GROUP BY 4, 5, 6, 7
UNION ALL
SELECT
  CAST('{month}-01' AS DATE) AS period,
  'gcp' AS provider,
  'gcp_cost_standard' AS provider_table,
  source_name AS source,
  IFNULL(billing_account_id, 'Not stated') AS billing_account_id,
  CONCAT(IFNULL(billing_account_id, 'Not stated'), '-', REPLACE('{month}', '-', '')) AS invoice_id,
  currency,
  COUNT(*) AS row_count,
  SUM(IFNULL(net_cost, 0)) AS amount,
  '{run_id}' AS run_id,
  CURRENT_TIMESTAMP() AS taken_at
FROM `gcp_cost_standard`
WHERE IFNULL(NULLIF(invoice_month, ''), FORMAT_DATE('%Y%m', usage_date)) = REPLACE('{month}', '-', '')
GROUP BY 4, 5, 6, 7
UNION ALL
SELECT
  CAST('{month}-01' AS DATE) AS period,
  'gcp' AS provider,
  'gcp_cost_focus' AS provider_table,
  source_name AS source,
  BillingAccountId AS billing_account_id,
  COALESCE(InvoiceId, CONCAT(BillingAccountId, '-', REPLACE('{month}', '-', ''))) AS invoice_id,
  BillingCurrency AS currency,
  COUNT(*) AS row_count,
  SUM(IFNULL(BilledCost, 0)) AS amount,
  '{run_id}' AS run_id,
  CURRENT_TIMESTAMP() AS taken_at
FROM `gcp_cost_focus`
WHERE DATE_TRUNC(DATE(BillingPeriodStart), MONTH) = CAST('{month}-01' AS DATE)
GROUP BY 4, 5, 6, 7
