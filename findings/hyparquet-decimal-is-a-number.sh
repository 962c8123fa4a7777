#!/usr/bin/env bash
# hyparquet reads DECIMAL as a JavaScript number.
#
# Expected: every digit that the file holds, as text or BigInt, since DECIMAL(38,20) is what exports use for money.
# Happens: the unscaled integer is divided by a power of ten, so the value has 15 to 17 digits and a file's total is not
# its invoice's. Guard: read the bytes of the column and place the point in the text oneself.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund hyparquet@1.33.0 @duckdb/node-api@1.5.5-r.5 >/dev/null
cat > try.mjs <<'J'
import { DuckDBInstance } from '@duckdb/node-api'
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet'
const connection = await (await DuckDBInstance.create(':memory:')).connect()
const written = '123456789012.00011886691674590114'
await connection.run(`COPY (SELECT CAST('${written}' AS DECIMAL(38,20)) AS cost) TO 'cost.parquet' (COMPRESSION 'uncompressed')`)
const [row] = await parquetReadObjects({ file: await asyncBufferFromFile('cost.parquet') })
console.log('hyparquet 1.33.0')
console.log(JSON.stringify({ written, read: String(row.cost), type: typeof row.cost }))
process.exit(typeof row.cost === 'number' && String(row.cost) !== written ? 0 : 1)
J
node try.mjs
