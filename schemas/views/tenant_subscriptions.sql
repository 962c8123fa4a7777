-- tenant_subscriptions: the latest row of each tenant_id. Plan and limits of a tenant
SELECT tenant_id, subscription_plan, status, daily_limit, monthly_limit, concurrent_limit, trial_end_date, subscription_end_date, version, recorded_at
FROM `{project_id}.tenants.tenant_subscriptions_rows`
WHERE TRUE
QUALIFY ROW_NUMBER() OVER (PARTITION BY tenant_id ORDER BY version DESC, recorded_at DESC) = 1
