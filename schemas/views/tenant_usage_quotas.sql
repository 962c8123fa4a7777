-- tenant_usage_quotas: use per tenant and day, counted from the ledger: the counters are the recount.
WITH counted AS (
  SELECT tenant_id, run_id, MIN(period_day) AS period_day, MIN(period_month) AS period_month
  FROM `{project_id}.tenants.run_ledger`
  WHERE kind IN ('ADMIT', 'QUEUE') AND period_day IS NOT NULL
  GROUP BY tenant_id, run_id
),
ended AS (
  SELECT run_id, MIN(outcome) AS outcome FROM `{project_id}.tenants.run_ledger` WHERE kind = 'RELEASE' GROUP BY run_id
),
admitted AS (
  SELECT DISTINCT run_id FROM `{project_id}.tenants.run_ledger` WHERE kind = 'ADMIT'
)
SELECT
  c.tenant_id,
  c.period_day AS usage_date,
  c.period_month AS usage_month,
  COUNT(*) AS pipelines_run_today,
  COUNTIF(e.outcome = 'COMPLETED') AS pipelines_succeeded_today,
  COUNTIF(e.outcome = 'FAILED') AS pipelines_failed_today,
  COUNTIF(a.run_id IS NOT NULL AND e.run_id IS NULL) AS concurrent_pipelines_running
FROM counted AS c
LEFT JOIN ended AS e ON e.run_id = c.run_id
LEFT JOIN admitted AS a ON a.run_id = c.run_id
GROUP BY c.tenant_id, c.period_day, c.period_month
