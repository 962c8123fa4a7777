-- question: How much of a virtual currency was bought, and for how much?
-- reads: cost_and_usage
-- use cases: 1.2 analyze-purchase-of-virtual-currency, 1.4 analyze-purchase-of-virtual-currency
-- @virtual_currency STRING: such as tokens or credits, as the rows spell it
SELECT
  ServiceProviderName AS service_provider,
  ChargeDescription AS charge,
  PricingUnit AS pricing_unit,
  BillingCurrency AS currency,
  SUM(PricingQuantity) AS pricing_quantity,
  SUM(BilledCost) AS billed_cost
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(DATE_SUB(@from, INTERVAL 1 MONTH), MONTH)
  AND DATE(ChargePeriodStart) >= @from AND DATE(ChargePeriodStart) < @to
  AND ChargeCategory = 'Purchase' AND PricingUnit = @virtual_currency
GROUP BY 1, 2, 3, 4
ORDER BY billed_cost DESC, service_provider, charge, currency
