-- tenant_pipeline_runs: the latest row of each tenant_id, pipeline_logging_id. What became of each run: one row per change; the view shows one per run
SELECT pipeline_logging_id, pipeline_id, pipeline, tenant_id, status, trigger_type, trigger_by, user_id, parameters, parent_run_id, requested_at, start_time, end_time, duration_ms, error_code, error_message, run_date, recorded_at
FROM `{project_id}.tenants.tenant_pipeline_runs_rows`
WHERE TRUE
QUALIFY ROW_NUMBER() OVER (PARTITION BY tenant_id, pipeline_logging_id ORDER BY rank DESC, recorded_at DESC) = 1
