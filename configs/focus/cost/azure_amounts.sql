-- What Azure's exports tell of a month, before anything is made of it.
WITH told AS (
  SELECT
    'azure_cost_exports' AS provider_table,
    source_name AS source,
    date AS usage_day,
    NULLIF(subscription_id, '') AS sub_account_id,
    COALESCE(NULLIF(service_name, ''), NULLIF(meter_category, ''), 'Not stated') AS service,
    COALESCE(NULLIF(billing_profile_id, ''), NULLIF(billing_account_id, ''), 'Not stated') AS billing_account_id,
    NULLIF(invoice_id, '') AS invoice_id,
    billing_currency_code AS currency,
    cost_in_billing_currency AS line_amount,
    CAST(NULL AS BIGNUMERIC) AS export_amount
  FROM `azure_cost_exports`
  WHERE billing_period = CAST('{month}-01' AS DATE)
  UNION ALL
  SELECT
    'azure_cost_amortized' AS provider_table,
    source_name AS source,
    date AS usage_day,
    NULLIF(subscription_id, '') AS sub_account_id,
    COALESCE(NULLIF(service_name, ''), NULLIF(meter_category, ''), 'Not stated') AS service,
    COALESCE(NULLIF(billing_profile_id, ''), NULLIF(billing_account_id, ''), 'Not stated') AS billing_account_id,
    NULLIF(invoice_id, '') AS invoice_id,
    billing_currency_code AS currency,
    cost_in_billing_currency AS line_amount,
    CAST(NULL AS BIGNUMERIC) AS export_amount
  FROM `azure_cost_amortized`
  WHERE billing_period = CAST('{month}-01' AS DATE)
  UNION ALL
  SELECT
    'azure_cost_focus' AS provider_table,
    source_name AS source,
    DATE(ChargePeriodStart) AS usage_day,
    SubAccountId AS sub_account_id,
    IFNULL(ServiceName, 'Not stated') AS service,
    BillingAccountId AS billing_account_id,
    InvoiceId AS invoice_id,
    BillingCurrency AS currency,
    BilledCost AS line_amount,
    CAST(NULL AS BIGNUMERIC) AS export_amount
  FROM `azure_cost_focus`
  WHERE billing_period = CAST('{month}-01' AS DATE)
  UNION ALL
  -- What was counted apart from the load.
  SELECT
    provider_table,
    source_name AS source,
    CAST(NULL AS DATE) AS usage_day,
    CAST(NULL AS STRING) AS sub_account_id,
    CAST(NULL AS STRING) AS service,
    billing_account_id,
    invoice_id,
    currency,
    CAST(NULL AS BIGNUMERIC) AS line_amount,
    amount AS export_amount
  FROM `export_amounts`
  WHERE period = CAST('{month}-01' AS DATE) AND STARTS_WITH(provider_table, 'azure_')
)
SELECT
  CAST('{month}-01' AS DATE) AS period,
  'azure' AS provider,
  provider_table,
  source,
  billing_account_id,
  invoice_id,
  currency,
  usage_day,
  sub_account_id,
  service,
  COUNTIF(export_amount IS NULL) AS row_count,
  SUM(IFNULL(line_amount, 0)) AS amount,
  SUM(export_amount) AS export_amount,
  '{run_id}' AS run_id,
  CURRENT_TIMESTAMP() AS taken_at
FROM told
GROUP BY
  provider_table, source, billing_account_id, invoice_id, currency, usage_day, sub_account_id, service
