import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { plans, type TenantChanged } from '@convergence/contracts'
import { openEngine } from '@convergence/local-warehouse'
import { bootstrap } from '@convergence/service'
import { openWarehouse, type Warehouse } from '@convergence/warehouse'
import { openStore } from '../src/store.ts'
import { openTenants } from '../src/tenants.ts'

const at = '2026-03-10T00:00:00.000Z'

describe('the plan of a tenant in the memory of a replica', function () {
  this.timeout(60_000)
  let folder: string
  let warehouse: Warehouse
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'convergence-tenants-'))
    warehouse = openWarehouse({
      engine: await openEngine({ folder, project_id: 'local-convergence' }),
      random: () => 0,
    })
    await bootstrap(warehouse, {})
  })
  after(async () => {
    await warehouse.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const tenant = async (tenant_id: string, versions: { profile: number; subscription?: number }) => {
    const common = { tenant_id, status: 'ACTIVE', subscription_plan: 'STARTER', recorded_at: at }
    await warehouse.append('tenant_profiles_rows', [
      {
        ...common,
        company_name: tenant_id,
        admin_email: 'admin@example.com',
        version: versions.profile,
        event_id: `${tenant_id}:profile`,
      },
    ])
    if (versions.subscription !== undefined)
      await warehouse.append('tenant_subscriptions_rows', [
        {
          ...common,
          daily_limit: plans.STARTER.daily,
          monthly_limit: plans.STARTER.monthly,
          concurrent_limit: plans.STARTER.concurrent,
          version: versions.subscription,
          event_id: `${tenant_id}:subscription`,
        },
      ])
    return openTenants({ store: openStore({ warehouse, log: { error: () => undefined } }), now: () => new Date(at) })
  }
  const change = (tenant_id: string, version: number): TenantChanged => ({
    tenant_id,
    version,
    status: 'ACTIVE',
    plan: 'SCALE',
    limits: plans.SCALE,
  })

  it('changes with the next version of its subscription, however often its profile changed', async () => {
    const tenants = await tenant('acme', { profile: 5, subscription: 1 })
    expect((await tenants.get('acme'))?.plan).to.equal('STARTER')
    tenants.changed(change('acme', 2))
    expect((await tenants.get('acme'))?.plan).to.equal('SCALE')
  })

  it('takes a new address and company from the change', async () => {
    const tenants = await tenant('hooli', { profile: 1, subscription: 1 })
    expect(await tenants.get('hooli')).to.include({ company_name: 'hooli', admin_email: 'admin@example.com' })
    tenants.changed({ ...change('hooli', 2), company_name: 'Hooli Ltd', admin_email: 'cost@hooli.example' })
    expect(await tenants.get('hooli')).to.include({ company_name: 'Hooli Ltd', admin_email: 'cost@hooli.example' })
    tenants.changed(change('hooli', 3))
    expect(await tenants.get('hooli')).to.include({ company_name: 'Hooli Ltd', admin_email: 'cost@hooli.example' })
  })

  it('changes with the first version of its subscription when it had none', async () => {
    const tenants = await tenant('globex', { profile: 3 })
    expect((await tenants.get('globex'))?.plan).to.equal('STARTER')
    tenants.changed(change('globex', 1))
    expect((await tenants.get('globex'))?.plan).to.equal('SCALE')
  })

  it('does not change back with an older version of its subscription, which is newer than its profile', async () => {
    const tenants = await tenant('initech', { profile: 1, subscription: 4 })
    expect((await tenants.get('initech'))?.plan).to.equal('STARTER')
    tenants.changed(change('initech', 3))
    expect((await tenants.get('initech'))?.plan).to.equal('STARTER')
  })
})
