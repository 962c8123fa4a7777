-- tenant_pipeline_configs: the latest row of each config_id. Schedules: pipelines that run by the clock
SELECT config_id, tenant_id, name, provider, domain, pipeline, pipeline_id, cron, timezone, parameters, priority, is_active, missed, overlap, next_run_time, last_run_time, effective_from, is_deleted, version, recorded_at
FROM `{project_id}.tenants.tenant_pipeline_configs_rows`
WHERE TRUE
QUALIFY ROW_NUMBER() OVER (PARTITION BY config_id ORDER BY version DESC, recorded_at DESC) = 1
