/**
 * The one table of what a value may be: which text of a file, and which value of JSON, a column of each type takes. What
 * is taken comes out as text of JSON in one spelling, whatever the file's was; what is not is undefined, and
 * `mismatch` says it.
 */
import { AppError } from '@convergence/contracts'
import type { Column, ColumnType } from '@convergence/contracts'
import { strptime } from './strptime.ts'

/** A column that is read from text. */
export interface TextColumn {
  name: string
  type: ColumnType
  /** strptime format of DATE, DATETIME and TIMESTAMP where it is not ISO 8601. */
  format?: string
  /** JSON: the inside of an object without its braces. */
  wrap_braces?: boolean
  /** JSON: text that is none is kept as a string of JSON. */
  or_text?: boolean
  /** Days, `to` exclusive, in UTC: what is outside of them is no value of the column. */
  within?: { from: string; to: string }
  /** What is at this key of the JSON object that the text holds; NULL where it holds none. */
  key?: string | undefined
}
/** Text of a field to text of JSON; undefined when it is no value of the type. */
export type Convert = (text: string) => string | undefined

const dateText = /^\d{4}-\d\d-\d\d$/
const decimalText = /^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/
const integerText = /^[+-]?\d{1,19}$/
/** A day, or an instant: T or a space, seconds and their fractions and an offset may be left out. */
const timestampText =
  /^\d{4}-\d\d-\d\d([T ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d+)?)?( ?(Z|UTC|[+-]\d\d(:?\d\d)?))?)?$/i
const timeText = /^([01]?\d|2[0-3]):[0-5]?\d(:[0-5]?\d(\.\d{1,6})?)?$/
const base64Text = /^[A-Za-z0-9+/]*={0,2}$/
const canonicalDecimal = /^-?(0|[1-9]\d{0,27})(\.\d{0,8}[1-9])?$/
const trues = new Set(['true', 't', 'yes', 'y', '1'])
const falses = new Set(['false', 'f', 'no', 'n', '0'])

/** A day of the years 1 to 9999. */
export const isDate = (text: string): boolean =>
  dateText.test(text) &&
  !text.startsWith('0000') &&
  !Number.isNaN(Date.parse(text)) &&
  new Date(text).toISOString().startsWith(text)
export const isInt64 = (text: string): boolean =>
  integerText.test(text) && BigInt(text) >= -(2n ** 63n) && BigInt(text) < 2n ** 63n
export const isBase64 = (text: string): boolean => base64Text.test(text)
const isNumber = (value: unknown): boolean =>
  (typeof value === 'number' && Number.isFinite(value)) ||
  typeof value === 'bigint' ||
  (typeof value === 'string' && decimalText.test(value))
const isInstant = (text: string): boolean => timestampText.test(text) && isDate(text.slice(0, 10))

/** Without spaces and tabs around it; any other space is no space of a number or a day. */
const bareOf = (text: string): string => text.replace(/^[ \t]+|[ \t]+$/g, '')

/** Digits before and after the point. */
const digitsOf = { NUMERIC: [29, 9], BIGNUMERIC: [39, 38] } as const
const [leastBignumeric, mostBignumeric] = [-(2n ** 255n), 2n ** 255n - 1n]
/**
 * A decimal in its shortest spelling, undefined when it is none or too large: NUMERIC rounds what is beyond nine digits
 * half away from zero, as BigQuery's loads do; BIGNUMERIC refuses what it cannot hold. No number becomes a float.
 */
export const decimalOf = (text: string, type: 'NUMERIC' | 'BIGNUMERIC'): string | undefined => {
  // Most numbers are already as they will be.
  if (canonicalDecimal.test(text) && text !== '-0') return text
  const bare = bareOf(text)
  if (!decimalText.test(bare)) return undefined
  const [, sign = '', head = '', tail = '', exponent = '0'] =
    /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/.exec(bare) ?? []
  const [before, scale] = digitsOf[type]
  const shift = Number(exponent)
  const digits = `${head}${tail}`
  // Beyond this, only a zero fits, or nothing is left of it.
  if (Math.abs(shift) > 200) return /[1-9]/.test(digits) ? undefined : '0'
  const point = head.length + shift
  const whole = point <= 0 ? '0' : digits.slice(0, point).padEnd(point, '0')
  let fraction = point <= 0 ? `${'0'.repeat(-point)}${digits}` : digits.slice(point)
  let integer = BigInt(whole)
  if (fraction.length > scale && type === 'BIGNUMERIC') {
    if (/[1-9]/.test(fraction.slice(scale))) return undefined
    fraction = fraction.slice(0, scale)
  }
  if (fraction.length > scale) {
    const up = fraction.charCodeAt(scale) >= 53
    const kept = String(BigInt(`1${fraction.slice(0, scale)}`) + (up ? 1n : 0n))
    if (kept.startsWith('2')) integer += 1n
    fraction = kept.slice(1)
  }
  fraction = fraction.replace(/0+$/, '')
  const integerText = String(integer)
  if (integerText.length > before) return undefined
  if (type === 'BIGNUMERIC' && integerText.length === before) {
    const units = BigInt(`${sign}${integerText}${fraction.padEnd(scale, '0')}`.replace('+', ''))
    if (units < leastBignumeric || units > mostBignumeric) return undefined
  }
  const value = `${integerText}${fraction === '' ? '' : `.${fraction}`}`
  return `${sign === '-' && value !== '0' ? '-' : ''}${value}`
}

/** Days and instants repeat row after row. */
const remembered = (convert: Convert): Convert => {
  let [last, is]: [string | undefined, string | undefined] = [undefined, undefined]
  return (text) => {
    if (text !== last) [last, is] = [text, convert(text)]
    return is
  }
}
const quoted = (text: string | undefined): string | undefined => (text === undefined ? undefined : JSON.stringify(text))
const dayOf = (text: string, format: string | undefined): string | undefined => {
  const instant = format === undefined ? bareOf(text) : strptime(text, format)
  if (instant === undefined || (format === undefined && !timestampText.test(instant))) return undefined
  return isDate(instant.slice(0, 10)) ? instant.slice(0, 10) : undefined
}
const instantOf = (text: string, format: string | undefined): string | undefined => {
  if (format !== undefined) return strptime(text, format)
  const bare = bareOf(text)
  return isInstant(bare) ? withSeconds(bare) : undefined
}
/** BigQuery wants the seconds of a time. */
const withSeconds = (text: string): string =>
  text.toUpperCase().replace(/^(\d{4}-\d\d-\d\d[T ]\d\d:\d\d)(?!:)/, '$1:00')
const jsonOf = (text: string, { wrap_braces = false, or_text = false }: TextColumn): string | undefined => {
  try {
    return JSON.stringify(JSON.parse(wrap_braces && !text.trimStart().startsWith('{') ? `{${text}}` : text))
  } catch {
    return or_text ? JSON.stringify(text) : undefined
  }
}
/** The members of the JSON object in a text; undefined when there is none in it. */
export const membersOf = (text: string): Readonly<Record<string, unknown>> | undefined => {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Readonly<Record<string, unknown>>)
      : undefined
  } catch {
    return undefined
  }
}
/** The text at a key of the JSON object in a text; empty when there is none. */
const memberText = (text: string, key: string): string => {
  const value = membersOf(text)?.[key] ?? ''
  return typeof value === 'string' ? value : JSON.stringify(value)
}
/** The day in UTC of a date or an instant. */
const utcDay = (text: string): string =>
  /[T ].*[+-]\d\d(:?\d\d)?$/.test(text) ? new Date(text).toISOString().slice(0, 10) : text.slice(0, 10)
/** The day in UTC of a field that is a day or an instant in ISO 8601; undefined for any other text. */
export const utcDayOf = (text: string): string | undefined => {
  const instant = instantOf(text, undefined)
  return instant === undefined ? undefined : utcDay(instant)
}
/** An instant of ISO 8601 in one spelling, in UTC; undefined for any other text. A day is its beginning. */
export const utcInstantOf = (text: string): string | undefined => {
  const instant = instantOf(text, undefined)
  if (instant === undefined) return undefined
  const [, day = '', time = '00:00:00', fraction = '', sign, hours = '00', minutes = '00'] =
    /^(.{10})(?:[T ](.{8})(\.\d+)?)? ?(?:Z|UTC|([+-])(\d\d):?(\d\d)?)?$/.exec(instant) ?? []
  const utc = new Date(`${day}T${time}${sign === undefined ? 'Z' : `${sign}${hours}:${minutes}`}`)
  return Number.isNaN(utc.valueOf()) ? undefined : `${utc.toISOString().slice(0, -5)}${fraction.replace(/\.?0*$/, '')}Z`
}
/** How the text of a field becomes a value of the column; an empty field is NULL and does not come here. */
export const converterOf = (column: TextColumn): Convert => {
  const { key, within } = column
  const convert = plainConverterOf(column)
  if (key !== undefined)
    return (text) => {
      const member = memberText(text, key)
      return member === '' ? 'null' : convert(member)
    }
  if (within === undefined) return convert
  return remembered((text) => {
    const value = convert(text)
    const day = value === undefined ? '' : utcDay(JSON.parse(value) as string)
    return day >= within.from && day < within.to ? value : undefined
  })
}
const plainConverterOf = (column: TextColumn): Convert => {
  const { type, format } = column
  switch (type) {
    case 'STRING':
      return (text) => JSON.stringify(text)
    case 'INT64':
      return (text) => {
        const bare = bareOf(text).replace(/^\+/, '')
        return isInt64(bare) ? BigInt(bare).toString() : undefined
      }
    case 'NUMERIC':
    case 'BIGNUMERIC':
      return (text) => quoted(decimalOf(text, type))
    case 'FLOAT64':
      return (text) =>
        decimalText.test(bareOf(text)) && Number.isFinite(Number(text)) ? String(Number(text)) : undefined
    case 'BOOL':
      return (text) => {
        const bare = text.toLowerCase()
        if (trues.has(bare)) return 'true'
        return falses.has(bare) ? 'false' : undefined
      }
    case 'DATE':
      return remembered((text) => quoted(dayOf(text, format)))
    case 'TIMESTAMP':
      return remembered((text) => quoted(instantOf(text, format)))
    case 'DATETIME':
      return remembered((text) => quoted(instantOf(text, format)?.replace(/Z$/, '')))
    case 'TIME':
      return (text) => (timeText.test(bareOf(text)) ? JSON.stringify(bareOf(text)) : undefined)
    case 'BYTES':
      return (text) => (text.length % 4 === 0 && base64Text.test(text) ? JSON.stringify(text) : undefined)
    case 'JSON':
      return (text) => jsonOf(text, column)
    case 'STRUCT':
      throw new AppError('CONFIG_INVALID', `column ${column.name}: a STRUCT cannot be read from one column of a file`)
  }
}

/** A value of others in an error of ours: short, and whole characters. */
export const shown = (text: string): string => `'${text.length > 60 ? `${text.slice(0, 60).toWellFormed()}...` : text}'`
/** What an error says of a text that the column does not take. */
export const mismatch = ({ type, format, within }: Omit<TextColumn, 'name'>, text: string): string => {
  const days = within === undefined ? '' : ` from ${within.from} and before ${within.to}`
  return `expected ${type}${format === undefined ? '' : ` as ${format}`}${days}, got ${text === '' ? 'an empty field' : shown(text)}`
}

// ---- values of JSON

/** Whether one element of a column of this type may have this value of JSON. */
export const fits: Readonly<Record<ColumnType, (value: unknown) => boolean>> = {
  STRING: (value) => typeof value === 'string',
  BYTES: (value) => typeof value === 'string' && base64Text.test(value),
  INT64: (value) =>
    Number.isSafeInteger(value) || typeof value === 'bigint' || (typeof value === 'string' && isInt64(value)),
  FLOAT64: isNumber,
  NUMERIC: isNumber,
  BIGNUMERIC: isNumber,
  BOOL: (value) => typeof value === 'boolean',
  DATE: (value) => typeof value === 'string' && isDate(value),
  TIME: (value) => typeof value === 'string' && timeText.test(value),
  TIMESTAMP: (value) => typeof value === 'string' && isInstant(value),
  DATETIME: (value) => typeof value === 'string' && isInstant(value),
  JSON: () => true,
  STRUCT: (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
}
/** What a side of the door takes, where it takes less. */
export type Fits = typeof fits
export interface Misfit {
  path: string
  expected: string
  got: unknown
  /** NULL among the elements of an array, which a query may have and neither a table nor an answer. */
  element?: true
}
/** The first value of a JSON object that these columns do not take. Fields that they do not know are passed over. */
export const misfitOf = (columns: readonly Column[], row: unknown, takes = fits, path = ''): Misfit | undefined => {
  if (typeof row !== 'object' || row === null || Array.isArray(row)) return { path, expected: 'an object', got: row }
  for (const column of columns) {
    const misfit = misfitIn(column, (row as Readonly<Record<string, unknown>>)[column.name], takes, path)
    if (misfit !== undefined) return misfit
  }
  return undefined
}
const misfitIn = (column: Column, value: unknown, takes: Fits, outer: string): Misfit | undefined => {
  const { name, type, mode } = column
  const path = outer === '' ? name : `${outer}.${name}`
  if (value === undefined || value === null)
    return mode === 'REQUIRED' ? { path, expected: type, got: null } : undefined
  const one = (element: unknown): Misfit | undefined => {
    if (type === 'STRUCT') return misfitOf(column.fields ?? [], element, takes, path)
    return takes[type](element) ? undefined : { path, expected: type, got: element }
  }
  if (mode !== 'REPEATED') return one(value)
  const expected = `an array of ${type}`
  if (!Array.isArray(value)) return { path, expected, got: value }
  for (const element of value as unknown[]) {
    if (element === undefined || element === null) return { path, expected, got: null, element: true }
    const misfit = one(element)
    if (misfit !== undefined) return misfit
  }
  return undefined
}
/** What an error says of it; `say` words a value that came. */
export const wordMisfit = ({ expected, got, element }: Misfit, say: (got: unknown) => string): string =>
  `expected ${expected}, got ${element === true ? 'NULL in it' : say(got)}`
/** A value of a file of JSON in an error of ours. */
export const shownJson = (value: unknown): string =>
  typeof value === 'string' ? shown(value) : JSON.stringify(value).slice(0, 60)

const kindOf = (value: unknown): string => {
  if (value === null) return 'nothing'
  return Array.isArray(value) ? 'an array' : typeof value
}
/** Throws QUERY_INVALID unless the table takes each of the rows: column and type are named, a value never. */
export const assertRows = (
  table: string,
  columns: readonly Column[],
  rows: readonly Readonly<Record<string, unknown>>[],
  takes = fits,
): void => {
  for (const row of rows) {
    const wrong = misfitOf(columns, row, takes)
    if (wrong !== undefined)
      throw new AppError(
        'QUERY_INVALID',
        wrong.got === null && wrong.element === undefined
          ? `${table}: a row has no ${wrong.path}, which is required`
          : `${table}.${wrong.path}: ${wordMisfit(wrong, kindOf)}`,
      )
    const unknown = Object.keys(row).find((key) => row[key] !== undefined && !columns.some(({ name }) => name === key))
    if (unknown !== undefined) throw new AppError('QUERY_INVALID', `${table}: has no column ${unknown}`)
  }
}
