-- question: Do the charges of each invoice come to its lines?
-- reads: cost_and_usage, invoice_detail
-- use cases: 1.2 verify-accuracy-of-provider-invoices-aka-invoice-reconciliation
-- use cases: 1.4 verify-accuracy-of-provider-invoices-aka-invoice-reconciliation
-- adds up: billed_cost
-- @provider STRING DEFAULT '': aws, azure, gcp or any; without it all
SELECT
  billing_period,
  issuer,
  invoice,
  billing_account,
  currency,
  SUM(charged) AS billed_cost,
  SUM(lined) AS invoiced_cost,
  SUM(charged) - SUM(lined) AS difference_cost
FROM (
  SELECT
    x_BillingPeriod AS billing_period,
    InvoiceIssuerName AS issuer,
    InvoiceId AS invoice,
    BillingAccountId AS billing_account,
    BillingCurrency AS currency,
    BilledCost AS charged,
    BIGNUMERIC '0' AS lined
  FROM `focus_cost_and_usage`
  WHERE x_BillingPeriod >= DATE_TRUNC(@from, MONTH) AND x_BillingPeriod < @to
    AND (@provider = '' OR x_SourceProvider = @provider)
  UNION ALL
  SELECT
    x_BillingPeriod,
    InvoiceIssuerName,
    x_SourceInvoiceId,
    BillingAccountId,
    BillingCurrency,
    BIGNUMERIC '0',
    BilledCost
  FROM `focus_invoice_detail`
  WHERE x_BillingPeriod >= DATE_TRUNC(@from, MONTH) AND x_BillingPeriod < @to
    AND (@provider = '' OR x_SourceProvider = @provider)
)
GROUP BY 1, 2, 3, 4, 5
ORDER BY billing_period, issuer, invoice, billing_account, currency
