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
/** Where a call stands that the text holds more than once; undefined when there is none. */
export const repeatedCall = (sql: string): number | undefined => {
  const seen = new Set<string>()
  for (const [found, pos] of sql.matchAll(mark)) {
    if (seen.has(found)) return Number(pos)
    seen.add(found)
  }
  return undefined
}
