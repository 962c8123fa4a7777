/**
 * Local files as NDJSON in the types of the table, made while it is sent: BigQuery's own words for a value that does
 * not convert name neither the line of a quoted file nor the column as the provider calls it, and a value that is wrong
 * here is not sent at all. Parquet goes the same way, so that one rule says what a value may be.
 */
import { stat } from 'node:fs/promises'
import { AppError } from '@convergence/contracts'
import type { Column } from '@convergence/contracts'
import {
  converterOf,
  decimalOf,
  membersOf,
  misfitOf,
  mismatch,
  shown,
  shownJson,
  utcDayOf,
  wordMisfit,
} from '@convergence/tabular/values'
import { sourcesOf } from '../warehouse.ts'
import type { LoadColumn, LoadSpec, ObjectSource } from '../warehouse.ts'
import { endsInWords, isWithin } from '../period.ts'
import type { PeriodColumn } from './sql.ts'
import { assertParquetColumns, listed, openCsvFile, openParquetFile, placeOf, type TextRow } from './text-files.ts'
import { bytesOf, unreadable, type File } from '../files.ts'

export interface Rows {
  columns: readonly Column[]
  /** Text in pieces, each of whole lines. Throws EXPORT_INVALID with file, line and column, ROW_OUTSIDE_PERIOD. */
  rows(period: readonly PeriodColumn[]): AsyncGenerator<string>
}

const pieceChars = 256 * 1024
/** A file without line ends would otherwise be taken into memory. */
const longestLine = 10 * 1024 * 1024
async function* textOf(file: File): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  for await (const chunk of bytesOf(file)) yield decoder.decode(chunk, { stream: true })
  yield decoder.decode()
}

async function* linesOf(file: File): AsyncGenerator<{ line: number; text: string }> {
  let rest = ''
  let line = 0
  try {
    for await (const chunk of textOf(file)) {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      if (rest.length > longestLine)
        throw new AppError('EXPORT_INVALID', `${file.name}:${line + lines.length + 1}: the line is longer than 10 MB`)
      for (const text of lines) yield { line: (line += 1), text }
    }
  } catch (error) {
    throw unreadable(file, error)
  }
  if (rest !== '') yield { line: line + 1, text: rest }
}

const constantOf = (value: unknown): string =>
  value instanceof Uint8Array ? JSON.stringify(Buffer.from(value).toString('base64')) : JSON.stringify(value ?? null)
const tableColumn = ({ name, type, mode, description, fields }: Column): Column => ({
  name,
  type,
  ...(mode === undefined ? {} : { mode }),
  ...(description === undefined ? {} : { description }),
  ...(fields === undefined ? {} : { fields }),
})
/** A value as it is compared with a period: numbers without needless digits, everything else as its text. */
const comparable = (value: string, { type }: Column): string =>
  type === 'NUMERIC' || type === 'BIGNUMERIC' ? (decimalOf(value, type) ?? value) : value
const outside = (target: string, { column, ...ends }: PeriodColumn, got: string, where: string): AppError =>
  new AppError(
    'ROW_OUTSIDE_PERIOD',
    `${where}: a new row of ${target} has ${column.name} = ${got}, the period that is replaced is ${endsInWords(ends)}`,
  )

const nullWord = /^null$/i
type Maker = (row: TextRow) => string | undefined
/** Where a column of the file stands in its rows, -1 where it has none; and what else its rows' cells are made by. */
interface Layout {
  file: File
  at(source: string): number
  empty_is_null: boolean
}
/** How a column's cell is made from a row, as a member of the row's JSON; undefined is NULL. */
const makerOf = (column: LoadColumn, layout: Layout): Maker => {
  const { file, at, empty_is_null } = layout
  const key = `${JSON.stringify(column.name)}:`
  if ('value' in column) {
    const text = `${key}${constantOf(column.value)}`
    return () => (column.value === null ? undefined : text)
  }
  if ('object_of' in column) return objectMaker(key, column, layout)
  if ('file_name' in column) {
    const text = `${key}${JSON.stringify(file.name)}`
    return () => text
  }
  const own = at(column.source)
  const wrong = (row: TextRow, text: string): AppError =>
    new AppError('EXPORT_INVALID', `${placeOf(file, row)}, column ${column.source}: ${mismatch(column, text)}`)
  const convert = column.mode === 'REPEATED' ? arrayOf(column) : converterOf(column)
  return (row) => {
    const text = own < 0 ? null : (row.fields[own] ?? null)
    if (text === null || (empty_is_null && text === '') || (column.null_word === true && nullWord.test(text))) {
      if (column.mode === 'REQUIRED') throw wrong(row, '')
      return undefined
    }
    const value = convert(text)
    if (value === undefined) throw wrong(row, text)
    return `${key}${value}`
  }
}
/** Whether a row is none of the load, by its day in a column that says so. */
const leftOut = (columns: readonly LoadColumn[], { at }: Layout): ((row: TextRow) => boolean) => {
  const rules = columns.flatMap((column) => {
    const within = 'within' in column && column.within.leave_out === true ? column.within : undefined
    return within === undefined || !('source' in column) ? [] : [{ within, own: at(column.source) }]
  })
  return ({ fields }) =>
    rules.some(({ within: { from, to }, own }) => {
      const day = utcDayOf(fields[own] ?? '')
      return day !== undefined && (day < from || day >= to)
    })
}
/** An array of Parquet, which comes as text of JSON. */
const arrayOf = (column: Column) => (text: string) => {
  const value: unknown = JSON.parse(text)
  return misfitOf([column], { [column.name]: value }) === undefined ? text : undefined
}
async function* textRows(spec: LoadSpec, period: readonly PeriodColumn[]): AsyncGenerator<string> {
  const { files, format, columns = [], destination } = spec
  const target = `${destination.dataset}.${destination.table}`
  const rules = period.map((rule) => ({
    rule,
    at: columns.findIndex(({ name }) => name.toLowerCase() === rule.column.name.toLowerCase()),
    is: { ...rule, value: comparable(rule.value, rule.column) },
    skip: `${JSON.stringify(rule.column.name)}:`.length,
  }))
  for (const file of files) {
    const { header, rows, empty_is_null } = await (format === 'csv'
      ? openCsvFile(file)
      : openParquetFile(file, columns, spec))
    assertHeader(file, header, columns, format)
    const at = (source: string): number =>
      format === 'csv'
        ? header.indexOf(source)
        : header.findIndex((name) => name.toLowerCase() === source.toLowerCase())
    const layout = { file, at, empty_is_null }
    const makers = columns.map((column) => makerOf(column, layout))
    const isElsewhere = leftOut(columns, layout)
    let piece = ''
    for await (const some of rows) {
      for (const row of some) {
        if (isElsewhere(row)) continue
        const values = makers.map((make) => make(row))
        for (const { rule, at: own, is, skip } of rules) {
          const text = values[own]?.slice(skip)
          const value = text?.startsWith('"') === true ? (JSON.parse(text) as string) : text
          if (value === undefined || !isWithin(is, comparable(value, rule.column)))
            throw outside(target, rule, value ?? 'NULL', placeOf(file, row))
        }
        piece += `{${values.filter((value) => value !== undefined).join(',')}}\n`
        if (piece.length >= pieceChars) {
          yield piece
          piece = ''
        }
      }
    }
    if (piece !== '') yield piece
  }
}
/** A JSON object of the fields that are filled, and of what is in the objects that fields hold. */
const objectMaker = (key: string, { object_of, maps = [] }: ObjectSource, { at, empty_is_null }: Layout): Maker => {
  const placed = <T extends { source: string }>(parts: readonly T[]) =>
    parts.map((part) => ({ ...part, own: at(part.source) })).filter(({ own }) => own >= 0)
  const parts = placed(Object.entries(object_of).map(([name, source]) => ({ name, source })))
  const objects = placed(maps)
  return ({ fields }) => {
    const members = new Map<string, unknown>()
    for (const { own, prefix = '' } of objects)
      for (const [name, value] of Object.entries(membersOf(fields[own] ?? '') ?? {}))
        if (name.startsWith(prefix)) members.set(name.slice(prefix.length), value)
    for (const { own, name } of parts) {
      const text = fields[own] ?? null
      if (text !== null && !(empty_is_null && text === '')) members.set(name, text)
    }
    const pairs = [...members].map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`)
    return `${key}{${pairs.join(',')}}`
  }
}
const assertHeader = (
  file: File,
  header: readonly string[],
  columns: readonly LoadColumn[],
  format: LoadSpec['format'],
): void => {
  // Of Parquet only the columns are read that are used.
  if (format === 'parquet') return
  for (const column of columns) {
    if ('source' in column && column.optional !== true && !header.includes(column.source)) {
      throw new AppError(
        'EXPORT_INVALID',
        `${file.name}: has no column ${column.source}, which ${column.name} is read from; it has ${listed(header)}`,
      )
    }
  }
  const twice = header.find(
    (name, k) => header.indexOf(name) !== k && columns.some((column) => sourcesOf(column).includes(name)),
  )
  if (twice !== undefined)
    throw new AppError('EXPORT_INVALID', `${file.name}:1: has two columns ${twice}; expected one`)
}

async function* ndjsonRows(
  { files, destination }: LoadSpec,
  columns: readonly Column[],
  period: readonly PeriodColumn[],
): AsyncGenerator<string> {
  const target = `${destination.dataset}.${destination.table}`
  for (const file of files) {
    let piece = ''
    for await (const { line, text } of linesOf(file)) {
      if (text.trim() === '') continue
      let row: unknown
      try {
        row = JSON.parse(text)
      } catch {
        throw new AppError('EXPORT_INVALID', `${file.name}:${line}: expected a JSON object, got ${shown(text)}`)
      }
      const wrong = misfitOf(columns, row)
      if (wrong !== undefined)
        throw new AppError(
          'EXPORT_INVALID',
          `${file.name}:${line}, column ${wrong.path}: ${wordMisfit(wrong, shownJson)}`,
        )
      for (const rule of period) {
        // What fits a column by which a table is partitioned is one value.
        const value = (row as Readonly<Record<string, string | number | null | undefined>>)[rule.column.name] ?? null
        const is = value === null ? undefined : String(value)
        const wanted = { ...rule, value: comparable(rule.value, rule.column) }
        if (is === undefined || !isWithin(wanted, comparable(is, rule.column)))
          throw outside(target, rule, is ?? 'NULL', `${file.name}:${line}`)
      }
      // The line itself, for numbers keep their digits in it.
      piece += `${text}\n`
      if (piece.length >= pieceChars) {
        yield piece
        piece = ''
      }
    }
    if (piece !== '') yield piece
  }
}

/** Looks at the files; they are read when the rows are. Throws EXPORT_INVALID, CONFIG_INVALID. */
export const rowsOfFiles = async (spec: LoadSpec): Promise<Rows> => {
  const { destination, files, format } = spec
  const target = `${destination.dataset}.${destination.table}`
  if (files.length === 0) throw new AppError('EXPORT_INVALID', 'the load names no file')
  for (const file of files)
    await stat(file.path).catch((error: unknown) => {
      throw unreadable(file, error)
    })
  if (format === 'ndjson') {
    const { columns = [] } = destination
    if (columns.length === 0)
      throw new AppError('CONFIG_INVALID', `${target}: a load of NDJSON needs destination.columns`)
    return { columns, rows: (period) => ndjsonRows(spec, columns, period) }
  }
  const columns = spec.columns ?? []
  if (columns.length === 0) throw new AppError('CONFIG_INVALID', `${target}: a load of ${format} needs columns`)
  if (format === 'parquet') await assertParquetColumns(files, columns)
  return { columns: columns.map(tableColumn), rows: (period) => textRows(spec, period) }
}
