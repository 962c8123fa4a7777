/**
 * GoogleSQL text to tokens, the one place that knows where a comment, a literal or a quoted name ends. `scan` cuts any
 * text, also a broken one, and leaves nothing out; `tokenize` makes the values of it and refuses what is broken.
 * Offsets are UTF-16 positions; line and column are computed from them only for errors.
 */
import { AppError } from '@convergence/contracts'

export type LexemeKind =
  'space' | 'comment' | 'word' | 'quoted' | 'number' | 'string' | 'bytes' | 'param' | 'op' | 'unknown'
/** A piece of the text. The lexemes of a text are the whole text, in order. */
export interface Lexeme {
  kind: LexemeKind
  start: number
  end: number
  /** Of strings, bytes and quoted names: prefix and quote before the content, quote behind it. */
  open: string
  /** The same of comments; empty when a comment, literal or name has no end. */
  close: string
}
const space = /[\t\n\v\f\r\b \u00a0\u2000-\u200a\u202f\u205f\u3000]+/y
const lineComment = /(?:#|--)[^\r\n]*/y
const literal = /(?:r|b|rb|br)?("""|'''|"|')/iy
const word = /[A-Za-z_][A-Za-z0-9_]*/y
const number = /0[xX][0-9a-fA-F]+|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?/y
const parameter = /@[A-Za-z_][A-Za-z0-9_]*|\?/y
const operator = /\|\||\|>|<=|>=|<>|!=|<<|=>|->|@@|[()[\],.;+\-*/=<>&|^~@:${}%!]/y

const matchAt = (pattern: RegExp, sql: string, at: number): RegExpExecArray | null => {
  pattern.lastIndex = at
  return pattern.exec(sql)
}
/**
 * Where the content that begins at `from` ends. A backslash takes the next character with it, in raw literals too; a
 * literal of one quote, and a quoted name, end with their line.
 */
const endOfContent = (sql: string, from: number, quote: string): { end: number; close: string } => {
  for (let at = from; at < sql.length; at++) {
    const c = sql.charAt(at)
    if (c === '\\') at += sql.startsWith('\r\n', at + 1) ? 2 : 1
    else if (sql.startsWith(quote, at)) return { end: at + quote.length, close: quote }
    else if (quote.length === 1 && (c === '\n' || c === '\r')) return { end: at, close: '' }
  }
  return { end: sql.length, close: '' }
}
const endOfMatch = (pattern: RegExp, sql: string, at: number): number =>
  at + (matchAt(pattern, sql, at)?.[0].length ?? 0)
const lexemeAt = (sql: string, start: number, afterPath: boolean): Lexeme => {
  const piece = (kind: LexemeKind, end: number, open = '', close = ''): Lexeme => ({ kind, start, end, open, close })
  const first = sql.charAt(start)
  if (/[rb'"]/i.test(first)) {
    const quoted = matchAt(literal, sql, start)
    if (quoted !== null) {
      const [open, quote = ''] = quoted
      const { end, close } = endOfContent(sql, start + open.length, quote)
      return piece(/^r?b/i.test(open) ? 'bytes' : 'string', end, open, close)
    }
  }
  if (/[A-Za-z_]/.test(first)) return piece('word', endOfMatch(word, sql, start))
  if (first === '`') {
    const { end, close } = endOfContent(sql, start + 1, '`')
    return piece('quoted', end, '`', close)
  }
  if (first === '#' || sql.startsWith('--', start))
    return piece('comment', endOfMatch(lineComment, sql, start), first === '#' ? '#' : '--', '\n')
  if (sql.startsWith('/*', start)) {
    const close = sql.indexOf('*/', start + 2)
    return close < 0 ? piece('comment', sql.length, '/*') : piece('comment', close + 2, '/*', '*/')
  }
  // `a.1` is a path, not the number .1 after a name.
  if (/[0-9]/.test(first) || (first === '.' && !afterPath)) {
    const end = endOfMatch(number, sql, start)
    if (end > start) return piece('number', end)
  }
  for (const [kind, pattern] of otherKinds) {
    const end = endOfMatch(pattern, sql, start)
    if (end > start) return piece(kind, end)
  }
  return piece('unknown', start + String.fromCodePoint(sql.codePointAt(start) ?? 0).length)
}
const otherKinds = [
  ['space', space],
  ['param', parameter],
  ['op', operator],
] as const
/** Any text, cut into lexemes from `from` on. Never throws. */
export const scan = (sql: string, from = 0): Lexeme[] => {
  const lexemes: Lexeme[] = []
  let at = from
  let afterPath = false
  while (at < sql.length) {
    const lexeme = lexemeAt(sql, at, afterPath)
    lexemes.push(lexeme)
    at = lexeme.end
    const last = sql.charAt(at - 1)
    afterPath =
      lexeme.kind === 'word' || lexeme.kind === 'quoted' || (lexeme.kind === 'op' && (last === ')' || last === ']'))
  }
  return lexemes
}

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

/** The k-th `?` of a statement, from 1, reads the parameter of this name. */
export const positionalName = (k: number): string => `_positional_${k}`
export const isPositional = (token: Token): boolean => token.kind === 'param' && token.text.startsWith('_positional_')

/** Tokens from `from` on, before which there are so many `?`; the last one is of kind `end`. */
export const tokenize = (sql: string, from = 0, questionsBefore = 0): Token[] => {
  let questions = questionsBefore
  const tokens: Token[] = []
  for (const lexeme of scan(sql, from)) {
    const { kind, start, end } = lexeme
    const text = sql.slice(start, end)
    const push = (tokenKind: TokenKind, value: string, up = ''): void => {
      tokens.push({ kind: tokenKind, text: value, up, start, end })
    }
    switch (kind) {
      case 'space':
        break
      case 'comment':
        if (lexeme.close === '') throw invalid(sql, start, 'Syntax error: unclosed comment')
        break
      case 'word':
        push('word', text, text.toUpperCase())
        break
      case 'op':
        push('op', text, text)
        break
      case 'number':
        push(/^0[xX]|^[0-9]+$/.test(text) ? 'int' : 'float', text)
        break
      case 'param':
        push('param', text === '?' ? positionalName(++questions) : text.slice(1))
        break
      case 'quoted': {
        const name = contentOf(sql, lexeme)
        if (name === '') throw invalid(sql, start, 'Syntax error: empty identifier')
        push('quoted', name)
        break
      }
      case 'string':
      case 'bytes':
        push(kind, contentOf(sql, lexeme))
        break
      case 'unknown':
        throw invalid(sql, start, `Syntax error: illegal input character ${JSON.stringify(text)}`)
    }
  }
  tokens.push({ kind: 'end', text: '', up: '', start: sql.length, end: sql.length })
  return tokens
}

const simpleEscapes: Readonly<Record<string, string>> = {
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
const codedEscape = /\\(?:([0-3][0-7]{2})|[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))/y

/** The value of a literal or quoted name: escapes read, line ends as \n; bytes as hex. */
export const contentOf = (sql: string, { kind, start, end, open, close }: Lexeme): string => {
  if (close === '')
    throw invalid(sql, start, `Syntax error: unclosed ${kind === 'quoted' ? 'identifier' : 'string literal'}`)
  const from = start + open.length
  const raw = /r/i.test(open)
  if (kind === 'bytes') {
    const bytes = readContent(sql, from, end - close.length, { raw, bytes: true })
    return Buffer.concat(
      bytes.map((part) => (typeof part === 'number' ? Buffer.of(part) : Buffer.from(part))),
    ).toString('hex')
  }
  const value = readContent(sql, from, end - close.length, { raw, bytes: false }).join('')
  if (value.includes('\0')) throw unsupported(sql, start, 'A NUL character in a literal or name')
  return value
}
/** Pieces of the content: text, and single bytes by their number. */
const readContent = (
  sql: string,
  from: number,
  end: number,
  how: { raw: boolean; bytes: boolean },
): (string | number)[] => {
  const parts: (string | number)[] = []
  let at = from
  while (at < end) {
    const c = sql.charAt(at)
    if (c === '\r') {
      parts.push('\n')
      at += sql[at + 1] === '\n' ? 2 : 1
    } else if (c !== '\\') {
      const stop = endOfPlain(sql, at, end)
      parts.push(sql.slice(at, stop))
      at = stop
    } else if (how.raw) {
      // A line end behind a backslash stays as it is.
      const length = sql.startsWith('\r\n', at + 1) ? 3 : 2
      parts.push(sql.slice(at, at + length))
      at += length
    } else {
      const { value, length } = readEscape(sql, at, how.bytes)
      parts.push(value)
      at += length
    }
  }
  return parts
}
const endOfPlain = (sql: string, from: number, end: number): number => {
  let at = from
  while (at < end && sql[at] !== '\\' && sql[at] !== '\r') at++
  return at
}
const readEscape = (sql: string, at: number, bytes: boolean): { value: string | number; length: number } => {
  const next = sql.charAt(at + 1)
  const simple = simpleEscapes[next]
  if (simple !== undefined) return { value: simple, length: 2 }
  const coded = matchAt(codedEscape, sql, at)
  if (coded === null) throw invalid(sql, at, `Syntax error: illegal escape sequence \\${next}`)
  const [all, octal, hex, short, long] = coded
  const value = octal === undefined ? parseInt(hex ?? short ?? long ?? '0', 16) : parseInt(octal, 8)
  if (bytes && octal === undefined && hex === undefined)
    throw invalid(sql, at, 'Syntax error: a bytes literal has no Unicode escapes')
  if (value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
    throw invalid(sql, at, 'Syntax error: illegal Unicode code point')
  return { value: bytes ? value : String.fromCodePoint(value), length: all.length }
}
