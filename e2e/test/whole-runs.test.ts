import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { gunzipSync, gzipSync } from 'node:zlib'
import { expect } from 'chai'
import type { SourceSettings, Column } from '@convergence/contracts'
import { followRun } from '@convergence/tools/client'
import { sampleSources, writeSamples } from '@convergence/tools/samples'
import { inProcesses, type World } from '../operations.ts'
import { ledgerFaults, openOneProcess, openWorld } from './world.ts'

const inWorld = async (options: Parameters<typeof openWorld>[0], body: (world: World) => Promise<void>) => {
  const world = await openWorld(options)
  try {
    await body(world)
  } finally {
    await world.end()
  }
}

const rowsOf = async ({ warehouse }: World, table: string) => {
  const [row] = await warehouse.query({ query: `SELECT COUNT(*) AS n FROM \`${warehouse.project_id}.${table}\`` })
  return Number(row?.['n'])
}

const cur = (bucket: string): SourceSettings => ({
  provider: 'aws',
  kind: 'cur',
  bucket,
  prefix: 'cur',
  report_name: 'daily',
})

describe('whole runs', function () {
  this.timeout(inProcesses ? 150_000 : 60_000)

  it('runs three steps from REST to a terminal record, readable at every moment', () =>
    inWorld({}, async (world) => {
      const key = await world.onboard('acme_corp')
      const id = await world.start(key, 'acme_corp', 'custom/bench/three_steps')
      const events: string[] = []
      const result = await followRun(world.url, key, id, (event) => events.push(event))
      expect(result.status).to.equal('COMPLETED')
      expect(result.steps.map((step) => step.status)).to.deep.equal(['SUCCEEDED', 'SUCCEEDED', 'SUCCEEDED'])
      expect(events.at(-1)).to.equal('run-completed')
      expect(await ledgerFaults(world)).to.deep.equal([])
      const [row] = await world.warehouse.query({
        query: `SELECT status, pipeline_id
               FROM \`${world.warehouse.project_id}.acme_corp.tenant_comprehensive_view\`
               WHERE pipeline_logging_id = @id LIMIT 1`,
        parameters: [{ name: 'id', type: 'STRING', value: id }],
      })
      expect(row?.['status']).to.equal('COMPLETED')
    }))

  it('joins the branches of a diamond once', () =>
    inWorld({}, async (world) => {
      const key = await world.onboard('acme_corp')
      const id = await world.start(key, 'acme_corp', 'custom/bench/diamond')
      const result = await world.ended(key, id)
      expect(result.status).to.equal('COMPLETED')
      expect(new Set(result.steps.map((step) => step.step_id)).size).to.equal(4)
      expect(await ledgerFaults(world)).to.deep.equal([])
    }))

  it('gives the same run for the same idempotency key, and refuses it with other parameters', () =>
    inWorld({}, async (world) => {
      const key = await world.onboard('acme_corp')
      const headers = { 'Idempotency-Key': 'once' }
      const [a, b] = await Promise.all(
        [1, 2].map(() => world.start(key, 'acme_corp', 'custom/examples/append_row', {}, headers)),
      )
      expect(a).to.equal(b)
      await world.ended(key, String(a))
      expect(await rowsOf(world, 'acme_corp.example_rows')).to.equal(1)
      const other = await world.client.call('POST', '/api/v1/pipelines/run/acme_corp/custom/bench/three_steps', {
        key,
        body: {},
        headers,
        expect: [409],
      })
      expect(other.body['code']).to.equal('IDEMPOTENCY_MISMATCH')
    }))

  it('applies every effect once when every message is delivered twice', () =>
    inWorld({ duplicate: true }, async (world) => {
      const key = await world.onboard('acme_corp')
      const ids = await Promise.all(
        Array.from({ length: 15 }, () => world.start(key, 'acme_corp', 'custom/examples/append_row')),
      )
      for (const id of ids) expect((await world.ended(key, id)).status).to.equal('COMPLETED')
      expect(await rowsOf(world, 'acme_corp.example_rows')).to.equal(ids.length)
      expect(await ledgerFaults(world)).to.deep.equal([])
    }))

  // As processes they are killed there: e2e/processes/kill.processes.ts.
  for (const point of inProcesses ? [] : ['before-publish', 'after-publish', 'before-ack']) {
    it(`ends each run once when handlers die at ${point}`, async () => {
      const died = new Map<string, number>()
      const crash = (at: string, subscription: string) => {
        if (at !== point || subscription.startsWith('auth.')) return
        const times = died.get(subscription) ?? 0
        died.set(subscription, times + 1)
        // Each handler dies at every third message; a message that comes again gets through.
        if (times % 3 === 0) throw new Error(`died ${point}`)
      }
      const world = await openOneProcess({ crash, redelivery_ms: 20 })
      try {
        const key = await world.onboard('acme_corp')
        const ids = await Promise.all(
          Array.from({ length: 9 }, () => world.start(key, 'acme_corp', 'custom/examples/append_row')),
        )
        for (const id of ids) expect((await world.ended(key, id)).status).to.equal('COMPLETED')
        expect(await rowsOf(world, 'acme_corp.example_rows')).to.equal(ids.length)
        expect(await ledgerFaults(world)).to.deep.equal([])
        expect(died.size).to.be.greaterThan(2)
      } finally {
        await world.end()
      }
    })
  }

  it('never runs more than the plan allows at a time, and rejects what is over the day with the time it resets', () =>
    inWorld({}, async (world) => {
      const key = await world.onboard('acme_corp', 'STARTER')
      const answers = await Promise.all(
        Array.from({ length: 10 }, () =>
          world.client.call('POST', '/api/v1/pipelines/run/acme_corp/custom/bench/three_steps', {
            key,
            body: {},
            expect: [202, 429],
          }),
        ),
      )
      const ids = answers.filter(({ status }) => status === 202).map(({ body }) => String(body['pipeline_logging_id']))
      const ends = await Promise.all(ids.map((id) => world.ended(key, id)))
      expect(ends.filter(({ status }) => status === 'COMPLETED')).to.have.length(6)
      for (const end of ends.filter(({ status }) => status !== 'COMPLETED'))
        expect([end.status, end.error_code]).to.deep.equal(['REJECTED', 'QUOTA_EXCEEDED'])
      const { warehouse } = world
      const [most] = await warehouse.query({
        query: `SELECT MAX(running) AS most
               FROM (SELECT SUM(CASE kind WHEN 'ADMIT' THEN 1 WHEN 'RELEASE' THEN -1 ELSE 0 END)
               OVER (ORDER BY seq, idx) AS running
              FROM \`${warehouse.project_id}.tenants.run_ledger\` WHERE tenant_id = 'acme_corp')`,
      })
      expect(Number(most?.['most'])).to.be.at.most(2)
    }))

  it("mails what failed to the tenant's own address, and to nobody else's", () =>
    inWorld({}, async (world) => {
      const { warehouse } = world
      for (const tenant_id of ['acme_corp', 'globex']) {
        const key = await world.onboard(tenant_id)
        // Nothing was ever delivered to its bucket.
        await world.connect(key, tenant_id, 'payer', cur(`${tenant_id.replace('_', '-')}-cur`))
        const id = await world.start(key, tenant_id, 'aws/cost/cur', { month: '2025-11' })
        expect((await world.ended(key, id)).status).to.equal('FAILED')
      }
      const mails = () =>
        warehouse.query({
          query: `SELECT tenant_id, recipients, state FROM \`${warehouse.project_id}.tenants.notifications\`
                  WHERE state <> 'INTENT' ORDER BY tenant_id`,
        })
      while ((await mails()).length < 2) await pause(50)
      expect(await mails()).to.deep.equal([
        { tenant_id: 'acme_corp', recipients: ['admin@acme-corp.example'], state: 'SENT' },
        { tenant_id: 'globex', recipients: ['admin@globex.example'], state: 'SENT' },
      ])
    }))

  it('stops what a cancelled run has at work: no row of it, no mail about it, and the engine is free for others', () =>
    inWorld({}, async (world) => {
      const { warehouse, client } = world
      const { project_id } = warehouse
      const templates = dirname(createRequire(import.meta.url).resolve('@convergence/ps_templates/package.json'))
      await warehouse.ensureDataset('billing_export')
      await warehouse.ensureTable({
        dataset: 'billing_export',
        table: 'export',
        columns: JSON.parse(
          readFileSync(join(templates, 'gcp/bq_etl/schemas/gcp_billing_export_resource_v1.json'), 'utf8'),
        ) as Column[],
      })
      // Takes minutes, and would find that the day has no rows.
      const slow =
        '(SELECT COUNTIF(MOD(a * b, c) = 1) FROM UNNEST(GENERATE_ARRAY(1, 10000)) AS a, UNNEST(GENERATE_ARRAY(1, 10000)) AS b, UNNEST(GENERATE_ARRAY(1, 10000)) AS c) > 0'
      await warehouse.ensureView({
        dataset: 'billing_export',
        view: 'slow',
        query: `SELECT * FROM \`${project_id}.billing_export.export\` WHERE ${slow}`,
      })
      const table = async (tenant_id: string) =>
        warehouse.dryRun({ query: `SELECT * FROM ${tenant_id}.gcp_cost_billing` }).then(
          () => `${tenant_id}.gcp_cost_billing`,
          () => undefined,
        )

      // As many as the engine runs at a time.
      const runs = await Promise.all(
        ['acme_corp', 'globex'].map(async (tenant_id) => {
          const key = await world.onboard(tenant_id)
          await world.connect(key, tenant_id, 'google', {
            provider: 'gcp',
            kind: 'detailed',
            table: `${project_id}.billing_export.slow`,
            projects: [`${tenant_id.replace('_', '-')}-prod-4711`],
          })
          return { tenant_id, key, id: await world.start(key, tenant_id, 'gcp/cost/billing', { date: '2025-11-18' }) }
        }),
      )
      const read = async ({ key, id }: { key: string; id: string }) =>
        (await client.call('GET', `/api/v1/pipelines/runs/${id}`, { key })).body as {
          status: string
          steps: { status: string; error_code: string | null }[]
        }
      for (const run of runs) {
        while ((await read(run)).status !== 'RUNNING') await pause(20)
        // Google's client makes the table, then the job: by which another replica stops it.
        while (inProcesses && (await table(run.tenant_id)) === undefined) await pause(20)
      }
      await pause(500)
      for (const { key, id } of runs)
        await client.call('POST', `/api/v1/pipelines/runs/${id}/cancel`, { key, body: {}, expect: [202] })
      for (const { tenant_id, key, id } of runs) {
        expect((await world.ended(key, id)).status).to.equal('CANCELLED')
        expect(
          (await world.ended(key, await world.start(key, tenant_id, 'custom/examples/append_row'))).status,
        ).to.equal('COMPLETED')
        let ended = await read({ key, id })
        for (; ended.steps.length === 0; ended = await read({ key, id })) await pause(20)
        expect([ended.status, ended.steps.map(({ status, error_code }) => [status, error_code])]).to.deep.equal([
          'CANCELLED',
          [['FAILED', 'CANCELLED']],
        ])
        const written = await table(tenant_id)
        expect(written === undefined ? 0 : await rowsOf(world, written)).to.equal(0)
      }
      expect(await rowsOf(world, 'tenants.notifications_rows')).to.equal(0)
      expect(await ledgerFaults(world)).to.deep.equal([])
    }))

  it("answers 404 for another tenant's run, with the same body as for one that does not exist", () =>
    inWorld({}, async (world) => {
      const acme = await world.onboard('acme_corp')
      const globex = await world.onboard('globex')
      const id = await world.start(acme, 'acme_corp', 'custom/bench/three_steps')
      await world.ended(acme, id)
      const foreign = await world.client.call('GET', `/api/v1/pipelines/runs/${id}`, { key: globex, expect: [404] })
      const missing = await world.client.call('GET', `/api/v1/pipelines/runs/r_${'a'.repeat(26)}`, {
        key: globex,
        expect: [404],
      })
      expect({ ...foreign.body, request_id: '' }).to.deep.equal({ ...missing.body, request_id: '' })
      await world.client.call('POST', '/api/v1/pipelines/run/acme_corp/custom/bench/three_steps', {
        key: globex,
        body: {},
        expect: [404],
      })
    }))

  it('is asked for by the clock: a schedule fires once for its minute, whatever the number of ticks', async () => {
    await inWorld({}, async (world) => {
      const key = await world.onboard('acme_corp')
      // Half an hour from now: not due by itself while this runs.
      const minute = (new Date().getUTCMinutes() + 30) % 60
      const made = await world.client.call('PUT', '/api/v1/tenants/acme_corp/schedules/every_hour', {
        key,
        body: {
          pipeline: 'custom/examples/append_row',
          cron: `${minute} * * * *`,
          timezone: 'Europe/Berlin',
          parameters: {},
          priority: 5,
          is_active: true,
          missed: 'latest',
          overlap: 'allow',
        },
        expect: [200],
      })
      const scheduled = Date.parse(String(made.body['next_run_time']))
      expect(scheduled).to.be.greaterThan(Date.now())
      const runsOfClock = async () => {
        const { items } = (await world.client.call('GET', '/api/v1/pipelines/runs', { key })).body as {
          items: { pipeline_logging_id: string; trigger_type: string }[]
        }
        return items.filter(({ trigger_type }) => trigger_type === 'schedule')
      }

      // A tick that the scheduler has handled is followed by what a run after it shows: the ledger takes them in order.
      const settled = async () => {
        await world.ended(key, await world.start(key, 'acme_corp', 'custom/bench/three_steps'))
      }
      await world.tick()
      await settled()
      expect(await runsOfClock()).to.deep.equal([])

      world.shiftClock(scheduled - Date.now() + 1_000)
      await Promise.all([world.tick(), world.tick(), world.tick()])
      let runs = await runsOfClock()
      while (runs.length === 0) {
        await new Promise((resolve) => setTimeout(resolve, 20))
        runs = await runsOfClock()
      }
      expect((await world.ended(key, String(runs[0]?.pipeline_logging_id))).status).to.equal('COMPLETED')
      await world.tick()
      await settled()
      expect(await runsOfClock()).to.have.length(1)
      expect(await rowsOf(world, 'acme_corp.example_rows')).to.equal(1)
    })
  })
})

describe('cost pipelines', function () {
  this.timeout(inProcesses ? 150_000 : 60_000)
  const month = '2025-11'

  it('load the same month again without doubling it, and leave it as it was when a file has a bad row', () =>
    inWorld({}, async (world) => {
      const { warehouse } = world
      await writeSamples({
        folder: world.data_folder,
        tenants: ['acme_corp'],
        seed: 3,
        rows_per_provider: 400,
        month,
        days: ['2025-11-18'],
      })
      const key = await world.onboard('acme_corp')
      for (const [name, source] of Object.entries(sampleSources('acme_corp', warehouse.project_id)))
        await world.connect(key, 'acme_corp', name, source)
      const load = async (pipeline: string) =>
        world.ended(key, await world.start(key, 'acme_corp', pipeline, { month }))
      const total = async () =>
        (
          await warehouse.query({
            query: `SELECT COUNT(*) AS n, SUM(line_item_unblended_cost) AS cost
                   FROM \`${warehouse.project_id}.acme_corp.aws_cost_cur\``,
          })
        )[0]

      expect((await load('aws/cost/cur')).status).to.equal('COMPLETED')
      const once = await total()
      expect((await load('aws/cost/cur')).status).to.equal('COMPLETED')
      expect(await total()).to.deep.equal(once)

      const folder = join(world.data_folder, 'buckets/s3/acme-corp-cur/cur/daily/20251101-20251201')
      const manifest = JSON.parse(readFileSync(join(folder, 'daily-Manifest.json'), 'utf8')) as { reportKeys: string[] }
      const file = join(world.data_folder, 'buckets/s3/acme-corp-cur', String(manifest.reportKeys[0]))
      const lines = gunzipSync(readFileSync(file)).toString().split('\n')
      const header = String(lines[0]).split(',')
      const cost = header.indexOf('lineItem/UnblendedCost')
      expect(cost).to.be.greaterThan(0)
      // The third line gets a cost that is no number; the fields before it have no commas inside quotes in generated
      // rows' first columns.
      const damaged = String(lines[2]).replace(/,USD,[^,]*,[^,]*,/, ',USD,0.1,not-a-number,')
      writeFileSync(file, gzipSync([...lines.slice(0, 2), damaged, ...lines.slice(3)].join('\n')))
      const failed = await load('aws/cost/cur')
      expect(failed.status).to.equal('FAILED')
      expect(failed.error_message)
        .to.match(/\.csv\.gz/)
        .and.match(/:3|line 3/)
        .and.contain('UnblendedCost')
        .and.contain('not-a-number')
      expect(await total()).to.deep.equal(once)
    }))

  it('fail in one sentence when the bucket or the month is not there', () =>
    inWorld({}, async (world) => {
      const key = await world.onboard('acme_corp')
      await world.connect(key, 'acme_corp', 'azure', {
        provider: 'azure',
        kind: 'actual',
        container: 'acme-corp-exports',
        prefix: 'cost',
        export_name: 'daily',
      })
      const result = await world.ended(key, await world.start(key, 'acme_corp', 'azure/cost/exports', { month }))
      expect(result.status).to.equal('FAILED')
      expect(result.error_code).to.equal('OBJECT_NOT_FOUND')
      expect(result.error_message).to.contain('acme-corp-exports')
    }))

  /** The file as the report of 2023-11. */
  const loadsReport = (file: string, expected: { n: number; cost: string }) =>
    inWorld({}, async (world) => {
      const folder = join(world.data_folder, 'buckets/s3/acme-corp-cur/cur/daily/20231101-20231201')
      mkdirSync(folder, { recursive: true })
      cpSync(file, join(folder, 'daily-1.csv'))
      writeFileSync(
        join(folder, 'daily-Manifest.json'),
        JSON.stringify({
          assemblyId: 'real',
          reportName: 'daily',
          bucket: 'acme-corp-cur',
          compression: 'NONE',
          billingPeriod: { start: '20231101T000000.000Z', end: '20231201T000000.000Z' },
          reportKeys: ['cur/daily/20231101-20231201/daily-1.csv'],
        }),
      )
      const key = await world.onboard('acme_corp')
      await world.connect(key, 'acme_corp', 'payer', cur('acme-corp-cur'))
      const result = await world.ended(key, await world.start(key, 'acme_corp', 'aws/cost/cur', { month: '2023-11' }))
      expect(result.error_message ?? '').to.equal('')
      const [row] = await world.warehouse.query({
        query: `SELECT COUNT(*) AS n, SUM(line_item_unblended_cost) AS cost
               FROM \`${world.warehouse.project_id}.acme_corp.aws_cost_cur\``,
      })
      expect(row).to.deep.equal(expected)
    })
  const repository = join(import.meta.dirname, '../..')
  it('load an AWS export to the exact total of its file', () =>
    loadsReport(join(repository, 'services/executor/test/loaders/miniatures/aws-cur.csv'), {
      n: 12,
      cost: '16.2016010363',
    }))
  const real = join(repository, '../shared/samples/aws/sample-anonymous-aws-export-dataset.csv')
  if (existsSync(real))
    it('load a real AWS export to the exact total of its file', () =>
      loadsReport(real, { n: 1281, cost: '1.6823086974' }))
  else console.log('SKIPPED real exports: ../shared/samples is not here')
})
