import { expect } from 'chai'
import type { Bus, Delivery, Outgoing } from '@convergence/bus'
import { AppError, assertEvent, plans, tables } from '@convergence/contracts'
import type { CompiledStep, Run, TenantChanged } from '@convergence/contracts'
import { openLog } from '@convergence/service'
import type { Row, Statement, Warehouse } from '@convergence/warehouse'
import { change as changeTenant } from '../src/processors/setup/tenants/change.ts'
import { profile } from '../src/processors/setup/tenants/profile.ts'
import { subscription } from '../src/processors/setup/tenants/subscription.ts'
import { openStore } from '../src/store.ts'
import { tenant } from '../src/tenant.ts'

/** Rows in memory; a query answers as the views would. */
const fakeWarehouse = () => {
  const rows: Record<string, Row[]> = { tenant_profiles_rows: [], tenant_subscriptions_rows: [] }
  const latest = (table: string) =>
    Object.values(Object.fromEntries((rows[table] ?? []).map((row) => [String(row['tenant_id']), row])))
  return {
    rows,
    append: async (table: string, added: readonly Row[]) => {
      rows[table]?.push(...added)
    },
    query: async ({ query, parameters = [] }: Statement): Promise<Row[]> => {
      const wanted = Object.fromEntries(parameters.map(({ name, value }) => [name, value]))
      const table = /FROM (\w+)/.exec(query)?.[1] ?? ''
      return (table.endsWith('_rows') ? (rows[table] ?? []) : latest(`${table}_rows`)).filter((row) =>
        Object.entries(wanted).every(([name, value]) => row[name] === value),
      )
    },
  }
}
const now = () => new Date('2026-01-02T00:00:00Z')
const runOf = (run_id: string, more: Partial<Run> = {}): Run => ({
  run_id,
  tenant_id: 'system',
  pipeline: 'setup/tenants/onboarding',
  pipeline_id: 'tenant_onboarding',
  trigger_type: 'api',
  parameters: {},
  priority: 5,
  requested_at: '2026-01-02T00:00:00Z',
  sources: [],
  steps: [],
  notifications: [],
  ...more,
})
const body = {
  tenant_id: 'acme',
  company_name: 'Acme & Söhne',
  admin_email: 'admin@acme.example',
  subscription_plan: 'STARTER',
  body_digest: 'd1',
}

const setup = async (warehouse = fakeWarehouse()) => {
  const store = await openStore({ warehouse, now })
  const run = (processor: ReturnType<typeof profile>, config: object, by: Run) => {
    const step: CompiledStep = {
      step_id: processor.ps_type.split('.').at(-1) ?? '',
      name: '',
      ps_type: processor.ps_type,
      host: 'tenant',
      timeout_minutes: 1,
      retry_policy: { max_retries: 0, retry_delay_seconds: 0 },
      config: { ...config },
    }
    return processor.run({
      run: by,
      step,
      chain: {
        run_id: by.run_id,
        step_id: step.step_id,
        max_retries: 0,
        retry_delay_seconds: 0,
        tenant_id: by.tenant_id,
      },
      signal: new AbortController().signal,
      now,
    })
  }
  const changed = (events: readonly Outgoing[] | undefined): TenantChanged => {
    const [event] = events ?? []
    if (event?.topic !== 'tenant-changed') throw new Error('no tenant-changed')
    assertEvent('tenant-changed', event.event)
    return event.event
  }
  return {
    warehouse,
    store,
    profile: (config: object = {}, by = runOf('r_1')) =>
      run(profile({ store, shared_sources }), { ...body, ...config }, by),
    change: async (wanted: unknown, by = runOf('r_9'), tenant_id = 'acme') => {
      const config = { tenant_id, change: typeof wanted === 'string' ? wanted : JSON.stringify(wanted) }
      return changed((await run(changeTenant({ store, shared_sources }), config, by)).events)
    },
    plan: async (plan: string, by = runOf('r_1'), tenant_id = 'acme') =>
      changed((await run(subscription({ store, shared_sources }), { tenant_id, subscription_plan: plan }, by)).events),
  }
}
const shared_sources = ['local-convergence.billing_export']
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'no error',
    (error: unknown) => (error instanceof AppError ? error.code : String(error)),
  )

describe("a tenant's profile", () => {
  it('is made once; the same body again is the same tenant', async () => {
    const { profile, warehouse } = await setup()
    expect((await profile()).outputs).to.deep.equal({ tenant_id: 'acme', version: 1, created: true })
    expect((await profile({}, runOf('r_2'))).outputs).to.deep.equal({ tenant_id: 'acme', version: 1, created: false })
    expect(warehouse.rows['tenant_profiles_rows']).to.have.length(1)
    expect(Object.keys(warehouse.rows['tenant_profiles_rows']![0]!)).to.have.members(
      tables['tenant_profiles_rows']!.columns.map(({ name }) => name),
    )
  })

  it('is refused with another body, and stays as it was', async () => {
    const { profile, warehouse } = await setup()
    await profile()
    expect(await codeOf(profile({ company_name: 'Globex', body_digest: 'd2' }, runOf('r_2')))).to.equal('CONFLICT')
    expect(warehouse.rows['tenant_profiles_rows']).to.have.length(1)
  })

  it('is one profile when many ask at once', async () => {
    const { profile, warehouse } = await setup()
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, k) => codeOf(profile({ body_digest: `d${k}` }, runOf(`r_${k}`)))),
    )
    expect(answers.filter((code) => code === 'no error')).to.have.length(1)
    expect(warehouse.rows['tenant_profiles_rows']).to.have.length(1)
  })

  it('compares the fields where no digest came', async () => {
    const { profile } = await setup()
    await profile({ body_digest: '' })
    expect(await codeOf(profile({ body_digest: '' }))).to.equal('no error')
    expect(await codeOf(profile({ body_digest: '', admin_email: 'other@acme.example' }))).to.equal('CONFLICT')
  })

  it('is known after a restart, and when another replica made it', async () => {
    const { profile, warehouse } = await setup()
    const other = await setup(warehouse)
    await profile()
    expect(await codeOf(other.profile({ body_digest: 'd2' }))).to.equal('CONFLICT')
    expect(await codeOf((await setup(warehouse)).profile({ body_digest: 'd2' }))).to.equal('CONFLICT')
  })

  it("takes no bad field and no tenant but the run's own", async () => {
    const { profile } = await setup()
    for (const wrong of [
      { tenant_id: 'system' },
      { tenant_id: 'tenants' },
      { tenant_id: 'Acme' },
      { tenant_id: "a'b" },
      { tenant_id: 'аcme' },
      { company_name: '' },
      { company_name: 'a\r\nb' },
      { admin_email: 7 },
      { subscription_plan: 'FREE' },
      { subscription_plan: 'toString' },
    ]) {
      expect(await codeOf(profile(wrong)), JSON.stringify(wrong)).to.equal('PARAMETER_INVALID')
    }
    expect(await codeOf(profile({}, runOf('r_1', { tenant_id: 'globex' })))).to.equal('FORBIDDEN')
  })
})

describe("a tenant's subscription", () => {
  it('has the limits of its plan and is told to the others', async () => {
    const { profile, plan, warehouse } = await setup()
    await profile()
    expect(await plan('STARTER')).to.deep.equal({
      tenant_id: 'acme',
      version: 1,
      company_name: body.company_name,
      admin_email: body.admin_email,
      status: 'ACTIVE',
      plan: 'STARTER',
      limits: plans.STARTER,
    })
    expect(Object.keys(warehouse.rows['tenant_subscriptions_rows']![0]!)).to.have.members(
      tables['tenant_subscriptions_rows']!.columns.map(({ name }) => name),
    )
  })

  it('is told again, without a new version, when the same comes again', async () => {
    const { profile, plan, warehouse } = await setup()
    await profile()
    await plan('STARTER')
    expect((await plan('STARTER', runOf('r_2'))).version).to.equal(1)
    expect(warehouse.rows['tenant_subscriptions_rows']).to.have.length(1)
  })

  it('stays what a change has made of it, whatever onboarding is sent again', async () => {
    const { profile, plan, change } = await setup()
    await profile()
    await plan('STARTER')
    await change({ subscription_plan: 'SCALE' }, runOf('r_2'))
    expect(await plan('STARTER', runOf('r_3'))).to.include({ version: 2, plan: 'SCALE' })
  })

  it('needs a profile', async () => {
    expect(await codeOf((await setup()).plan('STARTER'))).to.equal('TENANT_UNKNOWN')
  })
})

describe('a change of a tenant', () => {
  const ready = async () => {
    const world = await setup()
    await world.profile()
    await world.plan('STARTER')
    return world
  }

  it('changes what it names and leaves the rest: plan with its limits, dates, address, single limits, status', async () => {
    const { change, warehouse } = await ready()
    expect(await change({ trial_end_date: '2026-02-01', limits: { daily: 9 } }, runOf('r_2'))).to.deep.equal({
      tenant_id: 'acme',
      version: 2,
      company_name: body.company_name,
      admin_email: body.admin_email,
      status: 'ACTIVE',
      plan: 'STARTER',
      limits: { ...plans.STARTER, daily: 9 },
      trial_end_date: '2026-02-01',
    })
    const mail = { admin_email: 'cost@acme.example', limits: { concurrent: 3 } }
    expect(await change(mail, runOf('r_3'))).to.deep.include({
      version: 3,
      admin_email: 'cost@acme.example',
      limits: { ...plans.STARTER, daily: 9, concurrent: 3 },
    })
    const larger = { subscription_plan: 'SCALE', trial_end_date: null, subscription_end_date: '2027-12-31' }
    const grown = await change(larger, runOf('r_4'))
    expect(grown).to.deep.include({ plan: 'SCALE', limits: plans.SCALE, subscription_end_date: '2027-12-31' })
    expect(grown).to.not.have.property('trial_end_date')
    expect((await change({ status: 'SUSPENDED' }, runOf('r_5'))).status).to.equal('SUSPENDED')
    expect(warehouse.rows['tenant_profiles_rows']?.at(-1)).to.include({
      status: 'SUSPENDED',
      subscription_plan: 'SCALE',
      admin_email: 'cost@acme.example',
      body_digest: 'd1',
    })
  })

  it('is made once by each run, also when a later change has come between, and is told again', async () => {
    const { change } = await ready()
    await change({ subscription_plan: 'STARTER' }, runOf('r_2'))
    await change({ subscription_plan: 'SCALE' }, runOf('r_3'))
    expect(await change({ subscription_plan: 'STARTER' }, runOf('r_2'))).to.include({ version: 3, plan: 'SCALE' })
  })

  it('is whole after a death between its two rows', async () => {
    const { change, warehouse, store } = await ready()
    const { append } = warehouse
    warehouse.append = async (table, rows) => {
      if (table === 'tenant_subscriptions_rows') throw new Error('died')
      await append(table, rows)
    }
    const wanted = { status: 'SUSPENDED', admin_email: 'cost@acme.example' }
    expect(await codeOf(change(wanted, runOf('r_2')))).to.equal('Error: died')
    warehouse.append = append
    await store.reload()
    expect(await change(wanted, runOf('r_2'))).to.include({ status: 'SUSPENDED', admin_email: 'cost@acme.example' })
    expect(warehouse.rows['tenant_profiles_rows']).to.have.length(2)
  })

  it('takes no field that it does not know, no value that cannot be, no tenant that is none', async () => {
    const { change } = await ready()
    for (const wrong of [
      '{}',
      '[]',
      'no json',
      { plan: 'SCALE' },
      { subscription_plan: 'FREE' },
      { status: 'EXPIRED' },
      { trial_end_date: '2026-02-30' },
      { subscription_end_date: '' },
      { admin_email: 'nobody' },
      { limits: {} },
      { limits: { daily: 0 } },
      { limits: { weekly: 1 } },
      { limits: { daily: 1.5 } },
    ])
      expect(await codeOf(change(wrong)), JSON.stringify(wrong)).to.equal('PARAMETER_INVALID')
    expect(await codeOf(change({ status: 'ACTIVE' }, runOf('r_2'), 'globex'))).to.equal('TENANT_UNKNOWN')
    expect(await codeOf(change({ status: 'ACTIVE' }, runOf('r_2', { tenant_id: 'globex' })))).to.equal('FORBIDDEN')
  })
})

describe('the tenant service', () => {
  it('runs its steps and leaves the others alone', async () => {
    const handlers = new Map<string, (event: never, delivery: Delivery) => Promise<readonly Outgoing[] | undefined>>()
    const bus = {
      consume: (service: string, topic: string, handler: never) => {
        handlers.set(`${service}.${topic}`, handler)
      },
    } as unknown as Bus
    const warehouse = fakeWarehouse()
    const service = await tenant({
      bus,
      shared_sources,
      warehouse: warehouse as unknown as Warehouse,
      pipelines: {
        kinds: [],
        followersOf: () => [],
        datedParameters: (_path, parameters) => parameters,
        list: () => [],
        get: () => undefined,
        compile: () => {
          throw new Error('not here')
        },
      },
      log: openLog({ service: 'tenant', level: 'error', write: () => undefined }),
      now,
      random: () => 0,
    })
    const step = (step_id: string, ps_type: string, host: 'tenant' | 'executor'): CompiledStep => ({
      step_id,
      name: '',
      ps_type,
      host,
      timeout_minutes: 1,
      retry_policy: { max_retries: 0, retry_delay_seconds: 0 },
      config: body,
    })
    const run = runOf(`r_${'a'.repeat(26)}`, {
      steps: [step('profile', 'setup.tenants.profile', 'tenant'), step('dataset', 'setup.dataset', 'executor')],
    })
    const delivery: Delivery = {
      message_id: '1',
      published_at: '2026-01-02T00:00:00Z',
      attributes: {},
      data: new Uint8Array(),
      attempt: 1,
      beforeAck: () => undefined,
      signal: new AbortController().signal,
    }
    const [event] =
      (await handlers.get('tenant.run-admitted')!(
        { run, next: [{ step_id: 'profile', host: 'tenant' }] } as never,
        delivery,
      )) ?? []
    expect(event?.event).to.deep.include({
      step_id: 'profile',
      conclusion: 'SUCCEEDED',
      next: [{ step_id: 'dataset', host: 'executor' }],
    })
    expect(await handlers.get('tenant.step-completed')!(event?.event as never, delivery)).to.deep.equal([])
    await service.close()
  })
})
