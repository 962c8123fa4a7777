-- question: How does the cost of each service change from one month that has it to the next, commitments spread?
-- reads: cost_and_usage
-- use cases: 1.2 forecast-amortized-costs, 1.4 forecast-amortized-costs-month-over-month-based-on-historical-trends-2
-- adds up: effective_cost
-- @provider STRING DEFAULT '': aws, azure, gcp or any; without it all
SELECT
  month,
  service_provider,
  service,
  currency,
  effective_cost,
  cost_before,
  effective_cost - cost_before AS change_cost
FROM (
  SELECT
    *,
    LAG(effective_cost) OVER (PARTITION BY service_provider, service, currency ORDER BY month) AS cost_before
  FROM (
    SELECT
      DATE_TRUNC(DATE(ChargePeriodStart), MONTH) AS month,
      ServiceProviderName AS service_provider,
      ServiceName AS service,
      BillingCurrency AS currency,
      SUM(EffectiveCost) AS effective_cost
    FROM `focus_cost_and_usage`
    WHERE x_BillingPeriod >= DATE_TRUNC(DATE_SUB(@from, INTERVAL 1 MONTH), MONTH)
      AND DATE(ChargePeriodStart) >= @from AND DATE(ChargePeriodStart) < @to
      AND (@provider = '' OR x_SourceProvider = @provider)
    GROUP BY 1, 2, 3, 4
  )
)
ORDER BY service_provider, service, currency, month
