import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import fc from 'fast-check'
import { AppError, errorTable } from '@convergence/contracts'
import { defaultLimits, openLimits } from '../src/limits.ts'
import { startOf } from '../src/paging.ts'
import { assertDeclared, type Route } from '../src/route.ts'
import { adminKey, clock, inWorld, type World } from './fakes.ts'

const path = '/api/v1/pipelines/run/acme_corp/gcp/cost/billing'
const withTenant = (body: (world: World, key: string) => Promise<void>, options = {}) =>
  inWorld(options, async (world) => {
    world.addTenant('acme_corp')
    await body(world, world.addKey('acme_corp'))
  })
/** The path as it stands: fetch would tidy it. */
const rawGet = (world: World, target: string, key: string, method = 'GET'): Promise<number> =>
  new Promise((resolve, reject) => {
    const asked = request(
      { host: '127.0.0.1', port: world.door.port, method, path: target, headers: { 'X-API-Key': key } },
      (answer) => {
        answer.resume()
        answer.on('end', () => {
          resolve(answer.statusCode ?? 0)
        })
      },
    )
    asked.on('error', reject)
    asked.end()
  })

describe('bodies', () => {
  it('are refused when JSON.parse would have let something pass silently', () =>
    withTenant(async (world, key) => {
      const deep = (count: number) => `{"date":${'['.repeat(count)}${']'.repeat(count)}}`
      const bad = [
        '{"__proto__":{"polluted":1}}',
        '{"constructor":1}',
        '{"prototype":1}',
        '{"\\u005f_proto__":1}',
        '{"date":"2026-01-01","date":"2026-01-02"}',
        '{"date":"2026-01-01","d\\u0061te":"2026-01-02"}',
        deep(25),
        deep(50_000),
        '{',
        '[]',
        'null',
        '"x"',
        '1',
        '{"date":{"a":1}}',
        '{"date":["2026-01-01"]}',
        '{"date":NaN}',
        `{"date":"2026-01-01"}{}`,
        '\u0000',
        '{"date":"2026-01-01",}',
        '{"date":"\\ud83d"}',
        '{"\\uDC00":1}',
      ]
      for (const raw of bad) {
        const { status, body } = await world.call('POST', path, { key, raw })
        expect([status, body['status']], raw.slice(0, 60)).to.deep.equal([400, 400])
      }
      expect(({} as Record<string, unknown>)['polluted']).to.equal(undefined)
      expect((await world.call('POST', path, { key, raw: Buffer.from([0x7b, 0xff, 0xfe, 0x7d]) })).status).to.equal(400)
      expect(world.bus.published).to.deep.equal([])
    }))
  it('answer 4xx whatever they are, never 5xx', () =>
    withTenant(async (world, key) => {
      await fc.assert(
        fc.asyncProperty(
          fc.oneof(
            fc.json(),
            fc.string(),
            fc.json().map((text) => text.slice(0, -1)),
          ),
          async (raw) => {
            const { status } = await world.call('POST', path, { key, raw })
            return status >= 400 && status < 500
          },
        ),
        { numRuns: 400 },
      )
    }))
  it('must be application/json of at most 100 KiB, not encoded', () =>
    withTenant(async (world, key) => {
      for (const type of [
        'text/plain',
        'application/x-www-form-urlencoded',
        'application/json; charset=latin1',
        'application/jsonx',
      ]) {
        const answer = await world.call('POST', path, { key, raw: '{}', headers: { 'Content-Type': type } })
        expect([answer.status, answer.body['code']], type).to.deep.equal([415, 'UNSUPPORTED_MEDIA_TYPE'])
      }
      expect(
        (await world.call('POST', path, { key, raw: '{}', headers: { 'Content-Encoding': 'gzip' } })).status,
      ).to.equal(415)
      expect((await world.call('POST', path, { key, raw: `{"note":"${'x'.repeat(100 * 1024)}"}` })).status).to.equal(
        413,
      )
      expect(
        (
          await world.call('POST', path, {
            key,
            raw: '{"date":"2026-03-01"}',
            headers: { 'Content-Type': 'application/json; charset=utf-8' },
          })
        ).status,
      ).to.equal(202)
    }))
  it('hold no secret, in whatever field, and an idempotency key is none; nothing of it is said again', () =>
    inWorld({}, async (world) => {
      const secret = `acme_corp_api_${'a'.repeat(42)}`
      const body = { company_name: `see ${secret}`, tenant_id: 'acme_corp', subscription_plan: 'STARTER' }
      const admin_email = 'a@acme.example'
      const refused = [
        await world.call('POST', '/api/v1/tenants/onboard', { body: { ...body, admin_email } }),
        await world.call('POST', '/api/v1/tenants/onboard', {
          body: { ...body, company_name: 'Acme', admin_email },
          headers: { 'Idempotency-Key': secret },
        }),
      ]
      for (const answer of refused) {
        expect([answer.status, answer.body['code']]).to.deep.equal([400, 'BODY_INVALID'])
        expect(JSON.stringify(answer.body)).to.contain('looks like a secret').and.not.to.contain(secret)
      }
    }))
  it('refuse every field that is not offered', () =>
    inWorld({}, async (world) => {
      const good = {
        tenant_id: 'acme_corp',
        company_name: 'Acme',
        admin_email: 'a@acme.example',
        subscription_plan: 'STARTER',
      }
      for (const field of ['status', 'plan', 'scopes', 'limits', 'version', 'body_digest', 'is_active']) {
        const { status, body } = await world.call('POST', '/api/v1/tenants/onboard', {
          body: { ...good, [field]: 'x' },
        })
        expect([status, body['errors']], field).to.deep.equal([400, [`body.${field}: is not known here`]])
      }
    }))
})

describe('paths', () => {
  it('exist or do not: whatever is encoded into them answers 400 or 404', () =>
    withTenant(async (world, key) => {
      const pieces = [
        '..',
        '%2e%2e',
        '%2f',
        '..%2f..%2fetc%2fpasswd',
        '%5c',
        '..%5c',
        '%00',
        'x%00.yml',
        'x%0d%0aSet-Cookie:a',
        '__proto__',
        'constructor',
        'GCP',
        'gcp',
        'cost',
        'billing',
        '%',
        '%zz',
        '%c0%ae',
        '%u002e',
        '.',
        '%252e%252e',
        'a'.repeat(100),
        'ﬁle',
        '%EF%BC%8F',
        'r_',
        ' '.replace(' ', '%20'),
      ]
      await fc.assert(
        fc.asyncProperty(fc.array(fc.constantFrom(...pieces), { minLength: 3, maxLength: 4 }), async (parts) => {
          const target = `/api/v1/pipelines/run/acme_corp/${parts
            .map(encodeURI)
            .map((part) => part.replaceAll('%25', '%'))
            .join('/')}`
          const status = await rawGet(world, target, key, 'POST')
          return status === 400 || status === 404 || parts.join('/') === 'gcp/cost/billing'
        }),
        { numRuns: 1_500 },
      )
      for (const target of [
        '/api/v1/pipelines/runs/..%2f..',
        '/api/v1/pipelines/runs/r_AAAAAAAAAAAAAAAAAAAAAAAAAA',
        '/api/v1/tenants/acme_corp%2f..%2fglobex',
        '/nothing',
        '/api/v1/pipelines/gcp/cost/nothing',
      ])
        expect(await rawGet(world, target, key), target).to.equal(404)
      expect(world.bus.published).to.deep.equal([])
    }))
  it('answer 405 with Allow to a method that is not theirs', () =>
    withTenant(async (world, key) => {
      for (const [method, target, allow] of [
        ['GET', path, 'POST'],
        ['DELETE', '/health', 'GET, HEAD'],
        ['PATCH', '/api/v1/tenants/acme_corp/schedules/x', 'DELETE, GET, HEAD, PUT'],
      ] as const) {
        const answer = await world.call(method, target, { key })
        expect([answer.status, answer.headers.get('allow'), answer.body['code']], target).to.deep.equal([
          405,
          allow,
          'METHOD_NOT_ALLOWED',
        ])
      }
      expect(await rawGet(world, '/health', key, 'TRACE')).to.equal(405)
    }))
  it('refuse a query or header that is there twice, and a key in the address', () =>
    withTenant(async (world, key) => {
      expect((await world.call('POST', `${path}?dry_run=true&dry_run=false`, { key, body: {} })).status).to.equal(400)
      const leaked = await world.call('GET', `/api/v1/pipelines/runs?cursor=${key}`, { key })
      expect([leaked.status, leaked.text.includes(key)]).to.deep.equal([400, false])
      for (const headers of [{ key }, {}]) {
        for (const query of ['api_key=x', `cursor=${key}`, 'X-Admin-Key=x']) {
          const { status, body } = await world.call('GET', `/api/v1/pipelines/runs?${query}`, headers)
          expect([status, body['detail']], query).to.deep.equal([
            400,
            'query: a key does not belong into an address; send it as a header',
          ])
        }
      }
      const twice = await new Promise<number>((resolve) => {
        const asked = request(
          {
            host: '127.0.0.1',
            port: world.door.port,
            path: '/api/v1/pipelines',
            headers: ['X-API-Key', key, 'X-API-Key', key] as unknown as Record<string, string>,
          },
          (answer) => {
            answer.resume()
            resolve(answer.statusCode ?? 0)
          },
        )
        asked.end()
      })
      expect(twice).to.equal(400)
      expect((await world.call('POST', path, { key, body: {}, headers: { 'X-User-ID': 'root' } })).status).to.equal(400)
      expect(
        (await world.call('POST', path, { key, body: {}, headers: { 'Idempotency-Key': 'x'.repeat(201) } })).status,
      ).to.equal(400)
    }))
})

describe('answers', () => {
  it('carry the same security headers on every route, errors included', () =>
    withTenant(async (world, key) => {
      const shown = (headers: Headers) =>
        Object.fromEntries(
          [...headers].filter(
            ([name]) => !['date', 'content-length', 'x-request-id', 'connection', 'keep-alive'].includes(name),
          ),
        )
      const always = {
        'strict-transport-security': 'max-age=31536000; includeSubDomains',
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'cache-control': 'no-store',
      }
      const closed = { ...always, 'content-security-policy': "default-src 'none'; frame-ancestors 'none'" }
      const limited = (name: 'public' | 'read', left: number) => ({
        'ratelimit-policy': `"${name}";q=${defaultLimits[name].q};w=60`,
        ratelimit: `"${name}";r=${left};t=1`,
        'x-ratelimit-limit': String(defaultLimits[name].q),
        'x-ratelimit-remaining': String(left),
        'x-ratelimit-reset': '1',
      })
      expect(shown((await world.call('GET', '/health')).headers)).to.deep.equal({
        ...closed,
        ...limited('public', 59_999),
        'content-type': 'application/json; charset=utf-8',
      })
      expect(shown((await world.call('GET', '/api/v1/pipelines', { key })).headers)).to.deep.equal({
        ...closed,
        ...limited('read', 119_999),
        'content-type': 'application/json; charset=utf-8',
      })
      expect(shown((await world.call('GET', '/nothing')).headers)).to.deep.equal({
        ...closed,
        'content-type': 'application/problem+json',
      })
      expect(shown((await world.call('GET', '/api/v1/pipelines')).headers)).to.deep.equal({
        ...closed,
        'content-type': 'application/problem+json',
      })
      const page = await world.call('GET', '/docs')
      expect(page.headers.get('content-security-policy')).to.equal(
        "default-src 'none'; style-src 'self'; frame-ancestors 'none'",
      )
      expect(page.text).to.not.match(/<script|style=|https?:/)
    }))
  it('tell nobody what is wrong with the central tables, and the log all of it', () =>
    withTenant(async (world, key) => {
      world.warehouse.query = () =>
        Promise.reject(
          new AppError('TABLE_NOT_FOUND', 'query: notFound: p.tenants.tenant_api_keys_rows was not found at [3:6]'),
        )
      const { status, text, headers } = await world.call('GET', '/api/v1/pipelines/runs', { key })
      expect([status, /tenants\.|notFound/.test(text), headers.get('retry-after')]).to.deep.equal([503, false, '2'])
      expect(world.lines.join('')).to.contain('tenant_api_keys_rows was not found')
    }))
  it("take the caller's address from as many proxies as are in front, and from nobody else", async () => {
    const limits = { failed: { q: 2, w: 60 } }
    const fail = (world: World, forwarded: string) =>
      world.call('GET', '/api/v1/pipelines', { headers: { 'X-API-Key': 'none', 'X-Forwarded-For': forwarded } })
    await inWorld({ limits, trusted_proxies: 2 }, async (world) => {
      // Of what comes first nothing is believed: whoever fails is known by what the load balancer saw.
      for (const forged of ['1.1.1.1', '2.2.2.2, 3.3.3.3'])
        expect((await fail(world, `${forged}, 198.51.100.7, 34.1.1.1`)).status).to.equal(401)
      expect((await fail(world, '4.4.4.4, 198.51.100.7, 34.1.1.1')).status).to.equal(429)
      expect((await fail(world, '198.51.100.8, 34.1.1.1')).status).to.equal(401)
    })
    await inWorld({ limits }, async (world) => {
      for (const status of [401, 401, 429]) expect((await fail(world, `198.51.100.${status}`)).status).to.equal(status)
    })
  })
  it('echo a request id that is one, and make one otherwise', () =>
    inWorld({}, async (world) => {
      const echoed = await world.call('GET', '/nothing', { headers: { 'X-Request-ID': 'abc-1' } })
      expect([echoed.headers.get('x-request-id'), echoed.body['request_id']]).to.deep.equal(['abc-1', 'abc-1'])
      expect(echoed.body['what_to_do']).to.equal(errorTable.NOT_FOUND.what_to_do)
      expect(
        (await world.call('GET', '/health', { headers: { 'X-Request-ID': 'a b<script>' } })).headers.get(
          'x-request-id',
        ),
      ).to.match(/^req_[0-9A-Za-z]{22}$/)
    }))
  it('show nothing of an error that nobody foresaw; the log has it', () =>
    withTenant(async (world, key) => {
      world.warehouse.query = () => Promise.reject(new Error('SELECT secret FROM hidden'))
      const { status, text } = await world.call('GET', '/api/v1/pipelines', {
        key,
        headers: { 'X-Request-ID': 'find-me' },
      })
      expect([status, text.includes('hidden'), text.includes('find-me')]).to.deep.equal([500, false, true])
      expect(world.lines.join('')).to.contain('find-me')
    }))
  it('tell health, readiness and metrics', () =>
    inWorld({ metrics: () => Promise.resolve('up 1\n') }, async (world) => {
      expect((await world.call('GET', '/api/v1/health')).body).to.deep.equal({
        status: 'healthy',
        version: '1.2.3',
        environment: 'test',
      })
      expect((await world.call('GET', '/health/live')).status).to.equal(200)
      expect((await world.call('GET', '/health/ready')).status).to.equal(200)
      world.warehouse.isHealthy = false
      const unready = await world.call('GET', '/health/ready')
      expect([unready.status, unready.body['reasons']]).to.deep.equal([503, ['the warehouse does not answer']])
      expect((await world.call('GET', '/metrics')).text).to.equal('up 1\n')
    }))
  it('allow exactly the origins that are configured', () =>
    inWorld({ cors_origins: ['https://console.example'] }, async (world) => {
      const allowed = await world.call('GET', '/health', { headers: { Origin: 'https://console.example' } })
      expect([
        allowed.headers.get('access-control-allow-origin'),
        allowed.headers.get('access-control-allow-credentials'),
      ]).to.deep.equal(['https://console.example', null])
      for (const origin of ['https://console.example.evil.io', 'http://console.example', 'null'])
        expect(
          (await world.call('GET', '/health', { headers: { Origin: origin } })).headers.get(
            'access-control-allow-origin',
          ),
          origin,
        ).to.equal(null)
      const preflight = await world.call('OPTIONS', path, {
        headers: { Origin: 'https://console.example', 'Access-Control-Request-Method': 'POST' },
      })
      expect(preflight.status).to.equal(204)
    }))
})

describe('limits', () => {
  it('let exactly so many through and refill evenly', () => {
    const time = clock()
    const limits = openLimits({ limits: { ...defaultLimits, run: { q: 60, w: 60 } }, now: time.now })
    const through = (count: number) =>
      Array.from({ length: count }, () => limits.take('run', 'k')).filter(({ allowed }) => allowed).length
    expect(through(100)).to.equal(60)
    time.add(12_000)
    expect(through(100)).to.equal(12)
    expect(limits.take('run', 'k')).to.include({ allowed: false, remaining: 0, reset: 1 })
    expect(limits.take('run', 'other').allowed).to.equal(true)
  })
  it('answer 429 with when to come again', () =>
    withTenant(
      async (world, key) => {
        for (let k = 0; k < 3; k += 1)
          expect((await world.call('GET', '/api/v1/pipelines', { key })).status).to.equal(200)
        const refused = await world.call('GET', '/api/v1/pipelines', { key })
        expect([
          refused.status,
          refused.body['code'],
          refused.headers.get('retry-after'),
          refused.headers.get('ratelimit'),
        ]).to.deep.equal([429, 'RATE_LIMITED', '20', '"read";r=0;t=20'])
        world.time.add(20_000)
        expect((await world.call('GET', '/api/v1/pipelines', { key })).status).to.equal(200)
      },
      { limits: { read: { q: 3, w: 60 } } },
    ))
  it('stop an address that fails again and again, without a look-up, while a known key still works', () =>
    withTenant(
      async (world, key) => {
        expect((await world.call('GET', '/api/v1/pipelines', { key })).status).to.equal(200)
        const before = world.warehouse.queries.length
        const statuses = await Promise.all(
          Array.from({ length: 200 }, (_, k) =>
            world.call('GET', '/api/v1/pipelines', { key: `acme_corp_api_${String(k).padStart(42, '0')}` }),
          ),
        )
        expect([...new Set(statuses.map(({ status }) => status))].sort()).to.deep.equal([401, 429])
        expect(statuses.filter(({ status }) => status === 401)).to.have.length(20)
        expect(world.warehouse.queries).to.have.length(before)
        expect((await world.call('GET', '/api/v1/pipelines', { key })).status).to.equal(200)
        expect((await world.call('GET', '/api/v1/admin/tenants', { admin: adminKey })).status).to.equal(200)
      },
      { limits: { failed: { q: 20, w: 60 } } },
    ))
})

describe('declarations', () => {
  const good: Route = {
    method: 'GET',
    path: '/x',
    summary: 'x',
    scope: 'pipelines:read',
    tenant: 'own',
    rate: 'read',
    answers: [200],
    handle: () => ({ status: 200 }),
  }
  it('are demanded of every route', () => {
    expect(() => {
      assertDeclared([good])
    }).to.not.throw()
    const { scope: _scope, ...without } = good
    for (const bad of [
      without as Route,
      { ...good, tenant: 'none' as const },
      { ...good, tenant: 'tenant_id' as const },
      { ...good, path: '/x/:tenant_id' },
      { ...good, path: '/x/:anything' },
      { ...good, scope: 'admin' as const },
      { ...good, tenant: 'run' as const },
    ]) {
      expect(() => {
        assertDeclared([bad])
      }).to.throw('route GET /x')
    }
    expect(() => {
      assertDeclared([good, good])
    }).to.throw('declared twice')
  })
  it('say in one sentence that a port is in use', async () => {
    const other = createServer()
    await new Promise<void>((resolve) => {
      other.listen(0, '127.0.0.1', resolve)
    })
    const { port } = other.address() as AddressInfo
    let message = ''
    try {
      await inWorld({ port }, async () => undefined)
    } catch (error) {
      message = (error as Error).message
    }
    expect(message).to.equal(`port ${port} of 127.0.0.1 is in use; choose another with API_PORT`)
    await new Promise((resolve) => {
      other.close(resolve)
    })
  })
})

describe('where a list begins and ends', () => {
  it('is never a moment that the warehouse does not have', () => {
    for (const given of ['0000-01-01', '0999-12-31', '0000-01-01T00:00:00Z', '9999-12-31T23:59:59-14:00', '2026-02-30'])
      expect(() => startOf(given, 1), given).to.throw(AppError, 'is no date or time')
    expect(startOf('9999-12-31', 1)).to.equal('9999-12-31T23:59:59.999Z')
    expect(startOf('2026-01-31', 1)).to.equal('2026-02-01T00:00:00.000Z')
    expect(startOf('2026-01-31T06:00:00+02:00', 1)).to.equal('2026-01-31T04:00:00.000Z')
  })
})
