/** Numbers where DuckDB alone would answer otherwise: roundings, overflow, types. */
import { runCases } from './cases.ts'

describe('FLOAT64', () => {
  runCases([
    [
      'ROUND to digits goes by the exact value',
      'SELECT ROUND(2.675, 2), ROUND(1.115, 2), ROUND(-1.115, 2), ROUND(0.345, 2), ROUND(1.005, 2), ROUND(0.285, 2), ROUND(1.45, 1), ROUND(0.125, 2), ROUND(2.5)',
      [[2.67, 1.11, -1.11, 0.34, 1, 0.28, 1.4, 0.13, 3]],
    ],
    [
      'ROUND to tens, of huge and of tiny numbers',
      'SELECT ROUND(1234.5, -2), ROUND(1250, -2), ROUND(1e17, 2), ROUND(0.1, 20), ROUND(5e-324, 2), ROUND(1e300, 10)',
      [[1200, 1300, 1e17, 0.1, 0, 1e300]],
    ],
    [
      'ROUND to a number of digits from a column',
      'SELECT n, ROUND(2.675, n), TRUNC(2.675, n) FROM UNNEST([-1, 0, 1, 2, 3]) AS n ORDER BY n',
      [
        ['-1', 0, 0],
        ['0', 3, 2],
        ['1', 2.7, 2.6],
        ['2', 2.67, 2.67],
        ['3', 2.675, 2.674],
      ],
    ],
    [
      'TRUNC to digits goes by the exact value',
      'SELECT TRUNC(2.3, 1), TRUNC(8.2, 1), TRUNC(0.29, 2), TRUNC(-2.3, 1), TRUNC(1234.5, -2), TRUNC(4.35, 2), TRUNC(19.99, 2), TRUNC(1.1, 1)',
      [[2.2, 8.1, 0.28, -2.2, 1200, 4.34, 19.98, 1.1]],
    ],
    [
      'SAFE_DIVIDE is NULL when the quotient overflows',
      "SELECT SAFE_DIVIDE(1e300, 1e-300), SAFE_DIVIDE(-1e300, 1e-300), SAFE_DIVIDE(NUMERIC '99999999999999999999999999999', NUMERIC '0.1')",
      [[null, null, null]],
    ],
    [
      'zero as text has no sign',
      "SELECT CAST(-0.0 AS STRING), CAST(CAST('-0' AS FLOAT64) AS STRING), CAST(0.0 * -1 AS STRING)",
      [['0', '0', '0']],
    ],
    ['CORR of fewer than two pairs is NULL', 'SELECT CORR(a, b) FROM UNNEST([STRUCT(1.5 AS a, 2.5 AS b)])', [[null]]],
  ])
})

describe('NUMERIC', () => {
  const overflow = /^QUERY_INVALID: the statement failed: numeric overflow/
  const most = '99999999999999999999999999999'
  runCases([
    ['SUM beyond its digits fails', `SELECT SUM(x) FROM UNNEST([NUMERIC '${most}', NUMERIC '1']) AS x`, overflow],
    [
      'SUM beyond its digits fails over a window',
      `SELECT SUM(x) OVER () FROM UNNEST([NUMERIC '${most}', NUMERIC '1']) AS x`,
      overflow,
    ],
    [
      'SUM beyond its digits fails in an array of the row',
      `SELECT (SELECT SUM(x) FROM UNNEST(a) AS x) FROM (SELECT [NUMERIC '${most}', NUMERIC '1'] AS a)`,
      overflow,
    ],
    [
      'SUM of BIGNUMERIC beyond its digits fails',
      "SELECT SUM(x) FROM UNNEST([BIGNUMERIC '5e38', BIGNUMERIC '5e38']) AS x",
      /^QUERY_INVALID: the statement failed: BIGNUMERIC overflow/,
    ],
    [
      'SUM within its digits is exact',
      `SELECT SUM(x) FROM UNNEST([NUMERIC '${most}', NUMERIC '-0.000000001']) AS x`,
      [['99999999999999999999999999998.999999999']],
    ],
    [
      'POW, SQRT, EXP, LN, LOG and LOG10 are NUMERIC',
      "SELECT POW(NUMERIC '1.05', 2), SQRT(NUMERIC '2'), EXP(NUMERIC '1'), LN(NUMERIC '10'), POW(NUMERIC '10', 12), POW(NUMERIC '2', 0.5), POW(NUMERIC '1.05', 120), LOG(NUMERIC '8', NUMERIC '2'), LOG10(NUMERIC '1000')",
      [
        [
          '1.102500000',
          '1.414213562',
          '2.718281828',
          '2.302585093',
          '1000000000000.000000000',
          '1.414213562',
          '348.911985667',
          '3.000000000',
          '3.000000000',
        ],
      ],
    ],
    [
      'POW is refused where its last digit is not sure',
      "SELECT POW(NUMERIC '1.05', 5)",
      /^QUERY_UNSUPPORTED: the statement failed: a function of NUMERIC/,
    ],
    ['POW that overflows fails', "SELECT POW(NUMERIC '10', 30)", overflow],
    ['POW of FLOAT64 stays FLOAT64', 'SELECT POW(2, 3), SQRT(4)', [[8, 2]]],
    [
      'STRING_AGG and ARRAY_AGG of no element are NULL',
      "SELECT STRING_AGG(x LIMIT 0), ARRAY_AGG(x LIMIT 0), STRING_AGG(x LIMIT 1) FROM UNNEST(['a']) AS x",
      [[null, null, 'a']],
    ],
  ])
})
