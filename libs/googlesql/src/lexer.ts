/**
 * GoogleSQL text to tokens. Offsets are UTF-16 positions in the text; line and column are computed from them only for
 * errors.
 */
import { AppError } from '@convergence/contracts'

export type TokenKind = 'word' | 'quoted' | 'int' | 'float' | 'string' | 'bytes' | 'param' | 'op' | 'end'
export interface Token {
  kind: TokenKind
  /** The value: identifiers without quotes, strings without escapes, bytes as hex, parameters without @. */
  text: string
  /**
   * Upper case of a plain word or the operator itself; empty for everything that is quoted, so that `\`select\`` is no
   * keyword.
   */
  up: string
  start: number
  end: number
}

/** [line:column], both from 1. */
export const positionOf = (sql: string, offset: number): string => {
  const before = sql.slice(0, offset)
  return `[${before.split('\n').length}:${offset - before.lastIndexOf('\n')}]`
}
export const invalid = (sql: string, offset: number, message: string): AppError =>
  new AppError('QUERY_INVALID', `${message} at ${positionOf(sql, offset)}`)
export const unsupported = (sql: string, offset: number, what: string): AppError =>
  new AppError(
    'QUERY_UNSUPPORTED',
    `${what} is not supported by the local warehouse at ${positionOf(sql, offset)}; see docs/LOCAL.md`,
  )

const wordStart = /[A-Za-z_]/
const wordRest = /[A-Za-z0-9_]/
const operators = [
  '||',
  '|>',
  '<=',
  '>=',
  '<>',
  '!=',
  '<<',
  '=>',
  '->',
  '@@',
  '(',
  ')',
  '[',
  ']',
  ',',
  '.',
  ';',
  '+',
  '-',
  '*',
  '/',
  '=',
  '<',
  '>',
  '&',
  '|',
  '^',
  '~',
  '@',
  ':',
  '$',
  '{',
  '}',
  '%',
  '!',
]
const simpleEscapes: Record<string, string> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  '?': '?',
  '"': '"',
  "'": "'",
  '`': '`',
}

/** The k-th `?` of a statement, from 1, reads the parameter of this name. */
export const positionalName = (k: number): string => `_positional_${k}`
export const isPositional = (token: Token): boolean => token.kind === 'param' && token.text.startsWith('_positional_')

/** Tokens from `from` on, before which there are so many `?`; the last one is of kind `end`. */
export const tokenize = (sql: string, from = 0, questionsBefore = 0): Token[] => {
  let questions = questionsBefore
  const tokens: Token[] = []
  let i = from
  const push = (kind: TokenKind, text: string, start: number, up = ''): void => {
    tokens.push({ kind, text, up, start, end: i })
  }
  while (i < sql.length) {
    const c = sql.charAt(i)
    if (/\s/.test(c)) {
      i++
      continue
    }
    if (c === '#' || (c === '-' && sql[i + 1] === '-')) {
      while (i < sql.length && sql[i] !== '\n') i++
      continue
    }
    if (c === '/' && sql[i + 1] === '*') {
      const close = sql.indexOf('*/', i + 2)
      if (close < 0) throw invalid(sql, i, 'Syntax error: unclosed comment')
      i = close + 2
      continue
    }
    const start = i
    const prefix = /^(r|b|rb|br)?("""|'''|"|')/i.exec(sql.slice(i, i + 5))
    if (prefix !== null) {
      const flags = (prefix[1] ?? '').toLowerCase()
      const quote = prefix[2] ?? '"'
      i += prefix[0].length
      const { value, end } = readQuoted(sql, i, start, quote, { raw: flags.includes('r'), bytes: flags.includes('b') })
      i = end
      if (flags.includes('b')) push('bytes', value, start)
      else push('string', value, start)
      continue
    }
    if (wordStart.test(c)) {
      while (i < sql.length && wordRest.test(sql.charAt(i))) i++
      const text = sql.slice(start, i)
      push('word', text, start, text.toUpperCase())
      continue
    }
    if (c === '`') {
      i++
      const { value, end } = readQuoted(sql, i, start, '`', { raw: false, bytes: false })
      i = end
      if (value === '') throw invalid(sql, start, 'Syntax error: empty identifier')
      push('quoted', value, start)
      continue
    }
    if (/[0-9]/.test(c) || (c === '.' && /[0-9]/.test(sql.charAt(i + 1)) && !afterPath(tokens, start))) {
      const match = /^(0[xX][0-9a-fA-F]+|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)/.exec(sql.slice(i, i + 400))
      const text = match?.[0] ?? c
      i += text.length
      push(/^0[xX]/.test(text) || /^[0-9]+$/.test(text) ? 'int' : 'float', text, start)
      continue
    }
    if (c === '@' && wordStart.test(sql.charAt(i + 1))) {
      i++
      while (i < sql.length && wordRest.test(sql.charAt(i))) i++
      push('param', sql.slice(start + 1, i), start)
      continue
    }
    if (c === '?') {
      i++
      push('param', positionalName(++questions), start)
      continue
    }
    const op = operators.find((candidate) => sql.startsWith(candidate, i))
    if (op === undefined) throw invalid(sql, i, `Syntax error: illegal input character ${JSON.stringify(c)}`)
    i += op.length
    push('op', op, start, op)
  }
  tokens.push({ kind: 'end', text: '', up: '', start: sql.length, end: sql.length })
  return tokens
}

/** `a.1` is a path, not the number .1 after a name. */
const afterPath = (tokens: readonly Token[], start: number): boolean => {
  const last = tokens.at(-1)
  return (
    last !== undefined &&
    last.end === start &&
    (last.kind === 'word' || last.kind === 'quoted' || last.up === ')' || last.up === ']')
  )
}

const readQuoted = (
  sql: string,
  from: number,
  start: number,
  quote: string,
  how: { raw: boolean; bytes: boolean },
): { value: string; end: number } => {
  let i = from
  let out = ''
  const bytes: number[] = []
  const add = (text: string): void => {
    if (how.bytes) bytes.push(...Buffer.from(text, 'utf8'))
    else out += text
  }
  for (;;) {
    if (i >= sql.length)
      throw invalid(
        sql,
        start,
        quote === '`' ? 'Syntax error: unclosed identifier' : 'Syntax error: unclosed string literal',
      )
    if (sql.startsWith(quote, i)) break
    const c = sql.charAt(i)
    if (c === '\n' && quote.length === 1) throw invalid(sql, start, 'Syntax error: unclosed string literal')
    if (c !== '\\') {
      const point = String.fromCodePoint(sql.codePointAt(i) ?? 0)
      add(point === '\r' ? '\n' : point)
      i += point === '\r' && sql[i + 1] === '\n' ? 2 : point.length
      continue
    }
    const next = sql.charAt(i + 1)
    if (how.raw) {
      add(`\\${next}`)
      i += 2
      continue
    }
    const simple = simpleEscapes[next]
    if (simple !== undefined) {
      add(simple)
      i += 2
      continue
    }
    const coded = /^\\(?:([0-3][0-7]{2})|[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))/.exec(
      sql.slice(i, i + 10),
    )
    if (coded === null) throw invalid(sql, i, `Syntax error: illegal escape sequence \\${next}`)
    const value = coded[1] !== undefined ? parseInt(coded[1], 8) : parseInt(coded[2] ?? coded[3] ?? coded[4] ?? '0', 16)
    if (how.bytes && coded[1] === undefined && coded[2] === undefined)
      throw invalid(sql, i, 'Syntax error: a bytes literal has no Unicode escapes')
    if (value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
      throw invalid(sql, i, 'Syntax error: illegal Unicode code point')
    if (how.bytes) bytes.push(value)
    else out += String.fromCodePoint(value)
    i += coded[0].length
  }
  if (!how.bytes && out.includes('\0')) throw unsupported(sql, start, 'A NUL character in a literal or name')
  return { value: how.bytes ? Buffer.from(bytes).toString('hex') : out, end: i + quote.length }
}
