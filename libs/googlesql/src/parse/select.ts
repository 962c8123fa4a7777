/** SELECT with its clauses. */
import type { Expr, Grouping, Select, SelectItem } from '../ast.ts'
import { fromClause } from './from.ts'
import { identifier, optionalAlias } from './names.ts'
import type { Parser } from './tokens.ts'
import { windowSpec } from './window.ts'

export const select = (p: Parser): Select => {
  const where = p.pos()
  p.expect('SELECT')
  if (p.is('WITH')) throw p.refuse('SELECT WITH')
  const result: Select = { k: 'select', distinct: false, items: [], windows: [], pos: where }
  if (p.take('DISTINCT')) result.distinct = true
  else p.take('ALL')
  if (p.take('AS')) {
    if (p.take('STRUCT')) result.as = 'STRUCT'
    else if (p.take('VALUE')) result.as = 'VALUE'
    else throw p.refuse('SELECT AS a type name')
  }
  result.items = [selectItem(p)]
  while (p.take(',')) {
    if (p.is('FROM') || p.peek().kind === 'end' || p.is(')')) break // a trailing comma is allowed
    result.items.push(selectItem(p))
  }
  if (p.take('FROM')) result.from = fromClause(p)
  if (p.take('WHERE')) result.where = p.expression()
  if (p.take('GROUP')) {
    p.expect('BY')
    result.groups = p.take('ALL') ? 'ALL' : p.list(() => grouping(p))
  }
  if (p.take('HAVING')) result.having = p.expression()
  if (p.take('QUALIFY')) result.qualify = p.expression()
  if (p.take('WINDOW')) {
    result.windows = p.list(() => {
      const window = identifier(p)
      p.expect('AS')
      if (p.is('(')) return { name: window, spec: windowSpec(p) }
      const base = identifier(p)
      return { name: window, spec: { base, partition: [], order: [], pos: base.pos } }
    })
  }
  return result
}
const selectItem = (p: Parser): SelectItem => {
  const where = p.pos()
  if (p.take('*')) return starItem(p, where, undefined)
  const item = p.expression()
  if (p.is('.') && p.peek(1).up === '*') {
    p.skip(2)
    return starItem(p, where, item)
  }
  return { k: 'expr', expr: item, alias: optionalAlias(p), pos: where }
}
const starItem = (p: Parser, where: number, base: Expr | undefined): SelectItem => {
  const item: SelectItem = { k: 'star', base, except: [], replace: [], pos: where }
  if (p.is('EXCEPT', '(')) {
    p.skip(2)
    item.except = p.list(() => identifier(p))
    p.expect(')')
  }
  if (p.is('REPLACE', '(')) {
    p.skip(2)
    item.replace = p.list(() => {
      const value = p.expression()
      p.take('AS')
      return { expr: value, name: identifier(p) }
    })
    p.expect(')')
  }
  return item
}
const grouping = (p: Parser): Grouping => {
  if (p.take('ROLLUP')) return { k: 'rollup', exprs: p.parenthesized(p.expression) }
  if (p.take('CUBE')) return { k: 'cube', exprs: p.parenthesized(p.expression) }
  if (p.take('GROUPING')) {
    p.expect('SETS')
    return {
      k: 'sets',
      sets: p.parenthesized((): Grouping => {
        if (p.is('ROLLUP') || p.is('CUBE')) return grouping(p)
        if (p.take('(')) {
          const exprs = p.is(')') ? [] : p.list(p.expression)
          p.expect(')')
          return { k: 'tuple', exprs }
        }
        return { k: 'expr', expr: p.expression() }
      }),
    }
  }
  if (p.is('(', ')')) {
    p.skip(2)
    return { k: 'tuple', exprs: [] }
  }
  return { k: 'expr', expr: p.expression() }
}
