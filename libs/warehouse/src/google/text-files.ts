/** Local files as rows of text: CSV, and Parquet as CSV of the same export would be. */
import { AppError } from '@convergence/contracts'
import { csvRecords, type CsvRecord } from '@convergence/tabular/csv'
import { openParquet } from '@convergence/tabular/parquet'
import { bytesOf, unreadable, type File } from '../files.ts'
import { sourcesOf } from '../warehouse.ts'
import type { LoadColumn, LoadSpec } from '../warehouse.ts'

export interface TextRow {
  line: number
  /** Of Parquet: the row group. */
  group?: number
  fields: readonly (string | null)[]
}
export interface TextFile {
  header: readonly string[]
  rows: AsyncIterable<readonly TextRow[]>
  /** Whether an empty text is NULL. */
  empty_is_null: boolean
}
/** What errors call a row, with its file. */
export const placeOf = ({ name }: File, { line, group }: TextRow): string =>
  group === undefined ? `${name}:${line}` : `${name}, row group ${group}, row ${line}`

async function* csvRecordsOf(file: File): AsyncGenerator<CsvRecord[]> {
  try {
    yield* csvRecords(bytesOf(file), { name: file.name })
  } catch (error) {
    throw unreadable(file, error)
  }
}
/** Reads as much as there is until the header. Throws EXPORT_INVALID when there is none. */
export const openCsvFile = async (file: File): Promise<TextFile> => {
  const pieces = csvRecordsOf(file)
  for (;;) {
    const next = await pieces.next()
    if (next.done === true)
      throw new AppError('EXPORT_INVALID', `${file.name}: is empty; expected a line with the names of the columns`)
    const [header, ...first] = next.value
    if (header === undefined) continue
    const rest = async function* (): AsyncGenerator<readonly TextRow[]> {
      yield first
      yield* pieces
    }
    return { header: header.fields, rows: rest(), empty_is_null: true }
  }
}
/** Of Parquet only the columns that are read. Throws EXPORT_INVALID when the file is none. */
export const openParquetFile = async (
  file: File,
  columns: readonly LoadColumn[],
  { like_csv = false }: LoadSpec,
): Promise<TextFile> => {
  const parquet = await openParquet(file)
  const used = new Set(columns.flatMap(sourcesOf).map((name) => name.toLowerCase()))
  const header = parquet.columns.filter((name) => used.has(name.toLowerCase()))
  const rest = async function* (): AsyncGenerator<readonly TextRow[]> {
    try {
      yield* parquet.read(header)
    } finally {
      await parquet.close()
    }
  }
  return { header, rows: rest(), empty_is_null: like_csv }
}
/** Throws EXPORT_INVALID when a column that is not optional is in none of the Parquet files. */
export const assertParquetColumns = async (files: readonly File[], columns: readonly LoadColumn[]): Promise<void> => {
  const found = new Map<string, string>()
  for (const file of files) {
    const parquet = await openParquet(file)
    await parquet.close()
    for (const name of parquet.columns) found.set(name.toLowerCase(), name)
  }
  for (const column of columns) {
    if ('source' in column && column.optional !== true && !found.has(column.source.toLowerCase())) {
      const names = files.slice(0, 3).map(({ name }) => name)
      throw new AppError(
        'EXPORT_INVALID',
        `${names.join(', ')}: has no column ${column.source}, which ${column.name} is read from; ` +
          `it has ${listed([...found.values()])}`,
      )
    }
  }
}
export const listed = (names: readonly string[]): string =>
  `${names.slice(0, 12).join(', ')}${names.length > 12 ? ` and ${names.length - 12} more` : ''}`
