-- question: What do services cost in the currency that they are priced in?
-- reads: cost_and_usage
-- use cases: 1.2 analyze-effective-cost-by-pricing-currency, 1.4 analyze-effective-cost-by-pricing-currency-2
-- adds up: effective_cost
-- @provider STRING DEFAULT '': aws, azure, gcp or any; without it all
SELECT
  ServiceProviderName AS service_provider,
  HostProviderName AS host_provider,
  ServiceName AS service,
  PricingCurrency AS pricing_currency,
  SUM(PricingCurrencyEffectiveCost) AS pricing_currency_effective_cost,
  BillingCurrency AS currency,
  SUM(EffectiveCost) AS effective_cost
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(DATE_SUB(@from, INTERVAL 1 MONTH), MONTH)
  AND DATE(ChargePeriodStart) >= @from AND DATE(ChargePeriodStart) < @to
  AND (@provider = '' OR x_SourceProvider = @provider)
GROUP BY service_provider, host_provider, service, pricing_currency, currency
ORDER BY effective_cost DESC, service_provider, host_provider, service, pricing_currency, currency
