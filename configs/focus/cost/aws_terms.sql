-- What AWS's reports tell of the savings plans and reservations of a month: from when to when, how paid, how much.
WITH told AS (
  SELECT
    COALESCE(NULLIF(savings_plan_savings_plan_arn, ''), reservation_reservation_arn) AS commitment_id,
    IFNULL(savings_plan_savings_plan_arn, '') <> '' AS is_plan,
    SAFE_CAST(COALESCE(NULLIF(savings_plan_start_time, ''), NULLIF(reservation_start_time, '')) AS TIMESTAMP) AS starts,
    SAFE_CAST(COALESCE(NULLIF(savings_plan_end_time, ''), NULLIF(reservation_end_time, '')) AS TIMESTAMP) AS ends,
    REGEXP_EXTRACT(
      COALESCE(NULLIF(savings_plan_purchase_term, ''), pricing_lease_contract_length), r'^([0-9]+) ?[Yy]'
    ) AS years,
    COALESCE(NULLIF(savings_plan_payment_option, ''), NULLIF(pricing_purchase_option, '')) AS payment,
    -- Each line of a plan's fee has the commitment of the time that it is for.
    IF(line_item_line_item_type = 'SavingsPlanRecurringFee', savings_plan_total_commitment_to_date, 0) AS committed,
    IF(
      line_item_line_item_type = 'SavingsPlanRecurringFee',
      TIMESTAMP_DIFF(line_item_usage_end_date, line_item_usage_start_date, SECOND)
        + IF(EXTRACT(SECOND FROM line_item_usage_end_date) = 59, 1, 0),
      0
    ) AS committed_seconds,
    CASE line_item_line_item_type
      WHEN 'SavingsPlanRecurringFee' THEN IFNULL(savings_plan_amortized_upfront_commitment_for_billing_period, 0)
      WHEN 'RIFee' THEN IFNULL(reservation_amortized_upfront_fee_for_billing_period, 0)
      ELSE 0
    END AS upfront,
    CASE line_item_line_item_type
      WHEN 'SavingsPlanRecurringFee' THEN IFNULL(savings_plan_recurring_commitment_for_billing_period, 0)
      WHEN 'RIFee' THEN IFNULL(line_item_unblended_cost, 0)
      ELSE 0
    END AS recurring,
    SAFE_CAST(reservation_number_of_reservations AS BIGNUMERIC) AS reservations,
    CONCAT(
      COALESCE(NULLIF(savings_plan_offering_type, ''), NULLIF(pricing_offering_class, '')),
      IFNULL(CONCAT(', ', NULLIF(savings_plan_region, '')), ''),
      IFNULL(CONCAT(', ', NULLIF(savings_plan_instance_type_family, '')), '')
    ) AS description
  FROM `aws_cost_cur`
  WHERE billing_period = CAST('{month}-01' AS DATE)
    AND (IFNULL(savings_plan_savings_plan_arn, '') <> '' OR IFNULL(reservation_reservation_arn, '') <> '')
),
commitments AS (
  SELECT
    commitment_id,
    is_plan,
    MIN(starts) AS starts,
    -- An end is told as its last second.
    MAX(IF(EXTRACT(SECOND FROM ends) = 59, TIMESTAMP_ADD(ends, INTERVAL 1 SECOND), ends)) AS ends,
    MAX(years) AS years,
    MAX(payment) AS payment,
    SUM(IFNULL(committed, 0)) AS committed,
    SUM(IFNULL(committed_seconds, 0)) AS committed_seconds,
    SUM(upfront) AS upfront,
    SUM(recurring) AS recurring,
    MAX(reservations) AS reservations,
    MAX(description) AS description
  FROM told
  GROUP BY commitment_id, is_plan
)
SELECT
  CAST('{month}-01' AS DATE) AS period,
  'aws' AS provider,
  commitment_id,
  commitment_id AS contract_id,
  starts,
  ends,
  CONCAT(years, IF(years = '1', ' Year', ' Years')) AS duration,
  CASE REPLACE(LOWER(payment), ' ', '')
    WHEN 'allupfront' THEN 'All Upfront'
    WHEN 'partialupfront' THEN 'Partial Upfront'
    WHEN 'noupfront' THEN 'No Upfront'
  END AS payment_model,
  IF(upfront > 0 AND recurring > 0, upfront / (upfront + recurring), NULL) AS upfront_share,
  -- What an hour is committed to, over the hours of the term.
  IF(
    is_plan AND committed > 0 AND committed_seconds > 0,
    committed * TIMESTAMP_DIFF(ends, starts, SECOND) / committed_seconds,
    NULL
  ) AS cost,
  IF(is_plan, NULL, reservations * TIMESTAMP_DIFF(ends, starts, SECOND) / 3600) AS quantity,
  IF(is_plan OR reservations IS NULL OR starts IS NULL OR ends IS NULL, NULL, 'Hours') AS unit,
  NULLIF(description, '') AS description,
  '{run_id}' AS run_id
FROM commitments
