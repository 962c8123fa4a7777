/**
 * How fast the broker is, durable, bodies of 1 KB: `node libs/local-pubsub/test/bench.ts [messages]`. Not a test.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ensureTopology, openBus } from '@convergence/bus'
import type { StepCompleted } from '@convergence/contracts'
import { openBroker, type Broker } from '../src/broker.ts'

const total = Number(process.argv[2] ?? 50_000)
const body = Buffer.alloc(1024, 'x')
const quantile = (values: number[], q: number) =>
  (values.toSorted((a, b) => a - b)[Math.floor(values.length * q)] ?? 0).toFixed(2)
const inFolder = async <T>(work: (broker: Broker) => Promise<T>): Promise<T> => {
  const folder = mkdtempSync(join(tmpdir(), 'convergence-bench-'))
  const broker = await openBroker({ file: join(folder, 'pubsub.db') })
  try {
    return await work(broker)
  } finally {
    await broker.close()
    rmSync(folder, { recursive: true, force: true })
  }
}
const tried = async (title: string, work: () => Promise<string>) => {
  const results: string[] = []
  for (let k = 0; k < 3; k += 1) results.push(await work())
  console.log(`${title.padEnd(62)} ${results.join('  |  ')}`)
}
const withTopic = async (broker: Broker, deadLetters: boolean) => {
  await broker.ensureTopic('orders')
  await broker.ensureTopic('orders.dead')
  await broker.ensureSubscription('reader', {
    topic: 'orders',
    ...(deadLetters ? { deadLetterPolicy: { topic: 'orders.dead', maxDeliveryAttempts: 20 } } : {}),
  })
}
const rate = (count: number, since: number) =>
  `${Math.round(count / ((performance.now() - since) / 1000)).toLocaleString('en')}/s`

for (const deadLetters of [false, true]) {
  await tried(`publish, deliver, acknowledge in groups of 100${deadLetters ? ', attempts stored' : ''}`, () =>
    inFolder(async (broker) => {
      await withTopic(broker, deadLetters)
      let seen = 0
      let last: Promise<void> | undefined
      const since = performance.now()
      const all = new Promise<void>((resolve) => {
        broker.subscribe('reader', { max_outstanding: 10_000, max_extension_ms: 600_000 }, ({ ack_id }) => {
          last = broker.ack(ack_id)
          if ((seen += 1) === total) resolve()
        })
      })
      const group = Array.from({ length: 100 }, () => ({
        topic: 'orders',
        data: body,
        attributes: { event: 'orders', version: '1' },
      }))
      // Twenty publishers, each waiting for its group to be durable before the next.
      let left = total / 100
      await Promise.all(
        Array.from({ length: 20 }, async () => {
          while ((left -= 1) >= 0) await broker.publish(group)
        }),
      )
      await all
      await last
      return rate(total, since)
    }),
  )
  await tried(`one message alone: publish to delivery, p50 / p99 ms${deadLetters ? ', attempts stored' : ''}`, () =>
    inFolder(async (broker) => {
      await withTopic(broker, deadLetters)
      let arrived: () => void = () => undefined
      broker.subscribe('reader', { max_outstanding: 10, max_extension_ms: 600_000 }, ({ ack_id }) => {
        void broker.ack(ack_id)
        arrived()
      })
      const times: number[] = []
      for (let k = 0; k < 3_000; k += 1) {
        const since = performance.now()
        const come = new Promise<void>((resolve) => {
          arrived = resolve
        })
        await Promise.all([broker.publish([{ topic: 'orders', data: body, attributes: {} }]), come])
        times.push(performance.now() - since)
      }
      return `${quantile(times, 0.5)} / ${quantile(times, 0.99)}`
    }),
  )
}
await tried('backlog of 100,000 read and acknowledged; memory grown', () =>
  inFolder(async (broker) => {
    await withTopic(broker, true)
    for (let k = 0; k < 100; k += 1)
      await broker.publish(Array.from({ length: 1_000 }, () => ({ topic: 'orders', data: body, attributes: {} })))
    const before = process.memoryUsage.rss()
    const since = performance.now()
    let seen = 0
    await new Promise<void>((resolve) => {
      broker.subscribe('reader', { max_outstanding: 1_000, max_extension_ms: 600_000 }, ({ ack_id }) => {
        void broker.ack(ack_id)
        if ((seen += 1) === 100_000) resolve()
      })
    })
    return `${rate(100_000, since)}, ${Math.round((process.memoryUsage.rss() - before) / 1e6)} MB`
  }),
)

const step: StepCompleted = {
  run: {
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
  },
  step_id: 'a',
  attempt: 0,
  conclusion: 'SUCCEEDED',
  started_at: '2026-01-01T00:00:00Z',
  ended_at: '2026-01-01T00:00:01Z',
  duration_ms: 1,
}
const log = { warn: () => undefined, error: () => undefined }
const chain = async (broker: Broker, chains: number, hops: number): Promise<number> => {
  await ensureTopology(broker)
  const bus = openBus({ port: broker, log })
  let left = chains
  const since = performance.now()
  await new Promise<void>((resolve) => {
    bus.consume(
      'executor',
      'step-completed',
      (event) => {
        if (event.attempt + 1 < hops)
          return Promise.resolve([{ topic: 'step-completed', event: { ...event, attempt: event.attempt + 1 } }])
        if ((left -= 1) === 0) resolve()
        return Promise.resolve(undefined)
      },
      { concurrency: 1_000 },
    )
    void bus.publish(Array.from({ length: chains }, () => ({ topic: 'step-completed' as const, event: step })))
  })
  const took = performance.now() - since
  await bus.close()
  return took
}
await tried('bus: 40 hops one after another, ms', () =>
  inFolder(async (broker) => (await chain(broker, 1, 40)).toFixed(1)),
)
await tried('bus: 1,000 chains of 20 hops, events checked twice', () =>
  inFolder(
    async (broker) => `${Math.round(20_000 / ((await chain(broker, 1_000, 20)) / 1000)).toLocaleString('en')} hops/s`,
  ),
)
