#!/usr/bin/env bash
# DuckDB casts text that is no number, no time and no JSON in the standards' sense.
#
# Expected: an error, as BigQuery and RFC 8259 have it. Happens: '1_000' is DECIMAL 1000, '2025-11-19T24:00:00' is the next
# day's midnight, and '{"a":1,}' and 'NaN' are JSON. Matters: what loads on a laptop fails in production, or means
# something else there. Guard: look at the text itself before the cast.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
npm init -y >/dev/null; npm install --silent --no-audit --no-fund @duckdb/node-api@1.5.5-r.5 >/dev/null
cat > try.mjs <<'J'
import { DuckDBInstance } from '@duckdb/node-api'
const connection = await (await DuckDBInstance.create(':memory:')).connect()
const value = async (sql) => (await connection.runAndReadAll(`SELECT (${sql})::VARCHAR`)).getRowsJson()[0][0]
console.log('version', await value('version()'))
const seen = {
  number: await value("CAST('1_000' AS DECIMAL(38,2))"),
  time: await value("CAST('2025-11-19T24:00:00' AS TIMESTAMP)"),
  comma: await value(`TRY_CAST('{"a":1,}' AS JSON)`),
  nan: await value("TRY_CAST('NaN' AS JSON)"),
}
console.log(JSON.stringify(seen))
const same =
  seen.number === '1000.00' && seen.time === '2025-11-20 00:00:00' && seen.comma !== null && seen.nan !== null
process.exit(same ? 0 : 1)
J
node try.mjs
