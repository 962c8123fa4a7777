/** What the bus door means, whatever is behind it. `lacks` names what a target is known not to do. */
import { generateKeyPairSync } from 'node:crypto'
import { expect } from 'chai'
import { AppError, type StepCompleted } from '@convergence/contracts'
import {
  ensureTopology,
  openBus,
  openSigner,
  verifySignature,
  type Bus,
  type BusOptions,
  type BusPort,
} from '../src/bus.ts'

export interface BusTarget {
  open(): Promise<{ port: BusPort; end(): Promise<void> }>
  lacks?: readonly ('filters' | 'ordering')[]
}

const run: StepCompleted['run'] = {
  run_id: `r_${'a'.repeat(26)}`,
  tenant_id: 'acme',
  pipeline: 'custom/bench/three_steps',
  pipeline_id: 'three',
  trigger_type: 'api',
  parameters: {},
  priority: 5,
  requested_at: '2026-01-01T00:00:00Z',
  sources: [],
  steps: [],
  notifications: [],
}
const step = (step_id: string, next?: StepCompleted['next']): StepCompleted => ({
  run,
  step_id,
  attempt: 0,
  conclusion: 'SUCCEEDED',
  started_at: '2026-01-01T00:00:00Z',
  ended_at: '2026-01-01T00:00:01Z',
  duration_ms: 1,
  ...(next === undefined ? {} : { next }),
})

/** Resolves when `count` things were noted. */
const collector = <T>(count: number) => {
  const items: T[] = []
  let done: () => void = () => undefined
  const all = new Promise<T[]>((resolve) => {
    done = () => {
      resolve(items)
    }
  })
  return {
    items,
    all,
    note: (item: T) => {
      items.push(item)
      if (items.length === count) done()
    },
  }
}

/** A feed's subscription is made when it is consumed; what is published before is not its. */
const made = async (port: BusPort, subscription: string): Promise<void> => {
  while ((await port.getSubscription(subscription)) === undefined) await new Promise((resolve) => setImmediate(resolve))
}

export const busConformance = (target: BusTarget): void => {
  const setup = async (options: Partial<BusOptions> = {}) => {
    const { port, end } = await target.open()
    await ensureTopology(port, { minimumBackoffMs: 5, maximumBackoffMs: 10 })
    const warnings: object[] = []
    const log = {
      warn: (fields: object) => {
        warnings.push(fields)
      },
      error: (fields: object) => {
        warnings.push(fields)
      },
    }
    const buses: Bus[] = []
    const bus = (more: Partial<BusOptions> = {}) => {
      const made = openBus({ port, log, closeTimeoutMs: 2_000, ...options, ...more })
      buses.push(made)
      return made
    }
    return {
      bus,
      port,
      warnings,
      finish: async () => {
        for (const each of buses) await each.close()
        await end()
      },
    }
  }

  it('publishes what a handler returned before it acknowledges, and only then acknowledges', async () => {
    const points: string[] = []
    const { bus, finish } = await setup({
      crash: (point, subscription) => {
        if (subscription === 'executor.run-admitted') points.push(point)
      },
    })
    const seen = collector<string>(1)
    const one = bus()
    one.consume('executor', 'run-admitted', () => Promise.resolve([{ topic: 'step-completed', event: step('a', []) }]))
    one.consume('executor', 'step-completed', (event) => {
      seen.note(event.step_id)
      return Promise.resolve(undefined)
    })
    await one.publish([{ topic: 'run-admitted', event: { run, next: [] } }])
    expect(await seen.all).to.deep.equal(['a'])
    await finish()
    expect(points).to.deep.equal(['before-publish', 'after-publish', 'before-ack'])
  })

  it('publishes what follows before what the acknowledgement waits for is done, and nacks when that fails', async () => {
    const { bus, finish } = await setup()
    const seen = collector<string>(3)
    const one = bus()
    let fail: (error: Error) => void = () => undefined
    one.consume('executor', 'run-admitted', (_event, { attempt, beforeAck }) => {
      seen.note(`admitted ${attempt}`)
      // The record of the first attempt fails only after what follows has arrived.
      beforeAck(
        attempt === 1
          ? new Promise((_resolve, reject) => {
              fail = reject
            })
          : Promise.resolve(),
      )
      return Promise.resolve(attempt === 1 ? [{ topic: 'step-completed', event: step('a', []) }] : [])
    })
    one.consume('executor', 'step-completed', (event) => {
      seen.note(event.step_id)
      fail(new Error('the record failed'))
      return Promise.resolve(undefined)
    })
    await one.publish([{ topic: 'run-admitted', event: { run, next: [] } }])
    expect(await seen.all).to.deep.equal(['admitted 1', 'a', 'admitted 2'])
    await finish()
  })

  it('does not let go of a failed handler before what it wanted done has ended', async () => {
    const { bus, finish } = await setup()
    const order = collector<string>(2)
    const one = bus()
    one.consume('executor', 'step-completed', (_event, { attempt, beforeAck }) => {
      if (attempt === 2) {
        order.note('again')
        return Promise.resolve(undefined)
      }
      beforeAck(
        new Promise<void>((resolve) => {
          setTimeout(resolve, 30)
        }).then(() => {
          order.note('recorded')
        }),
      )
      return Promise.reject(new Error('interrupted'))
    })
    await one.publish([{ topic: 'step-completed', event: step('a') }])
    expect(await order.all).to.deep.equal(['recorded', 'again'])
    await finish()
  })

  it('gives a message back when its handler throws, with its attempts counted', async () => {
    const { bus, finish } = await setup()
    const attempts = collector<number>(3)
    const one = bus()
    one.consume('executor', 'step-completed', (_event, { attempt }) => {
      attempts.note(attempt)
      return attempt < 3 ? Promise.reject(new Error('not yet')) : Promise.resolve(undefined)
    })
    await one.publish([{ topic: 'step-completed', event: step('a') }])
    expect(await attempts.all).to.deep.equal([1, 2, 3])
    await finish()
  })

  it('sends a message that can never be handled to the dead letters at once, with the reason', async () => {
    const { bus, port, finish } = await setup()
    const dead = collector<{ subscription: string; reason: string | undefined; body: string }>(2)
    const one = bus()
    one.consume('executor', 'step-completed', () => Promise.reject(new AppError('EVENT_INVALID', 'never')))
    one.consumeDead(({ subscription, attributes, data }) => {
      dead.note({ subscription, reason: attributes['reason'], body: Buffer.from(data).toString() })
      return Promise.resolve(undefined)
    })
    await port.publish([{ topic: 'step-completed', data: Buffer.from('{not json'), attributes: {} }])
    await one.publish([{ topic: 'step-completed', event: step('a') }])
    const letters = await dead.all
    expect(letters.map(({ subscription, reason }) => `${subscription} ${String(reason)}`)).to.deep.equal([
      'executor.step-completed EVENT_INVALID',
      'executor.step-completed EVENT_INVALID',
    ])
    expect(letters[0]?.body).to.equal('{not json')
    await finish()
  })

  for (const code of ['FORBIDDEN', 'TABLE_NOT_FOUND', 'RESOURCE_EXHAUSTED'] as const) {
    it(`gives back a message whose handler met ${code}: that is none of its own doing`, async () => {
      const { bus, finish } = await setup()
      const attempts = collector<number>(3)
      const one = bus()
      one.consume('executor', 'step-completed', (_event, { attempt }) => {
        attempts.note(attempt)
        return attempt < 3 ? Promise.reject(new AppError(code, 'for a minute')) : Promise.resolve(undefined)
      })
      await one.publish([{ topic: 'step-completed', event: step('a') }])
      expect(await attempts.all).to.deep.equal([1, 2, 3])
      await finish()
    })
  }

  it('gives back a message when what follows meets a topic that is not there', async () => {
    const { bus, port, finish } = await setup()
    const attempts = collector<number>(2)
    let missing = 1
    const one = bus({
      port: {
        ...port,
        publish: (messages) =>
          messages.some(({ topic }) => topic === 'run-admitted') && missing-- > 0
            ? Promise.reject(new AppError('NOT_FOUND', 'no such topic'))
            : port.publish(messages),
      },
    })
    one.consume('executor', 'step-completed', (_event, { attempt }) => {
      attempts.note(attempt)
      return Promise.resolve([{ topic: 'run-admitted', event: { run, next: [] } }])
    })
    await one.publish([{ topic: 'step-completed', event: step('a') }])
    expect(await attempts.all).to.deep.equal([1, 2])
    await finish()
  })

  it('neither publishes nor takes half of a character', async () => {
    const { bus, port, finish } = await setup()
    const dead = collector<string | undefined>(1)
    const one = bus()
    one.consume('executor', 'step-completed', () => Promise.resolve(undefined))
    one.consumeDead(({ attributes }) => {
      dead.note(attributes['detail'])
      return Promise.resolve(undefined)
    })
    const half: StepCompleted = { ...step('a'), outputs: { text: '\ud83d' } }
    expect(
      await one.publish([{ topic: 'step-completed', event: half }]).then(
        () => 'published',
        (error: AppError) => `${error.code} ${error.message}`,
      ),
    ).to.match(/^EVENT_INVALID .*body\.outputs\.text/)
    await port.publish([{ topic: 'step-completed', data: Buffer.from(JSON.stringify(half)), attributes: {} }])
    expect((await dead.all)[0]).to.contain('body.outputs.text')
    await finish()
  })

  it('forwards a message to the dead letters after its last attempt', async () => {
    const { bus, finish } = await setup()
    const dead = collector<number>(1)
    let tries = 0
    const one = bus()
    one.consume('executor', 'step-completed', () => {
      tries += 1
      return Promise.reject(new Error('always'))
    })
    one.consumeDead(({ delivery_attempts }) => {
      dead.note(delivery_attempts)
      return Promise.resolve(undefined)
    })
    await one.publish([{ topic: 'step-completed', event: step('a') }])
    expect(await dead.all).to.deep.equal([20])
    expect(tries).to.equal(20)
    await finish()
  })

  it('delivers to each subscription what its filter lets through', async function () {
    if (target.lacks?.includes('filters')) this.skip()
    const { bus, finish } = await setup()
    const all = collector<string>(3)
    const last = collector<string>(1)
    const one = bus()
    one.consume('executor', 'step-completed', (event) => {
      all.note(event.step_id)
      return Promise.resolve(undefined)
    })
    one.consume('scheduler', 'step-completed', (event) => {
      last.note(event.step_id)
      return Promise.resolve(undefined)
    })
    await one.publish([
      { topic: 'step-completed', event: step('a', [{ step_id: 'b', host: 'tenant' }]) },
      { topic: 'step-completed', event: step('b') },
      { topic: 'step-completed', event: step('c', []) },
    ])
    expect((await all.all).sort()).to.deep.equal(['a', 'b', 'c'])
    expect(await last.all).to.deep.equal(['c'])
    await finish()
    expect(last.items).to.deep.equal(['c'])
  })

  it('gives every replica of a live feed every message', async () => {
    const { bus, port, finish } = await setup()
    const seen = collector<string>(2)
    const [a, b] = [bus(), bus()]
    a.consume(
      'auth',
      'run-admitted',
      () => {
        seen.note('a')
        return Promise.resolve(undefined)
      },
      { replica: 'one' },
    )
    b.consume(
      'auth',
      'run-admitted',
      () => {
        seen.note('b')
        return Promise.resolve(undefined)
      },
      { replica: 'two' },
    )
    for (const replica of ['one', 'two']) await made(port, `auth.run-admitted.${replica}`)
    await a.publish([{ topic: 'run-admitted', event: { run, next: [] } }])
    expect((await seen.all).sort()).to.deep.equal(['a', 'b'])
    await finish()
  })

  it('gives every handler the event as it was published, whatever another one tries to do with it', async () => {
    const { bus, port, finish } = await setup()
    const seen = collector<string>(2)
    const one = bus()
    for (const replica of ['one', 'two']) {
      one.consume(
        'auth',
        'run-admitted',
        (event) => {
          const refused: string[] = []
          for (const change of [
            () => {
              event.run.pipeline = 'changed'
            },
            () => {
              event.next.push({ step_id: 'z', host: 'executor' })
            },
          ]) {
            try {
              change()
            } catch (error) {
              refused.push(String(error instanceof TypeError))
            }
          }
          seen.note(`${event.run.pipeline} ${event.next.length} ${refused.join(' ')}`)
          return Promise.resolve(undefined)
        },
        { replica },
      )
      await made(port, `auth.run-admitted.${replica}`)
    }
    await one.publish([{ topic: 'run-admitted', event: { run, next: [] } }])
    expect(await seen.all).to.deep.equal([`${run.pipeline} 0 true true`, `${run.pipeline} 0 true true`])
    await finish()
  })

  it('shares the messages of a subscription between its consumers, each to one of them', async () => {
    const { bus, finish } = await setup()
    const seen = collector<string>(100)
    for (const one of [bus(), bus()])
      one.consume('executor', 'step-completed', (event) => {
        seen.note(event.step_id)
        return Promise.resolve(undefined)
      })
    await bus().publish(
      Array.from({ length: 100 }, (_, k) => ({ topic: 'step-completed' as const, event: step(`s${k}`) })),
    )
    expect(new Set(await seen.all).size).to.equal(100)
    await finish()
  })

  it('lets a running handler finish when it closes, and may be closed twice', async () => {
    const { bus, finish } = await setup()
    const began = collector<string>(1)
    let release: () => void = () => undefined
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    let finished = false
    const one = bus()
    one.consume('executor', 'step-completed', async () => {
      began.note('x')
      await held
      finished = true
      return undefined
    })
    await one.publish([{ topic: 'step-completed', event: step('a') }])
    await began.all
    const closed = Promise.all([one.close(), one.close()])
    release()
    await closed
    expect(finished).to.equal(true)
    await finish()
  })

  it('gives back what a handler did not finish in time, having aborted its signal', async () => {
    const { bus, finish } = await setup()
    const began = collector<string>(1)
    const again = collector<number>(1)
    const one = bus({ closeTimeoutMs: 50 })
    one.consume(
      'executor',
      'step-completed',
      (_event, { signal }) =>
        new Promise((_resolve, reject) => {
          began.note('x')
          signal.addEventListener('abort', () => {
            reject(new Error('stopping'))
          })
        }),
    )
    await one.publish([{ topic: 'step-completed', event: step('a') }])
    await began.all
    await one.close()
    const two = bus()
    two.consume('executor', 'step-completed', (_event, { attempt }) => {
      again.note(attempt)
      return Promise.resolve(undefined)
    })
    expect((await again.all)[0]).to.be.greaterThan(1)
    await finish()
  })

  it('refuses to publish an event that does not follow its schema, and a request without a signature', async () => {
    const { bus, finish } = await setup()
    const refused = async (work: Promise<void>) =>
      work.then(
        () => 'published',
        (error: unknown) => (error as AppError).code,
      )
    expect(
      await refused(bus().publish([{ topic: 'step-completed', event: { ...step('a'), duration_ms: -1 } }])),
    ).to.equal('EVENT_INVALID')
    expect(
      await refused(
        bus().publish([
          { topic: 'run-requested', event: { tenant_id: 'acme', pipeline: 'a/b/c' }, idempotency_key: 'k' },
        ]),
      ),
    ).to.equal('SETTING_INVALID')
    await finish()
  })

  it('delivers a message of an ordering key only after the earlier one, also when that was nacked', async function () {
    if (target.lacks?.includes('ordering')) this.skip()
    const { port, finish } = await setup()
    await port.ensureTopic('ordered')
    await port.ensureSubscription('ordered.reader', { topic: 'ordered', enableMessageOrdering: true })
    await port.publish(
      ['a', 'b', 'c'].map((body) => ({ topic: 'ordered', data: Buffer.from(body), attributes: {}, ordering_key: 'k' })),
    )
    const seen = collector<string>(4)
    let failed = false
    const reader = port.subscribe(
      'ordered.reader',
      { max_outstanding: 10, max_extension_ms: 60_000 },
      ({ ack_id, data }) => {
        const body = Buffer.from(data).toString()
        seen.note(body)
        if (body === 'b' && !failed) {
          failed = true
          port.nack(ack_id)
        } else void port.ack(ack_id)
      },
    )
    expect(await seen.all).to.deep.equal(['a', 'b', 'b', 'c'])
    reader.close()
    await finish()
  })

  it('runs a handler again when it dies at any point, and publishes what follows at least once', async () => {
    for (const deadly of ['before-publish', 'after-publish', 'before-ack']) {
      let deaths = 0
      const { bus, finish } = await setup({
        crash: (point, subscription) => {
          if (point === deadly && subscription === 'executor.run-admitted' && deaths === 0) {
            deaths += 1
            throw new Error('killed')
          }
        },
      })
      const attempts = collector<number>(2)
      const followed = collector<string>(deadly === 'before-publish' ? 1 : 2)
      const one = bus()
      one.consume('executor', 'run-admitted', (_event, { attempt }) => {
        attempts.note(attempt)
        return Promise.resolve([{ topic: 'step-completed', event: step('a', []) }])
      })
      one.consume('executor', 'step-completed', (event) => {
        followed.note(event.step_id)
        return Promise.resolve(undefined)
      })
      await one.publish([{ topic: 'run-admitted', event: { run, next: [] } }])
      expect(await attempts.all).to.deep.equal([1, 2])
      expect(new Set(await followed.all)).to.deep.equal(new Set(['a']))
      await finish()
    }
  })

  it('delivers every message twice when it is asked to', async () => {
    const { bus, finish } = await setup({ duplicate: true })
    const seen = collector<string>(4)
    const one = bus()
    one.consume('executor', 'step-completed', (event) => {
      seen.note(event.step_id)
      return Promise.resolve(undefined)
    })
    await one.publish([
      { topic: 'step-completed', event: step('a') },
      { topic: 'step-completed', event: step('b') },
    ])
    expect((await seen.all).sort()).to.deep.equal(['a', 'a', 'b', 'b'])
    await finish()
  })

  it('nacks what a handler still holds when it does not listen, and publishes nothing of it afterwards', async () => {
    const { bus, finish } = await setup()
    const began = collector<string>(1)
    const again = collector<number>(1)
    let release: () => void = () => undefined
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const one = bus({ closeTimeoutMs: 20 })
    one.consume('executor', 'run-admitted', async () => {
      began.note('x')
      await held
      return [{ topic: 'step-completed' as const, event: step('late') }]
    })
    await one.publish([{ topic: 'run-admitted', event: { run, next: [] } }])
    await began.all
    await one.close()
    const followed: string[] = []
    const two = bus()
    two.consume('executor', 'step-completed', (event) => {
      followed.push(event.step_id)
      return Promise.resolve(undefined)
    })
    two.consume('executor', 'run-admitted', (_event, { attempt }) => {
      again.note(attempt)
      return Promise.resolve(undefined)
    })
    expect(await again.all).to.deep.equal([2])
    release()
    await two.close()
    expect(followed).to.deep.equal([])
    await finish()
  })

  it('does not let one message that can never be handled stop a live feed', async () => {
    const { bus, port, finish } = await setup()
    const seen = collector<string>(1)
    const one = bus()
    one.consume(
      'auth',
      'step-completed',
      (event) => {
        seen.note(event.step_id)
        return Promise.resolve(undefined)
      },
      { replica: 'one', concurrency: 1 },
    )
    await made(port, 'auth.step-completed.one')
    await port.publish([{ topic: 'step-completed', data: Buffer.from('{not json'), attributes: {} }])
    await one.publish([{ topic: 'step-completed', event: step('a') }])
    expect(await seen.all).to.deep.equal(['a'])
    await finish()
  })

  it('is not healthy when a subscription to be consumed does not exist, and says so', async () => {
    const { bus, warnings, finish } = await setup()
    const one = bus()
    expect(one.healthy()).to.equal(true)
    one.consume('notifier', 'run-requested', () => Promise.resolve(undefined))
    await one.close()
    expect(one.healthy()).to.equal(false)
    expect(JSON.stringify(warnings)).to.contain('notifier.run-requested does not exist')
    await finish()
  })

  it('begins to consume when the broker answers, though it did not at first', async () => {
    const { bus, port, warnings, finish } = await setup()
    let silent = 2
    const one = bus({
      port: {
        ...port,
        getSubscription: (name) =>
          silent-- > 0 ? Promise.reject(new AppError('UNAVAILABLE', 'no answer')) : port.getSubscription(name),
      },
    })
    const seen = collector<string>(1)
    one.consume('executor', 'step-completed', (event) => {
      seen.note(event.step_id)
      return Promise.resolve(undefined)
    })
    while (one.healthy()) await new Promise((resolve) => setImmediate(resolve))
    expect(one.receiving()).to.equal(true)
    await one.publish([{ topic: 'step-completed', event: step('a') }])
    expect(await seen.all).to.deep.equal(['a'])
    expect(one.healthy()).to.equal(true)
    expect(JSON.stringify(warnings)).to.contain('UNAVAILABLE: no answer')
    await finish()
  })

  it('signs a request so that it verifies as it arrives', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519')
    const { bus, finish } = await setup({ signers: { auth: openSigner(privateKey, 'auth') } })
    const seen = collector<boolean>(1)
    const one = bus()
    one.consume('scheduler', 'run-requested', (_event, { attributes, data }) => {
      seen.note(verifySignature(publicKey, attributes, data))
      return Promise.resolve(undefined)
    })
    await one.publish([
      { topic: 'run-requested', event: { tenant_id: 'acme', pipeline: 'gcp/cost/billing' }, idempotency_key: 'k' },
    ])
    expect(await seen.all).to.deep.equal([true])
    await finish()
  })
}
