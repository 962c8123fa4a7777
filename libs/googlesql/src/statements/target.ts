/** The table that a statement changes. */
import type { AppError, Column, TableRef } from '@convergence/contracts'
import type { Expr, Name, Path } from '../ast.ts'
import { emptyScope, sameName, type Compiler, type Scope } from '../compile/compiler.ts'

export interface Target {
  ref: TableRef
  columns: readonly Column[]
  sql: string
  alias: string
  scope: Scope
}
export const target = (c: Compiler, path: Path): Target => {
  const ref = c.resolveTable(path.parts)
  const table = c.catalog.table(ref)
  if (table?.kind === 'view') throw c.invalid(path.pos, `${ref.dataset}.${ref.table} is a view and cannot be changed`)
  const { sql, item, columns } = c.tableItem(ref, path.pos, path.alias?.text ?? path.parts.at(-1)?.text)
  return { ref, columns, sql, alias: sql.slice(sql.lastIndexOf(' AS ') + 4), scope: { ...emptyScope(), items: [item] } }
}
/** A source under the target's name would hide it. */
export const assertOtherName = (c: Compiler, into: Target, source: Scope, message: string, pos: number): void => {
  const name = into.scope.items[0]?.alias
  if (name !== undefined && source.items.some((item) => sameName(item.alias, name))) throw c.invalid(pos, message)
}

export const columnNamed = (c: Compiler, into: Target, name: Name): Column => {
  const found = into.columns.find((column) => sameName(column.name, name.text))
  if (found === undefined) throw c.invalid(name.pos, `Column ${name.text} is not present in table ${into.ref.table}`)
  return found
}
/** The columns that an INSERT names; all of them where it names none. */
export const columnList = (c: Compiler, into: Target, names: readonly Name[] | undefined): Column[] => {
  if (names === undefined) return [...into.columns]
  const columns = names.map((name) => columnNamed(c, into, name))
  if (new Set(columns.map((column) => column.name)).size < columns.length)
    throw c.invalid(names[0]?.pos ?? 0, 'INSERT names a column twice')
  return columns
}
/** Columns that an INSERT leaves out: repeated ones become empty arrays. */
export const missing = (into: Target, given: readonly Column[]): Column[] =>
  into.columns.filter((column) => column.mode === 'REPEATED' && !given.includes(column))
export const wrongCount = (c: Compiler, pos: number, found: number, expected: number): AppError =>
  c.invalid(pos, `Inserted row has wrong column count; has ${found}, expected ${expected}`)

/** A condition on single rows. */
export const plainCondition = (c: Compiler, ast: Expr, scope: Scope, where: string): string => {
  const condition = c.bool(ast, scope, where)
  if (condition.agg === true || condition.win === true)
    throw c.invalid(condition.pos, `An aggregate or window function is not allowed in ${where}`)
  return condition.sql
}
