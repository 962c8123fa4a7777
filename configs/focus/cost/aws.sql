-- One month of AWS's Cost and Usage Reports (legacy and 2.0) as FOCUS 1.4. docs/FOCUS.md says each column's rule.
WITH
-- Our own table: what kind of service a product code is.
services AS (
  SELECT * FROM UNNEST(ARRAY<STRUCT<code STRING, category STRING, subcategory STRING>>[
    ('AmazonEC2', 'Compute', 'Virtual Machines'),
    ('AmazonLightsail', 'Compute', 'Virtual Machines'),
    ('AWSLambda', 'Compute', 'Serverless Compute'),
    ('AmazonECS', 'Compute', 'Containers'),
    ('AmazonEKS', 'Compute', 'Containers'),
    ('AmazonECR', 'Compute', 'Containers'),
    ('ComputeSavingsPlans', 'Compute', 'Virtual Machines'),
    ('AmazonWorkSpaces', 'Compute', 'End User Computing'),
    ('AmazonS3', 'Storage', 'Object Storage'),
    ('AmazonGlacier', 'Storage', 'Object Storage'),
    ('AmazonEFS', 'Storage', 'File Storage'),
    ('AmazonFSx', 'Storage', 'File Storage'),
    ('AWSBackup', 'Storage', 'Backup Storage'),
    ('AmazonRDS', 'Databases', 'Relational Databases'),
    ('AmazonDynamoDB', 'Databases', 'NoSQL Databases'),
    ('AmazonDocDB', 'Databases', 'NoSQL Databases'),
    ('AmazonElastiCache', 'Databases', 'Caching'),
    ('AmazonRedshift', 'Databases', 'Data Warehouses'),
    ('AmazonTimestream', 'Databases', 'Time Series Databases'),
    ('AmazonAthena', 'Analytics', 'Data Processing'),
    ('AWSGlue', 'Analytics', 'Data Processing'),
    ('ElasticMapReduce', 'Analytics', 'Data Processing'),
    ('AmazonKinesis', 'Analytics', 'Streaming Analytics'),
    ('AmazonMSK', 'Analytics', 'Streaming Analytics'),
    ('AmazonES', 'Analytics', 'Search'),
    ('AmazonQuickSight', 'Analytics', 'Business Intelligence'),
    ('AmazonBedrock', 'AI and Machine Learning', 'Generative AI'),
    ('AmazonSageMaker', 'AI and Machine Learning', 'Machine Learning'),
    ('AmazonRekognition', 'AI and Machine Learning', 'Machine Learning'),
    ('comprehend', 'AI and Machine Learning', 'Natural Language Processing'),
    ('AWSQueueService', 'Integration', 'Messaging'),
    ('AmazonSNS', 'Integration', 'Messaging'),
    ('AmazonStates', 'Integration', 'Workflow Orchestration'),
    ('AmazonApiGateway', 'Integration', 'API Management'),
    ('AWSEvents', 'Integration', 'Messaging'),
    ('AmazonVPC', 'Networking', 'Network Infrastructure'),
    ('AWSELB', 'Networking', 'Application Networking'),
    ('AmazonCloudFront', 'Networking', 'Content Delivery'),
    ('AmazonRoute53', 'Networking', 'Network Routing'),
    ('AWSDirectConnect', 'Networking', 'Network Connectivity'),
    ('AWSDataTransfer', 'Networking', 'Network Infrastructure'),
    ('awswaf', 'Networking', 'Network Security'),
    ('awskms', 'Security', 'Secret Management'),
    ('AWSSecretsManager', 'Security', 'Secret Management'),
    ('AmazonGuardDuty', 'Security', 'Threat Detection and Response'),
    ('AWSSecurityHub', 'Security', 'Security Posture Management'),
    ('AmazonCloudWatch', 'Management and Governance', 'Observability'),
    ('AWSCloudTrail', 'Management and Governance', 'Observability'),
    ('AWSConfig', 'Management and Governance', 'Compliance'),
    ('AWSSystemsManager', 'Management and Governance', 'Endpoint Management'),
    ('AWSSupportBusiness', 'Management and Governance', 'Support'),
    ('AWSSupportEnterprise', 'Management and Governance', 'Support'),
    ('AWSMigrationHubRefactorSpaces', 'Migration', 'Resource Migration'),
    ('AWSDatabaseMigrationSvc', 'Migration', 'Data Migration'),
    ('CodeBuild', 'Developer Tools', 'Continuous Integration and Deployment'),
    ('AWSCodePipeline', 'Developer Tools', 'Continuous Integration and Deployment'),
    ('AWSCloudShell', 'Developer Tools', 'Development Environments'),
    ('AWSIoT', 'Internet of Things', 'IoT Platforms'),
    ('AmazonCognito', 'Identity', 'Identity and Access Management')
  ])
),
-- Accounts that a source which says primary tells of, be it of these reports or of the FOCUS exports.
primaries AS (
  SELECT account, MAX(type) AS type
  FROM (
    SELECT LOWER(bill_payer_account_id) AS account, 'native' AS type
    FROM `aws_cost_cur`
    WHERE billing_period = CAST('{month}-01' AS DATE) AND source_name IN UNNEST(SPLIT('{primary_sources}'))
    UNION ALL
    SELECT LOWER(REGEXP_EXTRACT(BillingAccountId, r'[^/]+$')), 'focus'
    FROM `aws_cost_focus`
    WHERE billing_period = CAST('{month}-01' AS DATE) AND source_name IN UNNEST(SPLIT('{primary_sources}'))
  )
  GROUP BY account
),
-- One bill once: where two reports of the month tell of one account, the first by name counts.
owners AS (
  SELECT r.bill_payer_account_id, r.line_item_usage_account_id, MIN(IFNULL(r.source_name, '')) AS source_name
  FROM `aws_cost_cur` AS r
  LEFT JOIN primaries AS p ON LOWER(r.bill_payer_account_id) = p.account
  WHERE r.billing_period = CAST('{month}-01' AS DATE)
    AND (p.account IS NULL OR (p.type = 'native' AND r.source_name IN UNNEST(SPLIT('{primary_sources}'))))
  GROUP BY r.bill_payer_account_id, r.line_item_usage_account_id
),
lines AS (
  SELECT
    c.*,
    IFNULL(c.line_item_line_item_type, 'Usage') AS kind,
    IFNULL(c.line_item_unblended_cost, 0) AS cost,
    NULLIF(COALESCE(NULLIF(c.savings_plan_savings_plan_arn, ''), c.reservation_reservation_arn), '') AS commitment,
    NULLIF(c.savings_plan_savings_plan_arn, '') IS NOT NULL AS is_plan,
    -- What was paid for in the month and not used.
    CASE c.line_item_line_item_type
      WHEN 'SavingsPlanRecurringFee' THEN
        IFNULL(SAFE_CAST(c.savings_plan_total_commitment_to_date AS BIGNUMERIC), 0)
        - IFNULL(SAFE_CAST(c.savings_plan_used_commitment AS BIGNUMERIC), 0)
      WHEN 'RIFee' THEN
        IFNULL(c.reservation_unused_amortized_upfront_fee_for_billing_period, 0)
        + IFNULL(c.reservation_unused_recurring_fee, 0)
      ELSE 0
    END AS unused
  FROM `aws_cost_cur` AS c
  JOIN owners AS o
    ON IFNULL(c.source_name, '') = o.source_name
    AND c.bill_payer_account_id IS NOT DISTINCT FROM o.bill_payer_account_id
    AND c.line_item_usage_account_id IS NOT DISTINCT FROM o.line_item_usage_account_id
  WHERE c.billing_period = CAST('{month}-01' AS DATE)
    -- The lines of a split repeat what the line of the whole resource costs.
    AND (IFNULL(c.split_line_item_parent_resource_id, '') = '' OR IFNULL(c.line_item_unblended_cost, 0) <> 0)
),
-- A plan's negations take back what its covered use costs on demand; both are left out. What they differ by is one row.
residues AS (
  SELECT source_name, bill_payer_account_id, line_item_usage_account_id, line_item_currency_code, SUM(cost) AS residue
  FROM lines
  WHERE kind IN ('SavingsPlanCoveredUsage', 'SavingsPlanNegation')
  GROUP BY source_name, bill_payer_account_id, line_item_usage_account_id, line_item_currency_code
  HAVING SUM(cost) <> 0
),
-- Lines of a split say how the cost of an instance is shared by what ran on it, by CPU and memory.
split_lines AS (
  SELECT
    IFNULL(source_name, '') AS source,
    bill_payer_account_id AS payer,
    line_item_usage_account_id AS owner,
    line_item_usage_start_date AS start_time,
    REGEXP_EXTRACT(split_line_item_parent_resource_id, r'[^/]+$') AS parent,
    -- NULL is what nobody used.
    IFNULL(line_item_resource_id, '') AS part_id,
    CASE
      WHEN STRPOS(line_item_usage_type, 'vCPU') > 0 THEN 'vCPU-Hours'
      WHEN STRPOS(line_item_usage_type, 'GB') > 0 THEN 'GB-Hours'
      ELSE COALESCE(NULLIF(pricing_unit, ''), 'Units')
    END AS unit,
    SAFE_CAST(split_line_item_split_usage AS FLOAT64) AS quantity,
    IFNULL(split_line_item_split_cost, 0) AS used,
    SUM(IFNULL(split_line_item_split_cost, 0) + IFNULL(split_line_item_unused_cost, 0)) OVER (
      PARTITION BY
        IFNULL(source_name, ''), bill_payer_account_id, line_item_usage_account_id, line_item_usage_start_date,
        REGEXP_EXTRACT(split_line_item_parent_resource_id, r'[^/]+$')
    ) AS total,
    IF(resource_tags IS NULL, NULL, TO_JSON_STRING(resource_tags)) AS tags
  FROM `aws_cost_cur`
  WHERE billing_period = CAST('{month}-01' AS DATE) AND IFNULL(split_line_item_parent_resource_id, '') <> ''
),
-- Each part, and what nothing of the instance used, which is nobody's.
split_parts AS (
  SELECT
    source, payer, owner, start_time, parent, part_id, total,
    SUM(used) AS weight,
    MAX(tags) AS tags,
    STRING_AGG(
      CONCAT(
        '{"AllocatedRatio":', TO_JSON_STRING(CAST(used / total AS FLOAT64)),
        IFNULL(CONCAT(',"UsageUnit":', TO_JSON_STRING(unit), ',"UsageQuantity":', TO_JSON_STRING(quantity)), ''), '}'
      ), ',' ORDER BY unit, quantity
    ) AS elements
  FROM split_lines
  WHERE total > 0
  GROUP BY source, payer, owner, start_time, parent, part_id, total
  UNION ALL
  SELECT
    source, payer, owner, start_time, parent, NULL, total, total - SUM(used), NULL,
    CONCAT('{"AllocatedRatio":', TO_JSON_STRING(CAST((total - SUM(used)) / total AS FLOAT64)), '}')
  FROM split_lines
  WHERE total > 0
  GROUP BY source, payer, owner, start_time, parent, total
  HAVING total > SUM(used)
),
split_sums AS (
  SELECT
    p.*,
    SUM(weight) OVER (
      PARTITION BY source, payer, owner, start_time, parent ORDER BY IF(part_id IS NULL, 1, 0), part_id
      ROWS UNBOUNDED PRECEDING
    ) AS sum_upto,
    ROW_NUMBER() OVER (
      PARTITION BY source, payer, owner, start_time, parent ORDER BY IF(part_id IS NULL, 1, 0) DESC, part_id DESC
    ) = 1 AS is_last
  FROM split_parts AS p
),
splits AS (
  SELECT
    source, payer, owner, start_time, parent, part_id, tags, elements, is_last,
    sum_upto / total AS upto,
    (sum_upto - weight) / total AS before
  FROM split_sums
),
-- A line of an instance that is split is its parts, which add up to it: each is rounded, and the last takes what is left.
parted AS (
  SELECT
    l.* REPLACE (
      IF(p.upto IS NULL, l.cost, IF(p.is_last, l.cost, ROUND(l.cost * p.upto, 18)) - ROUND(l.cost * p.before, 18))
        AS cost,
      IF(
        p.upto IS NULL,
        l.line_item_usage_amount,
        IF(p.is_last, l.line_item_usage_amount, ROUND(l.line_item_usage_amount * p.upto, 18))
          - ROUND(l.line_item_usage_amount * p.before, 18)
      ) AS line_item_usage_amount,
      IF(
        p.upto IS NULL,
        l.pricing_public_on_demand_cost,
        IF(p.is_last, l.pricing_public_on_demand_cost, ROUND(l.pricing_public_on_demand_cost * p.upto, 18))
          - ROUND(l.pricing_public_on_demand_cost * p.before, 18)
      ) AS pricing_public_on_demand_cost,
      IF(
        p.upto IS NULL,
        l.savings_plan_savings_plan_effective_cost,
        IF(
          p.is_last,
          l.savings_plan_savings_plan_effective_cost,
          ROUND(l.savings_plan_savings_plan_effective_cost * p.upto, 18)
        ) - ROUND(l.savings_plan_savings_plan_effective_cost * p.before, 18)
      ) AS savings_plan_savings_plan_effective_cost,
      IF(
        p.upto IS NULL,
        l.reservation_effective_cost,
        IF(p.is_last, l.reservation_effective_cost, ROUND(l.reservation_effective_cost * p.upto, 18))
          - ROUND(l.reservation_effective_cost * p.before, 18)
      ) AS reservation_effective_cost
    ),
    NULLIF(p.part_id, '') AS allocated_resource,
    p.elements AS allocated_elements,
    p.tags AS allocated_tags
  FROM lines AS l
  LEFT JOIN splits AS p
    ON IFNULL(l.source_name, '') = p.source
    AND l.bill_payer_account_id = p.payer
    AND l.line_item_usage_account_id = p.owner
    AND l.line_item_usage_start_date = p.start_time
    AND REGEXP_EXTRACT(l.line_item_resource_id, r'[^/]+$') = p.parent
    AND l.kind IN ('Usage', 'DiscountedUsage', 'SavingsPlanCoveredUsage')
    AND REGEXP_CONTAINS(l.line_item_usage_type, r'(Box|Spot|Dedicated)Usage')
  WHERE l.kind <> 'SavingsPlanNegation'
),
told AS (
  SELECT * FROM parted
  UNION ALL
  SELECT
    l.* EXCEPT (place, residue) REPLACE ('Residue' AS kind, l.residue AS cost),
    CAST(NULL AS STRING) AS allocated_resource,
    CAST(NULL AS STRING) AS allocated_elements,
    CAST(NULL AS STRING) AS allocated_tags
  FROM (
    SELECT
      n.*,
      ROW_NUMBER() OVER (
        PARTITION BY n.source_name, n.bill_payer_account_id, n.line_item_usage_account_id, n.line_item_currency_code
        ORDER BY n.line_item_usage_start_date, n.identity_line_item_id
      ) AS place,
      r.residue
    FROM lines AS n
    JOIN residues AS r
      ON n.source_name IS NOT DISTINCT FROM r.source_name
      AND n.bill_payer_account_id IS NOT DISTINCT FROM r.bill_payer_account_id
      AND n.line_item_usage_account_id IS NOT DISTINCT FROM r.line_item_usage_account_id
      AND n.line_item_currency_code IS NOT DISTINCT FROM r.line_item_currency_code
    WHERE n.kind IN ('SavingsPlanCoveredUsage', 'SavingsPlanNegation')
  ) AS l
  WHERE l.place = 1
),
-- A fee of a commitment is its purchase, and beside it what of it was not used.
charges AS (
  SELECT
    t.*,
    part,
    part = 'used' AND t.kind IN ('SavingsPlanCoveredUsage', 'DiscountedUsage') AS is_covered,
    part = 'purchase' AS is_purchase,
    part = 'unused' AS is_unused,
    CASE
      WHEN part = 'unused' THEN 'Usage'
      WHEN part = 'purchase' THEN 'Purchase'
      WHEN t.kind = 'Tax' THEN 'Tax'
      WHEN t.kind = 'Credit' THEN 'Credit'
      WHEN t.kind IN ('Refund', 'Residue') OR ENDS_WITH(t.kind, 'Discount') THEN 'Adjustment'
      ELSE 'Usage'
    END AS charge_category
  FROM told AS t
  CROSS JOIN UNNEST(
    CASE
      WHEN t.kind IN ('SavingsPlanRecurringFee', 'RIFee') THEN
        ARRAY_CONCAT(IF(t.cost <> 0, ['purchase'], []), IF(t.unused <> 0, ['unused'], []))
      WHEN t.kind IN ('Fee', 'SavingsPlanUpfrontFee') THEN ['purchase']
      ELSE ['used']
    END
  ) AS part
),
priced AS (
  SELECT
    c.*,
    c.charge_category = 'Usage' AND NOT c.is_unused AS is_use,
    COALESCE(
      NULLIF(c.product_product_name, ''), JSON_VALUE(c.product, '$.product_name'), NULLIF(c.product_servicename, ''),
      NULLIF(c.line_item_product_code, ''), 'Not stated'
    ) AS service,
    COALESCE(
      NULLIF(c.product_region_code, ''), NULLIF(c.product_region, ''), JSON_VALUE(c.product, '$.region')
    ) AS region,
    NULLIF(c.line_item_resource_id, '') AS resource,
    SAFE_CAST(c.pricing_public_on_demand_rate AS BIGNUMERIC) AS list_price,
    c.bill_billing_entity = 'AWS Marketplace' AS is_marketplace,
    NULLIF(c.bill_invoice_id, '') AS invoice,
    COALESCE(NULLIF(c.bill_invoicing_entity, ''), 'Amazon Web Services, Inc.') AS issuer,
    IF(c.is_unused OR c.is_covered, 0, c.cost) AS billed,
    CASE
      WHEN c.is_unused THEN c.unused
      WHEN c.is_purchase AND c.commitment IS NOT NULL THEN 0
      WHEN c.kind = 'SavingsPlanCoveredUsage' THEN IFNULL(c.savings_plan_savings_plan_effective_cost, 0)
      WHEN c.kind = 'DiscountedUsage' THEN IFNULL(c.reservation_effective_cost, 0)
      ELSE c.cost
    END AS effective
  FROM charges AS c
)
SELECT
  IF(allocated_elements IS NULL, NULL, PARSE_JSON(CONCAT('{"Elements":[', allocated_elements, ']}')))
    AS AllocatedMethodDetails,
  IF(allocated_elements IS NULL, NULL, 'AWS split cost allocation data') AS AllocatedMethodId,
  allocated_resource AS AllocatedResourceId,
  REGEXP_EXTRACT(allocated_resource, r'[^/:]+$') AS AllocatedResourceName,
  -- Those of the instance, and those of what ran on it under other keys.
  IF(
    allocated_elements IS NULL OR (resource_tags IS NULL AND allocated_tags IS NULL),
    NULL,
    PARSE_JSON(
      REGEXP_REPLACE(
        REGEXP_REPLACE(
          CONCAT('{', ARRAY_TO_STRING(ARRAY_CONCAT(
            REGEXP_EXTRACT_ALL(
              IFNULL(TO_JSON_STRING(resource_tags), ''), r'"(?:[^"\\]|\\.)*":(?:"(?:[^"\\]|\\.)*"|[a-z0-9.]+)'
            ),
            ARRAY(
              SELECT pair
              FROM UNNEST(
                REGEXP_EXTRACT_ALL(IFNULL(allocated_tags, ''), r'"(?:[^"\\]|\\.)*":(?:"(?:[^"\\]|\\.)*"|[a-z0-9.]+)')
              ) AS pair
              WHERE STRPOS(
                IFNULL(TO_JSON_STRING(resource_tags), ''), CONCAT(REGEXP_EXTRACT(pair, r'^"(?:[^"\\]|\\.)*"'), ':')
              ) = 0
            )
          ), ','), '}'),
          r'([{,])"user[:_]', '\\1"'
        ),
        r'([{,])"aws_', '\\1"aws:'
      )
    )
  ) AS AllocatedTags,
  IF(is_unused, NULL, NULLIF(line_item_availability_zone, '')) AS AvailabilityZone,
  billed AS BilledCost,
  bill_payer_account_id AS BillingAccountId,
  NULLIF(bill_payer_account_name, '') AS BillingAccountName,
  'Billing Account' AS BillingAccountType,
  line_item_currency_code AS BillingCurrency,
  TIMESTAMP(DATE_ADD(CAST('{month}-01' AS DATE), INTERVAL 1 MONTH)) AS BillingPeriodEnd,
  TIMESTAMP(CAST('{month}-01' AS DATE)) AS BillingPeriodStart,
  NULLIF(capacity_reservation_capacity_reservation_arn, '') AS CapacityReservationId,
  CASE
    WHEN NULLIF(capacity_reservation_capacity_reservation_arn, '') IS NULL THEN NULL
    WHEN LOWER(capacity_reservation_capacity_reservation_status) = 'unused' THEN 'Unused'
    ELSE 'Used'
  END AS CapacityReservationStatus,
  charge_category AS ChargeCategory,
  IF(
    NOT is_purchase AND line_item_usage_start_date < TIMESTAMP(CAST('{month}-01' AS DATE)), 'Correction', NULL
  ) AS ChargeClass,
  IF(
    kind = 'Residue',
    'Difference of the negations of savings plans from what they negate',
    NULLIF(line_item_line_item_description, '')
  ) AS ChargeDescription,
  CASE
    WHEN kind IN ('RIFee', 'SavingsPlanRecurringFee') AND is_purchase THEN 'Recurring'
    WHEN charge_category = 'Usage' THEN 'Usage-Based'
    ELSE 'One-Time'
  END AS ChargeFrequency,
  -- Fees of a month end a second before it does.
  CASE
    WHEN line_item_usage_end_date IS NULL THEN line_item_usage_start_date
    WHEN EXTRACT(SECOND FROM line_item_usage_end_date) = 59 THEN
      TIMESTAMP_ADD(line_item_usage_end_date, INTERVAL 1 SECOND)
    ELSE line_item_usage_end_date
  END AS ChargePeriodEnd,
  line_item_usage_start_date AS ChargePeriodStart,
  IF(commitment IS NULL, NULL, IF(is_plan, 'Spend', 'Usage')) AS CommitmentDiscountCategory,
  commitment AS CommitmentDiscountId,
  IF(is_plan, NULLIF(savings_plan_offering_type, ''), NULL) AS CommitmentDiscountName,
  CASE
    WHEN commitment IS NULL THEN NULL
    WHEN is_plan AND (is_covered OR is_unused) THEN effective
    WHEN is_unused THEN reservation_unused_quantity
    WHEN is_covered THEN line_item_usage_amount
    WHEN is_purchase AND NOT is_plan THEN SAFE_CAST(reservation_total_reserved_units AS BIGNUMERIC)
  END AS CommitmentDiscountQuantity,
  CASE
    WHEN is_covered THEN 'Used'
    WHEN is_unused THEN 'Unused'
  END AS CommitmentDiscountStatus,
  IF(commitment IS NULL, NULL, IF(is_plan, 'Savings Plan', 'Reserved Instance')) AS CommitmentDiscountType,
  CASE
    WHEN commitment IS NULL THEN NULL
    WHEN is_plan AND (is_covered OR is_unused) THEN line_item_currency_code
    WHEN is_plan THEN NULL
    WHEN is_unused AND reservation_unused_quantity IS NULL THEN NULL
    WHEN is_purchase AND SAFE_CAST(reservation_total_reserved_units AS BIGNUMERIC) IS NULL THEN NULL
    ELSE 'Hours'
  END AS CommitmentDiscountUnit,
  CAST(NULL AS JSON) AS CommitmentProgramEligibilityDetails,
  IF(is_use, line_item_usage_amount, NULL) AS ConsumedQuantity,
  CASE
    WHEN NOT is_use OR line_item_usage_amount IS NULL THEN NULL
    WHEN pricing_unit = 'Hrs' THEN 'Hours'
    WHEN pricing_unit = 'GB-Mo' THEN 'GB-Months'
    WHEN pricing_unit IN ('Lambda-GB-Second', 'Lambda-GB-Seconds') THEN 'GB-Seconds'
    WHEN pricing_unit = 'Obj-Month' THEN 'Object-Months'
    WHEN pricing_unit IN ('Request', 'API Request') THEN CONCAT(pricing_unit, 's')
    WHEN pricing_unit = 'Quantity' THEN 'Units'
    ELSE NULLIF(pricing_unit, '')
  END AS ConsumedUnit,
  -- Plans are used up by money, reservations by hours.
  IF(
    is_covered AND commitment IS NOT NULL,
    PARSE_JSON(CONCAT(
      '{"Elements":[{"ContractId":', TO_JSON_STRING(commitment),
      ',"ContractCommitmentId":', TO_JSON_STRING(commitment),
      IF(
        is_plan OR line_item_usage_amount IS NULL,
        CONCAT(',"ContractCommitmentAppliedCost":', TO_JSON_STRING(CAST(effective AS FLOAT64))),
        CONCAT(
          ',"ContractCommitmentAppliedQuantity":', TO_JSON_STRING(CAST(line_item_usage_amount AS FLOAT64)),
          ',"ContractCommitmentAppliedUnit":"Hours"'
        )
      ),
      '}]}'
    )),
    NULL
  ) AS ContractApplied,
  CASE
    WHEN is_unused OR charge_category = 'Credit' THEN 0
    -- A reservation covers all of the cost: no negotiated price is told, so it is the list price.
    WHEN kind = 'DiscountedUsage' THEN COALESCE(pricing_public_on_demand_cost, cost)
    ELSE cost
  END AS ContractedCost,
  CASE
    WHEN NOT is_use THEN NULL
    WHEN kind = 'DiscountedUsage' THEN list_price
    ELSE SAFE_CAST(line_item_unblended_rate AS BIGNUMERIC)
  END AS ContractedUnitPrice,
  effective AS EffectiveCost,
  'AWS' AS HostProviderName,
  -- A line of the invoice is all of one category. Without an invoice there is no line yet.
  TO_HEX(MD5(CONCAT(
    '{month}|aws_cost_cur|', IFNULL(source_name, ''), '|', IFNULL(bill_payer_account_id, ''), '|', invoice, '|', issuer,
    '|', line_item_currency_code, '|', charge_category
  ))) AS InvoiceDetailId,
  invoice AS InvoiceId,
  issuer AS InvoiceIssuerName,
  CASE
    WHEN is_unused THEN NULL
    WHEN charge_category = 'Credit' OR ENDS_WITH(kind, 'Discount') THEN 0
    WHEN is_use THEN COALESCE(pricing_public_on_demand_cost, cost)
    ELSE cost
  END AS ListCost,
  IF(is_use, list_price, NULL) AS ListUnitPrice,
  CASE
    WHEN is_covered OR is_unused THEN 'Committed'
    WHEN charge_category NOT IN ('Usage', 'Purchase') THEN NULL
    WHEN STRPOS(line_item_usage_type, 'SpotUsage') > 0 THEN 'Dynamic'
    ELSE 'Standard'
  END AS PricingCategory,
  line_item_currency_code AS PricingCurrency,
  CAST(NULL AS BIGNUMERIC) AS PricingCurrencyContractedUnitPrice,
  effective AS PricingCurrencyEffectiveCost,
  CAST(NULL AS BIGNUMERIC) AS PricingCurrencyListUnitPrice,
  IF(is_use OR is_purchase, line_item_usage_amount, NULL) AS PricingQuantity,
  CASE
    WHEN NOT (is_use OR is_purchase) OR line_item_usage_amount IS NULL THEN NULL
    WHEN pricing_unit = 'Hrs' THEN 'Hours'
    WHEN pricing_unit = 'GB-Mo' THEN 'GB-Months'
    WHEN pricing_unit IN ('Lambda-GB-Second', 'Lambda-GB-Seconds') THEN 'GB-Seconds'
    WHEN pricing_unit = 'Obj-Month' THEN 'Object-Months'
    WHEN pricing_unit IN ('Request', 'API Request') THEN CONCAT(pricing_unit, 's')
    WHEN pricing_unit = 'Quantity' THEN 'Units'
    ELSE NULLIF(pricing_unit, '')
  END AS PricingUnit,
  region AS RegionId,
  IF(region IS NULL, NULL, COALESCE(NULLIF(product_location, ''), region)) AS RegionName,
  IF(is_unused, NULL, resource) AS ResourceId,
  CASE
    WHEN is_unused THEN NULL
    WHEN STARTS_WITH(resource, 'arn:') THEN REGEXP_EXTRACT(resource, r'[^/:]+$')
  END AS ResourceName,
  CASE
    WHEN is_unused OR NOT STARTS_WITH(resource, 'arn:') THEN NULL
    WHEN STRPOS(SPLIT(resource, ':')[SAFE_OFFSET(5)], '/') > 0 THEN
      CONCAT(
        SPLIT(resource, ':')[SAFE_OFFSET(2)], ':', SPLIT(SPLIT(resource, ':')[SAFE_OFFSET(5)], '/')[SAFE_OFFSET(0)]
      )
    ELSE SPLIT(resource, ':')[SAFE_OFFSET(2)]
  END AS ResourceType,
  IFNULL(s.category, 'Other') AS ServiceCategory,
  service AS ServiceName,
  IF(
    is_marketplace, COALESCE(NULLIF(line_item_legal_entity, ''), 'AWS Marketplace'), 'AWS'
  ) AS ServiceProviderName,
  IFNULL(s.subcategory, 'Other (Other)') AS ServiceSubcategory,
  IF(is_use OR is_purchase, NULLIF(product_sku, ''), NULL) AS SkuId,
  IF(is_use OR is_purchase, NULLIF(line_item_usage_type, ''), NULL) AS SkuMeter,
  CAST(NULL AS JSON) AS SkuPriceDetails,
  IF(
    is_use OR is_purchase, COALESCE(NULLIF(pricing_rate_code, ''), NULLIF(pricing_rate_id, '')), NULL
  ) AS SkuPriceId,
  line_item_usage_account_id AS SubAccountId,
  IF(line_item_usage_account_id IS NULL, NULL, NULLIF(line_item_usage_account_name, '')) AS SubAccountName,
  IF(line_item_usage_account_id IS NULL, NULL, 'Account') AS SubAccountType,
  -- Tags of the user without a prefix, those of AWS with theirs.
  IF(
    resource_tags IS NULL,
    NULL,
    PARSE_JSON(
      REGEXP_REPLACE(
        REGEXP_REPLACE(TO_JSON_STRING(resource_tags), r'([{,])"user[:_]', '\\1"'), r'([{,])"aws_', '\\1"aws:'
      )
    )
  ) AS Tags,
  CAST('{month}-01' AS DATE) AS x_BillingPeriod,
  'aws' AS x_SourceProvider,
  'native' AS x_SourceType,
  source_name AS x_SourceName,
  'aws_cost_cur' AS x_SourceTable,
  source_file AS x_SourceFile,
  '{run_id}' AS x_RunId,
  CAST(NULL AS STRING) AS x_FocusSourceVersion,
  ARRAY_TO_STRING(
    [
      'BillingAccountType: fixed',
      'PricingCurrency, PricingCurrencyEffectiveCost: those of the bill',
      IF(NULLIF(bill_invoicing_entity, '') IS NULL, 'InvoiceIssuerName: fixed', NULL),
      IF(is_use AND pricing_public_on_demand_cost IS NULL, 'ListCost: unblended cost', NULL),
      IF(charge_category NOT IN ('Usage', 'Credit'), 'ListCost: unblended cost', NULL),
      IF(kind = 'DiscountedUsage', 'ContractedCost: list cost', NULL),
      IF(is_unused, 'ContractedCost: 0, unused', NULL),
      IF(s.code IS NULL, 'ServiceCategory: not in our table', NULL),
      IF(kind = 'Residue', 'BilledCost: sum of negations and what they negate', NULL)
    ],
    '; '
  ) AS x_Assumptions,
  NULLIF(line_item_legal_entity, '') AS x_PublisherName,
  CAST(NULL AS BIGNUMERIC) AS x_SourceEffectiveCost
FROM priced
LEFT JOIN services AS s ON s.code = line_item_product_code
