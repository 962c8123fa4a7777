-- question: Which recurring fees of commitments were billed, month by month?
-- reads: cost_and_usage
-- use cases: 1.2 recurring-commitment-charges
-- @provider STRING DEFAULT '': aws, azure, gcp or any; without it all
SELECT
  x_BillingPeriod AS billing_period,
  ServiceProviderName AS service_provider,
  CommitmentDiscountId AS commitment,
  CommitmentDiscountName AS commitment_name,
  CommitmentDiscountType AS commitment_type,
  BillingCurrency AS currency,
  SUM(BilledCost) AS billed_cost
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(@from, MONTH) AND x_BillingPeriod < @to
  AND (@provider = '' OR x_SourceProvider = @provider)
  AND ChargeFrequency = 'Recurring' AND CommitmentDiscountId IS NOT NULL
GROUP BY 1, 2, 3, 4, 5, 6
ORDER BY billing_period, billed_cost DESC, service_provider, commitment, commitment_name, commitment_type, currency
