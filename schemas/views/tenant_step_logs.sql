-- tenant_step_logs: the latest row of each tenant_id, pipeline_logging_id, step_id. What became of each step: one row per attempt's end
SELECT step_log_id, pipeline_logging_id, tenant_id, pipeline_id, step_id, step_index, step_name, ps_type, status, attempt, start_time, end_time, duration_ms, rows_written, bytes_processed, outputs, error_code, error_message, run_date, recorded_at
FROM `{project_id}.tenants.tenant_step_logs_rows`
WHERE TRUE
QUALIFY ROW_NUMBER() OVER (PARTITION BY tenant_id, pipeline_logging_id, step_id ORDER BY attempt DESC, recorded_at DESC) = 1
