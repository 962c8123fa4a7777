-- One month of FOCUS exports or files (0.5 to 1.4) as FOCUS 1.4. Rows come as they are; what a provider is known
-- to get wrong is put right by a rule that docs/FOCUS.md names, and the row says so in x_Assumptions.
WITH
exported AS (
  SELECT
    f.*,
    '{provider}' = 'azure' AS is_azure,
    LOWER(REGEXP_EXTRACT(f.BillingAccountId, r'[^/]+$')) AS account,
    -- Only of anybody's files is the account not one of a known provider.
    IF('{provider}' = 'any', COALESCE(f.InvoiceIssuerName, f.ServiceProviderName, f.ProviderName, ''), '') AS biller,
    IFNULL(f.SubAccountId, '') AS sub_account
  FROM `{focus_table}` AS f
  WHERE f.billing_period = CAST('{month}-01' AS DATE)
),
-- One bill once: what the provider's own cost export tells of an account is not told again.
native AS (
  SELECT DISTINCT LOWER(REGEXP_EXTRACT(BillingAccountId, r'[^/]+$')) AS account
  FROM `focus_cost_and_usage`
  WHERE x_BillingPeriod = CAST('{month}-01' AS DATE) AND x_SourceProvider = '{provider}' AND x_SourceType = 'native'
),
-- Accounts that a source which says primary tells of.
primaries AS (
  SELECT DISTINCT IFNULL(account, '') AS account, biller
  FROM exported
  WHERE source_name IN UNNEST(SPLIT('{primary_sources}'))
),
owners AS (
  SELECT r.account, r.biller, r.sub_account, MIN(IFNULL(r.source_name, '')) AS owner
  FROM exported AS r
  LEFT JOIN primaries AS p ON IFNULL(r.account, '') = p.account AND r.biller = p.biller
  WHERE p.account IS NULL OR r.source_name IN UNNEST(SPLIT('{primary_sources}'))
  GROUP BY r.account, r.biller, r.sub_account
),
-- The issuer of an invoice that some of its rows leave out.
issuers AS (
  SELECT InvoiceId, MIN(InvoiceIssuerName) AS issuer
  FROM exported
  WHERE InvoiceId IS NOT NULL AND InvoiceIssuerName IS NOT NULL
  GROUP BY InvoiceId
  HAVING COUNT(DISTINCT InvoiceIssuerName) = 1
),
told AS (
  SELECT
    e.*,
    i.issuer,
    COALESCE(e.InvoiceIssuerName, i.issuer, e.ProviderName, e.ServiceProviderName, 'Not stated') AS billed_by,
    INITCAP(e.ChargeCategory) AS category,
    e.is_azure AND INITCAP(e.ChargeCategory) = 'Purchase' AND e.CommitmentDiscountId IS NOT NULL AND e.EffectiveCost <> 0
      AS is_counted_twice,
    e.is_azure AND e.CommitmentDiscountStatus = 'Unused' AS is_azure_unused,
    e.is_azure AND e.ContractedCost = 0 AND e.EffectiveCost > 0 AS has_no_contracted,
    e.is_azure AND e.ListCost = 0 AND e.EffectiveCost > 0 AS has_no_list
  FROM exported AS e
  JOIN owners AS o
    ON e.account IS NOT DISTINCT FROM o.account AND e.biller = o.biller AND e.sub_account = o.sub_account
    AND IFNULL(e.source_name, '') = o.owner
  LEFT JOIN native AS n ON e.account = n.account
  LEFT JOIN issuers AS i ON e.InvoiceId = i.InvoiceId
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
  COALESCE(BillingPeriodEnd, TIMESTAMP(DATE_ADD(CAST('{month}-01' AS DATE), INTERVAL 1 MONTH))) AS BillingPeriodEnd,
  BillingPeriodStart,
  CapacityReservationId,
  CapacityReservationStatus,
  category AS ChargeCategory,
  INITCAP(ChargeClass) AS ChargeClass,
  ChargeDescription,
  CASE
    WHEN LOWER(ChargeFrequency) = 'usage-based' THEN 'Usage-Based'
    WHEN LOWER(ChargeFrequency) = 'one-time' THEN 'One-Time'
    WHEN ChargeFrequency IS NOT NULL THEN INITCAP(ChargeFrequency)
    WHEN category = 'Usage' THEN 'Usage-Based'
    ELSE 'One-Time'
  END AS ChargeFrequency,
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
  IF(is_azure_unused AND ConsumedQuantity = 0, NULL, ConsumedQuantity) AS ConsumedQuantity,
  IF(is_azure_unused AND IFNULL(ConsumedQuantity, 0) = 0, NULL, ConsumedUnit) AS ConsumedUnit,
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
  IF(has_no_contracted, NULL, ContractedCost) AS ContractedCost,
  IF((is_azure_unused OR has_no_contracted) AND ContractedUnitPrice = 0, NULL, ContractedUnitPrice)
    AS ContractedUnitPrice,
  IF(is_counted_twice, 0, EffectiveCost) AS EffectiveCost,
  COALESCE(HostProviderName, ProviderName) AS HostProviderName,
  COALESCE(
    InvoiceDetailId,
    TO_HEX(MD5(CONCAT(
      '{month}|{focus_table}|', IFNULL(source_name, ''), '|', IFNULL(BillingAccountId, ''), '|', InvoiceId, '|',
      billed_by, '|', IFNULL(CAST(BillingPeriodStart AS STRING), ''), '|', IFNULL(CAST(BillingPeriodEnd AS STRING), ''),
      '|', BillingCurrency, '|', category
    )))
  ) AS InvoiceDetailId,
  InvoiceId,
  billed_by AS InvoiceIssuerName,
  IF(has_no_list OR (is_azure_unused AND ListCost = 0), NULL, ListCost) AS ListCost,
  IF((is_azure_unused OR has_no_list) AND ListUnitPrice = 0, NULL, ListUnitPrice) AS ListUnitPrice,
  CASE
    WHEN is_azure AND CommitmentDiscountStatus = 'Used' THEN 'Committed'
    WHEN PricingCategory IN ('On-Demand', '') THEN IF(PricingCategory = '', NULL, 'Standard')
    WHEN PricingCategory = 'Commitment-Based' THEN 'Committed'
    ELSE PricingCategory
  END AS PricingCategory,
  COALESCE(PricingCurrency, BillingCurrency) AS PricingCurrency,
  PricingCurrencyContractedUnitPrice,
  COALESCE(PricingCurrencyEffectiveCost, IF(is_counted_twice, 0, EffectiveCost)) AS PricingCurrencyEffectiveCost,
  PricingCurrencyListUnitPrice,
  PricingQuantity,
  PricingUnit,
  RegionId,
  RegionName,
  ResourceId,
  ResourceName,
  ResourceType,
  COALESCE(ServiceCategory, 'Other') AS ServiceCategory,
  COALESCE(
    ServiceName,
    IF(JSON_VALUE(other_columns, '$.x_PublisherCategory') = 'Vendor', PublisherName, NULL),
    JSON_VALUE(other_columns, '$.x_SkuMeterSubcategory'),
    PublisherName,
    'Not stated'
  ) AS ServiceName,
  COALESCE(ServiceProviderName, ProviderName, PublisherName, 'Not stated') AS ServiceProviderName,
  COALESCE(ServiceSubcategory, CONCAT('Other (', COALESCE(ServiceCategory, 'Other'), ')')) AS ServiceSubcategory,
  SkuId,
  SkuMeter,
  SkuPriceDetails,
  IF(is_azure AND SkuPriceId IN ('-2', 'Unassigned'), NULL, SkuPriceId) AS SkuPriceId,
  SubAccountId,
  IF(is_azure AND SubAccountName IN ('-2', 'Unassigned'), NULL, SubAccountName) AS SubAccountName,
  SubAccountType,
  Tags,
  CAST('{month}-01' AS DATE) AS x_BillingPeriod,
  '{provider}' AS x_SourceProvider,
  'focus' AS x_SourceType,
  source_name AS x_SourceName,
  '{focus_table}' AS x_SourceTable,
  source_file AS x_SourceFile,
  '{run_id}' AS x_RunId,
  focus_version AS x_FocusSourceVersion,
  ARRAY_TO_STRING(
    [
      IF(BillingAccountType IS NULL, 'BillingAccountType: fixed', NULL),
      IF(BillingPeriodEnd IS NULL, 'BillingPeriodEnd: a month', NULL),
      IF(is_counted_twice, 'EffectiveCost: 0 on the purchase of a commitment (A1)', NULL),
      IF(is_azure_unused AND ListCost = 0, 'ListCost: 0 is not known, unused (A2)', NULL),
      IF(has_no_contracted, 'ContractedCost: 0 is not known (A3)', NULL),
      IF(has_no_list, 'ListCost: 0 is not known (A3)', NULL),
      IF(
        is_azure AND CommitmentDiscountStatus = 'Used' AND IFNULL(PricingCategory, '') <> 'Committed',
        'PricingCategory: of the commitment (A4)', NULL
      ),
      IF(ServiceName IS NULL, 'ServiceName: publisher or meter (A5)', NULL),
      IF(
        ContractApplied IS NULL AND CommitmentDiscountStatus = 'Used' AND CommitmentDiscountId IS NOT NULL,
        'ContractApplied: of the commitment discount', NULL
      ),
      IF(InvoiceIssuerName IS NULL AND issuer IS NOT NULL, 'InvoiceIssuerName: of the invoice (A11)', NULL),
      IF(InvoiceIssuerName IS NULL AND issuer IS NULL, 'InvoiceIssuerName: the provider', NULL),
      IF(PricingCurrency IS NULL, 'PricingCurrency: that of the bill', NULL),
      IF(PricingCurrencyEffectiveCost IS NULL, 'PricingCurrencyEffectiveCost: effective cost', NULL),
      IF(ServiceProviderName IS NULL, 'ServiceProviderName, HostProviderName: the provider of up to 1.3', NULL),
      IF(ServiceCategory IS NULL, 'ServiceCategory: not stated', NULL),
      IF(ServiceSubcategory IS NULL, 'ServiceSubcategory: other of its category', NULL),
      IF(ChargeFrequency IS NULL, 'ChargeFrequency: by the category', NULL)
    ],
    '; '
  ) AS x_Assumptions,
  IF(is_azure, COALESCE(PublisherName, 'Microsoft'), PublisherName) AS x_PublisherName,
  IF(is_counted_twice, EffectiveCost, NULL) AS x_SourceEffectiveCost
FROM told
