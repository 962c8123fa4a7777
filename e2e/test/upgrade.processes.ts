/**
 * A data folder that the code of an earlier version made, opened by this one: what was stored is there, old keys work,
 * and tenants that followed the old conventions go on loading. The old code comes from the repository's own history.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect } from 'chai'
import { hasEnded, openClient } from '@convergence/tools/client'

const root = join(import.meta.dirname, '../..')
/** The last commit before there were sources. */
const earlier = 'fa4c656'

/** The earlier version in a folder of its own, with this checkout's dependencies; undefined where history lacks it. */
const checkout = (folder: string): string | undefined => {
  let archive: Buffer
  try {
    archive = execFileSync('git', ['archive', earlier], {
      cwd: root,
      maxBuffer: 1024 ** 3,
      stdio: ['ignore', 'pipe', 'ignore'],
    })
  } catch {
    return undefined
  }
  const code = join(folder, 'earlier')
  mkdirSync(code)
  execFileSync('tar', ['-x'], { cwd: code, input: archive })
  const modules = (from: string, to: string) => {
    mkdirSync(to, { recursive: true })
    for (const name of readdirSync(from)) {
      if (name === '@convergence') {
        // Links to the workspaces, which lead into the folder that they stand in.
        mkdirSync(join(to, name))
        for (const own of readdirSync(join(from, name)))
          symlinkSync(readlinkSync(join(from, name, own)), join(to, name, own))
      } else symlinkSync(join(from, name), join(to, name))
    }
  }
  modules(join(root, 'node_modules'), join(code, 'node_modules'))
  for (const folder of readdirSync(join(root, 'services')))
    if (existsSync(join(root, 'services', folder, 'node_modules')))
      modules(join(root, 'services', folder, 'node_modules'), join(code, 'services', folder, 'node_modules'))
  return code
}

interface Running {
  url: string
  stop(): Promise<void>
}
const start = (code: string, data_folder: string): Promise<Running> =>
  new Promise((resolve, reject) => {
    const child: ChildProcess = spawn(process.execPath, ['tools/start.ts'], {
      cwd: code,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        CONVERGENCE_DATA_DIR: data_folder,
        API_PORT: '0',
        LOG_LEVEL: 'INFO',
        PUBSUB_PORT: 'off',
        BIGQUERY_PORT: 'off',
        KMS_PORT: 'off',
      },
    })
    let text = ''
    const onText = (chunk: Buffer) => {
      text += chunk.toString()
      const url = /ready at (http:\S+)/.exec(text)?.[1]
      if (url === undefined) return
      resolve({
        url,
        stop: () =>
          new Promise((stopped) => {
            child.once('exit', () => {
              stopped()
            })
            child.kill('SIGTERM')
          }),
      })
    }
    child.stdout?.on('data', onText)
    child.stderr?.on('data', onText)
    child.once('exit', (exit) => {
      reject(new Error(`the platform ended with ${String(exit)} before it was ready: ${text.slice(-3000)}`))
    })
  })

const month = '2025-11'
const deliver = (data_folder: string) => {
  const file = (path: string, content: string) => {
    const whole = join(data_folder, 'buckets', path)
    mkdirSync(dirname(whole), { recursive: true })
    writeFileSync(whole, content)
  }
  const aws = 'cur/daily/20251101-20251201'
  file(
    `s3/acme_corp-cur/${aws}/daily-1.csv`,
    'identity/LineItemId,bill/BillingPeriodStartDate,lineItem/UsageStartDate,lineItem/UnblendedCost\n' +
      'id-1,2025-11-01T00:00:00Z,2025-11-05T00:00:00Z,1.5\nid-2,2025-11-01T00:00:00Z,2025-11-06T00:00:00Z,2\n',
  )
  file(
    `s3/acme_corp-cur/${aws}/daily-Manifest.json`,
    JSON.stringify({
      assemblyId: 'a-1',
      reportName: 'daily',
      billingPeriod: { start: '20251101T000000.000Z', end: '20251201T000000.000Z' },
      reportKeys: [`${aws}/daily-1.csv`],
    }),
  )
}

describe('a data folder of the version before', function () {
  this.timeout(300_000)

  it('opens: keys, credentials and rows are there, and its tenants have the sources that it assumed', async function () {
    const folder = mkdtempSync(join(tmpdir(), 'convergence-upgrade-'))
    try {
      const code = checkout(folder)
      if (code === undefined) {
        console.log(`SKIPPED upgrade: commit ${earlier} is not in this repository's history`)
        this.skip()
      }
      const data_folder = join(folder, 'data')
      mkdirSync(data_folder)
      deliver(data_folder)
      const before = await start(code, data_folder)
      let client = openClient(before.url)
      const body = {
        tenant_id: 'acme_corp',
        company_name: 'Acme',
        admin_email: 'admin@acme.example',
        subscription_plan: 'PROFESSIONAL',
      }
      const key = String((await client.call('POST', '/api/v1/tenants/onboard', { body })).body['api_key'])
      const load = async (): Promise<string> => {
        const asked = await client.call('POST', '/api/v1/pipelines/run/acme_corp/aws/cost/cur', {
          key,
          body: { month },
        })
        const run = `/api/v1/pipelines/runs/${String(asked.body['pipeline_logging_id'])}`
        for (;;) {
          const { body: answer } = await client.call('GET', run, { key })
          if (hasEnded(String(answer['status']) as never))
            return `${String(answer['status'])} ${String(answer['error_message'] ?? '')}`
          await new Promise((resolve) => setTimeout(resolve, 100))
        }
      }
      const tenant = '/api/v1/tenants/acme_corp'
      expect(await load()).to.equal('COMPLETED ')
      await client.call('PUT', `${tenant}/schedules/nightly`, {
        key,
        body: { pipeline: 'gcp/cost/billing', cron: '0 6 * * *' },
      })
      const credential = 'https://hooks.slack.com/services/T0/B0/abc'
      await client.call('PUT', `${tenant}/credentials/slack`, { key, body: { credential } })
      await before.stop()

      let after = await start(root, data_folder)
      try {
        client = openClient(after.url)
        const sources = async () => (await client.call('GET', `${tenant}/sources`, { key })).body['items'] as object[]
        const adopted = await sources()
        expect(adopted).to.have.length(2)
        expect(adopted[0]).to.deep.include({
          name: 'default',
          provider: 'aws',
          kind: 'cur',
          bucket: 'acme_corp-cur',
          prefix: 'cur',
          report_name: 'daily',
        })
        expect(adopted[1]).to.deep.include({ name: 'default_gcp', provider: 'gcp', projects: ['acme_corp'] })
        const credentials = (await client.call('GET', `${tenant}/credentials`, { key })).body['items']
        expect((credentials as object[])[0]).to.deep.include({
          name: 'slack',
          provider: 'slack',
          version: 1,
          fields: null,
        })
        // Loaded again it replaces what the earlier version loaded.
        expect(await load()).to.equal('COMPLETED ')
        const checked = await client.call('POST', `${tenant}/sources/default/check`, { key })
        expect(checked.body).to.deep.include({ ok: true, problems: [] })
        // The tenant's first key had all scopes that there were.
        const made = await client.call('PUT', `${tenant}/sources/second`, {
          key,
          body: { provider: 'aws', kind: 'cur', bucket: 'acme-billing-4711', prefix: 'cur', report_name: 'daily' },
          expect: [201],
        })
        expect(made.status).to.equal(201)
        expect((await client.call('DELETE', `${tenant}/sources/default_gcp`, { key })).status).to.equal(200)
        await after.stop()
        // What was removed does not come again.
        after = await start(root, data_folder)
        client = openClient(after.url)
        expect((await sources()).map((each) => (each as { name: string }).name)).to.deep.equal(['default', 'second'])
        const purged = await client.call('DELETE', `${tenant}/sources/default?purge=true`, { key })
        expect(purged.body).to.deep.include({ rows_removed: 2, removed: { aws_cost_cur: 2 } })
      } finally {
        await after.stop()
      }
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
