import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SourceSettings } from '@convergence/contracts'
import { openBuckets } from '@convergence/local-objects'
import { openStoreFront } from '@convergence/local-objects/front'
import { expect } from 'chai'
import { inProcesses, type World } from '../operations.ts'
import { openOneProcess, openWorld } from './world.ts'

const month = '2025-11'
const payer = (bucket: string, more: object = {}): SourceSettings => ({
  provider: 'aws',
  kind: 'cur',
  bucket,
  prefix: 'cur',
  report_name: 'daily',
  ...more,
})
/** A report of the month with one row for each cost, below `folder`. */
const deliver = (folder: string, bucket: string, costs: readonly string[]): void => {
  const period = 'cur/daily/20251101-20251201'
  mkdirSync(join(folder, bucket, period), { recursive: true })
  const rows = costs.map((cost, k) => `id-${k},2025-11-01T00:00:00Z,2025-11-05T00:00:00Z,${cost}`)
  writeFileSync(
    join(folder, bucket, period, 'daily-1.csv'),
    [
      'identity/LineItemId,bill/BillingPeriodStartDate,lineItem/UsageStartDate,lineItem/UnblendedCost',
      ...rows,
      '',
    ].join('\n'),
  )
  writeFileSync(
    join(folder, bucket, period, 'daily-Manifest.json'),
    JSON.stringify({
      assemblyId: `${bucket}-${costs.length}`,
      reportName: 'daily',
      bucket,
      compression: 'NONE',
      billingPeriod: { start: '20251101T000000.000Z', end: '20251201T000000.000Z' },
      reportKeys: [`${period}/daily-1.csv`],
    }),
  )
}
const costs = async ({ warehouse }: World) =>
  warehouse.query({
    query: `SELECT source_name, COUNT(*) AS n, SUM(line_item_unblended_cost) AS cost
            FROM \`${warehouse.project_id}.acme_corp.aws_cost_cur\` GROUP BY 1 ORDER BY 1`,
  })

describe('sources', function () {
  this.timeout(inProcesses ? 150_000 : 60_000)

  it('of several accounts stand side by side, and one that cannot be read does not stop the others', async () => {
    const world = await openWorld()
    try {
      const buckets = join(world.data_folder, 'buckets/s3')
      deliver(buckets, 'acme-cur', ['10'])
      deliver(buckets, 'acme-eu-cur', ['4', '3'])
      const key = await world.onboard('acme_corp')
      await world.connect(key, 'acme_corp', 'payer', payer('acme-cur'))
      await world.connect(key, 'acme_corp', 'eu', payer('acme-eu-cur'))
      const load = async () => world.ended(key, await world.start(key, 'acme_corp', 'aws/cost/cur', { month }))
      expect((await load()).status).to.equal('COMPLETED')
      const both = [
        { source_name: 'eu', n: 2, cost: '7' },
        { source_name: 'payer', n: 1, cost: '10' },
      ]
      expect(await costs(world)).to.deep.equal(both)

      await world.connect(key, 'acme_corp', 'gone', payer('acme-no-such-bucket'))
      deliver(buckets, 'acme-cur', ['10', '1'])
      const failed = await load()
      expect(failed.status).to.equal('FAILED')
      expect(failed.error_message).to.include('acme-no-such-bucket')
      expect(failed.steps.map(({ step_id, status }) => `${step_id} ${status}`)).to.deep.equal([
        'load_month-eu SUCCEEDED',
        'load_month-gone FAILED',
        'load_month-payer SUCCEEDED',
      ])
      expect(await costs(world)).to.deep.equal([both[0], { source_name: 'payer', n: 2, cost: '11' }])

      const one = await world.start(key, 'acme_corp', 'aws/cost/cur', { month, source: 'eu' })
      expect((await world.ended(key, one)).steps.map(({ step_id }) => step_id)).to.deep.equal(['load_month-eu'])
      const { body } = await world.client.call('POST', '/api/v1/pipelines/run/acme_corp/azure/cost/exports', {
        key,
        body: { month },
        expect: [409],
      })
      expect(body['code']).to.equal('SOURCE_UNKNOWN')
    } finally {
      await world.end()
    }
  })

  it('that changed since are loaded anew when a run is resumed, and one that is gone leaves nothing to resume', async () => {
    const world = await openWorld()
    try {
      const buckets = join(world.data_folder, 'buckets/s3')
      deliver(buckets, 'acme-cur', ['10'])
      deliver(buckets, 'acme-new-cur', ['4', '3'])
      const key = await world.onboard('acme_corp')
      await world.connect(key, 'acme_corp', 'a', payer('acme-cur'))
      await world.connect(key, 'acme_corp', 'b', payer('acme-no-such-bucket'))
      const load = async () => world.ended(key, await world.start(key, 'acme_corp', 'aws/cost/cur', { month }))
      const resume = (id: string, expect: number[]) =>
        world.client.call('POST', `/api/v1/pipelines/runs/${id}/resume`, { key, body: {}, expect })
      const failed = await load()
      const [a] = failed.steps as unknown as { outputs: Record<string, unknown> }[]
      expect(a?.outputs).to.include({ table: 'acme_corp.aws_cost_cur', rows_written: 1, source_name: 'a' })
      await world.client.call('DELETE', '/api/v1/tenants/acme_corp/sources/b', { key })
      const { body } = await resume(failed.pipeline_logging_id, [409])
      expect(String(body['detail'])).to.include('the sources that failed are gone')

      await world.connect(key, 'acme_corp', 'b', payer('acme-no-such-bucket'))
      await world.connect(key, 'acme_corp', 'a', payer('acme-new-cur'))
      const next = await resume(failed.pipeline_logging_id, [202])
      const resumed = await world.ended(key, String(next.body['pipeline_logging_id']))
      expect(resumed.steps.map(({ step_id, status }) => `${step_id} ${status}`)).to.deep.equal([
        'load_month-a SUCCEEDED',
        'load_month-b FAILED',
      ])
      expect(await costs(world)).to.deep.equal([{ source_name: 'a', n: 2, cost: '7' }])

      // A step of a run of several months is called by its source and its month.
      const two = await world.start(key, 'acme_corp', 'aws/cost/cur', { month: '2025-10,2025-11', source: 'a' })
      expect((await world.ended(key, two)).steps.map(({ status }) => status)).to.deep.equal(['FAILED', 'SUCCEEDED'])
      await world.connect(key, 'acme_corp', 'a', payer('acme-cur'))
      const again = await world.ended(key, String((await resume(two, [202])).body['pipeline_logging_id']))
      expect(again.steps.map(({ step_id, status }) => `${step_id} ${status}`)).to.deep.equal([
        'load_month-a-2025-10 FAILED',
        'load_month-a-2025-11 SUCCEEDED',
      ])
      expect(await costs(world)).to.deep.equal([{ source_name: 'a', n: 1, cost: '10' }])
    } finally {
      await world.end()
    }
  })

  it('of whoever else bills are FOCUS files below a prefix: checked, loaded by month, and purged', async () => {
    const world = await openWorld()
    try {
      const header = 'BilledCost,BillingPeriodStart,ChargePeriodStart,ResourceId'
      for (const day of ['2025-11-05', '2025-11-30', '2025-12-01']) {
        const folder = join(world.data_folder, 'buckets/gcs/acme-focus/llm', `date=${day}`)
        mkdirSync(folder, { recursive: true })
        writeFileSync(join(folder, 'usage.csv'), `${header}\n2.5,${day}T00:00:00Z,${day}T00:00:00Z,gpt\n`)
      }
      const key = await world.onboard('acme_corp')
      const source: SourceSettings = {
        provider: 'any',
        kind: 'focus',
        store: 'gcs',
        bucket: 'acme-focus',
        prefix: 'llm/',
      }
      await world.connect(key, 'acme_corp', 'llm', source)
      const other = await world.onboard('globex')
      await world.client.call('PUT', '/api/v1/tenants/globex/sources/llm', {
        key: other,
        body: { ...source, prefix: 'llm/date=2025-11-05' },
        expect: [409],
      })
      const path = '/api/v1/tenants/acme_corp/sources/llm'
      const { body } = await world.client.call('POST', `${path}/check`, { key })
      expect([body['ok'], body['problems']]).to.deep.equal([true, []])
      const run = await world.ended(key, await world.start(key, 'acme_corp', 'any/cost/focus', { month }))
      expect([run.status, run.error_message ?? '']).to.deep.equal(['COMPLETED', ''])
      const rows = await world.warehouse.query({
        query: `SELECT source_name, source_file, CAST(BilledCost AS STRING) AS cost
                FROM \`${world.warehouse.project_id}.acme_corp.any_cost_focus\` ORDER BY 2`,
      })
      expect(rows).to.deep.equal(
        ['2025-11-05', '2025-11-30'].map((day) => ({
          source_name: 'llm',
          source_file: `llm/date=${day}/usage.csv`,
          cost: '2.5',
        })),
      )
      const purged = await world.client.call('DELETE', `${path}?purge=true`, { key })
      expect(purged.body).to.deep.include({ rows_removed: 2 })
    } finally {
      await world.end()
    }
  })

  it('say how their days are written, where a file could be read in two ways', async () => {
    const world = await openWorld()
    try {
      const folder = join(world.data_folder, 'buckets/azure/acme-exports/cost/daily/20251101-20251130')
      mkdirSync(folder, { recursive: true })
      writeFileSync(join(folder, 'part_0.csv'), 'Date,CostInBillingCurrency\n05/11/2025,1\n06/11/2025,2\n')
      const key = await world.onboard('acme_corp')
      const export_ = {
        provider: 'azure',
        kind: 'actual',
        container: 'acme-exports',
        prefix: 'cost',
        export_name: 'daily',
      }
      const load = async () => world.ended(key, await world.start(key, 'acme_corp', 'azure/cost/exports', { month }))
      await world.connect(key, 'acme_corp', 'azure', export_ as SourceSettings)
      const refused = await load()
      expect(refused.status).to.equal('FAILED')
      expect(refused.error_message).to.include('say day_format of the source')
      await world.connect(key, 'acme_corp', 'azure', { ...export_, day_format: 'day_first' } as SourceSettings)
      expect((await load()).status).to.equal('COMPLETED')
      const days = await world.warehouse.query({
        query: `SELECT CAST(date AS STRING) AS day FROM \`${world.warehouse.project_id}.acme_corp.azure_cost_exports\` ORDER BY 1`,
      })
      expect(days.map(({ day }) => day)).to.deep.equal(['2025-11-05', '2025-11-06'])
    } finally {
      await world.end()
    }
  })

  it('that are removed leave rows, whose place no other name takes before they are purged', async () => {
    const world = await openWorld()
    try {
      deliver(join(world.data_folder, 'buckets/s3'), 'acme-cur', ['10'])
      const key = await world.onboard('acme_corp')
      await world.connect(key, 'acme_corp', 'old', payer('acme-cur'))
      const load = async () => world.ended(key, await world.start(key, 'acme_corp', 'aws/cost/cur', { month }))
      expect((await load()).status).to.equal('COMPLETED')
      const of = (name: string) => `/api/v1/tenants/acme_corp/sources/${name}`
      await world.client.call('DELETE', of('old'), { key })
      const body = payer('acme-cur')
      const refused = await world.client.call('PUT', of('new'), { key, body, expect: [409] })
      expect(String(refused.body['detail'])).to.include('sources/old?purge=true')
      expect(await costs(world)).to.deep.equal([{ source_name: 'old', n: 1, cost: '10' }])

      const purged = await world.client.call('DELETE', `${of('old')}?purge=true`, { key })
      expect(purged.body['rows_removed']).to.equal(1)
      await world.client.call('PUT', of('new'), { key, body, expect: [201] })
      expect((await load()).status).to.equal('COMPLETED')
      expect(await costs(world)).to.deep.equal([{ source_name: 'new', n: 1, cost: '10' }])
    } finally {
      await world.end()
    }
  })

  it('that bring no rows complete, and say so in the run, in its events and to the admin', async () => {
    const world = await openWorld()
    try {
      deliver(join(world.data_folder, 'buckets/s3'), 'acme-cur', [])
      const key = await world.onboard('acme_corp')
      await world.connect(key, 'acme_corp', 'payer', payer('acme-cur'))
      const id = await world.start(key, 'acme_corp', 'aws/cost/cur', { month })
      const run = (await world.ended(key, id)) as { status: string; warnings?: { step_id: string; message: string }[] }
      expect(run.status).to.equal('COMPLETED')
      expect(run.warnings).to.have.length(1)
      expect(run.warnings?.[0]?.step_id).to.equal('load_month-payer')
      expect(run.warnings?.[0]?.message).to.include('no rows')
      const events = await fetch(`${world.url}/api/v1/pipelines/runs/${id}/events`, { headers: { 'X-API-Key': key } })
      expect(await events.text()).to.include('no rows')
      const mails = () =>
        world.warehouse.query({
          query: `SELECT subject, recipients FROM \`${world.warehouse.project_id}.tenants.notifications\` WHERE state = 'SENT'`,
        })
      while ((await mails()).length === 0) await new Promise((resolve) => setTimeout(resolve, 50))
      expect(await mails()).to.deep.equal([
        {
          subject: '[Convergence] aws_cost_cur of acme_corp loaded 2025-11 with warnings',
          recipients: ['admin@acme-corp.example'],
        },
      ])
    } finally {
      await world.end()
    }
  })

  if (!inProcesses)
    it('are read by their own credential at the vendor, and its secret stands nowhere', async () => {
      const vendor = mkdtempSync(join(tmpdir(), 'convergence-vendor-'))
      deliver(join(vendor, 's3'), 'acme-cur', ['10.5'])
      const buckets = openBuckets({ folder: vendor })
      const front = await openStoreFront({ store: 's3', objects: buckets, port: 0 })
      const world = await openOneProcess({ settings: { AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${front.port}` } })
      try {
        const key = await world.onboard('acme_corp')
        const secret = 'SecretOfAcme0123456789SecretOfAcme012345'
        await world.client.call('PUT', '/api/v1/tenants/acme_corp/credentials/reader', {
          key,
          body: { provider: 'aws', access_key_id: 'AKIAACMEACMEACMEACME', secret_access_key: secret },
        })
        await world.connect(
          key,
          'acme_corp',
          'payer',
          payer('acme-cur', { credential: 'reader', region: 'eu-central-1' }),
        )
        const run = await world.ended(key, await world.start(key, 'acme_corp', 'aws/cost/cur', { month }))
        expect(run.error_message ?? '').to.equal('')
        expect(await costs(world)).to.deep.equal([{ source_name: 'payer', n: 1, cost: '10.5' }])
        for (const name of readdirSync(world.data_folder, { recursive: true, withFileTypes: true }))
          if (name.isFile())
            expect(readFileSync(join(name.parentPath, name.name)).includes(secret), name.name).to.equal(false)
      } finally {
        await world.end()
        await front.close()
        await buckets.close()
        rmSync(vendor, { recursive: true, force: true })
      }
    })
})
