/**
 * One message through its handler: what follows is published, then it is acknowledged; else nacked, or a dead letter.
 */
import { retry } from '@convergence/contracts/retry'
import {
  AppError,
  deadLetterName,
  isRetryable,
  subscriptionName,
  type ServiceName,
  type Topic,
} from '@convergence/contracts'
import type { Bus, ConsumeOptions, DeadDelivery, Delivery, Handler, Outgoing } from './api.ts'
import { asUnavailable, describeError, errorTypeOf, infrastructureErrorCodes } from './errors.ts'
import { encode, read } from './events.ts'
import type { PortMessage } from './port.ts'
import type { BusState, Work } from './state.ts'
import { allSubscriptions } from './topology.ts'

const feedExpirationMs = 86_400_000

/**
 * A feed has no dead letters: what its handler threw comes again after a moment, what can never be handled is dropped.
 */
const feedRetry = { minimumBackoffMs: 100, maximumBackoffMs: 10_000 }

/**
 * How long a feed gets again what its own process cannot take, such as for a key that is not set: nothing else ends it.
 */
const feedPatienceMs = 600_000

const longestStepMs = 65 * 60_000

const longestTimerMs = 2 ** 31 - 1

/** Bytes of an attribute's value, at most. */
const longestAttribute = 1024

export const publish = async (bus: BusState, events: readonly Outgoing[], by?: ServiceName): Promise<void> => {
  if (events.length === 0) return
  const began = performance.now()
  const [first] = events
  try {
    await bus.port.publish(events.map((input) => encode(bus, input, by)))
  } catch (error) {
    bus.publishing.record((performance.now() - began) / 1000, {
      'messaging.destination.name': first?.topic,
      'error.type': errorTypeOf(error),
    })
    throw error
  }
  bus.publishing.record((performance.now() - began) / 1000, { 'messaging.destination.name': first?.topic })
  for (const { topic } of events) bus.sent.add(1, { 'messaging.destination.name': topic })
}

/** What a handler sees. Its signal is made when it is asked for: most handlers never look. */
const deliveryOf = (bus: BusState, message: PortMessage, work: Work, max_extension_ms: number): Delivery => ({
  message_id: message.message_id,
  published_at: message.published_at,
  attributes: message.attributes,
  data: message.data,
  attempt: message.attempt,
  beforeAck: (promised) => {
    // Whoever hears of its failure hears of it later.
    promised.catch(() => undefined)
    work.before_ack.push(promised)
  },
  get signal() {
    if (work.controller === undefined) {
      const controller = new AbortController()
      work.controller = controller
      if (bus.interrupted !== undefined) controller.abort(bus.interrupted)
      else
        work.timer = setTimeout(
          () => {
            controller.abort(new AppError('UNAVAILABLE', 'the lease of the message is running out; it comes again'))
          },
          Math.min(max_extension_ms * 0.98, longestTimerMs),
        ).unref()
    }
    return work.controller.signal
  },
})

/**
 * One message through its handler: publish what follows, then acknowledge; give it back when anything fails on the
 * way.
 */
const handle = async <T extends Topic>(
  bus: BusState,
  subscription: string,
  topic: T,
  handler: Handler<T>,
  message: PortMessage,
  work: Work,
  max_extension_ms: number,
  { service, dead_letters }: { service: ServiceName; dead_letters: boolean },
): Promise<void> => {
  // A feed's own name has its replica in it: all replicas are one label.
  const labels = {
    'messaging.destination.subscription.name': dead_letters
      ? subscription
      : subscription.split('.').slice(0, 2).join('.'),
  }
  bus.consumed.add(1, labels)
  const began = performance.now()
  const settled = (error?: unknown) => {
    bus.processing.record(
      (performance.now() - began) / 1000,
      error === undefined ? labels : { ...labels, 'error.type': errorTypeOf(error) },
    )
  }
  const known = {
    subscription,
    message_id: message.message_id,
    run_id: message.attributes['run_id'],
    attempt: message.attempt,
  }
  try {
    const event = read(bus, topic, message)
    const delivery = deliveryOf(bus, message, work, max_extension_ms)
    for (let times = bus.options.duplicate === true ? 2 : 1; times > 0; times -= 1) {
      const following = (await handler(event, delivery)) ?? []
      if (work.nacked) return
      bus.crash('before-publish', subscription)
      await publish(bus, following, service).catch(asUnavailable)
      bus.crash('after-publish', subscription)
    }
    await Promise.all(work.before_ack)
    bus.crash('before-ack', subscription)
  } catch (error) {
    // Nothing is left running behind the back of whoever closes this bus.
    await Promise.allSettled(work.before_ack)
    if (work.nacked) return
    const waits = dead_letters || bus.now().getTime() - Date.parse(message.published_at) < feedPatienceMs
    if (isRetryable(error) || (waits && error instanceof AppError && infrastructureErrorCodes.has(error.code))) {
      if (bus.interrupted === undefined) bus.log.warn({ ...known, error: describeError(error) }, 'message nacked')
      bus.port.nack(message.ack_id)
      settled(error)
      return
    }
    const { code, message: detail, faults } = error as AppError
    const reason = cut([detail, ...faults].join('; '), longestAttribute)
    bus.log.warn(
      { ...known, code, detail: reason },
      dead_letters ? 'message sent to the dead letters' : 'message dropped by a live feed',
    )
    if (dead_letters) await bus.port.deadLetter(message.ack_id, { reason: code, detail: reason })
    else await bus.port.ack(message.ack_id)
    settled(error)
    return
  }
  await bus.port.ack(message.ack_id)
  settled()
}

const handleDead = async (
  bus: BusState,
  name: string,
  handler: Parameters<Bus['consumeDead']>[0],
  { data, attributes, published_at, message_id, attempt, ack_id }: PortMessage,
  work: Work,
): Promise<void> => {
  try {
    const count = attributes['CloudPubSubDeadLetterSourceDeliveryCount']
    const following = await handler({
      message_id,
      published_at,
      subscription: name,
      attributes,
      data,
      delivery_attempts: Number(count ?? attempt),
    })
    if (work.nacked) return
    await publish(bus, following ?? [], 'scheduler')
  } catch (error) {
    if (work.nacked) return
    bus.log.error(
      { subscription: deadLetterName(name), message_id, error: describeError(error) },
      'dead letter not recorded; it comes again',
    )
    bus.port.nack(ack_id)
    return
  }
  await bus.port.ack(ack_id)
}

const track = (bus: BusState, subscription: string, message: PortMessage, start: (work: Work) => Promise<void>) => {
  const work: Work = {
    ack_id: message.ack_id,
    before_ack: [],
    controller: undefined,
    timer: undefined,
    nacked: false,
  }
  const tracked: Promise<void> = start(work)
    .catch((error: unknown) => {
      bus.log.warn(
        { subscription, message_id: message.message_id, error: describeError(error) },
        'message not settled; it comes again',
      )
    })
    .finally(() => {
      clearTimeout(work.timer)
      bus.running.delete(tracked)
    })
  bus.running.set(tracked, work)
}

/** A broker that does not answer yet is asked until it does: nobody would begin again. */
const untilReachable = async (bus: BusState, subscription: string, work: () => Promise<void>): Promise<void> => {
  try {
    await retry(work, {
      first_ms: 250,
      most_ms: 10_000,
      isTransient: isRetryable,
      signal: bus.over.signal,
      ref: false,
      onRetry: (error) => {
        bus.waiting.add(subscription)
        bus.log.warn({ subscription, error: describeError(error) }, 'not consuming yet; tried again')
      },
    })
  } catch (error) {
    // Who closes the bus waits no longer; what is wrong for good is said also then.
    if (!bus.over.signal.aborted || !isRetryable(error)) throw error
  }
  bus.waiting.delete(subscription)
}

const startConsuming = (bus: BusState, work: Promise<void>) => {
  const started: Promise<void> = work
    .catch((error: unknown) => {
      bus.failure = error
      bus.log.error({ error: describeError(error) }, 'not consuming')
    })
    .finally(() => {
      bus.starting.delete(started)
    })
  bus.starting.add(started)
}

export const consume = <T extends Topic>(
  bus: BusState,
  service: ServiceName,
  topic: T,
  handler: Handler<T>,
  { concurrency = 100, max_extension_ms = longestStepMs, replica }: ConsumeOptions | undefined = {},
): void => {
  const subscription = subscriptionName(service, topic, replica)
  startConsuming(
    bus,
    untilReachable(bus, subscription, async () => {
      if (replica !== undefined)
        await bus.port.ensureSubscription(subscription, {
          topic,
          expirationMs: feedExpirationMs,
          retryPolicy: feedRetry,
        })
      else {
        const config = await bus.port.getSubscription(subscription)
        if (config === undefined)
          throw new AppError(
            'SETTING_INVALID',
            `subscription ${subscription} does not exist: ` +
              'is the reader in schemas/topology.yaml, and was ensureTopology called?',
          )
        if (config.deadLetterPolicy === undefined)
          throw new AppError(
            'SETTING_INVALID',
            `subscription ${subscription} has no dead-letter policy: without one a poison message comes for ever`,
          )
      }
      if (bus.closing !== undefined) return
      bus.readers.push(
        bus.port.subscribe(subscription, { max_outstanding: concurrency, max_extension_ms }, (message) => {
          track(bus, subscription, message, (work) =>
            handle(bus, subscription, topic, handler, message, work, max_extension_ms, {
              service,
              dead_letters: replica === undefined,
            }),
          )
        }),
      )
    }),
  )
}

export const consumeDead = (
  bus: BusState,
  handler: (dead: DeadDelivery) => Promise<readonly Outgoing[] | undefined>,
): void => {
  for (const { name } of allSubscriptions()) {
    const dead = deadLetterName(name)
    bus.readers.push(
      bus.port.subscribe(dead, { max_outstanding: 20, max_extension_ms: longestStepMs }, (message) => {
        track(bus, dead, message, (work) => handleDead(bus, name, handler, message, work))
      }),
    )
  }
}

/** At most so many bytes of UTF-8, whole characters. */
const cut = (text: string, bytes: number): string => {
  const all = Buffer.from(text)
  if (all.length <= bytes) return text
  let end = bytes
  while (end > 0 && ((all[end] ?? 0) & 0xc0) === 0x80) end -= 1
  return all.toString('utf8', 0, end)
}
