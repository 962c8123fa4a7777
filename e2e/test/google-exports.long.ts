/** Google's four exports from the tables that Google writes to the tenants' own, by sources, on the whole platform. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { expect } from 'chai'
import type { Column, GcpSource } from '@convergence/contracts'
import type { World } from '../operations.ts'
import { openOneProcess } from './world.ts'

const templates = dirname(createRequire(import.meta.url).resolve('@convergence/ps_templates/package.json'))
const schemaOf = (name: string): Column[] =>
  JSON.parse(readFileSync(join(templates, `gcp/bq_etl/schemas/${name}.json`), 'utf8')) as Column[]
/** As Google's own table has them: amounts of the newer exports are NUMERIC there. */
const asGoogle = (columns: readonly Column[]): Column[] =>
  columns.map((column) => ({
    ...column,
    ...(column.type === 'BIGNUMERIC' ? { type: 'NUMERIC' as const } : {}),
    ...(column.fields === undefined ? {} : { fields: asGoogle(column.fields) }),
  }))

const day = '2025-11-05'
type Row = Record<string, unknown>
/** A row of the detailed export, of a project or of none. */
const usage = (project: string | null, cost: number, more: Row = {}): Row => ({
  billing_account_id: '010101-F0FFF0-61C528',
  service: { id: '6F81-5844-456A', description: 'Compute Engine' },
  sku: { id: 'D97E-AB26-5D95', description: 'Core' },
  usage_start_time: `${day}T03:00:00Z`,
  usage_end_time: `${day}T04:00:00Z`,
  project: project === null ? null : { id: project, number: '7', name: project },
  cost,
  currency: 'EUR',
  cost_type: 'regular',
  invoice: { month: '202511', publisher_type: 'GOOGLE' },
  export_time: `${day}T09:00:00Z`,
  ...more,
})

let loads = 0
const put = async (
  { warehouse, data_folder }: World,
  table: string,
  columns: readonly Column[],
  rows: readonly Row[],
) => {
  loads += 1
  mkdirSync(join(data_folder, 'scratch'), { recursive: true })
  const path = join(data_folder, 'scratch', `google-${loads}.ndjson`)
  writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  await warehouse.ensureDataset('billing_export')
  const destination = {
    project_id: warehouse.project_id,
    dataset: 'billing_export',
    table,
    write_mode: 'truncate' as const,
    columns,
  }
  await warehouse.runJob(
    {
      run_id: `r_g${String(loads).padStart(25, '0')}`,
      step_id: 'put',
      max_retries: 0,
      retry_delay_seconds: 1,
      tenant_id: 'system',
    },
    { kind: 'load', format: 'ndjson', files: [{ path, name: table }], destination },
  )
}

describe("Google's exports", function () {
  this.timeout(120_000)

  let world: World
  const keys: Record<string, string> = {}
  const source = (kind: GcpSource['kind'], table: string, more: Partial<GcpSource> = {}): GcpSource => ({
    provider: 'gcp',
    kind,
    table: `${world.warehouse.project_id}.billing_export.${table}`,
    ...more,
  })
  /** Outputs of the steps of a run that must end well. */
  const load = async (tenant_id: string, pipeline: string, parameters: Record<string, unknown> = { date: day }) => {
    const key = String(keys[tenant_id])
    const ended = await world.ended(key, await world.start(key, tenant_id, pipeline, parameters))
    expect(ended.steps.map(({ status }) => status)).to.deep.equal(ended.steps.map(() => 'SUCCEEDED'))
    return ended
  }
  const one = async (query: string) => (await world.warehouse.query({ query }))[0]
  /** What was counted apart from the loads into a table. */
  const counted = async (tenant_id: string, table: string) =>
    (
      await one(
        `SELECT CAST(SUM(amount) AS STRING) AS cost FROM \`${world.warehouse.project_id}.${tenant_id}.export_amounts\`
         WHERE provider_table = '${table}'`,
      )
    )?.['cost']
  const sum = async (table: string, column = 'net_cost') =>
    one(`SELECT COUNT(*) AS n, CAST(SUM(${column}) AS STRING) AS cost FROM \`${world.warehouse.project_id}.${table}\``)

  before(async () => {
    world = await openOneProcess()
    for (const tenant_id of ['acme_corp', 'globex', 'initech']) keys[tenant_id] = await world.onboard(tenant_id)
  })
  after(() => world.end())

  it('detailed: each tenant gets its projects, whoever says unassigned what belongs to none, nobody gets a row twice', async () => {
    const table = 'gcp_billing_export_resource_v1_010101_F0FFF0_61C528'
    const rows = [
      usage('acme-prod-4711', 10.25, {
        credits: [
          { id: 'a', amount: -0.25 },
          { id: 'b', amount: -1 },
        ],
        tags: [{ key: 'cost-center', value: '42', inherited: true, namespace: '987654321098' }],
        price: { list_price: 0.05, tier_start_amount: 0, unit: 'hour', pricing_unit_quantity: 1 },
        adjustment_info: { id: 'adj-1', description: 'late', type: 'PRICE_CORRECTION', mode: 'PARTIAL_CORRECTION' },
      }),
      // A legitimate duplicate.
      usage('acme-prod-4711', 1),
      usage('acme-prod-4711', 1),
      usage('acme-data-0815', 2),
      usage('globex-prod-1', 100),
      usage(null, 7.77, { cost_type: 'tax' }),
      usage(null, -0.01, { cost_type: 'rounding_error' }),
      usage('nobodys-project', 1000),
      usage('acme-prod-4711', 50, { usage_start_time: '2025-11-06T00:00:00Z' }),
    ]
    await put(world, table, schemaOf('gcp_billing_export_resource_v1'), rows)
    const connect = (tenant_id: string, more: Partial<GcpSource>) =>
      world.connect(String(keys[tenant_id]), tenant_id, 'google', source('detailed', table, more))
    await connect('acme_corp', { projects: ['acme-prod-4711', 'acme-data-0815'] })
    await connect('globex', { projects: ['globex-prod-1'] })
    await connect('initech', { unassigned: true })
    for (const tenant_id of Object.keys(keys)) await load(tenant_id, 'gcp/cost/billing')
    expect(await sum('acme_corp.gcp_cost_billing')).to.deep.equal({ n: 4, cost: '13' })
    expect(await sum('globex.gcp_cost_billing')).to.deep.equal({ n: 1, cost: '100' })
    expect(await sum('initech.gcp_cost_billing')).to.deep.equal({ n: 2, cost: '7.76' })
    await load('acme_corp', 'gcp/cost/billing')
    expect(await counted('acme_corp', 'gcp_cost_billing')).to.equal('13')
    expect(await counted('initech', 'gcp_cost_billing')).to.equal('7.76')
    expect(await sum('acme_corp.gcp_cost_billing')).to.deep.equal({ n: 4, cost: '13' })
    // What is told beforehand is of the statement that is run, with the columns that the table lacks.
    const tell = async (path: string, body: object) =>
      (await world.client.call('POST', `/api/v1/${path}`, { key: String(keys['acme_corp']), body })).body
    const plan = await tell('pipelines/run/acme_corp/gcp/cost/billing?dry_run=true', { date: day })
    expect(plan).to.deep.include({ ok: true })
    const range = { pipeline: 'gcp/cost/billing', from: '2025-11-06', to: '2025-11-07', dry_run: true }
    const { items } = await tell('tenants/acme_corp/backfills', range)
    expect((items as { problems: string[] }[]).map(({ problems }) => problems)).to.deep.equal([[], []])
    expect(
      await one(
        `SELECT tags, CAST(price_list_price AS STRING) AS list, price_unit, adjustment_id, adjustment_description,
           invoice_publisher_type, other_columns
         FROM acme_corp.gcp_cost_billing WHERE adjustment_type IS NOT NULL`,
      ),
    ).to.deep.equal({
      tags: [{ key: 'cost-center', value: '42', inherited: true, namespace: '987654321098' }],
      list: '0.05',
      price_unit: 'hour',
      adjustment_id: 'adj-1',
      adjustment_description: 'late',
      invoice_publisher_type: 'GOOGLE',
      other_columns: null,
    })
  })

  it('detailed: rows that come late are loaded by themselves, by their days, and what vanished is told and kept', async () => {
    const refresh = async () => {
      const ask = { admin: world.admin_key, body: {} }
      return (await world.client.call('POST', '/api/v1/admin/sources/refresh', ask)).body as {
        runs: string[]
        warnings?: string[]
      }
    }
    const key = await world.onboard('late_corp')
    keys['late_corp'] = key
    const on = (date: string, cost: number, exported: string) =>
      usage('late-prod-1', cost, { usage_start_time: `${date}T01:00:00Z`, export_time: `${exported}T09:00:00Z` })
    const rows = [
      on('2025-11-05', 1, '2025-11-05'),
      on('2025-11-06', 2, '2025-11-06'),
      on('2025-11-08', 3, '2025-11-08'),
    ]
    const columns = schemaOf('gcp_billing_export_resource_v1')
    await put(world, 'late', columns, rows)
    await world.connect(key, 'late_corp', 'google', source('detailed', 'late', { projects: ['late-prod-1'] }))
    await load('late_corp', 'gcp/cost/billing', { date: '2025-11-04..2025-11-08' })
    expect(await sum('late_corp.gcp_cost_billing')).to.deep.equal({ n: 3, cost: '6' })
    expect((await refresh()).runs).to.deep.equal([])

    const late = [
      on('2025-11-04', 10, '2025-11-20'),
      on('2025-11-05', 20, '2025-11-20'),
      on('2025-11-08', 0, '2025-11-08'),
    ]
    await put(world, 'late', columns, [...rows, ...late, on('2025-11-09', 99, '2025-11-20')])
    const found = await refresh()
    const [run] = found.runs
    expect(run).to.be.a('string')
    for (;;) {
      const { status } = await world.client.call('GET', `/api/v1/pipelines/runs/${run}`, { key, expect: [200, 404] })
      if (status === 200) break
    }
    const ended = await world.ended(key, String(run))
    expect(ended.status).to.equal('COMPLETED')
    expect(ended.steps.map(({ step_id }) => step_id)).to.deep.equal([
      'load_day-google-2025-11-04_2025-11-05',
      'load_day-google-2025-11-08',
      'export_amounts-google-2025-11-04_2025-11-05',
      'export_amounts-google-2025-11-08',
    ])
    expect(await sum('late_corp.gcp_cost_billing')).to.deep.equal({ n: 6, cost: '36' })
    expect(await counted('late_corp', 'gcp_cost_billing')).to.equal('36')

    await put(world, 'late', columns, [on('2025-11-09', 99, '2025-11-20')])
    const { runs, warnings = [] } = await refresh()
    expect(runs).to.deep.equal([])
    expect(warnings.join()).to.include(
      'tenant late_corp, source google: 4 days that are loaded, 2025-11-04, 2025-11-05, 2025-11-06, 2025-11-08, have no row',
    )
    expect(await sum('late_corp.gcp_cost_billing')).to.deep.equal({ n: 6, cost: '36' })
  })

  it('detailed: what belongs to no tenant is counted and told to the operator', async () => {
    const ask = async () => {
      const { status, body } = await world.client.call('POST', '/api/v1/admin/sources/unclaimed', {
        admin: world.admin_key,
        body: {},
        expect: [200],
      })
      expect(status).to.equal(200)
      return body
    }
    const table = `${world.warehouse.project_id}.billing_export.shared`
    const today = new Date().toISOString().slice(0, 10)
    const now = { usage_start_time: `${today}T00:00:00Z` }
    const rows = [
      usage('vandelay-1', 1, now),
      usage('nobodys-project', 999.5, now),
      usage('nobodys-project', 0.5, now),
      usage('another-one', 1, now),
      usage(null, 7.77, now),
      // Long ago.
      usage('nobodys-project', 5, { usage_start_time: '2024-01-01T00:00:00Z' }),
    ]
    await put(world, 'shared', schemaOf('gcp_billing_export_resource_v1'), rows)
    keys['vandelay'] = await world.onboard('vandelay')
    await world.connect(
      keys['vandelay'],
      'vandelay',
      'mine',
      source('detailed', 'shared', { projects: ['vandelay-1'] }),
    )
    const { unclaimed, warnings } = (await ask()) as { unclaimed: { table: string }[]; warnings: string[] }
    expect(unclaimed.filter((each) => each.table === table)).to.deep.equal([
      {
        table,
        day: today,
        currency: 'EUR',
        rows: 4,
        rows_of_no_project: 1,
        projects: 2,
        project_ids: ['another-one', 'nobodys-project'],
        cost: '1008.77',
      },
    ])
    expect(warnings.join()).to.contain(
      'shared: 4 rows belong to no tenant, 1 of them to no project, the others to another-one, nobodys-project; give',
    )
    await world.connect(keys['vandelay'], 'vandelay', 'rest', source('detailed', 'shared', { unassigned: true }))
    const after = (await ask()) as { unclaimed: { table: string; rows: number }[] }
    expect(after.unclaimed.filter((each) => each.table === table).map((each) => each.rows)).to.deep.equal([3])
  })

  it('detailed: two billing accounts of a tenant stand side by side, 17 and not 7', async () => {
    const columns = schemaOf('gcp_billing_export_resource_v1')
    await put(world, 'account_a', columns, [usage('acme-prod-4711', 10)])
    await put(world, 'account_b', columns, [usage('acme-prod-4711', 7)])
    keys['umbrella'] = await world.onboard('umbrella')
    for (const name of ['account_a', 'account_b'])
      await world.connect(keys['umbrella'], 'umbrella', name, source('detailed', name))
    await load('umbrella', 'gcp/cost/billing')
    expect(await sum('umbrella.gcp_cost_billing')).to.deep.equal({ n: 2, cost: '17' })
    await load('umbrella', 'gcp/cost/billing', { date: day, source: 'account_b' })
    expect(await sum('umbrella.gcp_cost_billing')).to.deep.equal({ n: 2, cost: '17' })
  })

  it('detailed: a table from before the newer fields loads with NULLs, one of tomorrow into other_columns', async () => {
    const known = schemaOf('gcp_billing_export_resource_v1')
    const older = known
      .filter(({ name }) => !['resource', 'transaction_type', 'tags', 'price', 'subscription'].includes(name))
      .map((column) => {
        const fields = column.fields?.filter(({ name }) => !['ancestors', 'publisher_type'].includes(name))
        return fields === undefined ? column : { ...column, fields }
      })
    await put(world, 'older', older, [{ ...usage('hooli-1', 3), invoice: { month: '202511' } }])
    const tomorrow: Column[] = [
      ...known.map((column) =>
        column.name === 'sku'
          ? { ...column, fields: [...(column.fields ?? []), { name: 'family', type: 'STRING' as const }] }
          : column,
      ),
      { name: 'carbon', type: 'STRUCT', fields: [{ name: 'grams', type: 'NUMERIC' }] },
    ]
    await put(world, 'tomorrow', tomorrow, [
      usage('hooli-2', 4, { sku: { id: 'D97E', description: 'Core', family: 'compute' }, carbon: { grams: 0.125 } }),
    ])
    keys['hooli'] = await world.onboard('hooli')
    for (const name of ['older', 'tomorrow'])
      await world.connect(keys['hooli'], 'hooli', name, source('detailed', name))
    await load('hooli', 'gcp/cost/billing')
    expect(
      await world.warehouse.query({
        query: `SELECT project_id, resource_name, tags, price_unit, CAST(net_cost AS STRING) AS cost, other_columns
                FROM hooli.gcp_cost_billing ORDER BY project_id`,
      }),
    ).to.deep.equal([
      { project_id: 'hooli-1', resource_name: null, tags: [], price_unit: null, cost: '3', other_columns: null },
      {
        project_id: 'hooli-2',
        resource_name: null,
        tags: [],
        price_unit: null,
        cost: '4',
        other_columns: { sku: { family: 'compute' }, carbon: { grams: '0.125' } },
      },
    ])
    const [row] = await world.warehouse.query({
      query: `SELECT outputs FROM tenants.tenant_step_logs_rows
              WHERE tenant_id = 'hooli' AND step_id = 'load_day-tomorrow' AND outputs IS NOT NULL LIMIT 1`,
    })
    const outputs: unknown = typeof row?.['outputs'] === 'string' ? JSON.parse(row['outputs']) : row?.['outputs']
    expect(outputs).to.deep.include({ other_columns: 2, other_columns_names: ['sku.family', 'carbon'] })
  })

  it('standard: has no resources, and sums as the export does', async () => {
    await put(world, 'gcp_billing_export_v1_A', schemaOf('gcp_billing_export_v1'), [
      usage('acme-prod-4711', 0.1, { credits: [{ id: 'a', amount: -0.03 }] }),
      usage('acme-prod-4711', 0.2),
      // Amounts below the ninth digit, which add up.
      ...Array.from({ length: 1000 }, () => usage('acme-prod-4711', 4e-10)),
      usage('globex-prod-1', 5),
    ])
    await world.connect(
      String(keys['acme_corp']),
      'acme_corp',
      'google-standard',
      source('standard', 'gcp_billing_export_v1_A', { projects: ['acme-prod-4711'] }),
    )
    await load('acme_corp', 'gcp/cost/standard')
    expect(await sum('acme_corp.gcp_cost_standard')).to.deep.equal({ n: 1002, cost: '0.2700004' })
    expect(await counted('acme_corp', 'gcp_cost_standard')).to.equal('0.2700004')
  })

  it("FOCUS: Google's export and Google's view of the detailed one, by project", async () => {
    const focus = (project: string | null, BilledCost: number, more: Row = {}): Row => ({
      BilledCost,
      BillingAccountId: '010101-F0FFF0-61C528',
      BillingCurrency: 'EUR',
      ChargeCategory: 'Usage',
      ChargePeriodStart: `${day}T03:00:00Z`,
      ChargePeriodEnd: `${day}T04:00:00Z`,
      SubAccountId: project,
      x_Labels: [{ Key: 'env', Value: 'prod' }],
      ...more,
    })
    const columns = asGoogle(schemaOf('gcp_billing_export_focus')).filter(({ name }) => name !== 'Tags')
    await put(world, 'gcp_billing_export_focus_A', columns, [
      focus('acme-prod-4711', 0.125),
      focus('globex-prod-1', 8),
      focus(null, 7.77, { ChargeCategory: 'Tax' }),
    ])
    const account = '010101-F0FFF0-61C528'
    const pair: Column[] = ['key', 'value'].map((name) => ({ name, type: 'STRING' }))
    const view: Column[] = [
      ...['BillingAccountId', 'SubAccountId', 'ChargeCategory'].map((name): Column => ({ name, type: 'STRING' })),
      { name: 'BilledCost', type: 'FLOAT64' },
      { name: 'ChargePeriodStart', type: 'TIMESTAMP' },
      { name: 'Tags', type: 'STRUCT', mode: 'REPEATED', fields: pair },
      { name: 'x_Project', type: 'STRUCT', fields: [{ name: 'id', type: 'STRING' }] },
    ]
    const viewed = (id: string | null, BilledCost: number): Row => ({
      BillingAccountId: account,
      SubAccountId: account,
      BilledCost,
      ChargePeriodStart: `${day}T03:00:00Z`,
      Tags: [{ key: 'env', value: 'prod' }],
      x_Project: id === null ? null : { id },
    })
    await put(world, 'focus_view', view, [viewed('acme-prod-4711', 0.5), viewed('globex-prod-1', 9), viewed(null, 3)])
    const connect = (tenant_id: string, name: string, table: string, more: Partial<GcpSource>) =>
      world.connect(String(keys[tenant_id]), tenant_id, name, source('focus', table, more))
    await connect('acme_corp', 'focus', 'gcp_billing_export_focus_A', { projects: ['acme-prod-4711'] })
    await connect('acme_corp', 'focus-view', 'focus_view', { projects: ['acme-prod-4711'] })
    await connect('initech', 'focus', 'gcp_billing_export_focus_A', { unassigned: true })
    await connect('initech', 'focus-view', 'focus_view', { unassigned: true })
    for (const tenant_id of ['acme_corp', 'initech']) await load(tenant_id, 'gcp/cost/focus')
    expect(await sum('acme_corp.gcp_cost_focus', 'BilledCost')).to.deep.equal({ n: 2, cost: '0.625' })
    expect(await sum('initech.gcp_cost_focus', 'BilledCost')).to.deep.equal({ n: 2, cost: '10.77' })
    expect(await counted('acme_corp', 'gcp_cost_focus')).to.equal('0.625')
    expect(await counted('initech', 'gcp_cost_focus')).to.equal('10.77')
    expect(
      await world.warehouse.query({
        query: 'SELECT Tags, x_Labels FROM acme_corp.gcp_cost_focus ORDER BY source_name',
      }),
    ).to.deep.equal([
      { Tags: null, x_Labels: [{ Key: 'env', Value: 'prod' }] },
      { Tags: [{ key: 'env', value: 'prod' }], x_Labels: [] },
    ])
  })

  it('pricing: the price list of a day, with its tiers', async () => {
    const rates = [
      { pricing_unit_quantity: 1, start_usage_amount: 0, usd_amount: 0.000000004, account_currency_amount: 0.04 },
      { pricing_unit_quantity: 1, start_usage_amount: 100, usd_amount: 0.03, account_currency_amount: 0.03 },
    ]
    const price = (sku: string, pricing_as_of_time: string): Row => ({
      pricing_as_of_time,
      export_time: pricing_as_of_time,
      billing_account_id: '010101-F0FFF0-61C528',
      service: { id: '6F81-5844-456A', description: 'Compute Engine' },
      sku: { id: sku, description: 'Core', destination_migration_mappings: [] },
      geo_taxonomy: { type: 'REGIONAL', regions: ['us-east4'] },
      list_price: { aggregation_info: { aggregation_level: 'ACCOUNT' }, tiered_rates: rates },
      billing_account_price: { price_info: { price_reason: 'DEFAULT_PRICE' }, tiered_rates: rates },
    })
    const columns = asGoogle(schemaOf('cloud_pricing_export')).filter(({ name }) => name !== 'consumption_model_prices')
    await put(world, 'cloud_pricing_export', columns, [
      price('D97E', `${day}T08:00:00Z`),
      price('6B8F', `${day}T08:00:00Z`),
      price('D97E', '2025-11-06T08:00:00Z'),
    ])
    await world.connect(String(keys['acme_corp']), 'acme_corp', 'prices', source('pricing', 'cloud_pricing_export'))
    await load('acme_corp', 'gcp/cost/pricing')
    expect(
      await one(
        `SELECT COUNT(DISTINCT sku_id) AS skus, COUNT(*) AS n, CAST(SUM(rate.usd_amount) AS STRING) AS usd
         FROM acme_corp.gcp_cost_pricing, UNNEST(list_price.tiered_rates) AS rate WHERE geo_regions[OFFSET(0)] = 'us-east4'`,
      ),
    ).to.deep.equal({ skus: 2, n: 4, usd: '0.060000008' })
  })
})
