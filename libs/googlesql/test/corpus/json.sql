-- id: 534_json_value_types
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "e", "f"]
-- expect: [["1.10", "true", null, null, "20"]]
SELECT JSON_VALUE('{"a":1.10,"b":true,"c":null,"d":"x","e":[1],"f":{}}', '$.a') AS a, JSON_VALUE('{"b":true}', '$.b') AS b, JSON_VALUE('{"c":null}', '$.c') AS c, JSON_VALUE('{"e":[1]}', '$.e') AS e, JSON_VALUE('{"a":{"b":[10,20]}}', '$.a.b[1]') AS f

-- id: 535_json_value_number_forms
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [["1e3", "1.0", "12345678901234567890", "-0"]]
SELECT JSON_VALUE('{"a":1e3}', '$.a') AS a, JSON_VALUE('{"a":1.0}', '$.a') AS b, JSON_VALUE('{"a":12345678901234567890}', '$.a') AS c, JSON_VALUE('{"a":-0}', '$.a') AS d

-- id: 536_json_type_number_forms
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [["1000.0", "1.0", "0.1", "1e+20"]]
SELECT JSON_VALUE(JSON '{"a":1e3}', '$.a') AS a, JSON_VALUE(JSON '{"a":1.0}', '$.a') AS b, JSON_VALUE(JSON '{"a":0.1}', '$.a') AS c, JSON_VALUE(JSON '{"a":100000000000000000000}', '$.a') AS d

-- id: 537_json_query_text
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e"]
-- expect: [["{\"b\":[1,2]}", "\"x\"", null, "2", null]]
SELECT JSON_QUERY('{"a": {"b": [1, 2]}}', '$.a') AS a, JSON_QUERY('{"a":"x"}', '$.a') AS b, JSON_QUERY('{"a":null}', '$.a') AS c, JSON_QUERY('[1,2]', '$[1]') AS d, JSON_QUERY('{"a":1}', '$.z') AS e

-- id: 538_json_query_type_null
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [["null", false, true]]
SELECT TO_JSON_STRING(JSON_QUERY(JSON '{"a":null}', '$.a')) AS a, JSON_QUERY(JSON '{"a":null}', '$.a') IS NULL AS b, JSON_QUERY(JSON '{"a":1}', '$.b') IS NULL AS c

-- id: 539_json_malformed_text
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [[null, null]]
SELECT JSON_VALUE('not json', '$.a') AS a, JSON_QUERY('{"a":', '$.a') AS b

-- id: 540_json_malformed_rows
-- source: "reference engine, documentation"
-- columns: ["n"]
-- expect: [[1]]
SELECT COUNT(JSON_VALUE(x, '$.k')) AS n FROM UNNEST(['{"k":1}', 'oops', '', NULL]) AS x

-- id: 541_json_parse_bad_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT PARSE_JSON('{a:1}')

-- id: 542_json_key_order
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["{\"a\":2,\"b\":1}", "{\"a\":[1,2],\"b\":1}"]]
SELECT TO_JSON_STRING(JSON '{"b":1,"a":2}') AS a, TO_JSON_STRING(PARSE_JSON(' { "b" : 1 , "a" : [ 1 , 2 ] } ')) AS b

-- id: 543_json_duplicate_keys
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["{\"a\":1}", "1"]]
SELECT TO_JSON_STRING(PARSE_JSON('{"a":1,"a":2}')) AS a, JSON_VALUE(PARSE_JSON('{"a":1,"a":2}'), '$.a') AS b

-- id: 544_json_duplicate_keys_text
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [["1"]]
SELECT JSON_VALUE('{"a":1,"a":2}', '$.a') AS a

-- id: 545_json_number_canonical
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [["1.1", "100.0", "0", "1.0"]]
SELECT TO_JSON_STRING(PARSE_JSON('1.10')) AS a, TO_JSON_STRING(PARSE_JSON('1e2')) AS b, TO_JSON_STRING(PARSE_JSON('-0')) AS c, TO_JSON_STRING(PARSE_JSON('1.0')) AS d

-- id: 546_json_wide_number_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT PARSE_JSON('{"v":3.141592653589793238462643383279}')

-- id: 547_json_unicode_escape
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["é\n", "\"é\""]]
SELECT JSON_VALUE('{"a":"\\u00e9\\n"}', '$.a') AS a, TO_JSON_STRING(JSON '"\\u00e9"') AS b

-- id: 548_json_to_json_string_scalars
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e"]
-- expect: [["\"a\\\"b\\n\"", "\"9007199254740993\"", "9007199254740992", "true", "null"]]
SELECT TO_JSON_STRING('a"b\n') AS a, TO_JSON_STRING(9007199254740993) AS b, TO_JSON_STRING(9007199254740992) AS c, TO_JSON_STRING(TRUE) AS d, TO_JSON_STRING(CAST(NULL AS STRING)) AS e

-- id: 549_json_to_json_string_slash
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [["\"a/b</x>\"", "\"é\\u2028\"", "\"\\t\\b\\u0001\""]]
SELECT TO_JSON_STRING('a/b</x>') AS a, TO_JSON_STRING('é\u2028') AS b, TO_JSON_STRING('\t\b\x01') AS c

-- id: 550_json_to_json_string_struct
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["{\"a\":1,\"b\":\"x\",\"c\":[1,2],\"d\":{\"n\":null}}", "[{\"k\":\"9007199254740993\"}]"]]
SELECT TO_JSON_STRING(STRUCT(1 AS a, 'x' AS b, [1, 2] AS c, STRUCT(NULL AS n) AS d)) AS a, TO_JSON_STRING([STRUCT(9007199254740993 AS k)]) AS b

-- id: 551_json_to_json_string_numbers
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e"]
-- expect: [["1.5", "\"1.5\"", "\"2025-11-19\"", "\"2025-11-19T01:02:03Z\"", "\"YWI=\""]]
SELECT TO_JSON_STRING(1.5) AS a, TO_JSON_STRING(NUMERIC '1.50') AS b, TO_JSON_STRING(DATE '2025-11-19') AS c, TO_JSON_STRING(TIMESTAMP '2025-11-19 01:02:03+00') AS d, TO_JSON_STRING(b'ab') AS e

-- id: 552_json_to_json_string_pretty
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [["{\n  \"a\": 1,\n  \"b\": [\n    1\n  ]\n}"]]
SELECT TO_JSON_STRING(STRUCT(1 AS a, [1] AS b), TRUE) AS a

-- id: 553_json_to_json
-- source: "reference engine, documentation"
-- columns: ["a", "t"]
-- expect: [["{\"a\":\"x\",\"b\":1}", "number"]]
SELECT TO_JSON_STRING(TO_JSON(STRUCT(1 AS b, 'x' AS a))) AS a, JSON_TYPE(JSON '1.5') AS t

-- id: 554_json_construct
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["{\"a\":1,\"b\":[1,2]}", "[1,\"x\",null]"]]
SELECT TO_JSON_STRING(JSON_OBJECT('a', 1, 'b', [1, 2])) AS a, TO_JSON_STRING(JSON_ARRAY(1, 'x', NULL)) AS b

-- id: 555_json_mutate
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [["{\"a\":1,\"b\":2}", "{\"b\":2}", "{\"b\":1}"]]
SELECT TO_JSON_STRING(JSON_SET(JSON '{"a":1}', '$.b', 2)) AS a, TO_JSON_STRING(JSON_REMOVE(JSON '{"a":1,"b":2}', '$.a')) AS b, TO_JSON_STRING(JSON_STRIP_NULLS(JSON '{"a":null,"b":1}')) AS c

-- id: 556_json_keys
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [[["a", "a.b", "c"]]]
SELECT JSON_KEYS(JSON '{"a":{"b":1},"c":2}') AS a

-- id: 557_json_extract_array
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [[["1", "\"a\""], ["a", "b"], ["{\"y\":1}"]]]
SELECT JSON_EXTRACT_ARRAY('[1,"a"]') AS a, JSON_EXTRACT_STRING_ARRAY('["a","b"]') AS b, JSON_QUERY_ARRAY('{"x":[{"y":1}]}', '$.x') AS c

-- id: 558_json_value_array_null
-- source: "reference engine, documentation"
-- columns: ["n", "b", "c"]
-- expect: [[2, true, 0]]
SELECT ARRAY_LENGTH(JSON_VALUE_ARRAY('["a",null]')) AS n, JSON_VALUE_ARRAY('{"a":1}', '$.a') IS NULL AS b, ARRAY_LENGTH(JSON_QUERY_ARRAY('[]')) AS c

-- id: 559_json_legacy_brackets
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [["5", "2", "1"]]
SELECT JSON_EXTRACT_SCALAR('{"a.b":{"c":5}}', "$['a.b'].c") AS a, JSON_EXTRACT('{"a":[1,{"b":2}]}', '$.a[1].b') AS b, JSON_VALUE('{"a b":1}', '$."a b"') AS c

-- id: 560_json_subscript_access
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [["4", "t", 5, true]]
SELECT JSON_VALUE(j.a[0].b) AS a, STRING(j['s']) AS b, INT64(j.a[0].b) + 1 AS c, j.zz IS NULL AS d FROM (SELECT JSON '{"a":[{"b":4}],"s":"t"}' AS j)

-- id: 561_json_cast_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT INT64(JSON '"1"')

-- id: 562_json_cast_fraction_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT INT64(JSON '1.5')

-- id: 563_json_lax
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [[12, true, "5"]]
SELECT LAX_INT64(JSON '"12"') AS a, LAX_BOOL(JSON '1') AS b, LAX_STRING(JSON '5') AS c

-- id: 564_json_group_by_value
-- source: "reference engine, documentation"
-- columns: ["k", "n"]
-- ordered: true
-- expect: [[null, 1], ["order", 2], ["refund", 1]]
SELECT JSON_VALUE(payload, '$.kind') AS k, COUNT(*) AS n FROM lab.events GROUP BY k ORDER BY k

-- id: 565_json_unnest_array
-- source: "reference engine, documentation"
-- columns: ["id", "sku", "amount"]
-- ordered: true
-- str: true
-- expect: [[1, "A", "1.5"], [1, "B", "2"]]
SELECT id, JSON_VALUE(item, '$.sku') AS sku, CAST(JSON_VALUE(item, '$.amount') AS NUMERIC) AS amount FROM lab.events, UNNEST(JSON_QUERY_ARRAY(payload, '$.items')) AS item ORDER BY id, sku

-- id: 566_json_null_vs_sql_null
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [[false, "null", null, true]]
SELECT JSON 'null' IS NULL AS a, TO_JSON_STRING(JSON 'null') AS b, JSON_VALUE(JSON 'null') AS c, PARSE_JSON(NULL) IS NULL AS d

-- id: 567_json_bool_and_float
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [[true, 2, 1.25, "x"]]
SELECT BOOL(JSON 'true') AS a, FLOAT64(JSON '2') AS b, FLOAT64(JSON '1.25') AS c, STRING(JSON '"x"') AS d

-- id: 569_json_path_param
-- source: "reference engine, documentation"
-- params: {"p": {"type": "STRING", "value": "$.a"}}
-- columns: ["v"]
-- expect: [["1"]]
SELECT JSON_VALUE('{"a":1}', @p) AS v

-- id: 570_json_int_range
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [["9223372036854775807", 10, "18446744073709551615"]]
SELECT INT64(JSON '9223372036854775807') AS a, INT64(JSON '10.0') AS b, JSON_VALUE(JSON '18446744073709551615') AS c

-- id: 718_json_text_money_digits
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["123456789.123456789", true]]
SELECT JSON_VALUE('{"cost": 123456789.123456789}', '$.cost') AS a, CAST(JSON_VALUE('{"cost": 0.1234567890123456789}', '$.cost') AS BIGNUMERIC) > 0 AS b

-- id: 719_json_text_money_sum
-- source: "reference engine, documentation"
-- columns: ["s"]
-- str: true
-- expect: [["1000000000000.00000001"]]
SELECT SUM(CAST(JSON_VALUE(x, '$.c') AS NUMERIC)) AS s FROM UNNEST(['{"c": 1000000000000.000000001}', '{"c": 0.000000009}']) AS x

-- id: 720_json_text_query_whitespace
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["[1.50,{\"k\":2e0}]", "{\"z\":1,\"b\":2}"]]
SELECT JSON_QUERY('{"a" : [ 1.50 , {"k" : 2e0} ] }', '$.a') AS a, JSON_EXTRACT('{ "z": 1, "b" : 2 }', '$') AS b

-- id: 721_json_text_query_array_numbers
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [[["1.10", "2.0", "\"x\""], ["1.10", "x"]]]
SELECT JSON_QUERY_ARRAY('[1.10, 2.0, "x"]') AS a, JSON_VALUE_ARRAY('[1.10, "x"]') AS b

-- id: 722_json_type_big_integers
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [["9223372036854775807", "18446744073709551615", "-9223372036854775808"]]
SELECT JSON_VALUE(JSON '{"a": 9223372036854775807}', '$.a') AS a, JSON_VALUE(JSON '{"a": 18446744073709551615}', '$.a') AS b, INT64(JSON '-9223372036854775808') AS c

-- id: 723_json_dates_in_structs
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [["{\"d\":\"2025-11-19\"}"]]
SELECT TO_JSON_STRING(STRUCT(DATE '2025-11-19' AS d)) AS a

-- id: 724_json_string_of_unicode
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["\"日本 \\\"x\\\" \\\\ /\"", "\"\""]]
SELECT TO_JSON_STRING('日本 "x" \\ /') AS a, TO_JSON_STRING('\x7f') AS b

-- id: 725_json_nested_quotes_query
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["he said \"hi\"", "\"q\\\"q\""]]
SELECT JSON_VALUE('{"a":"he said \\"hi\\""}', '$.a') AS a, JSON_QUERY('{"a":"q\\"q"}', '$.a') AS b

-- id: 726_json_empty_path_scalar
-- source: "documentation"
-- str: true
-- expect: [["x", "5", true]]
SELECT JSON_VALUE('"x"') AS a, JSON_VALUE('5', '$') AS b, JSON_QUERY('null') IS NULL AS c

-- id: 727_json_array_index_beyond
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [[true, "1", "3"]]
SELECT JSON_VALUE('[1,2]', '$[5]') IS NULL AS a, JSON_VALUE('{"a":[1]}', '$.a[0]') AS b, JSON_VALUE('[[1,2],[3]]', '$[1][0]') AS c

-- id: 728_json_key_with_dollar
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["1", "2"]]
SELECT JSON_VALUE('{"$x":1,"a-b":2,"_c":3}', '$."$x"') AS a, JSON_VALUE('{"a-b":2}', '$.a-b') AS b

-- id: 729_json_field_case
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [[true, "1", true]]
SELECT JSON_VALUE('{"Key":1}', '$.key') IS NULL AS a, JSON_VALUE(JSON '{"Key":1}', '$.Key') AS b, (JSON '{"Key":1}').key IS NULL AS c

-- id: 943_g_json_id_leading_precision
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["123456789012345678901234567890", "[100000000000000000001,1.000]"]]
SELECT JSON_VALUE('{"id":123456789012345678901234567890}', '$.id') AS a, JSON_QUERY('{"m":[100000000000000000001, 1.000]}', '$.m') AS b

-- id: 945_g_json_object_equality_text
-- source: "reference engine, documentation"
-- columns: ["same"]
-- expect: [[true]]
SELECT TO_JSON_STRING(PARSE_JSON('{"z":1,"a":{"y":2,"b":3}}')) = TO_JSON_STRING(PARSE_JSON('{"a":{"b":3,"y":2},"z":1}')) AS same

-- id: 946_g_to_json_string_large_ids
-- source: "reference engine, documentation"
-- columns: ["j"]
-- expect: [["{\"id\":\"123456789012345678\",\"small\":42}"]]
SELECT TO_JSON_STRING(STRUCT(123456789012345678 AS id, 42 AS small)) AS j

-- id: 947_g_to_json_string_array_large
-- source: "reference engine, documentation"
-- columns: ["j"]
-- expect: [["[9007199254740992,\"9007199254740993\",\"-9007199254740993\"]"]]
SELECT TO_JSON_STRING([9007199254740992, 9007199254740993, -9007199254740993]) AS j

-- id: 991_h_json_text_bad_rows
-- source: "reference engine, documentation"
-- columns: ["i", "a"]
-- ordered: true
-- expect: [[1, "1"], [2, null], [3, null]]
SELECT i, JSON_VALUE(x, '$.a') AS a FROM UNNEST([STRUCT(1 AS i, '{"a":"1"}' AS x), (2, '{broken'), (3, 'plain')]) ORDER BY i

-- id: 995_h_json_to_json_row
-- source: "reference engine, documentation"
-- columns: ["j"]
-- expect: [["{\"a\":1,\"b\":\"x\"}"]]
SELECT TO_JSON_STRING(TO_JSON(STRUCT(1 AS a, 'x' AS b))) AS j

-- id: 996_h_to_json_string_row_numeric
-- source: "reference engine, documentation"
-- columns: ["j"]
-- expect: [["{\"cost\":\"1.5\",\"d\":\"2025-11-01\"}"]]
SELECT TO_JSON_STRING(STRUCT(NUMERIC '1.50' AS cost, DATE '2025-11-01' AS d)) AS j
