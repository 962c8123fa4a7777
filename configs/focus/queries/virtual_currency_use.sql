-- question: How much of a virtual currency did each provider use up in each billing period?
-- reads: cost_and_usage
-- use cases: 1.2 calculate-consumption-of-virtual-currency-within-a-billing-period
-- use cases: 1.4 calculate-consumption-of-virtual-currency-within-a-billing-period-2
-- @virtual_currency STRING: such as tokens or credits, as the rows spell it
SELECT
  x_BillingPeriod AS billing_period,
  ServiceProviderName AS service_provider,
  PricingCurrency AS pricing_currency,
  SUM(PricingCurrencyEffectiveCost) AS pricing_currency_effective_cost
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(DATE_SUB(@from, INTERVAL 1 MONTH), MONTH)
  AND DATE(ChargePeriodStart) >= @from AND DATE(ChargePeriodStart) < @to
  AND ChargeCategory = 'Usage' AND PricingCurrency = @virtual_currency
GROUP BY 1, 2, 3
ORDER BY billing_period, pricing_currency_effective_cost DESC, service_provider
