/** Set operations: the types of their columns, and literals that take them. */
import { runCases } from './cases.ts'

const mismatch = /^QUERY_INVALID: No matching signature for UNION ALL/

describe('set operations', () => {
  runCases(
    [
      [
        'NULL takes the type of the other side',
        "SELECT 'a', NULL UNION ALL SELECT 'b', 'x'",
        [
          ['a', null],
          ['b', 'x'],
        ],
      ],
      ['NULL takes the type of a later side', "SELECT NULL AS x UNION ALL SELECT 'a'", [[null], ['a']]],
      ['NULL in parentheses is a literal', "(SELECT NULL AS x) UNION ALL SELECT 'a'", [[null], ['a']]],
      [
        'three ways, with a number that becomes NUMERIC',
        "SELECT 'g', CAST(1 AS NUMERIC), NULL UNION ALL SELECT 'a', 2, 'eu' UNION ALL SELECT 'z', NULL, NULL",
        [
          ['g', '1.000000000', null],
          ['a', '2.000000000', 'eu'],
          ['z', null, null],
        ],
      ],
      ['a STRUCT and NULL', "SELECT STRUCT('x' AS k) UNION ALL SELECT NULL", [[{ k: 'x' }], [null]]],
      ['an empty array', "SELECT [] UNION ALL SELECT ['a']", [[[]], [['a']]]],
      [
        'a text literal for a date',
        "SELECT DATE '2025-01-01' UNION ALL SELECT '2025-02-01'",
        [['2025-01-01'], ['2025-02-01']],
      ],
      [
        'a grouped side',
        "SELECT 1, NULL, COUNT(*) FROM d.t GROUP BY 1, 2 UNION ALL SELECT 2, 'x', 3",
        [
          ['1', null, '2'],
          ['2', 'x', '3'],
        ],
      ],
      [
        'a FLOAT64 literal beside NUMERIC',
        "SELECT SUM(x) FROM (SELECT NUMERIC '0.1' AS x UNION ALL SELECT 0.2)",
        [['0.300000000']],
      ],
      ['a column that is widened', 'SELECT n FROM d.t UNION ALL SELECT 1.5', [[1], [2], [1.5]]],
      ['INTERSECT DISTINCT', "SELECT NULL AS x INTERSECT DISTINCT SELECT 'a'", []],
      ['NULL on every side', 'SELECT NULL UNION ALL SELECT NULL', [[null], [null]]],
      ['a CTE with NULL is no literal', "WITH t AS (SELECT NULL AS x) SELECT x FROM t UNION ALL SELECT 'a'", mismatch],
      ['a subquery is no literal', "SELECT (SELECT NULL) AS x UNION ALL SELECT 'a'", mismatch],
      [
        'a nested set operation is no literal',
        "(SELECT NULL AS x UNION ALL SELECT NULL) UNION ALL SELECT 'a'",
        mismatch,
      ],
    ],
    ['CREATE SCHEMA d', 'CREATE TABLE d.t (n BIGINT)', 'INSERT INTO d.t VALUES (1), (2)'],
  )
})

describe('a literal with a point beside NUMERIC', () => {
  runCases([
    [
      'is a NUMERIC, rounded to nine digits',
      "SELECT NUMERIC '10' * 0.15, NUMERIC '10' * 1e-3, NUMERIC '1' + 0.1234567891, NUMERIC '1' + 0.1234567895",
      [['1.500000000', '0.010000000', '1.123456789', '1.123456790']],
    ],
    [
      'is refused where NUMERIC cannot hold it',
      "SELECT NUMERIC '1' + 1e40",
      /^QUERY_INVALID: Invalid NUMERIC value: 1e40/,
    ],
    [
      'is rounded to the 38 digits of BIGNUMERIC',
      "SELECT BIGNUMERIC '1' + 0.12345678901234567890123, BIGNUMERIC '1' + 0.123456789012345678901234567890123456785",
      [['1.12345678901234567890123', '1.12345678901234567890123456789012345679']],
    ],
    [
      "has an exponent in NUMERIC '...' too",
      "SELECT NUMERIC '1E-9', NUMERIC '12e3'",
      [['0.000000001', '12000.000000000']],
    ],
  ])
})

describe('GREATEST and LEAST', () => {
  runCases([
    [
      'are NULL when an argument is NULL, a literal too',
      "SELECT GREATEST(1, NULL, 3), LEAST(NULL, 2), GREATEST('a', CAST(NULL AS STRING)), GREATEST(NULL, NULL), LEAST(1.5, NULL)",
      [[null, null, null, null, null]],
    ],
  ])
})
