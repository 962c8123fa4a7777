-- question: How does what is billed for each service change from one billing period that has it to the next?
-- reads: cost_and_usage
-- use cases: 1.2 forecast-cashflow, 1.4 forecast-cashflow-month-over-month-based-on-historical-trends-by-service-2
-- adds up: billed_cost
-- @provider STRING DEFAULT '': aws, azure, gcp or any; without it all
SELECT
  month,
  service_provider,
  service,
  currency,
  billed_cost,
  cost_before,
  billed_cost - cost_before AS change_cost
FROM (
  SELECT
    *,
    LAG(billed_cost) OVER (PARTITION BY service_provider, service, currency ORDER BY month) AS cost_before
  FROM (
    SELECT
      x_BillingPeriod AS month,
      ServiceProviderName AS service_provider,
      ServiceName AS service,
      BillingCurrency AS currency,
      SUM(BilledCost) AS billed_cost
    FROM `focus_cost_and_usage`
    WHERE x_BillingPeriod >= DATE_TRUNC(@from, MONTH) AND x_BillingPeriod < @to
      AND (@provider = '' OR x_SourceProvider = @provider)
    GROUP BY 1, 2, 3, 4
  )
)
ORDER BY service_provider, service, currency, month
