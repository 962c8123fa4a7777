-- question: Which resources are shared by workloads, and by which method are they split?
-- reads: cost_and_usage
-- use cases: 1.4 identify-resources-with-shared-cost-allocation
-- @provider STRING DEFAULT '': aws, azure, gcp or any; without it all
SELECT
  ResourceId AS resource,
  MAX(ResourceName) AS resource_name,
  AllocatedMethodId AS allocated_method,
  COUNT(DISTINCT AllocatedResourceId) AS allocated_resources
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(DATE_SUB(@from, INTERVAL 1 MONTH), MONTH)
  AND DATE(ChargePeriodStart) >= @from AND DATE(ChargePeriodStart) < @to
  AND (@provider = '' OR x_SourceProvider = @provider)
  AND ChargeCategory = 'Usage' AND AllocatedMethodId IS NOT NULL
GROUP BY resource, allocated_method
ORDER BY resource, allocated_method
