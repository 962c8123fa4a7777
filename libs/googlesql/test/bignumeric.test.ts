/** BIGNUMERIC to the last of its digits, against whole numbers of any length. */
import { expect } from 'chai'
import { bignumericLiteral, bignumericText, bignumericType, bignumericUnits, isBignumeric } from '../src/bignumeric.ts'
import { runCases } from './cases.ts'
import { makeWorld, outcome, type World } from './world.ts'

const one = 10n ** 38n
const [most, least] = [2n ** 255n - 1n, -(2n ** 255n)]
const big = bignumericText(most)
const abs = (value: bigint): bigint => (value < 0n ? -value : value)
/** Half away from zero. */
const divided = (value: bigint, by: bigint): bigint => {
  const whole = (2n * abs(value) + abs(by)) / (2n * abs(by))
  return value < 0n !== by < 0n ? -whole : whole
}
/** A generator that a failure can be repeated with. */
const seeded = (seed: number) => {
  let state = seed
  return (below: number): number => {
    state = (state * 1103515245 + 12345) % 2147483648
    return Math.floor((state / 2147483648) * below)
  }
}
const shapes = [
  [0, 0],
  [3, 2],
  [9, 10],
  [9, 20],
  [9, 38],
  [20, 20],
  [38, 38],
  [39, 38],
  [12, 0],
  [0, 38],
] as const
/** Numbers of all lengths, with runs of 9 and of 0 where a digit is carried. */
const numbers = (count: number, seed: number): bigint[] => {
  const random = seeded(seed)
  const digits = (upTo: number): string =>
    Array.from({ length: random(upTo + 1) }, () => (random(3) === 0 ? '9' : String(random(10)))).join('')
  const edges = [0n, 1n, -1n, one, -one, most, least, one / 2n, 10n ** 47n - 1n, 10n ** 47n, -(10n ** 47n)]
  const made = [...edges, 10n ** 18n - 1n, 10n ** 18n, 15n * 10n ** 37n, 25n * 10n ** 37n]
  while (made.length < count) {
    const [before, behind] = shapes[random(shapes.length)] ?? [0, 0]
    const value =
      bignumericUnits(`${digits(before) || '0'}.${digits(behind).slice(0, 38)}`) * (random(2) === 0 ? 1n : -1n)
    if (isBignumeric(value)) made.push(value)
  }
  return made
}

const roundedTo = (digits: number) => (x: bigint) => {
  const step = 10n ** BigInt(38 - digits)
  return divided(x, step) * step
}
const cutTo = (digits: number) => (x: bigint) => {
  const step = 10n ** BigInt(38 - digits)
  return (x / step) * step
}
const wholeBelow = (x: bigint): bigint => (x / one) * one - (x < 0n && x % one !== 0n ? one : 0n)
const operations: readonly (readonly [string, (x: bigint, y: bigint) => bigint | undefined])[] = [
  ['x + y', (x, y) => x + y],
  ['x - y', (x, y) => x - y],
  ['x + y - x - y + x', (x) => x],
  ['x * y', (x, y) => divided(x * y, one)],
  ['x / y', (x, y) => (y === 0n ? undefined : divided(x * one, y))],
  ['-x', (x) => -x],
  ['ABS(x)', abs],
  ['FLOOR(x)', wholeBelow],
  ['CEIL(x)', (x) => -wholeBelow(-x)],
  ['GREATEST(x, y)', (x, y) => (x > y ? x : y)],
  ['LEAST(x, y)', (x, y) => (x < y ? x : y)],
  ['IF(x < y, x, y)', (x, y) => (x < y ? x : y)],
  ['CASE WHEN x = y THEN 0 ELSE x END', (x, y) => (x === y ? 0n : x)],
  ['IFNULL(NULLIF(x, y), 1)', (x, y) => (x === y ? one : x)],
  ['COALESCE(NULL, x, y)', (x) => x],
  ['CAST(CAST(x AS STRING) AS BIGNUMERIC)', (x) => x],
  ["SAFE_CAST(FORMAT('%t', x) AS BIGNUMERIC)", (x) => x],
  ["CAST(JSON_VALUE('[' || TO_JSON_STRING(x) || ']', '$[0]') AS BIGNUMERIC)", (x) => x],
  ["CAST(FORMAT('%.2f', x) AS BIGNUMERIC)", roundedTo(2)],
  ...[0, 1, 9, 19, 20, 30, 37, 38].flatMap((digits) => [
    [`ROUND(x, ${digits})`, roundedTo(digits)] as const,
    [`TRUNC(x, ${digits})`, cutTo(digits)] as const,
  ]),
  ...[-1, -9, -10, -38].map((digits) => [`ROUND(x, ${digits})`, roundedTo(digits)] as const),
]

describe('BIGNUMERIC', () => {
  let world: World
  const values = numbers(120, 20251130)
  const pairs = values.map((x, k) => [x, values[(k * 7 + 3) % values.length] ?? 0n] as const)
  before(async () => {
    world = await makeWorld([
      'CREATE SCHEMA d',
      `CREATE TABLE d.n (k BIGINT, x ${bignumericType}, y ${bignumericType})`,
      `INSERT INTO d.n VALUES ${pairs.map(([x, y], k) => `(${k}, ${bignumericLiteral(x)}, ${bignumericLiteral(y)})`).join(', ')}, (-1, NULL, NULL)`,
    ])
  })
  after(() => {
    world.close()
  })

  for (const [sql, expected] of operations) {
    it(`gives every digit of ${sql}`, async () => {
      const wanted = pairs.flatMap(([x, y], k) => {
        const value = expected(x, y)
        return value === undefined || !isBignumeric(value) ? [] : [[String(k), bignumericText(value)]]
      })
      const { rows } = await world.query(
        `SELECT k, ${sql} FROM d.n WHERE k IN (${wanted.map(([k]) => k).join(', ')}) ORDER BY k`,
      )
      expect(rows).to.deep.equal(wanted)
    })
    it(`fails where ${sql} is none, and gives NULL for NULL`, async () => {
      const { rows } = await world.query(
        `SELECT ${sql.replace('IFNULL', 'IF(x IS NULL, NULL, 1) + IFNULL')} FROM d.n WHERE k = -1`,
      )
      expect(rows).to.deep.equal([[null]])
      for (const [k, [x, y]] of pairs.entries()) {
        const value = expected(x, y)
        if (value !== undefined && isBignumeric(value)) continue
        expect(await outcome(world, `SELECT ${sql} FROM d.n WHERE k = ${k}`)).to.match(/overflow|division by zero/)
        return
      }
    })
  }
  it('orders, groups, joins and compares as numbers', async () => {
    const sorted = [...values].sort((a, b) => (a < b ? -1 : Number(a > b))).map((x) => [bignumericText(x)])
    expect((await world.query('SELECT x FROM d.n WHERE x IS NOT NULL ORDER BY x')).rows).to.deep.equal(sorted)
    expect((await world.query('SELECT x FROM d.n ORDER BY x DESC')).rows).to.deep.equal([
      ...sorted.toReversed(),
      [null],
    ])
    const different = new Set(values).size
    const counts = await world.query(
      `SELECT COUNT(DISTINCT x), (SELECT COUNT(*) FROM (SELECT x FROM d.n GROUP BY x)), MIN(x), MAX(x),
        (SELECT COUNT(*) FROM d.n AS a JOIN d.n AS b ON a.x = b.y), COUNTIF(x IN (SELECT y FROM d.n WHERE y IS NOT NULL)),
        COUNTIF(x BETWEEN -1 AND 1.5), COUNTIF(x > 0)
       FROM d.n`,
    )
    const times = (value: bigint): number => pairs.filter(([, y]) => y === value).length
    expect(counts.rows).to.deep.equal([
      [
        String(different),
        String(different + 1),
        bignumericText(least),
        big,
        String(values.reduce((sum, x) => sum + times(x), 0)),
        String(values.filter((x) => times(x) > 0).length),
        String(values.filter((x) => x >= -one && x <= (one * 3n) / 2n).length),
        String(values.filter((x) => x > 0n).length),
      ],
    ])
  })
  it('adds and averages exactly, also over windows, different values and arrays', async () => {
    const small = pairs.map(([x]) => x).filter((x) => abs(x) < 10n ** 74n)
    const sum = small.reduce((a, b) => a + b, 0n)
    const different = [...new Set(small)]
    const source = `(SELECT x, k FROM d.n WHERE x > BIGNUMERIC '-1e36' AND x < BIGNUMERIC '1e36')`
    const { rows } = await world.query(
      `SELECT SUM(x), AVG(x), SUM(DISTINCT x), SUM(x) + SUM(-x) + 1, SUM(IF(x > 0, x, 0)),
        (SELECT SUM(v) FROM UNNEST(ARRAY(SELECT x FROM ${source})) AS v) FROM ${source}`,
    )
    const value = bignumericText
    expect(rows).to.deep.equal([
      [
        value(sum),
        value(divided(sum, BigInt(small.length))),
        value(different.reduce((a, b) => a + b, 0n)),
        '1',
        value(small.filter((x) => x > 0n).reduce((a, b) => a + b, 0n)),
        value(sum),
      ],
    ])
    const running = await world.query(`SELECT SUM(x) OVER (ORDER BY k) FROM ${source} ORDER BY k`)
    let so_far = 0n
    expect(running.rows).to.deep.equal(small.map((x) => [value((so_far += x))]))
  })
  it('adds a million of the smallest amounts', async () => {
    const { rows } = await world.query(
      "SELECT SUM(CAST('4e-10' AS BIGNUMERIC)), SUM(BIGNUMERIC '1e-38') FROM UNNEST(GENERATE_ARRAY(1, 1000000))",
    )
    expect(rows).to.deep.equal([['0.0004', `0.${'0'.repeat(31)}1`]])
  })
  it('takes parameters, alone, in arrays and in records', async () => {
    const text = '0.12345678901234567890123456789012345678'
    expect(
      (
        await world.query('SELECT @x + 1, (SELECT SUM(v) FROM UNNEST(@list) AS v), @none', {
          x: { type: 'BIGNUMERIC', value: text },
          list: { type: 'ARRAY<BIGNUMERIC>', value: [text, text] },
          none: { type: 'BIGNUMERIC', value: null },
        })
      ).rows,
    ).to.deep.equal([['1.12345678901234567890123456789012345678', '0.24691357802469135780246913578024691356', null]])
  })
})

describe('BIGNUMERIC from and to other types', () => {
  runCases([
    [
      'FLOAT64 comes with every digit of its binary form',
      'SELECT CAST(x AS BIGNUMERIC) FROM UNNEST([0.1, 4e-10, 1.8189894035458565e-12, 1e22]) AS x',
      [
        ['0.10000000000000000555111512312578270212'],
        ['0.0000000004000000000000000145728789262'],
        ['0.00000000000181898940354585647583007813'],
        ['10000000000000000000000'],
      ],
    ],
    [
      'FLOAT64 by way of JSON comes as the shortest decimal that is the same double',
      'SELECT CAST(JSON_VALUE(TO_JSON(x)) AS BIGNUMERIC) FROM UNNEST([0.1, 4e-10, 0.1 + 0.2, 1e22, 0.6316621259659665, -1.5e-20]) AS x',
      [
        ['0.1'],
        ['0.0000000004'],
        ['0.30000000000000004'],
        ['10000000000000000000000'],
        ['0.6316621259659665'],
        ['-0.000000000000000000015'],
      ],
    ],
    [
      'FLOAT64 as JSON has the spelling that it has there',
      'SELECT JSON_VALUE(TO_JSON(x)) FROM UNNEST([100.0, 1234567.5, 1e15, 12345678901234567.0, 4.747627592297273e+21, 1e-5, 0.0001]) AS x',
      [
        ['100.0'],
        ['1234567.5'],
        ['1e+15'],
        ['1.2345678901234568e+16'],
        ['4.747627592297273e+21'],
        ['1e-05'],
        ['0.0001'],
      ],
    ],
    [
      'FLOAT64 as text has 15 digits, or 17',
      'SELECT CAST(x AS STRING) FROM UNNEST([0.6316621259659665, 0.1, 0.1 + 0.2]) AS x',
      [['0.63166212596596649'], ['0.1'], ['0.30000000000000004']],
    ],
    [
      'text is rounded half away from zero beyond 38 digits',
      `SELECT CAST('0.${'0'.repeat(38)}5' AS BIGNUMERIC), CAST('-5e-39' AS BIGNUMERIC), CAST('4e-39' AS BIGNUMERIC), CAST(' +.5 ' AS BIGNUMERIC), CAST('-0' AS BIGNUMERIC)`,
      [[`0.${'0'.repeat(37)}1`, `-0.${'0'.repeat(37)}1`, '0', '0.5', '0']],
    ],
    [
      'text that is none is NULL where a cast is safe',
      "SELECT SAFE_CAST(x AS BIGNUMERIC) FROM UNNEST(['abc', '', '1_0', '0x10', 'nan', '1e39', '1e-50']) AS x",
      [[null], [null], [null], [null], [null], [null], ['0']],
    ],
    [
      'text that is none fails',
      "SELECT CAST(x AS BIGNUMERIC) FROM UNNEST(['1.5', 'abc']) AS x",
      /bad BIGNUMERIC value/,
    ],
    [
      'INT64 and NUMERIC are rounded half away from zero',
      "SELECT CAST(BIGNUMERIC '2.5' AS INT64), CAST(BIGNUMERIC '-2.49999999999999999999999999' AS INT64), CAST(BIGNUMERIC '0.0000000005' AS NUMERIC), SAFE_CAST(BIGNUMERIC '1e30' AS NUMERIC), SAFE_CAST(BIGNUMERIC '1e19' AS INT64)",
      [['3', '-2', '0.000000001', null, null]],
    ],
    [
      'FLOAT64 is the nearest one',
      `SELECT CAST(BIGNUMERIC '0.1' AS FLOAT64), CAST(BIGNUMERIC '${big}' AS FLOAT64), BIGNUMERIC '0.30000000000000004' + CAST('0' AS FLOAT64)`,
      [[0.1, Number(big), 0.30000000000000004]],
    ],
    [
      'a literal of more digits is refused',
      `SELECT BIGNUMERIC '${bignumericText(most).slice(0, -1)}8'`,
      /Invalid BIGNUMERIC value/,
    ],
    [
      'JSON has a number only where every reader keeps its digits',
      "SELECT TO_JSON_STRING(x) FROM UNNEST([BIGNUMERIC '1.5', BIGNUMERIC '9007199254740992', BIGNUMERIC '9007199254740993', NULL]) AS x",
      [['"1.5"'], ['9007199254740992'], ['"9007199254740993"'], ['null']],
    ],
  ])
})
