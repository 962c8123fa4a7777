/** What is known of a Parquet file before it is loaded, and rows of some of its columns. */
import { openParquet, type Parquet } from '@convergence/tabular/parquet'
import type { CsvRecord } from '@convergence/tabular/csv'
import type { Inspected, LocalFile } from './inspected.ts'

const sampledRows = 1000
/** Names of columns that say days: only those are looked at, for a file may have hundreds. */
const saysDays = /date|day|period|time/i

const whole = ({ columns }: Parquet, fields: ReadonlyMap<string, string | null>): string[] =>
  columns.map((name) => fields.get(name) ?? '')

/** Columns and, of those that say days, the first rows. Throws EXPORT_INVALID when the file is no Parquet file. */
export const inspectParquet = async (file: LocalFile): Promise<Inspected & { data_rows: number }> => {
  const parquet = await openParquet(file)
  try {
    const days = parquet.columns.filter((name) => saysDays.test(name) && !parquet.nested.has(name))
    const rows: CsvRecord[] = []
    for await (const some of parquet.read(days, { to: sampledRows }))
      for (const { line, fields } of some)
        rows.push({ line, fields: whole(parquet, new Map(days.map((name, k) => [name, fields[k] ?? null]))) })
    return {
      name: file.name,
      format: 'parquet',
      header: [...parquet.columns],
      rows,
      whole: parquet.rows <= sampledRows,
      data_rows: parquet.rows,
    }
  } finally {
    await parquet.close()
  }
}

/** All rows of a file, with what it has of some columns. */
export async function* rowsOfParquet(
  file: LocalFile,
  columns: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<CsvRecord> {
  const parquet = await openParquet(file)
  try {
    const own = parquet.columns.filter((name) => columns.includes(name))
    for await (const some of parquet.read(own)) {
      signal.throwIfAborted()
      for (const { line, fields } of some)
        yield { line, fields: whole(parquet, new Map(own.map((name, k) => [name, fields[k] ?? null]))) }
    }
  } finally {
    await parquet.close()
  }
}
