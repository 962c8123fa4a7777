-- id: 012_daily_cost_with_credits
-- ordered: true
-- expect: [["2025-11-18","Compute Engine","acme_corp",10.5,-3.5,7,1],["2025-11-19","BigQuery","acme_corp",7,-5,2,1],["2025-11-19","Cloud Storage","acme_corp",0.75,0,0.75,1],["2025-11-19","Compute Engine","acme_corp",4.25,0,4.25,1],["2025-11-19","Compute Engine","globex",20,-3,17,1],["2025-11-20","BigQuery","acme_corp",1.25,0,1.25,1]]
SELECT DATE(usage_start_time) AS usage_date, service.description AS service_name, project.id AS project_id,
  SUM(cost) AS total_cost,
  SUM(IFNULL((SELECT SUM(c.amount) FROM UNNEST(credits) AS c), 0)) AS total_credits,
  SUM(cost) + SUM(IFNULL((SELECT SUM(c.amount) FROM UNNEST(credits) AS c), 0)) AS net_cost,
  COUNT(*) AS line_items
FROM `gac-prod-471220.billing_export.gcp_billing`
WHERE invoice.month = '202511' AND project.id IS NOT NULL
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3

-- id: 013_unnest_labels_comma
-- ordered: true
-- expect: [["env","dev",8.25],["env","prod",34.75],["team","core",10.5],["team","data",7]]
SELECT l.key, l.value, SUM(cost) AS cost FROM `gac-prod-471220.billing_export.gcp_billing`, UNNEST(labels) AS l GROUP BY 1, 2 ORDER BY 1, 2

-- id: 014_left_join_unnest
-- ordered: true
-- expect: [["S1","CUD",-2],["S1","SUD",-3],["S1","SUD",-1.5],["S2",null,0],["S3","Free tier",-5],["S4",null,0],["S5",null,0],["S6",null,0],["S7",null,0]]
SELECT b.sku.id, c.name, IFNULL(c.amount, 0) AS amount FROM `gac-prod-471220.billing_export.gcp_billing` AS b LEFT JOIN UNNEST(b.credits) AS c ORDER BY 1, 2, 3

-- id: 015_scalar_subquery_label
-- ordered: true
-- expect: [["S1","prod"],["S2","prod"],["S3","dev"],["S4",null],["S5","dev"]]
SELECT sku.id, (SELECT value FROM UNNEST(labels) WHERE key = 'env') AS env FROM `gac-prod-471220.billing_export.gcp_billing` WHERE billing_account_id = 'A1' ORDER BY 1

-- id: 018_unnest_with_offset
-- ordered: true
-- expect: [["S1","env",0],["S1","team",1]]
SELECT sku.id, l.key, off FROM `gac-prod-471220.billing_export.gcp_billing`, UNNEST(labels) AS l WITH OFFSET AS off WHERE billing_account_id = 'A1' AND sku.id = 'S1' ORDER BY off

-- id: 019_array_subquery_struct
-- expect: [["S3",[{"k":"env","v":"DEV"},{"k":"team","v":"DATA"}]]]
SELECT sku.id, ARRAY(SELECT AS STRUCT l.key AS k, UPPER(l.value) AS v FROM UNNEST(labels) AS l ORDER BY l.key) AS tags FROM `gac-prod-471220.billing_export.gcp_billing` WHERE sku.id = 'S3'

-- id: 020_array_access
-- expect: [[2,"env",null,"dev","data"]]
SELECT ARRAY_LENGTH(labels), labels[SAFE_OFFSET(0)].key, labels[SAFE_OFFSET(5)].key, labels[ORDINAL(1)].value, labels[OFFSET(1)].value FROM `gac-prod-471220.billing_export.gcp_billing` WHERE sku.id = 'S3'

-- id: 021_array_to_string
-- expect: [["env=dev,team=data"]]
SELECT ARRAY_TO_STRING(ARRAY(SELECT CONCAT(key, '=', value) FROM UNNEST(labels) ORDER BY key), ',') AS tags FROM `gac-prod-471220.billing_export.gcp_billing` WHERE sku.id = 'S3'

-- id: 022_in_unnest_param
-- params: {"ids":{"type":"ARRAY<STRING>","value":["globex","acme_corp"]},"min_cost":{"type":"FLOAT64","value":5}}
-- ordered: true
-- expect: [["S1"],["S1"],["S3"]]
SELECT sku.id FROM `gac-prod-471220.billing_export.gcp_billing` WHERE project.id IN UNNEST(@ids) AND cost > @min_cost ORDER BY 1

-- id: 023_struct_constructor
-- expect: [[{"a":1,"b":"x"},"x"]]
SELECT STRUCT(1 AS a, 'x' AS b) AS s, STRUCT(1 AS a, 'x' AS b).b AS b

-- id: 025_struct_star
-- columns: ["id","description"]
-- expect: [["95FF","Cloud Storage"]]
SELECT service.* FROM `gac-prod-471220.billing_export.gcp_billing` WHERE sku.id = 'S4'

-- id: 026_array_functions
-- expect: [[[1,2,3],[3,2,1],3]]
SELECT ARRAY_CONCAT([1, 2], [3]) AS a, ARRAY_REVERSE([1, 2, 3]) AS b, [1, 2, 3][OFFSET(2)] AS c

-- id: 027_implicit_unnest_alias_path
-- expect: [[5]]
SELECT COUNT(*) FROM `gac-prod-471220.billing_export.gcp_billing` AS b, b.labels AS l WHERE l.key = 'env'

-- id: 029_nested_project_labels
-- expect: [["gold"]]
SELECT DISTINCT pl.value FROM `gac-prod-471220.billing_export.gcp_billing` AS b, UNNEST(b.project.labels) AS pl WHERE pl.key = 'tier'

-- id: 031_unnest_scalars
-- ordered: true
-- expect: [[2,4],[3,9]]
SELECT n, n * n AS sq FROM UNNEST([1, 2, 3]) AS n WHERE n > 1 ORDER BY n

-- id: 032_label_coverage
-- expect: [[0.375]]
SELECT SAFE_DIVIDE(COUNTIF(ARRAY_LENGTH(labels) = 0), COUNT(*)) AS untagged FROM `gac-prod-471220.billing_export.gcp_billing`

-- id: 571_arr_offset_ordinal
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e"]
-- expect: [[1, 3, null, null, 2]]
SELECT [1, 2, 3][OFFSET(0)] AS a, [1, 2, 3][ORDINAL(3)] AS b, [1, 2, 3][SAFE_OFFSET(5)] AS c, [1, 2, 3][SAFE_ORDINAL(0)] AS d, [1, 2, 3][1] AS e

-- id: 572_arr_offset_oob_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT [1, 2, 3][ORDINAL(4)]

-- id: 573_arr_offset_negative_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT [1, 2][OFFSET(-1)]

-- id: 575_arr_length_null
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [[0, null, 2]]
SELECT ARRAY_LENGTH([]) AS a, ARRAY_LENGTH(CAST(NULL AS ARRAY<INT64>)) AS b, ARRAY_LENGTH([NULL, 1]) AS c

-- id: 576_arr_concat_null
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [[true, [1, 2], true]]
SELECT ARRAY_CONCAT([1], CAST(NULL AS ARRAY<INT64>)) IS NULL AS a, ARRAY_CONCAT([1], [2], []) AS b, ([1] || CAST(NULL AS ARRAY<INT64>)) IS NULL AS c

-- id: 577_arr_concat_agg_null
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [[[1, 2, 3]]]
SELECT ARRAY(SELECT n FROM UNNEST(x) AS n ORDER BY n) AS a
FROM (SELECT ARRAY_CONCAT_AGG(x) AS x FROM (SELECT [1, 2] AS x UNION ALL SELECT NULL UNION ALL SELECT [3]))

-- id: 578_arr_reverse_slice
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [[[3, 2, 1], [2, 3], 7, 8]]
SELECT ARRAY_REVERSE([1, 2, 3]) AS a, ARRAY_SLICE([1, 2, 3, 4], 1, 2) AS b, ARRAY_FIRST([7, 8]) AS c, ARRAY_LAST([7, 8]) AS d

-- id: 579_arr_with_offset_order
-- source: "reference engine, documentation"
-- columns: ["off", "x"]
-- ordered: true
-- expect: [[2, "b"], [1, "a"], [0, "c"]]
SELECT off, x FROM UNNEST(['c', 'a', 'b']) AS x WITH OFFSET AS off ORDER BY off DESC

-- id: 580_arr_unnest_null_array
-- source: "reference engine, documentation"
-- columns: ["n"]
-- expect: [[0]]
SELECT COUNT(*) AS n FROM UNNEST(CAST(NULL AS ARRAY<INT64>)) AS x

-- id: 581_arr_unnest_zip
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [[1, "x"], [2, "y"]]
SELECT a, b FROM UNNEST([1, 2]) AS a WITH OFFSET AS i JOIN UNNEST(['x', 'y']) AS b WITH OFFSET AS j ON i = j

-- id: 582_arr_unnest_struct_fields
-- source: "reference engine, documentation"
-- columns: ["name", "s"]
-- ordered: true
-- str: true
-- expect: [["CUD", "-2"], ["Free tier", "-5"], ["SUD", "-1.76"]]
SELECT name, SUM(amount) AS s FROM lab.spend, UNNEST(credits) GROUP BY name ORDER BY name

-- id: 583_arr_cross_join_unnest_alias
-- source: "reference engine, documentation"
-- columns: ["sku", "key", "value"]
-- ordered: true
-- expect: [["A-1", "env", "prod"], ["A-1", "team", "core"], ["A-2", "env", "prod"], ["B-1", "env", "dev"], ["B-2", "team", null], ["C-1", "env", "dup"], ["C-1", "env", "prod"], ["C-2", "team", "data"]]
SELECT s.sku, l.key, l.value FROM lab.spend AS s CROSS JOIN UNNEST(s.labels) AS l ORDER BY s.sku, l.key, l.value

-- id: 584_arr_left_join_unnest_on
-- source: "reference engine, documentation"
-- columns: ["sku", "value"]
-- ordered: true
-- expect: [["A-1", null], ["A-1", "prod"], ["A-2", "prod"], ["B-1", "dev"], ["B-2", null], ["B-3", null], ["C-1", "dup"], ["C-1", "prod"], ["C-2", null], ["S-1", null], ["T-1", null]]
SELECT s.sku, l.value FROM lab.spend AS s LEFT JOIN UNNEST(s.labels) AS l ON l.key = 'env' ORDER BY s.sku, l.value

-- id: 585_arr_comma_alias_path
-- source: "reference engine, documentation"
-- columns: ["sku", "n"]
-- ordered: true
-- expect: [["A-1", 2], ["A-2", 1], ["B-1", 1], ["B-2", 1], ["C-1", 2], ["C-2", 1]]
SELECT s.sku, COUNT(*) AS n FROM lab.spend AS s, s.labels AS l GROUP BY s.sku ORDER BY s.sku

-- id: 586_arr_in_unnest
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e"]
-- expect: [[true, null, null, false, null]]
SELECT 2 IN UNNEST([1, 2]) AS a, 3 IN UNNEST([1, NULL]) AS b, NULL IN UNNEST([1]) AS c, NULL IN UNNEST(CAST([] AS ARRAY<INT64>)) AS d, 1 NOT IN UNNEST([2, NULL]) AS e

-- id: 587_arr_array_agg_nulls_error
-- source: "documentation"
-- expect: "ERROR"
SELECT ARRAY_AGG(x) FROM UNNEST([1, NULL]) AS x

-- id: 588_arr_array_agg_nested_null_error
-- source: "documentation"
-- expect: "ERROR"
SELECT STRUCT([1, NULL] AS a) AS s

-- id: 589_arr_array_agg_struct_element_null
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [[[{"a": 1, "b": null}]]]
SELECT [STRUCT(1 AS a, CAST(NULL AS STRING) AS b)] AS a

-- id: 590_arr_array_agg_order_limit
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [[[3, 3], [1, 2, 3], [1, 2, 3, 3]]]
SELECT ARRAY_AGG(x ORDER BY x DESC LIMIT 2) AS a, ARRAY_AGG(DISTINCT x ORDER BY x) AS b, ARRAY_AGG(x IGNORE NULLS ORDER BY x) AS c FROM UNNEST([3, 1, 2, 3]) AS x

-- id: 591_arr_array_agg_nulls_order
-- source: "reference engine, documentation"
-- columns: ["n", "d"]
-- expect: [[3, [2, 1]]]
SELECT ARRAY_LENGTH(ARRAY_AGG(x ORDER BY x)) AS n, ARRAY_AGG(x IGNORE NULLS ORDER BY x DESC) AS d FROM UNNEST([2, NULL, 1]) AS x

-- id: 592_arr_array_subquery_null
-- source: "reference engine, documentation"
-- columns: ["n", "z"]
-- expect: [[2, 0]]
SELECT ARRAY_LENGTH(ARRAY(SELECT x FROM UNNEST([1, NULL]) AS x)) AS n, ARRAY_LENGTH(ARRAY(SELECT 1 FROM lab.empty)) AS z

-- id: 593_arr_array_subquery_struct
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [[[{"x": 2, "sq": 4}, {"x": 3, "sq": 9}]]]
SELECT ARRAY(SELECT AS STRUCT x, x * x AS sq FROM UNNEST([2, 3]) AS x ORDER BY x) AS a

-- id: 594_arr_array_subquery_value
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [[[{"v": 1}]]]
SELECT ARRAY(SELECT AS VALUE STRUCT(x AS v) FROM UNNEST([1]) AS x) AS a

-- id: 595_arr_typed_empty
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- str: true
-- expect: [[[], [], ["1", "2.5"]]]
SELECT ARRAY<STRING>[] AS a, CAST([] AS ARRAY<DATE>) AS b, ARRAY<NUMERIC>[1, 2.5] AS c

-- id: 596_arr_equality_errors
-- source: "documentation"
-- expect: "ERROR"
SELECT [1] = [1]

-- id: 597_arr_flatten_nested
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [[[1, 2, 3]]]
SELECT ARRAY(SELECT y FROM UNNEST([STRUCT([1, 2] AS xs), STRUCT([3])]) AS s, UNNEST(s.xs) AS y ORDER BY y) AS a

-- id: 598_arr_distinct_elements
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [[[1, 3]]]
SELECT ARRAY(SELECT DISTINCT x FROM UNNEST([3, 1, 3]) AS x ORDER BY x) AS a

-- id: 599_arr_sum_subquery_empty
-- source: "reference engine, documentation"
-- columns: ["s", "c", "m"]
-- expect: [[null, 0, 5]]
SELECT (SELECT SUM(x) FROM UNNEST(CAST([] AS ARRAY<INT64>)) AS x) AS s, (SELECT COUNT(*) FROM UNNEST(CAST([] AS ARRAY<INT64>)) AS x) AS c, (SELECT MAX(x) FROM UNNEST([NULL, 5]) AS x) AS m

-- id: 600_arr_scalar_subquery_two_rows_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT (SELECT x FROM UNNEST([1, 2]) AS x)

-- id: 602_st_struct_access
-- source: "reference engine, documentation"
-- columns: ["a", "c", "s"]
-- expect: [[1, "x", {"a": 1, "b": {"c": "x"}}]]
SELECT s.a, s.b.c, s FROM (SELECT STRUCT(1 AS a, STRUCT('x' AS c) AS b) AS s)

-- id: 603_st_struct_star
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [[1, "x"]]
SELECT s.* FROM (SELECT STRUCT(1 AS a, 'x' AS b) AS s)

-- id: 604_st_struct_star_except
-- source: "reference engine, documentation"
-- columns: ["x", "a"]
-- expect: [[1, 6]]
SELECT s.* EXCEPT (b), t.* REPLACE (t.a + 1 AS a) FROM (SELECT STRUCT(1 AS x, 'x' AS b) AS s, STRUCT(5 AS a) AS t)

-- id: 605_st_struct_equality
-- source: "reference engine, documentation"
-- columns: ["e", "i"]
-- expect: [[true, true]]
SELECT STRUCT(1 AS a, 'x' AS b) = STRUCT(1 AS a, 'x' AS b) AS e, (1, 2) IN ((1, 2), (3, 4)) AS i

-- id: 606_st_struct_group_by
-- source: "reference engine, documentation"
-- columns: ["s", "n"]
-- expect: [[{"a": 1}, 2], [{"a": 2}, 1]]
SELECT s, COUNT(*) AS n FROM UNNEST([STRUCT(1 AS a), STRUCT(1), STRUCT(2)]) AS s GROUP BY s

-- id: 607_st_struct_distinct
-- source: "reference engine, documentation"
-- columns: ["s"]
-- expect: [[{"a": 1}], [{"a": 2}]]
SELECT DISTINCT s FROM (SELECT STRUCT(x AS a) AS s FROM UNNEST([1, 1, 2]) AS x)

-- id: 608_st_struct_typed
-- source: "reference engine, documentation"
-- columns: ["s", "t"]
-- expect: [[{"a": 1, "b": "x"}, {"d": "2025-01-01"}]]
SELECT STRUCT<a INT64, b STRING>(1, 'x') AS s, STRUCT<d DATE>('2025-01-01') AS t

-- id: 609_st_struct_null_fields
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [[true, true]]
SELECT s IS NULL AS a, s.x IS NULL AS b FROM (SELECT CAST(NULL AS STRUCT<x INT64>) AS s)

-- id: 610_st_struct_all_null_not_null
-- source: "reference engine, documentation"
-- columns: ["x"]
-- expect: [[false]]
SELECT STRUCT(CAST(NULL AS INT64) AS a) IS NULL AS x

-- id: 611_st_struct_duplicate_fields
-- source: "reference engine, documentation"
-- columns: ["s"]
-- expect: [[{"a": 2}]]
SELECT STRUCT(1 AS a, 2 AS a) AS s

-- id: 612_st_struct_in_array_update
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [[[{"key": "k", "value": "V"}]]]
SELECT ARRAY(SELECT AS STRUCT l.* REPLACE (UPPER(l.value) AS value) FROM UNNEST([STRUCT('k' AS key, 'v' AS value)]) AS l) AS a

-- id: 613_st_select_as_struct_multi
-- source: "reference engine, documentation"
-- columns: ["s"]
-- expect: [[{"a": 1, "b": "x"}]]
SELECT (SELECT AS STRUCT 1 AS a, 'x' AS b) AS s

-- id: 615_st_any_value_struct
-- source: "reference engine, documentation"
-- columns: ["k", "w"]
-- expect: [["a", 6]]
SELECT k, ANY_VALUE(STRUCT(v AS v, v * 2 AS w) HAVING MAX v).w AS w FROM UNNEST([STRUCT('a' AS k, 1 AS v), ('a', 3)]) GROUP BY k

-- id: 616_st_array_agg_struct_latest
-- source: "reference engine, documentation"
-- columns: ["project", "last_cost"]
-- ordered: true
-- str: true
-- expect: [[null, "10"], ["apollo", "7.5"], ["borealis", "3.333333333"], ["cygnus", "9.99"]]
SELECT project, ARRAY_AGG(STRUCT(usage_date, cost) ORDER BY usage_date DESC, cost DESC LIMIT 1)[OFFSET(0)].cost AS last_cost FROM lab.spend GROUP BY project ORDER BY project

-- id: 617_st_nested_array_of_struct_array
-- source: "reference engine, documentation"
-- columns: ["name", "s"]
-- expect: [["p", 3], ["q", null]]
SELECT x.name, (SELECT SUM(v) FROM UNNEST(x.vs) AS v) AS s FROM UNNEST([STRUCT('p' AS name, [1, 2] AS vs), ('q', [])]) AS x

-- id: 755_arr_nested_null_in_output
-- source: "reference engine, documentation"
-- columns: ["x", "y"]
-- expect: [[[{"a": null}], [{"a": [1]}]]]
SELECT [STRUCT(CAST(NULL AS INT64) AS a)] AS x, ARRAY<STRUCT<a ARRAY<INT64>>>[STRUCT([1])] AS y

-- id: 756_arr_agg_ignore_all_nulls
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [[null, true, null]]
SELECT ARRAY_AGG(x IGNORE NULLS) AS a, ARRAY_AGG(x IGNORE NULLS) IS NULL AS b, ARRAY_LENGTH(ARRAY_AGG(x IGNORE NULLS)) AS c FROM UNNEST([CAST(NULL AS INT64)]) AS x

-- id: 757_arr_agg_distinct_desc_limit
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [[[3, 2]]]
SELECT ARRAY_AGG(DISTINCT x ORDER BY x DESC LIMIT 2) AS a FROM UNNEST([1, 3, 2, 3]) AS x

-- id: 758_arr_agg_order_two_keys
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [[["d", "a", "b", "c"]]]
SELECT ARRAY_AGG(k ORDER BY v DESC, k) AS a FROM UNNEST([STRUCT('b' AS k, 1 AS v), ('a', 1), ('c', NULL), ('d', 2)])

-- id: 759_arr_agg_order_nulls_last
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["21N", "12N"]]
SELECT STRING_AGG(IFNULL(CAST(x AS STRING), 'N'), '' ORDER BY x DESC) AS a, STRING_AGG(IFNULL(CAST(x AS STRING), 'N'), '' ORDER BY x NULLS LAST) AS b FROM UNNEST([2, NULL, 1]) AS x

-- id: 760_arr_to_string_ints_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT ARRAY_TO_STRING([1, 2], ',')

-- id: 761_arr_offset_with_expression
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT x[OFFSET(ARRAY_LENGTH(x) - 1)] AS last, x[SAFE_ORDINAL(ARRAY_LENGTH(x) + 1)] AS over FROM (SELECT [5, 6, 7] AS x)

-- id: 762_arr_reverse_sort
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [[[3, 2], [3, 2, 1]]]
SELECT ARRAY(SELECT x FROM UNNEST([3, 1, 2]) AS x ORDER BY x DESC LIMIT 2) AS a, ARRAY_REVERSE(ARRAY(SELECT x FROM UNNEST([3, 1, 2]) AS x ORDER BY x)) AS b

-- id: 763_arr_concat_types
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [[[1, 2.5], ["a"]]]
SELECT ARRAY_CONCAT([1], [2.5]) AS a, ARRAY_CONCAT(['a'], CAST([] AS ARRAY<STRING>)) AS b

-- id: 764_arr_unnest_left_join_empty
-- source: "reference engine, documentation"
-- columns: ["id", "x"]
-- expect: [[1, 10], [1, 20], [2, null]]
SELECT id, x FROM (SELECT 1 AS id, [10, 20] AS xs UNION ALL SELECT 2, []) AS t LEFT JOIN UNNEST(t.xs) AS x

-- id: 765_arr_unnest_offset_left_join
-- source: "reference engine, documentation"
-- columns: ["id", "x", "o"]
-- expect: [[1, "a", 0], [2, null, null]]
SELECT id, x, o FROM (SELECT 1 AS id, ['a'] AS xs UNION ALL SELECT 2, []) AS t LEFT JOIN UNNEST(t.xs) AS x WITH OFFSET AS o

-- id: 766_arr_unnest_correlated_filter
-- source: "reference engine, documentation"
-- columns: ["id", "n", "s", "r"]
-- expect: [[1, 2, "1,2,3", [3, 2, 4]], [2, 1, "2,5", [7, 4]]]
SELECT id, (SELECT COUNT(*) FROM UNNEST(xs) AS x WHERE x > id) AS n, (SELECT STRING_AGG(CAST(x AS STRING), ',' ORDER BY x) FROM UNNEST(xs) AS x) AS s, ARRAY(SELECT x + id FROM UNNEST(xs) AS x WITH OFFSET o ORDER BY o DESC) AS r FROM (SELECT 1 AS id, [3, 1, 2] AS xs UNION ALL SELECT 2, [2, 5])

-- id: 767_arr_unnest_join_two_arrays
-- source: "reference engine, documentation"
-- columns: ["p", "q"]
-- expect: [[1, null], [2, 2]]
SELECT p, q FROM UNNEST([1, 2]) AS p LEFT JOIN UNNEST([2, 3]) AS q ON p = q

-- id: 768_arr_in_unnest_subquery
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [[true, true]]
SELECT 3 IN UNNEST(ARRAY(SELECT x FROM UNNEST([1, 3]) AS x)) AS a, 'a' IN UNNEST(SPLIT('a,b', ',')) AS b

-- id: 769_arr_count_distinct_elements
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [[2, 1.5, "a"]]
SELECT (SELECT COUNT(DISTINCT x) FROM UNNEST([1, 1, 2, NULL]) AS x) AS a, (SELECT AVG(x) FROM UNNEST([1, 2]) AS x) AS b, (SELECT MIN(x) FROM UNNEST(['b', 'a']) AS x) AS c

-- id: 770_arr_sum_numeric_in_subquery
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- str: true
-- expect: [["0.3", "9223372036854775807"]]
SELECT (SELECT SUM(x) FROM UNNEST([NUMERIC '0.1', NUMERIC '0.2']) AS x) AS a, (SELECT SUM(x) FROM UNNEST([9223372036854775807]) AS x) AS b

-- id: 771_arr_sum_overflow_in_subquery_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT (SELECT SUM(x) FROM UNNEST([9223372036854775807, 1]) AS x)

-- id: 772_arr_max_float_nan_subquery
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["false", 1]]
SELECT (SELECT CAST(MAX(x) > 5 AS STRING) FROM UNNEST([1.0, CAST('nan' AS FLOAT64)]) AS x) AS a, (SELECT COUNT(x) FROM UNNEST([1, NULL]) AS x) AS b
