-- question: Which part of the list cost of use is saved by negotiated prices and commitments?
-- reads: cost_and_usage
-- use cases: 1.2 effective-savings-rate, 1.4 determine-effective-savings-rate
-- @provider STRING DEFAULT '': aws, azure, gcp or any; without it all
SELECT
  ServiceProviderName AS service_provider,
  BillingCurrency AS currency,
  SUM(ListCost) AS list_cost,
  SUM(EffectiveCost) AS effective_cost,
  SUM(ListCost) - SUM(EffectiveCost) AS savings,
  ROUND(SAFE_DIVIDE(SUM(ListCost) - SUM(EffectiveCost), SUM(ListCost)), 6) AS savings_rate
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(DATE_SUB(@from, INTERVAL 1 MONTH), MONTH)
  AND DATE(ChargePeriodStart) >= @from AND DATE(ChargePeriodStart) < @to
  AND (@provider = '' OR x_SourceProvider = @provider)
  AND ChargeCategory = 'Usage'
GROUP BY 1, 2
ORDER BY savings DESC, service_provider, currency
