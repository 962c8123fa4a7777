/** INFORMATION_SCHEMA as a list of rows. */
import { AppError as Fault } from '@convergence/contracts'
import type { Compiler, Item, Output } from './compiler.ts'
import { outputItem } from './tables.ts'
import { positionOf } from '../lexer.ts'
import type { Name } from '../ast.ts'
import { INT64, STRING, type Type, duckdbTypeOf, googlesqlType, ident, text } from '../types.ts'

export const informationSchemaItem = (
  compiler: Compiler,
  parts: readonly Name[],
  alias: string | undefined,
): { sql: string; item: Item } | undefined => {
  const at = parts.findIndex((part) => part.text.toUpperCase() === 'INFORMATION_SCHEMA')
  if (at < 0) return undefined
  const pos = parts[0]?.pos ?? 0
  const what = parts[at + 1]?.text.toUpperCase()
  const before = parts.slice(0, at).map((part) => part.text)
  if (what === undefined || parts.length !== at + 2) throw compiler.unsupported(pos, 'This INFORMATION_SCHEMA name')
  const sqlAlias = compiler.fresh()
  const make = (
    columns: readonly [string, Type][],
    rows: readonly (string | number | null)[][],
  ): { sql: string; item: Item } => {
    const outputs = columns.map(([name, type]): Output => ({ name, sql: name, type }))
    const cell = (value: string | number | null, at: number): string => {
      if (value === null) return `CAST(NULL AS ${duckdbTypeOf(columns[at]?.[1] ?? STRING)})`
      return typeof value === 'number' ? `CAST(${value} AS BIGINT)` : text(value)
    }
    const values = rows.map((row) => `(${row.map(cell).join(', ')})`)
    const empty = `(${columns.map(([, type]) => `CAST(NULL AS ${duckdbTypeOf(type)})`).join(', ')})`
    const names = columns.map(([name]) => ident(name)).join(', ')
    return {
      sql: `(SELECT * FROM (VALUES ${values.length > 0 ? values.join(', ') : empty}) AS _v(${names})${values.length > 0 ? '' : ' WHERE false'}) AS ${sqlAlias}`,
      item: outputItem(outputs, sqlAlias, alias ?? what),
    }
  }
  if (what === 'SCHEMATA') {
    const project_id = before[0] ?? compiler.catalog.project_id
    if (before.length > 1 || compiler.catalog.datasets === undefined)
      throw compiler.unsupported(pos, 'This INFORMATION_SCHEMA name')
    return make(
      [
        ['catalog_name', STRING],
        ['schema_name', STRING],
      ],
      compiler.catalog.datasets(project_id).map((dataset) => [project_id, dataset]),
    )
  }
  const dataset = before.at(-1) ?? compiler.catalog.default_dataset
  const project_id = before.length > 1 ? (before[0] ?? compiler.catalog.project_id) : compiler.catalog.project_id
  if (before.length > 2 || dataset === undefined) throw compiler.unsupported(pos, 'This INFORMATION_SCHEMA name')
  const found = compiler.catalog.dataset({ project_id, dataset })
  if (found === undefined)
    throw new Fault(
      'TABLE_NOT_FOUND',
      `Dataset ${project_id}.${dataset} was not found at ${positionOf(compiler.sql, pos)}`,
    )
  if (found.tables === undefined) throw compiler.unsupported(pos, 'INFORMATION_SCHEMA')
  const key: [string, Type][] = [
    ['table_catalog', STRING],
    ['table_schema', STRING],
    ['table_name', STRING],
  ]
  switch (what) {
    case 'TABLES':
      return make(
        [...key, ['table_type', STRING]],
        found.tables.map((table) => [project_id, dataset, table.table, table.kind === 'view' ? 'VIEW' : 'BASE TABLE']),
      )
    case 'VIEWS':
      return make(
        [...key, ['view_definition', STRING]],
        found.tables
          .filter((table) => table.kind === 'view')
          .map((table) => [project_id, dataset, table.table, table.view_query ?? null]),
      )
    case 'COLUMNS':
      return make(
        [...key, ['column_name', STRING], ['ordinal_position', INT64], ['is_nullable', STRING], ['data_type', STRING]],
        found.tables.flatMap((table) =>
          table.columns.map((column, index) => [
            project_id,
            dataset,
            table.table,
            column.name,
            index + 1,
            column.mode === 'REQUIRED' ? 'NO' : 'YES',
            googlesqlType(column),
          ]),
        ),
      )
    default:
      throw compiler.unsupported(pos, `INFORMATION_SCHEMA.${what}`)
  }
}
