-- question: Which billing accounts, and accounts below them, have charges?
-- reads: cost_and_usage
-- use cases: 1.2 understand-the-billing-account-or-sub-account-entity
-- use cases: 1.4 understand-the-billing-account-or-sub-account-entity-2
-- @provider STRING DEFAULT '': aws, azure, gcp or any; without it all
SELECT
  x_SourceProvider AS provider,
  BillingAccountId AS billing_account,
  MAX(BillingAccountName) AS billing_account_name,
  BillingAccountType AS billing_account_type,
  SubAccountId AS account,
  MAX(SubAccountName) AS account_name,
  SubAccountType AS account_type,
  COUNT(*) AS charges
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(DATE_SUB(@from, INTERVAL 1 MONTH), MONTH)
  AND DATE(ChargePeriodStart) >= @from AND DATE(ChargePeriodStart) < @to
  AND (@provider = '' OR x_SourceProvider = @provider)
GROUP BY provider, billing_account, billing_account_type, account, account_type
ORDER BY provider, billing_account, account, billing_account_type, account_type
