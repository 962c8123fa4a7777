import { fork, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import fc from 'fast-check'
import { busConformance } from '@convergence/bus/conformance'
import type { PortMessage } from '@convergence/bus'
import type { BrokerSubscriptionConfig } from '../src/api.ts'
import { openBroker, type Broker, type BrokerOptions } from '../src/broker.ts'
import { AppError } from '@convergence/contracts'

const inFolder = async (body: (file: string) => Promise<void>) => {
  const folder = mkdtempSync(join(tmpdir(), 'convergence-broker-'))
  try {
    await body(join(folder, 'pubsub.db'))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
/** Everything that a subscription delivers until `count` messages have come. */
const take = (
  broker: Broker,
  subscription: string,
  count: number,
  each: (message: PortMessage) => void = (message) => {
    void broker.ack(message.ack_id)
  },
): Promise<PortMessage[]> =>
  new Promise((resolve) => {
    const messages: PortMessage[] = []
    const reader = broker.subscribe(subscription, { max_outstanding: 1000, max_extension_ms: 60_000 }, (message) => {
      messages.push(message)
      each(message)
      if (messages.length === count) {
        reader.close()
        resolve(messages)
      }
    })
  })
const withReader = async (
  file: string,
  config: BrokerSubscriptionConfig,
  clock?: ReturnType<typeof stoppedClock>,
  options: Partial<BrokerOptions> = {},
) => {
  const broker = await openBroker({ file, ...clock?.options, ...options })
  clock?.of(broker)
  await broker.createTopic('orders')
  await broker.createSubscription('reader', config)
  return broker
}
/** Time that passes when asked to. */
const stoppedClock = () => {
  let time = Date.UTC(2026, 0, 1)
  let broker: Broker | undefined
  return {
    options: { now: () => time, random: () => 0, alarm: () => () => undefined },
    of: (owner: Broker) => {
      broker = owner
    },
    time: () => time,
    advance: (ms: number) => {
      time += ms
      broker?.wake()
    },
  }
}
const code = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    (error: unknown) => (error as AppError).code,
  )
interface ChildMessage {
  bodies: string[]
  acked: string[]
}
/** Runs a program of this folder; true when it was killed, false when it ended by itself. */
const dies = (
  program: string,
  args: string[],
  onMessage: (child: ChildProcess, message: ChildMessage) => void = () => undefined,
): Promise<boolean> =>
  new Promise((resolve) => {
    const child = fork(join(import.meta.dirname, program), args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    child.on('message', (message) => {
      onMessage(child, message as ChildMessage)
    })
    child.on('exit', (_code, signal) => {
      resolve(signal === 'SIGKILL')
    })
  })
const text = ({ data }: PortMessage) => Buffer.from(data).toString()

describe('bus, embedded engine', () => {
  busConformance({
    open: async () => {
      const folder = mkdtempSync(join(tmpdir(), 'convergence-bus-'))
      const port = await openBroker({ file: join(folder, 'pubsub.db') })
      return {
        port,
        end: async () => {
          await port.close()
          rmSync(folder, { recursive: true, force: true })
        },
      }
    },
  })
})

describe('broker', () => {
  it('keeps what was not acknowledged across a restart, with its attempt counted, and nothing else', () =>
    inFolder(async (file) => {
      const before = await openBroker({ file })
      await before.ensureTopic('orders')
      await before.ensureSubscription('reader', { topic: 'orders' })
      await before.publish(
        ['a', 'b', 'c'].map((body) => ({ topic: 'orders', data: Buffer.from(body), attributes: { body } })),
      )
      const acked: Promise<void>[] = []
      await take(before, 'reader', 3, (message) => {
        if (text(message) === 'b') acked.push(before.ack(message.ack_id))
      })
      await Promise.all(acked)
      await before.close()
      const after = await openBroker({ file })
      const rest = await take(after, 'reader', 2)
      expect(rest.map(text).sort()).to.deep.equal(['a', 'c'])
      expect(rest.map(({ attempt }) => attempt)).to.satisfy((attempts: number[]) =>
        attempts.every((attempt) => attempt >= 1 && attempt <= 2),
      )
      expect(rest[0]?.attributes).to.have.property('body')
      await after.close()
    }))

  it('delivers a backlog larger than its window, each message once', () =>
    inFolder(async (file) => {
      const broker = await openBroker({ file })
      await broker.ensureTopic('orders')
      await broker.ensureSubscription('reader', { topic: 'orders' })
      const total = 12_000
      for (let k = 0; k < total; k += 1000)
        await broker.publish(
          Array.from({ length: 1000 }, (_, j) => ({
            topic: 'orders',
            data: Buffer.from(String(k + j)),
            attributes: {},
          })),
        )
      const got = await take(broker, 'reader', total)
      expect(new Set(got.map(text)).size).to.equal(total)
      await broker.close()
    }))

  it('holds back later messages of an ordering key until the earlier one is acknowledged, also after a nack', () =>
    inFolder(async (file) => {
      const broker = await openBroker({ file })
      await broker.ensureTopic('orders')
      await broker.ensureSubscription('reader', { topic: 'orders', enableMessageOrdering: true })
      await broker.publish(
        [0, 1, 2, 3].map((k) => ({ topic: 'orders', data: Buffer.from(String(k)), attributes: {}, ordering_key: 'k' })),
      )
      let failed = false
      const order = await take(broker, 'reader', 5, (message) => {
        if (text(message) === '1' && !failed) {
          failed = true
          broker.nack(message.ack_id)
        } else void broker.ack(message.ack_id)
      })
      expect(order.map(text)).to.deep.equal(['0', '1', '1', '2', '3'])
      await broker.close()
    }))

  it('gives a message again when its lease runs out', () =>
    inFolder(async (file) => {
      const broker = await openBroker({ file })
      await broker.ensureTopic('orders')
      await broker.ensureSubscription('reader', { topic: 'orders', deadLetterPolicy: undefined })
      await broker.publish([{ topic: 'orders', data: Buffer.from('x'), attributes: {} }])
      const attempts = await new Promise<number[]>((resolve) => {
        const seen: number[] = []
        const keep = setInterval(() => undefined, 1000)
        const reader = broker.subscribe('reader', { max_outstanding: 10, max_extension_ms: 10 }, (message) => {
          seen.push(message.attempt)
          if (seen.length < 3) return
          void broker.ack(message.ack_id)
          reader.close()
          clearInterval(keep)
          resolve(seen)
        })
      })
      expect(attempts).to.deep.equal([1, 2, 3])
      await broker.close()
    }))

  it('tells a second owner of the file who holds it', () =>
    inFolder(async (file) => {
      const broker = await openBroker({ file })
      const refused = await openBroker({ file }).then(
        () => undefined,
        (error: unknown) => error,
      )
      expect(refused).to.be.instanceOf(AppError)
      expect((refused as AppError).message).to.contain(`in use by process ${process.pid}`)
      await broker.close()
    }))

  it('says in one sentence that a file cannot be opened', async () => {
    const refused = await openBroker({ file: '/proc/nowhere/pubsub.db' }).then(
      () => undefined,
      (error: unknown) => error,
    )
    expect((refused as AppError).code).to.equal('SETTING_INVALID')
  })

  it('redelivers what was nacked after its backoff, which grows up to the maximum and survives a restart', () =>
    inFolder(async (file) => {
      const clock = stoppedClock()
      const config = { topic: 'orders', retryPolicy: { minimumBackoffMs: 10_000, maximumBackoffMs: 25_000 } }
      let broker = await withReader(file, config, clock)
      await broker.publish([{ topic: 'orders', data: Buffer.from('x'), attributes: {} }])
      const pauses: number[] = []
      for (let k = 0; k < 4; k += 1) {
        const [message] = await broker.pull('reader', { max_messages: 1 })
        expect(message?.attempt).to.equal(k + 1)
        broker.nack(message?.ack_id ?? '')
        await broker.backlog('reader')
        if (k === 1) {
          await broker.close()
          broker = await openBroker({ file, ...clock.options })
          clock.of(broker)
        }
        const since = clock.time()
        const coming = take(broker, 'reader', 1, ({ ack_id }) => {
          broker.nack(ack_id)
        })
        let come = false
        void coming.then(() => {
          come = true
        })
        while (!come) {
          clock.advance(5_000)
          await broker.backlog('reader')
          await new Promise((resolve) => setImmediate(resolve))
        }
        pauses.push(clock.time() - since)
        // That delivery was given back too; the next pull waits for it.
        clock.advance(25_000)
        k += 1
      }
      expect(pauses).to.deep.equal([10_000, 25_000])
      await broker.close()
    }))

  it('sends a message to the dead letters when it has killed its consumer at every attempt', async function () {
    this.timeout(120_000)
    await inFolder(async (file) => {
      let deaths = 0
      while (await dies('consumer.ts', [file])) deaths += 1
      expect(deaths).to.equal(5)
      const broker = await openBroker({ file })
      const [letter] = await broker.pull('dead-reader', { max_messages: 10 })
      expect(letter?.attributes).to.include({
        kind: 'poison',
        CloudPubSubDeadLetterSourceDeliveryCount: '5',
        CloudPubSubDeadLetterSourceSubscription: 'reader',
      })
      expect(await broker.backlog('reader')).to.equal(0)
      await broker.close()
    })
  })

  it('gives a message again to a consumer that threw, and the publisher does not notice', () =>
    inFolder(async (file) => {
      const broker = await withReader(file, { topic: 'orders' })
      const all = take(broker, 'reader', 2, ({ attempt, ack_id }) => {
        if (attempt === 1) throw new Error('not ready')
        void broker.ack(ack_id)
      })
      await broker.publish([{ topic: 'orders', data: Buffer.from('x'), attributes: {} }])
      expect((await all).map(({ attempt }) => attempt)).to.deep.equal([1, 2])
      await broker.close()
    }))

  it('publishes to several topics and all their subscriptions, or to none of them', () =>
    inFolder(async (file) => {
      const broker = await withReader(file, { topic: 'orders' })
      await broker.createTopic('others')
      await broker.createSubscription('other', { topic: 'others' })
      const message = (topic: string) => ({ topic, data: Buffer.from('x'), attributes: {} })
      await broker.publish([message('orders'), message('others')])
      expect(await code(broker.publish([message('orders'), message('nowhere')]))).to.equal('NOT_FOUND')
      expect([await broker.backlog('reader'), await broker.backlog('other')]).to.deep.equal([1, 1])
      await broker.close()
    }))

  it('refuses a name that is taken, a value out of its range, and what does not exist', () =>
    inFolder(async (file) => {
      const broker = await withReader(file, { topic: 'orders' })
      const config = (more: object) => broker.createSubscription('second', { topic: 'orders', ...more })
      expect(await code(broker.createTopic('orders'))).to.equal('CONFLICT')
      expect(await code(broker.createTopic('x'))).to.equal('BODY_INVALID')
      expect(await code(broker.createSubscription('reader', { topic: 'orders' }))).to.equal('CONFLICT')
      expect(await code(broker.ensureSubscription('reader', { topic: 'orders', filter: 'attributes:a' }))).to.equal(
        'CONFLICT',
      )
      expect(await code(broker.createSubscription('second', { topic: 'nowhere' }))).to.equal('NOT_FOUND')
      expect(await code(config({ deadLetterPolicy: { topic: 'nowhere', maxDeliveryAttempts: 5 } }))).to.equal(
        'NOT_FOUND',
      )
      expect(await code(config({ deadLetterPolicy: { topic: 'orders', maxDeliveryAttempts: 4 } }))).to.equal(
        'BODY_INVALID',
      )
      expect(await code(config({ retryPolicy: { minimumBackoffMs: 2, maximumBackoffMs: 1 } }))).to.equal('BODY_INVALID')
      expect(await code(config({ ackDeadlineSeconds: 9 }))).to.equal('BODY_INVALID')
      expect(await code(config({ filter: 'nonsense' }))).to.equal('BODY_INVALID')
      expect(await code(broker.deleteSubscription('second'))).to.equal('NOT_FOUND')
      expect(await code(broker.publish([{ topic: 'orders', data: Buffer.alloc(0), attributes: {} }]))).to.equal(
        'BODY_INVALID',
      )
      expect(
        await code(broker.publish([{ topic: 'orders', data: Buffer.alloc(0), attributes: { a: 'ü'.repeat(513) } }])),
      ).to.equal('BODY_INVALID')
      expect(broker.listSubscriptions('orders')).to.deep.equal(['reader'])
      await broker.close()
    }))

  it('keeps the backlog of a subscription when its topic is deleted', () =>
    inFolder(async (file) => {
      const broker = await withReader(file, { topic: 'orders' })
      await broker.publish([{ topic: 'orders', data: Buffer.from('x'), attributes: {} }])
      await broker.deleteTopic('orders')
      expect((await broker.getSubscription('reader'))?.topic).to.equal('_deleted-topic_')
      expect((await take(broker, 'reader', 1)).map(text)).to.deep.equal(['x'])
      await broker.close()
    }))

  it('makes nothing of a topic whose retention is out of its range', () =>
    inFolder(async (file) => {
      const broker = await openBroker({ file })
      for (const retentionMs of [599_999, 31 * 86_400_000 + 1, -1])
        expect(await code(broker.createTopic('orders', { retentionMs })), String(retentionMs)).to.equal('BODY_INVALID')
      expect([broker.listTopics(), broker.getTopic('orders')]).to.deep.equal([[], undefined])
      await broker.close()
      const again = await openBroker({ file })
      expect(again.listTopics()).to.deep.equal([])
      await again.createTopic('orders', { retentionMs: 600_000 })
      expect(again.getTopic('orders')).to.deep.equal({ retentionMs: 600_000 })
      await again.close()
    }))

  it('changes a subscription whose topic or dead-letter topic is gone, but to no value out of range or absent topic', () =>
    inFolder(async (file) => {
      const broker = await openBroker({ file })
      for (const topic of ['orders', 'kept', 'dead']) await broker.createTopic(topic)
      const deadLetterPolicy = { topic: 'dead', maxDeliveryAttempts: 5 }
      await broker.createSubscription('orphan', { topic: 'orders', deadLetterPolicy })
      await broker.createSubscription('detached', { topic: 'orders', deadLetterPolicy })
      await broker.createSubscription('reader', { topic: 'kept', deadLetterPolicy })
      await broker.detachSubscription('detached')
      for (const topic of ['orders', 'dead']) await broker.deleteTopic(topic)
      for (const name of ['orphan', 'detached', 'reader']) {
        const change = async (more: object) =>
          code(broker.updateSubscription(name, { ...((await broker.getSubscription(name)) ?? { topic: '' }), ...more }))
        expect(await change({ labels: { a: 'b' } }), name).to.equal('done')
        for (const wrong of [
          { ackDeadlineSeconds: 5_000 },
          { messageRetentionMs: 1_000 },
          { retryPolicy: { minimumBackoffMs: 2, maximumBackoffMs: 1 } },
          { deadLetterPolicy: { topic: 'dead', maxDeliveryAttempts: 4 } },
          { deadLetterPolicy: { topic: 'kept', maxDeliveryAttempts: 101 } },
        ]) {
          expect(await change({ ...wrong, labels: { c: 'd' } }), `${name} ${JSON.stringify(wrong)}`).to.equal(
            'BODY_INVALID',
          )
        }
        expect(await change({ deadLetterPolicy: { topic: 'nowhere', maxDeliveryAttempts: 5 } }), name).to.equal(
          'NOT_FOUND',
        )
        expect((await broker.getSubscription(name))?.labels, name).to.deep.equal({ a: 'b' })
        expect(await change({ deadLetterPolicy: { topic: 'kept', maxDeliveryAttempts: 5 } }), name).to.equal('done')
        // Once it is let go of, a topic that is gone cannot be named again.
        expect(await change({ deadLetterPolicy }), name).to.equal('NOT_FOUND')
      }
      await broker.close()
    }))

  it('counts an ack deadline from when it was modified', () =>
    inFolder(async (file) => {
      const clock = stoppedClock()
      const broker = await withReader(file, { topic: 'orders', ackDeadlineSeconds: 10 }, clock)
      await broker.publish([{ topic: 'orders', data: Buffer.from('x'), attributes: {} }])
      const [first] = await broker.pull('reader', { max_messages: 1 })
      clock.advance(9_000)
      broker.modifyAckDeadline(first?.ack_id ?? '', 20)
      clock.advance(19_000)
      expect(broker.stats().leased).to.equal(1)
      clock.advance(1_000)
      expect(broker.stats().leased).to.equal(0)
      const [second] = await broker.pull('reader', { max_messages: 1 })
      expect(second?.attempt).to.equal(2)
      await broker.ack(first?.ack_id ?? '')
      expect(await broker.backlog('reader')).to.equal(1)
      await broker.ack(second?.ack_id ?? '')
      expect(await broker.backlog('reader')).to.equal(0)
      await broker.close()
    }))

  it('holds no more than its window in memory, however much is given back', () =>
    inFolder(async (file) => {
      const clock = stoppedClock()
      const broker = await withReader(
        file,
        { topic: 'orders', retryPolicy: { minimumBackoffMs: 10_000, maximumBackoffMs: 10_000 } },
        clock,
        { window: 50 },
      )
      const total = 1_000
      await broker.publish(
        Array.from({ length: total }, (_, k) => ({ topic: 'orders', data: Buffer.from(String(k)), attributes: {} })),
      )
      let most = 0
      await take(broker, 'reader', total, ({ ack_id }) => {
        broker.nack(ack_id)
        most = Math.max(most, broker.stats().in_memory)
      })
      expect(await broker.backlog('reader')).to.equal(total)
      expect(most).to.be.lessThan(200)
      clock.advance(20_000)
      const again = await take(broker, 'reader', total)
      expect(new Set(again.map(text)).size).to.equal(total)
      expect(again.map(({ attempt }) => attempt)).to.satisfy((attempts: number[]) =>
        attempts.every((attempt) => attempt === 2),
      )
      expect(await broker.backlog('reader')).to.equal(0)
      await broker.close()
    }))

  it('drops what nobody acknowledged for longer than the retention, and counts it', () =>
    inFolder(async (file) => {
      const clock = stoppedClock()
      const broker = await withReader(file, { topic: 'orders' }, clock)
      await broker.publish([{ topic: 'orders', data: Buffer.from('old'), attributes: {} }])
      clock.advance(6 * 86_400_000)
      await broker.publish([{ topic: 'orders', data: Buffer.from('new'), attributes: {} }])
      await broker.close()
      clock.advance(2 * 86_400_000)
      const after = await openBroker({ file, ...clock.options })
      expect(after.stats().expired).to.equal(1)
      expect((await take(after, 'reader', 1)).map(text)).to.deep.equal(['new'])
      await after.close()
    }))

  it('deletes a subscription that nobody reads when its time is over', () =>
    inFolder(async (file) => {
      const clock = stoppedClock()
      const broker = await withReader(file, { topic: 'orders', expirationMs: 86_400_000 }, clock)
      const reader = broker.subscribe('reader', { max_outstanding: 1, max_extension_ms: 1000 }, () => undefined)
      clock.advance(2 * 86_400_000)
      expect(broker.listSubscriptions()).to.deep.equal(['reader'])
      reader.close()
      clock.advance(2 * 86_400_000)
      expect(broker.listSubscriptions()).to.deep.equal([])
      await broker.close()
    }))

  it('tells a full disk in one sentence, loses nothing, and goes on when there is room', () =>
    inFolder(async (file) => {
      const broker = await withReader(file, { topic: 'orders' }, undefined, { max_bytes: 6_000_000 })
      const publish = (k: number) =>
        broker.publish([{ topic: 'orders', data: Buffer.alloc(1_000_000, String(k)), attributes: { k: String(k) } }])
      const durable: string[] = []
      let refused: unknown
      for (let k = 0; refused === undefined && k < 20; k += 1)
        await publish(k).then(
          () => {
            durable.push(String(k))
          },
          (error: unknown) => {
            refused = error
          },
        )
      expect((refused as AppError).code).to.equal('DISK_FULL')
      expect((refused as AppError).message.split('\n')).to.have.length(1)
      expect(broker.healthy()).to.equal(false)
      expect((await take(broker, 'reader', durable.length)).map(({ attributes }) => attributes['k'])).to.deep.equal(
        durable,
      )
      await broker.backlog('reader')
      await publish(99)
      expect(broker.healthy()).to.equal(true)
      expect((await take(broker, 'reader', 1)).map(({ attributes }) => attributes['k'])).to.deep.equal(['99'])
      await broker.close()
    }))

  it("says in one sentence that a file is not a broker's", () =>
    inFolder(async (file) => {
      writeFileSync(file, 'something else, and long enough to be looked at as a database header would be: '.repeat(20))
      const refused = await openBroker({ file }).then(
        () => undefined,
        (error: unknown) => error,
      )
      expect((refused as AppError).code).to.equal('SETTING_INVALID')
      expect((refused as AppError).message).to.contain(file)
    }))

  it('has after kill -9 all that it had acknowledged, and nothing of what was acknowledged to it', async function () {
    this.timeout(120_000)
    await inFolder(async (file) => {
      const published = new Set<string>()
      const consumed = new Set<string>()
      for (let round = 0; round < 4; round += 1) {
        await dies('publisher.ts', [file, String(round)], (child, { bodies, acked }) => {
          for (const body of bodies) published.add(body)
          for (const body of acked) consumed.add(body)
          if (published.size > 300 * (round + 1) + round * 37) child.kill('SIGKILL')
        })
      }
      const broker = await openBroker({ file })
      const count = await broker.backlog('reader')
      const found = new Set((await take(broker, 'reader', count)).map(text))
      expect(
        [...published].filter((body) => !found.has(body) && !consumed.has(body)),
        'lost',
      ).to.satisfy((lost: string[]) => lost.every((body) => Number(body.split('-')[1]) % 3 === 0))
      expect(
        [...consumed].filter((body) => found.has(body)),
        'come again',
      ).to.deep.equal([])
      expect(consumed.size).to.be.greaterThan(50)
      await broker.close()
    })
  })

  it('delivers what was not acknowledged, whatever was published, acknowledged, nacked or reopened before', async function () {
    this.timeout(120_000)
    const step = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({ kind: fc.constant('publish' as const), count: fc.integer({ min: 1, max: 30 }) }),
      },
      {
        weight: 3,
        arbitrary: fc.record({
          kind: fc.constant('read' as const),
          count: fc.integer({ min: 1, max: 30 }),
          ack: fc.integer({ min: 1, max: 4 }),
        }),
      },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('reopen' as const), count: fc.constant(0) }) },
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 15 }), fc.boolean(), (steps, ordered) =>
        inFolder(async (file) => {
          let broker = await withReader(file, { topic: 'orders', enableMessageOrdering: ordered }, undefined, {
            window: 20,
          })
          const open = new Set<string>()
          let next = 0
          for (const each of steps) {
            if (each.kind === 'publish') {
              const bodies = Array.from({ length: each.count }, () => String((next += 1)))
              await broker.publish(
                bodies.map((body) => ({
                  topic: 'orders',
                  data: Buffer.from(body),
                  attributes: {},
                  ordering_key: String(Number(body) % 3),
                })),
              )
              for (const body of bodies) open.add(body)
            } else if (each.kind === 'read' && open.size > 0) {
              for (const message of await broker.pull('reader', { max_messages: each.count })) {
                if (Number(message.message_id) % each.ack === 0) {
                  open.delete(text(message))
                  void broker.ack(message.ack_id)
                } else broker.nack(message.ack_id)
              }
            } else if (each.kind === 'reopen') {
              await broker.close()
              broker = await openBroker({ file, window: 20 })
            }
          }
          expect(await broker.backlog('reader')).to.equal(open.size)
          const rest = open.size === 0 ? [] : (await take(broker, 'reader', open.size)).map(text)
          expect(rest.toSorted()).to.deep.equal([...open].toSorted())
          if (ordered)
            for (const key of [0, 1, 2])
              expect(rest.map(Number).filter((k) => k % 3 === key)).to.satisfy((of: number[]) =>
                of.every((k, i) => i === 0 || k > (of[i - 1] ?? 0)),
              )
          await broker.close()
        }),
      ),
      { numRuns: 15, seed: 7 },
    )
  })
})
