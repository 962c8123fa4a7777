-- What FOCUS files tell of a month, before anything is made of it.
SELECT
  CAST('{month}-01' AS DATE) AS period,
  'any' AS provider,
  'any_cost_focus' AS provider_table,
  source_name AS source,
  BillingAccountId AS billing_account_id,
  InvoiceId AS invoice_id,
  BillingCurrency AS currency,
  COUNT(*) AS row_count,
  SUM(IFNULL(BilledCost, 0)) AS amount,
  '{run_id}' AS run_id,
  CURRENT_TIMESTAMP() AS taken_at
FROM `any_cost_focus`
WHERE billing_period = CAST('{month}-01' AS DATE)
GROUP BY 4, 5, 6, 7
