/**
 * Topics, subscriptions, snapshots and messages: the protocol's shapes, the broker's, and what is refused between
 * them.
 */
import type { PortMessage } from '@convergence/bus'
import { invalid, unsupported } from '@convergence/local-wire'
import type { BrokerSubscriptionConfig, Snapshot, TopicConfig } from '../api.ts'
import { nameIn, snapshotPath, subscriptionPath, topicPath, type FrontState } from './state.ts'

export interface Span {
  seconds?: string
  nanos?: number
}

export interface ProtoTopic {
  name: string
  labels?: Record<string, string>
  messageRetentionDuration?: Span | null
  kmsKeyName?: string
  schemaSettings?: object | null
  messageStoragePolicy?: object | null
  ingestionDataSourceSettings?: object | null
  messageTransforms?: object[]
}

export interface ProtoSubscription {
  name: string
  topic: string
  pushConfig?: { pushEndpoint?: string; attributes?: Record<string, string> } | null
  bigqueryConfig?: object | null
  cloudStorageConfig?: object | null
  bigtableConfig?: object | null
  ackDeadlineSeconds?: number
  retainAckedMessages?: boolean
  messageRetentionDuration?: Span | null
  labels?: Record<string, string>
  enableMessageOrdering?: boolean
  expirationPolicy?: { ttl?: Span | null } | null
  filter?: string
  deadLetterPolicy?: { deadLetterTopic?: string; maxDeliveryAttempts?: number } | null
  retryPolicy?: { minimumBackoff?: Span | null; maximumBackoff?: Span | null } | null
  detached?: boolean
  enableExactlyOnceDelivery?: boolean
  messageTransforms?: object[]
}

const dayMs = 86_400_000

const monthMs = 31 * dayMs

const weekMs = 7 * dayMs

export const millisecondsOf = (span: Span | null | undefined): number | undefined =>
  span === null || span === undefined ? undefined : Number(span.seconds ?? 0) * 1000 + (span.nanos ?? 0) / 1e6

const spanOf = (ms: number): Span => ({ seconds: String(Math.floor(ms / 1000)), nanos: Math.round((ms % 1000) * 1e6) })

const instantOf = (rfc3339: string): Span => spanOf(Date.parse(rfc3339))

export const isEmpty = (value: object | null | undefined): boolean =>
  value === null ||
  value === undefined ||
  Object.values(value).every(
    (each) =>
      each === null ||
      each === '' ||
      each === 0 ||
      each === '0' ||
      each === false ||
      (typeof each === 'object' && isEmpty(each as object)),
  )

/** A path of an update mask as the API writes it. */
export const snakeCase = (path: string): string => path.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

export const refuseTopic = (topic: ProtoTopic): void => {
  for (const [what, value] of [
    ['a schema', topic.schemaSettings],
    ['a storage policy', topic.messageStoragePolicy],
    ['ingestion', topic.ingestionDataSourceSettings],
  ] as const)
    if (!isEmpty(value)) throw unsupported(`${what} of a topic`)
  if ((topic.messageTransforms ?? []).length > 0) throw unsupported('a message transform')
  if (topic.kmsKeyName) throw unsupported('a key of a topic')
}

export const topicConfigOf = ({ labels = {}, messageRetentionDuration }: ProtoTopic): TopicConfig => {
  const retentionMs = millisecondsOf(messageRetentionDuration)
  return {
    ...(isEmpty(labels) ? {} : { labels }),
    ...(retentionMs === undefined || retentionMs === 0 ? {} : { retentionMs }),
  }
}

export const protoTopic = (front: FrontState, name: string) => {
  const { labels = {}, retentionMs } = front.broker.getTopic(name) ?? {}
  return {
    name: topicPath(front, name),
    labels,
    state: 'ACTIVE',
    ...(retentionMs === undefined ? {} : { messageRetentionDuration: spanOf(retentionMs) }),
  }
}

export const protoSnapshot = (front: FrontState, { name, topic, labels, expires_ms }: Snapshot) => ({
  name: snapshotPath(front, name),
  topic: topicPath(front, topic),
  expireTime: spanOf(expires_ms),
  labels,
})

export const configOf = (front: FrontState, subscription: ProtoSubscription): BrokerSubscriptionConfig => {
  const {
    pushConfig,
    ackDeadlineSeconds = 0,
    deadLetterPolicy,
    retryPolicy,
    expirationPolicy,
    filter,
    labels,
  } = subscription
  if (pushConfig?.pushEndpoint) throw unsupported('a push endpoint')
  if (!isEmpty(pushConfig)) throw unsupported('a push configuration')
  for (const [what, value] of [
    ['a BigQuery subscription', subscription.bigqueryConfig],
    ['a Cloud Storage subscription', subscription.cloudStorageConfig],
    ['a Bigtable subscription', subscription.bigtableConfig],
  ] as const)
    if (!isEmpty(value)) throw unsupported(what)
  if ((subscription.messageTransforms ?? []).length > 0) throw unsupported('a message transform')
  const retention = millisecondsOf(subscription.messageRetentionDuration)
  const ttl =
    expirationPolicy === null || expirationPolicy === undefined ? monthMs : millisecondsOf(expirationPolicy.ttl)
  if (ttl !== undefined && ttl < dayMs) throw invalid('expiration_policy.ttl: expected at least a day')
  const minimumBackoffMs = millisecondsOf(retryPolicy?.minimumBackoff) ?? 10_000
  return {
    topic: nameIn(front, 'topics', subscription.topic),
    ackDeadlineSeconds: ackDeadlineSeconds === 0 ? 10 : ackDeadlineSeconds,
    ...(filter ? { filter } : {}),
    ...(labels === undefined || isEmpty(labels) ? {} : { labels }),
    ...(subscription.enableMessageOrdering === true ? { enableMessageOrdering: true } : {}),
    ...(subscription.enableExactlyOnceDelivery === true ? { enableExactlyOnceDelivery: true } : {}),
    ...(subscription.retainAckedMessages === true ? { retainAckedMessages: true } : {}),
    ...(retention === undefined || retention === 0 || retention === weekMs ? {} : { messageRetentionMs: retention }),
    ...(subscription.detached === true ? { detached: true } : {}),
    ...(ttl === undefined ? {} : { expirationMs: ttl }),
    ...(deadLetterPolicy?.deadLetterTopic
      ? {
          deadLetterPolicy: {
            topic: nameIn(front, 'topics', deadLetterPolicy.deadLetterTopic),
            maxDeliveryAttempts: deadLetterPolicy.maxDeliveryAttempts || 5,
          },
        }
      : {}),
    ...(retryPolicy === null || retryPolicy === undefined
      ? {}
      : {
          retryPolicy: {
            minimumBackoffMs,
            maximumBackoffMs: millisecondsOf(retryPolicy.maximumBackoff) ?? Math.max(600_000, minimumBackoffMs),
          },
        }),
  }
}

export const protoSubscription = (
  front: FrontState,
  name: string,
  config: BrokerSubscriptionConfig,
): ProtoSubscription & { state: string } => ({
  name: subscriptionPath(front, name),
  topic: topicPath(front, config.topic),
  pushConfig: {},
  ackDeadlineSeconds: config.ackDeadlineSeconds ?? 10,
  retainAckedMessages: config.retainAckedMessages ?? false,
  messageRetentionDuration: spanOf(config.messageRetentionMs ?? weekMs),
  labels: { ...config.labels },
  enableMessageOrdering: config.enableMessageOrdering ?? false,
  filter: config.filter ?? '',
  detached: config.detached ?? false,
  enableExactlyOnceDelivery: config.enableExactlyOnceDelivery ?? false,
  state: 'ACTIVE',
  expirationPolicy: config.expirationMs === undefined ? {} : { ttl: spanOf(config.expirationMs) },
  deadLetterPolicy:
    config.deadLetterPolicy === undefined
      ? null
      : {
          deadLetterTopic: topicPath(front, config.deadLetterPolicy.topic),
          maxDeliveryAttempts: config.deadLetterPolicy.maxDeliveryAttempts,
        },
  retryPolicy:
    config.retryPolicy === undefined
      ? null
      : {
          minimumBackoff: spanOf(config.retryPolicy.minimumBackoffMs),
          maximumBackoff: spanOf(config.retryPolicy.maximumBackoffMs),
        },
})

export const received = (
  { ack_id, message_id, data, attributes, published_at, attempt, ordering_key }: PortMessage,
  config: BrokerSubscriptionConfig,
) => ({
  ackId: ack_id,
  deliveryAttempt: config.deadLetterPolicy === undefined ? 0 : attempt,
  message: {
    data: Buffer.from(data.buffer, data.byteOffset, data.byteLength),
    attributes,
    messageId: message_id,
    publishTime: instantOf(published_at),
    orderingKey: ordering_key,
  },
})
