-- question: Which resources of compute cost most?
-- reads: cost_and_usage
-- use cases: 1.2 cost-compute-subaccount, 1.4 cost-compute-subaccount
-- @account STRING DEFAULT '': account, subscription or project (SubAccountId); without it all
SELECT
  ServiceName AS service,
  ResourceId AS resource,
  MAX(ResourceName) AS resource_name,
  MIN(ChargePeriodStart) AS first_charge,
  MAX(ChargePeriodEnd) AS last_charge,
  PricingUnit AS pricing_unit,
  SUM(PricingQuantity) AS pricing_quantity,
  BillingCurrency AS currency,
  SUM(EffectiveCost) AS effective_cost
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(DATE_SUB(@from, INTERVAL 1 MONTH), MONTH)
  AND DATE(ChargePeriodStart) >= @from AND DATE(ChargePeriodStart) < @to
  AND (@account = '' OR SubAccountId = @account)
  AND ServiceCategory = 'Compute'
GROUP BY service, resource, pricing_unit, currency
ORDER BY effective_cost DESC, service, resource, pricing_unit, currency
