/** Values of files in DuckDB's words: text to a column's type, constants, objects; a value that does not fit raises. */
import type { Column } from '@convergence/contracts'
import type { LoadColumn } from '@convergence/warehouse'
import { bignumericLiteral, bignumericUnits, fromText as bignumericFrom } from '@convergence/googlesql/bignumeric'
import { raise } from '../faults.ts'
import { decimalOf } from '@convergence/tabular/values'
import { textOf } from '../text-of.ts'
import { literal, typeOf } from '../values.ts'

/** A column that is read from one of the file's. */
export type FileColumn = Extract<LoadColumn, { source: string }>

/** How a value that does not fit is raised, as SQL of a type. */
export type Wrong = (type: string) => string

/**
 * Text to NUMERIC or BIGNUMERIC, NULL or `wrong` when it does not convert. Digits beyond the scale are an error in
 * BIGNUMERIC; NUMERIC rounds them half away from zero, as a load does there. DuckDB reads 128-bit decimals forty times
 * slower than 64-bit ones, so those are tried first.
 */
export const decimalFrom = (text: string, type: 'NUMERIC' | 'BIGNUMERIC', wrong: Wrong): string =>
  type === 'NUMERIC'
    ? `COALESCE(CAST(TRY_CAST(${text} AS DECIMAL(18,9)) AS DECIMAL(38,9)), TRY_CAST(${text} AS DECIMAL(38,9)))`
    : bignumericFrom(text, 'refuse', wrong('DECIMAL(38,20)'))
/**
 * Text to JSON, NULL when it is none. DuckDB also takes a comma before a closing bracket and numbers that are none;
 * texts in which there may be such are looked at again without what is in quotes.
 */
const jsonFrom = (text: string): string => {
  const loose = literal(',\\s*[}\\]]|nan|inf')
  const bare = `regexp_replace(${text}, '"(\\\\.|[^"\\\\])*"', '""', 'g')`
  const isStrict = [text, bare].map((one) => `NOT regexp_matches(${one}, ${loose}, 'i')`).join(' OR ')
  return `CASE WHEN ${isStrict} THEN TRY_CAST(${text} AS JSON) END`
}
/** Text to the JSON object that it is, NULL for other text. */
const objectFrom = (text: string): string =>
  `CASE WHEN json_type(${jsonFrom(text)}) = 'OBJECT' THEN CAST(${text} AS JSON) END`
/** The member of a JSON object as text, NULL when there is none or it is empty. */
export const memberFrom = (text: string, key: string): string =>
  `NULLIF(json_extract_string(${objectFrom(text)}, ${literal(pointerOf(key))}), '')`
const pointerOf = (key: string): string => `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`
/** Days and instants as DuckDB compares them: it has more years than BigQuery, and an hour 24. */
const bounds: Readonly<Partial<Record<Column['type'], readonly [string, string]>>> = {
  DATE: [`DATE '0001-01-01'`, `DATE '9999-12-31'`],
  DATETIME: [`TIMESTAMP '0001-01-01 00:00:00'`, `TIMESTAMP '9999-12-31 23:59:59.999999'`],
  TIMESTAMP: [`TIMESTAMPTZ '0001-01-01 00:00:00+00'`, `TIMESTAMPTZ '9999-12-31 23:59:59.999999+00'`],
  TIME: [`TIME '00:00:00'`, `TIME '23:59:59.999999'`],
  FLOAT64: [`'-1.7976931348623157e308'::DOUBLE`, `'1.7976931348623157e308'::DOUBLE`],
}
/** The value when BigQuery has it, else NULL. */
export const withinType = (value: string, type: Column['type']): string => {
  const [from, to] = bounds[type] ?? []
  return from === undefined || to === undefined
    ? value
    : `CASE WHEN ${value} BETWEEN ${from} AND ${to} THEN ${value} END`
}
/** Text to the column's type, NULL when it does not convert: DuckDB takes more spellings than BigQuery. */
export const attempt = (text: string, column: FileColumn, wrong: Wrong): string => {
  const value = withinType(plainAttempt(text, column, wrong), column.type)
  switch (column.type) {
    case 'DATE':
    case 'DATETIME':
    case 'TIMESTAMP':
      return column.format === undefined
        ? `CASE WHEN ltrim(${text}) LIKE '____-__-__%' AND substr(ltrim(${text}), 12, 2) <> '24' ` +
            `AND substr(ltrim(${text}), 14, 1) IN ('', ':') THEN ${value} END`
        : value
    case 'NUMERIC':
    case 'FLOAT64':
      return `CASE WHEN NOT contains(${text}, '_') THEN ${value} END`
    default:
      return value
  }
}
const plainAttempt = (text: string, column: FileColumn, wrong: Wrong): string => {
  const type = typeOf(column)
  switch (column.type) {
    case 'STRING':
      return text
    case 'INT64':
      return `CASE WHEN regexp_full_match(${text}, ' *[+-]?[0-9]+ *') THEN TRY_CAST(${text} AS BIGINT) END`
    case 'NUMERIC':
    case 'BIGNUMERIC':
      return decimalFrom(text, column.type, wrong)
    case 'DATE':
      return column.format === undefined
        ? `TRY_CAST(${text} AS DATE)`
        : `CAST(try_strptime(${text}, ${literal(column.format)}) AS DATE)`
    case 'TIMESTAMP':
    case 'DATETIME':
      return column.format === undefined
        ? `COALESCE(TRY_CAST(${text} AS ${type}), TRY_CAST(${withSeconds(text)} AS ${type}))`
        : `CAST(try_strptime(${text}, ${literal(column.format)}) AS ${type})`
    case 'BYTES':
      return `TRY(from_base64(${text}))`
    case 'JSON': {
      const whole =
        column.wrap_braces === true
          ? `CASE WHEN starts_with(ltrim(${text}), '{') THEN ${text} ELSE '{' || ${text} || '}' END`
          : text
      return column.or_text === true ? `COALESCE(${jsonFrom(whole)}, to_json(${text}))` : jsonFrom(whole)
    }
    default:
      return `TRY_CAST(${text} AS ${type})`
  }
}
/** An instant with the seconds that it leaves out, T and Z as capitals. */
const withSeconds = (text: string): string =>
  `regexp_replace(upper(${text}), '^( *[0-9-]{10}[T ][0-9]{2}:[0-9]{2})( ?(Z|UTC|[+-].*)?)$', '\\1:00\\2')`
export const constant = (value: unknown, column: Column): string => {
  const type = typeOf(column)
  if (value === null) return `CAST(NULL AS ${type})`
  if (value instanceof Uint8Array) return `from_base64(${literal(Buffer.from(value).toString('base64'))})`
  const decimal = column.type === 'BIGNUMERIC' ? decimalOf(textOf(value), 'BIGNUMERIC') : undefined
  if (decimal !== undefined) return bignumericLiteral(bignumericUnits(decimal))
  return `CAST(${literal(textOf(value))} AS ${type})`
}
/** Names of the columns that are NULL in each row, of files that have or have not what they are read from. */
export const emptyOf = (columns: readonly LoadColumn[], has: (source: string) => boolean): string[] =>
  columns
    .filter((column) => ('value' in column ? column.value === null : 'source' in column && !has(column.source)))
    .map(({ name }) => name)
/** How the message begins that names the column by its number, and then the value. */
export const wrongValue = 'wrong value '
export const fromText = (text: string, column: FileColumn, k: number): string => {
  const type = typeOf(column)
  const wrong: Wrong = (of) => raise('EXPORT_INVALID', `${wrongValue}${k} `, text, of)
  const missing =
    column.mode === 'REQUIRED'
      ? raise('EXPORT_INVALID', `${wrongValue}${k} `, `COALESCE(${text}, '')`, type)
      : `CAST(NULL AS ${type})`
  const own = column.key === undefined ? text : memberFrom(text, column.key)
  if (column.type === 'STRING' && column.mode !== 'REQUIRED') return own
  const tried = withinDays(attempt(own, column, wrong), column)
  return `CASE WHEN ${own} IS NULL THEN ${missing} ELSE COALESCE(${tried}, ${wrong(type)}) END`
}
/** Text of a field, NULL where it is the word for it. */
export const withoutWord = (text: string, { null_word }: FileColumn): string =>
  null_word === true ? `CASE WHEN upper(${text}) <> 'NULL' THEN ${text} END` : text
/** A value that lies in the column's days; NULL for others. */
export const withinDays = (value: string, { within }: FileColumn): string => {
  if (within === undefined) return value
  const [day, from, to] = [`CAST(${value} AS DATE)`, `DATE ${literal(within.from)}`, `DATE ${literal(within.to)}`]
  return `CASE WHEN ${day} >= ${from} AND ${day} < ${to} THEN ${value} END`
}
/** Whether a row is of the load, where its day in the column says so; one that is no value is, and will be refused. */
export const isTaken = (day: string, { within }: FileColumn): string =>
  `COALESCE(${day} >= DATE ${literal(within?.from ?? '')} AND ${day} < DATE ${literal(within?.to ?? '')}, TRUE)`
/** The columns by whose days rows are left out. */
export const leavingOut = (columns: readonly LoadColumn[]): FileColumn[] =>
  columns.flatMap((column) => ('source' in column && column.within?.leave_out === true ? [column] : []))
/** Files by what they are called; joined, a row says the name of its file. */
export const namesOfFiles = (files: readonly { path: string; name: string }[], path: string): string =>
  `JOIN (VALUES ${files.map((file) => `(${literal(file.path)}, ${literal(file.name)})`).join(', ')}) AS f(path, name) ` +
  `ON f.path = ${path}`
/** A JSON object of the fields that are not empty, and of the members of the objects that `maps` are texts of. */
export const objectWith = (
  pairs: readonly (readonly [string, string])[],
  maps: readonly { text: string; prefix?: string | undefined }[],
): string => {
  if (maps.length === 0) return objectOf(pairs)
  const own = maps.map(({ text, prefix }) => {
    const object = objectFrom(text)
    if (prefix === undefined) return `COALESCE(${object}, CAST('{}' AS JSON))`
    const key = `CAST(to_json(substr(m, ${prefix.length + 1})) AS VARCHAR)`
    const pointer = `'/' || replace(replace(m, '~', '~0'), '/', '~1')`
    const member = `${key} || ':' || CAST(json_extract(${object}, ${pointer}) AS VARCHAR)`
    const keys = `list_filter(json_keys(${object}), lambda m: starts_with(m, ${literal(prefix)}))`
    const members = `list_transform(${keys}, lambda m: ${member})`
    return `CAST('{' || COALESCE(array_to_string(${members}, ','), '') || '}' AS JSON)`
  })
  const parts = [...own, ...(pairs.length === 0 ? [] : [objectOf(pairs)])]
  // Merging leaves out members that are null, so one object by itself is not merged.
  const filled = parts.map((part) => `NULLIF(CAST(${part} AS VARCHAR), '{}')`)
  const count = filled.map((part) => `CAST(${part} IS NOT NULL AS INTEGER)`).join(' + ')
  const merged = parts.reduce((a, b) => `json_merge_patch(${a}, ${b})`)
  return parts.length === 1
    ? merged
    : `CASE WHEN ${count} > 1 THEN ${merged} ELSE CAST(COALESCE(${filled.join(', ')}, '{}') AS JSON) END`
}
/** A JSON object of the fields that are not empty. */
export const objectOf = (pairs: readonly (readonly [string, string])[]): string => {
  if (pairs.length === 0) return `CAST('{}' AS JSON)`
  const members = pairs.map(([key, text]) => {
    const member = `${literal(`${JSON.stringify(key)}:`)} || CAST(to_json(${text}) AS VARCHAR)`
    return `CASE WHEN ${text} IS NOT NULL THEN ${member} END`
  })
  return `CAST('{' || concat_ws(',', ${members.join(', ')}) || '}' AS JSON)`
}

/** The type as a message says it: a number that only this warehouse does not hold is none of another type. */
export const expectedWord = (column: LoadColumn, got = ''): string => {
  const days = 'within' in column ? ` from ${column.within.from} and before ${column.within.to}` : ''
  if ('format' in column) return `${column.type} as ${column.format}${days}`
  if (days !== '') return `${column.type}${days}`
  if (column.type === 'BIGNUMERIC' && isNumber.test(got))
    return 'BIGNUMERIC with at most 38 digits before the point and 38 after it'
  return column.type
}
const isNumber = /^\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*$/
