#!/usr/bin/env bash
# DuckDB compares STRUCTs with < and >, but not with both in one condition.
#
# Expected: `x > a AND x < b` works wherever `x > a` and `x < b` do. Happens: the optimizer makes a BETWEEN of it, for which
# there is no comparison of STRUCTs, and the statement fails. Matters to whoever keeps a wide decimal in several columns of
# one STRUCT. Guard: compare in a way that is not recognised as a range.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
npm init -y >/dev/null; npm install --silent --no-audit --no-fund @duckdb/node-api@1.5.5-r.5 >/dev/null
cat > try.mjs <<'J'
import { DuckDBInstance } from '@duckdb/node-api'
const connection = await (await DuckDBInstance.create(':memory:')).connect()
const count = async (condition) =>
  (await connection.runAndReadAll(`SELECT count(*)::INTEGER FROM t WHERE ${condition}`)).getRowsJson()[0][0]
console.log('version', (await connection.runAndReadAll('SELECT version()')).getRowsJson()[0][0])
await connection.run("CREATE TABLE t AS SELECT {'a': i, 'b': i} AS x FROM range(10) r(i)")
const above = await count("x > {'a': 2::BIGINT, 'b': 0::BIGINT}")
const below = await count("x < {'a': 5::BIGINT, 'b': 0::BIGINT}")
const both = await count("x > {'a': 2::BIGINT, 'b': 0::BIGINT} AND x < {'a': 5::BIGINT, 'b': 0::BIGINT}").catch(
  (error) => String(error.message).split('\n')[0],
)
console.log(JSON.stringify({ above, below, both }))
process.exit(above === 8 && below === 5 && typeof both === 'string' && /BETWEEN/i.test(both) ? 0 : 1)
J
node try.mjs
