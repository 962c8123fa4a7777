/**
 * The datasets of FOCUS and the columns of each of its versions, by name. What is exported, what the command line offers
 * and what the views show is of this list.
 */
export const focusVersions = ['1.4', '1.3', '1.2', '1.1', '1.0'] as const
export type FocusVersion = (typeof focusVersions)[number]
export const focusDatasets = ['cost_and_usage', 'billing_period', 'contract_commitment', 'invoice_detail'] as const
export type FocusDataset = (typeof focusDatasets)[number]
export const focusFormats = ['csv', 'parquet'] as const
export type FocusFormat = (typeof focusFormats)[number]

export interface FocusColumn {
  name: string
  type: 'STRING' | 'BIGNUMERIC' | 'TIMESTAMP' | 'JSON'
  since: FocusVersion
  /** The last version that has it. */
  until?: FocusVersion
  /** Conditional, and never NULL where it is: a dataset that does not know it goes without. */
  optional?: true
}

/** The table or view of a tenant's dataset that holds it. */
export const focusTable = (dataset: FocusDataset): string => `focus_${dataset}`

/** Of a dataset in a version, by name; none where that version has no such dataset. */
export const focusColumns = (dataset: FocusDataset, version: FocusVersion): readonly FocusColumn[] =>
  columns[dataset].filter(({ since, until = '1.4' }) => since <= version && version <= until)

/** The datasets that a version has. */
export const focusDatasetsOf = (version: FocusVersion): readonly FocusDataset[] =>
  focusDatasets.filter((dataset) => focusColumns(dataset, version).length > 0)

/** Of a column that 1.4 has no more, those of the tables that it is made of: the first that is filled. */
export const focusSources = (column: string): readonly string[] => sources[column] ?? []
const sources: Readonly<Record<string, readonly string[]>> = {
  // The cloud, also where somebody else makes the service, who is the publisher.
  ProviderName: ['HostProviderName', 'ServiceProviderName'],
  PublisherName: ['x_PublisherName', 'ServiceProviderName'],
}

const columns: Readonly<Record<FocusDataset, readonly FocusColumn[]>> = {
  cost_and_usage: [
    { name: 'AllocatedMethodDetails', type: 'JSON', since: '1.3' },
    { name: 'AllocatedMethodId', type: 'STRING', since: '1.3' },
    { name: 'AllocatedResourceId', type: 'STRING', since: '1.3' },
    { name: 'AllocatedResourceName', type: 'STRING', since: '1.3' },
    { name: 'AllocatedTags', type: 'JSON', since: '1.3' },
    { name: 'AvailabilityZone', type: 'STRING', since: '1.0' },
    { name: 'BilledCost', type: 'BIGNUMERIC', since: '1.0' },
    { name: 'BillingAccountId', type: 'STRING', since: '1.0' },
    { name: 'BillingAccountName', type: 'STRING', since: '1.0' },
    { name: 'BillingAccountType', type: 'STRING', since: '1.2' },
    { name: 'BillingCurrency', type: 'STRING', since: '1.0' },
    { name: 'BillingPeriodEnd', type: 'TIMESTAMP', since: '1.0' },
    { name: 'BillingPeriodStart', type: 'TIMESTAMP', since: '1.0' },
    { name: 'CapacityReservationId', type: 'STRING', since: '1.1' },
    { name: 'CapacityReservationStatus', type: 'STRING', since: '1.1' },
    { name: 'ChargeCategory', type: 'STRING', since: '1.0' },
    { name: 'ChargeClass', type: 'STRING', since: '1.0' },
    { name: 'ChargeDescription', type: 'STRING', since: '1.0' },
    { name: 'ChargeFrequency', type: 'STRING', since: '1.0' },
    { name: 'ChargePeriodEnd', type: 'TIMESTAMP', since: '1.0' },
    { name: 'ChargePeriodStart', type: 'TIMESTAMP', since: '1.0' },
    { name: 'CommitmentDiscountCategory', type: 'STRING', since: '1.0' },
    { name: 'CommitmentDiscountId', type: 'STRING', since: '1.0' },
    { name: 'CommitmentDiscountName', type: 'STRING', since: '1.0' },
    { name: 'CommitmentDiscountQuantity', type: 'BIGNUMERIC', since: '1.1' },
    { name: 'CommitmentDiscountStatus', type: 'STRING', since: '1.0' },
    { name: 'CommitmentDiscountType', type: 'STRING', since: '1.0' },
    { name: 'CommitmentDiscountUnit', type: 'STRING', since: '1.1' },
    { name: 'CommitmentProgramEligibilityDetails', type: 'JSON', since: '1.4' },
    { name: 'ConsumedQuantity', type: 'BIGNUMERIC', since: '1.0' },
    { name: 'ConsumedUnit', type: 'STRING', since: '1.0' },
    { name: 'ContractApplied', type: 'JSON', since: '1.3' },
    { name: 'ContractedCost', type: 'BIGNUMERIC', since: '1.0' },
    { name: 'ContractedUnitPrice', type: 'BIGNUMERIC', since: '1.0' },
    { name: 'EffectiveCost', type: 'BIGNUMERIC', since: '1.0' },
    { name: 'HostProviderName', type: 'STRING', since: '1.3' },
    { name: 'InvoiceDetailId', type: 'STRING', since: '1.4' },
    { name: 'InvoiceId', type: 'STRING', since: '1.2' },
    { name: 'InvoiceIssuerName', type: 'STRING', since: '1.0' },
    { name: 'ListCost', type: 'BIGNUMERIC', since: '1.0' },
    { name: 'ListUnitPrice', type: 'BIGNUMERIC', since: '1.0' },
    { name: 'PricingCategory', type: 'STRING', since: '1.0' },
    { name: 'PricingCurrency', type: 'STRING', since: '1.2' },
    { name: 'PricingCurrencyContractedUnitPrice', type: 'BIGNUMERIC', since: '1.2' },
    { name: 'PricingCurrencyEffectiveCost', type: 'BIGNUMERIC', since: '1.2' },
    { name: 'PricingCurrencyListUnitPrice', type: 'BIGNUMERIC', since: '1.2' },
    { name: 'PricingQuantity', type: 'BIGNUMERIC', since: '1.0' },
    { name: 'PricingUnit', type: 'STRING', since: '1.0' },
    { name: 'ProviderName', type: 'STRING', since: '1.0', until: '1.3' },
    { name: 'PublisherName', type: 'STRING', since: '1.0', until: '1.3' },
    { name: 'RegionId', type: 'STRING', since: '1.0' },
    { name: 'RegionName', type: 'STRING', since: '1.0' },
    { name: 'ResourceId', type: 'STRING', since: '1.0' },
    { name: 'ResourceName', type: 'STRING', since: '1.0' },
    { name: 'ResourceType', type: 'STRING', since: '1.0' },
    { name: 'ServiceCategory', type: 'STRING', since: '1.0' },
    { name: 'ServiceName', type: 'STRING', since: '1.0' },
    { name: 'ServiceProviderName', type: 'STRING', since: '1.3' },
    { name: 'ServiceSubcategory', type: 'STRING', since: '1.1' },
    { name: 'SkuId', type: 'STRING', since: '1.0' },
    { name: 'SkuMeter', type: 'STRING', since: '1.1' },
    { name: 'SkuPriceDetails', type: 'JSON', since: '1.1' },
    { name: 'SkuPriceId', type: 'STRING', since: '1.0' },
    { name: 'SubAccountId', type: 'STRING', since: '1.0' },
    { name: 'SubAccountName', type: 'STRING', since: '1.0' },
    { name: 'SubAccountType', type: 'STRING', since: '1.2' },
    { name: 'Tags', type: 'JSON', since: '1.0' },
  ],
  billing_period: [
    { name: 'BillingPeriodCreated', type: 'TIMESTAMP', since: '1.4' },
    { name: 'BillingPeriodEnd', type: 'TIMESTAMP', since: '1.4' },
    { name: 'BillingPeriodLastUpdated', type: 'TIMESTAMP', since: '1.4' },
    { name: 'BillingPeriodStart', type: 'TIMESTAMP', since: '1.4' },
    { name: 'BillingPeriodStatus', type: 'STRING', since: '1.4' },
    { name: 'InvoiceIssuerName', type: 'STRING', since: '1.4' },
  ],
  contract_commitment: [
    { name: 'BillingCurrency', type: 'STRING', since: '1.3' },
    { name: 'ContractCommitmentApplicability', type: 'JSON', since: '1.4' },
    { name: 'ContractCommitmentBenefitCategory', type: 'STRING', since: '1.4' },
    { name: 'ContractCommitmentCategory', type: 'STRING', since: '1.3' },
    { name: 'ContractCommitmentCost', type: 'BIGNUMERIC', since: '1.3' },
    { name: 'ContractCommitmentCreated', type: 'TIMESTAMP', since: '1.4' },
    { name: 'ContractCommitmentDescription', type: 'STRING', since: '1.3' },
    { name: 'ContractCommitmentDiscountPercentage', type: 'BIGNUMERIC', since: '1.4' },
    { name: 'ContractCommitmentDurationType', type: 'STRING', since: '1.4' },
    { name: 'ContractCommitmentFulfillmentInterval', type: 'STRING', since: '1.4' },
    { name: 'ContractCommitmentId', type: 'STRING', since: '1.3' },
    { name: 'ContractCommitmentLastUpdated', type: 'TIMESTAMP', since: '1.4' },
    { name: 'ContractCommitmentLifecycleStatus', type: 'STRING', since: '1.4' },
    { name: 'ContractCommitmentModel', type: 'STRING', since: '1.4' },
    { name: 'ContractCommitmentOfferCategory', type: 'STRING', since: '1.4' },
    { name: 'ContractCommitmentPaymentInterval', type: 'STRING', since: '1.4' },
    { name: 'ContractCommitmentPaymentModel', type: 'STRING', since: '1.4' },
    { name: 'ContractCommitmentPaymentUpfrontPercentage', type: 'BIGNUMERIC', since: '1.4', optional: true },
    { name: 'ContractCommitmentPeriodEnd', type: 'TIMESTAMP', since: '1.3' },
    { name: 'ContractCommitmentPeriodStart', type: 'TIMESTAMP', since: '1.3' },
    { name: 'ContractCommitmentQuantity', type: 'BIGNUMERIC', since: '1.3' },
    { name: 'ContractCommitmentType', type: 'STRING', since: '1.3' },
    { name: 'ContractCommitmentUnit', type: 'STRING', since: '1.3' },
    { name: 'ContractId', type: 'STRING', since: '1.3' },
    { name: 'ContractPeriodEnd', type: 'TIMESTAMP', since: '1.3' },
    { name: 'ContractPeriodStart', type: 'TIMESTAMP', since: '1.3' },
    { name: 'InvoiceIssuerName', type: 'STRING', since: '1.4' },
    { name: 'PricingCurrency', type: 'STRING', since: '1.4', optional: true },
    { name: 'PricingCurrencyContractCommitmentCost', type: 'BIGNUMERIC', since: '1.4', optional: true },
    { name: 'ServiceProviderName', type: 'STRING', since: '1.4' },
  ],
  invoice_detail: [
    { name: 'BilledCost', type: 'BIGNUMERIC', since: '1.4' },
    { name: 'BillingAccountId', type: 'STRING', since: '1.4' },
    { name: 'BillingCurrency', type: 'STRING', since: '1.4' },
    { name: 'BillingPeriodEnd', type: 'TIMESTAMP', since: '1.4' },
    { name: 'BillingPeriodStart', type: 'TIMESTAMP', since: '1.4' },
    { name: 'ChargeCategory', type: 'STRING', since: '1.4' },
    { name: 'InvoiceDetailCreated', type: 'TIMESTAMP', since: '1.4' },
    { name: 'InvoiceDetailDescription', type: 'STRING', since: '1.4' },
    { name: 'InvoiceDetailGrain', type: 'JSON', since: '1.4' },
    { name: 'InvoiceDetailId', type: 'STRING', since: '1.4' },
    { name: 'InvoiceDetailLastUpdated', type: 'TIMESTAMP', since: '1.4' },
    { name: 'InvoiceId', type: 'STRING', since: '1.4' },
    { name: 'InvoiceIssueDate', type: 'TIMESTAMP', since: '1.4' },
    { name: 'InvoiceIssueStatus', type: 'STRING', since: '1.4' },
    { name: 'InvoiceIssuerName', type: 'STRING', since: '1.4' },
    { name: 'PaymentCurrency', type: 'STRING', since: '1.4', optional: true },
    { name: 'PaymentCurrencyBilledCost', type: 'BIGNUMERIC', since: '1.4', optional: true },
    { name: 'PaymentCurrencyInvoiceDetailId', type: 'STRING', since: '1.4', optional: true },
    { name: 'PaymentDueDate', type: 'TIMESTAMP', since: '1.4' },
    { name: 'PaymentTerms', type: 'STRING', since: '1.4' },
    { name: 'PurchaseOrderNumber', type: 'STRING', since: '1.4', optional: true },
    { name: 'ReferenceInvoiceId', type: 'STRING', since: '1.4' },
  ],
}
