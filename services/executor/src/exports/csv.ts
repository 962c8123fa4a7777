/**
 * The beginning of an export: its header and its first rows, enough to say what kind of file it is before any of it is
 * loaded.
 */
import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { AppError } from '@convergence/contracts'
import { csvRecords, openCsv, type CsvRecord } from '@convergence/tabular/csv'
import type { Inspected, LocalFile } from './inspected.ts'
import { excerpt } from './words.ts'

/**
 * What the bytes of a header are when they are not UTF-8, as spreadsheets save it; read as UTF-8 it would be names full
 * of NULs.
 */
const utf16Of = (head: Buffer): string | undefined => {
  const mark = head.subarray(0, 2).toString('hex')
  if (mark === 'fffe' || mark === 'feff')
    return `UTF-16 (it begins with the byte order mark ${mark === 'fffe' ? 'FF FE' : 'FE FF'})`
  const end = head.indexOf(0x0a)
  const nul = (end < 0 ? head : head.subarray(0, end)).indexOf(0)
  return nul < 0 ? undefined : `UTF-16 or no text (byte ${nul + 1} is NUL)`
}

/** How files begin that are no CSV. */
const otherFormats = [
  ['PAR1', 'a Parquet file', '.parquet'],
  ['PK\u0003\u0004', 'a zip archive', '.csv.zip'],
  ['\u001f\u008b', 'a gzip file', '.csv.gz'],
] as const

/**
 * Header and first rows of a file from its first bytes. Throws EXPORT_INVALID when there is no header, or none in
 * UTF-8.
 */
export const inspectCsv = (name: string, head: Buffer, { whole }: { whole: boolean }): Inspected => {
  const other = otherFormats.find(([begin]) => head.subarray(0, begin.length).toString('latin1') === begin)
  if (other !== undefined)
    throw new AppError(
      'EXPORT_INVALID',
      `${name}: expected CSV, as its name says, got ${other[1]}; have it written with a name that ends in ${other[2]}`,
    )
  const utf16 = utf16Of(head)
  if (utf16 !== undefined) throw new AppError('EXPORT_INVALID', `${name}:1: expected UTF-8, got ${utf16}`)
  const csv = openCsv({ name })
  const records = csv.push(head.toString('utf8'))
  const [first, ...rows] = whole ? [...records, ...csv.end()] : records
  if (first === undefined) {
    throw new AppError(
      'EXPORT_INVALID',
      head.length === 0
        ? `${name}: expected a CSV file with a header, got an empty file`
        : `${name}:1: expected a header of column names, got ${head.length} bytes without the end of a line`,
    )
  }
  if (first.fields.length < 2) {
    const found = JSON.stringify(excerpt(first.fields.join(), 60))
    throw new AppError(
      'EXPORT_INVALID',
      `${name}:1: expected a header of column names with commas between them, got ${found}`,
    )
  }
  return { name, format: 'csv', header: first.fields, rows, whole }
}

/** All rows of a file, without its header. An error of the file ends the reading with it. */
export async function* rowsOf({ name, path }: LocalFile, signal: AbortSignal): AsyncGenerator<CsvRecord> {
  const file = createReadStream(path, { highWaterMark: 1024 ** 2, signal })
  const bytes = path.endsWith('.gz') ? pipeline(file, createGunzip({ chunkSize: 1024 ** 2 }), () => undefined) : file
  let isHeader = true
  for await (const records of csvRecords(bytes as AsyncIterable<Uint8Array>, { name })) {
    for (const record of records) {
      if (!isHeader) yield record
      isHeader = false
    }
  }
}
