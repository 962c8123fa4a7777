-- tenant_comprehensive_view (in each tenant's dataset): every run of this tenant with its steps; the tenant id is a literal.
SELECT
  r.pipeline_logging_id, r.pipeline_id, r.pipeline, r.tenant_id, r.status, r.trigger_type, r.trigger_by, r.user_id, r.parameters,
  r.start_time, r.end_time, r.duration_ms, r.error_code, r.error_message, r.run_date,
  s.step_log_id, s.step_id, s.step_name, s.ps_type, s.status AS step_status, s.attempt, s.start_time AS step_start_time,
  s.end_time AS step_end_time, s.duration_ms AS step_duration_ms, s.rows_written, s.bytes_processed, s.error_message AS step_error_message
FROM `{project_id}.tenants.tenant_pipeline_runs` AS r
LEFT JOIN `{project_id}.tenants.tenant_step_logs` AS s ON s.pipeline_logging_id = r.pipeline_logging_id AND s.tenant_id = '{tenant_id}'
WHERE r.tenant_id = '{tenant_id}'
