/**
 * Columns of a FOCUS export, versions 0.5 to 1.4: those of the specification by their names, of whatever version, what
 * a provider adds in `other_columns`. Rows come in as the provider wrote them: what is wrong with them is a matter of
 * what is made from them.
 */
import type { LoadColumn } from '@convergence/warehouse'
import {
  daysOf,
  finder,
  requireColumn,
  requirePeriod,
  sourceOf,
  withOthers,
  type Aliases,
  type ColumnPlan,
  type PlanInput,
} from './finder.ts'
import type { Inspected } from './inspected.ts'

/** Names that columns had before 1.0, and that some writers still give them. */
const aliases: Aliases = {
  EffectiveCost: ['EffectiveCost', 'AmortizedCost'],
  ChargeCategory: ['ChargeCategory', 'ChargeType'],
  RegionId: ['RegionId', 'Region'],
  ConsumedQuantity: ['ConsumedQuantity', 'UsageQuantity'],
  ConsumedUnit: ['ConsumedUnit', 'UsageUnit'],
  InvoiceIssuerName: ['InvoiceIssuerName', 'InvoiceIssuer'],
  ProviderName: ['ProviderName', 'Provider'],
  PublisherName: ['PublisherName', 'Publisher'],
}
/** Columns that a version was the first to have, the newest version first. */
const firstSeen: readonly (readonly [string, readonly string[]])[] = [
  ['1.4', ['InvoiceDetailId', 'CommitmentProgramEligibilityDetails']],
  ['1.3', ['ServiceProviderName', 'HostProviderName', 'AllocatedMethodId', 'AllocatedResourceId', 'ContractApplied']],
  ['1.2', ['InvoiceId', 'PricingCurrency', 'BillingAccountType', 'SubAccountType', 'PricingCurrencyEffectiveCost']],
  ['1.1', ['CapacityReservationId', 'CommitmentDiscountQuantity', 'ServiceSubcategory', 'SkuMeter', 'SkuPriceDetails']],
  ['1.0', ['ContractedCost', 'ChargeClass', 'CommitmentDiscountStatus']],
]
const versionOf = (files: readonly Inspected[]): string => {
  const has = finder(files, {})
  if (has('EffectiveCost') === undefined) return '0.5'
  return firstSeen.find(([, columns]) => columns.some((column) => has(column) !== undefined))?.[0] ?? '0.5'
}

/**
 * What the files lack is NULL. Throws EXPORT_INVALID when they are something else, or of another month: each row's
 * billing period must begin in it, unless they are split.
 */
export const focusColumns = ({ table, files, month, provenance, split }: PlanInput): ColumnPlan => {
  requireColumn(files, aliases, ['BilledCost'], 'a FOCUS export with a column BilledCost')
  requireColumn(files, aliases, ['BillingPeriodStart'], 'a column BillingPeriodStart, which says the month of its rows')
  const find = finder(files, aliases)
  const start = find('BillingPeriodStart')
  if (start !== undefined && split === undefined) requirePeriod(files, start.source, month)
  const constants = { ...provenance, focus_version: versionOf(files) }
  const columns = table.map((column): LoadColumn => {
    if (split !== undefined && column.name === 'source_file') return { ...column, file_name: true }
    const constant = (constants as PlanInput['provenance'])[column.name]
    if (constant !== undefined) return { ...column, value: constant }
    const found = column.name === 'other_columns' ? undefined : find(column.name)
    if (found === undefined) return { ...column, value: null }
    return {
      ...column,
      ...sourceOf(found),
      ...(column.type === 'JSON' ? { or_text: true } : {}),
      ...(split === undefined ? {} : { null_word: true }),
      ...(column.name === 'BillingPeriodStart'
        ? { within: { ...daysOf(month), ...(split && { leave_out: true as const }) } }
        : {}),
    }
  })
  return withOthers(columns, files)
}
