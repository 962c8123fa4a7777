import { expect } from 'chai'
import { sourceFaults } from '@convergence/contracts'
import { sourceExamples } from '../src/source-schema.ts'
import { adminKey, inWorld, type World } from './fakes.ts'

const cur = {
  provider: 'aws',
  kind: 'cur2',
  bucket: 'acme-billing-4711',
  prefix: 'exports',
  report_name: 'daily',
}
const path = '/api/v1/tenants/acme_corp/sources/payer'
const setup = (world: World) => {
  world.addTenant('acme_corp')
  world.addTenant('globex')
  return world.addKey('acme_corp')
}
const stored = (world: World, name: string, settings: Record<string, unknown>, tenant_id = 'acme_corp') => {
  const { provider, ...rest } = settings
  ;(world.warehouse.rows['sources'] ??= []).push({
    tenant_id,
    name,
    provider: String(provider),
    settings: JSON.stringify(rest),
    version: 3,
    is_active: true,
    recorded_at: '2026-03-01T00:00:00Z',
  })
}
const asked = (world: World) => world.bus.published.filter(({ topic }) => topic === 'run-requested')

describe('sources by REST', () => {
  it('are put by a run of the platform: 201 when new, 200 when it was there', () =>
    inWorld({}, async (world) => {
      const key = setup(world)
      world.succeed({ created: true, version: 7 })
      const made = await world.call('PUT', path, { key, body: cur })
      expect(made.status, made.text).to.equal(201)
      expect(made.body).to.deep.include({ tenant_id: 'acme_corp', name: 'payer', ...cur, version: 7 })
      expect(made.body['pipeline']).to.equal('aws/cost/cur')
      const [message] = asked(world)
      expect(message?.event).to.deep.include({ tenant_id: 'system', pipeline: 'setup/tenants/source' })
      expect((message?.event as { parameters: object }).parameters).to.deep.equal({
        for_tenant_id: 'acme_corp',
        source_name: 'payer',
        settings: JSON.stringify(cur),
        may_claim: true,
      })
      world.succeed({ created: false, version: 7 })
      expect((await world.call('PUT', path, { key, body: cur })).status).to.equal(200)
    }))

  it('tell every fault of a body at once, and ask for nothing', () =>
    inWorld({}, async (world) => {
      const key = setup(world)
      const wrong = await world.call('PUT', path, { key, body: { ...cur, bucket: 'Not a bucket', prefix: 7, more: 1 } })
      expect([wrong.status, wrong.body['code']]).to.deep.equal([400, 'BODY_INVALID'])
      const faults = wrong.body['errors'] as unknown as string[]
      expect(faults.map((fault) => fault.split(':')[0]).toSorted()).to.deep.equal([
        'body.bucket',
        'body.more',
        'body.prefix',
      ])
      expect((await world.call('PUT', path, { key, body: {} })).status).to.equal(400)
      const name = await world.call('PUT', path.replace('payer', 'Payer'), { key, body: cur })
      expect([name.status, name.body['detail']]).to.deep.equal([
        400,
        'path: name: expected ^[a-z][a-z0-9_-]{0,49}$, got "Payer"',
      ])
      expect((await world.call('GET', path.replace('payer', 'Payer'), { key })).status).to.equal(404)
      expect(asked(world)).to.deep.equal([])
    }))

  it('of a kind that nothing loads are refused by name', () =>
    inWorld({}, async (world) => {
      world.addTenant('acme_corp')
      const key = world.addKey('acme_corp')
      const body = {
        provider: 'azure',
        kind: 'pricesheet',
        container: 'exports',
        prefix: 'prices',
        export_name: 'daily',
      }
      const answer = await world.call('PUT', '/api/v1/tenants/acme_corp/sources/prices', { key, body })
      expect([answer.status, answer.text.includes('no pipeline loads azure pricesheet here')]).to.deep.equal([
        400,
        true,
      ])
    }))
  it('need a credential of their own outside local mode, unless the admin key puts them', () =>
    inWorld({ local_mode: false }, async (world) => {
      const key = setup(world)
      world.succeed({ created: true, version: 1 })
      const refused = await world.call('PUT', path, { key, body: cur })
      expect([refused.status, refused.body['code']]).to.deep.equal([403, 'FORBIDDEN'])
      expect(asked(world)).to.deep.equal([])
      const table = { provider: 'gcp', kind: 'detailed', table: 'acme-billing-4711.billing.export', credential: 'gcp' }
      expect((await world.call('PUT', path, { key, body: table })).status).to.equal(403)
      expect(asked(world)).to.deep.equal([])
      expect((await world.call('PUT', path, { key, body: { ...cur, credential: 'aws' } })).status).to.equal(201)
      expect((await world.call('PUT', path, { admin: adminKey, body: cur })).status).to.equal(201)
      expect(
        asked(world).map(({ event }) => (event as { parameters: Record<string, unknown> }).parameters['may_claim']),
      ).to.deep.equal([false, true])
      const actors = (world.warehouse.rows['auth_audit'] ?? []).map(
        ({ actor, outcome }) => `${String(actor)} ${String(outcome)}`,
      )
      expect(actors.at(-1)).to.equal('admin 201')
    }))

  it('are read and removed by name, and listed by pages', () =>
    inWorld({}, async (world) => {
      const key = setup(world)
      for (const name of ['a', 'b', 'c']) stored(world, name, { ...cur, prefix: name })
      stored(world, 'b', cur, 'globex')
      const one = await world.call('GET', path.replace('payer', 'b'), { key })
      expect(one.body).to.deep.include({ name: 'b', prefix: 'b', version: 3, changed_at: '2026-03-01T00:00:00Z' })
      const list = '/api/v1/tenants/acme_corp/sources'
      const first = await world.call('GET', `${list}?limit=2`, { key })
      const names = (page: typeof first) =>
        (page.body['items'] as unknown as { name: string }[]).map(({ name }) => name)
      expect(names(first)).to.deep.equal(['a', 'b'])
      const second = await world.call('GET', `${list}?limit=2&cursor=${String(first.body['next_cursor'])}`, { key })
      expect([names(second), second.body['next_cursor']]).to.deep.equal([['c'], null])

      expect((await world.call('DELETE', path, { key })).status).to.equal(404)
      world.succeed({ version: 4 })
      const gone = await world.call('DELETE', path.replace('payer', 'b'), { key })
      expect(gone.body).to.deep.include({ tenant_id: 'acme_corp', name: 'b', deleted: true })
      expect(asked(world).at(-1)?.event).to.deep.include({ pipeline: 'setup/tenants/source_removal' })
    }))

  it('are checked by a run of the platform, whose findings are the answer', () =>
    inWorld({ local_mode: false }, async (world) => {
      const key = setup(world)
      expect((await world.call('POST', `${path}/check`, { key })).status).to.equal(404)
      stored(world, 'payer', cur)
      const found = {
        newest_delivery: 'm.json',
        periods: ['2026-03'],
        files: 1,
        bytes: 7,
        columns: ['a'],
        format: 'csv',
      }
      world.succeed({ ok: false, found, problems: ['bucket ...'], notes: [] })
      const checked = await world.call('POST', `${path}/check`, { key })
      expect([checked.status, checked.body['ok'], checked.body['problems']]).to.deep.equal([200, false, ['bucket ...']])
      expect(checked.body['found']).to.deep.equal(found)
      await world.call('POST', `${path}/check`, { admin: adminKey })
      expect(
        asked(world).map(({ event }) => (event as { parameters: Record<string, unknown> }).parameters['all_names']),
      ).to.deep.equal([false, true])
    }))

  it('are removed with their rows when that is asked for, also once they are removed', () =>
    inWorld({}, async (world) => {
      const key = setup(world)
      world.succeed({ rows_removed: 7, removed: { aws_cost_cur: 7 } })
      const gone = await world.call('DELETE', `${path}?purge=true`, { key })
      expect(gone.body).to.deep.include({ deleted: true, rows_removed: 7, removed: { aws_cost_cur: 7 } })
      expect(asked(world).at(-1)?.event).to.deep.include({ pipeline: 'setup/sources/purge' })
      expect((await world.call('DELETE', `${path}?purge=false`, { key })).status).to.equal(404)
      expect((await world.call('DELETE', `${path}?purge=yes`, { key })).status).to.equal(400)
    }))

  it('are 404 for the admin where there is no such tenant', () =>
    inWorld({}, async (world) => {
      setup(world)
      for (const method of ['GET', 'PUT', 'DELETE'])
        expect(
          (
            await world.call(method, path.replace('acme_corp', 'nobody'), {
              admin: adminKey,
              ...(method === 'PUT' ? { body: cur } : {}),
            })
          ).status,
          method,
        ).to.equal(404)
    }))

  it('are shown in OpenAPI by examples that could be put', () => {
    for (const example of sourceExamples) expect(sourceFaults(example)).to.deep.equal([])
    expect(new Set(sourceExamples.map(({ provider }) => provider)).size).to.equal(4)
  })
})

describe('scopes', () => {
  const first = ['pipelines:run', 'pipelines:read', 'configs:write', 'keys:manage']

  it('of a key that was made with all when there were four are all; any other key has exactly its own', () =>
    inWorld({}, async (world) => {
      setup(world)
      world.succeed({ created: true, version: 1 })
      const put = async (more: Parameters<World['addKey']>[1]) =>
        (await world.call('PUT', path, { key: world.addKey('acme_corp', more), body: cur })).status
      expect(await put({ scopes: first })).to.equal(201)
      expect(await put({ scopes: first.slice(1) })).to.equal(403)
      expect(await put({ scopes: first, scope_set: 2 })).to.equal(403)
      expect(await put({ scopes: ['sources:write'], scope_set: 2 })).to.equal(201)
    }))

  it('are all for a new key that names none, and those that it names otherwise', () =>
    inWorld({}, async (world) => {
      setup(world)
      const make = async (scopes?: string[]) =>
        (
          await world.call('POST', '/api/v1/admin/api-keys', {
            admin: adminKey,
            body: { tenant_id: 'acme_corp', ...(scopes === undefined ? {} : { scopes }) },
          })
        ).body
      expect((await make())['scopes']).to.deep.equal([...first, 'sources:write', 'costs:read'])
      const fewer = await make(first)
      expect(fewer['scopes']).to.deep.equal(first)
      const refused = await world.call('PUT', path, { key: String(fewer['api_key']), body: cur })
      expect([refused.status, refused.body['code']]).to.deep.equal([403, 'FORBIDDEN'])
    }))

  it('of an old key are kept by its successor', () =>
    inWorld({}, async (world) => {
      setup(world)
      world.addKey('acme_corp', { key_id: 'key_old', scopes: first })
      const next = await world.call('POST', '/api/v1/admin/api-keys/key_old/rotate', { admin: adminKey, body: {} })
      expect(next.body['scopes']).to.deep.equal([...first, 'sources:write', 'costs:read'])
    }))
})
