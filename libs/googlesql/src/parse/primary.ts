/** Operands: literals, parameters, parentheses, forms with a syntax of their own, names and calls. */
import type { DatePart, Expr, Name } from '../ast.ts'
import type { Field, Type } from '../types.ts'
import { functionCall } from './call.ts'
import { identifier, reserved } from './names.ts'
import type { Parser } from './tokens.ts'
import { parseType } from './types.ts'

/** Reserved words that are also functions. */
const callable = new Set(['IF', 'LEFT', 'RIGHT', 'GROUPING', 'ANY', 'ARRAY', 'COALESCE'])
const literalTypes = {
  DATE: 'DATE',
  TIME: 'TIME',
  DATETIME: 'DATETIME',
  TIMESTAMP: 'TIMESTAMP',
  NUMERIC: 'NUMERIC',
  DECIMAL: 'NUMERIC',
  BIGNUMERIC: 'BIGNUMERIC',
  BIGDECIMAL: 'BIGNUMERIC',
  JSON: 'JSON',
} as const
const isLiteralType = (word: string): word is keyof typeof literalTypes => Object.hasOwn(literalTypes, word)
/** Constants that need no parentheses. */
const bareCalls = new Set(['CURRENT_DATE', 'CURRENT_TIMESTAMP', 'CURRENT_DATETIME', 'CURRENT_TIME'])
/** What may stand before the name of a function. */
const prefixes = new Set(['SAFE', 'NET', 'HLL_COUNT', 'KEYS', 'AEAD', 'ML'])

export const primary = (p: Parser): Expr => {
  const token = p.peek()
  const where = token.start
  switch (token.kind) {
    case 'int':
    case 'float':
      p.next()
      return { k: 'lit', type: token.kind === 'int' ? 'INT64' : 'FLOAT64', text: token.text, pos: where }
    case 'string':
      p.next()
      return { k: 'lit', type: 'STRING', text: token.text, pos: where }
    case 'bytes':
      p.next()
      return { k: 'lit', type: 'BYTES', text: token.text, pos: where }
    case 'param':
      p.next()
      return { k: 'param', name: token.text, pos: where }
    case 'quoted':
      return pathOrCall(p)
    case 'word':
      return wordForm(p)
    case 'end':
      throw p.unexpected()
    case 'op':
      if (p.take('(')) return parenthesis(p, where)
      if (p.is('[')) return arrayLiteral(p, undefined)
      if (token.up === '@@') throw p.refuse('A system variable')
      if (token.up === '@') return quotedParameter(p)
      throw p.unexpected()
  }
}
/** After an opening parenthesis: a subquery, a STRUCT or an expression. */
const parenthesis = (p: Parser, where: number): Expr => {
  const inner = p.closedQuery()
  if (inner !== undefined) return { k: 'subquery', query: inner, pos: where }
  const items = p.list(() => ({ expr: p.expression() }))
  p.expect(')')
  const [first] = items
  return items.length === 1 && first !== undefined ? first.expr : { k: 'struct', items, pos: where }
}
/** A parameter whose name is quoted, or apart from its sign. */
const quotedParameter = (p: Parser): Expr => {
  const pos = p.next().start
  if (p.is('{')) throw p.refuse('A hint', pos)
  return { k: 'param', name: identifier(p, true).text, pos }
}
/** What begins with a word: a form of that word, or a name. */
const wordForm = (p: Parser): Expr => {
  const { up: word, start: where } = p.peek()
  const after = p.peek(1)
  if (after.kind === 'string' && isLiteralType(word)) {
    p.skip(2)
    return { k: 'typed', type: literalTypes[word], text: after.text, pos: where }
  }
  if ((word === 'RANGE' || word === 'INTERVAL') && after.kind === 'string') throw p.refuse(`A literal of type ${word}`)
  const form = forms.get(word)
  if (form !== undefined) {
    p.next()
    return form(p, where)
  }
  if (word === 'SAFE_CAST' && after.up === '(') {
    p.next()
    return cast(p, where, true)
  }
  if (reserved.has(word) && !(callable.has(word) && after.up === '(')) {
    if (word === 'NEW') throw p.refuse('NEW')
    if (word === 'COLLATE' && after.up === '(') throw p.refuse('COLLATE')
    if (word === 'RANGE' && (after.up === '<' || after.up === '(')) throw p.refuse('The type RANGE')
    if (word === 'WITH') throw p.refuse('A WITH expression')
    throw p.unexpected()
  }
  return pathOrCall(p)
}
const cast = (p: Parser, where: number, safe: boolean): Expr => {
  p.expect('(')
  const x = p.expression()
  p.expect('AS')
  const type = parseType(p)
  if (p.is('(')) throw p.refuse('A parameterized type in CAST')
  if (p.is('FORMAT')) throw p.refuse('CAST with FORMAT')
  if (p.is('COLLATE')) throw p.refuse('COLLATE')
  p.expect(')')
  return { k: 'cast', x, type, safe, pos: where }
}
const extract = (p: Parser, where: number): Expr => {
  p.expect('(')
  const part = datePart(p)
  p.expect('FROM')
  const x = p.expression()
  const zone = p.take('AT', 'TIME', 'ZONE') ? p.expression() : undefined
  p.expect(')')
  return { k: 'extract', part, x, zone, pos: where }
}
const interval = (p: Parser, where: number): Expr => {
  const n = p.expression()
  const part = datePart(p)
  if (p.is('TO')) throw p.refuse('An INTERVAL of several parts')
  return { k: 'interval', n, part, pos: where }
}
const exists = (p: Parser, where: number): Expr => {
  p.expect('(')
  const query = p.query()
  p.expect(')')
  return { k: 'exists', query, pos: where }
}
const array = (p: Parser, where: number): Expr => {
  if (p.take('(')) {
    const query = p.query()
    p.expect(')')
    return { k: 'arrayq', query, pos: where }
  }
  if (!p.take('<')) return arrayLiteral(p, undefined)
  const of = parseType(p)
  p.expect('>')
  return arrayLiteral(p, of)
}
const struct = (p: Parser, where: number): Expr => {
  let fields: readonly Field[] | undefined
  if (p.is('<')) {
    p.skip(-1)
    const declared = parseType(p)
    if (declared.k === 'STRUCT') ({ fields } = declared)
  }
  p.expect('(')
  const item = (): { expr: Expr; name?: string | undefined } => {
    const expr = p.expression()
    return { expr, name: p.take('AS') ? identifier(p, true).text : undefined }
  }
  const items = p.is(')') ? [] : p.list(item)
  p.expect(')')
  return { k: 'struct', fields, items, pos: where }
}
const arrayLiteral = (p: Parser, of: Type | undefined): Expr => {
  const where = p.pos()
  p.expect('[')
  const items = p.is(']') ? [] : p.list(p.expression)
  p.expect(']')
  return { k: 'array', of, items, pos: where }
}
const caseExpr = (p: Parser, where: number): Expr => {
  const subject = p.is('WHEN') ? undefined : p.expression()
  const whens: { when: Expr; then: Expr }[] = []
  while (p.take('WHEN')) {
    const when = p.expression()
    p.expect('THEN')
    whens.push({ when, then: p.expression() })
  }
  if (whens.length === 0) throw p.unexpected('WHEN')
  const otherwise = p.take('ELSE') ? p.expression() : undefined
  p.expect('END')
  return { k: 'case', subject, whens, otherwise, pos: where }
}
const pathOrCall = (p: Parser): Expr => {
  const first = p.peek()
  const where = first.start
  p.next()
  const head: Name = { text: first.text, pos: where }
  if (first.kind === 'word') {
    if (p.is('(')) return functionCall(p, first.up, where)
    if (prefixes.has(first.up) && p.is('.') && p.peek(2).up === '(') {
      p.next()
      const inner = identifier(p, true)
      return functionCall(p, `${first.up}.${inner.text.toUpperCase()}`, where)
    }
    if (bareCalls.has(first.up) && !p.is('.'))
      return { k: 'call', name: first.up, args: [], star: false, distinct: false, order: [], pos: where }
  }
  return { k: 'path', parts: [head], pos: where }
}
const datePart = (p: Parser): DatePart => {
  const token = p.next()
  if (token.kind !== 'word') throw p.invalid(token.start, 'Syntax error: expected a date part')
  if (token.up === 'WEEK' && p.take('(')) {
    const day = p.next()
    p.expect(')')
    return { part: 'WEEK', day: day.up, pos: token.start }
  }
  return { part: token.up, pos: token.start }
}

/** Reserved words with a syntax of their own; the word itself has been read. */
const forms = new Map<string, (p: Parser, where: number) => Expr>([
  ['TRUE', (_, pos) => ({ k: 'lit', type: 'BOOL', text: 'TRUE', pos })],
  ['FALSE', (_, pos) => ({ k: 'lit', type: 'BOOL', text: 'FALSE', pos })],
  ['NULL', (_, pos) => ({ k: 'lit', type: 'NULL', text: 'NULL', pos })],
  ['DEFAULT', (_, pos) => ({ k: 'default', pos })],
  ['CASE', caseExpr],
  ['CAST', (p, where) => cast(p, where, false)],
  ['EXTRACT', extract],
  ['INTERVAL', interval],
  ['EXISTS', exists],
  ['ARRAY', array],
  ['STRUCT', struct],
])
