/**
 * What the Google side of the warehouse's door writes as SQL, run by the local GoogleSQL: the statements do what they
 * are for, before any wire.
 */
import { expect } from 'chai'
import { AppError } from '@convergence/contracts'
import type { Column } from '@convergence/contracts'
import { insertOf, insertRowsOf, replaceOf, selectFor } from '../../warehouse/src/google/sql.ts'
import type { PeriodColumn, Written } from '../../warehouse/src/google/sql.ts'
import { makeWorld, project, type World } from '../../googlesql/test/world.ts'

const day: Column = { name: 'day', type: 'DATE' }
const cost: Column = { name: 'cost', type: 'NUMERIC' }
const who: Column = { name: 'who', type: 'STRING' }
const target = { project_id: project, dataset: 'd', table: 'costs' }
const given = [day, { ...cost, type: 'INT64' as const }, who]
const columns = [day, cost, who]
const of = (query: string): Written => ({ query, parameters: [] })
const inside = (column: Column, value: string): PeriodColumn => ({ column, value })

describe('Statements of the Google side of the warehouse', () => {
  let world: World
  const run = ({ query, parameters }: Written) =>
    world.query(query, Object.fromEntries(parameters.map(({ name, type, value }) => [name, { type, value }])))
  const costs = async () =>
    (
      await world.rows(
        "SELECT CAST(day AS VARCHAR) || ' ' || CAST(cost AS BIGINT) || ' ' || COALESCE(who, 'NULL') FROM d.costs " +
          'ORDER BY ALL',
      )
    ).map(([text]) => String(text))
  beforeEach(async () => {
    world = await makeWorld([
      'CREATE SCHEMA d',
      'CREATE TABLE d.costs (day DATE, cost DECIMAL(38,9), who VARCHAR)',
      "INSERT INTO d.costs VALUES ('2025-11-18', 1, 'a'), ('2025-11-19', 2, 'a'), ('2025-11-19', 3, 'b'), " +
        "('2025-11-19', 4, NULL)",
    ])
  })
  afterEach(() => {
    world.close()
  })

  it('appends what a SELECT gives, as the table has it, with a comment at its end', async () => {
    await run(
      insertOf(target, of("SELECT 'c' AS who, DATE '2025-11-20' AS day, 5 AS cost -- the last"), columns, given),
    )
    expect(await costs()).to.deep.equal([
      '2025-11-18 1 a',
      '2025-11-19 2 a',
      '2025-11-19 3 b',
      '2025-11-19 4 NULL',
      '2025-11-20 5 c',
    ])
  })
  it('replaces a period of one column, of two, and everything', async () => {
    const select = of("WITH x AS (SELECT 9 AS cost) SELECT DATE '2025-11-19' AS day, cost, 'b' AS who FROM x")
    await run(replaceOf(target, select, columns, given, [inside(day, '2025-11-19'), inside(who, 'b')]))
    expect(await costs()).to.deep.equal(['2025-11-18 1 a', '2025-11-19 2 a', '2025-11-19 4 NULL', '2025-11-19 9 b'])
    await run(
      replaceOf(target, of(`SELECT * FROM (${select.query}) WHERE FALSE`), columns, given, [inside(day, '2025-11-19')]),
    )
    expect(await costs()).to.deep.equal(['2025-11-18 1 a'])
    await run(replaceOf(target, select, columns, given, []))
    expect(await costs()).to.deep.equal(['2025-11-19 9 b'])
  })
  it('fails as a whole for a row outside of the period, and says which value it has', async () => {
    const before = await costs()
    for (const [select, value] of [
      ["SELECT DATE '2025-11-20' AS day, 1 AS cost, 'x' AS who", '2025-11-20'],
      ["SELECT CAST(NULL AS DATE) AS day, 1 AS cost, 'x' AS who", 'NULL'],
    ] as const) {
      for (const write of [replaceOf, selectFor]) {
        const fault = await run(write(target, of(select), columns, given, [inside(day, '2025-11-19')])).then(
          () => undefined,
          (error: unknown) => error,
        )
        expect(fault)
          .to.be.instanceOf(AppError)
          .with.property('message')
          .that.contains(
            `§ROW_OUTSIDE_PERIOD§d.costs: a new row has day = ${value}, the period that is replaced is 2025-11-19§`,
          )
      }
    }
    // A result without the column of the period has it as NULL.
    expect(
      await run(
        replaceOf(target, of('SELECT 1 AS cost'), [cost], [{ ...cost, type: 'INT64' }], [inside(day, '2025-11-19')]),
      ).then(
        () => 'done',
        () => 'failed',
      ),
    ).to.equal('failed')
    expect(await costs()).to.deep.equal(before)
  })
  it('gives all columns of the table where a destination is written, in its types', async () => {
    const { rows, translated } = await run(
      selectFor(
        target,
        of("SELECT 'c' AS who"),
        [day, cost, who, { name: 'tags', type: 'STRING', mode: 'REPEATED' }, { name: 'at', type: 'TIMESTAMP' }],
        [who],
        [],
      ),
    )
    expect(translated.columns.map(({ name, type, mode }) => `${name} ${type} ${mode ?? 'NULLABLE'}`)).to.deep.equal([
      'day DATE NULLABLE',
      'cost NUMERIC NULLABLE',
      'who STRING NULLABLE',
      'tags STRING REPEATED',
      'at TIMESTAMP NULLABLE',
    ])
    expect(rows).to.deep.equal([[null, null, 'c', [], null]])
  })
  it('commits rows of JSON texts, value for value', async () => {
    await world.run(
      'CREATE TABLE d.log (seq BIGINT NOT NULL, ts TIMESTAMPTZ, cost DECIMAL(38,9), ratio DOUBLE, ok BOOLEAN, ' +
        'tags VARCHAR[], nums BIGINT[], body JSON, who STRUCT(x BIGINT, y VARCHAR[]), many STRUCT(k VARCHAR)[], ' +
        'sealed BLOB, day DATE)',
    )
    const all = world.catalog.table({ project_id: project, dataset: 'd', table: 'log' })?.columns ?? []
    const row = {
      seq: 1,
      ts: '2025-11-19T01:02:03.000456Z',
      cost: '0.000000001',
      ratio: 0.1,
      ok: false,
      tags: ['a', "'); DROP TABLE x; --"],
      nums: [3, '9007199254740993'],
      body: { x: [1, { y: null }], '§': '\u0000' },
      who: { x: 1, y: ['q'] },
      many: [{ k: 'v' }, { k: 'w' }],
      sealed: 'YWI=',
      day: '2025-11-19',
    }
    await run(insertRowsOf({ ...target, table: 'log' }, all, [row, { seq: 2, tags: null }]))
    expect(
      await world.rows(
        'SELECT seq, epoch_us(ts), cost, ratio, ok, tags, nums, body, who, many, base64(sealed), CAST(day AS ' +
          'VARCHAR) FROM d.log ORDER BY seq',
      ),
    ).to.deep.equal([
      [
        '1',
        '1763514123000456',
        '0.000000001',
        0.1,
        false,
        ['a', "'); DROP TABLE x; --"],
        ['3', '9007199254740993'],
        JSON.stringify(row.body),
        { x: '1', y: ['q'] },
        [{ k: 'v' }, { k: 'w' }],
        'YWI=',
        '2025-11-19',
      ],
      ['2', null, null, null, null, [], [], null, null, [], null, null],
    ])
  })
})
