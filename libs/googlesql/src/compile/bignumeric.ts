/** BIGNUMERIC in expressions: its parts are added as they are, and put in order where the sum ends. */
import type { Compiler, Expression } from './compiler.ts'
import { partsOf, type Parts } from '../bignumeric.ts'
import { reservedSchema as MACROS } from '../macros/macro.ts'
import { BIGNUMERIC, duckdbTypeOf, type Type } from '../types.ts'

/** What heavier expressions become is longer than what it saves. */
const mostWeight = 40
const lightWeight = 3

/** Parts of any size and signs as one number. */
export const ofParts = ({ billions, units, rest }: Parts): string =>
  `${MACROS}.big_once(${billions}, ${units}, ${rest})`
/** The parts of a value that its text may name three times. */
const lightParts = (e: Expression): Parts | undefined => {
  if ((e.weight ?? 1) > mostWeight) return undefined
  return e.parts ?? ((e.weight ?? 1) <= lightWeight && e.sub !== true ? partsOf(e.sql) : undefined)
}
const each = (one: Parts, other: Parts, join: (a: string, b: string) => string): Parts => ({
  billions: join(one.billions, other.billions),
  units: join(one.units, other.units),
  rest: join(`CAST(${one.rest} AS HUGEINT)`, other.rest),
})
export const bignumericArithmetic = (
  compiler: Compiler,
  op: '+' | '-' | '*',
  l: Expression,
  r: Expression,
  pos: number,
): Expression => {
  const macro = { '+': 'big_add', '-': 'big_sub', '*': 'big_mul' }[op]
  const [one, other] = [lightParts(l), lightParts(r)]
  if (op === '*' || one === undefined || other === undefined)
    return compiler.build(pos, BIGNUMERIC, `${MACROS}.${macro}(${l.sql}, ${r.sql})`, l, r)
  const parts = each(one, other, (a, b) => `(${a} ${op} ${b})`)
  return { ...compiler.build(pos, BIGNUMERIC, ofParts(parts), l, r), parts }
}
export const negated = (compiler: Compiler, x: Expression, pos: number): Expression => {
  const own = lightParts(x)
  if (own === undefined) return compiler.build(pos, BIGNUMERIC, `${MACROS}.big_neg(${x.sql})`, x)
  const parts = { billions: `(-${own.billions})`, units: `(-${own.units})`, rest: `(-CAST(${own.rest} AS HUGEINT))` }
  return { ...compiler.build(pos, BIGNUMERIC, ofParts(parts), x), parts }
}
/** The sums of a value's parts, by whatever sums in DuckDB. */
export const sumsOf = (x: Expression, sum: (value: string) => string): Parts => {
  const { billions, units, rest } = x.parts ?? partsOf(x.sql)
  return { billions: sum(billions), units: sum(units), rest: sum(rest) }
}

/** A sum in its own type. DuckDB keeps one digit more than NUMERIC has; an addition notices. */
export const totalOf = (sum: string, type: Type): string => {
  if (type.k === 'FLOAT64') return sum
  return type.k === 'INT64' ? `CAST(${sum} AS BIGINT)` : `(${sum} + CAST(0 AS ${duckdbTypeOf(type)}))`
}
