-- question: How many cores were used of each series of machines, and what did one cost, where an export says its SKUs?
-- reads: cost_and_usage
-- use cases: 1.2 quantify-usage-of-a-component-resource, 1.4 quantify-usage-of-a-component-resource-2
-- use cases: 1.2 calculate-average-rate-of-a-component-resource, 1.4 calculate-average-rate-of-a-component-resource-2
-- @provider STRING DEFAULT '': aws, azure, gcp or any; without it all
SELECT
  DATE_TRUNC(DATE(ChargePeriodStart), MONTH) AS month,
  ServiceProviderName AS service_provider,
  ServiceName AS service,
  RegionId AS region,
  JSON_VALUE(SkuPriceDetails, '$.InstanceSeries') AS series,
  PricingUnit AS pricing_unit,
  BillingCurrency AS currency,
  SUM(SAFE_CAST(JSON_VALUE(SkuPriceDetails, '$.CoreCount') AS BIGNUMERIC) * PricingQuantity) AS core_quantity,
  SUM(EffectiveCost) AS effective_cost,
  ROUND(
    SAFE_DIVIDE(
      SUM(EffectiveCost), SUM(SAFE_CAST(JSON_VALUE(SkuPriceDetails, '$.CoreCount') AS BIGNUMERIC) * PricingQuantity)
    ),
    12
  ) AS core_cost
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(DATE_SUB(@from, INTERVAL 1 MONTH), MONTH)
  AND DATE(ChargePeriodStart) >= @from AND DATE(ChargePeriodStart) < @to
  AND (@provider = '' OR x_SourceProvider = @provider)
  AND ChargeCategory = 'Usage' AND JSON_VALUE(SkuPriceDetails, '$.CoreCount') IS NOT NULL
GROUP BY 1, 2, 3, 4, 5, 6, 7
ORDER BY month, effective_cost DESC, service_provider, service, region, series, pricing_unit, currency
