/** Columns of a table that no file has had: they take no room, and become as all others with their first value. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { expect } from 'chai'
import { openWarehouse } from '@convergence/warehouse'
import type { LoadColumn, Warehouse } from '@convergence/warehouse'
import { openEngine } from '../src/engine.ts'
import type { Engine } from '../src/work.ts'

interface World {
  engine: Engine
  warehouse: Warehouse
  /** Loads CSV into acme.t: in place of the rows of a day, or beside all others. */
  load(csv: string, columns: readonly LoadColumn[], day?: string): Promise<number>
  rows(sql: string): Promise<unknown[]>
  reopen(): Promise<void>
  /** Columns of acme.t that DuckDB computes, by their names, once the warehouse is closed. */
  computed(): Promise<unknown[]>
}
const setup = async (work: (world: World) => Promise<void>): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), 'convergence-unfilled-'))
  const open = async () => {
    const engine = await openEngine({ folder, project_id: 'local' })
    return { engine, warehouse: openWarehouse({ engine, random: () => 0 }) }
  }
  let opened = await open()
  let steps = 0
  try {
    await opened.warehouse.ensureDataset('acme')
    const world: World = {
      ...opened,
      load: async (csv, columns, day) => {
        const path = join(folder, 'scratch', `${(steps += 1)}.csv`)
        writeFileSync(path, csv)
        const period = day === undefined ? {} : { period: { day } }
        const { rows_written } = await opened.warehouse.runJob(
          { run_id: 'r', step_id: `s${steps}`, max_retries: 0, retry_delay_seconds: 0, tenant_id: 'acme' },
          {
            kind: 'load',
            format: 'csv',
            files: [{ path, name: 'f.csv' }],
            columns,
            destination: {
              project_id: 'local',
              dataset: 'acme',
              table: 't',
              write_mode: day === undefined ? 'append' : 'truncate',
              ...period,
            },
          },
        )
        return rows_written
      },
      rows: (query) => opened.warehouse.query({ query }),
      reopen: async () => {
        await opened.warehouse.close()
        opened = await open()
        Object.assign(world, opened)
      },
      computed: async () => {
        await opened.warehouse.close()
        const instance = await DuckDBInstance.create(join(folder, 'warehouse.duckdb'))
        const connection = await instance.connect()
        const found = await connection.runAndReadAll(
          `SELECT name FROM pragma_table_info('acme.t') WHERE contains(dflt_value, 'nullif') ORDER BY name`,
        )
        connection.closeSync()
        instance.closeSync()
        return found.getRows().map(([name]) => name)
      },
    }
    await work(world)
  } finally {
    await opened.warehouse.close()
    rmSync(folder, { recursive: true, force: true })
  }
}
/** `text`, `cost`, `tags` and `seen` are of the files only where one has them. */
const columns: readonly LoadColumn[] = [
  { name: 'day', type: 'DATE', source: 'day' },
  { name: 'text', type: 'STRING', source: 'text', optional: true },
  { name: 'cost', type: 'BIGNUMERIC', source: 'cost', optional: true },
  { name: 'tags', type: 'JSON', source: 'tags', optional: true },
  { name: 'seen', type: 'TIMESTAMP', value: null },
  { name: 'n', type: 'INT64', source: 'n' },
]
const none = { text: null, cost: null, tags: null, seen: null }
const all = 'SELECT day, text, cost, tags, seen, n FROM acme.t ORDER BY n'

describe('columns that no file has had', () => {
  it('are NULL to whoever reads them, in every type, before and after the warehouse is opened again', () =>
    setup(async ({ load, rows, reopen, computed }) => {
      await load('day,n\n2026-01-01,1\n2026-01-02,2\n', columns)
      const look = async () => [
        await rows(all),
        await rows('SELECT * FROM acme.t WHERE n = 2'),
        await rows('SELECT SUM(cost) AS s, COUNT(text) AS c, COUNTIF(tags IS NULL) AS t, MAX(seen) AS m FROM acme.t'),
        await rows("SELECT COUNT(*) AS c FROM acme.t WHERE text = 'x' OR cost > 0 OR tags IS NOT NULL"),
        await rows("SELECT IFNULL(text, '-') AS x, SUM(cost * 2 + 1) AS s, COUNT(*) AS c FROM acme.t GROUP BY x"),
      ]
      const before = await look()
      expect(before).to.deep.equal([
        [
          { day: '2026-01-01', ...none, n: 1 },
          { day: '2026-01-02', ...none, n: 2 },
        ],
        [{ day: '2026-01-02', ...none, n: 2 }],
        [{ s: null, c: 0, t: 2, m: null }],
        [{ c: 0 }],
        [{ x: '-', s: null, c: 2 }],
      ])
      await reopen()
      expect(await look()).to.deep.equal(before)
      expect(await computed()).to.deep.equal(['cost', 'seen', 'tags', 'text'])
    }))

  it('take the values of a later load, beside the rows that have none, in the order of the table', () =>
    setup(async ({ engine, load, rows, computed }) => {
      await load('day,n\n2026-01-01,1\n2026-01-02,2\n', columns)
      expect(await load('day,n,cost,text\n2026-01-02,3,0.1,a\n', columns, '2026-01-02')).to.equal(1)
      expect(await rows(all)).to.deep.equal([
        { day: '2026-01-01', ...none, n: 1 },
        { day: '2026-01-02', ...none, text: 'a', cost: '0.1', n: 3 },
      ])
      expect(engine.columns('acme', 't')?.map(({ name }) => name)).to.deep.equal(columns.map(({ name }) => name))
      expect(Object.keys((await rows('SELECT * FROM acme.t'))[0] as object)).to.deep.equal(
        columns.map(({ name }) => name),
      )
      // What a load does not have again stays as all others.
      await load('day,n\n2026-01-03,4\n', columns)
      expect(await rows('SELECT SUM(cost) AS s, COUNT(*) AS c FROM acme.t')).to.deep.equal([{ s: '0.1', c: 3 }])
      expect(await computed()).to.deep.equal(['seen', 'tags'])
    }))

  it('are as before when a load that would have filled them fails', () =>
    setup(async ({ load, rows, computed }) => {
      await load('day,n\n2026-01-01,1\n', columns)
      const fault = await load('day,n,cost\n2026-01-01,2,0.1\n2026-01-01,3,much\n', columns, '2026-01-01').catch(String)
      expect(fault).to.match(/f\.csv:3, column cost: expected BIGNUMERIC, got 'much'/)
      expect(await rows(all)).to.deep.equal([{ day: '2026-01-01', ...none, n: 1 }])
      expect(await computed()).to.deep.equal(['cost', 'seen', 'tags', 'text'])
    }))

  it('are written by statements, which name them or not, and by rows', () =>
    setup(async ({ engine, load, rows, computed }) => {
      const run = (query: string) =>
        engine
          .submit(
            `j${query.length}`,
            { kind: 'statement', statement: { query } },
            { labels: {}, detail: undefined, keep: true },
          )
          .then(() => engine.wait(`j${query.length}`))
          .then(({ error, rows_written }) => error ?? rows_written)
      await load('day,n\n2026-01-01,1\n2026-01-02,2\n', columns)
      expect(await run('UPDATE acme.t SET n = 20 WHERE n = 2')).to.equal(1)
      expect(await run("UPDATE acme.t SET TEXT = 'u' WHERE n = 1")).to.equal(1)
      expect(await run("INSERT INTO acme.t (day, n, cost) VALUES ('2026-01-03', 3, 1.5)")).to.equal(1)
      expect(
        await run('MERGE acme.t USING (SELECT 20 AS k) ON n = k WHEN MATCHED THEN UPDATE SET tags = JSON \'{"a":1}\''),
      ).to.equal(1)
      expect(await run('DELETE FROM acme.t WHERE seen IS NULL AND n = 3')).to.equal(1)
      expect(await rows(all)).to.deep.equal([
        { day: '2026-01-01', ...none, text: 'u', n: 1 },
        { day: '2026-01-02', ...none, tags: { a: 1 }, n: 20 },
      ])
      await engine.insertRows('acme', 't', [{ day: '2026-01-04', n: 4, seen: '2026-01-04T00:00:00Z' }])
      expect(await rows('SELECT seen FROM acme.t WHERE n = 4')).to.deep.equal([{ seen: '2026-01-04T00:00:00.000Z' }])
      expect(await computed()).to.deep.equal([])
    }))

  it('go by ALTER TABLE, and one of the same name that comes back keeps its values', () =>
    setup(async ({ engine, load, rows }) => {
      await load('day,n\n2026-01-01,1\n', columns)
      for (const [k, query] of [
        'ALTER TABLE acme.t DROP COLUMN text',
        'ALTER TABLE acme.t ADD COLUMN text STRING',
        "UPDATE acme.t SET text = 'kept' WHERE TRUE",
        "UPDATE acme.t SET n = 5 WHERE text = 'kept'",
      ].entries()) {
        const work = { kind: 'statement', statement: { query } } as const
        await engine.submit(`j${k}`, work, { labels: {}, detail: undefined, keep: true })
        expect((await engine.wait(`j${k}`)).error).to.equal(undefined)
      }
      expect(await rows('SELECT text, n FROM acme.t')).to.deep.equal([{ text: 'kept', n: 5 }])
    }))

  it('are none of a table of which nothing would be left', () =>
    setup(async ({ load, rows, computed }) => {
      const lone: LoadColumn[] = [{ name: 'text', type: 'STRING', source: 'text', optional: true }]
      expect(await load('day,n\n2026-01-01,1\n', lone)).to.equal(1)
      expect(await rows('SELECT * FROM acme.t')).to.deep.equal([{ text: null }])
      expect(await computed()).to.deep.equal([])
    }))

  it('are none that must have a value', () =>
    setup(async ({ load, engine }) => {
      const must: LoadColumn = { name: 'must', type: 'STRING', mode: 'REQUIRED', source: 'text', optional: true }
      const fault = await load('day,n\n2026-01-01,1\n', [...columns, must]).catch(String)
      expect(fault).to.match(/f\.csv:2, column text: expected STRING/)
      expect(engine.columns('acme', 't')).to.equal(undefined)
    }))
})
