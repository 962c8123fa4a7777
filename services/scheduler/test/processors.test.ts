import { expect } from 'chai'
import type { Outgoing } from '@convergence/bus'
import type { AppError, CompiledStep } from '@convergence/contracts'
import type { StepContext } from '@convergence/service/steps'
import { processors } from '../src/processors/registry.ts'
import type { Backfills } from '../src/backfills.ts'
import type { Ledger } from '../src/ledger.ts'
import type { Schedule, Schedules } from '../src/schedule.ts'
import { at, ended, makeRun, request, runOf, setup as openWorld, tenant } from './world.ts'

const setup = () => {
  const world = openWorld(tenant('acme', { concurrent: 1 }))
  const ledger: Ledger = {
    state: world.state,
    submit: async (message) => world.send(message),
    past: async () => new Map(),
    healthy: () => true,
    close: async () => undefined,
  }
  const puts: object[] = []
  const due: Outgoing[] = [
    { topic: 'run-requested', event: { tenant_id: 'acme', pipeline: 'gcp/cost/billing' }, idempotency_key: 'sched:x' },
  ]
  const schedules: Schedules = {
    due: () => due,
    refresh: async () => undefined,
    record: async () => undefined,
    list: () => [],
    remove: async (tenant_id, name) => {
      puts.push({ removed: `${tenant_id}:${name}` })
    },
    put: async (schedule) => {
      puts.push(schedule)
      return { ...schedule, config_id: `${schedule.tenant_id}:${schedule.name}`, version: 1 } as Schedule
    },
  }
  const warehouse = { query: async () => [], append: async () => undefined }
  const changed = {
    backfill: { backfill_id: 'b_x', status: 'RUNNING', periods: ['2026-01-02'], skipped: 1, max_active: 1 } as never,
    events: due,
  }
  const backfills: Backfills = {
    tick: async () => [],
    after: async () => [],
    create: async (wanted) => {
      puts.push(wanted)
      return changed
    },
    change: async (which, action) => {
      puts.push({ ...which, action })
      return changed
    },
  }
  const run = (ps_type: string, config: object = {}, tenant_id = 'system') => {
    const host = makeRun('job', { tenant_id, pipeline: 'setup/scheduler/x', requested_at: at(9) })
    const step: CompiledStep = { ...host.steps[0]!, ps_type, config: config as CompiledStep['config'] }
    const processor = processors({
      bus: { read: () => expect.fail() },
      ledger,
      schedules,
      backfills,
      warehouse,
      pipelines: { get: () => undefined, compile: () => expect.fail() },
      publisherKey: async () => undefined,
    })[ps_type]!
    return processor.run({
      run: host,
      step,
      now: () => new Date(at(9)),
      signal: new AbortController().signal,
      chain: { run_id: host.run_id, step_id: step.step_id, tenant_id, max_retries: 0, retry_delay_seconds: 0 },
    } satisfies StepContext)
  }
  return { ...world, puts, run }
}

describe("the scheduler's processors", () => {
  it('trigger asks for what is due', async () => {
    const { events, outputs } = await setup().run('scheduler.trigger')
    expect(events).to.have.length(1)
    expect(outputs).to.deep.equal({ schedules: 0, triggered: 1 })
  })

  it('process_queue reports what it started and what still waits', async () => {
    const { send, run } = setup()
    send(request('a'))
    send(request('b'))
    expect((await run('scheduler.process_queue')).outputs).to.deep.include({ queued: 1 })
  })

  it('reset_daily_quotas reports use and changes nothing', async () => {
    const { send, run, log } = setup()
    send(ended(runOf(send(request('a')))))
    const rows = log.length
    expect((await run('scheduler.reset_daily_quotas')).outputs).to.deep.include({
      usage_date: '2026-03-10',
      tenants: 1,
      runs_today: 1,
      running: 0,
    })
    expect(log).to.have.length(rows)
  })

  const config = {
    tenant_id: 'acme',
    schedule_name: 'daily',
    action: 'put',
    pipeline: 'gcp/cost/billing',
    cron: '0 6 * * *',
    timezone: 'UTC',
    parameters: '{"date":"2026-01-01"}',
    priority: '3',
    is_active: 'true',
    missed: 'all',
    overlap: 'skip',
  }

  it('schedule puts and removes a schedule, with numbers and booleans that come as text', async () => {
    const { run, puts } = setup()
    await run('scheduler.schedule', config)
    await run('scheduler.schedule', { ...config, action: 'delete' })
    expect(puts[0]).to.deep.include({
      name: 'daily',
      parameters: { date: '2026-01-01' },
      priority: 3,
      is_active: true,
      missed: 'all',
      overlap: 'skip',
    })
    expect(puts[1]).to.deep.equal({ removed: 'acme:daily' })
  })

  it("schedule refuses parameters that are no scalars, a wrong priority, and another tenant's schedule", async () => {
    const refused = (change: object, tenant_id?: string): Promise<string> =>
      setup()
        .run('scheduler.schedule', { ...config, ...change }, tenant_id)
        .then(
          () => 'taken',
          (error: AppError) => error.code,
        )
    expect(await refused({ parameters: '[1]' })).to.equal('PARAMETER_INVALID')
    expect(await refused({ parameters: '{"a":{}}' })).to.equal('PARAMETER_INVALID')
    expect(await refused({ parameters: '{' })).to.equal('PARAMETER_INVALID')
    expect(await refused({ priority: 12 })).to.equal('PARAMETER_INVALID')
    expect(await refused({}, 'globex')).to.equal('FORBIDDEN')
    expect(await refused({}, 'acme')).to.equal('taken')
  })

  const range = { tenant_id: 'acme', action: 'create', pipeline: 'gcp/cost/billing', from_period: '2026-01-01' }

  it('backfill makes one with what comes as text, changes one, and publishes what follows at once', async () => {
    const { run, puts } = setup()
    const made = await run('scheduler.backfill', {
      ...range,
      to_period: '2026-01-02',
      parameters: '{"note":"x"}',
      max_active: '2',
    })
    expect(made.events).to.have.length(1)
    expect(made.outputs).to.deep.equal({
      backfill_id: 'b_x',
      status: 'RUNNING',
      periods: 2,
      runs: 1,
      max_active: 1,
    })
    await run('scheduler.backfill', { tenant_id: 'acme', action: 'pause', backfill_id: 'b_x' })
    expect(puts[0]).to.deep.include({ max_active: 2, parameters: { note: 'x' }, reprocess: 'none' })
    expect(puts[1]).to.deep.equal({ tenant_id: 'acme', backfill_id: 'b_x', action: 'pause' })
  })

  it("backfill refuses a wrong max_active and another tenant's backfill", async () => {
    const refused = (change: object, tenant_id?: string): Promise<string> =>
      setup()
        .run('scheduler.backfill', { ...range, ...change }, tenant_id)
        .then(
          () => 'taken',
          (error: AppError) => error.code,
        )
    expect(await refused({ max_active: '0' })).to.equal('PARAMETER_INVALID')
    expect(await refused({ max_active: 'many' })).to.equal('PARAMETER_INVALID')
    expect(await refused({ parameters: '[]' })).to.equal('PARAMETER_INVALID')
    expect(await refused({}, 'globex')).to.equal('FORBIDDEN')
    expect(await refused({}, 'acme')).to.equal('taken')
  })
})
