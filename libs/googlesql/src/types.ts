/** GoogleSQL types, their DuckDB counterparts and their text forms. */
import type { Column, ColumnType } from '@convergence/contracts'
import { bignumericType } from './bignumeric.ts'

export type ScalarName = Exclude<ColumnType, 'STRUCT'>
export interface Field {
  name?: string | undefined
  type: Type
}
export type Type =
  | { k: ScalarName }
  /** The literal NULL before it takes the type of its surroundings. */
  | { k: 'NULL' }
  | { k: 'ARRAY'; of: Type }
  | { k: 'STRUCT'; fields: readonly Field[] }

const scalar = (k: ScalarName): Type => ({ k })
export const STRING = scalar('STRING')
export const BYTES = scalar('BYTES')
export const INT64 = scalar('INT64')
export const FLOAT64 = scalar('FLOAT64')
export const NUMERIC = scalar('NUMERIC')
export const BIGNUMERIC = scalar('BIGNUMERIC')
export const BOOL = scalar('BOOL')
export const DATE = scalar('DATE')
export const TIME = scalar('TIME')
export const DATETIME = scalar('DATETIME')
export const TIMESTAMP = scalar('TIMESTAMP')
export const JSON_TYPE = scalar('JSON')
export const arrayOf = (of: Type): Type => ({ k: 'ARRAY', of })

/** What DuckDB calls a type. */
export const duckdbScalars: Readonly<Record<ScalarName, string>> = {
  STRING: 'VARCHAR',
  BYTES: 'BLOB',
  INT64: 'BIGINT',
  FLOAT64: 'DOUBLE',
  NUMERIC: 'DECIMAL(38,9)',
  BIGNUMERIC: bignumericType,
  BOOL: 'BOOLEAN',
  DATE: 'DATE',
  TIME: 'TIME',
  DATETIME: 'TIMESTAMP',
  TIMESTAMP: 'TIMESTAMPTZ',
  JSON: 'JSON',
}

/** Other names of the types, as a statement may write them. */
export const scalarNames: Readonly<Record<string, ScalarName>> = {
  STRING: 'STRING',
  BYTES: 'BYTES',
  INT64: 'INT64',
  INT: 'INT64',
  INTEGER: 'INT64',
  BIGINT: 'INT64',
  SMALLINT: 'INT64',
  TINYINT: 'INT64',
  BYTEINT: 'INT64',
  FLOAT64: 'FLOAT64',
  NUMERIC: 'NUMERIC',
  DECIMAL: 'NUMERIC',
  BIGNUMERIC: 'BIGNUMERIC',
  BIGDECIMAL: 'BIGNUMERIC',
  BOOL: 'BOOL',
  BOOLEAN: 'BOOL',
  DATE: 'DATE',
  TIME: 'TIME',
  DATETIME: 'DATETIME',
  TIMESTAMP: 'TIMESTAMP',
  JSON: 'JSON',
}

/** A quoted identifier of DuckDB. */
export const ident = (name: string): string => `"${name.replaceAll('"', '""')}"`
/** A text literal of DuckDB. */
export const text = (value: string): string => `'${value.replaceAll("'", "''")}'`

/** The name under which a field of a struct is stored: unnamed fields get the name that BigQuery shows. */
export const fieldName = (field: Field, index: number): string => field.name ?? `_field_${index + 1}`

export const duckdbTypeOf = (type: Type): string => {
  switch (type.k) {
    case 'NULL':
      return 'BIGINT'
    case 'ARRAY':
      return `${duckdbTypeOf(type.of)}[]`
    case 'STRUCT': {
      const fields = type.fields.map((field, index) => `${ident(fieldName(field, index))} ${duckdbTypeOf(field.type)}`)
      return `STRUCT(${fields.join(', ')})`
    }
    default:
      return duckdbScalars[type.k]
  }
}

/** The type as GoogleSQL writes it, such as ARRAY<STRUCT<key STRING, value STRING>>. */
export const typeName = (type: Type): string => {
  switch (type.k) {
    case 'NULL':
      return 'INT64'
    case 'ARRAY':
      return `ARRAY<${typeName(type.of)}>`
    case 'STRUCT': {
      const fields = type.fields.map(({ name, type: inner }) =>
        name === undefined ? typeName(inner) : `${name} ${typeName(inner)}`,
      )
      return `STRUCT<${fields.join(', ')}>`
    }
    default:
      return type.k
  }
}

export const sameType = (a: Type, b: Type): boolean => {
  if (a.k !== b.k) return false
  if (a.k === 'ARRAY' && b.k === 'ARRAY') return sameType(a.of, b.of)
  if (a.k === 'STRUCT' && b.k === 'STRUCT') {
    return (
      a.fields.length === b.fields.length &&
      a.fields.every((field, index) => {
        const other = b.fields[index]
        return (
          other !== undefined &&
          fieldName(field, index).toLowerCase() === fieldName(other, index).toLowerCase() &&
          sameType(field.type, other.type)
        )
      })
    )
  }
  return true
}

/** The GoogleSQL type of a column as the catalog has it. */
export const typeOfColumn = (column: Column): Type => {
  const inner: Type =
    column.type === 'STRUCT'
      ? { k: 'STRUCT', fields: (column.fields ?? []).map((field) => ({ name: field.name, type: typeOfColumn(field) })) }
      : { k: column.type }
  return column.mode === 'REPEATED' ? arrayOf(inner) : inner
}

/** The column that holds a value of the type. An array of arrays has none. */
export const columnOfType = (name: string, type: Type): Column => {
  if (type.k === 'ARRAY') return { ...columnOfType(name, type.of), mode: 'REPEATED' }
  if (type.k === 'STRUCT')
    return {
      name,
      type: 'STRUCT',
      mode: 'NULLABLE',
      fields: type.fields.map((field, index) => columnOfType(fieldName(field, index), field.type)),
    }
  return { name, type: type.k === 'NULL' ? 'INT64' : type.k, mode: 'NULLABLE' }
}

/** DuckDB's type of a column, such as STRUCT("key" VARCHAR)[] for a repeated record. */
export const duckdbType = (column: Column): string => duckdbTypeOf(typeOfColumn(column))
/** The column's type as GoogleSQL writes it. */
export const googlesqlType = (column: Column): string => typeName(typeOfColumn(column))

/**
 * A GoogleSQL type from its text: STRING, ARRAY<DATE>, STRUCT<a INT64>; undefined when it is none that the local
 * warehouse has.
 */
export const parseTypeName = (source: string): Type | undefined => {
  let rest = source.trim()
  const eat = (pattern: RegExp): string | undefined => {
    const match = pattern.exec(rest)
    if (match === null) return undefined
    rest = rest.slice(match[0].length).trimStart()
    return match[1] ?? match[0]
  }
  const read = (): Type | undefined => {
    const word = eat(/^([A-Za-z0-9_]+)/)?.toUpperCase()
    if (word === undefined) return undefined
    if (word === 'ARRAY') {
      if (eat(/^</) === undefined) return undefined
      const of = read()
      return of === undefined || eat(/^>/) === undefined ? undefined : arrayOf(of)
    }
    if (word === 'STRUCT') {
      if (eat(/^</) === undefined) return undefined
      const fields: Field[] = []
      do {
        const name = eat(/^([A-Za-z_][A-Za-z0-9_]*)\s+(?=[A-Za-z])/)
        const type = read()
        if (type === undefined) return undefined
        fields.push(name === undefined ? { type } : { name, type })
      } while (eat(/^,/) !== undefined)
      return eat(/^>/) === undefined ? undefined : { k: 'STRUCT', fields }
    }
    const name = scalarNames[word]
    return name === undefined ? undefined : { k: name }
  }
  const type = read()
  return rest === '' ? type : undefined
}

/**
 * The column of DuckDB's type text, as duckdb_columns() or a result prints it. Integers of any width are INT64,
 * DECIMAL(p,s) is NUMERIC up to scale 9 and BIGNUMERIC beyond it. Undefined for what GoogleSQL does not have.
 */
export const columnFromDuckdb = (name: string, duckdb: string): Column | undefined => {
  const type = typeFromDuckdb(duckdb.trim())
  return type === undefined ? undefined : columnOfType(name, type)
}

const fromDuckdb: Readonly<Record<string, ScalarName>> = {
  VARCHAR: 'STRING',
  UUID: 'STRING',
  BLOB: 'BYTES',
  TINYINT: 'INT64',
  SMALLINT: 'INT64',
  INTEGER: 'INT64',
  BIGINT: 'INT64',
  HUGEINT: 'INT64',
  UTINYINT: 'INT64',
  USMALLINT: 'INT64',
  UINTEGER: 'INT64',
  FLOAT: 'FLOAT64',
  DOUBLE: 'FLOAT64',
  BOOLEAN: 'BOOL',
  DATE: 'DATE',
  TIME: 'TIME',
  TIMESTAMP: 'DATETIME',
  'TIMESTAMP WITH TIME ZONE': 'TIMESTAMP',
  TIMESTAMPTZ: 'TIMESTAMP',
  JSON: 'JSON',
}
const typeFromDuckdb = (source: string): Type | undefined => {
  if (source.endsWith('[]')) {
    const of = typeFromDuckdb(source.slice(0, -2))
    return of === undefined ? undefined : arrayOf(of)
  }
  const decimal = /^DECIMAL\((\d+),\s*(\d+)\)$/.exec(source)
  if (decimal !== null) {
    const scale = Number(decimal[2])
    return scale <= 9 ? NUMERIC : BIGNUMERIC
  }
  if (source === bignumericType) return BIGNUMERIC
  const struct = /^STRUCT\((.*)\)$/s.exec(source)
  if (struct !== null) {
    const fields: Field[] = []
    for (const part of splitTop(struct[1] ?? '')) {
      const match = /^(?:"((?:[^"]|"")*)"|(\S+))\s+(.*)$/s.exec(part.trim())
      const type = match === null ? undefined : typeFromDuckdb((match[3] ?? '').trim())
      if (match === null || type === undefined) return undefined
      fields.push({ name: match[1]?.replaceAll('""', '"') ?? match[2] ?? '', type })
    }
    return { k: 'STRUCT', fields }
  }
  const name = fromDuckdb[source]
  return name === undefined ? undefined : { k: name }
}
const splitTop = (source: string): string[] => {
  const parts: string[] = []
  let depth = 0
  let quoted = false
  let from = 0
  for (let i = 0; i < source.length; i++) {
    const c = source[i]
    if (c === '"') quoted = !quoted
    else if (!quoted && c === '(') depth++
    else if (!quoted && c === ')') depth--
    else if (!quoted && depth === 0 && c === ',') {
      parts.push(source.slice(from, i))
      from = i + 1
    }
  }
  parts.push(source.slice(from))
  return parts
}
