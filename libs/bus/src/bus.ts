/**
 * The door to Pub/Sub. A handler takes one event and returns the events that follow; the bus publishes them, waits
 * until they are
 * durable, and only then acknowledges; so it does with what the handler gave to `beforeAck`. Behind it: leases,
 * redelivery, backoff, delivery attempts, dead letters, signatures, stop order.
 * A handler that throws gives its message back; one that throws an AppError that is about the message, and for good,
 * sends it to the dead letters with the reason.
 */
import { setTimeout as pause } from 'node:timers/promises'
import {
  AppError,
  assertEvent,
  brokenText,
  deadLetterName,
  eventAttributes,
  isRetryable,
  serviceNames,
  subscriptionName,
  topics,
  topology,
  type ErrorCode,
  type EventBodies,
  type ServiceName,
  type Topic,
} from '@convergence/contracts'
import { metrics } from '@opentelemetry/api'
import { signedText, type Signer } from './sign.ts'

export { openSigner, signedText, verifySignature, type Signer } from './sign.ts'

/** An event to be published. `attributes` are added to those that the bus derives from the event. */
export type Outgoing = {
  [T in Topic]: {
    topic: T
    event: EventBodies[T]
    attributes?: Record<string, string>
    /** Of run-requested: what makes a repeat the same run. Signed. */
    idempotency_key?: string
  }
}[Topic]

/** What is known of a message beside its event. */
export interface Delivery {
  message_id: string
  /** The broker's clock when it took the message, RFC 3339. Decisions use this, never a host's clock. */
  published_at: string
  attributes: Readonly<Record<string, string>>
  /** Body as it came, for signatures. */
  data: Uint8Array
  /** 1 at the first delivery. */
  attempt: number
  /**
   * Work that must have succeeded before the message is acknowledged, but that nothing which follows has to wait for,
   * such as a record.
   * When it fails the message comes again, although what follows may be published already.
   */
  beforeAck(work: Promise<unknown>): void
  /** Aborts shortly before the bus stops waiting for this handler: at shutdown, or when the lease is lost. */
  signal: AbortSignal
}

export type Handler<T extends Topic> = (
  event: EventBodies[T],
  delivery: Delivery,
) => Promise<readonly Outgoing[] | undefined>

/** A dead message as its handler sees it: raw, for nothing about it can be trusted. */
export interface DeadDelivery {
  message_id: string
  published_at: string
  /** `<service>.<topic>` where it failed. */
  subscription: string
  attributes: Readonly<Record<string, string>>
  data: Uint8Array
  delivery_attempts: number
}

export interface ConsumeOptions {
  /** Handlers of this subscription that run at a time; default 100. */
  concurrency?: number
  /** Lease that is extended while a handler runs, at most, in milliseconds; default 65 minutes. */
  max_extension_ms?: number
  /**
   * A subscription of this replica alone (`<service>.<topic>.<replica>`), made here, expiring after a day: for live
   * feeds.
   */
  replica?: string
}

export interface Bus {
  /**
   * Resolves when the events are durable; all of one call in one transaction where the broker has them. Throws
   * UNAVAILABLE.
   */
  publish(events: readonly Outgoing[]): Promise<void>
  /**
   * Starts consuming. When the subscription is missing or has no dead-letter policy the log says so (SETTING_INVALID)
   * and healthy() is false.
   */
  consume<T extends Topic>(service: ServiceName, topic: T, handler: Handler<T>, options?: ConsumeOptions): void
  /** Consumes the dead letters of every subscription; only the scheduler does. */
  consumeDead(handler: (dead: DeadDelivery) => Promise<readonly Outgoing[] | undefined>): void
  /** True while messages can be published and received. */
  healthy(): boolean
  /** False when it will not receive again by itself. True while it waits for a broker that does not answer. */
  receiving(): boolean
  /** Stops pulling, waits for running handlers up to the close timeout, gives the rest back. May be called twice. */
  close(): Promise<void>
}

// ---- the other side

export interface PortOutgoing {
  topic: string
  data: Uint8Array
  attributes: Readonly<Record<string, string>>
  ordering_key?: string
}
export interface PortMessage {
  ack_id: string
  message_id: string
  data: Uint8Array
  attributes: Readonly<Record<string, string>>
  published_at: string
  attempt: number
  ordering_key: string
}
export interface SubscriptionConfig {
  topic: string
  filter?: string
  deadLetterPolicy?: { topic: string; maxDeliveryAttempts: number }
  /** Pause before a message that was given back comes again; without it, none. */
  retryPolicy?: { minimumBackoffMs: number; maximumBackoffMs: number }
  enableMessageOrdering?: boolean
  /** A subscription that nobody reads for so long is deleted. */
  expirationMs?: number
}
/** What a broker can do, in Pub/Sub's terms: the embedded engine, or Google's client. */
export interface BusPort {
  ensureTopic(name: string): Promise<void>
  ensureSubscription(name: string, config: SubscriptionConfig): Promise<void>
  getSubscription(name: string): Promise<SubscriptionConfig | undefined>
  /** All of one call are durable together where the broker can; resolves with the server's ids. */
  publish(messages: readonly PortOutgoing[]): Promise<string[]>
  /** Messages under a lease that is extended up to max_extension_ms while they are not acknowledged. */
  subscribe(
    subscription: string,
    options: { max_outstanding: number; max_extension_ms: number },
    onMessage: (message: PortMessage) => void,
  ): { close(): void }
  ack(ack_id: string): Promise<void>
  nack(ack_id: string): void
  /**
   * Publishes the message to its subscription's dead-letter topic, with these attributes added, and acknowledges it:
   * together where the broker can.
   */
  deadLetter(ack_id: string, attributes: Readonly<Record<string, string>>): Promise<void>
  /** False while it cannot publish or not receive, as far as it has tried. */
  healthy(): boolean
  /** False while a subscription is refused to it. An outage is none: the client goes on by itself. */
  receiving(): boolean
  close(): Promise<void>
}

/**
 * Every subscription of the topology but the feeds of replicas, which their consumers make: name, topic, filter,
 * attempts.
 */
export const allSubscriptions = (): {
  name: string
  service: ServiceName
  topic: Topic
  filter?: string
  max_delivery_attempts: number
}[] =>
  topics.flatMap((topic) =>
    serviceNames.flatMap((service) => {
      const reader = topology[topic].readers[service]
      if (reader === undefined) return []
      return [
        {
          name: subscriptionName(service, topic),
          service,
          topic,
          max_delivery_attempts: reader.max_delivery_attempts ?? 20,
          ...(reader.filter === undefined ? {} : { filter: reader.filter }),
        },
      ]
    }),
  )

/** Upper bounds of histograms, in seconds: for what takes milliseconds, and for what may take an hour. */
const quickSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30]
const slowSeconds = [0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300, 1800, 3600]
const feedExpirationMs = 86_400_000
/**
 * A feed has no dead letters: what its handler threw comes again after a moment, what can never be handled is dropped.
 */
const feedRetry = { minimumBackoffMs: 100, maximumBackoffMs: 10_000 }
const longestStepMs = 65 * 60_000
const longestTimerMs = 2 ** 31 - 1
/** Bytes of an attribute's value, at most. */
const longestAttribute = 1024

/** Makes every topic, subscription and dead letter of schemas/topology.yaml. Safe to repeat. */
export const ensureTopology = async (
  port: BusPort,
  backoff: { minimumBackoffMs?: number; maximumBackoffMs?: number } = {},
): Promise<void> => {
  const retryPolicy = {
    minimumBackoffMs: backoff.minimumBackoffMs ?? 10_000,
    maximumBackoffMs: backoff.maximumBackoffMs ?? 600_000,
  }
  const all = allSubscriptions()
  await Promise.all([...topics, ...all.map(({ name }) => deadLetterName(name))].map((topic) => port.ensureTopic(topic)))
  await Promise.all(
    all.flatMap(({ name, topic, filter, max_delivery_attempts }) => {
      const dead = deadLetterName(name)
      return [
        port.ensureSubscription(dead, { topic: dead, retryPolicy }),
        port.ensureSubscription(name, {
          topic,
          retryPolicy,
          deadLetterPolicy: { topic: dead, maxDeliveryAttempts: max_delivery_attempts },
          ...(filter === undefined ? {} : { filter }),
        }),
      ]
    }),
  )
}

export interface BusOptions {
  port: BusPort
  log: { warn(fields: object, message: string): void; error(fields: object, message: string): void }
  /**
   * Signs run-requested. The name is the publishing service; an event's `attributes.kid` picks one, else the first
   * signs.
   */
  signers?: Readonly<Record<string, Signer>>
  now?: () => Date
  /** How long `close` waits for running handlers, in milliseconds; default 20,000. Signals abort a tenth before. */
  closeTimeoutMs?: number
  /** Deliver each message to its handler twice: for tests. */
  duplicate?: boolean
  /**
   * Called at before-publish, after-publish and before-ack with the subscription; a throw there is a death of the
   * handler: for tests.
   */
  crash?: (point: string, subscription: string) => void
}

export const openBus = (options: BusOptions): Bus => {
  const { port, log, now = () => new Date(), closeTimeoutMs = 20_000 } = options
  const crash = options.crash ?? (() => undefined)
  const running = new Map<Promise<void>, Work>()
  const readers: { close(): void }[] = []
  const starting = new Set<Promise<void>>()
  /** Subscriptions to be consumed whose broker was asked and did not answer yet. */
  const waiting = new Set<string>()
  const over = new AbortController()
  const meter = metrics.getMeter('convergence')
  const sent = meter.createCounter('messaging.client.sent.messages', { description: 'Messages published' })
  const publishing = meter.createHistogram('messaging.client.operation.duration', {
    unit: 's',
    description: 'Time until what was published was durable',
    advice: { explicitBucketBoundaries: quickSeconds },
  })
  const consumed = meter.createCounter('messaging.client.consumed.messages', {
    description: 'Messages that handlers got',
  })
  const processing = meter.createHistogram('messaging.process.duration', {
    unit: 's',
    description: 'Time from getting a message to settling it',
    advice: { explicitBucketBoundaries: slowSeconds },
  })
  let failure: unknown
  let interrupted: AppError | undefined
  let closing: Promise<void> | undefined

  const encode = ({ topic, event, attributes: added, idempotency_key }: Outgoing): PortOutgoing => {
    assertEvent(topic, event)
    const text = JSON.stringify(event)
    assertWhole(topic, text, event)
    const data = Buffer.from(text)
    const attributes = { ...eventAttributes(topic, event), ...added }
    if (topic !== 'run-requested') return { topic, data, attributes }
    const signers = options.signers ?? {}
    const signer =
      added?.['kid'] === undefined
        ? Object.values(signers)[0]
        : Object.values(signers).find(({ kid }) => kid === added['kid'])
    if (signer === undefined)
      throw new AppError(
        'SETTING_INVALID',
        'run-requested must be signed and this bus has no key to sign with: give openBus a signer',
      )
    if (idempotency_key === undefined)
      throw new AppError('EVENT_INVALID', 'run-requested: idempotency_key is missing; it makes a repeat the same run')
    const ts = now().toISOString()
    const signed = { kid: signer.kid, tenant_id: event.tenant_id, idempotency_key, ts }
    return { topic, data, attributes: { ...attributes, ...signed, sig: signer.sign(signedText({ ...signed, data })) } }
  }
  const publish = async (events: readonly Outgoing[]): Promise<void> => {
    if (events.length === 0) return
    const began = performance.now()
    const [first] = events
    try {
      await port.publish(events.map(encode))
    } catch (error) {
      publishing.record((performance.now() - began) / 1000, {
        'messaging.destination.name': first?.topic,
        'error.type': typeOf(error),
      })
      throw error
    }
    publishing.record((performance.now() - began) / 1000, { 'messaging.destination.name': first?.topic })
    for (const { topic } of events) sent.add(1, { 'messaging.destination.name': topic })
  }

  /** What a handler sees. Its signal is made when it is asked for: most handlers never look. */
  const deliveryOf = (message: PortMessage, work: Work, max_extension_ms: number): Delivery => ({
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
        if (interrupted !== undefined) controller.abort(interrupted)
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
    subscription: string,
    topic: T,
    handler: Handler<T>,
    message: PortMessage,
    work: Work,
    max_extension_ms: number,
    dead_letters: boolean,
  ): Promise<void> => {
    // A feed's own name has its replica in it: all replicas are one label.
    const labels = {
      'messaging.destination.subscription.name': dead_letters
        ? subscription
        : subscription.split('.').slice(0, 2).join('.'),
    }
    consumed.add(1, labels)
    const began = performance.now()
    const settled = (error?: unknown) => {
      processing.record(
        (performance.now() - began) / 1000,
        error === undefined ? labels : { ...labels, 'error.type': typeOf(error) },
      )
    }
    const known = {
      subscription,
      message_id: message.message_id,
      run_id: message.attributes['run_id'],
      attempt: message.attempt,
    }
    try {
      const event = parse(topic, message.data)
      const delivery = deliveryOf(message, work, max_extension_ms)
      for (let times = options.duplicate === true ? 2 : 1; times > 0; times -= 1) {
        const following = (await handler(event, delivery)) ?? []
        if (work.given_back) return
        crash('before-publish', subscription)
        await publish(following).catch(notItsFault)
        crash('after-publish', subscription)
      }
      await Promise.all(work.before_ack)
      crash('before-ack', subscription)
    } catch (error) {
      // Nothing is left running behind the back of whoever closes this bus.
      await Promise.allSettled(work.before_ack)
      if (work.given_back) return
      if (isRetryable(error) || (error instanceof AppError && ofTheSurroundings.has(error.code))) {
        if (interrupted === undefined) log.warn({ ...known, error: describe(error) }, 'message given back')
        port.nack(message.ack_id)
        settled(error)
        return
      }
      const { code, message: detail, faults } = error as AppError
      const told = cut([detail, ...faults].join('; '), longestAttribute)
      log.warn(
        { ...known, code, detail: told },
        dead_letters ? 'message sent to the dead letters' : 'message dropped by a live feed',
      )
      if (dead_letters) await port.deadLetter(message.ack_id, { reason: code, detail: told })
      else await port.ack(message.ack_id)
      settled(error)
      return
    }
    await port.ack(message.ack_id)
    settled()
  }
  const handleDead = async (
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
      if (work.given_back) return
      await publish(following ?? [])
    } catch (error) {
      if (work.given_back) return
      log.error(
        { subscription: deadLetterName(name), message_id, error: describe(error) },
        'dead letter not recorded; it comes again',
      )
      port.nack(ack_id)
      return
    }
    await port.ack(ack_id)
  }
  const track = (subscription: string, message: PortMessage, start: (work: Work) => Promise<void>) => {
    const work: Work = {
      ack_id: message.ack_id,
      before_ack: [],
      controller: undefined,
      timer: undefined,
      given_back: false,
    }
    const tracked: Promise<void> = start(work)
      .catch((error: unknown) => {
        log.warn(
          { subscription, message_id: message.message_id, error: describe(error) },
          'message not settled; it comes again',
        )
      })
      .finally(() => {
        clearTimeout(work.timer)
        running.delete(tracked)
      })
    running.set(tracked, work)
  }
  /** A broker that does not answer yet is asked until it does: nobody would begin again. */
  const patiently = async (subscription: string, work: () => Promise<void>): Promise<void> => {
    for (let k = 0; !over.signal.aborted; k += 1) {
      try {
        await work()
        break
      } catch (error) {
        if (!isRetryable(error)) throw error
        waiting.add(subscription)
        log.warn({ subscription, error: describe(error) }, 'not consuming yet; tried again')
        await pause(Math.min(10_000, 250 * 2 ** k), undefined, { signal: over.signal, ref: false }).catch(
          () => undefined,
        )
      }
    }
    waiting.delete(subscription)
  }
  const begin = (work: Promise<void>) => {
    const started: Promise<void> = work
      .catch((error: unknown) => {
        failure = error
        log.error({ error: describe(error) }, 'not consuming')
      })
      .finally(() => {
        starting.delete(started)
      })
    starting.add(started)
  }

  return {
    publish,
    consume: (service, topic, handler, { concurrency = 100, max_extension_ms = longestStepMs, replica } = {}) => {
      const subscription = subscriptionName(service, topic, replica)
      begin(
        patiently(subscription, async () => {
          if (replica !== undefined)
            await port.ensureSubscription(subscription, {
              topic,
              expirationMs: feedExpirationMs,
              retryPolicy: feedRetry,
            })
          else {
            const config = await port.getSubscription(subscription)
            if (config === undefined)
              throw new AppError(
                'SETTING_INVALID',
                `subscription ${subscription} does not exist: is the reader in schemas/topology.yaml, and was ensureTopology called?`,
              )
            if (config.deadLetterPolicy === undefined)
              throw new AppError(
                'SETTING_INVALID',
                `subscription ${subscription} has no dead-letter policy: without one a poison message comes for ever`,
              )
          }
          if (closing !== undefined) return
          readers.push(
            port.subscribe(subscription, { max_outstanding: concurrency, max_extension_ms }, (message) => {
              track(subscription, message, (work) =>
                handle(subscription, topic, handler, message, work, max_extension_ms, replica === undefined),
              )
            }),
          )
        }),
      )
    },
    consumeDead: (handler) => {
      for (const { name } of allSubscriptions()) {
        const dead = deadLetterName(name)
        readers.push(
          port.subscribe(dead, { max_outstanding: 20, max_extension_ms: longestStepMs }, (message) => {
            track(dead, message, (work) => handleDead(name, handler, message, work))
          }),
        )
      }
    },
    healthy: () => failure === undefined && waiting.size === 0 && closing === undefined && port.healthy(),
    receiving: () => failure === undefined && port.receiving(),
    close: () =>
      (closing ??= (async () => {
        over.abort()
        await Promise.all(starting)
        for (const reader of readers) reader.close()
        const interrupt = () => {
          interrupted ??= new AppError('UNAVAILABLE', 'this process is stopping; another one goes on')
          for (const { controller } of running.values()) controller?.abort(interrupted)
        }
        const telling = setTimeout(interrupt, closeTimeoutMs * 0.9)
        let late: NodeJS.Timeout | undefined
        await Promise.race([
          Promise.all(running.keys()),
          new Promise<void>((resolve) => {
            late = setTimeout(resolve, closeTimeoutMs)
          }),
        ])
        clearTimeout(telling)
        clearTimeout(late)
        interrupt()
        for (const work of running.values()) {
          work.given_back = true
          port.nack(work.ack_id)
        }
      })()),
  }
}

/**
 * What a door says of itself and not of the message in hand: a right that was taken away, a table that is being made
 * again, memory that others use. The
 * message comes again, and its attempts bound how often; else a minute's mistake of an operator would end every run
 * that it met.
 */
const ofTheSurroundings: ReadonlySet<ErrorCode> = new Set([
  'FORBIDDEN',
  'SETTING_INVALID',
  'TABLE_NOT_FOUND',
  'RESOURCE_EXHAUSTED',
  'QUERY_INVALID',
  'QUERY_UNSUPPORTED',
  'TIMED_OUT',
  'CANCELLED',
  'ALREADY_EXISTS',
  'CREDENTIAL_UNREADABLE',
])
/** A topic that is missing or refused is none of the message's doing; an event that is wrong is its handler's. */
const notItsFault = (error: unknown): never => {
  throw error instanceof AppError && (error.code === 'NOT_FOUND' || error.code === 'CONFLICT')
    ? new AppError('UNAVAILABLE', error.message, { cause: error })
    : error
}

/** A message in the hands of a handler. */
interface Work {
  ack_id: string
  before_ack: Promise<unknown>[]
  controller: AbortController | undefined
  timer: NodeJS.Timeout | undefined
  given_back: boolean
}

/**
 * A body that goes to several subscriptions of this process is one object in the embedded broker: parsed and checked
 * once, for all of them.
 */
const parsed = new WeakMap<Uint8Array, { topic: Topic; event: unknown }>()
const parse = <T extends Topic>(topic: T, data: Uint8Array): EventBodies[T] => {
  const known = parsed.get(data)
  if (known?.topic === topic) return known.event as EventBodies[T]
  let value: unknown
  const text = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('utf8')
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new AppError('EVENT_INVALID', `${topic}: the body is not JSON`, { cause: error })
  }
  assertEvent(topic, value)
  assertWhole(topic, text, value)
  parsed.set(data, { topic, event: deepFreeze(value) })
  return value
}
const assertWhole = (topic: Topic, text: string, value: unknown): void => {
  const where = brokenText(text, value)
  if (where !== undefined)
    throw new AppError(
      'EVENT_INVALID',
      `${topic}: ${where}: expected whole characters, got half of one (a lone surrogate)`,
    )
}
/** No handler can change what another one is given. */
const deepFreeze = <T>(value: T): T => {
  if (value === null || typeof value !== 'object') return value
  for (const inner of Object.values(value)) deepFreeze(inner)
  return Object.freeze(value)
}
/** Of low cardinality, for labels: our code, or the class. */
const typeOf = (error: unknown): string =>
  error instanceof AppError ? error.code : error instanceof Error ? error.name : typeof error
/** Class and code, and the message where it is ours: never a payload. */
const describe = (error: unknown): string =>
  error instanceof AppError
    ? `${error.code}: ${error.message}`
    : error instanceof Error
      ? `${error.name}: ${error.message.slice(0, 300)}`
      : typeof error
/** At most so many bytes of UTF-8, whole characters. */
const cut = (text: string, bytes: number): string => {
  const all = Buffer.from(text)
  if (all.length <= bytes) return text
  let end = bytes
  while (end > 0 && ((all[end] ?? 0) & 0xc0) === 0x80) end -= 1
  return all.toString('utf8', 0, end)
}
