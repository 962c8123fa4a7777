import { expect } from 'chai'
import type { World } from '../operations.ts'
import { openWorld } from './world.ts'

describe('pipelines under setup/, asked for with the key of a tenant', function () {
  this.timeout(120_000)
  let world: World
  before(async () => {
    world = await openWorld()
  })
  after(() => world.end())

  const run = (tenant_id: string, pipeline: string, key: string, body: Record<string, unknown> = {}) =>
    world.client.call('POST', `/api/v1/pipelines/run/${tenant_id}/${pipeline}`, {
      key,
      body,
      expect: [202, 400, 404],
    })

  it('are not found, but for the validation of its own dataset, which counts against its plan', async () => {
    const key = await world.onboard('acme_corp')
    await world.onboard('globex')
    const accepted = await run('acme_corp', 'setup/tenants/dryrun_validation', key)
    expect(accepted.status).to.equal(202)
    const ended = await world.ended(key, String(accepted.body['pipeline_logging_id']))
    expect([ended.status, ended.error_message]).to.deep.equal(['COMPLETED', null])
    const rows = await world.warehouse.query({
      query: 'SELECT message FROM onboarding_validation_test WHERE tenant_id = "acme_corp"',
      default_dataset: 'acme_corp',
    })
    // One of the onboarding, one of this run.
    expect(rows.length).to.equal(2)
    const profile = await world.client.call('GET', '/api/v1/tenants/acme_corp', { key })
    expect((profile.body['usage'] as { daily: { used: number } }).daily.used).to.equal(1)

    const named = await run('acme_corp', 'setup/tenants/dryrun_validation', key, { new_tenant_id: 'globex' })
    expect([named.status, named.body['code']]).to.deep.equal([400, 'PARAMETER_INVALID'])
    for (const pipeline of ['setup/tenants/onboarding', 'setup/tenants/schedule', 'setup/initial/bootstrap'])
      expect((await run('acme_corp', pipeline, key)).status, pipeline).to.equal(404)
    expect((await run('globex', 'setup/tenants/dryrun_validation', key)).status).to.equal(404)
  })
})
