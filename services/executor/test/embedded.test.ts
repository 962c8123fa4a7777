import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { openEngine } from '@convergence/local-warehouse'
import { openWarehouse, type Warehouse } from '@convergence/warehouse'
import { bqEtl } from '../src/processors/gcp/bq_etl.ts'
import { dataset } from '../src/processors/setup/dataset.ts'
import { bootstrap } from '../src/processors/setup/initial.ts'
import { openStore, type Store } from '../src/store.ts'
import { conclusions, contextOf, ended, errorOf, makeRun, makeStep, shared_sources } from './fakes.ts'

const withWarehouse = async (
  body: (context: { warehouse: Warehouse; store: Store; count: (table: string) => Promise<number> }) => Promise<void>,
) => {
  const folder = mkdtempSync(join(tmpdir(), 'convergence-executor-'))
  const warehouse = openWarehouse({
    engine: await openEngine({ folder, project_id: 'local-convergence' }),
    random: () => 0,
  })
  try {
    await bootstrap(warehouse, {})
    await dataset({ warehouse, shared_sources }).run(
      contextOf(
        makeRun({ tenant_id: 'system', pipeline: 'setup/tenants/onboarding' }),
        makeStep('dataset', { config: { tenant_id: 'acme' } }),
      ),
    )
    await body({
      warehouse,
      store: openStore({ warehouse, now: () => new Date('2026-01-02T00:00:00Z') }),
      count: async (table) =>
        Number(
          (await warehouse.query({ query: `SELECT COUNT(*) AS n FROM \`local-convergence.${table}\`` }))[0]?.['n'],
        ),
    })
  } finally {
    await warehouse.close()
    rmSync(folder, { recursive: true, force: true })
  }
}
const etl = (query: string, more: object = {}) =>
  makeStep('load', {
    ps_type: 'gcp.bq_etl',
    config: {
      source: { bq_project_id: 'local-convergence', query, parameters: [] },
      destination: { bq_project_id: 'local-convergence', dataset_type: 'acme', table: 'numbers', write_mode: 'append' },
      ...more,
    },
  })

describe('the executor on the embedded warehouse', () => {
  it('shows of runs that the clock asked for when they were due, and that one was refused', () =>
    withWarehouse(async ({ warehouse }) => {
      const body = { trigger_type: 'schedule', trigger_by: 'acme:nightly' }
      const row = (idx: number, kind: string, run_id: string, more: object) => ({
        ...{ epoch: 'e1', shard: 0, seq: 1, idx, kind, tenant_id: 'acme', run_id, pipeline: 'gcp/cost/billing' },
        ...{ decided_at: '2026-01-02T06:00:24.103Z', ...more },
      })
      const due = { ...body, scheduled_time: '2026-01-02T06:00:00.000Z' }
      await warehouse.commit('run_ledger', { epoch: 'e1', shard: 0, seq: 1 }, [
        row(0, 'REJECT', 'r_refused', { reason: 'QUOTA_EXCEEDED', body: due }),
        row(1, 'ADMIT', 'r_done', { body: due }),
        row(2, 'RELEASE', 'r_done', { outcome: 'COMPLETED' }),
        row(3, 'ADMIT', 'r_older', { body }),
      ])
      const rows = await warehouse.query({
        query:
          'SELECT scheduled_run_id, state, CAST(scheduled_time AS STRING) AS due FROM scheduled_pipeline_runs ORDER BY 1',
        default_dataset: 'tenants',
      })
      expect(
        rows.map(({ scheduled_run_id, state, due: at }) => [scheduled_run_id, state, String(at).slice(11, 19)]),
      ).to.deep.equal([
        ['r_done', 'COMPLETED', '06:00:00'],
        ['r_older', 'PENDING', '06:00:24'],
        ['r_refused', 'REJECTED', '06:00:00'],
      ])
    }))

  it('shows one row per run and the steps that were recorded', () =>
    withWarehouse(async ({ warehouse, store }) => {
      const run = makeRun()
      await store.recordEnd({
        run,
        status: 'COMPLETED',
        started_at: '2026-01-02T00:00:01Z',
        ended_at: '2026-01-02T00:00:03Z',
        duration_ms: 2000,
      })
      await store.recordStart({ run, next: [] })
      await store.recordStep(ended(run, 's0', { outputs: { table: 'acme.t' } }))
      await store.recordStep(ended(run, 's0', { outputs: { table: 'acme.t' } }))
      await store.recordStep(ended(run, 's1', { conclusion: 'FAILED', error: { code: 'INTERNAL', message: 'no' } }))
      expect(conclusions(await store.recordedSteps(run))).to.deep.equal({ s0: 'SUCCEEDED', s1: 'FAILED' })
      const rows = await warehouse.query({
        query: 'SELECT status, step_id, step_status, duration_ms FROM tenant_comprehensive_view ORDER BY step_id',
        default_dataset: 'acme',
      })
      expect(rows).to.deep.equal([
        { status: 'COMPLETED', step_id: 's0', step_status: 'SUCCEEDED', duration_ms: 2000 },
        { status: 'COMPLETED', step_id: 's1', step_status: 'FAILED', duration_ms: 2000 },
      ])
    }))

  it('appends once, however often the step is run', () =>
    withWarehouse(async ({ warehouse, store, count }) => {
      const context = contextOf(
        makeRun(),
        etl('SELECT n, CAST(n AS NUMERIC) AS cost FROM (SELECT 1 AS n UNION ALL SELECT 2 UNION ALL SELECT 3)'),
      )
      const results = await Promise.all([1, 2, 3].map(() => bqEtl({ warehouse, store, shared_sources }).run(context)))
      expect(results.map(({ rows_written }) => rows_written)).to.deep.equal([3, 3, 3])
      expect(await count('acme.numbers')).to.equal(3)
    }))

  it('checks what it is to write, and records what the checks found', () =>
    withWarehouse(async ({ warehouse, store }) => {
      const run = makeRun()
      const checks = [
        { check: 'not_null', column: 'n' },
        { check: 'unique', column: 'n' },
        { check: 'range', column: 'cost', min: 1, max: '2.5', on_violation: 'warn' },
        { check: 'row_count', equals: 3 },
        { check: 'sum', column: 'cost', equals: '6' },
        { check: 'freshness', column: 'seen', max_age_hours: 24 },
        { check: 'row_count', min: 4 },
      ]
      const error = await errorOf(
        bqEtl({ warehouse, store, shared_sources }).run(
          contextOf(
            run,
            etl(
              "SELECT n, CAST(n AS NUMERIC) AS cost, TIMESTAMP '2026-01-01 12:00:00+00' AS seen " +
                'FROM (SELECT 1 AS n UNION ALL SELECT 2 UNION ALL SELECT 3)',
              { checks },
            ),
          ),
        ),
      )
      expect([error.code, error.faults], error.message).to.deep.equal([
        'CHECK_FAILED',
        ['row_count_2: expected at least 4, came 3'],
      ])
      const rows = await warehouse.query({
        query: 'SELECT check_name, status, actual FROM tenant_dq_results ORDER BY check_name',
        default_dataset: 'tenants',
      })
      expect(rows.map((row) => [row['check_name'], row['status'], row['actual']])).to.deep.equal([
        ['freshness_seen', 'PASSED', String(Date.parse('2026-01-01T12:00:00Z'))],
        ['not_null_n', 'PASSED', '0'],
        ['range_cost', 'WARNED', '1'],
        ['row_count', 'PASSED', '3'],
        ['row_count_2', 'FAILED', '3'],
        ['sum_cost', 'PASSED', '6'],
        ['unique_n', 'PASSED', '0'],
      ])
    }))

  it("leaves no way out of the tenant's dataset", () =>
    withWarehouse(async ({ warehouse, store, count }) => {
      await warehouse.ensureDataset('globex', { labels: { owner: 'tenant' } })
      await warehouse.ensureTable({ dataset: 'globex', table: 'costs', columns: [{ name: 'cost', type: 'NUMERIC' }] })
      await warehouse.ensureTable({ dataset: 'acme', table: 'own', columns: [{ name: 'cost', type: 'NUMERIC' }] })
      await warehouse.ensureView({
        dataset: 'acme',
        view: 'through',
        query: 'SELECT * FROM `local-convergence.globex.costs`',
      })
      const escapes = [
        'SELECT * FROM globex.costs',
        'SELECT * FROM `local-convergence.globex.costs`',
        'SELECT * FROM `local-convergence`.globex.costs',
        'SELECT * FROM `globex.cos*`',
        'SELECT * FROM globex.`costs`',
        'SELECT * FROM tenants.tenant_api_keys_rows',
        'SELECT * FROM tenants.tenant_profiles',
        'SELECT * FROM acme.through',
        'SELECT cost FROM own UNION ALL SELECT cost FROM globex.costs',
        'SELECT (SELECT MAX(cost) FROM globex.costs) AS m',
        'WITH own AS (SELECT * FROM globex.costs) SELECT * FROM own',
        'SELECT * FROM own WHERE cost IN (SELECT cost FROM globex.costs)',
        'SELECT * FROM INFORMATION_SCHEMA.TABLES',
        'SELECT * FROM globex.INFORMATION_SCHEMA.TABLES',
        'SELECT * FROM `region-eu`.INFORMATION_SCHEMA.JOBS',
        "EXPORT DATA OPTIONS(uri='gs://x/*.csv', format='CSV') AS SELECT * FROM own",
        'SELECT @@project_id',
        'SELECT 1; SELECT 2',
        'DROP TABLE globex.costs',
        'CREATE TABLE acme.x AS SELECT * FROM globex.costs',
        'INSERT INTO globex.costs VALUES (1)',
        'BEGIN SELECT 1; END',
        "EXECUTE IMMEDIATE 'SELECT 1'",
        "SELECT * FROM EXTERNAL_QUERY('c', 'SELECT 1')",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT getenv('HOME')",
        'SELECT * FROM duckdb_tables()',
        "ATTACH 'x.db'",
        'PRAGMA version',
        'CALL acme.p()',
      ]
      for (const query of escapes) {
        const error = await errorOf(
          bqEtl({ warehouse, store, shared_sources })
            .run(contextOf(makeRun(), etl(query)))
            .then(() => {
              throw new Error(`got through: ${query}`)
            }),
        )
        expect(
          ['SOURCE_NOT_DECLARED', 'QUERY_INVALID', 'QUERY_UNSUPPORTED', 'TABLE_NOT_FOUND'],
          `${query}: ${error.message}`,
        ).to.include(error.code)
      }
      expect(await count('globex.costs')).to.equal(0)
      expect(await errorOf(warehouse.query({ query: 'SELECT * FROM acme.numbers' }))).to.include({
        code: 'TABLE_NOT_FOUND',
      })
    }))
})
