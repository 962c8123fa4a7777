/**
 * Which column of a provider's file is which column of our table. One column is spelled in many ways:
 * `lineItem/UnblendedCost` in the legacy report, `line_item_unblended_cost` in Athena and CUR 2.0,
 * `costInBillingCurrency` and `CostInBillingCurrency` in Azure's exports, `Tags (Tags)` in translated ones. Names are
 * compared without case and signs, which also brings `reservation_reservation_a_r_n` to `reservation/ReservationARN`;
 * what is another word is in a table of aliases. What has no column of its own is kept in `other_columns`.
 */
import type { Column } from '@convergence/contracts'
import type { LoadColumn, ObjectSource } from '@convergence/warehouse'
import { dayFormatOf, orderOf, type DayFormat } from './days.ts'
import type { AzureDataset } from './deliveries.ts'
import {
  daysOf,
  finder,
  requireColumn,
  requireMonth,
  requirePeriod,
  sourceOf,
  withOthers,
  type Aliases,
  type ColumnPlan,
  type Finder,
  type PlanInput,
} from './finder.ts'
import { valuesOf, type Inspected } from './inspected.ts'

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
  if (start !== undefined) requirePeriod(files, start.source, month)
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

/** What is asked of the files of an Azure export, by what it says. */
interface AzureRules {
  aliases: Aliases
  /** Each file has one of the columns of each. */
  required: readonly (readonly [columns: readonly string[], expected: string])[]
  /** The column of days that are of the month; a price may have begun in another one. */
  day?: string
}
const azureRules: Readonly<Record<'cost' | 'pricesheet' | 'reservations', AzureRules>> = {
  cost: {
    aliases: azure,
    required: [
      [['cost_in_billing_currency'], 'a cost export with a column CostInBillingCurrency or Cost'],
      [['date'], 'a column Date, UsageDate or UsageDateTime, which says the month of its rows'],
    ],
    day: 'date',
  },
  pricesheet: {
    aliases: {
      product: ['Product', 'ProductName'],
      enrollment_number: ['EnrollmentNumber', 'EnrollmentId'],
      currency: ['Currency', 'CurrencyCode', 'PricingCurrency'],
    },
    required: [
      [['meter_id'], 'a price sheet with a column MeterId'],
      [['unit_price', 'base_price', 'market_price'], 'a column UnitPrice, BasePrice or MarketPrice'],
    ],
  },
  reservations: {
    aliases: {},
    required: [
      [['reservation_id'], 'reservation details with a column ReservationId'],
      [['used_hours'], 'a column UsedHours'],
      [['usage_date'], 'a column UsageDate, which says the month of its rows'],
    ],
    day: 'usage_date',
  },
}
const rulesOf = (dataset: AzureDataset): AzureRules =>
  azureRules[dataset === 'pricesheet' || dataset === 'reservations' ? dataset : 'cost']
/** The column of the table that says the days of an export. */
export const azureDayColumn = (dataset: AzureDataset): string | undefined => rulesOf(dataset).day

/** The columns of days in the files of an Azure export, as they spell them. */
export const azureDayColumns = (
  table: readonly Column[],
  files: readonly Inspected[],
  dataset: AzureDataset,
): string[] => {
  const find = finder(files, rulesOf(dataset).aliases)
  return table.filter(isDayColumn).flatMap(({ name }) => find(name)?.source ?? [])
}
const isDayColumn = ({ type }: Column): boolean => type === 'DATE' || type === 'TIMESTAMP' || type === 'DATETIME'
/**
 * Columns of a load of an Azure export of cost (EA, MCA, partners, pay-as-you-go, camel case), of prices or of the use of
 * reservations; what the files lack is NULL. Throws EXPORT_INVALID as for AWS, and for days that may be read in two ways.
 */
export const azureColumns = (
  { table, files, month, provenance, day_order }: PlanInput,
  dataset: AzureDataset = 'actual',
): ColumnPlan => {
  const { aliases, required, day: named } = rulesOf(dataset)
  for (const [columns, expected] of required) requireColumn(files, aliases, columns, expected)
  const find = finder(files, aliases)
  const day = named === undefined ? undefined : find(named)
  const elsewhere = orderOf(files, azureDayColumns(table, files, dataset))
  const written =
    day === undefined ? undefined : dayFormatOf(files, day.source, { month, declared: day_order, elsewhere })
  const hasRows = files.some(({ rows }) => rows.length > 0)
  if (day !== undefined && hasRows) requireMonth(files, day.source, month, written?.order ?? 'iso')
  const others = written === undefined || written.order === 'iso' ? (day_order ?? elsewhere) : written.order
  // Only the date is of the month: a rate or a service may be of another one.
  const unranged = (format: DayFormat | undefined) => format && { ...format, by_range: false }
  const formatOf = ({ name }: Column, source: string): DayFormat | undefined =>
    name === named ? written : (dayFormatOf(files, source, { declared: others }) ?? unranged(written))
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
