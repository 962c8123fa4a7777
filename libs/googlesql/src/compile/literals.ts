/** Literals of GoogleSQL as DuckDB text. */
import type { Compiler, Expression } from './compiler.ts'
import {
  BOOL,
  BYTES,
  DATE,
  DATETIME,
  FLOAT64,
  INT64,
  STRING,
  JSON_TYPE,
  duckdbTypeOf,
  TIME,
  TIMESTAMP,
  type Type,
  text,
} from '../types.ts'
import type { Expr } from '../ast.ts'
import { bignumericLiteral, bignumericScale, isBignumeric } from '../bignumeric.ts'
import { reservedSchema as MACROS } from '../macros/macro.ts'

const [firstMs, lastMs] = [Date.parse('0001-01-01T00:00:00Z'), Date.parse('9999-12-31T23:59:59.999Z')]
export const temporalLiteral = (compiler: Compiler, type: Type, value: string, pos: number): Expression | undefined => {
  const date = /^\s*(\d{4})-(\d{1,2})-(\d{1,2})\s*$/
  const clock = String.raw`(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.(\d{1,6}))?`
  const day = (y: string | undefined, m: string | undefined, d: string | undefined): string | undefined => {
    const [yy, mm, dd] = [Number(y), Number(m), Number(d)]
    const at = new Date(Date.UTC(2000, mm - 1, dd))
    at.setUTCFullYear(yy, mm - 1, dd)
    if (yy < 1 || at.getUTCMonth() !== mm - 1 || at.getUTCDate() !== dd) return undefined
    return `${String(yy).padStart(4, '0')}-${String(mm).padStart(2, '0')}-${String(dd).padStart(2, '0')}`
  }
  const time = (
    h: string | undefined,
    m: string | undefined,
    s: string | undefined,
    f: string | undefined,
  ): string | undefined => {
    if (h === undefined) return '00:00:00'
    if (Number(h) > 23 || Number(m) > 59 || Number(s) > 59) return undefined
    return `${h.padStart(2, '0')}:${(m ?? '').padStart(2, '0')}:${(s ?? '').padStart(2, '0')}${f === undefined ? '' : `.${f}`}`
  }
  if (type.k === 'DATE') {
    const match = date.exec(value)
    const d = match === null ? undefined : day(match[1], match[2], match[3])
    return d === undefined ? undefined : compiler.build(pos, DATE, `DATE '${d}'`)
  }
  if (type.k === 'TIME') {
    const match = new RegExp(`^\\s*${clock}\\s*$`).exec(value)
    const t = match === null ? undefined : time(match[1], match[2], match[3], match[4])
    return t === undefined ? undefined : compiler.build(pos, TIME, `TIME '${t}'`)
  }
  const match = new RegExp(String.raw`^\s*(\d{4})-(\d{1,2})-(\d{1,2})(?:[ Tt]${clock})?\s*(.*?)\s*$`).exec(value)
  if (match === null) return undefined
  const d = day(match[1], match[2], match[3])
  const t = time(match[4], match[5], match[6], match[7])
  const zone = match[8] ?? ''
  if (d === undefined || t === undefined) return undefined
  if (type.k === 'DATETIME') return zone === '' ? compiler.build(pos, DATETIME, `TIMESTAMP '${d} ${t}'`) : undefined
  if (zone === '' || zone.toUpperCase() === 'Z' || zone.toUpperCase() === 'UTC')
    return compiler.build(pos, TIMESTAMP, `TIMESTAMPTZ '${d} ${t}+00'`)
  const offset = /^([+-])(\d{1,2})(?::(\d{2}))?$/.exec(zone)
  if (offset !== null) {
    const minutes = (offset[1] === '-' ? 1 : -1) * (Number(offset[2]) * 60 + Number(offset[3] ?? 0))
    const at = new Date(`${d}T${t}Z`.replace(/(\.\d{3})\d*/, '$1')).getTime() + minutes * 60_000
    if (Number(offset[2]) > 14 || at < firstMs || at > lastMs) return undefined
    const shown = `${offset[1] ?? '+'}${(offset[2] ?? '').padStart(2, '0')}:${offset[3] ?? '00'}`
    return compiler.build(pos, TIMESTAMP, `TIMESTAMPTZ '${d} ${t}${shown}'`)
  }
  return isZoneName(zone)
    ? compiler.build(pos, TIMESTAMP, `${MACROS}.instant_of(${text(zone)}, TIMESTAMP '${d} ${t}')`)
    : undefined
}
export const decimalDigits = (value: string): number | undefined => {
  const match = /^-?\d*\.?(\d*)$/.exec(value)
  return match === null ? undefined : (match[1] ?? '').replace(/0+$/, '').length
}
/** Digits of a decimal text, with or without an exponent, rounded half away from zero to `scale` digits. */
export const roundedDecimal = (value: string, scale: number): string | undefined => {
  const match = /^([+-]?)(\d*)\.?(\d*)(?:[eE]([+-]?\d+))?$/.exec(value)
  if (match === null || (match[2] ?? '') + (match[3] ?? '') === '') return undefined
  const exponent = Number(match[4] ?? '0') + scale - (match[3] ?? '').length
  const digits = (match[2] ?? '') + (match[3] ?? '')
  if (Math.abs(exponent) > 1000) return exponent < 0 || /^0*$/.test(digits) ? '0' : undefined
  const kept = exponent >= 0 ? digits + '0'.repeat(exponent) : digits.padStart(-exponent + 1, '0').slice(0, exponent)
  const next = exponent >= 0 ? '0' : digits.padStart(-exponent + 1, '0').at(exponent)
  const units = String(BigInt(kept) + (Number(next) >= 5 ? 1n : 0n)).padStart(scale + 1, '0')
  const text = `${units.slice(0, -scale)}.${units.slice(-scale)}`
  return /[1-9]/.test(text) && match[1] === '-' ? `-${text}` : text
}
/** A literal with a point as a decimal: rounded to the digits of the type, as GoogleSQL does. */
export const numericLiteral = (
  compiler: Compiler,
  value: string,
  to: 'NUMERIC' | 'BIGNUMERIC',
  pos: number,
): Expression => {
  const rounded = roundedDecimal(value, to === 'NUMERIC' ? 9 : 38)
  if (rounded === undefined) throw compiler.invalid(pos, `Invalid ${to} value: ${value}`)
  const units = BigInt(rounded.replace('.', ''))
  if (to === 'NUMERIC' ? rounded.replace('-', '').indexOf('.') > 29 : !isBignumeric(units))
    throw compiler.invalid(pos, `Invalid ${to} value: ${value}`)
  if (to === 'BIGNUMERIC') return compiler.build(pos, { k: to }, bignumericLiteral(units))
  const shown = rounded.replace(/0+$/, '').replace(/\.$/, '')
  return compiler.build(pos, { k: to }, `CAST('${shown}' AS ${duckdbTypeOf({ k: to })})`)
}
export const compileLiteral = (
  compiler: Compiler,
  type: 'INT64' | 'FLOAT64' | 'STRING' | 'BYTES' | 'BOOL' | 'NULL',
  value: string,
  pos: number,
): Expression => {
  switch (type) {
    case 'INT64': {
      const n = value.startsWith('-') ? -BigInt(value.slice(1)) : BigInt(value)
      if (n > 9223372036854775807n || n < -9223372036854775808n)
        throw compiler.invalid(pos, `Invalid integer literal: ${value}`)
      return {
        // DuckDB reads the smallest one as the negation of a number that is too large.
        ...compiler.build(pos, INT64, `CAST(${n === -9223372036854775808n ? `'${n}'` : n} AS BIGINT)`),
        lit: { kind: 'INT64', value: String(n) },
      }
    }
    case 'FLOAT64': {
      if (!Number.isFinite(Number(value))) throw compiler.invalid(pos, `Invalid floating point literal: ${value}`)
      return { ...compiler.build(pos, FLOAT64, `CAST('${value}' AS DOUBLE)`), lit: { kind: 'FLOAT64', value } }
    }
    case 'STRING': {
      if (value.includes('\0')) throw compiler.unsupported(pos, 'A NUL character in a text literal')
      return { ...compiler.build(pos, STRING, text(value)), lit: { kind: 'STRING', value } }
    }
    case 'BYTES':
      return compiler.build(pos, BYTES, `unhex('${value}')`)
    case 'BOOL':
      return { ...compiler.build(pos, BOOL, value.toLowerCase()), lit: { kind: 'BOOL', value } }
    case 'NULL':
      return { ...compiler.build(pos, { k: 'NULL' }, 'CAST(NULL AS BIGINT)'), lit: { kind: 'NULL', value } }
  }
}
export const isZoneName = (zone: string): boolean => /^[A-Za-z][A-Za-z0-9_+-]*(\/[A-Za-z0-9_+-]+)*$/.test(zone)
/** DATE '...', NUMERIC '...' and the like. */
export const typedLiteral = (compiler: Compiler, ast: Expr & { k: 'typed' }): Expression => {
  const pos = ast.pos
  if (ast.type === 'NUMERIC' || ast.type === 'BIGNUMERIC') {
    const value = ast.text.trim()
    const exact = roundedDecimal(value, 60)
    // More digits than the type has are an error here, where a literal without the type's name is rounded.
    const digits = ast.type === 'NUMERIC' ? 9 : bignumericScale
    if (exact === undefined || !new RegExp(`\\.\\d{${digits}}0*$`).test(exact))
      throw compiler.invalid(pos, `Invalid ${ast.type} literal: ${JSON.stringify(ast.text)}`)
    return numericLiteral(compiler, value, ast.type, pos)
  }
  if (ast.type === 'JSON') {
    try {
      JSON.parse(ast.text)
    } catch {
      throw compiler.invalid(pos, 'Invalid JSON literal')
    }
    return compiler.build(pos, JSON_TYPE, `${MACROS}.parse_json(${text(ast.text)})`)
  }
  const value = temporalLiteral(compiler, { k: ast.type }, ast.text, pos)
  if (value === undefined) throw compiler.invalid(pos, `Invalid ${ast.type} literal: ${JSON.stringify(ast.text)}`)
  return value
}
