-- question: Were the discounts of a billing period right, corrections left out?
-- reads: cost_and_usage
-- use cases: 1.2 verify-discounts-applied
-- use cases: 1.4 verify-discount-accuracy-for-a-previously-invoiced-billing-period-corrections-excluded
-- @provider STRING DEFAULT '': aws, azure, gcp or any; without it all
SELECT
  x_BillingPeriod AS billing_period,
  ServiceProviderName AS service_provider,
  BillingAccountId AS billing_account,
  ServiceName AS service,
  BillingCurrency AS currency,
  SUM(BilledCost) AS billed_cost,
  SUM(EffectiveCost) AS effective_cost,
  SUM(ListCost) AS list_cost,
  ROUND(SAFE_DIVIDE(SUM(ListCost) - SUM(EffectiveCost), SUM(ListCost)), 6) AS discount_rate
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(@from, MONTH) AND x_BillingPeriod < @to
  AND (@provider = '' OR x_SourceProvider = @provider)
  AND IFNULL(ChargeClass, '') <> 'Correction'
GROUP BY 1, 2, 3, 4, 5
ORDER BY billing_period, list_cost DESC, service_provider, billing_account, service, currency
