-- tenant_cloud_credentials: the latest row of each tenant_id, credential_ref. Credentials of a tenant at its providers, sealed
SELECT credential_ref, tenant_id, provider, sealed, fields, external_id, recorded_by, is_active, version, recorded_at
FROM `{project_id}.tenants.tenant_cloud_credentials_rows`
WHERE TRUE
QUALIFY ROW_NUMBER() OVER (PARTITION BY tenant_id, credential_ref ORDER BY version DESC, recorded_at DESC) = 1
