/** Regular expressions, LIKE and SPLIT where DuckDB alone would answer otherwise. */
import { runCases } from './cases.ts'

describe('regular expressions', () => {
  runCases([
    [
      'REGEXP_EXTRACT takes any expression',
      String.raw`SELECT REGEXP_EXTRACT(LOWER(TRIM(' EU-West-1a ')), r'^([a-z]+-[a-z]+-\d)'),
        REGEXP_EXTRACT(IFNULL(JSON_VALUE('{"a": "x-1"}', '$.a'), CONCAT('a', 'b', 'c', 'd')), r'-(\d)'), REGEXP_SUBSTR(SPLIT('ab/cd', '/')[OFFSET(1)], 'c.')`,
      [['eu-west-1', '1', 'cd']],
    ],
    [
      'REGEXP_EXTRACT is NULL where the group takes no part in the match',
      String.raw`SELECT REGEXP_EXTRACT('i-123', r'^i-\d+(?:/(\w+))?$'), REGEXP_EXTRACT('i-123/db', r'^i-\d+(?:/(\w+))?$'), REGEXP_EXTRACT('', '(a)?')`,
      [[null, 'db', null]],
    ],
    [
      'REGEXP_EXTRACT tells an empty match from none',
      "SELECT REGEXP_EXTRACT('abc', '(x*)'), REGEXP_EXTRACT('abc', '$'), REGEXP_EXTRACT('', 'a*'), REGEXP_EXTRACT('k=', 'k=(.*)'), REGEXP_EXTRACT('abc', 'x'), REGEXP_EXTRACT(CAST(NULL AS STRING), 'a*')",
      [['', '', '', '', null, null]],
    ],
    [
      'REGEXP_EXTRACT_ALL stops at the end of the text',
      "SELECT REGEXP_EXTRACT_ALL('aab', 'a*'), REGEXP_EXTRACT_ALL('', 'x?'), REGEXP_EXTRACT_ALL('aa', 'a*'), REGEXP_EXTRACT_ALL('abc', '(x*)')",
      [[['aa', ''], [''], ['aa'], ['', '', '']]],
    ],
    [
      'REGEXP_EXTRACT_ALL has an empty text for a group that takes no part',
      "SELECT REGEXP_EXTRACT_ALL('ab', 'a(x)?|b')",
      [[['', '']]],
    ],
    [
      'REGEXP_EXTRACT_ALL of positions is refused',
      String.raw`SELECT REGEXP_EXTRACT_ALL('ab', r'\b')`,
      /^QUERY_UNSUPPORTED: REGEXP_EXTRACT_ALL with this regular expression/,
    ],
    [
      'a group in a class or in quotes is none',
      String.raw`SELECT REGEXP_EXTRACT('a(b', r'[(]b'), REGEXP_EXTRACT('(x', r'\Q(\Ex')`,
      [['(b', '(x']],
    ],
    [
      'REGEXP_REPLACE fails on a reference to a group that is not there',
      String.raw`SELECT REGEXP_REPLACE('abc', 'b', r'\9')`,
      /^QUERY_INVALID: Invalid REGEXP_REPLACE pattern/,
    ],
    [
      'REGEXP_REPLACE fails on a backslash that says nothing, also from a column',
      String.raw`SELECT REGEXP_REPLACE('abc', 'b', w) FROM UNNEST([r'\x']) AS w`,
      /^QUERY_INVALID: the statement failed: Invalid REGEXP_REPLACE pattern/,
    ],
    [
      'REGEXP_REPLACE knows groups and the whole match',
      String.raw`SELECT REGEXP_REPLACE('abc', '(b)', r'\1\0\\'), REGEXP_REPLACE('abc', 'b', w) FROM UNNEST([r'<\0>']) AS w`,
      [['abb\\c', 'a<b>c']],
    ],
    [
      'a pattern that is none is refused in the words of the standard',
      "SELECT REGEXP_CONTAINS('ab', 'a(?=b)')",
      /^QUERY_INVALID: the statement failed: Cannot parse regular expression: invalid perl operator: \(\?=/,
    ],
    [
      'LIKE fails on a pattern that ends in a backslash',
      String.raw`SELECT 'a' LIKE 'a\\'`,
      /^QUERY_INVALID: LIKE pattern ends/,
    ],
    [
      'LIKE fails on such a pattern from a column',
      String.raw`SELECT 'a' LIKE p FROM UNNEST(['a\\']) AS p`,
      /^QUERY_INVALID: the statement failed: LIKE pattern ends/,
    ],
    [
      'LIKE takes an escaped backslash at the end',
      String.raw`SELECT 'a\\' LIKE r'a\\', 'a\\' LIKE p FROM UNNEST([r'a\\']) AS p`,
      [[true, true]],
    ],
    [
      'SPLIT by NULL is NULL',
      "SELECT SPLIT('x', NULL), SPLIT('a,b', d) FROM UNNEST([CAST(NULL AS STRING)]) AS d",
      [[null, null]],
    ],
    [
      'SAFE_CONVERT_BYTES_TO_STRING has U+FFFD for each byte that is no part of a character',
      String.raw`SELECT SAFE_CONVERT_BYTES_TO_STRING(b'a\xc3b\xe2\x82x\xe2\x82\xac\xf0\x9f\x98'), SAFE_CONVERT_BYTES_TO_STRING(b'\xed\xa0\x80')`,
      [['a\ufffdb\ufffd\ufffdx\u20ac\ufffd\ufffd\ufffd', '\ufffd\ufffd\ufffd']],
    ],
  ])
})
