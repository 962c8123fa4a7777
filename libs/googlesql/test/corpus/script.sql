-- id: 181_script_declare_set
-- expect: [[2]]
DECLARE d DATE DEFAULT DATE '2025-11-19'; DECLARE n INT64; SET n = (SELECT COUNT(*) FROM `gac-prod-471220.tenants.tenant_pipeline_runs` WHERE run_date = d); SELECT n;

-- id: 182_script_transaction
-- check: "SELECT state FROM tenants.pipeline_execution_queue WHERE queue_id='q1'"
-- expect: [["X"]]
BEGIN TRANSACTION; UPDATE tenants.pipeline_execution_queue SET state = 'X' WHERE queue_id = 'q1'; COMMIT TRANSACTION;

-- id: 183_script_temp_function
-- expect: [[1]]
CREATE TEMP FUNCTION net(c FLOAT64, k FLOAT64) RETURNS FLOAT64 AS (c + k); SELECT net(1.5, -0.5);

-- id: 185_script_execute_immediate
-- expect: [[2]]
EXECUTE IMMEDIATE "SELECT 1 + 1"

-- id: 186_script_assert
-- expect: "ANY"
ASSERT (SELECT COUNT(*) FROM tenants.pipeline_execution_queue) > 0 AS 'queue empty'

-- id: 1076_script_declare_set
-- source: "documentation"
-- str: true
-- expect: [["89.069012235"]]
DECLARE total NUMERIC DEFAULT 0; SET total = (SELECT SUM(cost) FROM lab.spend); SELECT total AS t;

-- id: 1077_script_if_else
-- source: "documentation"
-- check: "SELECT COUNT(*) FROM lab.budget"
-- expect: [[2]]
DECLARE n INT64; SET n = (SELECT COUNT(*) FROM lab.budget); IF n > 2 THEN DELETE FROM lab.budget WHERE project = 'dormant'; ELSE SELECT 1; END IF;

-- id: 1078_script_while_loop
-- source: "documentation"
-- check: "SELECT COUNT(*) FROM lab.empty"
-- expect: [[3]]
DECLARE i INT64 DEFAULT 0; WHILE i < 3 DO INSERT INTO lab.empty (a, b) VALUES (i, 'w'); SET i = i + 1; END WHILE;

-- id: 1079_script_loop_leave
-- source: "documentation"
-- expect: [[4]]
DECLARE i INT64 DEFAULT 0; LOOP SET i = i + 1; IF i >= 4 THEN LEAVE; END IF; END LOOP; SELECT i AS i;

-- id: 1080_script_for_in
-- source: "documentation"
-- check: "SELECT COUNT(*) FROM lab.empty"
-- expect: [[3]]
FOR r IN (SELECT project FROM lab.budget) DO INSERT INTO lab.empty (a, b) VALUES (1, r.project); END FOR;

-- id: 1081_script_exception
-- source: "documentation"
-- check: "SELECT a, b FROM lab.empty"
-- str: true
-- expect: [[7, "caught"]]
BEGIN SELECT 1 / 0; EXCEPTION WHEN ERROR THEN INSERT INTO lab.empty (a, b) VALUES (7, 'caught'); END;

-- id: 1082_script_execute_immediate_into
-- source: "documentation"
-- expect: [[3]]
DECLARE c INT64; EXECUTE IMMEDIATE 'SELECT COUNT(*) FROM lab.budget' INTO c; SELECT c AS c;

-- id: 1084_script_temp_function
-- source: "documentation"
-- expect: [[42]]
CREATE TEMP FUNCTION twice(x INT64) AS (x * 2); SELECT twice(21) AS v;

-- id: 1085_script_temp_table
-- source: "documentation"
-- expect: [[3]]
CREATE TEMP TABLE t AS SELECT 1 AS x UNION ALL SELECT 2; SELECT SUM(x) AS s FROM t;

-- id: 1086_script_two_selects
-- source: "documentation"
-- expect: [[2]]
SELECT 1 AS a; SELECT 2 AS b;

-- id: 1087_script_assert
-- source: "documentation"
-- check: "SELECT COUNT(*) FROM lab.budget"
-- expect: [[3]]
ASSERT (SELECT COUNT(*) FROM lab.budget) = 3 AS 'three budgets'

-- id: 1088_script_js_udf
-- source: "documentation"
-- expect: [[5]]
CREATE TEMP FUNCTION f(x FLOAT64) RETURNS FLOAT64 LANGUAGE js AS 'return x * 2;'; SELECT f(2.5) AS v;

-- id: 1089_script_case_statement
-- source: "documentation"
-- str: true
-- expect: [["two"]]
DECLARE x INT64 DEFAULT 2; CASE x WHEN 1 THEN SELECT 'one' AS r; WHEN 2 THEN SELECT 'two' AS r; END CASE;

-- id: 1090_script_system_variable
-- source: "documentation"
-- str: true
-- expect: [["gac-prod-471220"]]
SELECT @@project_id AS p
