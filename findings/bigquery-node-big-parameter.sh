#!/usr/bin/env bash
# Google's BigQuery client for Node decides NUMERIC or BIGNUMERIC of a Big by its digits after the point alone.
#
# Expected: a value of 31 digits before the point is declared BIGNUMERIC, since NUMERIC holds 29. Happens: new Big('1e30')
# is declared NUMERIC, so the query fails on the server; 1e-10 is BIGNUMERIC. Matters: amounts given as Big parameters.
# Guard: give the type with the parameter (`types`), never leave it to the client.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
npm init -y >/dev/null; npm install --silent --no-audit --no-fund @google-cloud/bigquery@9.3.0 >/dev/null 2>&1
cat > try.cjs <<'J'
const { BigQuery } = require('@google-cloud/bigquery')
const path = require.resolve('big.js', { paths: [require.resolve('@google-cloud/bigquery')] })
const loaded = require(path)
const Big = loaded.Big ?? loaded.default ?? loaded
console.log('version', require('@google-cloud/bigquery/package.json').version, 'big.js', require(path.replace(/big\.js$/, 'package.json')).version)
const type = (text) => BigQuery.valueToQueryParameter_(new Big(text)).parameterType.type
const seen = { '1e30': type('1e30'), '1e-10': type('1e-10'), '1.5': type('1.5') }
console.log(JSON.stringify(seen))
process.exit(seen['1e30'] === 'NUMERIC' && seen['1e-10'] === 'BIGNUMERIC' && seen['1.5'] === 'NUMERIC' ? 0 : 1)
J
node try.cjs
