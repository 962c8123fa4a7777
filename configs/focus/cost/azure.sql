-- One month of Azure's exports of actual and amortized cost as FOCUS 1.4. docs/FOCUS.md says each column's rule.
WITH
-- Our own table: what kind of service a meter's category is.
services AS (
  SELECT * FROM UNNEST(ARRAY<STRUCT<name STRING, category STRING, subcategory STRING>>[
    ('Virtual Machines', 'Compute', 'Virtual Machines'),
    ('Virtual Machines Licenses', 'Compute', 'Virtual Machines'),
    ('Azure App Service', 'Web', 'Application Platforms'),
    ('Functions', 'Compute', 'Serverless Compute'),
    ('Azure Container Apps', 'Compute', 'Containers'),
    ('Container Instances', 'Compute', 'Containers'),
    ('Container Registry', 'Compute', 'Containers'),
    ('Azure Kubernetes Service', 'Compute', 'Containers'),
    ('Azure Virtual Desktop', 'Compute', 'End User Computing'),
    ('Storage', 'Storage', 'Storage Platforms'),
    ('Azure NetApp Files', 'Storage', 'File Storage'),
    ('Backup', 'Storage', 'Backup Storage'),
    ('SQL Database', 'Databases', 'Relational Databases'),
    ('SQL Managed Instance', 'Databases', 'Relational Databases'),
    ('Azure Database for PostgreSQL', 'Databases', 'Relational Databases'),
    ('Azure Database for MySQL', 'Databases', 'Relational Databases'),
    ('Azure Cosmos DB', 'Databases', 'NoSQL Databases'),
    ('Redis Cache', 'Databases', 'Caching'),
    ('Azure Synapse Analytics', 'Databases', 'Data Warehouses'),
    ('Azure Databricks', 'Analytics', 'Analytics Platforms'),
    ('Azure Data Factory', 'Analytics', 'Data Processing'),
    ('Azure Data Factory v2', 'Analytics', 'Data Processing'),
    ('Azure Data Explorer', 'Analytics', 'Analytics Platforms'),
    ('HDInsight', 'Analytics', 'Data Processing'),
    ('Event Hubs', 'Analytics', 'Streaming Analytics'),
    ('Stream Analytics', 'Analytics', 'Streaming Analytics'),
    ('Power BI', 'Analytics', 'Business Intelligence'),
    ('Azure Cognitive Search', 'Analytics', 'Search'),
    ('Cognitive Services', 'AI and Machine Learning', 'AI Platforms'),
    ('Azure OpenAI', 'AI and Machine Learning', 'Generative AI'),
    ('Azure Machine Learning', 'AI and Machine Learning', 'Machine Learning'),
    ('Service Bus', 'Integration', 'Messaging'),
    ('Event Grid', 'Integration', 'Messaging'),
    ('Logic Apps', 'Integration', 'Workflow Orchestration'),
    ('API Management', 'Integration', 'API Management'),
    ('Virtual Network', 'Networking', 'Network Infrastructure'),
    ('Bandwidth', 'Networking', 'Network Infrastructure'),
    ('Load Balancer', 'Networking', 'Application Networking'),
    ('Application Gateway', 'Networking', 'Application Networking'),
    ('Azure DNS', 'Networking', 'Network Routing'),
    ('Azure Front Door Service', 'Networking', 'Content Delivery'),
    ('Content Delivery Network', 'Networking', 'Content Delivery'),
    ('ExpressRoute', 'Networking', 'Network Connectivity'),
    ('VPN Gateway', 'Networking', 'Network Connectivity'),
    ('Azure Firewall', 'Networking', 'Network Security'),
    ('NAT Gateway', 'Networking', 'Network Infrastructure'),
    ('Key Vault', 'Security', 'Secret Management'),
    ('Microsoft Defender for Cloud', 'Security', 'Security Posture Management'),
    ('Sentinel', 'Security', 'Threat Detection and Response'),
    ('Azure Monitor', 'Management and Governance', 'Observability'),
    ('Log Analytics', 'Management and Governance', 'Observability'),
    ('Application Insights', 'Management and Governance', 'Observability'),
    ('Automation', 'Management and Governance', 'Other (Management and Governance)'),
    ('Azure Site Recovery', 'Management and Governance', 'Disaster Recovery'),
    ('IoT Hub', 'Internet of Things', 'IoT Platforms'),
    ('Microsoft Entra ID', 'Identity', 'Identity and Access Management'),
    ('Azure DevOps', 'Developer Tools', 'Continuous Integration and Deployment'),
    ('GitHub', 'Developer Tools', 'Source Code Management')
  ])
),
-- Both exports tell the same money, the one when it was paid and the other when it was used.
exports AS (
  SELECT 'azure_cost_exports' AS source_table, a.* FROM `azure_cost_exports` AS a
  WHERE a.billing_period = CAST('{month}-01' AS DATE)
  UNION ALL
  SELECT 'azure_cost_amortized' AS source_table, b.* FROM `azure_cost_amortized` AS b
  WHERE b.billing_period = CAST('{month}-01' AS DATE)
),
accounted AS (
  SELECT
    e.*,
    -- Of Microsoft's customer agreement the profile is what an invoice is for.
    COALESCE(NULLIF(e.billing_profile_id, ''), NULLIF(e.billing_account_id, ''), 'Not stated') AS account,
    IFNULL(e.subscription_id, '') AS subscription,
    IFNULL(e.pricing_model, '') IN ('Reservation', 'SavingsPlan') AS is_committed,
    REPLACE(IFNULL(e.charge_type, 'Usage'), ' ', '') AS kind,
    IFNULL(e.cost_in_billing_currency, 0) AS cost
  FROM exports AS e
),
-- Accounts that a source which says primary tells of: by kind of these exports, and of the FOCUS exports.
primaries AS (
  SELECT LOWER(REGEXP_EXTRACT(account, r'[^/]+$')) AS account, source_table
  FROM accounted
  WHERE source_name IN UNNEST(SPLIT('{primary_sources}'))
  UNION DISTINCT
  SELECT LOWER(REGEXP_EXTRACT(BillingAccountId, r'[^/]+$')), 'azure_cost_focus'
  FROM `azure_cost_focus`
  WHERE billing_period = CAST('{month}-01' AS DATE) AND source_name IN UNNEST(SPLIT('{primary_sources}'))
),
fed AS (
  SELECT
    account,
    LOGICAL_OR(source_table = 'azure_cost_exports') AS has_actual,
    LOGICAL_OR(source_table = 'azure_cost_amortized') AS has_amortized,
    LOGICAL_AND(source_table = 'azure_cost_focus') AS is_elsewhere
  FROM primaries
  GROUP BY account
),
-- One bill once: where two exports of a kind tell of one subscription's month, the first by name counts.
owners AS (
  SELECT r.source_table, r.account, r.subscription, MIN(IFNULL(r.source_name, '')) AS owner
  FROM accounted AS r
  LEFT JOIN fed AS f ON LOWER(REGEXP_EXTRACT(r.account, r'[^/]+$')) = f.account
  WHERE f.account IS NULL
    OR (
      NOT f.is_elsewhere
      AND (
        NOT IF(r.source_table = 'azure_cost_amortized', f.has_amortized, f.has_actual)
        OR r.source_name IN UNNEST(SPLIT('{primary_sources}'))
      )
    )
  GROUP BY r.source_table, r.account, r.subscription
),
-- Accounts whose commitments are spread over what they cover.
amortized AS (
  SELECT DISTINCT account FROM accounted WHERE source_table = 'azure_cost_amortized'
),
told AS (
  SELECT a.*, m.account IS NOT NULL AS is_amortized
  FROM accounted AS a
  JOIN owners AS o
    ON a.source_table = o.source_table AND a.account = o.account AND a.subscription = o.subscription
    AND IFNULL(a.source_name, '') = o.owner
  LEFT JOIN amortized AS m ON a.account = m.account
  -- Of an account with both, the actual cost has only what the amortized one leaves out: purchases of commitments.
  WHERE a.source_table = 'azure_cost_amortized'
    OR m.account IS NULL
    OR (a.kind IN ('Purchase', 'Refund') AND a.is_committed)
),
measured AS (
  SELECT
    t.*,
    t.kind IN ('UnusedReservation', 'UnusedSavingsPlan') AS is_unused,
    t.kind = 'Usage' AND t.is_committed AS is_covered,
    t.kind IN ('Purchase', 'Refund') AS is_purchase,
    t.kind IN ('Purchase', 'Refund') AND t.is_committed AS is_bought_commitment,
    t.kind = 'Usage' AS is_use,
    IFNULL(t.exchange_rate_pricing_to_billing, 1) AS rate,
    -- '10K' is a block of 10000 units, '100 Hours' one of 100 hours.
    IFNULL(SAFE_CAST(REGEXP_EXTRACT(t.unit_of_measure, r'^\s*([0-9]+)') AS BIGNUMERIC), 1)
    * CASE REGEXP_EXTRACT(t.unit_of_measure, r'^\s*[0-9]+\s*([KM])(?:\s|/|$)')
      WHEN 'K' THEN CAST(1000 AS BIGNUMERIC)
      WHEN 'M' THEN CAST(1000000 AS BIGNUMERIC)
      ELSE CAST(1 AS BIGNUMERIC)
    END AS block,
    TRIM(REGEXP_REPLACE(t.unit_of_measure, r'^\s*[0-9]+\s*(?:[KM](\s|/|$))?', r'\1')) AS measure
  FROM told AS t
),
united AS (
  SELECT
    m.*,
    CASE
      WHEN m.measure IS NULL THEN NULL
      WHEN m.measure = '' THEN 'Units'
      WHEN m.measure IN ('Hour', 'Hours', '/Hour') THEN 'Hours'
      WHEN m.measure IN ('GB/Month', 'GB Month') THEN 'GB-Months'
      WHEN STARTS_WITH(m.measure, '/') THEN CONCAT('Units', m.measure)
      ELSE m.measure
    END AS unit,
    -- Exports give the quantity in blocks; older ones in units, which the cost shows.
    IF(
      m.block > 1
      AND ABS(IFNULL(m.effective_price, 0) * m.rate * IFNULL(m.quantity, 0) - m.cost * m.block)
        < ABS(IFNULL(m.effective_price, 0) * m.rate * IFNULL(m.quantity, 0) - m.cost),
      m.quantity / m.block,
      m.quantity
    ) AS blocks
  FROM measured AS m
),
priced AS (
  SELECT
    u.*,
    u.pay_g_price * u.rate AS list_price,
    IF(u.unit_price > 0, u.unit_price * u.rate, NULL) AS contracted_price,
    COALESCE(u.payg_cost_in_billing_currency, IF(u.pay_g_price > 0, u.pay_g_price * u.rate * u.blocks, NULL)) AS list,
    IF(u.is_unused OR u.is_covered, 0, u.cost) AS billed,
    IF(u.is_bought_commitment AND u.is_amortized, 0, u.cost) AS effective,
    NULLIF(COALESCE(NULLIF(u.benefit_id, ''), u.reservation_id), '') AS commitment,
    IFNULL(u.publisher_type, '') = 'Marketplace' AS is_marketplace,
    NULLIF(u.invoice_id, '') AS invoice,
    COALESCE(NULLIF(u.partner_name, ''), NULLIF(u.reseller_name, ''), 'Microsoft') AS issuer,
    NULLIF(u.resource_id, '') AS resource,
    NULLIF(COALESCE(NULLIF(u.resource_location, ''), u.location), '') AS region,
    COALESCE(
      NULLIF(u.service_name, ''), NULLIF(u.meter_category, ''),
      IF(IFNULL(u.publisher_type, '') = 'Marketplace', NULLIF(u.publisher_name, ''), NULL),
      NULLIF(u.meter_sub_category, ''), NULLIF(u.product_name, ''), 'Not stated'
    ) AS service
  FROM united AS u
),
charges AS (
  SELECT
    p.*,
    p.pricing_model = 'SavingsPlan' OR STRPOS(LOWER(p.commitment), '/microsoft.billingbenefits/') > 0 AS is_plan,
    CASE
      WHEN p.kind IN ('Usage', 'UnusedReservation', 'UnusedSavingsPlan') THEN 'Usage'
      WHEN p.is_purchase THEN 'Purchase'
      WHEN p.kind = 'Tax' THEN 'Tax'
      WHEN p.kind = 'Credit' THEN 'Credit'
      ELSE 'Adjustment'
    END AS charge_category
  FROM priced AS p
)
SELECT
  CAST(NULL AS JSON) AS AllocatedMethodDetails,
  CAST(NULL AS STRING) AS AllocatedMethodId,
  CAST(NULL AS STRING) AS AllocatedResourceId,
  CAST(NULL AS STRING) AS AllocatedResourceName,
  CAST(NULL AS JSON) AS AllocatedTags,
  IF(is_unused, NULL, NULLIF(availability_zone, '')) AS AvailabilityZone,
  billed AS BilledCost,
  account AS BillingAccountId,
  NULLIF(
    IF(NULLIF(billing_profile_id, '') IS NULL, billing_account_name, IFNULL(billing_profile_name, billing_account_name)),
    ''
  ) AS BillingAccountName,
  IF(
    NULLIF(billing_profile_id, '') IS NULL OR billing_profile_id = billing_account_id,
    'Billing Account',
    'Billing Profile'
  ) AS BillingAccountType,
  billing_currency_code AS BillingCurrency,
  TIMESTAMP(DATE_ADD(CAST('{month}-01' AS DATE), INTERVAL 1 MONTH)) AS BillingPeriodEnd,
  TIMESTAMP(CAST('{month}-01' AS DATE)) AS BillingPeriodStart,
  CAST(NULL AS STRING) AS CapacityReservationId,
  CAST(NULL AS STRING) AS CapacityReservationStatus,
  charge_category AS ChargeCategory,
  IF(
    kind = 'Refund' OR (NOT is_purchase AND date < CAST('{month}-01' AS DATE)), 'Correction', NULL
  ) AS ChargeClass,
  NULLIF(product_name, '') AS ChargeDescription,
  CASE
    WHEN frequency = 'Recurring' THEN 'Recurring'
    WHEN charge_category = 'Usage' AND IFNULL(frequency, 'UsageBased') = 'UsageBased' THEN 'Usage-Based'
    ELSE 'One-Time'
  END AS ChargeFrequency,
  TIMESTAMP(DATE_ADD(
    COALESCE(IF(is_purchase, service_period_end_date, NULL), date), INTERVAL 1 DAY
  )) AS ChargePeriodEnd,
  TIMESTAMP(COALESCE(IF(is_purchase, service_period_start_date, NULL), date)) AS ChargePeriodStart,
  IF(commitment IS NULL, NULL, IF(is_plan, 'Spend', 'Usage')) AS CommitmentDiscountCategory,
  commitment AS CommitmentDiscountId,
  IF(
    commitment IS NULL, NULL, NULLIF(COALESCE(NULLIF(benefit_name, ''), reservation_name), '')
  ) AS CommitmentDiscountName,
  CASE
    WHEN commitment IS NULL OR NOT (is_covered OR is_unused) THEN NULL
    WHEN is_plan THEN effective
    ELSE blocks * block
  END AS CommitmentDiscountQuantity,
  CASE
    WHEN commitment IS NULL THEN NULL
    WHEN is_covered THEN 'Used'
    WHEN is_unused THEN 'Unused'
  END AS CommitmentDiscountStatus,
  IF(commitment IS NULL, NULL, IF(is_plan, 'Savings Plan', 'Reservation')) AS CommitmentDiscountType,
  CASE
    WHEN commitment IS NULL OR NOT (is_covered OR is_unused) THEN NULL
    WHEN is_plan THEN billing_currency_code
    WHEN blocks IS NULL THEN NULL
    ELSE IFNULL(unit, 'Units')
  END AS CommitmentDiscountUnit,
  CAST(NULL AS JSON) AS CommitmentProgramEligibilityDetails,
  IF(is_use, blocks * block, NULL) AS ConsumedQuantity,
  IF(is_use AND blocks IS NOT NULL, IFNULL(unit, 'Units'), NULL) AS ConsumedUnit,
  -- Plans are used up by money, reservations by quantity. The contract of a reservation or plan is its order.
  IF(
    is_covered AND commitment IS NOT NULL,
    PARSE_JSON(CONCAT(
      '{"Elements":[{"ContractId":',
      TO_JSON_STRING(COALESCE(REGEXP_EXTRACT(commitment, r'(?i)^(.*Orders/[^/]+)/'), commitment)),
      ',"ContractCommitmentId":', TO_JSON_STRING(commitment),
      IF(
        is_plan OR blocks IS NULL,
        CONCAT(',"ContractCommitmentAppliedCost":', CAST(CAST(effective AS FLOAT64) AS STRING)),
        CONCAT(
          ',"ContractCommitmentAppliedQuantity":', CAST(CAST(blocks * block AS FLOAT64) AS STRING),
          ',"ContractCommitmentAppliedUnit":', TO_JSON_STRING(IFNULL(unit, 'Units'))
        )
      ),
      '}]}'
    )),
    NULL
  ) AS ContractApplied,
  CASE
    WHEN is_unused OR charge_category = 'Credit' THEN 0
    WHEN NOT is_use THEN cost
    WHEN contracted_price IS NOT NULL AND blocks IS NOT NULL THEN contracted_price * blocks
    WHEN is_covered THEN COALESCE(list, cost)
    ELSE cost
  END AS ContractedCost,
  CASE
    WHEN NOT is_use THEN NULL
    WHEN is_covered THEN COALESCE(contracted_price, list_price)
    ELSE contracted_price
  END AS ContractedUnitPrice,
  effective AS EffectiveCost,
  'Microsoft' AS HostProviderName,
  -- A line of the invoice is all of one category. Without an invoice there is no line yet.
  TO_HEX(MD5(CONCAT(
    '{month}|', source_table, '|', IFNULL(source_name, ''), '|', account, '|', invoice, '|', issuer, '|',
    billing_currency_code, '|', charge_category
  ))) AS InvoiceDetailId,
  invoice AS InvoiceId,
  issuer AS InvoiceIssuerName,
  CASE
    WHEN is_unused THEN NULL
    WHEN charge_category = 'Credit' THEN 0
    WHEN NOT is_use THEN cost
    WHEN list IS NOT NULL THEN list
    WHEN contracted_price IS NOT NULL AND blocks IS NOT NULL THEN contracted_price * blocks
    ELSE cost
  END AS ListCost,
  IF(is_use AND list_price > 0, list_price, NULL) AS ListUnitPrice,
  CASE
    WHEN is_covered OR is_unused THEN 'Committed'
    WHEN charge_category NOT IN ('Usage', 'Purchase') THEN NULL
    WHEN pricing_model = 'Spot' THEN 'Dynamic'
    ELSE 'Standard'
  END AS PricingCategory,
  COALESCE(NULLIF(pricing_currency, ''), billing_currency_code) AS PricingCurrency,
  IF(
    is_use AND pricing_currency <> billing_currency_code AND unit_price > 0, unit_price, NULL
  ) AS PricingCurrencyContractedUnitPrice,
  CASE
    WHEN effective = 0 THEN 0
    WHEN effective = cost THEN COALESCE(cost_in_pricing_currency, effective)
    ELSE effective
  END AS PricingCurrencyEffectiveCost,
  IF(
    is_use AND pricing_currency <> billing_currency_code AND pay_g_price > 0, pay_g_price, NULL
  ) AS PricingCurrencyListUnitPrice,
  IF(is_use OR is_purchase, blocks, NULL) AS PricingQuantity,
  CASE
    WHEN NOT (is_use OR is_purchase) OR blocks IS NULL THEN NULL
    WHEN block = 1 THEN IFNULL(unit, 'Units')
    ELSE CONCAT(CAST(block AS STRING), ' ', IFNULL(unit, 'Units'))
  END AS PricingUnit,
  LOWER(REPLACE(region, ' ', '')) AS RegionId,
  region AS RegionName,
  IF(is_unused, NULL, resource) AS ResourceId,
  IF(
    is_unused OR resource IS NULL, NULL, COALESCE(NULLIF(resource_name, ''), REGEXP_EXTRACT(resource, r'[^/]+$'))
  ) AS ResourceName,
  IF(
    is_unused, NULL, COALESCE(REGEXP_EXTRACT(resource, r'(?i)/providers/([^/]+/[^/]+)'), NULLIF(resource_type, ''))
  ) AS ResourceType,
  IFNULL(s.category, 'Other') AS ServiceCategory,
  service AS ServiceName,
  CASE
    WHEN is_marketplace THEN COALESCE(NULLIF(publisher_name, ''), 'Microsoft')
    WHEN publisher_type = 'AWS' THEN 'AWS'
    ELSE 'Microsoft'
  END AS ServiceProviderName,
  IFNULL(s.subcategory, 'Other (Other)') AS ServiceSubcategory,
  IF(is_use OR is_purchase, COALESCE(NULLIF(product_id, ''), NULLIF(meter_id, '')), NULL) AS SkuId,
  IF(is_use OR is_purchase, NULLIF(meter_name, ''), NULL) AS SkuMeter,
  CAST(NULL AS JSON) AS SkuPriceDetails,
  IF(is_use OR is_purchase, NULLIF(part_number, ''), NULL) AS SkuPriceId,
  NULLIF(subscription, '') AS SubAccountId,
  IF(subscription = '', NULL, NULLIF(subscription_name, '')) AS SubAccountName,
  IF(subscription = '', NULL, 'Subscription') AS SubAccountType,
  tags AS Tags,
  CAST('{month}-01' AS DATE) AS x_BillingPeriod,
  'azure' AS x_SourceProvider,
  'native' AS x_SourceType,
  source_name AS x_SourceName,
  source_table AS x_SourceTable,
  source_file AS x_SourceFile,
  '{run_id}' AS x_RunId,
  CAST(NULL AS STRING) AS x_FocusSourceVersion,
  ARRAY_TO_STRING(
    [
      IF(account = 'Not stated', 'BillingAccountId: not stated', NULL),
      IF(
        NULLIF(pricing_currency, '') IS NULL, 'PricingCurrency, PricingCurrencyEffectiveCost: those of the bill', NULL
      ),
      IF(is_covered AND NOT is_amortized, 'EffectiveCost: billed cost, for no amortized export was loaded', NULL),
      IF(
        is_bought_commitment AND NOT is_amortized,
        'EffectiveCost: billed cost, for no amortized export was loaded', NULL
      ),
      IF(is_use AND list IS NULL, 'ListCost: contracted cost', NULL),
      IF(charge_category NOT IN ('Usage', 'Credit'), 'ListCost: billed cost', NULL),
      IF(is_covered AND contracted_price IS NULL, 'ContractedCost: list cost', NULL),
      IF(is_use AND NOT is_covered AND contracted_price IS NULL, 'ContractedCost: billed cost', NULL),
      IF(is_unused, 'ContractedCost: 0, unused', NULL),
      IF(s.name IS NULL, 'ServiceCategory: not in our table', NULL)
    ],
    '; '
  ) AS x_Assumptions,
  COALESCE(NULLIF(publisher_name, ''), 'Microsoft') AS x_PublisherName,
  CAST(NULL AS BIGNUMERIC) AS x_SourceEffectiveCost
FROM charges
LEFT JOIN services AS s ON s.name = service
