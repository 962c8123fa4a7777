/**
 * Local files as NDJSON in the types of the table, made while it is sent: BigQuery's own words for a value that does
 * not convert name
 * neither the line of a quoted file nor the column as the provider calls it, and a value that is wrong here is not sent
 * at all.
 */
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createGunzip } from 'node:zlib'
import { AppError } from '@convergence/contracts'
import type { Column } from '@convergence/contracts'
import { csvRecords, type CsvRecord } from '@convergence/tabular/csv'
import {
  converterOf,
  decimalOf,
  membersOf,
  misfitOf,
  mismatch,
  shown,
  shownJson,
  wordMisfit,
} from '@convergence/tabular/values'
import { sourcesOf } from '../warehouse.ts'
import type { LoadColumn, LoadSpec, ObjectSource } from '../warehouse.ts'
import type { PeriodColumn } from './sql.ts'

export interface Rows {
  columns: readonly Column[]
  /** Text in pieces, each of whole lines. Throws EXPORT_INVALID with file, line and column, ROW_OUTSIDE_PERIOD. */
  rows(period: readonly PeriodColumn[]): AsyncGenerator<string>
}
type File = LoadSpec['files'][number]
type FileColumn = Extract<LoadColumn, { source: string }>

const pieceChars = 256 * 1024
/** A file without line ends would otherwise be taken into memory. */
const longestLine = 10 * 1024 * 1024
const isGzip = (path: string): boolean => path.endsWith('.gz')
const bytesOf = (file: File): AsyncIterable<Buffer> => {
  const raw = createReadStream(file.path, { highWaterMark: 1 << 20 })
  if (!isGzip(file.path)) return raw as AsyncIterable<Buffer>
  const unzipped = createGunzip({ chunkSize: 1 << 20 })
  raw.on('error', (error) => unzipped.destroy(error))
  return raw.pipe(unzipped) as AsyncIterable<Buffer>
}
const whyUnreadable = (file: File, error: unknown): string => {
  if (/ENOENT/.test(String(error))) return 'there is no such file'
  if (error instanceof TypeError) return 'expected UTF-8'
  return isGzip(file.path) ? 'it is not a whole gzip file' : 'the disk answers with an error'
}
const unreadable = (file: File, error: unknown): AppError =>
  error instanceof AppError
    ? error
    : new AppError('EXPORT_INVALID', `${file.name}: cannot be read (${whyUnreadable(file, error)})`, { cause: error })

/** A file as it is. */
export async function* contentOf(file: File): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of createReadStream(file.path, { highWaterMark: 1 << 20 })) yield chunk as Buffer
  } catch (error) {
    throw unreadable(file, error)
  }
}
async function* textOf(file: File): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  for await (const chunk of bytesOf(file)) yield decoder.decode(chunk, { stream: true })
  yield decoder.decode()
}

async function* recordsOf(file: File): AsyncGenerator<CsvRecord[]> {
  try {
    yield* csvRecords(bytesOf(file), { name: file.name })
  } catch (error) {
    throw unreadable(file, error)
  }
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
const outside = (target: string, { column, value }: PeriodColumn, got: string, where: string): AppError =>
  new AppError(
    'ROW_OUTSIDE_PERIOD',
    `${where}: a new row of ${target} has ${column.name} = ${got}, the period that is replaced is ${value}`,
  )

async function* csvRows(
  { files, columns = [], destination }: LoadSpec,
  period: readonly PeriodColumn[],
): AsyncGenerator<string> {
  const target = `${destination.dataset}.${destination.table}`
  for (const file of files) {
    let header: string[] | undefined
    let makers: ((record: CsvRecord) => string | undefined)[] = []
    const wrong = (column: FileColumn, { line }: CsvRecord, text: string): AppError =>
      new AppError('EXPORT_INVALID', `${file.name}:${line}, column ${column.source}: ${mismatch(column, text)}`)
    const makerOf = (column: LoadColumn, names: readonly string[]): ((record: CsvRecord) => string | undefined) => {
      const key = `${JSON.stringify(column.name)}:`
      if ('value' in column) {
        const text = `${key}${constantOf(column.value)}`
        return () => (column.value === null ? undefined : text)
      }
      if ('object_of' in column) return objectMaker(key, column, names)
      const at = names.indexOf(column.source)
      const convert = converterOf(column)
      return (record) => {
        const text = at < 0 ? '' : (record.fields[at] ?? '')
        if (text === '') {
          if (column.mode === 'REQUIRED') throw wrong(column, record, '')
          return undefined
        }
        const value = convert(text)
        if (value === undefined) throw wrong(column, record, text)
        return `${key}${value}`
      }
    }
    const rules = period.map((rule) => ({
      rule,
      at: columns.findIndex(({ name }) => name.toLowerCase() === rule.column.name.toLowerCase()),
      is: comparable(rule.value, rule.column),
      skip: `${JSON.stringify(rule.column.name)}:`.length,
    }))
    let piece = ''
    for await (const records of recordsOf(file)) {
      for (const record of records) {
        if (header === undefined) {
          header = record.fields
          assertHeader(file, header, columns)
          makers = columns.map((column) => makerOf(column, header ?? []))
          continue
        }
        const values = makers.map((make) => make(record))
        for (const { rule, at, is, skip } of rules) {
          const text = values[at]?.slice(skip)
          const value = text?.startsWith('"') === true ? (JSON.parse(text) as string) : text
          if (value === undefined || comparable(value, rule.column) !== is)
            throw outside(target, rule, value ?? 'NULL', `${file.name}:${record.line}`)
        }
        piece += `{${values.filter((value) => value !== undefined).join(',')}}\n`
        if (piece.length >= pieceChars) {
          yield piece
          piece = ''
        }
      }
    }
    if (header === undefined)
      throw new AppError('EXPORT_INVALID', `${file.name}: is empty; expected a line with the names of the columns`)
    if (piece !== '') yield piece
  }
}
/** A JSON object of the fields that are filled, and of what is in the objects that fields hold. */
const objectMaker = (
  key: string,
  { object_of, maps = [] }: ObjectSource,
  names: readonly string[],
): ((record: CsvRecord) => string) => {
  const placed = <T extends { source: string }>(parts: readonly T[]) =>
    parts.map((part) => ({ ...part, at: names.indexOf(part.source) })).filter(({ at }) => at >= 0)
  const parts = placed(Object.entries(object_of).map(([name, source]) => ({ name, source })))
  const objects = placed(maps)
  return ({ fields }) => {
    const members = new Map<string, unknown>()
    for (const { at, prefix = '' } of objects)
      for (const [name, value] of Object.entries(membersOf(fields[at] ?? '') ?? {}))
        if (name.startsWith(prefix)) members.set(name.slice(prefix.length), value)
    for (const { at, name } of parts) if (fields[at] !== '') members.set(name, fields[at])
    const pairs = [...members].map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`)
    return `${key}{${pairs.join(',')}}`
  }
}
const listed = (names: readonly string[]): string =>
  `${names.slice(0, 12).join(', ')}${names.length > 12 ? ` and ${names.length - 12} more` : ''}`
const assertHeader = (file: File, header: readonly string[], columns: readonly LoadColumn[]): void => {
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
        if (is === undefined || comparable(is, rule.column) !== comparable(rule.value, rule.column))
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
  // Parquet says itself what its types are: BigQuery reads it as it is.
  if (format === 'parquet')
    return {
      columns: columns.map(tableColumn),
      rows: () => {
        throw new AppError('INTERNAL', `${target}: Parquet has no rows as text`)
      },
    }
  return { columns: columns.map(tableColumn), rows: (period) => csvRows(spec, period) }
}
