/** What statements beside Google's own engine (`npm run test:oracle`) have shown to be another answer. */
import { runCases } from './cases.ts'

describe('Differences that the oracle found', () => {
  runCases([
    [
      'ROLLUP, CUBE and GROUPING SETS of no rows give no row, GROUP BY () one',
      'SELECT "rollup", COUNT(*) FROM (SELECT 1 AS a) WHERE FALSE GROUP BY ROLLUP(a) UNION ALL SELECT "cube", COUNT(*) FROM (SELECT 1 AS a) WHERE FALSE GROUP BY CUBE(a) UNION ALL SELECT "sets", COUNT(*) FROM (SELECT 1 AS a) WHERE FALSE GROUP BY GROUPING SETS((a), ()) HAVING COUNT(*) >= 0 UNION ALL SELECT "one", COUNT(*) FROM (SELECT 1 AS a) WHERE FALSE GROUP BY ()',
      [['one', '0']],
    ],
    [
      'totals of rows that are there stay',
      'SELECT a, COUNT(*) FROM UNNEST([1, 1]) AS a GROUP BY ROLLUP(a) HAVING COUNT(*) > 0 ORDER BY a',
      [
        [null, '2'],
        ['1', '2'],
      ],
    ],
    [
      'ARRAY_AGG and STRING_AGG order by no literal',
      'SELECT STRING_AGG(x ORDER BY TRUE) FROM UNNEST(["a"]) AS x',
      /^QUERY_INVALID: .*ORDER BY a literal/,
    ],
    [
      'with DISTINCT they order by their argument alone',
      'SELECT ARRAY_AGG(DISTINCT x ORDER BY LENGTH(x)) FROM UNNEST(["a"]) AS x',
      /^QUERY_INVALID: .*DISTINCT can only ORDER BY its argument/,
    ],
    [
      'a sum of FLOAT64 beyond its range is refused by name',
      'SELECT SUM(x) FROM UNNEST([1.7976931348623157e308, 1.7976931348623157e308]) AS x',
      /a sum of FLOAT64 beyond its range is not supported by the local warehouse/,
    ],
    [
      'so is one over a window',
      'SELECT SUM(x) OVER () FROM UNNEST([1.7976931348623157e308, 1.7976931348623157e308]) AS x',
      /a sum of FLOAT64 beyond its range is not supported by the local warehouse/,
    ],
    [
      'so is an average, also of infinite values',
      'SELECT AVG(x) FROM UNNEST([CAST("inf" AS FLOAT64), CAST("inf" AS FLOAT64)]) AS x',
      /an average beyond the range of FLOAT64 is not supported by the local warehouse/,
    ],
    [
      'infinity among the values is the sum',
      'SELECT SUM(x) FROM UNNEST([1.0, CAST("inf" AS FLOAT64)]) AS x',
      [['Infinity']],
    ],
    [
      'FIRST_VALUE and LAST_VALUE take no NULL',
      'SELECT LAST_VALUE(CAST(NULL AS INT64)) OVER (ORDER BY x) FROM UNNEST([1]) AS x',
      /^QUERY_INVALID: The argument to LAST_VALUE must be non-NULL/,
    ],
    [
      'TO_JSON_STRING of a JSON has its keys in order, the first of equal ones',
      `SELECT TO_JSON_STRING(JSON '{"b":1,"a":{"z":[{"y":1,"x":2}],"a b":3},"b":4}'), TO_JSON_STRING(JSON '{"é":1,"":2,"b/c~":3,"B":4}')`,
      [['{"a":{"a b":3,"z":[{"x":2,"y":1}]},"b":1}', '{"":2,"B":4,"b/c~":3,"é":1}']],
    ],
    [
      'numbers of a JSON are printed as Google prints them, texts stay',
      `SELECT TO_JSON_STRING(JSON '[1e14, 1e15, 1e-7, 100000000000000000000, 18446744073709551615, 1.0, "1e16"]'), JSON_VALUE(JSON '{"a":1e20}', '$.a'), JSON_VALUE(JSON '{"a":1e-7}', '$.a')`,
      [['[100000000000000.0,1e+15,1e-07,1e+20,18446744073709551615,1.0,"1e16"]', '1e+20', '1e-07']],
    ],
    [
      'objects of several keys that are too deep are refused by name',
      `SELECT TO_JSON_STRING(JSON '{"a":[{"b":[{"c":[{"e":1,"d":2}]}]}]}')`,
      /TO_JSON_STRING of objects below 4 others is not supported by the local warehouse/,
    ],
    [
      'REGEXP_EXTRACT_ALL keeps the last match under a flag',
      `SELECT REGEXP_EXTRACT_ALL('abB', r'(?i)B'), REGEXP_EXTRACT_ALL('ab', r'(?i:B)'), REGEXP_EXTRACT_ALL('ab', r'(?i)x*')`,
      [[['b', 'B'], ['b'], ['', '']]],
    ],
    [
      'weeks and years of weeks before the first day that there is are out of range',
      "SELECT DATE_TRUNC(DATE '0001-01-01', WEEK)",
      /^QUERY_INVALID: .*out of the range of DATE/,
    ],
    [
      'so is the last day of a week after the last one',
      "SELECT LAST_DAY(DATE '9999-12-31', WEEK)",
      /^QUERY_INVALID: .*out of the range of DATE/,
    ],
    [
      'a day that a time zone has outside of the range is an error',
      "SELECT DATE(TIMESTAMP '9999-12-31 23:00:00+00', 'Asia/Tokyo')",
      /^QUERY_INVALID: .*out of the range of DATETIME/,
    ],
    [
      'so is an instant that one has before it',
      "SELECT TIMESTAMP(DATETIME '0001-01-01 00:00:00', 'Asia/Tokyo')",
      /^QUERY_INVALID: .*out of the range of TIMESTAMP/,
    ],
    [
      'a literal, and a text, whose offset leads outside of the range is none',
      "SELECT SAFE_CAST('0001-01-01 00:00:00+14' AS TIMESTAMP), SAFE_CAST('9999-12-31 23:59:59-01' AS TIMESTAMP), TIMESTAMP '0001-01-01 00:00:00+14'",
      /^QUERY_INVALID: Invalid TIMESTAMP literal/,
    ],
    [
      'the text of a time whose zone was off by seconds is refused by name',
      "SELECT FORMAT_TIMESTAMP('%T', TIMESTAMP '1880-01-01 00:00:00+00', 'Asia/Tokyo')",
      /off by seconds is not supported by the local warehouse/,
    ],
    [
      'HAVING aggregates where the SELECT list or GROUP BY does',
      'SELECT 1 FROM UNNEST([1]) AS x HAVING SUM(x) > 0',
      /^QUERY_INVALID: HAVING needs GROUP BY or an aggregate in the SELECT list/,
    ],
    [
      'UNNEST takes no aggregate',
      'SELECT (SELECT SUM(v) FROM UNNEST(ARRAY_AGG(x)) AS v) FROM UNNEST([1]) AS x',
      /^QUERY_INVALID: Aggregate function not allowed in UNNEST/,
    ],
    [
      'a field of a STRUCT that fails is an error, whatever decides before it and whatever is NULL beside it',
      "SELECT STRUCT(0, 'a') = STRUCT(CAST([] AS ARRAY<INT64>)[OFFSET(0)], 'b')",
      /out of bounds/,
    ],
    ['also beside a NULL', 'SELECT (1, CAST(NULL AS FLOAT64)) = (2, 1 / 0)', /division by zero/],
    [
      'also in a list of IN, and of a column',
      'SELECT (1, x) IN ((2, DIV(1, x))) FROM UNNEST([0]) AS x',
      /division by zero/,
    ],
    [
      'STRUCTs with computed fields are compared',
      "SELECT (x, UPPER('a')) = (SELECT AS STRUCT 1, 'A'), (1, (x, x + 1)) <> (1, (1, 2)), (SUM(x), 1) = (1, 1.0), (x + 1, CAST(NULL AS INT64)) = (3, 1), (x + 1, CAST(NULL AS INT64)) = (2, 1) FROM UNNEST([1]) AS x GROUP BY x",
      [[true, false, true, false, null]],
    ],
    [
      'a tuple beside others of computed values',
      "SELECT (x, UPPER('a')) IN ((2, 'A'), (x * 1, 'A')), (x, 'b') NOT IN ((1, UPPER('a'))) FROM UNNEST([1]) AS x",
      [[true, true]],
    ],
    [
      'variances, covariances and correlations of what is not finite are NaN, of too few values NULL',
      "SELECT CAST(VAR_POP(x) AS STRING), VAR_SAMP(x), CAST(COVAR_POP(x, 1) AS STRING), STDDEV(x), CORR(x, 1), COVAR_SAMP(1, x), COVAR_POP(x, CAST(NULL AS FLOAT64)) FROM UNNEST([CAST('-inf' AS FLOAT64)]) AS x",
      [['NaN', null, 'NaN', null, null, null, null]],
    ],
    [
      'also beside others',
      "SELECT CAST(VAR_POP(x) AS STRING), CAST(STDDEV(x) AS STRING), CAST(CORR(1, x) AS STRING), CAST(COVAR_SAMP(x, 1) AS STRING) FROM UNNEST([CAST('nan' AS FLOAT64), 1, NULL]) AS x",
      [['NaN', 'NaN', 'NaN', 'NaN']],
    ],
    [
      'a sum of NUMERIC beyond 128 bits overflows, however its rows are shared out',
      "SELECT MOD(i, 1), SUM(IF(MOD(i, 125000) < 2, NUMERIC '65000000000000000000000000000', 0)) FROM UNNEST(GENERATE_ARRAY(0, 249999)) AS i GROUP BY 1",
      /numeric overflow/,
    ],
    [
      'an average of such values is refused by name',
      "SELECT AVG(NUMERIC '80000000000000000000000000000' - i) FROM UNNEST([1, 2]) AS i",
      /an average of NUMERIC whose sum is beyond its range is not supported/,
    ],
    [
      'extremes that make up for each other, and others, are summed',
      "SELECT CAST(SUM(x) AS STRING), CAST(SUM(DISTINCT x) AS STRING), CAST(AVG(x) AS STRING) FROM UNNEST([NUMERIC '99999999999999999999999999999', NUMERIC '-99999999999999999999999999999', 1, 1]) AS x",
      [['2', '1', '0.5']],
    ],
    [
      'a sum of a constant overflows as any other',
      "SELECT SUM(NUMERIC '-99999999999999999999999999999') FROM UNNEST([1, 2, 3]) AS x",
      /numeric overflow/,
    ],
    [
      'FORMAT of -0.0 has no sign, of what rounds to it has one',
      `SELECT FORMAT('%.2f', -0.0), FORMAT('%.2f', -0.001)`,
      [['0.00', '-0.00']],
    ],
  ])
})
