-- What Google's exports tell of the commitments of an invoice month: how long they are for. They are paid by the month.
WITH told AS (
  SELECT subscription_instance_id, sku_description
  FROM `gcp_cost_billing`
  WHERE IFNULL(NULLIF(invoice_month, ''), FORMAT_DATE('%Y%m', usage_date)) = REPLACE('{month}', '-', '')
  UNION ALL
  SELECT subscription_instance_id, sku_description
  FROM `gcp_cost_standard`
  WHERE IFNULL(NULLIF(invoice_month, ''), FORMAT_DATE('%Y%m', usage_date)) = REPLACE('{month}', '-', '')
),
commitments AS (
  SELECT
    subscription_instance_id AS commitment_id,
    MAX(REGEXP_EXTRACT(sku_description, r'(?i)for ([0-9]+) years?')) AS years
  FROM told
  WHERE IFNULL(subscription_instance_id, '') <> '' AND STARTS_WITH(sku_description, 'Commitment')
  GROUP BY 1
)
SELECT
  CAST('{month}-01' AS DATE) AS period,
  'gcp' AS provider,
  commitment_id,
  commitment_id AS contract_id,
  CAST(NULL AS TIMESTAMP) AS starts,
  CAST(NULL AS TIMESTAMP) AS ends,
  CONCAT(years, IF(years = '1', ' Year', ' Years')) AS duration,
  'No Upfront' AS payment_model,
  CAST(NULL AS BIGNUMERIC) AS upfront_share,
  CAST(NULL AS BIGNUMERIC) AS cost,
  CAST(NULL AS BIGNUMERIC) AS quantity,
  CAST(NULL AS STRING) AS unit,
  CAST(NULL AS STRING) AS description,
  '{run_id}' AS run_id
FROM commitments
