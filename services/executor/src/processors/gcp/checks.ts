/**
 * Declared checks on the rows that a step left in its table: in its period where it has one, else in all of it. One query per check;
 * the names in it are the table's own columns, checked as identifiers, and every value is a parameter.
 */
import { AppError } from '@convergence/contracts'
import type { Destination, QueryParameter, Warehouse } from '@convergence/warehouse'
import type { CheckResult } from '../../store.ts'

export interface Check {
  /** Default: kind and columns. */
  name?: string
  kind: 'not_null' | 'unique' | 'range' | 'row_count' | 'freshness' | 'sum'
  /** not_null, range, freshness and sum take one, unique takes several. */
  column?: string
  columns?: string[]
  /** range, row_count, sum: both ends count; decimal text keeps every digit. */
  min?: number | string
  max?: number | string
  /** freshness: the newest value is at most so old when the run was asked for. */
  max_age_hours?: number
  /** Default fail. */
  on_violation?: 'fail' | 'warn'
}

export const runChecks = (warehouse: Pick<Warehouse, 'query'>, table: Destination, checks: readonly Check[], signal: AbortSignal, requested_at: string): Promise<CheckResult[]> =>
  Promise.all(checks.map(async (check): Promise<CheckResult> => {
    const columns = check.columns ?? (check.column === undefined ? [] : [check.column])
    const { select, where = 'TRUE', parameters, expected, judge } = plan(check, columns, requested_at)
    const period = Object.entries(table.period ?? {})
    const filter = [where, ...period.map(([column], k) => `CAST(${quoted(column)} AS STRING) = @period${k}`)].join(' AND ')
    const [row] = await warehouse.query({
      query: `SELECT CAST(${select} AS STRING) AS found FROM \`${table.project_id}.${table.dataset}.${table.table}\` WHERE ${filter}`,
      parameters: [...parameters, ...period.map(([, value], k) => ({ name: `period${k}`, type: 'STRING', value: String(value) }))],
    }, { signal })
    const found = row?.['found'] ?? null
    const holds = judge(found === null ? null : String(found))
    return {
      check_name: check.name ?? [check.kind, ...columns].join('_'), ...(columns.length === 0 ? {} : { column_name: columns.join(', ') }),
      status: holds ? 'PASSED' : check.on_violation === 'warn' ? 'WARNED' : 'FAILED', expected, actual: found === null ? 'no rows' : String(found),
    }
  }))

interface Plan { select: string; where?: string; parameters: QueryParameter[]; expected: string; judge: (found: string | null) => boolean }

const plan = (check: Check, columns: readonly string[], requested_at: string): Plan => {
  const isZero = (found: string | null) => found === '0'
  const only = () => {
    const [column, ...others] = columns
    if (column === undefined || others.length > 0) throw new AppError('CONFIG_INVALID', `checks: ${check.kind}: expected one column, came ${columns.length}`)
    return quoted(column)
  }
  switch (check.kind) {
    case 'not_null': return { select: 'COUNT(*)', where: `${only()} IS NULL`, parameters: [], expected: '0 rows without a value', judge: isZero }
    case 'unique': {
      if (columns.length === 0) throw new AppError('CONFIG_INVALID', 'checks: unique: expected column or columns')
      const tuple = columns.map((column) => `IFNULL(CAST(${quoted(column)} AS STRING), '')`)
      return { select: `COUNT(*) - COUNT(DISTINCT TO_JSON_STRING([${tuple.join(', ')}]))`, parameters: [], expected: '0 rows more than keys', judge: isZero }
    }
    case 'range': {
      const column = only()
      const ends = bounds(check)
      const outside = ends.map(({ name, sign }) => `CAST(${column} AS BIGNUMERIC) ${sign} CAST(@${name} AS BIGNUMERIC)`).join(' OR ')
      return { select: 'COUNT(*)', where: `(${outside})`, parameters: ends.map(({ name, value }) => ({ name, type: 'STRING', value })), expected: `0 rows outside ${span(check)}`, judge: isZero }
    }
    case 'row_count': return { select: 'COUNT(*)', parameters: [], expected: span(check), judge: within(check) }
    case 'sum': return { select: `IFNULL(SUM(CAST(${only()} AS BIGNUMERIC)), 0)`, parameters: [], expected: span(check), judge: within(check) }
    case 'freshness': {
      const hours = check.max_age_hours ?? 24
      const oldest = new Date(Date.parse(requested_at) - hours * 3_600_000)
      return {
        select: `UNIX_MILLIS(MAX(CAST(${only()} AS TIMESTAMP)))`, parameters: [], expected: `newest value not before ${oldest.toISOString()}, as milliseconds ${oldest.getTime()}`,
        judge: (found) => found !== null && Number(found) >= oldest.getTime(),
      }
    }
  }
}

const bounds = ({ min, max }: Check) => {
  const ends = [
    ...(min === undefined ? [] : [{ name: 'min', sign: '<', value: String(min) }]),
    ...(max === undefined ? [] : [{ name: 'max', sign: '>', value: String(max) }]),
  ]
  if (ends.length === 0 || ends.some(({ value }) => !/^-?\d{1,38}(\.\d{1,38})?$/.test(value))) throw new AppError('CONFIG_INVALID', 'checks: expected min or max as a decimal number')
  return ends
}
const span = ({ min, max }: Check) => min === undefined ? `at most ${max}` : max === undefined ? `at least ${min}` : `${min} to ${max}`
const within = (check: Check) => {
  const ends = bounds(check)
  return (found: string | null) => ends.every(({ sign, value }) => {
    const difference = compareDecimals(found ?? '0', value)
    return sign === '<' ? difference >= 0 : difference <= 0
  })
}

/** Exact: sums of costs have more digits than a number holds. Negative, 0 or positive. */
export const compareDecimals = (a: string, b: string): number => {
  const scaled = (text: string) => {
    const [whole = '0', fraction = ''] = text.split('.')
    return BigInt(`${whole}${fraction.padEnd(38, '0')}`)
  }
  const difference = scaled(a) - scaled(b)
  return difference < 0n ? -1 : difference > 0n ? 1 : 0
}

const quoted = (column: string): string => {
  if (!/^[A-Za-z_][A-Za-z0-9_]{0,299}$/.test(column)) throw new AppError('CONFIG_INVALID', `checks: expected the name of a column, came ${JSON.stringify(column.slice(0, 60))}`)
  return `\`${column}\``
}
