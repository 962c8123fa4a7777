-- question: Which commitments does the tenant have, of which term and payment, by the newest month that tells of each?
-- reads: contract_commitment
-- @provider STRING DEFAULT '': aws, azure, gcp or any; without it all
SELECT
  commitments.x_SourceProvider AS provider,
  commitments.ContractCommitmentId AS commitment,
  commitments.ContractCommitmentCategory AS commitment_category,
  commitments.ContractCommitmentType AS commitment_type,
  commitments.ContractCommitmentDurationType AS duration,
  commitments.ContractCommitmentPaymentModel AS payment_model,
  commitments.ContractCommitmentPeriodStart AS period_start,
  commitments.ContractCommitmentPeriodEnd AS period_end,
  commitments.ContractCommitmentLifecycleStatus AS status,
  commitments.BillingCurrency AS currency,
  commitments.ContractCommitmentCost AS commitment_cost,
  commitments.ContractCommitmentQuantity AS commitment_quantity,
  commitments.ContractCommitmentUnit AS commitment_unit
FROM `focus_contract_commitment` AS commitments
JOIN (
  SELECT x_SourceProvider AS provider, ContractCommitmentId AS id, MAX(x_BillingPeriod) AS newest
  FROM `focus_contract_commitment`
  WHERE x_BillingPeriod >= DATE_TRUNC(@from, MONTH) AND x_BillingPeriod < @to
    AND (@provider = '' OR x_SourceProvider = @provider)
  GROUP BY 1, 2
) AS told
  ON commitments.x_SourceProvider = told.provider
  AND commitments.ContractCommitmentId = told.id
  AND commitments.x_BillingPeriod = told.newest
WHERE commitments.x_BillingPeriod >= DATE_TRUNC(@from, MONTH) AND commitments.x_BillingPeriod < @to
ORDER BY provider, commitment
