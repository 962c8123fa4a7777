-- question: What was billed for each service by who makes, hosts and invoices it, in each period?
-- reads: cost_and_usage
-- use cases: 1.4 analyze-cost-by-participating-entities
-- adds up: billed_cost
-- @provider STRING DEFAULT '': aws, azure, gcp or any; without it all
SELECT
  x_BillingPeriod AS billing_period,
  ServiceProviderName AS service_provider,
  HostProviderName AS host_provider,
  InvoiceIssuerName AS issuer,
  ServiceName AS service,
  BillingCurrency AS currency,
  SUM(BilledCost) AS billed_cost
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(@from, MONTH) AND x_BillingPeriod < @to
  AND (@provider = '' OR x_SourceProvider = @provider)
GROUP BY 1, 2, 3, 4, 5, 6
ORDER BY billing_period, billed_cost DESC, service_provider, host_provider, issuer, service, currency
