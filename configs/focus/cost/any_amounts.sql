-- What FOCUS files tell of a month, before anything is made of it.
WITH told AS (
  SELECT
    'any_cost_focus' AS provider_table,
    source_name AS source,
    BillingAccountId AS billing_account_id,
    InvoiceId AS invoice_id,
    BillingCurrency AS currency,
    BilledCost AS line_amount
  FROM `any_cost_focus`
  WHERE billing_period = CAST('{month}-01' AS DATE)
)
SELECT
  CAST('{month}-01' AS DATE) AS period,
  'any' AS provider,
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
