-- The commitments that a provider's month tells of (FOCUS 1.4, Contract Commitment), by the rows of Cost and Usage that
-- they pay for, were bought with, or were left unused by.
WITH told AS (
  SELECT
    CommitmentDiscountId AS id,
    MIN(BillingCurrency) AS currency,
    MIN(PricingCurrency) AS pricing_currency,
    MIN(CommitmentDiscountCategory) AS category,
    MIN(CommitmentDiscountType) AS type,
    MAX(CommitmentDiscountName) AS name,
    MIN(ChargePeriodStart) AS first_start,
    MAX(ChargePeriodEnd) AS last_end,
    MIN(InvoiceIssuerName) AS issuer,
    MIN(ServiceProviderName) AS seller,
    MIN(x_SourceName) AS source_name,
    MIN(x_SourceTable) AS source_table,
    LOGICAL_OR(ChargeCategory = 'Purchase' AND ChargeFrequency = 'One-Time') AS is_paid_once,
    LOGICAL_OR(ChargeCategory = 'Purchase' AND ChargeFrequency = 'Recurring') AS is_paid_monthly,
    SUM(IF(CommitmentDiscountStatus = 'Used' AND ListCost > 0, EffectiveCost, 0)) AS used_cost,
    SUM(IF(CommitmentDiscountStatus = 'Used' AND ListCost > 0, ListCost, 0)) AS used_list
  FROM `focus_cost_and_usage`
  WHERE x_BillingPeriod = CAST('{month}-01' AS DATE) AND x_SourceProvider = '{provider}'
    AND CommitmentDiscountId IS NOT NULL
  GROUP BY CommitmentDiscountId
)
SELECT
  currency AS BillingCurrency,
  PARSE_JSON('{"IsComplexScope":true}') AS ContractCommitmentApplicability,
  'Discount' AS ContractCommitmentBenefitCategory,
  IFNULL(category, 'Usage') AS ContractCommitmentCategory,
  CAST(NULL AS BIGNUMERIC) AS ContractCommitmentCost,
  first_start AS ContractCommitmentCreated,
  name AS ContractCommitmentDescription,
  CAST(NULL AS BIGNUMERIC) AS ContractCommitmentDiscountPercentage,
  'Not stated' AS ContractCommitmentDurationType,
  'Hourly' AS ContractCommitmentFulfillmentInterval,
  id AS ContractCommitmentId,
  CURRENT_TIMESTAMP() AS ContractCommitmentLastUpdated,
  'Active' AS ContractCommitmentLifecycleStatus,
  'Continuous' AS ContractCommitmentModel,
  'Public' AS ContractCommitmentOfferCategory,
  IF(is_paid_once AND NOT is_paid_monthly, 'One-Time', 'Monthly') AS ContractCommitmentPaymentInterval,
  IF(is_paid_once AND NOT is_paid_monthly, 'All Upfront', 'No Upfront') AS ContractCommitmentPaymentModel,
  CAST(IF(is_paid_once AND NOT is_paid_monthly, 1, 0) AS BIGNUMERIC) AS ContractCommitmentPaymentUpfrontPercentage,
  last_end AS ContractCommitmentPeriodEnd,
  first_start AS ContractCommitmentPeriodStart,
  CAST(NULL AS BIGNUMERIC) AS ContractCommitmentQuantity,
  IFNULL(type, 'Not stated') AS ContractCommitmentType,
  CAST(NULL AS STRING) AS ContractCommitmentUnit,
  id AS ContractId,
  last_end AS ContractPeriodEnd,
  first_start AS ContractPeriodStart,
  issuer AS InvoiceIssuerName,
  pricing_currency AS PricingCurrency,
  CAST(NULL AS BIGNUMERIC) AS PricingCurrencyContractCommitmentCost,
  seller AS ServiceProviderName,
  CAST('{month}-01' AS DATE) AS x_BillingPeriod,
  '{provider}' AS x_SourceProvider,
  source_name AS x_SourceName,
  source_table AS x_SourceTable,
  '{run_id}' AS x_RunId,
  ARRAY_TO_STRING(
    [
      'ContractId, ContractPeriodStart, ContractPeriodEnd: the commitment is its contract',
      'ContractCommitmentPeriodStart, ContractCommitmentPeriodEnd, ContractCommitmentCreated: of its charges in the month',
      'ContractCommitmentApplicability, ContractCommitmentDurationType: not stated',
      'ContractCommitmentLifecycleStatus: it has charges',
      'ContractCommitmentBenefitCategory, ContractCommitmentFulfillmentInterval, ContractCommitmentModel, '
      || 'ContractCommitmentOfferCategory: fixed',
      IF(
        is_paid_once OR is_paid_monthly, NULL,
        'ContractCommitmentPaymentModel, ContractCommitmentPaymentInterval: not bought in the month'
      ),
      IF(category IS NULL, 'ContractCommitmentCategory: not stated', NULL)
    ],
    '; '
  ) AS x_Assumptions
FROM told
