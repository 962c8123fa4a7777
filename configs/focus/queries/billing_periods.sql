-- question: Which billing periods are closed, and when was each updated last?
-- reads: billing_period
SELECT
  InvoiceIssuerName AS issuer,
  DATE(BillingPeriodStart) AS billing_period,
  BillingPeriodStatus AS status,
  BillingPeriodLastUpdated AS last_updated
FROM `focus_billing_period`
WHERE DATE(BillingPeriodStart) >= DATE_TRUNC(@from, MONTH) AND DATE(BillingPeriodStart) < @to
ORDER BY billing_period, issuer
