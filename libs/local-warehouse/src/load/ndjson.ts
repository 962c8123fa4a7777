/** NDJSON files as one SELECT; decimals are read as text, so that no digit is lost on the way. */
import { AppError } from '@convergence/contracts'
import { nullElement } from '@convergence/googlesql/null-elements'
import { duckdbScalars } from '@convergence/googlesql/types'
import type { Column } from '@convergence/contracts'
import type { Row } from '@convergence/warehouse'
import { misfitOf, shown, shownJson, wordMisfit } from '@convergence/tabular/values'
import { raise, raised, wordFault } from '../faults.ts'
import { eachOf, fits, literal, packed, quoted, typeOf, typeWith } from '../values.ts'
import { decimalFrom, wrongValue } from './convert.ts'
import type { Wrong } from './convert.ts'
import { bytesOf, unreadable } from '@convergence/warehouse/files'
import { compression } from './csv.ts'
import type { File } from '@convergence/warehouse/files'

/** Lines as they come; the last one may have no line end. */
export async function* linesOf(file: File): AsyncGenerator<string> {
  // A byte-order mark stays, and is no JSON: nothing else reads it either.
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  let rest = ''
  for await (const chunk of bytesOf(file)) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
  rest += decoder.decode()
  if (rest !== '') yield rest
}
/** DuckDB reads a number into a STRING. */
const fitsInLine = { ...fits, STRING: (value: unknown) => typeof value !== 'object' }
/**
 * What is read as text and then converted: reading decimals as numbers would lose digits, and DuckDB takes 1.5 for a
 * whole number and 7 for a BOOL.
 */
const textTypes = new Set<Column['type']>(['NUMERIC', 'BIGNUMERIC', 'BYTES', 'INT64', 'BOOL'])
const jsonType = (column: Column): string =>
  typeWith(column, (type) => (textTypes.has(type) ? 'VARCHAR' : duckdbScalars[type]))
/** DuckDB's cast rounds digits away and takes other forms, also deep inside: such values are converted one by one. */
const isTakenApart = ({ type, fields = [] }: Column): boolean =>
  type !== 'NUMERIC' && (textTypes.has(type) || fields.some(isTakenApart))
/** Text of a scalar to its type, NULL when it does not convert; undefined where DuckDB's own reading is right. */
const scalarFrom = (text: string, type: Column['type'], wrong: Wrong): string | undefined => {
  switch (type) {
    case 'NUMERIC':
    case 'BIGNUMERIC':
      return decimalFrom(text, type, wrong)
    case 'INT64': {
      // 5.0 and 1e2 are whole too, as far as a number of JSON keeps its digits.
      const double = `TRY_CAST(${text} AS DOUBLE)`
      return (
        `CASE WHEN regexp_full_match(${text}, '[+-]?[0-9]+') THEN TRY_CAST(${text} AS BIGINT) ` +
        `WHEN ${double} = trunc(${double}) AND abs(${double}) < 9007199254740992 THEN CAST(${double} AS BIGINT) END`
      )
    }
    case 'BOOL':
      return `CASE ${text} WHEN 'true' THEN true WHEN 'false' THEN false END`
    default:
      return undefined
  }
}
/** What JSON was read as, to the column's type. `k`: the column that a fault names. */
const fromJson = (value: string, column: Column, k: number, depth = 0): string => {
  const type = typeOf(column)
  if (column.mode === 'REPEATED' && isTakenApart(column))
    return eachOf(value, depth, (one) => fromJson(one, { ...column, mode: 'NULLABLE' }, k, depth + 1))
  if (column.type === 'STRUCT' && isTakenApart(column))
    return packed(value, column, (field, own) => fromJson(own, field, k, depth))
  if (column.type === 'BYTES' && column.mode !== 'REPEATED') return `from_base64(${value})`
  const wrong: Wrong = (of) => raise('EXPORT_INVALID', `${wrongValue}${k} `, value, of)
  const read = column.mode === 'REPEATED' ? undefined : scalarFrom(value, column.type, wrong)
  if (read !== undefined) return `CASE WHEN ${value} IS NULL THEN NULL ELSE COALESCE(${read}, ${wrong(type)}) END`
  return jsonType(column) === type ? value : `CAST(${value} AS ${type})`
}
/** The first BIGNUMERIC with digits that are not held here, as far as JavaScript still sees them. */
const tooFine = (columns: readonly Column[], row: Row, path = ''): { path: string; got: string } | undefined => {
  for (const column of columns) {
    for (const value of [row[column.name]].flat()) {
      const own = `${path}${column.name}`
      if (column.type === 'BIGNUMERIC' && /\.\d{38}\d*[1-9]/.test(String(value)))
        return { path: own, got: String(value) }
      const inner =
        column.type === 'STRUCT' && value !== null && value !== undefined
          ? tooFine(column.fields ?? [], value as Row, `${own}.`)
          : undefined
      if (inner !== undefined) return inner
    }
  }
  return undefined
}
/** What DuckDB refuses in files that JavaScript reads. */
const wordFile = (text: string): string => {
  if (text.includes('maximum_object_size')) return 'a line is longer than 16 MB'
  const [, key] = /has duplicate key "([^"]*)"/.exec(text) ?? []
  if (key !== undefined) return `expected each key once in an object, got ${shown(key)} twice`
  if (/surrogate|UTF-?8|unicode/i.test(text)) return 'expected UTF-8, got other bytes'
  return 'expected one JSON object of these columns on each line'
}
export const planNdjson = (
  files: readonly File[],
  columns: readonly Column[],
): { sql: string; explain(error: unknown): Promise<AppError> } => {
  const selects = ['gzip', 'none'].flatMap((kind) => {
    const same = files.filter((file) => compression(file) === kind)
    if (same.length === 0) return []
    const shape = `{${columns.map((column) => `${literal(column.name)}: ${literal(jsonType(column))}`).join(', ')}}`
    const values = columns.map((column, k) => {
      const value = fromJson(`r.${quoted(column.name)}`, column, k)
      return `${column.mode === 'REPEATED' ? `COALESCE(${value}, [])` : value} AS ${quoted(column.name)}`
    })
    const paths = same.map(({ path }) => literal(path)).join(', ')
    const packing = kind === 'none' ? 'uncompressed' : kind
    return [
      `SELECT ${values.join(', ')} FROM read_json([${paths}], format='newline_delimited', auto_detect=false, records=true, ` +
        `compression='${packing}', columns=${shape}) AS r`,
    ]
  })
  /** The first line that is no JSON object of these columns. */
  const find = async (): Promise<AppError | undefined> => {
    for (const file of files) {
      let line = 0
      try {
        for await (const text of linesOf(file)) {
          line += 1
          if (text.trim() === '') continue
          let row: unknown
          try {
            row = JSON.parse(text)
          } catch {
            return new AppError('EXPORT_INVALID', `${file.name}:${line}: expected a JSON object, got ${shown(text)}`)
          }
          const fine = typeof row === 'object' && row !== null ? tooFine(columns, row as Row) : undefined
          if (fine !== undefined)
            return new AppError(
              'EXPORT_INVALID',
              `${file.name}:${line}, column ${fine.path}: expected BIGNUMERIC with at most 38 digits before the ` +
                `point and 38 after it, got ${shown(fine.got)}`,
            )
          const wrong = misfitOf(columns, row, fitsInLine)
          if (wrong !== undefined)
            return new AppError(
              'EXPORT_INVALID',
              `${file.name}:${line}, column ${wrong.path}: ${wordMisfit(wrong, shownJson)}`,
            )
        }
      } catch (error) {
        return unreadable(file, error)
      }
    }
    return undefined
  }
  return {
    sql: selects.join(' UNION ALL '),
    explain: async (error) => {
      const text = error instanceof Error ? error.message : String(error)
      const own = raised(error)
      if (
        own === undefined &&
        !/^(Invalid Input|Conversion|Out of Range|IO|Constraint)|JSON|gzip|decompress|unicode/i.test(text)
      )
        return wordFault(error)
      if (own !== undefined && !own.text.startsWith(wrongValue) && !own.text.startsWith(nullElement))
        return wordFault(error)
      // DuckDB's own line numbers are approximate here.
      return (
        (await find()) ??
        new AppError(
          'EXPORT_INVALID',
          `${files
            .map(({ name }) => name)
            .slice(0, 3)
            .join(', ')}: ${own === undefined ? wordFile(text) : "a value is not of its column's type"}`,
          { cause: error },
        )
      )
    },
  }
}
