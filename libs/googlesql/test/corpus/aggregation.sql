-- id: 110_group_alias_having
-- ordered: true
-- expect: [["Support",100],["Compute Engine",34.75],["BigQuery",8.25]]
SELECT service.description AS svc, SUM(cost) AS c FROM `gac-prod-471220.billing_export.gcp_billing` GROUP BY svc HAVING c > 5 ORDER BY c DESC

-- id: 111_rollup
-- ordered: true
-- expect: [[null,43.75],["acme_corp",23.75],["globex",20]]
SELECT project.id AS p, SUM(cost) AS c FROM `gac-prod-471220.billing_export.gcp_billing` WHERE project.id IS NOT NULL GROUP BY ROLLUP(p) ORDER BY p

-- id: 113_group_by_all
-- ordered: true
-- expect: [[null,100],["acme_corp",23.75],["globex",20]]
SELECT project.id AS p, SUM(cost) AS c FROM `gac-prod-471220.billing_export.gcp_billing` GROUP BY ALL ORDER BY p

-- id: 114_array_agg_order_limit
-- ordered: true
-- expect: [[null,"S6"],["acme_corp","S1"],["globex","S1"]]
SELECT project.id AS p, ARRAY_AGG(sku.id ORDER BY cost DESC LIMIT 1)[OFFSET(0)] AS top_sku FROM `gac-prod-471220.billing_export.gcp_billing` GROUP BY p ORDER BY p

-- id: 116_array_agg_distinct_ignore_nulls
-- expect: [[["europe-west1","us-central1","us-east1"]]]
SELECT ARRAY_AGG(DISTINCT location.region IGNORE NULLS ORDER BY location.region) FROM `gac-prod-471220.billing_export.gcp_billing`

-- id: 117_string_agg
-- expect: [["BigQuery, Cloud Storage, Compute Engine","S1|S3|S2|S5|S4"]]
SELECT STRING_AGG(DISTINCT service.description, ', ' ORDER BY service.description), STRING_AGG(sku.id, '|' ORDER BY cost DESC) FROM `gac-prod-471220.billing_export.gcp_billing` WHERE project.id = 'acme_corp'

-- id: 118_string_agg_default_sep
-- expect: [["a,b"]]
SELECT STRING_AGG(x) FROM UNNEST(['a', 'b']) AS x

-- id: 119_max_by
-- expect: [["S1","S4","USD"]]
SELECT MAX_BY(sku.id, cost), MIN_BY(sku.id, cost), ANY_VALUE(currency) FROM `gac-prod-471220.billing_export.gcp_billing` WHERE project.id = 'acme_corp'

-- id: 121_approx_count_distinct
-- expect: [[7]]
SELECT APPROX_COUNT_DISTINCT(sku.id) FROM `gac-prod-471220.billing_export.gcp_billing`

-- id: 122_approx_quantiles
-- expect: [[3]]
SELECT APPROX_QUANTILES(x, 4)[OFFSET(2)] FROM UNNEST([1, 2, 3, 4, 5]) AS x

-- id: 123_approx_top_count
-- expect: [["Compute Engine"]]
SELECT APPROX_TOP_COUNT(service.description, 1)[OFFSET(0)].value FROM `gac-prod-471220.billing_export.gcp_billing`

-- id: 692_q_approx_functions
-- source: "documentation"
-- expect: [[4, [1, 2, 4]]]
SELECT APPROX_COUNT_DISTINCT(x) AS a, APPROX_QUANTILES(x, 2) AS q FROM UNNEST([1, 1, 2, 3, 4]) AS x

-- id: 693_q_approx_quantiles_nulls
-- source: "documentation"
-- expect: [[[1, 3, 5], [1, 5]]]
SELECT APPROX_QUANTILES(x, 2) AS a, APPROX_QUANTILES(x, 1) AS b FROM UNNEST([NULL, 5, 1, 3]) AS x

-- id: 694_q_approx_quantiles_respect
-- source: "documentation"
-- expect: [[3]]
SELECT ARRAY_LENGTH(APPROX_QUANTILES(DISTINCT x, 2 IGNORE NULLS)) AS n FROM UNNEST([1, 1, 2]) AS x

-- id: 695_q_approx_top_count
-- source: "documentation"
-- expect: [[[{"value": "a", "count": 2}]]]
SELECT APPROX_TOP_COUNT(x, 1) AS a FROM UNNEST(['a', 'b', 'a']) AS x

-- id: 696_q_approx_top_sum
-- source: "documentation"
-- expect: [[[{"value": "b", "sum": 5}]]]
SELECT APPROX_TOP_SUM(k, v, 1) AS a FROM UNNEST([STRUCT('a' AS k, 1 AS v), ('b', 5)])

-- id: 697_q_hll_count
-- source: "documentation"
-- expect: [[2]]
SELECT HLL_COUNT.EXTRACT(HLL_COUNT.INIT(x)) AS a FROM UNNEST([1, 2, 2]) AS x

-- id: 713_q_geography_distance
-- source: "documentation"
-- expect: [[111195]]
SELECT ROUND(ST_DISTANCE(ST_GEOGPOINT(0, 0), ST_GEOGPOINT(0, 1))) AS m

-- id: 714_q_geography_text
-- source: "documentation"
-- str: true
-- expect: [["POINT(1 2)"]]
SELECT ST_ASTEXT(ST_GEOGPOINT(1, 2)) AS t
