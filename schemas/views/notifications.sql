-- notifications: the latest row of each tenant_id, notification_id. What was told to whom
SELECT notification_id, pipeline_logging_id, tenant_id, step_id, channel, recipients, subject, state, possible_duplicate, attempts, error_code, error_message, recorded_at
FROM `{project_id}.tenants.notifications_rows`
WHERE TRUE
QUALIFY ROW_NUMBER() OVER (PARTITION BY tenant_id, notification_id ORDER BY rank DESC, recorded_at DESC) = 1
