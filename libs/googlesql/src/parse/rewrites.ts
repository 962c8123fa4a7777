/** Forms that mean the same as simpler ones, and are parsed to those. NULLs come out as GoogleSQL says. */
import type { Expr } from '../ast.ts'
import type { Parser } from './tokens.ts'

/** A balanced tree, so that a long list is no deep one. */
const joined = (op: 'AND' | 'OR', items: readonly Expr[], pos: number): Expr => {
  const [first] = items
  if (items.length === 1 && first !== undefined) return first
  const half = Math.ceil(items.length / 2)
  return { k: 'binary', op, l: joined(op, items.slice(0, half), pos), r: joined(op, items.slice(half), pos), pos }
}
const negated = (x: Expr, not: boolean, pos: number): Expr => (not ? { k: 'unary', op: 'NOT', x, pos } : x)

/** Functions that give another value each time, and what holds a query. */
const volatileCalls = new Set(['RAND', 'GENERATE_UUID'])
const queryForms = new Set(['subquery', 'exists', 'arrayq'])
/** Whether this part of a tree may have another value when it is evaluated again. */
const mayChange = (node: unknown): boolean => {
  if (Array.isArray(node)) return node.some(mayChange)
  if (typeof node !== 'object' || node === null) return false
  const { k, name, query } = node as { k?: unknown; name?: unknown; query?: unknown }
  if (typeof k === 'string' && queryForms.has(k)) return true
  if (k === 'call' && typeof name === 'string' && volatileCalls.has(name)) return true
  return query !== undefined || Object.values(node).some(mayChange)
}
/** The rewritten form repeats its left operand, so one that may change between two of its copies is refused. */
const requireRepeatable = (p: Parser, x: Expr, copies: number, what: string, pos: number): void => {
  if (copies > 1 && mayChange(x)) throw p.refuse(`${what} with RAND, GENERATE_UUID or a subquery on the left`, pos)
}

/** `x LIKE ANY (p, ...)` and `x LIKE ALL (p, ...)`, behind LIKE. */
export const quantifiedLike = (p: Parser, x: Expr, not: boolean, pos: number): Expr => {
  const word = p.next().up
  if (p.is('UNNEST')) throw p.refuse(`LIKE ${word} UNNEST`)
  if (p.is('(', 'SELECT') || p.is('(', 'WITH')) throw p.refuse(`LIKE ${word} of a subquery`)
  const patterns = p.parenthesized(p.expression)
  // Whether NOT belongs to each comparison or to the whole is not the same in all versions of GoogleSQL.
  if (not && patterns.length > 1) throw p.refuse(`NOT LIKE ${word} of several patterns`, pos)
  requireRepeatable(p, x, patterns.length, `LIKE ${word} of several patterns`, pos)
  const likes = patterns.map((pattern): Expr => ({ k: 'like', x, pattern, not: false, pos }))
  return negated(joined(word === 'ALL' ? 'AND' : 'OR', likes, pos), not, pos)
}

/** The values of `(a, b)`; undefined for anything else. */
const tupleOf = (x: Expr): Expr[] | undefined =>
  x.k === 'struct' && x.fields === undefined && x.items.length > 1 && x.items.every(({ name }) => name === undefined)
    ? x.items.map(({ expr }) => expr)
    : undefined
/** A literal, a parameter, a column or a field of one, or a tuple of those: nothing in it fails. */
const isPlain = (x: Expr): boolean =>
  ['lit', 'typed', 'param', 'path'].includes(x.k) ||
  (x.k === 'dot' && isPlain(x.base)) ||
  tupleOf(x)?.every(isPlain) === true
/** `(a, b) = (c, d)` compares pair by pair; undefined where these are not two tuples of one length. */
const tupleEquals = (l: Expr, r: Expr, pos: number): Expr | undefined => {
  const [left, right] = [tupleOf(l), tupleOf(r)]
  if (left === undefined || left.length !== right?.length) return undefined
  const equals: Expr = { k: 'binary', op: '=', l, r, pos }
  // AND leaves out what does not decide, and a fault in it with it.
  if (![...left, ...right].every(isPlain)) return equals
  const pairs = left.map((item, k): Expr => {
    const other = right[k] as Expr
    return tupleEquals(item, other, pos) ?? { ...equals, l: item, r: other }
  })
  return joined('AND', pairs, pos)
}
/** `l = r`, or `l <> r`, where they may be tuples. */
export const equality = (l: Expr, r: Expr, op: '=' | '<>', pos: number): Expr => {
  const tuples = tupleEquals(l, r, pos)
  return tuples === undefined ? { k: 'binary', op, l, r, pos } : negated(tuples, op === '<>', pos)
}
/** `(a, b) IN ((c, d), ...)`; undefined where these are not all tuples of one length. */
export const tupleIn = (p: Parser, x: Expr, list: readonly Expr[], not: boolean, pos: number): Expr | undefined => {
  const equal = list.map((item) => tupleEquals(x, item, pos))
  if (!equal.every((item) => item !== undefined)) return undefined
  requireRepeatable(p, x, list.length, 'IN of several tuples', pos)
  return negated(joined('OR', equal, pos), not, pos)
}
