/** Calls of functions, with all that may stand in and behind their parentheses. */
import type { Call, Expr } from '../ast.ts'
import { identifier } from './names.ts'
import type { Parser } from './tokens.ts'
import { orderKey, windowSpec } from './window.ts'

export const functionCall = (p: Parser, fn: string, where: number): Expr => {
  p.expect('(')
  const result: Call = { k: 'call', name: fn, args: [], star: false, distinct: false, order: [], pos: where }
  if (p.take('*')) result.star = true
  else if (!p.is(')')) {
    result.distinct = p.take('DISTINCT')
    result.args = p.list(() => {
      if (p.is('SELECT') || p.is('WITH')) throw p.unexpected('an expression')
      if (p.peek(1).up === '=>' || p.peek(1).up === '->') throw p.refuse(`Argument ${p.peek().text} ${p.peek(1).up}`)
      const arg = p.expression()
      if (p.is('->')) throw p.refuse('A lambda argument')
      if (p.is('AS')) throw p.refuse(`AS in the arguments of ${fn}`)
      return arg
    })
  }
  if (p.take('IGNORE', 'NULLS')) result.nulls = 'IGNORE'
  else if (p.take('RESPECT', 'NULLS')) result.nulls = 'RESPECT'
  if (p.take('HAVING')) {
    const max = p.take('MAX')
    if (!max) p.expect('MIN')
    result.having = { max, expr: p.expression() }
  }
  if (p.take('ORDER', 'BY')) result.order = p.list(() => orderKey(p))
  if (p.take('LIMIT')) result.limit = p.expression()
  p.expect(')')
  if (p.is('WITH')) throw p.refuse('WITH after a function call')
  if (p.take('OVER')) {
    if (p.is('(')) result.over = windowSpec(p)
    else {
      const base = identifier(p)
      result.over = { base, partition: [], order: [], pos: base.pos }
    }
  }
  return result
}
