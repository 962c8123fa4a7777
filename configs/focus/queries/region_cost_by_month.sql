-- question: What did each service cost in each region, month by month?
-- reads: cost_and_usage
-- use cases: 1.2 analyze-service-costs-by-region, 1.4 analyze-service-costs-by-region-2
-- use cases: 1.4 effective-cost-by-service-and-region
-- adds up: effective_cost
-- @provider STRING DEFAULT '': aws, azure, gcp or any; without it all
-- @service STRING DEFAULT '': ServiceName; without it all
SELECT
  DATE_TRUNC(DATE(ChargePeriodStart), MONTH) AS month,
  ServiceProviderName AS service_provider,
  RegionId AS region,
  ServiceName AS service,
  BillingCurrency AS currency,
  SUM(EffectiveCost) AS effective_cost
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(DATE_SUB(@from, INTERVAL 1 MONTH), MONTH)
  AND DATE(ChargePeriodStart) >= @from AND DATE(ChargePeriodStart) < @to
  AND (@provider = '' OR x_SourceProvider = @provider)
  AND (@service = '' OR ServiceName = @service)
GROUP BY 1, 2, 3, 4, 5
ORDER BY month, effective_cost DESC, service_provider, region, service, currency
