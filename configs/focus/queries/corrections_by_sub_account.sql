-- question: Which corrections of earlier periods were billed to each account, subscription or project?
-- reads: cost_and_usage
-- use cases: 1.2 corrections-by-subaccount
-- use cases: 1.4 report-corrections-by-subaccount-for-a-previously-invoiced-billing-period
-- @provider STRING DEFAULT '': aws, azure, gcp or any; without it all
-- @account STRING DEFAULT '': account, subscription or project (SubAccountId); without it all
SELECT
  x_BillingPeriod AS billing_period,
  ServiceProviderName AS service_provider,
  BillingAccountId AS billing_account,
  SubAccountId AS account,
  ServiceCategory AS category,
  BillingCurrency AS currency,
  SUM(BilledCost) AS billed_cost
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(@from, MONTH) AND x_BillingPeriod < @to
  AND (@provider = '' OR x_SourceProvider = @provider)
  AND (@account = '' OR SubAccountId = @account)
  AND ChargeClass = 'Correction'
GROUP BY 1, 2, 3, 4, 5, 6
ORDER BY billing_period, service_provider, billing_account, account, category, currency
