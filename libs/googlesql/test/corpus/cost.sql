-- id: 001_seed_extract_billing
-- expect: [["A1","Compute Engine",4.25,"2025-11-19T00:00:00Z","2025-11-19"],["A1","BigQuery",7,"2025-11-19T10:15:00Z","2025-11-19"],["A1","Cloud Storage",0.75,"2025-11-19T12:00:00Z","2025-11-19"]]
SELECT
  billing_account_id,
  service.description AS service_name,
  cost,
  usage_start_time,
  DATE(usage_start_time) AS usage_date
FROM `gac-prod-471220.billing_export.gcp_billing`
WHERE DATE(usage_start_time) = '2025-11-19'
  AND project.id = 'acme_corp'

-- id: 002_seed_dry_run
-- columns: ["message","timestamp","tenant_id"]
-- expect: [["Dry run successful","*","acme_corp"]]
SELECT
  'Dry run successful' as message,
  CURRENT_TIMESTAMP() as timestamp,
  'acme_corp' as tenant_id

-- id: 003_seed_auth_lookup_named_param
-- params: {"hash":{"type":"STRING","value":"h1"}}
-- expect: [["acme_corp",["read","run"],"2030-01-01T00:00:00Z"]]
SELECT tenant_id, scopes, expires_at
FROM tenants.tenant_api_keys
WHERE tenant_api_key_hash = @hash AND is_active = TRUE

-- id: 005_seed_next_queued
-- expect: [["q2"]]
SELECT queue_id FROM tenants.pipeline_execution_queue WHERE state = 'QUEUED' ORDER BY priority, scheduled_time LIMIT 1

-- id: 006_seed_runs_like
-- ordered: true
-- expect: [["r1","acme-cost_billing","acme_corp","COMPLETED","2025-11-19T02:00:00Z","2025-11-19T02:05:30.5Z",330500,null,"2025-11-19"],["r2","acme-cost_billing","acme_corp","FAILED","2025-11-18T02:00:00Z","2025-11-18T02:00:10Z",10000,"Error 403: Access Denied for table p:d.t","2025-11-18"]]
SELECT * FROM `gac-prod-471220.tenants.tenant_pipeline_runs`
WHERE pipeline_id LIKE '%cost_billing%'
ORDER BY start_time DESC
LIMIT 10

-- id: 007_seed_quota_reset_update
-- check: "SELECT SUM(pipelines_run_today) FROM tenants.tenant_usage_quotas"
-- expect: [[0]]
UPDATE tenants.tenant_usage_quotas SET pipelines_run_today=0 WHERE TRUE

-- id: 008_seed_retention_delete
-- check: "SELECT COUNT(*) FROM tenants.tenant_usage_quotas"
-- expect: [[3]]
DELETE FROM tenants.tenant_usage_quotas WHERE usage_date < DATE_SUB(DATE '2025-11-19', INTERVAL 90 DAY)

-- id: 011_claim_compare_and_set
-- params: {"id":{"type":"STRING","value":"q2"}}
-- check: "SELECT state FROM tenants.pipeline_execution_queue WHERE queue_id='q2'"
-- expect: [["PROCESSING"]]
UPDATE tenants.pipeline_execution_queue SET state = 'PROCESSING' WHERE queue_id = @id AND state = 'QUEUED'

-- id: 201_cost_by_service
-- source: "reference engine, documentation"
-- columns: ["service", "total", "n"]
-- ordered: true
-- str: true
-- expect: [["BigQuery", "45", 2], ["Compute", "33.169012234", 4], ["Support", "10", 1], ["Tax", "2", 1], ["Storage", "-1.099999999", 2]]
SELECT service, SUM(cost) AS total, COUNT(*) AS n FROM lab.spend GROUP BY service ORDER BY total DESC, service

-- id: 202_cost_net_of_credits
-- source: "reference engine, documentation"
-- columns: ["project", "net"]
-- ordered: true
-- str: true
-- expect: [[null, "12"], ["apollo", "16.095678902"], ["borealis", "37.233333333"], ["cygnus", "14.98"]]
SELECT project, SUM(cost) + SUM(IFNULL((SELECT SUM(c.amount) FROM UNNEST(credits) AS c), 0)) AS net FROM lab.spend GROUP BY project ORDER BY project

-- id: 203_cost_invoice_month
-- source: "reference engine, documentation"
-- columns: ["invoice_month", "total"]
-- ordered: true
-- str: true
-- expect: [["202511", "79.08"], ["202512", "9.99"]]
SELECT FORMAT_DATE('%Y%m', usage_date) AS invoice_month, ROUND(SUM(cost), 2) AS total FROM lab.spend GROUP BY invoice_month ORDER BY invoice_month

-- id: 204_cost_label_pivot
-- source: "reference engine, documentation"
-- columns: ["project", "env", "c"]
-- ordered: true
-- str: true
-- expect: [[null, null, "12"], ["apollo", null, "7.5"], ["apollo", "prod", "12.345678902"], ["borealis", null, "2.233333333"], ["borealis", "dev", "40"], ["cygnus", null, "9.99"], ["cygnus", "prod", "5"]]
SELECT project, (SELECT value FROM UNNEST(labels) WHERE key = 'env' LIMIT 1) AS env, SUM(cost) AS c FROM lab.spend GROUP BY project, env ORDER BY project, env

-- id: 205_cost_untagged_share
-- source: "reference engine, documentation"
-- columns: ["untagged", "pct"]
-- expect: [[4, 40]]
SELECT COUNTIF(ARRAY_LENGTH(labels) = 0) AS untagged, ROUND(100 * COUNTIF(ARRAY_LENGTH(labels) = 0) / COUNT(*), 3) AS pct FROM lab.spend

-- id: 206_cost_daily_delta
-- source: "reference engine, documentation"
-- columns: ["usage_date", "c", "delta"]
-- ordered: true
-- str: true
-- expect: [["2025-11-01", "12.345678902", null], ["2025-11-02", "47.5", "35.154321098"], ["2025-11-03", "2.233333333", "-45.266666667"], ["2025-11-05", "5", "2.766666667"], ["2025-11-30", "12", "7"], ["2025-12-01", "9.99", "-2.01"]]
SELECT usage_date, SUM(cost) AS c, SUM(cost) - LAG(SUM(cost)) OVER (ORDER BY usage_date) AS delta FROM lab.spend GROUP BY usage_date ORDER BY usage_date

-- id: 207_cost_month_to_date
-- source: "reference engine, documentation"
-- columns: ["usage_date", "mtd"]
-- ordered: true
-- str: true
-- expect: [["2025-11-01", "12.345678902"], ["2025-11-02", "59.845678902"], ["2025-11-03", "62.079012235"], ["2025-11-05", "67.079012235"], ["2025-11-30", "79.079012235"], ["2025-12-01", "9.99"]]
SELECT usage_date, SUM(SUM(cost)) OVER (PARTITION BY DATE_TRUNC(usage_date, MONTH) ORDER BY usage_date) AS mtd FROM lab.spend GROUP BY usage_date ORDER BY usage_date

-- id: 208_cost_gap_fill
-- source: "reference engine, documentation"
-- columns: ["d", "c"]
-- ordered: true
-- str: true
-- expect: [["2025-11-01", "12.345678902"], ["2025-11-02", "47.5"], ["2025-11-03", "2.233333333"], ["2025-11-04", "0"], ["2025-11-05", "5"]]
SELECT d, IFNULL(SUM(s.cost), 0) AS c FROM UNNEST(GENERATE_DATE_ARRAY('2025-11-01', '2025-11-05')) AS d LEFT JOIN lab.spend AS s ON s.usage_date = d GROUP BY d ORDER BY d

-- id: 209_cost_share_of_total
-- source: "reference engine, documentation"
-- columns: ["service", "share"]
-- ordered: true
-- str: true
-- expect: [["BigQuery", "0.505226"], ["Compute", "0.372397"], ["Storage", "-0.01235"], ["Support", "0.112272"], ["Tax", "0.022454"]]
SELECT service, ROUND(SUM(cost) / SUM(SUM(cost)) OVER (), 6) AS share FROM lab.spend GROUP BY service ORDER BY service

-- id: 210_cost_budget_left_join
-- source: "reference engine, documentation"
-- columns: ["project", "amount", "used", "rest"]
-- ordered: true
-- str: true
-- expect: [["apollo", "100", "19.845678902", "80.154321098"], ["borealis", "35.5", "42.233333333", "-6.733333333"], ["dormant", "1", null, null]]
SELECT b.project, b.amount, SUM(s.cost) AS used, b.amount - SUM(s.cost) AS rest FROM lab.budget AS b LEFT JOIN lab.spend AS s ON s.project = b.project AND DATE_TRUNC(s.usage_date, MONTH) = b.month GROUP BY b.project, b.amount ORDER BY b.project

-- id: 211_cost_top_sku_per_project
-- source: "reference engine, documentation"
-- columns: ["project", "sku", "cost"]
-- ordered: true
-- str: true
-- expect: [[null, "S-1", "10"], ["apollo", "A-1", "12.345678901"], ["borealis", "B-1", "40"], ["cygnus", "C-2", "9.99"]]
SELECT project, sku, cost FROM lab.spend WHERE TRUE QUALIFY ROW_NUMBER() OVER (PARTITION BY project ORDER BY cost DESC, sku) = 1 ORDER BY project

-- id: 212_cost_currency_asof
-- source: "reference engine, documentation"
-- columns: ["sku", "usd"]
-- ordered: true
-- str: true
-- expect: [["A-1", "7.8"], ["A-1", "12.3457"], ["A-2", "0"], ["B-1", "40"], ["B-2", "3.8667"], ["B-3", "-1.1"], ["C-1", "5"], ["C-2", "9.99"], ["S-1", "10"], ["T-1", "2"]]
SELECT s.sku, ROUND(s.cost * CAST(r.rate AS NUMERIC), 4) AS usd FROM lab.spend AS s JOIN lab.fx AS r ON r.currency = s.currency WHERE r.valid_from <= s.usage_date QUALIFY ROW_NUMBER() OVER (PARTITION BY s.sku, s.usage_date, s.cost ORDER BY r.valid_from DESC) = 1 ORDER BY s.sku, usd

-- id: 213_cost_rollup_grand_total
-- source: "reference engine, documentation"
-- columns: ["p", "s", "c"]
-- str: true
-- expect: [["all", "all", "77.069012235"], ["apollo", "all", "19.845678902"], ["apollo", "Compute", "19.845678901"], ["apollo", "Storage", "0.000000001"], ["borealis", "all", "42.233333333"], ["borealis", "BigQuery", "40"], ["borealis", "Compute", "3.333333333"], ["borealis", "Storage", "-1.1"], ["cygnus", "all", "14.99"], ["cygnus", "BigQuery", "5"], ["cygnus", "Compute", "9.99"]]
SELECT IFNULL(project, 'all') AS p, IFNULL(service, 'all') AS s, SUM(cost) AS c FROM lab.spend WHERE project IS NOT NULL GROUP BY ROLLUP(project, service)

-- id: 214_cost_grouping_marks
-- source: "reference engine, documentation"
-- columns: ["project", "service", "gp", "gs", "c"]
-- str: true
-- expect: [[null, null, 1, 1, "89.069012235"], [null, null, 0, 1, "12"], [null, "BigQuery", 1, 0, "45"], [null, "Compute", 1, 0, "33.169012234"], [null, "Storage", 1, 0, "-1.099999999"], [null, "Support", 1, 0, "10"], [null, "Support", 0, 0, "10"], [null, "Tax", 1, 0, "2"], [null, "Tax", 0, 0, "2"], ["apollo", null, 0, 1, "19.845678902"], ["apollo", "Compute", 0, 0, "19.845678901"], ["apollo", "Storage", 0, 0, "0.000000001"], ["borealis", null, 0, 1, "42.233333333"], ["borealis", "BigQuery", 0, 0, "40"], ["borealis", "Compute", 0, 0, "3.333333333"], ["borealis", "Storage", 0, 0, "-1.1"], ["cygnus", null, 0, 1, "14.99"], ["cygnus", "BigQuery", 0, 0, "5"], ["cygnus", "Compute", 0, 0, "9.99"]]
SELECT project, service, GROUPING(project) AS gp, GROUPING(service) AS gs, SUM(cost) AS c FROM lab.spend GROUP BY CUBE(project, service)

-- id: 215_cost_grouping_sets_mixed
-- source: "reference engine, documentation"
-- columns: ["project", "currency", "n"]
-- expect: [[null, null, 10], [null, null, 2], [null, "USD", 2], ["apollo", null, 3], ["apollo", "EUR", 1], ["apollo", "USD", 2], ["borealis", null, 3], ["borealis", "EUR", 1], ["borealis", "USD", 2], ["cygnus", null, 2], ["cygnus", "USD", 2]]
SELECT project, currency, COUNT(*) AS n FROM lab.spend GROUP BY GROUPING SETS ((project, currency), project, ())

-- id: 216_cost_moving_average
-- source: "reference engine, documentation"
-- columns: ["usage_date", "ma3"]
-- ordered: true
-- str: true
-- expect: [["2025-11-01", "12.34568"], ["2025-11-02", "29.92284"], ["2025-11-03", "20.693"], ["2025-11-05", "18.24444"], ["2025-11-30", "6.41111"], ["2025-12-01", "8.99667"]]
SELECT usage_date, ROUND(AVG(SUM(cost)) OVER (ORDER BY usage_date ROWS BETWEEN 2 PRECEDING AND CURRENT ROW), 5) AS ma3 FROM lab.spend GROUP BY usage_date ORDER BY usage_date

-- id: 218_cost_allocation_even_split
-- source: "reference engine, documentation"
-- columns: ["project", "part"]
-- ordered: true
-- str: true
-- expect: [["apollo", "4"], ["borealis", "4"], ["cygnus", "4"]]
SELECT p AS project, ROUND(total / cnt, 9) AS part FROM (SELECT ARRAY_AGG(DISTINCT project IGNORE NULLS ORDER BY project) AS ps, SUM(IF(project IS NULL, cost, 0)) AS total, COUNT(DISTINCT project) AS cnt FROM lab.spend) AS t, UNNEST(t.ps) AS p ORDER BY p

-- id: 219_cost_allocation_weighted
-- source: "reference engine, documentation"
-- columns: ["project", "full_cost"]
-- ordered: true
-- str: true
-- expect: [["apollo", "22.935742469"], ["borealis", "48.809257758"], ["cygnus", "17.324012008"]]
WITH shared AS (SELECT SUM(cost) AS c FROM lab.spend WHERE project IS NULL), owned AS (SELECT project, SUM(cost) AS c FROM lab.spend WHERE project IS NOT NULL GROUP BY project) SELECT o.project, o.c + s.c * o.c / SUM(o.c) OVER () AS full_cost FROM owned AS o CROSS JOIN shared AS s ORDER BY o.project

-- id: 220_cost_labels_to_json
-- source: "reference engine, documentation"
-- columns: ["sku", "tags"]
-- ordered: true
-- expect: [["A-1", "[]"], ["A-1", "[{\"key\":\"env\",\"value\":\"prod\"},{\"key\":\"team\",\"value\":\"core\"}]"], ["A-2", "[{\"key\":\"env\",\"value\":\"prod\"}]"], ["B-1", "[{\"key\":\"env\",\"value\":\"dev\"}]"], ["B-2", "[{\"key\":\"team\",\"value\":null}]"], ["B-3", "[]"], ["C-1", "[{\"key\":\"env\",\"value\":\"prod\"},{\"key\":\"env\",\"value\":\"dup\"}]"], ["C-2", "[{\"key\":\"team\",\"value\":\"data\"}]"], ["S-1", "[]"], ["T-1", "[]"]]
SELECT sku, TO_JSON_STRING(ARRAY(SELECT AS STRUCT key, value FROM UNNEST(labels) ORDER BY key)) AS tags FROM lab.spend ORDER BY sku, cost

-- id: 221_cost_distinct_services_array
-- source: "reference engine, documentation"
-- columns: ["services"]
-- expect: [["BigQuery|Compute|Storage|Support|Tax"]]
SELECT ARRAY_TO_STRING(ARRAY(SELECT DISTINCT service FROM lab.spend ORDER BY service), '|') AS services

-- id: 222_cost_percentile
-- source: "reference engine, documentation"
-- columns: ["p90", "med"]
-- str: true
-- expect: [[15.111111010900006, "5"]]
SELECT DISTINCT PERCENTILE_CONT(CAST(cost AS FLOAT64), 0.9) OVER () AS p90, PERCENTILE_DISC(cost, 0.5) OVER () AS med FROM lab.spend

-- id: 223_cost_having_alias
-- source: "reference engine, documentation"
-- columns: ["service", "total"]
-- ordered: true
-- str: true
-- expect: [["BigQuery", "45"], ["Compute", "33.169012234"]]
SELECT service, SUM(cost) AS total FROM lab.spend GROUP BY 1 HAVING total > 10 ORDER BY 2 DESC

-- id: 224_cost_exists_credit
-- source: "reference engine, documentation"
-- columns: ["sku"]
-- ordered: true
-- expect: [["A-1"], ["A-1"], ["C-2"]]
SELECT sku FROM lab.spend AS s WHERE EXISTS (SELECT 1 FROM UNNEST(s.credits) AS c WHERE c.name LIKE 'SUD%') ORDER BY sku

-- id: 225_cost_anti_join
-- source: "reference engine, documentation"
-- columns: ["project"]
-- ordered: true
-- expect: [["cygnus"]]
SELECT DISTINCT s.project FROM lab.spend AS s WHERE s.project NOT IN (SELECT project FROM lab.budget) ORDER BY 1

-- id: 226_cost_not_in_with_null
-- source: "reference engine, documentation"
-- columns: ["n"]
-- expect: [[0]]
SELECT COUNT(*) AS n FROM lab.budget WHERE project NOT IN (SELECT project FROM lab.spend)

-- id: 227_cost_cum_share_pareto
-- source: "reference engine, documentation"
-- columns: ["service", "c", "cum"]
-- ordered: true
-- str: true
-- expect: [["BigQuery", "45", "0.5052"], ["Compute", "33.169012234", "0.8776"], ["Support", "10", "0.9899"], ["Tax", "2", "1.0123"], ["Storage", "-1.099999999", "1"]]
SELECT service, c, ROUND(SUM(c) OVER (ORDER BY c DESC, service) / SUM(c) OVER (), 4) AS cum FROM (SELECT service, SUM(cost) AS c FROM lab.spend GROUP BY service) ORDER BY c DESC, service

-- id: 228_cost_first_last_day
-- source: "reference engine, documentation"
-- columns: ["a", "b", "days"]
-- expect: [["2025-11-01", "2025-12-01", 31]]
SELECT MIN(usage_date) AS a, MAX(usage_date) AS b, DATE_DIFF(MAX(usage_date), MIN(usage_date), DAY) + 1 AS days FROM lab.spend

-- id: 229_cost_avg_numeric_scale
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- str: true
-- expect: [["8.906901224", "8.906901224", "12.724144605"]]
SELECT AVG(cost) AS a, SUM(cost) / COUNT(*) AS b, SUM(cost) / 7 AS c FROM lab.spend

-- id: 230_cost_conditional_sums
-- source: "reference engine, documentation"
-- columns: ["project", "compute", "other"]
-- ordered: true
-- str: true
-- expect: [["apollo", "19.845678901", "0.000000001"], ["borealis", "3.333333333", "38.9"], ["cygnus", "9.99", "5"], [null, "0", "12"]]
SELECT project, SUM(CASE WHEN service = 'Compute' THEN cost ELSE 0 END) AS compute, SUM(IF(service <> 'Compute', cost, NULL)) AS other FROM lab.spend GROUP BY project ORDER BY project NULLS LAST

-- id: 231_cost_union_by_name
-- source: "reference engine, documentation"
-- columns: ["a", "b"]
-- expect: [[1, "x"], [2, "y"]]
SELECT * FROM (SELECT 1 AS a, 'x' AS b) UNION ALL BY NAME SELECT * FROM (SELECT 'y' AS b, 2 AS a)

-- id: 232_cost_full_union_by_name
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [[1, "x", null], [null, "y", true]]
SELECT 1 AS a, 'x' AS b FULL UNION ALL BY NAME SELECT 'y' AS b, TRUE AS c

-- id: 233_focus_charge_category
-- source: "reference engine, documentation"
-- columns: ["sku", "ChargeCategory", "BillingCurrency", "BillingPeriodStart"]
-- ordered: true
-- expect: [["A-1", "Usage", "EUR", "2025-11-01T00:00:00Z"], ["A-1", "Usage", "USD", "2025-11-01T00:00:00Z"], ["A-2", "Usage", "USD", "2025-11-01T00:00:00Z"], ["B-1", "Usage", "USD", "2025-11-01T00:00:00Z"], ["B-2", "Usage", "EUR", "2025-11-01T00:00:00Z"], ["B-3", "Credit", "USD", "2025-11-01T00:00:00Z"], ["C-1", "Usage", "USD", "2025-11-01T00:00:00Z"], ["C-2", "Usage", "USD", "2025-12-01T00:00:00Z"], ["S-1", "Usage", "USD", "2025-11-01T00:00:00Z"], ["T-1", "Tax", "USD", "2025-11-01T00:00:00Z"]]
SELECT sku, CASE WHEN cost < 0 THEN 'Credit' WHEN service = 'Tax' THEN 'Tax' ELSE 'Usage' END AS ChargeCategory, currency AS BillingCurrency, TIMESTAMP_TRUNC(started, MONTH) AS BillingPeriodStart FROM lab.spend ORDER BY sku, cost

-- id: 234_focus_billing_period_end
-- source: "reference engine, documentation"
-- columns: ["BillingPeriodEnd"]
-- expect: [["2025-12-01T00:00:00Z"]]
SELECT TIMESTAMP(DATE_ADD(DATE_TRUNC(DATE '2025-11-19', MONTH), INTERVAL 1 MONTH)) AS BillingPeriodEnd

-- id: 235_focus_tags_object
-- source: "reference engine, documentation"
-- columns: ["sku", "Tags"]
-- ordered: true
-- expect: [["A-1", "{\"env\":\"prod\",\"team\":\"core\"}"], ["A-2", "{\"env\":\"prod\"}"], ["B-1", "{\"env\":\"dev\"}"], ["B-2", "{}"], ["B-3", "{}"], ["C-1", "{\"env\":\"dup\",\"env\":\"prod\"}"], ["C-2", "{\"team\":\"data\"}"], ["S-1", "{}"], ["T-1", "{}"]]
SELECT sku, CONCAT('{', IFNULL(STRING_AGG(FORMAT('"%s":"%s"', l.key, l.value), ',' ORDER BY l.key, l.value), ''), '}') AS Tags FROM lab.spend LEFT JOIN UNNEST(labels) AS l GROUP BY sku ORDER BY sku

-- id: 236_focus_unit_price
-- source: "reference engine, documentation"
-- columns: ["sku", "unit_price"]
-- ordered: true
-- str: true
-- expect: [["A-1", "1.25"], ["A-1", "1.23456789"], ["A-2", "0.000000002"], ["B-1", null], ["B-2", "1.111111111"], ["B-3", "-1.1"], ["C-1", "2"], ["C-2", "9.99"], ["S-1", "10"], ["T-1", "2"]]
SELECT sku, cost / NULLIF(CAST(qty AS NUMERIC), 0) AS unit_price FROM lab.spend ORDER BY sku, cost

-- id: 237_focus_region_split
-- source: "reference engine, documentation"
-- columns: ["zone", "region", "none"]
-- expect: [["b", "us-east1", null]]
SELECT SPLIT('us-east1-b', '-')[SAFE_OFFSET(2)] AS zone, REGEXP_EXTRACT('us-east1-b', r'^(.*)-[a-z]$') AS region, SPLIT('global', '-')[SAFE_OFFSET(2)] AS none

-- id: 238_focus_account_id
-- source: "reference engine, documentation"
-- columns: ["account", "parts"]
-- expect: [["000123456789", "000123456789/eu-west-1/ec2"]]
SELECT LPAD(CAST(123456789 AS STRING), 12, '0') AS account, REGEXP_REPLACE('arn:aws:ec2:eu-west-1:000123456789:instance/i-1', r'^arn:[^:]*:([^:]*):([^:]*):([^:]*):.*$', r'\3/\2/\1') AS parts

-- id: 239_focus_null_string_empty
-- source: "reference engine, documentation"
-- columns: ["a", "b", "c"]
-- expect: [[true, "n/a", true]]
SELECT NULLIF(TRIM('  '), '') IS NULL AS a, COALESCE(NULLIF('', ''), 'n/a') AS b, IFNULL(CAST(NULL AS STRING), '') = '' AS c

-- id: 240_focus_commitment_savings
-- source: "reference engine, documentation"
-- columns: ["project", "saved", "rate"]
-- ordered: true
-- str: true
-- expect: [[null, "0", "0"], ["apollo", "4.154321099", "0.173096712"], ["borealis", "1.766666667", "0.040151515"], ["cygnus", "0.01", "0.000666667"]]
SELECT project, SUM(list_cost - cost) AS saved, SAFE_DIVIDE(SUM(list_cost - cost), SUM(list_cost)) AS rate FROM lab.spend GROUP BY project ORDER BY project

-- id: 241_focus_json_tags_lookup
-- source: "reference engine, documentation"
-- columns: ["id", "team", "cc"]
-- ordered: true
-- expect: [[1, "core", "cc1"], [2, null, null], [3, null, null], [4, null, null]]
SELECT id, JSON_VALUE(payload, '$.tags.team') AS team, JSON_VALUE(payload, '$.tags."cost-center"') AS cc FROM lab.events ORDER BY id

-- id: 987_h_union_nulls_values_table
-- source: "reference engine, documentation"
-- columns: ["ProviderName", "CommitmentDiscountId"]
-- expect: [["A", null], ["B", "cud-1"]]
SELECT ProviderName, CommitmentDiscountId FROM (SELECT 'A' AS ProviderName, NULL AS CommitmentDiscountId UNION ALL SELECT 'B', 'cud-1')

-- id: 999_h_unpivot_costs
-- source: "reference engine, documentation"
-- columns: ["sku", "metric", "v"]
-- ordered: true
-- str: true
-- expect: [["C-1", "BilledCost", "5"], ["C-1", "ListCost", "5"], ["C-2", "BilledCost", "9.99"], ["C-2", "ListCost", "10"]]
SELECT sku, metric, v FROM (SELECT sku, cost AS BilledCost, list_cost AS ListCost FROM lab.spend WHERE project = 'cygnus') UNPIVOT (v FOR metric IN (BilledCost, ListCost)) ORDER BY sku, metric

-- id: 1000_h_full_outer_reconcile
-- source: "reference engine, documentation"
-- columns: ["p", "spend", "budget"]
-- ordered: true
-- str: true
-- expect: [["apollo", "19.845678902", "100"], ["borealis", "42.233333333", "35.5"], ["cygnus", "14.99", null], ["dormant", null, "1"]]
SELECT COALESCE(a.project, b.project) AS p, a.c AS spend, b.amount AS budget FROM (SELECT project, SUM(cost) AS c FROM lab.spend WHERE project IS NOT NULL GROUP BY project) AS a FULL OUTER JOIN lab.budget AS b ON a.project = b.project ORDER BY p

-- id: 1001_h_month_over_month
-- source: "reference engine, documentation"
-- columns: ["mon", "c", "delta", "pct"]
-- ordered: true
-- str: true
-- expect: [["2025-11-01", "79.079012235", null, null], ["2025-12-01", "9.99", "-69.089012235", "-87.37"]]
WITH m AS (SELECT DATE_TRUNC(usage_date, MONTH) AS mon, SUM(cost) AS c FROM lab.spend GROUP BY mon) SELECT mon, c, c - LAG(c) OVER (ORDER BY mon) AS delta, ROUND(SAFE_DIVIDE(c - LAG(c) OVER (ORDER BY mon), LAG(c) OVER (ORDER BY mon)) * 100, 2) AS pct FROM m ORDER BY mon

-- id: 1002_h_top_n_with_other
-- source: "reference engine, documentation"
-- columns: ["s", "c"]
-- ordered: true
-- str: true
-- expect: [["BigQuery", "45"], ["Compute", "33.169012234"], ["Other", "10.900000001"]]
WITH r AS (SELECT service, SUM(cost) AS c, RANK() OVER (ORDER BY SUM(cost) DESC) AS k FROM lab.spend GROUP BY service) SELECT IF(k <= 2, service, 'Other') AS s, SUM(c) AS c FROM r GROUP BY s ORDER BY c DESC

-- id: 1003_h_amortise_month
-- source: "reference engine, documentation"
-- columns: ["d", "daily"]
-- ordered: true
-- str: true
-- expect: [["2025-02-27", "3.571429"], ["2025-02-28", "3.571429"], ["2025-03-01", "3.225806"], ["2025-03-02", "3.225806"]]
SELECT d, ROUND(NUMERIC '100' / EXTRACT(DAY FROM LAST_DAY(d)), 6) AS daily FROM UNNEST(GENERATE_DATE_ARRAY('2025-02-27', '2025-03-02')) AS d ORDER BY d

-- id: 1004_h_credit_types_pivot
-- source: "reference engine, documentation"
-- columns: ["project", "sud", "rest"]
-- ordered: true
-- str: true
-- expect: [[null, "0", "0"], ["apollo", "-1.75", "-2"], ["borealis", "0", "-5"], ["cygnus", "-0.01", "0"]]
SELECT project, SUM((SELECT IFNULL(SUM(c.amount), 0) FROM UNNEST(credits) AS c WHERE c.name = 'SUD')) AS sud, SUM((SELECT IFNULL(SUM(c.amount), 0) FROM UNNEST(credits) AS c WHERE c.name <> 'SUD')) AS rest FROM lab.spend GROUP BY project ORDER BY project
