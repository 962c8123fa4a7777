-- question: On which days did a region of an account cost more than on the days before?
-- reads: cost_and_usage
-- use cases: 1.2 daily-anomaly-region, 1.4 identify-anomalous-daily-spending-by-subaccount-and-region
-- @provider STRING DEFAULT '': aws, azure, gcp or any; without it all
-- @times BIGNUMERIC DEFAULT '0': how many times the average of the up to seven days before that have use; 0 lists all
-- @at_least BIGNUMERIC DEFAULT '0': days of less are left out
SELECT
  day,
  provider,
  account,
  region,
  currency,
  effective_cost,
  ROUND(cost_before, 12) AS average_cost,
  ROUND(effective_cost - cost_before, 12) AS change_cost,
  ROUND(SAFE_DIVIDE(effective_cost, cost_before), 6) AS times_average
FROM (
  SELECT
    *,
    AVG(effective_cost) OVER (
      PARTITION BY provider, account, region, currency ORDER BY day ROWS BETWEEN 7 PRECEDING AND 1 PRECEDING
    ) AS cost_before
  FROM (
    SELECT
      DATE(ChargePeriodStart) AS day,
      x_SourceProvider AS provider,
      SubAccountId AS account,
      RegionId AS region,
      BillingCurrency AS currency,
      SUM(EffectiveCost) AS effective_cost
    FROM `focus_cost_and_usage`
    WHERE x_BillingPeriod >= DATE_TRUNC(DATE_SUB(@from, INTERVAL 1 MONTH), MONTH)
      AND DATE(ChargePeriodStart) >= @from AND DATE(ChargePeriodStart) < @to
      AND (@provider = '' OR x_SourceProvider = @provider)
      AND ChargeCategory = 'Usage'
    GROUP BY day, provider, account, region, currency
  )
)
WHERE effective_cost >= @at_least AND (cost_before IS NULL OR effective_cost >= @times * cost_before)
ORDER BY change_cost DESC, day, provider, account, region, currency
