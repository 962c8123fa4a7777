/** The central tables, as this service's statements name them. Values are bound, never written into a statement. */
import { AppError, isRetryable } from '@convergence/contracts'
import type { Log } from '@convergence/service'
import type { QueryParameter, Row, Warehouse } from '@convergence/warehouse'

type Values = Readonly<Record<string, string | number | undefined>>

export interface Tables {
  warehouse: Pick<Warehouse, 'append' | 'commit' | 'getDataset' | 'query'>
  /** A table or view, fully qualified and quoted. */
  name(table: string): string
  rows(query: string, values?: Values): Promise<Row[]>
  first(query: string, values?: Values): Promise<Row | undefined>
}

/**
 * All statements here are ours: what is wrong with one is an internal error or one of the infrastructure, of which a
 * caller learns only that it may pass.
 */
const guarded = (
  central: Warehouse,
  log: Pick<Log, 'error'>,
): Pick<Warehouse, 'project_id' | 'query' | 'append' | 'commit' | 'getDataset'> => {
  const hidden = (error: unknown): never => {
    if (!(error instanceof AppError) || isRetryable(error)) throw error
    log.error({ code: error.code, error: error.message }, 'the central tables cannot be used')
    throw new AppError('UNAVAILABLE', "the platform's own records cannot be used now; try again", { cause: error })
  }
  return {
    project_id: central.project_id,
    query: (statement, options) => central.query(statement, options).catch(hidden),
    append: (table, rows) => central.append(table, rows).catch(hidden),
    commit: (table, at, rows) => central.commit(table, at, rows).catch(hidden),
    getDataset: (dataset) => central.getDataset(dataset).catch(hidden),
  }
}

export const openTables = (central: Warehouse, log: Pick<Log, 'error'>): Tables => {
  const warehouse = guarded(central, log)
  const rows = (query: string, values: Values = {}) => warehouse.query({ query, parameters: bind(values) })
  return {
    warehouse,
    name: (table) => `\`${warehouse.project_id}.tenants.${table}\``,
    rows,
    first: async (query, values) => (await rows(query, values))[0],
  }
}

/** Only parameters that have a value: a statement names exactly those. */
const bind = (values: Values): QueryParameter[] =>
  Object.entries(values).flatMap(([name, value]) =>
    value === undefined ? [] : [{ name, type: typeof value === 'number' ? 'INT64' : 'STRING', value }],
  )

export const textOf = (value: unknown): string | null => {
  if (value === null || value === undefined) return null
  return typeof value === 'string' ? value : JSON.stringify(value)
}
export const numberOf = (value: unknown): number | null =>
  value === null || value === undefined ? null : Number(value)
export const jsonOf = (value: unknown): Record<string, never> => {
  const parsed: unknown = typeof value === 'string' ? JSON.parse(value) : value
  return parsed !== null && typeof parsed === 'object' && !Array.isArray(parsed)
    ? (parsed as Record<string, never>)
    : {}
}
export const listOf = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : [])
