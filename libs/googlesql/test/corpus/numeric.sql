-- id: 065_safe_cast_and_rounding
-- expect: [[null,12,3,-3,7,null]]
SELECT SAFE_CAST('abc' AS INT64), SAFE_CAST('12' AS INT64), CAST(2.5 AS INT64), CAST(-2.5 AS INT64), CAST(cost AS INT64), SAFE_CAST('2025-13-01' AS DATE) FROM `gac-prod-471220.billing_export.gcp_billing` WHERE sku.id = 'S3'

-- id: 066_float_to_int_half
-- expect: [[1],[3]]
SELECT CAST(x AS INT64) FROM UNNEST([CAST(0.5 AS FLOAT64), CAST(2.5 AS FLOAT64)]) AS x ORDER BY 1

-- id: 067_division
-- expect: [[null,1.5,3,-1,3.5]]
SELECT SAFE_DIVIDE(1, 0), SAFE_DIVIDE(6, 4), DIV(7, 2), MOD(-7, 2), 7 / 2

-- id: 069_ieee_divide
-- expect: [[1.5]]
SELECT IEEE_DIVIDE(6, 4)

-- id: 070_conditionals
-- expect: [[4,3,"none",null,1,2]]
SELECT COUNTIF(cost > 5), COUNT(DISTINCT IF(cost > 5, service.description, NULL)), MAX(IFNULL(project.id, 'none')), MIN(NULLIF(currency, 'USD')), SUM(CASE WHEN cost_type = 'tax' THEN 1 ELSE 0 END), COALESCE(NULL, 2) FROM `gac-prod-471220.billing_export.gcp_billing`

-- id: 071_numeric_sum
-- expect: [[12.645678901,12.65,true,2.246913578]]
SELECT SUM(spend), ROUND(SUM(spend), 2), NUMERIC '0.1' + NUMERIC '0.2' = NUMERIC '0.3', CAST('1.123456789' AS NUMERIC) * 2 FROM tenants.tenant_usage_quotas

-- id: 073_bignumeric
-- str: true
-- expect: [["0.123456789012345"]]
SELECT CAST('0.123456789012345' AS BIGNUMERIC)

-- id: 074_float_sum_vs_numeric
-- expect: [[true]]
SELECT SUM(CAST(x AS NUMERIC)) = 0.3 FROM UNNEST([0.1, 0.2]) AS x

-- id: 075_math
-- expect: [[3,-3,1.23,1,2,-2,-1,1.5,1024,4,0]]
SELECT ROUND(2.5), ROUND(-2.5), ROUND(1.2345, 2), TRUNC(1.999), CEIL(1.1), FLOOR(-1.1), SIGN(-3), ABS(-1.5), POW(2, 10), SQRT(16), LN(1)

-- id: 076_log_base
-- expect: [[3,3,1]]
SELECT ROUND(LOG(8, 2), 6), LOG10(1000), ROUND(LOG(EXP(1)), 6)

-- id: 077_trunc_digits
-- expect: [[1.98]]
SELECT TRUNC(1.987, 2)

-- id: 079_division_by_zero_errors
-- expect: "ERROR"
SELECT 1 / 0

-- id: 081_cast_invalid_errors
-- expect: "ERROR"
SELECT CAST('abc' AS INT64)

-- id: 082_scalar_subquery_multirow_errors
-- expect: "ERROR"
SELECT (SELECT x FROM UNNEST([1, 2]) AS x)

-- id: 083_cast_to_string
-- expect: [["1.5","true","2025-11-19","42"]]
SELECT CAST(1.5 AS STRING), CAST(TRUE AS STRING), CAST(DATE '2025-11-19' AS STRING), CAST(42 AS STRING)

-- id: 085_cast_ts_to_string
-- expect: [["2025-11-19 01:02:03+00"]]
SELECT CAST(TIMESTAMP '2025-11-19 01:02:03 UTC' AS STRING)

-- id: 087_format_thousands
-- expect: [["1,234,567"]]
SELECT FORMAT("%'d", 1234567)

-- id: 088_safe_prefix
-- expect: [[null]]
SELECT SAFE.PARSE_DATE('%Y%m%d', 'bad')

-- id: 353_num_product_round
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- str: true
-- expect: [["1.1055", "0.000000001", "-0.000000001"]]
SELECT NUMERIC '1.005' * NUMERIC '1.1' AS a, NUMERIC '0.000000001' * NUMERIC '0.5' AS b, NUMERIC '-0.000000001' * NUMERIC '0.5' AS c

-- id: 354_num_quotient_thirds
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- str: true
-- expect: [["0.333333333", "0.666666667", "-0.666666667"]]
SELECT NUMERIC '1' / 3 AS a, NUMERIC '2' / NUMERIC '3' AS b, NUMERIC '-2' / 3 AS c

-- id: 355_num_round_half_away
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e"]
-- str: true
-- expect: [["3", "-3", "1.01", "20", "-20"]]
SELECT ROUND(NUMERIC '2.5') AS a, ROUND(NUMERIC '-2.5') AS b, ROUND(NUMERIC '1.005', 2) AS c, ROUND(NUMERIC '15', -1) AS d, ROUND(NUMERIC '-15', -1) AS e

-- id: 356_num_round_half_even
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- str: true
-- expect: [["2", "4"]]
SELECT ROUND(NUMERIC '2.5', 0, 'ROUND_HALF_EVEN') AS a, ROUND(NUMERIC '3.5', 0, 'ROUND_HALF_EVEN') AS b

-- id: 357_num_trunc_negative
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- str: true
-- expect: [["-2.7", "2", 2.7, -2]]
SELECT TRUNC(NUMERIC '-2.79', 1) AS a, TRUNC(NUMERIC '2.79') AS b, TRUNC(2.79, 1) AS c, TRUNC(-2.5) AS d

-- id: 358_num_trunc_tens
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- str: true
-- expect: [["120", 100]]
SELECT TRUNC(NUMERIC '127.5', -1) AS a, TRUNC(127.5, -2) AS b

-- id: 359_num_float_round_digits
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e", "f"]
-- expect: [[2.67, 1, 0.28, 1235000, -1, 0]]
SELECT ROUND(2.675, 2) AS a, ROUND(1.005, 2) AS b, ROUND(0.285, 2) AS c, ROUND(1234567.891, -3) AS d, ROUND(-0.5) AS e, ROUND(0.49999999999999994) AS f

-- id: 360_num_float_round_many
-- source: "reference engine, documentation"
-- columns: ["x", "r1", "r2"]
-- ordered: true
-- expect: [[0.05, 0.1, 0.05], [0.15, 0.1, 0.15], [0.25, 0.3, 0.25], [0.35, 0.3, 0.35], [0.45, 0.5, 0.45], [1.15, 1.1, 1.15], [1.25, 1.3, 1.25], [1.345, 1.3, 1.34], [5.015, 5, 5.01], [8.345, 8.3, 8.35]]
SELECT x, ROUND(x, 1) AS r1, ROUND(x, 2) AS r2 FROM UNNEST([0.05, 0.15, 0.25, 0.35, 0.45, 1.15, 1.25, 1.345, 5.015, 8.345]) AS x ORDER BY x

-- id: 361_num_ceil_floor
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e"]
-- str: true
-- expect: [[-1, -2, "2", "-1", 3]]
SELECT CEIL(-1.5) AS a, FLOOR(-1.5) AS b, CEIL(NUMERIC '1.000000001') AS c, FLOOR(NUMERIC '-0.5') AS d, CEIL(3) AS e

-- id: 362_num_int_overflow_add_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT 9223372036854775807 + 1

-- id: 363_num_int_overflow_mul_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT 4611686018427387904 * 2

-- id: 364_num_int_negate_min_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT -x FROM UNNEST([-9223372036854775808]) AS x

-- id: 365_num_int_abs_min_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT ABS(-9223372036854775808)

-- id: 366_num_int_min_div_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT DIV(-9223372036854775808, -1)

-- id: 367_num_sum_int_overflow_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT SUM(x) FROM UNNEST([9223372036854775807, 1]) AS x

-- id: 368_num_sum_int_overflow_middle
-- source: "reference engine, documentation"
-- columns: ["s"]
-- expect: [["9223372036854775807"]]
SELECT SUM(x) AS s FROM UNNEST([9223372036854775807, 1, -1]) AS x

-- id: 369_num_numeric_overflow_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT NUMERIC '99999999999999999999999999999.999999999' + NUMERIC '0.000000001'

-- id: 370_num_numeric_edges
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- str: true
-- expect: [["99999999999999999999999999999.999999999", "-99999999999999999999999999999.999999999", "0.000000001", "12000"]]
SELECT NUMERIC '99999999999999999999999999999.999999999' AS a, NUMERIC '-99999999999999999999999999999.999999999' AS b, NUMERIC '1E-9' AS c, NUMERIC '12e3' AS d

-- id: 371_num_numeric_from_float
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e"]
-- str: true
-- expect: [["0.1", "1.000000001", "123456789.123456789", "0", "100000000000000000000"]]
SELECT CAST(0.1 AS NUMERIC) AS a, CAST(1.0000000005 AS NUMERIC) AS b, CAST(123456789.123456789 AS NUMERIC) AS c, CAST(-2.5e-10 AS NUMERIC) AS d, CAST(1e20 AS NUMERIC) AS e

-- id: 372_num_numeric_from_string
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e"]
-- str: true
-- expect: [["1.5", "1.000000001", "-0.5", "100", null]]
SELECT CAST(' 1.5 ' AS NUMERIC) AS a, CAST('1.0000000005' AS NUMERIC) AS b, CAST('-.5' AS NUMERIC) AS c, CAST('1e2' AS NUMERIC) AS d, SAFE_CAST('1,000' AS NUMERIC) AS e

-- id: 373_num_numeric_to_int
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e", "f"]
-- expect: [[3, -3, 0, 3, -1, 2]]
SELECT CAST(NUMERIC '2.5' AS INT64) AS a, CAST(NUMERIC '-2.5' AS INT64) AS b, CAST(NUMERIC '0.499999999' AS INT64) AS c, CAST(2.5 AS INT64) AS d, CAST(-0.5 AS INT64) AS e, CAST(1.5 AS INT64) AS f

-- id: 374_num_numeric_to_string
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [["1.5", "100", "-0.000000001", "0.1"]]
SELECT CAST(NUMERIC '1.500' AS STRING) AS a, CAST(NUMERIC '100' AS STRING) AS b, CAST(NUMERIC '-0.000000001' AS STRING) AS c, CAST(BIGNUMERIC '0.1' AS STRING) AS d

-- id: 375_num_bignumeric_long
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [["0.12345678901234567890123456789012345678"]]
SELECT CAST(BIGNUMERIC '0.12345678901234567890123456789012345678' AS STRING) AS a

-- id: 376_num_bignumeric_product
-- source: "reference engine, documentation"
-- columns: ["a"]
-- str: true
-- expect: [["3.375"]]
SELECT BIGNUMERIC '1.5' * BIGNUMERIC '2.25' AS a

-- id: 377_num_bignumeric_sum_avg
-- source: "reference engine, documentation"
-- columns: ["s", "m"]
-- str: true
-- expect: [["3.75", "1.25"]]
SELECT SUM(x) AS s, MIN(x) AS m FROM UNNEST([BIGNUMERIC '1.25', BIGNUMERIC '2.50']) AS x

-- id: 378_num_bignumeric_huge
-- source: "reference engine, documentation"
-- columns: ["a"]
-- str: true
-- expect: [["123456789012345678901234567890123456.5"]]
SELECT BIGNUMERIC '123456789012345678901234567890123456.5' AS a

-- id: 379_num_mixed_types
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- str: true
-- expect: [["1.5", 1.5, "0.75", 0.75]]
SELECT 1 + NUMERIC '0.5' AS a, 1 + 0.5 AS b, NUMERIC '0.5' + 0.25 AS c, NUMERIC '0.5' + CAST(0.25 AS FLOAT64) AS d

-- id: 380_num_mixed_column_types
-- source: "reference engine, documentation"
-- ordered: true
-- expect: "ERROR"
SELECT n, n * d AS nd, n * f AS nf, d * f AS df FROM lab.nums WHERE n IS NOT NULL AND NOT IS_NAN(f) AND NOT IS_INF(f) ORDER BY n

-- id: 381_num_div_float_by_zero_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT 1.5 / 0

-- id: 382_num_div_numeric_by_zero_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT NUMERIC '1' / 0

-- id: 383_num_mod_signs
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- str: true
-- expect: [[-1, 1, -3, "-1.5"]]
SELECT MOD(-7, 3) AS a, MOD(7, -3) AS b, DIV(-7, 2) AS c, MOD(NUMERIC '-7.5', NUMERIC '2') AS d

-- id: 384_num_mod_zero_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT MOD(5, 0)

-- id: 385_num_div_numeric_fn
-- source: "reference engine, documentation"
-- columns: ["a"]
-- str: true
-- expect: [["3"]]
SELECT DIV(NUMERIC '7.5', NUMERIC '2') AS a

-- id: 386_num_safe_functions
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e"]
-- expect: [[null, null, 6, null, -2]]
SELECT SAFE_DIVIDE(1, 0) AS a, SAFE_ADD(9223372036854775807, 1) AS b, SAFE_MULTIPLY(2, 3) AS c, SAFE_NEGATE(-9223372036854775808) AS d, SAFE_SUBTRACT(5, 7) AS e

-- id: 387_num_safe_prefix
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [[null, null, null]]
SELECT SAFE.SUBSTR('abc', 1, -1) AS a, SAFE.LOG(0) AS b, SAFE.DIV(1, 0) AS c

-- id: 388_num_safe_divide_types
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e"]
-- str: true
-- expect: [[2.5, "2.5", null, null, null]]
SELECT SAFE_DIVIDE(10, 4) AS a, SAFE_DIVIDE(NUMERIC '10', 4) AS b, SAFE_DIVIDE(NULL, 0) AS c, SAFE_DIVIDE(0.0, 0.0) AS d, SAFE_DIVIDE(1e308, 1e-10) AS e

-- id: 389_num_ieee_divide
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [["inf", "-inf", "nan", 3.5]]
SELECT CAST(IEEE_DIVIDE(1, 0) AS STRING) AS a, CAST(IEEE_DIVIDE(-1, 0) AS STRING) AS b, LOWER(CAST(IEEE_DIVIDE(0, 0) AS STRING)) AS c, IEEE_DIVIDE(7, 2) AS d

-- id: 390_num_float_text
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e", "f"]
-- expect: [["1e+15", "1.2345678901234568e+17", "0.30000000000000004", "1e-07", "100000", "1.5e+300"]]
SELECT CAST(1e15 AS STRING) AS a, CAST(123456789012345680.0 AS STRING) AS b, CAST(0.1 + 0.2 AS STRING) AS c, CAST(1e-7 AS STRING) AS d, CAST(100000.0 AS STRING) AS e, CAST(1.5e300 AS STRING) AS f

-- id: 391_num_negative_zero_text
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [["0", "0", "0"]]
SELECT CAST(-0.0 AS STRING) AS a, CAST(CAST('-0' AS FLOAT64) AS STRING) AS b, CAST(0.0 * -1 AS STRING) AS c

-- id: 392_num_negative_zero_group
-- source: "reference engine, documentation"
-- columns: ["groups_"]
-- expect: [[1]]
SELECT COUNT(*) AS groups_ FROM (SELECT x FROM UNNEST([0.0, -0.0, 0.0]) AS x GROUP BY x)

-- id: 393_num_negative_zero_distinct
-- source: "reference engine, documentation"
-- columns: ["n", "e"]
-- expect: [[1, true]]
SELECT COUNT(DISTINCT x) AS n, -0.0 = 0.0 AS e FROM UNNEST([0.0, -0.0]) AS x

-- id: 394_num_nan_group
-- source: "reference engine, documentation"
-- columns: ["groups_", "d"]
-- expect: [[2, 2]]
SELECT COUNT(*) AS groups_, COUNT(DISTINCT x) AS d FROM (SELECT x FROM UNNEST([CAST('nan' AS FLOAT64), CAST('nan' AS FLOAT64), 1.0]) AS x GROUP BY x)

-- id: 395_num_nan_compare
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e", "f"]
-- expect: [[false, true, false, false, false, true]]
SELECT x = x AS a, x <> x AS b, x < 1 AS c, x > 1 AS d, x IN (x) AS e, x IS NOT DISTINCT FROM x AS f FROM UNNEST([CAST('nan' AS FLOAT64)]) AS x

-- id: 396_num_nan_order
-- source: "reference engine, documentation"
-- columns: ["t"]
-- ordered: true
-- expect: [[null], ["nan"], ["-inf"], ["0"], ["1"], ["inf"]]
SELECT LOWER(CAST(x AS STRING)) AS t FROM UNNEST([1.0, CAST('nan' AS FLOAT64), CAST('inf' AS FLOAT64), CAST('-inf' AS FLOAT64), NULL, 0.0]) AS x ORDER BY x

-- id: 397_num_nan_order_desc
-- source: "reference engine, documentation"
-- columns: ["t"]
-- ordered: true
-- expect: [["inf"], ["1"], ["-inf"], ["nan"], [null]]
SELECT LOWER(CAST(x AS STRING)) AS t FROM UNNEST([1.0, CAST('nan' AS FLOAT64), CAST('inf' AS FLOAT64), CAST('-inf' AS FLOAT64), NULL]) AS x ORDER BY x DESC

-- id: 398_num_nan_min_max
-- source: "reference engine, documentation"
-- columns: ["lo", "hi", "av"]
-- expect: [["nan", "nan", "nan"]]
SELECT LOWER(CAST(MIN(x) AS STRING)) AS lo, LOWER(CAST(MAX(x) AS STRING)) AS hi, LOWER(CAST(AVG(x) AS STRING)) AS av FROM UNNEST([1.0, CAST('nan' AS FLOAT64), 3.0]) AS x

-- id: 400_num_nan_arithmetic
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["nan", "inf"]]
SELECT LOWER(CAST(x + 1 AS STRING)) AS a, CAST(y * 2 AS STRING) AS b FROM UNNEST([STRUCT(CAST('nan' AS FLOAT64) AS x, CAST('inf' AS FLOAT64) AS y)])

-- id: 402_num_float_overflow_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT 1e308 * 10

-- id: 403_num_greatest_null_literal
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [[null, null, null]]
SELECT GREATEST(1, NULL, 3) AS a, LEAST(NULL, 2) AS b, GREATEST('a', CAST(NULL AS STRING)) AS c

-- id: 404_num_greatest_mixed
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- str: true
-- expect: [[2.5, "1.5", "2025-02-01"]]
SELECT GREATEST(1, 2.5) AS a, LEAST(NUMERIC '1.5', 2) AS b, GREATEST(DATE '2025-01-01', '2025-02-01') AS c

-- id: 405_num_greatest_nan
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [[true, true]]
SELECT IS_NAN(GREATEST(1.0, CAST('nan' AS FLOAT64))) AS a, IS_NAN(LEAST(CAST('nan' AS FLOAT64), 1.0)) AS b

-- id: 406_num_math_functions
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e", "f", "g"]
-- expect: [[1.414213562, 1024, 2.718281828, 2.302585093, 3, 3, -1]]
SELECT ROUND(SQRT(2), 9) AS a, POW(2, 10) AS b, ROUND(EXP(1), 9) AS c, ROUND(LN(10), 9) AS d, LOG(8, 2) AS e, LOG10(1000) AS f, SIGN(-3) AS g

-- id: 407_num_math_numeric_results
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- str: true
-- expect: [["8", "2", "-1"]]
SELECT POW(NUMERIC '2', 3) AS a, SQRT(NUMERIC '4') AS b, SIGN(NUMERIC '-2.5') AS c

-- id: 409_num_ln_zero_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT LN(0)

-- id: 410_num_sqrt_negative_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT SQRT(-1)

-- id: 411_num_pow_zero_negative_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT POW(0, -1)

-- id: 412_num_exp_overflow_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT EXP(1000)

-- id: 413_num_bit_operators
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e", "f"]
-- expect: [[2, 7, 5, -7, 16, "4611686018427387900"]]
SELECT 6 & 3 AS a, 6 | 3 AS b, 6 ^ 3 AS c, ~6 AS d, 1 << 4 AS e, -16 >> 2 AS f

-- id: 414_num_bit_count
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [[8, 8, 14, 6]]
SELECT BIT_COUNT(255) AS a, BIT_AND(x) AS b, BIT_OR(x) AS c, BIT_XOR(x) AS d FROM UNNEST([12, 10]) AS x

-- id: 415_num_trig
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [[0.841471, 0.785398, 1]]
SELECT ROUND(SIN(1), 6) AS a, ROUND(ATAN2(1, 1), 6) AS b, ROUND(COSH(0), 6) AS c

-- id: 416_num_range_bucket
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [[3, 0]]
SELECT RANGE_BUCKET(20, [0, 10, 20, 30]) AS a, RANGE_BUCKET(-1, [0, 10]) AS b

-- id: 417_num_hex_literals
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [[255, "9223372036854775807", 31, "31"]]
SELECT 0xFF AS a, 0x7FFFFFFFFFFFFFFF AS b, CAST('0x1F' AS INT64) AS c, CAST(31 AS STRING) AS d

-- id: 418_num_cast_int_from_text
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e"]
-- expect: [[12, 5, null, null, null]]
SELECT CAST(' 12 ' AS INT64) AS a, CAST('+5' AS INT64) AS b, SAFE_CAST('1.5' AS INT64) AS c, SAFE_CAST('' AS INT64) AS d, SAFE_CAST('9223372036854775808' AS INT64) AS e

-- id: 419_num_cast_float_from_text
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e"]
-- expect: [[1000, 0.5, null, true, null]]
SELECT CAST('1e3' AS FLOAT64) AS a, CAST('.5' AS FLOAT64) AS b, SAFE_CAST('1.5abc' AS FLOAT64) AS c, CAST('+inf' AS FLOAT64) > 1 AS d, SAFE_CAST('1_000' AS FLOAT64) AS e

-- id: 420_num_cast_bool
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e", "f"]
-- expect: [[true, null, false, 1, "false", null]]
SELECT CAST('TRUE' AS BOOL) AS a, SAFE_CAST('t' AS BOOL) AS b, CAST(0 AS BOOL) AS c, CAST(TRUE AS INT64) AS d, CAST(FALSE AS STRING) AS e, SAFE_CAST('1' AS BOOL) AS f

-- id: 421_num_cast_float_to_int_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT CAST(CAST('nan' AS FLOAT64) AS INT64)

-- id: 422_num_cast_big_float_int_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT CAST(9223372036854775808.0 AS INT64)

-- id: 423_num_avg_int
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [[2.5, 2.6666666666666665, 8]]
SELECT AVG(x) AS a, AVG(DISTINCT x) AS b, SUM(DISTINCT x) AS c FROM UNNEST([1, 2, 2, 5]) AS x

-- id: 424_num_sum_empty
-- source: "reference engine, documentation"
-- columns: ["s", "c", "v", "m", "ci", "la", "arr", "sg"]
-- expect: [[null, 0, null, null, 0, null, null, null]]
SELECT SUM(a) AS s, COUNT(a) AS c, AVG(a) AS v, MIN(a) AS m, COUNTIF(a > 0) AS ci, LOGICAL_AND(a > 0) AS la, ARRAY_AGG(a) AS arr, STRING_AGG(b) AS sg FROM lab.empty

-- id: 425_num_stddev
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [[1.290994449, 1.25, 1.118033988749895]]
SELECT ROUND(STDDEV(x), 9) AS a, ROUND(VAR_POP(x), 9) AS b, STDDEV_POP(x) AS c FROM UNNEST([1, 2, 3, 4]) AS x

-- id: 426_num_stddev_single
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [[null, 0, null]]
SELECT STDDEV_SAMP(x) AS a, VAR_POP(x) AS b, VARIANCE(x) AS c FROM UNNEST([5]) AS x

-- id: 427_num_corr
-- source: "reference engine, documentation"
-- columns: ["c", "s", "p"]
-- expect: [[0.981980506, 1.5, 1]]
SELECT ROUND(CORR(a, b), 9) AS c, ROUND(COVAR_SAMP(a, b), 9) AS s, ROUND(COVAR_POP(a, b), 9) AS p FROM UNNEST([STRUCT(1 AS a, 2 AS b), (2, 4), (3, 5)])

-- id: 428_num_corr_constant
-- source: "reference engine, documentation"
-- columns: ["c"]
-- expect: [["nan"]]
SELECT LOWER(CAST(CORR(a, b) AS STRING)) AS c FROM UNNEST([STRUCT(1 AS a, 2 AS b), (1, 4), (1, 5)])

-- id: 429_num_stddev_numeric
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [[0.5, 0.5]]
SELECT STDDEV_POP(x) AS a, VAR_SAMP(x) AS b FROM UNNEST([NUMERIC '1.5', NUMERIC '2.5']) AS x

-- id: 442_num_rand_range
-- source: "reference engine, documentation"
-- columns: ["bad"]
-- expect: [[0]]
SELECT COUNTIF(r < 0 OR r >= 1) AS bad FROM (SELECT RAND() AS r FROM UNNEST(GENERATE_ARRAY(1, 100)))

-- id: 444_num_generate_array_down
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [[[5, 3, 1], [], null]]
SELECT GENERATE_ARRAY(5, 1, -2) AS a, GENERATE_ARRAY(1, 5, -1) AS b, GENERATE_ARRAY(1, NULL) AS c

-- id: 445_num_decimal_alias
-- source: "documentation"
-- str: true
-- expect: [["1.5", "1", 3, 3]]
SELECT CAST('1.5' AS DECIMAL) AS a, CAST(1 AS BIGDECIMAL) AS b, CAST(3 AS INTEGER) AS c, CAST(3 AS BIGINT) AS d

-- id: 446_num_parameterized_cast
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- str: true
-- expect: [["1.24", "abc"]]
SELECT CAST(1.239 AS NUMERIC(5, 2)) AS a, CAST('abc' AS STRING(5)) AS b

-- id: 447_num_parse_numeric
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- str: true
-- expect: [["-1234.5", "12.34"]]
SELECT PARSE_NUMERIC('1,234.5-') AS a, PARSE_BIGNUMERIC('12.34') AS b

-- id: 448_num_int_literal_too_big_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT 9223372036854775808

-- id: 449_num_float_literal_forms
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e"]
-- expect: [[1, 0.5, 100, 0.0015, false]]
SELECT 1. AS a, .5 AS b, 1e2 AS c, 1.5E-3 AS d, 0.1 + 0.2 = 0.3 AS e

-- id: 451_num_unary_plus_minus
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e"]
-- expect: [[5, 5, -5, 5, 6]]
SELECT - -5 AS a, +5 AS b, -(2 + 3) AS c, 2 - -3 AS d, -2 * -3 AS e

-- id: 452_num_precedence
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e", "f"]
-- expect: [[14, 20, 4, 5, false, true]]
SELECT 2 + 3 * 4 AS a, (2 + 3) * 4 AS b, 7 - 2 - 1 AS c, 100 / 10 / 2 AS d, NOT FALSE AND FALSE AS e, TRUE OR FALSE AND FALSE AS f

-- id: 453_num_integer_division_type
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [[3.5, 2, 3]]
SELECT 7 / 2 AS a, 4 / 2 AS b, DIV(7, 2) AS c

-- id: 774_num_case_supertype
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- str: true
-- expect: [[1, "0.5", 1.5]]
SELECT CASE WHEN TRUE THEN 1 ELSE 2.5 END AS a, CASE WHEN FALSE THEN NUMERIC '1' ELSE 0.5 END AS b, IF(TRUE, NUMERIC '1.5', CAST(2 AS FLOAT64)) AS c

-- id: 775_num_array_supertype
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- str: true
-- expect: [[[1, 2.5], ["1", "2"], null]]
SELECT [1, 2.5] AS a, [NUMERIC '1', 2] AS b, [1, NULL, 3][SAFE_OFFSET(1)] AS c

-- id: 776_num_in_list_types
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e"]
-- expect: [[true, true, true, true, true]]
SELECT 1 IN (1.0, 2) AS a, NUMERIC '1.5' IN (1.5, 2) AS b, 0.1 IN (0.1) AS c, NUMERIC '0.1' = 0.1 AS d, CAST('0.1' AS FLOAT64) = NUMERIC '0.1' AS e

-- id: 777_num_compare_int_float
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [[true, false]]
SELECT 9007199254740993 = 9007199254740992.0 AS a, 9007199254740993 > 9007199254740992.0 AS b FROM (SELECT 1)

-- id: 778_num_compare_int_float_columns
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [[true, false]]
SELECT i = f AS a, i > f AS b FROM (SELECT 9007199254740993 AS i, 9007199254740992.0 AS f)

-- id: 779_num_join_int_float_key
-- source: "reference engine, documentation"
-- columns: ["n"]
-- expect: [[1]]
SELECT COUNT(*) AS n FROM (SELECT 9007199254740993 AS i) JOIN (SELECT 9007199254740992.0 AS f) ON i = f

-- id: 780_num_sum_float_vs_numeric_literal
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [[0.6000000000000001]]
SELECT SUM(x * 0.1) AS a FROM UNNEST([1, 2, 3]) AS x

-- id: 781_num_numeric_times_float_literal
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- str: true
-- expect: [["1.5", "0.01", "1.123456789"]]
SELECT NUMERIC '10' * 0.15 AS a, NUMERIC '10' * 1e-3 AS b, NUMERIC '1' + 0.1234567891 AS c

-- id: 782_num_numeric_literal_long_float
-- source: "reference engine, documentation"
-- columns: ["tax", "gross"]
-- str: true
-- expect: [["0.291666667", "3.666666666"]]
SELECT cost * 0.0875 AS tax, cost * 1.1 AS gross FROM lab.spend WHERE sku = 'B-2'

-- id: 783_num_numeric_column_times_literal_type
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- str: true
-- expect: [["38.01", "50.257666666"]]
SELECT SUM(cost * 0.9) AS a, SUM(cost) * 1.19 AS b FROM lab.spend WHERE project = 'borealis'

-- id: 784_num_numeric_div_literal
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- str: true
-- expect: [["1.666666667", "0.05", "0.2"]]
SELECT cost / 3.0 AS a, cost / 1e2 AS b, 1 / cost AS c FROM lab.spend WHERE sku = 'C-1'

-- id: 785_num_round_negative_places_float
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e", "f"]
-- expect: [[1200, -1234.6, 1, 2, 3, -3]]
SELECT ROUND(1234.5678, -2) AS a, ROUND(-1234.5678, 1) AS b, ROUND(0.5) AS c, ROUND(1.5) AS d, ROUND(2.5) AS e, ROUND(-2.5) AS f

-- id: 786_num_round_large_places
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- str: true
-- expect: [[1.23456789, 0, "1.23456789", "0"]]
SELECT ROUND(1.23456789, 20) AS a, ROUND(123.456, -5) AS b, ROUND(NUMERIC '1.23456789', 20) AS c, ROUND(NUMERIC '123', -5) AS d

-- id: 787_num_round_money_pairs
-- source: "reference engine, documentation"
-- columns: ["i", "r"]
-- ordered: true
-- expect: [[5, 0.01], [15, 0.01], [25, 0.03], [35, 0.04], [45, 0.04], [115, 0.12], [125, 0.13], [135, 0.14], [145, 0.14], [155, 0.15], [165, 0.17], [175, 0.17], [185, 0.18], [195, 0.2], [1005, 1], [1015, 1.01], [1025, 1.02], [2675, 2.67], [4975, 4.97]]
SELECT i, ROUND(i / 1000, 2) AS r FROM UNNEST([5, 15, 25, 35, 45, 115, 125, 135, 145, 155, 165, 175, 185, 195, 1005, 1015, 1025, 2675, 4975]) AS i ORDER BY i

-- id: 788_num_round_numeric_overflow_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT ROUND(NUMERIC '99999999999999999999999999999.9')

-- id: 789_num_trunc_float_digits
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e"]
-- expect: [[1.2, -1.2, 2.2, 4.34, 8.1]]
SELECT TRUNC(1.29, 1) AS a, TRUNC(-1.29, 1) AS b, TRUNC(2.3, 1) AS c, TRUNC(4.35, 2) AS d, TRUNC(8.2, 1) AS e

-- id: 790_num_mod_float_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT MOD(5.5, 2)

-- id: 791_num_mod_numeric_mixed
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- str: true
-- expect: [["1.5", "0.5", -3]]
SELECT MOD(NUMERIC '5.5', 2) AS a, MOD(5, NUMERIC '1.5') AS b, DIV(7, -2) AS c

-- id: 792_num_power_int
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e"]
-- expect: [[9.223372036854776e+18, 1.4142135623730951, -512, 0, 1]]
SELECT POW(2, 63) AS a, POW(2, 0.5) AS b, POW(-8, 3) AS c, SQRT(0) AS d, EXP(0) AS e

-- id: 793_num_log_variants
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [[2, 1, 0.5, 3]]
SELECT LOG(100, 10) AS a, LOG(2.718281828459045) AS b, LOG(0.5, 0.25) AS c, ROUND(LOG(1000, 10), 12) AS d

-- id: 795_num_sign_float
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e"]
-- str: true
-- expect: [[-1, 0, 2.5, "2.5", null]]
SELECT SIGN(-2.5) AS a, SIGN(0) AS b, ABS(-2.5) AS c, ABS(NUMERIC '-2.5') AS d, SIGN(NULL) AS e

-- id: 796_num_int_literal_minus_min
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["-9223372036854775808", "9223372036854775807"]]
SELECT -9223372036854775808 AS a, 9223372036854775807 AS b

-- id: 797_num_float_int_cast_range
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [[9007199254740992.0, 9007199254740992, "1000000000000000000"]]
SELECT CAST(9007199254740993 AS FLOAT64) AS a, CAST(CAST(9007199254740993 AS FLOAT64) AS INT64) AS b, CAST(1e18 AS INT64) AS c

-- id: 798_num_cast_float_half_values
-- source: "reference engine, documentation"
-- columns: ["x", "i"]
-- ordered: true
-- expect: [[-2.5, -3], [-1.5, -2], [-0.5, -1], [0.49999999999999994, 0], [0.5, 1], [1.5, 2], [2.5, 3], [4503599627370498, 4503599627370498]]
SELECT x, CAST(x AS INT64) AS i FROM UNNEST([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.49999999999999994, 4503599627370497.5]) AS x ORDER BY x

-- id: 799_num_avg_large_ints
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [[9.223372036854776e+18]]
SELECT AVG(x) AS a FROM UNNEST([9223372036854775807, 9223372036854775807]) AS x

-- id: 800_num_sum_distinct_numeric
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- str: true
-- expect: [["3.1", 2, "1.55"]]
SELECT SUM(DISTINCT x) AS a, COUNT(DISTINCT x) AS b, AVG(DISTINCT x) AS c FROM UNNEST([NUMERIC '1.10', NUMERIC '1.1', NUMERIC '2']) AS x

-- id: 801_num_min_max_numeric_text
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- str: true
-- expect: [["10", "10"]]
SELECT MIN(CAST(x AS STRING)) AS a, MAX(x) AS b FROM UNNEST([NUMERIC '10', NUMERIC '9.5']) AS x

-- id: 802_num_safe_cast_numeric
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- str: true
-- expect: [[null, null, null, "12.345678901"]]
SELECT SAFE_CAST('abc' AS NUMERIC) AS a, SAFE_CAST('1e40' AS NUMERIC) AS b, SAFE_CAST(1e30 AS NUMERIC) AS c, SAFE_CAST('12.3456789012' AS NUMERIC) AS d

-- id: 803_num_cast_bool_string_forms
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [[false, null, "true", true]]
SELECT CAST('False' AS BOOL) AS a, SAFE_CAST(' true ' AS BOOL) AS b, CAST(TRUE AS STRING) AS c, CAST(5 AS BOOL) AS d

-- id: 804_num_float_group_key_text
-- source: "reference engine, documentation"
-- columns: ["k", "n"]
-- ordered: true
-- expect: [["0.3", 1], ["0.30000000000000004", 2]]
SELECT CAST(x AS STRING) AS k, COUNT(*) AS n FROM UNNEST([0.1 + 0.2, 0.3, 0.30000000000000004]) AS x GROUP BY k ORDER BY k

-- id: 805_num_stddev_large_offset
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [[0.816497]]
SELECT ROUND(STDDEV_POP(x), 6) AS a FROM UNNEST([1000000001.0, 1000000002.0, 1000000003.0]) AS x

-- id: 806_num_variance_nan
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [[true, true]]
SELECT IS_NAN(VAR_POP(x)) AS a, IS_NAN(STDDEV(x)) AS b FROM UNNEST([1.0, CAST('nan' AS FLOAT64)]) AS x

-- id: 807_num_sum_nan_inf
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [[true, false, 2]]
SELECT IS_NAN(SUM(x)) AS a, IS_INF(MAX(x)) AS b, COUNT(x) AS c FROM UNNEST([CAST('nan' AS FLOAT64), CAST('inf' AS FLOAT64)]) AS x

-- id: 808_num_count_if_null
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [[1, 1, 1]]
SELECT COUNTIF(x > 1) AS a, COUNT(NULLIF(x, 1)) AS b, SUM(IF(x > 1, 1, 0)) AS c FROM UNNEST([1, 2, NULL]) AS x

-- id: 809_num_greatest_dates
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [["2025-06-01", "a", true, "2024-01-01T00:00:00Z"]]
SELECT GREATEST(DATE '2025-01-01', DATE '2025-06-01') AS a, LEAST('b', 'a') AS b, GREATEST(TRUE, FALSE) AS c, LEAST(TIMESTAMP '2025-01-01', TIMESTAMP '2024-01-01') AS d

-- id: 901_g_sum_numeric_overflow_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT SUM(x) FROM UNNEST([NUMERIC '99999999999999999999999999999.999999999', NUMERIC '1']) AS x

-- id: 903_g_corr_one_pair
-- source: "reference engine, documentation"
-- columns: ["c"]
-- expect: [[true]]
SELECT CORR(a, b) IS NULL AS c FROM UNNEST([STRUCT(1.5 AS a, 2.5 AS b)])

-- id: 905_g_safe_divide_overflow
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [[null, null]]
SELECT SAFE_DIVIDE(1e300, 1e-300) AS a, SAFE_DIVIDE(-1e300, 1e-300) AS b

-- id: 906_g_round_cents_float
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e", "f"]
-- expect: [[1.11, 8.35, 0.14, 10.07, 5.05, 1.25]]
SELECT ROUND(1.115, 2) AS a, ROUND(8.345, 2) AS b, ROUND(0.145, 2) AS c, ROUND(10.075, 2) AS d, ROUND(5.055, 2) AS e, ROUND(1.255, 2) AS f

-- id: 907_g_round_cost_column_float
-- source: "reference engine, documentation"
-- columns: ["sku", "r"]
-- ordered: true
-- expect: [["A-1", 2.07], ["A-1", 3.45], ["A-2", 0.17], ["B-2", 1.03], ["B-3", 0.34], ["C-1", 0.86], ["C-2", 0.34], ["S-1", 0.34], ["T-1", 0.34]]
SELECT sku, ROUND(qty * 0.345, 2) AS r FROM lab.spend WHERE qty > 0 ORDER BY sku, r

-- id: 908_g_trunc_float_tenths
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [[0.2, 0.6, 1.1, 9.94]]
SELECT TRUNC(0.3, 1) AS a, TRUNC(0.7, 1) AS b, TRUNC(1.1, 1) AS c, TRUNC(9.95, 2) AS d

-- id: 909_g_power_numeric_type
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- str: true
-- expect: [["1.1025", "1.414213562", "2.718281828", "2.302585093"]]
SELECT POW(NUMERIC '1.05', 2) AS a, SQRT(NUMERIC '2') AS b, EXP(NUMERIC '1') AS c, LN(NUMERIC '10') AS d

-- id: 913_g_cast_hex_md5_key
-- source: "reference engine, documentation"
-- columns: ["k"]
-- expect: [["728752383503378226"]]
SELECT CAST(CONCAT('0x', SUBSTR(TO_HEX(MD5('42')), 1, 15)) AS INT64) AS k

-- id: 953_g_log_base_zero_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT LOG(5, 0)

-- id: 965_g_numeric_times_exponent_literal
-- source: "reference engine, documentation"
-- columns: ["k"]
-- str: true
-- expect: [["0.005"]]
SELECT cost * 1e-3 AS k FROM lab.spend WHERE sku = 'C-1'

-- id: 966_g_numeric_times_long_literal
-- source: "reference engine, documentation"
-- columns: ["a"]
-- str: true
-- expect: [["0.999999999"]]
SELECT NUMERIC '3' * 0.3333333333 AS a
