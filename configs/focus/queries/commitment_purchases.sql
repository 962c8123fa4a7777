-- question: Which commitments were bought, and what was paid for them?
-- reads: cost_and_usage
-- use cases: 1.2 commitment-discount-purchases, 1.4 report-commitment-discount-purchases
-- @provider STRING DEFAULT '': aws, azure, gcp or any; without it all
SELECT
  ServiceProviderName AS service_provider,
  BillingAccountId AS billing_account,
  CommitmentDiscountId AS commitment,
  CommitmentDiscountType AS commitment_type,
  CommitmentDiscountUnit AS commitment_unit,
  ChargeFrequency AS charge_frequency,
  MIN(ChargePeriodStart) AS first_charge,
  MAX(ChargePeriodEnd) AS last_charge,
  SUM(CommitmentDiscountQuantity) AS commitment_quantity,
  BillingCurrency AS currency,
  SUM(BilledCost) AS billed_cost
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(DATE_SUB(@from, INTERVAL 1 MONTH), MONTH)
  AND DATE(ChargePeriodStart) >= @from AND DATE(ChargePeriodStart) < @to
  AND (@provider = '' OR x_SourceProvider = @provider)
  AND ChargeCategory = 'Purchase' AND CommitmentDiscountId IS NOT NULL
GROUP BY service_provider, billing_account, commitment, commitment_type, commitment_unit, charge_frequency, currency
ORDER BY billed_cost DESC, service_provider, billing_account, commitment, commitment_type, charge_frequency, currency
