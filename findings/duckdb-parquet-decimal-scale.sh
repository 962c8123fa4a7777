#!/usr/bin/env bash
# DuckDB reads several Parquet files whose decimals have different scales by one scale, and rounds without a word.
#
# Expected: a type that holds every file's values, or an error. Happens: by default the first file's scale wins; with
# union_by_name the result is DECIMAL(38,10) for (38,10) and (38,17). Either way 0.00011886691674590 becomes 0.0001188669.
# Matters: cost exports come in many files, and writers choose a scale per file; a sum is off and nothing says so.
# Guard: cast each file by its own types to the destination's, then unite them.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
npm init -y >/dev/null; npm install --silent --no-audit --no-fund @duckdb/node-api@1.5.5-r.5 >/dev/null
cat > try.mjs <<'J'
import { DuckDBInstance } from '@duckdb/node-api'
const connection = await (await DuckDBInstance.create(':memory:')).connect()
const one = async (sql) => (await connection.runAndReadAll(sql)).getRowsJson()
console.log('version', (await one('SELECT version()'))[0][0])
await connection.run("COPY (SELECT 12.5::DECIMAL(38,10) AS c) TO 'a.parquet'")
await connection.run("COPY (SELECT '0.00011886691674590'::DECIMAL(38,17) AS c) TO 'b.parquet'")
let same = true
for (const option of ['', ', union_by_name = true']) {
  const rows = await one(`SELECT typeof(c), c::VARCHAR FROM read_parquet(['a.parquet', 'b.parquet']${option}) ORDER BY c`)
  console.log(option || '(default)', JSON.stringify(rows))
  same &&= rows[0][0] === 'DECIMAL(38,10)' && rows[0][1] === '0.0001188669'
}
const alone = await one("SELECT c::VARCHAR FROM read_parquet('b.parquet')")
console.log('alone', alone[0][0])
process.exit(same && alone[0][0] === '0.00011886691674590' ? 0 : 1)
J
node try.mjs
