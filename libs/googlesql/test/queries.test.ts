/** Value tables, GROUP BY ALL, queries without FROM, recursive terms. */
import { runCases } from './cases.ts'

describe('a value table', () => {
  runCases([
    ['gives the fields of its STRUCT under *', "SELECT * FROM (SELECT AS STRUCT 1 AS a, 'x' AS b)", [['1', 'x']]],
    [
      'gives them from a CTE of several queries',
      'WITH t AS (SELECT AS STRUCT 1 AS a, 2 AS b UNION ALL SELECT AS STRUCT 3, 4) SELECT a, b FROM t ORDER BY a',
      [
        ['1', '2'],
        ['3', '4'],
      ],
    ],
    [
      'is the value under its alias',
      'SELECT t, t.a FROM (SELECT AS STRUCT 1 AS a, 2 AS b) AS t',
      [[{ a: '1', b: '2' }, '1']],
    ],
    [
      'of scalars is read by its alias',
      'SELECT v FROM (SELECT AS VALUE x FROM UNNEST([1, 2]) AS x) AS v ORDER BY v',
      [['1'], ['2']],
    ],
  ])
})

describe('GROUP BY ALL', () => {
  runCases([
    ['of constants is one row', "SELECT 'all' FROM UNNEST([1, 2]) GROUP BY ALL", [['all']]],
    ['of constants is one row of an empty table', "SELECT 'all' FROM UNNEST(ARRAY<INT64>[]) GROUP BY ALL", [['all']]],
  ])
})

const without: [string, string][] = [
  ['SELECT SUM(1)', 'use aggregation'],
  ['SELECT ROW_NUMBER() OVER ()', 'use analytic functions'],
  ['SELECT 1 WHERE TRUE', 'have a WHERE clause'],
  ['SELECT DISTINCT 1', 'use SELECT DISTINCT'],
]
describe('a query without FROM', () => {
  runCases(
    without.map(([sql, words]) => [
      `cannot ${words}`,
      sql,
      new RegExp(`^QUERY_INVALID: Query without FROM clause cannot ${words}`),
    ]),
  )
})

const term = (step: string): string => `WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL ${step}) SELECT n FROM t`
describe('a recursive term', () => {
  runCases([
    ['may read itself once', `${term('SELECT n + 1 FROM t WHERE n < 3')} ORDER BY n`, [['1'], ['2'], ['3']]],
    ...[
      'SELECT ROW_NUMBER() OVER () + n FROM t WHERE n < 3',
      'SELECT SUM(n) + 1 FROM t WHERE n < 3',
      'SELECT DISTINCT n + 1 FROM t WHERE n < 3',
      '(SELECT n + 1 FROM t WHERE n < 3 LIMIT 1)',
      'SELECT u.x FROM UNNEST([1, 2]) AS x LEFT JOIN t ON t.n = x CROSS JOIN (SELECT 1 AS x) AS u',
      'SELECT n + 1 FROM t WHERE n < (SELECT MAX(n) FROM t)',
    ].map((step): [string, string, RegExp] => [
      `is refused: ${step}`,
      term(step),
      /^QUERY_INVALID: A recursive reference is not allowed/,
    ]),
  ])
})
