-- id: 124_qualify_latest
-- ordered: true
-- expect: [["acme_corp","r1"],["globex","r4"]]
SELECT tenant_id, pipeline_logging_id FROM `gac-prod-471220.tenants.tenant_pipeline_runs` WHERE TRUE QUALIFY ROW_NUMBER() OVER (PARTITION BY tenant_id ORDER BY start_time DESC) = 1 ORDER BY tenant_id

-- id: 125_running_total_lag
-- ordered: true
-- expect: [["2025-11-18",10.5,10.5,null],["2025-11-19",12,22.5,10.5],["2025-11-20",1.25,23.75,12]]
SELECT d, c, SUM(c) OVER (ORDER BY d) AS run, LAG(c) OVER (ORDER BY d) AS prev FROM (SELECT DATE(usage_start_time) AS d, SUM(cost) AS c FROM `gac-prod-471220.billing_export.gcp_billing` WHERE project.id = 'acme_corp' GROUP BY d) ORDER BY d

-- id: 127_range_frame
-- ordered: true
-- expect: [["2025-11-18",10.5],["2025-11-19",22.5],["2025-11-20",13.25]]
SELECT d, SUM(c) OVER (ORDER BY UNIX_DATE(d) RANGE BETWEEN 1 PRECEDING AND CURRENT ROW) AS s FROM (SELECT DATE(usage_start_time) AS d, SUM(cost) AS c FROM `gac-prod-471220.billing_export.gcp_billing` WHERE project.id = 'acme_corp' GROUP BY d) ORDER BY d

-- id: 128_last_value_ignore_nulls
-- ordered: true
-- expect: [["a"],["a"],["c"]]
SELECT LAST_VALUE(v IGNORE NULLS) OVER (ORDER BY i ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS f FROM UNNEST([STRUCT(1 AS i, 'a' AS v), STRUCT(2, NULL), STRUCT(3, 'c')]) ORDER BY i

-- id: 129_named_window
-- ordered: true
-- expect: [["S1",1],["S3",2],["S2",3],["S5",4],["S4",5]]
SELECT sku.id, RANK() OVER w AS r FROM `gac-prod-471220.billing_export.gcp_billing` WHERE project.id = 'acme_corp' WINDOW w AS (ORDER BY cost DESC) ORDER BY r

-- id: 130_null_ordering_asc
-- ordered: true
-- expect: [["initech"],["globex"],["acme_corp"],["acme_corp"]]
SELECT tenant_id FROM tenants.tenant_usage_quotas ORDER BY daily_limit, tenant_id, usage_date

-- id: 131_null_ordering_desc
-- ordered: true
-- expect: [["acme_corp"],["acme_corp"],["globex"],["initech"]]
SELECT tenant_id FROM tenants.tenant_usage_quotas ORDER BY daily_limit DESC, tenant_id

-- id: 133_logical_aggs
-- expect: [[false,true,2]]
SELECT LOGICAL_AND(is_active), LOGICAL_OR(is_active), COUNT(DISTINCT tenant_id) FROM tenants.tenant_api_keys

-- id: 242_win_rank_ties
-- source: "reference engine, documentation"
-- columns: ["x", "r", "d", "p", "c", "t"]
-- ordered: true
-- expect: [[10, 1, 1, 0, 0.2, 1], [20, 2, 2, 0.25, 0.6, 1], [20, 2, 2, 0.25, 0.6, 2], [30, 4, 3, 0.75, 0.8, 2], [40, 5, 4, 1, 1, 3]]
SELECT x, RANK() OVER (ORDER BY x) AS r, DENSE_RANK() OVER (ORDER BY x) AS d, PERCENT_RANK() OVER (ORDER BY x) AS p, CUME_DIST() OVER (ORDER BY x) AS c, NTILE(3) OVER (ORDER BY x) AS t FROM UNNEST([10, 20, 20, 30, 40]) AS x ORDER BY x, t

-- id: 243_win_null_first_desc
-- source: "reference engine, documentation"
-- columns: ["x", "a", "b", "c"]
-- ordered: true
-- expect: [[2, 1, 2, 2], [1, 2, 3, 1], [null, 3, 1, 3]]
SELECT x, ROW_NUMBER() OVER (ORDER BY x DESC) AS a, ROW_NUMBER() OVER (ORDER BY x DESC NULLS FIRST) AS b, ROW_NUMBER() OVER (ORDER BY x ASC NULLS LAST) AS c FROM UNNEST([2, NULL, 1]) AS x ORDER BY a

-- id: 244_win_range_with_nulls
-- source: "reference engine, documentation"
-- columns: ["x", "n"]
-- ordered: true
-- expect: [[null, 2], [null, 2], [1, 3], [2, 3], [2, 3], [5, 1]]
SELECT x, COUNT(*) OVER (ORDER BY x RANGE BETWEEN 1 PRECEDING AND 1 FOLLOWING) AS n FROM UNNEST([NULL, 1, 2, 2, 5, NULL]) AS x ORDER BY x, n

-- id: 245_win_range_desc
-- source: "reference engine, documentation"
-- columns: ["x", "s"]
-- ordered: true
-- expect: [[1, 3], [2, 6], [4, 4], [7, 15], [8, 8]]
SELECT x, SUM(x) OVER (ORDER BY x DESC RANGE BETWEEN 2 PRECEDING AND CURRENT ROW) AS s FROM UNNEST([1, 2, 4, 7, 8]) AS x ORDER BY x

-- id: 246_win_range_float_nan
-- source: "reference engine, documentation"
-- columns: ["t", "n"]
-- ordered: true
-- expect: [["nan", 1], ["-inf", 2], ["1", 3], ["inf", 4]]
SELECT LOWER(CAST(x AS STRING)) AS t, COUNT(*) OVER (ORDER BY x) AS n FROM UNNEST([CAST('nan' AS FLOAT64), 1.0, CAST('-inf' AS FLOAT64), CAST('inf' AS FLOAT64)]) AS x ORDER BY x

-- id: 248_win_first_value_default
-- source: "reference engine, documentation"
-- columns: ["x", "f", "l", "n2"]
-- ordered: true
-- expect: [[1, 3, 1, 2], [2, 3, 2, 2], [3, 3, 3, null]]
SELECT x, FIRST_VALUE(x) OVER (ORDER BY x DESC) AS f, LAST_VALUE(x) OVER (ORDER BY x DESC) AS l, NTH_VALUE(x, 2) OVER (ORDER BY x DESC) AS n2 FROM UNNEST([1, 2, 3]) AS x ORDER BY x

-- id: 249_win_lag_default
-- source: "reference engine, documentation"
-- columns: ["x", "a", "b", "z"]
-- ordered: true
-- expect: [[1, -1, 2, 1], [2, -1, 3, 2], [3, 1, 4, 3], [4, 2, null, 4]]
SELECT x, LAG(x, 2, -1) OVER (ORDER BY x) AS a, LEAD(x) OVER (ORDER BY x) AS b, LEAD(x, 0) OVER (ORDER BY x) AS z FROM UNNEST([1, 2, 3, 4]) AS x ORDER BY x

-- id: 250_win_ignore_nulls
-- source: "reference engine, documentation"
-- columns: ["i", "fill"]
-- ordered: true
-- expect: [[1, 5], [2, 5], [3, 5], [4, 9]]
SELECT i, LAST_VALUE(v IGNORE NULLS) OVER (ORDER BY i ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS fill FROM UNNEST([STRUCT(1 AS i, 5 AS v), (2, NULL), (3, NULL), (4, 9)]) ORDER BY i

-- id: 251_win_exclude_frame_empty
-- source: "reference engine, documentation"
-- columns: ["x", "s", "c"]
-- ordered: true
-- expect: [[1, 3, 1], [2, null, 0], [3, null, 0]]
SELECT x, SUM(x) OVER (ORDER BY x ROWS BETWEEN 2 FOLLOWING AND 3 FOLLOWING) AS s, COUNT(x) OVER (ORDER BY x ROWS BETWEEN 2 FOLLOWING AND 3 FOLLOWING) AS c FROM UNNEST([1, 2, 3]) AS x ORDER BY x

-- id: 252_win_named_chain
-- source: "reference engine, documentation"
-- columns: ["x", "s"]
-- ordered: true
-- expect: [[1, 1], [2, 3], [3, 5]]
SELECT x, SUM(x) OVER w2 AS s FROM UNNEST([1, 2, 3]) AS x WINDOW w1 AS (ORDER BY x), w2 AS (w1 ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) ORDER BY x

-- id: 253_win_string_agg_over
-- source: "reference engine, documentation"
-- columns: ["x", "s"]
-- ordered: true
-- expect: [["a", "a"], ["b", "a+b"], ["c", "a+b+c"]]
SELECT x, STRING_AGG(x, '+') OVER (ORDER BY x) AS s FROM UNNEST(['a', 'b', 'c']) AS x ORDER BY x

-- id: 254_win_array_agg_over
-- source: "reference engine, documentation"
-- columns: ["x", "s"]
-- ordered: true
-- expect: [[1, [1]], [2, [1, 2]], [3, [2, 3]]]
SELECT x, ARRAY_AGG(x) OVER (ORDER BY x ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS s FROM UNNEST([1, 2, 3]) AS x ORDER BY x

-- id: 255_win_count_distinct_over
-- source: "reference engine, documentation"
-- columns: ["x", "n"]
-- ordered: true
-- expect: [[1, 2], [1, 2], [2, 2]]
SELECT x, COUNT(DISTINCT x) OVER () AS n FROM UNNEST([1, 1, 2]) AS x ORDER BY x

-- id: 257_win_logical_over
-- source: "reference engine, documentation"
-- columns: ["x", "o", "c"]
-- ordered: true
-- expect: [[1, false, 0], [2, false, 1], [3, true, 2]]
SELECT x, LOGICAL_OR(x > 2) OVER (ORDER BY x) AS o, COUNTIF(x > 1) OVER (ORDER BY x) AS c FROM UNNEST([1, 2, 3]) AS x ORDER BY x

-- id: 258_win_percentile_nulls
-- source: "reference engine, documentation"
-- columns: ["c", "r", "d"]
-- expect: [[1.5, 1, 1]]
SELECT DISTINCT PERCENTILE_CONT(x, 0.5) OVER () AS c, PERCENTILE_CONT(x, 0.5 RESPECT NULLS) OVER () AS r, PERCENTILE_DISC(x, 0.5) OVER () AS d FROM UNNEST([0, 3, NULL, 1, 2]) AS x

-- id: 259_win_percentile_disc_text
-- source: "reference engine, documentation"
-- columns: ["d"]
-- expect: [["b"]]
SELECT DISTINCT PERCENTILE_DISC(x, 0.5) OVER () AS d FROM UNNEST(['c', NULL, 'b', 'a']) AS x

-- id: 260_win_ntile_uneven
-- source: "reference engine, documentation"
-- columns: ["x", "q"]
-- ordered: true
-- expect: [[1, 1], [2, 1], [3, 2], [4, 2], [5, 3], [6, 4]]
SELECT x, NTILE(4) OVER (ORDER BY x) AS q FROM UNNEST(GENERATE_ARRAY(1, 6)) AS x ORDER BY x

-- id: 261_win_qualify_dedupe
-- source: "reference engine, documentation"
-- columns: ["k", "v"]
-- ordered: true
-- expect: [["a", 2], ["b", 3]]
SELECT k, v FROM UNNEST([STRUCT('a' AS k, 1 AS v), ('a', 2), ('b', 3)]) WHERE TRUE QUALIFY RANK() OVER (PARTITION BY k ORDER BY v DESC) = 1 ORDER BY k

-- id: 262_win_sum_float_partition
-- source: "reference engine, documentation"
-- columns: ["k", "s"]
-- ordered: true
-- expect: [["a", 0.30000000000000004], ["a", 0.30000000000000004], ["b", 0.3]]
SELECT k, SUM(v) OVER (PARTITION BY k) AS s FROM UNNEST([STRUCT('a' AS k, 0.1 AS v), ('a', 0.2), ('b', 0.3)]) ORDER BY k, s

-- id: 263_win_range_unbounded_peers
-- source: "reference engine, documentation"
-- columns: ["x", "r", "w"]
-- ordered: true
-- expect: [[1, 2, 1], [1, 2, 2], [2, 4, 4]]
SELECT x, SUM(x) OVER (ORDER BY x RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS r, SUM(x) OVER (ORDER BY x ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS w FROM UNNEST([1, 1, 2]) AS x ORDER BY x, w

-- id: 264_win_range_infinity
-- source: "reference engine, documentation"
-- columns: ["t", "n"]
-- ordered: true
-- expect: [[null, 1], ["nan", 1], ["-inf", 1], ["0", 2], ["1", 2], ["inf", 1]]
SELECT LOWER(CAST(x AS STRING)) AS t, COUNT(*) OVER (ORDER BY x RANGE BETWEEN 1 PRECEDING AND 1 FOLLOWING) AS n FROM UNNEST([CAST('-inf' AS FLOAT64), 0.0, 1.0, CAST('inf' AS FLOAT64), CAST('nan' AS FLOAT64), NULL]) AS x ORDER BY x

-- id: 967_g_window_frame_numeric_range
-- source: "reference engine, documentation"
-- columns: ["x", "s"]
-- ordered: true
-- str: true
-- expect: [["1", "2.5"], ["1.5", "2.5"], ["2.6", "2.6"]]
SELECT x, SUM(x) OVER (ORDER BY x RANGE BETWEEN 1 PRECEDING AND 1 FOLLOWING) AS s FROM UNNEST([NUMERIC '1', NUMERIC '1.5', NUMERIC '2.6']) AS x ORDER BY x

-- id: 997_h_count_distinct_over
-- source: "reference engine, documentation"
-- columns: ["sku", "n"]
-- ordered: true
-- expect: [["A-1", 3], ["A-1", 3], ["A-2", 2], ["B-1", 2], ["B-2", 3], ["B-3", 2], ["C-1", 2], ["C-2", 3], ["S-1", 0], ["T-1", 0]]
SELECT sku, COUNT(DISTINCT project) OVER (PARTITION BY service) AS n FROM lab.spend ORDER BY sku, n
