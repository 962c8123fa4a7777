/** JSON in texts and values, and TO_JSON_STRING. */
import { runCases } from './cases.ts'

describe('JSON as text', () => {
  runCases([
    [
      'numbers come out as they stand there',
      `SELECT JSON_VALUE('{"a":1e3}', '$.a'), JSON_VALUE('{"a":1.10}', '$.a'), JSON_VALUE('{"a":123456789.123456789}', '$.a'), JSON_VALUE('{"a":-0}', '$.a'), JSON_VALUE('{"a":7}', '$.a')`,
      [['1e3', '1.10', '123456789.123456789', '-0', '7']],
    ],
    [
      'numbers in parts come out as they stand there',
      `SELECT JSON_QUERY('{"a": {"b" : 1.10, "c":[1e3, -0], "s": "x 1.50"}}', '$.a'), JSON_QUERY_ARRAY('{"a": [1.10, {"b": 2.50}, "x", null]}', '$.a'), JSON_VALUE_ARRAY('{"a": [1.10, 2e3, "x"]}', '$.a')`,
      [['{"b":1.10,"c":[1e3,-0],"s":"x 1.50"}', ['1.10', '{"b":2.50}', '"x"', 'null'], ['1.10', '2e3', 'x']]],
    ],
    [
      'a sum keeps every digit',
      `SELECT SUM(CAST(JSON_VALUE(x, '$.c') AS NUMERIC)) FROM UNNEST(['{"c": 1000000000000.000000001}', '{"c": 0.000000009}']) AS x`,
      [['1000000000000.000000010']],
    ],
    [
      'a text that is no JSON gives NULL',
      `SELECT i, JSON_VALUE(x, '$.a'), JSON_QUERY(x, '$'), JSON_VALUE_ARRAY(x, '$.a'), JSON_QUERY_ARRAY(x, '$.a') FROM UNNEST([STRUCT(1 AS i, '{"a":"1"}' AS x), (2, '{broken'), (3, NULL)]) ORDER BY i`,
      [
        ['1', '1', '{"a":"1"}', null, null],
        ['2', null, null, null, null],
        ['3', null, null, null, null],
      ],
    ],
    [
      'objects, arrays and null are no scalars',
      `SELECT JSON_VALUE('{"a":{"b":1}}', '$.a'), JSON_VALUE('{"a":[1]}', '$.a'), JSON_VALUE('{"a":null}', '$.a'), JSON_VALUE('{"a":"x\\\\"y"}', '$.a'), JSON_VALUE('{"a":true}', '$.a')`,
      [[null, null, null, 'x"y', 'true']],
    ],
    [
      'of a heavy expression the path stays a constant',
      `SELECT JSON_VALUE(CONCAT('{"a":', IFNULL(CAST(1.50 AS STRING), 'x'), REPLACE('y', 'y', '}')), '$.a')`,
      [['1.5']],
    ],
  ])
})

describe('a field of a JSON by an expression', () => {
  runCases([
    [
      'is that of the object, whatever the key looks like',
      `SELECT k, JSON_VALUE(PARSE_JSON('{"a":"1","x.y":"2","c/d~e":"3","*":"5","$.a":"6","":"7"}')[k])
       FROM UNNEST(['a', 'x.y', 'c/d~e', '*', '$.a', '', 'b', '0']) AS k WITH OFFSET AS o ORDER BY o`,
      [
        ['a', '1'],
        ['x.y', '2'],
        ['c/d~e', '3'],
        ['*', '5'],
        ['$.a', '6'],
        ['', '7'],
        ['b', null],
        ['0', null],
      ],
    ],
    [
      'is NULL of an array, of text, of NULL, and at NULL',
      `SELECT JSON '[1]'[k], JSON '"a"'[k], CAST(NULL AS JSON)[k], JSON '{"0":1}'[NULLIF(k, '0')] FROM UNNEST(['0']) AS k`,
      [[null, null, null, null]],
    ],
    [
      'is not asked for by a number that is no literal',
      "SELECT JSON '[1]'[n] FROM UNNEST([0]) AS n",
      /^QUERY_UNSUPPORTED: A JSON subscript that is no literal and no STRING/,
    ],
  ])
})

describe('TO_JSON_STRING', () => {
  runCases([
    [
      'quotes INT64 beyond 2^53',
      'SELECT TO_JSON_STRING(9007199254740992), TO_JSON_STRING(9007199254740993), TO_JSON_STRING([1, -9007199254740993]), TO_JSON_STRING(STRUCT(123456789012345678 AS id, 42 AS small))',
      [['9007199254740992', '"9007199254740993"', '[1,"-9007199254740993"]', '{"id":"123456789012345678","small":42}']],
    ],
    [
      'writes NULL, names and nested values',
      "SELECT TO_JSON_STRING(STRUCT(1 AS a, NULL AS b, [STRUCT('x' AS k)] AS c, TRUE AS d)), TO_JSON_STRING(CAST(NULL AS ARRAY<INT64>)), TO_JSON_STRING(STRUCT(1, 2 AS `a\"b`)), TO_JSON_STRING(CAST(NULL AS STRING)), TO_JSON_STRING(ARRAY<STRING>[])",
      [['{"a":1,"b":null,"c":[{"k":"x"}],"d":true}', 'null', '{"":1,"a\\"b":2}', 'null', '[]']],
    ],
    [
      'escapes line separators',
      String.raw`SELECT TO_JSON_STRING('é\u2028\u2029'), TO_JSON_STRING('a/b</x>')`,
      [['"é\\u2028\\u2029"', '"a/b</x>"']],
    ],
  ])
})

describe('PARSE_JSON', () => {
  const wide = /QUERY_INVALID: .*a number cannot round-trip through string representation/
  runCases([
    [
      'takes numbers that a FLOAT64 or a 64-bit whole number holds',
      `SELECT COUNT(PARSE_JSON(x)) FROM UNNEST(['0.30000000000000004', '-9223372036854775808', '18446744073709551615', '1e308', '123456789012345680000', '1.00000000000000000000', '0.1e1', '5e-324', '{"a": "3.14159265358979323846"}', '["1e23", 1.50]']) AS x`,
      [['10']],
    ],
    ...[
      '3.14159265358979323846',
      '0.10000000000000001',
      '123456789012345678.5',
      '9007199254740993.0',
      '-9223372036854775809',
      '18446744073709551616',
      '1e-400',
      '1E400',
      '{"a": [1, 0.123456789012345678]}',
    ].flatMap((text) => [
      [`refuses ${text}`, `SELECT PARSE_JSON('${text}')`, wide] as const,
      [`refuses it as a literal: ${text}`, `SELECT JSON '${text}'`, wide] as const,
    ]),
  ])
})
