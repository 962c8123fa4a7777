-- tenant_api_keys: the latest row of each key_id; a revoked row is final. API keys: hash to find, wrapped copy for break-glass; never the key
SELECT key_id, tenant_id, tenant_api_key_hash, encrypted_api_key, scopes, scope_set, description, is_active, expires_at, revoked_at, replaced_by, created_by, created_at, version, recorded_at
FROM `{project_id}.tenants.tenant_api_keys_rows`
WHERE TRUE
QUALIFY ROW_NUMBER() OVER (PARTITION BY key_id ORDER BY is_active, version DESC, recorded_at DESC) = 1
