-- id: 161_merge_upsert
-- check: "SELECT COUNT(*), SUM(cost) FROM acme_corp.gcp_cost_daily"
-- expect: [[6,24.75]]
MERGE INTO `gac-prod-471220.acme_corp.gcp_cost_daily` AS T USING (SELECT DATE(usage_start_time) AS usage_date, service.description AS service_name, CAST(SUM(cost) AS NUMERIC) AS cost, CURRENT_TIMESTAMP() AS updated_at FROM `gac-prod-471220.billing_export.gcp_billing` WHERE project.id = 'acme_corp' GROUP BY 1, 2) AS S
ON T.usage_date = S.usage_date AND T.service_name = S.service_name
WHEN MATCHED THEN UPDATE SET cost = S.cost, updated_at = S.updated_at
WHEN NOT MATCHED THEN INSERT (usage_date, service_name, cost, updated_at) VALUES (S.usage_date, S.service_name, S.cost, S.updated_at)

-- id: 162_merge_replace_by_source
-- check: "SELECT COUNT(*), SUM(cost) FROM acme_corp.gcp_cost_daily"
-- expect: [[5,23.75]]
MERGE acme_corp.gcp_cost_daily T USING (SELECT DATE(usage_start_time) AS usage_date, service.description AS service_name, CAST(SUM(cost) AS NUMERIC) AS cost, CURRENT_TIMESTAMP() AS updated_at FROM `gac-prod-471220.billing_export.gcp_billing` WHERE project.id = 'acme_corp' GROUP BY 1, 2) S ON T.usage_date = S.usage_date AND T.service_name = S.service_name
WHEN MATCHED AND T.cost <> S.cost THEN UPDATE SET cost = S.cost
WHEN NOT MATCHED BY TARGET THEN INSERT ROW
WHEN NOT MATCHED BY SOURCE THEN DELETE

-- id: 164_insert_nested_values
-- check: "SELECT service.description, labels[1].key, len(labels) FROM billing_export.gcp_billing WHERE billing_account_id='A9'"
-- expect: [["Svc","k",1]]
INSERT INTO `gac-prod-471220.billing_export.gcp_billing` (billing_account_id, service, labels, cost) VALUES ('A9', STRUCT('x', 'Svc'), [STRUCT('k' AS key, 'v' AS value)], 1.0)

-- id: 165_insert_select
-- check: "SELECT COUNT(*), SUM(cost) FROM acme_corp.gcp_cost_daily"
-- expect: [[3,30]]
INSERT INTO acme_corp.gcp_cost_daily (usage_date, service_name, cost) SELECT DATE(usage_start_time), service.description, CAST(cost AS NUMERIC) FROM `gac-prod-471220.billing_export.gcp_billing` WHERE project.id = 'globex'

-- id: 166_insert_without_into_multi
-- check: "SELECT COUNT(*), SUM(cost) FROM acme_corp.gcp_cost_daily"
-- expect: [[4,13.5]]
INSERT acme_corp.gcp_cost_daily (usage_date, service_name, cost) VALUES ('2025-11-21', 'a', 1), (DATE '2025-11-22', 'b', NUMERIC '2.5')

-- id: 168_update_struct_field
-- check: "SELECT service.description FROM billing_export.gcp_billing WHERE sku.id='S2'"
-- expect: [["CE"]]
UPDATE `gac-prod-471220.billing_export.gcp_billing` SET service.description = 'CE' WHERE sku.id = 'S2'

-- id: 169_delete_subquery
-- check: "SELECT COUNT(*) FROM tenants.pipeline_execution_queue"
-- expect: [[2]]
DELETE FROM tenants.pipeline_execution_queue WHERE queue_id IN (SELECT queue_id FROM tenants.pipeline_execution_queue WHERE state = 'PROCESSING' AND scheduled_time < TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 1 HOUR))

-- id: 1006_dml_insert_values_default
-- source: "documentation"
-- check: "SELECT project, month, amount FROM lab.budget WHERE project IN ('new', 'other')"
-- str: true
-- expect: [["new", null, "12.5"], ["other", null, null]]
INSERT INTO lab.budget (project, amount) VALUES ('new', 12.5), ('other', NULL)

-- id: 1007_dml_insert_select
-- source: "documentation"
-- check: "SELECT project, month, amount FROM lab.budget WHERE project = 'cygnus'"
-- str: true
-- expect: [["cygnus", "2025-11-01", "5"], ["cygnus", "2025-12-01", "9.99"]]
INSERT lab.budget SELECT project, DATE_TRUNC(usage_date, MONTH), SUM(cost) FROM lab.spend WHERE project = 'cygnus' GROUP BY 1, 2

-- id: 1008_dml_insert_wrong_type_errors
-- source: "documentation"
-- expect: "ERROR"
INSERT INTO lab.budget (project, month) VALUES (5, DATE '2025-01-01')

-- id: 1009_dml_insert_too_few_columns_errors
-- source: "documentation"
-- expect: "ERROR"
INSERT INTO lab.budget (project, month) VALUES ('a')

-- id: 1010_dml_insert_numeric_rounds
-- source: "documentation"
-- check: "SELECT project, amount FROM lab.budget WHERE project IN ('r', 'f')"
-- str: true
-- expect: [["r", "1.123456789"], ["f", "0.1"]]
INSERT INTO lab.budget (project, amount) VALUES ('r', NUMERIC '1.123456789'), ('f', 0.1)

-- id: 1011_dml_insert_float_expression_into_numeric_errors
-- source: "documentation"
-- expect: "ERROR"
INSERT INTO lab.budget (project, amount) SELECT 'x', rate FROM lab.fx

-- id: 1012_dml_insert_unnest_struct
-- source: "documentation"
-- check: "SELECT COUNT(*) FROM lab.budget"
-- expect: [[5]]
INSERT INTO lab.budget (project, month, amount) SELECT x.p, x.m, x.a FROM UNNEST([STRUCT('s1' AS p, DATE '2025-01-01' AS m, NUMERIC '1' AS a), ('s2', DATE '2025-02-01', NUMERIC '2')]) AS x

-- id: 1013_dml_insert_subquery_value
-- source: "documentation"
-- check: "SELECT amount FROM lab.budget WHERE project = 'm'"
-- str: true
-- expect: [["40"]]
INSERT INTO lab.budget (project, amount) VALUES ('m', (SELECT MAX(cost) FROM lab.spend))

-- id: 1015_dml_update_where_true
-- source: "documentation"
-- check: "SELECT project, amount FROM lab.budget"
-- str: true
-- expect: [["apollo", "200"], ["borealis", "71"], ["dormant", "2"]]
UPDATE lab.budget SET amount = amount * 2 WHERE TRUE

-- id: 1016_dml_update_no_where_errors
-- source: "documentation"
-- expect: "ERROR"
UPDATE lab.budget SET amount = 0

-- id: 1017_dml_delete_no_where_errors
-- source: "documentation"
-- expect: "ERROR"
DELETE FROM lab.budget

-- id: 1018_dml_update_swaps_old_values
-- source: "documentation"
-- check: "SELECT currency, rate FROM lab.fx WHERE rate = 3"
-- str: true
-- expect: [["1", 3]]
UPDATE lab.fx SET currency = CAST(rate AS STRING), rate = LENGTH(currency) WHERE currency = 'USD'

-- id: 1019_dml_update_from_join
-- source: "documentation"
-- check: "SELECT project, amount FROM lab.budget"
-- str: true
-- expect: [["apollo", "19.845678902"], ["borealis", "42.233333333"], ["dormant", "1"]]
UPDATE lab.budget AS b SET amount = s.total FROM (SELECT project, SUM(cost) AS total FROM lab.spend GROUP BY project) AS s WHERE s.project = b.project

-- id: 1020_dml_update_from_multiple_matches_errors
-- source: "documentation"
-- expect: "ERROR"
UPDATE lab.budget AS b SET amount = s.cost FROM lab.spend AS s WHERE s.project = b.project

-- id: 1021_dml_update_set_default
-- source: "documentation"
-- check: "SELECT amount FROM lab.budget WHERE project = 'apollo'"
-- expect: [[null]]
UPDATE lab.budget SET amount = DEFAULT WHERE project = 'apollo'

-- id: 1022_dml_update_correlated_subquery
-- source: "documentation"
-- check: "SELECT project, amount FROM lab.budget"
-- str: true
-- expect: [["apollo", "19.845678902"], ["borealis", "42.233333333"], ["dormant", "0"]]
UPDATE lab.budget SET amount = (SELECT IFNULL(SUM(s.cost), 0) FROM lab.spend AS s WHERE s.project = budget.project) WHERE month = '2025-11-01'

-- id: 1023_dml_update_array_column
-- source: "documentation"
-- check: "SELECT labels FROM lab.spend WHERE sku = 'C-1'"
-- str: true
-- expect: [[[{"key": "env", "value": "PROD"}, {"key": "env", "value": "DUP"}]]]
UPDATE lab.spend SET labels = ARRAY(SELECT AS STRUCT l.key, UPPER(l.value) AS value FROM UNNEST(labels) AS l) WHERE sku = 'C-1'

-- id: 1024_dml_update_case_expression
-- source: "documentation"
-- check: "SELECT project, amount FROM lab.budget"
-- str: true
-- expect: [["apollo", "50"], ["borealis", "35.5"], ["dormant", "1"]]
UPDATE lab.budget SET amount = CASE WHEN amount > 50 THEN NUMERIC '50' ELSE amount END WHERE project LIKE '%o%'

-- id: 1025_dml_delete_in_subquery
-- source: "documentation"
-- check: "SELECT project FROM lab.budget"
-- str: true
-- expect: [["apollo"], ["borealis"]]
DELETE FROM lab.budget WHERE project NOT IN (SELECT DISTINCT project FROM lab.spend WHERE project IS NOT NULL)

-- id: 1026_dml_delete_exists_alias
-- source: "documentation"
-- check: "SELECT project FROM lab.budget"
-- str: true
-- expect: [["apollo"], ["dormant"]]
DELETE lab.budget AS b WHERE EXISTS (SELECT 1 FROM lab.spend AS s WHERE s.project = b.project AND s.cost > 20)

-- id: 1027_dml_merge_upsert
-- source: "documentation"
-- check: "SELECT project, month, amount FROM lab.budget"
-- str: true
-- expect: [["apollo", "2025-11-01", "7"], ["borealis", "2025-11-01", "35.5"], ["dormant", "2025-11-01", "1"], ["fresh", "2025-12-01", "8"]]
MERGE lab.budget AS t USING (SELECT 'apollo' AS project, NUMERIC '7' AS amount UNION ALL SELECT 'fresh', NUMERIC '8') AS s ON t.project = s.project WHEN MATCHED THEN UPDATE SET amount = s.amount WHEN NOT MATCHED THEN INSERT (project, month, amount) VALUES (s.project, DATE '2025-12-01', s.amount)

-- id: 1028_dml_merge_by_source_delete
-- source: "documentation"
-- check: "SELECT project FROM lab.budget"
-- str: true
-- expect: [["apollo"], ["borealis"]]
MERGE INTO lab.budget t USING (SELECT DISTINCT project FROM lab.spend) s ON t.project = s.project WHEN NOT MATCHED BY SOURCE THEN DELETE

-- id: 1029_dml_merge_first_clause_wins
-- source: "documentation"
-- check: "SELECT project, amount FROM lab.budget WHERE project = 'apollo'"
-- str: true
-- expect: [["apollo", "1"]]
MERGE lab.budget t USING (SELECT 'apollo' AS project) s ON t.project = s.project WHEN MATCHED AND t.amount > 50 THEN UPDATE SET amount = 1 WHEN MATCHED THEN DELETE

-- id: 1030_dml_merge_duplicate_source_errors
-- source: "documentation"
-- expect: "ERROR"
MERGE lab.budget t USING (SELECT 'apollo' AS project, 1 AS x UNION ALL SELECT 'apollo', 2) s ON t.project = s.project WHEN MATCHED THEN UPDATE SET amount = s.x

-- id: 1031_dml_merge_duplicate_source_insert_only
-- source: "documentation"
-- check: "SELECT COUNT(*) FROM lab.budget WHERE project = 'zed'"
-- expect: [[2]]
MERGE lab.budget t USING (SELECT 'zed' AS project UNION ALL SELECT 'zed') s ON t.project = s.project WHEN NOT MATCHED THEN INSERT (project) VALUES (s.project)

-- id: 1032_dml_merge_insert_row
-- source: "documentation"
-- check: "SELECT currency, rate FROM lab.fx WHERE currency = 'GBP'"
-- str: true
-- expect: [["GBP", 1.3]]
MERGE lab.fx t USING (SELECT 'GBP' AS currency, DATE '2025-01-01' AS valid_from, 1.3 AS rate) s ON FALSE WHEN NOT MATCHED THEN INSERT ROW

-- id: 1033_dml_merge_by_source_condition_update
-- source: "documentation"
-- check: "SELECT project, amount FROM lab.budget WHERE month IS NULL"
-- str: true
-- expect: [["dormant", "0"]]
MERGE lab.budget t USING (SELECT 'apollo' AS project) s ON t.project = s.project WHEN NOT MATCHED BY SOURCE AND t.amount < 10 THEN UPDATE SET amount = 0, month = NULL

-- id: 1034_dml_merge_null_keys
-- source: "documentation"
-- check: "SELECT COUNT(*) FROM lab.nums WHERE n IS NULL"
-- expect: [[2]]
MERGE lab.nums t USING (SELECT CAST(NULL AS INT64) AS n) s ON t.n = s.n WHEN NOT MATCHED THEN INSERT (n, s) VALUES (s.n, 'added')

-- id: 1035_dml_truncate
-- source: "documentation"
-- check: "SELECT COUNT(*) FROM lab.budget"
-- expect: [[0]]
TRUNCATE TABLE lab.budget

-- id: 1036_dml_insert_json_literal
-- source: "documentation"
-- check: "SELECT id, ts FROM lab.events WHERE id = 9"
-- str: true
-- expect: [[9, "2025-01-01T00:00:00Z"]]
INSERT INTO lab.events (id, payload, ts) VALUES (9, JSON '{"a": [1, 2]}', TIMESTAMP '2025-01-01')

-- id: 1037_dml_update_nested_struct_field
-- source: "documentation"
-- check: "SELECT credits FROM lab.spend WHERE sku = 'T-1'"
-- str: true
-- expect: [[[{"name": "adj", "amount": "-1"}]]]
UPDATE lab.spend SET credits = [STRUCT('adj' AS name, NUMERIC '-1' AS amount)] WHERE sku = 'T-1'
