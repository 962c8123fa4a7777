-- question: What is the cost of a resource made of?
-- reads: cost_and_usage
-- use cases: 1.2 resource-component-costs, 1.4 resource-component-costs
-- @resource STRING: ResourceId, as it is spelled in the rows
SELECT
  ResourceId AS resource,
  ResourceType AS resource_type,
  ChargeCategory AS charge_category,
  ChargeDescription AS charge,
  SkuId AS sku,
  BillingCurrency AS currency,
  SUM(EffectiveCost) AS effective_cost
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(DATE_SUB(@from, INTERVAL 1 MONTH), MONTH)
  AND DATE(ChargePeriodStart) >= @from AND DATE(ChargePeriodStart) < @to
  AND ResourceId = @resource
GROUP BY 1, 2, 3, 4, 5, 6
ORDER BY effective_cost DESC, resource_type, charge_category, charge, sku, currency
