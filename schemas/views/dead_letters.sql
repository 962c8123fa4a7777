-- dead_letters: the latest row of each dead_letter_id. Messages that nobody could handle
SELECT dead_letter_id, subscription, topic, tenant_id, run_id, reason, detail, attributes, body, delivery_attempts, state, version, recorded_at
FROM `{project_id}.tenants.dead_letters_rows`
WHERE TRUE
QUALIFY ROW_NUMBER() OVER (PARTITION BY dead_letter_id ORDER BY version DESC, recorded_at DESC) = 1
