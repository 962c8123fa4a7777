-- question: What did each service of each account cost, day by day, commitments spread?
-- reads: cost_and_usage
-- use cases: 1.2 report-service-costs-by-providers-subaccount, 1.4 report-service-costs-by-providers-subaccount-2
-- adds up: effective_cost
-- @provider STRING DEFAULT '': aws, azure, gcp or any; without it all
-- @account STRING DEFAULT '': account, subscription or project (SubAccountId); without it all
SELECT
  DATE(ChargePeriodStart) AS day,
  ServiceProviderName AS service_provider,
  SubAccountId AS account,
  ServiceName AS service,
  BillingCurrency AS currency,
  SUM(EffectiveCost) AS effective_cost
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(DATE_SUB(@from, INTERVAL 1 MONTH), MONTH)
  AND DATE(ChargePeriodStart) >= @from AND DATE(ChargePeriodStart) < @to
  AND (@provider = '' OR x_SourceProvider = @provider)
  AND (@account = '' OR SubAccountId = @account)
GROUP BY 1, 2, 3, 4, 5
ORDER BY day, effective_cost DESC, service_provider, account, service, currency
