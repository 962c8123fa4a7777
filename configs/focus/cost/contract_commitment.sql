-- The commitments that a provider's month tells of (FOCUS 1.4, Contract Commitment): those that rows of Cost and Usage
-- are paid by, were bought as, or were left unused of, with what the provider's own export tells of their terms.
WITH charges AS (
  SELECT
    CommitmentDiscountId AS given,
    -- Azure writes one id in capitals here and small letters there.
    LOWER(CommitmentDiscountId) AS folded,
    BillingCurrency, PricingCurrency, CommitmentDiscountCategory, CommitmentDiscountType, CommitmentDiscountName,
    CommitmentDiscountUnit, ChargePeriodStart, ChargePeriodEnd, InvoiceIssuerName, ServiceProviderName, x_SourceName,
    x_SourceTable,
    ChargeCategory = 'Purchase' AND ChargeFrequency = 'One-Time' AS is_paid_once,
    ChargeCategory = 'Purchase' AND ChargeFrequency = 'Recurring' AS is_paid_monthly,
    -- What is paid in one sum is for the whole term.
    ChargeCategory = 'Purchase' AND ChargeFrequency = 'One-Time'
      AND TIMESTAMP_DIFF(ChargePeriodEnd, ChargePeriodStart, HOUR) > 31 * 24 AS is_of_term,
    CommitmentDiscountStatus = 'Used' AND ListCost > 0 AS is_used,
    BilledCost, EffectiveCost, ListCost, CommitmentDiscountQuantity
  FROM `focus_cost_and_usage`
  WHERE x_BillingPeriod = CAST('{month}-01' AS DATE) AND x_SourceProvider = '{provider}'
    AND CommitmentDiscountId IS NOT NULL
),
discounts AS (
  SELECT
    folded,
    MAX(given) AS id,
    MIN(BillingCurrency) AS currency,
    MIN(PricingCurrency) AS pricing_currency,
    MIN(CommitmentDiscountCategory) AS category,
    MIN(CommitmentDiscountType) AS type,
    MAX(CommitmentDiscountName) AS name,
    MIN(ChargePeriodStart) AS first_start,
    MAX(ChargePeriodEnd) AS last_end,
    MIN(IF(is_of_term, ChargePeriodStart, NULL)) AS term_start,
    MAX(IF(is_of_term, ChargePeriodEnd, NULL)) AS term_end,
    MIN(InvoiceIssuerName) AS issuer,
    MIN(ServiceProviderName) AS seller,
    MIN(x_SourceName) AS source_name,
    MIN(x_SourceTable) AS source_table,
    LOGICAL_OR(is_paid_once) AS is_paid_once,
    LOGICAL_OR(is_paid_monthly) AS is_paid_monthly,
    SUM(IF(is_paid_once, BilledCost, 0)) AS paid_once,
    SUM(IF(is_of_term, CommitmentDiscountQuantity, NULL)) AS term_quantity,
    MIN(IF(is_of_term, CommitmentDiscountUnit, NULL)) AS term_unit,
    SUM(IF(is_used, EffectiveCost, 0)) AS used_cost,
    SUM(IF(is_used, ListCost, 0)) AS used_list
  FROM charges
  GROUP BY folded
),
-- Commitments that rows of FOCUS files say were applied, and no commitment discount is.
others AS (
  SELECT
    LOWER(JSON_VALUE(e, '$.ContractCommitmentId')) AS folded,
    MAX(JSON_VALUE(e, '$.ContractCommitmentId')) AS id,
    MIN(JSON_VALUE(e, '$.ContractId')) AS contract,
    MIN(c.BillingCurrency) AS currency,
    MIN(c.PricingCurrency) AS pricing_currency,
    LOGICAL_OR(JSON_VALUE(e, '$.ContractCommitmentAppliedCost') IS NOT NULL) AS is_spend,
    MIN(c.ChargePeriodStart) AS first_start,
    MAX(c.ChargePeriodEnd) AS last_end,
    MIN(c.InvoiceIssuerName) AS issuer,
    MIN(c.ServiceProviderName) AS seller,
    MIN(c.x_SourceName) AS source_name,
    MIN(c.x_SourceTable) AS source_table
  FROM `focus_cost_and_usage` AS c
  CROSS JOIN UNNEST(JSON_QUERY_ARRAY(c.ContractApplied, '$.Elements')) AS e
  WHERE c.x_BillingPeriod = CAST('{month}-01' AS DATE) AND c.x_SourceProvider = '{provider}'
    AND c.x_SourceType = 'focus'
  GROUP BY 1
),
told AS (
  SELECT
    d.id, IFNULL(t.contract_id, d.id) AS contract, d.currency, d.pricing_currency, d.category, d.type,
    IFNULL(t.description, d.name) AS description, d.issuer, d.seller, d.source_name, d.source_table,
    COALESCE(t.starts, d.term_start) AS starts,
    COALESCE(t.ends, d.term_end) AS ends,
    d.first_start, d.last_end, t.duration,
    COALESCE(
      t.payment_model,
      CASE
        WHEN d.is_paid_once AND d.is_paid_monthly THEN 'Partial Upfront'
        WHEN d.is_paid_once THEN 'All Upfront'
        WHEN d.is_paid_monthly THEN 'No Upfront'
      END
    ) AS payment_model,
    t.upfront_share, t.cost, t.quantity, t.unit, d.is_paid_once, d.is_paid_monthly, d.paid_once, d.term_quantity,
    d.term_unit, d.used_cost, d.used_list, TRUE AS is_discount
  FROM discounts AS d
  LEFT JOIN `focus_commitment_terms` AS t
    ON t.period = CAST('{month}-01' AS DATE) AND t.provider = '{provider}'
      AND LOWER(t.commitment_id) = d.folded
  UNION ALL
  SELECT
    o.id, IFNULL(o.contract, o.id), o.currency, o.pricing_currency, IF(o.is_spend, 'Spend', 'Usage'), NULL, NULL,
    o.issuer, o.seller, o.source_name, o.source_table, NULL, NULL, o.first_start, o.last_end, NULL, NULL, NULL, NULL, NULL, NULL,
    FALSE, FALSE, 0, NULL, NULL, 0, 0, FALSE
  FROM others AS o
  LEFT JOIN discounts AS d ON o.folded = d.folded
  WHERE d.folded IS NULL AND o.folded IS NOT NULL
),
measured AS (
  SELECT
    t.*,
    IFNULL(t.category, 'Usage') AS kind,
    COALESCE(t.starts, t.first_start) AS begins,
    COALESCE(t.ends, t.last_end) AS finishes,
    IFNULL(t.payment_model, 'No Upfront') AS payment,
    -- What was paid in one sum for all of it is what was committed to.
    CASE
      WHEN t.payment_model = 'All Upfront' AND t.paid_once <> 0 THEN t.paid_once
      ELSE t.cost
    END AS total
  FROM told AS t
)
SELECT
  currency AS BillingCurrency,
  PARSE_JSON('{"IsComplexScope":true}') AS ContractCommitmentApplicability,
  IF(is_discount, 'Discount', 'Other') AS ContractCommitmentBenefitCategory,
  kind AS ContractCommitmentCategory,
  total AS ContractCommitmentCost,
  begins AS ContractCommitmentCreated,
  description AS ContractCommitmentDescription,
  IF(used_list > 0 AND used_cost BETWEEN 0 AND used_list, 1 - used_cost / used_list, NULL)
    AS ContractCommitmentDiscountPercentage,
  -- It is a number and a unit, and never NULL: where no export tells the term, that of the period which is told.
  COALESCE(
    duration,
    CONCAT(CAST(DIV(TIMESTAMP_DIFF(finishes, begins, HOUR) + 23, 24) AS STRING), ' Days'),
    '1 Days'
  ) AS ContractCommitmentDurationType,
  IF(is_discount, 'Hourly', 'Custom') AS ContractCommitmentFulfillmentInterval,
  id AS ContractCommitmentId,
  CURRENT_TIMESTAMP() AS ContractCommitmentLastUpdated,
  CASE
    WHEN ends <= CURRENT_TIMESTAMP() THEN 'Expired'
    WHEN starts > CURRENT_TIMESTAMP() THEN 'Pending'
    ELSE 'Active'
  END AS ContractCommitmentLifecycleStatus,
  IF(is_discount, 'Continuous', 'Discontinuous') AS ContractCommitmentModel,
  IF(is_discount, 'Public', 'Negotiated') AS ContractCommitmentOfferCategory,
  IF(payment = 'All Upfront', 'One-Time', 'Monthly') AS ContractCommitmentPaymentInterval,
  payment AS ContractCommitmentPaymentModel,
  CASE payment
    WHEN 'All Upfront' THEN CAST(1 AS BIGNUMERIC)
    WHEN 'No Upfront' THEN CAST(0 AS BIGNUMERIC)
    ELSE IFNULL(upfront_share, CAST('0.5' AS BIGNUMERIC))
  END AS ContractCommitmentPaymentUpfrontPercentage,
  finishes AS ContractCommitmentPeriodEnd,
  begins AS ContractCommitmentPeriodStart,
  IF(kind = 'Usage', IFNULL(quantity, term_quantity), NULL) AS ContractCommitmentQuantity,
  IFNULL(type, 'Not stated') AS ContractCommitmentType,
  IF(kind = 'Usage', IF(quantity IS NULL, IF(term_quantity IS NULL, NULL, term_unit), unit), NULL)
    AS ContractCommitmentUnit,
  contract AS ContractId,
  finishes AS ContractPeriodEnd,
  begins AS ContractPeriodStart,
  issuer AS InvoiceIssuerName,
  pricing_currency AS PricingCurrency,
  IF(pricing_currency = currency, total, NULL) AS PricingCurrencyContractCommitmentCost,
  seller AS ServiceProviderName,
  CAST('{month}-01' AS DATE) AS x_BillingPeriod,
  '{provider}' AS x_SourceProvider,
  source_name AS x_SourceName,
  source_table AS x_SourceTable,
  '{run_id}' AS x_RunId,
  ARRAY_TO_STRING(
    [
      'ContractPeriodStart, ContractPeriodEnd, ContractCommitmentCreated: those of the commitment',
      'ContractCommitmentApplicability: not stated',
      CONCAT(
        'ContractCommitmentBenefitCategory, ContractCommitmentFulfillmentInterval, ContractCommitmentModel, ',
        'ContractCommitmentOfferCategory: by the kind of commitment'
      ),
      IF(contract = id, 'ContractId: the commitment', NULL),
      IF(starts IS NULL, 'ContractCommitmentPeriodStart: first charge of the month', NULL),
      IF(ends IS NULL, 'ContractCommitmentPeriodEnd: last charge of the month', NULL),
      IF(ends IS NULL, 'ContractCommitmentLifecycleStatus: it has charges', NULL),
      IF(duration IS NULL, 'ContractCommitmentDurationType: of the period', NULL),
      IF(category IS NULL, 'ContractCommitmentCategory: not stated', NULL),
      IF(type IS NULL, 'ContractCommitmentType: not stated', NULL),
      IF(
        payment_model IS NULL,
        'ContractCommitmentPaymentModel, ContractCommitmentPaymentInterval: no payment in advance is told', NULL
      ),
      IF(
        payment = 'Partial Upfront' AND upfront_share IS NULL,
        'ContractCommitmentPaymentUpfrontPercentage: a half, for it is not told', NULL
      ),
      IF(total IS NOT NULL AND total = cost, 'ContractCommitmentCost: of an hour, over the term', NULL),
      IF(used_list > 0, 'ContractCommitmentDiscountPercentage: of its use in the month', NULL)
    ],
    '; '
  ) AS x_Assumptions
FROM measured
