/**
 * Pub/Sub's gRPC protocol in front of the broker, for the unmodified Google clients of any language: Publisher and
 * Subscriber of
 * google.pubsub.v1. What is not supported is refused by name when it is asked for; nothing is accepted and then
 * ignored.
 */
import * as grpc from '@grpc/grpc-js'
import type { PortMessage, PortOutgoing } from '@convergence/bus'
import type { Broker, BrokerSubscriptionConfig, Stream, Snapshot, TopicConfig } from './broker.ts'
import {
  invalid,
  listen,
  loadServices,
  newServer,
  shut,
  StatusError,
  statusOf,
  unary,
  unsupported,
  warnOfReach,
  withErrorInfo,
  type FrontLog,
} from '@convergence/local-wire'

export interface PubSubFrontOptions {
  broker: Broker
  project_id: string
  /** Default 127.0.0.1. */
  host?: string
  /** 0 takes a free one. */
  port: number
  log: FrontLog
}
export interface PubSubFront {
  port: number
  /** Streams end with UNAVAILABLE, and their clients open them again elsewhere or later. */
  close(): Promise<void>
}

interface Span {
  seconds?: string
  nanos?: number
}
interface ProtoTopic {
  name: string
  labels?: Record<string, string>
  messageRetentionDuration?: Span | null
  kmsKeyName?: string
  schemaSettings?: object | null
  messageStoragePolicy?: object | null
  ingestionDataSourceSettings?: object | null
  messageTransforms?: object[]
}
interface ProtoSubscription {
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
interface ProtoMessage {
  data: Buffer
  attributes: Record<string, string>
  orderingKey: string
}
interface PullRequest {
  subscription: string
  ackIds: string[]
  modifyDeadlineSeconds: number[]
  modifyDeadlineAckIds: string[]
  streamAckDeadlineSeconds: number
  maxOutstandingMessages: string
  maxOutstandingBytes: string
}
interface Page {
  pageSize?: number
  pageToken?: string
}

const dayMs = 86_400_000
const monthMs = 31 * dayMs
const weekMs = 7 * dayMs
const millis = (span: Span | null | undefined): number | undefined =>
  span === null || span === undefined ? undefined : Number(span.seconds ?? 0) * 1000 + Number(span.nanos ?? 0) / 1e6
const spanOf = (ms: number): Span => ({ seconds: String(Math.floor(ms / 1000)), nanos: Math.round((ms % 1000) * 1e6) })
const instantOf = (rfc3339: string): Span => spanOf(Date.parse(rfc3339))
const isEmpty = (value: object | null | undefined): boolean =>
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
const snake = (path: string): string => path.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
const mostMessages = 1_000
const mostBytes = 10_000_000
const pullWaitMs = 5_000
const pageSize = 100

export const openPubSubFront = async ({
  broker,
  project_id,
  host = '127.0.0.1',
  port,
  log,
}: PubSubFrontOptions): Promise<PubSubFront> => {
  const service = await loadServices('@google-cloud/pubsub', 'google/pubsub/v1/pubsub.proto')
  /** `config`: what the subscription says now; whoever changes it puts it here. */
  const streams = new Set<{ subscription: string; config: BrokerSubscriptionConfig; end(error: StatusError): void }>()

  // ---- names

  const short = (kind: 'topics' | 'subscriptions' | 'snapshots', path: string): string => {
    const [, project, name] = new RegExp(`^projects/([^/]+)/${kind}/([^/]+)$`).exec(path) ?? []
    if (project === undefined || name === undefined)
      throw invalid(`expected projects/{project}/${kind}/{name}, got ${JSON.stringify(path.slice(0, 300))}`)
    if (project !== project_id)
      throw new StatusError(
        grpc.status.NOT_FOUND,
        `project ${project}: this local cloud holds the project ${project_id} alone`,
      )
    return name
  }
  const projectOf = (path: string): void => {
    if (path !== `projects/${project_id}`)
      throw new StatusError(grpc.status.NOT_FOUND, `${path}: this local cloud holds projects/${project_id} alone`)
  }
  const topicPath = (name: string): string =>
    name === '_deleted-topic_' ? name : `projects/${project_id}/topics/${name}`
  const snapshotPath = (name: string): string => `projects/${project_id}/snapshots/${name}`
  const subscriptionPath = (name: string): string => `projects/${project_id}/subscriptions/${name}`
  /** One page of names in order; the token is the last name of the page before. */
  const page = (
    names: readonly string[],
    { pageSize: size = 0, pageToken = '' }: Page,
  ): { names: string[]; nextPageToken: string } => {
    const rest = names.filter((name) => name > pageToken)
    const shown = rest.slice(0, size <= 0 ? pageSize : Math.min(size, mostMessages))
    return { names: shown, nextPageToken: shown.length < rest.length ? (shown.at(-1) ?? '') : '' }
  }

  // ---- shapes

  const refuseTopic = (topic: ProtoTopic): void => {
    for (const [what, value] of [
      ['a schema', topic.schemaSettings],
      ['a storage policy', topic.messageStoragePolicy],
      ['ingestion', topic.ingestionDataSourceSettings],
    ] as const)
      if (!isEmpty(value)) throw unsupported(`${what} of a topic`)
    if ((topic.messageTransforms ?? []).length > 0) throw unsupported('a message transform')
    if (topic.kmsKeyName) throw unsupported('a key of a topic')
  }
  const topicConfigOf = ({ labels = {}, messageRetentionDuration }: ProtoTopic): TopicConfig => {
    const retentionMs = millis(messageRetentionDuration)
    return {
      ...(isEmpty(labels) ? {} : { labels }),
      ...(retentionMs === undefined || retentionMs === 0 ? {} : { retentionMs }),
    }
  }
  const protoTopic = (name: string) => {
    const { labels = {}, retentionMs } = broker.getTopic(name) ?? {}
    return {
      name: topicPath(name),
      labels,
      state: 'ACTIVE',
      ...(retentionMs === undefined ? {} : { messageRetentionDuration: spanOf(retentionMs) }),
    }
  }
  const protoSnapshot = ({ name, topic, labels, expires_ms }: Snapshot) => ({
    name: snapshotPath(name),
    topic: topicPath(topic),
    expireTime: spanOf(expires_ms),
    labels,
  })
  const configOf = (subscription: ProtoSubscription): BrokerSubscriptionConfig => {
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
    const retention = millis(subscription.messageRetentionDuration)
    const ttl = expirationPolicy === null || expirationPolicy === undefined ? monthMs : millis(expirationPolicy.ttl)
    if (ttl !== undefined && ttl < dayMs) throw invalid('expiration_policy.ttl: expected at least a day')
    const minimumBackoffMs = millis(retryPolicy?.minimumBackoff) ?? 10_000
    return {
      topic: short('topics', subscription.topic),
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
              topic: short('topics', deadLetterPolicy.deadLetterTopic),
              maxDeliveryAttempts: deadLetterPolicy.maxDeliveryAttempts || 5,
            },
          }
        : {}),
      ...(retryPolicy === null || retryPolicy === undefined
        ? {}
        : {
            retryPolicy: {
              minimumBackoffMs,
              maximumBackoffMs: millis(retryPolicy.maximumBackoff) ?? Math.max(600_000, minimumBackoffMs),
            },
          }),
    }
  }
  const protoOf = (name: string, config: BrokerSubscriptionConfig): ProtoSubscription & { state: string } => ({
    name: subscriptionPath(name),
    topic: topicPath(config.topic),
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
            deadLetterTopic: topicPath(config.deadLetterPolicy.topic),
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
  const known = async (path: string): Promise<{ name: string; config: BrokerSubscriptionConfig }> => {
    const name = short('subscriptions', path)
    const config = await broker.getSubscription(name)
    if (config === undefined) throw new StatusError(grpc.status.NOT_FOUND, `subscription ${name} does not exist`)
    return { name, config }
  }
  const knownSnapshot = (path: string): Snapshot => {
    const name = short('snapshots', path)
    const found = broker.getSnapshot(name)
    if (found === undefined) throw new StatusError(grpc.status.NOT_FOUND, `snapshot ${name} does not exist`)
    return found
  }
  const refuseDetached = ({ name, config }: { name: string; config: BrokerSubscriptionConfig }) => {
    if (config.detached === true)
      throw new StatusError(
        grpc.status.FAILED_PRECONDITION,
        `subscription ${name} is detached from its topic: nothing comes any more`,
      )
  }
  const assertTopic = (path: string): string => {
    const name = short('topics', path)
    if (!broker.listTopics().includes(name))
      throw new StatusError(grpc.status.NOT_FOUND, `topic ${name} does not exist; make it first`)
    return name
  }
  const received = (
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

  /** Which parts of a subscription an update mask may name, and how each is taken over. */
  const changeable: Readonly<Record<string, (from: ProtoSubscription) => Partial<ProtoSubscription>>> = {
    ack_deadline_seconds: ({ ackDeadlineSeconds = 0 }) => ({ ackDeadlineSeconds }),
    dead_letter_policy: ({ deadLetterPolicy = null }) => ({ deadLetterPolicy }),
    retry_policy: ({ retryPolicy = null }) => ({ retryPolicy }),
    expiration_policy: ({ expirationPolicy = null }) => ({ expirationPolicy }),
    enable_exactly_once_delivery: ({ enableExactlyOnceDelivery = false }) => ({ enableExactlyOnceDelivery }),
    labels: ({ labels = {} }) => ({ labels }),
    push_config: ({ pushConfig = null }) => ({ pushConfig }),
    message_retention_duration: ({ messageRetentionDuration = null }) => ({ messageRetentionDuration }),
    retain_acked_messages: ({ retainAckedMessages = false }) => ({ retainAckedMessages }),
  }

  // ---- acknowledging

  /**
   * What became of ack ids: `late` ones are of leases that are over, or of another subscription; `failed` ones could
   * not be written, and their messages come again.
   */
  interface Fates {
    done: string[]
    late: string[]
    failed: string[]
  }
  const acknowledge = async (subscription: string, ack_ids: readonly string[]): Promise<Fates> => {
    const fates: Fates = { done: [], late: [], failed: [] }
    await Promise.all(
      ack_ids.map(async (ack_id) => {
        if (broker.leasedBy(ack_id) !== subscription) fates.late.push(ack_id)
        else
          await broker.ack(ack_id).then(
            () => fates.done.push(ack_id),
            () => fates.failed.push(ack_id),
          )
      }),
    )
    return fates
  }
  const modify = (subscription: string, ack_ids: readonly string[], secondsOf: (k: number) => number): Fates => {
    const fates: Fates = { done: [], late: [], failed: [] }
    for (const [k, ack_id] of ack_ids.entries()) {
      const own = broker.leasedBy(ack_id) === subscription
      fates[own ? 'done' : 'late'].push(ack_id)
      if (own) broker.modifyAckDeadline(ack_id, secondsOf(k))
    }
    return fates
  }
  /**
   * With exactly-once every ack id is told its fate; without, a late one is passed over in silence and a failed one
   * fails the request.
   */
  const tell = (config: BrokerSubscriptionConfig, { late, failed }: Fates): void => {
    const sentence =
      failed.length > 0
        ? `${failed.length} acknowledgements could not be written; their messages come again`
        : `${late.length} ack ids are of leases that are over; their messages come again`
    const code = failed.length > 0 ? grpc.status.UNAVAILABLE : grpc.status.FAILED_PRECONDITION
    if (config.enableExactlyOnceDelivery !== true) {
      if (failed.length > 0) throw new StatusError(code, sentence)
      return
    }
    if (late.length + failed.length === 0) return
    throw withErrorInfo(code, sentence, {
      reason: failed.length > 0 ? 'ACKS_NOT_WRITTEN' : 'INVALID_ACK_IDS',
      domain: 'pubsub.googleapis.com',
      metadata: Object.fromEntries([
        ...late.map((ack_id) => [ack_id, 'PERMANENT_FAILURE_INVALID_ACK_ID']),
        ...failed.map((ack_id) => [ack_id, 'TRANSIENT_FAILURE_SERVICE_UNAVAILABLE']),
      ]),
    })
  }

  // ---- streaming pull

  type PullCall = grpc.ServerDuplexStream<PullRequest, object>
  const streamingPull = (call: PullCall): void => {
    let stream: Stream | undefined
    let waiting: PortMessage[] = []
    let ended = false
    const entry = {
      subscription: '',
      config: { topic: '' } as BrokerSubscriptionConfig,
      end: (error: StatusError) => {
        finish(error)
      },
    }
    const finish = (error?: unknown) => {
      if (ended) return
      ended = true
      streams.delete(entry)
      stream?.close()
      if (error === undefined) call.end()
      else call.emit('error', statusOf(error))
    }
    const answer = (
      messages: readonly PortMessage[],
      confirmed: { acknowledgeConfirmation?: object; modifyAckDeadlineConfirmation?: object } = {},
    ) => {
      const { config } = entry
      // With every answer: the client learns from it whether acknowledgements are to be confirmed.
      const full = !call.write({
        ...confirmed,
        receivedMessages: messages.map((message) => received(message, config)),
        subscriptionProperties: {
          exactlyOnceDeliveryEnabled: config.enableExactlyOnceDelivery ?? false,
          messageOrderingEnabled: config.enableMessageOrdering ?? false,
        },
      })
      // Leased messages in a full socket would be redelivered before anybody has seen them.
      if (full) stream?.pause()
    }
    const send = () => {
      const messages = waiting
      waiting = []
      if (!ended && messages.length > 0) answer(messages)
    }
    call.on('drain', () => {
      stream?.resume()
    })
    const begin = async (request: PullRequest): Promise<void> => {
      const found = await known(request.subscription)
      refuseDetached(found)
      const seconds = request.streamAckDeadlineSeconds
      if (seconds < 10 || seconds > 600)
        throw invalid(`stream_ack_deadline_seconds: expected 10 to 600, got ${seconds}`)
      if (ended) return
      entry.config = found.config
      entry.subscription = found.name
      streams.add(entry)
      const limit = (text: string) => (Number(text) <= 0 ? Number.MAX_SAFE_INTEGER : Number(text))
      stream = broker.stream(
        found.name,
        {
          max_outstanding: limit(request.maxOutstandingMessages),
          max_bytes: limit(request.maxOutstandingBytes),
          lease_ms: seconds * 1000,
        },
        (message) => {
          waiting.push(message)
          if (waiting.length === 1) setImmediate(send)
          else if (waiting.length >= mostMessages) send()
        },
      )
      answer([])
    }
    const goOn = async (request: PullRequest): Promise<void> => {
      const { ackIds, modifyDeadlineAckIds, modifyDeadlineSeconds, streamAckDeadlineSeconds } = request
      if (
        request.subscription !== '' ||
        Number(request.maxOutstandingMessages) !== 0 ||
        Number(request.maxOutstandingBytes) !== 0
      )
        throw invalid(
          'subscription, max_outstanding_messages and max_outstanding_bytes are said in the first request of a stream alone',
        )
      if (modifyDeadlineAckIds.length !== modifyDeadlineSeconds.length)
        throw invalid('modify_deadline_ack_ids and modify_deadline_seconds: expected as many of one as of the other')
      if (streamAckDeadlineSeconds !== 0) stream?.setLease(streamAckDeadlineSeconds * 1000)
      // A client that hears nothing for its empty request takes the stream for dead.
      if (ackIds.length === 0 && modifyDeadlineAckIds.length === 0) {
        answer([])
        return
      }
      const modified = modify(entry.subscription, modifyDeadlineAckIds, (k) => modifyDeadlineSeconds[k] ?? 0)
      const acknowledged = await acknowledge(entry.subscription, ackIds)
      if (ended || entry.config.enableExactlyOnceDelivery !== true) return
      const told = ({ done, late, failed }: Fates) => ({
        ackIds: done,
        invalidAckIds: late,
        temporaryFailedAckIds: failed,
      })
      answer([], {
        ...(ackIds.length === 0 ? {} : { acknowledgeConfirmation: told(acknowledged) }),
        ...(modifyDeadlineAckIds.length === 0 ? {} : { modifyAckDeadlineConfirmation: told(modified) }),
      })
    }
    let first = true
    call.on('data', (request: PullRequest) => {
      const work = first ? begin(request) : goOn(request)
      first = false
      work.catch(finish)
    })
    call.on('end', () => {
      finish()
    })
    call.on('error', () => {
      finish()
    })
    call.on('cancelled', () => {
      ended = true
      streams.delete(entry)
      stream?.close()
    })
  }

  // ---- the two services

  const method = <Request, Answer>(
    name: string,
    work: (request: Request, call: grpc.ServerUnaryCall<Request, Answer>) => Promise<Answer> | Answer,
  ) => ({ [name]: unary(log, name, work) })
  const publisher: grpc.UntypedServiceImplementation = {
    ...method('CreateTopic', async (topic: ProtoTopic) => {
      refuseTopic(topic)
      const name = short('topics', topic.name)
      await broker.createTopic(name, topicConfigOf(topic))
      return protoTopic(name)
    }),
    ...method('GetTopic', ({ topic }: { topic: string }) => protoTopic(assertTopic(topic))),
    ...method(
      'UpdateTopic',
      async ({ topic, updateMask }: { topic: ProtoTopic; updateMask?: { paths?: string[] } }) => {
        const name = assertTopic(topic.name)
        const paths = (updateMask?.paths ?? []).map(snake)
        if (paths.length === 0) throw invalid('update_mask: expected at least one path')
        refuseTopic(topic)
        for (const path of paths)
          if (path !== 'labels' && path !== 'message_retention_duration')
            throw invalid(
              `update_mask: ${path} cannot be changed or is not known; expected labels or message_retention_duration`,
            )
        const { labels, retentionMs } = broker.getTopic(name) ?? {}
        const wanted = topicConfigOf(topic)
        const [newLabels, newRetention] = [
          paths.includes('labels') ? wanted.labels : labels,
          paths.includes('message_retention_duration') ? wanted.retentionMs : retentionMs,
        ]
        await broker.updateTopic(name, {
          ...(newLabels === undefined ? {} : { labels: newLabels }),
          ...(newRetention === undefined ? {} : { retentionMs: newRetention }),
        })
        return protoTopic(name)
      },
    ),
    ...method('ListTopics', (request: Page & { project: string }) => {
      projectOf(request.project)
      const { names, nextPageToken } = page(broker.listTopics(), request)
      return { topics: names.map(protoTopic), nextPageToken }
    }),
    ...method('ListTopicSubscriptions', (request: Page & { topic: string }) => {
      const { names, nextPageToken } = page(broker.listSubscriptions(assertTopic(request.topic)), request)
      return { subscriptions: names.map(subscriptionPath), nextPageToken }
    }),
    ...method('ListTopicSnapshots', (request: Page & { topic: string }) => {
      const { names, nextPageToken } = page(
        broker.listSnapshots(assertTopic(request.topic)).map(({ name }) => name),
        request,
      )
      return { snapshots: names.map(snapshotPath), nextPageToken }
    }),
    ...method('DeleteTopic', async ({ topic }: { topic: string }) => {
      await broker.deleteTopic(short('topics', topic))
      return {}
    }),
    ...method('DetachSubscription', async ({ subscription }: { subscription: string }) => {
      const { name } = await known(subscription)
      await broker.detachSubscription(name)
      for (const stream of streams)
        if (stream.subscription === name)
          stream.end(
            new StatusError(grpc.status.FAILED_PRECONDITION, `subscription ${name} was detached from its topic`),
          )
      return {}
    }),
    ...method('Publish', async ({ topic: path, messages }: { topic: string; messages: ProtoMessage[] }) => {
      const topic = short('topics', path)
      if (messages.length === 0) throw invalid('messages: expected at least one')
      if (messages.length > mostMessages)
        throw invalid(`messages: expected at most ${mostMessages}, got ${messages.length}`)
      if (messages.reduce((sum, { data }) => sum + data.length, 0) > mostBytes)
        throw invalid('messages: expected at most 10 MB in one request')
      if (new Set(messages.map(({ orderingKey }) => orderingKey)).size > 1)
        throw invalid('messages: all of one request have the same ordering key, or none')
      return {
        messageIds: await broker.publish(
          messages.map(({ data, attributes, orderingKey }): PortOutgoing => ({
            topic,
            data,
            attributes,
            ...(orderingKey === '' ? {} : { ordering_key: orderingKey }),
          })),
        ),
      }
    }),
  }
  const subscriber: grpc.UntypedServiceImplementation = {
    ...method('CreateSubscription', async (subscription: ProtoSubscription) => {
      const name = short('subscriptions', subscription.name)
      await broker.createSubscription(name, configOf(subscription))
      return protoOf(name, (await known(subscription.name)).config)
    }),
    ...method('GetSubscription', async ({ subscription }: { subscription: string }) => {
      const { name, config } = await known(subscription)
      return protoOf(name, config)
    }),
    ...method(
      'UpdateSubscription',
      async ({ subscription, updateMask }: { subscription: ProtoSubscription; updateMask?: { paths?: string[] } }) => {
        const { name, config } = await known(subscription.name)
        const paths = updateMask?.paths ?? []
        if (paths.length === 0) throw invalid('update_mask: expected at least one path')
        let changed: ProtoSubscription = protoOf(name, config)
        for (const path of paths) {
          const take = changeable[snake(path)]
          if (take === undefined) throw invalid(`update_mask: ${path} cannot be changed or is not known`)
          changed = { ...changed, ...take(subscription) }
        }
        await broker.updateSubscription(
          name,
          config.topic === '_deleted-topic_'
            ? { ...configOf({ ...changed, topic: topicPath('gone') }), topic: config.topic }
            : configOf(changed),
        )
        const { config: after } = await known(subscription.name)
        for (const stream of streams) if (stream.subscription === name) stream.config = after
        return protoOf(name, after)
      },
    ),
    ...method('ListSubscriptions', async (request: Page & { project: string }) => {
      projectOf(request.project)
      const { names, nextPageToken } = page(broker.listSubscriptions(), request)
      return {
        subscriptions: await Promise.all(
          names.map(async (name) => protoOf(name, (await known(subscriptionPath(name))).config)),
        ),
        nextPageToken,
      }
    }),
    ...method('DeleteSubscription', async ({ subscription }: { subscription: string }) => {
      const name = short('subscriptions', subscription)
      await broker.deleteSubscription(name)
      for (const stream of streams)
        if (stream.subscription === name)
          stream.end(new StatusError(grpc.status.NOT_FOUND, `subscription ${name} was deleted`))
      return {}
    }),
    ...method(
      'ModifyAckDeadline',
      async ({
        subscription,
        ackIds,
        ackDeadlineSeconds,
      }: {
        subscription: string
        ackIds: string[]
        ackDeadlineSeconds: number
      }) => {
        const { name, config } = await known(subscription)
        tell(
          config,
          modify(name, ackIds, () => ackDeadlineSeconds),
        )
        return {}
      },
    ),
    ...method('Acknowledge', async ({ subscription, ackIds }: { subscription: string; ackIds: string[] }) => {
      const { name, config } = await known(subscription)
      tell(config, await acknowledge(name, ackIds))
      return {}
    }),
    ...method(
      'Pull',
      async (
        {
          subscription,
          maxMessages,
          returnImmediately,
        }: { subscription: string; maxMessages: number; returnImmediately?: boolean },
        call,
      ) => {
        const gone = new AbortController()
        call.on('cancelled', () => {
          gone.abort()
        })
        const { name, config } = await known(subscription)
        refuseDetached({ name, config })
        if (maxMessages <= 0) throw invalid(`max_messages: expected at least 1, got ${maxMessages}`)
        const messages = await broker.pull(name, {
          max_messages: Math.min(maxMessages, mostMessages),
          wait_ms: returnImmediately === true ? 0 : pullWaitMs,
          signal: gone.signal,
        })
        // It may have changed while this waited.
        const after = (await broker.getSubscription(name)) ?? config
        return { receivedMessages: messages.map((message) => received(message, after)) }
      },
    ),
    StreamingPull: streamingPull,
    ...method('ModifyPushConfig', ({ pushConfig }: { pushConfig?: { pushEndpoint?: string } | null }) => {
      if (!isEmpty(pushConfig)) throw unsupported('a push endpoint')
      return {}
    }),
    ...method(
      'CreateSnapshot',
      async ({
        name,
        subscription,
        labels = {},
      }: {
        name: string
        subscription: string
        labels?: Record<string, string>
      }) =>
        protoSnapshot(await broker.createSnapshot(short('snapshots', name), (await known(subscription)).name, labels)),
    ),
    ...method('GetSnapshot', ({ snapshot }: { snapshot: string }) => protoSnapshot(knownSnapshot(snapshot))),
    ...method('ListSnapshots', (request: Page & { project: string }) => {
      projectOf(request.project)
      const { names, nextPageToken } = page(
        broker.listSnapshots().map(({ name }) => name),
        request,
      )
      return { snapshots: names.map((name) => protoSnapshot(knownSnapshot(snapshotPath(name)))), nextPageToken }
    }),
    ...method(
      'UpdateSnapshot',
      async ({
        snapshot,
        updateMask,
      }: {
        snapshot?: { name?: string; labels?: Record<string, string>; expireTime?: Span | null } | null
        updateMask?: { paths?: string[] }
      }) => {
        const { name } = knownSnapshot(snapshot?.name ?? '')
        const paths = (updateMask?.paths ?? []).map(snake)
        if (paths.length === 0) throw invalid('update_mask: expected at least one path')
        for (const path of paths)
          if (path !== 'labels' && path !== 'expire_time')
            throw invalid(`update_mask: ${path} cannot be changed or is not known; expected labels or expire_time`)
        const expires_ms = millis(snapshot?.expireTime)
        return protoSnapshot(
          await broker.updateSnapshot(name, {
            ...(paths.includes('labels') ? { labels: snapshot?.labels ?? {} } : {}),
            ...(paths.includes('expire_time') && expires_ms !== undefined ? { expires_ms } : {}),
          }),
        )
      },
    ),
    ...method('DeleteSnapshot', async ({ snapshot }: { snapshot: string }) => {
      await broker.deleteSnapshot(knownSnapshot(snapshot).name)
      return {}
    }),
    ...method(
      'Seek',
      async ({ subscription, time, snapshot }: { subscription: string; time?: Span | null; snapshot?: string }) => {
        const { name } = await known(subscription)
        const time_ms = millis(time)
        if (snapshot) await broker.seek(name, { snapshot: knownSnapshot(snapshot).name })
        else if (time_ms !== undefined) await broker.seek(name, { time_ms })
        else throw invalid('target: expected a time or a snapshot')
        return {}
      },
    ),
  }

  const server = newServer()
  server.addService(service('google.pubsub.v1.Publisher'), publisher)
  server.addService(service('google.pubsub.v1.Subscriber'), subscriber)
  const bound = await listen(server, host, port, 'PUBSUB_PORT')
  warnOfReach(log, 'Pub/Sub', host, bound)
  return {
    port: bound,
    close: async () => {
      for (const stream of streams) stream.end(new StatusError(grpc.status.UNAVAILABLE, 'the local cloud is stopping'))
      await shut(server)
    },
  }
}
