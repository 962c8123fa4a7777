-- question: What do vendors cost whose services run at another provider, month by month?
-- reads: cost_and_usage
-- use cases: 1.2 marketplace-vendors-costs, 1.4 analyze-marketplace-vendors-costs
-- @provider STRING DEFAULT '': aws, azure, gcp or any; without it all
SELECT
  DATE_TRUNC(DATE(ChargePeriodStart), MONTH) AS month,
  ServiceProviderName AS service_provider,
  HostProviderName AS host_provider,
  InvoiceIssuerName AS issuer,
  BillingCurrency AS currency,
  SUM(EffectiveCost) AS effective_cost
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(DATE_SUB(@from, INTERVAL 1 MONTH), MONTH)
  AND DATE(ChargePeriodStart) >= @from AND DATE(ChargePeriodStart) < @to
  AND (@provider = '' OR x_SourceProvider = @provider)
  AND ServiceProviderName <> HostProviderName
GROUP BY 1, 2, 3, 4, 5
ORDER BY month, effective_cost DESC, service_provider, host_provider, issuer, currency
