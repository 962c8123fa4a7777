/** ORDER BY keys and OVER clauses. */
import { type Compiler, type Expression, type Scope, isNumber } from './compiler.ts'
import type { FrameBound, OrderKey, WindowSpec } from '../ast.ts'
import { typeName } from '../types.ts'

export const orderKey = (
  compiler: Compiler,
  key: OrderKey,
  scope: Scope,
  single = false,
): { sql: string; e: Expression } => {
  const e = compiler.expression(key.expr, scope)
  if (e.type.k === 'STRUCT' || e.type.k === 'ARRAY' || e.type.k === 'JSON')
    throw compiler.invalid(key.pos, `ORDER BY is not defined for ${typeName(e.type)}`)
  return { sql: orderSql(e, key, single), e }
}
/**
 * NULLs come first in ascending order, and NaN before every other number. To DuckDB NaN is the greatest number, and its
 * negative is NaN too: so a FLOAT64 goes by its negative, the other way round.
 */
export const orderSql = (e: Expression, key: OrderKey, single: boolean): string => {
  const nulls = key.nulls ?? (key.desc ? 'LAST' : 'FIRST')
  return e.type.k === 'FLOAT64' && !single
    ? `-(${e.sql}) ${key.desc ? 'ASC' : 'DESC'} NULLS ${nulls}`
    : `${e.sql} ${key.desc ? 'DESC' : 'ASC'} NULLS ${nulls}`
}
export const overClause = (
  compiler: Compiler,
  spec: WindowSpec,
  scope: Scope,
  kind: { frame: boolean; order: boolean },
): { sql: string; parts: Expression[] } => {
  const resolved = resolveWindow(compiler, spec, scope, new Set())
  const parts: Expression[] = []
  const partition = resolved.partition.map((item) => {
    const e = compiler.expression(item, scope)
    if (e.type.k === 'STRUCT' || e.type.k === 'ARRAY' || e.type.k === 'JSON')
      throw compiler.invalid(item.pos, `PARTITION BY is not defined for ${typeName(e.type)}`)
    parts.push(e)
    return e.sql
  })
  const numeric =
    resolved.frame?.unit === 'RANGE' &&
    [resolved.frame.from, resolved.frame.to].some((bound) => bound.expr !== undefined)
  const order = resolved.order.map((key) => {
    const { sql, e } = compiler.orderKey(key, scope, numeric)
    if (numeric && e.type.k === 'BIGNUMERIC')
      throw compiler.unsupported(key.pos, 'A RANGE frame with an offset over BIGNUMERIC')
    if (numeric && !isNumber(e.type))
      throw compiler.invalid(key.pos, 'A RANGE frame with an offset needs one numeric ORDER BY')
    parts.push(e)
    return sql
  })
  if (order.length === 0 && kind.order) throw compiler.invalid(spec.pos, 'The window needs ORDER BY')
  if (numeric && order.length !== 1)
    throw compiler.invalid(spec.pos, 'A RANGE frame with an offset needs one numeric ORDER BY')
  let frame = ''
  if (resolved.frame !== undefined) {
    if (!kind.frame) throw compiler.invalid(spec.pos, 'This function takes no window frame')
    const bound = (b: FrameBound): string => {
      if (b.expr === undefined) return b.kind
      const n = compiler.expression(b.expr, scope)
      if (!isNumber(n.type) || (n.lit === undefined && n.param !== true))
        throw compiler.unsupported(b.expr.pos, 'A frame offset that is no number or parameter')
      return `${n.sql} ${b.kind}`
    }
    frame = `${resolved.frame.unit} BETWEEN ${bound(resolved.frame.from)} AND ${bound(resolved.frame.to)}`
  }
  const pieces = [
    partition.length > 0 ? `PARTITION BY ${partition.join(', ')}` : '',
    order.length > 0 ? `ORDER BY ${order.join(', ')}` : '',
    frame,
  ].filter((piece) => piece !== '')
  return { sql: ` OVER (${pieces.join(' ')})`, parts }
}
const resolveWindow = (compiler: Compiler, spec: WindowSpec, scope: Scope, seen: Set<string>): WindowSpec => {
  if (spec.base === undefined) return spec
  const key = spec.base.text.toLowerCase()
  const base = scope.windows?.get(key)
  if (base === undefined || seen.has(key))
    throw compiler.invalid(spec.base.pos, `Unrecognized window alias ${spec.base.text}`)
  const under = resolveWindow(compiler, base, scope, new Set([...seen, key]))
  if (spec.partition.length > 0 && under.partition.length > 0)
    throw compiler.invalid(spec.pos, 'A window cannot override PARTITION BY')
  if (spec.order.length > 0 && under.order.length > 0)
    throw compiler.invalid(spec.pos, 'A window cannot override ORDER BY')
  return {
    partition: [...under.partition, ...spec.partition],
    order: [...under.order, ...spec.order],
    frame: spec.frame ?? under.frame,
    pos: spec.pos,
  }
}
