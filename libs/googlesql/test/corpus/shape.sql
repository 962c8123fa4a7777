-- id: 135_focus_like_mapping
-- ordered: true
-- expect: [["2025-11-01",7,2,"Analytics","US","data"],["2025-11-01",4.25,4.25,"Compute","us-central1","untagged"],["2025-11-01",0.75,0.75,"Other","europe-west1","untagged"]]
SELECT
  FORMAT_TIMESTAMP('%Y-%m-01', usage_start_time) AS BillingPeriodStart,
  ROUND(CAST(cost AS NUMERIC), 4) AS BilledCost,
  CAST(cost + IFNULL((SELECT SUM(amount) FROM UNNEST(credits)), 0) AS NUMERIC) AS EffectiveCost,
  CASE service.description WHEN 'Compute Engine' THEN 'Compute' WHEN 'BigQuery' THEN 'Analytics' ELSE 'Other' END AS ServiceCategory,
  IFNULL(location.region, location.location) AS RegionId,
  COALESCE((SELECT l.value FROM UNNEST(labels) AS l WHERE l.key = 'team' LIMIT 1), 'untagged') AS Team
FROM `gac-prod-471220.billing_export.gcp_billing` WHERE DATE(usage_start_time) = DATE '2025-11-19' AND project.id = 'acme_corp' ORDER BY BilledCost DESC

-- id: 136_recursive_cte
-- expect: [[10]]
WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 4) SELECT SUM(i) FROM n

-- id: 137_except_replace
-- columns: ["pipeline_logging_id","pipeline_id","tenant_id","status","run_date"]
-- expect: [["r3","acme-cur","acme_corp","completed","2025-11-17"]]
SELECT * EXCEPT (duration_ms, error_message, start_time, end_time) REPLACE (LOWER(status) AS status) FROM `gac-prod-471220.tenants.tenant_pipeline_runs` WHERE pipeline_logging_id = 'r3'

-- id: 139_union_distinct
-- ordered: true
-- expect: [["acme_corp"],["globex"],["initech"]]
SELECT tenant_id FROM tenants.tenant_usage_quotas UNION DISTINCT SELECT tenant_id FROM `gac-prod-471220.tenants.tenant_pipeline_runs` ORDER BY tenant_id

-- id: 140_except_distinct
-- expect: [["initech"]]
SELECT tenant_id FROM tenants.tenant_usage_quotas EXCEPT DISTINCT SELECT tenant_id FROM `gac-prod-471220.tenants.tenant_pipeline_runs`

-- id: 141_intersect_distinct
-- expect: [["acme_corp"],["globex"]]
SELECT tenant_id FROM tenants.tenant_usage_quotas INTERSECT DISTINCT SELECT tenant_id FROM tenants.tenant_api_keys ORDER BY 1

-- id: 143_pivot_no_agg_alias
-- columns: ["p","ce","bq"]
-- ordered: true
-- expect: [["acme_corp",14.75,8.25],["globex",20,null]]
SELECT * FROM (SELECT project.id AS p, service.description AS s, cost FROM `gac-prod-471220.billing_export.gcp_billing` WHERE project.id IS NOT NULL) PIVOT (SUM(cost) FOR s IN ('Compute Engine' AS ce, 'BigQuery' AS bq)) ORDER BY p

-- id: 144_unpivot
-- columns: ["id","v","m"]
-- ordered: true
-- expect: [["a",1,"jan"],["a",2,"feb"]]
SELECT * FROM (SELECT 'a' AS id, 1 AS jan, 2 AS feb) UNPIVOT (v FOR m IN (jan, feb)) ORDER BY m DESC

-- id: 146_duplicate_output_names
-- expect: [["S4","95FF"]]
SELECT sku.id, service.id FROM `gac-prod-471220.billing_export.gcp_billing` WHERE sku.id = 'S4'

-- id: 618_q_group_by_all
-- source: "reference engine, documentation"
-- columns: ["service", "m", "c"]
-- ordered: true
-- str: true
-- expect: [["BigQuery", 11, "45"], ["Compute", 11, "23.179012234"], ["Compute", 12, "9.99"], ["Storage", 11, "-1.099999999"], ["Support", 11, "10"], ["Tax", 11, "2"]]
SELECT service, EXTRACT(MONTH FROM usage_date) AS m, SUM(cost) AS c FROM lab.spend GROUP BY ALL ORDER BY service, m

-- id: 619_q_group_by_all_constant
-- source: "reference engine, documentation"
-- columns: ["k", "service", "n"]
-- expect: [["x", "BigQuery", 2], ["x", "Compute", 4], ["x", "Storage", 2], ["x", "Support", 1], ["x", "Tax", 1]]
SELECT 'x' AS k, service, COUNT(*) AS n FROM lab.spend GROUP BY ALL

-- id: 620_q_group_by_all_expression
-- source: "reference engine, documentation"
-- columns: ["s", "n"]
-- expect: [["BIGQUERY!", 3], ["COMPUTE!", 5], ["STORAGE!", 3], ["SUPPORT!", 2], ["TAX!", 2]]
SELECT UPPER(service) || '!' AS s, COUNT(*) + 1 AS n FROM lab.spend GROUP BY ALL

-- id: 621_q_group_by_alias_shadow
-- source: "reference engine, documentation"
-- columns: ["service", "n"]
-- ordered: true
-- expect: [["BIGQUERY", 2], ["COMPUTE", 4], ["STORAGE", 2], ["SUPPORT", 1], ["TAX", 1]]
SELECT UPPER(service) AS service, COUNT(*) AS n FROM lab.spend GROUP BY service ORDER BY 1

-- id: 622_q_order_alias_shadow
-- source: "reference engine, documentation"
-- columns: ["x"]
-- ordered: true
-- expect: [[-3], [-2], [-1]]
SELECT -x AS x FROM UNNEST([1, 2, 3]) AS x ORDER BY x

-- id: 623_q_having_no_group
-- source: "reference engine, documentation"
-- columns: ["s"]
-- expect: []
SELECT SUM(cost) AS s FROM lab.spend HAVING COUNT(*) > 1000

-- id: 624_q_empty_aggregate
-- source: "reference engine, documentation"
-- columns: ["n", "s"]
-- expect: [[0, null]]
SELECT COUNT(*) AS n, SUM(a) AS s FROM lab.empty WHERE FALSE

-- id: 625_q_empty_group
-- source: "reference engine, documentation"
-- columns: ["b", "n"]
-- expect: []
SELECT b, COUNT(*) AS n FROM lab.empty GROUP BY b

-- id: 626_q_order_by_nulls
-- source: "reference engine, documentation"
-- columns: ["x"]
-- ordered: true
-- expect: [[3], [1], [null]]
SELECT x FROM UNNEST([3, NULL, 1]) AS x ORDER BY x DESC

-- id: 627_q_order_by_two_keys_nulls
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- ordered: true
-- expect: [[0, 5], [1, null], [1, 2], [null, 1]]
SELECT a, b FROM UNNEST([STRUCT(1 AS a, NULL AS b), (1, 2), (NULL, 1), (0, 5)]) ORDER BY a NULLS LAST, b DESC NULLS FIRST

-- id: 628_q_limit_offset
-- source: "reference engine, documentation"
-- columns: ["x"]
-- ordered: true
-- expect: [[8], [7], [6]]
SELECT x FROM UNNEST(GENERATE_ARRAY(1, 10)) AS x ORDER BY x DESC LIMIT 3 OFFSET 2

-- id: 629_q_limit_zero
-- source: "reference engine, documentation"
-- columns: ["x"]
-- expect: []
SELECT x FROM UNNEST([1]) AS x LIMIT 0

-- id: 630_q_limit_param
-- source: "reference engine, documentation"
-- params: {"n": {"type": "INT64", "value": 2}}
-- columns: ["x"]
-- ordered: true
-- expect: [[1], [2]]
SELECT x FROM UNNEST([1, 2, 3]) AS x ORDER BY x LIMIT @n

-- id: 631_q_union_null_first
-- source: "reference engine, documentation"
-- columns: ["x"]
-- expect: [[null], ["a"]]
SELECT NULL AS x UNION ALL SELECT 'a'

-- id: 632_q_union_null_columns
-- source: "reference engine, documentation"
-- columns: ["id", "label", "day"]
-- expect: [[1, null, null], [2, "x", "2025-11-19"], [3, null, null]]
SELECT 1 AS id, NULL AS label, NULL AS day UNION ALL SELECT 2, 'x', DATE '2025-11-19' UNION ALL SELECT 3, NULL, NULL

-- id: 633_q_union_literal_coercion
-- source: "reference engine, documentation"
-- columns: ["x"]
-- str: true
-- expect: [["1"], ["2.5"], ["3.5"]]
SELECT 1 AS x UNION ALL SELECT 2.5 UNION ALL SELECT NUMERIC '3.5'

-- id: 634_q_union_int_numeric
-- source: "reference engine, documentation"
-- columns: ["x"]
-- str: true
-- expect: [["1"], ["2.5"]]
SELECT 1 AS x UNION ALL SELECT NUMERIC '2.5'

-- id: 635_q_union_date_string_literal
-- source: "reference engine, documentation"
-- columns: ["d"]
-- expect: [["2025-11-19"], ["2025-11-20"]]
SELECT DATE '2025-11-19' AS d UNION ALL SELECT '2025-11-20'

-- id: 636_q_union_distinct_nulls
-- source: "reference engine, documentation"
-- columns: ["x"]
-- expect: [[null], [1]]
SELECT NULL AS x UNION DISTINCT SELECT NULL UNION DISTINCT SELECT 1

-- id: 637_q_union_order_limit
-- source: "reference engine, documentation"
-- columns: ["x"]
-- ordered: true
-- expect: [[9], [1]]
(SELECT x FROM UNNEST([3, 1]) AS x ORDER BY x LIMIT 1) UNION ALL (SELECT 9) ORDER BY x DESC

-- id: 638_q_union_mixed_no_parens_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT 1 UNION ALL SELECT 2 UNION DISTINCT SELECT 3

-- id: 639_q_intersect_nulls
-- source: "reference engine, documentation"
-- columns: ["x"]
-- expect: [[null], [2]]
SELECT x FROM UNNEST([1, NULL, 2]) AS x INTERSECT DISTINCT SELECT y FROM UNNEST([NULL, 2]) AS y

-- id: 640_q_except_distinct
-- source: "reference engine, documentation"
-- columns: ["x"]
-- expect: [[null], [1]]
SELECT x FROM UNNEST([1, 1, 2, NULL]) AS x EXCEPT DISTINCT SELECT 2

-- id: 641_q_except_all
-- source: "documentation"
-- expect: "ERROR"
SELECT x FROM UNNEST([1, 1, 2]) AS x EXCEPT ALL SELECT 1

-- id: 642_q_union_column_names_from_first
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [[1, 2], [3, 4]]
SELECT 1 AS a, 2 AS b UNION ALL SELECT 3 AS c, 4 AS d

-- id: 643_q_cte_chain
-- source: "reference engine, documentation"
-- columns: ["ax", "bx"]
-- expect: [[1, 2]]
WITH a AS (SELECT 1 AS x), b AS (SELECT x + 1 AS x FROM a), c AS (SELECT a.x AS ax, b.x AS bx FROM a, b) SELECT * FROM c

-- id: 644_q_cte_shadow_table
-- source: "reference engine, documentation"
-- columns: ["cost"]
-- expect: [[42]]
WITH spend AS (SELECT 42 AS cost) SELECT cost FROM spend

-- id: 645_q_cte_nested_shadow
-- source: "reference engine, documentation"
-- columns: ["y", "x"]
-- expect: [[2, 1]]
WITH a AS (SELECT 1 AS x) SELECT (WITH a AS (SELECT 2 AS x) SELECT x FROM a) AS y, x FROM a

-- id: 646_q_cte_twice_random
-- source: "reference engine, documentation"
-- columns: ["same"]
-- expect: [[true]]
WITH r AS (SELECT 5 AS v) SELECT (SELECT v FROM r) = (SELECT v FROM r) AS same

-- id: 647_q_recursive_calendar
-- source: "reference engine, documentation"
-- columns: ["d"]
-- ordered: true
-- expect: [["2025-11-01"], ["2025-11-02"], ["2025-11-03"], ["2025-11-04"]]
WITH RECURSIVE days AS (SELECT DATE '2025-11-01' AS d UNION ALL SELECT DATE_ADD(d, INTERVAL 1 DAY) FROM days WHERE d < '2025-11-04') SELECT d FROM days ORDER BY d

-- id: 648_q_recursive_tree
-- source: "reference engine, documentation"
-- columns: ["name", "depth", "path"]
-- ordered: true
-- expect: [["root", 0, "root"], ["a", 1, "root/a"], ["b", 2, "root/a/b"]]
WITH RECURSIVE t AS (SELECT 'root' AS name, CAST(NULL AS STRING) AS parent UNION ALL SELECT 'a', 'root' UNION ALL SELECT 'b', 'a'), walk AS (SELECT name, 0 AS depth, name AS path FROM t WHERE parent IS NULL UNION ALL SELECT t.name, walk.depth + 1, walk.path || '/' || t.name FROM t JOIN walk ON t.parent = walk.name) SELECT name, depth, path FROM walk ORDER BY depth

-- id: 649_q_recursive_distinct_cycle
-- source: "reference engine, documentation"
-- columns: ["n"]
-- ordered: true
-- expect: [[1], [2], [3]]
WITH RECURSIVE g AS (SELECT 1 AS n UNION DISTINCT SELECT MOD(n, 3) + 1 FROM g) SELECT n FROM g ORDER BY n

-- id: 650_q_recursive_type_widening
-- source: "reference engine, documentation"
-- columns: ["n", "s"]
-- ordered: true
-- expect: [[1, "a"], [2, "ab"], [3, "abb"]]
WITH RECURSIVE g AS (SELECT 1 AS n, 'a' AS s UNION ALL SELECT n + 1, s || 'b' FROM g WHERE n < 3) SELECT * FROM g ORDER BY n

-- id: 651_q_correlated_scalar
-- source: "reference engine, documentation"
-- columns: ["project", "top"]
-- ordered: true
-- str: true
-- expect: [["apollo", "12.345678901"], ["borealis", "40"], ["dormant", null]]
SELECT b.project, (SELECT MAX(s.cost) FROM lab.spend AS s WHERE s.project = b.project) AS top FROM lab.budget AS b ORDER BY b.project

-- id: 652_q_correlated_exists_not
-- source: "reference engine, documentation"
-- columns: ["project"]
-- ordered: true
-- expect: [["apollo"], ["borealis"], ["dormant"]]
SELECT b.project FROM lab.budget AS b WHERE NOT EXISTS (SELECT 1 FROM lab.spend AS s WHERE s.project = b.project AND s.cost > 100) ORDER BY 1

-- id: 653_q_correlated_in_select_list_count
-- source: "reference engine, documentation"
-- columns: ["project", "n"]
-- ordered: true
-- expect: [["apollo", 3], ["borealis", 3], ["dormant", 0]]
SELECT b.project, (SELECT COUNT(*) FROM lab.spend AS s WHERE s.project = b.project) AS n FROM lab.budget AS b ORDER BY b.project

-- id: 654_q_in_subquery_null
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [[null, null, true]]
SELECT 1 IN (SELECT x FROM UNNEST([2, NULL]) AS x) AS a, 1 NOT IN (SELECT x FROM UNNEST([2, NULL]) AS x) AS b, 1 IN (SELECT x FROM UNNEST([1, NULL]) AS x) AS c

-- id: 655_q_using_merges_column
-- source: "reference engine, documentation"
-- columns: ["k", "a", "b"]
-- ordered: true
-- expect: [[1, "l", null], [2, "m", "r"], [3, null, "s"]]
SELECT * FROM (SELECT 1 AS k, 'l' AS a UNION ALL SELECT 2, 'm') FULL JOIN (SELECT 2 AS k, 'r' AS b UNION ALL SELECT 3, 's') USING (k) ORDER BY k

-- id: 656_q_right_join_using
-- source: "reference engine, documentation"
-- columns: ["k", "a", "b"]
-- ordered: true
-- expect: [[1, "l", "r"], [2, null, "s"]]
SELECT k, a, b FROM (SELECT 1 AS k, 'l' AS a) RIGHT JOIN (SELECT 1 AS k, 'r' AS b UNION ALL SELECT 2, 's') USING (k) ORDER BY k

-- id: 657_q_join_using_types
-- source: "reference engine, documentation"
-- columns: ["k"]
-- expect: [[1]]
SELECT k FROM (SELECT 1 AS k) JOIN (SELECT 1.0 AS k) USING (k)

-- id: 658_q_three_way_using
-- source: "reference engine, documentation"
-- columns: ["k", "a", "b", "c"]
-- expect: [[1, 1, 2, 3]]
SELECT k, a, b, c FROM (SELECT 1 AS k, 1 AS a) JOIN (SELECT 1 AS k, 2 AS b) USING (k) LEFT JOIN (SELECT 1 AS k, 3 AS c) USING (k)

-- id: 659_q_cross_join_comma_on
-- source: "reference engine, documentation"
-- columns: ["n"]
-- expect: [[3]]
SELECT COUNT(*) AS n FROM UNNEST([1, 2]) AS a, UNNEST([1, 2, 3]) AS b WHERE a < b

-- id: 660_q_join_parenthesised
-- source: "reference engine, documentation"
-- columns: ["n"]
-- expect: [[2]]
SELECT COUNT(*) AS n FROM (UNNEST([1, 2]) AS a CROSS JOIN UNNEST([1, 2]) AS b) JOIN UNNEST([1]) AS c ON a = c

-- id: 661_q_self_join_inequality
-- source: "reference engine, documentation"
-- columns: ["n"]
-- expect: [[6]]
SELECT COUNT(*) AS n FROM lab.spend AS a JOIN lab.spend AS b ON a.sku < b.sku AND a.project = b.project

-- id: 662_q_left_join_null_keys
-- source: "reference engine, documentation"
-- columns: ["k", "v"]
-- ordered: true
-- expect: [[null, null], [1, "one"]]
SELECT a.k, b.v FROM UNNEST([STRUCT(1 AS k), STRUCT(NULL)]) AS a LEFT JOIN UNNEST([STRUCT(NULL AS k, 'n' AS v), (1, 'one')]) AS b ON a.k = b.k ORDER BY a.k

-- id: 664_q_pivot_alias_two_aggs
-- source: "reference engine, documentation"
-- columns: ["k", "s_q1", "c_q1", "s_second", "c_second"]
-- expect: [["a", 5, 1, 7, 1]]
SELECT * FROM (SELECT 'a' AS k, 'q1' AS q, 5 AS v UNION ALL SELECT 'a', 'q2', 7) PIVOT (SUM(v) AS s, COUNT(*) AS c FOR q IN ('q1', 'q2' AS second))

-- id: 665_q_pivot_missing_values
-- source: "reference engine, documentation"
-- columns: ["k", "x", "y", "z"]
-- ordered: true
-- expect: [["a", 1, null, null], ["b", null, 2, null]]
SELECT * FROM (SELECT k, q, v FROM UNNEST([STRUCT('a' AS k, 'x' AS q, 1 AS v), ('b', 'y', 2)])) PIVOT (SUM(v) FOR q IN ('x', 'y', 'z')) ORDER BY k

-- id: 666_q_unpivot_basic
-- source: "reference engine, documentation"
-- columns: ["k", "v", "q"]
-- ordered: true
-- expect: [["p", 1, "q1"], ["p", 2, "q2"]]
SELECT * FROM (SELECT 'p' AS k, 1 AS q1, 2 AS q2, NULL AS q3) UNPIVOT (v FOR q IN (q1, q2, q3)) ORDER BY q

-- id: 667_q_unpivot_include_nulls_alias
-- source: "reference engine, documentation"
-- columns: ["k", "v", "q"]
-- ordered: true
-- expect: [["p", 1, "one"], ["p", null, "two"]]
SELECT * FROM (SELECT 'p' AS k, 1 AS q1, CAST(NULL AS INT64) AS q2) UNPIVOT INCLUDE NULLS (v FOR q IN (q1 AS 'one', q2 AS 'two')) ORDER BY q

-- id: 668_q_unpivot_multi
-- source: "reference engine, documentation"
-- columns: ["a", "b", "n"]
-- expect: [[1, 2, "a1_b1"], [3, 4, "a2_b2"]]
SELECT * FROM (SELECT 1 AS a1, 2 AS b1, 3 AS a2, 4 AS b2) UNPIVOT ((a, b) FOR n IN ((a1, b1), (a2, b2)))

-- id: 669_q_qualify_alias
-- source: "reference engine, documentation"
-- columns: ["x", "r"]
-- ordered: true
-- expect: [[3, 1], [4, 2]]
SELECT x, RANK() OVER (ORDER BY x) AS r FROM UNNEST([5, 3, 4]) AS x WHERE TRUE QUALIFY r <= 2 ORDER BY x

-- id: 670_q_select_star_except_replace
-- source: "reference engine, documentation"
-- columns: ["a", "c"]
-- expect: [[10, 3]]
SELECT * EXCEPT (b) REPLACE (a * 10 AS a) FROM (SELECT 1 AS a, 2 AS b, 3 AS c)

-- id: 671_q_tablesample
-- source: "reference engine, documentation"
-- columns: ["ok"]
-- expect: [[true]]
SELECT COUNT(*) >= 0 AS ok FROM lab.spend TABLESAMPLE SYSTEM (50 PERCENT)

-- id: 672_q_pipe_basic
-- source: "reference engine, documentation"
-- columns: ["project", "c"]
-- ordered: true
-- str: true
-- expect: [["borealis", "42.233333333"], ["apollo", "19.845678902"], ["cygnus", "14.99"]]
FROM lab.spend |> WHERE project IS NOT NULL |> AGGREGATE SUM(cost) AS c GROUP BY project |> ORDER BY c DESC

-- id: 673_q_pipe_extend_set_drop
-- source: "reference engine, documentation"
-- columns: ["x", "y"]
-- ordered: true
-- expect: [[2, 5]]
FROM UNNEST([1, 2, 3]) AS x |> EXTEND x * 2 AS y |> SET y = y + 1 |> WHERE x > 1 |> SELECT x, y |> ORDER BY x |> LIMIT 1

-- id: 674_q_pipe_after_select
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [[1, 2]]
SELECT 1 AS a |> EXTEND a + 1 AS b

-- id: 675_q_anonymous_columns
-- source: "reference engine, documentation"
-- expect: [[1, "a", 2, 0]]
SELECT 1, 'a', 2 AS x, COUNT(*) FROM lab.empty

-- id: 677_q_table_name_case_errors
-- source: "documentation"
-- expect: "ERROR"
SELECT COUNT(*) FROM lab.SPEND

-- id: 678_q_backquoted_full_path
-- source: "reference engine, documentation"
-- columns: ["n"]
-- expect: [[10]]
SELECT COUNT(*) AS n FROM `gac-prod-471220.lab.spend`

-- id: 679_q_backquoted_parts
-- source: "reference engine, documentation"
-- columns: ["n"]
-- expect: [[10]]
SELECT COUNT(*) AS n FROM `gac-prod-471220`.lab.`spend`

-- id: 680_q_alias_qualified_path
-- source: "reference engine, documentation"
-- columns: ["cost"]
-- str: true
-- expect: [["12.345678901"], ["7.5"]]
SELECT spend.cost FROM lab.spend WHERE spend.sku = 'A-1' AND spend.project = 'apollo'

-- id: 681_q_ambiguous_column_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT project FROM lab.spend, lab.budget

-- id: 682_q_unknown_column_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT nope FROM lab.spend

-- id: 683_q_aggregate_in_where_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT 1 FROM lab.spend WHERE SUM(cost) > 1

-- id: 684_q_ungrouped_column_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT project, sku, SUM(cost) FROM lab.spend GROUP BY project

-- id: 685_q_if_chain
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d", "e"]
-- expect: [[1, "y", 7, null, "z"]]
SELECT IF(TRUE, 1, 2.5) AS a, IF(NULL, 'x', 'y') AS b, IFNULL(NULL, 7) AS c, NULLIF(1, 1) AS d, COALESCE(NULL, NULL, 'z') AS e

-- id: 686_q_case_forms
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [["b", null, "ne"]]
SELECT CASE 2 WHEN 1 THEN 'a' WHEN 2 THEN 'b' END AS a, CASE WHEN FALSE THEN 1 END AS b, CASE NULL WHEN NULL THEN 'eq' ELSE 'ne' END AS c

-- id: 688_q_where_short_circuit
-- source: "reference engine, documentation"
-- columns: ["x"]
-- expect: [[5]]
SELECT x FROM UNNEST([0, 5]) AS x WHERE IF(x = 0, FALSE, 10 / x > 1)

-- id: 689_q_is_true_false
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [[true, true, false, false], [false, false, false, true], [false, true, true, null]]
SELECT x IS TRUE AS a, x IS NOT FALSE AS b, x IS NULL AS c, NOT x AS d FROM UNNEST([TRUE, FALSE, NULL]) AS x

-- id: 690_q_distinct_from
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [[true, true, false]]
SELECT 1 IS DISTINCT FROM NULL AS a, NULL IS NOT DISTINCT FROM NULL AS b, 1 IS DISTINCT FROM 1 AS c

-- id: 691_q_between_reversed
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [[false, true, null, true]]
SELECT 5 BETWEEN 10 AND 1 AS a, 5 NOT BETWEEN 1 AND 3 AS b, NULL BETWEEN 1 AND 2 AS c, 'b' BETWEEN 'a' AND 'c' AS d

-- id: 699_q_any_value_having
-- source: "reference engine, documentation"
-- columns: ["k", "a"]
-- ordered: true
-- expect: [["a", 1], ["b", null]]
SELECT k, ANY_VALUE(v HAVING MIN v) AS a FROM UNNEST([STRUCT('a' AS k, 3 AS v), ('a', 1), ('b', NULL)]) GROUP BY k ORDER BY k

-- id: 700_q_max_by_nulls
-- source: "documentation"
-- str: true
-- expect: [[null, "x"]]
SELECT MAX_BY(k, v) AS a, MIN_BY(k, v) AS b FROM UNNEST([STRUCT('n' AS k, CAST(NULL AS INT64) AS v), ('x', 1), (NULL, 9)])

-- id: 701_q_count_distinct_nulls
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [[2, 3, 4]]
SELECT COUNT(DISTINCT x) AS a, COUNT(x) AS b, COUNT(*) AS c FROM UNNEST([1, 1, NULL, 2]) AS x

-- id: 702_q_count_distinct_two_columns
-- source: "reference engine, documentation"
-- columns: ["n"]
-- expect: [[7]]
SELECT COUNT(DISTINCT CONCAT(project, sku)) AS n FROM lab.spend

-- id: 703_q_logical_aggregates_nulls
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [[true, true, 1]]
SELECT LOGICAL_AND(x) AS a, LOGICAL_OR(x) AS b, COUNTIF(x) AS c FROM UNNEST([TRUE, NULL]) AS x

-- id: 704_q_min_max_types
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [["a", "2025-02-01", true]]
SELECT MIN(x) AS a, MAX(y) AS b, MAX(z) AS c FROM UNNEST([STRUCT('b' AS x, DATE '2025-01-01' AS y, FALSE AS z), ('a', '2025-02-01', TRUE)])

-- id: 705_q_array_concat_agg_order
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [[[2, 3, 1]]]
SELECT ARRAY_CONCAT_AGG(x ORDER BY ARRAY_LENGTH(x) DESC) AS a FROM (SELECT [1] AS x UNION ALL SELECT [2, 3])

-- id: 706_q_select_distinct_order
-- source: "reference engine, documentation"
-- columns: ["x"]
-- ordered: true
-- expect: [[3], [1], [null]]
SELECT DISTINCT x FROM UNNEST([3, 1, 3, NULL]) AS x ORDER BY x DESC

-- id: 707_q_select_all_keyword
-- source: "reference engine, documentation"
-- columns: ["x"]
-- ordered: true
-- expect: [[1], [2]]
SELECT ALL x FROM UNNEST([2, 1]) AS x ORDER BY x

-- id: 708_q_trailing_commas
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [[1, 2]]
SELECT 1 AS a, 2 AS b,

-- id: 715_q_net_functions
-- source: "reference engine, documentation"
-- columns: ["h", "d", "i"]
-- expect: [["a.example.com", "example.co.uk", "10.0.0.1"]]
SELECT NET.HOST('https://a.example.com:8080/x') AS h, NET.REG_DOMAIN('a.example.co.uk') AS d, NET.IP_TO_STRING(NET.IP_FROM_STRING('10.0.0.1')) AS i

-- id: 716_q_error_function_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT ERROR('boom')

-- id: 717_q_error_in_if
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [["fine"]]
SELECT IF(1 = 1, 'fine', ERROR('boom')) AS a

-- id: 853_q_cte_unused_bad_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
WITH bad AS (SELECT nope FROM lab.spend) SELECT 1 AS x

-- id: 854_q_group_by_ordinal_expression
-- source: "reference engine, documentation"
-- columns: ["k", "n"]
-- expect: [["BigQuery!", 2], ["Compute!", 4], ["Storage!", 2], ["Support!", 1], ["Tax!", 1]]
SELECT CONCAT(service, '!') AS k, COUNT(*) AS n FROM lab.spend GROUP BY 1

-- id: 855_q_group_by_float
-- source: "reference engine, documentation"
-- columns: ["qty", "n"]
-- expect: [[0, 1], [0.5, 1], [1, 4], [2.5, 1], [3, 1], [6, 1], [10, 1]]
SELECT qty, COUNT(*) AS n FROM lab.spend GROUP BY qty

-- id: 856_q_having_without_select_alias
-- source: "reference engine, documentation"
-- columns: ["project"]
-- expect: [["borealis"]]
SELECT project FROM lab.spend GROUP BY project HAVING SUM(cost) > 20 AND project IS NOT NULL

-- id: 857_q_order_by_not_selected
-- source: "reference engine, documentation"
-- columns: ["sku"]
-- ordered: true
-- expect: [["B-1"], ["A-1"], ["S-1"]]
SELECT sku FROM lab.spend ORDER BY cost DESC, sku LIMIT 3

-- id: 858_q_order_by_aggregate
-- source: "reference engine, documentation"
-- columns: ["service"]
-- ordered: true
-- expect: [["BigQuery"], ["Compute"], ["Support"], ["Tax"], ["Storage"]]
SELECT service FROM lab.spend GROUP BY service ORDER BY SUM(cost) DESC

-- id: 860_q_distinct_with_window
-- source: "reference engine, documentation"
-- columns: ["service", "t"]
-- ordered: true
-- str: true
-- expect: [["BigQuery", "45"], ["Compute", "33.169012234"], ["Storage", "-1.099999999"], ["Support", "10"], ["Tax", "2"]]
SELECT DISTINCT service, SUM(cost) OVER (PARTITION BY service) AS t FROM lab.spend ORDER BY service

-- id: 861_q_window_over_group
-- source: "reference engine, documentation"
-- columns: ["service", "c", "r"]
-- ordered: true
-- str: true
-- expect: [["BigQuery", "45", 1], ["Compute", "33.169012234", 2], ["Support", "10", 3], ["Tax", "2", 4], ["Storage", "-1.099999999", 5]]
SELECT service, SUM(cost) AS c, RANK() OVER (ORDER BY SUM(cost) DESC) AS r FROM lab.spend GROUP BY service ORDER BY r

-- id: 862_q_scalar_subquery_in_group
-- source: "reference engine, documentation"
-- columns: ["project", "share"]
-- ordered: true
-- str: true
-- expect: [[null, "0.134726991"], ["apollo", "0.222812383"], ["borealis", "0.47416416"], ["cygnus", "0.168296466"]]
SELECT project, SUM(cost) / (SELECT SUM(cost) FROM lab.spend) AS share FROM lab.spend GROUP BY project ORDER BY project

-- id: 864_q_subquery_with_limit
-- source: "reference engine, documentation"
-- columns: ["n"]
-- expect: [[4]]
SELECT COUNT(*) AS n FROM (SELECT sku FROM lab.spend ORDER BY cost DESC LIMIT 4)

-- id: 865_q_union_all_star
-- source: "reference engine, documentation"
-- columns: ["project", "month", "amount"]
-- str: true
-- expect: [["apollo", "2025-11-01", "100"], ["dormant", "2025-11-01", "1"]]
SELECT * FROM lab.budget WHERE project = 'apollo' UNION ALL SELECT * FROM lab.budget WHERE project = 'dormant'

-- id: 866_q_union_struct
-- source: "reference engine, documentation"
-- columns: ["s"]
-- expect: [[{"a": 1}], [{"a": 2}]]
SELECT STRUCT(1 AS a) AS s UNION ALL SELECT STRUCT(2)

-- id: 867_q_full_join_on
-- source: "reference engine, documentation"
-- columns: ["bp", "fc"]
-- ordered: true
-- expect: [[null, "EUR"], [null, "EUR"], [null, "USD"], ["apollo", null], ["borealis", null], ["dormant", null]]
SELECT b.project AS bp, f.currency AS fc FROM lab.budget AS b FULL JOIN lab.fx AS f ON b.project = f.currency ORDER BY bp, fc

-- id: 869_q_left_join_where_null
-- source: "reference engine, documentation"
-- columns: ["project"]
-- ordered: true
-- expect: [["dormant"]]
SELECT b.project FROM lab.budget AS b LEFT JOIN lab.spend AS s ON s.project = b.project WHERE s.project IS NULL ORDER BY 1

-- id: 870_q_nested_ctes_union
-- source: "reference engine, documentation"
-- columns: ["project", "c"]
-- ordered: true
-- str: true
-- expect: [[null, "0"], ["apollo", "0"], ["borealis", "0"], ["cygnus", "0"]]
WITH a AS (SELECT project, cost FROM lab.spend WHERE cost > 5), b AS (SELECT project, -cost AS cost FROM a) SELECT project, SUM(cost) AS c FROM (SELECT * FROM a UNION ALL SELECT * FROM b) GROUP BY project ORDER BY project

-- id: 871_q_pivot_sum_services
-- source: "reference engine, documentation"
-- columns: ["project", "c_Compute", "n_Compute", "c_st", "n_st"]
-- ordered: true
-- str: true
-- expect: [["apollo", "19.845678901", 2, "0.000000001", 1], ["borealis", "3.333333333", 1, "-1.1", 1], ["cygnus", "9.99", 1, null, 0]]
SELECT * FROM (SELECT project, service, cost FROM lab.spend WHERE project IS NOT NULL) PIVOT (SUM(cost) AS c, COUNT(*) AS n FOR service IN ('Compute', 'Storage' AS st)) ORDER BY project

-- id: 872_q_pivot_dates_alias
-- source: "reference engine, documentation"
-- columns: ["d1", "d2"]
-- str: true
-- expect: [["12.345678902", "47.5"]]
SELECT * FROM (SELECT usage_date, cost FROM lab.spend) PIVOT (SUM(cost) FOR usage_date IN (DATE '2025-11-01' AS d1, DATE '2025-11-02' AS d2))

-- id: 873_q_pivot_null_value
-- source: "reference engine, documentation"
-- columns: ["a", "nothing"]
-- expect: [[2, 1]]
SELECT * FROM (SELECT 1 AS v, CAST(NULL AS STRING) AS k UNION ALL SELECT 2, 'a') PIVOT (SUM(v) FOR k IN ('a', NULL AS nothing))

-- id: 874_q_unpivot_table
-- source: "reference engine, documentation"
-- columns: ["sku", "kind", "amount"]
-- ordered: true
-- str: true
-- expect: [["A-1", "cost", "7.5"], ["A-1", "list", "9"], ["A-1", "cost", "12.345678901"], ["A-1", "list", "15"]]
SELECT sku, kind, amount FROM (SELECT sku, cost, list_cost FROM lab.spend WHERE project = 'apollo' AND service = 'Compute') UNPIVOT (amount FOR kind IN (cost, list_cost AS 'list')) ORDER BY amount

-- id: 875_q_qualify_without_window_in_select
-- source: "reference engine, documentation"
-- columns: ["sku"]
-- ordered: true
-- expect: [["A-1"], ["A-1"], ["A-2"], ["B-1"], ["B-2"], ["B-3"]]
SELECT sku FROM lab.spend WHERE project IS NOT NULL QUALIFY COUNT(*) OVER (PARTITION BY project) > 2 ORDER BY sku, cost

-- id: 876_q_select_expr_alias_reuse_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT 1 AS a, a + 1 AS b

-- id: 877_q_in_tuple_list
-- source: "reference engine, documentation"
-- columns: ["n"]
-- expect: [[3]]
SELECT COUNT(*) AS n FROM lab.spend WHERE (project, service) IN (('apollo', 'Compute'), ('cygnus', 'BigQuery'))

-- id: 878_q_case_when_null_group
-- source: "reference engine, documentation"
-- columns: ["p", "c"]
-- ordered: true
-- str: true
-- expect: [["apollo", "19.845678902"], ["borealis", "42.233333333"], ["cygnus", "14.99"], ["shared", "12"]]
SELECT CASE WHEN project IS NULL THEN 'shared' ELSE project END AS p, SUM(cost) AS c FROM lab.spend GROUP BY p ORDER BY p

-- id: 879_q_if_null_aggregate
-- source: "reference engine, documentation"
-- columns: ["s", "m"]
-- str: true
-- expect: [["0", "-"]]
SELECT IFNULL(SUM(cost), 0) AS s, COALESCE(MAX(sku), '-') AS m FROM lab.spend WHERE project = 'nobody'

-- id: 880_q_any_value_group
-- source: "reference engine, documentation"
-- columns: ["project", "cur"]
-- ordered: true
-- expect: [[null, "USD"], ["apollo", "USD"], ["borealis", "USD"], ["cygnus", "USD"]]
SELECT project, ANY_VALUE(currency HAVING MAX cost) AS cur FROM lab.spend GROUP BY project ORDER BY project

-- id: 881_q_boolean_columns
-- source: "reference engine, documentation"
-- columns: ["big", "n"]
-- expect: [[false, 5], [true, 5]]
SELECT cost > 5 AS big, COUNT(*) AS n FROM lab.spend GROUP BY big

-- id: 882_q_select_constant_from_table
-- source: "reference engine, documentation"
-- columns: ["one"]
-- expect: [[1], [1], [1]]
SELECT 1 AS one FROM lab.budget

-- id: 883_q_count_star_alias_table
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [[10, 8]]
SELECT COUNT(s) AS a, COUNT(s.project) AS b FROM lab.spend AS s

-- id: 884_q_row_as_json
-- source: "reference engine, documentation"
-- columns: ["j"]
-- expect: [["{\"x\":1,\"z\":\"y\"}"]]
SELECT TO_JSON_STRING(b) AS j FROM (SELECT 1 AS x, 'y' AS z) AS b

-- id: 885_q_function_case
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [["A", 1, "2025-01-02"]]
SELECT upper('a') AS a, Coalesce(NULL, 1) AS b, date_add(date '2025-01-01', interval 1 day) AS c

-- id: 886_q_current_date_no_parens
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [[true, true]]
SELECT CURRENT_DATE = CURRENT_DATE() AS a, CURRENT_TIMESTAMP IS NOT NULL AS b

-- id: 887_q_string_concat_many
-- source: "reference engine, documentation"
-- columns: ["s"]
-- expect: [["ab12025"]]
SELECT 'a' || 'b' || CAST(1 AS STRING) || FORMAT_DATE('%Y', DATE '2025-01-01') AS s

-- id: 888_q_not_precedence
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [[true, false, true, true]]
SELECT NOT 1 = 2 AS a, NOT NULL IS NULL AS b, 1 < 2 AND NOT 2 < 1 AS c, NOT TRUE OR TRUE AS d

-- id: 889_q_comparison_chain_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT 1 < 2 < 3

-- id: 894_v_select_star_value_table
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [[1, "x"]]
SELECT * FROM (SELECT AS STRUCT 1 AS a, 'x' AS b)

-- id: 895_v_cte_as_struct_star
-- source: "reference engine, documentation"
-- columns: ["n", "s"]
-- expect: [[5, "q"], [6, "r"]]
WITH v AS (SELECT AS STRUCT 5 AS n, 'q' AS s UNION ALL SELECT AS STRUCT 6, 'r') SELECT n, s FROM v

-- id: 896_v_unnest_struct_star
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [[1, "x"], [2, "y"]]
SELECT * FROM UNNEST([STRUCT(1 AS a, 'x' AS b), (2, 'y')])

-- id: 897_v_unnest_struct_alias_star
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [[1, "x", 2]]
SELECT t.*, t.a + 1 AS c FROM UNNEST([STRUCT(1 AS a, 'x' AS b)]) AS t

-- id: 898_g_group_all_constants_only
-- source: "reference engine, documentation"
-- columns: ["k"]
-- expect: [["all"]]
SELECT 'all' AS k FROM lab.spend GROUP BY ALL

-- id: 918_g_coalesce_null_literals
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c", "d"]
-- expect: [[true, null, null, null]]
SELECT COALESCE(NULL, NULL) IS NULL AS a, IF(TRUE, NULL, 'x') AS b, CASE WHEN FALSE THEN 'a' ELSE NULL END AS c, NULLIF(NULL, 1) AS d

-- id: 919_g_union_null_cte
-- source: "reference engine, documentation"
-- columns: ["k", "v"]
-- expect: [["x", 1], ["y", null]]
WITH a AS (SELECT 'x' AS k, 1 AS v), b AS (SELECT 'y' AS k, NULL AS v) SELECT k, v FROM a UNION ALL SELECT k, v FROM b

-- id: 920_g_union_null_string_second
-- source: "reference engine, documentation"
-- columns: ["k", "l"]
-- expect: [["a", "b"], ["c", null]]
SELECT 'a' AS k, 'b' AS l UNION ALL SELECT 'c', NULL

-- id: 921_g_union_null_typed_dates
-- source: "reference engine, documentation"
-- columns: ["id", "d"]
-- expect: [[1, "2025-01-01"], [2, null]]
SELECT 1 AS id, DATE '2025-01-01' AS d UNION ALL SELECT 2, NULL

-- id: 922_g_union_empty_array
-- source: "reference engine, documentation"
-- columns: ["id", "xs"]
-- expect: [[1, ["a"]], [2, []]]
SELECT 1 AS id, ['a'] AS xs UNION ALL SELECT 2, []

-- id: 923_g_case_mixed_null_struct
-- source: "reference engine, documentation"
-- columns: ["v"]
-- expect: [[1]]
SELECT IF(FALSE, NULL, STRUCT(1 AS a, 'b' AS b)).a AS v

-- id: 924_g_in_subquery_types
-- source: "reference engine, documentation"
-- columns: ["n"]
-- expect: [[4]]
SELECT COUNT(*) AS n FROM lab.spend WHERE cost IN (SELECT amount FROM lab.budget) OR qty IN (SELECT 1)

-- id: 925_g_nested_aggregate_window
-- source: "reference engine, documentation"
-- columns: ["service", "c", "diff", "rel"]
-- ordered: true
-- str: true
-- expect: [["BigQuery", "45", "27.186197553", "1"], ["Compute", "33.169012234", "15.355209787", "0.737"], ["Storage", "-1.099999999", "-18.913802446", "-0.024"], ["Support", "10", "-7.813802447", "0.222"], ["Tax", "2", "-15.813802447", "0.044"]]
SELECT service, SUM(cost) AS c, SUM(cost) - AVG(SUM(cost)) OVER () AS diff, ROUND(SUM(cost) / MAX(SUM(cost)) OVER (), 3) AS rel FROM lab.spend GROUP BY service ORDER BY service

-- id: 949_g_greatest_null_dates
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [[null, null]]
SELECT GREATEST(DATE '2025-01-01', NULL) AS a, LEAST(NULL, 'x') AS b

-- id: 963_g_union_numeric_literal
-- source: "reference engine, documentation"
-- columns: ["x"]
-- str: true
-- expect: [["1.5"], ["2.25"]]
SELECT NUMERIC '1.5' AS x UNION ALL SELECT 2.25

-- id: 964_g_union_numeric_float_literal_sum
-- source: "reference engine, documentation"
-- columns: ["s"]
-- str: true
-- expect: [["0.3"]]
SELECT SUM(x) AS s FROM (SELECT NUMERIC '0.1' AS x UNION ALL SELECT 0.2)

-- id: 968_g_aggregate_no_from_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
SELECT SUM(1)

-- id: 969_g_recursion_window_errors
-- source: "reference engine, documentation"
-- expect: "ERROR"
WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT ROW_NUMBER() OVER () + n FROM t WHERE n < 3) SELECT * FROM t

-- id: 970_g_parenthesised_from
-- source: "reference engine, documentation"
-- columns: ["x"]
-- expect: [[1]]
SELECT a.x FROM ((SELECT 1 AS x)) AS a

-- id: 971_g_with_parenthesised_body
-- source: "reference engine, documentation"
-- columns: ["x"]
-- expect: [[1]]
WITH a AS (SELECT 1 AS x) (SELECT x FROM a)

-- id: 972_g_alias_without_as
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [[1, "x"]]
SELECT 1 a, 'x' b FROM (SELECT 1) t

-- id: 973_g_reserved_alias_quoted
-- source: "reference engine, documentation"
-- columns: ["group"]
-- expect: [[1]]
SELECT s.`group` FROM (SELECT 1 AS `group`) AS s

-- id: 974_g_offset_keyword_column
-- source: "reference engine, documentation"
-- columns: ["offset", "v"]
-- expect: [[0, "a"], [1, "b"]]
SELECT offset, v FROM UNNEST(['a', 'b']) AS v WITH OFFSET ORDER BY offset

-- id: 977_g_line_comment_at_end
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [[1]]
SELECT 1 AS a -- no newline after this

-- id: 978_g_semicolon_then_comment
-- source: "reference engine, documentation"
-- columns: ["a"]
-- expect: [[1]]
SELECT 1 AS a; -- done

-- id: 986_h_union_nulls_three_ways
-- source: "reference engine, documentation"
-- columns: ["provider", "cost", "region"]
-- str: true
-- expect: [["gcp", "1", null], ["aws", "2", "eu-west-1"], ["azure", null, null]]
SELECT 'gcp' AS provider, CAST(1 AS NUMERIC) AS cost, NULL AS region UNION ALL SELECT 'aws', 2, 'eu-west-1' UNION ALL SELECT 'azure', NULL, NULL

-- id: 988_h_union_struct_null
-- source: "reference engine, documentation"
-- columns: ["id", "s"]
-- expect: [[1, {"k": "x"}], [2, null]]
SELECT 1 AS id, STRUCT('x' AS k) AS s UNION ALL SELECT 2, NULL

-- id: 989_h_error_function_text
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [["ok", "x"]]
SELECT IF(TRUE, 'ok', ERROR('bad')) AS a, COALESCE('x', ERROR('unused')) AS b

-- id: 990_h_case_error_number
-- source: "reference engine, documentation"
-- columns: ["v"]
-- expect: [[2.5]]
SELECT CASE WHEN 1 = 1 THEN 2.5 ELSE ERROR('no') END AS v

-- id: 992_h_like_any_filter
-- source: "reference engine, documentation"
-- columns: ["n"]
-- expect: [[6]]
SELECT COUNT(*) AS n FROM lab.spend WHERE service LIKE ANY ('Comp%', '%Query')

-- id: 998_h_struct_in_group
-- source: "reference engine, documentation"
-- columns: ["a", "n"]
-- expect: [["BigQuery", 2], ["Compute", 4], ["Storage", 2], ["Support", 1], ["Tax", 1]]
SELECT k.a AS a, COUNT(*) AS n FROM (SELECT STRUCT(service AS a) AS k FROM lab.spend) GROUP BY k.a
