-- question: How much of a budget has each account, subscription or project used up?
-- reads: cost_and_usage
-- use cases: 1.2 compare-billed-budget, 1.4 compare-billed-cost-per-subaccount-to-budget-2
-- @account STRING DEFAULT '': account, subscription or project (SubAccountId); without it all
-- @budget BIGNUMERIC: what each may spend in these days
-- @currency STRING DEFAULT 'USD': of the budget; other charges are left out
SELECT
  x_SourceProvider AS provider,
  SubAccountId AS account,
  MAX(SubAccountName) AS account_name,
  BillingCurrency AS currency,
  SUM(BilledCost) AS billed_cost,
  @budget - SUM(BilledCost) AS left_cost,
  ROUND(SAFE_DIVIDE(SUM(BilledCost), @budget), 6) AS used_share
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(DATE_SUB(@from, INTERVAL 1 MONTH), MONTH)
  AND DATE(ChargePeriodStart) >= @from AND DATE(ChargePeriodStart) < @to
  AND (@account = '' OR SubAccountId = @account)
  AND BillingCurrency = @currency
GROUP BY provider, account, currency
ORDER BY billed_cost DESC, provider, account
