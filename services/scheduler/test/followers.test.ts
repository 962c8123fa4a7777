import { expect } from 'chai'
import type { Outgoing } from '@convergence/bus'
import { runId, type Run, type StepCompleted } from '@convergence/contracts'
import type { Following } from '@convergence/pipeline'
import { openFollowers } from '../src/followers.ts'
import type { Message } from '../src/ledger/decide.ts'
import { at, ended, request, runOf, setup, tenant } from './world.ts'

/** Runs of `custom/bench/three_steps` are followed by `focus/cost/aws`, with the same parameters. */
const followersOf = ({
  pipeline,
  run_id,
  tenant_id,
  parameters,
}: Pick<Run, 'pipeline' | 'run_id' | 'tenant_id' | 'parameters'>): Following[] => {
  const idempotency_key = `after:${run_id}:focus/cost/aws`
  return pipeline === 'custom/bench/three_steps'
    ? [{ run_id: runId(tenant_id, idempotency_key), idempotency_key, pipeline: 'focus/cost/aws', parameters }]
    : []
}
const open = (limits = { daily: 1, concurrent: 1 }) => {
  const world = setup(tenant('acme', limits))
  const follow = openFollowers({
    ledger: world,
    pipelines: { followersOf, datedParameters: (_path, given) => ({ ...given, date: 'd' }) },
    kid: 'scheduler',
  })
  let last: StepCompleted | undefined
  return {
    ...world,
    send: (message: Message) => {
      if (message.kind === 'ended') last = message.event
      return world.send(message)
    },
    /** What follows what the last end of a step has brought. */
    follow: (told: readonly Outgoing[], time: string) => (last === undefined ? [] : follow(told, last, time)),
  }
}
/** The request as a message of its own, as the consumer makes it. */
let minute = 9
const asRequest = ({ event, idempotency_key = '' }: Outgoing) => {
  minute += 1
  const { run_id, parameters, ...rest } = event as unknown as Run
  // As compiled, with its days written out.
  const asked = { ...rest, parameters: { ...parameters, date: 'd' } }
  return request(idempotency_key, { ...asked, run_id, steps_count: 1 }, at(minute))
}

describe('runs that follow a run', () => {
  it('are asked for once it has completed, by the same name however often its end comes', () => {
    const { send, follow, state } = open()
    const run = runOf(send(request('a', { parameters: { month: '2026-01' }, priority: 3, user_id: 'u' })))
    const told = send(ended(run))
    const [asked, ...others] = follow(told, at(1))
    expect(others).to.deep.equal([])
    expect(asked).to.deep.equal({
      topic: 'run-requested',
      event: {
        run_id: runId('acme', `after:${run.run_id}:focus/cost/aws`),
        tenant_id: 'acme',
        pipeline: 'focus/cost/aws',
        parameters: { month: '2026-01' },
        parent_run_id: run.run_id,
        trigger_type: 'after',
        trigger_by: 'custom/bench/three_steps',
        priority: 3,
        user_id: 'u',
      },
      idempotency_key: `after:${run.run_id}:focus/cost/aws`,
      attributes: { kid: 'scheduler' },
    })
    // The process died before it was published: the message comes again, also after the other run has begun.
    expect(follow(send(ended(run)), at(1))).to.deep.equal([asked])
    if (asked === undefined) throw new Error('nothing was asked for')
    send(asRequest(asked))
    expect(follow(send(ended(run)), at(1))).to.deep.equal([asked])
    expect(state.runs.size).to.equal(2)
    // The plan allows one run a day, which was the first.
    expect([...(state.accounts.get('acme')?.days ?? [])]).to.deep.equal([['2026-03-10', 1]])
  })

  it('are asked for though an item of a for_each failed, where another did what it should, and not where all failed', () => {
    const fault = { code: 'OBJECT_NOT_FOUND', message: 'no' } as const
    const step = (step_id: string, for_each?: string) => ({
      step_id,
      name: step_id,
      ps_type: 'custom.noop',
      host: 'executor' as const,
      timeout_minutes: 1,
      retry_policy: { max_retries: 0, retry_delay_seconds: 0 },
      config: {},
      ...(for_each === undefined ? {} : { for_each }),
    })
    const followed = (end: Partial<StepCompleted>, failed: string[], skip: string[] = []) => {
      const { send, follow } = open()
      const run = runOf(send(request('a')))
      const steps = [step('before'), step('load-a', 'load'), step('load-b', 'load'), step('later-a', 'later')]
      const whole = { ...run, steps, skip, failed: failed.map((step_id) => ({ step_id, error: fault })) }
      const told = send(ended(whole, { conclusion: 'FAILED', error: fault, step_id: 'load-b', ...end }))
      expect(told[0]?.topic).to.equal('run-failed')
      return follow(told, at(1)).length
    }
    expect(followed({ conclusion: 'FAILED' }, [])).to.equal(1)
    expect(followed({ conclusion: 'FAILED' }, ['load-a'])).to.equal(0)
    // Of what was resumed only the rest counts.
    expect(followed({ conclusion: 'FAILED' }, [], ['load-a'])).to.equal(0)
    expect(followed({ step_id: 'before' }, [])).to.equal(0)
    expect(followed({ step_id: 'later-a' }, [])).to.equal(0)
    expect(followed({ conclusion: 'CANCELLED', error: { code: 'CANCELLED', message: 'no' } }, [])).to.equal(0)
  })

  it('are none of a run that failed, was refused, or is of a tenant without a subscription', () => {
    const { send, follow } = open({ daily: 2, concurrent: 2 })
    const [a, b] = [runOf(send(request('a'))), runOf(send(request('b')))]
    const fault = { code: 'INTERNAL', message: 'no' } as const
    expect(follow(send(ended(a, { conclusion: 'FAILED', error: fault })), at(1))).to.deep.equal([])
    expect(follow(send(request('c')), at(1))).to.deep.equal([])
    send(tenant('acme', {}, { version: 2, status: 'SUSPENDED' }))
    expect(follow(send(ended(b)), at(1))).to.deep.equal([])
  })

  it('are not asked for twice while the same waits for its turn, and are once it has begun', () => {
    const { send, follow } = open({ daily: 9, concurrent: 1 })
    const parameters = { month: '2026-01' }
    const first = runOf(send(request('a', { parameters })))
    send(request('b', { parameters }, at(1)))
    send(request('c', { parameters: { month: '2026-02' } }, at(2)))
    send(request('d', { parameters }, at(3)))
    /** What follows the end of a run, and the next run that its slot lets start. */
    const next = (run: Run) => {
      const told = send(ended(run))
      const started = told.find(({ topic }) => topic === 'run-admitted')
      for (const asked of follow(told, at(1))) send(asRequest(asked))
      return { run: runOf([started as Outgoing]), asked: follow(told, at(1)).length }
    }
    const b = next(first)
    expect(b.asked).to.equal(1)
    const c = next(b.run)
    expect([c.asked, c.run.parameters]).to.deep.equal([0, { month: '2026-02' }])
    const d = next(c.run)
    expect(d.asked).to.equal(1)
    // Its slot lets the follower of the first begin, which sees what this one has left all the same: one more is asked for.
    const last = next(d.run)
    expect([last.asked, last.run.parent_run_id]).to.deep.equal([1, first.run_id])
  })
})
