/**
 * Topics and subscriptions: what may be set, made, changed and removed.
 */
import type { SubscriptionConfig } from '@convergence/bus'
import { AppError } from '@convergence/contracts'
import type { BrokerSubscriptionConfig, TopicConfig } from './api.ts'
import { forgetMemory } from './delivery.ts'
import { parseFilter } from './filter.ts'
import {
  type BrokerState,
  type StoredConfig,
  type Subscription,
  hiddenFor,
  isHidden,
  subscriptionNamed,
  within,
} from './state.ts'
import type { Write } from './store.ts'

const namePattern = /^[A-Za-z][A-Za-z0-9\-_.~+%]{2,254}$/

export const deletedTopic = '_deleted-topic_'

const leastRetentionMs = 600_000

const mostRetentionMs = 31 * 86_400_000

export const addSubscription = (
  broker: BrokerState,
  id: number,
  name: string,
  config: BrokerSubscriptionConfig,
  cursor: number,
): Subscription => {
  const subscription: Subscription = {
    // One that nobody reads keeps nothing in memory: its cursor never reaches the end.
    id,
    name,
    config,
    filter: config.filter === undefined || config.filter === '' ? undefined : parseFilter(config.filter),
    ready: [],
    head: 0,
    held: 0,
    delayed: 0,
    keys: new Map(),
    cursor: isHidden(name) ? -1 : cursor,
    tail: broker.lastId,
    loading: false,
    overdue: false,
    nextDue: undefined,
    consumers: [],
    turn: 0,
    reserved: 0,
    pumping: false,
    gone: false,
    life: 0,
    expiry: undefined,
  }
  broker.subscriptions.set(name, subscription)
  if (config.detached !== true) broker.topics.get(config.topic)?.push(subscription)
  watchExpiry(broker, subscription)
  return subscription
}

/** A subscription that nobody reads goes after its time. */
export const watchExpiry = (broker: BrokerState, subscription: Subscription) => {
  if (subscription.expiry !== undefined) broker.agenda.cancel(subscription.expiry)
  const { expirationMs, snapshot_expires_ms } = subscription.config as StoredConfig
  if (snapshot_expires_ms !== undefined && !subscription.gone)
    subscription.expiry = broker.agenda.add(snapshot_expires_ms, () => {
      removeSubscription(broker, subscription).catch(() => {
        watchExpiry(broker, subscription)
      })
    })
  if (expirationMs === undefined || subscription.consumers.length > 0 || subscription.gone) return
  subscription.expiry = broker.agenda.add(broker.now() + expirationMs, () => {
    removeSubscription(broker, subscription).catch(() => {
      watchExpiry(broker, subscription)
    })
  })
}

export const removeSubscription = async (broker: BrokerState, subscription: Subscription): Promise<void> => {
  subscription.gone = true
  if (subscription.expiry !== undefined) broker.agenda.cancel(subscription.expiry)
  if (subscription.nextDue !== undefined) broker.agenda.cancel(subscription.nextDue)
  broker.subscriptions.delete(subscription.name)
  const siblings = broker.topics.get(subscription.config.topic)
  if (siblings?.includes(subscription) === true) siblings.splice(siblings.indexOf(subscription), 1)
  for (const consumer of subscription.consumers) consumer.closed = true
  subscription.consumers = []
  subscription.ready = []
  subscription.head = 0
  subscription.keys.clear()
  await broker.store.write([{ op: 'drop-subscription', id: subscription.id }])
}

/** Topics have to be there when they are named; one that was named `before` may be gone since. */
const checkConfig = (
  broker: BrokerState,
  name: string,
  config: BrokerSubscriptionConfig,
  before?: BrokerSubscriptionConfig,
) => {
  const { topic, deadLetterPolicy, retryPolicy, ackDeadlineSeconds, filter, messageRetentionMs } = config
  const wrong = (what: string) => new AppError('BODY_INVALID', `subscription ${name}: ${what}`)
  if (topic !== before?.topic && !broker.topics.has(topic))
    throw new AppError('NOT_FOUND', `subscription ${name}: topic ${topic} does not exist; make it first`)
  if (deadLetterPolicy !== undefined) {
    if (deadLetterPolicy.topic !== before?.deadLetterPolicy?.topic && !broker.topics.has(deadLetterPolicy.topic))
      throw new AppError(
        'NOT_FOUND',
        `subscription ${name}: dead-letter topic ${deadLetterPolicy.topic} does not exist; make it first`,
      )
    if (!within(deadLetterPolicy.maxDeliveryAttempts, 5, 100))
      throw wrong(`maxDeliveryAttempts: expected 5 to 100, got ${deadLetterPolicy.maxDeliveryAttempts}`)
  }
  if (
    retryPolicy !== undefined &&
    !(
      within(retryPolicy.minimumBackoffMs, 0, 600_000) &&
      within(retryPolicy.maximumBackoffMs, retryPolicy.minimumBackoffMs, 600_000)
    )
  ) {
    throw wrong(
      'retryPolicy: expected 0 to 600,000 ms, the minimum not above the maximum, ' +
        `got ${retryPolicy.minimumBackoffMs} and ${retryPolicy.maximumBackoffMs}`,
    )
  }
  if (ackDeadlineSeconds !== undefined && !within(ackDeadlineSeconds, 10, 600))
    throw wrong(`ackDeadlineSeconds: expected 10 to 600, got ${ackDeadlineSeconds}`)
  if (messageRetentionMs !== undefined && !within(messageRetentionMs, leastRetentionMs, mostRetentionMs))
    throw wrong(`message retention: expected 10 minutes to 31 days, got ${messageRetentionMs / 1000} seconds`)
  if (filter !== undefined && filter !== '') parseFilter(filter)
}

const addStoredSubscription = async (
  broker: BrokerState,
  name: string,
  config: BrokerSubscriptionConfig,
): Promise<void> => {
  checkConfig(broker, name, config)
  const subscription = addSubscription(broker, (broker.lastSubscription += 1), name, config, broker.lastId)
  try {
    await broker.store.write([{ op: 'subscription', id: subscription.id, name, config: JSON.stringify(config) }])
  } catch (error) {
    await removeSubscription(broker, subscription).catch(() => undefined)
    throw error
  }
}

const checkTopicConfig = (name: string, { retentionMs }: TopicConfig) => {
  if (retentionMs !== undefined && !within(retentionMs, leastRetentionMs, mostRetentionMs))
    throw new AppError(
      'BODY_INVALID',
      `topic ${name}: message retention: expected 10 minutes to 31 days, got ${retentionMs / 1000} seconds`,
    )
}

const configureTopic = async (broker: BrokerState, name: string, config: TopicConfig): Promise<void> => {
  checkTopicConfig(name, config)
  const { retentionMs } = config
  const kept = broker.subscriptions.get(hiddenFor.topic(name))
  broker.topicConfigs.set(name, config)
  await broker.store.write([{ op: 'topic-config', name, config: JSON.stringify(config) }])
  if (retentionMs !== undefined && kept === undefined)
    await addStoredSubscription(broker, hiddenFor.topic(name), { topic: name })
  if (retentionMs === undefined && kept !== undefined) await removeSubscription(broker, kept)
}

export const createTopic = async (
  broker: BrokerState,
  name: string,
  config: TopicConfig | undefined = {},
): Promise<void> => {
  checkName('topic', name)
  if (broker.topics.has(name)) throw new AppError('CONFLICT', `topic ${name} exists already`)
  checkTopicConfig(name, config)
  broker.topics.set(name, [])
  await broker.store.write([{ op: 'topic', name }])
  if (Object.keys(config).length > 0) await configureTopic(broker, name, config)
}

export const updateTopic = async (broker: BrokerState, name: string, config: TopicConfig): Promise<void> => {
  if (!broker.topics.has(name)) throw new AppError('NOT_FOUND', `topic ${name} does not exist`)
  await configureTopic(broker, name, config)
}

export const detachSubscription = async (broker: BrokerState, name: string): Promise<void> => {
  const subscription = subscriptionNamed(broker, name)
  if (subscription.config.detached === true) return
  const siblings = broker.topics.get(subscription.config.topic)
  if (siblings?.includes(subscription) === true) siblings.splice(siblings.indexOf(subscription), 1)
  subscription.config = { ...subscription.config, detached: true }
  forgetMemory(broker, subscription)
  await broker.store.write([
    { op: 'clear', sub: subscription.id },
    { op: 'subscription', id: subscription.id, name, config: JSON.stringify(subscription.config) },
  ])
}

export const ensureTopic = async (broker: BrokerState, name: string): Promise<void> => {
  checkName('topic', name)
  if (broker.topics.has(name)) return
  broker.topics.set(name, [])
  await broker.store.write([{ op: 'topic', name }])
}

export const deleteTopic = async (broker: BrokerState, name: string): Promise<void> => {
  const readers = broker.topics.get(name)
  if (readers === undefined) throw new AppError('NOT_FOUND', `topic ${name} does not exist`)
  broker.topics.delete(name)
  for (const subscription of readers) subscription.config = { ...subscription.config, topic: deletedTopic }
  broker.topicConfigs.delete(name)
  const kept = readers.findIndex((each) => each.name === hiddenFor.topic(name))
  for (const each of kept < 0 ? [] : readers.splice(kept, 1)) await removeSubscription(broker, each)
  await broker.store.write([
    { op: 'drop-topic', name },
    ...readers.map(({ id, name: reader, config }): Write => ({
      op: 'subscription',
      id,
      name: reader,
      config: JSON.stringify(config),
    })),
  ])
}

export const createSubscription = async (
  broker: BrokerState,
  name: string,
  config: BrokerSubscriptionConfig,
): Promise<void> => {
  checkName('subscription', name)
  if (broker.subscriptions.has(name)) throw new AppError('CONFLICT', `subscription ${name} exists already`)
  await addStoredSubscription(broker, name, config)
}

export const ensureSubscription = async (
  broker: BrokerState,
  name: string,
  config: SubscriptionConfig,
): Promise<void> => {
  checkName('subscription', name)
  const known = broker.subscriptions.get(name)
  if (known === undefined) {
    await addStoredSubscription(broker, name, config)
    return
  }
  const [was, wanted] = [known.config, config].map(({ topic, filter = '', enableMessageOrdering = false }) =>
    JSON.stringify({ topic, filter, enableMessageOrdering }),
  )
  if (was !== wanted)
    throw new AppError(
      'CONFLICT',
      `subscription ${name} exists as ${String(was)}, expected ${String(wanted)}: these cannot change; ` +
        'delete it, or use another name',
    )
  if (JSON.stringify(known.config) === JSON.stringify(config)) return
  checkConfig(broker, name, config)
  known.config = config
  await broker.store.write([{ op: 'subscription', id: known.id, name, config: JSON.stringify(config) }])
}

export const updateSubscription = async (
  broker: BrokerState,
  name: string,
  config: BrokerSubscriptionConfig,
): Promise<void> => {
  const known = subscriptionNamed(broker, name)
  const fixed = ({ topic, filter = '', enableMessageOrdering = false }: SubscriptionConfig) =>
    JSON.stringify([topic, filter, enableMessageOrdering])
  if (fixed(known.config) !== fixed(config))
    throw new AppError(
      'BODY_INVALID',
      `subscription ${name}: topic, filter and enableMessageOrdering cannot change; delete it and make another`,
    )
  const before = known.config
  checkConfig(broker, name, config, before)
  known.config = config
  watchExpiry(broker, known)
  try {
    await broker.store.write([
      { op: 'subscription', id: known.id, name, config: JSON.stringify(config) },
      ...(before.retainAckedMessages === true && config.retainAckedMessages !== true
        ? [{ op: 'release' as const, sub: known.id }]
        : []),
    ])
  } catch (error) {
    known.config = before
    throw error
  }
  broker.pump(known)
}

export const listSubscriptions = (broker: BrokerState, topic: string | undefined): string[] =>
  [...broker.subscriptions.values()]
    .filter(
      ({ name, config }) =>
        !isHidden(name) && (topic === undefined || (config.topic === topic && config.detached !== true)),
    )
    .map(({ name }) => name)
    .sort()

export const checkName = (kind: string, name: string) => {
  if (!namePattern.test(name) || name.startsWith('goog'))
    throw new AppError(
      'BODY_INVALID',
      `${kind} ${JSON.stringify(name)}: expected 3 to 255 letters, digits or -_.~+%, ` +
        'beginning with a letter and not with goog',
    )
}
