/**
 * Pub/Sub's filter language over attributes: `attributes:key`, `attributes.key = "v"`, `!=`, `hasPrefix(attributes.key,
 * "v")`, AND, OR, NOT, parentheses.
 * AND and OR do not mix without parentheses. Parsed once into a function; a fault names its column.
 */
import { AppError } from '@convergence/contracts'

export type Filter = (attributes: Readonly<Record<string, string>>) => boolean

interface Token {
  text: string
  column: number
  kind: 'word' | 'string' | 'sign' | 'end'
}

const tokenize = (text: string): Token[] => {
  const tokens: Token[] = []
  const pattern = /\s+|"((?:[^"\\]|\\.)*)"|[A-Za-z_][A-Za-z0-9_-]*|!=|[:.=(),-]/gy
  while (pattern.lastIndex < text.length) {
    const at = pattern.lastIndex
    const match = pattern.exec(text)
    if (match === null) throw invalid(text, at + 1, 'an attribute, a quoted text, AND, OR, NOT or a parenthesis')
    if (/^\s/.test(match[0])) continue
    if (match[1] !== undefined) tokens.push({ text: match[1].replace(/\\(.)/g, '$1'), column: at + 1, kind: 'string' })
    else tokens.push({ text: match[0], column: at + 1, kind: /^[A-Za-z_]/.test(match[0]) ? 'word' : 'sign' })
  }
  tokens.push({ text: '', column: text.length + 1, kind: 'end' })
  return tokens
}

const invalid = (text: string, column: number, expected: string): AppError =>
  new AppError('BODY_INVALID', `subscription filter ${JSON.stringify(text)}, column ${column}: expected ${expected}`)

export const parseFilter = (text: string): Filter => {
  if (Buffer.byteLength(text) > 256)
    throw new AppError('BODY_INVALID', `subscription filter: at most 256 bytes, got ${Buffer.byteLength(text)}`)
  const tokens = tokenize(text)
  let at = 0
  const peek = (): Token => tokens[at] ?? { text: '', column: text.length + 1, kind: 'end' }
  const take = (want: (token: Token) => boolean, expected: string): string => {
    const token = peek()
    if (!want(token)) throw invalid(text, token.column, expected)
    at += 1
    return token.text
  }
  const sign = (wanted: string) => take((token) => token.kind === 'sign' && token.text === wanted, `"${wanted}"`)
  const isSign = (wanted: string) => peek().kind === 'sign' && peek().text === wanted
  const isWord = (wanted: string) => peek().kind === 'word' && peek().text === wanted
  const key = () => take((token) => token.kind === 'word' || token.kind === 'string', 'the name of an attribute')
  const quoted = () => take((token) => token.kind === 'string', 'a text in double quotes')

  const term = (): Filter => {
    if (isWord('NOT') || isSign('-')) {
      at += 1
      const inner = term()
      return (attributes) => !inner(attributes)
    }
    if (isSign('(')) {
      at += 1
      const inner = expression()
      sign(')')
      return inner
    }
    if (isWord('hasPrefix')) {
      at += 1
      sign('(')
      take((token) => token.text === 'attributes', 'attributes')
      sign('.')
      const name = key()
      sign(',')
      const prefix = quoted()
      sign(')')
      return (attributes) => Object.hasOwn(attributes, name) && (attributes[name] ?? '').startsWith(prefix)
    }
    take((token) => token.kind === 'word' && token.text === 'attributes', 'attributes, hasPrefix, NOT or "("')
    if (isSign(':')) {
      at += 1
      const name = key()
      return (attributes) => Object.hasOwn(attributes, name)
    }
    sign('.')
    const name = key()
    if (isSign('!=')) {
      at += 1
      const value = quoted()
      return (attributes) => !Object.hasOwn(attributes, name) || attributes[name] !== value
    }
    sign('=')
    const value = quoted()
    return (attributes) => Object.hasOwn(attributes, name) && attributes[name] === value
  }
  const expression = (): Filter => {
    const terms = [term()]
    const joiner = (['AND', 'OR'] as const).find(isWord)
    while (joiner !== undefined && isWord(joiner)) {
      at += 1
      terms.push(term())
    }
    if (isWord('AND') || isWord('OR'))
      throw invalid(text, peek().column, 'parentheses: AND and OR do not mix without them')
    return joiner === 'OR'
      ? (attributes) => terms.some((each) => each(attributes))
      : (attributes) => terms.every((each) => each(attributes))
  }
  const filter = expression()
  if (peek().kind !== 'end') throw invalid(text, peek().column, 'AND, OR or the end')
  return filter
}
