-- One invoice month of Google Cloud's FOCUS export, or of Google's view of the detailed one, as FOCUS 1.4. docs/FOCUS.md
-- says what is put right and by which rule.
WITH
exported AS (
  SELECT
    f.*,
    INITCAP(f.ChargeCategory) AS category,
    IFNULL(f.SubAccountId, '') AS sub_account
  FROM `gcp_cost_focus` AS f
  -- The older view begins a period in Los Angeles.
  WHERE DATE_TRUNC(DATE(f.BillingPeriodStart), MONTH) = CAST('{month}-01' AS DATE)
),
-- One bill once: what the provider's own cost export tells of an account is not told again.
native AS (
  SELECT DISTINCT BillingAccountId AS account
  FROM `focus_cost_and_usage`
  WHERE x_BillingPeriod = CAST('{month}-01' AS DATE) AND x_SourceProvider = 'gcp' AND x_SourceType = 'native'
),
-- Accounts that a source which says primary tells of.
primaries AS (
  SELECT DISTINCT BillingAccountId AS account
  FROM exported
  WHERE source_name IN UNNEST(SPLIT('{primary_sources}'))
),
owners AS (
  SELECT r.BillingAccountId AS account, r.sub_account, MIN(IFNULL(r.source_name, '')) AS owner
  FROM exported AS r
  LEFT JOIN primaries AS p ON r.BillingAccountId = p.account
  WHERE p.account IS NULL OR r.source_name IN UNNEST(SPLIT('{primary_sources}'))
  GROUP BY r.BillingAccountId, r.sub_account
),
told AS (
  SELECT
    e.*,
    NULLIF(COALESCE(e.x_Project.Id, NULLIF(e.SubAccountId, e.BillingAccountId)), '') AS project,
    COALESCE(e.InvoiceId, CONCAT(e.BillingAccountId, '-', REPLACE('{month}', '-', ''))) AS invoice,
    COALESCE(e.InvoiceIssuerName, 'Google Cloud') AS billed_by
  FROM exported AS e
  JOIN owners AS o
    ON e.BillingAccountId IS NOT DISTINCT FROM o.account AND e.sub_account = o.sub_account
    AND IFNULL(e.source_name, '') = o.owner
  LEFT JOIN native AS n ON e.BillingAccountId = n.account
  WHERE n.account IS NULL
)
SELECT
  AllocatedMethodDetails,
  AllocatedMethodId,
  AllocatedResourceId,
  AllocatedResourceName,
  AllocatedTags,
  AvailabilityZone,
  BilledCost,
  BillingAccountId,
  BillingAccountName,
  COALESCE(BillingAccountType, 'Billing Account') AS BillingAccountType,
  BillingCurrency,
  TIMESTAMP(DATE_ADD(CAST('{month}-01' AS DATE), INTERVAL 1 MONTH)) AS BillingPeriodEnd,
  TIMESTAMP(CAST('{month}-01' AS DATE)) AS BillingPeriodStart,
  CapacityReservationId,
  CapacityReservationStatus,
  category AS ChargeCategory,
  -- Google marks each adjustment; a correction is of an earlier period.
  IF(ChargeClass IS NOT NULL AND ChargePeriodStart < TIMESTAMP(CAST('{month}-01' AS DATE)), 'Correction', NULL)
    AS ChargeClass,
  ChargeDescription,
  COALESCE(ChargeFrequency, IF(category = 'Usage', 'Usage-Based', 'One-Time')) AS ChargeFrequency,
  ChargePeriodEnd,
  ChargePeriodStart,
  CommitmentDiscountCategory,
  CommitmentDiscountId,
  CommitmentDiscountName,
  CommitmentDiscountQuantity,
  CommitmentDiscountStatus,
  CommitmentDiscountType,
  CommitmentDiscountUnit,
  CommitmentProgramEligibilityDetails,
  ConsumedQuantity,
  ConsumedUnit,
  IF(
    ContractApplied IS NULL AND CommitmentDiscountStatus = 'Used' AND CommitmentDiscountId IS NOT NULL,
    PARSE_JSON(CONCAT(
      '{"Elements":[{"ContractId":', TO_JSON_STRING(CommitmentDiscountId),
      ',"ContractCommitmentId":', TO_JSON_STRING(CommitmentDiscountId),
      IF(
        CommitmentDiscountCategory = 'Usage' AND CommitmentDiscountQuantity IS NOT NULL
          AND CommitmentDiscountUnit IS NOT NULL,
        CONCAT(
          ',"ContractCommitmentAppliedQuantity":', CAST(CAST(CommitmentDiscountQuantity AS FLOAT64) AS STRING),
          ',"ContractCommitmentAppliedUnit":', TO_JSON_STRING(CommitmentDiscountUnit)
        ),
        CONCAT(',"ContractCommitmentAppliedCost":', CAST(CAST(EffectiveCost AS FLOAT64) AS STRING))
      ),
      '}]}'
    )),
    -- Up to 1.3 it was a list, of keys that were spelled in another way.
    IF(
      STARTS_WITH(TO_JSON_STRING(ContractApplied), '[')
        OR STRPOS(TO_JSON_STRING(ContractApplied), '"ContractCommitmentID":') > 0,
      PARSE_JSON(REPLACE(
        REPLACE(
          IF(
            STARTS_WITH(TO_JSON_STRING(ContractApplied), '['),
            CONCAT('{"Elements":', TO_JSON_STRING(ContractApplied), '}'),
            TO_JSON_STRING(ContractApplied)
          ),
          '"ContractID":', '"ContractId":'
        ),
        '"ContractCommitmentID":', '"ContractCommitmentId":'
      )),
      ContractApplied
    )
  ) AS ContractApplied,
  COALESCE(ContractedCost, BilledCost) AS ContractedCost,
  ContractedUnitPrice,
  EffectiveCost,
  COALESCE(HostProviderName, 'Google Cloud') AS HostProviderName,
  COALESCE(
    InvoiceDetailId,
    TO_HEX(MD5(CONCAT(
      '{month}|gcp_cost_focus|', IFNULL(source_name, ''), '|', BillingAccountId, '|', invoice, '|', billed_by, '|',
      BillingCurrency, '|', category
    )))
  ) AS InvoiceDetailId,
  invoice AS InvoiceId,
  billed_by AS InvoiceIssuerName,
  COALESCE(ListCost, ContractedCost, BilledCost) AS ListCost,
  ListUnitPrice,
  INITCAP(PricingCategory) AS PricingCategory,
  COALESCE(PricingCurrency, BillingCurrency) AS PricingCurrency,
  PricingCurrencyContractedUnitPrice,
  COALESCE(PricingCurrencyEffectiveCost, EffectiveCost) AS PricingCurrencyEffectiveCost,
  PricingCurrencyListUnitPrice,
  PricingQuantity,
  PricingUnit,
  RegionId,
  IF(RegionId IS NULL, NULL, COALESCE(RegionName, RegionId)) AS RegionName,
  ResourceId,
  IF(ResourceId IS NULL, NULL, ResourceName) AS ResourceName,
  COALESCE(ResourceType, REGEXP_EXTRACT(ResourceId, r'/([^/]+)/[^/]+$')) AS ResourceType,
  COALESCE(ServiceCategory, 'Other') AS ServiceCategory,
  COALESCE(ServiceName, x_ServiceId, 'Not stated') AS ServiceName,
  COALESCE(ServiceProviderName, PublisherName, ProviderName, 'Google Cloud') AS ServiceProviderName,
  COALESCE(ServiceSubcategory, CONCAT('Other (', COALESCE(ServiceCategory, 'Other'), ')')) AS ServiceSubcategory,
  SkuId,
  SkuMeter,
  SkuPriceDetails,
  SkuPriceId,
  project AS SubAccountId,
  IF(project IS NULL, NULL, COALESCE(x_Project.Name, NULLIF(SubAccountName, ''))) AS SubAccountName,
  IF(project IS NULL, NULL, COALESCE(SubAccountType, 'Project')) AS SubAccountType,
  COALESCE(
    Tags,
    PARSE_JSON(CONCAT('{', ARRAY_TO_STRING(ARRAY_CONCAT(
      ARRAY(
        SELECT CONCAT(TO_JSON_STRING(l.Key), ':', IF(IFNULL(l.Value, '') = '', 'true', TO_JSON_STRING(l.Value)))
        FROM UNNEST(x_Labels) AS l
      ),
      ARRAY(
        SELECT CONCAT(
          TO_JSON_STRING(CONCAT('project/', l.Key)), ':', IF(IFNULL(l.Value, '') = '', 'true', TO_JSON_STRING(l.Value))
        )
        FROM UNNEST(x_ProjectLabels) AS l
      ),
      ARRAY(
        SELECT CONCAT(
          TO_JSON_STRING(CONCAT('system/', l.Key)), ':', IF(IFNULL(l.Value, '') = '', 'true', TO_JSON_STRING(l.Value))
        )
        FROM UNNEST(x_SystemLabels) AS l
      ),
      ARRAY(
        SELECT CONCAT(
          TO_JSON_STRING(CONCAT('tag/', l.Key)), ':', IF(IFNULL(l.Value, '') = '', 'true', TO_JSON_STRING(l.Value))
        )
        FROM UNNEST(x_Tags) AS l
      )
    ), ','), '}'))
  ) AS Tags,
  CAST('{month}-01' AS DATE) AS x_BillingPeriod,
  'gcp' AS x_SourceProvider,
  'focus' AS x_SourceType,
  source_name AS x_SourceName,
  'gcp_cost_focus' AS x_SourceTable,
  CAST(NULL AS STRING) AS x_SourceFile,
  '{run_id}' AS x_RunId,
  '1.2' AS x_FocusSourceVersion,
  ARRAY_TO_STRING(
    [
      'BillingPeriodStart, BillingPeriodEnd: the invoice month in UTC (A13)',
      IF(BillingAccountType IS NULL, 'BillingAccountType: fixed', NULL),
      IF(InvoiceIssuerName IS NULL, 'InvoiceIssuerName: fixed', NULL),
      IF(InvoiceId IS NULL, 'InvoiceId: account and invoice month', NULL),
      IF(ContractedCost IS NULL, 'ContractedCost: billed cost', NULL),
      IF(ListCost IS NULL, 'ListCost: contracted cost', NULL),
      IF(PricingCurrency IS NULL, 'PricingCurrency: that of the bill', NULL),
      IF(PricingCurrencyEffectiveCost IS NULL, 'PricingCurrencyEffectiveCost: effective cost', NULL),
      IF(ServiceProviderName IS NULL, 'ServiceProviderName: the publisher', NULL),
      IF(ServiceCategory IS NULL, 'ServiceCategory: not stated', NULL)
    ],
    '; '
  ) AS x_Assumptions,
  PublisherName AS x_PublisherName,
  CAST(NULL AS BIGNUMERIC) AS x_SourceEffectiveCost
FROM told
