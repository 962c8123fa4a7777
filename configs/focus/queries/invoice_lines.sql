-- question: Which lines has each invoice, and is it issued?
-- reads: invoice_detail
-- adds up: billed_cost
-- @provider STRING DEFAULT '': aws, azure, gcp or any; without it all
SELECT
  x_BillingPeriod AS billing_period,
  InvoiceIssuerName AS issuer,
  InvoiceId AS invoice,
  BillingAccountId AS billing_account,
  InvoiceIssueStatus AS status,
  ChargeCategory AS charge_category,
  BillingCurrency AS currency,
  SUM(BilledCost) AS billed_cost,
  SUM(x_RowCount) AS charges
FROM `focus_invoice_detail`
WHERE x_BillingPeriod >= DATE_TRUNC(@from, MONTH) AND x_BillingPeriod < @to
  AND (@provider = '' OR x_SourceProvider = @provider)
GROUP BY 1, 2, 3, 4, 5, 6, 7
ORDER BY billing_period, issuer, invoice, billing_account, charge_category, status, currency
