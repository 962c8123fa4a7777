import { expect } from 'chai'
import type { Delivery } from '@convergence/bus'
import { AppError } from '@convergence/contracts'
import type { CompiledStep, Run, StepCompleted } from '@convergence/contracts'
import type { Log } from '../src/service.ts'
import { openSteps, type Processor, type StepContext } from '../src/steps.ts'

const step = (step_id: string, more: Partial<CompiledStep> = {}): CompiledStep => ({
  step_id,
  name: step_id,
  ps_type: 'custom.noop',
  host: 'executor',
  timeout_minutes: 10,
  retry_policy: { max_retries: 2, retry_delay_seconds: 4 },
  config: {},
  ...more,
})
const runOf = (...steps: CompiledStep[]): Run => ({
  run_id: `r_${'a'.repeat(26)}`,
  tenant_id: 'acme',
  pipeline: 'custom/bench/three_steps',
  pipeline_id: 'three',
  trigger_type: 'api',
  parameters: {},
  priority: 5,
  requested_at: '2026-01-01T00:00:00Z',
  sources: [],
  steps,
  notifications: [],
})

/**
 * Steps with one processor; time stands still, and a sleep ends only when `wake` says so: by default pauses do,
 * time-outs do not.
 */
const setup = ({
  work,
  wake = (ms) => ms < 600_000,
}: {
  work: (context: StepContext) => ReturnType<Processor['run']>
  wake?: (ms: number) => boolean
}) => {
  const sleeps: number[] = []
  const logged: object[] = []
  const quiet = () => undefined
  const log: Log = {
    debug: quiet,
    info: quiet,
    warn: quiet,
    error: (fields) => {
      logged.push(fields)
    },
    child: () => log,
  }
  const stop = new AbortController()
  const steps = openSteps({
    service: 'executor',
    processors: { 'custom.noop': { ps_type: 'custom.noop', run: work } },
    now: () => new Date('2026-01-01T00:00:05Z'),
    random: () => 0.5,
    log,
    sleep: (ms, signal) => {
      sleeps.push(ms)
      return wake(ms)
        ? Promise.resolve()
        : new Promise((_resolve, reject) => {
            signal.addEventListener(
              'abort',
              () => {
                reject(new Error('woken'))
              },
              { once: true },
            )
          })
    },
  })
  const delivery: Delivery = {
    message_id: '1',
    published_at: '2026-01-01T00:00:00Z',
    attributes: {},
    data: new Uint8Array(),
    attempt: 1,
    beforeAck: () => undefined,
    signal: stop.signal,
  }
  return {
    sleeps,
    logged,
    stop,
    steps,
    host: (run: Run, step_id = 's0') => steps.host(run, [{ step_id, host: 'executor' }], delivery),
    /** The one step-completed that came of it. */
    one: async (run: Run, step_id = 's0'): Promise<StepCompleted> => {
      const [event, ...others] = await steps.host(run, [{ step_id, host: 'executor' }], delivery)
      expect(others).to.deep.equal([])
      if (event?.topic !== 'step-completed') throw new Error('no step-completed')
      return event.event
    },
    delivery,
  }
}

describe('running a step', () => {
  it('says how it went and what follows', async () => {
    const { one } = setup({
      work: async () => ({ rows_written: 3, bytes_processed: 40, outputs: { table: 'acme.t' } }),
    })
    const run = runOf(step('s0'), step('s1', { host: 'tenant' }))
    expect(await one(run)).to.deep.equal({
      run,
      step_id: 's0',
      attempt: 0,
      conclusion: 'SUCCEEDED',
      started_at: '2026-01-01T00:00:05.000Z',
      ended_at: '2026-01-01T00:00:05.000Z',
      duration_ms: 0,
      rows_written: 3,
      bytes_processed: 40,
      outputs: { table: 'acme.t' },
      next: [{ step_id: 's1', host: 'tenant' }],
    })
  })

  it("publishes the step's own events before the step is said to have ended", async () => {
    const { host } = setup({ work: async () => ({ events: [{ topic: 'scheduler-tick', event: {} }] }) })
    expect((await host(runOf(step('s0')))).map(({ topic }) => topic)).to.deep.equal([
      'scheduler-tick',
      'step-completed',
    ])
  })

  it('leaves alone what another service hosts, whatever the message says', async () => {
    let ran = 0
    const { steps, delivery } = setup({
      work: async () => {
        ran++
        return {}
      },
    })
    const run = runOf(step('s0', { host: 'tenant' }), step('s1'))
    expect(await steps.host(run, [{ step_id: 's0', host: 'tenant' }], delivery)).to.deep.equal([])
    expect(await steps.host(run, [{ step_id: 's0', host: 'executor' }], delivery)).to.deep.equal([])
    expect(await steps.host(run, undefined, delivery)).to.deep.equal([])
    expect(ran).to.equal(0)
  })

  it('runs several steps of one message side by side', async () => {
    let waiting = 0
    let go: () => void = () => undefined
    const all = new Promise<void>((resolve) => {
      go = resolve
    })
    const { steps, delivery } = setup({
      work: async () => {
        if (++waiting === 2) go()
        await all
        return {}
      },
    })
    const run = runOf(
      step('s0', { depends_on: [] }),
      step('s1', { depends_on: [] }),
      step('s2', { depends_on: ['s0', 's1'] }),
    )
    const events = await steps.host(
      run,
      [
        { step_id: 's0', host: 'executor' },
        { step_id: 's1', host: 'executor' },
      ],
      delivery,
    )
    expect(events).to.have.length(2)
    for (const { event } of events) expect(event).not.to.have.property('next')
  })

  it('tries again what may pass, with growing pauses, as often as the policy says', async () => {
    let tries = 0
    const { one, sleeps } = setup({
      work: async () => {
        tries++
        throw new AppError('SOURCE_UNAVAILABLE', 'not now')
      },
    })
    const event = await one(runOf(step('s0')))
    expect([tries, event.conclusion, event.attempt, event.error, event.next]).to.deep.equal([
      3,
      'FAILED',
      2,
      { code: 'SOURCE_UNAVAILABLE', message: 'not now' },
      [],
    ])
    expect(sleeps.filter((ms) => ms < 600_000)).to.deep.equal([3_000, 6_000])
  })

  it("gives the message back while the warehouse does not answer, and never calls that the step's failure", async () => {
    let tries = 0
    const { host } = setup({
      work: async () => {
        tries++
        throw new AppError('UNAVAILABLE', 'not now')
      },
    })
    const error = await host(runOf(step('s0'))).then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    expect(error).to.be.instanceOf(AppError).and.include({ code: 'UNAVAILABLE' })
    expect(tries).to.equal(3)
  })

  it('gives the message back when the time is over and nobody says how its job ended', async () => {
    const { host } = setup({
      wake: (ms) => ms === 600_000,
      work: ({ signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            reject(new AppError('UNAVAILABLE', 'no answer'))
          })
        }),
    })
    expect(
      await host(runOf(step('s0'))).then(
        () => undefined,
        (thrown: unknown) => thrown,
      ),
    ).to.include({ code: 'UNAVAILABLE' })
  })

  it('succeeds at a later try, and says which', async () => {
    let tries = 0
    const { one } = setup({
      work: async () => {
        if (++tries === 1) throw new AppError('OBJECT_CHANGED', 'replaced')
        return {}
      },
    })
    expect(await one(runOf(step('s0')))).to.include({ conclusion: 'SUCCEEDED', attempt: 1 })
  })

  for (const code of ['EXPORT_INVALID', 'JOB_FAILED'] as const) {
    it(`does not try again after ${code}`, async () => {
      let tries = 0
      const { one } = setup({
        work: async () => {
          tries++
          throw new AppError(code, 'no', { faults: ['line 3'] })
        },
      })
      const event = await one(runOf(step('s0'), step('s1')))
      expect([tries, event.error, event.next]).to.deep.equal([1, { code, message: 'no\nline 3' }, []])
    })
  }

  it('shows an unforeseen error by its class alone and logs it', async () => {
    const { one, logged } = setup({
      work: async () => {
        throw new TypeError('canary-secret')
      },
    })
    const event = await one(runOf(step('s0', { retry_policy: { max_retries: 0, retry_delay_seconds: 1 } })))
    expect(event.error?.code).to.equal('INTERNAL')
    expect(JSON.stringify(event)).to.contain('TypeError').and.not.contain('canary-secret')
    expect(logged).to.have.length(1)
  })

  it('fails a step whose ps_type nobody knows', async () => {
    const { one } = setup({ work: async () => ({}) })
    for (const ps_type of ['custom.unknown', 'toString', '__proto__']) {
      const event = await one(runOf(step('s0', { ps_type })))
      expect([event.conclusion, event.error?.code]).to.deep.equal(['FAILED', 'CONFIG_INVALID'])
      expect(event.error?.message).to.contain(ps_type)
    }
  })

  it('ends a step that takes longer than timeout_minutes as TIMED_OUT', async () => {
    const { one } = setup({
      wake: (ms) => ms === 600_000,
      work: ({ signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            reject(new Error('stopped'))
          })
        }),
    })
    const event = await one(runOf(step('s0'), step('s1')))
    expect([event.conclusion, event.error?.code, event.next]).to.deep.equal(['TIMED_OUT', 'TIMED_OUT', []])
    expect(event.error?.message).to.contain('timeout_minutes = 10')
  })

  it('ends even a processor that does not listen, after a grace', async () => {
    const { one } = setup({ wake: () => true, work: () => new Promise(() => undefined) })
    expect((await one(runOf(step('s0')))).conclusion).to.equal('TIMED_OUT')
  })

  it('counts an effect that finished at the last moment as a success', async () => {
    const { one } = setup({
      wake: (ms) => ms === 600_000,
      work: ({ signal }) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => {
            resolve({ rows_written: 7 })
          })
        }),
    })
    expect(await one(runOf(step('s0')))).to.include({ conclusion: 'SUCCEEDED', rows_written: 7 })
  })

  it('gives the message back at shutdown: no event, and an error that brings it again', async () => {
    const { host, stop } = setup({
      work: ({ signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            reject(new AppError('EXPORT_INVALID', 'made up by the abort'))
          })
        }),
    })
    const going = host(runOf(step('s0')))
    stop.abort()
    const error = await going.then(
      () => undefined,
      (reason: unknown) => reason,
    )
    expect(error).to.be.instanceOf(AppError).and.include({ code: 'UNAVAILABLE' })
  })

  describe('of a run that is cancelled', () => {
    const run = runOf(step('s0'), step('s1'))
    /** Ends as `end` says once it is told to stop. */
    const until =
      (end: (reason: unknown) => Awaited<ReturnType<Processor['run']>>) =>
      ({ signal }: StepContext) =>
        new Promise<Awaited<ReturnType<Processor['run']>>>((resolve, reject) => {
          signal.addEventListener('abort', () => {
            try {
              resolve(end(signal.reason))
            } catch (error) {
              reject(error)
            }
          })
        })

    it('stops it: FAILED with CANCELLED, never TIMED_OUT, never tried again, and nothing follows', async () => {
      for (const thrown of [
        (reason: unknown) => reason,
        () => new Error('what an abort makes of a call'),
        () => new AppError('SOURCE_UNAVAILABLE', 'broken off'),
      ]) {
        let tries = 0
        const work = until((reason) => {
          throw thrown(reason)
        })
        const { one, steps } = setup({
          work: (context) => {
            tries++
            return work(context)
          },
        })
        const going = one(run)
        steps.cancel(run.run_id)
        steps.cancel(run.run_id)
        const event = await going
        expect([tries, event.conclusion, event.error, event.next]).to.deep.equal([
          1,
          'FAILED',
          { code: 'CANCELLED', message: 'the run was cancelled' },
          [],
        ])
      }
    })

    it('stops it between two attempts', async () => {
      const { one, steps } = setup({
        wake: () => false,
        work: async () => {
          throw new AppError('SOURCE_UNAVAILABLE', 'not now')
        },
      })
      const going = one(run)
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
      steps.cancel(run.run_id)
      expect(await going).to.deep.include({
        conclusion: 'FAILED',
        attempt: 0,
        error: { code: 'CANCELLED', message: 'the run was cancelled' },
      })
    })

    it('says the same of a step whose job was cancelled by its id', async () => {
      const { one } = setup({
        work: async () => {
          throw new AppError('CANCELLED', 'the job was cancelled')
        },
      })
      expect(await one(run)).to.deep.include({
        conclusion: 'FAILED',
        attempt: 0,
        error: { code: 'CANCELLED', message: 'the job was cancelled' },
        next: [],
      })
    })

    it('counts an effect that finished all the same as a success', async () => {
      const { one, steps } = setup({ work: until(() => ({ rows_written: 7 })) })
      const going = one(run)
      steps.cancel(run.run_id)
      expect(await going).to.deep.include({ conclusion: 'SUCCEEDED', rows_written: 7 })
    })

    it('gives the message back when nobody says how its job ended; when it comes again, it is answered without running', async () => {
      let tries = 0
      const work = until(() => {
        throw new AppError('UNAVAILABLE', 'no answer')
      })
      const { host, steps } = setup({
        work: (context) => {
          tries++
          return work(context)
        },
      })
      const going = host(run).then(
        () => undefined,
        (thrown: unknown) => thrown,
      )
      steps.cancel(run.run_id)
      expect(await going).to.include({ code: 'UNAVAILABLE' })
      expect(await host(run)).to.deep.equal([])
      expect(tries).to.equal(1)
    })

    it('starts none of its steps any more, and leaves other runs alone', async () => {
      const ran: string[] = []
      const { host, one, steps } = setup({
        work: async ({ run: { run_id }, step: { step_id } }) => {
          ran.push(`${run_id} ${step_id}`)
          return {}
        },
      })
      const other = { ...run, run_id: 'r_other' }
      steps.cancel(run.run_id)
      expect([await host(run), await host(run, 's1')]).to.deep.equal([[], []])
      expect(await one(other)).to.include({ conclusion: 'SUCCEEDED' })
      expect(ran).to.deep.equal(['r_other s0'])
    })

    it('does not stop the step of another run', async () => {
      const { one, steps } = setup({
        wake: (ms) => ms === 600_000,
        work: until(() => {
          throw new Error('stopped')
        }),
      })
      const going = one(run)
      steps.cancel('r_other')
      expect((await going).conclusion).to.equal('TIMED_OUT')
    })

    it('remembers the last 10,000 of them', async () => {
      const { host, steps } = setup({ work: async () => ({}) })
      steps.cancel(run.run_id)
      for (let k = 1; k < 10_000; k++) steps.cancel(`r_${k}`)
      expect(await host(run)).to.deep.equal([])
      steps.cancel('r_10000')
      expect(await host(run)).to.have.length(1)
    })
  })

  it('waits between attempts as the policy says, and tells each that failed before the last', async () => {
    let tries = 0
    const { one, sleeps } = setup({
      work: async ({ chain }) => {
        chain.onRetry?.(new AppError('JOB_FAILED', `job ${tries}`))
        if (tries++ < 2) throw new AppError('SOURCE_UNAVAILABLE', 'not now')
        return { outputs: { table: 'acme.t' } }
      },
    })
    const policy = { max_retries: 5, retry_delay_seconds: 4, backoff: 'constant', jitter: 'none' } as const
    const { outputs } = await one(runOf(step('s0', { retry_policy: policy })))
    expect(sleeps.filter((ms) => ms < 600_000)).to.deep.equal([4_000, 4_000])
    expect(outputs?.['table']).to.equal('acme.t')
    expect((outputs?.['attempts'] as { error_message: string }[]).map((each) => each.error_message)).to.deep.equal([
      'job 0',
      'not now',
      'job 1',
      'not now',
      'job 2',
    ])
  })

  it('tries again only after the codes that the policy names, and not when its time is over', async () => {
    const failing = (code: 'SOURCE_UNAVAILABLE' | 'JOB_FAILED') => ({
      work: async () => {
        throw new AppError(code, 'no')
      },
    })
    const policy = { max_retries: 3, retry_delay_seconds: 1, retry_on: ['JOB_FAILED'] }
    const event = await setup(failing('SOURCE_UNAVAILABLE')).one(runOf(step('s0', { retry_policy: policy })))
    expect([event.attempt, event.conclusion]).to.deep.equal([0, 'FAILED'])
    const named = { ...policy, retry_on: ['SOURCE_UNAVAILABLE'] }
    const again = await setup(failing('SOURCE_UNAVAILABLE')).one(runOf(step('s0', { retry_policy: named })))
    expect(again.attempt).to.equal(3)
    // The clock of these tests stands still.
    const over = { ...named, max_total_minutes: Number.MIN_VALUE }
    const late = await setup(failing('SOURCE_UNAVAILABLE')).one(runOf(step('s0', { retry_policy: over })))
    expect(late.attempt).to.equal(0)
  })

  it('skips a step whose condition is false, and one that is needless, without asking its processor', async () => {
    let tries = 0
    const { steps, delivery } = setup({
      work: async () => {
        tries++
        return {}
      },
    })
    const run = runOf(step('s0', { when: "run.tenant_id == 'globex'" }), step('s1'))
    const [skipped] = await steps.host(run, [{ step_id: 's0', host: 'executor' }], delivery)
    expect(skipped?.event).to.deep.include({
      conclusion: 'SKIPPED',
      outputs: { skipped_because: "when: run.tenant_id == 'globex' is false" },
      next: [{ step_id: 's1', host: 'executor' }],
    })
    const [needless] = await steps.host(run, [{ step_id: 's1', host: 'executor', skip: 'nothing failed' }], delivery)
    expect(needless?.event).to.deep.include({ conclusion: 'SKIPPED', outputs: { skipped_because: 'nothing failed' } })
    expect(tries).to.equal(0)
  })

  it("names the step's effect", async () => {
    let seen: StepContext['chain'] | undefined
    const { one } = setup({
      work: async ({ chain }) => {
        seen = chain
        return {}
      },
    })
    await one(runOf(step('s0')))
    expect(seen).to.include({
      run_id: `r_${'a'.repeat(26)}`,
      step_id: 's0',
      tenant_id: 'acme',
      max_retries: 2,
      retry_delay_seconds: 4,
    })
  })
})
