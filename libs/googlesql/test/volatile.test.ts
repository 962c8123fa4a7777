/** RAND and GENERATE_UUID: each call of a statement has one value per row, however often the translation reads it. */
import { runCases } from './cases.ts'

const thousand = 'FROM UNNEST(GENERATE_ARRAY(1, 1000)) AS n'
const nan = "CAST('NaN' AS FLOAT64)"

describe('RAND and GENERATE_UUID', () => {
  runCases([
    [
      'have a value for each call of a statement',
      `SELECT COUNT(DISTINCT GENERATE_UUID()), COUNTIF(RAND() = RAND()) ${thousand}`,
      [['1000', '0']],
    ],
    [
      'are the same value behind their alias',
      `SELECT COUNTIF(r BETWEEN 0.25 AND 0.5 AND NOT (r >= 0.25 AND r <= 0.5)) FROM (SELECT RAND() AS r ${thousand})`,
      [['0']],
    ],
    [
      'are one value in a macro that reads its argument more than once',
      `SELECT COUNTIF(x NOT IN ('a', 'b')) FROM (SELECT LEFT(IF(RAND() < 0.5, 'a1', 'b1'), 1) AS x ${thousand})`,
      [['0']],
    ],
    [
      'choose one branch of a CASE',
      `SELECT COUNTIF(c IS NULL) FROM (
         SELECT CASE CAST(FLOOR(RAND() * 3) AS INT64) WHEN 0 THEN n WHEN 1 THEN -n WHEN 2 THEN 0 END AS c ${thousand})`,
      [['0']],
    ],
    [
      'choose a branch that is an aggregate',
      `SELECT CASE CAST(FLOOR(RAND()) AS INT64) WHEN 0 THEN SUM(n) END ${thousand}`,
      [['500500']],
    ],
    [
      'are one value in BETWEEN',
      `SELECT COUNTIF(IF(RAND() < 0.5, 1.0, 3.0) BETWEEN 2.0 AND 2.5),
         COUNTIF(IF(RAND() < 0.5, 1.0, 3.0) NOT BETWEEN 2.0 AND 2.5) ${thousand}`,
      [['0', '1000']],
    ],
    [
      'are one value in IN',
      `SELECT COUNTIF(FLOOR(RAND() * 3) IN (0.0, 1.0, 2.0)), COUNTIF(FLOOR(RAND() * 3) NOT IN (0.0, 1.0, 2.0)) ${thousand}`,
      [['1000', '0']],
    ],
    [
      'are one value in LEAST and GREATEST, also beside an aggregate and a subquery',
      `SELECT COUNTIF(a = 2.0), COUNTIF(b = 2.0) FROM (
         SELECT LEAST(IF(RAND() < 0.5, ${nan}, 1.0), 2.0) AS a, GREATEST(IF(RAND() < 0.5, NULL, 3.0), 2.0) AS b ${thousand})
       UNION ALL SELECT LEAST(0, CAST(LEAST(RAND(), MAX(n), (SELECT 7)) AS INT64)), 0 ${thousand}`,
      [
        ['0', '0'],
        ['0', '0'],
      ],
    ],
    [
      'are one value in FORMAT, EXP and POW',
      `SELECT COUNTIF(NOT REGEXP_CONTAINS(FORMAT('%.2f', RAND()), r'^[01]\\.[0-9][0-9]$')),
         COUNTIF(EXP(RAND()) NOT BETWEEN 1.0 AND 2.72), COUNTIF(POW(RAND(), 2) NOT BETWEEN 0.0 AND 1.0) ${thousand}`,
      [['0', '0', '0']],
    ],
    [
      'may bound an array',
      `SELECT COUNTIF(ARRAY_LENGTH(GENERATE_ARRAY(1, CAST(RAND() * 5 AS INT64))) NOT BETWEEN 0 AND 5) ${thousand}`,
      [['0']],
    ],
    ['may be elements that are joined', "SELECT LENGTH(ARRAY_TO_STRING([GENERATE_UUID(), 'a'], '-'))", [['38']]],
    [
      'are aggregated',
      `SELECT MIN(RAND()) BETWEEN 0.0 AND 0.1, MAX(RAND()) BETWEEN 0.9 AND 1.0, LENGTH(STRING_AGG(GENERATE_UUID())),
         ARRAY_LENGTH(ARRAY_AGG(IF(RAND() < 2, n, NULL) IGNORE NULLS LIMIT 3)),
         STRING_AGG(IF(RAND() < 2, NULL, 'a')) ${thousand}`,
      [[true, true, '36999', '3', null]],
    ],
    ['order rows', 'SELECT COUNT(*) FROM (SELECT n FROM UNNEST([1, 2, 3]) AS n ORDER BY RAND() LIMIT 2)', [['2']]],
    [
      'order rows by the value that the rows show',
      `SELECT COUNTIF(a[OFFSET(i)] > a[OFFSET(i + 1)]), COUNTIF(b[OFFSET(i)].r < b[OFFSET(i + 1)].r) FROM (
         SELECT ARRAY(SELECT RAND() AS r ${thousand} ORDER BY r) AS a,
           ARRAY(SELECT AS STRUCT r, n FROM (SELECT RAND() AS r, n ${thousand} ORDER BY 1 DESC, -n)) AS b),
         UNNEST(GENERATE_ARRAY(0, 998)) AS i`,
      [['0', '0']],
    ],
    [
      'order a window and an aggregate',
      `SELECT MAX(k), ANY_VALUE(l) FROM (
         SELECT ROW_NUMBER() OVER (ORDER BY RAND()) AS k, (SELECT ARRAY_LENGTH(ARRAY_AGG(n ORDER BY RAND())) ${thousand}) AS l
         ${thousand})`,
      [['1000', '1000']],
    ],
    ['are refused where they cannot be kept', `SELECT CORR(RAND(), n) ${thousand}`, /QUERY_UNSUPPORTED: RAND or/],
  ])
})

describe('Arrays of RAND and GENERATE_UUID', () => {
  runCases(
    [
      ['are inserted', 'INSERT INTO d.t (id, arr) VALUES (1, [GENERATE_UUID()])', [['1']]],
      ['are set', 'UPDATE d.t SET arr = [GENERATE_UUID(), GENERATE_UUID()] WHERE TRUE', [['1']]],
      ['are set inside of a STRUCT', 'UPDATE d.t SET s = STRUCT([GENERATE_UUID()] AS a) WHERE TRUE', [['1']]],
      [
        'are stored as they are',
        'SELECT ARRAY_LENGTH(arr), arr[OFFSET(0)] <> arr[OFFSET(1)], ARRAY_LENGTH(s.a), LENGTH(s.a[OFFSET(0)]) FROM d.t',
        [['2', true, '1', '36']],
      ],
      [
        'are refused with NULL in them',
        "UPDATE d.t SET arr = ['a', IF(RAND() < 2, NULL, 'b')] WHERE TRUE",
        /QUERY_INVALID: .*Array cannot have a null element; error in writing field arr/,
      ],
      [
        'are refused with NULL inside of a STRUCT',
        "UPDATE d.t SET s = STRUCT([IF(RAND() < 2, NULL, 'b')] AS a) WHERE TRUE",
        /QUERY_INVALID: .*Array cannot have a null element; error in writing field s\.a/,
      ],
    ],
    ['CREATE SCHEMA d', 'CREATE TABLE d.t (id BIGINT, arr VARCHAR[], s STRUCT(a VARCHAR[]))'],
  )
})

describe('NaN', () => {
  const numbers = `UNNEST([1.5, ${nan}, 2.0, NULL, -3.0]) AS x`
  runCases([
    [
      'comes after NULL and before every number',
      `SELECT x FROM ${numbers} ORDER BY x`,
      [[null], ['NaN'], [-3], [1.5], [2]],
    ],
    [
      'comes after every number in descending order',
      `SELECT x FROM ${numbers} ORDER BY x DESC`,
      [[2], [1.5], [-3], ['NaN'], [null]],
    ],
    [
      'is the least and the greatest of its group',
      `SELECT MIN(x), MAX(x), MIN(IF(x > 0, x, NULL)), MIN(IF(x = 9, x, NULL)) FROM ${numbers}`,
      [['NaN', 'NaN', 1.5, null]],
    ],
  ])
})
