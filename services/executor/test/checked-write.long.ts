import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { AppError } from '@convergence/contracts'
import { openEngine } from '@convergence/local-warehouse'
import { openBigQueryFront } from '@convergence/local-warehouse/front'
import { openWarehouse, type Warehouse } from '@convergence/warehouse'
import { openBigQuery } from '@convergence/warehouse/google'
import { periodBefore, type Check } from '../src/checks.ts'
import { bqEtl } from '../src/processors/gcp/bq_etl.ts'
import { bootstrap } from '../src/processors/setup/initial.ts'
import { openStore, type Store } from '../src/store.ts'
import { codeOf, contextOf, errorOf, makeRun, makeStep, shared_sources } from './fakes.ts'

const project_id = 'local-convergence'
interface World {
  warehouse: Warehouse
  store: Store
  /** Of the table of the test. */
  rows(): Promise<string[]>
  /** Of rows on their way. */
  held(): Promise<string[]>
  /** Of the run that is the last one. */
  results(): Promise<string[]>
  end(): Promise<void>
}
/** Each test has a table of its own. */
let table = ''
let tests = 0
const openWorld = async (side: 'embedded' | 'google'): Promise<World> => {
  const folder = mkdtempSync(join(tmpdir(), 'convergence-checks-'))
  const engine = await openEngine({ folder, project_id })
  const front = side === 'google' ? await openBigQueryFront({ engine, host: '127.0.0.1', port: 0 }) : undefined
  const port =
    front === undefined
      ? engine
      : openBigQuery({ project_id, location: 'EU', api_endpoint: `http://127.0.0.1:${front.port}` })
  const warehouse = openWarehouse({ engine: port, random: () => 0 })
  const textOf = async (query: string, dataset: string) =>
    (await warehouse.query({ query, default_dataset: dataset })).map(({ text }) => String(text))
  await bootstrap(warehouse, {})
  await warehouse.ensureDataset('acme', { labels: { owner: 'tenant' } })
  await warehouse.ensureDataset('globex', { labels: { owner: 'tenant' } })
  await warehouse.ensureTable({ dataset: 'globex', table: 'costs', columns: [{ name: 'cost', type: 'NUMERIC' }] })
  return {
    warehouse,
    store: openStore({ warehouse, now: () => new Date('2026-01-02T00:00:00Z') }),
    rows: () => textOf(`SELECT FORMAT('%t %t %t', day, name, cost) AS text FROM ${table} ORDER BY text`, 'acme'),
    held: async () => (await engine.things('acme')).map(({ name }) => name).filter((name) => name.startsWith('_')),
    results: () =>
      textOf(
        "SELECT FORMAT('%s %s %s', check_name, status, actual) AS text FROM tenant_dq_results " +
          `WHERE pipeline_logging_id = '${runId()}' ORDER BY text`,
        'tenants',
      ),
    end: async () => {
      if (front !== undefined) await port.close()
      await front?.close()
      await engine.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
/** One world for the tests of a group. */
const worldOf = (side: 'embedded' | 'google'): (() => World) => {
  let world: World | undefined
  before(async () => {
    world = await openWorld(side)
  })
  beforeEach(() => {
    table = `costs_${(tests += 1)}`
  })
  after(() => world?.end())
  return () => {
    if (world === undefined) throw new Error('no world')
    return world
  }
}
let runs = 0
const runId = (): string => `r_${String(runs).padStart(26, '0')}`
/** A step that brings rows of a day; each call is a run of its own. */
const step = (values: string, checks: Check[], { day = '2026-01-01', write_mode = 'truncate' } = {}) => {
  runs += 1
  const run = makeRun({ run_id: runId() })
  const destination = {
    bq_project_id: project_id,
    dataset_type: 'acme',
    table,
    write_mode,
    ...(write_mode === 'truncate' ? { period: { day } } : {}),
    columns: [
      { name: 'day', type: 'DATE', mode: 'REQUIRED' },
      { name: 'name', type: 'STRING' },
      { name: 'cost', type: 'NUMERIC' },
    ],
    table_config: { time_partitioning: { field: 'day' } },
  }
  const query = `SELECT DATE '${day}' AS day, name, CAST(cost AS NUMERIC) AS cost FROM (${values})`
  const source = { bq_project_id: project_id, query, parameters: [] }
  return contextOf(run, makeStep('load', { ps_type: 'gcp.bq_etl', config: { source, destination, checks } }))
}
const good = "SELECT 'a' AS name, 1 AS cost UNION ALL SELECT 'b', 2"
const bad = "SELECT CAST(NULL AS STRING) AS name, -1 AS cost UNION ALL SELECT 'b', 2"
const positive: Check[] = [{ check: 'range', column: 'cost', min: 0 }]
const run = (world: Pick<World, 'warehouse' | 'store'>, context: ReturnType<typeof step>) =>
  bqEtl({ ...world, shared_sources }).run(context)

for (const side of ['embedded', 'google'] as const)
  describe(`checks before the swap, ${side}`, function () {
    this.timeout(30_000)
    const opened = worldOf(side)

    it('never replace good rows by bad ones, in a period, in the whole table, appended or not', async () => {
      const world = opened()
      await run(world, step(good, positive))
      for (const write_mode of ['truncate', 'append', 'write_empty']) {
        expect(await codeOf(run(world, step(bad, positive, { write_mode }))), write_mode).to.equal('CHECK_FAILED')
        expect(await world.rows()).to.deep.equal(['2026-01-01 a 1', '2026-01-01 b 2'])
      }
      const warned = await run(world, step(bad, [{ check: 'not_null', column: 'name', on_violation: 'warn' }]))
      expect(warned.outputs).to.deep.include({
        checks: { passed: 0, warned: 1 },
        warnings: ['check not_null_name (name): expected 0 rows without a value, came 1'],
      })
      expect(await world.rows()).to.deep.equal(['2026-01-01 NULL -1', '2026-01-01 b 2'])
      await run(world, step(good, positive, { write_mode: 'append' }))
      expect(await world.rows()).to.have.length(4)
      expect(await world.held()).to.deep.equal([])
    })

    it('goes on with the rows that are held when the process died, wherever it died', async () => {
      const world = opened()
      const died = new AppError('UNAVAILABLE', 'the process died')
      /** Dies before the n-th call of the door, or after it. */
      const dying = (n: number, after: boolean): World['warehouse'] => {
        let calls = 0
        const dies =
          <A extends unknown[], T>(call: (...args: A) => Promise<T>) =>
          async (...args: A): Promise<T> => {
            calls += 1
            if (calls > n) throw died
            if (calls < n) return call(...args)
            if (after) await call(...args)
            throw died
          }
        const { runJob, query, dropTable, append } = world.warehouse
        return {
          ...world.warehouse,
          runJob: dies(runJob),
          query: dies(query),
          dropTable: dies(dropTable),
          append: dies(append),
        }
      }
      // Two jobs, a query, the record, the table that is dropped; of bad rows one job less, one read of the record more.
      const cases = side === 'embedded' ? [good, bad] : [good]
      for (const values of cases)
        for (let n = 1; n <= 5; n++)
          for (const after of side === 'embedded' ? [false, true] : [true]) {
            const code = values === good ? 'no error' : 'CHECK_FAILED'
            const day = `2026-02-0${n}`
            const context = step(values, positive, { day })
            const warehouse = dying(n, after)
            const store = openStore({ warehouse, now: () => new Date('2026-01-02T00:00:00Z') })
            expect(await codeOf(run({ warehouse, store }, context))).to.equal('UNAVAILABLE')
            expect(await codeOf(run(world, context)), `${n} ${String(after)}`).to.equal(code)
            expect(await codeOf(run(world, context)), 'once more').to.equal(code)
            const there = (await world.rows()).filter((row) => row.startsWith(day))
            expect(there).to.deep.equal([`${day} a 1`, `${day} b 2`])
            expect(await world.held()).to.deep.equal([])
          }
    })

    it('takes a verdict that is recorded, also when a check would say something else now', async () => {
      const world = opened()
      const first: Check[] = [{ check: 'sql', query: `SELECT 1 FROM new_rows JOIN ${table} USING (day, name)` }]
      await run(world, step(good, [], { day: '2026-01-05' }))
      const context = step(good, first, { day: '2026-01-06' })
      await run(world, context)
      // The rows are in, so that the query gives them; the step has been done all the same.
      expect((await run(world, context)).rows_written).to.equal(2)
      expect(await world.results()).to.deep.equal(['sql PASSED 0'])
    })
  })

describe('kinds of checks', function () {
  this.timeout(30_000)
  const opened = worldOf('embedded')
  const faultsOf = async (world: World, values: string, ...checks: Check[]): Promise<readonly string[]> =>
    run(world, step(values, checks)).then(
      () => [],
      (error: unknown) => (error instanceof AppError ? [error.code, ...error.faults] : [String(error)]),
    )

  it('accepted values, as text; several columns; own SQL with what the run may read', async () => {
    const world = opened()
    const twice = `${good} UNION ALL SELECT 'a', 3 UNION ALL SELECT NULL, 3 UNION ALL SELECT NULL, 3`
    expect(
      await faultsOf(
        world,
        twice,
        { check: 'accepted_values', column: 'name', values: ['a', 'b'] },
        { check: 'accepted_values', column: 'cost', values: [1, '2', 4], name: 'costs' },
        { check: 'unique', columns: ['name', 'cost'] },
        { check: 'unique', columns: ['day', 'name'] },
        { check: 'sql', name: 'small', query: 'SELECT name FROM new_rows GROUP BY name HAVING SUM(cost) > 3;' },
      ),
    ).to.deep.equal([
      'CHECK_FAILED',
      'costs (cost): expected 0 rows with another value than 1, 2, 4, came 3',
      'small: expected 0 rows that its query gives, came 2',
      'unique_day_name (day, name): expected 0 repeated values, came 1',
    ])
  })

  it('leaves no way out of the tenant by a query of a check', async () => {
    const world = opened()
    for (const query of [
      'SELECT * FROM globex.costs',
      'SELECT * FROM new_rows WHERE cost IN (SELECT cost FROM globex.costs)',
      'SELECT 1) UNION ALL (SELECT COUNT(*) FROM globex.costs',
      'SELECT 1); DROP TABLE globex.costs; SELECT (1',
      'SELECT * FROM tenants.tenant_profiles',
    ])
      expect(await codeOf(run(world, step(good, [{ check: 'sql', query }]))), query).to.be.oneOf([
        'SOURCE_NOT_DECLARED',
        'QUERY_INVALID',
        'QUERY_UNSUPPORTED',
      ])
    expect(await codeOf(world.rows())).to.equal('TABLE_NOT_FOUND')
  })

  it('names all columns that the rows do not have', async () => {
    const world = opened()
    const error = await errorOf(
      run(
        world,
        step(good, [
          { check: 'not_null', column: 'nam' },
          { check: 'unique', columns: ['day', 'nosuch'] },
        ]),
      ),
    )
    expect([error.code, error.faults]).to.deep.equal([
      'CONFIG_INVALID',
      ['checks[0]: not_null: no column nam in the rows', 'checks[1]: unique: no column nosuch in the rows'],
    ])
  })

  it('compares with the period before, where there is one', async () => {
    const world = opened()
    const half: Check[] = [{ check: 'previous_period', min: 0.5, max: 2 }]
    const rows = (n: number) => `SELECT 'a' AS name, n AS cost FROM UNNEST(GENERATE_ARRAY(1, ${n})) AS n`
    await run(world, step(rows(4), half, { day: '2026-02-28' }))
    expect(await codeOf(run(world, step(rows(1), half, { day: '2026-03-01' })))).to.equal('CHECK_FAILED')
    expect(await codeOf(run(world, step(rows(9), half, { day: '2026-03-01' })))).to.equal('CHECK_FAILED')
    await run(world, step(rows(2), half, { day: '2026-03-01' }))
  })

  it('knows what comes before a day, a month, the days of a range', () => {
    const columns = [{ name: 'day', type: 'DATE' as const }]
    const before = (value: string | { from: string; to: string }, by: 'day' | 'month' = 'day') =>
      periodBefore({ day: value, source_name: 'main' }, columns, by)?.['day']
    expect(before('2026-03-01')).to.equal('2026-02-28')
    expect(before('2026-01-01', 'month')).to.equal('2025-12-01')
    expect(before('2026-01')).to.equal('2025-12')
    expect(before({ from: '2026-03-01', to: '2026-03-31' })).to.deep.equal({ from: '2026-01-29', to: '2026-02-28' })
    expect(periodBefore({ source_name: 'main' }, columns, 'day')).to.equal(undefined)
  })
})
