/** ARRAY and STRUCT constructors. */
import { arraySql, buildStruct } from './build.ts'
import { unifyItems } from './coerce.ts'
import type { Compiler, Expression, Scope } from './compiler.ts'
import type { Expr } from '../ast.ts'
import { arrayOf, INT64 } from '../types.ts'

export const arrayConstructor = (compiler: Compiler, ast: Expr & { k: 'array' }, scope: Scope): Expression => {
  const pos = ast.pos
  const items = ast.items.map((item) => compiler.expression(item, scope))
  if (ast.of !== undefined) {
    const of = ast.of
    const typed = items.map((item) => compiler.coerce(item, of, 'ARRAY'))
    return { ...compiler.build(pos, arrayOf(of), arraySql(typed, of), ...typed), items: typed }
  }
  const { type, es } = unifyItems(compiler, items, pos)
  if (type.k === 'ARRAY') throw compiler.invalid(pos, 'An array of arrays is not a type')
  return { ...compiler.build(pos, arrayOf(type), arraySql(es, type), ...es), items: es }
}
export const structConstructor = (compiler: Compiler, ast: Expr & { k: 'struct' }, scope: Scope): Expression => {
  const pos = ast.pos
  const items = ast.items.map(({ expr: item }) => compiler.expression(item, scope))
  if (ast.fields !== undefined) {
    const fields = ast.fields
    if (fields.length !== items.length)
      throw compiler.invalid(pos, 'STRUCT: the number of values differs from that of the fields')
    return buildStruct(
      compiler,
      [...fields],
      items.map((item, at) => compiler.coerce(item, fields[at]?.type ?? item.type, 'STRUCT')),
      pos,
    )
  }
  return buildStruct(
    compiler,
    items.map((item, at) => ({
      name: ast.items[at]?.name ?? item.name,
      type: item.type.k === 'NULL' ? INT64 : item.type,
    })),
    items.map((item) => (item.type.k === 'NULL' ? { ...item, sql: 'CAST(NULL AS BIGINT)' } : item)),
    pos,
  )
}
