-- question: How much of each resource and SKU was used, month by month?
-- reads: cost_and_usage
-- use cases: 1.2 compare-usage-month-over-month, 1.4 compare-resource-usage-month-over-month-2
-- @provider STRING DEFAULT '': aws, azure, gcp or any; without it all
-- @service STRING DEFAULT '': ServiceName; without it all
-- @account STRING DEFAULT '': account, subscription or project (SubAccountId); without it all
SELECT
  DATE_TRUNC(DATE(ChargePeriodStart), MONTH) AS month,
  ServiceProviderName AS service_provider,
  ServiceName AS service,
  ResourceId AS resource,
  SkuId AS sku,
  ConsumedUnit AS consumed_unit,
  SUM(ConsumedQuantity) AS consumed_quantity
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(DATE_SUB(@from, INTERVAL 1 MONTH), MONTH)
  AND DATE(ChargePeriodStart) >= @from AND DATE(ChargePeriodStart) < @to
  AND (@provider = '' OR x_SourceProvider = @provider)
  AND (@service = '' OR ServiceName = @service)
  AND (@account = '' OR SubAccountId = @account)
  AND ChargeCategory = 'Usage'
GROUP BY 1, 2, 3, 4, 5, 6
ORDER BY month, service_provider, service, resource, sku, consumed_unit
