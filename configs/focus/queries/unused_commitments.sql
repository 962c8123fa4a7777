-- question: Which commitments were paid for and not used?
-- reads: cost_and_usage
-- use cases: 1.2 identify-unused-commitments, 1.4 identify-unused-commitments-2
-- @provider STRING DEFAULT '': aws, azure, gcp or any; without it all
SELECT
  ServiceProviderName AS service_provider,
  BillingAccountId AS billing_account,
  CommitmentDiscountId AS commitment,
  CommitmentDiscountType AS commitment_type,
  MIN(ChargePeriodStart) AS first_charge,
  MAX(ChargePeriodEnd) AS last_charge,
  BillingCurrency AS currency,
  SUM(EffectiveCost) AS unused_cost
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(DATE_SUB(@from, INTERVAL 1 MONTH), MONTH)
  AND DATE(ChargePeriodStart) >= @from AND DATE(ChargePeriodStart) < @to
  AND (@provider = '' OR x_SourceProvider = @provider)
  AND CommitmentDiscountStatus = 'Unused'
GROUP BY service_provider, billing_account, commitment, commitment_type, currency
ORDER BY unused_cost DESC, service_provider, billing_account, commitment, commitment_type, currency
