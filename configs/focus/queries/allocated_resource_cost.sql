-- question: What do workloads cost that share a resource, where an export splits it?
-- reads: cost_and_usage
-- use cases: 1.4 analyze-total-cost-by-allocated-resource
-- @provider STRING DEFAULT '': aws, azure, gcp or any; without it all
SELECT
  AllocatedResourceId AS allocated_resource,
  AllocatedResourceName AS allocated_resource_name,
  ResourceId AS resource,
  BillingCurrency AS currency,
  SUM(EffectiveCost) AS effective_cost,
  COUNT(*) AS charges
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(DATE_SUB(@from, INTERVAL 1 MONTH), MONTH)
  AND DATE(ChargePeriodStart) >= @from AND DATE(ChargePeriodStart) < @to
  AND (@provider = '' OR x_SourceProvider = @provider)
  AND ChargeCategory = 'Usage' AND AllocatedMethodId IS NOT NULL AND AllocatedResourceId IS NOT NULL
GROUP BY 1, 2, 3, 4
ORDER BY effective_cost DESC, allocated_resource, allocated_resource_name, resource, currency
