-- question: What did the services of an account, subscription or project cost, the dearest first?
-- reads: cost_and_usage
-- use cases: 1.2 service-costs-subaccount, 1.4 service-costs-subaccount
-- adds up: effective_cost
-- @account STRING DEFAULT '': account, subscription or project (SubAccountId); without it all
SELECT
  SubAccountId AS account,
  MAX(SubAccountName) AS account_name,
  ServiceName AS service,
  BillingCurrency AS currency,
  SUM(EffectiveCost) AS effective_cost
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(DATE_SUB(@from, INTERVAL 1 MONTH), MONTH)
  AND DATE(ChargePeriodStart) >= @from AND DATE(ChargePeriodStart) < @to
  AND (@account = '' OR SubAccountId = @account)
GROUP BY account, service, currency
ORDER BY effective_cost DESC, account, service, currency
