-- question: What was metered of a SKU, day by day, and at which prices?
-- reads: cost_and_usage
-- use cases: 1.2 analyze-the-different-metered-costs-for-a-particular-sku
-- use cases: 1.4 analyze-the-different-metered-costs-for-a-particular-sku-2
-- @sku STRING: SkuId, as it is spelled in the rows
SELECT
  DATE(ChargePeriodStart) AS day,
  ServiceProviderName AS service_provider,
  SkuMeter AS meter,
  SkuPriceId AS sku_price,
  PricingUnit AS pricing_unit,
  BillingCurrency AS currency,
  ListUnitPrice AS list_unit_price,
  SUM(PricingQuantity) AS pricing_quantity,
  SUM(ListCost) AS list_cost,
  SUM(EffectiveCost) AS effective_cost
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(DATE_SUB(@from, INTERVAL 1 MONTH), MONTH)
  AND DATE(ChargePeriodStart) >= @from AND DATE(ChargePeriodStart) < @to
  AND SkuId = @sku
GROUP BY 1, 2, 3, 4, 5, 6, 7
ORDER BY day, effective_cost DESC, service_provider, meter, sku_price, pricing_unit, list_unit_price, currency
