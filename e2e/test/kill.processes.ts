import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { hasEnded, openClient, type RunStatus } from '@convergence/tools/client'
import { ledgerFaults, openOneProcess, seeded } from './world.ts'

const root = join(import.meta.dirname, '../..')
const totalRuns = 200
const totalKills = 8

interface Running {
  process: ChildProcess
  url: string
}

/** `npm start` as its own process; resolves when it says that it is ready. */
const start = (data_folder: string): Promise<Running> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--import', './tools/compile-cache.mjs', 'tools/start.ts'], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        CONVERGENCE_DATA_DIR: data_folder,
        API_PORT: '0',
        LOG_LEVEL: 'ERROR',
        PUBSUB_PORT: 'off',
        BIGQUERY_PORT: 'off',
        KMS_PORT: 'off',
      },
    })
    let text = ''
    const onText = (chunk: Buffer) => {
      text += chunk.toString()
      const url = /ready at (http:\S+)/.exec(text)?.[1]
      if (url !== undefined) resolve({ process: child, url })
    }
    child.stdout.on('data', onText)
    child.stderr.on('data', onText)
    child.once('exit', (code) => {
      reject(new Error(`the platform ended with ${String(code)} before it was ready: ${text.slice(0, 2000)}`))
    })
  })

const kill = (running: Running): Promise<void> =>
  new Promise((resolve) => {
    running.process.once('exit', () => {
      resolve()
    })
    running.process.kill('SIGKILL')
  })

describe('kill -9', function () {
  this.timeout(600_000)

  it(`loses and doubles nothing when the platform is killed ${totalKills} times during ${totalRuns} runs`, async () => {
    const seed = Number(process.env['KILL_SEED'] ?? 11)
    const random = seeded(seed)
    const data_folder = mkdtempSync(join(tmpdir(), 'convergence-kill-'))
    let running = await start(data_folder)
    try {
      const onboarded = await openClient(running.url).call('POST', '/api/v1/tenants/onboard', {
        body: {
          tenant_id: 'acme_corp',
          company_name: 'Acme',
          admin_email: 'admin@acme.example',
          subscription_plan: 'ENTERPRISE',
        },
      })
      const key = String(onboarded.body['api_key'])
      const accepted = new Map<string, string>()
      const submit = async (n: number): Promise<void> => {
        const idempotency_key = `kill-${n}`
        // A client that got no answer asks again under the same key: the platform says which run that is.
        for (;;) {
          try {
            const { body } = await openClient(running.url).call(
              'POST',
              '/api/v1/pipelines/run/acme_corp/custom/examples/append_row',
              { key, body: {}, headers: { 'Idempotency-Key': idempotency_key }, expect: [202] },
            )
            accepted.set(idempotency_key, String(body['pipeline_logging_id']))
            return
          } catch {
            await new Promise((resolve) => setTimeout(resolve, 30))
          }
        }
      }
      let next = 0
      let kills = 0
      while (next < totalRuns) {
        const batch = Math.ceil(totalRuns / (totalKills + 1))
        const submitting = Promise.all(
          Array.from({ length: Math.min(batch, totalRuns - next) }, (_, k) => submit(next + k)),
        )
        next += batch
        if (kills < totalKills) {
          await new Promise((resolve) => setTimeout(resolve, random() * 400))
          await kill(running)
          kills += 1
          running = await start(data_folder)
        }
        await submitting
      }
      expect(accepted.size, `seed ${seed}`).to.equal(totalRuns)
      expect(new Set(accepted.values()).size).to.equal(totalRuns)
      const client = openClient(running.url)
      const ends: string[] = []
      for (const id of accepted.values()) {
        for (;;) {
          const run = (await client.call('GET', `/api/v1/pipelines/runs/${id}`, { key })).body as RunStatus
          if (hasEnded(run.status)) {
            ends.push(run.status)
            break
          }
          await new Promise((resolve) => setTimeout(resolve, 50))
        }
      }
      expect(
        ends.filter((status) => status !== 'COMPLETED'),
        `seed ${seed}`,
      ).to.deep.equal([])
      await kill(running)

      // Everything is looked at once more from the files alone.
      const world = await openOneProcess({ data_folder })
      try {
        const { warehouse } = world
        expect(await ledgerFaults(world), `seed ${seed}`).to.deep.equal([])
        const doubled = await warehouse.query({
          query: `SELECT run_id, COUNT(*) AS n FROM \`${warehouse.project_id}.acme_corp.example_rows\` GROUP BY run_id`,
        })
        expect(
          doubled.filter((row) => Number(row['n']) !== 1),
          `seed ${seed}`,
        ).to.deep.equal([])
        expect(doubled.map((row) => String(row['run_id'])).sort()).to.deep.equal([...accepted.values()].sort())
        const ended = await warehouse.query({
          query: `SELECT pipeline_logging_id, status
                 FROM \`${warehouse.project_id}.tenants.tenant_pipeline_runs\`
                 WHERE tenant_id = 'acme_corp'`,
        })
        expect(ended.filter((row) => row['status'] !== 'COMPLETED')).to.deep.equal([])
        expect(ended).to.have.length(totalRuns)
        const [usage] = await warehouse.query({
          query: `SELECT SUM(pipelines_run_today) AS used, SUM(concurrent_pipelines_running) AS running
                 FROM \`${warehouse.project_id}.tenants.tenant_usage_quotas\`
                 WHERE tenant_id = 'acme_corp'`,
        })
        expect([Number(usage?.['used']), Number(usage?.['running'])]).to.deep.equal([totalRuns, 0])
      } finally {
        await world.platform.close()
      }
    } finally {
      if (running.process.exitCode === null && running.process.signalCode === null) await kill(running)
      rmSync(data_folder, { recursive: true, force: true })
    }
  })

  it('keeps the admin key and its files to their owner', async () => {
    const world = await openOneProcess()
    try {
      expect(readFileSync(join(world.data_folder, 'admin-key'), 'utf8').trim()).to.equal(world.platform.admin_key)
    } finally {
      await world.end()
    }
  })
})
