-- question: Who made, sold and invoiced what was billed, invoice by invoice?
-- reads: cost_and_usage
-- use cases: 1.2 identify-sources-of-billed-cost, 1.4 identify-sources-of-billed-cost-2
-- adds up: billed_cost
-- @provider STRING DEFAULT '': aws, azure, gcp or any; without it all
SELECT
  ServiceProviderName AS service_provider,
  HostProviderName AS host_provider,
  InvoiceIssuerName AS issuer,
  InvoiceId AS invoice,
  BillingCurrency AS currency,
  SUM(BilledCost) AS billed_cost
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(DATE_SUB(@from, INTERVAL 1 MONTH), MONTH)
  AND DATE(ChargePeriodStart) >= @from AND DATE(ChargePeriodStart) < @to
  AND (@provider = '' OR x_SourceProvider = @provider)
GROUP BY 1, 2, 3, 4, 5
ORDER BY billed_cost DESC, service_provider, host_provider, issuer, invoice, currency
