-- question: In which regions does each account, subscription or project have charges?
-- reads: cost_and_usage
-- use cases: 1.2 report-subaccount-regions, 1.4 report-subaccounts-by-region
-- @provider STRING DEFAULT '': aws, azure, gcp or any; without it all
-- @account STRING DEFAULT '': account, subscription or project (SubAccountId); without it all
SELECT
  ServiceProviderName AS service_provider,
  SubAccountId AS account,
  RegionId AS region,
  COUNT(*) AS charges
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(DATE_SUB(@from, INTERVAL 1 MONTH), MONTH)
  AND DATE(ChargePeriodStart) >= @from AND DATE(ChargePeriodStart) < @to
  AND (@provider = '' OR x_SourceProvider = @provider)
  AND (@account = '' OR SubAccountId = @account)
GROUP BY 1, 2, 3
ORDER BY service_provider, account, region
