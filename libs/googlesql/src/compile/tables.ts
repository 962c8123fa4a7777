/** Tables, views and their columns. */
import type { Column } from '@convergence/contracts'
import type { AppError } from '@convergence/contracts'
import { AppError as Fault } from '@convergence/contracts'
import type { TableRef } from '@convergence/contracts'
import type { Compiled, Compiler, Item, ItemColumn, Output } from './compiler.ts'
import { positionOf } from '../lexer.ts'
import type { Name } from '../ast.ts'
import { parseStatement } from '../parser.ts'
import { reservedSchema } from '../macros/macro.ts'
import { type Type, fieldName, ident, text, typeOfColumn } from '../types.ts'

const maxViewDepth = 16
const keyOf = (ref: TableRef): string => `${ref.project_id}.${ref.dataset}.${ref.table}`
export const tableSql = (ref: TableRef): string => `${ident(ref.project_id)}.${ident(ref.dataset)}.${ident(ref.table)}`
export const unnestItem = (of: Type, sql: string, alias: string | undefined): Item => {
  const value: ItemColumn = { name: alias, sql, type: of }
  const columns: ItemColumn[] =
    of.k === 'STRUCT'
      ? of.fields.map((f, at) => ({
          name: f.name,
          sql: `struct_extract(${sql}, ${text(fieldName(f, at))})`,
          type: f.type,
        }))
      : [value]
  return { alias, columns, value, hidden: new Set() }
}
export const outputItem = (columns: readonly Output[], sqlAlias: string, alias: string | undefined): Item => ({
  alias,
  columns: columns.map((column) => ({
    name: column.name,
    sql: `${sqlAlias}.${ident(column.sql)}`,
    type: column.type,
  })),
  hidden: new Set(),
})
/** The rows of a query. Those of a value table are the values: * gives the fields of a STRUCT. */
export const rowsItem = (
  rows: { columns: readonly Output[]; value?: boolean | undefined },
  sqlAlias: string,
  alias: string | undefined,
): Item => {
  const [column] = rows.columns
  return rows.value === true && column !== undefined
    ? unnestItem(column.type, `${sqlAlias}.${ident(column.sql)}`, alias)
    : outputItem(rows.columns, sqlAlias, alias)
}
export const resolveTable = (compiler: Compiler, parts: readonly Name[]): TableRef => {
  const names = parts.map((part) => part.text)
  const pos = parts[0]?.pos ?? 0
  const [a, b, c, ...more] = names
  if (a !== undefined && b === undefined) {
    if (compiler.catalog.default_dataset === undefined)
      throw compiler.invalid(pos, `Table ${JSON.stringify(a)} must be qualified with a dataset (e.g. dataset.table)`)
    return { project_id: compiler.catalog.project_id, dataset: compiler.catalog.default_dataset, table: a }
  }
  if (a !== undefined && b !== undefined && c === undefined)
    return { project_id: compiler.catalog.project_id, dataset: a, table: b }
  if (a !== undefined && b !== undefined && c !== undefined && more.length === 0)
    return { project_id: a, dataset: b, table: c }
  throw compiler.invalid(pos, `Invalid table name ${names.join('.')}`)
}
const tableNotFound = (compiler: Compiler, ref: TableRef, pos: number): AppError =>
  new Fault('TABLE_NOT_FOUND', `Table ${keyOf(ref)} was not found at ${positionOf(compiler.sql, pos)}`)
export const tableItem = (
  compiler: Compiler,
  ref: TableRef,
  pos: number,
  alias: string | undefined,
): { sql: string; item: Item; columns: readonly Column[] } => {
  const table = compiler.catalog.table(ref)
  if (table === undefined || ref.dataset.toLowerCase() === reservedSchema) throw tableNotFound(compiler, ref, pos)
  const sqlAlias = compiler.fresh()
  if (table.kind === 'view') {
    if (table.view_query === undefined)
      throw compiler.unsupported(pos, `The view ${keyOf(ref)}, whose definition is unknown,`)
    if (compiler.depth >= maxViewDepth) throw compiler.unsupported(pos, `A chain of more than ${maxViewDepth} views`)
    compiler.views.set(keyOf(ref), ref)
    let compiled: Compiled
    try {
      const parsed = parseStatement(table.view_query)
      if (parsed.k !== 'select') throw compiler.unsupported(pos, `The definition of the view ${keyOf(ref)}`)
      const inner = compiler.ofView(table.view_query, ref.project_id)
      compiled = inner.query(parsed.query, undefined)
    } catch (error) {
      if (error instanceof Fault)
        throw new Fault(error.code, `in the view ${keyOf(ref)}: ${error.message}`, { cause: error })
      throw error
    }
    return {
      sql: `(${compiled.sql}) AS ${sqlAlias}`,
      item: outputItem(
        compiled.columns.map((column) => ({ ...column, name: column.sql })),
        sqlAlias,
        alias,
      ),
      columns: table.columns,
    }
  }
  compiler.referenced.set(keyOf(ref), ref)
  const columns = table.columns.map((column): ItemColumn => {
    const raw = `${sqlAlias}.${ident(column.name)}`
    // A stored NULL is an empty array.
    return column.mode === 'REPEATED'
      ? { name: column.name, sql: `coalesce(${raw}, [])`, raw, type: typeOfColumn(column) }
      : { name: column.name, sql: raw, type: typeOfColumn(column) }
  })
  return {
    sql: `${tableSql(ref)} AS ${sqlAlias}`,
    item: { alias, columns, hidden: new Set() },
    columns: table.columns,
  }
}
