-- question: What do negotiated prices save in a virtual currency?
-- reads: cost_and_usage
-- use cases: 1.2 determine-contracted-savings-by-virtual-currency, 1.4 determine-contracted-savings-by-virtual-currency
-- @virtual_currency STRING: such as tokens or credits, as the rows spell it
SELECT
  ServiceProviderName AS service_provider,
  ServiceName AS service,
  PricingCurrency AS pricing_currency,
  SUM((PricingCurrencyListUnitPrice - PricingCurrencyContractedUnitPrice) * PricingQuantity) AS contracted_savings
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(DATE_SUB(@from, INTERVAL 1 MONTH), MONTH)
  AND DATE(ChargePeriodStart) >= @from AND DATE(ChargePeriodStart) < @to
  AND ChargeCategory = 'Usage' AND PricingCurrency = @virtual_currency
GROUP BY 1, 2, 3
ORDER BY contracted_savings DESC, service_provider, service
