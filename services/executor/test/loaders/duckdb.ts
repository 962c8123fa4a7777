/** Files that bare DuckDB writes, by a SELECT in its words. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'

const written = async (select: string, form: string): Promise<Buffer> => {
  const folder = mkdtempSync(join(tmpdir(), 'convergence-duckdb-'))
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  try {
    const path = join(folder, 'file')
    await connection.run(`COPY (${select}) TO '${path}' (${form})`)
    return readFileSync(path)
  } finally {
    connection.closeSync()
    instance.closeSync()
    rmSync(folder, { recursive: true, force: true })
  }
}
/** `options`: such as `, COMPRESSION zstd`. */
export const parquetOf = (select: string, options = ''): Promise<Buffer> => written(select, `FORMAT parquet${options}`)
export const csvOfSelect = (select: string): Promise<Buffer> => written(select, 'FORMAT csv, HEADER')
