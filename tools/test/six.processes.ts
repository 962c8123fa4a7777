// Slow: part of npm run test:processes, not of npm test.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { followRun, openClient } from '../client.ts'
import { startProcesses } from '../processes.ts'

const setup = async (replicas: number) => {
  const data_folder = await mkdtemp(join(tmpdir(), 'convergence-processes-'))
  const lines: string[] = []
  const all = await startProcesses({
    data_folder,
    replicas,
    log: (name, line) => {
      lines.push(`${name} ${line}`)
    },
  })
  const close = async () => {
    await all.close()
    await rm(data_folder, { recursive: true, force: true })
  }
  return { all, lines, close, client: openClient(all.urls[0] ?? '') }
}

describe('six processes', function () {
  this.timeout(90_000)

  it('a tenant is onboarded through one auth, its run is followed to its end through the other', async () => {
    const { all, close, client } = await setup(2)
    try {
      expect(all.services).to.have.length(10)
      expect(new Set([all.cloud, ...all.services].map(({ pid }) => pid)).size).to.equal(11)
      const { body } = await client.call('POST', '/api/v1/tenants/onboard', {
        body: {
          tenant_id: 'acme_corp',
          company_name: 'Acme',
          admin_email: 'admin@acme.example',
          subscription_plan: 'SCALE',
        },
      })
      const key = String(body['api_key'])
      const run = await client.call('POST', '/api/v1/pipelines/run/acme_corp/custom/bench/three_steps', {
        key,
        body: {},
      })
      const result = await followRun(all.urls[1] ?? '', key, String(run.body['pipeline_logging_id']))
      expect(result.status).to.equal('COMPLETED')
      expect(result.steps.map(({ status }) => status)).to.deep.equal(['SUCCEEDED', 'SUCCEEDED', 'SUCCEEDED'])
    } finally {
      await close()
    }
  })

  it('central tables made again by one process are noticed by the others; killed processes start again on their ports', async () => {
    const { all, close, client, lines } = await setup(1)
    try {
      const onboard = async () => {
        const { body } = await client.call('POST', '/api/v1/tenants/onboard', {
          body: {
            tenant_id: 'acme_corp',
            company_name: 'Acme',
            admin_email: 'admin@acme.example',
            subscription_plan: 'SCALE',
          },
        })
        const run = await client.call('POST', '/api/v1/pipelines/run/acme_corp/custom/bench/three_steps', {
          key: String(body['api_key']),
          body: {},
        })
        return (await followRun(all.urls[0] ?? '', String(body['api_key']), String(run.body['pipeline_logging_id'])))
          .status
      }
      expect(await onboard()).to.equal('COMPLETED')
      const made = await client.call('POST', '/api/v1/admin/bootstrap', {
        admin: all.admin_key ?? '',
        body: { force_recreate_tables: true },
        headers: { 'X-Confirm': 'tenants' },
      })
      expect(made.body['tables_created']).not.to.be.empty
      expect(await onboard()).to.equal('COMPLETED')
      for (const each of all.services) {
        const at = `http://127.0.0.1:${each.management_port}`
        expect((await fetch(`${at}/health/ready`)).status).to.equal(200)
        const shown = await (await fetch(`${at}/metrics`)).text()
        expect(shown).to.match(/^process_resident_memory_bytes\{service="[a-z]+"\} \d+$/m)
        // Telemetry began before the bus was opened: else nothing of it is measured.
        if (each.name !== 'notifier')
          expect(shown, each.name).to.match(
            new RegExp(
              `^messaging_client_consumed_messages_total\\{messaging_destination_subscription_name="${each.name}\\.[a-z-]+"\\} [1-9]`,
              'm',
            ),
          )
        const { pid } = each
        each.kill('SIGTERM')
        expect(await each.ended(), each.name).to.deep.equal({ code: 0, signal: null })
        await each.restart()
        expect(each.pid).not.to.equal(pid)
      }
      lines.length = 0
      for (const each of [...all.services, all.cloud]) {
        each.kill('SIGKILL')
        expect(await each.ended()).to.deep.equal({ code: null, signal: 'SIGKILL' })
      }
      expect(lines.filter((line) => line.includes('is not started again'))).to.have.length(6)
      await all.cloud.restart()
      await Promise.all(all.services.map((each) => each.restart()))
      for (const each of all.services)
        expect((await fetch(`http://127.0.0.1:${each.management_port}/health/live`)).status).to.equal(200)
      expect(
        (await client.call('GET', '/api/v1/tenants/acme_corp', { admin: all.admin_key ?? '' })).body['tenant_id'],
      ).to.equal('acme_corp')
    } finally {
      await close()
    }
  })
})
