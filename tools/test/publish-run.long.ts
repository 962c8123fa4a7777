import { spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { verifySignature } from '@convergence/bus'
import { assertEvent, runId } from '@convergence/contracts'
import { openLog } from '@convergence/service'
import { followRun, openClient } from '../client.ts'
import { startPlatform } from '../platform.ts'
import { request, runIdOf } from '../publish-run.ts'

const setup = async () => {
  const data_folder = await mkdtemp(join(tmpdir(), 'convergence-publish-'))
  const platform = await startPlatform({
    data_folder,
    port: 0,
    log: openLog({ service: 'test', level: 'error' }),
    close_timeout_ms: 5_000,
    wire: { pubsub: 0 },
  })
  const client = openClient(platform.url)
  const { body } = await client.call('POST', '/api/v1/tenants/onboard', {
    body: {
      tenant_id: 'acme_corp',
      company_name: 'Acme',
      admin_email: 'admin@acme.example',
      subscription_plan: 'SCALE',
    },
  })
  return {
    platform,
    client,
    key: String(body['api_key']),
    publish: (...words: string[]) =>
      new Promise<{ code: number | null; text: string }>((resolve) => {
        const child = spawn(process.execPath, [join(import.meta.dirname, '../publish-run.ts'), ...words], {
          env: {
            PATH: process.env['PATH'],
            ...platform.wire,
            API_URL: platform.url,
            CONVERGENCE_DATA_DIR: data_folder,
          },
          stdio: ['ignore', 'pipe', 'pipe'],
        })
        let text = ''
        for (const stream of [child.stdout, child.stderr])
          stream.on('data', (chunk: Buffer) => {
            text += chunk.toString()
          })
        child.on('close', (code) => {
          resolve({ code, text })
        })
      }),
    close: async () => {
      await platform.close()
      await rm(data_folder, { recursive: true, force: true })
    },
  }
}

describe('publish-run', () => {
  it('signs what the scheduler verifies, and knows the id of the run', () => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519')
    const { data, attributes } = request({
      tenant_id: 'acme_corp',
      pipeline: 'gcp/cost/billing',
      parameters: { date: '2025-11-17' },
      kid: 'up',
      key: privateKey,
      idempotency_key: 'k-1',
      now: new Date(0),
    })
    expect(verifySignature(publicKey, attributes, data)).to.be.true
    expect(verifySignature(publicKey, { ...attributes, tenant_id: 'globex' }, data)).to.be.false
    assertEvent('run-requested', JSON.parse(data.toString()))
    expect(runIdOf('acme_corp', 'k-1')).to.equal(runId('acme_corp', 'k-1'))
  })

  it('asks for a run of a local platform, which runs it once for one idempotency key; a wrong word is told in one sentence', async () => {
    const { platform, publish, client, key, close } = await setup()
    try {
      const words = ['--tenant', 'acme_corp', '--pipeline', 'custom/bench/three_steps', '--idempotency-key', 'monday']
      const first = await publish(...words)
      expect(first.code, first.text).to.equal(0)
      const id = runId('acme_corp', 'monday')
      expect(first.text)
        .to.contain(`run              ${id}`)
        .and.to.contain(`curl -N ${platform.url}/api/v1/pipelines/runs/${id}/events`)
      const again = await publish(...words)
      expect(again.code, again.text).to.equal(0)
      for (let tries = 0; tries < 300; tries += 1) {
        if ((await client.call('GET', `/api/v1/pipelines/runs/${id}`, { key, expect: [200, 404] })).status === 200)
          break
      }
      expect((await followRun(platform.url, key, id)).status).to.equal('COMPLETED')
      const { items } = (await client.call('GET', '/api/v1/pipelines/runs', { key })).body as {
        items: { pipeline_logging_id: string; pipeline_id: string }[]
      }
      expect(items.filter(({ pipeline_logging_id }) => pipeline_logging_id === id)).to.have.length(1)
      for (const wrong of [
        ['--tenant', 'acme_corp'],
        [...words, '--param', 'date'],
        [...words, '--kid', 'x'],
        [...words, '--key-file', '/no/such.pem', '--kid', 'x'],
        ['--what'],
      ]) {
        const { code, text } = await publish(...wrong)
        expect(code, text).to.equal(2)
        expect(text)
          .to.match(/^convergence publish-run: /)
          .and.not.to.match(/^\s+at /m)
      }
    } finally {
      await close()
    }
  }).timeout(60_000)
})
