-- question: What was bought of vendors that run at another provider?
-- reads: cost_and_usage
-- use cases: 1.4 track-marketplace-purchases-across-providers
-- @provider STRING DEFAULT '': aws, azure, gcp or any; without it all
SELECT
  ServiceProviderName AS service_provider,
  HostProviderName AS host_provider,
  InvoiceIssuerName AS issuer,
  ServiceName AS service,
  ChargeCategory AS charge_category,
  BillingCurrency AS currency,
  SUM(BilledCost) AS billed_cost,
  COUNT(DISTINCT ResourceId) AS resources
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(DATE_SUB(@from, INTERVAL 1 MONTH), MONTH)
  AND DATE(ChargePeriodStart) >= @from AND DATE(ChargePeriodStart) < @to
  AND (@provider = '' OR x_SourceProvider = @provider)
  AND ServiceProviderName <> HostProviderName AND ChargeCategory IN ('Purchase', 'Usage')
GROUP BY 1, 2, 3, 4, 5, 6
ORDER BY billed_cost DESC, service_provider, host_provider, issuer, service, charge_category, currency
