/**
 * The door to Pub/Sub. A handler takes one event and returns the events that follow; the bus publishes them, waits
 * until they are durable, and only then acknowledges; so it does with what the handler gave to `beforeAck`. Behind it:
 * leases, redelivery, backoff, delivery attempts, dead letters, signatures, stop order. A handler that throws nacks its
 * message; one that throws an AppError that is about the message, and for good, sends it to the dead letters with the
 * reason.
 */
import { AppError } from '@convergence/contracts'
import { metrics } from '@opentelemetry/api'
import type { Bus, BusOptions } from './api.ts'
import { consume, consumeDead, publish } from './consuming.ts'
import { read } from './events.ts'
import type { BusState } from './state.ts'

export type { Bus, BusOptions, ConsumeOptions, DeadDelivery, Delivery, Handler, Outgoing, WallOptions } from './api.ts'
export type { BusPort, PortMessage, PortOutgoing, SubscriptionConfig } from './port.ts'
export { allSubscriptions, ensureTopology } from './topology.ts'
export { openSigner, signedText, verifySignature, type Signer } from './sign.ts'
export { isInternal } from './wall.ts'

/** Upper bounds of histograms, in seconds: for what takes milliseconds, and for what may take an hour. */
const quickSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30]
const slowSeconds = [0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300, 1800, 3600]

export const openBus = (options: BusOptions): Bus => {
  const { port, log, now = () => new Date(), closeTimeoutMs = 20_000, crash = () => undefined } = options
  const meter = metrics.getMeter('convergence')
  const bus: BusState = {
    options,
    port,
    log,
    now,
    crash,
    running: new Map(),
    readers: [],
    starting: new Set(),
    waiting: new Set(),
    over: new AbortController(),
    sent: meter.createCounter('messaging.client.sent.messages', { description: 'Messages published' }),
    publishing: meter.createHistogram('messaging.client.operation.duration', {
      unit: 's',
      description: 'Time until what was published was durable',
      advice: { explicitBucketBoundaries: quickSeconds },
    }),
    consumed: meter.createCounter('messaging.client.consumed.messages', {
      description: 'Messages that handlers got',
    }),
    processing: meter.createHistogram('messaging.process.duration', {
      unit: 's',
      description: 'Time from getting a message to settling it',
      advice: { explicitBucketBoundaries: slowSeconds },
    }),
    verified: new Map(),
    failure: undefined,
    interrupted: undefined,
    closing: undefined,
  }

  return {
    publish: (events) => publish(bus, events),
    read: (topic, message) => read(bus, topic, message),
    consume: (service, topic, handler, settings) => {
      consume(bus, service, topic, handler, settings)
    },
    consumeDead: (handler) => {
      consumeDead(bus, handler)
    },
    healthy: () => bus.failure === undefined && bus.waiting.size === 0 && bus.closing === undefined && port.healthy(),
    receiving: () => bus.failure === undefined && port.receiving(),
    close: () =>
      (bus.closing ??= (async () => {
        bus.over.abort()
        await Promise.all(bus.starting)
        for (const reader of bus.readers) reader.close()
        const interrupt = () => {
          bus.interrupted ??= new AppError('UNAVAILABLE', 'this process is stopping; another one goes on')
          for (const { controller } of bus.running.values()) controller?.abort(bus.interrupted)
        }
        const interrupting = setTimeout(interrupt, closeTimeoutMs * 0.9)
        let late: NodeJS.Timeout | undefined
        await Promise.race([
          Promise.all(bus.running.keys()),
          new Promise<void>((resolve) => {
            late = setTimeout(resolve, closeTimeoutMs)
          }),
        ])
        clearTimeout(interrupting)
        clearTimeout(late)
        interrupt()
        for (const work of bus.running.values()) {
          work.nacked = true
          port.nack(work.ack_id)
        }
      })()),
  }
}
