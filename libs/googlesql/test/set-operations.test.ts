/** Set operations: the types of their columns, and literals that take them. */
import { expect } from 'chai'
import { makeWorld, outcome, type World } from './world.ts'

describe('set operations', () => {
  let world: World
  before(async () => {
    world = await makeWorld(['CREATE SCHEMA d', 'CREATE TABLE d.t (n BIGINT)', 'INSERT INTO d.t VALUES (1), (2)'])
  })
  after(() => {
    world.close()
  })
  const cases: [what: string, sql: string, rows: unknown[][]][] = [
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
  ]
  for (const [what, sql, rows] of cases)
    it(`give the rows of GoogleSQL: ${what}`, async () => {
      expect(await outcome(world, sql)).to.deep.equal(rows)
    })
  it('refuse what is no literal and has another type', async () => {
    for (const sql of [
      "WITH t AS (SELECT NULL AS x) SELECT x FROM t UNION ALL SELECT 'a'",
      "SELECT (SELECT NULL) AS x UNION ALL SELECT 'a'",
      "(SELECT NULL AS x UNION ALL SELECT NULL) UNION ALL SELECT 'a'",
    ])
      expect(await outcome(world, sql)).to.match(/^QUERY_INVALID: No matching signature for UNION ALL/)
  })
})

describe('a literal with a point beside NUMERIC', () => {
  let world: World
  before(async () => {
    world = await makeWorld()
  })
  after(() => {
    world.close()
  })
  it('is a NUMERIC, rounded to nine digits', async () => {
    expect(
      await outcome(
        world,
        "SELECT NUMERIC '10' * 0.15, NUMERIC '10' * 1e-3, NUMERIC '1' + 0.1234567891, NUMERIC '1' + 0.1234567895, NUMERIC '0' - 0.0000000005",
      ),
    ).to.deep.equal([['1.500000000', '0.010000000', '1.123456789', '1.123456790', '-0.000000001']])
  })
  it('is refused where NUMERIC cannot hold it', async () => {
    expect(await outcome(world, "SELECT NUMERIC '1' + 1e40")).to.match(/^QUERY_INVALID: Invalid NUMERIC value: 1e40/)
    expect(await outcome(world, "SELECT BIGNUMERIC '1' + 0.12345678901234567890123")).to.match(/^QUERY_UNSUPPORTED/)
  })
})

describe('GREATEST and LEAST', () => {
  it('are NULL when an argument is NULL, a literal too', async () => {
    const world = await makeWorld()
    try {
      expect(
        await outcome(
          world,
          "SELECT GREATEST(1, NULL, 3), LEAST(NULL, 2), GREATEST('a', CAST(NULL AS STRING)), GREATEST(NULL, NULL), LEAST(1.5, NULL)",
        ),
      ).to.deep.equal([[null, null, null, null, null]])
    } finally {
      world.close()
    }
  })
})
