/** Smaller statements that may show the same. */
import { values } from './signatures.ts'
import type { Expr, Statement, Table } from './generate.ts'

const weight = ({ args, pieces }: Expr): number =>
  pieces.join('').length + args.reduce((sum, arg) => sum + weight(arg), 0)
const without = <T>(list: readonly T[], at: number): T[] => list.filter((_, k) => k !== at)
const withAt = <T>(list: readonly T[], at: number, one: T): T[] => list.map((old, k) => (k === at ? one : old))

/** Each place in an expression put simpler: by a part of the same type, or by a plain value. */
function* smallerExpr(e: Expr): Generator<Expr> {
  const plain = values[e.type]?.usual[0]
  const isColumn = e.args.length === 0 && /^[a-z.]*c?\d*$/.test(e.pieces.join(''))
  if (plain !== undefined && e.args.length > 0) yield { type: e.type, pieces: [plain], args: [] }
  if (plain !== undefined && isColumn) yield { type: e.type, pieces: [plain], args: [] }
  for (const arg of e.args) if (arg.type === e.type) yield arg
  for (const [at, arg] of e.args.entries())
    for (const smaller of smallerExpr(arg)) yield { ...e, args: withAt(e.args, at, smaller) }
}
function* smallerTables(tables: readonly Table[]): Generator<Table[]> {
  for (const [at, table] of tables.entries()) {
    if (table.rows.length > 1)
      for (const row of table.rows.keys()) yield withAt(tables, at, { ...table, rows: without(table.rows, row) })
    for (const [column, { name }] of table.columns.entries())
      if (/^c\d/.test(name))
        yield withAt(tables, at, {
          ...table,
          columns: without(table.columns, column),
          rows: table.rows.map((row) => without(row, column)),
        })
  }
}
export function* smaller(statement: Statement): Generator<Statement> {
  const { lists, conditions, tables } = statement
  const width = lists[0]?.length ?? 0
  if (width > 1)
    for (let at = 0; at < width; at += 1) yield { ...statement, lists: lists.map((list) => without(list, at)) }
  for (const [at, condition] of conditions.entries())
    if (condition !== undefined) yield { ...statement, conditions: withAt(conditions, at, undefined) }
  for (const [side, list] of lists.entries())
    for (const [at, e] of list.entries())
      for (const one of smallerExpr(e))
        if (weight(one) < weight(e)) yield { ...statement, lists: withAt(lists, side, withAt(list, at, one)) }
  for (const [at, condition] of conditions.entries())
    if (condition !== undefined)
      for (const one of smallerExpr(condition))
        if (weight(one) < weight(condition)) yield { ...statement, conditions: withAt(conditions, at, one) }
  for (const fewer of smallerTables(tables)) yield { ...statement, tables: fewer }
}

/** The smallest statement found, within so many tries, of which `fails` still holds. */
export const shrink = async (
  statement: Statement,
  fails: (candidate: Statement) => Promise<boolean>,
  tries = 150,
): Promise<Statement> => {
  let best = statement
  let left = tries
  for (let found = true; found && left > 0;) {
    found = false
    for (const candidate of smaller(best)) {
      left -= 1
      if (left <= 0) break
      if (!(await fails(candidate))) continue
      best = candidate
      found = true
      break
    }
  }
  return best
}
