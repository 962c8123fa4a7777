-- question: What of each commitment was used, and what was not, day by day?
-- reads: cost_and_usage
-- use cases: 1.4 commitment-discount-effective-cost-breakdown
-- @provider STRING DEFAULT '': aws, azure, gcp or any; without it all
SELECT
  DATE(ChargePeriodStart) AS day,
  ServiceProviderName AS service_provider,
  CommitmentDiscountId AS commitment,
  CommitmentDiscountStatus AS commitment_status,
  BillingCurrency AS currency,
  SUM(EffectiveCost) AS effective_cost
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(DATE_SUB(@from, INTERVAL 1 MONTH), MONTH)
  AND DATE(ChargePeriodStart) >= @from AND DATE(ChargePeriodStart) < @to
  AND (@provider = '' OR x_SourceProvider = @provider)
  AND ChargeCategory = 'Usage' AND CommitmentDiscountId IS NOT NULL
GROUP BY 1, 2, 3, 4, 5
ORDER BY day, service_provider, commitment, commitment_status, currency
