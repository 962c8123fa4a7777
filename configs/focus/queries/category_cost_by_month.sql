-- question: What did each category of services cost, month by month?
-- reads: cost_and_usage
-- use cases: 1.2 costs-service-category, 1.4 report-costs-by-service-category
-- adds up: billed_cost, effective_cost
-- @provider STRING DEFAULT '': aws, azure, gcp or any; without it all
SELECT
  DATE_TRUNC(DATE(ChargePeriodStart), MONTH) AS month,
  x_SourceProvider AS provider,
  ServiceCategory AS category,
  BillingCurrency AS currency,
  SUM(BilledCost) AS billed_cost,
  SUM(EffectiveCost) AS effective_cost
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(DATE_SUB(@from, INTERVAL 1 MONTH), MONTH)
  AND DATE(ChargePeriodStart) >= @from AND DATE(ChargePeriodStart) < @to
  AND (@provider = '' OR x_SourceProvider = @provider)
GROUP BY 1, 2, 3, 4
ORDER BY month, effective_cost DESC, provider, category, currency
