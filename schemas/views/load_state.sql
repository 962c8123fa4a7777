-- load_state (in each tenant's dataset): of each of its sources and periods what the provider had when it was last looked at, what
-- is loaded, and whether it has changed since; the tenant id is a literal.
SELECT source, pipeline, period, seen_version, seen_at, loaded_version, loaded_rows, loaded_at, run_id, changed
FROM `{project_id}.tenants.tenant_load_state`
WHERE tenant_id = '{tenant_id}'
