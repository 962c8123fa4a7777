/**
 * Declared checks on the rows that a step left in its table: in its period where it has one, else in all of it. One
 * query per check;
 * the names in it are the table's own columns, checked as identifiers, and every value is a parameter.
 */
import { AppError, isName } from '@convergence/contracts'
import type { Destination, QueryParameter, Warehouse } from '@convergence/warehouse'
import type { CheckResult } from '../../store.ts'

export interface Check {
  check: 'not_null' | 'unique' | 'range' | 'row_count' | 'freshness' | 'sum'
  /** Of every check but row_count. */
  column?: string
  /** range, row_count, sum: both ends count; decimal text keeps every digit. */
  min?: number | string
  max?: number | string
  /** row_count, sum. */
  equals?: number | string
  /** freshness: the newest value is at most so old when the run was asked for; default 24. */
  max_age_hours?: number
  /** Default fail. */
  on_violation?: 'fail' | 'warn'
}

export const runChecks = (
  warehouse: Pick<Warehouse, 'query'>,
  table: Destination,
  checks: readonly Check[],
  signal: AbortSignal,
  requested_at: string,
): Promise<CheckResult[]> => {
  const period = Object.entries(table.period ?? {}).map(([column, value], n) => {
    const text = `CAST(${quoted(column)} AS STRING)`
    const bound = (name: string, one: unknown) => ({ name, type: 'STRING', value: String(one) })
    return typeof value === 'object'
      ? {
          test: `${text} BETWEEN @period${n} AND @period${n}_to`,
          bound: [bound(`period${n}`, value.from), bound(`period${n}_to`, value.to)],
        }
      : { test: `${text} = @period${n}`, bound: [bound(`period${n}`, value)] }
  })
  const path = `\`${table.project_id}.${table.dataset}.${table.table}\``
  return Promise.all(
    checks.map(async (check, k): Promise<CheckResult> => {
      const { select, where = 'TRUE', parameters = [], expected, judge } = plan(check, requested_at)
      const filter = [where, ...period.map(({ test }) => test)].join(' AND ')
      const [row] = await warehouse.query(
        {
          query: `SELECT CAST(${select} AS STRING) AS found FROM ${path} WHERE ${filter}`,
          parameters: [...parameters, ...period.flatMap(({ bound }) => bound)],
        },
        { signal },
      )
      const found = (row?.['found'] as string | null | undefined) ?? undefined
      const violated = check.on_violation === 'warn' ? 'WARNED' : 'FAILED'
      const name = nameOf(check)
      const same = checks.slice(0, k).filter((other) => nameOf(other) === name).length
      return {
        check_name: same === 0 ? name : `${name}_${same + 1}`,
        ...(check.column === undefined ? {} : { column_name: check.column }),
        status: judge(found) ? 'PASSED' : violated,
        expected,
        actual: found ?? 'no value',
      }
    }),
  )
}

const nameOf = ({ check, column }: Check): string => (column === undefined ? check : `${check}_${column}`)

interface Plan {
  select: string
  where?: string
  parameters?: QueryParameter[]
  expected: string
  judge: (found: string | undefined) => boolean
}

const plan = (check: Check, requested_at: string): Plan => {
  const column = () => {
    if (check.column === undefined) throw new AppError('CONFIG_INVALID', `checks: ${check.check}: expected column`)
    return quoted(check.column)
  }
  const isZero = (found: string | undefined) => found === '0'
  switch (check.check) {
    case 'not_null':
      return { select: 'COUNT(*)', where: `${column()} IS NULL`, expected: '0 rows without a value', judge: isZero }
    case 'unique':
      return {
        select: `COUNT(${column()}) - COUNT(DISTINCT ${column()})`,
        expected: '0 repeated values',
        judge: isZero,
      }
    case 'range': {
      const ends = boundsOf(check, ['min', 'max'])
      const outside = ends.map(
        ({ name }) => `CAST(${column()} AS BIGNUMERIC) ${name === 'min' ? '<' : '>'} CAST(@${name} AS BIGNUMERIC)`,
      )
      return {
        select: 'COUNT(*)',
        where: `(${outside.join(' OR ')})`,
        parameters: ends.map(({ name, value }) => ({ name, type: 'STRING', value })),
        expected: `0 rows outside ${wordsOf(ends)}`,
        judge: isZero,
      }
    }
    case 'row_count':
    case 'sum': {
      const ends = boundsOf(check, ['min', 'max', 'equals'])
      return {
        select: check.check === 'sum' ? `IFNULL(SUM(CAST(${column()} AS BIGNUMERIC)), 0)` : 'COUNT(*)',
        expected: wordsOf(ends),
        judge: (found) =>
          ends.every(({ name, value }) => {
            const difference = compareDecimals(found ?? '0', value)
            if (name === 'equals') return difference === 0
            return name === 'min' ? difference >= 0 : difference <= 0
          }),
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
  }
}

interface Bound {
  name: 'min' | 'max' | 'equals'
  value: string
}
const boundsOf = (check: Check, names: readonly Bound['name'][]): Bound[] => {
  const ends = names.flatMap((name) => (check[name] === undefined ? [] : [{ name, value: String(check[name]) }]))
  if (ends.length === 0) throw new AppError('CONFIG_INVALID', `checks: ${check.check}: expected ${names.join(' or ')}`)
  for (const { name, value } of ends) {
    if (!/^-?\d{1,38}(\.\d{1,38})?$/.test(value))
      throw new AppError(
        'CONFIG_INVALID',
        `checks: ${check.check}: ${name}: expected a decimal number, came ${JSON.stringify(value.slice(0, 60))}`,
      )
  }
  return ends
}
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
