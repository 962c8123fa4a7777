/**
 * Types and values between GoogleSQL's terms (columns, rows as JSON) and DuckDB's. Rows come in as JSON text and DuckDB
 * itself parses them; they go out value by value, because JSON numbers would lose digits.
 */
import {
  BIGINT,
  BLOB,
  BOOLEAN,
  DATE,
  DECIMAL,
  DOUBLE,
  DuckDBArrayValue,
  DuckDBBlobValue,
  DuckDBDateValue,
  DuckDBDecimalValue,
  DuckDBListValue,
  DuckDBStructValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  DuckDBTimeValue,
  DuckDBTypeId,
  LIST,
  STRUCT,
  TIME,
  TIMESTAMP,
  TIMESTAMPTZ,
  VARCHAR,
} from '@duckdb/node-api'
import type { DuckDBType, DuckDBValue } from '@duckdb/node-api'
import { AppError } from '@convergence/contracts'
import type { Column, ColumnType } from '@convergence/contracts'
import type { QueryParameter, Row } from '@convergence/warehouse'
import {
  bignumericFields,
  bignumericText,
  fromText as bignumericFrom,
  unitsOfParts,
} from '@convergence/googlesql/bignumeric'
import { duckdbScalars, parseTypeName } from '@convergence/googlesql/types'
import type { ScalarName, Type } from '@convergence/googlesql/types'
import { decimalOf } from '@convergence/tabular/values'
import type { Fits } from '@convergence/tabular/values'
import { textOf } from './text-of.ts'

/** One name in double quotes, safe in any statement. */
export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`
/** One text literal. */
export const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`

/** The type of a column in DuckDB's words, its scalars as `scalar` calls them. */
export const typeWith = (column: Column, scalar: (type: ScalarName) => string): string => {
  const field = (own: Column): string => `${quoted(own.name)} ${typeWith(own, scalar)}`
  const one = column.type === 'STRUCT' ? `STRUCT(${(column.fields ?? []).map(field).join(', ')})` : scalar(column.type)
  return column.mode === 'REPEATED' ? `${one}[]` : one
}
/** The type of a column in DuckDB's words. */
export const typeOf = (column: Column): string => typeWith(column, (type) => duckdbScalars[type])

// ---- rows in: as JSON text

/** What of a JSON value DuckDB first takes as text, for its own reading of numbers is by way of DOUBLE. */
const textScalar = (type: ScalarName): string => (type === 'JSON' ? 'JSON' : 'VARCHAR')
const textType = (column: Column): string => typeWith(column, textScalar)
const structure = (column: Column): unknown => {
  const one =
    column.type === 'STRUCT'
      ? Object.fromEntries((column.fields ?? []).map((field) => [field.name, structure(field)]))
      : textScalar(column.type)
  return column.mode === 'REPEATED' ? [one] : one
}
/** A list of which each value is converted; `depth` keeps names of lists in lists apart. */
export const eachOf = (value: string, depth: number, convert: (one: string) => string): string =>
  `list_transform(${value}, lambda x${depth}: ${convert(`x${depth}`)})`
/** Whether there are BYTES in it, whose base64 a cast of DuckDB's would not read, or BIGNUMERIC, which it has not. */
const isReadApart = ({ type, fields = [] }: Column): boolean =>
  type === 'BYTES' || type === 'BIGNUMERIC' || fields.some(isReadApart)
const fromText = (value: string, column: Column, depth = 0): string => {
  if (!isReadApart(column)) return typeOf(column) === textType(column) ? value : `CAST(${value} AS ${typeOf(column)})`
  if (column.mode === 'REPEATED')
    return eachOf(value, depth, (one) => fromText(one, { ...column, mode: 'NULLABLE' }, depth + 1))
  if (column.type === 'BYTES') return `from_base64(${value})`
  if (column.type === 'BIGNUMERIC') return bignumericFrom(value, 'refuse', `error('expected BIGNUMERIC')`)
  return packed(value, column, (field, own) => fromText(own, field, depth))
}
/** A record of which each field is converted by itself; NULL stays NULL. */
export const packed = (
  value: string,
  { fields = [] }: Column,
  convert: (field: Column, value: string) => string,
): string => {
  const converted = fields.map((field) => {
    const name = quoted(field.name)
    return `${name} := ${convert(field, `${value}.${name}`)}`
  })
  return `CASE WHEN ${value} IS NOT NULL THEN struct_pack(${converted.join(', ')}) END`
}
/** Selects the columns of rows that are bound as one JSON array, `$1`. */
export const rowsFromJson = (columns: readonly Column[]): string => {
  const values = columns.map((column) => {
    const value = fromText(`r.${quoted(column.name)}`, column)
    return column.mode === 'REPEATED' ? `COALESCE(${value}, [])` : value
  })
  const shape = [Object.fromEntries(columns.map((column) => [column.name, structure(column)]))]
  const rows = `SELECT unnest(from_json($1::JSON, ${literal(JSON.stringify(shape))})) AS r`
  return `SELECT ${values.join(', ')} FROM (${rows})`
}

// ---- what a text says

const decimalText = /^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/
const integerText = /^[+-]?\d{1,19}$/
const base64Text = /^[A-Za-z0-9+/]*={0,2}$/
const civilText =
  /^(\d{4})-(\d\d?)-(\d\d?)(?:[T ](\d\d?):(\d\d?)(?::(\d\d?)(?:\.(\d+))?)?(?: ?(Z|UTC|([+-])(\d\d?)(?::?(\d\d))?))?)?$/i
const [leastInstant, mostInstant] = [-62_135_596_800_000_000n, 253_402_300_799_999_999n]
/** Whether TIMESTAMP and DATETIME hold these microseconds: the years 1 to 9999. */
export const isInstant = (micros: bigint): boolean => micros >= leastInstant && micros <= mostInstant

/**
 * A number's text at a scale, rounded half away from zero. Throws RangeError for what is no number, or has more than 38
 * digits then.
 */
export const scaled = (text: string, scale: number): bigint => {
  const match = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/.exec(text.trim())
  if (match === null) throw new RangeError('not a number')
  const [, sign = '', head = '', tail = '', exponent = '0'] = match
  const shift = scale - tail.length + Number(exponent)
  if (Math.abs(shift) > 80) throw new RangeError('out of range')
  const digits = BigInt(`${head}${tail}` || '0')
  const half = 10n ** BigInt(Math.max(0, -shift)) / 2n
  const value = shift >= 0 ? digits * 10n ** BigInt(shift) : (digits + half) / 10n ** BigInt(-shift)
  if (value >= 10n ** 38n) throw new RangeError('out of range')
  return sign === '-' ? -value : value
}
/**
 * Microseconds of a date with or without a time. Throws RangeError for what is on no calendar and no clock, or outside
 * of the years 1 to 9999.
 */
const micros = (text: string, zone: 'zoned' | 'civil'): bigint => {
  const [
    whole,
    year = '',
    month = '',
    day = '',
    hours = '0',
    minutes = '0',
    seconds = '0',
    fraction = '',
    zoned,
    sign,
    zoneHours = '0',
    zoneMinutes = '0',
  ] = civilText.exec(text) ?? []
  const at = new Date(0)
  at.setUTCFullYear(Number(year), Number(month) - 1, Number(day))
  if (whole === undefined || at.getUTCMonth() !== Number(month) - 1 || at.getUTCDate() !== Number(day))
    throw new RangeError('not a date')
  if (
    Number(hours) > 23 ||
    Number(minutes) > 59 ||
    Number(seconds) > 59 ||
    Number(zoneHours) > 14 ||
    Number(zoneMinutes) > 59 ||
    (zoned !== undefined && zone === 'civil')
  )
    throw new RangeError('not a time')
  const offset = (sign === '-' ? -1 : 1) * (Number(zoneHours) * 60 + Number(zoneMinutes))
  const value =
    BigInt(at.getTime() + ((Number(hours) * 60 + Number(minutes) - offset) * 60 + Number(seconds)) * 1000) * 1000n +
    BigInt(fraction.slice(0, 6).padEnd(6, '0'))
  if (!isInstant(value)) throw new RangeError('out of range')
  return value
}
const dateOf = (text: string): bigint => {
  if (!/^[\d-]+$/.test(text)) throw new RangeError('not a date')
  return micros(text, 'civil')
}
const timeOf = (text: string): bigint => micros(`1970-01-01T${text}`, 'civil')
/** RFC 3339 in UTC, always with six digits, of microseconds that `isInstant` holds. */
export const instantText = (micros: bigint): string => {
  const rest = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n
  return `${new Date(Number((micros - rest) / 1000n)).toISOString().slice(0, 19)}.${String(rest).padStart(6, '0')}Z`
}
const decimalAt = (value: bigint, scale: number): string => {
  const digits = String(value < 0n ? -value : value).padStart(scale + 1, '0')
  return `${value < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}
const texts: Readonly<Partial<Record<ColumnType, (text: string) => string>>> = {
  BYTES: (text) => {
    if (text.length % 4 !== 0 || !base64Text.test(text)) throw new RangeError('not base64')
    return text
  },
  FLOAT64: (text) => {
    if (!decimalText.test(text) || !Number.isFinite(Number(text))) throw new RangeError('not a number')
    return text
  },
  NUMERIC: (text) => {
    if (!decimalText.test(text)) throw new RangeError('not a number')
    return decimalAt(scaled(text, 9), 9)
  },
  BIGNUMERIC: (text) => {
    if (!decimalText.test(text)) throw new RangeError('not a number')
    const decimal = decimalOf(text, 'BIGNUMERIC')
    if (decimal === undefined) throw new RangeError('out of range')
    return decimal
  },
  DATE: (text) => instantText(dateOf(text)).slice(0, 10),
  TIME: (text) => instantText(timeOf(text)).slice(11, -1),
  DATETIME: (text) => instantText(micros(text, 'civil')).slice(0, -1),
  TIMESTAMP: (text) => instantText(micros(text, 'zoned')),
}
/** The text of a value as DuckDB reads it without fault, or undefined when there is no such value of that type. */
export const plainText = (type: ColumnType, text: string): string | undefined => {
  try {
    return texts[type]?.(text) ?? text
  } catch {
    return undefined
  }
}

const [leastInt64, mostInt64] = [-(2n ** 63n), 2n ** 63n - 1n]
/**
 * A whole number that INT64 holds: what the journal took for one and the warehouse refuses would block everything after
 * it.
 */
export const isWhole = (value: unknown): boolean => {
  if (!(
    typeof value === 'bigint' ||
    // A number beyond 2^53 has lost digits before it came here.
    Number.isSafeInteger(value) ||
    (typeof value === 'string' && integerText.test(value))
  ))
    return false
  const whole = BigInt(value as bigint | number | string)
  return whole >= leastInt64 && whole <= mostInt64
}
const isDecimal =
  (type: ColumnType) =>
  (value: unknown): boolean =>
    (typeof value === 'number' || typeof value === 'string') && plainText(type, String(value)) !== undefined
/** FLOAT64's values that are no numbers, in one spelling: NaN, Infinity, -Infinity; undefined for other text. */
export const noNumber = (text: string): string | undefined => {
  if (/^nan$/i.test(text)) return 'NaN'
  const [, sign] = /^([+-]?)inf(?:inity)?$/i.exec(text) ?? []
  if (sign === undefined) return undefined
  return sign === '-' ? '-Infinity' : 'Infinity'
}
const isText =
  (type: ColumnType) =>
  (value: unknown): boolean =>
    typeof value === 'string' && plainText(type, value) !== undefined
/** The journal passes texts on as they are, and DuckDB takes fewer forms than BigQuery. */
const dateText = /^\d{4}-\d\d-\d\d$/
const timeText = /^\d\d:\d\d(:\d\d(\.\d+)?)?$/
const civilForm = /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?)?$/
const zonedForm = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| ?UTC|[+-]\d\d(:?\d\d)?)$/
const isTimestampText = (text: string): boolean => civilForm.test(text) || zonedForm.test(text)
/** What our own services write, recognised at one look: a row of theirs has several of it. */
const usualInstant = /^[1-9]\d{3}-(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z$/
/** What the engine takes of a row: what is in the journal must not fail later. */
export const fits: Fits = {
  STRING: (value) => typeof value === 'string',
  BYTES: isText('BYTES'),
  INT64: isWhole,
  FLOAT64: (value) => isDecimal('FLOAT64')(value) || (typeof value === 'string' && noNumber(value) !== undefined),
  NUMERIC: isDecimal('NUMERIC'),
  BIGNUMERIC: isDecimal('BIGNUMERIC'),
  BOOL: (value) => typeof value === 'boolean',
  DATE: (value) => isText('DATE')(value) && dateText.test(value as string),
  TIME: (value) => isText('TIME')(value) && timeText.test(value as string),
  TIMESTAMP: (value) =>
    (typeof value === 'string' && usualInstant.test(value)) ||
    (isText('TIMESTAMP')(value) && isTimestampText(value as string)),
  DATETIME: (value) => isText('DATETIME')(value) && isTimestampText(value as string),
  JSON: () => true,
  STRUCT: (value) => typeof value === 'object' && value !== null,
}

// ---- rows out

type Convert = (value: DuckDBValue) => unknown
/**
 * A value of the client library as one of its classes. DuckDBValue is a union of all of them: which one a column's
 * values are follows from the column's type, which TypeScript does not see.
 */
const instanceOf = <T>(value: DuckDBValue, kind: abstract new (...values: never[]) => T): T => {
  if (value instanceof kind) return value
  throw new TypeError(`expected a ${kind.name} of DuckDB, got ${typeof value}`)
}
/** A list's values; those of an ARRAY, a list of one length, have a class of their own. */
const itemsOf = (value: DuckDBValue): readonly DuckDBValue[] =>
  value instanceof DuckDBArrayValue ? value.items : instanceOf(value, DuckDBListValue).items
const decimal = (value: DuckDBValue): string => {
  const text = String(value)
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text
}
/** RFC 3339 in UTC with milliseconds, as Date has it; with microseconds where there are some. */
const instant = (micros: bigint): string => {
  const rest = micros % 1000n
  const text = new Date(Number((micros - rest) / 1000n)).toISOString()
  if (rest === 0n) return text
  if (rest > 0n) return `${text.slice(0, -1)}${String(rest).padStart(3, '0')}Z`
  const before = new Date(Number((micros - rest) / 1000n) - 1).toISOString().slice(0, -1)
  return `${before}${String(1000n + rest).padStart(3, '0')}Z`
}
const civil = (micros: bigint): string => instant(micros).slice(0, -1).replace(/\.0+$/, '')
const whole = (value: bigint): number | string =>
  value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : String(value)
/** Whether it is how a BIGNUMERIC is kept: a record of a table has no HUGEINT. */
const isBignumeric = (type: DuckDBType): boolean =>
  type.typeId === DuckDBTypeId.STRUCT &&
  type.entryNames.join() === bignumericFields.join() &&
  type.entryTypes[0]?.typeId === DuckDBTypeId.HUGEINT
const bignumeric: Convert = (value) => {
  const { entries } = instanceOf(value, DuckDBStructValue)
  const units = instanceOf(entries['units'] ?? null, DuckDBDecimalValue).value
  return bignumericText(unitsOfParts(entries['billions'] as bigint, units, entries['rest'] as bigint))
}
const orNull =
  (convert: Convert): Convert =>
  (value) =>
    value === null ? null : convert(value)

/** How a value of this DuckDB type becomes JSON. */
const converter = (type: DuckDBType): Convert => {
  switch (type.typeId) {
    case DuckDBTypeId.BIGINT:
    case DuckDBTypeId.HUGEINT:
    case DuckDBTypeId.UBIGINT:
    case DuckDBTypeId.UHUGEINT:
      return orNull((value) => whole(value as bigint))
    case DuckDBTypeId.DOUBLE:
    case DuckDBTypeId.FLOAT:
      return (value) => (typeof value === 'number' && !Number.isFinite(value) ? String(value) : value)
    case DuckDBTypeId.DECIMAL:
      return orNull(decimal)
    case DuckDBTypeId.DATE:
      return orNull((value) => String(value))
    case DuckDBTypeId.TIME:
      return orNull((value) => String(value))
    case DuckDBTypeId.TIMESTAMP_TZ:
      return orNull((value) => instant(instanceOf(value, DuckDBTimestampTZValue).micros))
    case DuckDBTypeId.TIMESTAMP:
      return orNull((value) => civil(instanceOf(value, DuckDBTimestampValue).micros))
    case DuckDBTypeId.BLOB:
      return orNull((value) => Buffer.from(instanceOf(value, DuckDBBlobValue).bytes).toString('base64'))
    case DuckDBTypeId.VARCHAR:
      return type.alias === 'JSON' ? orNull((value) => JSON.parse(value as string) as unknown) : (value) => value
    case DuckDBTypeId.LIST:
    case DuckDBTypeId.ARRAY: {
      const one = converter(type.valueType)
      // A NULL array reads as an empty one.
      return (value) => (value === null ? [] : itemsOf(value).map(one))
    }
    case DuckDBTypeId.STRUCT: {
      if (isBignumeric(type)) return orNull(bignumeric)
      const { entryNames, entryTypes } = type
      const fields = entryNames.map((name, k) => [name, converter(entryTypes[k] ?? VARCHAR)] as const)
      return orNull((value) =>
        Object.fromEntries(
          fields.map(([name, convert]) => [name, convert(instanceOf(value, DuckDBStructValue).entries[name] ?? null)]),
        ),
      )
    }
    case DuckDBTypeId.SQLNULL:
      return () => null
    default:
      return (value) =>
        value === null || typeof value === 'boolean' || typeof value === 'number' ? value : String(value)
  }
}
/** Makes rows of columns' values; `types` are the columns' DuckDB types. */
export const rowReader = (
  names: readonly string[],
  types: readonly DuckDBType[],
): ((values: readonly (readonly DuckDBValue[])[]) => Row[]) => {
  const converters = types.map(converter)
  return (chunk) => {
    const rows: Row[] = Array.from({ length: chunk[0]?.length ?? 0 }, () => ({}))
    names.forEach((name, k) => {
      const convert = converters[k] ?? ((value) => value)
      chunk[k]?.forEach((value, at) => {
        const row = rows[at]
        if (row !== undefined) row[name] = convert(value)
      })
    })
    return rows
  }
}

/** A cell as BigQuery's REST API has it; the value of a record is {f}, that of an array a list of {v}. */
export interface Cell {
  v: unknown
}
export interface WireRow {
  f: Cell[]
}
const wireInstant = (value: DuckDBValue): string => String(instanceOf(value, DuckDBTimestampTZValue).micros)
/**
 * How a value of this DuckDB type goes out by the REST API: everything scalar is text, a TIMESTAMP its microseconds.
 */
const wireConverter = (type: DuckDBType): Convert => {
  switch (type.typeId) {
    case DuckDBTypeId.DOUBLE:
    case DuckDBTypeId.FLOAT:
      // NaN and the infinities are spelled as JavaScript spells them.
      return orNull((value) =>
        Number.isInteger(value) && Math.abs(Number(value)) < 1e15 ? `${String(value)}.0` : String(value),
      )
    case DuckDBTypeId.TIME:
      // Clients take seconds without a fraction, or with six digits.
      return orNull((value) => String(value).replace(/\.\d+$/, (fraction) => fraction.padEnd(7, '0')))
    case DuckDBTypeId.TIMESTAMP_TZ:
      return orNull(wireInstant)
    case DuckDBTypeId.TIMESTAMP:
      return orNull((value) => civil(instanceOf(value, DuckDBTimestampValue).micros))
    case DuckDBTypeId.VARCHAR:
      return (value) => value
    case DuckDBTypeId.DECIMAL:
    case DuckDBTypeId.BLOB:
      return converter(type)
    case DuckDBTypeId.LIST:
    case DuckDBTypeId.ARRAY: {
      const one = wireConverter(type.valueType)
      return (value) => (value === null ? [] : itemsOf(value).map((item) => ({ v: one(item) })))
    }
    case DuckDBTypeId.STRUCT: {
      if (isBignumeric(type)) return orNull(bignumeric)
      const { entryNames, entryTypes } = type
      const fields = entryNames.map((name, k) => [name, wireConverter(entryTypes[k] ?? VARCHAR)] as const)
      return orNull((value) => ({
        f: fields.map(([name, convert]) => ({
          v: convert(instanceOf(value, DuckDBStructValue).entries[name] ?? null),
        })),
      }))
    }
    default:
      return orNull(String)
  }
}
/** Rows for the REST API of columns' values. */
export const wireReader = (
  types: readonly DuckDBType[],
): ((values: readonly (readonly DuckDBValue[])[]) => WireRow[]) => {
  const converters = types.map(wireConverter)
  return (chunk) =>
    Array.from({ length: chunk[0]?.length ?? 0 }, (_, at) => ({
      f: converters.map((convert, k) => ({ v: convert(chunk[k]?.[at] ?? null) })),
    }))
}

// ---- parameters

interface Binding {
  type: DuckDBType
  read(value: unknown): DuckDBValue
}
const parameterTypes: Readonly<Record<string, Binding>> = {
  STRING: { type: VARCHAR, read: textOf },
  BYTES: {
    type: BLOB,
    read: (value) => new DuckDBBlobValue(value instanceof Uint8Array ? value : Buffer.from(textOf(value), 'base64')),
  },
  INT64: {
    type: BIGINT,
    read: (value) => {
      if (!isWhole(value)) throw new RangeError('not a whole number')
      return BigInt(value as string | number | bigint)
    },
  },
  FLOAT64: {
    type: DOUBLE,
    read: (value) => {
      const number = Number(value)
      if (typeof value === 'string' && value.trim() === '') throw new RangeError('not a number')
      if (Number.isNaN(number) && value !== 'NaN') throw new RangeError('not a number')
      return number
    },
  },
  NUMERIC: { type: DECIMAL(38, 9), read: (value) => new DuckDBDecimalValue(scaled(textOf(value), 9), 38, 9) },
  BIGNUMERIC: {
    // The statement reads the text: DuckDB has no such type.
    type: VARCHAR,
    read: (value) => {
      const text = decimalOf(textOf(value), 'BIGNUMERIC')
      if (text === undefined) throw new RangeError('not a number')
      return text
    },
  },
  BOOL: {
    type: BOOLEAN,
    read: (value) => {
      if (typeof value !== 'boolean' && value !== 'true' && value !== 'false') throw new RangeError('not a boolean')
      return value === true || value === 'true'
    },
  },
  DATE: { type: DATE, read: (value) => new DuckDBDateValue(Number(dateOf(textOf(value)) / 86_400_000_000n)) },
  TIME: { type: TIME, read: (value) => new DuckDBTimeValue(timeOf(textOf(value))) },
  TIMESTAMP: {
    type: TIMESTAMPTZ,
    read: (value) =>
      new DuckDBTimestampTZValue(micros(value instanceof Date ? value.toISOString() : textOf(value), 'zoned')),
  },
  DATETIME: { type: TIMESTAMP, read: (value) => new DuckDBTimestampValue(micros(textOf(value), 'civil')) },
  JSON: { type: VARCHAR, read: (value) => (typeof value === 'string' ? value : JSON.stringify(value)) },
}

/** Undefined for a type that the warehouse has not. */
const bindingOf = (type: Type): Binding | undefined => {
  if (type.k === 'ARRAY') {
    const of = bindingOf(type.of)
    return of === undefined
      ? undefined
      : {
          type: LIST(of.type),
          read: (value) => {
            if (!Array.isArray(value)) throw new RangeError('not an array')
            return new DuckDBListValue(value.map((one) => (one === null || one === undefined ? null : of.read(one))))
          },
        }
  }
  if (type.k !== 'STRUCT') return Object.hasOwn(parameterTypes, type.k) ? parameterTypes[type.k] : undefined
  const fields = type.fields.map(({ name, type: of }) => [name, bindingOf(of)] as const)
  const known = fields.flatMap(([name, binding]) =>
    name === undefined || binding === undefined ? [] : [[name, binding] as const],
  )
  return known.length < fields.length
    ? undefined
    : {
        type: STRUCT(Object.fromEntries(known.map(([name, binding]) => [name, binding.type]))),
        read: (value) => {
          if (typeof value !== 'object' || value === null) throw new RangeError('not an object')
          return new DuckDBStructValue(
            Object.fromEntries(
              known.map(([name, binding]) => {
                const one = (value as Row)[name]
                return [name, one === null || one === undefined ? null : binding.read(one)]
              }),
            ),
          )
        },
      }
}
export interface Bound {
  values: Record<string, DuckDBValue>
  types: Record<string, DuckDBType>
}
/** Parameters as DuckDB takes them. Throws QUERY_INVALID with name, type and what came. */
export const bind = (parameters: readonly QueryParameter[]): Bound => {
  const bound: Bound = { values: {}, types: {} }
  for (const { name, type, value } of parameters) {
    const parsed = parseTypeName(type)
    const known = parsed === undefined ? undefined : bindingOf(parsed)
    if (parsed === undefined || known === undefined)
      throw new AppError(
        'QUERY_UNSUPPORTED',
        `parameter @${name}: type ${type} is not supported by the local warehouse; ` +
          'scalars, and arrays of them and of records, are',
      )
    try {
      bound.values[name] = (value === null || value === undefined) && parsed.k !== 'ARRAY' ? null : known.read(value)
    } catch {
      const wrong: unknown =
        Array.isArray(value) && parsed.k === 'ARRAY' ? value.find((one: unknown) => !isRead(parsed.of, one)) : value
      const text = typeof wrong === 'string' && wrong.length <= 40 ? ` '${wrong}'` : ''
      throw new AppError('QUERY_INVALID', `parameter @${name}: expected ${type}, got ${typeof wrong}${text}`)
    }
    bound.types[name] = known.type
  }
  return bound
}
const isRead = (type: Type, value: unknown): boolean => {
  try {
    if (value !== null && value !== undefined) bindingOf(type)?.read(value)
    return true
  } catch {
    return false
  }
}
