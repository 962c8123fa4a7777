/** WITH, set operations, ORDER BY and LIMIT. */
import { AppError } from '@convergence/contracts'
import type { Body, Name, Query, SetOp } from '../ast.ts'
import { identifier } from './names.ts'
import { select } from './select.ts'
import type { Parser } from './tokens.ts'
import { orderKey } from './window.ts'

export const startsQuery = (p: Parser): boolean => {
  let ahead = 0
  while (p.peek(ahead).up === '(') ahead++
  const word = p.peek(ahead).up
  if (ahead === 0 && word === 'FROM') throw p.refuse('Pipe syntax (FROM first)')
  return word === 'SELECT' || (word === 'WITH' && ahead === 0)
}
/**
 * After an opening parenthesis: a query and the closing one. With more parentheses first it may turn out to be an
 * expression: undefined then.
 */
export const closedQuery = (p: Parser): Query | undefined => {
  if (!startsQuery(p)) return undefined
  if (!p.is('(')) {
    const inner = p.query()
    p.expect(')')
    return inner
  }
  const before = p.mark()
  try {
    const inner = p.query()
    p.expect(')')
    return inner
  } catch (error) {
    if (error instanceof AppError && error.code === 'QUERY_UNSUPPORTED') throw error
    p.reset(before)
    return undefined
  }
}
export const query = (p: Parser): Query =>
  p.nest(() => {
    const where = p.pos()
    let recursive = false
    const ctes: { name: Name; query: Query }[] = []
    if (p.take('WITH')) {
      recursive = p.take('RECURSIVE')
      do {
        const cte = identifier(p)
        if (p.is('(')) throw p.refuse('Column names after the name of a WITH entry')
        p.expect('AS', '(')
        ctes.push({ name: cte, query: p.query() })
        p.expect(')')
      } while (p.take(','))
    }
    const body = setOperation(p)
    const result: Query = { recursive, ctes, body, order: [], pos: where }
    if (p.take('ORDER')) {
      p.expect('BY')
      result.order = p.list(() => orderKey(p))
    }
    if (p.take('LIMIT')) {
      result.limit = p.expression()
      if (p.take('OFFSET')) result.offset = p.expression()
    }
    if (p.is('|>')) throw p.refuse('Pipe syntax')
    if (p.is('FOR')) throw p.refuse('FOR after a query')
    return result
  })
const setOperation = (p: Parser): Body => {
  const where = p.pos()
  const first = queryTerm(p)
  let op: SetOp['op'] | undefined
  const items = [first]
  while (
    p.is('UNION') ||
    p.is('INTERSECT') ||
    p.is('EXCEPT') ||
    ((p.is('FULL') || p.is('LEFT') || p.is('INNER')) && (p.peek(1).up === 'UNION' || p.peek(2).up === 'UNION'))
  ) {
    if (p.is('FULL') || p.is('LEFT') || p.is('INNER')) throw p.refuse('A set operation BY NAME')
    const opPos = p.pos()
    const word = p.next().up
    let kind: SetOp['op']
    if (word === 'UNION') {
      if (p.take('ALL')) kind = 'UNION ALL'
      else {
        p.expect('DISTINCT')
        kind = 'UNION DISTINCT'
      }
    } else {
      if (p.is('ALL')) throw p.refuse(`${word} ALL`)
      p.expect('DISTINCT')
      kind = word === 'INTERSECT' ? 'INTERSECT DISTINCT' : 'EXCEPT DISTINCT'
    }
    if (p.is('BY') || p.is('CORRESPONDING') || p.is('STRICT')) throw p.refuse('A set operation BY NAME')
    if (op !== undefined && op !== kind)
      throw p.invalid(opPos, 'Syntax error: different set operations need parentheses')
    op = kind
    items.push(queryTerm(p))
  }
  return op === undefined ? first : { k: 'setop', op, items, pos: where }
}
const queryTerm = (p: Parser): Body => {
  const where = p.pos()
  if (p.take('(')) {
    const inner = p.query()
    p.expect(')')
    return { k: 'query', query: inner, pos: where }
  }
  if (p.is('FROM')) throw p.refuse('Pipe syntax (FROM first)')
  return select(p)
}
