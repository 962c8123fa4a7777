-- What AWS's exports tell of a month, before anything is made of it.
SELECT
  CAST('{month}-01' AS DATE) AS period,
  'aws' AS provider,
  'aws_cost_cur' AS provider_table,
  source_name AS source,
  bill_payer_account_id AS billing_account_id,
  NULLIF(bill_invoice_id, '') AS invoice_id,
  line_item_currency_code AS currency,
  COUNT(*) AS row_count,
  SUM(IFNULL(line_item_unblended_cost, 0)) AS amount,
  '{run_id}' AS run_id,
  CURRENT_TIMESTAMP() AS taken_at
FROM `aws_cost_cur`
WHERE billing_period = CAST('{month}-01' AS DATE)
GROUP BY 4, 5, 6, 7
UNION ALL
SELECT
  CAST('{month}-01' AS DATE) AS period,
  'aws' AS provider,
  'aws_cost_focus' AS provider_table,
  source_name AS source,
  BillingAccountId AS billing_account_id,
  InvoiceId AS invoice_id,
  BillingCurrency AS currency,
  COUNT(*) AS row_count,
  SUM(IFNULL(BilledCost, 0)) AS amount,
  '{run_id}' AS run_id,
  CURRENT_TIMESTAMP() AS taken_at
FROM `aws_cost_focus`
WHERE billing_period = CAST('{month}-01' AS DATE)
GROUP BY 4, 5, 6, 7
