import { AppError } from '@convergence/contracts'
import { expect } from 'chai'
import { compareDecimals } from '../src/checks.ts'
import { bqEtl } from '../src/processors/gcp/bq_etl.ts'
import { codeOf, contextOf, errorOf, fakeStore, fakeWarehouse, makeRun, makeStep, shared_sources } from './fakes.ts'

const source = {
  bq_project_id: 'local-convergence',
  query: 'SELECT 1 AS cost',
  parameters: [{ name: 'date', type: 'DATE', value: '2026-01-01' }],
}
const destination = {
  bq_project_id: 'local-convergence',
  dataset_type: 'acme',
  table: 'gcp_cost_billing',
  write_mode: 'truncate',
  period: { usage_date: '2026-01-01' },
  table_config: { time_partitioning: { field: 'usage_date' }, clustering_fields: ['service_id'] },
}
const setup = ({
  config = {},
  run = makeRun(),
  ...warehouseOptions
}: { config?: object; run?: ReturnType<typeof makeRun> } & Parameters<typeof fakeWarehouse>[0] = {}) => {
  const warehouse = fakeWarehouse(warehouseOptions)
  const store = fakeStore()
  const context = contextOf(run, makeStep('s0', { ps_type: 'gcp.bq_etl', config: { source, destination, ...config } }))
  return { warehouse, store, work: () => bqEtl({ warehouse, store, shared_sources }).run(context) }
}
const table = (dataset: string, project_id = 'local-convergence') => ({ project_id, dataset, table: 't' })

describe('gcp.bq_etl', () => {
  it("writes one SELECT into the tenant's table as one job", async () => {
    const { work, warehouse } = setup({ reads: [table('billing_export'), table('acme')] })
    expect(await work()).to.deep.include({ rows_written: 5, bytes_processed: 50, attempt: 0 })
    expect(warehouse.jobs).to.deep.equal([
      {
        kind: 'query',
        query: source.query,
        parameters: source.parameters,
        default_dataset: 'acme',
        destination: {
          project_id: 'local-convergence',
          dataset: 'acme',
          table: 'gcp_cost_billing',
          write_mode: 'truncate',
          period: { usage_date: '2026-01-01' },
          time_partitioning: { field: 'usage_date', type: 'DAY' },
          clustering_fields: ['service_id'],
        },
      },
    ])
  })

  it('refuses a query of another tenant, the central tables or another project, before any job exists', async () => {
    for (const foreign of [
      table('globex'),
      table('tenants'),
      table('billing_export', 'other-project'),
      table('acme', 'other-project'),
      table('ACME'),
    ]) {
      const { work, warehouse } = setup({ reads: [table('acme'), foreign] })
      const error = await errorOf(work())
      expect([error.code, error.faults]).to.deep.equal([
        'SOURCE_NOT_DECLARED',
        [`reads ${foreign.project_id}.${foreign.dataset}.t`],
      ])
      expect(warehouse.jobs).to.deep.equal([])
    }
  })

  it('refuses everything that is not one SELECT', async () => {
    for (const statement_type of ['SCRIPT', 'INSERT', 'EXPORT_DATA', 'CREATE_TABLE_AS_SELECT', 'CALL', '']) {
      const { work, warehouse } = setup({ statement_type })
      expect(await codeOf(work())).to.equal('QUERY_INVALID')
      expect(warehouse.jobs).to.deep.equal([])
    }
  })

  it('reads one table by a schema, and no query of two', async () => {
    const export_columns = [{ name: 'id', type: 'STRING' }]
    const query = 'SELECT id FROM `p-1.a.t` AS x'
    const one = setup({ config: { source: { ...source, query, export_columns } } })
    expect((await one.work()).outputs).to.deep.include({ other_columns: 0 })
    expect(one.warehouse.jobs[0]).to.include({
      query:
        'SELECT id FROM (SELECT CAST(NULL AS STRING) AS `id`, CAST(NULL AS JSON) AS other_columns ' +
        'FROM `p-1.a.t` AS export_row) AS x',
    })
    for (const wrong of ['SELECT 1 AS id', `${query}, \`p-1.a.u\``])
      expect(await codeOf(setup({ config: { source: { ...source, query: wrong, export_columns } } }).work())).to.equal(
        'CONFIG_INVALID',
      )
  })

  it('asks nothing without the table that its rows are of, unless there are rows to replace', async () => {
    const needs = async ({ there, before }: { there: boolean; before: number }) => {
      const { work, warehouse } = setup({
        config: {
          source: {
            ...source,
            query: 'SELECT id FROM `aws_cost_focus`',
            own_tables: { aws_cost_focus: [{ name: 'id', type: 'STRING' }] },
            nothing_without: 'aws_cost_focus',
          },
        },
        answer: () => [{ source: null, n: before, last_day: null }],
      })
      const { dryRun } = warehouse
      warehouse.dryRun = async (statement) => {
        if (!there && statement.query === 'SELECT * FROM `aws_cost_focus`')
          throw new AppError('TABLE_NOT_FOUND', 'not there')
        return { ...(await dryRun(statement)), columns: [{ name: 'usage_date', type: 'DATE' }] }
      }
      const { rows_written } = await work()
      return [rows_written, warehouse.jobs.length]
    }
    expect(await needs({ there: false, before: 0 })).to.deep.equal([0, 0])
    expect(await needs({ there: false, before: 3 })).to.deep.equal([5, 1])
    expect(await needs({ there: true, before: 0 })).to.deep.equal([5, 1])
  })

  it("writes into no dataset but the tenant's own", async () => {
    for (const wrong of [{ dataset_type: 'globex' }, { dataset_type: 'tenants' }, { bq_project_id: 'other-project' }]) {
      const { work, warehouse } = setup({ config: { destination: { ...destination, ...wrong } } })
      expect(await codeOf(work())).to.equal('FORBIDDEN')
      expect(warehouse.jobs).to.deep.equal([])
    }
  })

  it("lets the platform's own run work in the dataset of any tenant, and in no other", async () => {
    const run = makeRun({ tenant_id: 'system', pipeline: 'setup/tenants/onboarding', sources: [] })
    const { work, warehouse } = setup({ run, reads: [table('acme')] })
    expect(await codeOf(work())).to.equal('TABLE_NOT_FOUND')
    warehouse.datasets.set('acme', { owner: 'somebody' })
    expect(await codeOf(work())).to.equal('FORBIDDEN')
    warehouse.datasets.set('acme', { owner: 'tenant' })
    expect(await codeOf(work())).to.equal('no error')
    expect(
      await codeOf(setup({ run: makeRun({ tenant_id: 'system', pipeline: 'gcp/cost/billing' }) }).work()),
    ).to.equal('FORBIDDEN')
  })

  describe('checks', () => {
    const checked = (found: string | null, ...checks: object[]) =>
      setup({
        config: { checks },
        answer: () => [Object.fromEntries(checks.map((_, k) => [`c${k}`, found]))],
      })

    it('look at the new rows before they go to the table, in one pass', async () => {
      const { work, store, warehouse } = checked(
        '0',
        { check: 'not_null', column: 'cost' },
        { check: 'unique', column: 'id' },
        { check: 'range', column: 'cost', min: 0 },
      )
      const { outputs } = await work()
      expect(outputs?.['checks']).to.deep.equal({ passed: 3, warned: 0 })
      expect(store.checks.map(({ check_name, status }) => [check_name, status])).to.deep.equal([
        ['not_null_cost', 'PASSED'],
        ['unique_id', 'PASSED'],
        ['range_cost', 'PASSED'],
      ])
      const [held, swap] = warehouse.jobs
      const table = String(held?.destination.table)
      expect(held?.destination).to.include({ dataset: 'acme', write_mode: 'write_empty', expires_hours: 168 })
      expect(table).to.match(/^_checked_[0-9a-f]{24}$/)
      expect(swap).to.deep.include({ query: `SELECT * FROM \`local-convergence.acme.${table}\`` })
      expect(swap?.destination).to.include({ table: 'gcp_cost_billing', write_mode: 'truncate' })
      expect(warehouse.statements.map(({ query }) => query)).to.deep.equal([
        'SELECT CAST(COUNTIF(`cost` IS NULL) AS STRING) AS c0, CAST(COUNT(`id`) - COUNT(DISTINCT `id`) AS STRING) AS c1, ' +
          'CAST(COUNTIF(CAST(`cost` AS BIGNUMERIC) < CAST(@check2_min AS BIGNUMERIC)) AS STRING) AS c2 ' +
          `FROM \`local-convergence.acme.${table}\``,
      ])
      expect(warehouse.calls).to.deep.equal([`drop acme.${table}`])
    })

    it('fail the step with what was expected and what came, after they were recorded, and write nothing', async () => {
      const { work, store, warehouse } = checked(
        '3',
        { check: 'not_null', column: 'cost' },
        { check: 'row_count', min: 1, max: 2, on_violation: 'warn' },
      )
      const error = await errorOf(work())
      expect([error.code, error.faults]).to.deep.equal([
        'CHECK_FAILED',
        ['not_null_cost (cost): expected 0 rows without a value, came 3'],
      ])
      expect(store.checks.map(({ status }) => status)).to.deep.equal(['FAILED', 'WARNED'])
      expect(warehouse.jobs).to.have.length(1)
    })

    it('compare sums digit by digit', async () => {
      expect(
        await codeOf(checked('0.30000000000000000001', { check: 'sum', column: 'cost', max: '0.3' }).work()),
      ).to.equal('CHECK_FAILED')
      expect(
        await codeOf(checked('0.3', { check: 'sum', column: 'cost', min: '0.3', max: 0.3, equals: '0.30' }).work()),
      ).to.equal('no error')
      expect(
        [
          compareDecimals('-0.5', '-0.4'),
          compareDecimals('-1', '1'),
          compareDecimals('10', '9.99'),
          compareDecimals('1.50', '1.5'),
        ].map(Math.sign),
      ).to.deep.equal([-1, -1, 1, 0])
    })

    it('ask for what is fresh by the time of the request', async () => {
      const newest = String(Date.parse('2026-01-01T12:00:00Z'))
      expect(
        await codeOf(checked(newest, { check: 'freshness', column: 'export_time', max_age_hours: 12 }).work()),
      ).to.equal('no error')
      expect(
        await codeOf(checked(newest, { check: 'freshness', column: 'export_time', max_age_hours: 11 }).work()),
      ).to.equal('CHECK_FAILED')
      expect(await codeOf(checked(null, { check: 'freshness', column: 'export_time' }).work())).to.equal('CHECK_FAILED')
    })

    it('take no column that is not a name', async () => {
      expect(await codeOf(checked('0', { check: 'not_null', column: 'cost` IS NULL OR `x' }).work())).to.equal(
        'CONFIG_INVALID',
      )
    })
  })
})
