import { expect } from 'chai'
import { inProcesses, type World } from '../operations.ts'
import { ledgerFaults, openWorld } from './world.ts'

const path = '/api/v1/tenants/acme_corp/backfills'
const pipeline = 'custom/examples/daily_row'

interface Backfill {
  backfill_id: string
  status: string
  periods: number
  runs: number
  counts: Record<string, number>
  failed_periods: { period: string; status: string; run_id: string; error_code: string }[]
  waits: { reason: string; until: string | null } | null
  ended_at: string | null
}

const inWorld = async (body: (world: World) => Promise<void>) => {
  const world = await openWorld()
  try {
    await body(world)
  } finally {
    await world.end()
  }
}
const backfillsOf = ({ client }: World, key: string) => {
  const call = async (method: string, below: string, body?: object) =>
    (await client.call(method, path + below, { key, ...(body === undefined ? {} : { body }) }))
      .body as unknown as Backfill
  const show = (id: string) => call('GET', `/${id}`)
  const until = async (id: string, holds: (backfill: Backfill) => boolean): Promise<Backfill> => {
    for (;;) {
      const backfill = await show(id)
      if (holds(backfill)) return backfill
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
  return { call, until, ended: (id: string) => until(id, ({ ended_at }) => ended_at !== null) }
}
const days = async ({ warehouse }: World): Promise<string[]> =>
  (
    await warehouse.query({
      query: `SELECT CAST(day AS STRING) AS day FROM \`${warehouse.project_id}.acme_corp.example_days\` ORDER BY day`,
    })
  ).map(({ day }) => String(day))

describe('backfills', function () {
  this.timeout(inProcesses ? 150_000 : 60_000)

  it('run each day of a range once, tell which failed, and run those again when asked', () =>
    inWorld(async (world) => {
      const key = await world.onboard('acme_corp')
      const { call, ended } = backfillsOf(world, key)
      const done = await world.start(key, 'acme_corp', pipeline, { date: '2026-03-02', fails_on: '2026-03-04' })
      await world.ended(key, done)
      const range = { pipeline, from: '2026-03-01', to: '2026-03-05', max_active: 2 }
      const wanted = { ...range, parameters: { fails_on: '2026-03-04' }, reprocess: 'none' }
      const told = await call('POST', '', { ...wanted, dry_run: true })
      expect(told).to.include({ periods: 5, runs: 4, skipped: 1, not_estimated: 0, cost_usd: 0 })
      expect(
        (told as unknown as { items: object[] }).items.map((item) => Object.values(item).slice(0, 2)),
      ).to.deep.equal([
        ['2026-03-05', 'run'],
        ['2026-03-04', 'run'],
        ['2026-03-03', 'run'],
        ['2026-03-02', 'skip'],
        ['2026-03-01', 'run'],
      ])
      expect(await call('GET', '')).to.deep.equal({ items: [], next_cursor: null })

      const made = await call('POST', '', wanted)
      expect(made).to.include({ periods: 5, runs: 4 })
      const first = await ended(made.backfill_id)
      expect(first.status).to.equal('FAILED')
      expect(first.counts).to.include({ completed: 3, failed: 1, skipped: 1, pending: 0 })
      expect(first.failed_periods.map(({ period, status }) => `${period} ${status}`)).to.deep.equal([
        '2026-03-04 FAILED',
      ])
      expect(await days(world)).to.deep.equal(['2026-03-01', '2026-03-02', '2026-03-03', '2026-03-05'])
      const run = await world.client.call('GET', `/api/v1/pipelines/runs/${String(first.failed_periods[0]?.run_id)}`, {
        key,
      })
      expect(run.body).to.include({ trigger_type: 'backfill', trigger_by: `backfill:${made.backfill_id}` })

      // Its parameters are others now: what ran before does not stand for it.
      const again = await call('POST', '', { ...range, reprocess: 'all', order: 'oldest_first' })
      const second = await ended(again.backfill_id)
      expect([second.status, second.counts['completed']]).to.deep.equal(['COMPLETED', 5])
      expect(await days(world)).to.have.length(5)
      const failed = await call('POST', '', { ...wanted, reprocess: 'failed' })
      expect(failed.runs).to.equal(1)
      await ended(failed.backfill_id)
      const { items } = (await call('GET', '')) as unknown as { items: Backfill[] }
      expect(items.map(({ backfill_id }) => backfill_id)).to.deep.equal([
        failed.backfill_id,
        again.backfill_id,
        made.backfill_id,
      ])
      // What the provider had when it was loaded, and what it has now.
      const state = (version: string, run_id: string | null) => ({
        tenant_id: 'acme_corp',
        source: 'payer',
        pipeline,
        period: '2026-03-01',
        version,
        loaded_rows: run_id === null ? null : 1,
        run_id,
        observed_at: `2026-03-0${version}T00:00:00Z`,
        event_id: `test:${version}`,
        recorded_at: `2026-03-0${version}T00:00:00Z`,
      })
      await world.warehouse.append('tenant_load_state_rows', [state('6', done), state('7', null)])
      const changed = await call('POST', '', { ...wanted, reprocess: 'changed', dry_run: true })
      const { items: planned } = changed as unknown as { items: { period: string; action: string }[] }
      const taken = planned.filter(({ action }) => action === 'run').map(({ period }) => period)
      expect(taken).to.deep.equal(['2026-03-04', '2026-03-01'])
      expect(await ledgerFaults(world)).to.deep.equal([])
    }))

  it('stop when they are paused, go on when they are resumed, and cancel their runs when they are cancelled', () =>
    inWorld(async (world) => {
      const key = await world.onboard('acme_corp')
      const { call, until, ended } = backfillsOf(world, key)
      const wanted = { pipeline, from: '2026-01-01', to: '2026-01-10', reprocess: 'none' }
      const { backfill_id } = await call('POST', '', wanted)
      expect((await call('POST', `/${backfill_id}/pause`)).status).to.equal('PAUSED')
      const still = await until(backfill_id, ({ counts }) => counts['queued'] === 0 && counts['running'] === 0)
      expect(still.counts['pending']).to.be.greaterThan(0)
      await world.tick()
      expect((await call('GET', `/${backfill_id}`)).counts).to.deep.equal(still.counts)
      expect((await call('POST', `/${backfill_id}/resume`)).status).to.equal('RUNNING')
      const whole = await ended(backfill_id)
      expect([whole.status, whole.counts['completed']]).to.deep.equal(['COMPLETED', 10])
      await world.client.call('POST', `${path}/${backfill_id}/cancel`, { key, expect: [409] })

      const other = await call('POST', '', { ...wanted, reprocess: 'all' })
      expect((await call('POST', `/${other.backfill_id}/cancel`)).status).to.equal('CANCELLED')
      const stopped = await until(other.backfill_id, ({ counts }) => counts['queued'] === 0 && counts['running'] === 0)
      expect(stopped.counts['pending']).to.be.greaterThan(0)
      expect(await ledgerFaults(world)).to.deep.equal([])
    }))

  it("wait for the tenant's quota and say so, and go on the next day", () =>
    inWorld(async (world) => {
      const key = await world.onboard('acme_corp', 'STARTER')
      const { call, until, ended } = backfillsOf(world, key)
      const { backfill_id } = await call('POST', '', { pipeline, from: '2026-02-01', to: '2026-02-08' })
      const waiting = await until(backfill_id, ({ waits }) => waits !== null)
      expect([waiting.status, waiting.counts['completed'], waiting.counts['pending']]).to.deep.equal(['RUNNING', 6, 2])
      expect(waiting.waits?.reason).to.include('has used its 6 runs')
      expect(waiting.waits?.until).to.match(/T00:00:00.000Z$/)
      world.shiftClock(86_400_000)
      await world.tick()
      const whole = await ended(backfill_id)
      expect([whole.status, whole.counts['completed'], whole.counts['rejected']]).to.deep.equal(['COMPLETED', 8, 0])
    }))
})
