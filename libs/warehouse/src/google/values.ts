/**
 * Types and values between the door's terms and BigQuery's REST API: schemas, query parameters, rows in, rows out.
 * Facts of the API: bigquery/docs/reference/rest/v2 (TableFieldSchema, QueryParameter, the f/v form of rows).
 */
import { AppError, columnTypes } from '@convergence/contracts'
import type { Column, ColumnType } from '@convergence/contracts'
import { fits, isBase64 } from '@convergence/tabular/values'
import type { QueryParameter, Row } from '../warehouse.ts'

/** A column as REST has it. BigQuery answers some types by their older names: INTEGER, FLOAT, BOOLEAN, RECORD. */
export interface Field {
  name: string
  type: string
  mode?: string
  description?: string
  fields?: Field[]
}

const olderNames: Readonly<Record<string, ColumnType>> = {
  INTEGER: 'INT64',
  FLOAT: 'FLOAT64',
  BOOLEAN: 'BOOL',
  RECORD: 'STRUCT',
  DECIMAL: 'NUMERIC',
  BIGDECIMAL: 'BIGNUMERIC',
}
const newerNames: Readonly<Partial<Record<ColumnType, string>>> = {
  INT64: 'INTEGER',
  FLOAT64: 'FLOAT',
  BOOL: 'BOOLEAN',
  STRUCT: 'RECORD',
}

export const columnOf = ({ name, type, mode, description, fields }: Field): Column => ({
  name,
  type: olderNames[type.toUpperCase()] ?? (type.toUpperCase() as ColumnType),
  ...(mode === 'REQUIRED' || mode === 'REPEATED' ? { mode } : {}),
  ...(description === undefined ? {} : { description }),
  ...(fields === undefined ? {} : { fields: fields.map(columnOf) }),
})
export const fieldOf = ({ name, type, mode, description, fields }: Column): Field => ({
  name,
  type: newerNames[type] ?? type,
  mode: mode ?? 'NULLABLE',
  ...(description === undefined ? {} : { description }),
  ...(fields === undefined ? {} : { fields: fields.map(fieldOf) }),
})
/** A column that is added later has no values in the rows that are there. */
export const withoutRequired = (column: Column): Column =>
  column.mode === 'REQUIRED' ? { ...column, mode: 'NULLABLE' } : column
export const sameName = (one: { name: string }, other: { name: string }): boolean =>
  one.name.toLowerCase() === other.name.toLowerCase()
/** The type of a column in GoogleSQL. */
export const typeText = (column: Column): string => {
  const one =
    column.type === 'STRUCT'
      ? `STRUCT<${(column.fields ?? []).map((field) => `${quoted(field.name)} ${typeText(field)}`).join(', ')}>`
      : column.type
  return column.mode === 'REPEATED' ? `ARRAY<${one}>` : one
}
/** One name in backticks, safe in any statement. Throws QUERY_INVALID for what no name of BigQuery has. */
export const quoted = (name: string): string => {
  if (!/^[^`\\\n\r]+$/.test(name)) throw new AppError('QUERY_INVALID', `${JSON.stringify(name)} is no name of BigQuery`)
  return `\`${name}\``
}

// ---- parameters

export interface RestParameter {
  name: string
  parameterType: { type: string; arrayType?: { type: string } }
  parameterValue: { value?: string | null; arrayValues?: { value: string | null }[] }
}
const parameterTypes = new Set<string>(columnTypes.filter((type) => type !== 'STRUCT'))
const parameterText = (type: string, value: unknown): string | undefined => {
  if (type === 'JSON') return typeof value === 'string' ? value : JSON.stringify(value)
  if (type === 'BYTES') {
    if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
    return typeof value === 'string' && isBase64(value) ? value : undefined
  }
  if (type === 'TIMESTAMP' && value instanceof Date) return value.toISOString()
  if (typeof value === 'object') return undefined
  const scalar = value as string | number | bigint | boolean
  const text = String(scalar)
  if (type === 'STRING') return text
  if (type === 'BOOL') return text === 'true' || text === 'false' ? text : undefined
  if (type === 'FLOAT64' && text === 'NaN') return text
  return fits[type as ColumnType](value) ? text : undefined
}
/**
 * Parameters by name, each with its type, so that NULL has one too. Throws QUERY_INVALID with name, type and what came.
 */
export const parametersOf = (parameters: readonly QueryParameter[]): RestParameter[] =>
  parameters.map(({ name, type, value }) => {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
      throw new AppError(
        'QUERY_INVALID',
        `query parameter ${JSON.stringify(name)}: expected a name of letters, digits and _`,
      )
    const [, of] = /^ARRAY<(.+)>$/i.exec(type.trim()) ?? []
    const element = (of ?? type).trim().toUpperCase()
    const kind = olderNames[element] ?? element
    if (!parameterTypes.has(kind))
      throw new AppError(
        'QUERY_UNSUPPORTED',
        `parameter @${name}: type ${type} is not supported; scalars and arrays of them are`,
      )
    const read = (one: unknown): string | null => {
      if (one === null || one === undefined) return null
      const text = parameterText(kind, one)
      if (text === undefined) {
        const shown = typeof one === 'string' && one.length <= 40 ? ` '${one}'` : ''
        throw new AppError('QUERY_INVALID', `parameter @${name}: expected ${type}, got ${typeof one}${shown}`)
      }
      return text
    }
    if (of === undefined) {
      const text = read(value)
      return { name, parameterType: { type: kind }, parameterValue: text === null ? { value: null } : { value: text } }
    }
    if (!Array.isArray(value))
      throw new AppError('QUERY_INVALID', `parameter @${name}: expected ${type}, got ${typeof value}`)
    return {
      name,
      parameterType: { type: 'ARRAY', arrayType: { type: kind } },
      parameterValue: { arrayValues: value.map((one) => ({ value: read(one) })) },
    }
  })

// ---- rows out

/**
 * RFC 3339 in UTC with milliseconds, as Date has it; with microseconds where there are some. `text` is microseconds, or
 * seconds with a point.
 */
const instantOf = (text: string): string => {
  const micros = /^-?\d+$/.test(text) ? BigInt(text) : BigInt(Math.round(Number(text) * 1e6))
  const rest = ((micros % 1000n) + 1000n) % 1000n
  const iso = new Date(Number((micros - rest) / 1000n)).toISOString()
  return rest === 0n ? iso : `${iso.slice(0, -1)}${String(rest).padStart(3, '0')}Z`
}
const trimmed = (text: string): string => (text.includes('.') && !/e/i.test(text) ? text.replace(/\.?0+$/, '') : text)

interface Cell {
  v: unknown
}
const valueOf = (field: Column, v: unknown): unknown => {
  if (field.mode === 'REPEATED')
    return v === null || v === undefined
      ? []
      : (v as Cell[]).map((cell) => valueOf({ ...field, mode: 'NULLABLE' }, cell.v))
  if (v === null || v === undefined) return null
  if (field.type === 'STRUCT') return objectOf(field.fields ?? [], v as { f: Cell[] })
  const scalar = v as string | number | boolean
  const text = String(scalar)
  switch (field.type) {
    case 'INT64':
      return Number.isSafeInteger(Number(text)) ? Number(text) : text
    case 'FLOAT64':
      return Number(text)
    case 'BOOL':
      return text === 'true'
    case 'NUMERIC':
    case 'BIGNUMERIC':
      return trimmed(text)
    case 'TIMESTAMP':
      return instantOf(text)
    // As an instant: with milliseconds, or with microseconds where there are some.
    case 'DATETIME':
      return text.replace(/\.(\d+)$/, (_, digits: string) =>
        /^0*$/.test(digits) ? '' : `.${digits.padEnd(6, '0').replace(/000$/, '')}`,
      )
    case 'TIME':
      return text.replace(/(\.\d*?)0+$/, '$1').replace(/\.$/, '')
    case 'JSON':
      return JSON.parse(text) as unknown
    default:
      return text
  }
}
const objectOf = (fields: readonly Column[], { f }: { f: Cell[] }): Row =>
  Object.fromEntries(fields.map((field, k) => [field.name, valueOf(field, f[k]?.v ?? null)]))
/** Rows as the door has them, of rows in the API's f/v form with timestamps as microseconds. */
export const rowsOf = (fields: readonly Field[], rows: readonly { f: Cell[] }[]): Row[] => {
  const columns = fields.map(columnOf)
  return rows.map((row) => objectOf(columns, row))
}
