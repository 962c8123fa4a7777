-- One row per issuer of invoices and billing period (FOCUS 1.4, Billing Period).
SELECT
  -- No export says when a period was made.
  BillingPeriodStart AS BillingPeriodCreated,
  BillingPeriodEnd,
  IFNULL(MAX(a.taken_at), BillingPeriodStart) AS BillingPeriodLastUpdated,
  BillingPeriodStart,
  CASE
    WHEN BillingPeriodEnd > CURRENT_TIMESTAMP() THEN 'Open'
    WHEN MAX(x_SourceProvider) IN ('aws', 'azure') AND COUNTIF(InvoiceId IS NULL) = 0 THEN 'Closed'
    WHEN TIMESTAMP_ADD(BillingPeriodEnd, INTERVAL 10 DAY) > CURRENT_TIMESTAMP() THEN 'Open'
    ELSE 'Closed'
  END AS BillingPeriodStatus,
  InvoiceIssuerName,
  'BillingPeriodCreated: its start; BillingPeriodStatus: by invoice ids, else ten days after its end' AS x_Assumptions
FROM `{project_id}.{tenant_id}.focus_cost_and_usage`
LEFT JOIN (
  SELECT period, provider, MAX(taken_at) AS taken_at
  FROM `{project_id}.{tenant_id}.focus_provider_amounts`
  GROUP BY period, provider
) AS a ON a.period = x_BillingPeriod AND a.provider = x_SourceProvider
GROUP BY InvoiceIssuerName, BillingPeriodStart, BillingPeriodEnd
