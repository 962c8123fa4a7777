import { expect } from 'chai'
import fc from 'fast-check'
import { holdings } from '@convergence/contracts'
import { hashOf, isKeyShaped, issueKey } from '../src/issue-key.ts'
import { openKeys } from '../src/principal.ts'
import type { KeyRow } from '../src/store/keys.ts'
import { adminKey, clock, inWorld } from './fakes.ts'

describe('the form of a key', () => {
  it('is unique, matches, and carries its checksum', () => {
    const keys = Array.from({ length: 10_000 }, () => issueKey('acme_corp'))
    expect(new Set(keys).size).to.equal(10_000)
    for (const key of keys) {
      if (!/^acme_corp_api_[0-9A-Za-z]{42}$/.test(key) || !isKeyShaped(key)) throw new Error('a key has another form')
    }
  })
  it('catches each change of a character and each swap of neighbours', () => {
    const alphabet = 'abcXYZ019_'
    fc.assert(
      fc.property(
        fc.stringMatching(/^[a-z][a-z0-9_]{2,30}$/),
        fc.nat(),
        fc.constantFrom(...alphabet),
        (tenant, place, char) => {
          const key = issueKey(tenant)
          const at = place % key.length
          const changed = `${key.slice(0, at)}${char}${key.slice(at + 1)}`
          const swapped = `${key.slice(0, at)}${key.slice(at + 1, at + 2)}${key.charAt(at)}${key.slice(at + 2)}`
          return (
            isKeyShaped(key) && (changed === key || !isKeyShaped(changed)) && (swapped === key || !isKeyShaped(swapped))
          )
        },
      ),
      { numRuns: 2_000 },
    )
  })
  it('is decided in no time for text of any length', () => {
    for (const text of ['', 'a'.repeat(100_000), `${'a_'.repeat(50_000)}_api_`, `a_api_${'0'.repeat(100_000)}`])
      expect(isKeyShaped(text)).to.equal(false)
  })
})

const setup = () => {
  const rows = new Map<string, KeyRow>()
  const time = clock()
  let lookUps = 0
  const store = {
    keyByHash: async (hash: string) => {
      lookUps += 1
      return rows.get(hash)
    },
  }
  const add = (more: Partial<KeyRow> = {}) => {
    const key = issueKey('acme_corp')
    const row: KeyRow = {
      key_id: 'k1',
      tenant_id: 'acme_corp',
      tenant_api_key_hash: hashOf(key),
      encrypted_api_key: null,
      scopes: ['pipelines:read'],
      description: null,
      is_active: true,
      expires_at: '2026-04-01T00:00:00Z',
      revoked_at: null,
      replaced_by: null,
      created_by: null,
      created_at: '2026-01-01T00:00:00Z',
      version: 1,
      ...more,
    }
    rows.set(row.tenant_api_key_hash, row)
    return { key, row }
  }
  return { rows, time, add, open: () => openKeys({ store, now: time.now }), lookUps: () => lookUps }
}

describe('checking a key', () => {
  it('looks nothing up for what is no key', async () => {
    const { open, lookUps } = setup()
    const keys = open()
    for (let k = 0; k < 1000; k += 1)
      expect(await keys.check(`acme_corp_api_${'A'.repeat(36)}${String(k).padStart(6, '0')}`)).to.equal(undefined)
    expect(lookUps()).to.be.below(2)
  })
  it('looks a key up once, also for many callers at a time', async () => {
    const { open, add, lookUps } = setup()
    const { key } = add()
    const keys = open()
    await Promise.all(Array.from({ length: 50 }, () => keys.check(key)))
    expect((await keys.check(key))?.tenant_id).to.equal('acme_corp')
    expect(lookUps()).to.equal(1)
  })
  it('is over on every replica 30 s after a revocation, and at once where it was made', async () => {
    const { open, add, rows, time } = setup()
    const { key, row } = add()
    const replicas = [open(), open(), open()]
    for (const keys of replicas) expect(await keys.check(key)).to.not.equal(undefined)
    const revoked = { ...row, is_active: false, version: 2 }
    rows.set(row.tenant_api_key_hash, revoked)
    replicas[0]?.changed(revoked)
    expect(await replicas[0]?.check(key)).to.equal(undefined)
    time.add(30_000)
    for (const keys of replicas) expect(await keys.check(key)).to.equal(undefined)
  })
  it('begins within 5 s where it was asked for before it was made', async () => {
    const { open, add, rows, time } = setup()
    const { key, row } = add()
    rows.clear()
    const keys = open()
    expect(await keys.check(key)).to.equal(undefined)
    rows.set(row.tenant_api_key_hash, row)
    time.add(5_000)
    expect(await keys.check(key)).to.not.equal(undefined)
  })
  it('ends in the moment that its row says, remembered or not', async () => {
    const { open, add, time } = setup()
    const { key } = add({ expires_at: '2026-03-10T12:00:10Z', replaced_by: 'k2' })
    const keys = open()
    time.add(9_999)
    expect((await keys.check(key))?.deprecated).to.equal(true)
    time.add(1)
    expect(await keys.check(key)).to.equal(undefined)
  })
})

describe('keys over REST', () => {
  const make = (world: Parameters<Parameters<typeof inWorld>[1]>[0], body: Record<string, unknown> = {}) =>
    world.call('POST', '/api/v1/admin/api-keys', { admin: adminKey, body: { tenant_id: 'acme_corp', ...body } })

  it('are made, listed without secrets, rotated with an overlap, revoked', () =>
    inWorld({}, async (world) => {
      world.addTenant('acme_corp')
      const made = await make(world, { scopes: ['pipelines:read'], description: 'console' })
      expect([made.status, made.body['scopes']]).to.deep.equal([201, ['pipelines:read']])
      const [key, key_id] = [String(made.body['api_key']), String(made.body['key_id'])]
      expect((await world.call('GET', '/api/v1/pipelines', { key })).status).to.equal(200)

      const list = await world.call('GET', '/api/v1/admin/api-keys?tenant_id=acme_corp', { admin: adminKey })
      expect(list.text)
        .to.contain(key_id)
        .and.not.contain(key.slice(-20))
        .and.not.contain('hash')
        .and.not.contain('encrypted')

      const rotated = await world.call('POST', `/api/v1/admin/api-keys/${key_id}/rotate`, {
        admin: adminKey,
        body: { overlap_hours: 1 },
      })
      expect(rotated.status).to.equal(201)
      expect((await world.call('GET', '/api/v1/pipelines', { key: String(rotated.body['api_key']) })).status).to.equal(
        200,
      )
      world.time.add(3_599_000)
      const overlapping = await world.call('GET', '/api/v1/pipelines', { key })
      expect([overlapping.status, overlapping.headers.get('deprecation')]).to.deep.equal([200, 'true'])
      world.time.add(1_000)
      expect((await world.call('GET', '/api/v1/pipelines', { key })).status).to.equal(401)

      const next = String(rotated.body['key_id'])
      expect(
        (await world.call('DELETE', `/api/v1/admin/api-keys/${next}`, { admin: adminKey })).body['is_active'],
      ).to.equal(false)
      expect((await world.call('GET', '/api/v1/pipelines', { key: String(rotated.body['api_key']) })).status).to.equal(
        401,
      )
      expect(
        (await world.call('POST', `/api/v1/admin/api-keys/${next}/rotate`, { admin: adminKey, body: {} })).status,
      ).to.equal(409)
    }))
  it('are managed by the tenant itself, within its own rights and its own keys', () =>
    inWorld({}, async (world) => {
      world.addTenant('acme_corp')
      world.addTenant('globex')
      const path = '/api/v1/tenants/acme_corp/api-keys'
      const key = world.addKey('acme_corp', { scopes: ['keys:manage', 'costs:read'] })
      const made = await world.call('POST', path, { key, body: { scopes: ['costs:read'], description: 'frontend' } })
      expect([made.status, made.body['scopes']]).to.deep.equal([201, ['costs:read']])
      const like = await world.call('POST', path, { key, body: {} })
      expect(like.body['scopes']).to.have.members(['keys:manage', 'costs:read'])
      const more = await world.call('POST', path, { key, body: { scopes: ['costs:read', 'configs:write'] } })
      expect([more.status, more.body['detail']]).to.deep.equal([
        403,
        'body.scopes: expected scopes of the key that asks, got configs:write as well; ask with a key that has them',
      ])
      const list = await world.call('GET', path, { key })
      expect(list.text).to.contain('"created_by":"key:').and.not.contain('hash').and.not.contain('encrypted')
      // Who only reads cost manages nothing, and nobody gets the rights of a stronger key by renewing it.
      expect((await world.call('GET', path, { key: String(made.body['api_key']) })).status).to.equal(403)
      const strong = await make(world)
      const renewed = await world.call('POST', `${path}/${String(strong.body['key_id'])}/rotate`, { key, body: {} })
      expect([renewed.status, renewed.body['code']]).to.deep.equal([403, 'FORBIDDEN'])
      const rotated = await world.call('POST', `${path}/${String(made.body['key_id'])}/rotate`, { key, body: {} })
      expect([rotated.status, rotated.body['scopes']]).to.deep.equal([201, ['costs:read']])
      const foreign = await make(world, { tenant_id: 'globex' })
      for (const [method, end] of [
        ['DELETE', ''],
        ['POST', '/rotate'],
      ] as const) {
        const of = await world.call(method, `${path}/${String(foreign.body['key_id'])}${end}`, {
          key,
          ...(method === 'POST' ? { body: {} } : {}),
        })
        expect([of.status, of.body['code']]).to.deep.equal([404, 'NOT_FOUND'])
      }
      const ended = await world.call('DELETE', `${path}/${String(rotated.body['key_id'])}`, { key })
      expect([ended.status, ended.body['is_active']]).to.deep.equal([200, false])
      const admin = await world.call('POST', path, { admin: adminKey, body: { scopes: ['pipelines:run'] } })
      expect(admin.status).to.equal(201)
    }))
  it('count against the plan while they work, and with their successor once', () =>
    inWorld({}, async (world) => {
      world.addTenant('acme_corp', { plan: 'STARTER' })
      const most = holdings.STARTER.keys
      const expires_at = new Date(world.time.now().getTime() + 1_000).toISOString()
      for (let n = 0; n < most; n += 1) world.addKey('acme_corp', { key_id: `key_${n}`, expires_at })
      expect((await make(world)).status).to.equal(409)
      world.time.add(1_000)
      const made: string[] = []
      for (let n = 0; n < most; n += 1) made.push(String((await make(world)).body['key_id']))
      expect((await make(world)).status).to.equal(409)
      // The key in its overlap and its successor are one; the key alone still is.
      const rotated = await world.call('POST', `/api/v1/admin/api-keys/${made[0]!}/rotate`, {
        admin: adminKey,
        body: {},
      })
      const revoke = (key_id: unknown) =>
        world.call('DELETE', `/api/v1/admin/api-keys/${String(key_id)}`, { admin: adminKey })
      await revoke(made[1])
      expect([(await make(world)).status, (await make(world)).status]).to.deep.equal([201, 409])
      await revoke(rotated.body['key_id'])
      expect((await make(world)).status).to.equal(409)
    }))
  it('have successors that end when they would have, unless another end is said', () =>
    inWorld({}, async (world) => {
      world.addTenant('acme_corp')
      const expires_at = new Date(world.time.now().getTime() + 5 * 86_400_000).toISOString()
      const { body } = await make(world, { expires_at })
      const rotate = (key_id: unknown, more = {}) =>
        world.call('POST', `/api/v1/admin/api-keys/${String(key_id)}/rotate`, { admin: adminKey, body: more })
      const second = await rotate(body['key_id'])
      expect([second.status, second.body['expires_at']]).to.deep.equal([201, expires_at])
      const later = new Date(world.time.now().getTime() + 9 * 86_400_000).toISOString()
      const third = await rotate(second.body['key_id'], { expires_at: later })
      expect([third.status, third.body['expires_at']]).to.deep.equal([201, later])
      world.time.add(10 * 86_400_000)
      const ended = await rotate(third.body['key_id'])
      expect([ended.status, ended.text]).to.satisfy(
        ([status, text]: [number, string]) => status === 409 && text.includes('say expires_at'),
      )
    }))
  it('leave no part of themselves in any table or log; the sealed copy opens under its row alone', () =>
    inWorld({}, async (world) => {
      world.addTenant('acme_corp')
      const { body } = await make(world)
      const random = String(body['api_key']).slice('acme_corp_api_'.length)
      const everything =
        JSON.stringify(world.warehouse.rows) + world.lines.join('') + JSON.stringify(world.bus.published)
      for (let at = 0; at + 16 <= random.length; at += 1)
        expect(everything.includes(random.slice(at, at + 16))).to.equal(false)
      const sealed = String(world.warehouse.rows['tenant_api_keys_rows']?.at(-1)?.['encrypted_api_key'])
      expect(
        await world.secrets.open('api-key-wrap', sealed, `tenant_api_keys|acme_corp|${String(body['key_id'])}|1`),
      ).to.equal(body['api_key'])
    }))
  it('refuse an unknown tenant, scopes and days that do not exist, and a life of more than two years', () =>
    inWorld({}, async (world) => {
      expect((await make(world)).status).to.equal(404)
      world.addTenant('acme_corp')
      for (const bad of [
        { scopes: ['root'] },
        { scopes: [] },
        { expires_at: '2030-01-01T00:00:00Z' },
        { expires_at: '2020-01-01T00:00:00Z' },
        { expires_at: '2027-02-30T00:00:00Z' },
        { expires_at: '2027-02-28T24:00:00Z' },
        { is_active: true },
        { key_id: 'mine' },
      ])
        expect((await make(world, bad)).status, JSON.stringify(bad)).to.equal(400)
    }))
})
