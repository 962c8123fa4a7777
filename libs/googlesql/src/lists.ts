/** The two lists of docs/LOCAL.md, from the tables that the translation itself uses. */
import { aggregates } from './functions/aggregates.ts'
import { windowFunctions } from './functions/windows.ts'
import { functions } from './functions.ts'
import { knownOptions } from './statements/options.ts'

/** Refused by name, with the reason; `example` is a statement that is refused for it. The tests run each. */
export const refused: readonly { construct: string; reason: string; example: string }[] = [
  {
    construct: 'several statements, scripts (DECLARE, SET, IF, LOOP, BEGIN, EXECUTE IMMEDIATE, ASSERT, CALL)',
    reason: 'what must be atomic is a job of the engine',
    example: 'DECLARE x INT64; SELECT x',
  },
  { construct: 'transactions', reason: 'as above', example: 'BEGIN TRANSACTION' },
  {
    construct: 'CREATE FUNCTION, PROCEDURE, TEMP tables and functions',
    reason: 'nothing in the platform needs them',
    example: 'CREATE TEMP FUNCTION f(x INT64) AS (x)',
  },
  {
    construct: 'FOR SYSTEM_TIME AS OF',
    reason: 'no time travel',
    example: 'SELECT 1 FROM d.t FOR SYSTEM_TIME AS OF CURRENT_TIMESTAMP()',
  },
  {
    construct: 'wildcard tables, partition decorators, _PARTITIONTIME, _TABLE_SUFFIX',
    reason: 'no ingestion-time tables',
    example: 'SELECT 1 FROM `d.t_*`',
  },
  { construct: 'pipe syntax', reason: 'not done', example: 'FROM d.t |> WHERE TRUE' },
  {
    construct: 'TABLESAMPLE, hints, table functions, LATERAL, NATURAL JOIN',
    reason: 'not done',
    example: 'SELECT 1 FROM d.t TABLESAMPLE SYSTEM (1 PERCENT)',
  },
  {
    construct: 'set operations BY NAME, INTERSECT ALL, EXCEPT ALL',
    reason: 'not done',
    example: 'SELECT 1 INTERSECT ALL SELECT 1',
  },
  {
    construct: 'UNNEST of several arrays, UNPIVOT of several columns, PIVOT values that are no literals',
    reason: 'not done',
    example: 'SELECT 1 FROM UNNEST([1], [2])',
  },
  {
    construct: 'GROUP BY and DISTINCT of STRUCT, ARRAY and JSON, order and IN of STRUCT',
    reason: 'the engine has other rules',
    example: 'SELECT DISTINCT STRUCT(1 AS a) FROM d.t',
  },
  {
    construct: 'a name in GROUP BY or HAVING that is a column and the alias of another expression',
    reason: 'which one is meant was not verified',
    example: 'SELECT LOWER(x) AS x, COUNT(*) FROM (SELECT "a" AS x) GROUP BY x',
  },
  {
    construct: 'LIKE ANY, LIKE ALL and IN of tuples with RAND, GENERATE_UUID or a subquery on the left',
    reason: 'it would be evaluated for each pattern or tuple',
    example: "SELECT GENERATE_UUID() LIKE ANY ('a%', 'b%')",
  },
  {
    construct:
      'RAND and GENERATE_UUID in CORR, in AVG of NUMERIC, in CASE x WHEN with a subquery in a branch, and behind an ' +
      'alias that HAVING, QUALIFY or an expression in ORDER BY names',
    reason: 'the translation repeats them there, and each copy would have another value',
    example: 'SELECT CORR(RAND(), x) FROM d.t',
  },
  { construct: 'operators on the bits of BYTES', reason: 'not done', example: "SELECT b'a' & b'b'" },
  {
    construct: 'DATE - DATE, INTERVAL values',
    reason: 'no INTERVAL type',
    example: "SELECT DATE '2025-01-01' - DATE '2025-01-02'",
  },
  {
    construct: 'types GEOGRAPHY, INTERVAL, RANGE',
    reason: 'no counterpart',
    example: 'SELECT CAST(NULL AS GEOGRAPHY)',
  },
  {
    construct:
      'MOD, DIV, POW, SQRT, EXP, LN, LOG and LOG10 of BIGNUMERIC, RANGE frames with an offset over it, BIGNUMERIC(p, s)',
    reason: 'not to 38 digits',
    example: "SELECT SQRT(BIGNUMERIC '2')",
  },
  {
    construct: 'TO_JSON, JSON_OBJECT and JSON_ARRAY of BIGNUMERIC',
    reason: 'not done',
    example: "SELECT TO_JSON(BIGNUMERIC '1')",
  },
  {
    construct: 'CAST with FORMAT, parameterized types in CAST',
    reason: 'not done',
    example: "SELECT CAST('2025-01-01' AS DATE FORMAT 'YYYY-MM-DD')",
  },
  {
    construct: 'the SAFE. prefix of functions that raise errors of their own, such as SUBSTR and PARSE_JSON',
    reason: 'DuckDB takes none of those for NULL',
    example: "SELECT SAFE.SUBSTR('a', 1, 1)",
  },
  {
    construct: 'format elements outside of the lists; formats, regular expressions and JSON paths that are no literals',
    reason: 'they cannot be checked',
    example: "SELECT FORMAT_DATE('%O', DATE '2025-01-01')",
  },
  { construct: 'system variables', reason: 'there are no sessions', example: 'SELECT @@project_id' },
  { construct: 'collation', reason: 'not done', example: "SELECT 'a' ORDER BY 1 COLLATE 'und:ci'" },
  {
    construct: 'DDL and DML in another project',
    reason: 'one transaction writes one project',
    example: 'DELETE FROM other.d.t WHERE TRUE',
  },
  {
    construct: 'ALTER TABLE other than ADD COLUMN, DROP COLUMN, SET OPTIONS; ALTER VIEW, ALTER SCHEMA',
    reason: 'not done',
    example: 'ALTER TABLE d.t RENAME TO u',
  },
  {
    construct: 'every function that is not on the list above',
    reason: 'some have another meaning in DuckDB',
    example: 'SELECT FARM_FINGERPRINT("abc")',
  },
]

const argumentCount = ({ min, max }: { min: number; max: number }): string => {
  if (min === max) return String(min)
  return max > 100 ? `${min}+` : `${min}-${max}`
}
const names = (table: ReadonlyMap<string, { min: number; max: number }>): string =>
  [...table]
    .map(([name, counts]) => `${name}(${argumentCount(counts)})`)
    .sort()
    .join(', ')

/** One line each; a number after a function is that of its arguments. */
const supported = (): string[] => [
  'Statements: SELECT, INSERT (VALUES, SELECT), UPDATE (also FROM, fields of a STRUCT), DELETE, MERGE, TRUNCATE ' +
    'TABLE, CREATE TABLE (columns, LIKE, AS SELECT), CREATE VIEW,\n' +
    '  CREATE MATERIALIZED VIEW (kept as a view), CREATE SCHEMA, DROP TABLE, DROP VIEW, DROP SCHEMA, ALTER TABLE ' +
    '(ADD COLUMN, DROP COLUMN, SET OPTIONS).',
  'Queries: WITH (also RECURSIVE with one step), joins with ON and USING, comma joins, UNNEST (WITH OFFSET, LEFT ' +
    'JOIN), subqueries (scalar, EXISTS, IN, ARRAY), GROUP BY (ALL, ROLLUP, CUBE,\n' +
    '  GROUPING SETS), HAVING, QUALIFY, windows (ROWS, RANGE, named), UNION ALL and DISTINCT, INTERSECT DISTINCT, ' +
    'EXCEPT DISTINCT, PIVOT, UNPIVOT, `* EXCEPT` and `* REPLACE`, ORDER BY, LIMIT,\n' +
    '  INFORMATION_SCHEMA (TABLES, COLUMNS, VIEWS, SCHEMATA).',
  'Types: STRING, BYTES, INT64, FLOAT64, NUMERIC, BIGNUMERIC, BOOL, DATE, TIME, DATETIME, TIMESTAMP, JSON, STRUCT, ' +
    'ARRAY.',
  `Functions: ${names(functions)}.`,
  `Aggregates: ${names(aggregates)}.`,
  `Window functions: ${names(windowFunctions)}, and the aggregates.`,
  `Options: ${Object.entries(knownOptions)
    .map(([kind, options]) => `of a ${kind}: ${options.join(', ')}`)
    .join('; ')}.`,
]
const differences = [
  'FLOAT64 arithmetic fails when it overflows, as in BigQuery, and also on infinity and NaN, where BigQuery goes on. ' +
    'So do SUM and AVG of FLOAT64 that overflow on the way, and AVG of infinite values.',
  'A NUMERIC product, quotient or average fails when a step of it needs more than 38 digits.',
  'Approximate aggregates are exact.',
  'Two output columns of one name: the second is called name_1.',
  'A JSON text that is no JSON as a whole gives NULL; BigQuery may still find a value before the fault.',
  'TO_JSON_STRING of a JSON sorts keys as BigQuery does, and is refused where an object of several keys has more than ' +
    'four others around it.',
  'Texts of times before 1973 in a zone whose clock was off by seconds then are refused.',
  'GENERATE_ARRAY and GENERATE_TIMESTAMP_ARRAY are refused above 1048575 elements. LPAD and RPAD count the 1 MB that ' +
    'their output may have in characters.',
  'A function of NUMERIC (POW, SQRT, EXP, LN, LOG, LOG10) is refused where its ninth digit is not sure.',
]
const bullets = (lines: readonly string[]): string => lines.map((line) => `- ${line}`).join('\n')

/** The lists as a section of a page. */
export const listsMarkdown = (): string => `### Supported

${bullets(supported())}

### Refused

| construct | reason |
|---|---|
${refused.map(({ construct, reason }) => `| ${construct.replaceAll('|', '\\|')} | ${reason} |`).join('\n')}

### Known differences

${bullets(differences)}`
