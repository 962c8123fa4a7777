/** Where DuckDB alone would answer otherwise than BigQuery, without an error. */
import { AppError } from '@convergence/contracts'
import { expect } from 'chai'
import { bignumericLiteral, bignumericType } from '../src/bignumeric.ts'
import { makeWorld, project, type World } from './world.ts'

const tables = [
  'CREATE SCHEMA d',
  `CREATE TABLE d.costs (id BIGINT, name VARCHAR, cost DOUBLE, spend DECIMAL(38,9), big ${bignumericType}, day DATE, ts TIMESTAMPTZ, local TIMESTAMP, doc JSON, labels STRUCT("key" VARCHAR, "value" VARCHAR)[], credits STRUCT(name VARCHAR, amount DOUBLE, n BIGINT)[], service STRUCT(id VARCHAR, description VARCHAR))`,
  `INSERT INTO d.costs VALUES
    (1, 'a', 10.5, 1.1, ${bignumericLiteral(5n * 10n ** 37n)}, '2025-11-19', '2025-11-19 03:30:00+00', '2025-11-19 03:30:00', '{"n": 1}', [{key: 'env', value: 'prod'}, {key: 'team', value: 'core'}], [{name: 'x', amount: -1.5, n: 1}, {name: 'y', amount: -2, n: 2}], {id: 's1', description: 'Compute'}),
    (2, 'b', 4.0, 2.2, ${bignumericLiteral(10n ** 38n)}, '2025-11-20', '2025-11-20 00:00:00+00', '2025-11-20 00:00:00', NULL, [], [], {id: 's2', description: 'Storage'}),
    (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)`,
  'CREATE TABLE d.target (id BIGINT, name VARCHAR, tags VARCHAR[])',
  "INSERT INTO d.target VALUES (1, 'one', []), (2, 'two', [])",
]

const refusal = async (work: Promise<unknown>): Promise<AppError> => {
  try {
    await work
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
  throw new Error('nothing was refused')
}

describe('GoogleSQL translation', () => {
  let world: World
  before(async () => {
    world = await makeWorld(tables)
  })
  after(() => {
    world.close()
  })
  const row = async (sql: string): Promise<unknown[]> => (await world.query(sql)).rows[0] ?? []
  const fails = async (sql: string, code: string, words: RegExp | string): Promise<void> => {
    const error = await refusal(world.query(sql))
    expect([error.code, error.message], sql).to.satisfy(
      ([found, message]: [string, string]) =>
        found === code && (typeof words === 'string' ? message.includes(words) : words.test(message)),
      `${error.code}: ${error.message}`,
    )
  }

  it('takes a literal with a point as FLOAT64', async () => {
    expect(await row('SELECT 0.1 + 0.2 = 0.3, NUMERIC "0.1" + NUMERIC "0.2" = NUMERIC "0.3"')).to.deep.equal([
      false,
      true,
    ])
  })
  it('keeps NUMERIC at nine digits, rounded half away from zero', async () => {
    expect(
      await row(
        "SELECT NUMERIC '2' / 3, NUMERIC '-2' / 3, NUMERIC '0.000000001' * NUMERIC '0.5', NUMERIC '-0.000000001' * NUMERIC '0.5', NUMERIC '0.000000001' / 2",
      ),
    ).to.deep.equal(['0.666666667', '-0.666666667', '0.000000001', '-0.000000001', '0.000000001'])
    expect(await row('SELECT AVG(spend), SUM(spend), AVG(spend) * 2 FROM d.costs')).to.deep.equal([
      '1.650000000',
      '3.300000000',
      '3.300000000',
    ])
    expect(await row('SELECT spend * spend * spend * spend * spend FROM d.costs WHERE id = 1')).to.deep.equal([
      '1.610510000',
    ])
  })
  it('casts FLOAT64 to NUMERIC and INT64 exactly', async () => {
    expect(
      await row(
        'SELECT CAST(12345678.123456789 + 0.0 AS NUMERIC), CAST(0.0009765625 + 0.0 AS NUMERIC), CAST(0.5 + 0.0 AS INT64), CAST(2.5 + 0.0 AS INT64), CAST(-2.5 + 0.0 AS INT64)',
      ),
    ).to.deep.equal(['12345678.123456789', '0.000976563', '1', '3', '-3'])
  })
  it('never rounds a BIGNUMERIC silently', async () => {
    const tooFine = `0.${'1'.repeat(39)}`
    await fails(`SELECT BIGNUMERIC '${tooFine}'`, 'QUERY_INVALID', 'Invalid BIGNUMERIC literal')
    await fails("SELECT MOD(BIGNUMERIC '1', BIGNUMERIC '0.3')", 'QUERY_UNSUPPORTED', 'MOD of BIGNUMERIC')
    await fails('SELECT SQRT(big) FROM d.costs', 'QUERY_UNSUPPORTED', 'SQRT of BIGNUMERIC')
    expect(await row('SELECT big * 3, big * big, SUM(big) OVER () FROM d.costs WHERE id = 1')).to.deep.equal([
      '1.5',
      '0.25',
      '0.5',
    ])
  })
  it('fails on division by zero, and gives NULL for NULL and under SAFE_DIVIDE', async () => {
    for (const sql of [
      'SELECT 1 / 0',
      'SELECT 1.5 / 0',
      'SELECT id / (id - id) FROM d.costs',
      'SELECT MOD(5, 0)',
      'SELECT DIV(5, 0)',
      'SELECT spend / 0 FROM d.costs',
    ])
      await fails(sql, 'QUERY_INVALID', 'division by zero')
    expect(
      await row('SELECT NULL / 0, SAFE_DIVIDE(1, 0), SAFE_DIVIDE(NUMERIC "1", 0), IEEE_DIVIDE(6, 4)'),
    ).to.deep.equal([null, null, null, 1.5])
  })
  it('fails on an array index out of range, except with SAFE', async () => {
    await fails('SELECT [1, 2][OFFSET(2)]', 'QUERY_INVALID', 'out of bounds')
    await fails('SELECT [1, 2][ORDINAL(0)]', 'QUERY_INVALID', 'out of bounds')
    expect(
      await row('SELECT [1, 2][SAFE_OFFSET(2)], [1, 2][SAFE_OFFSET(-1)], [1, 2][OFFSET(1)], [1, 2][1]'),
    ).to.deep.equal([null, null, '2', '2'])
  })
  it('reads text as a value only in the forms of GoogleSQL', async () => {
    for (const [value, type] of [
      ['1.6', 'INT64'],
      ['yes', 'BOOL'],
      ['1', 'BOOL'],
      ['t', 'BOOL'],
      ['1_000', 'INT64'],
      ['2025/01/01', 'DATE'],
      ['infinity', 'DATE'],
      ['epoch', 'TIMESTAMP'],
      ['1e', 'FLOAT64'],
      ['2025-02-30', 'DATE'],
    ] as const) {
      await fails(`SELECT CAST('${value}' AS ${type})`, 'QUERY_INVALID', '')
      expect(await world.value(`SELECT SAFE_CAST('${value}' AS ${type})`), `${value} as ${type}`).to.equal(null)
    }
    expect(
      await row(
        "SELECT CAST(' 12 ' AS INT64), CAST('TRUE' AS BOOL), CAST('2025-1-5' AS DATE), CAST('2025-11-19T01:02:03+02:00' AS TIMESTAMP)",
      ),
    ).to.deep.equal(['12', true, '2025-01-05', '2025-11-18 23:02:03+00'])
  })
  it('starts SUBSTR at 1 for 0 and for a start before the text', async () => {
    expect(
      await row(
        "SELECT SUBSTR('abc', 0, 2), SUBSTR('abc', -5, 2), SUBSTR('abc', -2), SUBSTR('abc', 2, 0), LENGTH('é'), LENGTH(b'abc')",
      ),
    ).to.deep.equal(['ab', 'ab', 'bc', '', '1', '3'])
    await fails("SELECT SUBSTR('abc', 1, -1)", 'QUERY_INVALID', 'negative')
  })
  it('refuses operands of different types', async () => {
    for (const sql of [
      "SELECT 1 = '1'",
      'SELECT TRUE = 1',
      "SELECT id FROM d.costs WHERE id = '1'",
      'SELECT SUM(TRUE)',
      "SELECT 'a' || 1",
      "SELECT CONCAT('a', b'1')",
      'SELECT day = ts FROM d.costs',
      'SELECT ts = local FROM d.costs',
      'SELECT 1 AND TRUE',
      "SELECT IF(TRUE, 1, 'a')",
      "SELECT COALESCE(1, 'a')",
      "SELECT 1 IN ('a')",
      'SELECT LOWER(1)',
      "SELECT 1 UNION ALL SELECT 'a'",
      'SELECT name FROM d.costs WHERE name',
    ])
      await fails(sql, 'QUERY_INVALID', /at \[1:\d+\]/)
  })
  it('fails when FLOAT64 arithmetic overflows, however deep', async () => {
    for (const sql of [
      'SELECT x * 10 FROM UNNEST([1e308]) AS x',
      'SELECT 1 / (x * 10 + 1) FROM UNNEST([1e308]) AS x',
      'SELECT x * 10 - x * 10 FROM UNNEST([1e308]) AS x',
      'SELECT x / 0.0001 FROM UNNEST([1e308]) AS x',
      'SELECT POW(x, 2) FROM UNNEST([1e308]) AS x',
      'SELECT EXP(1000)',
    ])
      await fails(sql, 'QUERY_INVALID', 'not finite')
    expect(
      await row('SELECT x * 2 + 1 - x, NULL * x, x / 2, -x, (x + 1) * (x + 2) FROM UNNEST([1.5]) AS x'),
    ).to.deep.equal([2.5, null, 0.75, -1.5, 8.75])
  })
  it('compares and orders NaN as BigQuery does', async () => {
    expect(
      await row(
        "SELECT x = x, x <> x, x > 1, x < 1, 1 > x, x BETWEEN 0 AND 1, x IN (1, 2) FROM (SELECT CAST('nan' AS FLOAT64) AS x)",
      ),
    ).to.deep.equal([false, true, false, false, false, false, false])
    expect(
      (
        await world.query(
          "SELECT x FROM UNNEST([1.0, CAST('nan' AS FLOAT64), NULL, CAST('-inf' AS FLOAT64)]) AS x ORDER BY x",
        )
      ).rows.flat(),
    ).to.deep.equal([null, 'NaN', '-Infinity', 1])
    expect(await row("SELECT MIN(x) FROM UNNEST([1.0, CAST('nan' AS FLOAT64)]) AS x")).to.deep.equal(['NaN'])
  })
  it('keeps SUM of INT64 an INT64 and fails when it overflows', async () => {
    const { translated, rows } = await world.query(
      'SELECT SUM(id) AS n, COUNT(*) AS c, SUM(x.n) OVER () AS w FROM d.costs, UNNEST(credits) AS x GROUP BY x.n LIMIT 1',
    )
    expect(translated.columns.map(({ type }) => type)).to.deep.equal(['INT64', 'INT64', 'INT64'])
    expect(rows).to.have.length(1)
    await fails('SELECT SUM(x) FROM UNNEST([9223372036854775807, 1]) AS x', 'QUERY_INVALID', 'out of range')
    await fails('SELECT 9223372036854775807 + 1', 'QUERY_INVALID', 'overflow')
  })
  it('takes weeks from Sunday, differences of TIMESTAMP in whole units and of DATE by boundaries', async () => {
    expect(
      await row(
        "SELECT DATE_TRUNC(DATE '2025-11-19', WEEK), DATE_TRUNC(DATE '2025-11-19', WEEK(WEDNESDAY)), EXTRACT(WEEK FROM DATE '2025-01-01'), EXTRACT(DAYOFWEEK FROM DATE '2025-11-16'), DATE_DIFF(DATE '2025-11-16', DATE '2025-11-15', WEEK)",
      ),
    ).to.deep.equal(['2025-11-16', '2025-11-19', '0', '1', '1'])
    expect(
      await row(
        "SELECT TIMESTAMP_DIFF(TIMESTAMP '2025-11-19 02:01:00Z', TIMESTAMP '2025-11-19 01:59:00Z', HOUR), DATETIME_DIFF(DATETIME '2025-11-19 02:01:00', DATETIME '2025-11-19 01:59:00', HOUR), DATE_DIFF(DATE '2025-12-01', DATE '2025-11-30', MONTH)",
      ),
    ).to.deep.equal(['0', '1', '1'])
    expect(
      await row(
        "SELECT DATE(ts, 'America/New_York'), DATE_ADD(day, INTERVAL 1 MONTH), day + 1, LAST_DAY(day, YEAR) FROM d.costs WHERE id = 1",
      ),
    ).to.deep.equal(['2025-11-18', '2025-12-19', '2025-11-20', '2025-12-31'])
  })
  it('prints numbers and times as GoogleSQL does', async () => {
    expect(
      await row(
        "SELECT CAST(1.0 AS STRING), CAST(0.1 + 0.2 AS STRING), CAST(1e15 AS STRING), CAST(NUMERIC '1.50' AS STRING), CAST(ts AS STRING), CAST(TIMESTAMP '2025-01-01 00:00:00.5Z' AS STRING), FORMAT(\"%'d\", -1234567), FORMAT_DATE('%e', DATE '2025-11-09') FROM d.costs WHERE id = 1",
      ),
    ).to.deep.equal([
      '1',
      '0.30000000000000004',
      '1e+15',
      '1.5',
      '2025-11-19 03:30:00+00',
      '2025-01-01 00:00:00.500+00',
      '-1,234,567',
      ' 9',
    ])
  })
  it('reads arrays of a row without a join', async () => {
    const list = [
      'SELECT (SELECT SUM(c.amount) FROM UNNEST(credits) AS c) FROM d.costs WHERE id = 1',
      'SELECT (SELECT IFNULL(SUM(CAST(c.amount AS NUMERIC)), 0) FROM UNNEST(credits) AS c WHERE c.amount < 0) FROM d.costs WHERE id = 2',
      'SELECT (SELECT COUNT(*) FROM UNNEST(labels)) FROM d.costs WHERE id = 1',
      "SELECT EXISTS(SELECT 1 FROM UNNEST(labels) AS l WHERE l.key = 'env' AND l.value = 'prod') FROM d.costs WHERE id = 1",
      "SELECT (SELECT value FROM UNNEST(labels) WHERE key = 'team') FROM d.costs WHERE id = 1",
      'SELECT (SELECT SUM(n) FROM UNNEST(credits)) FROM d.costs WHERE id = 3',
    ]
    const values = []
    for (const sql of list) {
      const { translated, rows } = await world.query(sql)
      expect(translated.sql, sql)
        .to.match(/list_|len\(|only_element/)
        .and.not.match(/\(SELECT/)
      values.push(rows[0]?.[0])
    }
    expect(values).to.deep.equal([-3.5, '0.000000000', '2', true, 'core', null])
    await fails('SELECT (SELECT value FROM UNNEST(labels)) FROM d.costs', 'QUERY_INVALID', 'more than one element')
    expect(
      await row(
        'SELECT (SELECT MAX(c.amount) FROM UNNEST(credits) AS c), (SELECT AVG(c.amount + cost) FROM UNNEST(credits) AS c) FROM d.costs WHERE id = 1',
      ),
    ).to.deep.equal([-1.5, 8.75])
  })
  it('reads a stored NULL as an empty array and never returns an array with NULL in it', async () => {
    expect(await row('SELECT ARRAY_LENGTH(labels), labels IS NULL FROM d.costs WHERE id = 3')).to.deep.equal([
      '0',
      false,
    ])
    await fails(
      'SELECT ARRAY_AGG(name) FROM d.costs',
      'QUERY_INVALID',
      'Array cannot have a null element; error in writing field f0_',
    )
    await fails(
      "SELECT 1 AS a, [STRUCT(['x', NULL] AS n)] AS s",
      'QUERY_INVALID',
      'Array cannot have a null element; error in writing field s.n',
    )
    expect(await row('SELECT ARRAY_AGG(name IGNORE NULLS ORDER BY name) FROM d.costs')).to.deep.equal([['a', 'b']])
  })
  it('never stores an array with NULL in it, whichever statement would', async () => {
    for (const sql of [
      "INSERT INTO d.target (id, tags) VALUES (9, ['a', NULL])",
      "INSERT INTO d.target (id, tags) SELECT 9, ['a', NULL]",
      "UPDATE d.target SET tags = ['a', NULL] WHERE id = 1",
      "MERGE d.target AS t USING (SELECT 1 AS id, ['a', NULL] AS tags) AS s ON t.id = s.id WHEN MATCHED THEN UPDATE SET tags = s.tags",
      "CREATE TABLE d.arrays AS SELECT ['a', NULL] AS tags",
    ])
      await fails(sql, 'QUERY_INVALID', 'Array cannot have a null element; error in writing field tags')
    await fails(
      'CREATE TABLE d.records AS SELECT STRUCT([1, NULL] AS n) AS one',
      'QUERY_INVALID',
      'Array cannot have a null element; error in writing field one.n',
    )
    expect(await world.rows('SELECT count(*) FROM d.target WHERE id = 9 OR len(tags) > 0')).to.deep.equal([['0']])
  })
  it('names unnamed columns and keeps the case of names', async () => {
    expect(
      (
        await world.query(
          'SELECT 1, id AS B, 2, Service.Description, d.* EXCEPT (labels, credits, doc, service) FROM d.costs AS d',
        )
      ).translated.columns
        .map(({ name }) => name)
        .slice(0, 6),
    ).to.deep.equal(['f0_', 'B', 'f1_', 'Description', 'id', 'name'])
  })
  it('fails when a MERGE or UPDATE matches a row twice, and changes nothing', async () => {
    await fails(
      "MERGE d.target AS t USING (SELECT 1 AS id, 'x' AS name UNION ALL SELECT 1, 'y') AS s ON t.id = s.id WHEN MATCHED THEN UPDATE SET name = s.name",
      'QUERY_INVALID',
      'at most one source row',
    )
    await fails(
      "UPDATE d.target AS t SET name = s.name FROM (SELECT 1 AS id, 'x' AS name UNION ALL SELECT 1, 'y') AS s WHERE t.id = s.id",
      'QUERY_INVALID',
      'at most one source row',
    )
    expect(await world.rows('SELECT name FROM d.target ORDER BY id')).to.deep.equal([['one'], ['two']])
  })
  it('applies DML to the target only', async () => {
    await world.run('BEGIN')
    await world.query("INSERT INTO d.target (id, name) VALUES (3, 'three'), (4, NULL)")
    await world.query(
      "UPDATE d.target AS t SET name = CONCAT(t.name, s.x) FROM (SELECT 3 AS id, '!' AS x) AS s WHERE t.id = s.id",
    )
    await world.query(
      "MERGE d.target AS t USING (SELECT 4 AS id, 'four' AS name UNION ALL SELECT 5, 'five') AS s ON t.id = s.id WHEN MATCHED THEN UPDATE SET name = s.name WHEN NOT MATCHED THEN INSERT (id, name, tags) VALUES (id, name, ['new'])",
    )
    await world.query('DELETE FROM d.target WHERE id IN (SELECT 1)')
    await world.query("UPDATE d.costs SET service.description = 'new', name = DEFAULT WHERE service.id = 's1'")
    expect(await world.rows('SELECT id, name, tags FROM d.target ORDER BY id')).to.deep.equal([
      ['2', 'two', []],
      ['3', 'three!', []],
      ['4', 'four', []],
      ['5', 'five', ['new']],
    ])
    expect(await world.rows('SELECT service.description, service.id, name FROM d.costs WHERE id = 1')).to.deep.equal([
      ['new', 's1', null],
    ])
    await world.run('ROLLBACK')
    await fails("INSERT d.target (id) VALUES ('x')", 'QUERY_INVALID', 'cannot be assigned')
    await fails('DELETE FROM d.target', 'QUERY_INVALID', 'WHERE')
    await fails('UPDATE d.target SET nope = 1 WHERE TRUE', 'QUERY_INVALID', 'nope')
  })
  it('says what a DDL statement means for the catalog', async () => {
    const { translated } = await world.query(
      "CREATE TABLE d.made (day DATE NOT NULL, svc STRING(3) OPTIONS(description='s'), ts TIMESTAMP DEFAULT CURRENT_TIMESTAMP(), tags ARRAY<STRUCT<k STRING, v INT64>>, PRIMARY KEY (svc) NOT ENFORCED) PARTITION BY DATE_TRUNC(day, MONTH) CLUSTER BY svc OPTIONS(description = 'x', labels = [('a', 'b')], partition_expiration_days = 9)",
    )
    expect(translated.ddl).to.deep.include({
      operation: 'create_table',
      dataset: 'd',
      table: 'made',
      project_id: project,
      time_partitioning: { field: 'day', type: 'MONTH' },
      clustering_fields: ['svc'],
      primary_key: ['svc'],
      options: { description: 'x', labels: { a: 'b' }, partition_expiration_days: 9 },
    })
    expect(translated.ddl?.columns?.map(({ name, type, mode }) => [name, type, mode])).to.deep.equal([
      ['day', 'DATE', 'REQUIRED'],
      ['svc', 'STRING', 'NULLABLE'],
      ['ts', 'TIMESTAMP', 'NULLABLE'],
      ['tags', 'STRUCT', 'REPEATED'],
    ])
    await world.reset()
    await fails("INSERT d.made (day, svc) VALUES ('2025-01-01', 'long')", 'QUERY_INVALID', 'longer')
    await fails("INSERT d.made (svc) VALUES ('abc')", 'QUERY_INVALID', 'Required field day')
    await world.query("INSERT d.made (day) VALUES ('2025-01-01')")
    expect(await world.rows('SELECT tags, ts IS NOT NULL FROM d.made')).to.deep.equal([[[], true]])
    const view = await world.query('CREATE OR REPLACE VIEW d.v AS SELECT id, name FROM d.costs WHERE id > 1;')
    expect(view.translated.ddl).to.deep.include({
      operation: 'create_view',
      view_query: 'SELECT id, name FROM d.costs WHERE id > 1',
      replace: true,
    })
    await fails('CREATE TABLE d.x (a INT64) OPTIONS (nope = 1)', 'QUERY_UNSUPPORTED', 'nope')
    await fails('CREATE TABLE nope.x (a INT64)', 'TABLE_NOT_FOUND', 'nope')
  })
  it('follows views and tells tables from CTEs, aliases and arrays', async () => {
    world.addView('d', 'inner_view', 'SELECT id, name, labels FROM d.costs')
    world.addView(
      'd',
      'outer_view',
      'WITH target AS (SELECT * FROM `d.inner_view`) SELECT t.id, l.key FROM target AS t, t.labels AS l',
    )
    const { translated, rows } = await world.query(
      'WITH costs AS (SELECT 1 AS id) SELECT v.key FROM `d.outer_view` AS v JOIN costs ON costs.id = v.id WHERE EXISTS (SELECT 1 FROM d.target AS x WHERE x.id = v.id) ORDER BY key',
    )
    expect(rows).to.deep.equal([['env'], ['team']])
    expect(translated.referenced_tables.map(({ dataset, table }) => `${dataset}.${table}`).sort()).to.deep.equal([
      'd.costs',
      'd.target',
    ])
    expect(translated.referenced_views.map(({ table }) => table).sort()).to.deep.equal(['inner_view', 'outer_view'])
    world.addView('d', 'loop', 'SELECT * FROM d.loop')
    await fails('SELECT * FROM d.loop', 'QUERY_UNSUPPORTED', 'views')
    await fails('SELECT * FROM d.nowhere', 'TABLE_NOT_FOUND', `${project}.d.nowhere`)
    await fails('SELECT * FROM `/etc/passwd`', 'QUERY_INVALID', 'qualified')
    await fails('SELECT * FROM `d./etc/passwd`', 'TABLE_NOT_FOUND', '')
  })
  it('binds parameters and never pastes them', async () => {
    const parameters = {
      d: { type: 'DATE', value: '2025-11-19' },
      s: { type: 'STRING', value: "x'; DROP TABLE d.costs; --" },
      ids: { type: 'ARRAY<INT64>', value: [1, 2] },
      unused: { type: 'INT64', value: 1 },
    }
    const { translated, rows } = await world.query(
      "SELECT @s, DATE_ADD(@d, INTERVAL 1 DAY), 2 IN UNNEST(@ids), '$unused CAST($unused AS BIGINT)'",
      parameters,
    )
    expect(rows).to.deep.equal([["x'; DROP TABLE d.costs; --", '2025-11-20', true, '$unused CAST($unused AS BIGINT)']])
    expect([...translated.parameters].sort()).to.deep.equal(['d', 'ids', 's'])
    await fails('SELECT @nope', 'QUERY_INVALID', 'nope')
  })
  it('groups and filters by expressions that are bound once', async () => {
    expect(
      (
        await world.query(
          'SELECT name, COUNTIF(id > 1) / COUNT(*) AS rate FROM d.costs WHERE name IS NOT NULL GROUP BY name HAVING rate > 0 AND SUM(cost) / (COUNT(*) + 1) / 2 > 0.5 ORDER BY rate, SUM(cost) / COUNT(*)',
        )
      ).rows,
    ).to.deep.equal([['b', 1]])
    expect(
      (
        await world.query(
          'SELECT NULLIF(ROUND(cost / 2, 1), 0) AS h, COUNT(*) FROM d.costs GROUP BY NULLIF(ROUND(cost / 2, 1), 0) ORDER BY NULLIF(ROUND(cost / 2, 1), 0)',
        )
      ).rows,
    ).to.deep.equal([
      [null, '1'],
      [2, '1'],
      [5.3, '1'],
    ])
  })
  it('maps case only where one letter becomes one', async () => {
    expect(await row("SELECT UPPER('é'), LOWER('É'), UPPER('aB1')")).to.deep.equal(['É', 'é', 'AB1'])
    await fails("SELECT UPPER('straße')", 'QUERY_UNSUPPORTED', 'UPPER')
    await fails("SELECT LOWER('ΣΑΣ')", 'QUERY_UNSUPPORTED', 'LOWER')
  })
  it('gives errors at run time in its own words', async () => {
    await fails('SELECT id, COUNT(*) FROM d.costs', 'QUERY_INVALID', 'neither grouped nor aggregated')
    await fails('SELECT (SELECT id FROM d.costs)', 'QUERY_INVALID', 'more than one element')
    await fails("SELECT DATE(ts, 'Nowhere/City') FROM d.costs", 'QUERY_INVALID', 'time zone')
    await fails("SELECT REGEXP_CONTAINS(name, '(') FROM d.costs", 'QUERY_INVALID', 'regular expression')
    await fails("SELECT REVERSE('é')", 'QUERY_UNSUPPORTED', 'REVERSE')
  })
  it('takes a JSON array apart, and gives NULL for what is none or holds no scalars', async () => {
    expect(
      await row(
        `SELECT TO_JSON_STRING(JSON_VALUE_ARRAY('{"a":["x",1,true]}', '$.a')[OFFSET(1)]), ARRAY_LENGTH(JSON_VALUE_ARRAY('{"a":[]}', '$.a')), JSON_VALUE_ARRAY('["x",null]')[OFFSET(1)]`,
      ),
    ).to.deep.equal(['"1"', '0', null])
    expect(
      await row(
        `SELECT ARRAY_LENGTH(JSON_VALUE_ARRAY('["x",[1]]')), ARRAY_LENGTH(JSON_VALUE_ARRAY('{"a":1}', '$.a')), ARRAY_LENGTH(JSON_QUERY_ARRAY('{"a":1}', '$.a'))`,
      ),
    ).to.deep.equal([null, null, null])
    expect(
      await row(
        `SELECT JSON_QUERY_ARRAY('[{"k":"v"},"s"]')[OFFSET(0)], JSON_QUERY_ARRAY('[{"k":"v"},"s"]')[OFFSET(1)], JSON_VALUE(JSON_QUERY_ARRAY(doc, '$.n')[SAFE_OFFSET(0)], '$') FROM d.costs WHERE id = 1`,
      ),
    ).to.deep.equal(['{"k":"v"}', '"s"', null])
  })
})
