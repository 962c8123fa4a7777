-- id: 156_create_table_full
-- check: "SELECT * FROM (SELECT list(data_type ORDER BY column_index) l FROM duckdb_columns() WHERE table_name='t1' AND schema_name='acme_corp')"
-- flat: true
-- expect: [["DATE","VARCHAR","DECIMAL(38,9)","STRUCT(\"key\" VARCHAR, \"value\" VARCHAR)[]","STRUCT(a BIGINT, b VARCHAR[])","JSON","TIMESTAMP WITH TIME ZONE","BLOB","TIMESTAMP","*","DOUBLE","BOOLEAN","VARCHAR","DECIMAL(10,2)"]]
CREATE TABLE acme_corp.t1 (
  usage_date DATE NOT NULL, svc STRING OPTIONS(description='service'), cost NUMERIC, labels ARRAY<STRUCT<key STRING, value STRING>>,
  meta STRUCT<a INT64, b ARRAY<STRING>>, p JSON, ts TIMESTAMP DEFAULT CURRENT_TIMESTAMP(), raw BYTES, dt DATETIME, bn BIGNUMERIC, f FLOAT64, ok BOOL, name STRING(64), amt NUMERIC(10, 2))
PARTITION BY usage_date CLUSTER BY svc
OPTIONS (partition_expiration_days = 90, require_partition_filter = FALSE, description = "daily")

-- id: 157_create_table_if_not_exists_ts_partition
-- check: "SELECT COUNT(*) FROM acme_corp.logs"
-- expect: [[0]]
CREATE TABLE IF NOT EXISTS `gac-prod-471220.acme_corp.logs` (ts TIMESTAMP, msg STRING) PARTITION BY DATE(ts) CLUSTER BY msg

-- id: 160_create_view
-- check: "SELECT COUNT(*), MAX(daily_limit) FROM acme_corp.tenant_comprehensive_view"
-- expect: [[3,10]]
CREATE OR REPLACE VIEW `gac-prod-471220.acme_corp.tenant_comprehensive_view` OPTIONS(description='view') AS SELECT r.*, q.daily_limit FROM `gac-prod-471220.tenants.tenant_pipeline_runs` AS r LEFT JOIN `gac-prod-471220.tenants.tenant_usage_quotas` AS q ON q.tenant_id = r.tenant_id AND q.usage_date = r.run_date WHERE r.tenant_id = 'acme_corp'

-- id: 171_truncate
-- check: "SELECT COUNT(*) FROM tenants.pipeline_execution_queue"
-- expect: [[0]]
TRUNCATE TABLE tenants.pipeline_execution_queue

-- id: 172_alter_add_column
-- check: "SELECT COUNT(*) FROM duckdb_columns() WHERE table_name='tenant_usage_quotas'"
-- expect: [[8]]
ALTER TABLE tenants.tenant_usage_quotas ADD COLUMN IF NOT EXISTS note STRING, ADD COLUMN IF NOT EXISTS n2 INT64

-- id: 173_alter_add_one_column
-- check: "SELECT COUNT(*) FROM duckdb_columns() WHERE table_name='tenant_usage_quotas'"
-- expect: [[7]]
ALTER TABLE tenants.tenant_usage_quotas ADD COLUMN note STRING

-- id: 174_alter_set_options
-- expect: "ANY"
ALTER TABLE tenants.tenant_usage_quotas SET OPTIONS (expiration_timestamp = NULL, description = 'x')

-- id: 175_drop_table_if_exists
-- expect: "ANY"
DROP TABLE IF EXISTS `gac-prod-471220.acme_corp.nope`

-- id: 176_create_schema_options
-- check: "SELECT COUNT(*) FROM duckdb_schemas() WHERE schema_name='new_tenant'"
-- expect: [[1]]
CREATE SCHEMA IF NOT EXISTS `gac-prod-471220.new_tenant` OPTIONS (location = 'US', description = 'x', default_table_expiration_days = 30)

-- id: 178_create_table_like
-- check: "SELECT COUNT(*) FROM acme_corp.copy1"
-- expect: [[0]]
CREATE TABLE acme_corp.copy1 LIKE tenants.tenant_usage_quotas

-- id: 180_create_materialized_view
-- check: "SELECT COUNT(*) FROM acme_corp.mv1"
-- expect: [[2]]
CREATE MATERIALIZED VIEW acme_corp.mv1 AS SELECT tenant_id, COUNT(*) AS n FROM `gac-prod-471220.tenants.tenant_pipeline_runs` GROUP BY tenant_id

-- id: 1039_ddl_create_table_types
-- source: "documentation"
-- check: "SELECT COUNT(*) FROM lab.fresh"
-- expect: [[0]]
CREATE TABLE lab.fresh (a INT64 NOT NULL, b STRING(5), c NUMERIC(10, 2), d ARRAY<STRING>, e STRUCT<x INT64, y DATE>, f TIMESTAMP DEFAULT CURRENT_TIMESTAMP(), g JSON, h BYTES)

-- id: 1040_ddl_create_table_exists_errors
-- source: "documentation"
-- expect: "ERROR"
CREATE TABLE lab.budget (a INT64)

-- id: 1041_ddl_create_if_not_exists
-- source: "documentation"
-- check: "SELECT COUNT(*) FROM lab.budget"
-- expect: [[3]]
CREATE TABLE IF NOT EXISTS lab.budget (a INT64)

-- id: 1042_ddl_ctas_partition_cluster_options
-- source: "documentation"
-- check: "SELECT COUNT(*), SUM(cost) FROM lab.daily"
-- str: true
-- expect: [[10, "89.069012235"]]
CREATE OR REPLACE TABLE lab.daily PARTITION BY usage_date CLUSTER BY project, service OPTIONS (description = 'daily', labels = [('team', 'core')], partition_expiration_days = 90, require_partition_filter = FALSE) AS SELECT usage_date, project, service, SUM(cost) AS cost FROM lab.spend GROUP BY 1, 2, 3

-- id: 1043_ddl_ctas_integer_range_partition
-- source: "documentation"
-- check: "SELECT COUNT(*) FROM lab.ranged"
-- expect: [[0]]
CREATE TABLE lab.ranged (id INT64, v STRING) PARTITION BY RANGE_BUCKET(id, GENERATE_ARRAY(0, 100, 10))

-- id: 1044_ddl_ingestion_time_partition
-- source: "documentation"
-- check: "SELECT COUNT(*) FROM lab.ingested"
-- expect: [[0]]
CREATE TABLE lab.ingested (id INT64) PARTITION BY _PARTITIONDATE

-- id: 1045_ddl_create_view_and_read
-- source: "documentation"
-- check: "SELECT COUNT(*) FROM lab.by_project"
-- expect: [[4]]
CREATE VIEW lab.by_project AS SELECT project, SUM(cost) AS total FROM lab.spend GROUP BY project

-- id: 1047_ddl_create_view_column_list
-- source: "documentation"
-- check: "SELECT COUNT(t) FROM lab.v3"
-- expect: [[4]]
CREATE VIEW lab.v3 (p, t) AS SELECT project, SUM(cost) FROM lab.spend GROUP BY project

-- id: 1049_ddl_alter_add_drop
-- source: "documentation"
-- check: "SELECT COUNT(note) FROM lab.budget"
-- expect: [[0]]
ALTER TABLE lab.budget ADD COLUMN note STRING, ADD COLUMN IF NOT EXISTS amount NUMERIC

-- id: 1050_ddl_alter_rename_column
-- source: "documentation"
-- check: "SELECT SUM(budget_amount) FROM lab.budget"
-- str: true
-- expect: [["136.5"]]
ALTER TABLE lab.budget RENAME COLUMN amount TO budget_amount

-- id: 1051_ddl_alter_rename_table
-- source: "documentation"
-- check: "SELECT COUNT(*) FROM lab.budget2"
-- expect: [[3]]
ALTER TABLE lab.budget RENAME TO budget2

-- id: 1052_ddl_alter_column_type
-- source: "documentation"
-- check: "SELECT COUNT(*) FROM lab.empty"
-- expect: [[0]]
ALTER TABLE lab.empty ALTER COLUMN a SET DATA TYPE NUMERIC

-- id: 1053_ddl_alter_drop_not_null
-- source: "documentation"
-- check: "SELECT COUNT(*) FROM lab.budget"
-- expect: [[3]]
ALTER TABLE lab.budget ALTER COLUMN amount SET DEFAULT 5

-- id: 1054_ddl_alter_set_options_column
-- source: "documentation"
-- check: "SELECT COUNT(*) FROM lab.budget"
-- expect: [[3]]
ALTER TABLE lab.budget ALTER COLUMN amount SET OPTIONS (description = 'money')

-- id: 1055_ddl_drop_if_exists
-- source: "documentation"
-- check: "SELECT COUNT(*) FROM lab.budget"
-- expect: [[3]]
DROP TABLE IF EXISTS lab.nothing_here

-- id: 1056_ddl_drop_missing_errors
-- source: "documentation"
-- expect: "ERROR"
DROP TABLE lab.nothing_here

-- id: 1057_ddl_create_table_like_copy
-- source: "documentation"
-- check: "SELECT COUNT(*) FROM lab.b2"
-- expect: [[0]]
CREATE TABLE lab.b2 LIKE lab.budget

-- id: 1058_ddl_create_table_copy
-- source: "documentation"
-- check: "SELECT COUNT(*) FROM lab.b3"
-- expect: [[3]]
CREATE TABLE lab.b3 COPY lab.budget

-- id: 1059_ddl_create_table_clone
-- source: "documentation"
-- check: "SELECT COUNT(*) FROM lab.b4"
-- expect: [[3]]
CREATE TABLE lab.b4 CLONE lab.budget

-- id: 1060_ddl_snapshot
-- source: "documentation"
-- check: "SELECT COUNT(*) FROM lab.b5"
-- expect: [[3]]
CREATE SNAPSHOT TABLE lab.b5 CLONE lab.budget

-- id: 1061_ddl_create_temp_table
-- source: "documentation"
-- check: "SELECT COUNT(*) FROM lab.budget"
-- expect: [[3]]
CREATE TEMP TABLE scratch AS SELECT 1 AS x

-- id: 1062_ddl_string_length_enforced_errors
-- source: "documentation"
-- expect: "ERROR"
CREATE TABLE lab.short (s STRING(2)) AS SELECT 'abc' AS s

-- id: 1063_ddl_numeric_scale_rounds
-- source: "documentation"
-- check: "SELECT v FROM lab.money"
-- str: true
-- expect: [["1.24"], ["-1.24"]]
CREATE TABLE lab.money (v NUMERIC(6, 2)) AS SELECT NUMERIC '1.235' AS v UNION ALL SELECT NUMERIC '-1.235'

-- id: 1064_ddl_numeric_precision_overflow_errors
-- source: "documentation"
-- expect: "ERROR"
CREATE TABLE lab.money2 (v NUMERIC(4, 2)) AS SELECT NUMERIC '123.4' AS v

-- id: 1065_ddl_not_null_enforced_errors
-- source: "documentation"
-- expect: "ERROR"
CREATE TABLE lab.must (a INT64 NOT NULL) AS SELECT CAST(NULL AS INT64) AS a

-- id: 1066_ddl_ctas_null_column
-- source: "documentation"
-- check: "SELECT a, b FROM lab.nul"
-- str: true
-- expect: [[null, "x"]]
CREATE TABLE lab.nul AS SELECT NULL AS a, 'x' AS b

-- id: 1067_ddl_ctas_anonymous_column_errors
-- source: "documentation"
-- expect: "ERROR"
CREATE TABLE lab.anon AS SELECT 1

-- id: 1068_ddl_ctas_duplicate_column_errors
-- source: "documentation"
-- expect: "ERROR"
CREATE TABLE lab.dup AS SELECT 1 AS a, 2 AS A

-- id: 1069_ddl_create_schema_if_not_exists
-- source: "documentation"
-- check: "SELECT COUNT(*) FROM lab.budget"
-- expect: [[3]]
CREATE SCHEMA IF NOT EXISTS lab OPTIONS (location = 'US')

-- id: 1070_ddl_sql_udf
-- source: "documentation"
-- check: "SELECT COUNT(*) FROM lab.budget"
-- expect: [[3]]
CREATE FUNCTION lab.plus_one(x INT64) RETURNS INT64 AS (x + 1)

-- id: 1071_ddl_table_function
-- source: "documentation"
-- check: "SELECT COUNT(*) FROM lab.budget"
-- expect: [[3]]
CREATE TABLE FUNCTION lab.by_proj(p STRING) AS SELECT * FROM lab.spend WHERE project = p

-- id: 1072_ddl_procedure
-- source: "documentation"
-- check: "SELECT COUNT(*) FROM lab.budget"
-- expect: [[3]]
CREATE PROCEDURE lab.noop() BEGIN SELECT 1; END

-- id: 1073_ddl_row_access_policy
-- source: "documentation"
-- check: "SELECT COUNT(*) FROM lab.budget"
-- expect: [[3]]
CREATE ROW ACCESS POLICY only_apollo ON lab.spend GRANT TO ('user:x@example.com') FILTER USING (project = 'apollo')

-- id: 1074_ddl_search_index
-- source: "documentation"
-- check: "SELECT COUNT(*) FROM lab.budget"
-- expect: [[3]]
CREATE SEARCH INDEX idx ON lab.events (ALL COLUMNS)

-- id: 1075_ddl_drop_column_if_exists
-- source: "documentation"
-- check: "SELECT * FROM lab.budget WHERE project = 'dormant'"
-- str: true
-- expect: [["dormant", "1"]]
ALTER TABLE lab.budget DROP COLUMN IF EXISTS nope, DROP COLUMN month
