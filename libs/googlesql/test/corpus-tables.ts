/** The tables of the corpus as queries of literals, for engines that do not take DuckDB's statements. */
import type { Column } from '@convergence/contracts'
import { googlesqlType } from '../src/googlesql.ts'
import { corpusFixture } from './corpus.ts'
import { makeWorld, project } from './world.ts'

/** What DuckDB's JSON form is made of. */
type Value = null | boolean | number | string | Value[] | { [field: string]: Value }
const isList = (value: Value): value is Value[] => Array.isArray(value)

const literal = (column: Column, value: Value | undefined): string => {
  if (value === null || value === undefined) return `CAST(NULL AS ${googlesqlType(column)})`
  if (isList(value)) {
    const one: Column = { ...column, mode: 'NULLABLE' }
    return `ARRAY<${googlesqlType(one)}>[${value.map((item) => literal(one, item)).join(', ')}]`
  }
  if (typeof value === 'object') {
    const fields = (column.fields ?? []).map((field) => literal(field, value[field.name]))
    return `${googlesqlType(column)}(${fields.join(', ')})`
  }
  const quoted = JSON.stringify(String(value))
  if (column.type === 'INT64' || column.type === 'BOOL') return String(value)
  if (column.type === 'STRING') return quoted
  return column.type === 'FLOAT64' ? `CAST(${quoted} AS FLOAT64)` : `${column.type} ${quoted}`
}

export interface CorpusTable {
  dataset: string
  table: string
  /** GoogleSQL that gives its rows. */
  query: string
}
export const corpusTables = async (): Promise<CorpusTable[]> => {
  const world = await makeWorld([corpusFixture()])
  try {
    const names = await world.rows(
      `SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = '${project}' ORDER BY ALL`,
    )
    return await Promise.all(
      names.map(async ([schema, name]): Promise<CorpusTable> => {
        const [dataset, table] = [String(schema), String(name)]
        const columns = world.catalog.table({ project_id: project, dataset, table })?.columns ?? []
        const rows = (await world.rows(`SELECT * FROM ${dataset}.${table}`)) as Value[][]
        const select = (row: readonly Value[]): string =>
          `SELECT ${columns.map((column, at) => `${literal(column, row[at])} AS \`${column.name}\``).join(', ')}`
        const none = `SELECT * FROM (${select([])}) WHERE FALSE`
        return { dataset, table, query: rows.length === 0 ? none : rows.map(select).join(' UNION ALL ') }
      }),
    )
  } finally {
    world.close()
  }
}
