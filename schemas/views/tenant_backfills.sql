-- tenant_backfills: the latest row of each backfill_id. Backfills: a pipeline run for each period of a range
SELECT backfill_id, tenant_id, pipeline, pipeline_id, parameter, from_period, to_period, parameters, reprocess, period_order, max_active, periods, skipped, status, counts, failed_periods, created_by, created_at, ended_at, version, recorded_at
FROM `{project_id}.tenants.tenant_backfills_rows`
WHERE TRUE
QUALIFY ROW_NUMBER() OVER (PARTITION BY backfill_id ORDER BY version DESC, recorded_at DESC) = 1
