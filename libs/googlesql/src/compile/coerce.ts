/** Implicit conversions: literals, parameters and numbers, and the common type of several expressions. */
import { AppError } from '@convergence/contracts'
import { arraySql, structSql } from './build.ts'
import { type Compiler, type Expression, dateTypes, numberRank } from './compiler.ts'
import { numericLiteral, temporalLiteral } from './literals.ts'
import { reservedSchema as MACROS } from '../macros/macro.ts'
import { type Field, INT64, type Type, duckdbTypeOf, sameType, typeName } from '../types.ts'

/** The macro that reads a text as the type. */
export const castText = (type: Type, safe: boolean): string =>
  `${MACROS}.${safe ? 'try' : 'to'}_${macroOfType[type.k] ?? ''}`
const macroOfType: Readonly<Record<string, string>> = {
  INT64: 'int',
  FLOAT64: 'float',
  NUMERIC: 'num',
  BIGNUMERIC: 'bignum',
  BOOL: 'bool',
  DATE: 'date',
  TIME: 'time',
  DATETIME: 'datetime',
  TIMESTAMP: 'timestamp',
}

/** The macro that makes one number of another type; where there is none, DuckDB's cast does. */
const widening: Readonly<Record<string, string>> = {
  'INT64>BIGNUMERIC': 'int_to_bignum',
  'NUMERIC>BIGNUMERIC': 'num_to_bignum',
  'NUMERIC>FLOAT64': 'num_to_float',
  'BIGNUMERIC>FLOAT64': 'bignum_to_float',
}
export const tryCoerce = (compiler: Compiler, e: Expression, to: Type): Expression | undefined => {
  if (e.type.k === 'NULL')
    return { ...compiler.build(e.pos, to, `CAST(${e.sql} AS ${duckdbTypeOf(to)})`, e), name: e.name, lit: e.lit }
  if (e.items !== undefined && to.k === 'ARRAY') {
    const items = e.items.map((item) => compiler.tryCoerce(item, to.of))
    if (items.every((item) => item !== undefined))
      return { ...compiler.build(e.pos, to, arraySql(items, to.of), ...items), items }
    return undefined
  }
  if (e.items !== undefined && to.k === 'STRUCT') {
    const fields = to.fields
    if (fields.length !== e.items.length) return undefined
    const items = e.items.map((item, index) => compiler.tryCoerce(item, fields[index]?.type ?? item.type))
    if (items.every((item) => item !== undefined))
      return { ...compiler.build(e.pos, to, structSql(fields, items), ...items), items }
    return undefined
  }
  if (sameType(e.type, to)) return e
  if (e.lit?.kind === 'STRING' && dateTypes.has(to.k)) {
    const literal = temporalLiteral(compiler, to, e.lit.value, e.pos)
    if (literal === undefined)
      throw compiler.invalid(e.pos, `Could not cast literal ${JSON.stringify(e.lit.value)} to type ${typeName(to)}`)
    return literal
  }
  if (e.param === true && e.type.k === 'STRING' && dateTypes.has(to.k))
    return compiler.build(e.pos, to, `${castText(to, false)}(${e.sql})`, e)
  if (e.lit?.kind === 'FLOAT64' && (to.k === 'NUMERIC' || to.k === 'BIGNUMERIC'))
    return numericLiteral(compiler, e.lit.value, to.k, e.pos)
  const from = numberRank[e.type.k]
  const target = numberRank[to.k]
  if (from !== undefined && target !== undefined && from < target) {
    if (e.lit !== undefined && e.lit.kind !== 'NULL' && to.k === 'FLOAT64')
      return compiler.build(e.pos, to, `CAST('${e.lit.value}' AS DOUBLE)`)
    const macro = widening[`${e.type.k}>${to.k}`]
    const wider = macro === undefined ? `CAST(${e.sql} AS ${duckdbTypeOf(to)})` : `${MACROS}.${macro}(${e.sql})`
    return compiler.build(e.pos, to, wider, e)
  }
  return undefined
}
export const coerce = (compiler: Compiler, e: Expression, to: Type, what: string): Expression => {
  const result = compiler.tryCoerce(e, to)
  if (result === undefined)
    throw compiler.invalid(e.pos, `${what}: expected ${typeName(to)} but got ${typeName(e.type)}`)
  return result
}
/** The common type of several expressions, and the expressions in it. */
export const unify = (
  compiler: Compiler,
  es: readonly Expression[],
  what: string,
  pos: number,
): { type: Type; es: Expression[] } => {
  const typed = es.filter((e) => e.type.k !== 'NULL' && !(e.items?.length === 0))
  const first = typed[0]
  let type: Type = first?.type ?? es.find((e) => e.items !== undefined)?.type ?? INT64
  if (typed.some((e) => !sameType(e.type, type))) {
    const strong = typed.filter((e) => e.lit === undefined && e.param !== true && e.items === undefined)
    const candidates = [...(strong.length > 0 ? strong : typed).map((e) => e.type), ...typed.map((e) => e.type)].sort(
      (a, b) => (numberRank[a.k] ?? 0) - (numberRank[b.k] ?? 0),
    )
    const found = candidates.find((candidate) =>
      typed.every((e) => {
        try {
          return compiler.tryCoerce(e, candidate) !== undefined
        } catch (error) {
          // What is only not built here must not become another type silently, nor a literal that NUMERIC cannot hold.
          if (e.lit?.kind === 'FLOAT64' || (error instanceof AppError && error.code === 'QUERY_UNSUPPORTED'))
            throw error
          return false
        }
      }),
    )
    if (found === undefined)
      throw compiler.invalid(
        pos,
        `No matching signature for ${what} for argument types: ${typed.map((e) => typeName(e.type)).join(', ')}`,
      )
    type = found
  }
  return { type, es: es.map((e) => compiler.coerce(e, type, what)) }
}
/** Array elements: structs without names or with NULL take the first one's names and types. */
export const unifyItems = (
  compiler: Compiler,
  items: readonly Expression[],
  pos: number,
): { type: Type; es: Expression[] } => {
  const structs = items.filter((item) => item.type.k === 'STRUCT')
  if (structs.length > 1 && structs.length === items.length && structs.every((item) => item.items !== undefined)) {
    const first = structs[0]
    const width = first?.items?.length ?? 0
    if (first?.type.k === 'STRUCT' && structs.every((item) => item.items?.length === width)) {
      const fields = first.type.fields.map((f, at): Field => ({
        name: f.name,
        type: compiler.unify(
          structs.map((item) => item.items?.[at]).filter((e) => e !== undefined),
          'ARRAY',
          pos,
        ).type,
      }))
      const type: Type = { k: 'STRUCT', fields }
      return { type, es: structs.map((item) => compiler.coerce(item, type, 'ARRAY')) }
    }
  }
  return compiler.unify(items, 'ARRAY', pos)
}
