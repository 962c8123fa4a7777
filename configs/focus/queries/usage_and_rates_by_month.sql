-- question: How much was used at which rates, month by month, to forecast from?
-- reads: cost_and_usage
-- use cases: 1.2 forecast-costs, 1.4 get-historical-usage-and-rates-to-enable-cost-forecasting
-- adds up: list_cost, contracted_cost, effective_cost
-- @provider STRING DEFAULT '': aws, azure, gcp or any; without it all
-- @service STRING DEFAULT '': ServiceName; without it all
SELECT
  DATE_TRUNC(DATE(ChargePeriodStart), MONTH) AS month,
  ServiceProviderName AS service_provider,
  ServiceName AS service,
  SkuId AS sku,
  PricingCategory AS pricing_category,
  PricingUnit AS pricing_unit,
  BillingCurrency AS currency,
  SUM(PricingQuantity) AS pricing_quantity,
  SUM(ListCost) AS list_cost,
  SUM(ContractedCost) AS contracted_cost,
  SUM(EffectiveCost) AS effective_cost,
  ROUND(SAFE_DIVIDE(SUM(EffectiveCost), SUM(PricingQuantity)), 12) AS effective_rate
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(DATE_SUB(@from, INTERVAL 1 MONTH), MONTH)
  AND DATE(ChargePeriodStart) >= @from AND DATE(ChargePeriodStart) < @to
  AND (@provider = '' OR x_SourceProvider = @provider)
  AND (@service = '' OR ServiceName = @service)
GROUP BY 1, 2, 3, 4, 5, 6, 7
ORDER BY month, effective_cost DESC, service_provider, service, sku, pricing_category, pricing_unit, currency
