import { expect } from 'chai'
import { AppError, runId } from '@convergence/contracts'
import { backfillIdOf, backfillRunKey, backfillTrigger } from '@convergence/service/backfills'
import { adminKey, inWorld, type World } from './fakes.ts'

const path = '/api/v1/tenants/acme_corp/backfills'
const body = { pipeline: 'gcp/cost/billing', from: '2026-03-01', to: '2026-03-03' }
const backfill_id = `b_${'a'.repeat(26)}`
const days = ['2026-03-03', '2026-03-02', '2026-03-01']
const idOf = (day: string, attempt = 0) => runId('acme_corp', backfillRunKey(backfill_id, day, attempt))

const rowOf = (more: object = {}) => ({
  backfill_id,
  tenant_id: 'acme_corp',
  pipeline: 'gcp/cost/billing',
  pipeline_id: 'gcp_cost_billing',
  parameter: 'date',
  from_period: '2026-03-01',
  to_period: '2026-03-03',
  parameters: '{}',
  reprocess: 'none',
  period_order: 'newest_first',
  max_active: 1,
  periods: days,
  skipped: 2,
  status: 'RUNNING',
  counts: null,
  failed_periods: null,
  created_by: 'key_x',
  created_at: '2026-03-10T11:00:00Z',
  version: 1,
  recorded_at: '2026-03-10T11:00:00Z',
  ended_at: null,
  ...more,
})
const setup = (world: World, more: Parameters<World['addTenant']>[1] = {}) => {
  world.addTenant('acme_corp', more)
  return world.addKey('acme_corp')
}
const put = (world: World, table: string, ...rows: object[]) => {
  ;(world.warehouse.rows[table] ??= []).push(...(rows as never[]))
}
const run = (day: string, status: string, more: { attempt?: number; error_code?: string } = {}) => ({
  pipeline_logging_id: idOf(day, more.attempt),
  tenant_id: 'acme_corp',
  trigger_by: backfillTrigger(backfill_id),
  status,
  error_code: more.error_code ?? null,
})

describe('backfills by REST', () => {
  it('are made by a run of the platform, which names them, and by the same key once', () =>
    inWorld({}, async (world) => {
      const key = setup(world)
      world.succeed({ status: 'RUNNING', runs: 3 })
      const headers = { 'Idempotency-Key': 'k1' }
      const made = await world.call('POST', path, { key, body: { ...body, max_active: 2 }, headers })
      expect(made.status).to.equal(202)
      expect(made.body).to.deep.include({ periods: 3, runs: 3, max_active: 2, notes: [], reprocess: 'none' })
      expect(made.body['backfill_id']).to.equal(backfillIdOf(String(made.body['pipeline_logging_id'])))
      const again = await world.call('POST', path, { key, body: { ...body, max_active: 2 }, headers })
      expect(again.body).to.deep.equal(made.body)
      const other = await world.call('POST', path, { key, body, headers })
      expect([other.status, other.body['code']]).to.deep.equal([409, 'IDEMPOTENCY_MISMATCH'])
      const [{ event }] = world.bus.published as unknown as [{ event: { tenant_id: string; parameters: object } }]
      expect(event.tenant_id).to.equal('system')
      expect(event.parameters).to.deep.include({ for_tenant_id: 'acme_corp', from_period: '2026-03-01' })
    }))

  it('answer 202 with their name also when the platform takes its time', () =>
    inWorld({ wait_ms: 0 }, async (world) => {
      const made = await world.call('POST', path, { key: setup(world), body })
      expect([made.status, made.body['status'], made.body['runs']]).to.deep.equal([202, 'PENDING', null])
      expect(made.body['backfill_id']).to.match(/^b_[a-z2-7]{26}$/)
    }))

  it('are refused by name for what cannot be: all faults at once', () =>
    inWorld({}, async (world) => {
      const key = setup(world)
      const faults = async (change: object): Promise<unknown> => {
        const { status, body: problem } = await world.call('POST', path, { key, body: { ...body, ...change } })
        return [status, ...((problem['errors'] as string[] | undefined) ?? [String(problem['detail'])])]
      }
      expect(await faults({ from: '2026-02-30', to: 'March', max_active: 11, parameters: {} })).to.deep.equal([
        400,
        'body.from: expected a day as YYYY-MM-DD, got "2026-02-30"',
        'body.to: expected a day as YYYY-MM-DD, got "March"',
        "body.max_active: expected at most the 10 runs at a time of the tenant's plan, got 11",
      ])
      expect(await faults({ to: '2026-02-01' })).to.deep.equal([
        400,
        'body.to: expected 2026-03-01 or later, got 2026-02-01',
      ])
      expect(await faults({ to: '2029-01-01' })).to.deep.equal([
        400,
        'body.to: expected at most 1000 days from 2026-03-01, got more',
      ])
      expect(await faults({ parameters: { date: '2026-03-01' } })).to.deep.equal([
        400,
        'body.parameters.date: expected none, it is the period of each run',
      ])
      expect(String(await faults({ pipeline: 'custom/bench/three_steps' }))).to.include(
        'pipeline custom/bench/three_steps: expected exactly one parameter',
      )
      expect(String(await faults({ pipeline: 'setup/tenants/backfill' }))).to.match(/^404,no pipeline/)
      expect(String(await faults({ reprocess: 'some' }))).to.include('expected one of none, failed, changed, all')
      expect(world.bus.published).to.deep.equal([])
    }))

  it('tell what they would do, period by period, with bytes and money, and run nothing', () =>
    inWorld({}, async (world) => {
      const key = setup(world)
      put(world, 'runs', {
        ...run('2026-03-02', 'COMPLETED'),
        pipeline: 'gcp/cost/billing',
        parameters: '{"date":"2026-03-02"}',
      })
      let reads = 0
      world.warehouse.dryRuns = async () => {
        reads += 1
        return { statement_type: 'SELECT', referenced_tables: [], columns: [], bytes_processed: 2 ** 40 }
      }
      const { status, body: told } = await world.call('POST', path, { key, body: { ...body, dry_run: true } })
      expect(status).to.equal(200)
      expect(told).to.deep.include({
        dry_run: true,
        periods: 3,
        runs: 2,
        skipped: 1,
        bytes_processed: 2 ** 41,
        cost_usd: 12.5,
        not_estimated: 0,
      })
      expect((told['items'] as unknown as object[])[0]).to.deep.equal({
        period: '2026-03-03',
        action: 'run',
        reason: 'it has no run',
        bytes_processed: 2 ** 40,
        cost_usd: 6.25,
        problems: [],
      })
      expect((told['items'] as unknown as object[])[1]).to.deep.include({
        period: '2026-03-02',
        action: 'skip',
        cost_usd: 0,
      })
      expect([reads, world.bus.published.length]).to.deep.equal([2, 0])
    }))

  it('say in the entry of a period that it cannot be estimated, and estimate the others', () =>
    inWorld({}, async (world) => {
      const key = setup(world)
      const wrong = { ...body, dry_run: true, parameters: { nonsense: 1 } }
      const { status, body: told } = await world.call('POST', path, { key, body: wrong })
      expect([status, told['not_estimated'], told['bytes_processed']]).to.deep.equal([200, 3, 0])
      const [item] = told['items'] as unknown as { bytes_processed: null; problems: string[] }[]
      expect(item?.bytes_processed).to.equal(null)
      expect(item?.problems.join(' ')).to.include('nonsense: is not a parameter')
      // A statement that cannot be looked at costs nobody knows what, and not nothing.
      world.warehouse.dryRuns = () => Promise.reject(new AppError('TABLE_NOT_FOUND', 'no such table'))
      const { body: blind } = await world.call('POST', path, { key, body: { ...body, dry_run: true } })
      expect([blind['not_estimated'], blind['cost_usd']]).to.deep.equal([3, 0])
    }))

  it('are shown by the record of their runs, and once they have ended by what was written down', () =>
    inWorld({}, async (world) => {
      const key = setup(world)
      put(world, 'backfills', rowOf())
      put(world, 'runs', run('2026-03-03', 'FAILED', { error_code: 'QUERY_INVALID' }))
      put(world, 'runs', run('2026-03-02', 'REJECTED', { error_code: 'QUOTA_EXCEEDED' }))
      put(world, 'runs', run('2026-03-02', 'RUNNING', { attempt: 1 }))
      const shown = await world.call('GET', `${path}/${backfill_id}`, { key })
      expect(shown.body).to.deep.include({ status: 'RUNNING', periods: 5, runs: 3, waits: null, ended_at: null })
      const counts = { pending: 1, queued: 0, running: 1, completed: 0, failed: 1, cancelled: 0, rejected: 0 }
      expect(shown.body['counts']).to.deep.equal({ ...counts, skipped: 2 })
      const failed = [
        { period: '2026-03-03', status: 'FAILED', run_id: idOf('2026-03-03'), error_code: 'QUERY_INVALID' },
      ]
      expect(shown.body['failed_periods']).to.deep.equal(failed)

      const ended = { ...counts, pending: 0, running: 0, completed: 2 }
      world.warehouse.rows['backfills'] = [
        rowOf({
          status: 'FAILED',
          counts: JSON.stringify(ended),
          failed_periods: JSON.stringify(failed),
          ended_at: '2026-03-10T11:30:00Z',
        }),
      ] as never[]
      world.warehouse.rows['runs'] = []
      const over = await world.call('GET', `${path}/${backfill_id}`, { key })
      expect(over.body).to.deep.include({ status: 'FAILED', failed_periods: failed })
      expect(over.body['counts']).to.deep.equal({ ...ended, skipped: 2 })
    }))

  it("say that they wait for the tenant's quota, and until when", () =>
    inWorld({}, async (world) => {
      const key = setup(world, { plan: 'STARTER' })
      put(world, 'backfills', rowOf())
      put(world, 'usage', { tenant_id: 'acme_corp', daily: 6, monthly: 6, concurrent: 0 })
      const { body: shown } = await world.call('GET', `${path}/${backfill_id}`, { key })
      expect(shown['waits']).to.deep.include({ until: '2026-03-11T00:00:00.000Z' })
    }))

  it("are changed by a run of the platform; another tenant's is one that does not exist", () =>
    inWorld({}, async (world) => {
      const key = setup(world)
      world.addTenant('globex')
      const globex = world.addKey('globex')
      put(world, 'backfills', rowOf())
      world.succeed()
      const paused = await world.call('POST', `${path}/${backfill_id}/pause`, { key })
      expect([paused.status, paused.body['backfill_id']]).to.deep.equal([200, backfill_id])
      const asked = world.bus.published.length
      const same = (text: string) => text.replace(/"request_id":"[^"]*"/, '')
      for (const [method, below] of [
        ['GET', ''],
        ['POST', '/pause'],
        ['POST', '/resume'],
        ['POST', '/cancel'],
      ] as const) {
        const foreign = await world.call(method, `/api/v1/tenants/globex/backfills/${backfill_id}${below}`, {
          key: globex,
        })
        const never = await world.call(method, `/api/v1/tenants/globex/backfills/b_${'z'.repeat(26)}${below}`, {
          key: globex,
        })
        expect([foreign.status, same(foreign.text)], below).to.deep.equal([404, same(never.text)])
      }
      expect(world.bus.published).to.have.length(asked)
      const admin = await world.call('GET', `${path}/${backfill_id}`, { admin: adminKey })
      expect(admin.status).to.equal(200)
    }))

  it('are listed newest first, in pages', () =>
    inWorld({}, async (world) => {
      const key = setup(world)
      for (const k of [1, 2, 3])
        put(world, 'backfills', rowOf({ backfill_id: `b_${String(k)}`, created_at: `2026-03-0${k}T00:00:00Z` }))
      const first = await world.call('GET', `${path}?limit=2`, { key })
      const ids = ({ body: { items } }: typeof first) =>
        (items as unknown as { backfill_id: string }[]).map((item) => item.backfill_id)
      expect(ids(first)).to.deep.equal(['b_3', 'b_2'])
      const second = await world.call('GET', `${path}?limit=2&cursor=${String(first.body['next_cursor'])}`, { key })
      expect([ids(second), second.body['next_cursor']]).to.deep.equal([['b_1'], null])
    }))

  it('of a tenant whose subscription has ended are refused', () =>
    inWorld({}, async (world) => {
      const refused = await world.call('POST', path, { key: setup(world, { status: 'SUSPENDED' }), body })
      expect([refused.status, refused.body['code']]).to.deep.equal([402, 'SUBSCRIPTION_INACTIVE'])
    }))
})
