-- What Google's exports tell of an invoice month, net of credits, before anything is made of it.
WITH told AS (
  SELECT
    'gcp_cost_billing' AS provider_table,
    source_name AS source,
    DATE(usage_start_time) AS usage_day,
    NULLIF(project_id, '') AS sub_account_id,
    COALESCE(NULLIF(service_description, ''), NULLIF(service_id, ''), 'Not stated') AS service,
    IFNULL(billing_account_id, 'Not stated') AS billing_account_id,
    CONCAT(IFNULL(billing_account_id, 'Not stated'), '-', REPLACE('{month}', '-', '')) AS invoice_id,
    currency,
    export_time AS written_at,
    net_cost AS line_amount,
    CAST(NULL AS BIGNUMERIC) AS export_amount
  FROM `gcp_cost_billing`
  WHERE IFNULL(NULLIF(invoice_month, ''), FORMAT_DATE('%Y%m', usage_date)) = REPLACE('{month}', '-', '')
  UNION ALL
  SELECT
    'gcp_cost_standard' AS provider_table,
    source_name AS source,
    DATE(usage_start_time) AS usage_day,
    NULLIF(project_id, '') AS sub_account_id,
    COALESCE(NULLIF(service_description, ''), NULLIF(service_id, ''), 'Not stated') AS service,
    IFNULL(billing_account_id, 'Not stated') AS billing_account_id,
    CONCAT(IFNULL(billing_account_id, 'Not stated'), '-', REPLACE('{month}', '-', '')) AS invoice_id,
    currency,
    export_time AS written_at,
    net_cost AS line_amount,
    CAST(NULL AS BIGNUMERIC) AS export_amount
  FROM `gcp_cost_standard`
  WHERE IFNULL(NULLIF(invoice_month, ''), FORMAT_DATE('%Y%m', usage_date)) = REPLACE('{month}', '-', '')
  UNION ALL
  SELECT
    'gcp_cost_focus' AS provider_table,
    source_name AS source,
    DATE(ChargePeriodStart) AS usage_day,
    -- As FOCUS names the project.
    NULLIF(COALESCE(x_Project.Id, NULLIF(SubAccountId, BillingAccountId)), '') AS sub_account_id,
    IFNULL(ServiceName, 'Not stated') AS service,
    BillingAccountId AS billing_account_id,
    COALESCE(InvoiceId, CONCAT(BillingAccountId, '-', REPLACE('{month}', '-', ''))) AS invoice_id,
    BillingCurrency AS currency,
    x_ExportTime AS written_at,
    BilledCost AS line_amount,
    CAST(NULL AS BIGNUMERIC) AS export_amount
  FROM `gcp_cost_focus`
  WHERE DATE_TRUNC(DATE(BillingPeriodStart), MONTH) = CAST('{month}-01' AS DATE)
  UNION ALL
  -- What was counted apart from the load.
  SELECT
    provider_table,
    source_name AS source,
    CAST(NULL AS DATE) AS usage_day,
    CAST(NULL AS STRING) AS sub_account_id,
    CAST(NULL AS STRING) AS service,
    IF(provider_table = 'gcp_cost_focus', billing_account_id, IFNULL(billing_account_id, 'Not stated')) AS billing_account_id,
    IF(
      provider_table = 'gcp_cost_focus',
      COALESCE(invoice_id, CONCAT(billing_account_id, '-', REPLACE('{month}', '-', ''))),
      CONCAT(IFNULL(billing_account_id, 'Not stated'), '-', REPLACE('{month}', '-', ''))
    ) AS invoice_id,
    currency,
    CAST(NULL AS TIMESTAMP) AS written_at,
    CAST(NULL AS BIGNUMERIC) AS line_amount,
    amount AS export_amount
  FROM `export_amounts`
  WHERE period = CAST('{month}-01' AS DATE) AND STARTS_WITH(provider_table, 'gcp_')
),
-- Days that were loaded and not counted since: then nothing is said of their source.
uncounted AS (
  SELECT DISTINCT d.provider_table, d.source
  FROM (
    SELECT provider_table, IFNULL(source, '') AS source, usage_day, MAX(written_at) AS written_at
    FROM told
    WHERE export_amount IS NULL
    GROUP BY 1, 2, 3
  ) AS d
  LEFT JOIN (
    SELECT
      provider_table,
      IFNULL(source_name, '') AS source,
      loaded_period,
      MAX(IFNULL(newest_export_time, counted_at)) AS written_at
    FROM `export_amounts`
    GROUP BY 1, 2, 3
  ) AS e ON d.provider_table = e.provider_table AND d.source = e.source AND d.usage_day = e.loaded_period
  WHERE e.loaded_period IS NULL OR d.written_at > e.written_at
)
SELECT
  CAST('{month}-01' AS DATE) AS period,
  'gcp' AS provider,
  t.provider_table,
  t.source,
  t.billing_account_id,
  t.invoice_id,
  t.currency,
  t.usage_day,
  t.sub_account_id,
  t.service,
  COUNTIF(t.export_amount IS NULL) AS row_count,
  SUM(IFNULL(t.line_amount, 0)) AS amount,
  SUM(t.export_amount) AS export_amount,
  '{run_id}' AS run_id,
  CURRENT_TIMESTAMP() AS taken_at
FROM told AS t
LEFT JOIN uncounted AS u ON t.provider_table = u.provider_table AND IFNULL(t.source, '') = u.source
WHERE t.export_amount IS NULL OR u.provider_table IS NULL
GROUP BY
  t.provider_table, t.source, t.billing_account_id, t.invoice_id, t.currency, t.usage_day, t.sub_account_id, t.service
