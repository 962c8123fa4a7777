-- scheduled_pipeline_runs: what became of each run that the clock asked for.
WITH asked AS (
  SELECT run_id, tenant_id, pipeline, MIN(IFNULL(TIMESTAMP(JSON_VALUE(body, '$.scheduled_time')), decided_at)) AS scheduled_time, MIN(JSON_VALUE(body, '$.trigger_by')) AS config_id
  FROM `{project_id}.tenants.run_ledger`
  WHERE kind IN ('ADMIT', 'QUEUE', 'REJECT') AND JSON_VALUE(body, '$.trigger_type') = 'schedule'
  GROUP BY run_id, tenant_id, pipeline
),
ended AS (
  SELECT run_id, MIN(IF(kind = 'REJECT', 'REJECTED', outcome)) AS outcome, MIN(decided_at) AS ended_at
  FROM `{project_id}.tenants.run_ledger` WHERE kind IN ('RELEASE', 'REJECT') GROUP BY run_id
)
SELECT a.run_id AS scheduled_run_id, a.config_id, a.tenant_id, a.pipeline, a.run_id AS pipeline_logging_id, IFNULL(e.outcome, 'PENDING') AS state, a.scheduled_time, e.ended_at AS completed_at
FROM asked AS a
LEFT JOIN ended AS e ON e.run_id = a.run_id
