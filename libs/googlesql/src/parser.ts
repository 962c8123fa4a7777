/** GoogleSQL text to a tree. What the grammar here does not know is refused by name, with its position. */
import type { Statement } from './ast.ts'
import { expression } from './parse/expression.ts'
import { closedQuery, query } from './parse/query.ts'
import { statement } from './parse/statement.ts'
import { TokenReader, type Parser } from './parse/tokens.ts'

const open = (sql: string): Parser => {
  const p: Parser = Object.assign(new TokenReader(sql), {
    expression: () => expression(p),
    query: () => query(p),
    closedQuery: () => closedQuery(p),
  })
  return p
}

/** Parses exactly one statement, optionally with one trailing semicolon. */
export const parseStatement = (sql: string): Statement => {
  const p = open(sql)
  const result = statement(p)
  if (p.take(';') && p.peek().kind !== 'end') throw p.refuse('More than one statement')
  if (p.is('|>')) throw p.refuse('Pipe syntax')
  if (p.peek().kind !== 'end') throw p.unexpected()
  return result
}
