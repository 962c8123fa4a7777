-- question: What did a provider bill in each period, by account, category and service?
-- reads: cost_and_usage
-- use cases: 1.2 report-spending-across-billing-periods-by-service-category
-- use cases: 1.4 report-spending-across-billing-periods-for-a-service-provider-by-service-category
-- adds up: billed_cost
-- @provider STRING DEFAULT '': aws, azure, gcp or any; without it all
SELECT
  x_BillingPeriod AS billing_period,
  x_SourceProvider AS provider,
  BillingAccountId AS billing_account,
  ServiceCategory AS category,
  ServiceName AS service,
  BillingCurrency AS currency,
  SUM(BilledCost) AS billed_cost
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(@from, MONTH) AND x_BillingPeriod < @to
  AND (@provider = '' OR x_SourceProvider = @provider)
GROUP BY 1, 2, 3, 4, 5, 6
ORDER BY billing_period, billed_cost DESC, provider, billing_account, category, service, currency
