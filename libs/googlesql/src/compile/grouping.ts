/** GROUP BY, with ROLLUP, CUBE, GROUPING SETS and ALL. */
import type { Compiler, Expression, Scope } from './compiler.ts'
import type { ListItem } from './select-list.ts'
import type { Expr, Grouping, Select } from '../ast.ts'
import { typeName } from '../types.ts'

/** The clause with a space before it, or an empty text. Keys of the list go by their position where they can. */
export const groupByClause = (compiler: Compiler, body: Select, list: readonly ListItem[], scope: Scope): string => {
  if (body.groups === undefined) return ''
  if (body.groups === 'ALL') return groupByAll(compiler, list)
  const key = (ast: Expr, positions: boolean): string => groupKey(compiler, ast, list, scope, positions)
  const simple = body.groups.every((group) => group.k === 'expr')
  const grouping = (group: Grouping): string => {
    switch (group.k) {
      case 'expr':
        return key(group.expr, simple)
      case 'tuple':
        return `(${group.exprs.map((ast) => key(ast, false)).join(', ')})`
      case 'rollup':
        return `ROLLUP (${group.exprs.map((ast) => key(ast, false)).join(', ')})`
      case 'cube':
        return `CUBE (${group.exprs.map((ast) => key(ast, false)).join(', ')})`
      case 'sets':
        return `GROUPING SETS (${group.sets.map(grouping).join(', ')})`
    }
  }
  return ` GROUP BY ${body.groups.map(grouping).join(', ')}`
}

/** ROLLUP, CUBE and GROUPING SETS of no rows are no row; to DuckDB the total of nothing is one. */
export const hasTotals = ({ groups }: Select): boolean =>
  groups !== undefined && groups !== 'ALL' && groups.some(({ k }) => k === 'rollup' || k === 'cube' || k === 'sets')

const groupByAll = (compiler: Compiler, list: readonly ListItem[]): string => {
  const keys = list
    .map(({ e }, at) => ({ e, at }))
    .filter(({ e }) => e.agg !== true && e.win !== true && e.lit === undefined)
  keys.forEach(({ e }) => groupable(compiler, e))
  // Constants alone are one row, as an aggregate without keys is.
  if (keys.length === 0) return list.some(({ e }) => e.agg === true) ? '' : ' GROUP BY GROUPING SETS (())'
  return ` GROUP BY ${keys.map(({ at }) => at + 1).join(', ')}`
}
const groupKey = (
  compiler: Compiler,
  ast: Expr,
  list: readonly ListItem[],
  scope: Scope,
  positions: boolean,
): string => {
  if (ast.k === 'lit' && ast.type === 'INT64') {
    const e = list[Number(ast.text) - 1]?.e
    if (e === undefined) throw compiler.invalid(ast.pos, `GROUP BY position ${ast.text} is not in the SELECT list`)
    groupable(compiler, e)
    return positions ? ast.text : e.sql
  }
  if (ast.k === 'lit' || ast.k === 'typed' || ast.k === 'param')
    throw compiler.invalid(ast.pos, 'Cannot GROUP BY a constant')
  const e = groupable(compiler, compiler.expression(ast, scope))
  const at = list.findIndex((item) => item.e.sql === e.sql)
  return positions && at >= 0 ? String(at + 1) : e.sql
}
const groupable = (compiler: Compiler, e: Expression): Expression => {
  if (e.type.k === 'STRUCT' || e.type.k === 'ARRAY' || e.type.k === 'JSON')
    throw compiler.unsupported(e.pos, `Grouping by ${typeName(e.type)}`)
  return refuseAggregates(compiler, e, 'GROUP BY')
}
export const refuseAggregates = (compiler: Compiler, e: Expression, where: string): Expression => {
  if (e.agg === true) throw compiler.invalid(e.pos, `Aggregate function not allowed in ${where}`)
  if (e.win === true) throw compiler.invalid(e.pos, `Window function not allowed in ${where}`)
  return e
}
