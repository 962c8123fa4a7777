/** RAND and GENERATE_UUID: each call gives another value, so the text may hold it once only. */
import type { Compiler, Expression } from './compiler.ts'
import type { Type } from '../types.ts'

const mark = /\/\*call \d+ at (\d+)\*\//g
/** A call without arguments of DuckDB's, with a mark in it that no other call has. */
export const volatileCall = (
  compiler: Compiler,
  pos: number,
  type: Type,
  sql: (call: string) => string,
  name: string,
): Expression => compiler.build(pos, type, sql(`${name}(/*call ${compiler.count()} at ${pos}*/)`))
export const hasVolatile = (sql: string): boolean => sql.includes('/*call ') && sql.search(mark) >= 0
/**
 * `plain`, made of these operands; where its text holds a call several times, `make` makes it again of operands that
 * are evaluated before it, once. A subquery or aggregate outside of the operands cannot stand there: then it stays.
 */
export const readOnce = (
  compiler: Compiler,
  plain: Expression,
  operands: readonly Expression[],
  make: (operands: readonly Expression[]) => Expression,
): Expression =>
  repeatedCall(plain.sql) === undefined ? plain : (evaluatedFirst(compiler, plain, operands, make) ?? plain)
/** `make` of operands that are evaluated before it, in the place of `plain`; undefined where it cannot stand there. */
export const evaluatedFirst = (
  compiler: Compiler,
  plain: Expression,
  operands: readonly Expression[],
  make: (operands: readonly Expression[]) => Expression,
): Expression | undefined => {
  const row = compiler.fresh()
  const values: string[] = []
  const inside = make(
    operands.map((e) => {
      // What must be a constant stays one.
      if (e.lit !== undefined || e.param === true) return e
      const name = `_${values.length}`
      values.push(`${name} := ${e.sql}`)
      return {
        ...e,
        sql: `struct_extract(${row}, '${name}')`,
        raw: undefined,
        parts: undefined,
        items: undefined,
        agg: undefined,
        win: undefined,
        sub: undefined,
      }
    }),
  )
  if (inside.agg === true || inside.win === true || inside.sub === true) return undefined
  const sql = `list_extract(list_transform([struct_pack(${values.join(', ')})], lambda ${row}: ${inside.sql}), 1)`
  return { ...plain, sql }
}
/** Where a call stands that the text holds more than once; undefined when there is none. */
export const repeatedCall = (sql: string): number | undefined => {
  const seen = new Set<string>()
  for (const [found, pos] of sql.matchAll(mark)) {
    if (seen.has(found)) return Number(pos)
    seen.add(found)
  }
  return undefined
}
