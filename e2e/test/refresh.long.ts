/** Late data: what a provider changes after it was loaded is loaded again by itself, and nothing else is. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import type { World } from '../operations.ts'
import { openOneProcess } from './world.ts'

interface Started {
  runs: string[]
  periods_changed: number
  warnings?: string[]
}

describe('refresh', function () {
  this.timeout(120_000)

  let world: World
  let key: string
  /** A report of a month; each delivery has a manifest of its own. */
  const deliver = (month: string, costs: readonly number[], bucket = 'acme-cur', name = 'daily'): void => {
    const next = new Date(Date.UTC(Number(month.slice(0, 4)), Number(month.slice(5)), 1)).toISOString().slice(0, 7)
    const days = `${month.replace('-', '')}01-${next.replace('-', '')}01`
    const folder = join(world.data_folder, 'buckets/s3', bucket, 'cur', name, days)
    mkdirSync(folder, { recursive: true })
    const header = 'identity/LineItemId,bill/BillingPeriodStartDate,lineItem/UsageStartDate,lineItem/UnblendedCost'
    const rows = costs.map((cost, k) => `${k},${month}-01T00:00:00Z,${month}-05T00:00:00Z,${cost}`)
    writeFileSync(join(folder, 'r-1.csv'), [header, ...rows, ''].join('\n'))
    writeFileSync(
      join(folder, `${name}-Manifest.json`),
      JSON.stringify({
        assemblyId: `${month}-${costs.join('-')}`,
        bucket,
        billingPeriod: { start: `${month.replace('-', '')}01T000000.000Z` },
        reportKeys: [`cur/${name}/${days}/r-1.csv`],
      }),
    )
  }
  const refresh = async (): Promise<Started> => {
    const { body } = await world.client.call('POST', '/api/v1/admin/sources/refresh', {
      admin: world.admin_key,
      body: {},
    })
    return body as unknown as Started
  }
  /** The answer to a refresh names runs that are asked for with it, and may be a moment ahead of them. */
  const ended = async (id: string) => {
    for (;;) {
      const { status } = await world.client.call('GET', `/api/v1/pipelines/runs/${id}`, { key, expect: [200, 404] })
      if (status === 200) return world.ended(key, id)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
  const used = async (): Promise<unknown> => {
    const { body } = await world.client.call('GET', '/api/v1/tenants/acme_corp', { key })
    return (body['usage'] as Record<string, { used: number }>)['daily']?.used
  }
  const state = () =>
    world.warehouse.query({
      query: `SELECT source, pipeline, period, loaded_rows, loaded_version = seen_version AS same, changed
              FROM \`${world.warehouse.project_id}.acme_corp.load_state\` ORDER BY source, period`,
    })
  const costs = async () => {
    const rows = await world.warehouse.query({
      query: `SELECT CAST(billing_period AS STRING) AS month, CAST(SUM(line_item_unblended_cost) AS STRING) AS cost
              FROM \`${world.warehouse.project_id}.acme_corp.aws_cost_cur\` GROUP BY 1 ORDER BY 1`,
    })
    return rows.map((row) => `${String(row['month'])} ${String(row['cost'])}`)
  }

  before(async () => {
    world = await openOneProcess()
    key = await world.onboard('acme_corp')
    for (const [month, cost] of [
      ['2025-09', 9],
      ['2025-10', 10],
      ['2025-11', 11],
      ['2025-12', 12],
    ] as const)
      deliver(month, [cost])
    await world.connect(key, 'acme_corp', 'payer', {
      ...{ provider: 'aws', kind: 'cur', bucket: 'acme-cur', prefix: 'cur', report_name: 'daily' },
    })
    const first = await world.start(key, 'acme_corp', 'aws/cost/cur', { month: '2025-11,2025-09,2025-10' })
    expect((await ended(first)).steps.map(({ step_id }) => step_id)).to.deep.equal([
      'load_month-payer-2025-09',
      'load_month-payer-2025-10',
      'load_month-payer-2025-11',
    ])
  })
  after(() => world.end())

  it('asks for nothing where nothing has changed, and writes down what each period is', async () => {
    expect(await refresh()).to.deep.include({ runs: [], periods_changed: 0 })
    const row = { source: 'payer', pipeline: 'aws/cost/cur', loaded_rows: 1, same: true, changed: false }
    expect(await state()).to.deep.equal([
      { ...row, period: '2025-09' },
      { ...row, period: '2025-10' },
      { ...row, period: '2025-11' },
      // Known, and never loaded: that is nobody's wish.
      { ...row, period: '2025-12', loaded_rows: null, same: null },
    ])
  })

  it('loads exactly the changed months again, of one source in one run that counts against no quota', async () => {
    const before = await used()
    deliver('2025-11', [11, 100])
    deliver('2025-09', [9, 200])
    const { runs, periods_changed } = await refresh()
    expect(periods_changed).to.equal(2)
    expect(runs).to.have.length(1)
    const run = await ended(String(runs[0]))
    expect(run).to.deep.include({ status: 'COMPLETED', trigger_type: 'refresh' })
    expect(run.steps.map(({ step_id }) => step_id)).to.deep.equal([
      'load_month-payer-2025-09',
      'load_month-payer-2025-11',
    ])
    expect(await costs()).to.deep.equal(['2025-09-01 209', '2025-10-01 10', '2025-11-01 111'])
    expect(await used()).to.equal(before)
    expect(await refresh()).to.deep.include({ runs: [], periods_changed: 0 })
    expect((await state()).map((row) => row['changed'])).to.deep.equal([false, false, false, false])
  })

  it('asks once for what cannot be loaded, and says of each source that cannot be read what is wrong', async () => {
    deliver('2025-10', [10, 1])
    rmSync(join(world.data_folder, 'buckets/s3/acme-cur/cur/daily/20251001-20251101/r-1.csv'))
    const first = await refresh()
    expect((await ended(String(first.runs[0]))).status).to.equal('FAILED')
    const again = await refresh()
    expect(again.runs).to.deep.equal(first.runs)
    expect((await state())[1]).to.deep.include({ period: '2025-10', changed: true, same: false })
    expect(await costs()).to.deep.include('2025-10-01 10')
    deliver('2025-10', [10, 2])
    const { runs } = await refresh()
    expect(runs).not.to.deep.equal(first.runs)
    expect((await ended(String(runs[0]))).status).to.equal('COMPLETED')
    expect(await costs()).to.deep.include('2025-10-01 12')
  })

  it("is a run of its plan by a tenant's own key, which looks at its own sources alone", async () => {
    const other = await world.onboard('globex')
    deliver('2025-11', [5], 'globex-cur', 'mine')
    await world.connect(other, 'globex', 'payer', {
      ...{ provider: 'aws', kind: 'cur', bucket: 'globex-cur', prefix: 'cur', report_name: 'mine' },
    })
    const load = await world.start(other, 'globex', 'aws/cost/cur', { month: '2025-11' })
    expect((await world.ended(other, load)).status).to.equal('COMPLETED')
    deliver('2025-11', [6], 'globex-cur', 'mine')
    deliver('2025-12', [12, 1])
    deliver('2025-11', [11, 101])
    const before = Number(await used())
    const mine = await ended(await world.start(key, 'acme_corp', 'setup/sources/refresh'))
    expect(mine.status).to.equal('COMPLETED')
    const outputs = mine.steps.map((step) => (step as unknown as { outputs: Record<string, unknown> }).outputs)
    expect(outputs[0]).to.deep.include({ sources: 1, periods_changed: 1, periods_not_loaded: 1 })
    const [run] = outputs[1]?.['runs'] as string[]
    expect((await ended(String(run))).steps.map(({ step_id }) => step_id)).to.deep.equal(['load_month-payer'])
    expect(await used()).to.equal(before + 1)
    expect(await costs()).to.deep.include('2025-11-01 112')
    const rows = await world.warehouse.query({
      query: `SELECT DISTINCT source, changed FROM \`${world.warehouse.project_id}.globex.load_state\``,
    })
    expect(rows).to.deep.equal([{ source: 'payer', changed: false }])
    expect((await refresh()).runs).to.have.length(1)
  })

  it('leaves to a backfill what was never loaded: the months without a run, whatever day each run was asked for', async () => {
    const path = '/api/v1/tenants/acme_corp/backfills'
    const range = { pipeline: 'aws/cost/cur', from: '2025-09', to: '2025-12' }
    const { body } = await world.client.call('POST', path, { key, body: range, expect: [202] })
    expect(body).to.include({ periods: 4, runs: 1 })
    for (;;) {
      const { body: now } = await world.client.call('GET', `${path}/${String(body['backfill_id'])}`, { key })
      if (now['ended_at'] !== null) {
        expect(now).to.deep.include({ parameter: 'month', status: 'COMPLETED' })
        break
      }
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    expect(await costs()).to.deep.include('2025-12-01 13')
    expect((await refresh()).runs).to.deep.equal([])
  })

  it('says so, and asks for nothing, where a source has become of another kind', async () => {
    const other = await world.onboard('initech')
    const kind = (name: 'cur' | 'focus') =>
      world.connect(other, 'initech', 'payer', {
        ...{ provider: 'aws', kind: name, bucket: 'initech-cur', prefix: 'cur', report_name: 'mine' },
      })
    deliver('2025-11', [5], 'initech-cur', 'mine')
    await kind('cur')
    const load = await world.start(other, 'initech', 'aws/cost/cur', { month: '2025-11' })
    expect((await world.ended(other, load)).status).to.equal('COMPLETED')
    await kind('focus')
    deliver('2025-11', [6], 'initech-cur', 'mine')
    const { runs, warnings = [] } = await refresh()
    expect(runs).to.deep.equal([])
    expect(warnings.join()).to.include('tenant initech, source payer: aws/cost/cur does not load it any more')
    await kind('cur')
    expect((await refresh()).runs).to.have.length(1)
  })

  it('forgets what was loaded of a source that is purged', async () => {
    await world.client.call('DELETE', '/api/v1/tenants/acme_corp/sources/payer?purge=true', { key, expect: [200, 202] })
    expect((await state()).map((row) => row['loaded_rows'])).to.deep.equal([null, null, null, null])
    expect((await refresh()).runs).to.deep.equal([])
  })
})
