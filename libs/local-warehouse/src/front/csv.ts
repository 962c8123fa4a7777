/** CSV of a load: its columns by its first lines, and its records as the NDJSON that the engine takes. */
import { createWriteStream } from 'node:fs'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { AppError } from '@convergence/contracts'
import type { Column } from '@convergence/contracts'
import { csvRecords } from '@convergence/tabular/csv'
import { bytesOf, unreadable } from '@convergence/warehouse/files'
import { type RestFault, invalid } from './wire.ts'

export interface CsvOptions {
  skip: number
  delimiter: string
  quote: string
  null_marker: string
  quoted_newlines: boolean
  jagged: boolean
  ignore_more: boolean
}
interface Field {
  text: string
  quoted: boolean
}
interface FieldsOfLine {
  line: number
  fields: Field[]
}

/** As much as BigQuery takes of a row. */
const longestRecord = 100 * 1024 * 1024
/** The records of a file, also of those lines that a load skips. Throws EXPORT_INVALID with file and line. */
async function* recordsOf(
  path: string,
  name: string,
  { delimiter, quote, quoted_newlines }: CsvOptions,
): AsyncGenerator<FieldsOfLine> {
  const file = { path, name }
  const options = {
    name,
    delimiter,
    quote,
    quoted_newlines,
    header: false,
    quotes: true,
    longest_record: longestRecord,
  }
  try {
    for await (const records of csvRecords(bytesOf(file), options))
      for (const { line, fields, quoted } of records)
        yield { line, fields: fields.map((text, k) => ({ text, quoted: quoted?.[k] === true })) }
  } catch (error) {
    throw error instanceof AppError ? error : unreadable(file, error)
  }
}
/** A field of CSV as JSON; numbers and times stay text, the load reads them. */
const cellOf = (column: Column, { text, quoted }: Field, marker: string, where: string): unknown => {
  if (marker === '' ? text === '' && (column.type !== 'STRING' || !quoted) : text === marker && !quoted) return null
  if (text === '' && column.type !== 'STRING' && column.type !== 'BYTES')
    throw invalid(
      `${where}, column ${column.name}: expected ${column.type}, got an empty field; NULL is '${marker.slice(0, 40)}'`,
    )
  if (column.type === 'BOOL') {
    if (/^(true|t|yes|y|1)$/i.test(text)) return true
    if (/^(false|f|no|n|0)$/i.test(text)) return false
    throw invalid(`${where}, column ${column.name}: expected BOOL, got '${text.slice(0, 40)}'`)
  }
  if (column.type === 'JSON') {
    try {
      return JSON.parse(text) as unknown
    } catch {
      throw invalid(`${where}, column ${column.name}: expected JSON, got '${text.slice(0, 40)}'`)
    }
  }
  return text
}
/**
 * Writes a CSV file as NDJSON; `columns` are those of its fields, in their order. Throws 400 with file, line and
 * column.
 */
export const csvToNdjson = async (
  path: string,
  name: string,
  columns: readonly Column[],
  options: CsvOptions,
  into: string,
): Promise<void> => {
  const nested = columns.find(({ type, mode }) => type === 'STRUCT' || mode === 'REPEATED')
  if (nested !== undefined) throw invalid(`CSV files cannot hold the column ${nested.name}: it is nested or repeated`)
  const rowOf = ({ line, fields }: FieldsOfLine): Record<string, unknown> => {
    const where = `${name}:${line}`
    if (fields.length > columns.length && !options.ignore_more)
      throw invalid(`${where}: too many values in row: expected ${columns.length}, got ${fields.length}`)
    if (fields.length < columns.length && !options.jagged)
      throw invalid(`${where}: missing values in row: expected ${columns.length}, got ${fields.length}`)
    return Object.fromEntries(
      columns.flatMap((column, k) => {
        const field = fields[k]
        return field === undefined ? [] : [[column.name, cellOf(column, field, options.null_marker, where)]]
      }),
    )
  }
  const lines = async function* () {
    let [skipped, text] = [0, '']
    for await (const record of recordsOf(path, name, options)) {
      if (skipped < options.skip) {
        skipped += 1
        continue
      }
      text += `${JSON.stringify(rowOf(record))}\n`
      if (text.length > 65_536) {
        yield text
        text = ''
      }
    }
    if (text !== '') yield text
  }
  await pipeline(Readable.from(lines(), { objectMode: false }), createWriteStream(into, { mode: 0o600 }))
}
const guesses: readonly (readonly [Column['type'], RegExp])[] = [
  ['BOOL', /^(true|false)$/i],
  ['INT64', /^[+-]?\d{1,18}$/],
  ['FLOAT64', /^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/],
  ['DATE', /^\d{4}-\d\d-\d\d$/],
  ['TIMESTAMP', /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( ?(Z|UTC|[+-]\d\d:?\d\d))?$/i],
]
/** What all these texts are; empty ones say nothing. */
export const typeOfTexts = (texts: readonly string[]): Column['type'] => {
  const filled = texts.filter((text) => text !== '')
  return filled.length === 0
    ? 'STRING'
    : (guesses.find(([, form]) => filled.every((text) => form.test(text)))?.[0] ?? 'STRING')
}
/** What the first lines of a CSV file tell of its columns. */
export interface CsvHead {
  columns: Column[]
  /** The fields of the line that names the columns, if one does. */
  names: string[]
  /**
   * By the form of the lines: another line has a type that the first has not, or it was said that lines are skipped.
   */
  is_header: boolean
  looks_like_header: boolean
}
const plainName = (text: string, k: number): string => {
  const plain = text.replace(/[^A-Za-z0-9_]/g, '_')
  if (plain === '') return `field_${k}`
  return /^[A-Za-z_]/.test(plain) ? plain : `_${plain}`
}
/** Undefined when the file has no lines. */
export const detectCsv = async (path: string, name: string, options: CsvOptions): Promise<CsvHead | undefined> => {
  const records: string[][] = []
  for await (const { fields } of recordsOf(path, name, { ...options, quoted_newlines: true })) {
    records.push(fields.map(({ text }) => text))
    if (records.length > 500) break
  }
  const [names = [], ...others] = records.slice(Math.max(0, options.skip - 1))
  if (names.length === 0) return undefined
  const types = names.map((_, k) => typeOfTexts(others.map((record) => record[k] ?? '')))
  const looks_like_header =
    others.length > 0 &&
    names.every((text) => typeOfTexts([text]) === 'STRING' && text !== '') &&
    types.some((type) => type !== 'STRING')
  const is_header = options.skip > 0 || looks_like_header
  const unnamed = (text: string, k: number): Column => {
    const type = typeOfTexts([text, ...others.map((record) => record[k] ?? '')])
    return { name: `${/^[a-z]+/.exec(type.toLowerCase())?.[0] ?? 'string'}_field_${k}`, type }
  }
  return {
    names,
    is_header,
    looks_like_header,
    columns: is_header
      ? names.map((text, k) => ({ name: plainName(text, k), type: types[k] ?? 'STRING' }))
      : names.map(unnamed),
  }
}
const columnNamed = (columns: readonly Column[], text: string, k: number): Column | undefined =>
  columns.find(({ name }) => [text, plainName(text, k)].some((one) => one.toLowerCase() === name.toLowerCase()))
/** Whether a file's first line says which field is which of these columns. */
export const namesColumns = ({ names, is_header, looks_like_header }: CsvHead, columns: readonly Column[]): boolean => {
  const known = names.filter((text, k) => columnNamed(columns, text, k) !== undefined).length
  return looks_like_header || known === names.length || (is_header && known > 0)
}
/** The columns in the order of the file's header. */
export const columnsByHeader = (
  { names }: CsvHead,
  name: string,
  columns: readonly Column[],
  table: string,
): Column[] => {
  const found = names.map((text, k) => {
    const column = columnNamed(columns, text, k)
    if (column === undefined) throw cannotAdd(table, text, name)
    return column
  })
  const twice = found.find((column, k) => found.indexOf(column) !== k)
  if (twice !== undefined) throw invalid(`${name}: has two columns ${twice.name} in its header; expected one`)
  return found
}
export const cannotAdd = (table: string, field: string, name: string): RestFault =>
  invalid(
    `Provided Schema does not match Table ${table}. Cannot add fields (field: ${field.slice(0, 300)}, of ${name})`,
  )
