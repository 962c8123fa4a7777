/**
 * What DuckDB does as it comes, with a bound of memory and rows in any order: it reads a file into a new table of a new
 * database, CSV with every column as text, Parquet with the types of the file. Prints the seconds, by the clock and of
 * processor.
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
const [started, before] = [performance.now(), process.cpuUsage()]
await connection.run(`CREATE TABLE t AS SELECT * FROM ${rows}`)
await connection.run('CHECKPOINT')
const seconds = (performance.now() - started) / 1000
const { user, system } = process.cpuUsage(before)
console.log(JSON.stringify({ seconds, cpu_seconds: (user + system) / 1e6 }))
connection.closeSync()
instance.closeSync()
rmSync(database, { force: true })
