#!/usr/bin/env bash
# DuckDB's read_json with a declared BIGINT column takes numbers with a fraction and booleans.
#
# Expected: an error for a value that is no whole number, as BigQuery's load of NDJSON has it. Happens: 1.5 becomes 2, true
# becomes 1, and nothing is said. Matters: a broken export loads on a laptop, with other numbers. Guard: look at the type
# and the text of each value before the cast.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
npm init -y >/dev/null; npm install --silent --no-audit --no-fund @duckdb/node-api@1.5.5-r.5 >/dev/null
printf '{"id":1.5}\n{"id":true}\n{"id":7}\n' > rows.json
cat > try.mjs <<'J'
import { DuckDBInstance } from '@duckdb/node-api'
const connection = await (await DuckDBInstance.create(':memory:')).connect()
const rows = async (sql) => (await connection.runAndReadAll(sql)).getRowsJson()
console.log('version', (await rows('SELECT version()'))[0][0])
const seen = await rows(
  `SELECT id::VARCHAR FROM read_json('rows.json', format = 'newline_delimited', columns = {id: 'BIGINT'})`,
)
console.log(JSON.stringify(seen))
process.exit(JSON.stringify(seen) === '[["2"],["1"],["7"]]' ? 0 : 1)
J
node try.mjs
