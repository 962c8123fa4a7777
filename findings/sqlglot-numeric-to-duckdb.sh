#!/usr/bin/env bash
# sqlglot translates BigQuery's NUMERIC to a DuckDB DECIMAL of three digits after the point.
#
# Expected: NUMERIC has nine digits, BIGNUMERIC 38, so DECIMAL(38, 9) or more. Happens: NUMERIC becomes DECIMAL(18, 3) and
# BIGNUMERIC DECIMAL(38, 5), by the target's defaults. Matters: unit prices below a thousandth turn into 0 without an error.
# Guard: do not take the translation as an oracle; write the precision out.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv env >/dev/null; ./env/bin/pip install --quiet --disable-pip-version-check sqlglot==30.30.0 duckdb==1.5.5
./env/bin/python - <<'P'
import sys, sqlglot, duckdb
print('version', sqlglot.__version__, 'duckdb', duckdb.__version__)
seen = {}
for type_ in ('NUMERIC', 'BIGNUMERIC'):
    sql = sqlglot.transpile(f"SELECT CAST('0.0004' AS {type_}) AS price", read='bigquery', write='duckdb')[0]
    seen[type_] = (sql, str(duckdb.sql(f'SELECT typeof(price) FROM ({sql})').fetchone()[0]), str(duckdb.sql(sql).fetchone()[0]))
    print(type_, *seen[type_], sep=' | ')
sys.exit(0 if seen['NUMERIC'][1:] == ('DECIMAL(18,3)', '0.000') and seen['BIGNUMERIC'][1].startswith('DECIMAL(38,5)') else 1)
P
