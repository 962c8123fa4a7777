/**
 * Which column of a provider's file is which column of our table. Providers spell one column in several ways (legacy report, Athena, CUR 2.0; EA, MCA, camel
 * case), so names are compared without case and signs, with a table of the spellings that this does not bring together.
 */
import { AppError, type Column } from '@convergence/contracts'
import type { LoadColumn } from '@convergence/warehouse'

/** lineItem/UnblendedCost, line_item_unblended_cost and LineItemUnblendedCost are one. */
const plainName = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, '')

const awsAliases: Readonly<Record<string, readonly string[]>> = {
  reservation_reservation_arn: ['reservation_reservation_a_r_n'],
  savings_plan_savings_plan_arn: ['savings_plan_savings_plan_a_r_n'],
  product_product_name: ['product_productname'],
}
const azureAliases: Readonly<Record<string, readonly string[]>> = {
  invoice_section_name: ['InvoiceSection'], resource_group: ['ResourceGroupName'], product_name: ['Product'], cost_in_billing_currency: ['Cost', 'CostInBillingCurrency'],
  billing_currency_code: ['BillingCurrency'], meter_sub_category: ['MeterSubcategory'], resource_location: ['Location'],
}

const sourceOf = (column: string, header: ReadonlyMap<string, string>, aliases: Readonly<Record<string, readonly string[]>>): string | undefined =>
  [column, ...(aliases[column] ?? [])].map((name) => header.get(plainName(name))).find((name) => name !== undefined)

const headerMap = (header: readonly string[]): Map<string, string> => new Map(header.map((name) => [plainName(name), name]))

/** What every file of one load must agree on: its columns, in any order. */
export const commonHeader = (files: readonly { name: string; header: readonly string[] }[]): readonly string[] => {
  const [first] = files
  if (first === undefined) throw new AppError('EXPORT_INVALID', 'the export names no files')
  return [...new Set(files.flatMap(({ header }) => header))]
}

export interface AwsFacts { billing_period: string; report_name: string; manifest_id: string }
/** Columns of a load of a Cost and Usage Report; what the file lacks is NULL. */
export const awsColumns = (table: readonly Column[], header: readonly string[], file: string, facts: AwsFacts): LoadColumn[] => {
  const names = headerMap(header)
  if (sourceOf('line_item_unblended_cost', names, awsAliases) === undefined) throw new AppError('EXPORT_INVALID', `${file}:1: expected a Cost and Usage Report with a column lineItem/UnblendedCost or line_item_unblended_cost; the file has ${header.slice(0, 6).join(', ')}`)
  const group = (prefixes: readonly string[]): Record<string, string> => Object.fromEntries(header.flatMap((name) => {
    const prefix = prefixes.find((candidate) => name.startsWith(candidate))
    return prefix === undefined ? [] : [[name.slice(prefix.length), name]]
  }))
  return table.map((column): LoadColumn => {
    if (column.name === 'billing_period') return { ...column, value: facts.billing_period }
    if (column.name === 'report_name') return { ...column, value: facts.report_name }
    if (column.name === 'manifest_id') return { ...column, value: facts.manifest_id }
    const source = sourceOf(column.name, names, awsAliases)
    if (source !== undefined) return { ...column, source, optional: true }
    if (column.name === 'resource_tags') return { ...column, object_of: group(['resourceTags/', 'resource_tags_']) }
    if (column.name === 'cost_category') return { ...column, object_of: group(['costCategory/', 'cost_category_']) }
    return { ...column, value: null }
  })
}

export interface AzureFacts { billing_period: string; export_name: string; export_run_id: string; date_format: string | undefined }
export const azureColumns = (table: readonly Column[], header: readonly string[], file: string, facts: AzureFacts): LoadColumn[] => {
  const names = headerMap(header)
  if (sourceOf('cost_in_billing_currency', names, azureAliases) === undefined) throw new AppError('EXPORT_INVALID', `${file}:1: expected a cost export with a column CostInBillingCurrency or Cost; the file has ${header.slice(0, 6).join(', ')}`)
  return table.map((column): LoadColumn => {
    if (column.name === 'billing_period') return { ...column, value: facts.billing_period }
    if (column.name === 'export_name') return { ...column, value: facts.export_name }
    if (column.name === 'export_run_id') return { ...column, value: facts.export_run_id }
    const source = sourceOf(column.name, names, azureAliases)
    if (source === undefined) return { ...column, value: null }
    return {
      ...column, source, optional: true,
      ...(column.type === 'DATE' && facts.date_format !== undefined ? { format: facts.date_format } : {}),
      ...(column.name === 'tags' ? { wrap_braces: true } : {}),
    }
  })
}

/** How a file writes its days, found from all the values given; never guessed row by row. Undefined is ISO 8601. */
export const dateFormatOf = (values: readonly string[], file: string): string | undefined => {
  const filled = values.filter((value) => value !== '')
  if (filled.every((value) => /^\d{4}-\d{2}-\d{2}/.test(value))) return undefined
  const odd = filled.find((value) => !/^\d{1,2}\/\d{1,2}\/\d{4}$/.test(value))
  if (odd !== undefined) throw new AppError('EXPORT_INVALID', `${file}: days are written in more than one way: expected MM/DD/YYYY or YYYY-MM-DD throughout, got ${JSON.stringify(odd.slice(0, 40))}`)
  return '%m/%d/%Y'
}
