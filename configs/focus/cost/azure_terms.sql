-- What Azure's exports tell of the reservations and savings plans of a month: how long they are for, and from when.
WITH told AS (
  SELECT
    benefit_id, reservation_id, charge_type, frequency, term, date, service_period_start_date,
    service_period_end_date
  FROM `azure_cost_exports`
  WHERE billing_period = CAST('{month}-01' AS DATE)
  UNION ALL
  SELECT
    benefit_id, reservation_id, charge_type, frequency, term, date, service_period_start_date,
    service_period_end_date
  FROM `azure_cost_amortized`
  WHERE billing_period = CAST('{month}-01' AS DATE)
),
commitments AS (
  SELECT
    -- One id may stand in capitals here and in small letters there.
    MAX(COALESCE(NULLIF(benefit_id, ''), reservation_id)) AS commitment_id,
    -- 'P1Y', '1Year', '3 Years', '12', '36 Months'.
    MAX(CASE
      WHEN REGEXP_CONTAINS(term, r'(?i)[0-9] *Y') THEN 12 * CAST(REGEXP_EXTRACT(term, r'[0-9]+') AS INT64)
      WHEN REGEXP_CONTAINS(term, r'(?i)^P?[0-9]+ *(M|$)') THEN CAST(REGEXP_EXTRACT(term, r'[0-9]+') AS INT64)
    END) AS months,
    MIN(
      IF(charge_type = 'Purchase' AND frequency = 'OneTime', IFNULL(service_period_start_date, date), NULL)
    ) AS bought,
    MAX(IF(charge_type = 'Purchase' AND frequency = 'OneTime', service_period_end_date, NULL)) AS last_day
  FROM told
  WHERE IFNULL(benefit_id, '') <> '' OR IFNULL(reservation_id, '') <> ''
  GROUP BY LOWER(COALESCE(NULLIF(benefit_id, ''), reservation_id))
)
SELECT
  CAST('{month}-01' AS DATE) AS period,
  'azure' AS provider,
  commitment_id,
  COALESCE(REGEXP_EXTRACT(commitment_id, r'(?i)^(.*Orders/[^/]+)/'), commitment_id) AS contract_id,
  TIMESTAMP(bought) AS starts,
  -- A purchase in one sum is for the whole term; some tell a day as its period.
  TIMESTAMP(CASE
    WHEN DATE_DIFF(last_day, bought, DAY) > 31 THEN DATE_ADD(last_day, INTERVAL 1 DAY)
    WHEN months > 0 THEN DATE_ADD(bought, INTERVAL months MONTH)
  END) AS ends,
  CASE
    WHEN MOD(months, 12) = 0 THEN CONCAT(CAST(DIV(months, 12) AS STRING), IF(months = 12, ' Year', ' Years'))
    ELSE CONCAT(CAST(months AS STRING), IF(months = 1, ' Month', ' Months'))
  END AS duration,
  CAST(NULL AS STRING) AS payment_model,
  CAST(NULL AS BIGNUMERIC) AS upfront_share,
  CAST(NULL AS BIGNUMERIC) AS cost,
  CAST(NULL AS BIGNUMERIC) AS quantity,
  CAST(NULL AS STRING) AS unit,
  CAST(NULL AS STRING) AS description,
  '{run_id}' AS run_id
FROM commitments
