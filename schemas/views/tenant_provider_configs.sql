-- tenant_provider_configs: the latest row of each tenant_id, provider, domain. Settings of a tenant per provider and domain
SELECT tenant_id, provider, domain, settings, is_active, version, recorded_at
FROM `{project_id}.tenants.tenant_provider_configs_rows`
WHERE TRUE
QUALIFY ROW_NUMBER() OVER (PARTITION BY tenant_id, provider, domain ORDER BY version DESC, recorded_at DESC) = 1
