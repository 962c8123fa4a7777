#!/usr/bin/env bash
# DuckDB's BIGNUM, whole numbers of any length, is exact in + and sum but not in *.
#
# Expected: a product of two BIGNUMs is a BIGNUM. Happens: it is a DOUBLE, so digits beyond 2^53 are gone without an error.
# Matters: scaled money (value x 10^38) kept as BIGNUM adds up exactly and is multiplied wrongly.
# Guard: multiply in parts that fit HUGEINT, or refuse.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
npm init -y >/dev/null; npm install --silent --no-audit --no-fund @duckdb/node-api@1.5.5-r.5 >/dev/null
cat > try.mjs <<'J'
import { DuckDBInstance } from '@duckdb/node-api'
const connection = await (await DuckDBInstance.create(':memory:')).connect()
const row = async (sql) => (await connection.runAndReadAll(sql)).getRowsJson()[0]
console.log('version', (await row('SELECT version()'))[0])
const sum = await row("SELECT typeof(s), s::VARCHAR FROM (SELECT '123456789012345678901234567890123456789012'::BIGNUM + 1::BIGNUM AS s)")
const product = await row("SELECT typeof(p), p::VARCHAR FROM (SELECT '12345678901234567891'::BIGNUM * 3::BIGNUM AS p)")
console.log('+', ...sum, '*', ...product)
process.exit(
  sum[0] === 'BIGNUM' && sum[1].endsWith('9013') && product[0] === 'DOUBLE' && product[1] !== '37037036703703703673' ? 0 : 1,
)
J
node try.mjs
