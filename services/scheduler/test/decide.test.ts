import { expect } from 'chai'
import { AppError, type Run } from '@convergence/contracts'
import { decide } from '../src/ledger/decide.ts'
import { fold, stateHash } from '../src/ledger/fold.ts'
import { emptyState } from '../src/ledger/state.ts'
import { at, ended, makeRun, request, runOf, setup, setupWith, tenant, summaryOf } from './world.ts'

describe('decide', () => {
  it('admits a run, releases it at its last step, and says so with the outputs of that step', () => {
    const { send, kinds } = setup(tenant('acme'))
    const admitted = send(request('a'))
    expect(summaryOf(admitted)).to.deep.equal(['run-admitted'])
    expect(admitted[0]?.event).to.have.nested.property('next[0].step_id', 's0')
    const over = send(ended(runOf(admitted), { outputs: { rows: 3 } }, at(2)))
    expect(summaryOf(over)).to.deep.equal(['run-completed COMPLETED'])
    expect(over[0]?.event)
      .to.include({ started_at: at(0), ended_at: at(2), duration_ms: 120_000 })
      .and.have.deep.property('outputs', { rows: 3 })
    expect(kinds()).to.deep.equal(['ADMIT', 'RELEASE'])
  })

  it('leaves the state exactly as it was', () => {
    const { state, send } = setup(tenant('acme', { concurrent: 1 }))
    const run = runOf(send(request('a')))
    send(request('b'))
    const before = stateHash(state)
    decide(state, [
      ended(run),
      request('c'),
      tenant('globex'),
      { kind: 'cancel', tenant_id: 'acme', run_id: makeRun('b').run_id, at: at(3) },
      { kind: 'tick', at: at(500) },
    ])
    expect(stateHash(state)).to.equal(before)
  })

  it('answers a hundred copies of one request alike and admits one run', () => {
    const { group, kinds } = setup(tenant('acme'))
    const answers = group(...Array.from({ length: 100 }, () => request('a')))
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).to.equal(1)
    expect(kinds()).to.deep.equal(['ADMIT'])
  })

  it('answers IDEMPOTENCY_MISMATCH to a second request with one key and other parameters; the first goes on', () => {
    const { group, kinds } = setup(tenant('acme'))
    const [, second] = group(request('a'), request('a', { parameters: { date: '2026-01-01' } }))
    expect(second).to.be.instanceOf(AppError).with.property('code', 'IDEMPOTENCY_MISMATCH')
    expect(kinds()).to.deep.equal(['ADMIT'])
  })

  it('does not know a tenant before its TENANT row', () => {
    const { group } = setup()
    expect(group(request('a'))[0])
      .to.be.instanceOf(AppError)
      .with.property('code', 'TENANT_UNKNOWN')
    expect(summaryOf(group(tenant('acme'), request('a'))[1] as never)).to.deep.equal(['run-admitted'])
  })

  it('ignores an older version of a tenant', () => {
    const { send, state } = setup(tenant('acme', { daily: 7 }, { version: 3 }))
    send(tenant('acme', { daily: 1 }, { version: 2 }))
    expect(state.accounts.get('acme')?.limits.daily).to.equal(7)
  })

  it('rejects what is over the daily limit with the time at which it resets', () => {
    const { send } = setup(tenant('acme', { daily: 1 }))
    send(request('a'))
    const [refused] = send(request('b'))
    expect(refused?.event)
      .to.deep.include({ status: 'REJECTED', resets_at: '2026-03-11T00:00:00.000Z' })
      .and.nested.include({ 'error.code': 'QUOTA_EXCEEDED' })
    expect(send(request('b'))).to.deep.equal([refused])
  })

  it('rejects what is over the monthly limit until the first of the next month', () => {
    const { send } = setup(tenant('acme', { monthly: 1 }))
    send(request('a', {}, '2026-12-31T10:00:00.000Z'))
    expect(send(request('b', {}, '2026-12-31T11:00:00.000Z'))[0]?.event).to.include({
      resets_at: '2027-01-01T00:00:00.000Z',
    })
    expect(summaryOf(send(request('c', {}, '2027-01-01T00:00:00.000Z')))).to.deep.equal(['run-admitted'])
  })

  it('counts a run in the day of its first delivery, also when it comes again after midnight', () => {
    const { send, state } = setup(tenant('acme', { daily: 2, concurrent: 9 }))
    const late = request('a', {}, '2026-03-31T23:59:59.999Z')
    send(late)
    send(request('b', {}, '2026-04-01T00:00:00.000Z'))
    send(late)
    const owner = state.accounts.get('acme')
    expect([...(owner?.days ?? [])]).to.deep.equal([
      ['2026-03-31', 1],
      ['2026-04-01', 1],
    ])
    expect([...(owner?.months ?? [])]).to.deep.equal([
      ['2026-03', 1],
      ['2026-04', 1],
    ])
  })

  it('admits 50 of 1,000 requests with a daily limit of 50, never more than 5 at a time, the queue in order', () => {
    const { group, send, log, state } = setup(tenant('acme', { daily: 50, concurrent: 5 }))
    const messages = Array.from({ length: 1000 }, (_, k) => request(`k${k}`, { priority: k % 3 }, at(k / 1000)))
    const answers = group(...messages.slice(0, 500)).concat(group(...messages.slice(500)))
    expect(
      answers
        .flatMap((answer) => summaryOf(answer as never))
        .filter((word) => word === 'run-failed REJECTED QUOTA_EXCEEDED'),
    ).to.have.length(950)
    const order: number[] = []
    for (let minute = 2; state.running.size > 0; minute += 1) {
      const [first] = state.running.values()
      const promoted = send(ended(first!.run!, {}, at(minute))).slice(1)
      order.push(...promoted.map((event) => (event.event as { run: { priority: number } }).run.priority))
    }
    expect(order)
      .to.have.length(45)
      .and.deep.equal(order.toSorted((a, b) => a - b))
    let running = 0
    let most = 0
    for (const { kind } of log) most = Math.max(most, (running += kind === 'ADMIT' ? 1 : kind === 'RELEASE' ? -1 : 0))
    expect({ most, running, admitted: log.filter(({ kind }) => kind === 'ADMIT').length }).to.deep.equal({
      most: 5,
      running: 0,
      admitted: 50,
    })
  })

  it('gives a freed slot of a full platform to the tenant that uses least of its limit', () => {
    const { group, send, state } = setupWith(
      { max_running: 4 },
      tenant('noisy', { daily: 99_999, monthly: 99_999, concurrent: 10 }),
      tenant('quiet', { concurrent: 2 }),
    )
    group(...Array.from({ length: 10_000 }, (_, k) => request(`n${k}`, { tenant_id: 'noisy', priority: 0 })))
    expect(send(request('q', { tenant_id: 'quiet', priority: 9 }, at(1)))).to.deep.equal([])
    const [first] = state.running.values()
    expect(runOf(send(ended(first!.run!, {}, at(2))).slice(1)).tenant_id).to.equal('quiet')
  })

  it('takes turns between tenants with equal use', () => {
    const { group, send, state } = setupWith(
      { max_running: 1 },
      tenant('a1', { concurrent: 1 }),
      tenant('b1', { concurrent: 1 }),
      tenant('c1', { concurrent: 1 }),
    )
    group(...['a1', 'b1', 'c1'].flatMap((tenant_id) => [0, 1, 2].map((k) => request(`${k}`, { tenant_id }))))
    const turns: string[] = []
    while (state.running.size > 0) {
      const [entry] = state.running.values()
      turns.push(entry!.tenant_id)
      send(ended(entry!.run!))
    }
    expect(turns.join(' ')).to.equal('a1 b1 c1 a1 b1 c1 a1 b1 c1')
  })

  it('counts no quota for runs of the platform; a run of a tenant counts whatever its pipeline', () => {
    const { send, state } = setup(tenant('acme', { daily: 0 }, { status: 'SUSPENDED' }))
    expect(summaryOf(send(request('a', { pipeline: 'setup/tenants/dryrun_validation' })))).to.deep.equal([
      'run-failed REJECTED SUBSCRIPTION_INACTIVE',
    ])
    expect(summaryOf(send(request('b', { tenant_id: 'system', pipeline: 'setup/scheduler/trigger' })))).to.deep.equal([
      'run-admitted',
    ])
    expect(state.accounts.get('acme')?.days.size).to.equal(0)
  })

  it('counts no run for late data or that follows another; it waits for its turn and for a subscription', () => {
    const { send, state } = setup(tenant('acme', { daily: 1, concurrent: 2 }))
    const late = (key: string) => request(key, { trigger_type: key === 'c' ? 'after' : 'refresh' })
    const first = runOf(send(late('a')))
    expect(summaryOf(send(request('b')))).to.deep.equal(['run-admitted'])
    expect(send(late('c'))).to.deep.equal([])
    expect(summaryOf(send(request('d')))).to.deep.equal(['run-failed REJECTED QUOTA_EXCEEDED'])
    expect(summaryOf(send(ended(first)))).to.deep.equal(['run-completed COMPLETED', 'run-admitted'])
    expect([...(state.accounts.get('acme')?.days ?? [])]).to.deep.equal([['2026-03-10', 1]])
    send(tenant('acme', { daily: 1, concurrent: 2 }, { version: 2, status: 'SUSPENDED' }))
    expect(summaryOf(send(late('e')))).to.deep.equal(['run-failed REJECTED SUBSCRIPTION_INACTIVE'])
  })

  it('rejects runs of a suspended tenant, and queued ones when their turn comes; a running one finishes', () => {
    const { send } = setup(tenant('acme', { concurrent: 1 }))
    const run = runOf(send(request('a')))
    send(request('b'))
    send(tenant('acme', { concurrent: 1 }, { version: 2, status: 'SUSPENDED' }))
    expect(summaryOf(send(request('c')))).to.deep.equal(['run-failed REJECTED SUBSCRIPTION_INACTIVE'])
    expect(summaryOf(send(ended(run)))).to.deep.equal([
      'run-completed COMPLETED',
      'run-failed REJECTED SUBSCRIPTION_INACTIVE',
    ])
  })

  it('announces a rejection at promotion again at the next tick, and then no more', () => {
    const { send } = setup(tenant('acme', { concurrent: 1 }))
    const run = runOf(send(request('a')))
    send(request('b'))
    send(tenant('acme', { concurrent: 1 }, { version: 2, status: 'EXPIRED' }))
    send(ended(run))
    expect(summaryOf(send({ kind: 'tick', at: at(2) }))).to.deep.equal(['run-failed REJECTED SUBSCRIPTION_INACTIVE'])
    expect(summaryOf(send({ kind: 'tick', at: at(2) }))).to.deep.equal(['run-failed REJECTED SUBSCRIPTION_INACTIVE'])
    expect(send({ kind: 'tick', at: at(3) })).to.deep.equal([])
  })

  it('lets runs start until the last day that is paid for', () => {
    const { send } = setup(tenant('acme', {}, { trial_end_date: '2026-03-01', subscription_end_date: '2026-03-10' }))
    expect(summaryOf(send(request('a', {}, '2026-03-10T23:59:59.000Z')))).to.deep.equal(['run-admitted'])
    expect(summaryOf(send(request('b', {}, '2026-03-11T00:00:00.000Z')))).to.deep.equal([
      'run-failed REJECTED SUBSCRIPTION_INACTIVE',
    ])
  })

  it('starts queued runs when the limit rises', () => {
    const { send } = setup(tenant('acme', { concurrent: 1 }))
    send(request('a'))
    send(request('b'))
    expect(summaryOf(send(tenant('acme', { concurrent: 2 }, { version: 2 })))).to.deep.equal(['run-admitted'])
  })

  it('rejects a verified request that asks for something wrong, with its code', () => {
    const { send } = setup(tenant('acme'))
    expect(
      summaryOf(
        send({
          ...request('a', { steps: [] }),
          refused: { code: 'PIPELINE_UNKNOWN', message: 'pipeline x/y/z: no such pipeline' },
        }),
      ),
    ).to.deep.equal(['run-failed REJECTED PIPELINE_UNKNOWN'])
  })

  it('completes a resumed run at once when nothing is left to do', () => {
    const { send } = setup(tenant('acme'))
    expect(summaryOf(send(request('a', { skip: ['s0', 's1'] })))).to.deep.equal([
      'run-admitted',
      'run-completed COMPLETED',
    ])
  })

  for (const [conclusion, word] of [
    ['FAILED', 'run-failed FAILED JOB_FAILED'],
    ['TIMED_OUT', 'run-failed FAILED TIMED_OUT'],
    ['CANCELLED', 'run-failed CANCELLED JOB_FAILED'],
    ['SUCCEEDED', 'run-completed COMPLETED'],
    ['SKIPPED', 'run-completed COMPLETED'],
  ] as const) {
    it(`ends a run whose last step is ${conclusion} as ${word}`, () => {
      const { send } = setup(tenant('acme'))
      const run = runOf(send(request('a')))
      const error = word.includes('failed') ? { error: { code: 'JOB_FAILED', message: 'backend' } } : {}
      expect(summaryOf(send(ended(run, { conclusion, ...error })))).to.deep.equal([word])
    })
  }

  it('ends a run as FAILED by its first item that failed, and names the others, also when its last step succeeded', () => {
    const { send } = setup(tenant('acme'))
    const run = runOf(send(request('a')))
    const failed = ['load-a', 'load-c'].map((step_id) => ({
      step_id,
      error: { code: 'EXPORT_INVALID', message: `${step_id} has no rows` },
    }))
    const [end] = send(ended({ ...run, failed }))
    expect(end?.event).to.deep.include({
      status: 'FAILED',
      step_id: 'load-a',
      error: { code: 'EXPORT_INVALID', message: 'load-a has no rows\nAlso failed: load-c' },
    })
  })

  it('cancels a queued and a running run at once and frees the slot; what finishes later is superseded', () => {
    const { send, kinds } = setup(tenant('acme', { concurrent: 1 }))
    const run = runOf(send(request('a')))
    send(request('b'))
    send(request('c'))
    const cancel = (key: string) =>
      ({ kind: 'cancel', tenant_id: 'acme', run_id: makeRun(key).run_id, at: at(1) }) as const
    expect(summaryOf(send(cancel('b')))).to.deep.equal(['run-failed CANCELLED CANCELLED'])
    const over = send(cancel('a'))
    expect(summaryOf(over)).to.deep.equal(['run-failed CANCELLED CANCELLED', 'run-admitted'])
    expect(send(cancel('a'))).to.deep.equal(over.slice(0, 1))
    expect(send(ended(run))).to.deep.equal([])
    expect(
      send(
        ended(run, {
          step_id: 's0',
          conclusion: 'FAILED',
          error: { code: 'CANCELLED', message: 'the run was cancelled' },
        }),
      ),
    ).to.deep.equal([])
    expect(kinds().join(' ')).to.equal('ADMIT QUEUE QUEUE CANCEL RELEASE CANCEL RELEASE ADMIT')
  })

  it('runs one at a time of those with one concurrency_key, in order, and others beside them', () => {
    const { send, state } = setup(tenant('acme', { concurrent: 3 }), tenant('globex'))
    const serial = { concurrency_key: 'nightly' }
    const first = send(request('a', serial))
    expect(summaryOf(first)).to.deep.equal(['run-admitted'])
    expect(send(request('c', serial, at(2)))).to.deep.equal([])
    expect(send(request('b', serial, at(1)))).to.deep.equal([])
    expect(summaryOf(send(request('d')))).to.deep.equal(['run-admitted'])
    expect(summaryOf(send(request('a', { tenant_id: 'globex', ...serial })))).to.deep.equal(['run-admitted'])
    const then = send(ended(runOf(first), {}, at(3)))
    expect(summaryOf(then)).to.deep.equal(['run-completed COMPLETED', 'run-admitted'])
    expect((then[1]?.event as { run: Run }).run.run_id).to.equal(makeRun('b').run_id)
    expect([...state.occupied].sort()).to.deep.equal([
      ['acme nightly', makeRun('b').run_id],
      ['globex nightly', makeRun('a', { tenant_id: 'globex' }).run_id],
    ])
  })

  it('lets those of a schedule that wait start in the order of their times, in whichever they come', () => {
    const { send } = setup(tenant('acme'))
    const serial = (minute: number) => ({
      concurrency_key: 'nightly',
      trigger_type: 'schedule' as const,
      scheduled_time: at(minute, '2026-03-09'),
    })
    let told = send(request('first', serial(0)))
    for (const minute of [3, 1, 2]) send(request(`m${minute}`, serial(minute)))
    const order: string[] = []
    for (let k = 0; k < 3; k++) {
      told = send(ended(runOf(told), {}, at(k + 1))).slice(1)
      order.push(runOf(told).scheduled_time ?? '')
    }
    expect(order).to.deep.equal([1, 2, 3].map((minute) => at(minute, '2026-03-09')))
  })

  it('lets a run wait behind one with its concurrency_key without keeping others from the room that there is', () => {
    const { send } = setup(tenant('acme', { concurrent: 2 }))
    const serial = { concurrency_key: 'nightly', priority: 0 }
    const first = send(request('a', serial))
    send(request('b', serial))
    const other = send(request('c'))
    send(request('d'))
    expect(summaryOf(send(ended(runOf(other))))).to.deep.equal(['run-completed COMPLETED', 'run-admitted'])
    expect(summaryOf(send(ended(runOf(first))))).to.deep.equal(['run-completed COMPLETED', 'run-admitted'])
  })

  it('cancels the runs with its concurrency_key for one that says so, and tells it again when it comes again', () => {
    const { send, kinds } = setup(tenant('acme', { concurrent: 2 }))
    const serial = { concurrency_key: 'nightly' }
    send(request('a', serial))
    send(request('b', serial))
    const newer = request('c', { ...serial, cancel_in_progress: true }, at(5))
    const told = send(newer)
    expect(summaryOf(told)).to.deep.equal([
      'run-failed CANCELLED CANCELLED',
      'run-failed CANCELLED CANCELLED',
      'run-admitted',
    ])
    expect(told[0]?.event).to.have.nested.property(
      'error.message',
      `the run was replaced by ${makeRun('c').run_id}, which has the same concurrency_key`,
    )
    const written = kinds().length
    expect(send(newer)).to.deep.equal(told)
    expect(kinds()).to.have.length(written)
  })

  it('refuses a run that would cancel, and comes later than one of a later time', () => {
    const { send, state } = setup(tenant('acme'))
    const of = (minute: number) => ({
      concurrency_key: 'nightly',
      cancel_in_progress: true,
      trigger_type: 'schedule' as const,
      scheduled_time: at(minute),
    })
    expect(summaryOf(send(request('newer', of(2))))).to.deep.equal(['run-admitted'])
    const late = request('older', of(1), at(3))
    const told = send(late)
    expect(summaryOf(told)).to.deep.equal(['run-failed REJECTED CANCELLED'])
    expect(send(late)).to.deep.equal(told)
    expect([...state.running.keys()]).to.deep.equal([makeRun('newer').run_id])
  })

  it('lets a resumed run wait where its parent waited', () => {
    const { send } = setup(tenant('acme', { concurrent: 3 }))
    const serial = { concurrency_key: 'nightly' }
    const failed = runOf(send(request('a', serial)))
    send(ended(failed, { conclusion: 'FAILED', error: { code: 'INTERNAL', message: 'x' } }))
    send(request('b', serial))
    const resume = { trigger_type: 'resume' as const, parent_run_id: failed.run_id }
    expect(send(request('c', resume))).to.deep.equal([])
  })

  it('cancels nothing for a run that is refused', () => {
    const { send } = setup(tenant('acme', { daily: 1 }))
    const serial = { concurrency_key: 'nightly' }
    send(request('a', serial))
    expect(summaryOf(send(request('b', { ...serial, cancel_in_progress: true })))).to.deep.equal([
      'run-failed REJECTED QUOTA_EXCEEDED',
    ])
  })

  it('does not let one tenant cancel a run of another', () => {
    const { send, group } = setup(tenant('acme'), tenant('globex'))
    const run = runOf(send(request('a')))
    expect(group({ kind: 'cancel', tenant_id: 'globex', run_id: run.run_id, at: at(1) })[0])
      .to.be.instanceOf(AppError)
      .with.property('code', 'NOT_FOUND')
  })

  it('frees the slot of a run whose message nobody could handle, once', () => {
    const { send, state } = setup(tenant('acme'))
    const run = runOf(send(request('a')))
    const poison = {
      kind: 'poison',
      run_id: run.run_id,
      subscription: 'executor.step-completed',
      detail: 'threw',
      at: at(5),
    } as const
    expect(summaryOf(send(poison))).to.deep.equal(['run-failed FAILED POISON'])
    expect(summaryOf(send(poison))).to.deep.equal(['run-failed FAILED POISON'])
    expect(state.running.size).to.equal(0)
    expect(send({ ...poison, run_id: makeRun('never').run_id })).to.deep.equal([])
  })

  it('rejects a dead request that verifies, unless its run is known', () => {
    const { send } = setup(tenant('acme'))
    const { run, digest } = request('a')
    const poison = {
      kind: 'poison',
      run_id: run.run_id,
      subscription: 'scheduler.run-requested',
      detail: 'threw',
      at: at(5),
      request: { run, digest },
    } as const
    expect(summaryOf(send(poison))).to.deep.equal(['run-failed REJECTED POISON'])
    send(request('b'))
    expect(send({ ...poison, run_id: makeRun('b').run_id, request: { run: makeRun('b'), digest } })).to.deep.equal([])
  })
})

describe('the sweeper', () => {
  const tick = (minute: number, heard?: ReadonlyMap<string, string>) =>
    ({ kind: 'tick', at: at(minute), heard }) as const

  it('starts a silent run five times again, each after a longer silence, then calls it LOST and frees the slot', () => {
    const { send, state } = setup(tenant('acme', { concurrent: 1 }))
    send(request('a'))
    send(request('b'))
    const seen: string[] = []
    for (let minute = 1; minute < 200 && !seen.includes('run-failed FAILED LOST'); minute += 1) {
      const answers = send(tick(minute))
      if (answers.length > 0) seen.push(`${minute}`, ...summaryOf(answers))
    }
    expect(seen.join(' ')).to.equal(
      '12 run-admitted 25 run-admitted 39 run-admitted 55 run-admitted 75 run-admitted 103 run-failed FAILED ' +
        'LOST run-admitted',
    )
    expect(state.running.size).to.equal(1)
  })

  it('waits for a run of which something was recorded lately', () => {
    const { send } = setup(tenant('acme'))
    const run = runOf(send(request('a')))
    expect(send(tick(12, new Map([[run.run_id, at(5)]])))).to.deep.equal([])
    expect(summaryOf(send(tick(17, new Map([[run.run_id, at(5)]]))))).to.deep.equal(['run-admitted'])
  })

  it('publishes a promotion again a minute later, for its first announcement may have died', () => {
    const { send } = setup(tenant('acme', { concurrent: 1 }))
    const run = runOf(send(request('a')))
    send(request('b'))
    send(ended(run, {}, at(1)))
    expect(summaryOf(send(tick(2)))).to.deep.equal(['run-admitted'])
  })

  it('gives the same answer when the same tick comes again', () => {
    const { send } = setup(tenant('acme'))
    send(request('a'))
    const first = send(tick(12))
    expect(send(tick(12)))
      .to.deep.equal(first)
      .and.have.length(1)
  })

  it('ends a run that has used up its time, counted from its start, and frees its slot', () => {
    const { send, state } = setup(tenant('acme', { concurrent: 1 }))
    send(request('a', { timeout_minutes: 5 }))
    send(request('b', { timeout_minutes: 5 }))
    expect(send(tick(4))).to.deep.equal([])
    const over = send(tick(5))
    expect(summaryOf(over)).to.deep.equal(['run-failed FAILED TIMED_OUT', 'run-admitted'])
    expect(over[0]?.event).to.have.nested.property('error.message').that.includes('timeout_minutes = 5')
    expect(over[0]?.event).to.not.have.property('step_id')
    // The same tick comes again: its answer may have been lost.
    expect(summaryOf(send(tick(5)))).to.include('run-failed FAILED TIMED_OUT')
    expect(state.accounts.get('acme')?.running).to.equal(1)
    expect(summaryOf(send(tick(10)))).to.deep.equal(['run-failed FAILED TIMED_OUT'])
  })

  it('keeps the first of LOST and COMPLETED, in both orders, and frees the slot once', () => {
    for (const lostFirst of [true, false]) {
      const { send, state } = setup(tenant('acme'))
      const run = runOf(send(request('a')))
      for (const minute of [12, 25, 39, 55, 75]) send(tick(minute))
      const words = lostFirst
        ? [send(tick(103)), send(ended(run, {}, at(103)))]
        : [send(ended(run, {}, at(103))), send(tick(103))]
      expect(words.flatMap(summaryOf)).to.deep.equal([lostFirst ? 'run-failed FAILED LOST' : 'run-completed COMPLETED'])
      expect(state.accounts.get('acme')?.running).to.equal(0)
    }
  })
})

describe('fold', () => {
  it('refuses a gap, a second RELEASE and a RELEASE of nothing', () => {
    const { log, send } = setup()
    send(tenant('acme'))
    send(ended(runOf(send(request('a')))))
    const release = log.at(-1)!
    expect(() => fold(emptyState('e1'), log.slice(1))).to.throw('a gap after seq 0')
    expect(() => fold(fold(emptyState('e1'), log), [{ ...release, seq: release.seq + 1 }])).to.throw(
      /RELEASE of .* a run that is ENDED/,
    )
    expect(() => fold(emptyState('e1'), [{ ...release, seq: 1 }])).to.throw('no row began')
  })

  it('ignores rows of another epoch', () => {
    const { log, send } = setup()
    send(tenant('acme'))
    expect(stateHash(fold(emptyState('e2'), log))).to.equal(stateHash(emptyState('e2')))
  })
})
