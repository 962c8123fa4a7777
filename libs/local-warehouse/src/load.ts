/**
 * Files as one SELECT whose rows go into a table: each value is converted as its column is declared, and a value that
 * does not convert fails the whole load. DuckDB reads and converts; it says which value was wrong, not where it stands.
 * So only then the file is read a second time, record by record, to name file, line and column.
 */
import { stat } from 'node:fs/promises'
import type { DuckDBConnection } from '@duckdb/node-api'
import { AppError } from '@convergence/contracts'
import type { Column } from '@convergence/contracts'
import type { LoadSpec } from '@convergence/warehouse'
import { planCsv } from './load/csv.ts'
import { bytesOf, isGzip, unreadable } from '@convergence/warehouse/files'
import type { File } from '@convergence/warehouse/files'
import { planNdjson } from './load/ndjson.ts'
import { planParquet } from './load/parquet.ts'

/** Files as a SELECT. */
interface Plan {
  /** Gives exactly the columns, in their order. */
  sql: string
  /** Names of columns that are NULL in each row, as the files lack what they are read from. */
  empty?: readonly string[]
  /** What to tell of a fault that running the SQL threw. */
  explain(error: unknown): Promise<AppError>
  /** Another plan of the same, where that fault is none of the files'. Its own files go with `release`. */
  again?(fault: unknown): Promise<(Plan & { release(): Promise<void> }) | undefined>
}
export interface Load extends Plan {
  columns: readonly Column[]
  bytes: number
  /**
   * DuckDB takes a gzip file that broke off for a whole one, and checks no sum: this reads each to its end. Throws
   * EXPORT_INVALID.
   */
  verify(): Promise<void>
}

const tableColumn = ({ name, type, mode, description, fields }: Column): Column => ({
  name,
  type,
  ...(mode === undefined ? {} : { mode }),
  ...(description === undefined ? {} : { description }),
  ...(fields === undefined ? {} : { fields }),
})
const verify = async (files: readonly File[]): Promise<void> => {
  for (const file of files.filter(({ path }) => isGzip(path))) {
    try {
      for await (const _chunk of bytesOf(file)) {
        /* only to its end */
      }
    } catch (error) {
      throw unreadable(file, error)
    }
  }
}

/**
 * Reads headers; the rest is read when the SQL runs. Throws EXPORT_INVALID when a file is missing, empty or lacks a
 * column.
 */
export const planLoad = async (connection: DuckDBConnection, spec: LoadSpec): Promise<Load> => {
  let bytes = 0
  for (const file of spec.files) {
    try {
      bytes += (await stat(file.path)).size
    } catch (error) {
      throw unreadable(file, error)
    }
  }
  if (spec.files.length === 0) throw new AppError('EXPORT_INVALID', 'the load names no file')
  if (spec.format === 'ndjson') {
    const { columns } = spec.destination
    if (columns === undefined || columns.length === 0)
      throw new AppError(
        'CONFIG_INVALID',
        `${spec.destination.dataset}.${spec.destination.table}: a load of NDJSON needs destination.columns`,
      )
    return { ...planNdjson(spec.files, columns), columns, bytes, verify: () => verify(spec.files) }
  }
  const columns = spec.columns ?? []
  if (columns.length === 0)
    throw new AppError(
      'CONFIG_INVALID',
      `${spec.destination.dataset}.${spec.destination.table}: a load of ${spec.format} needs columns`,
    )
  return {
    ...(spec.format === 'csv'
      ? await planCsv(spec.files, columns)
      : await planParquet(connection, spec.files, columns, { like_csv: spec.like_csv })),
    columns: columns.map(tableColumn),
    bytes,
    verify: () => verify(spec.files),
  }
}
