-- One invoice month of Google Cloud's detailed and standard billing exports as FOCUS 1.4. docs/FOCUS.md says each
-- column's rule.
WITH
-- Our own table: what kind of service a service of Google is.
services AS (
  SELECT * FROM UNNEST(ARRAY<STRUCT<name STRING, category STRING, subcategory STRING>>[
    ('Compute Engine', 'Compute', 'Virtual Machines'),
    ('VMware Engine', 'Compute', 'Virtual Machines'),
    ('Kubernetes Engine', 'Compute', 'Containers'),
    ('Artifact Registry', 'Compute', 'Containers'),
    ('Cloud Run', 'Compute', 'Serverless Compute'),
    ('Cloud Run Functions', 'Compute', 'Serverless Compute'),
    ('Cloud Functions', 'Compute', 'Serverless Compute'),
    ('App Engine', 'Web', 'Application Platforms'),
    ('Firebase Hosting', 'Web', 'Application Platforms'),
    ('Cloud Storage', 'Storage', 'Object Storage'),
    ('Cloud Filestore', 'Storage', 'File Storage'),
    ('Backup and DR Service', 'Storage', 'Backup Storage'),
    ('Cloud SQL', 'Databases', 'Relational Databases'),
    ('AlloyDB', 'Databases', 'Relational Databases'),
    ('Cloud Spanner', 'Databases', 'Relational Databases'),
    ('Cloud Bigtable', 'Databases', 'NoSQL Databases'),
    ('Cloud Firestore', 'Databases', 'NoSQL Databases'),
    ('Cloud Memorystore for Redis', 'Databases', 'Caching'),
    ('BigQuery', 'Databases', 'Data Warehouses'),
    ('BigQuery Reservation API', 'Databases', 'Data Warehouses'),
    ('BigQuery Storage API', 'Databases', 'Data Warehouses'),
    ('Cloud Dataflow', 'Analytics', 'Data Processing'),
    ('Cloud Dataproc', 'Analytics', 'Data Processing'),
    ('Cloud Composer', 'Integration', 'Workflow Orchestration'),
    ('Cloud Pub/Sub', 'Integration', 'Messaging'),
    ('Cloud Tasks', 'Integration', 'Messaging'),
    ('Workflows', 'Integration', 'Workflow Orchestration'),
    ('Apigee', 'Integration', 'API Management'),
    ('Looker', 'Analytics', 'Business Intelligence'),
    ('Vertex AI', 'AI and Machine Learning', 'AI Platforms'),
    ('Gemini API', 'AI and Machine Learning', 'Generative AI'),
    ('Cloud Natural Language', 'AI and Machine Learning', 'Natural Language Processing'),
    ('Cloud Vision API', 'AI and Machine Learning', 'Machine Learning'),
    ('Networking', 'Networking', 'Network Infrastructure'),
    ('Cloud DNS', 'Networking', 'Network Routing'),
    ('Cloud CDN', 'Networking', 'Content Delivery'),
    ('Cloud Load Balancing', 'Networking', 'Application Networking'),
    ('Cloud Interconnect', 'Networking', 'Network Connectivity'),
    ('Cloud Armor', 'Networking', 'Network Security'),
    ('Cloud Key Management Service (KMS)', 'Security', 'Secret Management'),
    ('Secret Manager', 'Security', 'Secret Management'),
    ('Security Command Center', 'Security', 'Security Posture Management'),
    ('Cloud Logging', 'Management and Governance', 'Observability'),
    ('Cloud Monitoring', 'Management and Governance', 'Observability'),
    ('Support', 'Management and Governance', 'Support'),
    ('Cloud Build', 'Developer Tools', 'Continuous Integration and Deployment'),
    ('Cloud Workstations', 'Developer Tools', 'Development Environments'),
    ('Identity Platform', 'Identity', 'Identity and Access Management'),
    ('Transcoder API', 'Media', 'Media Streaming'),
    ('BigQuery Data Transfer Service', 'Migration', 'Data Migration')
  ])
),
exports AS (
  SELECT 'gcp_cost_billing' AS source_table, a.* FROM `gcp_cost_billing` AS a
  UNION ALL
  SELECT 'gcp_cost_standard' AS source_table, b.* FROM `gcp_cost_standard` AS b
),
-- The invoice's month is the bill's, also of use that lies before it.
billed_lines AS (
  SELECT
    e.*,
    IFNULL(e.billing_account_id, 'Not stated') AS account,
    NULLIF(e.project_id, '') AS project,
    CONCAT(IF(e.source_table = 'gcp_cost_billing', '1', '2'), IFNULL(e.source_name, '')) AS source_order,
    IFNULL(e.cost_type, 'regular') AS kind
  FROM exports AS e
  WHERE IFNULL(NULLIF(e.invoice_month, ''), FORMAT_DATE('%Y%m', e.usage_date)) = REPLACE('{month}', '-', '')
),
-- Accounts that a source which says primary tells of, be it of these exports or of the FOCUS export.
primaries AS (
  SELECT account, MAX(type) AS type
  FROM (
    SELECT account, 'native' AS type FROM billed_lines WHERE source_name IN UNNEST(SPLIT('{primary_sources}'))
    UNION ALL
    SELECT BillingAccountId, 'focus'
    FROM `gcp_cost_focus`
    WHERE DATE_TRUNC(DATE(BillingPeriodStart), MONTH) = CAST('{month}-01' AS DATE) AND source_name IN UNNEST(SPLIT('{primary_sources}'))
  )
  GROUP BY account
),
-- One bill once: the detailed export before the standard one, then the first by name.
owners AS (
  SELECT r.account, r.project, MIN(r.source_order) AS owner
  FROM billed_lines AS r
  LEFT JOIN primaries AS p ON r.account = p.account
  WHERE p.account IS NULL OR (p.type = 'native' AND r.source_name IN UNNEST(SPLIT('{primary_sources}')))
  GROUP BY r.account, r.project
),
lines AS (
  SELECT
    l.*,
    l.kind = 'regular' AND STARTS_WITH(l.sku_description, 'Commitment') AS is_fee,
    NULLIF(l.subscription_instance_id, '') AS commitment,
    -- The model of 2025: use is charged at the price of the commitment, and the fee is what was not used.
    IFNULL(l.consumption_model_description, 'Default') <> 'Default' AS is_priced_by_commitment,
    (
      SELECT IFNULL(SUM(CAST(JSON_VALUE(TO_JSON(c.amount)) AS BIGNUMERIC)), 0)
      FROM UNNEST(l.credits) AS c
      WHERE c.type IN ('COMMITTED_USAGE_DISCOUNT', 'COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE')
    ) AS committed_credit,
    (
      SELECT IFNULL(SUM(CAST(JSON_VALUE(TO_JSON(c.amount)) AS BIGNUMERIC)), 0)
      FROM UNNEST(l.credits) AS c
      WHERE c.type = 'FEE_UTILIZATION_OFFSET'
    ) AS offset_credit,
    -- Discounts lower what the row costs; other credits are rows of their own.
    (
      SELECT IFNULL(SUM(CAST(JSON_VALUE(TO_JSON(c.amount)) AS BIGNUMERIC)), 0)
      FROM UNNEST(l.credits) AS c
      WHERE c.type IN (
        'COMMITTED_USAGE_DISCOUNT', 'COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE', 'FEE_UTILIZATION_OFFSET', 'DISCOUNT',
        'SUSTAINED_USAGE_DISCOUNT', 'RESELLER_MARGIN'
      )
    ) AS discounts
  FROM billed_lines AS l
  JOIN owners AS o
    ON l.account = o.account AND l.project IS NOT DISTINCT FROM o.project AND l.source_order = o.owner
),
told AS (
  SELECT
    l.*,
    IFNULL(l.cost, 0) + l.discounts AS billed,
    l.commitment IS NOT NULL AND NOT l.is_fee AND l.committed_credit <> 0 AND NOT l.is_priced_by_commitment
      AS is_covered_by_credit,
    -- What of the use the credit pays for.
    IF(
      l.cost = 0,
      l.usage_amount_in_pricing_units,
      l.usage_amount_in_pricing_units * -l.committed_credit / l.cost
    ) AS covered_quantity
  FROM lines AS l
),
fees AS (
  SELECT
    account, commitment, currency,
    SUM(billed) AS fee,
    SUM(IFNULL(usage_amount_in_pricing_units, 0)) AS quantity,
    LOGICAL_OR(offset_credit <> 0) AS is_offset,
    MIN(usage_start_time) AS first_start,
    MAX(usage_end_time) AS last_end
  FROM told
  WHERE is_fee AND commitment IS NOT NULL
  GROUP BY account, commitment, currency
),
spread AS (
  SELECT
    t.*,
    f.commitment IS NOT NULL AS has_fee,
    t.is_covered_by_credit AND f.quantity > 0 AND NOT f.is_offset AS is_amortized,
    IF(
      t.is_covered_by_credit AND f.quantity > 0 AND NOT f.is_offset,
      f.fee * t.covered_quantity / f.quantity,
      0
    ) AS share
  FROM told AS t
  LEFT JOIN fees AS f ON t.account = f.account AND t.commitment = f.commitment AND t.currency = f.currency
),
-- What of each commitment no use of these rows has taken.
leftovers AS (
  SELECT
    f.account, f.commitment, f.currency, f.first_start, f.last_end,
    f.fee - IFNULL(SUM(IF(s.is_amortized, s.share, 0)), 0) AS unused_cost,
    f.quantity - IFNULL(SUM(IF(s.is_amortized, s.covered_quantity, 0)), 0) AS unused_quantity,
    f.is_offset
  FROM fees AS f
  LEFT JOIN spread AS s ON f.account = s.account AND f.commitment = s.commitment AND f.currency = s.currency
  GROUP BY f.account, f.commitment, f.currency, f.first_start, f.last_end, f.fee, f.quantity, f.is_offset
),
parts AS (
  SELECT
    s.*,
    'charge' AS part,
    CAST(NULL AS STRING) AS credit_name,
    s.billed AS part_billed,
    CASE
      WHEN s.is_fee AND s.has_fee THEN 0
      ELSE s.billed + s.share
    END AS part_effective,
    CAST(NULL AS BIGNUMERIC) AS unused_quantity
  FROM spread AS s
  UNION ALL
  SELECT
    s.*,
    'credit' AS part,
    COALESCE(c.full_name, c.name, c.id) AS credit_name,
    CAST(JSON_VALUE(TO_JSON(c.amount)) AS BIGNUMERIC) AS part_billed,
    CAST(JSON_VALUE(TO_JSON(c.amount)) AS BIGNUMERIC) AS part_effective,
    CAST(NULL AS BIGNUMERIC) AS unused_quantity
  FROM spread AS s
  CROSS JOIN UNNEST(s.credits) AS c
  WHERE IFNULL(c.type, '') NOT IN (
    'COMMITTED_USAGE_DISCOUNT', 'COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE', 'FEE_UTILIZATION_OFFSET', 'DISCOUNT',
    'SUSTAINED_USAGE_DISCOUNT', 'RESELLER_MARGIN'
  )
  UNION ALL
  SELECT
    f.* EXCEPT (place, unused_cost, left_quantity, first_start, last_end)
      REPLACE (f.first_start AS usage_start_time, f.last_end AS usage_end_time),
    'unused' AS part,
    CAST(NULL AS STRING) AS credit_name,
    CAST(0 AS BIGNUMERIC) AS part_billed,
    f.unused_cost AS part_effective,
    f.left_quantity AS unused_quantity
  FROM (
    SELECT
      s.*,
      ROW_NUMBER() OVER (PARTITION BY s.account, s.commitment, s.currency ORDER BY s.usage_start_time) AS place,
      l.unused_cost,
      IF(l.is_offset, NULL, l.unused_quantity) AS left_quantity,
      l.first_start,
      l.last_end
    FROM spread AS s
    JOIN leftovers AS l ON s.account = l.account AND s.commitment = l.commitment AND s.currency = l.currency
    WHERE s.is_fee AND l.unused_cost <> 0 AND (l.is_offset OR l.unused_quantity > 0)
  ) AS f
  WHERE f.place = 1
),
charges AS (
  SELECT
    p.*,
    p.part = 'unused' AS is_unused,
    p.part = 'charge' AND p.is_fee AS is_purchase,
    p.part = 'charge' AND p.kind = 'regular' AND NOT p.is_fee AS is_use,
    p.part = 'charge' AND NOT p.is_fee AND (p.is_amortized OR (p.is_priced_by_commitment AND p.kind = 'regular'))
      AS is_covered,
    CASE
      WHEN p.part = 'credit' THEN 'Credit'
      WHEN p.part = 'unused' THEN 'Usage'
      WHEN p.kind = 'tax' THEN 'Tax'
      WHEN p.kind <> 'regular' THEN 'Adjustment'
      WHEN p.is_fee THEN 'Purchase'
      ELSE 'Usage'
    END AS charge_category,
    COALESCE(NULLIF(p.resource_global_name, ''), NULLIF(p.resource_name, '')) AS resource,
    COALESCE(NULLIF(p.region, ''), IF(p.location IN ('global', ''), NULL, p.location)) AS place_of_use,
    IFNULL(p.invoice_publisher_type, '') = 'PARTNER' AS is_marketplace,
    -- With GKE's cost allocation a row is what a workload asked for of a node.
    IF(
      p.part = 'unused',
      NULL,
      (SELECT MAX(NULLIF(l.value, '')) FROM UNNEST(p.labels) AS l WHERE l.key = 'k8s-namespace')
    ) AS k8s_namespace,
    (SELECT MAX(NULLIF(l.value, '')) FROM UNNEST(p.labels) AS l WHERE l.key = 'goog-k8s-cluster-name') AS k8s_cluster,
    (SELECT MAX(NULLIF(l.value, '')) FROM UNNEST(p.labels) AS l WHERE l.key = 'k8s-workload-name') AS k8s_workload
  FROM parts AS p
),
units AS (
  SELECT * FROM UNNEST(ARRAY<STRUCT<theirs STRING, ours STRING>>[
    ('hour', 'Hours'), ('hours', 'Hours'), ('second', 'Seconds'), ('seconds', 'Seconds'), ('month', 'Months'),
    ('count', 'Units'), ('counts', 'Units'), ('requests', 'Requests'), ('bytes', 'Bytes'),
    ('byte-seconds', 'Byte-Seconds'), ('gibibyte', 'GiB'), ('tebibyte', 'TiB'), ('gibibyte hour', 'GiB-Hours'),
    ('gibibyte month', 'GiB-Months'), ('tebibyte month', 'TiB-Months'), ('mebibyte', 'MiB')
  ])
)
SELECT
  CAST(NULL AS JSON) AS AllocatedMethodDetails,
  IF(k8s_namespace IS NULL, NULL, 'GKE cost allocation') AS AllocatedMethodId,
  -- What no workload asked for is nobody's.
  IF(
    k8s_namespace IS NULL
      OR k8s_namespace IN ('kube:unallocated', 'kube:system-overhead', 'goog-k8s-unsupported-sku', 'goog-k8s-unknown'),
    NULL,
    ARRAY_TO_STRING([k8s_cluster, k8s_namespace, k8s_workload], '/')
  ) AS AllocatedResourceId,
  IF(
    k8s_namespace IS NULL
      OR k8s_namespace IN ('kube:unallocated', 'kube:system-overhead', 'goog-k8s-unsupported-sku', 'goog-k8s-unknown'),
    NULL,
    COALESCE(k8s_workload, k8s_namespace)
  ) AS AllocatedResourceName,
  IF(
    k8s_namespace IS NULL,
    NULL,
    PARSE_JSON(CONCAT('{', ARRAY_TO_STRING(ARRAY(
      SELECT CONCAT(TO_JSON_STRING(l.key), ':', IF(IFNULL(l.value, '') = '', 'true', TO_JSON_STRING(l.value)))
      FROM UNNEST(labels) AS l
    ), ','), '}'))
  ) AS AllocatedTags,
  NULLIF(zone, '') AS AvailabilityZone,
  part_billed AS BilledCost,
  account AS BillingAccountId,
  CAST(NULL AS STRING) AS BillingAccountName,
  'Billing Account' AS BillingAccountType,
  currency AS BillingCurrency,
  TIMESTAMP(DATE_ADD(CAST('{month}-01' AS DATE), INTERVAL 1 MONTH)) AS BillingPeriodEnd,
  TIMESTAMP(CAST('{month}-01' AS DATE)) AS BillingPeriodStart,
  CAST(NULL AS STRING) AS CapacityReservationId,
  CAST(NULL AS STRING) AS CapacityReservationStatus,
  charge_category AS ChargeCategory,
  IF(
    NULLIF(adjustment_id, '') IS NOT NULL AND usage_start_time < TIMESTAMP(CAST('{month}-01' AS DATE)),
    'Correction', NULL
  ) AS ChargeClass,
  IF(part = 'credit', credit_name, NULLIF(sku_description, '')) AS ChargeDescription,
  CASE
    WHEN is_purchase THEN 'Recurring'
    WHEN charge_category = 'Usage' THEN 'Usage-Based'
    ELSE 'One-Time'
  END AS ChargeFrequency,
  IFNULL(usage_end_time, usage_start_time) AS ChargePeriodEnd,
  usage_start_time AS ChargePeriodStart,
  CASE
    WHEN NOT (is_covered OR is_unused OR is_purchase) OR commitment IS NULL THEN NULL
    WHEN is_priced_by_commitment OR STRPOS(LOWER(sku_description), 'dollar based') > 0 THEN 'Spend'
    ELSE 'Usage'
  END AS CommitmentDiscountCategory,
  IF(is_covered OR is_unused OR is_purchase, commitment, NULL) AS CommitmentDiscountId,
  CASE
    WHEN NOT (is_covered OR is_unused OR is_purchase) OR commitment IS NULL THEN NULL
    WHEN is_priced_by_commitment THEN consumption_model_description
    WHEN is_purchase OR is_unused THEN sku_description
  END AS CommitmentDiscountName,
  CASE
    WHEN commitment IS NULL THEN NULL
    WHEN is_purchase THEN usage_amount_in_pricing_units
    WHEN is_unused THEN unused_quantity
    WHEN is_covered AND is_amortized THEN covered_quantity
    WHEN is_covered THEN part_effective
  END AS CommitmentDiscountQuantity,
  CASE
    WHEN commitment IS NULL THEN NULL
    WHEN is_covered THEN 'Used'
    WHEN is_unused THEN 'Unused'
  END AS CommitmentDiscountStatus,
  IF(
    (is_covered OR is_unused OR is_purchase) AND commitment IS NOT NULL, 'Committed Use Discount', NULL
  ) AS CommitmentDiscountType,
  CASE
    WHEN commitment IS NULL OR NOT (is_covered OR is_unused OR is_purchase) THEN NULL
    WHEN is_covered AND NOT is_amortized THEN currency
    WHEN is_unused AND unused_quantity IS NULL THEN NULL
    ELSE COALESCE(p.ours, NULLIF(pricing_unit, ''), 'Units')
  END AS CommitmentDiscountUnit,
  CAST(NULL AS JSON) AS CommitmentProgramEligibilityDetails,
  IF(is_use, usage_amount, NULL) AS ConsumedQuantity,
  IF(is_use AND usage_amount IS NOT NULL, COALESCE(u.ours, NULLIF(usage_unit, ''), 'Units'), NULL) AS ConsumedUnit,
  -- Priced by a commitment, use takes its money; else its quantity.
  IF(
    is_covered AND commitment IS NOT NULL,
    PARSE_JSON(CONCAT(
      '{"Elements":[{"ContractId":', TO_JSON_STRING(commitment),
      ',"ContractCommitmentId":', TO_JSON_STRING(commitment),
      IF(
        is_amortized AND covered_quantity IS NOT NULL,
        CONCAT(
          ',"ContractCommitmentAppliedQuantity":', CAST(CAST(covered_quantity AS FLOAT64) AS STRING),
          ',"ContractCommitmentAppliedUnit":', TO_JSON_STRING(COALESCE(p.ours, NULLIF(pricing_unit, ''), 'Units'))
        ),
        CONCAT(',"ContractCommitmentAppliedCost":', CAST(CAST(part_effective AS FLOAT64) AS STRING))
      ),
      '}]}'
    )),
    NULL
  ) AS ContractApplied,
  CASE
    WHEN is_unused OR part = 'credit' THEN 0
    WHEN is_covered AND is_priced_by_commitment THEN COALESCE(cost_at_effective_price_default, cost, 0)
    ELSE IFNULL(cost, 0)
  END AS ContractedCost,
  IF(is_use, COALESCE(price_effective_price_default, price_effective_price), NULL) AS ContractedUnitPrice,
  part_effective AS EffectiveCost,
  'Google Cloud' AS HostProviderName,
  -- A line of the invoice is all of one category.
  TO_HEX(MD5(CONCAT(
    '{month}|', source_table, '|', IFNULL(source_name, ''), '|', account, '|Google Cloud|', currency, '|',
    charge_category
  ))) AS InvoiceDetailId,
  CONCAT(account, '-', REPLACE('{month}', '-', '')) AS InvoiceId,
  'Google Cloud' AS InvoiceIssuerName,
  CASE
    WHEN is_unused THEN NULL
    WHEN part = 'credit' THEN 0
    WHEN is_use THEN COALESCE(cost_at_list, cost, 0)
    ELSE IFNULL(cost, 0)
  END AS ListCost,
  IF(is_use, price_list_price, NULL) AS ListUnitPrice,
  CASE
    WHEN is_covered OR is_unused THEN 'Committed'
    WHEN charge_category NOT IN ('Usage', 'Purchase') THEN NULL
    WHEN STRPOS(sku_description, 'Spot Preemptible') > 0 THEN 'Dynamic'
    ELSE 'Standard'
  END AS PricingCategory,
  currency AS PricingCurrency,
  CAST(NULL AS BIGNUMERIC) AS PricingCurrencyContractedUnitPrice,
  part_effective AS PricingCurrencyEffectiveCost,
  CAST(NULL AS BIGNUMERIC) AS PricingCurrencyListUnitPrice,
  CASE
    WHEN NOT (is_use OR is_purchase) THEN NULL
    WHEN IFNULL(price_pricing_unit_quantity, 1) IN (0, 1) THEN usage_amount_in_pricing_units
    ELSE usage_amount_in_pricing_units / price_pricing_unit_quantity
  END AS PricingQuantity,
  CASE
    WHEN NOT (is_use OR is_purchase) OR usage_amount_in_pricing_units IS NULL THEN NULL
    WHEN IFNULL(price_pricing_unit_quantity, 1) IN (0, 1) THEN COALESCE(p.ours, NULLIF(pricing_unit, ''), 'Units')
    ELSE CONCAT(
      CAST(price_pricing_unit_quantity AS STRING), ' ', COALESCE(p.ours, NULLIF(pricing_unit, ''), 'Units')
    )
  END AS PricingUnit,
  place_of_use AS RegionId,
  place_of_use AS RegionName,
  IF(is_unused, NULL, resource) AS ResourceId,
  IF(is_unused OR resource IS NULL, NULL, NULLIF(resource_name, '')) AS ResourceName,
  IF(is_unused, NULL, REGEXP_EXTRACT(resource_global_name, r'/([^/]+)/[^/]+$')) AS ResourceType,
  IFNULL(s.category, 'Other') AS ServiceCategory,
  COALESCE(NULLIF(service_description, ''), NULLIF(service_id, ''), 'Not stated') AS ServiceName,
  IF(is_marketplace, COALESCE(NULLIF(seller_name, ''), 'Google Cloud'), 'Google Cloud') AS ServiceProviderName,
  IFNULL(s.subcategory, 'Other (Other)') AS ServiceSubcategory,
  IF(is_use OR is_purchase, NULLIF(sku_id, ''), NULL) AS SkuId,
  IF(is_use OR is_purchase, NULLIF(sku_description, ''), NULL) AS SkuMeter,
  CAST(NULL AS JSON) AS SkuPriceDetails,
  IF(
    (is_use OR is_purchase) AND NULLIF(sku_id, '') IS NOT NULL,
    CONCAT(sku_id, '/', IFNULL(CAST(price_tier_start_amount AS STRING), '0')),
    NULL
  ) AS SkuPriceId,
  project AS SubAccountId,
  IF(project IS NULL, NULL, NULLIF(project_name, '')) AS SubAccountName,
  IF(project IS NULL, NULL, 'Project') AS SubAccountType,
  -- Labels of the resource as they are, others with what they are of.
  PARSE_JSON(CONCAT('{', ARRAY_TO_STRING(ARRAY_CONCAT(
    ARRAY(
      SELECT CONCAT(TO_JSON_STRING(l.key), ':', IF(IFNULL(l.value, '') = '', 'true', TO_JSON_STRING(l.value)))
      FROM UNNEST(labels) AS l
    ),
    ARRAY(
      SELECT CONCAT(
        TO_JSON_STRING(CONCAT('project/', l.key)), ':', IF(IFNULL(l.value, '') = '', 'true', TO_JSON_STRING(l.value))
      )
      FROM UNNEST(project_labels) AS l
    ),
    ARRAY(
      SELECT CONCAT(
        TO_JSON_STRING(CONCAT('system/', l.key)), ':', IF(IFNULL(l.value, '') = '', 'true', TO_JSON_STRING(l.value))
      )
      FROM UNNEST(system_labels) AS l
    ),
    ARRAY(
      SELECT CONCAT(
        TO_JSON_STRING(CONCAT('tag/', l.key)), ':', IF(IFNULL(l.value, '') = '', 'true', TO_JSON_STRING(l.value))
      )
      FROM UNNEST(tags) AS l
    )
  ), ','), '}')) AS Tags,
  CAST('{month}-01' AS DATE) AS x_BillingPeriod,
  'gcp' AS x_SourceProvider,
  'native' AS x_SourceType,
  source_name AS x_SourceName,
  source_table AS x_SourceTable,
  CAST(NULL AS STRING) AS x_SourceFile,
  '{run_id}' AS x_RunId,
  CAST(NULL AS STRING) AS x_FocusSourceVersion,
  ARRAY_TO_STRING(
    [
      IF(account = 'Not stated', 'BillingAccountId: not stated', NULL),
      'BillingAccountType, InvoiceIssuerName: fixed',
      'InvoiceId: account and invoice month',
      'PricingCurrency, PricingCurrencyEffectiveCost: those of the bill',
      IF(NULLIF(invoice_month, '') IS NULL, 'BillingPeriodStart: month of use', NULL),
      IF(is_use AND cost_at_list IS NULL, 'ListCost: cost', NULL),
      IF(charge_category NOT IN ('Usage', 'Credit'), 'ListCost: cost', NULL),
      IF(is_unused, 'ContractedCost: 0, unused', NULL),
      IF(is_unused, 'CommitmentDiscountStatus: by the use that these sources tell', NULL),
      IF(is_purchase AND offset_credit <> 0, 'BilledCost: the fee without what use has paid of it', NULL),
      IF(is_purchase AND NOT has_fee, 'EffectiveCost: billed cost, for the commitment is not told', NULL),
      IF(s.name IS NULL, 'ServiceCategory: not in our table', NULL)
    ],
    '; '
  ) AS x_Assumptions,
  IF(is_marketplace, COALESCE(NULLIF(seller_name, ''), 'Google Cloud'), 'Google Cloud') AS x_PublisherName,
  CAST(NULL AS BIGNUMERIC) AS x_SourceEffectiveCost
FROM charges
LEFT JOIN services AS s ON s.name = service_description
LEFT JOIN units AS p ON p.theirs = pricing_unit
LEFT JOIN units AS u ON u.theirs = usage_unit
