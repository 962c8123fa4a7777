#!/usr/bin/env bash
# DuckDB's sum over DECIMAL(38, 9) answers a value of 39 digits, which its own type cannot hold.
#
# Expected: an overflow error at the sum. Happens: the sum is typed DECIMAL(38,9), prints 30 digits before the point, and
# only the next operation on it fails. Matters: a total is shown that cannot be stored or compared again.
# Guard: add CAST(0 AS DECIMAL(38,9)) to the sum, which checks it.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
npm init -y >/dev/null; npm install --silent --no-audit --no-fund @duckdb/node-api@1.5.5-r.5 >/dev/null
cat > try.mjs <<'J'
import { DuckDBInstance } from '@duckdb/node-api'
const connection = await (await DuckDBInstance.create(':memory:')).connect()
const run = async (sql) => {
  try {
    return (await connection.runAndReadAll(sql)).getRowsJson()[0]
  } catch (error) {
    return [`error: ${String(error.message).split('\n')[0]}`]
  }
}
console.log('version', (await run('SELECT version()'))[0])
const values = "(VALUES ('99999999999999999999999999999'::DECIMAL(38,9)), ('1'::DECIMAL(38,9))) t(x)"
const sum = await run(`SELECT typeof(sum(x)), sum(x)::VARCHAR FROM ${values}`)
const checked = await run(`SELECT (sum(x) + CAST(0 AS DECIMAL(38,9)))::VARCHAR FROM ${values}`)
console.log('sum', ...sum, '| checked', ...checked)
process.exit(sum[0] === 'DECIMAL(38,9)' && sum[1].split('.')[0].length === 30 && checked[0].startsWith('error') ? 0 : 1)
J
node try.mjs
