import fc from 'fast-check'
import { expect } from 'chai'
import { runId } from '@convergence/contracts'
import { backfillRunKey } from '@convergence/service/backfills'
import { isOpen, nextOf, type Memo, type Seen } from '../src/backfill.ts'
import type { Backfill } from '@convergence/service/backfill-row'
import { decide, type Message } from '../src/ledger/decide.ts'
import { fold } from '../src/ledger/fold.ts'
import { emptyState, type LedgerRow, type RunEntry, type State } from '../src/ledger/state.ts'
import { at, ended, request, tenant } from './world.ts'

const backfill = (days: number, more: Partial<Backfill> = {}): Backfill => ({
  backfill_id: `b_${'a'.repeat(26)}`,
  tenant_id: 'acme',
  pipeline: 'custom/examples/daily_row',
  pipeline_id: 'daily_row',
  parameter: 'date',
  from_period: '2026-01-01',
  to_period: '2026-01-31',
  parameters: {},
  reprocess: 'none',
  period_order: 'oldest_first',
  max_active: 1,
  periods: Array.from({ length: days }, (_, k) => `2026-01-${String(k + 1).padStart(2, '0')}`),
  skipped: 0,
  status: 'RUNNING',
  counts: undefined,
  failed_periods: undefined,
  created_by: undefined,
  created_at: at(0),
  ended_at: undefined,
  version: 1,
  recorded_at: at(0),
  ...more,
})
const idOf = ({ backfill_id, tenant_id }: Backfill, day: number, attempt = 0): string =>
  runId(tenant_id, backfillRunKey(backfill_id, `2026-01-0${day}`, attempt))
const seen = (phase: RunEntry['phase'], more: Partial<Seen> = {}): Seen => ({
  phase,
  outcome: undefined,
  reason: undefined,
  ...more,
})
/** What is asked for where the ledger knows these runs. */
const next = (of: Backfill, runs: Readonly<Record<string, Seen>>, moment: { at?: string; is_open?: boolean } = {}) =>
  nextOf(of, (run_id) => runs[run_id], { at: at(5), is_open: true, ...moment })
const days = (asked: readonly { period: string }[]): number[] => asked.map(({ period }) => Number(period.slice(-2)))

describe('the pace of a backfill', () => {
  it('asks in order for as many as may be under way, and for no more while they are', () => {
    const of = backfill(5, { max_active: 2 })
    expect(days(next(of, {}).requests)).to.deep.equal([1, 2])
    const running = { [idOf(of, 1)]: seen('RUNNING'), [idOf(of, 2)]: seen('QUEUED') }
    expect(next(of, running).requests).to.deep.equal([])
    const one = { ...running, [idOf(of, 1)]: seen('ENDED', { outcome: 'FAILED', reason: 'X' }) }
    expect(days(next(of, one).requests)).to.deep.equal([3])
  })

  it('asks again for what the ledger does not know yet, before anything behind it', () => {
    const of = backfill(5, { max_active: 2 })
    expect(days(next(of, { [idOf(of, 2)]: seen('RUNNING') }).requests)).to.deep.equal([1])
  })

  it('is over when each period is, with those that did not complete', () => {
    const of = backfill(3)
    const runs = {
      [idOf(of, 1)]: seen('ENDED', { outcome: 'COMPLETED' }),
      [idOf(of, 2)]: seen('REJECTED', { reason: 'PARAMETER_INVALID' }),
      [idOf(of, 3)]: seen('ENDED', { outcome: 'COMPLETED' }),
    }
    const { end, requests } = next(of, runs)
    expect([end?.status, requests]).to.deep.equal(['FAILED', []])
    expect(end?.counts).to.include({ completed: 2, rejected: 1, pending: 0 })
    expect(end?.failed_periods).to.deep.equal([
      { period: '2026-01-02', run_id: idOf(of, 2), status: 'REJECTED', error_code: 'PARAMETER_INVALID' },
    ])
    expect(next({ ...of, ended_at: at(4) }, runs).end).to.equal(undefined)
    expect(next(backfill(0), {}).end?.status).to.equal('COMPLETED')
  })

  it('waits where the tenant has used its quota, then asks under another name', () => {
    const of = backfill(3)
    const over = { [idOf(of, 1)]: seen('REJECTED', { reason: 'QUOTA_EXCEEDED' }) }
    expect(next(of, over, { is_open: false }).requests).to.deep.equal([])
    const { requests } = next(of, over)
    expect(requests.map(({ run_id }) => run_id)).to.deep.equal([idOf(of, 1, 1)])
  })

  it('knows by subscription and quota whether a run would be taken, on the day that it is', () => {
    const state = emptyState('e1')
    const send = (message: Message) => fold(state, decide(state, [message]).rows)
    expect(isOpen(state, 'acme', at(0))).to.equal(false)
    send(tenant('acme', { daily: 1, monthly: 9, concurrent: 2 }))
    expect(isOpen(state, 'acme', at(0))).to.equal(true)
    send(request('a'))
    expect([isOpen(state, 'acme', at(1)), isOpen(state, 'acme', at(1441))]).to.deep.equal([false, true])
    send(tenant('acme', {}, { version: 2, status: 'SUSPENDED' }))
    expect(isOpen(state, 'acme', at(1441))).to.equal(false)
  })

  it('looks no further than it can ask, and remembers what has ended', () => {
    const of = backfill(0, { periods: Array.from({ length: 1000 }, (_, k) => `p${k}`), max_active: 2 })
    const memo: Memo = new Map()
    const looked: string[] = []
    const see = (run_id: string) => {
      looked.push(run_id)
      return looked.length <= 3 ? seen('ENDED', { outcome: 'COMPLETED' }) : undefined
    }
    const counts = () => nextOf(of, see, { at: at(5), is_open: true }, memo).requests.map(({ period }) => period)
    expect(counts()).to.deep.equal(['p3', 'p4'])
    expect(looked).to.have.length(7)
    expect([counts(), looked.length]).to.deep.equal([['p3', 'p4'], 11])
  })

  it('asks for nothing while it is paused, and is over all the same when the last run ends', () => {
    const of = backfill(2, { status: 'PAUSED' })
    const last = { [idOf(of, 1)]: seen('ENDED', { outcome: 'COMPLETED' }), [idOf(of, 2)]: seen('RUNNING') }
    expect(next(of, {})).to.deep.equal({ requests: [], cancels: [], end: undefined })
    expect(next(of, last).end).to.equal(undefined)
    expect(next(of, { ...last, [idOf(of, 2)]: seen('ENDED', { outcome: 'COMPLETED' }) }).end?.status).to.equal(
      'COMPLETED',
    )
  })

  it('cancels what waits or runs when it is cancelled, and waits for requests that are still on their way', () => {
    const of = backfill(4, { status: 'CANCELLED', recorded_at: at(5) })
    const runs = { [idOf(of, 1)]: seen('RUNNING'), [idOf(of, 2)]: seen('QUEUED') }
    expect(next(of, runs)).to.deep.equal({ requests: [], cancels: [idOf(of, 1), idOf(of, 2)], end: undefined })
    const cancelled = { [idOf(of, 1)]: seen('ENDED', { outcome: 'CANCELLED', reason: 'CANCELLED' }) }
    expect(next(of, cancelled).end).to.equal(undefined)
    const { end } = next(of, cancelled, { at: at(8) })
    expect(end?.status).to.equal('CANCELLED')
    expect(end?.counts).to.include({ cancelled: 1, pending: 3 })
  })
})

// ---- against the real ledger, on two replicas, over a bus that delivers twice, late and in any order

const most = 3
type Move =
  | { kind: 'look'; replica: number; minute: number }
  | { kind: 'deliver'; replica: number; which: number; twice: boolean }
  | { kind: 'end'; replica: number; which: number; fails: boolean }
  | { kind: 'catch up' | 'restart'; replica: number }
  | { kind: 'pause' | 'resume' }

const replica = fc.integer({ min: 0, max: 1 })
const which = fc.nat(20)
const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('look' as const), replica, minute: fc.nat(3) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('deliver' as const), replica, which, twice: fc.boolean() }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('end' as const), replica, which, fails: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('catch up' as const), replica }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const), replica }) },
  { weight: 1, arbitrary: fc.constantFrom({ kind: 'pause' as const }, { kind: 'resume' as const }) },
)

/** Plays moves; throws where more is under way than may be, or a period runs twice. */
const play = (moves: readonly Move[], quota: number) => {
  const log: LedgerRow[] = []
  const first = tenant('acme', { daily: quota, monthly: 1000, concurrent: 2 })
  const replicas: State[] = [emptyState('e1'), emptyState('e1')]
  const bus: Message[] = []
  let of = backfill(9, { max_active: most })
  let minute = 0
  let asked_paused = 0

  const commit = (state: State, message: Message): void => {
    // Whoever is behind loses the commit, reads and decides again.
    fold(state, log)
    const { rows } = decide(state, [message])
    log.push(...rows)
    fold(state, rows)
  }
  commit(replicas[0]!, first)
  const momentOf = (state: State) => ({ at: at(minute), is_open: isOpen(state, 'acme', at(minute)) })
  const truth = (): State => fold(emptyState('e1'), log)
  const look = (state: State): void => {
    const { requests } = nextOf(of, (run_id) => state.runs.get(run_id), momentOf(state))
    if (of.status === 'PAUSED') asked_paused += requests.length
    for (const { period, idempotency_key } of requests)
      bus.push(request(idempotency_key, { parameters: { date: period } }, at(minute)))
  }
  const check = (): void => {
    const { runs } = truth()
    const active = [...runs.values()].filter(({ phase }) => phase === 'QUEUED' || phase === 'RUNNING')
    const waiting = bus.filter((message) => message.kind === 'request' && !runs.has(message.run.run_id))
    const on_their_way = new Set(waiting.map((message) => (message.kind === 'request' ? message.run.run_id : '')))
    expect(active.length + on_their_way.size, 'under way').to.be.at.most(most)
  }
  const step = (given: Move): void => {
    const state = 'replica' in given ? replicas[given.replica] : undefined
    if (given.kind === 'pause' || given.kind === 'resume')
      of = { ...of, status: given.kind === 'pause' ? 'PAUSED' : 'RUNNING' }
    if (state === undefined) return
    if (given.kind === 'look') {
      minute += given.minute
      look(state)
    }
    if (given.kind === 'catch up') fold(state, log)
    if (given.kind === 'restart') replicas[(given as { replica: number }).replica] = fold(emptyState('e1'), log)
    if (given.kind === 'deliver' && bus.length > 0) {
      const [message] = given.twice ? [bus[given.which % bus.length]] : bus.splice(given.which % bus.length, 1)
      if (message !== undefined) commit(state, message)
    }
    if (given.kind === 'end') {
      const running = [...truth().running.values()]
      const run = running[given.which % Math.max(1, running.length)]?.run
      if (run === undefined) return
      const conclusion = given.fails ? ('FAILED' as const) : ('SUCCEEDED' as const)
      commit(state, ended(run, { conclusion }, at(minute)))
      look(state)
    }
  }
  for (const given of moves) {
    step(given)
    check()
  }
  expect(asked_paused, 'asked while paused').to.equal(0)
  return {
    /** Goes on without faults until it is over, a day later for the quota. */
    finish: () => {
      of = { ...of, status: 'RUNNING' }
      for (let turn = 0; turn < 60; turn += 1) {
        minute += turn % 20 === 19 ? 1440 : 1
        const state = replicas[turn % 2]!
        fold(state, log)
        const { end } = nextOf(of, (run_id) => state.runs.get(run_id), momentOf(state))
        if (end !== undefined) return { end, runs: [...state.runs.values()] }
        look(state)
        for (const message of bus.splice(0)) commit(state, message)
        for (const { run } of [...state.running.values()])
          if (run !== undefined) commit(state, ended(run, {}, at(minute)))
        check()
      }
      return undefined
    },
  }
}

describe('backfills on two replicas, whatever is lost in time or comes twice', () => {
  const numRuns = 150 * Number(process.env['PROPERTY_FACTOR'] ?? 1)
  it('have at most max_active under way and run each period once, to the end', () => {
    fc.assert(
      fc.property(fc.array(move, { maxLength: 60 }), fc.constantFrom(4, 100), (moves, quota) => {
        const done = play(moves, quota).finish()
        expect(done?.end.counts, 'over').to.include({ pending: 0, queued: 0, running: 0, rejected: 0 })
        const ran = done?.runs.filter(({ phase }) => phase === 'ENDED') ?? []
        expect(ran).to.have.length(9)
      }),
      { numRuns },
    )
  })
})
