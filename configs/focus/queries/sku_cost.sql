-- question: Which SKUs cost most, and at which prices?
-- reads: cost_and_usage
-- use cases: 1.2 resource-costs-sku, 1.4 analyze-resource-costs-by-sku
-- adds up: list_cost, effective_cost
-- @provider STRING DEFAULT '': aws, azure, gcp or any; without it all
-- @service STRING DEFAULT '': ServiceName; without it all
SELECT
  ServiceProviderName AS service_provider,
  ServiceName AS service,
  SkuId AS sku,
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
  AND (@provider = '' OR x_SourceProvider = @provider)
  AND (@service = '' OR ServiceName = @service)
GROUP BY 1, 2, 3, 4, 5, 6, 7
ORDER BY effective_cost DESC, service_provider, service, sku, sku_price, pricing_unit, list_unit_price, currency
