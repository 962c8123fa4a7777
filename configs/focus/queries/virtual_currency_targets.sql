-- question: What was a virtual currency spent on?
-- reads: cost_and_usage
-- use cases: 1.2 determine-target-of-virtual-currency-usage, 1.4 determine-target-of-virtual-currency-usage-2
-- @virtual_currency STRING: such as tokens or credits, as the rows spell it
SELECT
  ServiceProviderName AS service_provider,
  ServiceName AS service,
  ChargeDescription AS charge,
  PricingCurrency AS pricing_currency,
  SUM(PricingCurrencyEffectiveCost) AS pricing_currency_effective_cost
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(DATE_SUB(@from, INTERVAL 1 MONTH), MONTH)
  AND DATE(ChargePeriodStart) >= @from AND DATE(ChargePeriodStart) < @to
  AND ChargeCategory = 'Usage' AND PricingCurrency = @virtual_currency
GROUP BY 1, 2, 3, 4
ORDER BY pricing_currency_effective_cost DESC, service_provider, service, charge
