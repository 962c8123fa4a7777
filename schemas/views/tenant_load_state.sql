-- tenant_load_state: of each source and period what the provider had when it was last looked at, and what is loaded.
SELECT
  s.tenant_id, s.source, s.pipeline, s.period, s.version AS seen_version, s.observed_at AS seen_at,
  l.version AS loaded_version,
  IF(l.version IS NULL, NULL, l.loaded_rows) AS loaded_rows,
  IF(l.version IS NULL, NULL, l.recorded_at) AS loaded_at,
  IF(l.version IS NULL, NULL, l.run_id) AS run_id,
  IFNULL(l.version != s.version, FALSE) AS changed
FROM (
  SELECT tenant_id, source, pipeline, period, version, observed_at
  FROM `{project_id}.tenants.tenant_load_state_rows`
  WHERE version IS NOT NULL
  QUALIFY ROW_NUMBER() OVER (PARTITION BY tenant_id, source, pipeline, period ORDER BY observed_at DESC, recorded_at DESC) = 1
) AS s
LEFT JOIN (
  SELECT tenant_id, source, pipeline, period, version, loaded_rows, run_id, recorded_at
  FROM `{project_id}.tenants.tenant_load_state_rows`
  WHERE run_id IS NOT NULL
  QUALIFY ROW_NUMBER() OVER (PARTITION BY tenant_id, source, pipeline, period ORDER BY recorded_at DESC) = 1
) AS l ON l.tenant_id = s.tenant_id AND l.source = s.source AND l.pipeline = s.pipeline AND l.period = s.period
