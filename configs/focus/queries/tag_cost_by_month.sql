-- question: What did each value of a tag, such as an application, cost by month and service?
-- reads: cost_and_usage
-- use cases: 1.2 application-cost, 1.4 application-cost
-- adds up: effective_cost
-- @tag STRING: key of the tag, as it is spelled in Tags
-- @value STRING DEFAULT '': this value alone; without it all, and what has none
SELECT
  DATE_TRUNC(DATE(ChargePeriodStart), MONTH) AS month,
  JSON_VALUE(Tags[@tag]) AS tag_value,
  ServiceName AS service,
  BillingCurrency AS currency,
  SUM(EffectiveCost) AS effective_cost
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(DATE_SUB(@from, INTERVAL 1 MONTH), MONTH)
  AND DATE(ChargePeriodStart) >= @from AND DATE(ChargePeriodStart) < @to
  AND (@value = '' OR JSON_VALUE(Tags[@tag]) = @value)
GROUP BY 1, 2, 3, 4
ORDER BY month, effective_cost DESC, tag_value, service, currency
