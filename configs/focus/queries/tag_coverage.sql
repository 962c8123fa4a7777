-- question: How much of the cost has a tag?
-- reads: cost_and_usage
-- use cases: 1.2 analyze-tag-coverage, 1.4 analyze-tag-coverage
-- adds up: effective_cost
-- @provider STRING DEFAULT '': aws, azure, gcp or any; without it all
-- @tag STRING: key of the tag, as it is spelled in Tags
SELECT
  x_SourceProvider AS provider,
  BillingCurrency AS currency,
  SUM(EffectiveCost) AS effective_cost,
  SUM(IF(JSON_VALUE(Tags[@tag]) IS NULL, 0, EffectiveCost)) AS tagged_cost,
  SUM(IF(JSON_VALUE(Tags[@tag]) IS NULL, EffectiveCost, 0)) AS untagged_cost,
  ROUND(SAFE_DIVIDE(SUM(IF(JSON_VALUE(Tags[@tag]) IS NULL, 0, EffectiveCost)), SUM(EffectiveCost)), 6) AS tagged_share
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(DATE_SUB(@from, INTERVAL 1 MONTH), MONTH)
  AND DATE(ChargePeriodStart) >= @from AND DATE(ChargePeriodStart) < @to
  AND (@provider = '' OR x_SourceProvider = @provider)
GROUP BY 1, 2
ORDER BY provider, currency
