-- question: What was bought under which contract commitment?
-- reads: cost_and_usage
-- use cases: 1.4 report-on-initial-contract-commitments
-- @provider STRING DEFAULT '': aws, azure, gcp or any; without it all
SELECT
  ServiceProviderName AS service_provider,
  IFNULL(JSON_VALUE(applied, '$.ContractCommitmentId'), CommitmentDiscountId) AS commitment,
  MIN(ChargePeriodStart) AS first_charge,
  MAX(ChargePeriodEnd) AS last_charge,
  BillingCurrency AS currency,
  -- What a purchase applies to each commitment where it says so, else all of it.
  SUM(IFNULL(CAST(JSON_VALUE(applied, '$.ContractCommitmentAppliedCost') AS BIGNUMERIC), BilledCost)) AS purchase_cost
FROM `focus_cost_and_usage`
LEFT JOIN UNNEST(JSON_QUERY_ARRAY(ContractApplied, '$.Elements')) AS applied
WHERE x_BillingPeriod >= DATE_TRUNC(DATE_SUB(@from, INTERVAL 1 MONTH), MONTH)
  AND DATE(ChargePeriodStart) >= @from AND DATE(ChargePeriodStart) < @to
  AND (@provider = '' OR x_SourceProvider = @provider)
  AND ChargeCategory = 'Purchase'
  AND IFNULL(JSON_VALUE(applied, '$.ContractCommitmentId'), CommitmentDiscountId) IS NOT NULL
GROUP BY service_provider, commitment, currency
ORDER BY purchase_cost DESC, service_provider, commitment, currency
