-- id: 148_system_time_as_of
-- expect: "ANY"
SELECT COUNT(*) FROM tenants.tenant_usage_quotas FOR SYSTEM_TIME AS OF TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 1 HOUR)

-- id: 149_information_schema_columns
-- ordered: true
-- expect: [["tenant_id","STRING"],["usage_date","DATE"]]
SELECT column_name, data_type FROM `gac-prod-471220.tenants`.INFORMATION_SCHEMA.COLUMNS WHERE table_name = 'tenant_usage_quotas' ORDER BY ordinal_position LIMIT 2

-- id: 151_unquoted_dashed_project
-- expect: [[3]]
SELECT COUNT(*) FROM gac-prod-471220.tenants.tenant_api_keys

-- id: 152_partially_quoted_path
-- expect: [[3]]
SELECT COUNT(*) FROM `gac-prod-471220`.tenants.`tenant_api_keys`

-- id: 153_pipe_syntax
-- ordered: true
-- expect: [["acme_corp",2],["globex",1]]
FROM `gac-prod-471220.tenants.tenant_pipeline_runs` |> WHERE status = 'COMPLETED' |> AGGREGATE COUNT(*) AS n GROUP BY tenant_id |> ORDER BY tenant_id

-- id: 154_case_insensitive_idents
-- columns: ["Tenant"]
-- expect: [["globex"]]
SELECT TENANT_ID AS Tenant FROM tenants.tenant_api_keys WHERE tenant_api_keys.tenant_api_key_hash = 'h2'

-- id: 155_anonymous_column_name
-- columns: ["f0_","b"]
-- expect: [[1,2]]
SELECT 1, 2 AS b

-- id: 709_q_param_named_types
-- source: "reference engine, documentation"
-- params: {"d": {"type": "DATE", "value": "2025-11-19"}, "n": {"type": "NUMERIC", "value": "1.25"}, "a": {"type": "ARRAY<STRING>", "value": ["x", "y"]}}
-- columns: ["d", "n", "a", "i"]
-- str: true
-- expect: [["2025-11-19", "2.5", ["x", "y"], true]]
SELECT @d AS d, @n * 2 AS n, @a AS a, 'x' IN UNNEST(@a) AS i

-- id: 710_q_param_null
-- source: "reference engine, documentation"
-- params: {"s": {"type": "STRING", "value": null}, "i": {"type": "INT64", "value": null}}
-- columns: ["a", "b", "c"]
-- expect: [[true, 5, null]]
SELECT @s IS NULL AS a, IFNULL(@i, 5) AS b, CONCAT('x', @s) AS c

-- id: 711_q_param_timestamp
-- source: "reference engine, documentation"
-- params: {"t": {"type": "TIMESTAMP", "value": "2025-11-19T01:02:03.456789Z"}}
-- columns: ["t", "h"]
-- expect: [["2025-11-19T01:02:03.456789Z", "2025-11-19T01:00:00Z"]]
SELECT @t AS t, TIMESTAMP_TRUNC(@t, HOUR) AS h

-- id: 890_q_param_float_int
-- source: "reference engine, documentation"
-- params: {"f": {"type": "FLOAT64", "value": 0.1}, "i": {"type": "INT64", "value": "9007199254740993"}, "b": {"type": "BOOL", "value": true}}
-- columns: ["a", "b", "c", "d"]
-- expect: [[0.30000000000000004, "9007199254740994", false, 4503599627370496]]
SELECT @f + 0.2 AS a, @i + 1 AS b, NOT @b AS c, @i / 2 AS d

-- id: 891_q_param_like
-- source: "reference engine, documentation"
-- params: {"p": {"type": "STRING", "value": "A-%"}}
-- columns: ["sku"]
-- ordered: true
-- expect: [["A-1"], ["A-1"], ["A-2"]]
SELECT sku FROM lab.spend WHERE sku LIKE @p ORDER BY sku, cost

-- id: 892_q_param_date_string_compare
-- source: "reference engine, documentation"
-- params: {"d": {"type": "STRING", "value": "2025-11-02"}}
-- columns: ["n"]
-- expect: [[2]]
SELECT COUNT(*) AS n FROM lab.spend WHERE usage_date = @d

-- id: 893_q_param_case_insensitive
-- source: "reference engine, documentation"
-- params: {"Day": {"type": "DATE", "value": "2025-11-02"}}
-- columns: ["n"]
-- expect: [[8]]
SELECT COUNT(*) AS n FROM lab.spend WHERE usage_date >= @DAY
