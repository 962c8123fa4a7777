#!/usr/bin/env bash
# DuckDB's sum over DECIMAL(38, 9) turns negative without an error when partial sums are put together.
#
# Expected: an overflow error, as the same four values give in one small table. Happens: where they lie in different
# row groups, so that each partial sum still fits 128 bits and their total does not, the total wraps round: four
# amounts of 6.5e28 add up to -8.0e28. Matters: a total that is plainly wrong, and depends on how the rows lie.
# Guard: sum in parts that cannot overflow (digits above and below a power of ten apart), and put those together by hand.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
npm init -y >/dev/null; npm install --silent --no-audit --no-fund @duckdb/node-api@1.5.5-r.5 >/dev/null
cat > try.mjs <<'J'
import { DuckDBInstance } from '@duckdb/node-api'
const connection = await (await DuckDBInstance.create(':memory:')).connect()
const ask = async (sql) => {
  try {
    return String((await connection.runAndReadAll(sql)).getRowsJson()[0][0])
  } catch (error) {
    return error.message.slice(0, 42)
  }
}
console.log('version', await ask('SELECT version()'))
await connection.run('SET threads = 2')
// A row group has 122,880 rows: two of the amounts in each of two.
const amounts = (every, rows) =>
  `SELECT (CASE WHEN k % ${every} < 2 THEN '65000000000000000000000000000' ELSE '0' END)::DECIMAL(38, 9) AS v FROM range(${rows}) AS r(k)`
await connection.run(`CREATE TABLE close AS ${amounts(4, 8)}`)
await connection.run(`CREATE TABLE apart AS ${amounts(122_880, 245_760)}`)
const near = await ask('SELECT SUM(v)::VARCHAR FROM close')
const far = await ask('SELECT DISTINCT SUM(v) OVER ()::VARCHAR FROM apart')
console.log('close together:', near, '| in two row groups:', far)
process.exit(near.startsWith('Out of Range Error') && far === '-80282366920938463463374607431.768211456' ? 0 : 1)
J
node try.mjs
