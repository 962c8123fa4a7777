/**
 * Whose rows a load replaces: those of its period that came from the same source. Rows of older versions name no
 * source; the first load of their period replaces them, as it did then.
 */
import { AppError, type Column } from '@convergence/contracts'
import type { Destination, QueryParameter, Row, Warehouse } from '@convergence/warehouse'
import { endsOf, type PeriodValue } from '@convergence/warehouse/period'

export interface Replaced {
  /** The destination, with the period that the load is to replace. */
  destination: Destination
  /** Rows that are there of the period. */
  rows: number
  /** The last day of those, where it was asked for. */
  last_day?: string
  /** Columns of a table of an older version that keep fewer digits than what is loaded. */
  narrow?: readonly string[]
}

const name = (text: string): string => {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(text))
    throw new AppError('CONFIG_INVALID', `${JSON.stringify(text)} is no name of a column`)
  return `\`${text}\``
}
const columnsOf = async (warehouse: Pick<Warehouse, 'dryRun'>, table: string): Promise<readonly Column[]> => {
  try {
    return (await warehouse.dryRun({ query: `SELECT * FROM ${table}` })).columns
  } catch (error) {
    if (error instanceof AppError && error.code === 'TABLE_NOT_FOUND') return []
    throw error
  }
}

/** SQL: a row is of the period; a column that the table does not have is NULL in every row. Adds to the parameters. */
export const isOfPeriod = (
  period: Readonly<Record<string, PeriodValue | null>>,
  there: readonly Column[],
  parameters: QueryParameter[],
): string => {
  const bind = (type: string, value: string): string => {
    parameters.push({ name: `key_${parameters.length}`, type, value })
    return `@key_${parameters.length - 1}`
  }
  const tests = Object.entries(period).map(([key, value]): string => {
    const column = there.find((each) => each.name.toLowerCase() === key.toLowerCase())
    if (column === undefined) return value === null ? 'TRUE' : 'FALSE'
    if (value === null) return `${name(key)} IS NULL`
    const ends = endsOf(column, value)
    const from = bind(column.type, ends.value)
    return ends.to === undefined
      ? `${name(key)} = ${from}`
      : `${name(key)} BETWEEN ${from} AND ${bind(column.type, ends.to)}`
  })
  return tests.length === 0 ? 'TRUE' : tests.join(' AND ')
}

const narrowIn = (there: readonly Column[], { columns = [] }: Destination): Pick<Replaced, 'narrow'> => {
  const narrow = columns.flatMap(({ name: wanted, type }) => {
    const found = there.find((each) => each.name.toLowerCase() === wanted.toLowerCase())
    return type === 'BIGNUMERIC' && found?.type === 'NUMERIC' ? [wanted] : []
  })
  return narrow.length === 0 ? {} : { narrow }
}

/** Rows that the load replaces, of the period and of what goes with it. */
const countOf = async (
  warehouse: Pick<Warehouse, 'query'>,
  target: Destination,
  there: readonly Column[],
  day: string | undefined,
): Promise<Omit<Replaced, 'destination'>> => {
  const { period = {}, also_replaces = [] } = target
  const parameters: QueryParameter[] = []
  const tests = [period, ...also_replaces].map((entry) => `(${isOfPeriod(entry, there, parameters)})`)
  const path = `\`${target.project_id}.${target.dataset}.${target.table}\``
  const lastDay = day === undefined ? 'CAST(NULL AS DATE)' : `MAX(${day})`
  const [row = {}] = await warehouse.query({
    query: `SELECT COUNT(*) AS n, ${lastDay} AS last_day FROM ${path} WHERE ${tests.join(' OR ')}`,
    parameters,
  })
  const last_day = row['last_day']
  return { rows: Number(row['n'] ?? 0), ...(typeof last_day === 'string' ? { last_day } : {}) }
}

/**
 * Looks at what the period has. With `source_name`, which must be a column of the destination, the period is that of
 * the source alone. `day_column`: of which the last day is asked for.
 */
export const replacedBy = async (
  warehouse: Pick<Warehouse, 'dryRun' | 'query'>,
  target: Destination,
  { source_name, day_column }: { source_name?: string | undefined; day_column?: string | undefined },
): Promise<Replaced> => {
  const { period, project_id, dataset, table } = target
  if (period === undefined || target.write_mode !== 'truncate') return { destination: target, rows: 0 }
  const { source_name: given, ...key } = period
  const source = source_name ?? (typeof given === 'object' || given === undefined ? undefined : String(given))
  const own: Destination = source === undefined ? target : { ...target, period: { ...key, source_name: source } }
  const path = `\`${project_id}.${dataset}.${table}\``
  const there = await columnsOf(warehouse, path)
  const typeOf = (column: string) => there.find((each) => each.name.toLowerCase() === column.toLowerCase())?.type
  // A column that the table does not have yet says nothing of any of its rows.
  const keys = Object.entries(key).filter(([column]) => typeOf(column) !== undefined)
  if (there.length === 0 || keys.length < Object.keys(key).length) return { destination: own, rows: 0 }
  const day = day_column !== undefined && typeOf(day_column) === 'DATE' ? name(day_column) : undefined
  const narrow = narrowIn(there, target)
  if (target.also_replaces !== undefined)
    return { destination: own, ...narrow, ...(await countOf(warehouse, own, there, day)) }
  const sourced = typeOf('source_name') !== undefined
  const group = sourced ? 'source_name' : 'CAST(NULL AS STRING)'
  const parameters: QueryParameter[] = []
  const lastDay = day === undefined ? 'CAST(NULL AS DATE)' : `MAX(${day})`
  const where = ` WHERE ${isOfPeriod(Object.fromEntries(keys), there, parameters)}`
  const rows = await warehouse.query({
    query: `SELECT ${group} AS source, COUNT(*) AS n, ${lastDay} AS last_day FROM ${path}${where} GROUP BY 1`,
    parameters,
  })
  const found = (wanted: string | null): Row | undefined => rows.find((row) => row['source'] === wanted)
  const older = found(null)
  // Only rows of an older version, which had one source for a key.
  const adopts = source !== undefined && older !== undefined && rows.length === 1
  const mine = source === undefined || adopts ? rows : rows.filter((row) => row['source'] === source)
  const days = mine.flatMap((row) => (typeof row['last_day'] === 'string' ? [row['last_day']] : []))
  return {
    destination: adopts ? { ...target, period: key } : own,
    rows: mine.reduce((total, row) => total + Number(row['n']), 0),
    ...narrow,
    ...(days.length === 0 ? {} : { last_day: days.reduce((a, b) => (a > b ? a : b)) }),
  }
}
