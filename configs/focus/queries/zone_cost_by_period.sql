-- question: What did each zone of each region cost in each billing period?
-- reads: cost_and_usage
-- use cases: 1.2 costs-by-availability-zone, 1.4 analyze-costs-by-availability-zone-for-a-subaccount
-- adds up: effective_cost
-- @account STRING DEFAULT '': account, subscription or project (SubAccountId); without it all
SELECT
  x_BillingPeriod AS billing_period,
  ServiceProviderName AS service_provider,
  RegionId AS region,
  AvailabilityZone AS zone,
  BillingCurrency AS currency,
  SUM(EffectiveCost) AS effective_cost
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(@from, MONTH) AND x_BillingPeriod < @to
  AND (@account = '' OR SubAccountId = @account)
GROUP BY 1, 2, 3, 4, 5
ORDER BY billing_period, service_provider, region, zone, effective_cost DESC, currency
