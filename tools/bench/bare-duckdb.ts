/**
 * What the machine can do at most: bare DuckDB, with the embedded warehouse's settings, reads a file into a new table:
 * CSV with every column as text, Parquet with the types of the file. Prints the seconds.
 */
import { rmSync } from 'node:fs'
import { DuckDBInstance } from '@duckdb/node-api'

const [file = '', database = ''] = process.argv.slice(2)
const path = `'${file.replaceAll("'", "''")}'`
const rows = file.endsWith('.parquet') ? `read_parquet(${path})` : `read_csv(${path}, all_varchar=true)`
const instance = await DuckDBInstance.create(database)
const connection = await instance.connect()
await connection.run(`SET memory_limit='1GB'`)
await connection.run('SET preserve_insertion_order=false')
const started = performance.now()
await connection.run(`CREATE TABLE t AS SELECT * FROM ${rows}`)
await connection.run('CHECKPOINT')
console.log(((performance.now() - started) / 1000).toFixed(3))
connection.closeSync()
instance.closeSync()
rmSync(database, { force: true })
