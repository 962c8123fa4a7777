/**
 * Which column of a provider's file is which column of our table. One column is spelled in many ways:
 * `lineItem/UnblendedCost` in the legacy report, `line_item_unblended_cost` in Athena and CUR 2.0,
 * `costInBillingCurrency` and `CostInBillingCurrency` in Azure's exports, `Tags (Tags)` in translated ones. Names are
 * compared without case and signs, which also brings `reservation_reservation_a_r_n` to `reservation/ReservationARN`;
 * what is another word is in a table of aliases. What has no column of its own is kept in `other_columns`.
 */
import { AppError, type Column } from '@convergence/contracts'
import { sourcesOf, type LoadColumn, type ObjectSource, type Scalar } from '@convergence/warehouse'

import { dayFormatOf, dayOf, orderOf, type DayFormat, type DayOrder } from './days.ts'
import { headerOf, valuesOf, type Inspected } from './inspected.ts'
import { excerpt } from './words.ts'

export interface ColumnPlan {
  columns: LoadColumn[]
  /** Columns of the files that have none of their own in the table: those in other_columns, as the files spell them. */
  other_columns: string[]
  /** Columns that the table does not take at all: without a name, with one that stands twice, or made by us. */
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
  /** How Azure's days are written, where the pipeline declares it. */
  day_order?: DayOrder | undefined
}

type Aliases = Readonly<Record<string, readonly string[]>>
const aws: Aliases = {
  reservation_reservation_arn: ['reservation_reservation_arn', 'reservation_arn'],
  savings_plan_savings_plan_arn: ['savings_plan_savings_plan_arn', 'savings_plan_arn'],
}
/** The names of each column, the best first. */
const azure: Aliases = {
  date: ['Date', 'UsageDate', 'UsageDateTime'],
  product_name: ['ProductName', 'Product'],
  resource_group: ['ResourceGroup', 'ResourceGroupName'],
  invoice_section_name: ['InvoiceSectionName', 'InvoiceSection'],
  cost_in_billing_currency: ['CostInBillingCurrency', 'Cost', 'PreTaxCost', 'ExtendedCost'],
  billing_currency_code: ['BillingCurrencyCode', 'BillingCurrency', 'Currency'],
  quantity: ['Quantity', 'UsageQuantity', 'ConsumedQuantity'],
  effective_price: ['EffectivePrice', 'ResourceRate'],
  pay_g_price: ['PayGPrice', 'MarketPrice'],
  pricing_currency: ['PricingCurrency', 'PricingCurrencyCode'],
  exchange_rate_pricing_to_billing: ['ExchangeRatePricingToBilling', 'ExchangeRate'],
  // The portal's usage detail has a number beside it, which no other export knows.
  subscription_id: ['SubscriptionGuid', 'SubscriptionId'],
  resource_id: ['ResourceId', 'InstanceId', 'InstanceName'],
  offer_id: ['OfferId', 'OfferNumber'],
  provider: ['Provider', 'ProviderName'],
}
/**
 * Columns of JSON: those of a group that have no column of their own, by the rest of their name, and the members of
 * maps.
 */
const awsGroups: Readonly<Record<string, { flat: readonly string[]; maps: ObjectSource['maps'] }>> = {
  resource_tags: {
    flat: ['resourceTags/', 'resource_tags_', 'resource_tags.'],
    maps: [
      { source: 'tags', prefix: 'resourceTag/' },
      { source: 'tags', prefix: 'resourceTags/' },
      { source: 'resource_tags' },
    ],
  },
  cost_category: {
    flat: ['costCategory/', 'cost_category_', 'cost_category.'],
    maps: [{ source: 'tags', prefix: 'costCategory/' }, { source: 'cost_category' }],
  },
  product: { flat: ['product/', 'product_', 'product.'], maps: [{ source: 'product' }] },
  discount: { flat: ['discount/', 'discount_', 'discount.'], maps: [{ source: 'discount' }] },
}
/** Columns of the legacy report that CUR 2.0 has in its map of products. */
const awsMembers: Readonly<Record<string, string>> = {
  product_product_name: 'product_name',
  product_region: 'region',
  product_servicename: 'servicename',
}

/** A name without case and signs; of a translated one, the name in parentheses. */
const plain = (name: string): string =>
  (/\(([A-Za-z0-9_ /-]+)\)\s*$/.exec(name)?.[1] ?? name).toLowerCase().replace(/[^a-z0-9]/g, '')
const shown = (header: readonly string[]): string =>
  `${header.slice(0, 8).join(', ')}${header.length > 8 ? ` and ${header.length - 8} more` : ''}`

interface Found {
  source: string
  /** Whether every file has it. */
  everywhere: boolean
}
/** Finds each column's spelling in the files, which must agree on it. */
const finder = (files: readonly Inspected[], aliases: Aliases) => {
  const byPlain = files.map((file) => {
    const names = new Map<string, string>()
    // Where two differ only in case or signs, the first is the column.
    for (const each of file.header) if (!names.has(plain(each))) names.set(plain(each), each)
    return { name: file.name, place: headerOf(file), names }
  })
  return (column: string): Found | undefined => {
    const found = byPlain.map(({ name, place, names }) => ({
      name,
      place,
      source: (aliases[column] ?? [column]).map((each) => names.get(plain(each))).find((each) => each !== undefined),
    }))
    const first = found.find(({ source }) => source !== undefined)
    if (first?.source === undefined) return undefined
    const other = found.find(({ source }) => source !== undefined && source !== first.source)
    if (other !== undefined)
      throw new AppError(
        'EXPORT_INVALID',
        `${other.place}: expected the column ${first.source} as in ${first.name}, got ${String(other.source)}; ` +
          'files of one delivery spell their columns in one way',
      )
    return { source: first.source, everywhere: found.every(({ source }) => source !== undefined) }
  }
}
const sourceOf = ({ source, everywhere }: Found): { source: string; optional?: boolean } =>
  everywhere ? { source } : { source, optional: true }

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
        `${headerOf(file)}: expected ${expected}, got ${shown(file.header)}; is it another kind of export?`,
      )
  }
}
/**
 * Some day of the first rows is of the month. Not all: a charge may be of another month, as a correction is. None is
 * what a file of another month has, or one that says no days at all, whose rows would stand in the month unseen.
 */
const requireMonth = (files: readonly Inspected[], source: string, month: string, order: DayOrder): void => {
  const days = files.flatMap((file) => valuesOf(file, source))
  if (days.some(({ value }) => dayOf(value, order).startsWith(month))) return
  const [first] = days
  const written = { iso: '', month_first: ' as MM/DD/YYYY', day_first: ' as DD/MM/YYYY' }[order]
  const expected = `column ${source}: expected days of ${month}${written}`
  throw new AppError(
    'EXPORT_INVALID',
    first === undefined
      ? `${files[0]?.name ?? 'the delivery'}, ${expected}, got empty fields alone`
      : `${first.place}, ${expected}, got ${JSON.stringify(excerpt(first.value, 40))}`,
  )
}
/** The first day of the month and of the next one. */
const daysOf = (month: string): { from: string; to: string } => ({
  from: `${month}-01`,
  to: new Date(Date.UTC(Number(month.slice(0, 4)), Number(month.slice(5, 7)), 1)).toISOString().slice(0, 10),
})

/** Puts what no column takes into `other_columns`, where the table has that. */
const withOthers = (columns: readonly LoadColumn[], files: readonly Inspected[]): ColumnPlan => {
  const taken = new Set(columns.flatMap(sourcesOf))
  const rest = [...new Set(files.flatMap(({ header }) => header))].filter((name) => !taken.has(name))
  const fits = (name: string): boolean =>
    name !== '' && files.every(({ header }) => header.indexOf(name) === header.lastIndexOf(name))
  const hasOthers = columns.some(({ name }) => name === 'other_columns')
  const other_columns = hasOthers ? rest.filter(fits) : []
  return {
    columns: columns.map((column) => {
      if (column.name !== 'other_columns' || other_columns.length === 0) return column
      const { name, type, mode, description } = column
      const object_of = Object.fromEntries(other_columns.map((each) => [each, each]))
      const own = { ...(mode === undefined ? {} : { mode }), ...(description === undefined ? {} : { description }) }
      return { name, type, ...own, object_of }
    }),
    other_columns,
    not_taken: rest.filter((name) => !other_columns.includes(name)),
  }
}

/** A JSON column of a group: flat columns beside the members of maps; NULL when the files have none of either. */
const awsGroup = (column: Column, header: readonly string[], own: ReadonlySet<string>, find: Finder): LoadColumn => {
  const { flat = [], maps = [] } = awsGroups[column.name] ?? {}
  const sources = maps.flatMap(({ source, prefix }) => {
    const found = find(source)
    return found === undefined ? [] : [{ source: found.source, ...(prefix === undefined ? {} : { prefix }) }]
  })
  const pairs = header.flatMap((name) => {
    if (own.has(name) || sources.some(({ source }) => source === name)) return []
    const prefix = flat.find((each) => name.toLowerCase().startsWith(each.toLowerCase()) && name.length > each.length)
    return prefix === undefined ? [] : [[name.slice(prefix.length), name] as const]
  })
  const [only, ...more] = sources
  if (only === undefined && pairs.length === 0) return { ...column, value: null }
  // A map by itself is kept as it is, also where it is no JSON.
  if (only !== undefined && only.prefix === undefined && more.length === 0 && pairs.length === 0)
    return { ...column, source: only.source, optional: true, or_text: true }
  return { ...column, object_of: Object.fromEntries(pairs), ...(sources.length === 0 ? {} : { maps: sources }) }
}
type Finder = ReturnType<typeof finder>

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
      if (other !== undefined) {
        const found = JSON.stringify(excerpt(other.value, 30))
        throw new AppError(
          'EXPORT_INVALID',
          `${other.place}, column ${start.source}: expected the billing period ${month}, got ${found}`,
        )
      }
    }
  }
  // CUR 2.0 has the columns that were chosen for it: without the billing period the days of use say it.
  const unbilled = files.filter(
    (file) => file.rows.length > 0 && (start === undefined || valuesOf(file, start.source).length === 0),
  )
  const says = find('line_item_usage_start_date') ?? start
  if (unbilled.length > 0 && says !== undefined) requireMonth(unbilled, says.source, month, 'iso')
  const header = [...new Set(files.flatMap((file) => file.header))]
  const own = new Set(table.flatMap(({ name }) => (awsGroups[name] === undefined ? [find(name)?.source ?? ''] : [])))
  const columns = table.map((column): LoadColumn => {
    const constant = provenance[column.name]
    if (constant !== undefined) return { ...column, value: constant }
    if (column.name === 'other_columns') return { ...column, value: null }
    if (awsGroups[column.name] !== undefined) return awsGroup(column, header, own, find)
    const found = find(column.name)
    if (found !== undefined)
      return {
        ...column,
        ...sourceOf(found),
        ...(column.type === 'JSON' ? { or_text: true } : {}),
        ...(column.name === 'bill_billing_period_start_date' ? { within: daysOf(month) } : {}),
      }
    const key = awsMembers[column.name]
    const map = key === undefined ? undefined : find('product')
    return map === undefined ? { ...column, value: null } : { ...column, ...sourceOf(map), key }
  })
  return withOthers(columns, files)
}

/** The columns of days in the files of an Azure cost export, as they spell them. */
export const azureDayColumns = (table: readonly Column[], files: readonly Inspected[]): string[] => {
  const find = finder(files, azure)
  return table.filter(isDayColumn).flatMap(({ name }) => find(name)?.source ?? [])
}
const isDayColumn = ({ type }: Column): boolean => type === 'DATE' || type === 'TIMESTAMP' || type === 'DATETIME'
/**
 * Columns of a load of an Azure cost export (EA, MCA, partners, pay-as-you-go, camel case); what the files lack is
 * NULL. Throws EXPORT_INVALID as for AWS, and for days that may be read in two ways.
 */
export const azureColumns = ({ table, files, month, provenance, day_order }: PlanInput): ColumnPlan => {
  requireColumn(files, azure, ['cost_in_billing_currency'], 'a cost export with a column CostInBillingCurrency or Cost')
  requireColumn(files, azure, ['date'], 'a column Date, UsageDate or UsageDateTime, which says the month of its rows')
  const find = finder(files, azure)
  const day = find('date')
  const elsewhere = orderOf(files, azureDayColumns(table, files))
  const written =
    day === undefined ? undefined : dayFormatOf(files, day.source, { month, declared: day_order, elsewhere })
  const hasRows = files.some(({ rows }) => rows.length > 0)
  if (day !== undefined && hasRows) requireMonth(files, day.source, month, written?.order ?? 'iso')
  const others = written === undefined || written.order === 'iso' ? (day_order ?? elsewhere) : written.order
  // Only the date is of the month: a rate or a service may be of another one.
  const unranged = (format: DayFormat | undefined) => format && { ...format, by_range: false }
  const formatOf = ({ name }: Column, source: string): DayFormat | undefined =>
    name === 'date' ? written : (dayFormatOf(files, source, { declared: others }) ?? unranged(written))
  const columns = table.map((column): LoadColumn => {
    const constant = provenance[column.name]
    if (constant !== undefined) return { ...column, value: constant }
    const found = column.name === 'other_columns' ? undefined : find(column.name)
    if (found === undefined) return { ...column, value: null }
    const format = isDayColumn(column) ? formatOf(column, found.source) : undefined
    return {
      ...column,
      ...sourceOf(found),
      ...(format?.strptime === undefined ? {} : { format: format.strptime }),
      // No day says by itself how it is written: further down they must agree with the first ones.
      ...(format?.by_range === true ? { within: daysOf(month) } : {}),
      ...(column.type === 'JSON' ? { or_text: true, wrap_braces: column.name === 'tags' } : {}),
    }
  })
  return withOthers(columns, files)
}
