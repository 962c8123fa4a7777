-- question: What was billed to each billing account for each service in each period, to compare with its invoices?
-- reads: cost_and_usage
-- use cases: 1.2 verify-service-charges, 1.4 verify-accuracy-of-services-charges-across-service-providers
-- adds up: billed_cost
-- @provider STRING DEFAULT '': aws, azure, gcp or any; without it all
SELECT
  x_BillingPeriod AS billing_period,
  ServiceProviderName AS service_provider,
  BillingAccountId AS billing_account,
  ServiceName AS service,
  BillingCurrency AS currency,
  SUM(BilledCost) AS billed_cost
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(@from, MONTH) AND x_BillingPeriod < @to
  AND (@provider = '' OR x_SourceProvider = @provider)
GROUP BY 1, 2, 3, 4, 5
ORDER BY billing_period, billed_cost DESC, service_provider, billing_account, service, currency
