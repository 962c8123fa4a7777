/**
 * Seek and snapshots. A snapshot is a subscription that nobody reads; to seek is to copy what it holds.
 */
import { AppError } from '@convergence/contracts'
import type { Snapshot } from './api.ts'
import { forgetMemory } from './delivery.ts'
import {
  type BrokerState,
  type StoredConfig,
  type Subscription,
  hiddenFor,
  hourMs,
  sevenDaysMs,
  subscriptionNamed,
  within,
} from './state.ts'
import type { Write } from './store.ts'
import { addSubscription, checkName, deletedTopic, removeSubscription, watchExpiry } from './subscriptions.ts'

export const snapshotOf = ({ name, config }: Subscription): Snapshot => ({
  name: name.slice('snapshot:'.length),
  topic: config.topic,
  labels: config.labels ?? {},
  expires_ms: (config as StoredConfig).snapshot_expires_ms ?? 0,
})

export const snapshotNamed = (broker: BrokerState, name: string): Subscription => {
  const found = broker.subscriptions.get(hiddenFor.snapshot(name))
  if (found === undefined) throw new AppError('NOT_FOUND', `snapshot ${name} does not exist`)
  return found
}

/** Ids of what the topic itself kept since then, as far as the subscription's filter lets it through. */
const keptByTopic = async (
  broker: BrokerState,
  { config, filter }: Subscription,
  since_ms: number,
): Promise<number[]> => {
  const kept = broker.subscriptions.get(hiddenFor.topic(config.topic))
  const retention = broker.topicConfigs.get(config.topic)?.retentionMs
  if (kept === undefined || retention === undefined) return []
  const from_ms = Math.max(since_ms, broker.now() - retention)
  const ids: number[] = []
  for (let after = 0; ;) {
    const rows = await broker.store.page(kept.id, after, 1_000)
    for (const { id, published_ms, attributes } of rows)
      if (published_ms >= from_ms && (filter === undefined || filter(JSON.parse(attributes) as Record<string, string>)))
        ids.push(id)
    const last = rows.at(-1)
    if (last === undefined) return ids
    after = last.id
  }
}

export const createSnapshot = async (
  broker: BrokerState,
  name: string,
  from: string,
  labels: Readonly<Record<string, string>> | undefined = {},
): Promise<Snapshot> => {
  checkName('snapshot', name)
  const subscription = subscriptionNamed(broker, from)
  if (broker.subscriptions.has(hiddenFor.snapshot(name)))
    throw new AppError('CONFLICT', `snapshot ${name} exists already`)
  if (subscription.config.topic === deletedTopic || subscription.config.detached === true)
    throw new AppError('SETTING_INVALID', `snapshot ${name}: subscription ${from} has no topic any more`)
  // It lives as long as the oldest message in it is kept.
  await broker.store.write([])
  const [oldest] = await broker.store.page(subscription.id, 0, 1)
  const expires_ms = (oldest?.published_ms ?? broker.now()) + broker.retention_ms
  if (expires_ms - broker.now() < hourMs)
    throw new AppError(
      'SETTING_INVALID',
      `snapshot ${name}: the oldest message of ${from} goes within the hour, and the snapshot with it; ` +
        'acknowledge or seek first',
    )
  if (broker.subscriptions.has(hiddenFor.snapshot(name)))
    throw new AppError('CONFLICT', `snapshot ${name} exists already`)
  const { topic, filter } = subscription.config
  const config: StoredConfig = {
    topic,
    labels,
    snapshot_expires_ms: expires_ms,
    ...(filter === undefined ? {} : { filter }),
  }
  const made = addSubscription(broker, (broker.lastSubscription += 1), hiddenFor.snapshot(name), config, 0)
  try {
    await broker.store.write([
      { op: 'subscription', id: made.id, name: made.name, config: JSON.stringify(config) },
      { op: 'copy', from_sub: subscription.id, to_sub: made.id },
    ])
  } catch (error) {
    await removeSubscription(broker, made).catch(() => undefined)
    throw error
  }
  return snapshotOf(made)
}

export const listSnapshots = (broker: BrokerState, topic: string | undefined): Snapshot[] =>
  [...broker.subscriptions.values()]
    .filter(({ name, config }) => name.startsWith('snapshot:') && (topic === undefined || config.topic === topic))
    .map(snapshotOf)
    .sort((a, b) => (a.name < b.name ? -1 : 1))

export const updateSnapshot = async (
  broker: BrokerState,
  name: string,
  { labels, expires_ms }: { labels?: Readonly<Record<string, string>>; expires_ms?: number },
): Promise<Snapshot> => {
  const found = snapshotNamed(broker, name)
  if (expires_ms !== undefined && !within(expires_ms, broker.now(), broker.now() + sevenDaysMs))
    throw new AppError('BODY_INVALID', `snapshot ${name}: expire_time: expected within the next 7 days`)
  found.config = {
    ...found.config,
    ...(labels === undefined ? {} : { labels }),
    ...(expires_ms === undefined ? {} : { snapshot_expires_ms: expires_ms }),
  }
  watchExpiry(broker, found)
  await broker.store.write([
    { op: 'subscription', id: found.id, name: found.name, config: JSON.stringify(found.config) },
  ])
  return snapshotOf(found)
}

export const seek = async (
  broker: BrokerState,
  name: string,
  target: { time_ms: number } | { snapshot: string },
): Promise<void> => {
  const subscription = subscriptionNamed(broker, name)
  const retain = subscription.config.retainAckedMessages === true
  if ('snapshot' in target) {
    const snapshot = snapshotNamed(broker, target.snapshot)
    if (snapshot.config.topic !== subscription.config.topic)
      throw new AppError(
        'SETTING_INVALID',
        `snapshot ${target.snapshot} is of topic ${snapshot.config.topic}, ` +
          `subscription ${name} of ${subscription.config.topic}; a seek stays on its topic`,
      )
    forgetMemory(broker, subscription)
    // What is kept stays for a later seek to a time.
    const emptied: Write = retain
      ? { op: 'seek', sub: subscription.id, to_ms: Number.MAX_SAFE_INTEGER, retain }
      : { op: 'clear', sub: subscription.id }
    await broker.store.write([emptied, { op: 'copy', from_sub: snapshot.id, to_sub: subscription.id }])
  } else {
    const ids = await keptByTopic(broker, subscription, target.time_ms)
    forgetMemory(broker, subscription)
    await broker.store.write([
      { op: 'seek', sub: subscription.id, to_ms: target.time_ms, retain },
      { op: 'deliver', sub: subscription.id, ids },
    ])
  }
  broker.pump(subscription)
}
