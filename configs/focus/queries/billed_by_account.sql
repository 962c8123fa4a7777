-- question: What was billed to each billing account in each period, to compare with its invoices?
-- reads: cost_and_usage
-- use cases: 1.2 verify-invoices, 1.4 verify-accuracy-of-service-provider-invoices
-- adds up: billed_cost
-- @provider STRING DEFAULT '': aws, azure, gcp or any; without it all
SELECT
  x_BillingPeriod AS billing_period,
  ServiceProviderName AS service_provider,
  BillingAccountId AS billing_account,
  MAX(BillingAccountName) AS billing_account_name,
  BillingCurrency AS currency,
  SUM(BilledCost) AS billed_cost
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(@from, MONTH) AND x_BillingPeriod < @to
  AND (@provider = '' OR x_SourceProvider = @provider)
GROUP BY billing_period, service_provider, billing_account, currency
ORDER BY billing_period, service_provider, billing_account, currency
