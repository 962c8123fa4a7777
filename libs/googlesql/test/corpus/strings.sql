-- id: 089_concat_null
-- expect: [[null,null,"abc"]]
SELECT CONCAT('a', NULL, 'b'), 'a' || NULL, CONCAT('a', 'b', 'c')

-- id: 090_strings_basic
-- expect: [["b","def","bcd",3,"a-b","x","007","A",3,"cba","ab","xx"]]
SELECT SPLIT('a,b,c', ',')[OFFSET(1)], SUBSTR('abcdef', -3), SUBSTR('abcdef', 2, 3), STRPOS('abc', 'c'), REPLACE('a.b', '.', '-'), TRIM('  x '), LPAD('7', 3, '0'), UPPER('a'), LENGTH('abc'), REVERSE('abc'), LEFT('abc', 2), RTRIM('xx--', '-')

-- id: 092_regexp
-- expect: [["403",null,true,"19/11/2025","123"]]
SELECT REGEXP_EXTRACT('Error 403: Access', r'(\d+)'), REGEXP_EXTRACT('abc', r'x'), REGEXP_CONTAINS('a-1', r'^[a-z]-\d$'), REGEXP_REPLACE('2025-11-19', r'(\d+)-(\d+)-(\d+)', r'\3/\2/\1'), REGEXP_EXTRACT('abc123', r'[0-9]+')

-- id: 093_regexp_extract_column
-- ordered: true
-- expect: [["403",1],[null,4]]
SELECT REGEXP_EXTRACT(error_message, r'^Error (\d{3}):') AS code, COUNT(*) AS n FROM `gac-prod-471220.tenants.tenant_pipeline_runs` GROUP BY 1 ORDER BY n

-- id: 094_regexp_extract_all
-- expect: [[["1","22"]]]
SELECT REGEXP_EXTRACT_ALL('a1b22', r'\d+')

-- id: 096_like_startswith
-- expect: [[true,true,true,true]]
SELECT STARTS_WITH('acme-cost', 'acme'), ENDS_WITH('acme-cost', 'cost'), 'abc' LIKE 'a%', 'a_c' LIKE 'a\\_c'

-- id: 097_contains_substr
-- expect: [[true]]
SELECT CONTAINS_SUBSTR('Compute Engine', 'engine')

-- id: 098_json_value
-- expect: [["gcp_cost_daily","1",1,null]]
SELECT JSON_VALUE(parameters, '$.dest.table'), JSON_EXTRACT_SCALAR(parameters, '$.date_offset'), CAST(JSON_VALUE(parameters, '$.date_offset') AS INT64), JSON_VALUE(parameters, '$.missing') FROM `gac-prod-471220.tenants.tenant_pipeline_configs` WHERE config_id = 'c1'

-- id: 099_json_query
-- json: [0]
-- expect: [[{"table":"gcp_cost_daily"}]]
SELECT JSON_QUERY(parameters, '$.dest') FROM `gac-prod-471220.tenants.tenant_pipeline_configs` WHERE config_id = 'c1'

-- id: 101_json_dot_access
-- expect: [[1,true,"gcp_cost_daily"]]
SELECT INT64(parameters.date_offset), BOOL(parameters.full), STRING(parameters.dest.table) FROM `gac-prod-471220.tenants.tenant_pipeline_configs` WHERE config_id = 'c1'

-- id: 102_json_literal_parse
-- expect: [["x","5"]]
SELECT JSON_VALUE(JSON '{"a": {"b": "x"}}', '$.a.b'), JSON_VALUE(PARSE_JSON('{"n": 5}'), '$.n')

-- id: 104_hashes
-- expect: [["ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","900150983cd24fb0d6963f7d28e17f72"]]
SELECT TO_HEX(SHA256('abc')), TO_HEX(MD5('abc'))

-- id: 105_farm_fingerprint
-- expect: "ANY"
SELECT FARM_FINGERPRINT('abc')

-- id: 106_generate_uuid
-- expect: [[36]]
SELECT LENGTH(GENERATE_UUID())

-- id: 107_bytes_base64
-- expect: [["YWJj","abc"]]
SELECT TO_BASE64(b'abc'), SAFE_CONVERT_BYTES_TO_STRING(FROM_BASE64('YWJj'))

-- id: 108_string_literals
-- expect: [["\\d","triple \"q\" x","dq","it's","a\tb"]]
SELECT r'\d', """triple "q" x""", "dq", 'it\'s', 'a\tb'

-- id: 430_num_format_numbers
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [["42|   42|42   |00042|+42"]]
SELECT FORMAT('%d|%5d|%-5d|%05d|%+d', 42, 42, 42, 42, 42) AS a

-- id: 431_num_format_thousands
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [["1,234,567", "-1,234,567", "1,234,567.89"]]
SELECT FORMAT("%'d", 1234567) AS a, FORMAT("%'d", -1234567) AS b, FORMAT("%'.2f", 1234567.891) AS c

-- id: 432_num_format_float
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e"]
-- expect: [["2.67", "1.500000", "1.234568e+04", "1.234e-05", "   3.142"]]
SELECT FORMAT('%.2f', 2.675) AS a, FORMAT('%f', 1.5) AS b, FORMAT('%e', 12345.678) AS c, FORMAT('%g', 0.00001234) AS d, FORMAT('%8.3f', 3.14159) AS e

-- id: 433_num_format_numeric
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [["1.01", "123456789012345678.123457", "1.5"]]
SELECT FORMAT('%.2f', NUMERIC '1.005') AS a, FORMAT('%f', NUMERIC '123456789012345678.123456789') AS b, FORMAT('%t', NUMERIC '1.50') AS c

-- id: 434_num_format_t_types
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [["x|1.0|true|2025-11-19|NULL", "\"its\"", "[1, 2]"]]
SELECT FORMAT('%t|%t|%t|%t|%t', 'x', 1.0, TRUE, DATE '2025-11-19', NULL) AS a, FORMAT('%T', 'its') AS b, FORMAT('%T', [1, 2]) AS c

-- id: 436_num_format_string_width
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [["       abc|abc       |abc"]]
SELECT FORMAT('%10s|%-10s|%.3s', 'abc', 'abc', 'abcdef') AS a

-- id: 437_num_format_percent
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [["50%", null, null]]
SELECT FORMAT('%d%%', 50) AS a, FORMAT('%s', CAST(NULL AS STRING)) AS b, FORMAT('%d', NULL) AS c

-- id: 438_num_format_hex_octal
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [["ff|FF|10|0xff"]]
SELECT FORMAT('%x|%X|%o|%#x', 255, 255, 8, 255) AS a

-- id: 439_num_format_star_width
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [["    42"]]
SELECT FORMAT('%*d', 6, 42) AS a

-- id: 440_num_format_inf
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [["inf"]]
SELECT FORMAT('%f', CAST('inf' AS FLOAT64)) AS a

-- id: 441_num_format_rounding_half
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [["0", "2", "0.2", "1000000000000000.000"]]
SELECT FORMAT('%.0f', 0.5) AS a, FORMAT('%.0f', 1.5) AS b, FORMAT('%.1f', 0.25) AS c, FORMAT('%.3f', 1e15) AS d

-- id: 454_str_substr_edges
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e", "f"]
-- expect: [["apple", "le", "app", "pple", "", ""]]
SELECT SUBSTR('apple', 0) AS a, SUBSTR('apple', -2) AS b, SUBSTR('apple', -9, 3) AS c, SUBSTR('apple', 2, 100) AS d, SUBSTR('apple', 6) AS e, SUBSTR('apple', 1, 0) AS f

-- id: 455_str_substr_negative_length_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT SUBSTR('apple', 1, -1)

-- id: 456_str_bytes_functions
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e"]
-- expect: [["626364", 2, "636261", "6162", "6162"]]
SELECT TO_HEX(SUBSTR(b'abcdef', 2, 3)) AS a, LENGTH(b'\x00\xff') AS b, TO_HEX(REVERSE(b'abc')) AS c, TO_HEX(CONCAT(b'a', b'b')) AS d, TO_HEX(LEFT(b'abc', 2)) AS e

-- id: 457_str_bytes_upper_replace
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e"]
-- expect: [["QUJD", "YXh4Yw==", 3, true, "LS1h"]]
SELECT UPPER(b'abc') AS a, REPLACE(b'abc', b'b', b'xx') AS b, STRPOS(b'abc', b'c') AS c, STARTS_WITH(b'abc', b'ab') AS d, LPAD(b'a', 3, b'-') AS e

-- id: 458_str_bytes_compare_concat
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [[true, true, true]]
SELECT b'a' < b'b' AS a, b'\xff' > b'a' AS b, b'a' || b'b' = b'ab' AS c

-- id: 459_str_bytes_split_regexp
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [[["YQ==", "Yg=="], true]]
SELECT SPLIT(b'a,b', b',') AS a, REGEXP_CONTAINS(b'abc', b'b.') AS b

-- id: 460_str_unicode_length
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e", "f"]
-- expect: [[5, 6, 2, "本", true, "本語"]]
SELECT LENGTH('naïve') AS a, BYTE_LENGTH('naïve') AS b, LENGTH('👍🏽') AS c, SUBSTR('日本語', 2, 1) AS d, LEFT('é́a', 1) = 'é' AS e, RIGHT('日本語', 2) AS f

-- id: 461_str_unicode_combining
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [[2, true, "**é", 3]]
SELECT LENGTH('e\u0301') AS a, SUBSTR('e\u0301x', 2) = '\u0301x' AS b, LPAD('e\u0301', 4, '*') AS c, STRPOS('e\u0301x', 'x') AS d

-- id: 462_str_unicode_reverse
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["cba", "本日"]]
SELECT REVERSE('abc') AS a, REVERSE('日本') AS b

-- id: 464_str_case_greek_sigma
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["σας", "Ǆ"]]
SELECT LOWER('ΣΑΣ') AS a, UPPER('ǆ') AS b

-- id: 465_str_lpad_rpad
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e"]
-- expect: [["007", "ab", "xyxyabc", "aba", "--日本"]]
SELECT LPAD('7', 3, '0') AS a, RPAD('abc', 2) AS b, LPAD('abc', 7, 'xy') AS c, RPAD('', 3, 'ab') AS d, LPAD('日本', 4, '-') AS e

-- id: 466_str_lpad_empty_pattern_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT LPAD('a', 5, '')

-- id: 467_str_trim_sets
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e"]
-- expect: [["x", "abc", "cab", "1.5", "x"]]
SELECT TRIM('  x\t\n') AS a, TRIM('xxabcxx', 'x') AS b, LTRIM('abcab', 'ba') AS c, RTRIM('1.500', '0') AS d, TRIM('\u00a0\u3000x\u2003') AS e

-- id: 468_str_split_edges
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e", "f"]
-- expect: [[[""], ["a", "", "b"], ["a", "b", "c"], ["a", "b"], null, ["a", "b"]]]
SELECT SPLIT('', ',') AS a, SPLIT('a,,b', ',') AS b, SPLIT('abc', '') AS c, SPLIT('a,b') AS d, SPLIT(NULL, ',') AS e, SPLIT('a--b', '--') AS f

-- id: 469_str_split_empty_both
-- source: "reference engine, documentation"
-- columns: ["a", "n"]
-- expect: [[[""], 1]]
SELECT SPLIT('', '') AS a, ARRAY_LENGTH(SPLIT('', '')) AS n

-- id: 470_str_strpos_instr
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e", "f"]
-- expect: [[3, 6, 5, 5, 1, 0]]
SELECT STRPOS('abcabc', 'c') AS a, INSTR('abcabc', 'c', 4) AS b, INSTR('abcabc', 'b', -1) AS c, INSTR('abcabc', 'b', 1, 2) AS d, STRPOS('abc', '') AS e, STRPOS('abc', 'z') AS f

-- id: 471_str_replace_edges
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [["bbbbbb", "abc", "ac"]]
SELECT REPLACE('aaa', 'a', 'bb') AS a, REPLACE('abc', '', 'x') AS b, REPLACE('abc', 'b', '') AS c

-- id: 472_str_repeat
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["ababab", ""]]
SELECT REPEAT('ab', 3) AS a, REPEAT('x', 0) AS b

-- id: 473_str_initcap
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["Hello World-Foo Oneil", "A_B c"]]
SELECT INITCAP('hello WORLD-foo oneil') AS a, INITCAP('a_b c', '_') AS b

-- id: 475_str_ascii_chr_codepoints
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e", "f"]
-- expect: [[65, "é", 233, [97, 233], "aé", 0]]
SELECT ASCII('A') AS a, CHR(233) AS b, UNICODE('é') AS c, TO_CODE_POINTS('aé') AS d, CODE_POINTS_TO_STRING([97, 233]) AS e, ASCII('') AS f

-- id: 477_str_normalize
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [[true, "àb", "fi"]]
SELECT NORMALIZE('e\u0301') = '\u00e9' AS a, NORMALIZE_AND_CASEFOLD('ÀB') AS b, NORMALIZE('ﬁ', NFKC) AS c

-- id: 478_str_contains_substr_struct
-- source: "documentation"
-- expect: [[true, true]]
SELECT CONTAINS_SUBSTR((23, 'abc', TRUE), 'aB') AS a, CONTAINS_SUBSTR([12, 345], '34') AS b

-- id: 479_str_starts_ends
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [[true, true, false, null]]
SELECT STARTS_WITH('abc', '') AS a, ENDS_WITH('abc', 'bc') AS b, STARTS_WITH('abc', 'B') AS c, ENDS_WITH('abc', NULL) AS d

-- id: 480_str_like_escapes
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e", "f"]
-- expect: [[true, true, false, true, true, true]]
SELECT '50%' LIKE '50\\%' AS a, 'a_b' LIKE 'a\\_b' AS b, 'axb' LIKE 'a\\_b' AS c, 'a\nb' LIKE 'a%b' AS d, '' LIKE '%' AS e, 'é' LIKE '_' AS f

-- id: 481_str_like_column_pattern
-- source: "reference engine, documentation"
-- columns: ["x", "m"]
-- expect: [["a%b", true], ["axb", false], ["a\\b", true]]
SELECT x, x LIKE p AS m FROM UNNEST([STRUCT('a%b' AS x, r'a\%b' AS p), ('axb', r'a\%b'), ('a\\b', r'a\\b')])

-- id: 482_str_like_bad_escape_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT 'a' LIKE 'a\\'

-- id: 483_str_like_any
-- source: "reference engine, documentation"
-- columns: ["x"]
-- ordered: true
-- expect: [["apple"], ["cherry"]]
SELECT x FROM UNNEST(['apple', 'banana', 'cherry']) AS x WHERE x LIKE ANY ('a%', '%rr%') ORDER BY x

-- id: 484_str_like_all
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [[true, true]]
SELECT 'apple' LIKE ALL ('a%', '%e') AS a, 'apple' NOT LIKE ANY ('b%') AS b

-- id: 485_str_like_any_array
-- source: "documentation"
-- expect: [[true]]
SELECT 'apple' LIKE ANY UNNEST(['z%', '%pl%']) AS a

-- id: 486_str_escapes_literals
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e", "f"]
-- expect: [["tab\tnew\\n", "say \"x\"", "raw\\n", "tri'ple", "AAA", 1]]
SELECT 'tab\tnew\\n' AS a, "say \"x\"" AS b, r'raw\n' AS c, '''tri'ple''' AS d, '\x41\101\u0041' AS e, LENGTH('\U0001F44D') AS f

-- id: 487_str_triple_quote_newlines
-- source: "reference engine, documentation"
-- columns: ["a", "n"]
-- expect: [["line one\nline two", 3]]
SELECT '''line one
line two''' AS a, LENGTH("""a
b""") AS n

-- id: 488_str_raw_bytes_literals
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [["5c6e", "01ff", "615c78"]]
SELECT TO_HEX(rb'\n') AS a, TO_HEX(b'\x01\xff') AS b, TO_HEX(br"a\x") AS c

-- id: 489_str_comments_everywhere
-- source: "reference engine, documentation"
-- columns: ["x", "y"]
-- expect: [[1, 2]]
SELECT /* a */ 1 -- one
AS x, # hash
2 AS y /* multi
line */

-- id: 490_str_adjacent_dashes
-- source: "reference engine, documentation"
-- columns: ["x"]
-- expect: [[5]]
SELECT 5--1
AS x

-- id: 491_str_quoted_identifiers
-- source: "reference engine, documentation"
-- columns: ["select", "With Space", "dash-ed"]
-- expect: [[1, 2, 3]]
SELECT 1 AS `select`, 2 AS `With Space`, 3 AS `dash-ed`

-- id: 492_str_concat_types_errors
-- source: "reference engine, documentation"
-- expect: [["a1"]]
SELECT CONCAT('a', 1)

-- id: 493_str_base32_base64
-- source: "documentation"
-- str: true
-- expect: [["//4=", "ffe0", "MFRGG==="]]
SELECT TO_BASE64(b'\xff\xfe') AS a, TO_HEX(FROM_BASE64('/+A=')) AS b, TO_BASE32(b'abc') AS c

-- id: 494_str_from_hex_odd
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["0fff", "0abc"]]
SELECT TO_HEX(FROM_HEX('fff')) AS a, TO_HEX(FROM_HEX('0AbC')) AS b

-- id: 495_str_from_base64_bad_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT FROM_BASE64('a===')

-- id: 496_str_hashes
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [["0cc175b9c0f1b6a831c399e269772661", "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8", "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb", "1f40fc92da241694750979ee6cf582f2d5d7d28e18335de05abc54d0560e0f5302860c652bf08d560252aa5e74210546f369fbbbce8c12cfc7957b2652fe9a75"]]
SELECT TO_HEX(MD5('a')) AS a, TO_HEX(SHA1('a')) AS b, TO_HEX(SHA256(b'a')) AS c, TO_HEX(SHA512('a')) AS d

-- id: 497_str_farm_fingerprint
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["6150913649986995171", "6150913649986995171"]]
SELECT FARM_FINGERPRINT('foo') AS a, FARM_FINGERPRINT(b'foo') AS b

-- id: 498_str_safe_convert_bytes
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["a�b", "€"]]
SELECT SAFE_CONVERT_BYTES_TO_STRING(b'a\xc3b') AS a, SAFE_CONVERT_BYTES_TO_STRING(b'\xe2\x82\xac') AS b

-- id: 500_str_safe_cast_bytes
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [[null, true]]
SELECT SAFE_CAST(b'\xff' AS STRING) AS a, CAST('é' AS BYTES) = b'\xc3\xa9' AS b

-- id: 502_str_compare_case
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e"]
-- expect: [[false, true, true, true, false]]
SELECT 'a' = 'A' AS a, 'a' < 'b' AS b, 'Z' < 'a' AS c, 'a' < 'aa' AS d, 'a ' = 'a' AS e

-- id: 503_str_collate_ci
-- source: "documentation"
-- expect: [[true]]
SELECT COLLATE('Apple', 'und:ci') = 'apple' AS a

-- id: 504_str_string_agg_distinct
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["b-a", "ab"]]
SELECT STRING_AGG(DISTINCT x, '-' ORDER BY x DESC) AS a, STRING_AGG(x, '' ORDER BY x LIMIT 2) AS b FROM UNNEST(['b', 'a', 'b', NULL]) AS x

-- id: 505_str_string_agg_nulls_only
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [[null, true]]
SELECT STRING_AGG(x) AS a, STRING_AGG(x, ';') IS NULL AS b FROM UNNEST([CAST(NULL AS STRING), NULL]) AS x

-- id: 506_str_string_agg_empty_string
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [[",,a"]]
SELECT STRING_AGG(x, ',' ORDER BY x) AS a FROM UNNEST(['', 'a', '']) AS x

-- id: 507_str_array_to_string_nulls
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [["a,b", "a,?,b", ""]]
SELECT ARRAY_TO_STRING(['a', NULL, 'b'], ',') AS a, ARRAY_TO_STRING(['a', NULL, 'b'], ',', '?') AS b, ARRAY_TO_STRING([], ',') AS c

-- id: 508_str_uuid_shape
-- source: "reference engine, documentation"
-- columns: ["n", "ok"]
-- expect: [[36, true]]
SELECT LENGTH(GENERATE_UUID()) AS n, REGEXP_CONTAINS(GENERATE_UUID(), r'^[0-9a-f-]{36}$') AS ok

-- id: 509_str_column_concat_number
-- source: "reference engine, documentation"
-- columns: ["t"]
-- expect: [["1:one"], ["2:two"]]
SELECT CAST(n AS STRING) || ':' || IFNULL(s, '-') AS t FROM lab.nums WHERE n BETWEEN 1 AND 2

-- id: 510_re_contains_partial
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [[true, false, true, true]]
SELECT REGEXP_CONTAINS('abc', 'b') AS a, REGEXP_CONTAINS('abc', '^b') AS b, REGEXP_CONTAINS('ABC', '(?i)b') AS c, REGEXP_CONTAINS('', '') AS d

-- id: 511_re_dot_newline
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e"]
-- expect: [[false, true, false, true, false]]
SELECT REGEXP_CONTAINS('a\nb', 'a.b') AS a, REGEXP_CONTAINS('a\nb', '(?s)a.b') AS b, REGEXP_CONTAINS('a\nb', '^b') AS c, REGEXP_CONTAINS('a\nb', '(?m)^b') AS d, REGEXP_CONTAINS('a\n', 'a$') AS e

-- id: 512_re_extract_groups
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e"]
-- expect: [["2", null, "bc", null, ""]]
SELECT REGEXP_EXTRACT('foo=1;bar=2', r'bar=(\d+)') AS a, REGEXP_EXTRACT('abc', 'x') AS b, REGEXP_EXTRACT('abc', '(?:b)c') AS c, REGEXP_EXTRACT('abc', 'a(x)?b') AS d, REGEXP_EXTRACT('abc', 'a(x*)b') AS e

-- id: 513_re_extract_position
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["2", "2"]]
SELECT REGEXP_EXTRACT('a1b2c3', r'\d', 3) AS a, REGEXP_EXTRACT('a1b2c3', r'\d', 1, 2) AS b

-- id: 514_re_extract_two_groups_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT REGEXP_EXTRACT('ab', '(a)(b)')

-- id: 515_re_extract_all_groups
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [[["1", "22", "333"], ["v1", "v2"], []]]
SELECT REGEXP_EXTRACT_ALL('a1b22c333', r'\d+') AS a, REGEXP_EXTRACT_ALL('k1=v1,k2=v2', r'k\d=(\w+)') AS b, REGEXP_EXTRACT_ALL('abc', 'x') AS c

-- id: 516_re_replace_backrefs
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [["19/11/2025", "a[b]c", ""]]
SELECT REGEXP_REPLACE('2025-11-19', r'(\d+)-(\d+)-(\d+)', r'\3/\2/\1') AS a, REGEXP_REPLACE('abc', 'b', r'[\0]') AS b, REGEXP_REPLACE('aaa', 'a', '') AS c

-- id: 517_re_replace_empty_matches
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [["-a-b-c-", "x", "-a-c-", ".a.b.c."]]
SELECT REGEXP_REPLACE('abc', 'x*', '-') AS a, REGEXP_REPLACE('', '', 'x') AS b, REGEXP_REPLACE('abc', 'b*', '-') AS c, REGEXP_REPLACE('abc', '', '.') AS d

-- id: 518_re_replace_anchors
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [["baa", "aab", "|foo| |bar|"]]
SELECT REGEXP_REPLACE('aaa', '^a', 'b') AS a, REGEXP_REPLACE('aaa', 'a$', 'b') AS b, REGEXP_REPLACE('foo bar', r'\b', '|') AS c

-- id: 519_re_replace_backslash_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT REGEXP_REPLACE('abc', 'b', r'\9')

-- id: 520_re_replace_literal_backslash
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["a\\b", "a$1b"]]
SELECT REGEXP_REPLACE('a.b', r'\.', r'\\') AS a, REGEXP_REPLACE('a/b', '/', '$1') AS b

-- id: 521_re_bad_pattern_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT REGEXP_CONTAINS('a', '(')

-- id: 522_re_backreference_pattern_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT REGEXP_CONTAINS('aa', r'(a)\1')

-- id: 523_re_lookahead_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT REGEXP_CONTAINS('ab', 'a(?=b)')

-- id: 524_re_unicode_classes
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e"]
-- expect: [[true, false, false, "日本", true]]
SELECT REGEXP_CONTAINS('é', r'^\pL$') AS a, REGEXP_CONTAINS('é', r'^\w$') AS b, REGEXP_CONTAINS('５', r'^\d$') AS c, REGEXP_EXTRACT('日本 x', r'\p{Han}+') AS d, REGEXP_CONTAINS('É', '(?i)é') AS e

-- id: 525_re_column_pattern
-- source: "reference engine, documentation"
-- columns: ["m"]
-- expect: [[true], [false]]
SELECT REGEXP_CONTAINS(x, p) AS m FROM UNNEST([STRUCT('abc' AS x, '^a' AS p), ('abc', '^b')])

-- id: 526_re_param_pattern
-- source: "reference engine, documentation"
-- params: {"p": {"type": "STRING", "value": "^a.c$"}}
-- columns: ["m", "e"]
-- expect: [[true, "ab"]]
SELECT REGEXP_CONTAINS('abc', @p) AS m, REGEXP_EXTRACT('xabc', 'a.') AS e

-- id: 527_re_instr
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [[3, 7, 0]]
SELECT REGEXP_INSTR('ab12cd34', r'\d+') AS a, REGEXP_INSTR('ab12cd34', r'\d+', 1, 2) AS b, REGEXP_INSTR('abc', 'z') AS c

-- id: 528_re_substr_alias
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [["or"]]
SELECT REGEXP_SUBSTR('hello world', r'o\w') AS a

-- id: 529_re_greedy
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [["<a><b>", "<a>", "aa", "|c"]]
SELECT REGEXP_EXTRACT('<a><b>', '<.+>') AS a, REGEXP_EXTRACT('<a><b>', '<.+?>') AS b, REGEXP_EXTRACT('aaa', 'a{2}') AS c, REGEXP_EXTRACT('ab|c', r'[|]c') AS d

-- id: 531_re_null_inputs
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [[null, null, null]]
SELECT REGEXP_CONTAINS(NULL, 'a') AS a, REGEXP_REPLACE('a', 'a', NULL) AS b, REGEXP_EXTRACT(CAST(NULL AS STRING), 'a') AS c

-- id: 532_re_named_group
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [["42"]]
SELECT REGEXP_EXTRACT('id:42', r'id:(?P<n>\d+)') AS a

-- id: 730_split_null_delimiter
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [[true, null]]
SELECT SPLIT('x', NULL) IS NULL AS a, ARRAY_LENGTH(SPLIT(CAST(NULL AS STRING), ',')) AS b

-- id: 731_split_multibyte
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [[["a", "b", "c"], ["", ""]]]
SELECT SPLIT('a→b→c', '→') AS a, SPLIT('ab', 'ab') AS b

-- id: 732_str_trim_null_set
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [[true, "aab"]]
SELECT TRIM('xa', NULL) IS NULL AS a, LTRIM('aab', '') AS b

-- id: 733_str_replace_null
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [[true, true, true, true]]
SELECT REPLACE('abc', 'b', NULL) IS NULL AS a, REPEAT(NULL, 2) IS NULL AS b, SUBSTR('abc', NULL) IS NULL AS c, LEFT('abc', NULL) IS NULL AS d

-- id: 734_str_substr_unicode_negative
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e"]
-- expect: [["ñb", "ñ", "x", "cd", "a"]]
SELECT SUBSTR('añb', -2) AS a, SUBSTR('añb', -2, 1) AS b, SUBSTR('x', -1, 5) AS c, SUBSTR('abcde', -3, 2) AS d, SUBSTR('abc', 0, 1) AS e

-- id: 735_str_left_right_beyond
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [["abc", "abc", "", ""]]
SELECT LEFT('abc', 10) AS a, RIGHT('abc', 10) AS b, LEFT('abc', 0) AS c, RIGHT('abc', 0) AS d

-- id: 736_str_lpad_long_pad
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [["", "ééabc", "a"]]
SELECT LPAD('x', 0, 'y') AS a, LPAD('abc', 5, 'é') AS b, RPAD('ab', 1, '-') AS c

-- id: 737_str_upper_lower_numbers
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [["ABC1É", "çà1", "Ÿ", "ω"]]
SELECT UPPER('abc1é') AS a, LOWER('ÇÀ1') AS b, UPPER('ÿ') AS c, LOWER('Ω') AS d

-- id: 738_str_cast_string_length
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e"]
-- expect: [[1, "1e+21", "123456.789", "1e-05", "0.0001"]]
SELECT LENGTH(CAST(1.0 AS STRING)) AS a, CAST(1e21 AS STRING) AS b, CAST(123456.789 AS STRING) AS c, CAST(1e-5 AS STRING) AS d, CAST(0.0001 AS STRING) AS e

-- id: 739_str_cast_float_integers
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [["100", "-3", "1234567890123456", "4.35"]]
SELECT CAST(100.0 AS STRING) AS a, CAST(-3.0 AS STRING) AS b, CAST(1234567890123456.0 AS STRING) AS c, CAST(4.35 AS STRING) AS d

-- id: 740_str_ascii_empty
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e"]
-- expect: [[0, 97, "A", 0, ""]]
SELECT ASCII('') AS a, ASCII('abc') AS b, CHR(65) AS c, LENGTH('') AS d, REVERSE('') AS e

-- id: 741_str_like_case_and_underscore
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e", "f"]
-- expect: [[false, false, true, true, null, true]]
SELECT 'ABC' LIKE 'abc' AS a, 'ab' LIKE '_' AS b, '日本' LIKE '__' AS c, 'a\\b' LIKE 'a\\\\b' AS d, CAST(NULL AS STRING) LIKE 'a' AS e, 'a%' LIKE 'a\\%' AS f

-- id: 742_str_format_date_in_concat
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [["D20251109", "Week 01 of 2026", "%Y 2025"]]
SELECT CONCAT('D', FORMAT_DATE('%Y%m%d', DATE '2025-11-09')) AS a, FORMAT_DATE('Week %V of %G', DATE '2025-12-29') AS b, FORMAT_DATE('%%Y %Y', DATE '2025-01-01') AS c

-- id: 743_re_extract_optional_tail
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [[null, "db"]]
SELECT REGEXP_EXTRACT('i-123', r'^i-\d+(?:/(\w+))?$') AS a, REGEXP_EXTRACT('i-123/db', r'^i-\d+(?:/(\w+))?$') AS b

-- id: 744_re_extract_all_optional_captures
-- source: "reference engine, documentation"
-- columns: ["n"]
-- expect: [[3]]
SELECT ARRAY_LENGTH(REGEXP_EXTRACT_ALL('a ab a', r'a(b)?')) AS n

-- id: 745_re_extract_all_zero_width
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [[["aa", ""], [""]]]
SELECT REGEXP_EXTRACT_ALL('aab', 'a*') AS a, REGEXP_EXTRACT_ALL('', 'x?') AS b

-- id: 746_re_extract_alternation_groups
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["5", null]]
SELECT REGEXP_EXTRACT('k=5', r'k=(\d+)|v=\d+') AS a, REGEXP_EXTRACT('v=7', r'k=(\d+)|v=\d+') AS b

-- id: 747_re_replace_unmatched_group
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["[]", "11.2025"]]
SELECT REGEXP_REPLACE('ac', r'a(b)?c', r'[\1]') AS a, REGEXP_REPLACE('2025-11', r'(\d{4})-(\d{2})', r'\2.\1') AS b

-- id: 748_re_replace_case_flag
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["x x", "> a\n> b"]]
SELECT REGEXP_REPLACE('Foo foo', '(?i)FOO', 'x') AS a, REGEXP_REPLACE('a\nb', '(?m)^', '> ') AS b

-- id: 749_re_replace_single_digit_refs
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["a0b", "\\b"]]
SELECT REGEXP_REPLACE('ab', '(a)', r'\10') AS a, REGEXP_REPLACE('ab', 'a', '\\\\') AS b

-- id: 750_re_replace_dollar_sign
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [["price $5"]]
SELECT REGEXP_REPLACE('price 5', r'(\d)', r'$\1') AS a

-- id: 751_re_replace_bad_escape_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT REGEXP_REPLACE('abc', 'b', r'\x')

-- id: 752_re_contains_multiline_end
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [[false, true, false, true]]
SELECT REGEXP_CONTAINS('a\nb', 'a$') AS a, REGEXP_CONTAINS('a\nb', '(?m)a$') AS b, REGEXP_CONTAINS('a\nb', r'a\z') AS c, REGEXP_CONTAINS('ab', r'\Aab\z') AS d

-- id: 753_re_dot_matches_everything
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [["", "\ny", "-\n-"]]
SELECT REGEXP_EXTRACT('x\ny', 'x(.*)') AS a, REGEXP_EXTRACT('x\ny', '(?s)x(.*)') AS b, REGEXP_REPLACE('a\nb', '.', '-') AS c

-- id: 754_re_case_insensitive_unicode
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [[false, true, true]]
SELECT REGEXP_CONTAINS('STRASSE', '(?i)straße') AS a, REGEXP_CONTAINS('ÀB', '(?i)àb') AS b, REGEXP_CONTAINS('K', '(?i)k') AS c

-- id: 810_num_format_negative_zero
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [["-0.0", "0", "10000000000.00", "  2.2|"]]
SELECT FORMAT('%.1f', -0.04) AS a, FORMAT('%d', -0) AS b, FORMAT('%.2f', 1e10) AS c, FORMAT('%5.1f|', 2.25) AS d

-- id: 811_num_format_int_large
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [["9223372036854775807", "0", "999", "-000000042"]]
SELECT FORMAT('%d', 9223372036854775807) AS a, FORMAT("%'d", 0) AS b, FORMAT("%'d", 999) AS c, FORMAT('%010d', -42) AS d

-- id: 812_num_format_string_null_width
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [["    é", "ab   |", "a b", "100%"]]
SELECT FORMAT('%5s', 'é') AS a, FORMAT('%-5s|', 'ab') AS b, FORMAT('%s %s', 'a', 'b') AS c, FORMAT('100%%') AS d

-- id: 813_num_format_numeric_precision
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["12345678901234567.123456789", "0.3"]]
SELECT FORMAT('%.9f', NUMERIC '12345678901234567.123456789') AS a, FORMAT('%.1f', NUMERIC '0.25') AS b

-- id: 902_g_string_agg_limit_zero
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [[true, true]]
SELECT STRING_AGG(x LIMIT 0) IS NULL AS a, ARRAY_AGG(x LIMIT 0) IS NULL AS b FROM UNNEST(['a']) AS x

-- id: 911_g_format_numeric_half
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [["0.3", "2.68", "1"]]
SELECT FORMAT('%.1f', NUMERIC '0.25') AS a, FORMAT('%.2f', NUMERIC '2.675') AS b, FORMAT('%.0f', NUMERIC '0.5') AS c

-- id: 914_g_surrogate_key
-- source: "reference engine, documentation"
-- columns: ["id"]
-- expect: [["b108a4b4a1abf8d0b05c7d41ba1f7482"]]
SELECT TO_HEX(MD5(CAST(COALESCE(CAST(project AS STRING), '_null_') || '-' || COALESCE(CAST(usage_date AS STRING), '_null_') AS STRING))) AS id FROM lab.spend WHERE sku = 'T-1'

-- id: 926_g_string_functions_chain
-- source: "reference engine, documentation"
-- columns: ["slug"]
-- expect: [["my_team_name_"]]
SELECT LOWER(REGEXP_REPLACE(TRIM(' My Team-Name! '), r'[^a-zA-Z0-9]+', '_')) AS slug

-- id: 927_g_regexp_empty_group
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [["", null, "none"]]
SELECT REGEXP_EXTRACT('svc/', r'^svc/(.*)$') AS a, REGEXP_EXTRACT('svc', r'^svc/(.*)$') AS b, IFNULL(NULLIF(REGEXP_EXTRACT('svc/', r'^svc/(.*)$'), ''), 'none') AS c

-- id: 929_g_regexp_extract_null_filter
-- source: "reference engine, documentation"
-- columns: ["n"]
-- expect: [[1]]
SELECT COUNT(REGEXP_EXTRACT(x, r'v(\d+)?$')) AS n FROM UNNEST(['v', 'v1', 'x']) AS x

-- id: 930_g_split_offset_safe
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [["b", null, 3]]
SELECT SPLIT('a/b', '/')[SAFE_OFFSET(1)] AS a, SPLIT('a', '/')[SAFE_OFFSET(1)] AS b, ARRAY_LENGTH(SPLIT('a/b/c', '/')) AS c

-- id: 950_g_split_null_sep_filter
-- source: "reference engine, documentation"
-- columns: ["n"]
-- expect: [[0]]
SELECT COUNT(*) AS n FROM UNNEST(SPLIT('a,b', CAST(NULL AS STRING))) AS x

-- id: 952_g_negative_zero_from_product
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [["0"]]
SELECT CAST(f * -1 AS STRING) AS a FROM lab.nums WHERE n = 2

-- id: 954_g_like_trailing_escape_param_errors
-- source: "reference engine, documentation"
-- params: {"p": {"type": "STRING", "value": "a\\"}}
-- expect: "ERROR"
SELECT 'ab' LIKE @p

-- id: 975_g_backslash_in_triple_raw
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [["a\\n'b", 2, "'"]]
SELECT r'''a\n'b''' AS a, LENGTH(r"\\") AS b, "\'" AS c

-- id: 976_g_octal_hex_escapes
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [["JJ", "00010a", true]]
SELECT '\x4a\112' AS a, TO_HEX(b'\x00\001\n') AS b, '\u00e9' = 'é' AS c

-- id: 979_h_regexp_extract_of_lower
-- source: "reference engine, documentation"
-- columns: ["region"]
-- expect: [["eu-west-1"]]
SELECT REGEXP_EXTRACT(LOWER(TRIM(' EU-West-1a ')), r'^([a-z]+-[a-z]+-\d)') AS region

-- id: 981_h_regexp_extract_of_concat
-- source: "reference engine, documentation"
-- columns: ["sku", "letter"]
-- ordered: true
-- expect: [["A-1", "A"], ["A-1", "A"], ["A-2", "A"]]
SELECT sku, REGEXP_EXTRACT(CONCAT(service, '/', sku, '/', currency), r'/([A-Z])-') AS letter FROM lab.spend WHERE project = 'apollo' ORDER BY sku, cost

-- id: 982_h_regexp_substr_of_replace
-- source: "reference engine, documentation"
-- columns: ["x"]
-- expect: [["B-"]]
SELECT REGEXP_SUBSTR(REPLACE(UPPER('a_b_c'), '_', '-'), 'B.') AS x

-- id: 984_h_regexp_extract_all_of_lower
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [[["a", "b", "c"]]]
SELECT REGEXP_EXTRACT_ALL(LOWER(CONCAT('A1', 'B2', 'C3')), r'[a-z]') AS a

-- id: 985_h_regexp_extract_in_case
-- source: "reference engine, documentation"
-- columns: ["sku", "g"]
-- ordered: true
-- expect: [["A-1", "a"], ["A-1", "a"], ["A-2", "a"], ["B-1", "other"], ["B-2", "other"], ["B-3", "other"], ["C-1", "other"], ["C-2", "other"], ["S-1", "other"], ["T-1", "other"]]
SELECT sku, CASE WHEN REGEXP_EXTRACT(IFNULL(project, ''), r'^(a)') IS NOT NULL THEN 'a' ELSE 'other' END AS g FROM lab.spend ORDER BY sku, g

-- id: 994_h_initcap_words
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [["Compute Engine"]]
SELECT INITCAP('compute engine') AS a
