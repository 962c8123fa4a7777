-- question: What was billed for each value of a tag in each billing period, by billing account and currency?
-- reads: cost_and_usage
-- use cases: 1.2 update-application-budgets, 1.4 update-budgets-for-each-application
-- use cases: 1.2 allocate-application-multi-currency, 1.4 allocate-multi-currency-charges-per-application-2
-- adds up: billed_cost
-- @tag STRING: key of the tag, as it is spelled in Tags
SELECT
  x_BillingPeriod AS billing_period,
  ServiceProviderName AS service_provider,
  BillingAccountId AS billing_account,
  JSON_VALUE(Tags[@tag]) AS tag_value,
  BillingCurrency AS currency,
  SUM(BilledCost) AS billed_cost
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(@from, MONTH) AND x_BillingPeriod < @to
GROUP BY 1, 2, 3, 4, 5
ORDER BY billing_period, billed_cost DESC, service_provider, billing_account, tag_value, currency
