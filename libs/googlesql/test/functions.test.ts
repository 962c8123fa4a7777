/** Functions and operators by subject, with the answers of Google's own engine. */
import { runCases } from './cases.ts'

describe('Functions of numbers and bits', () => {
  runCases([
    [
      'SAFE_ADD and its kin give NULL where the result has no place',
      "SELECT SAFE_ADD(9223372036854775807, 1), SAFE_SUBTRACT(1, 2), SAFE_MULTIPLY(1.7976931348623157e308, 2.0), SAFE_NEGATE(-9223372036854775807 - 1), SAFE_ADD(NUMERIC '99999999999999999999999999999', NUMERIC '1'), SAFE_MULTIPLY(NUMERIC '1.5', NUMERIC '2')",
      [[null, '-1', null, null, null, '3.000000000']],
    ],
    ['what fails in their arguments fails', 'SELECT SAFE_ADD(1, DIV(1, 0))', /division by zero/],
    [
      'bits of INT64, shifts without a sign',
      'SELECT 5 & 3, 5 | 3, 5 ^ 3, ~5, 1 << 63, 1 << 64, -1 >> 1, -1 >> 63, 1 | 2 ^ 3 & 4 << 1, BIT_COUNT(-1)',
      [['1', '7', '6', '-6', '-9223372036854775808', '0', '9223372036854775807', '1', '3', '64']],
    ],
    ['a shift by less than nothing is an error', 'SELECT 1 << -1', /^QUERY_INVALID: .*negative offset/],
    [
      'types of arrays in arrays still end with two >',
      'SELECT ARRAY<STRUCT<a ARRAY<INT64>>>[STRUCT([8 >> 1])][OFFSET(0)].a[OFFSET(0)]',
      [['4']],
    ],
    [
      'DIV of NUMERIC cuts toward zero',
      "SELECT DIV(NUMERIC '-7.5', NUMERIC '2'), DIV(NUMERIC '1', NUMERIC '0.000000001')",
      [['-3.000000000', '1000000000.000000000']],
    ],
    [
      'RANGE_BUCKET counts the bounds that are not above the point',
      'SELECT RANGE_BUCKET(7, [0, 5, 5, 10]), RANGE_BUCKET(-1, [0, 5]), RANGE_BUCKET(NULL, [1]), RANGE_BUCKET(3, CAST([] AS ARRAY<INT64>))',
      [['3', '0', null, '0']],
    ],
    ['RANGE_BUCKET wants bounds in order', 'SELECT RANGE_BUCKET(1, [5, 0])', /not in order/],
  ])
})
describe('Functions of texts and bytes', () => {
  runCases([
    [
      'BYTES go by bytes',
      String.raw`SELECT TO_HEX(REPLACE(b'\x12\x34\x41\x23', b'\x23\x44', b'')), TO_HEX(REVERSE(b'\x12\x34')), STRPOS(b'\x12\x31\x23', b'\x23'), TO_HEX(SUBSTR(b'abcdef', -3, 2)), TO_HEX(UPPER(b'az\xff')), TO_HEX(LPAD(b'a', 3)), TO_HEX(LEFT(b'abc', 2)), STARTS_WITH(b'ab', b'a'), TO_HEX(REPEAT(b'ab', 2))`,
      [['12344123', '3412', '3', '6465', '415aff', '202061', '6162', true, '61626162']],
    ],
    [
      'positions, words and characters',
      "SELECT INSTR('banana', 'an', 3), INSTR('banana', 'an', 10), INITCAP('hello wORLD-foo_bar'), TRANSLATE('abcabc', 'abc', 'xy'), UNICODE(''), UNICODE('é'), EDIT_DISTANCE('abc', 'axd'), TO_CODE_POINTS('aé')",
      [['4', '0', 'Hello World-Foo_Bar', 'xyxy', '0', '233', '2', ['97', '233']]],
    ],
    [
      'REGEXP_EXTRACT from a position, and a later match',
      "SELECT REGEXP_EXTRACT('abcabd', r'ab(.)', 2, 1), REGEXP_EXTRACT('abcabd', r'ab(.)', 1, 2), REGEXP_EXTRACT('abc', r'b', 1, 3), REGEXP_EXTRACT('a1b22', r'[0-9]+', 3)",
      [['d', 'd', null, '22']],
    ],
    [
      'ARRAY_TO_STRING with a text for NULL',
      "SELECT ARRAY_TO_STRING(['a', NULL, 'b'], ',', 'none'), ARRAY_TO_STRING(CAST(NULL AS ARRAY<STRING>), ',', 'x')",
      [['a,none,b', null]],
    ],
    [
      'FORMAT of exponents, hexadecimal digits and values',
      "SELECT FORMAT('%e|%g|%G', 1234.5678, 1234.5678, 1e20), FORMAT('%x|%X|%o', 255, 255, 8), FORMAT('%t|%t|%T|%T', 1.0, TIME '10:00:00', DATE '2025-01-01', 5)",
      [['1.234568e+03|1234.57|1E+20', 'ff|FF|10', '1.0|10:00:00|DATE "2025-01-01"|5']],
    ],
  ])
})
describe('Functions of times', () => {
  runCases([
    [
      'a DATE and an INTERVAL are a DATETIME',
      "SELECT CAST(DATE '2025-01-31' + INTERVAL 1 MONTH AS STRING), CAST(DATE '2025-01-31' - INTERVAL 36 HOUR AS STRING)",
      [['2025-02-28 00:00:00', '2025-01-29 12:00:00']],
    ],
    [
      'format elements of zones and clocks',
      "SELECT FORMAT_TIMESTAMP('%Z|%z|%Ez', t, 'Asia/Kolkata'), FORMAT_TIMESTAMP('%Z', t, '-08:00'), FORMAT_TIMESTAMP('%s|%c|%E*S|%k|%l|%C|%x|%P|%r', t) FROM (SELECT TIMESTAMP '2025-01-01 03:04:05.670+00' AS t)",
      [
        [
          'UTC+0530|+0530|+05:30',
          'UTC-8',
          '1735700645|Wed Jan  1 03:04:05 2025|05.67| 3| 3|20|01/01/25|am|03:04:05 AM',
        ],
      ],
    ],
    [
      'STRING of a TIMESTAMP in a zone',
      "SELECT STRING(TIMESTAMP '2025-01-01 00:00:00.5+00', 'America/New_York'), STRING(TIMESTAMP '2025-01-01 00:00:00+00', 'Asia/Kolkata')",
      [['2024-12-31 19:00:00.500-05', '2025-01-01 05:30:00+05:30']],
    ],
    [
      'the last day of a year of weeks',
      "SELECT CAST(LAST_DAY(DATE '2024-12-30', ISOYEAR) AS STRING)",
      [['2025-12-28']],
    ],
  ])
})
describe('Functions of JSON, STRUCTs compared, SAFE., COUNT(DISTINCT) OVER', () => {
  runCases([
    [
      'TO_JSON_STRING of the other types',
      "SELECT TO_JSON_STRING(1.0), TO_JSON_STRING(1e300), TO_JSON_STRING(CAST('nan' AS FLOAT64)), TO_JSON_STRING(DATE '2025-01-01'), TO_JSON_STRING(TIMESTAMP '2025-01-01 00:00:00.5+00'), TO_JSON_STRING(b'abc'), TO_JSON_STRING(CAST(NULL AS DATE))",
      [['1', '1e+300', '"NaN"', '"2025-01-01"', '"2025-01-01T00:00:00.500Z"', '"YWJj"', 'null']],
    ],
    [
      'TO_JSON, JSON_OBJECT, JSON_ARRAY and JSON_TYPE',
      "SELECT TO_JSON_STRING(TO_JSON(STRUCT(1.0 AS b, 'x' AS a))), TO_JSON(CAST(NULL AS INT64)) IS NULL, TO_JSON_STRING(JSON_OBJECT('b', 1, 'a', NULL)), TO_JSON_STRING(JSON_ARRAY(1, 'x', NULL, 1.5)), JSON_TYPE(JSON '[1]')",
      [['{"a":"x","b":1.0}', false, '{"a":null,"b":1}', '[1,"x",null,1.5]', 'array']],
    ],
    [
      'a field that differs decides, whatever is NULL beside it',
      "SELECT STRUCT(1, 'a') = STRUCT(1, 'a'), STRUCT(1, x) = STRUCT(1, 2), STRUCT(1, x) = STRUCT(2, 2), s <> STRUCT(1, 3) FROM (SELECT CAST(NULL AS INT64) AS x, STRUCT(1 AS a, 2 AS b) AS s)",
      [[true, null, false, true]],
    ],
    [
      'SAFE. makes NULL of what fails in the function, not of what fails before it',
      'SELECT SAFE.LN(0.0), SAFE.CHR(-1), SAFE.LN(x) FROM UNNEST([0.0]) AS x',
      [[null, null, null]],
    ],
    ['SAFE. leaves the faults of arguments', 'SELECT SAFE.LN(CAST(DIV(1, 0) AS FLOAT64))', /division by zero/],
    [
      'SAFE. of what raises by itself is refused by name',
      "SELECT SAFE.SUBSTR('abc', 1, -1)",
      /The SAFE. prefix of SUBSTR is not supported/,
    ],
    [
      'COUNT(DISTINCT) over a partition',
      'SELECT x, COUNT(DISTINCT x) OVER () FROM UNNEST([1, 1, 2]) AS x ORDER BY x',
      [
        ['1', '2'],
        ['1', '2'],
        ['2', '2'],
      ],
    ],
    [
      'with an order it is an error',
      'SELECT COUNT(DISTINCT x) OVER (ORDER BY x) FROM UNNEST([1]) AS x',
      /^QUERY_INVALID: .*takes no ORDER BY/,
    ],
  ])
})
