/**
 * What a tenant's clouds cost, from `focus_cost_and_usage` of its dataset: questions as GoogleSQL, answers as exact
 * decimals. Values of a request are bound; names of columns come from the table here, tags from a checked form.
 */
import { AppError } from '@convergence/contracts'
import { allocationTables, unallocated } from '@convergence/pipeline/allocation'
import { allocationDimension, costColumn, costDimensions } from '@convergence/pipeline/cost-dimensions'
import { csvField } from '@convergence/tabular/csv'
import type { Row, Statement } from '@convergence/warehouse'
import type { CurrencyRate } from './currency-rates.ts'
import { isFormat } from './fields.ts'

const metrics = {
  billed: 'BilledCost',
  effective: 'EffectiveCost',
  list: 'ListCost',
  contracted: 'ContractedCost',
} as const
export type Metric = keyof typeof metrics
export const metricNames = Object.keys(metrics)
export type Granularity = 'none' | 'day' | 'month'
const mostGroups = 3
const mostDays = 1_100
export interface Question {
  tenant_id: string
  /** Days of UTC, `to` exclusive. */
  from: string
  to: string
  granularity: Granularity
  group_by: readonly string[]
  metric: Metric
  /** Values by dimension: any of one, all of several. */
  filters: ReadonlyMap<string, readonly string[]>
}

const expected = `one of ${costDimensions.join(', ')} or tag:KEY`

/** What is wrong with a range of days. */
export const dayFaults = (from: string, to: string): string[] => {
  const faults: string[] = []
  const given = { from, to }
  const meant = { from: 'the first day', to: 'the day behind the last one' }
  for (const name of ['from', 'to'] as const)
    if (given[name] === '') faults.push(`query.${name}: is missing: ${meant[name]}, YYYY-MM-DD`)
    else if (!isFormat('date', given[name]))
      faults.push(`query.${name}: expected ${meant[name]}, YYYY-MM-DD, got ${JSON.stringify(given[name])}`)
  if (faults.length > 0) return faults
  const days = (Date.parse(to) - Date.parse(from)) / 86_400_000
  if (days <= 0) faults.push(`query.to: expected a day after ${from}, got ${to}`)
  if (days > mostDays) faults.push(`query.to: expected at most ${mostDays} days after ${from}, got ${days}`)
  return faults
}

/** Throws BODY_INVALID with all faults. */
export const questionOf = (tenant_id: string, query: Readonly<Record<string, string>>): Question => {
  const { from = '', to = '', granularity = 'none', metric = 'effective' } = query
  const faults = dayFaults(from, to)
  const group_by = (query['group_by'] ?? '').split(',').filter((name) => name !== '')
  if (group_by.length > mostGroups)
    faults.push(`query.group_by: expected at most ${mostGroups} dimensions, got ${group_by.length}`)
  group_by.forEach((name, k) => {
    if (costColumn(name) === undefined) faults.push(`query.group_by: expected ${expected}, got ${JSON.stringify(name)}`)
    else if (group_by.indexOf(name) !== k) faults.push(`query.group_by: ${name} stands twice`)
  })
  const filters = new Map<string, string[]>()
  for (const filter of (query['filter'] ?? '').split('\n').filter((each) => each !== '')) {
    const at = filter.startsWith('tag:') ? filter.indexOf(':', 4) : filter.indexOf(':')
    const [name, value] = [filter.slice(0, Math.max(at, 0)), filter.slice(at + 1)]
    if (at < 0 || costColumn(name) === undefined)
      faults.push(`query.filter: expected DIMENSION:VALUE with ${expected}, got ${JSON.stringify(filter.slice(0, 60))}`)
    else filters.set(name, [...(filters.get(name) ?? []), value])
  }
  if (faults.length > 0)
    throw new AppError('BODY_INVALID', `query: ${faults.length === 1 ? '1 fault' : `${faults.length} faults`}`, {
      faults,
    })
  return {
    tenant_id,
    from,
    to,
    granularity: granularity as Granularity,
    group_by,
    metric: metric as Metric,
    filters,
  }
}

const isAboutAllocation = ({ group_by, filters }: Pick<Question, 'group_by' | 'filters'>): boolean =>
  group_by.includes(allocationDimension) || filters.has(allocationDimension)
/** The rows that a question is about. Of a month that nothing has allocated yet, nobody bears the charges. */
const chargesOf = (question: Question): string => {
  const { tenant_id } = question
  const charges = `\`${tenant_id}.focus_cost_and_usage\``
  if (!isAboutAllocation(question)) return charges
  const allocated = `\`${tenant_id}.${allocationTables.rows}\``
  const columns =
    'x_BillingPeriod, x_SourceProvider, ServiceName, ServiceCategory, SubAccountId, BillingAccountId, RegionId, ' +
    'ResourceId, Tags, ChargePeriodStart, BillingCurrency, BilledCost, EffectiveCost, ListCost, ContractedCost'
  return (
    `(SELECT ${columns}, x_AllocatedTo FROM ${allocated} UNION ALL ` +
    `SELECT ${columns}, '${unallocated}' AS x_AllocatedTo FROM ${charges} WHERE x_BillingPeriod NOT IN ` +
    `(SELECT x_BillingPeriod FROM ${allocated} WHERE x_BillingPeriod IS NOT NULL))`
  )
}

/** Nothing was spent where no month was normalised yet; of who bears it there is then no answer at all. */
const whereUnmade = <T>(question: Question, error: unknown, nothing: T): T => {
  if (!(error instanceof AppError) || error.code !== 'TABLE_NOT_FOUND') throw error
  if (!isAboutAllocation(question)) return nothing
  throw new AppError(
    'TABLE_NOT_FOUND',
    `allocation: ${question.tenant_id} has no ${allocationTables.rows} yet; PUT .../allocation stores rules, ` +
      'focus/cost/allocation says by them who bears the cost of a month',
    { cause: error },
  )
}

/** What all statements of a question have in common: from where, and which rows. */
const chosen = (question: Question) => {
  const { tenant_id, from, to, filters } = question
  const parameters: { name: string; type: string; value: unknown }[] = [
    { name: 'from', type: 'DATE', value: from },
    { name: 'to', type: 'DATE', value: to },
    { name: 'first', type: 'DATE', value: monthBefore(from) },
  ]
  const conditions = [...filters].map(([name, values], k) => {
    parameters.push({ name: `f${k}`, type: 'ARRAY<STRING>', value: values })
    // What has no value is asked for by an empty one.
    return `IFNULL(${String(costColumn(name))}, '') IN UNNEST(@f${k})`
  })
  return {
    // A charge is billed in its own month or later; by the provider's clock that may be the month before UTC's.
    rows:
      `FROM ${chargesOf(question)} ` +
      `WHERE x_BillingPeriod >= @first AND ${chargeDay} >= @from AND ${chargeDay} < @to ` +
      conditions.map((each) => `AND ${each} `).join(''),
    parameters,
    default_dataset: tenant_id,
  }
}
const chargeDay = 'DATE(ChargePeriodStart)'

/**
 * The statement of a question, without its end: what is selected, and from where. In one currency, each month's amount
 * of a currency is multiplied once.
 */
const asked = (
  question: Question,
  { grouped, converted }: { grouped: boolean; converted: Converted | undefined },
): Statement => {
  const { granularity, group_by, metric } = question
  const period = { none: 'CAST(NULL AS DATE)', day: chargeDay, month: `DATE_TRUNC(${chargeDay}, MONTH)` }[granularity]
  const groups = grouped
    ? [`${period} AS period`, ...group_by.map((name, k) => `${String(costColumn(name))} AS g${k}`)]
    : []
  const keys = grouped ? ['period', ...group_by.map((_, k) => `g${k}`)] : []
  const { rows, ...common } = chosen(question)
  const amount = `SUM(${metrics[metric]})`
  if (converted === undefined)
    return {
      ...common,
      query:
        `SELECT ${[...groups, 'BillingCurrency AS currency', `${amount} AS amount`].join(', ')} ` +
        `${rows}GROUP BY ${['currency', ...keys].join(', ')}`,
    }
  const { currency, rates } = converted
  const cases = rates.map((_, k) => `WHEN BillingCurrency = @from${k} AND x_BillingPeriod = @month${k} THEN @rate${k} `)
  const factor = `CASE ${cases.join('')}WHEN BillingCurrency = @currency THEN 1 END`
  return {
    ...common,
    parameters: [
      ...common.parameters,
      { name: 'currency', type: 'STRING', value: currency },
      ...rates.flatMap(({ from, period: month, rate }, k) => [
        { name: `from${k}`, type: 'STRING', value: from },
        { name: `month${k}`, type: 'DATE', value: `${month}-01` },
        { name: `rate${k}`, type: 'BIGNUMERIC', value: rate },
      ]),
    ],
    query:
      `SELECT ${[...keys, '@currency AS currency', 'SUM(amount) AS amount'].join(', ')} FROM (` +
      `SELECT ${[...groups, `${amount} * ${factor} AS amount`].join(', ')} ` +
      `${rows}GROUP BY ${[...keys, 'BillingCurrency', 'x_BillingPeriod'].join(', ')}) ` +
      `GROUP BY ${['currency', ...keys].join(', ')}`,
  }
}

/** The one currency of an answer, and the rates to it. */
export interface Converted {
  currency: string
  rates: readonly CurrencyRate[]
}
/** Which currencies a question meets in which billing periods, YYYY-MM. */
export const currenciesOf = async (
  ask: (statement: Statement) => Promise<Row[]>,
  question: Question,
): Promise<{ period: string; currency: string | null }[]> => {
  const { rows, ...common } = chosen(question)
  try {
    const found = await ask({
      ...common,
      query: `SELECT x_BillingPeriod AS period, BillingCurrency AS currency ${rows}GROUP BY period, currency ORDER BY period, currency`,
    })
    return found.map((row) => ({ period: String(row['period']).slice(0, 7), currency: textOf(row['currency']) }))
  } catch (error) {
    return whereUnmade(question, error, [])
  }
}
export const monthBefore = (day: string): string => {
  const [year, month] = day.split('-').map(Number) as [number, number, number]
  return new Date(Date.UTC(year, month - 2, 1)).toISOString().slice(0, 10)
}

export interface Page {
  items: {
    period: string | null
    group: Readonly<Record<string, string | null>>
    amount: string | null
    currency: string | null
  }[]
  totals: { amount: string | null; currency: string | null }[]
  more: boolean
}
const textOf = (value: unknown): string | null => (typeof value === 'string' ? value : null)

/** The items from `offset` on, and the totals of all of them. Nothing where nothing was normalised yet. */
export const answerOf = async (
  ask: (statement: Statement) => Promise<Row[]>,
  question: Question,
  { offset, limit, converted }: { offset: number; limit: number; converted?: Converted | undefined },
): Promise<Page> => {
  const { group_by, granularity } = question
  const grouped = asked(question, { grouped: true, converted })
  const order = ['period', 'amount DESC', ...group_by.map((_, k) => `g${k}`), 'currency'].join(', ')
  try {
    const [rows, totals] = await Promise.all([
      ask({ ...grouped, query: `${grouped.query} ORDER BY ${order} LIMIT ${limit + 1} OFFSET ${offset}` }),
      ask(asked(question, { grouped: false, converted })),
    ])
    const items = rows.slice(0, limit).map((row) => ({
      period: granularity === 'month' ? (textOf(row['period'])?.slice(0, 7) ?? null) : textOf(row['period']),
      group: Object.fromEntries(group_by.map((name, k) => [name, textOf(row[`g${k}`])])),
      amount: textOf(row['amount']),
      currency: textOf(row['currency']),
    }))
    const all = totals.map((row) => ({ amount: textOf(row['amount']), currency: textOf(row['currency']) }))
    all.sort((a, b) => ((a.currency ?? '') < (b.currency ?? '') ? -1 : 1))
    return { items, totals: all, more: rows.length > limit }
  } catch (error) {
    return whereUnmade(question, error, { items: [], totals: [], more: false })
  }
}

export interface Freshness {
  source: string
  period: string
  loaded_at: string | null
  run_id: string | null
  /** Whether FOCUS has what the provider's table has; null where that is not known. */
  reconciled: boolean | null
}
/** What of the days asked for was loaded when. A month stands for its days. */
export const freshnessOf = async (
  ask: (statement: Statement) => Promise<Row[]>,
  { tenant_id, from, to }: Pick<Question, 'tenant_id' | 'from' | 'to'>,
): Promise<Freshness[]> => {
  const known = async (statement: Statement): Promise<Row[]> => {
    try {
      return await ask(statement)
    } catch (error) {
      if (error instanceof AppError && error.code === 'TABLE_NOT_FOUND') return []
      throw error
    }
  }
  const last = new Date(Date.parse(to) - 86_400_000).toISOString().slice(0, 10)
  const parameters = [
    { name: 'first', type: 'STRING', value: from.slice(0, 7) },
    { name: 'last', type: 'STRING', value: last.slice(0, 7) },
  ]
  const [loaded, compared] = await Promise.all([
    known({
      query:
        'SELECT source, SUBSTR(period, 1, 7) AS month, MAX(loaded_at) AS newest, ' +
        'ARRAY_AGG(run_id IGNORE NULLS ORDER BY loaded_at DESC LIMIT 1) AS runs FROM `load_state` ' +
        'WHERE SUBSTR(period, 1, 7) BETWEEN @first AND @last GROUP BY source, month ORDER BY source, month',
      parameters,
      default_dataset: tenant_id,
    }),
    known({
      query:
        "SELECT source, FORMAT_DATE('%Y-%m', period) AS month, LOGICAL_AND(difference = 0) AS same " +
        "FROM `focus_reconciliation` WHERE FORMAT_DATE('%Y-%m', period) BETWEEN @first AND @last GROUP BY source, month",
      parameters,
      default_dataset: tenant_id,
    }),
  ])
  const same = new Map(compared.map((row) => [`${String(row['source'])} ${String(row['month'])}`, row['same']]))
  return loaded.map((row) => {
    const [source, period] = [String(row['source']), String(row['month'])]
    const runs = row['runs']
    const reconciled = same.get(`${source} ${period}`)
    return {
      source,
      period,
      loaded_at: textOf(row['newest']),
      run_id: Array.isArray(runs) && typeof runs[0] === 'string' ? runs[0] : null,
      reconciled: typeof reconciled === 'boolean' ? reconciled : null,
    }
  })
}

/** A text as a field of CSV that a spreadsheet does not take for a formula. */
export const csvText = (value: string): string => csvField(/^[=+@\t\r-]/.test(value) ? `'${value}` : value)

/** The items as CSV. */
export const csvOf = (group_by: readonly string[], items: Page['items']): string =>
  [
    ['period', ...group_by, 'amount', 'currency'].map(csvField),
    ...items.map(({ period, group, amount, currency }) => [
      period ?? '',
      ...group_by.map((name) => csvText(group[name] ?? '')),
      amount ?? '',
      currency ?? '',
    ]),
  ]
    .map((line) => `${line.join(',')}\r\n`)
    .join('')
