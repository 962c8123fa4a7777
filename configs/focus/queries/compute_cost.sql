-- question: What did compute cost in each billing period, commitments spread?
-- reads: cost_and_usage
-- use cases: 1.2 effective-cost-compute, 1.4 report-effective-cost-of-compute
-- @provider STRING DEFAULT '': aws, azure, gcp or any; without it all
SELECT
  x_BillingPeriod AS billing_period,
  x_SourceProvider AS provider,
  SubAccountId AS account,
  ServiceName AS service,
  BillingCurrency AS currency,
  SUM(BilledCost) AS billed_cost,
  SUM(EffectiveCost) AS effective_cost
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(DATE_SUB(@from, INTERVAL 1 MONTH), MONTH)
  AND DATE(ChargePeriodStart) >= @from AND DATE(ChargePeriodStart) < @to
  AND (@provider = '' OR x_SourceProvider = @provider)
  AND ServiceCategory = 'Compute'
GROUP BY 1, 2, 3, 4, 5
ORDER BY billing_period, effective_cost DESC, provider, account, service, currency
