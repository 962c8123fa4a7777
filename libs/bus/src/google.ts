/**
 * The other side of the door: Pub/Sub, by the unmodified client. Its defaults are made for throughput between data
 * centres; here every
 * hop of a run waits for them, so publishes and acknowledgements wait a millisecond at most, and closing waits for
 * handlers instead of
 * giving their messages back. What a subscription hands out is leased until it is acknowledged or its longest extension
 * is over.
 */
import { context, trace } from '@opentelemetry/api'
import {
  Duration,
  PubSub,
  type GetSubscriptionMetadataResponse,
  type Message,
  type Subscription,
  type SubscriptionMetadata,
  type Topic,
} from '@google-cloud/pubsub'
import { PassThroughClient } from 'google-auth-library'
import { AppError } from '@convergence/contracts'
import type { BusPort, PortMessage, PortOutgoing, SubscriptionConfig } from './bus.ts'

export interface GoogleBusOptions {
  project_id: string
  /** A local Pub/Sub, such as 127.0.0.1:8085: no credentials are looked for, nothing is encrypted. */
  api_endpoint?: string
  log: { warn(fields: object, message: string): void; error(fields: object, message: string): void }
  /** How long a publish is tried before it is UNAVAILABLE, in milliseconds; default 10,000. */
  publish_timeout_ms?: number
  /** How long a publish that found nobody makes the port unhealthy, in milliseconds; default 15,000. */
  unpublished_ms?: number
  /** A stream that was not refused for so long receives, in milliseconds; default 30,000. */
  accepted_ms?: number
  /**
   * How long `close` waits for messages that handlers hold, in milliseconds; the bus gives them back before; default
   * 25,000.
   */
  close_timeout_ms?: number
  /** Streams of one subscription; default 1: a stream carries some thousand messages a second. */
  streams?: number
}

const notFound = 5
const alreadyExists = 6
const forbidden = 7
/**
 * Codes after which the same call may work: cancelled, unknown, deadline, exhausted, aborted, internal, unavailable.
 */
const passing = new Set([1, 2, 4, 8, 10, 13, 14])
const statusOf = (error: unknown): number | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : undefined
const detailOf = (error: unknown): string =>
  (error instanceof Error
    ? 'details' in error && typeof error.details === 'string' && error.details !== ''
      ? error.details
      : error.message
    : String(error)
  ).slice(0, 300)
const names = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
]

/** gRPC would wait up to two minutes before it looks again for a server that was away. */
const reconnecting = { 'grpc.max_reconnect_backoff_ms': 5_000 }

const shortName = (path: string | null | undefined): string =>
  String(path ?? '')
    .split('/')
    .at(-1) ?? ''
const millis = (duration: { seconds?: unknown; nanos?: number | null } | null | undefined): number =>
  Number(duration?.seconds ?? 0) * 1000 + Number(duration?.nanos ?? 0) / 1e6
const durationOf = (ms: number) => ({ seconds: Math.floor(ms / 1000), nanos: Math.round((ms % 1000) * 1e6) })

/** What Google said, the request that it said it of, and what to do. */
const worded = (error: unknown, what: string): AppError => {
  if (error instanceof AppError) return error
  const status = statusOf(error)
  const said = `${names[status ?? 2] ?? 'UNKNOWN'}: ${detailOf(error)}`
  if (status === forbidden || status === 16)
    return new AppError(
      'SETTING_INVALID',
      `${what}: Pub/Sub refuses it (${said}); give this service's identity the role in k8s/platform, or sign in`,
      { cause: error },
    )
  if (status === notFound)
    return new AppError(
      'NOT_FOUND',
      `${what}: Pub/Sub does not know it (${said}); npm run apply makes what schemas/topology.yaml names`,
      { cause: error },
    )
  if (status === alreadyExists) return new AppError('CONFLICT', `${what}: ${said}`, { cause: error })
  if (status !== undefined && !passing.has(status))
    return new AppError('BODY_INVALID', `${what}: ${said}`, { cause: error })
  return new AppError('UNAVAILABLE', `${what}: Pub/Sub does not answer (${said}); it is tried again`, { cause: error })
}

/** Whether a tracer was registered before: without one the client's spans would only cost. */
const isTraced = (): boolean => {
  const probe = trace.getTracer('convergence').startSpan('probe')
  probe.end()
  return probe.isRecording() || trace.isSpanContextValid(probe.spanContext())
}

export const openGoogleBus = ({
  project_id,
  api_endpoint,
  log,
  publish_timeout_ms = 10_000,
  unpublished_ms = 15_000,
  accepted_ms = 30_000,
  close_timeout_ms = 25_000,
  streams = 1,
}: GoogleBusOptions): BusPort => {
  const client = new PubSub({
    projectId: project_id,
    enableOpenTelemetryTracing: isTraced(),
    ...reconnecting,
    ...(api_endpoint === undefined
      ? {}
      : { apiEndpoint: api_endpoint, emulatorMode: true, authClient: new PassThroughClient() }),
  })
  const topics = new Map<string, Topic>()
  const held = new Map<string, { message: Message; subscription: string }>()
  const deadTopics = new Map<string, Promise<string | undefined>>()
  const readers = new Set<{ end(): Promise<void> }>()
  let lastHeld = 0
  /** When the last publish found Pub/Sub away; undefined since one succeeded. */
  let unpublishedAt: number | undefined
  const broken = new Set<string>()
  let closing: Promise<void> | undefined

  /** Ordered and plain messages have a publisher each: an ordered one stops at the first failure of its key. */
  const topicOf = (name: string, ordered: boolean): Topic => {
    const key = `${name}|${String(ordered)}`
    const known = topics.get(key)
    if (known !== undefined) return known
    const made = client.topic(name, {
      messageOrdering: ordered,
      batching: { maxMessages: 200, maxMilliseconds: 1 },
      gaxOpts: {
        timeout: publish_timeout_ms,
        retry: {
          retryCodes: [1, 2, 4, 8, 10, 13, 14],
          backoffSettings: {
            initialRetryDelayMillis: 50,
            retryDelayMultiplier: 2,
            maxRetryDelayMillis: 1_000,
            initialRpcTimeoutMillis: publish_timeout_ms,
            rpcTimeoutMultiplier: 1,
            maxRpcTimeoutMillis: publish_timeout_ms,
            totalTimeoutMillis: publish_timeout_ms,
          },
        },
      },
    })
    topics.set(key, made)
    return made
  }
  const publishOne = async ({ topic: name, data, attributes, ordering_key = '' }: PortOutgoing): Promise<string> => {
    const topic = topicOf(name, ordering_key !== '')
    try {
      const id = await topic.publishMessage({
        data: Buffer.from(data.buffer, data.byteOffset, data.byteLength),
        attributes: { ...attributes },
        ...(ordering_key === '' ? {} : { orderingKey: ordering_key }),
      })
      unpublishedAt = undefined
      return id
    } catch (error) {
      if (ordering_key !== '') topic.resumePublishing(ordering_key)
      const told = worded(error, `publish to ${name}`)
      unpublishedAt = told.code === 'UNAVAILABLE' ? performance.now() : undefined
      throw told
    }
  }

  const metadataOf = (config: SubscriptionConfig): SubscriptionMetadata => ({
    ackDeadlineSeconds: 60,
    // Without a policy a subscription that is idle for a month is deleted.
    expirationPolicy:
      config.expirationMs === undefined ? {} : { ttl: durationOf(Math.max(config.expirationMs, 86_400_000)) },
    ...(config.filter === undefined ? {} : { filter: config.filter }),
    ...(config.enableMessageOrdering === true ? { enableMessageOrdering: true } : {}),
    ...(config.deadLetterPolicy === undefined
      ? {}
      : {
          deadLetterPolicy: {
            deadLetterTopic: client.topic(config.deadLetterPolicy.topic).name.replace('{{projectId}}', project_id),
            maxDeliveryAttempts: config.deadLetterPolicy.maxDeliveryAttempts,
          },
        }),
    ...(config.retryPolicy === undefined
      ? {}
      : {
          retryPolicy: {
            minimumBackoff: durationOf(config.retryPolicy.minimumBackoffMs),
            maximumBackoff: durationOf(config.retryPolicy.maximumBackoffMs),
          },
        }),
  })
  const configOf = (metadata: GetSubscriptionMetadataResponse[0]): SubscriptionConfig => ({
    topic: shortName(metadata.topic),
    ...(metadata.filter ? { filter: metadata.filter } : {}),
    ...(metadata.deadLetterPolicy?.deadLetterTopic
      ? {
          deadLetterPolicy: {
            topic: shortName(metadata.deadLetterPolicy.deadLetterTopic),
            maxDeliveryAttempts: Number(metadata.deadLetterPolicy.maxDeliveryAttempts ?? 5),
          },
        }
      : {}),
    ...(metadata.retryPolicy
      ? {
          retryPolicy: {
            minimumBackoffMs: millis(metadata.retryPolicy.minimumBackoff),
            maximumBackoffMs: millis(metadata.retryPolicy.maximumBackoff),
          },
        }
      : {}),
    ...(metadata.enableMessageOrdering === true ? { enableMessageOrdering: true } : {}),
    ...(metadata.expirationPolicy?.ttl ? { expirationMs: millis(metadata.expirationPolicy.ttl) } : {}),
  })
  const getSubscription = async (name: string): Promise<SubscriptionConfig | undefined> => {
    try {
      const [metadata] = await client.subscription(name).getMetadata()
      return configOf(metadata)
    } catch (error) {
      if (statusOf(error) === notFound) return undefined
      throw worded(error, `subscription ${name}`)
    }
  }
  const deadTopicOf = (subscription: string): Promise<string | undefined> => {
    const known = deadTopics.get(subscription)
    if (known !== undefined) return known
    const asked = getSubscription(subscription).then((config) => config?.deadLetterPolicy?.topic)
    asked.catch(() => {
      deadTopics.delete(subscription)
    })
    deadTopics.set(subscription, asked)
    return asked
  }
  const take = (ack_id: string) => {
    const found = held.get(ack_id)
    held.delete(ack_id)
    return found
  }

  return {
    ensureTopic: async (name) => {
      try {
        await client.createTopic(name)
      } catch (error) {
        if (statusOf(error) !== alreadyExists) throw worded(error, `topic ${name}`)
      }
    },
    ensureSubscription: async (name, config) => {
      try {
        await client.createSubscription(config.topic, name, metadataOf(config))
        return
      } catch (error) {
        if (statusOf(error) !== alreadyExists) throw worded(error, `subscription ${name}`)
      }
      const known = await getSubscription(name)
      const [was, wanted] = [known, config].map((each) =>
        JSON.stringify({
          topic: each?.topic,
          filter: each?.filter ?? '',
          enableMessageOrdering: each?.enableMessageOrdering ?? false,
        }),
      )
      if (was !== wanted)
        throw new AppError(
          'CONFLICT',
          `subscription ${name} exists as ${String(was)}, expected ${String(wanted)}: these cannot change; delete it, or use another name`,
        )
      const same = (each: SubscriptionConfig | undefined) => JSON.stringify([each?.deadLetterPolicy, each?.retryPolicy])
      if (same(known) === same(config)) return
      deadTopics.delete(name)
      const { deadLetterPolicy, retryPolicy } = metadataOf(config)
      try {
        await client
          .subscription(name)
          .setMetadata({ deadLetterPolicy: deadLetterPolicy ?? null, retryPolicy: retryPolicy ?? null })
      } catch (error) {
        throw worded(error, `subscription ${name}`)
      }
    },
    getSubscription,
    publish: (messages) => Promise.all(messages.map(publishOne)),
    subscribe: (name, { max_outstanding, max_extension_ms }, onMessage) => {
      let stopped = false
      let again: NodeJS.Timeout | undefined
      let well: NodeJS.Timeout | undefined
      let current: Subscription | undefined
      const begin = () => {
        const subscription = client.subscription(name, {
          flowControl: { maxMessages: max_outstanding, allowExcessMessages: false },
          batching: { maxMessages: 500, maxMilliseconds: 2 },
          maxExtensionTime: Duration.from({ millis: max_extension_ms }),
          streamingOptions: { maxStreams: streams, retryMaxBackoff: Duration.from({ seconds: 5 }) },
          closeOptions: { behavior: 'WAIT', timeout: Duration.from({ millis: close_timeout_ms }) },
        })
        current = subscription
        subscription.on('message', (message: Message) => {
          const ack_id = String((lastHeld += 1))
          held.set(ack_id, { message, subscription: name })
          broken.delete(name)
          const given: PortMessage = {
            ack_id,
            message_id: message.id,
            data: message.data,
            attributes: message.attributes,
            published_at: message.publishTime.toISOString(),
            attempt: Math.max(1, message.deliveryAttempt),
            ordering_key: message.orderingKey ?? '',
          }
          // The client calls back outside the message's span, and all that a handler does would begin a trace of its
          // own.
          const { parentSpan } = message
          if (parentSpan === undefined) onMessage(given)
          else
            context.with(trace.setSpan(context.active(), parentSpan), () => {
              onMessage(given)
            })
        })
        // The client opens its stream again by itself after what may pass; what comes here does not.
        subscription.on('error', (error) => {
          broken.add(name)
          clearTimeout(well)
          log.error(
            { subscription: name, code: names[statusOf(error) ?? 2], error: detailOf(error) },
            'not receiving; tried again in five seconds',
          )
          void subscription.close().catch(() => undefined)
          if (!stopped) again = setTimeout(begin, 5_000).unref()
        })
        // Where no message comes, a stream that was not refused is one that receives.
        well = setTimeout(() => {
          broken.delete(name)
        }, accepted_ms).unref()
      }
      begin()
      let ended: Promise<void> | undefined
      const reader = {
        end: () =>
          (ended ??= (async () => {
            stopped = true
            clearTimeout(again)
            clearTimeout(well)
            broken.delete(name)
            await current?.close().catch((error: unknown) => {
              log.warn({ subscription: name, error: detailOf(error) }, 'not closed cleanly')
            })
          })()),
      }
      readers.add(reader)
      return {
        close: () => {
          void reader.end().finally(() => {
            readers.delete(reader)
          })
        },
      }
    },
    ack: async (ack_id) => {
      const found = take(ack_id)
      if (found === undefined) return
      try {
        // Only an exactly-once subscription says whether it counted; elsewhere a lost one means one more delivery.
        await found.message.ackWithResponse()
      } catch (error) {
        throw worded(error, `acknowledge message ${found.message.id} of ${found.subscription}`)
      }
    },
    nack: (ack_id) => {
      take(ack_id)?.message.nack()
    },
    deadLetter: async (ack_id, attributes) => {
      const found = held.get(ack_id)
      if (found === undefined) return
      const { message, subscription } = found
      try {
        const topic = await deadTopicOf(subscription)
        if (topic === undefined)
          throw new AppError('SETTING_INVALID', `subscription ${subscription} has no dead-letter policy`)
        await publishOne({
          topic,
          data: message.data,
          attributes: {
            ...message.attributes,
            ...attributes,
            CloudPubSubDeadLetterSourceDeliveryCount: String(Math.max(1, message.deliveryAttempt)),
            CloudPubSubDeadLetterSourceSubscription: subscription,
            CloudPubSubDeadLetterSourceSubscriptionProject: project_id,
            CloudPubSubDeadLetterSourceTopicPublishTime: message.publishTime.toISOString().replace('Z', '+00:00'),
          },
        })
      } catch (error) {
        // Nothing is lost: it comes again, and is sent there then.
        take(ack_id)?.message.nack()
        throw error
      }
      take(ack_id)
      await message.ackWithResponse()
    },
    // Whoever is taken out of a load balancer publishes nothing: without an end to it, it would stay out.
    healthy: () =>
      closing === undefined &&
      (unpublishedAt === undefined || performance.now() - unpublishedAt > unpublished_ms) &&
      broken.size === 0,
    receiving: () => broken.size === 0,
    close: () =>
      (closing ??= (async () => {
        await Promise.all([...readers].map((reader) => reader.end()))
        await client.close()
      })()),
  }
}
