import { expect } from 'chai'
import type { World } from '../operations.ts'
import { openWorld } from './world.ts'

describe('PATCH of a tenant', function () {
  this.timeout(120_000)
  let world: World
  before(async () => {
    world = await openWorld()
  })
  after(() => world.end())

  const patch = (tenant_id: string, body: Record<string, unknown>, expected = [200]) =>
    world.client.call('PATCH', `/api/v1/admin/tenants/${tenant_id}`, { admin: world.admin_key, body, expect: expected })
  const run = (tenant_id: string, key: string) =>
    world.client.call('POST', `/api/v1/pipelines/run/${tenant_id}/setup/tenants/dryrun_validation`, {
      key,
      body: {},
      expect: [202, 402],
    })

  it('suspends it: nothing starts any more, its answers stay; active again it runs as before', async () => {
    const key = await world.onboard('acme_corp')
    const other = await world.onboard('globex')
    const suspended = await patch('acme_corp', { status: 'SUSPENDED' })
    expect(suspended.body).to.include({ tenant_id: 'acme_corp', status: 'SUSPENDED' })
    const refused = await run('acme_corp', key)
    expect([refused.status, refused.body['code']]).to.deep.equal([402, 'SUBSCRIPTION_INACTIVE'])
    expect((await world.client.call('GET', '/api/v1/tenants/acme_corp', { key })).body['status']).to.equal('SUSPENDED')
    expect((await run('globex', other)).status).to.equal(202)
    await patch('acme_corp', { status: 'ACTIVE' })
    const accepted = await run('acme_corp', key)
    const ended = await world.ended(key, String(accepted.body['pipeline_logging_id']))
    expect(ended.status).to.equal('COMPLETED')
  })

  it('gives another plan, single limits and an end that has passed; each is in force for the next run', async () => {
    const key = await world.onboard('initech')
    const grown = await patch('initech', {
      subscription_plan: 'SCALE',
      limits: { daily: 2 },
      admin_email: 'cost@initech.example',
    })
    expect(grown.body).to.deep.include({
      subscription_plan: 'SCALE',
      limits: { daily: 2, monthly: 3000, concurrent: 10 },
      admin_email: 'cost@initech.example',
    })
    const shown = await world.client.call('GET', '/api/v1/tenants/initech', { key })
    expect(shown.body).to.deep.include({ subscription_plan: 'SCALE', admin_email: 'cost@initech.example' })
    await patch('initech', { subscription_end_date: '2020-01-31' })
    const late = await run('initech', key)
    expect([late.status, String(late.body['detail'])]).to.deep.equal([
      402,
      'the subscription of tenant initech ended on 2020-01-31; renew it',
    ])
    expect((await patch('initech', { subscription_end_date: null })).body['subscription_end_date']).to.equal(null)
    expect((await run('initech', key)).status).to.equal(202)
  })

  it('tells all that is wrong with it, and knows no tenant that is none', async () => {
    const wrong = await patch(
      'globex',
      { status: 'GONE', trial_end_date: '2026-13-01', limits: { daily: 0 }, plan: 'SCALE' },
      [400],
    )
    expect(wrong.body['errors']).to.have.length(4)
    expect((await patch('globex', {}, [400])).body['code']).to.equal('BODY_INVALID')
    expect((await patch('nobody_here', { status: 'ACTIVE' }, [404])).body['code']).to.equal('NOT_FOUND')
  })
})
