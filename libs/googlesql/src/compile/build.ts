/** Expressions put together, with their weight. */
import type { Compiler, Expression } from './compiler.ts'
import { hasVolatile } from './volatile.ts'
import { reservedSchema as MACROS, onceSuffix } from '../macros/macro.ts'
import { type Field, type Type, arrayOf, duckdbTypeOf, fieldName, ident } from '../types.ts'

/** Bounds what one expression may become, so that a short statement cannot occupy the engine. */
const maxWeight = 200_000
const lightWeight = 3
/** A call of a macro that repeats its arguments. */
const isMacro = new RegExp(`^${MACROS}\\.(?!\\w+${onceSuffix}\\()`)
const maxText = 2_000_000
export const build = (
  compiler: Compiler,
  pos: number,
  type: Type,
  plain: string,
  ...parts: readonly (Expression | undefined)[]
): Expression => {
  // A macro repeats its arguments; heavy ones are bound first, and what gives another value each time.
  const isHeavy = parts.some((part) => (part?.weight ?? 1) > lightWeight)
  const bind = isMacro.test(plain) && (isHeavy || hasVolatile(plain))
  const sql = bind ? plain.replace('(', `${onceSuffix}(`) : plain
  const e: Expression = { sql, type, pos, weight: 1 }
  let weight = 0
  for (const part of parts) {
    if (part === undefined) continue
    if (part.agg === true) e.agg = true
    if (part.win === true) e.win = true
    if (part.sub === true) e.sub = true
    weight += part.weight ?? 1
  }
  e.weight = 1 + weight * (plain.startsWith(`${MACROS}.`) && !bind ? 3 : 1)
  if (e.weight > maxWeight || sql.length > maxText)
    throw compiler.unsupported(pos, 'An expression that becomes too large')
  return e
}
export const arraySql = (items: readonly Expression[], of: Type): string =>
  items.length === 0 ? `CAST([] AS ${duckdbTypeOf(arrayOf(of))})` : `[${items.map((item) => item.sql).join(', ')}]`
export const structSql = (fields: readonly Field[], items: readonly Expression[]): string => {
  const names = fields.map((field, index) => fieldName(field, index))
  return `struct_pack(${items.map((item, index) => `${ident(names[index] ?? '')} := ${item.sql}`).join(', ')})`
}
export const buildStruct = (compiler: Compiler, fields: Field[], items: Expression[], pos: number): Expression => {
  const names = fields.map((field, index) => fieldName(field, index).toLowerCase())
  if (new Set(names).size < names.length) throw compiler.unsupported(pos, 'A STRUCT with equal field names')
  if (items.length === 0) throw compiler.unsupported(pos, 'A STRUCT without fields')
  return { ...compiler.build(pos, { k: 'STRUCT', fields }, structSql(fields, items), ...items), items }
}
