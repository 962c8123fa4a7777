/** Format elements of dates and times, and FORMAT. */
import type { Compiler, Expression } from '../compile/compiler.ts'
import { civilOf, instantOf, shownCivil, zoneSql } from '../compile/dates.ts'
import { type FunctionCall, type ScalarFunction, literalText, many } from './signature.ts'
import { reservedSchema as MACROS } from '../macros/macro.ts'
import { BIGNUMERIC, DATE, FLOAT64, INT64, STRING, text } from '../types.ts'
import { roundedBignumeric } from './numbers.ts'

export type Temporal = 'DATE' | 'TIME' | 'DATETIME' | 'TIMESTAMP'
const dateElements = new Set('Y m d b B h a A j y G V u w U W F D e Q x g C'.split(' '))
const timeElements = new Set('H M S I p T R k l P r X'.split(' '))
/** What a clock and a day have together, and what only an instant has. */
const momentElements = new Set(['c'])
const instantElements = new Set(['Z', 'z', 'Ez', 's'])
interface FormatPiece {
  literal?: string
  element?: string
}
/** Elements of a format literal; what is not on the lists is refused by name. */
const formatPieces = (compiler: Compiler, pos: number, name: string, format: string, kind: Temporal): FormatPiece[] => {
  const pieces: FormatPiece[] = []
  for (let i = 0; i < format.length; i++) {
    const ch = format.charAt(i)
    if (ch !== '%') {
      pieces.push({ literal: ch })
      continue
    }
    const long = ['E4Y', 'E3S', 'E6S', 'E*S', 'Ez'].find((element) => format.startsWith(element, i + 1))
    const element = long ?? format.charAt(i + 1)
    i += element.length
    const plain = { '%': '%', n: '\n', t: '\t' }[element]
    if (plain !== undefined) {
      pieces.push({ literal: plain })
      continue
    }
    const day = dateElements.has(element) || element === 'E4Y'
    const clock =
      timeElements.has(element) || (element.startsWith('E') && element.endsWith('S') && element.length === 3)
    const moment = momentElements.has(element) && (kind === 'DATETIME' || kind === 'TIMESTAMP')
    const instant = instantElements.has(element) && kind === 'TIMESTAMP'
    if (!(day && kind !== 'TIME') && !(clock && kind !== 'DATE') && !moment && !instant)
      throw compiler.unsupported(pos, `Format element %${element} in ${name}`)
    pieces.push({ element })
  }
  return pieces
}
const direct: Readonly<Record<string, string>> = {
  Y: '%Y',
  E4Y: '%Y',
  m: '%m',
  d: '%d',
  b: '%b',
  h: '%b',
  B: '%B',
  a: '%a',
  A: '%A',
  j: '%j',
  y: '%y',
  G: '%G',
  V: '%V',
  u: '%u',
  w: '%w',
  U: '%U',
  W: '%W',
  F: '%Y-%m-%d',
  D: '%m/%d/%y',
  H: '%H',
  M: '%M',
  S: '%S',
  I: '%I',
  p: '%p',
  T: '%H:%M:%S',
  R: '%H:%M',
  E6S: '%S.%f',
  x: '%m/%d/%y',
  X: '%H:%M:%S',
  r: '%I:%M:%S %p',
}
/** Elements that are more than one of strftime's. */
const composed: Readonly<Record<string, (value: string, instant: { sql: string; zone: string }) => string>> = {
  C: (value) => `CAST(year(${value}) // 100 AS VARCHAR)`,
  g: (value) => `printf('%02d', isoyear(${value}) % 100)`,
  k: (value) => `lpad(CAST(hour(${value}) AS VARCHAR), 2, ' ')`,
  l: (value) => `lpad(CAST((hour(${value}) + 11) % 12 + 1 AS VARCHAR), 2, ' ')`,
  P: (value) => `lower(strftime(${value}, '%p'))`,
  'E*S': (value) => `regexp_replace(strftime(${value}, '%S.%f'), '[.]?0*$', '')`,
  c: (value) =>
    `(strftime(${value}, '%a %b ') || lpad(CAST(day(${value}) AS VARCHAR), 2, ' ') || strftime(${value}, ' %H:%M:%S ') || ltrim(strftime(${value}, '%Y'), '0'))`,
  s: (_value, { sql }) => `CAST(${MACROS}.floor_div(epoch_us(${sql}), 1000000) AS VARCHAR)`,
  Z: (_value, { sql, zone }) => `${MACROS}.zone_name(${zone}, ${sql})`,
  z: (_value, { sql, zone }) => `${MACROS}.zone_digits(${zone}, ${sql}, '')`,
  Ez: (_value, { sql, zone }) => `${MACROS}.zone_digits(${zone}, ${sql}, ':')`,
}
/** Text of a date or time without zone (DATE or TIMESTAMP in DuckDB). */
const formatSql = (
  compiler: Compiler,
  pos: number,
  name: string,
  format: string,
  value: string,
  kind: Temporal,
  instant: { sql: string; zone: string },
): string => {
  const out: string[] = []
  let run = ''
  /** The run begins with a year, which there has no zeros before it when it is below 1000. */
  let year = false
  const flush = (): void => {
    const one = `strftime(${value}, ${text(run)})`
    if (run !== '') out.push(year ? `ltrim(${one}, '0')` : one)
    run = ''
    year = false
  }
  for (const { literal, element } of formatPieces(compiler, pos, name, format, kind)) {
    if (literal !== undefined) run += literal === '%' ? '%%' : literal
    else if (element !== undefined && direct[element] !== undefined) {
      if (element === 'Y' || element === 'F' || element === 'G') {
        flush()
        year = true
      }
      run += direct[element]
    } else {
      flush()
      if (element === 'e') out.push(`lpad(CAST(day(${value}) AS VARCHAR), 2, ' ')`)
      else if (element === 'Q') out.push(`CAST(quarter(${value}) AS VARCHAR)`)
      else if (element === 'E3S') out.push(`strftime(${value}, '%S.%g')`)
      else if (element !== undefined && composed[element] !== undefined) out.push(composed[element](value, instant))
      else throw compiler.unsupported(pos, `Format element %${element ?? ''} in ${name}`)
    }
  }
  flush()
  const [first] = out
  if (first === undefined) return `CASE WHEN ${value} IS NOT NULL THEN '' END`
  return out.length === 1 ? first : `(${out.join(' || ')})`
}
/** The value as strftime takes it: a day and a time of a zone. */
const civilSql = (compiler: Compiler, kind: Temporal, x: Expression, zone: string): string => {
  if (kind === 'TIMESTAMP') return shownCivil(civilOf(compiler, x.pos, zone, x).sql)
  return kind === 'TIME' ? `(DATE '1970-01-01' + ${x.sql})` : x.sql
}
export const formatter = (kind: Temporal): ScalarFunction => ({
  min: 2,
  max: kind === 'TIMESTAMP' ? 3 : 2,
  gen: (call) => {
    const { compiler, ast } = call
    const format = literalText(call, 0, 'A format')
    let x = call.arg(1)
    if (kind === 'DATE' && x.type.k === 'DATETIME') x = compiler.build(x.pos, DATE, `CAST(${x.sql} AS DATE)`, x)
    if (kind === 'DATE' && x.type.k === 'TIMESTAMP')
      x = compiler.build(x.pos, DATE, `CAST(${civilOf(compiler, x.pos, "'UTC'", x).sql} AS DATE)`, x)
    x = compiler.coerce(x, { k: kind }, ast.name)
    const zone = ast.args.length > 2 ? zoneSql(compiler, call.arg(2)) : "'UTC'"
    const value = civilSql(compiler, kind, x, zone)
    return compiler.build(
      ast.pos,
      STRING,
      formatSql(compiler, ast.pos, ast.name, format, value, kind, { sql: x.sql, zone }),
      x,
    )
  },
})
/**
 * What GoogleSQL reads beside the format: blanks around the text, names of months in full or short, and hours from 1 to
 * 12 without AM or PM as those before noon.
 */
const lenient = (
  pieces: readonly FormatPiece[],
  parseable: Readonly<Record<string, string>>,
  source: string,
): { pattern: string; value: string } => {
  const has = (...elements: string[]): boolean => pieces.some((piece) => elements.includes(piece.element ?? ''))
  let value = `trim(${source})`
  let pattern = pieces
    .map(({ literal, element = '' }) => {
      if (literal !== undefined) return literal === '%' ? '%%' : literal
      return ['b', 'h', 'B'].includes(element) ? '%b' : (parseable[element] ?? '')
    })
    .join('')
    .trim()
  if (has('b', 'h', 'B')) value = `regexp_replace(${value}, '(?i)${monthNames}', '\\1')`
  if (has('I') && !has('p')) {
    value = `${value} || ' AM'`
    pattern = `${pattern} %p`
  }
  return { pattern, value }
}
const monthNames = '(jan|feb|mar|apr|jun|jul|aug|sep|oct|nov|dec)(?:uary|ruary|ch|il|ember|e|y|ust|tember|ober)'
export const parser = (kind: Temporal, safe = false): ScalarFunction => ({
  min: 2,
  max: kind === 'TIMESTAMP' ? 3 : 2,
  gen: (call) => {
    const { compiler, ast } = call
    const format = literalText(call, 0, 'A format')
    const pieces = formatPieces(compiler, ast.pos, ast.name, format, kind)
    const has = (...elements: string[]): boolean =>
      pieces.some(({ element }) => element !== undefined && elements.includes(element))
    const parseable: Readonly<Record<string, string>> = { ...direct, 'E*S': '%S.%f' }
    for (const { element } of pieces) {
      if (
        element !== undefined &&
        (parseable[element] === undefined ||
          ['G', 'V', 'u', 'w', 'U', 'W', 'y', 'D', 'j', 'a', 'A', 'E*S', 'E6S', 'x', 'X', 'r'].includes(element))
      )
        throw compiler.unsupported(ast.pos, `Format element %${element} in ${ast.name}`)
    }
    // Missing parts have other defaults in DuckDB.
    if (kind !== 'TIME' && !has('Y', 'E4Y', 'F'))
      throw compiler.unsupported(ast.pos, `A format of ${ast.name} without a year`)
    const source = compiler.coerce(call.arg(1), STRING, ast.name)
    const { pattern, value } = lenient(pieces, parseable, source.sql)
    const parsed = `${safe ? 'try_strptime' : 'strptime'}(${value}, ${text(pattern)})`
    const zone = ast.args.length > 2 ? zoneSql(compiler, call.arg(2)) : "'UTC'"
    const sql = {
      DATE: `CAST(${parsed} AS DATE)`,
      TIME: `CAST(${parsed} AS TIME)`,
      TIMESTAMP: instantOf(zone, parsed),
      DATETIME: parsed,
    }[kind]
    return compiler.build(ast.pos, { k: kind }, sql, source)
  },
})
/** A decimal with so many digits behind the point, rounded half away from zero, the sign kept: never by way of a double. */
const decimalText = (call: FunctionCall, e: Expression, digits: number, flag: string, width: number): string => {
  const { compiler, ast } = call
  const { sql } = e
  const isWide = e.type.k === 'BIGNUMERIC'
  const fixed = (): string => {
    if (!isWide) {
      const rounded = `CAST(round(abs(_n), ${Math.min(digits, 9)}) AS VARCHAR)`
      return digits <= 9 ? rounded : `${rounded} || repeat('0', ${digits - 9})`
    }
    const positive = compiler.build(ast.pos, BIGNUMERIC, `${MACROS}.big_abs(_n)`)
    return `${MACROS}.big_fixed_once(${roundedBignumeric(compiler, ast.pos, positive, 'round', digits).sql}, ${digits})`
  }
  const number = fixed()
  const negative = isWide ? `starts_with(${MACROS}.bignum_text(_n), '-')` : '_n < 0'
  const sign = `CASE WHEN ${negative} THEN '-' ELSE '' END`
  const room = `${width} - CASE WHEN ${negative} THEN 1 ELSE 0 END`
  const padded = flag === '0' ? `lpad(${number}, CAST(greatest(length(${number}), ${room}) AS INTEGER), '0')` : number
  const once = `list_extract(list_transform([${sql}], lambda _n: ${sign} || ${padded}), 1)`
  return flag === '0' || width === 0 ? once : `printf('%${flag}${width}s', ${once})`
}
/** What %t shows of a value: a FLOAT64 has a point. */
const shownText = (compiler: Compiler, e: Expression): string => {
  const { sql } = compiler.cast(e, STRING, false)
  return e.type.k === 'FLOAT64' ? `lower(regexp_replace(${sql}, '^(-?[0-9]+)$', '\\1.0'))` : sql
}
/** What %T writes around a value. */
const typedPrefix = (e: Expression): readonly [string, string] | undefined => {
  if (e.type.k === 'INT64' || e.type.k === 'BOOL') return ['', '']
  const quoted = ['NUMERIC', 'BIGNUMERIC', 'DATE', 'TIME', 'DATETIME', 'TIMESTAMP'].includes(e.type.k)
  return quoted ? [`${e.type.k} "`, '"'] : undefined
}
/** printf-like FORMAT with a literal format. */
export const formatFunction: ScalarFunction = {
  min: 1,
  max: many,
  gen: (call) => {
    const { compiler, ast } = call
    const format = literalText(call, 0, 'A format')
    const out: string[] = []
    const used: Expression[] = []
    let at = 1
    let rest = format
    while (rest !== '') {
      const plain = /^[^%]+/.exec(rest)?.[0]
      if (plain !== undefined) {
        out.push(text(plain))
        rest = rest.slice(plain.length)
        continue
      }
      const spec = /^%(%|(')?([-0]?)([0-9]*)(?:\.([0-9]+))?([a-zA-Z]))/.exec(rest)
      if (spec === null) throw compiler.unsupported(ast.pos, 'This format of FORMAT')
      rest = rest.slice(spec[0].length)
      if (spec[1] === '%') {
        out.push("'%'")
        continue
      }
      if (at >= ast.args.length) throw compiler.invalid(ast.pos, 'FORMAT: too few arguments')
      let e = call.arg(at++)
      const [, , comma, flag = '', width = '', precision, letter = ''] = spec
      const shape = `%${flag}${width}${precision === undefined ? '' : `.${precision}`}`
      if ((letter === 'd' || letter === 'i') && precision === undefined) {
        e = compiler.coerce(e, INT64, 'FORMAT %d')
        if (comma !== undefined && (flag !== '' || width !== ''))
          throw compiler.unsupported(ast.pos, `Format element ${spec[0]} in FORMAT`)
        out.push(comma !== undefined ? `format('{:,}', ${e.sql})` : `printf('${shape}d', ${e.sql})`)
      } else if (['x', 'X', 'o'].includes(letter) && precision === undefined && comma === undefined) {
        e = compiler.coerce(e, INT64, `FORMAT %${letter}`)
        const negative = `WHEN ${e.sql} < 0 THEN error('googlesql: FORMAT %${letter} of a negative number is not supported by the local warehouse')`
        out.push(`(CASE ${negative} WHEN ${e.sql} IS NOT NULL THEN printf('${shape}${letter}', ${e.sql}) END)`)
      } else if (/^[eEgG]$/.test(letter) && comma === undefined) {
        e = compiler.coerce(e, FLOAT64, `FORMAT %${letter}`)
        const finite = `WHEN isfinite(${e.sql}) THEN printf('${precision === undefined ? `${shape}.6` : shape}${letter}', ${e.sql} + 0)`
        const refused = `error('googlesql: FORMAT of a value that is not finite is not supported by the local warehouse')`
        out.push(`(CASE ${finite} WHEN ${e.sql} IS NOT NULL THEN ${refused} END)`)
      } else if (letter === 's' && comma === undefined && precision === undefined && flag !== '0') {
        e = compiler.coerce(e, STRING, 'FORMAT %s')
        out.push(width === '' ? e.sql : `printf('${shape}s', ${e.sql})`)
      } else if (letter === 'f' && comma === undefined && (e.type.k === 'NUMERIC' || e.type.k === 'BIGNUMERIC')) {
        out.push(decimalText(call, e, Number(precision ?? 6), flag, Number(width)))
      } else if (letter === 'f' && comma === undefined) {
        e = compiler.coerce(e, FLOAT64, 'FORMAT %f')
        out.push(
          `(CASE WHEN isfinite(${e.sql}) THEN printf('${precision === undefined ? `${shape}.6` : shape}f', ${e.sql} + 0) WHEN ${e.sql} IS NOT NULL THEN error('googlesql: FORMAT of a value that is not finite is not supported by the local warehouse') END)`,
        )
      } else if (
        letter === 't' &&
        shape === '%' &&
        comma === undefined &&
        [
          'STRING',
          'INT64',
          'NUMERIC',
          'BIGNUMERIC',
          'BOOL',
          'DATE',
          'TIMESTAMP',
          'DATETIME',
          'TIME',
          'FLOAT64',
        ].includes(e.type.k)
      ) {
        out.push(`coalesce(${shownText(compiler, e)}, 'NULL')`)
      } else if (letter === 'T' && shape === '%' && comma === undefined && typedPrefix(e) !== undefined) {
        const [before = '', after = ''] = typedPrefix(e) ?? []
        out.push(`coalesce(${text(before)} || ${compiler.cast(e, STRING, false).sql} || ${text(after)}, 'NULL')`)
      } else throw compiler.unsupported(ast.pos, `Format element ${spec[0]} in FORMAT`)
      used.push(e)
    }
    if (at < ast.args.length) throw compiler.invalid(ast.pos, 'FORMAT: too many arguments')
    return compiler.build(ast.pos, STRING, out.length === 0 ? "''" : `(${out.join(' || ')})`, ...used)
  },
}
