/**
 * Declared checks on the rows that a step brings, which stand in a table of their own. What one pass over them can tell
 * is one query; the names in it are the table's own columns, checked as identifiers, and every value is a parameter.
 */
import { AppError, isName, type Column } from '@convergence/contracts'
import type { Destination, QueryParameter, Statement, TableRef, Warehouse } from '@convergence/warehouse'
import { endsOf } from '@convergence/warehouse/period'
import { isOfPeriod } from './exports/periods.ts'
import { isRule, openRules, rulesAsked, rulesWarning, type RulesCheck } from './focus-checks.ts'
import { rowsWith } from './focus-rules.ts'
import type { CheckResult } from './store.ts'

export interface Check {
  check:
    | 'not_null'
    | 'unique'
    | 'range'
    | 'accepted_values'
    | 'row_count'
    | 'sum'
    | 'freshness'
    | 'sql'
    | 'previous_period'
    | 'focus_rules'
  /** What the result is called; default: the kind and its columns. */
  name?: string
  /** Of every check but row_count, sql and previous_period. */
  column?: string
  /** unique: instead of column. focus_rules: those whose MUST rules are for on_violation; others warn. */
  columns?: string[]
  /** focus_rules: the version of FOCUS, its dataset, and rules that this provider's exports break: told to nobody. */
  version?: string
  dataset?: string
  known?: string[]
  /** accepted_values: compared as text. */
  values?: (string | number | boolean)[]
  /** range, row_count, sum, previous_period: both ends count; decimal text keeps every digit. */
  min?: number | string
  max?: number | string
  /** row_count, sum. */
  equals?: number | string
  /** freshness: the newest value is at most so old when the run was asked for; default 24. */
  max_age_hours?: number
  /** sql: a SELECT over new_rows whose rows are violations. */
  query?: string
  parameters?: QueryParameter[]
  /** previous_period: how long a period of one date is. */
  by?: 'day' | 'month'
  /** Default fail. */
  on_violation?: 'fail' | 'warn'
}

export interface CheckedRows {
  /** The step, for people. */
  where: string
  /** Where the new rows are. */
  rows: TableRef
  /** Where they are to go. */
  destination: Destination
  requested_at: string
  default_dataset: string
  signal: AbortSignal
  /** Throws unless the run may read what the statement reads. */
  assertReads(statement: Statement): Promise<unknown>
}

type Door = Pick<Warehouse, 'query' | 'dryRun'>

export const runChecks = async (warehouse: Door, checks: readonly Check[], of: CheckedRows): Promise<CheckResult[]> => {
  const path = pathOf(of.rows)
  const { columns } = await warehouse.dryRun({ query: `SELECT * FROM ${path}` })
  const rules = openRules(checks.map(rulesOf), columns, path)
  const plans = checks.map((check, k) =>
    check.check === 'focus_rules' ? undefined : planOf(check, k, of.requested_at),
  )
  assertColumns(of, checks, columns)
  const selects = [
    ...plans.flatMap((plan, k) =>
      plan !== undefined && 'select' in plan ? [{ ...plan, select: `CAST(${plan.select} AS STRING) AS c${k}` }] : [],
    ),
    ...rules.selects,
  ]
  const [row = {}] =
    selects.length === 0
      ? []
      : await warehouse.query(
          {
            query: `SELECT ${selects.map(({ select }) => select).join(', ')} FROM ${rowsWith(rules.computed, path)}`,
            parameters: selects.flatMap(({ parameters = [] }) => parameters),
          },
          { signal: of.signal },
        )
  const judged = await Promise.all(
    checks.map(async (check, k): Promise<CheckResult[]> => {
      const plan = plans[k]
      if (plan === undefined)
        return rules.judge(k, row, (query, parameters) => warehouse.query({ query, parameters }, { signal: of.signal }))
      const found =
        'select' in plan
          ? ((row[`c${k}`] as string | null | undefined) ?? undefined)
          : await plan.find(warehouse, of, columns)
      const violated = check.on_violation === 'warn' ? 'WARNED' : 'FAILED'
      const name = nameOf(check)
      const same = checks.slice(0, k).filter((other) => nameOf(other) === name).length
      const of_columns = columnsOf(check).join(', ')
      return [
        {
          check_name: same === 0 ? name : `${name}_${same + 1}`,
          ...(of_columns === '' ? {} : { column_name: of_columns }),
          status: plan.judge(found) ? 'PASSED' : violated,
          expected: plan.expected,
          actual: found ?? 'no value',
        },
      ]
    }),
  )
  return judged.flat()
}
/** How many results there are of checks. */
export const resultsOf = (checks: readonly Check[]): number =>
  checks.reduce((sum, check) => sum + (rulesAsked(rulesOf(check)) ?? 1), 0)

const rulesOf = (check: Check): RulesCheck | undefined => {
  if (check.check !== 'focus_rules') return undefined
  const { version = '', dataset = 'cost_and_usage', columns = [], known = [], on_violation = 'fail' } = check
  return { version, dataset, columns, known, on_violation }
}

/** What a check expected and what came, for people. */
export const inWords = ({ check_name, column_name, expected, actual }: CheckResult): string =>
  `${column_name === undefined ? check_name : `${check_name} (${column_name})`}: expected ${expected}, came ${actual}`

/** What checks that warn say; of rules of FOCUS one sentence. */
export const warningsOf = (checks: readonly Check[], results: readonly CheckResult[]): string[] => [
  ...results.filter(({ status, check_name }) => status === 'WARNED' && !isRule(check_name)).map(inWords),
  ...checks.flatMap((check) => {
    const rules = rulesOf(check)
    return rules === undefined ? [] : (rulesWarning(rules, results) ?? [])
  }),
]

const columnsOf = ({ check, column, columns }: Check): string[] =>
  (check === 'focus_rules' ? [] : columns) ?? (column === undefined ? [] : [column])
const nameOf = (check: Check): string => check.name ?? [check.check, ...columnsOf(check)].join('_')
const pathOf = ({ project_id, dataset, table }: TableRef): string => `\`${project_id}.${dataset}.${table}\``

const assertColumns = ({ where }: CheckedRows, checks: readonly Check[], columns: readonly Column[]): void => {
  const there = new Set(columns.map(({ name }) => name.toLowerCase()))
  const faults = checks.flatMap((check, k) =>
    columnsOf(check)
      .filter((name) => !there.has(name.toLowerCase()))
      .map((name) => `checks[${k}]: ${check.check}: no column ${name} in the rows`),
  )
  if (faults.length > 0 && there.size > 0)
    throw new AppError('CONFIG_INVALID', `${where}: ${faults.length} checks name columns that the rows do not have`, {
      faults,
    })
}

interface Judged {
  expected: string
  judge: (found: string | undefined) => boolean
}
/** An aggregate over the new rows, which is found beside others. */
interface Selected extends Judged {
  select: string
  parameters?: QueryParameter[]
}
/** Found by a query of its own. */
interface Found extends Judged {
  find: (warehouse: Door, of: CheckedRows, columns: readonly Column[]) => Promise<string | undefined>
}

const planOf = (check: Check, k: number, requested_at: string): Selected | Found => {
  const column = () => {
    if (check.column === undefined) throw invalid(check, 'expected column')
    return quoted(check.column)
  }
  const isZero = (found: string | undefined) => found === '0'
  const parameter = (name: string) => `check${k}_${name}`
  switch (check.check) {
    case 'not_null':
      return { select: `COUNTIF(${column()} IS NULL)`, expected: '0 rows without a value', judge: isZero }
    case 'unique': {
      const [first = column(), ...others] = columnsOf(check).map(quoted)
      const all = [first, ...others]
      const filled = all.map((name) => `${name} IS NOT NULL`).join(' AND ')
      return {
        select:
          others.length === 0
            ? `COUNT(${first}) - COUNT(DISTINCT ${first})`
            : `COUNTIF(${filled}) - COUNT(DISTINCT IF(${filled}, TO_JSON_STRING([${all.map((name) => `CAST(${name} AS STRING)`).join(', ')}]), NULL))`,
        expected: '0 repeated values',
        judge: isZero,
      }
    }
    case 'range': {
      const ends = boundsOf(check, ['min', 'max'])
      const outside = ends.map(
        ({ name }) =>
          `CAST(${column()} AS BIGNUMERIC) ${name === 'min' ? '<' : '>'} CAST(@${parameter(name)} AS BIGNUMERIC)`,
      )
      return {
        select: `COUNTIF(${outside.join(' OR ')})`,
        parameters: ends.map(({ name, value }) => ({ name: parameter(name), type: 'STRING', value })),
        expected: `0 rows outside ${wordsOf(ends)}`,
        judge: isZero,
      }
    }
    case 'accepted_values': {
      const values = (check.values ?? []).map(String)
      if (values.length === 0) throw invalid(check, 'expected values')
      return {
        select: `COUNTIF(CAST(${column()} AS STRING) NOT IN UNNEST(@${parameter('values')}))`,
        parameters: [{ name: parameter('values'), type: 'ARRAY<STRING>', value: values }],
        expected: `0 rows with another value than ${shortly(values)}`,
        judge: isZero,
      }
    }
    case 'row_count':
    case 'sum': {
      const ends = boundsOf(check, ['min', 'max', 'equals'])
      return {
        select: check.check === 'sum' ? `IFNULL(SUM(CAST(${column()} AS BIGNUMERIC)), 0)` : 'COUNT(*)',
        expected: wordsOf(ends),
        judge: (found) => isWithin(ends, found ?? '0'),
      }
    }
    case 'freshness': {
      const oldest = new Date(Date.parse(requested_at) - (check.max_age_hours ?? 24) * 3_600_000)
      return {
        select: `UNIX_MILLIS(MAX(CAST(${column()} AS TIMESTAMP)))`,
        expected: `newest value not before ${oldest.toISOString()} (${oldest.getTime()})`,
        judge: (found) => found !== undefined && Number(found) >= oldest.getTime(),
      }
    }
    case 'sql':
      return { find: violationsOf(check, k), expected: '0 rows that its query gives', judge: isZero }
    case 'focus_rules':
      throw new Error('rules are many results')
    case 'previous_period': {
      const ends = boundsOf(check, ['min', 'max'])
      return {
        find: ratioOf(check),
        expected: `rows per row of the period before: ${wordsOf(ends)}`,
        judge: (found) => found === undefined || isWithin(ends, found),
      }
    }
  }
}
const invalid = ({ check }: Check, what: string): AppError =>
  new AppError('CONFIG_INVALID', `checks: ${check}: ${what}`)
const shortly = (values: readonly string[]): string =>
  values.length > 10 ? `${values.slice(0, 10).join(', ')} and ${values.length - 10} others` : values.join(', ')

const mostMessages = 5
/**
 * Rows of the author's query, in which `new_rows` are the rows that the step brings: how many, and what a column
 * `message` of theirs says.
 */
const violationsOf =
  (check: Check, k: number): Found['find'] =>
  async (warehouse, { where, rows, default_dataset, signal, assertReads }) => {
    const { query, parameters = [] } = check
    if (query === undefined) throw invalid(check, 'expected query')
    const new_rows = `WITH new_rows AS (SELECT * FROM ${pathOf(rows)})`
    const text = query.trim().replace(/;$/, '')
    const statement = {
      query: `${new_rows} SELECT CAST(COUNT(*) AS STRING) AS found FROM (\n${text}\n)`,
      parameters,
      default_dataset,
    }
    try {
      await assertReads(statement)
      const [row] = await warehouse.query(statement, { signal })
      const found = row?.['found'] as string | undefined
      if (found === undefined || found === '0') return found
      const { columns } = await warehouse.dryRun({ ...statement, query: `${new_rows} SELECT * FROM (\n${text}\n)` })
      if (!columns.some(({ name }) => name === 'message')) return found
      const told = await warehouse.query(
        { ...statement, query: `${new_rows} SELECT message FROM (\n${text}\n) ORDER BY message LIMIT ${mostMessages}` },
        { signal },
      )
      const messages = told.map(({ message }) => String(message))
      const more = Number(found) > messages.length ? ' and more' : ''
      return `${found}: ${messages.join(' | ')}${more}`
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      const named = `${where}: checks[${k}]${check.name === undefined ? '' : ` ${check.name}`}: ${error.message}`
      throw new AppError(error.code, named, { cause: error, faults: error.faults })
    }
  }

/** New rows for each row of the period before, with four digits; undefined where that has none. */
const ratioOf =
  (check: Check): Found['find'] =>
  async (warehouse, { rows, destination, signal }, columns) => {
    const { period = {}, time_partitioning } = destination
    const by = check.by ?? (time_partitioning?.type === 'MONTH' ? 'month' : 'day')
    const before = periodBefore(period, columns, by)
    if (before === undefined) throw invalid(check, 'expected a period of one date or month, or of a range of days')
    const parameters: QueryParameter[] = []
    const isBefore = isOfPeriod(before, columns, parameters)
    try {
      const [row] = await warehouse.query(
        {
          query:
            `SELECT CAST(ROUND((SELECT COUNT(*) FROM ${pathOf(rows)}) / NULLIF(COUNT(*), 0), 4) AS STRING) AS found ` +
            `FROM ${pathOf(destination)} WHERE ${isBefore}`,
          parameters,
        },
        { signal },
      )
      const found = row?.['found']
      return typeof found === 'string' ? found : undefined
    } catch (error) {
      // The first period of all, or columns that the table does not have yet.
      if (error instanceof AppError && (error.code === 'TABLE_NOT_FOUND' || error.code === 'QUERY_INVALID'))
        return undefined
      throw error
    }
  }

/** The period with its date, month or days moved back by its own length; undefined where it has none, or several. */
export const periodBefore = (
  period: NonNullable<Destination['period']>,
  columns: readonly Column[],
  by: 'day' | 'month',
): Destination['period'] | undefined => {
  const moved = Object.entries(period).flatMap(
    ([name, value]): [string, NonNullable<Destination['period']>[string]][] => {
      const column = columns.find((each) => each.name.toLowerCase() === name.toLowerCase())
      const day = (text: string, days: number): string =>
        new Date(Date.parse(text) + days * 86_400_000).toISOString().slice(0, 10)
      const month = (text: string): string => {
        const [year = 0, number = 1] = text.split('-').map(Number)
        return new Date(Date.UTC(year, number - 2, 1)).toISOString().slice(0, 7)
      }
      if (typeof value === 'object') {
        if (column === undefined) return []
        const { value: from, to = from } = endsOf(column, value)
        const days = (Date.parse(to) - Date.parse(from)) / 86_400_000 + 1
        return [[name, { from: day(from, -days), to: day(to, -days) }]]
      }
      const text = String(value)
      if (/^\d{4}-\d{2}$/.test(text)) return [[name, month(text)]]
      if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return []
      return [[name, by === 'month' ? `${month(text)}-01` : day(text, -1)]]
    },
  )
  return moved.length === 1 ? { ...period, ...Object.fromEntries(moved) } : undefined
}

interface Bound {
  name: 'min' | 'max' | 'equals'
  value: string
}
const boundsOf = (check: Check, names: readonly Bound['name'][]): Bound[] => {
  const ends = names.flatMap((name) => (check[name] === undefined ? [] : [{ name, value: String(check[name]) }]))
  if (ends.length === 0) throw invalid(check, `expected ${names.join(' or ')}`)
  for (const { name, value } of ends) {
    if (!/^-?\d{1,38}(\.\d{1,38})?$/.test(value))
      throw invalid(check, `${name}: expected a decimal number, came ${JSON.stringify(value.slice(0, 60))}`)
  }
  return ends
}
const isWithin = (ends: readonly Bound[], found: string): boolean =>
  ends.every(({ name, value }) => {
    const difference = compareDecimals(found, value)
    if (name === 'equals') return difference === 0
    return name === 'min' ? difference >= 0 : difference <= 0
  })
const wordsOf = (ends: readonly Bound[]): string =>
  ends.map(({ name, value }) => `${{ min: 'at least', max: 'at most', equals: 'exactly' }[name]} ${value}`).join(', ')

/** Exact: sums of costs have more digits than a number holds. Negative, 0 or positive. */
export const compareDecimals = (a: string, b: string): number => {
  const scaled = (text: string) => {
    const [whole = '0', fraction = ''] = text.split('.')
    return BigInt(`${whole}${fraction.padEnd(38, '0')}`)
  }
  const difference = scaled(a) - scaled(b)
  return Number(difference > 0n) - Number(difference < 0n)
}

const quoted = (column: string): string => {
  if (!isName('column', column))
    throw new AppError(
      'CONFIG_INVALID',
      `checks: expected the name of a column, came ${JSON.stringify(column.slice(0, 60))}`,
    )
  return `\`${column}\``
}
