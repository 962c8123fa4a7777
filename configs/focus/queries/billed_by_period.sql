-- question: What did each provider bill in each period?
-- reads: cost_and_usage
-- use cases: 1.2 update-budgets, 1.4 update-budgets-with-billed-costs
-- adds up: billed_cost
SELECT
  x_BillingPeriod AS billing_period,
  ServiceProviderName AS service_provider,
  BillingCurrency AS currency,
  SUM(BilledCost) AS billed_cost
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(@from, MONTH) AND x_BillingPeriod < @to
GROUP BY 1, 2, 3
ORDER BY billing_period, billed_cost DESC, service_provider, currency
