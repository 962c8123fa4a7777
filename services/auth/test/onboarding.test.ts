import { expect } from 'chai'
import { digestOf, isErrorCode, runId } from '@convergence/contracts'
import { adminKey, inWorld, type World } from './fakes.ts'

const body = {
  tenant_id: 'acme_corp',
  company_name: 'Acme',
  admin_email: 'admin@acme.example',
  subscription_plan: 'STARTER',
}
const onboard = (world: World, more: Record<string, unknown> = {}) =>
  world.call('POST', '/api/v1/tenants/onboard', { body: { ...body, ...more } })
/** Ends every onboarding well, as the tenant service would. */
const serve = (world: World) => {
  world.succeed({ dryrun_status: 'SUCCESS' })
  const { onPublish } = world.bus
  world.bus.onPublish = (outgoing) => {
    if (outgoing.topic === 'run-requested' && outgoing.event.pipeline === 'setup/tenants/onboarding') {
      const id = String(outgoing.event.parameters?.['new_tenant_id'])
      if (!(world.warehouse.rows['tenant_profiles_rows'] ?? []).some((row) => row['tenant_id'] === id)) {
        world.addTenant(id)
        Object.assign(world.warehouse.rows['tenant_profiles_rows']?.at(-1) ?? {}, {
          body_digest: outgoing.event.parameters?.['body_digest'],
        })
      }
    }
    onPublish(outgoing)
  }
}

describe('onboarding', () => {
  it('makes a tenant and its first key, which works at once; the same body again gives no key; another body is a conflict', () =>
    inWorld({}, async (world) => {
      serve(world)
      const made = await onboard(world)
      expect(made.status).to.equal(201)
      expect(made.body).to.deep.include({
        tenant_id: 'acme_corp',
        subscription_plan: 'STARTER',
        dataset_created: true,
        dryrun_status: 'SUCCESS',
        pipeline_logging_id: runId('system', `onboard:acme_corp:${digestOf(body)}:0`),
      })
      expect(
        (await world.call('GET', '/api/v1/tenants/acme_corp', { key: String(made.body['api_key']) })).body,
      ).to.deep.include({
        tenant_id: 'acme_corp',
        status: 'ACTIVE',
        usage: {
          daily: { used: 0, limit: 100 },
          monthly: { used: 0, limit: 3000 },
          concurrent: { used: 0, limit: 10 },
        },
      })
      const again = await onboard(world)
      expect([again.status, again.body['api_key']]).to.deep.equal([200, undefined])
      const other = await onboard(world, { company_name: 'Another' })
      expect([other.status, other.body['code']]).to.deep.equal([409, 'CONFLICT'])
      expect(world.bus.published).to.have.length(1)
    }))
  it('makes one tenant and one key for a hundred at a time', () =>
    inWorld({}, async (world) => {
      serve(world)
      // The run ends when all of them have come in.
      const { onPublish } = world.bus
      world.bus.onPublish = (outgoing) => {
        let turns = 0
        const turn = () => {
          if ((turns += 1) < 500) setImmediate(turn)
          else onPublish(outgoing)
        }
        turn()
      }
      const answers = await Promise.all(Array.from({ length: 100 }, () => onboard(world)))
      expect(answers.filter(({ status }) => status === 201)).to.have.length(1)
      expect(
        answers.filter(({ status, body: answer }) => status === 200 && answer['api_key'] === undefined),
      ).to.have.length(99)
      expect(world.warehouse.rows['tenant_api_keys_rows']).to.have.length(1)
      expect(world.bus.published).to.have.length(1)
    }))
  it('makes one key where two replicas are asked at the same time', () =>
    inWorld({}, (world) =>
      inWorld({ bus: world.bus, warehouse: world.warehouse, replica: 'r1' }, async (other) => {
        serve(world)
        for (let turn = 0; turn < 5; turn += 1) {
          const tenant_id = `acme_${turn}`
          const answers = await Promise.all([world, other, world, other].map((each) => onboard(each, { tenant_id })))
          expect(answers.map(({ status }) => status).sort()).to.deep.equal([200, 200, 200, 201])
          const key = String(answers.find(({ status }) => status === 201)?.body['api_key'])
          for (const each of [world, other])
            expect((await each.call('GET', `/api/v1/tenants/${tenant_id}`, { key })).status).to.equal(200)
        }
      }),
    ))
  it('answers 202 when it takes long; the same request later gets the key', () =>
    inWorld({ wait_ms: 0 }, async (world) => {
      const late = await onboard(world)
      expect([late.status, late.body['api_key']]).to.deep.equal([202, undefined])
      serve(world)
      const [first] = world.bus.published
      if (first !== undefined) world.bus.onPublish(first)
      while (world.door.live.get(String(late.body['pipeline_logging_id']))?.record.status !== 'COMPLETED')
        await new Promise((resolve) => setImmediate(resolve))
      const done = await onboard(world)
      expect(done.status).to.equal(201)
      expect(done.body['api_key']).to.match(/^acme_corp_api_/)
      expect(world.bus.published).to.have.length(1)
    }))
  it('tells what it failed with, and can be tried again', () =>
    inWorld({}, async (world) => {
      let code = 'CONFLICT'
      world.bus.onPublish = ({ topic, event }) => {
        if (topic === 'run-requested')
          setImmediate(() => {
            void world.bus.play('run-failed', {
              run: { ...world.runOf('system', String(event.run_id)), pipeline: String(event.pipeline) },
              status: 'FAILED',
              error: { code, message: 'the dataset is not there' },
              ended_at: '2026-03-10T12:00:00Z',
            })
          })
      }
      const conflict = await onboard(world)
      expect([conflict.status, conflict.body['detail']]).to.deep.equal([409, 'the dataset is not there'])
      code = 'JOB_FAILED'
      expect((await onboard(world)).status).to.equal(500)
      serve(world)
      const made = await onboard(world)
      expect([made.status, made.body['pipeline_logging_id']]).to.deep.equal([
        201,
        runId('system', `onboard:acme_corp:${digestOf(body)}:2`),
      ])
    }))
  it("refuses names that are none, that are taken, and those of datasets that are no tenant's", () =>
    inWorld({ shared_sources: ['local-convergence.billing_export', 'other-project.shared_prices'] }, async (world) => {
      serve(world)
      world.warehouse.datasets.set('prices', {})
      const bad = [
        '',
        'a',
        'ab',
        'Acme',
        'ACME',
        'acme-corp',
        'acme.corp',
        'acme corp',
        ' acme',
        'acme ',
        '1acme',
        '_acme',
        '__proto__',
        'acme/..',
        '..',
        '../x',
        'acme%2f',
        'acme\n',
        'acme\u0000',
        'acmé',
        'аcme',
        'ａcme',
        'acme\u200b',
        'acme;drop',
        "acme'",
        'acme`',
        'acme"',
        'a'.repeat(51),
        'tenants',
        'information_schema',
        'pg_catalog',
        'pg_temp',
        'main',
        'temp',
        'memory',
        'region_us',
        'region_eu',
        'system',
        'admin',
        'public',
        'billing_export',
        'shared_prices',
        'dev',
        'acme$1',
        'acme*',
        'acme@x',
        'acme:x',
        'ac\tme',
        'acme\\',
        'acme|x',
        'acme,x',
        'İstanbul',
        'ſtart',
        'K2',
        'acme😀',
      ]
      for (const tenant_id of bad)
        expect((await onboard(world, { tenant_id })).status, JSON.stringify(tenant_id)).to.equal(400)
      for (const tenant_id of [null, 7, true, [], {}, ['acme_corp']])
        expect((await onboard(world, { tenant_id })).status).to.equal(400)
      expect((await onboard(world, { tenant_id: 'prices' })).status).to.equal(409)
      for (const admin_email of [
        'x',
        'a@b@c.d',
        'a@x.io\r\nBcc: b@x.io',
        'a@x.io, b@x.io',
        'a b@x.io',
        '<a@x.io>',
        'a@..io',
        'admin@localhost',
        'admin.@acme.example',
        'a@x-.example',
      ]) {
        const { status, body: problem } = await onboard(world, { admin_email })
        expect(status, admin_email).to.equal(400)
        expect(JSON.stringify(problem)).to.contain('admin_email: expected one plain address such as name@example.com')
      }
      for (const subscription_plan of ['FREE', 'starter', ''])
        expect((await onboard(world, { subscription_plan })).status).to.equal(400)
      expect(world.bus.published).to.deep.equal([])
    }))
})

describe("the platform's own runs", () => {
  it("answer the scheduler's jobs with what they found out, or 202 when they take long", async () => {
    await inWorld({}, async (world) => {
      world.succeed({ triggered: 2 })
      for (const job of ['trigger', 'process-queue', 'reset-daily-quotas']) {
        const { status, body: answer } = await world.call('POST', `/api/v1/scheduler/${job}`, { admin: adminKey })
        expect(answer).to.deep.include({ status: 'SUCCESS', triggered: 2 })
        expect(status).to.equal(200)
      }
      expect(world.bus.published.map(({ event }) => (event as { tenant_id: string }).tenant_id)).to.deep.equal([
        'system',
        'system',
        'system',
      ])
    })
    await inWorld({ wait_ms: 0 }, async (world) => {
      expect((await world.call('POST', '/api/v1/scheduler/trigger', { admin: adminKey })).status).to.equal(202)
    })
  })
  it('change schedules: put, get, list, delete', () =>
    inWorld({}, async (world) => {
      world.addTenant('acme_corp')
      const key = world.addKey('acme_corp')
      world.succeed()
      const path = '/api/v1/tenants/acme_corp/schedules/nightly'
      expect((await world.call('GET', path, { key })).status).to.equal(404)
      world.warehouse.rows['configs'] = [
        {
          tenant_id: 'acme_corp',
          name: 'nightly',
          pipeline: 'gcp/cost/billing',
          cron: '0 3 * * *',
          timezone: 'Europe/Berlin',
          parameters: {},
          priority: 5,
          is_active: true,
          missed: 'latest',
          overlap: 'allow',
          next_run_time: '2026-03-11T02:00:00Z',
          last_run_time: null,
          version: 1,
        },
      ]
      const put = await world.call('PUT', path, {
        key,
        body: { pipeline: 'gcp/cost/billing', cron: '0 3 * * *', timezone: 'Europe/Berlin', parameters: { note: 'x' } },
      })
      expect([put.status, put.body['next_run_time']]).to.deep.equal([200, '2026-03-11T02:00:00Z'])
      expect(world.bus.published[0]?.event).to.deep.include({
        tenant_id: 'system',
        pipeline: 'setup/tenants/schedule',
        parameters: {
          for_tenant_id: 'acme_corp',
          schedule_name: 'nightly',
          action: 'put',
          pipeline: 'gcp/cost/billing',
          cron: '0 3 * * *',
          timezone: 'Europe/Berlin',
          schedule_parameters: '{"note":"x"}',
          priority: 5,
          is_active: true,
          missed: 'latest',
          overlap: 'allow',
        },
      })
      // Without a cron of its own a schedule is as the pipeline's file says, and there must be one.
      expect((await world.call('PUT', path, { key, body: { pipeline: 'aws/cost/cur' } })).status).to.equal(200)
      expect(world.bus.published.at(-1)?.event).to.deep.nested.include({
        'parameters.pipeline': 'aws/cost/cur',
        'parameters.cron': '0 6 * * *',
      })
      const without = await world.call('PUT', path, { key, body: { pipeline: 'custom/bench/three_steps' } })
      expect([without.status, without.body['errors']]).to.deep.equal([
        400,
        ['body.cron: is missing, and the file of custom/bench/three_steps has no schedule; expected five fields'],
      ])
      expect((await world.call('GET', '/api/v1/tenants/acme_corp/schedules', { key })).body['items']).to.have.length(1)
      expect((await world.call('DELETE', path, { key })).body['deleted']).to.equal(true)
      expect(
        (await world.call('PUT', path, { key, body: { pipeline: 'setup/tenants/schedule', cron: '0 3 * * *' } }))
          .status,
      ).to.equal(404)
      expect(
        (await world.call('PUT', path, { key, body: { pipeline: 'gcp/cost/billing', cron: 'tomorrow!' } })).status,
      ).to.equal(400)
    }))
  it('bootstrap reports, and throws nothing away without a confirmation or in production', async () => {
    const asked: unknown[] = []
    const bootstrap = async (request: unknown) => {
      asked.push(request)
      return { dataset_created: false, tables_created: [], tables_existing: ['run_requests'] }
    }
    await inWorld({ bootstrap }, async (world) => {
      for (const path of ['/api/v1/admin/bootstrap', '/admin/bootstrap']) {
        expect((await world.call('POST', path, { admin: adminKey, body: {} })).body).to.deep.equal({
          status: 'SUCCESS',
          dataset: 'tenants',
          dataset_created: false,
          tables_created: [],
          tables_existing: ['run_requests'],
        })
      }
      expect(
        (await world.call('POST', '/admin/bootstrap', { admin: adminKey, body: { force_recreate_dataset: true } }))
          .status,
      ).to.equal(400)
      expect(
        (
          await world.call('POST', '/admin/bootstrap', {
            admin: adminKey,
            body: { force_recreate_dataset: true },
            headers: { 'X-Confirm': 'tenants' },
          })
        ).status,
      ).to.equal(200)
    })
    await inWorld({ bootstrap, environment: 'production' }, async (world) => {
      expect(
        (
          await world.call('POST', '/admin/bootstrap', {
            admin: adminKey,
            body: { force_recreate_tables: true },
            headers: { 'X-Confirm': 'tenants' },
          })
        ).status,
      ).to.equal(403)
    })
    expect(asked).to.have.length(3)
  })
})

describe('credentials', () => {
  it('are sealed under their row, never given back, never logged, and their versions rise', () =>
    inWorld({}, async (world) => {
      world.addTenant('acme_corp')
      const key = world.addKey('acme_corp')
      const put = (provider: string, credential: unknown) =>
        world.call('PUT', `/api/v1/tenants/acme_corp/credentials/${provider}`, { key, body: { credential } })
      const answers = await Promise.all(['canary-one', 'canary-two', 'canary-three'].map((value) => put('aws', value)))
      expect(answers.map(({ body: answer }) => answer['version']).sort()).to.deep.equal([1, 2, 3])
      expect(
        answers.map(({ text }) => text).join('') +
          world.lines.join('') +
          JSON.stringify(world.warehouse.rows) +
          JSON.stringify(world.bus.published),
      ).to.not.contain('canary')
      const row = world.warehouse.rows['tenant_cloud_credentials_rows']?.[0]
      expect(
        await world.secrets.open(
          'tenant-credentials',
          String(row?.['sealed']),
          'tenant_cloud_credentials|acme_corp|aws|1',
        ),
      ).to.match(/^\{"credential":"canary/)
      expect((await put('slack', 'https://hooks.slack.com.evil.io/services/T1/B1/x')).status).to.equal(400)
      expect((await put('slack', 'https://hooks.slack.com/services/T0/B0/abc')).status).to.equal(200)
      expect((await put('oracle', 'x')).status).to.equal(404)
      expect(isErrorCode(String((await put('aws', '')).body['code']))).to.equal(true)
    }))
})

describe('publishers', () => {
  it('are registered with a public key, listed and revoked', () =>
    inWorld({}, async (world) => {
      world.addTenant('globex')
      const { generateKeyPairSync } = await import('node:crypto')
      const public_key = generateKeyPairSync('ed25519')
        .publicKey.export({ type: 'spki', format: 'der' })
        .toString('base64')
      const register = (more: Record<string, unknown> = {}) =>
        world.call('POST', '/api/v1/admin/publisher-keys', {
          admin: adminKey,
          body: { kid: 'globex-upstream', tenant_id: 'globex', public_key, ...more },
        })
      expect((await register()).status).to.equal(201)
      expect((await register()).status).to.equal(200)
      for (const [bad, status] of [
        [{ kid: 'auth' }, 400],
        [{ tenant_id: 'system' }, 400],
        [{ tenant_id: 'nobody' }, 404],
        [{ public_key: Buffer.alloc(44).toString('base64') }, 400],
      ] as const)
        expect((await register(bad)).status, JSON.stringify(bad)).to.equal(status)
      expect(
        (await world.call('DELETE', '/api/v1/admin/publisher-keys/globex-upstream', { admin: adminKey })).body[
          'is_active'
        ],
      ).to.equal(false)
      expect(
        (await world.call('GET', '/api/v1/admin/publisher-keys', { admin: adminKey })).body['items'],
      ).to.have.length(1)
    }))
})
