-- question: Which credits lowered which invoice?
-- reads: cost_and_usage
-- use cases: 1.2 analyze-credit-memos, 1.4 analyze-credit-memos-2
-- @provider STRING DEFAULT '': aws, azure, gcp or any; without it all
SELECT
  ServiceProviderName AS service_provider,
  InvoiceId AS invoice,
  ChargeDescription AS credit,
  BillingCurrency AS currency,
  SUM(BilledCost) AS billed_cost
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(DATE_SUB(@from, INTERVAL 1 MONTH), MONTH)
  AND DATE(ChargePeriodStart) >= @from AND DATE(ChargePeriodStart) < @to
  AND (@provider = '' OR x_SourceProvider = @provider)
  AND ChargeCategory = 'Credit'
GROUP BY 1, 2, 3, 4
ORDER BY billed_cost, service_provider, invoice, credit, currency
