/**
 * Who may call what, for every route that is declared: the table of expectations is data, the rows are made from the
 * declarations.
 */
import { expect } from 'chai'
import { runId } from '@convergence/contracts'
import { issueKey } from '../src/issue-key.ts'
import type { Route } from '../src/route.ts'
import { adminKey, inWorld, type World } from './fakes.ts'

const callers = [
  'own',
  'other tenant',
  'none',
  'malformed',
  'unknown',
  'expired',
  'revoked',
  'missing scope',
  'admin',
  'wrong admin',
  'suspended',
] as const
type Caller = (typeof callers)[number]

/** Status that is expected, or undefined where the caller gets through to the route itself. */
const expected = (route: Route, caller: Caller): number | undefined => {
  if (route.scope === 'public') return undefined
  if (route.scope === 'admin' || route.scope === 'admin or local') return caller === 'admin' ? undefined : 403
  if (caller === 'admin') return undefined
  if (['none', 'malformed', 'unknown', 'expired', 'revoked', 'wrong admin'].includes(caller)) return 401
  if (caller === 'other tenant' && route.tenant !== 'own') return 404
  if (caller === 'missing scope') return 403
  return undefined
}

const setup = async (world: World) => {
  for (const tenant of ['acme_corp', 'globex', 'suspended_inc'])
    world.addTenant(tenant, { status: tenant === 'suspended_inc' ? 'SUSPENDED' : 'ACTIVE' })
  const own = world.addKey('acme_corp')
  const keys: Record<Caller, { key?: string; admin?: string }> = {
    own: { key: own },
    'other tenant': { key: world.addKey('globex') },
    none: {},
    malformed: { key: 'acme_corp_api_short' },
    unknown: { key: issueKey('acme_corp') },
    expired: { key: world.addKey('acme_corp', { expires_at: '2026-03-10T12:00:00Z' }) },
    revoked: { key: world.addKey('acme_corp', { is_active: false, revoked_at: '2026-03-01T00:00:00Z' }) },
    'missing scope': { key: world.addKey('acme_corp', { scopes: [] }) },
    admin: { admin: adminKey },
    'wrong admin': { admin: `cdpadm_${'B'.repeat(43)}` },
    suspended: { key: world.addKey('suspended_inc') },
  }
  const ids: Record<string, string> = {}
  for (const tenant of ['acme_corp', 'suspended_inc']) {
    const run_id = runId(tenant, 'known')
    ids[tenant] = run_id
    await world.bus.play('run-failed', {
      run: world.runOf(tenant, run_id),
      status: 'FAILED',
      error: { code: 'INTERNAL', message: 'x' },
      started_at: '2026-03-10T12:00:00Z',
      ended_at: '2026-03-10T12:00:01Z',
    })
  }
  return { keys, ids }
}

const concrete = (route: Route, tenant: string, run_id: string) =>
  route.path
    .split('/')
    .map(
      (part) =>
        ({
          ':tenant_id': tenant,
          ':run_id': run_id,
          ':provider': 'gcp',
          ':domain': 'cost',
          ':template': 'billing',
          ':dataset': 'cost_and_usage',
          ':name': 'nightly',
          ':key_id': 'key_none',
          ':kid': 'nobody',
          ':dead_letter_id': `d_${'0'.repeat(26)}`,
          ':backfill_id': `b_${'a'.repeat(26)}`,
        })[part] ?? part,
    )
    .join('/')

const bodyOf = (route: Route) => (route.method === 'GET' || route.method === 'DELETE' ? {} : { body: {} })

describe('who may call what', () => {
  it('answers every route and caller as the table says', () =>
    inWorld({ local_mode: false, wait_ms: 0 }, async (world) => {
      const { keys, ids } = await setup(world)
      let rows = 0
      for (const route of world.door.routes) {
        for (const caller of callers) {
          const tenant = caller === 'suspended' ? 'suspended_inc' : 'acme_corp'
          // The admin names the tenant where the path does not.
          const named = caller === 'admin' && route.tenant === 'own' ? '?tenant_id=acme_corp' : ''
          const answer = await world.call(route.method, concrete(route, tenant, String(ids[tenant])) + named, {
            ...keys[caller],
            ...bodyOf(route),
          })
          const name = `${route.method} ${route.path} by ${caller}: ${answer.status} ${answer.text.slice(0, 200)}`
          const status = expected(route, caller)
          if (status === undefined) expect([401, 403], name).to.not.include(answer.status)
          else expect(answer.status, name).to.equal(status)
          if (caller === 'suspended' && (route.path.includes('/run/') || route.path.endsWith(':run_id/resume')))
            expect([400, 402], name).to.include(answer.status)
          expect(answer.status, name).to.be.below(500)
          rows += 1
        }
      }
      expect(rows).to.equal(world.door.routes.length * callers.length)
    }))
  it("has identical bodies for what is another tenant's and what does not exist, and for every key that does not work", () =>
    inWorld({ local_mode: false }, async (world) => {
      const { keys, ids } = await setup(world)
      const same = (text: string) => text.replace(/"request_id":"[^"]*"/, '')
      for (const route of world.door.routes.filter(({ tenant }) => tenant === 'run' || tenant === 'tenant_id')) {
        const foreign = await world.call(route.method, concrete(route, 'acme_corp', String(ids['acme_corp'])), {
          ...keys['other tenant'],
          ...bodyOf(route),
        })
        const missing = await world.call(route.method, concrete(route, 'nobody_here', runId('globex', 'never')), {
          ...keys['other tenant'],
          ...bodyOf(route),
        })
        expect(same(foreign.text), route.path).to.equal(same(missing.text))
        expect([foreign.status, foreign.text.includes('acme_corp')], route.path).to.deep.equal([404, false])
        const refused = await Promise.all(
          (['none', 'malformed', 'unknown', 'expired', 'revoked'] as const).map((caller) =>
            world.call(route.method, concrete(route, 'acme_corp', String(ids['acme_corp'])), {
              ...keys[caller],
              ...bodyOf(route),
            }),
          ),
        )
        expect(new Set(refused.map(({ text }) => same(text))).size, route.path).to.equal(1)
      }
    }))
  it('lets the admin key act for a tenant: on its plan, in its name, and for none that does not exist', () =>
    inWorld({}, async (world) => {
      const { ids } = await setup(world)
      const admin = adminKey
      const body = {}
      expect((await world.call('GET', '/api/v1/pipelines/runs', { admin })).status).to.equal(400)
      expect((await world.call('GET', '/api/v1/pipelines/runs?tenant_id=nobody_here', { admin })).status).to.equal(404)
      const twice = '/api/v1/pipelines/runs?tenant_id=acme_corp&tenant_id=globex'
      expect((await world.call('GET', twice, { admin })).status).to.equal(400)
      expect((await world.call('GET', '/api/v1/pipelines/runs?tenant_id=acme_corp', { admin })).status).to.equal(200)
      // A tenant's own key names no other.
      const key = world.addKey('globex')
      const other = await world.call('GET', '/api/v1/pipelines/runs?tenant_id=acme_corp', { key })
      expect(other.status).to.equal(400)
      const run = await world.call('POST', '/api/v1/pipelines/run/acme_corp/custom/bench/three_steps', { admin, body })
      expect([run.status, run.body['tenant_id']]).to.deep.equal([202, 'acme_corp'])
      const suspended = await world.call('POST', '/api/v1/pipelines/run/suspended_inc/custom/bench/three_steps', {
        admin,
        body,
      })
      expect(suspended.status).to.equal(402)
      const cancelled = await world.call('POST', `/api/v1/pipelines/runs/${String(ids['acme_corp'])}/cancel`, {
        admin,
        body,
      })
      expect([401, 403, 404]).not.to.include(cancelled.status)
      const rows = world.warehouse.rows['auth_audit'] ?? []
      expect(
        rows.filter(({ tenant_id, actor }) => tenant_id === 'acme_corp' && actor === 'admin').length,
      ).to.be.at.least(3)
    }))
  it('decides the tenant before the scope', () =>
    inWorld({}, async (world) => {
      const { ids } = await setup(world)
      const key = world.addKey('globex', { scopes: [] })
      expect((await world.call('GET', '/api/v1/tenants/acme_corp', { key })).status).to.equal(404)
      expect((await world.call('GET', '/api/v1/tenants/globex', { key })).status).to.equal(403)
      expect((await world.call('GET', `/api/v1/pipelines/runs/${String(ids['acme_corp'])}`, { key })).status).to.equal(
        404,
      )
    }))
  it('refuses a key whose text names another tenant than its row', () =>
    inWorld({}, async (world) => {
      world.addTenant('acme_corp')
      const key = world.addKey('acme_corp')
      for (const row of world.warehouse.rows['tenant_api_keys_rows'] ?? []) row['tenant_id'] = 'globex'
      expect((await world.call('GET', '/api/v1/pipelines', { key })).status).to.equal(401)
    }))
  it('writes one audit row for each use of the admin key and each wrong one', () =>
    inWorld({}, async (world) => {
      await world.call('GET', '/api/v1/admin/tenants', { admin: adminKey, headers: { 'X-Request-ID': 'mine-1' } })
      await world.call('GET', '/api/v1/admin/tenants', { admin: 'wrong' })
      await world.call('DELETE', '/api/v1/admin/api-keys/key_none', { admin: adminKey })
      const rows = world.warehouse.rows['auth_audit'] ?? []
      expect(rows.map(({ actor, action, outcome }) => [actor, action, outcome])).to.deep.equal([
        ['admin', 'GET /api/v1/admin/tenants', '200'],
        ['unknown', 'GET /api/v1/admin/tenants', '403'],
        ['admin', 'DELETE /api/v1/admin/api-keys/:key_id', '404'],
      ])
      expect(rows[0]?.['request_id']).to.equal('mine-1')
    }))
  it('opens onboarding without a key in local mode alone', async () => {
    await inWorld({ local_mode: false }, async (world) => {
      expect((await world.call('POST', '/api/v1/tenants/onboard', { body: {} })).status).to.equal(403)
    })
    await inWorld({ local_mode: true }, async (world) => {
      expect((await world.call('POST', '/api/v1/tenants/onboard', { body: {} })).status).to.equal(400)
    })
  })
  it('takes DISABLE_AUTH in local mode alone, as tenant dev, and says so in every answer', async () => {
    let refused = ''
    try {
      await inWorld({ local_mode: false, disable_auth: true }, async () => undefined)
    } catch (error) {
      refused = String((error as { code?: unknown }).code)
    }
    expect(refused).to.equal('SETTING_INVALID')
    await inWorld({ disable_auth: true }, async (world) => {
      const answer = await world.call('GET', '/api/v1/pipelines')
      expect([answer.status, answer.headers.get('x-dev-auth-bypass')]).to.deep.equal([200, '1'])
      expect((await world.call('GET', '/api/v1/tenants/acme_corp')).status).to.equal(404)
      expect((await world.call('GET', '/api/v1/admin/tenants')).status).to.equal(403)
    })
  })
})
