-- tenant_profiles: the latest row of each tenant_id. Company, contact and status of a tenant
SELECT tenant_id, company_name, admin_email, status, subscription_plan, body_digest, version, recorded_at
FROM `{project_id}.tenants.tenant_profiles_rows`
WHERE TRUE
QUALIFY ROW_NUMBER() OVER (PARTITION BY tenant_id ORDER BY version DESC, recorded_at DESC) = 1
