-- question: In which billing periods is what was paid another amount than what was used?
-- reads: cost_and_usage
-- use cases: 1.4 cash-vs-accrual-comparison-by-billing-period
-- adds up: billed_cost, effective_cost
-- @provider STRING DEFAULT '': aws, azure, gcp or any; without it all
SELECT
  x_BillingPeriod AS billing_period,
  ServiceProviderName AS service_provider,
  InvoiceIssuerName AS issuer,
  BillingCurrency AS currency,
  SUM(BilledCost) AS billed_cost,
  SUM(EffectiveCost) AS effective_cost,
  SUM(EffectiveCost) - SUM(BilledCost) AS difference_cost
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(@from, MONTH) AND x_BillingPeriod < @to
  AND (@provider = '' OR x_SourceProvider = @provider)
GROUP BY 1, 2, 3, 4
ORDER BY billing_period, service_provider, issuer, currency
