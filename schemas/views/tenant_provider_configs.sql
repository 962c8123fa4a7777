-- tenant_provider_configs: the latest row of each tenant_id, name. Where a tenant's exports are: its sources by name
SELECT tenant_id, provider, domain, name, settings, is_active, is_purged, version, recorded_at
FROM `{project_id}.tenants.tenant_provider_configs_rows`
WHERE TRUE
QUALIFY ROW_NUMBER() OVER (PARTITION BY tenant_id, name ORDER BY version DESC, recorded_at DESC) = 1
