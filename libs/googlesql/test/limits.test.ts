/** What a short statement may make: lists and texts are beyond the memory limit of the engine. */
import { runCases } from './cases.ts'

describe('Limits of what a function makes', () => {
  const tooMany = /QUERY_UNSUPPORTED: .*generated array of more than 1048575 elements is not supported/
  runCases([
    ['has GENERATE_ARRAY up to them', 'SELECT ARRAY_LENGTH(GENERATE_ARRAY(-1, 1048573))', [['1048575']]],
    ['refuses one element more', 'SELECT ARRAY_LENGTH(GENERATE_ARRAY(1, 1048576))', tooMany],
    ['counts steps', 'SELECT ARRAY_LENGTH(GENERATE_ARRAY(0, 3000000, 3))', [['1000001']]],
    ['counts steps down', 'SELECT ARRAY_LENGTH(GENERATE_ARRAY(1048576, 1, -1))', tooMany],
    [
      'counts those of columns',
      'SELECT ARRAY_LENGTH(GENERATE_ARRAY(n, n + 1048575)) FROM UNNEST([1, 2]) AS n',
      tooMany,
    ],
    [
      'lets columns be NULL, empty and at the ends of INT64',
      'SELECT ARRAY_LENGTH(GENERATE_ARRAY(n, m, 2)) FROM UNNEST([STRUCT(1 AS n, 5 AS m), (5, 1), (NULL, 1), ' +
        '(9223372036854775806, 9223372036854775806), (9223372036854775807, -9223372036854775807)])',
      [['3'], ['0'], [null], ['1'], ['0']],
    ],
    [
      'refuses too many moments',
      "SELECT ARRAY_LENGTH(GENERATE_TIMESTAMP_ARRAY('2025-01-01', '2025-01-02', INTERVAL 50 MILLISECOND))",
      tooMany,
    ],
    [
      'has fewer moments',
      "SELECT ARRAY_LENGTH(GENERATE_TIMESTAMP_ARRAY('2025-01-01', '2025-01-02', INTERVAL 1 HOUR))",
      [['25']],
    ],
    [
      'has texts of 1 MB',
      "SELECT LENGTH(REPEAT('ab', 524288)), LENGTH(LPAD('a', 1048576)), LENGTH(RPAD('a', 1048576, 'xy'))",
      [['1048576', '1048576', '1048576']],
    ],
    [
      'refuses longer ones of REPEAT',
      "SELECT LENGTH(REPEAT('é', 524289))",
      /QUERY_INVALID: .*Output of REPEAT exceeds/,
    ],
    [
      'refuses longer ones of LPAD',
      "SELECT LENGTH(LPAD('a', 1048577))",
      /QUERY_INVALID: .*Output of LPAD\/RPAD exceeds/,
    ],
    ['refuses longer ones of RPAD', "SELECT LENGTH(RPAD(s, 1048577)) FROM UNNEST(['a']) AS s", /LPAD\/RPAD exceeds/],
    ['has NULL of NULL', "SELECT REPEAT(CAST(NULL AS STRING), 9999999), REPEAT('', 9999999)", [[null, '']]],
  ])
})
