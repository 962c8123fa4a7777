-- pipeline_execution_queue: runs that wait for a slot.
SELECT q.run_id AS queue_id, q.tenant_id, q.run_id AS pipeline_logging_id, q.pipeline, 'QUEUED' AS state, q.priority, q.decided_at AS scheduled_time
FROM `{project_id}.tenants.run_ledger` AS q
LEFT JOIN (SELECT DISTINCT run_id FROM `{project_id}.tenants.run_ledger` WHERE kind IN ('ADMIT', 'RELEASE', 'REJECT')) AS gone ON gone.run_id = q.run_id
WHERE q.kind = 'QUEUE' AND gone.run_id IS NULL
