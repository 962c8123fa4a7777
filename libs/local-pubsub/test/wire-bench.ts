/**
 * How fast Pub/Sub is through the front, in a process of its own, durable, bodies of 1 KB, by Google's client as the
 * bus sets it:
 * `node libs/local-pubsub/test/wire-bench.ts [messages]`. Not a test.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PubSub } from '@google-cloud/pubsub'
import { PassThroughClient } from 'google-auth-library'
import type { BusPort } from '@convergence/bus'
import { openGoogleBus } from '@convergence/bus/google'

process.env['METADATA_SERVER_DETECTION'] = 'none'
const total = Number(process.argv[2] ?? 20_000)
const rounds = 5
const body = Buffer.alloc(1024, 'x')
const log = { warn: () => undefined, error: console.error }
const quantile = (values: readonly number[], q: number) =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))] ?? 0
const tell = (name: string, values: readonly number[], unit: string) => {
  console.log(
    `${name.padEnd(52)} ${quantile(values, 0.5).toFixed(1).padStart(9)} ${unit}  ` +
      `(${Math.min(...values).toFixed(1)} to ${Math.max(...values).toFixed(1)}, n=${values.length})`,
  )
}

const inWorld = async <T>(work: (bus: BusPort, port: number) => Promise<T>): Promise<T> => {
  const folder = mkdtempSync(join(tmpdir(), 'convergence-wire-bench-'))
  const child = fork(join(import.meta.dirname, 'front-process.ts'), [join(folder, 'pubsub.db')], {
    stdio: 'inherit',
  })
  const gone = once(child, 'exit')
  const [{ port }] = (await once(child, 'message')) as [{ port: number }]
  const bus = openGoogleBus({
    project_id: 'local-convergence',
    api_endpoint: `127.0.0.1:${port}`,
    log,
    close_timeout_ms: 3_000,
  })
  try {
    await bus.ensureTopic('orders')
    await bus.ensureSubscription('reader', { topic: 'orders' })
    return await work(bus, port)
  } finally {
    await bus.close()
    child.kill('SIGTERM')
    await gone
    rmSync(folder, { recursive: true, force: true })
  }
}
/** Publish, receive and acknowledge in this process, one group of 200 after another from 10 publishers. */
const throughput = (count: number) =>
  inWorld(async (bus) => {
    let seen = 0
    const all = new Promise<void>((resolve) => {
      bus.subscribe('reader', { max_outstanding: 10_000, max_extension_ms: 600_000 }, ({ ack_id }) => {
        void bus.ack(ack_id)
        if ((seen += 1) === count) resolve()
      })
    })
    const group = Array.from({ length: 200 }, () => ({ topic: 'orders', data: body, attributes: { event: 'orders' } }))
    const since = performance.now()
    let left = count / group.length
    await Promise.all(
      Array.from({ length: 10 }, async () => {
        while ((left -= 1) >= 0) await bus.publish(group)
      }),
    )
    const published = performance.now() - since
    await all
    return { perSecond: count / ((performance.now() - since) / 1000), publishedPerSecond: count / (published / 1000) }
  })
const alone = (count: number) =>
  inWorld(async (bus, port) => {
    // The same without the millisecond in which the bus gathers what it publishes.
    const plain = new PubSub({
      projectId: 'local-convergence',
      apiEndpoint: `127.0.0.1:${port}`,
      emulatorMode: true,
      authClient: new PassThroughClient(),
    })
    const topic = plain.topic('orders', { batching: { maxMessages: 1 } })
    let arrived: () => void = () => undefined
    bus.subscribe('reader', { max_outstanding: 10, max_extension_ms: 600_000 }, ({ ack_id }) => {
      void bus.ack(ack_id)
      arrived()
    })
    const publishes: number[] = []
    const trips: number[] = []
    const unbatched: number[] = []
    for (let k = 0; k < 2 * count + 200; k += 1) {
      const since = performance.now()
      const come = new Promise<void>((resolve) => {
        arrived = resolve
      })
      const publish = (
        k % 2 === 0
          ? bus.publish([{ topic: 'orders', data: body, attributes: {} }])
          : topic.publishMessage({ data: body })
      ).then(() => performance.now() - since)
      await come
      const trip = performance.now() - since
      const took = await publish
      // The first ones are of code that is being compiled.
      if (k < 200) continue
      if (k % 2 === 0) {
        publishes.push(took)
        trips.push(trip)
      } else {
        unbatched.push(trip)
      }
    }
    await plain.close()
    return { publishes, trips, unbatched }
  })

const flows: Awaited<ReturnType<typeof throughput>>[] = []
const ones: Awaited<ReturnType<typeof alone>>[] = []
for (let round = 0; round < rounds; round += 1) {
  flows.push(await throughput(total))
  ones.push(await alone(500))
}
tell(
  'publish, receive, acknowledge',
  flows.map(({ perSecond }) => perSecond),
  'msg/s',
)
tell(
  'published alongside',
  flows.map(({ publishedPerSecond }) => publishedPerSecond),
  'msg/s',
)
for (const q of [0.5, 0.99]) {
  tell(
    `one message: publish answered, p${q * 100}`,
    ones.map(({ publishes }) => quantile(publishes, q)),
    'ms',
  )
  tell(
    `one message: publish to handler, p${q * 100}`,
    ones.map(({ trips }) => quantile(trips, q)),
    'ms',
  )
  tell(
    `one message: the same, published without batching, p${q * 100}`,
    ones.map(({ unbatched }) => quantile(unbatched, q)),
    'ms',
  )
}
