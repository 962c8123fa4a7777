/**
 * The one reader of Parquet beside DuckDB's: a file's columns, and its rows as the text that CSV of the same export
 * would have. So one table of what a value may be, `values`, holds for both. Row groups are read one after the other
 * and in slices, whatever the size of the file. What is no Parquet file, or not whole, is EXPORT_INVALID.
 */
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib'
import { AppError } from '@convergence/contracts'
import { parquetMetadataAsync, parquetScan, parquetSchema, snappyUncompress } from 'hyparquet'
import type { AsyncBuffer, Compressors, FileMetaData, SchemaTree } from 'hyparquet'
import { compressors as others } from 'hyparquet-compressors'
import { isNested, parsers, prepare, textReader } from './parquet-values.ts'

export interface ParquetRow {
  /** The first row of the file is 1. */
  line: number
  /** The first row group is 1. */
  group: number
  /** Of the columns that were asked for, in their order; null where the file has none, or no value. */
  fields: (string | null)[]
}
export interface Parquet {
  /** The file's columns, nested ones as one. */
  columns: readonly string[]
  /** Columns that hold maps, lists or records. */
  nested: ReadonlySet<string>
  rows: number
  /** Rows of some columns, many at a time, to the end or to a row. */
  read(columns: readonly string[], range?: { to?: number }): AsyncGenerator<ParquetRow[]>
  close(): Promise<void>
}

/** Rows of flat columns that are in memory at a time. */
const sliceRows = 32_768
/** A page is read whole: one that unpacks to more is no page of a report. */
const mostPageBytes = 512 * 1024 ** 2

const sized =
  (unpack: (input: Uint8Array, outputLength: number) => Uint8Array) => (input: Uint8Array, length: number) => {
    if (length > mostPageBytes) throw new RangeError(`a page of ${length} bytes unpacked, more than ${mostPageBytes}`)
    return unpack(input, length)
  }
const lz4 = (codec: 'LZ4' | 'LZ4_RAW'): Compressors => {
  const unpack = others[codec]
  return unpack === undefined ? {} : { [codec]: sized(unpack) }
}
const compressors: Compressors = {
  ...lz4('LZ4'),
  ...lz4('LZ4_RAW'),
  SNAPPY: sized((input, length) => {
    const output = new Uint8Array(length)
    snappyUncompress(input, output)
    return output
  }),
  GZIP: sized((input, length) => gunzipSync(input, { maxOutputLength: Math.max(1, length) })),
  ZSTD: sized((input, length) => zstdDecompressSync(input, { maxOutputLength: Math.max(1, length) })),
  BROTLI: sized((input, length) => brotliDecompressSync(input, { maxOutputLength: Math.max(1, length) })),
}

const bufferOf = (file: FileHandle, byteLength: number): AsyncBuffer => ({
  byteLength,
  slice: async (start, end = byteLength) => {
    const buffer = new ArrayBuffer(Math.max(0, Math.min(end, byteLength) - start))
    const { bytesRead } = await file.read(new Uint8Array(buffer), 0, buffer.byteLength, start)
    if (bytesRead < buffer.byteLength) throw new RangeError(`expected ${buffer.byteLength} bytes, got ${bytesRead}`)
    return buffer
  },
})
const wordOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replace(/^parquet /, '')

/** Throws EXPORT_INVALID unless the file begins and ends as Parquet does. */
const assertParquet = async (name: string, buffer: AsyncBuffer): Promise<void> => {
  const text = async (from: number) => Buffer.from(await buffer.slice(from, from + 4)).toString('latin1')
  const size = buffer.byteLength
  const refused = (problem: string): AppError => new AppError('EXPORT_INVALID', `${name}: ${problem}`)
  if (size === 0) throw refused('expected a Parquet file, got an empty file')
  const begin = await text(0)
  if (begin === 'PARE')
    throw refused('expected a Parquet file that is not encrypted, got one with an encrypted footer (PARE)')
  if (begin !== 'PAR1') {
    const known = /^(\x1f\x8b)/.test(begin) ? 'a gzip file' : `a file that begins with ${JSON.stringify(begin)}`
    throw refused(
      `expected a Parquet file, which begins with PAR1, got ${known}; is it of another format than its name?`,
    )
  }
  const end = size < 12 ? '' : await text(size - 4)
  if (end === 'PARE')
    throw refused('expected a Parquet file that is not encrypted, got one with an encrypted footer (PARE)')
  if (end !== 'PAR1')
    throw refused(
      'expected a whole Parquet file, which ends with PAR1, got one that breaks off; is the delivery complete?',
    )
}
const metadataOf = async (name: string, buffer: AsyncBuffer): Promise<FileMetaData> => {
  await assertParquet(name, buffer)
  const metadata = await parquetMetadataAsync(buffer, { geoparquet: false }).catch((error: unknown) => {
    throw new AppError(
      'EXPORT_INVALID',
      `${name}: expected a whole Parquet footer, got a damaged one (${wordOf(error)})`,
      {
        cause: error,
      },
    )
  })
  for (const { columns } of metadata.row_groups) {
    const locked = columns.find(
      ({ crypto_metadata, meta_data }) => crypto_metadata !== undefined || meta_data === undefined,
    )
    if (locked !== undefined)
      throw new AppError(
        'EXPORT_INVALID',
        `${name}, column ${locked.meta_data?.path_in_schema[0] ?? 'unknown'}: ` +
          'expected columns that are not encrypted, got an encrypted one',
      )
  }
  return metadata
}
const columnsOf = (name: string, tree: SchemaTree): Map<string, SchemaTree> => {
  const columns = new Map<string, SchemaTree>()
  const names = new Set<string>()
  for (const child of tree.children) {
    const lower = child.element.name.toLowerCase()
    if (names.has(lower))
      throw new AppError('EXPORT_INVALID', `${name}: has two columns ${lower}; names differ not by case alone`)
    names.add(lower)
    columns.set(child.element.name, child)
  }
  return columns
}

/** Opens a file; `name` is what errors call it. Throws EXPORT_INVALID when it is no whole Parquet file. */
export const openParquet = async ({ path, name }: { path: string; name: string }): Promise<Parquet> => {
  const file = await open(path)
  try {
    const buffer = bufferOf(file, (await file.stat()).size)
    const metadata = await metadataOf(name, buffer)
    const scales = prepare(metadata)
    const columns = columnsOf(name, parquetSchema(metadata))
    const nested = new Set([...columns].filter(([, column]) => isNested(column)).map(([column]) => column))

    const fault = (group: number, column: string, error: unknown): AppError =>
      error instanceof AppError
        ? error
        : new AppError('EXPORT_INVALID', `${name}, row group ${group}, column ${column}: ${wordOf(error)}`, {
            cause: error,
          })
    /** Texts of a column between two rows of one row group. */
    const texts = async (
      group: number,
      column: string,
      rowStart: number,
      rowEnd: number,
    ): Promise<(string | null)[]> => {
      const tree = columns.get(column)
      if (tree === undefined) return []
      try {
        const scan = await parquetScan({ file: buffer, metadata, columns: [column], compressors, parsers, utf8: false })
        const data = await scan.readColumn({ column, rowStart, rowEnd })
        if (data.length < rowEnd - rowStart)
          throw new RangeError(`expected ${rowEnd - rowStart} values, got ${data.length}`)
        return Array.from(data as ArrayLike<unknown>, textReader(tree, scales))
      } catch (error) {
        throw fault(group, column, error)
      }
    }
    return {
      columns: [...columns.keys()],
      nested,
      rows: Number(metadata.num_rows),
      read: async function* (wanted, { to = Infinity } = {}) {
        let begin = 0
        for (const [k, { num_rows }] of metadata.row_groups.entries()) {
          const [start, end] = [begin, Math.min(begin + Number(num_rows), to)]
          begin += Number(num_rows)
          // Pages of nested columns do not say where a row begins, so those are read once for the whole group.
          const whole = new Map<string, (string | null)[]>()
          for (const column of wanted)
            if (nested.has(column) && end > start) whole.set(column, await texts(k + 1, column, start, end))
          for (let from = start; from < end; from += sliceRows) {
            const until = Math.min(from + sliceRows, end)
            const slices: (string | null)[][] = []
            for (const column of wanted)
              slices.push(
                whole.get(column)?.slice(from - start, until - start) ?? (await texts(k + 1, column, from, until)),
              )
            yield Array.from({ length: until - from }, (_, at) => ({
              line: from + at + 1,
              group: k + 1,
              fields: slices.map((slice) => slice[at] ?? null),
            }))
          }
          if (begin >= to) return
        }
      },
      close: () => file.close(),
    }
  } catch (error) {
    await file.close()
    throw error
  }
}
