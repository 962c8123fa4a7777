-- What AWS's exports tell of a month, before anything is made of it.
WITH told AS (
  SELECT
    'aws_cost_cur' AS provider_table,
    source_name AS source,
    bill_payer_account_id AS billing_account_id,
    NULLIF(bill_invoice_id, '') AS invoice_id,
    line_item_currency_code AS currency,
    line_item_unblended_cost AS line_amount
  FROM `aws_cost_cur`
  WHERE billing_period = CAST('{month}-01' AS DATE)
  UNION ALL
  SELECT
    'aws_cost_focus' AS provider_table,
    source_name AS source,
    BillingAccountId AS billing_account_id,
    InvoiceId AS invoice_id,
    BillingCurrency AS currency,
    BilledCost AS line_amount
  FROM `aws_cost_focus`
  WHERE billing_period = CAST('{month}-01' AS DATE)
)
SELECT
  CAST('{month}-01' AS DATE) AS period,
  'aws' AS provider,
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
