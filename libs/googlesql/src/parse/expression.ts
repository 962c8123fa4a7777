/** Expressions, from the operator that binds least to what follows an operand. */
import type { Expr, IndexMode } from '../ast.ts'
import { identifier } from './names.ts'
import { primary } from './primary.ts'
import { equality, quantifiedLike, tupleIn } from './rewrites.ts'
import type { Parser } from './tokens.ts'

export const expression = (p: Parser): Expr => p.nest(() => orExpr(p))
const orExpr = (p: Parser): Expr => {
  let l = andExpr(p)
  for (let count = 0; p.is('OR'); count = p.chained(count)) {
    const where = p.next().start
    l = { k: 'binary', op: 'OR', l, r: andExpr(p), pos: where }
  }
  return l
}
const andExpr = (p: Parser): Expr => {
  let l = notExpr(p)
  for (let count = 0; p.is('AND'); count = p.chained(count)) {
    const where = p.next().start
    l = { k: 'binary', op: 'AND', l, r: notExpr(p), pos: where }
  }
  return l
}
const notExpr = (p: Parser): Expr => {
  if (!p.is('NOT')) return comparison(p)
  const where = p.next().start
  return { k: 'unary', op: 'NOT', x: p.nest(() => notExpr(p)), pos: where }
}
const comparisons = new Set(['=', '<', '>', '<=', '>=', '!=', '<>'])
const comparison = (p: Parser): Expr => {
  let l = bitOr(p)
  for (let count = 0; ; count = p.chained(count)) {
    const where = p.pos()
    if (comparisons.has(p.peek().up)) {
      if (p.peek().up === '>' && p.peek(1).up === '>' && p.peek(1).start === p.peek().end) throw p.refuse('Operator >>')
      const op = p.next().up
      if (l.k === 'binary' && comparisons.has(l.op) && p.previous(2)?.up !== ')')
        throw p.invalid(where, 'Syntax error: comparisons do not chain')
      const r = bitOr(p)
      if (op === '=') l = equality(l, r, '=', where)
      else if (op === '<>' || op === '!=') l = equality(l, r, '<>', where)
      else l = { k: 'binary', op, l, r, pos: where }
    } else if (p.is('IS')) {
      p.next()
      const not = p.take('NOT')
      if (p.take('NULL')) l = { k: 'is', x: l, what: 'NULL', not, pos: where }
      else if (p.take('TRUE')) l = { k: 'is', x: l, what: 'TRUE', not, pos: where }
      else if (p.take('FALSE')) l = { k: 'is', x: l, what: 'FALSE', not, pos: where }
      else if (p.take('DISTINCT', 'FROM')) l = { k: 'is', x: l, what: 'DISTINCT', not, other: bitOr(p), pos: where }
      else throw p.refuse('This form of IS')
    } else if (p.is('BETWEEN') || p.is('NOT', 'BETWEEN')) {
      const not = p.take('NOT')
      p.next()
      const lo = bitOr(p)
      p.expect('AND')
      l = { k: 'between', x: l, lo, hi: bitOr(p), not, pos: where }
    } else if (p.is('LIKE') || p.is('NOT', 'LIKE')) {
      const not = p.take('NOT')
      p.next()
      l = p.isAny('ANY', 'ALL', 'SOME')
        ? quantifiedLike(p, l, not, where)
        : { k: 'like', x: l, pattern: bitOr(p), not, pos: where }
    } else if (p.is('IN') || p.is('NOT', 'IN')) {
      const not = p.take('NOT')
      p.next()
      l = inOperand(p, l, not, where)
    } else return l
  }
}
/** What may stand behind IN. */
const inOperand = (p: Parser, x: Expr, not: boolean, pos: number): Expr => {
  const isUnnest = p.take('UNNEST')
  p.expect('(')
  if (isUnnest) {
    const unnest = p.expression()
    p.expect(')')
    return { k: 'in', x, not, unnest, pos }
  }
  const query = p.closedQuery()
  if (query !== undefined) return { k: 'in', x, not, query, pos }
  const list = p.list(p.expression)
  p.expect(')')
  return tupleIn(p, x, list, not, pos) ?? { k: 'in', x, not, list, pos }
}
/** Operators of one rank, the left one first. */
const chain = (p: Parser, below: (p: Parser) => Expr, operator: (p: Parser) => string | undefined): Expr => {
  let l = below(p)
  for (let count = 0; ; count = p.chained(count)) {
    const pos = p.pos()
    const op = operator(p)
    if (op === undefined) return l
    p.next()
    if (op === '>>') p.next()
    l = { k: 'binary', op, l, r: below(p), pos }
  }
}
const only =
  (op: string) =>
  (p: Parser): string | undefined =>
    p.is(op) ? op : undefined
/** Two > that touch, which the lexer leaves apart: they may end the types of arrays. */
const shiftOperator = (p: Parser): string | undefined => {
  if (p.is('<<')) return '<<'
  return p.is('>', '>') && p.peek(1).start === p.peek().end ? '>>' : undefined
}
const shift = (p: Parser): Expr => chain(p, additive, shiftOperator)
const bitAnd = (p: Parser): Expr => chain(p, shift, only('&'))
const bitXor = (p: Parser): Expr => chain(p, bitAnd, only('^'))
export const bitOr = (p: Parser): Expr => chain(p, bitXor, only('|'))
const additive = (p: Parser): Expr => {
  let l = multiplicative(p)
  for (let count = 0; p.is('+') || p.is('-'); count = p.chained(count)) {
    const op = p.next()
    l = { k: 'binary', op: op.up, l, r: multiplicative(p), pos: op.start }
  }
  return l
}
const multiplicative = (p: Parser): Expr => {
  let l = unary(p)
  for (let count = 0; p.is('*') || p.is('/') || p.is('||'); count = p.chained(count)) {
    const op = p.next()
    l = { k: 'binary', op: op.up, l, r: unary(p), pos: op.start }
  }
  if (p.is('%')) throw p.invalid(p.pos(), 'Syntax error: there is no operator %; use MOD')
  return l
}
const unary = (p: Parser): Expr => {
  const where = p.pos()
  if (p.take('-')) {
    const token = p.peek()
    if ((token.kind === 'int' || token.kind === 'float') && p.peek(1).up !== '[' && p.peek(1).up !== '.') {
      p.next()
      return { k: 'lit', type: token.kind === 'int' ? 'INT64' : 'FLOAT64', text: `-${token.text}`, pos: where }
    }
    return { k: 'unary', op: '-', x: p.nest(() => unary(p)), pos: where }
  }
  if (p.take('+')) return { k: 'unary', op: '+', x: p.nest(() => unary(p)), pos: where }
  if (p.take('~')) return { k: 'unary', op: '~', x: p.nest(() => unary(p)), pos: where }
  return postfix(p)
}
const postfix = (p: Parser): Expr => {
  let x = primary(p)
  for (let count = 0; ; count = p.chained(count)) {
    const where = p.pos()
    if (p.is('.') && p.peek(1).up !== '*') {
      p.next()
      const field = identifier(p, true)
      x = x.k === 'path' ? { ...x, parts: [...x.parts, field] } : { k: 'dot', base: x, name: field, pos: where }
    } else if (p.take('[')) {
      const word = p.peek().up
      let mode: IndexMode = 'PLAIN'
      let index: Expr
      if (
        (word === 'OFFSET' || word === 'SAFE_OFFSET' || word === 'ORDINAL' || word === 'SAFE_ORDINAL') &&
        p.peek(1).up === '('
      ) {
        mode = word
        p.next()
        p.expect('(')
        index = p.expression()
        p.expect(')')
      } else index = p.expression()
      p.expect(']')
      x = { k: 'index', base: x, mode, index, pos: where }
    } else return x
  }
}
