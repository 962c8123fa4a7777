-- id: 1091_meta_tables
-- source: "documentation"
-- str: true
-- expect: [["budget", "BASE TABLE"], ["spend", "BASE TABLE"]]
SELECT table_name, table_type FROM lab.INFORMATION_SCHEMA.TABLES WHERE table_name IN ('spend', 'budget') ORDER BY table_name

-- id: 1092_meta_columns
-- source: "documentation"
-- str: true
-- expect: [["started", "TIMESTAMP", 2], ["cost", "NUMERIC", 6], ["labels", "ARRAY<STRUCT<key STRING, value STRING>>", 10]]
SELECT column_name, data_type, ordinal_position FROM lab.INFORMATION_SCHEMA.COLUMNS WHERE table_name = 'spend' AND column_name IN ('labels', 'cost', 'started') ORDER BY ordinal_position

-- id: 1093_meta_tables_ddl
-- source: "documentation"
-- expect: "ANY"
SELECT ddl FROM lab.INFORMATION_SCHEMA.TABLES WHERE table_name = 'fx'

-- id: 1094_meta_tables_creation_time
-- source: "documentation"
-- expect: [[true]]
SELECT creation_time IS NOT NULL FROM lab.INFORMATION_SCHEMA.TABLES WHERE table_name = 'fx'

-- id: 1095_meta_partitioning_column
-- source: "documentation"
-- str: true
-- expect: [["rate", "NO", null]]
SELECT column_name, is_partitioning_column, clustering_ordinal_position FROM lab.INFORMATION_SCHEMA.COLUMNS WHERE table_name = 'fx' AND column_name = 'rate'

-- id: 1096_meta_partitions
-- source: "documentation"
-- expect: "ANY"
SELECT COUNT(*) FROM lab.INFORMATION_SCHEMA.PARTITIONS WHERE table_name = 'fx'

-- id: 1097_meta_column_field_paths
-- source: "documentation"
-- str: true
-- expect: [["labels", "ARRAY<STRUCT<key STRING, value STRING>>"], ["labels.key", "STRING"], ["labels.value", "STRING"]]
SELECT field_path, data_type FROM lab.INFORMATION_SCHEMA.COLUMN_FIELD_PATHS WHERE table_name = 'spend' AND column_name = 'labels' ORDER BY field_path

-- id: 1098_meta_table_options
-- source: "documentation"
-- expect: [[0]]
SELECT COUNT(*) FROM lab.INFORMATION_SCHEMA.TABLE_OPTIONS WHERE table_name = 'fx'

-- id: 1099_meta_routines
-- source: "documentation"
-- expect: [[0]]
SELECT COUNT(*) FROM lab.INFORMATION_SCHEMA.ROUTINES

-- id: 1100_meta_jobs
-- source: "documentation"
-- expect: "ANY"
SELECT COUNT(*) > 0 FROM `region-us`.INFORMATION_SCHEMA.JOBS_BY_PROJECT WHERE creation_time > TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 1 DAY)

-- id: 1101_meta_table_storage
-- source: "documentation"
-- expect: "ANY"
SELECT COUNT(*) FROM `region-us`.INFORMATION_SCHEMA.TABLE_STORAGE

-- id: 1102_meta_tables_dunder
-- source: "documentation"
-- str: true
-- expect: [["fx", 3]]
SELECT table_id, row_count FROM lab.__TABLES__ WHERE table_id = 'fx'

-- id: 1103_wild_suffix
-- source: "documentation"
-- expect: [[3]]
SELECT COUNT(*) FROM `gac-prod-471220.lab.bud*` WHERE _TABLE_SUFFIX = 'get'
