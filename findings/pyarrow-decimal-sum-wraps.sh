#!/usr/bin/env bash
# pyarrow's sum of decimal128(38, 18) wraps around where the result needs 39 digits.
#
# Expected: an overflow error, or a wider type. Happens: a negative number comes back. pandas and DataFusion over Arrow do
# the same; Polars refuses. Matters: totals of money in Arrow. Guard: sum where the engine checks, or as Python's Decimal.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv env >/dev/null; ./env/bin/pip install --quiet --disable-pip-version-check pyarrow==26.0.1
./env/bin/python - <<'P'
import decimal, sys
import pyarrow as pa, pyarrow.compute as pc
print('version', pa.__version__)
nines = decimal.Decimal('9' * 20 + '.' + '9' * 18)
with decimal.localcontext() as context:
    context.prec = 60
    right = nines * 2
total = pc.sum(pa.array([nines, nines], pa.decimal128(38, 18))).as_py()
print('sum', total, 'expected', right)
sys.exit(0 if total != right else 1)
P
