-- question: How much does each service save by negotiated prices, and how much by commitments?
-- reads: cost_and_usage
-- use cases: 1.4 discount-effectiveness-by-service
-- @provider STRING DEFAULT '': aws, azure, gcp or any; without it all
SELECT
  ServiceProviderName AS service_provider,
  ServiceName AS service,
  BillingCurrency AS currency,
  SUM(ListCost) AS list_cost,
  SUM(ContractedCost) AS contracted_cost,
  SUM(EffectiveCost) AS effective_cost,
  SUM(ListCost) - SUM(ContractedCost) AS negotiated_savings,
  SUM(ContractedCost) - SUM(EffectiveCost) AS commitment_savings
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(DATE_SUB(@from, INTERVAL 1 MONTH), MONTH)
  AND DATE(ChargePeriodStart) >= @from AND DATE(ChargePeriodStart) < @to
  AND (@provider = '' OR x_SourceProvider = @provider)
  AND ChargeCategory = 'Usage'
GROUP BY 1, 2, 3
ORDER BY list_cost DESC, service_provider, service, currency
