-- question: Which part of the use of each service do commitments cover, by list cost?
-- reads: cost_and_usage
-- @provider STRING DEFAULT '': aws, azure, gcp or any; without it all
SELECT
  ServiceProviderName AS service_provider,
  ServiceName AS service,
  BillingCurrency AS currency,
  SUM(ListCost) AS list_cost,
  SUM(IF(CommitmentDiscountStatus = 'Used', ListCost, 0)) AS covered_list_cost,
  ROUND(SAFE_DIVIDE(SUM(IF(CommitmentDiscountStatus = 'Used', ListCost, 0)), SUM(ListCost)), 6) AS covered_share
FROM `focus_cost_and_usage`
WHERE x_BillingPeriod >= DATE_TRUNC(DATE_SUB(@from, INTERVAL 1 MONTH), MONTH)
  AND DATE(ChargePeriodStart) >= @from AND DATE(ChargePeriodStart) < @to
  AND (@provider = '' OR x_SourceProvider = @provider)
  AND ChargeCategory = 'Usage'
GROUP BY 1, 2, 3
ORDER BY list_cost DESC, service_provider, service, currency
