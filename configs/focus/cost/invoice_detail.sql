-- Lines of the invoices of a provider's month (FOCUS 1.4, Invoice Detail), of the rows of Cost and Usage that name them.
-- Rows that no invoice is told for yet are lines of an open one, so that the sums are the same.
WITH charges AS (
  SELECT
    c.BilledCost, c.BillingAccountId, c.BillingCurrency, c.BillingPeriodEnd, c.BillingPeriodStart, c.ChargeCategory,
    c.InvoiceIssuerName, c.x_SourceName, c.x_SourceTable,
    c.InvoiceId AS told_invoice,
    COALESCE(c.InvoiceId, CONCAT(c.BillingAccountId, '-', REPLACE('{month}', '-', ''))) AS invoice,
    COALESCE(
      c.InvoiceDetailId,
      TO_HEX(MD5(CONCAT(
        '{month}|', c.x_SourceTable, '|', IFNULL(c.x_SourceName, ''), '|', c.BillingAccountId, '||',
        c.InvoiceIssuerName, '|', CAST(c.BillingPeriodStart AS STRING), '|', CAST(c.BillingPeriodEnd AS STRING), '|', c.BillingCurrency, '|',
        c.ChargeCategory
      )))
    ) AS line
  FROM `focus_cost_and_usage` AS c
  WHERE c.x_BillingPeriod = CAST('{month}-01' AS DATE) AND c.x_SourceProvider = '{provider}'
)
SELECT
  SUM(BilledCost) AS BilledCost,
  BillingAccountId,
  BillingCurrency,
  BillingPeriodEnd,
  BillingPeriodStart,
  ChargeCategory,
  BillingPeriodStart AS InvoiceDetailCreated,
  CAST(NULL AS STRING) AS InvoiceDetailDescription,
  CAST(NULL AS JSON) AS InvoiceDetailGrain,
  line AS InvoiceDetailId,
  CURRENT_TIMESTAMP() AS InvoiceDetailLastUpdated,
  invoice AS InvoiceId,
  CAST(NULL AS TIMESTAMP) AS InvoiceIssueDate,
  CASE
    WHEN told_invoice IS NULL THEN 'Open'
    WHEN '{provider}' IN ('aws', 'azure') THEN 'Issued'
    -- An id of one's own is there before there is an invoice.
    WHEN TIMESTAMP_ADD(BillingPeriodEnd, INTERVAL 10 DAY) > CURRENT_TIMESTAMP() THEN 'Open'
    ELSE 'Issued'
  END AS InvoiceIssueStatus,
  InvoiceIssuerName,
  CAST(NULL AS TIMESTAMP) AS PaymentDueDate,
  'Not stated' AS PaymentTerms,
  CAST(NULL AS STRING) AS PurchaseOrderNumber,
  invoice AS ReferenceInvoiceId,
  CAST('{month}-01' AS DATE) AS x_BillingPeriod,
  '{provider}' AS x_SourceProvider,
  x_SourceName,
  x_SourceTable,
  told_invoice AS x_SourceInvoiceId,
  COUNT(*) AS x_RowCount,
  '{run_id}' AS x_RunId,
  ARRAY_TO_STRING(
    [
      'InvoiceDetailCreated: start of the period',
      'PaymentTerms: not stated',
      'ReferenceInvoiceId: the invoice itself',
      IF(told_invoice IS NULL, 'InvoiceId: account and month, for none is told yet', NULL),
      IF(
        told_invoice IS NOT NULL AND '{provider}' IN ('gcp', 'any'),
        'InvoiceIssueStatus: ten days after the end of the period', NULL
      )
    ],
    '; '
  ) AS x_Assumptions
FROM charges
GROUP BY
  BillingAccountId, BillingCurrency, BillingPeriodEnd, BillingPeriodStart, ChargeCategory, line, told_invoice, invoice,
  InvoiceIssuerName, x_SourceName, x_SourceTable
