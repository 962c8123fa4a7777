/** A saved query of FOCUS with the values of its parameters, and its answer. */
import { AppError, type Column } from '@convergence/contracts'
import { focusTable } from '@convergence/contracts/focus'
import type { SavedParameter, SavedQuery } from '@convergence/pipeline/saved-queries'
import type { QueryParameter, Row, Statement, Warehouse } from '@convergence/warehouse'
import { csvText, dayFaults, monthBefore } from './costs.ts'
import { isFormat } from './fields.ts'

/** What a value must look like, where it is no text, and what that is in words. */
const forms: Readonly<Record<SavedParameter['type'], readonly [fits: (value: string) => boolean, expected: string]>> = {
  STRING: [() => true, ''],
  DATE: [(value) => isFormat('date', value), 'a day, YYYY-MM-DD'],
  INT64: [(value) => /^-?[0-9]{1,18}$/.test(value), 'a whole number'],
  BIGNUMERIC: [(value) => /^-?[0-9]{1,38}(\.[0-9]{1,38})?$/.test(value), 'a decimal such as 1000.50'],
}
const mostRows = 10_000
const usualRows = 1_000
const longestShown = 60

export interface SavedQuestion {
  tenant_id: string
  saved: SavedQuery
  parameters: readonly QueryParameter[]
  limit: number
}

/** The last whole month. */
const lastMonth = (now: Date): { from: string; to: string } => {
  const to = `${now.toISOString().slice(0, 7)}-01`
  return { from: monthBefore(to), to }
}

/** Throws BODY_INVALID with all faults. `param` holds NAME=VALUE, a line each. */
export const savedQuestionOf = (
  tenant_id: string,
  saved: SavedQuery,
  query: Readonly<Record<string, string>>,
  now: Date,
): SavedQuestion => {
  const { from, to, param = '', limit = String(usualRows) } = query
  const range = from === undefined && to === undefined ? lastMonth(now) : { from: from ?? '', to: to ?? '' }
  const given = new Map(Object.entries(range))
  const faults: string[] = []
  const names = saved.parameters.map(({ name }) => name)
  for (const each of param.split('\n').filter((line) => line !== '')) {
    const at = each.indexOf('=')
    const [name, value] = [each.slice(0, Math.max(at, 0)), each.slice(at + 1)]
    const shown = JSON.stringify(each.slice(0, longestShown))
    if (at < 1) faults.push(`query.param: expected NAME=VALUE, got ${shown}`)
    else if (!names.includes(name))
      faults.push(`query.param: ${saved.name} has no parameter ${shown}; it has ${names.join(', ')}`)
    else if (given.has(name)) faults.push(`query.param: ${name} stands twice`)
    else given.set(name, value)
  }
  faults.push(...dayFaults(range.from, range.to))
  const parameters = saved.parameters.map((parameter): QueryParameter => {
    const { name, type, description, default: usual } = parameter
    const value = given.get(name) ?? usual
    const [fits, expected] = forms[type]
    if (value === null) faults.push(`query.param: ${name} is missing: ${description}; param=${name}=VALUE`)
    else if (!Object.hasOwn(range, name) && !fits(value))
      faults.push(`query.param: ${name}: expected ${expected}, got ${JSON.stringify(value.slice(0, longestShown))}`)
    return { name, type, value }
  })
  if (!/^[1-9][0-9]{0,4}$/.test(limit) || Number(limit) > mostRows)
    faults.push(`query.limit: expected 1 to ${mostRows}, got ${JSON.stringify(limit)}`)
  if (faults.length > 0)
    throw new AppError(
      'BODY_INVALID',
      `${saved.name}: ${faults.length === 1 ? '1 fault' : `${faults.length} faults`}`,
      {
        faults,
      },
    )
  return { tenant_id, saved, parameters, limit: Number(limit) }
}

export interface SavedAnswer {
  columns: readonly Pick<Column, 'name' | 'type'>[]
  items: readonly Row[]
  /** Whether there are more rows than were asked for. */
  truncated: boolean
}
/** Throws TABLE_NOT_FOUND where nothing made a dataset that it reads. */
export const savedAnswerOf = async (
  { query, dryRun }: Pick<Warehouse, 'query' | 'dryRun'>,
  { tenant_id, saved, parameters, limit }: SavedQuestion,
): Promise<SavedAnswer> => {
  const statement: Statement = {
    query: `${saved.sql}LIMIT ${limit + 1}`,
    parameters,
    default_dataset: tenant_id,
  }
  try {
    const [{ columns }, rows] = await Promise.all([dryRun(statement), query(statement)])
    return {
      columns: columns.map(({ name, type }) => ({ name, type })),
      items: rows.slice(0, limit),
      truncated: rows.length > limit,
    }
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'TABLE_NOT_FOUND') throw error
    const tables = saved.reads.map(focusTable).join(' and ')
    throw new AppError(
      'TABLE_NOT_FOUND',
      `${saved.name}: reads ${tables}, which ${tenant_id} has not all yet; ` +
        'focus/cost/{aws,azure,gcp,any} makes them after a load',
      { cause: error },
    )
  }
}

/** The answer as CSV with the columns of the statement. */
export const savedCsvOf = ({ columns, items }: SavedAnswer): string =>
  [
    columns.map(({ name }) => name),
    ...items.map((row) =>
      columns.map(({ name, type }) => {
        const value = row[name] ?? ''
        const shown = typeof value === 'string' ? value : JSON.stringify(value)
        return type === 'STRING' ? csvText(shown) : shown
      }),
    ),
  ]
    .map((line) => `${line.join(',')}\r\n`)
    .join('')
