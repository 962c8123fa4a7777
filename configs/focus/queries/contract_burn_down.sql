-- question: How much of each contract commitment is taken up, billing period by billing period, of the days asked for?
-- reads: cost_and_usage, contract_commitment
-- use cases: 1.4 track-contract-commitment-burn-down-over-time
-- @provider STRING DEFAULT '': aws, azure, gcp or any; without it all
SELECT
  taken.billing_period,
  taken.provider,
  taken.billing_account,
  taken.commitment,
  taken.currency,
  taken.applied_cost,
  SUM(taken.applied_cost) OVER (
    PARTITION BY taken.provider, taken.billing_account, taken.commitment, taken.currency ORDER BY taken.billing_period
  ) AS total_applied_cost,
  taken.applied_quantity,
  told.commitment_cost,
  told.commitment_quantity
FROM (
  SELECT
    x_BillingPeriod AS billing_period,
    x_SourceProvider AS provider,
    BillingAccountId AS billing_account,
    JSON_VALUE(applied, '$.ContractCommitmentId') AS commitment,
    BillingCurrency AS currency,
    SUM(CAST(JSON_VALUE(applied, '$.ContractCommitmentAppliedCost') AS BIGNUMERIC)) AS applied_cost,
    SUM(CAST(JSON_VALUE(applied, '$.ContractCommitmentAppliedQuantity') AS BIGNUMERIC)) AS applied_quantity
  FROM `focus_cost_and_usage`
  CROSS JOIN UNNEST(JSON_QUERY_ARRAY(ContractApplied, '$.Elements')) AS applied
  WHERE x_BillingPeriod >= DATE_TRUNC(@from, MONTH) AND x_BillingPeriod < @to
    AND (@provider = '' OR x_SourceProvider = @provider)
  GROUP BY 1, 2, 3, 4, 5
) AS taken
LEFT JOIN (
  SELECT
    x_SourceProvider AS provider,
    ContractCommitmentId AS commitment,
    BillingCurrency AS currency,
    MAX(ContractCommitmentCost) AS commitment_cost,
    MAX(ContractCommitmentQuantity) AS commitment_quantity
  FROM `focus_contract_commitment`
  WHERE x_BillingPeriod >= DATE_TRUNC(@from, MONTH) AND x_BillingPeriod < @to
    AND (@provider = '' OR x_SourceProvider = @provider)
  GROUP BY 1, 2, 3
) AS told
  ON taken.provider = told.provider AND taken.commitment = told.commitment AND taken.currency = told.currency
ORDER BY taken.provider, taken.billing_account, taken.commitment, taken.currency, taken.billing_period
