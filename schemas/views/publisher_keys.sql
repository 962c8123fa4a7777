-- publisher_keys: the latest row of each kid; a revoked row is final. Public keys of those who may ask for runs over Pub/Sub
SELECT kid, tenant_id, public_key, pipelines, is_active, not_before, expires_at, description, version, recorded_at
FROM `{project_id}.tenants.publisher_keys_rows`
WHERE TRUE
QUALIFY ROW_NUMBER() OVER (PARTITION BY kid ORDER BY is_active, version DESC, recorded_at DESC) = 1
