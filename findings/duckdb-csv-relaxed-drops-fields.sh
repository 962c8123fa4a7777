#!/usr/bin/env bash
# DuckDB's read_csv takes files with mixed line ends only with strict_mode = false, which also drops surplus fields.
#
# Expected: the option is about line ends and quotes; a row with more fields than columns stays an error. Happens: `1,x,y`
# under two columns loads as (1, x), and ignore_errors is not set. Matters: a CSV export with one shifted row loads with
# wrong amounts in wrong columns. Guard: count the fields of each record before or beside the load.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
npm init -y >/dev/null; npm install --silent --no-audit --no-fund @duckdb/node-api@1.5.5-r.5 >/dev/null
printf 'id,name\r\n1,x,y\r\n2,z\r\n' > surplus.csv
printf 'id,name\r\n1,x\n2,z\r\n' > mixed.csv
cat > try.mjs <<'J'
import { DuckDBInstance } from '@duckdb/node-api'
const connection = await (await DuckDBInstance.create(':memory:')).connect()
const read = async (file, strict) => {
  const options = `header = true, columns = {id: 'VARCHAR', name: 'VARCHAR'}, auto_detect = false, strict_mode = ${strict}`
  try {
    return JSON.stringify((await connection.runAndReadAll(`SELECT * FROM read_csv('${file}', ${options})`)).getRowsJson())
  } catch (error) {
    return `refused: ${String(error.message).split('\n')[0]}`
  }
}
console.log('version', (await connection.runAndReadAll('SELECT version()')).getRowsJson()[0][0])
const seen = {}
for (const file of ['mixed.csv', 'surplus.csv'])
  for (const strict of [true, false]) console.log(file, 'strict', strict, (seen[`${file} ${strict}`] = await read(file, strict)))
const same =
  seen['mixed.csv false'] === '[["1","x"],["2","z"]]' &&
  seen['surplus.csv true'].startsWith('refused') &&
  seen['surplus.csv false'] === '[["1","x"],["2","z"]]'
process.exit(same ? 0 : 1)
J
node try.mjs
