import { generateKeyPairSync } from 'node:crypto'
import { expect } from 'chai'
import { request } from '@convergence/tools/publish-run'
import { openOneProcess } from './world.ts'

type Item = Readonly<Record<string, unknown>>

describe('what the platform has recorded, over REST', function () {
  this.timeout(120_000)
  let world: Awaited<ReturnType<typeof openOneProcess>>
  before(async () => {
    world = await openOneProcess()
  })
  after(() => world.end())

  const asAdmin = (method: string, path: string, expected = [200]) =>
    world.client.call(method, path, { admin: world.admin_key, expect: expected })
  const until = async (path: string, holds: (items: Item[]) => boolean): Promise<Item[]> => {
    for (let tries = 0; tries < 400; tries += 1) {
      const items = (await asAdmin('GET', path)).body['items'] as Item[]
      if (holds(items)) return items
      await new Promise((resolve) => {
        setTimeout(resolve, 25)
      })
    }
    throw new Error(`${path}: never came`)
  }
  const publish = (topic: string, data: Uint8Array, attributes: Record<string, string> = {}) =>
    world.platform.broker.publish([{ topic, data, attributes }])

  it('shows a message that nobody could handle, and puts it away; what is no event cannot be published again', async () => {
    await publish('run-requested', Buffer.from('{"half'), { tenant_id: 'acme_corp' })
    await publish('run-requested', Buffer.from([0xff, 0x00]), { tenant_id: 'globex' })
    await until('/api/v1/admin/dead-letters', (items) => items.length === 2)
    const [found] = await until(
      '/api/v1/admin/dead-letters?tenant_id=acme_corp&state=NEW',
      ({ length }) => length === 1,
    )
    expect(found).to.include({ topic: 'run-requested', reason: 'EVENT_INVALID', state: 'NEW' })
    expect(found).to.not.have.property('body')
    const path = `/api/v1/admin/dead-letters/${String(found?.['dead_letter_id'])}`
    expect((await asAdmin('GET', path)).body).to.include({ body: '{"half', body_encoding: 'utf-8' })
    const [binary] = await until('/api/v1/admin/dead-letters?tenant_id=globex', ({ length }) => length === 1)
    expect((await asAdmin('GET', `/api/v1/admin/dead-letters/${String(binary?.['dead_letter_id'])}`)).body).to.include({
      body: '/wA=',
      body_encoding: 'base64',
    })
    const refused = await asAdmin('POST', `${path}/replay`, [400])
    expect(refused.body['code']).to.equal('EVENT_INVALID')
    expect(String(refused.body['detail'])).to.match(/expected JSON, got .*; discard it$/)
    expect((await asAdmin('DELETE', path)).body).to.include({ state: 'DISCARDED' })
    expect((await asAdmin('GET', path)).body).to.include({ state: 'DISCARDED', body: '{"half' })
    expect((await asAdmin('DELETE', path)).body).to.include({ state: 'DISCARDED' })
    expect((await asAdmin('GET', `/api/v1/admin/dead-letters/d_${'0'.repeat(26)}`, [404])).body['code']).to.equal(
      'NOT_FOUND',
    )
    expect((await asAdmin('GET', '/api/v1/admin/dead-letters?state=GONE', [400])).body['code']).to.equal('BODY_INVALID')
  })

  it('publishes a request again whose key was registered too late: one new run, however often; a forged one never', async () => {
    const key = await world.onboard('initech')
    const { privateKey, publicKey } = generateKeyPairSync('ed25519')
    const wanted = { tenant_id: 'initech', pipeline: 'custom/bench/three_steps', parameters: {}, kid: 'initech-up' }
    const asked = request({ ...wanted, key: privateKey, idempotency_key: 'monday', now: new Date() })
    const forged = request({
      ...wanted,
      key: generateKeyPairSync('ed25519').privateKey,
      idempotency_key: 'tuesday',
      now: new Date(),
    })
    await publish('run-requested', asked.data, asked.attributes)
    await publish('run-requested', forged.data, forged.attributes)
    const items = await until('/api/v1/admin/dead-letters?tenant_id=initech', ({ length }) => length === 2)
    expect(items.map(({ reason }) => reason)).to.deep.equal(['BAD_SIGNATURE', 'BAD_SIGNATURE'])
    await world.client.call('POST', '/api/v1/admin/publisher-keys', {
      admin: world.admin_key,
      body: {
        kid: 'initech-up',
        tenant_id: 'initech',
        public_key: publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
      },
      expect: [200, 201],
    })
    const answers = []
    for (const { dead_letter_id } of items)
      for (let again = 0; again < 2; again += 1)
        answers.push(
          await asAdmin('POST', `/api/v1/admin/dead-letters/${String(dead_letter_id)}/replay`, [200, 401, 403]),
        )
    expect(answers.filter(({ body }) => body['code'] === 'BAD_SIGNATURE')).to.have.length(2)
    const ids = answers.flatMap(({ body }) => body['replayed_run_id'] ?? [])
    expect(new Set(ids).size).to.equal(1)
    expect((await world.ended(key, String(ids[0]))).status).to.equal('COMPLETED')
    const runs = (await world.client.call('GET', '/api/v1/pipelines/runs', { key })).body['items'] as Item[]
    expect(runs).to.have.length(1)
    expect(runs[0]).to.include({ trigger_type: 'publisher', trigger_by: 'initech-up' })
    expect((await asAdmin('GET', '/api/v1/admin/dead-letters?state=REPLAYED')).body['items']).to.have.length(1)
  })

  it('shows who did what, by pages of any size the same; nothing waits', async () => {
    const whole = (await asAdmin('GET', '/api/v1/admin/audit?limit=500')).body['items'] as Item[]
    expect(whole.length).to.be.above(5)
    const paged: Item[] = []
    for (let cursor: unknown = ''; cursor !== null;) {
      const { body } = await asAdmin('GET', `/api/v1/admin/audit?limit=3&cursor=${String(cursor)}`)
      paged.push(...(body['items'] as Item[]))
      cursor = body['next_cursor']
    }
    const ids = (items: Item[]) => items.map((item) => item['event_id'])
    // Asking is audited too: what was asked meanwhile stands before what was there.
    expect(ids(paged).filter((id) => ids(whole).includes(id))).to.deep.equal(ids(whole))
    expect(new Set(ids(paged)).size).to.equal(paged.length)
    expect((await asAdmin('GET', '/api/v1/admin/queue')).body).to.deep.equal({ items: [], next_cursor: null })
  })

  it('shows a tenant its own checks and notifications, and nobody else those', async () => {
    const key = await world.onboard('hooli')
    const other = await world.onboard('globex')
    const run_id = await world.start(key, 'hooli', 'custom/examples/checked_rows')
    expect((await world.ended(key, run_id)).status).to.equal('COMPLETED')
    const own = (path: string, of: string) => world.client.call('GET', path, { key: of })
    const mine = async (path: string, count: number): Promise<Item[]> => {
      for (let tries = 0; tries < 400; tries += 1) {
        const items = (await own(path, key)).body['items'] as Item[]
        if (items.length === count) return items
        await new Promise((resolve) => {
          setTimeout(resolve, 25)
        })
      }
      throw new Error(`${path}: not ${count}`)
    }
    const checks = await mine(`/api/v1/quality?pipeline_logging_id=${run_id}`, 4)
    expect(new Set(checks.map(({ tenant_id }) => tenant_id))).to.deep.equal(new Set(['hooli']))
    const [warned] = await mine('/api/v1/quality?status=WARNED', 1)
    expect(warned).to.include({ check_name: 'no_team_spends_more', pipeline_logging_id: run_id, actual: '1' })
    const [told] = await mine('/api/v1/notifications?state=SENT', 1)
    expect(told).to.include({ channel: 'email', step_id: 'warn_admin', pipeline_logging_id: run_id })
    expect(await until('/api/v1/admin/notifications?tenant_id=hooli', ({ length }) => length === 1)).to.deep.equal([
      told,
    ])
    expect((await own('/api/v1/quality', other)).body['items']).to.deep.equal([])
    expect((await own('/api/v1/notifications', other)).body['items']).to.deep.equal([])
  })
})
