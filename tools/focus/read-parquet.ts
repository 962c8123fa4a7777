/** What DuckDB finds in a Parquet file: for the checks of files that we write. */
import { DuckDBInstance } from '@duckdb/node-api'

export interface ParquetRecords {
  /** DuckDB's types by column. */
  columns: Readonly<Record<string, string>>
  /** Values as text. */
  rows: Readonly<Record<string, string | null>>[]
}
/** `query` calls it `file`. */
export const parquetRecords = async (path: string, query: string): Promise<ParquetRecords> => {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  try {
    await connection.run(`SET TimeZone='UTC'`)
    await connection.run(`CREATE VIEW file AS SELECT * FROM read_parquet('${path.replaceAll("'", "''")}')`)
    const described = await connection.runAndReadAll('DESCRIBE file')
    const columns = described.getRowsJson().map(([name, type]) => [name, type])
    const read = await connection.runAndReadAll(`SELECT COLUMNS(*)::VARCHAR FROM (${query})`)
    return {
      columns: Object.fromEntries(columns) as Record<string, string>,
      rows: read.getRowObjectsJson() as Record<string, string | null>[],
    }
  } finally {
    connection.closeSync()
    instance.closeSync()
  }
}
