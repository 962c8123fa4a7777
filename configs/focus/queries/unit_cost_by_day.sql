-- question: What does a unit that is consumed cost, day by day?
-- reads: cost_and_usage
-- use cases: 1.2 calculate-unit-economics, 1.4 calculate-unit-economics
-- @service STRING DEFAULT '': ServiceName; without it all
-- @unit STRING: ConsumedUnit, such as GB or Hours
SELECT
  DATE(ChargePeriodStart) AS day,
  ServiceProviderName AS service_provider,
  ServiceName AS service,
  BillingCurrency AS currency,
  SUM(EffectiveCost) AS effective_cost,
  SUM(ConsumedQuantity) AS consumed_quantity,
  ROUND(SAFE_DIVIDE(SUM(EffectiveCost), SUM(ConsumedQuantity)), 12) AS unit_cost
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(DATE_SUB(@from, INTERVAL 1 MONTH), MONTH)
  AND DATE(ChargePeriodStart) >= @from AND DATE(ChargePeriodStart) < @to
  AND (@service = '' OR ServiceName = @service)
  AND ChargeCategory = 'Usage' AND ConsumedUnit = @unit
GROUP BY 1, 2, 3, 4
ORDER BY day, effective_cost DESC, service_provider, service, currency
