-- question: What was billed for each category and subcategory of services in each billing period?
-- reads: cost_and_usage
-- use cases: 1.2 report-costs-by-service-category-and-subcategory
-- use cases: 1.4 report-costs-by-service-category-and-subcategory-2
-- adds up: billed_cost
-- @provider STRING DEFAULT '': aws, azure, gcp or any; without it all
SELECT
  x_BillingPeriod AS billing_period,
  ServiceProviderName AS service_provider,
  ServiceCategory AS category,
  ServiceSubcategory AS subcategory,
  BillingCurrency AS currency,
  SUM(BilledCost) AS billed_cost
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(@from, MONTH) AND x_BillingPeriod < @to
  AND (@provider = '' OR x_SourceProvider = @provider)
GROUP BY 1, 2, 3, 4, 5
ORDER BY billing_period, billed_cost DESC, service_provider, category, subcategory, currency
