/** An in-memory DuckDB with a project's catalog, and translation over it. */
import { DuckDBInstance, listValue, type DuckDBConnection, type DuckDBValue, type Json } from '@duckdb/node-api'
import { AppError, type Column } from '@convergence/contracts'
import { bignumericFields, bignumericText, unitsOfParts } from '../src/bignumeric.ts'
import { columnFromDuckdb, engineError, setupSql, translate, type Catalog, type Translated } from '../src/googlesql.ts'

export const project = 'gac-prod-471220'
export interface World {
  connection: DuckDBConnection
  catalog: Catalog
  /** Runs DuckDB text. */
  run(sql: string): Promise<void>
  /** Translates and runs; an error of the engine that no rule maps is thrown as it is. */
  query(
    sql: string,
    parameters?: Record<string, { type: string; value: unknown }>,
  ): Promise<{ translated: Translated; names: string[]; rows: unknown[][] }>
  /** One value of the first row. */
  value(sql: string, parameters?: Record<string, { type: string; value: unknown }>): Promise<unknown>
  rows(sql: string): Promise<unknown[][]>
  addView(dataset: string, view: string, query: string): void
  reset(): Promise<void>
  close(): void
}

/** A BIGNUMERIC, of which DuckDB gives the parts, as the decimal that it is. */
const asText = (value: Json): Json => {
  if (Array.isArray(value)) return value.map(asText)
  if (typeof value !== 'object' || value === null) return value
  if (Object.keys(value).join() === bignumericFields.join()) {
    const [billions, units, rest] = Object.values(value).map((part) => BigInt(String(part).replace('.', '')))
    return bignumericText(unitsOfParts(billions ?? 0n, units ?? 0n, rest ?? 0n))
  }
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, asText(inner)]))
}

export const makeWorld = async (statements: readonly string[] = []): Promise<World> => {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  let tables = new Map<string, Column[]>()
  let schemas = new Set<string>()
  const views = new Map<string, { columns: Column[]; view_query: string }>()
  const reload = async (): Promise<void> => {
    tables = new Map()
    schemas = new Set()
    for (const [schema, table, column, type, nullable] of await all(
      `SELECT schema_name, table_name, column_name, data_type, is_nullable FROM duckdb_columns() WHERE database_name = '${project}' AND schema_name <> '_gsql' ORDER BY column_index`,
    )) {
      const key = `${String(schema)}.${String(table)}`
      const parsed = columnFromDuckdb(String(column), String(type))
      if (parsed !== undefined)
        tables.set(key, [
          ...(tables.get(key) ?? []),
          { ...parsed, mode: parsed.mode === 'REPEATED' ? 'REPEATED' : nullable === true ? 'NULLABLE' : 'REQUIRED' },
        ])
    }
    for (const [schema] of await all(`SELECT schema_name FROM duckdb_schemas() WHERE database_name = '${project}'`))
      schemas.add(String(schema))
  }
  const all = async (sql: string): Promise<Json[][]> =>
    (await connection.runAndReadAll(sql)).getRowsJson().map((row) => row.map(asText))
  const catalog: Catalog = {
    project_id: project,
    table: ({ project_id, dataset, table }) => {
      if (project_id !== project) return undefined
      const view = views.get(`${dataset}.${table}`)
      if (view !== undefined) return { kind: 'view', ...view }
      const columns = tables.get(`${dataset}.${table}`)
      return columns === undefined ? undefined : { kind: 'table', columns }
    },
    dataset: ({ project_id, dataset }) =>
      project_id !== project || !schemas.has(dataset)
        ? undefined
        : {
            tables: [...tables]
              .filter(([key]) => key.startsWith(`${dataset}.`))
              .map(([key, columns]) => ({ table: key.slice(dataset.length + 1), kind: 'table' as const, columns })),
          },
  }
  await connection.run(`ATTACH ':memory:' AS "${project}"`)
  await connection.run(`USE "${project}"`)
  await connection.run("SET TimeZone = 'UTC'")
  for (const statement of [...setupSql, ...statements]) await connection.run(statement)
  await reload()
  const world: World = {
    connection,
    catalog,
    run: async (sql) => {
      await connection.run(sql)
      await reload()
    },
    query: async (sql, parameters = {}) => {
      const translated = translate(sql, {
        catalog,
        parameters: Object.entries(parameters).map(([name, { type }]) => ({ name, type })),
      })
      const values = Object.fromEntries(
        translated.parameters.map((name) => {
          const value = parameters[name]?.value
          const bound: DuckDBValue = Array.isArray(value)
            ? listValue(value.map(String))
            : value === null || value === undefined
              ? null
              : String(value)
          return [name, bound]
        }),
      )
      try {
        for (const check of translated.checks) {
          if ((await all(check.sql)).length > 0) throw new Error(`Invalid Input Error: googlesql: ${check.message}`)
        }
        let names: string[] = []
        let rows: unknown[][] = []
        for (const statement of translated.statements) {
          const result = await connection.runAndReadAll(
            statement,
            translated.parameters.length > 0 ? values : undefined,
          )
          names = result.columnNames()
          rows = result.getRowsJson().map((row) => row.map(asText))
        }
        return { translated, names, rows }
      } catch (error) {
        throw engineError(error) ?? error
      }
    },
    value: async (sql, parameters) => (await world.query(sql, parameters)).rows[0]?.[0],
    rows: all,
    addView: (dataset, view, view_query) => {
      views.set(`${dataset}.${view}`, { columns: [], view_query })
    },
    reset: reload,
    close: () => {
      connection.closeSync()
      instance.closeSync()
    },
  }
  return world
}

/** The rows, or `CODE: message` when the statement is refused or fails. */
export const outcome = async (world: World, sql: string): Promise<unknown[][] | string> => {
  try {
    return (await world.query(sql)).rows
  } catch (error) {
    if (error instanceof AppError) return `${error.code}: ${error.message}`
    throw error
  }
}
