/**
 * Where the judge is not BigQuery: what its evaluator lacks or does otherwise, by name and with the reason. `example`
 * shows that it still does.
 */
import type { Answer, Value } from './answer.ts'
import { compare } from './compare.ts'

export interface Deviation {
  name: string
  reason: string
  example: string
  is(sql: string, ours: Answer, theirs: Answer): boolean
}
const failsWith =
  (pattern: RegExp) =>
  (_sql: string, _ours: Answer, theirs: Answer): boolean =>
    'error' in theirs && pattern.test(theirs.error)

const lettersOfNan = (value: Value): Value =>
  typeof value === 'string' ? value.replaceAll('NaN', 'nan') : (value?.map(lettersOfNan) ?? null)
const sameButForNan = (ours: Answer, theirs: Answer): boolean =>
  'rows' in ours &&
  compare({ ...ours, rows: ours.rows.map((row) => row.map(lettersOfNan)) }, theirs, false).verdict === 'right'

export const deviations: readonly Deviation[] = [
  {
    name: 'operators on a literal NULL',
    reason: 'BigQuery gives a literal NULL the type of the other side; the evaluator finds no signature',
    example: 'SELECT NULL + 1',
    is: failsWith(/cannot be literal NULL/),
  },
  {
    name: 'functions that the evaluator has not',
    reason: "BigQuery's documentation has them; the judge's catalogue or evaluator does not",
    example: 'SELECT APPROX_COUNT_DISTINCT(x) FROM UNNEST([1]) AS x',
    is: failsWith(
      /(?:Function not found|Unsupported built-in function): (?:max_by|min_by|approx_\w+|contains_substr|(?:to|from)_base32)/i,
    ),
  },
  {
    name: 'JSON paths that may be left out',
    reason: "BigQuery's documentation: the path of JSON_QUERY and JSON_VALUE is optional",
    example: "SELECT JSON_QUERY('null')",
    is: failsWith(/No matching signature for function JSON_(?:QUERY|EXTRACT)\b.*found 1 argument/s),
  },
  {
    name: 'the letters of NaN as text',
    reason: "BigQuery's documentation writes NaN, the evaluator nan",
    example: "SELECT CAST(CAST('nan' AS FLOAT64) AS STRING)",
    is: (_sql, ours, theirs) => sameButForNan(ours, theirs),
  },
  {
    name: 'faults beside a NULL',
    reason: 'what is not needed for the result need not be evaluated; neither side promises an order',
    example: 'SELECT CAST(NULL AS FLOAT64) * (1 / 0)',
    is: (sql, ours, theirs) =>
      'rows' in ours &&
      ours.rows.every((row) => row.includes(null)) &&
      failsWith(/division by zero/)(sql, ours, theirs),
  },
  {
    name: 'other names of INT64',
    reason: "BigQuery's documentation: INT, SMALLINT, INTEGER, BIGINT, TINYINT and BYTEINT are INT64",
    example: 'SELECT CAST(1 AS INTEGER)',
    is: failsWith(/Type not found: (?:INT|SMALLINT|INTEGER|BIGINT|TINYINT|BYTEINT)\b/i),
  },
]
export const deviationOf = (sql: string, ours: Answer, theirs: Answer): string | undefined =>
  deviations.find(({ is }) => is(sql, ours, theirs))?.name
