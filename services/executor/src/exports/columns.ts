/**
 * Which column of a provider's file is which column of our table. One column is spelled in many ways:
 * `lineItem/UnblendedCost` in the legacy report,
 * `line_item_unblended_cost` in Athena and CUR 2.0, `costInBillingCurrency` and `CostInBillingCurrency` in Azure's
 * exports. Names are compared without
 * case and signs, which also brings `reservation_reservation_a_r_n` to `reservation/ReservationARN`; what is another
 * word is in a table of aliases.
 */
import { AppError, type Column } from '@convergence/contracts'
import type { LoadColumn, Scalar } from '@convergence/warehouse'
import { dayFormatOf, monthOfDay, valuesOf, type DayFormat, type Inspected } from './csv.ts'
import { told } from './words.ts'

export interface ColumnPlan {
  columns: LoadColumn[]
  /** Columns of the files that no column of the table takes, as the files spell them. */
  not_taken: string[]
}
export interface PlanInput {
  /** The table's columns. */
  table: readonly Column[]
  /** Files of one delivery: one way of spelling, but not always the same columns. */
  files: readonly Inspected[]
  /** YYYY-MM */
  month: string
  /** Columns that say where a row comes from, by name. */
  provenance: Readonly<Record<string, Scalar>>
}

type Aliases = Readonly<Record<string, readonly string[]>>
const aws: Aliases = {
  reservation_reservation_arn: ['reservation_arn'],
  savings_plan_savings_plan_arn: ['savings_plan_arn'],
}
const azure: Aliases = {
  date: ['UsageDate', 'UsageDateTime'],
  product_name: ['Product'],
  resource_group: ['ResourceGroupName'],
  invoice_section_name: ['InvoiceSection'],
  cost_in_billing_currency: ['Cost', 'PreTaxCost'],
  billing_currency_code: ['BillingCurrency', 'Currency'],
  quantity: ['UsageQuantity', 'ConsumedQuantity'],
  effective_price: ['ResourceRate'],
  subscription_id: ['SubscriptionGuid'],
  resource_id: ['InstanceId'],
  offer_id: ['OfferNumber'],
  provider: ['ProviderName'],
}
/** Columns of JSON: those of a group that have no column of their own, by the rest of their name. */
const awsGroups: Readonly<Record<string, readonly string[]>> = {
  resource_tags: ['resourceTags/', 'resource_tags_'],
  cost_category: ['costCategory/', 'cost_category_'],
  product: ['product/', 'product_'],
  discount: ['discount/', 'discount_'],
}

const plain = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, '')
const shown = (header: readonly string[]): string =>
  `${header.slice(0, 8).join(', ')}${header.length > 8 ? ` and ${header.length - 8} more` : ''}`

/** Finds each column's spelling in the files, which must agree on it. */
const finder = (files: readonly Inspected[], aliases: Aliases) => {
  const byPlain = files.map(({ name, header }) => {
    const names = new Map<string, string>()
    // Where two differ only in case or signs, the first is the column; the other is not taken, and told.
    for (const each of header) if (!names.has(plain(each))) names.set(plain(each), each)
    return { name, names }
  })
  /** The header of a column, and whether every file has it. */
  return (column: string): { source: string; everywhere: boolean } | undefined => {
    const found = byPlain.map(({ name, names }) => ({
      name,
      source: [column, ...(aliases[column] ?? [])]
        .map((each) => names.get(plain(each)))
        .find((each) => each !== undefined),
    }))
    const first = found.find(({ source }) => source !== undefined)
    if (first?.source === undefined) return undefined
    const other = found.find(({ source }) => source !== undefined && source !== first.source)
    if (other !== undefined)
      throw new AppError(
        'EXPORT_INVALID',
        `${other.name}:1: expected the column ${first.source} as in ${first.name}, got ${String(other.source)}; files of one delivery spell their columns in one way`,
      )
    return { source: first.source, everywhere: found.every(({ source }) => source !== undefined) }
  }
}

/** Each file has one of the columns, however it is spelled. */
const requireColumn = (
  files: readonly Inspected[],
  aliases: Aliases,
  columns: readonly string[],
  expected: string,
): void => {
  for (const file of files) {
    const find = finder([file], aliases)
    if (columns.every((column) => find(column) === undefined))
      throw new AppError(
        'EXPORT_INVALID',
        `${file.name}:1: expected ${expected}, got ${shown(file.header)}; is it another kind of export?`,
      )
  }
}
/**
 * Some day of the first rows is of the month. Not all: a charge may be of another month, as a correction is. None is
 * what a file of another month has,
 * or one that says no days at all, whose rows would stand in the month unseen.
 */
const requireMonth = (files: readonly Inspected[], source: string, month: string, format: DayFormat): void => {
  const days = files.flatMap((file) => valuesOf(file, source).map((each) => ({ ...each, file: file.name })))
  if (days.some(({ value }) => monthOfDay(value, format) === month)) return
  const [first] = days
  // Days first would be read as months first without a word.
  const expected = `column ${source}: expected days of ${month}${format === 'month_first' ? ' as MM/DD/YYYY' : ''}`
  throw new AppError(
    'EXPORT_INVALID',
    first === undefined
      ? `${files[0]?.name ?? 'the delivery'}, ${expected}, got empty fields alone`
      : `${first.file}:${first.line}, ${expected}, got ${JSON.stringify(told(first.value, 40))}`,
  )
}
const notTaken = (files: readonly Inspected[], columns: readonly LoadColumn[]): string[] => {
  const taken = new Set(
    columns.flatMap((column) =>
      'source' in column ? [column.source] : 'object_of' in column ? Object.values(column.object_of) : [],
    ),
  )
  return [...new Set(files.flatMap(({ header }) => header))].filter((name) => !taken.has(name))
}
const assertRows = (files: readonly Inspected[]): void => {
  if (files.every(({ rows }) => rows.length === 0))
    throw new AppError(
      'EXPORT_INVALID',
      `${files[0]?.name ?? 'the delivery'}: expected rows, got a header alone; an empty delivery does not replace a month`,
    )
}

/**
 * Columns of a load of a Cost and Usage Report; what the files lack is NULL. Throws EXPORT_INVALID when they are
 * something else, or of another month.
 */
export const awsColumns = ({ table, files, month, provenance }: PlanInput): ColumnPlan => {
  requireColumn(
    files,
    aws,
    ['line_item_unblended_cost'],
    'a Cost and Usage Report with a column lineItem/UnblendedCost or line_item_unblended_cost',
  )
  requireColumn(
    files,
    aws,
    ['bill_billing_period_start_date', 'line_item_usage_start_date'],
    'a column bill/BillingPeriodStartDate or lineItem/UsageStartDate, which says the month of its rows',
  )
  const find = finder(files, aws)
  const start = find('bill_billing_period_start_date')
  if (start !== undefined) {
    for (const file of files) {
      const other = valuesOf(file, start.source).find(({ value }) => !value.startsWith(month))
      if (other !== undefined)
        throw new AppError(
          'EXPORT_INVALID',
          `${file.name}:${other.line}, column ${start.source}: expected the billing period ${month}, got ${JSON.stringify(told(other.value, 30))}`,
        )
    }
  }
  assertRows(files)
  // CUR 2.0 has the columns that were chosen for it: without the billing period the days of use say it.
  const unbilled = files.filter(
    (file) => file.rows.length > 0 && (start === undefined || valuesOf(file, start.source).length === 0),
  )
  const says = find('line_item_usage_start_date') ?? start
  if (unbilled.length > 0 && says !== undefined) requireMonth(unbilled, says.source, month, 'iso')
  const header = [...new Set(files.flatMap((file) => file.header))]
  const own = new Set(table.flatMap(({ name }) => (awsGroups[name] === undefined ? [find(name)?.source ?? ''] : [])))
  const group = (prefixes: readonly string[]): Record<string, string> =>
    Object.fromEntries(
      header.flatMap((name) => {
        const prefix = own.has(name)
          ? undefined
          : prefixes.find((each) => name.toLowerCase().startsWith(each.toLowerCase()) && name.length > each.length)
        return prefix === undefined ? [] : [[name.slice(prefix.length), name]]
      }),
    )
  const columns = table.map((column): LoadColumn => {
    const constant = provenance[column.name]
    if (constant !== undefined) return { ...column, value: constant }
    const found = find(column.name)
    if (found !== undefined) return { ...column, source: found.source, ...(found.everywhere ? {} : { optional: true }) }
    const prefixes = awsGroups[column.name]
    return prefixes === undefined ? { ...column, value: null } : { ...column, object_of: group(prefixes) }
  })
  return { columns, not_taken: notTaken(files, columns) }
}

const strptime: Readonly<Record<DayFormat, string | undefined>> = { iso: undefined, month_first: '%m/%d/%Y' }

/**
 * Columns of a load of an Azure cost export (EA, MCA, camel case); what the files lack is NULL. Throws EXPORT_INVALID
 * as for AWS, and for days that may be read in two ways.
 */
export const azureColumns = ({ table, files, month, provenance }: PlanInput): ColumnPlan => {
  requireColumn(files, azure, ['cost_in_billing_currency'], 'a cost export with a column CostInBillingCurrency or Cost')
  requireColumn(files, azure, ['date'], 'a column Date, UsageDate or UsageDateTime, which says the month of its rows')
  const find = finder(files, azure)
  /** How all files write a column's days. */
  const formatOf = (source: string): DayFormat | undefined => {
    const formats = files
      .map((file) => ({ file, format: dayFormatOf(file, source) }))
      .filter(({ format }) => format !== undefined)
    const other = formats.find(({ format }) => format !== formats[0]?.format)
    if (other !== undefined)
      throw new AppError(
        'EXPORT_INVALID',
        `${other.file.name}, column ${source}: expected days written as in ${String(formats[0]?.file.name)}, got another way; files of one run write them in one way`,
      )
    return formats[0]?.format
  }
  const day = find('date')
  const dayFormat = day === undefined ? undefined : formatOf(day.source)
  assertRows(files)
  if (day !== undefined) requireMonth(files, day.source, month, dayFormat ?? 'iso')
  const columns = table.map((column): LoadColumn => {
    const constant = provenance[column.name]
    if (constant !== undefined) return { ...column, value: constant }
    const found = find(column.name)
    if (found === undefined) return { ...column, value: null }
    const isDay = column.type === 'DATE' || column.type === 'TIMESTAMP' || column.type === 'DATETIME'
    const format = isDay ? strptime[formatOf(found.source) ?? dayFormat ?? 'iso'] : undefined
    return {
      ...column,
      source: found.source,
      ...(found.everywhere ? {} : { optional: true }),
      ...(format === undefined ? {} : { format }),
      ...(column.type === 'JSON' && column.name === 'tags' ? { wrap_braces: true } : {}),
    }
  })
  return { columns, not_taken: notTaken(files, columns) }
}
