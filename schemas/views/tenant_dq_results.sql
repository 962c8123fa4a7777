-- tenant_dq_results: the latest row of each tenant_id, dq_result_id. Result of each data-quality check
SELECT dq_result_id, pipeline_logging_id, tenant_id, step_id, check_name, column_name, status, expected, actual, run_date, recorded_at
FROM `{project_id}.tenants.tenant_dq_results_rows`
WHERE TRUE
QUALIFY ROW_NUMBER() OVER (PARTITION BY tenant_id, dq_result_id ORDER BY recorded_at DESC) = 1
