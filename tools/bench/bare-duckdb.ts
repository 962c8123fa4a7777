/**
 * What the machine can do at most: bare DuckDB, with the embedded warehouse's settings, reads a CSV file into a new
 * table, every column as text. Prints the seconds.
 */
import { rmSync } from 'node:fs'
import { DuckDBInstance } from '@duckdb/node-api'

const [csv = '', database = ''] = process.argv.slice(2)
const instance = await DuckDBInstance.create(database)
const connection = await instance.connect()
await connection.run(`SET memory_limit='1GB'`)
await connection.run('SET preserve_insertion_order=false')
const started = performance.now()
await connection.run(`CREATE TABLE t AS SELECT * FROM read_csv('${csv.replaceAll("'", "''")}', all_varchar=true)`)
await connection.run('CHECKPOINT')
console.log(((performance.now() - started) / 1000).toFixed(3))
connection.closeSync()
instance.closeSync()
rmSync(database, { force: true })
