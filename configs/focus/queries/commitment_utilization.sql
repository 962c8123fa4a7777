-- question: Which part of each commitment was used?
-- reads: cost_and_usage
-- @provider STRING DEFAULT '': aws, azure, gcp or any; without it all
SELECT
  ServiceProviderName AS service_provider,
  CommitmentDiscountId AS commitment,
  CommitmentDiscountType AS commitment_type,
  BillingCurrency AS currency,
  SUM(IF(CommitmentDiscountStatus = 'Used', EffectiveCost, 0)) AS used_cost,
  SUM(IF(CommitmentDiscountStatus = 'Unused', EffectiveCost, 0)) AS unused_cost,
  ROUND(SAFE_DIVIDE(SUM(IF(CommitmentDiscountStatus = 'Used', EffectiveCost, 0)), SUM(EffectiveCost)), 6) AS used_share
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(DATE_SUB(@from, INTERVAL 1 MONTH), MONTH)
  AND DATE(ChargePeriodStart) >= @from AND DATE(ChargePeriodStart) < @to
  AND (@provider = '' OR x_SourceProvider = @provider)
  AND ChargeCategory = 'Usage' AND CommitmentDiscountStatus IN ('Used', 'Unused')
GROUP BY 1, 2, 3, 4
ORDER BY unused_cost DESC, service_provider, commitment, commitment_type, currency
