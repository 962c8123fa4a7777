-- question: Which corrections of earlier periods were billed, by service?
-- reads: cost_and_usage
-- use cases: 1.2 report-corrections, 1.4 report-corrections-for-a-previously-invoiced-billing-period
-- @provider STRING DEFAULT '': aws, azure, gcp or any; without it all
SELECT
  x_BillingPeriod AS billing_period,
  ServiceProviderName AS service_provider,
  BillingAccountId AS billing_account,
  ChargeCategory AS charge_category,
  ServiceCategory AS category,
  ServiceName AS service,
  BillingCurrency AS currency,
  SUM(BilledCost) AS billed_cost
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(@from, MONTH) AND x_BillingPeriod < @to
  AND (@provider = '' OR x_SourceProvider = @provider)
  AND ChargeClass = 'Correction'
GROUP BY 1, 2, 3, 4, 5, 6, 7
ORDER BY billing_period, service_provider, billing_account, charge_category, category, service, currency
