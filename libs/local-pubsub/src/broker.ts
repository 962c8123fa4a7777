/**
 * A durable Pub/Sub broker in one process, in terms of Google's API: at least once, ack deadlines, backoff, delivery
 * attempts, dead letters, filters, ordering keys, retention. What one turn of the event loop does is one transaction; a
 * publish is handed to its subscribers as soon as it is durable. Leases live in memory: after a restart whatever was
 * not acknowledged is available again, with its attempts counted. Memory holds what is leased and a window of each
 * backlog; the rest stays in the file. Not there: push.
 */
import type { Broker, BrokerSubscriptionConfig, TopicConfig } from './api.ts'
import { needsMark } from './consumers.ts'
import { ack, deadLetter, modifyAckDeadline, nack, pump } from './delivery.ts'
import { type Alarm, openAgenda } from './due.ts'
import { publishWith } from './publish.ts'
import { consume, endless, pull, stream } from './readers.ts'
import { expire, expireHourly } from './retention.ts'
import { createSnapshot, listSnapshots, seek, snapshotNamed, snapshotOf, updateSnapshot } from './seek.ts'
import { type BrokerState, hiddenFor, hourMs, isHidden, sevenDaysMs, subscriptionNamed } from './state.ts'
import { type Write, openStore } from './store.ts'
import {
  addSubscription,
  createSubscription,
  createTopic,
  deleteTopic,
  detachSubscription,
  ensureSubscription,
  ensureTopic,
  listSubscriptions,
  removeSubscription,
  updateSubscription,
  updateTopic,
} from './subscriptions.ts'

export type { Broker } from './api.ts'

export interface BrokerOptions {
  /** Made when missing, in a folder that exists; owned by one process at a time. */
  file: string
  /** Milliseconds since 1970; default Date.now. */
  now?: () => number
  /** Between 0 and 1, for the jitter of backoff; default Math.random. */
  random?: () => number
  /** Calls back after a pause; default the clock. Tests that move `now` give their own and call `wake`. */
  alarm?: Alarm
  /** Messages of one subscription that are kept in memory beside what is leased; default 2,000. */
  window?: number
  /**
   * What is not acknowledged for so long is dropped and counted in `expired`, where a subscription says nothing else;
   * default 7 days.
   */
  retentionMs?: number
  /** The file grows no larger; default: as the disk allows. */
  max_bytes?: number
  /** Name of the project in dead letters; default local-convergence. */
  project_id?: string
}

/** What was promised a consumer and never reached it has not used up an attempt. */
const releaseUnused = async (broker: BrokerState): Promise<void> => {
  const unused = [...broker.subscriptions.values()].flatMap((subscription) =>
    subscription.ready
      .slice(subscription.head)
      .filter(({ marked }) => marked && needsMark(subscription))
      .map(({ message, attempt }): Write => ({
        op: 'delivery',
        sub: subscription.id,
        id: message.id,
        attempt,
        due_ms: 0,
        handed: 0,
      })),
  )
  if (unused.length > 0) await broker.store.write(unused).catch(() => undefined)
}

export const openBroker = async (options: BrokerOptions): Promise<Broker> => {
  const {
    now = Date.now,
    random = Math.random,
    window = 2_000,
    retentionMs = sevenDaysMs,
    project_id = 'local-convergence',
  } = options
  const store = await openStore(options)
  const { opened } = store
  const broker: BrokerState = {
    now,
    random,
    window,
    retention_ms: retentionMs,
    project_id,
    store,
    opened,
    agenda: openAgenda(now, options.alarm),
    topics: new Map(opened.topics.map(({ name }) => [name, []])),
    topicConfigs: new Map(
      opened.topics.flatMap(({ name, config }) => (config === null ? [] : [[name, JSON.parse(config) as TopicConfig]])),
    ),
    subscriptions: new Map(),
    leases: new Map(),
    prefix: opened.epoch.toString(36),
    lastId: opened.last_id,
    reservedId: opened.last_id,
    lastSubscription: opened.subscriptions.reduce((most, { id }) => Math.max(most, id), 0),
    lastLease: 0,
    expired: 0,
    closing: undefined,
    pump: (subscription) => {
      pump(broker, subscription)
    },
  }

  for (const { id, name, config } of opened.subscriptions)
    addSubscription(broker, id, name, JSON.parse(config) as BrokerSubscriptionConfig, 0)
  await expire(broker).catch(() => undefined)
  broker.agenda.add(now() + hourMs, () => {
    expireHourly(broker)
  })

  return {
    createTopic: (name, config) => createTopic(broker, name, config),
    getTopic: (name) => (broker.topics.has(name) ? (broker.topicConfigs.get(name) ?? {}) : undefined),
    updateTopic: (name, config) => updateTopic(broker, name, config),
    detachSubscription: (name) => detachSubscription(broker, name),
    createSnapshot: (name, from, labels) => createSnapshot(broker, name, from, labels),
    getSnapshot: (name) => {
      const found = broker.subscriptions.get(hiddenFor.snapshot(name))
      return found === undefined ? undefined : snapshotOf(found)
    },
    listSnapshots: (topic) => listSnapshots(broker, topic),
    updateSnapshot: (name, options) => updateSnapshot(broker, name, options),
    deleteSnapshot: async (name) => {
      await removeSubscription(broker, snapshotNamed(broker, name))
    },
    seek: (name, target) => seek(broker, name, target),
    ensureTopic: (name) => ensureTopic(broker, name),
    listTopics: () => [...broker.topics.keys()].sort(),
    deleteTopic: (name) => deleteTopic(broker, name),
    createSubscription: (name, config) => createSubscription(broker, name, config),
    ensureSubscription: (name, config) => ensureSubscription(broker, name, config),
    updateSubscription: (name, config) => updateSubscription(broker, name, config),
    getSubscription: (name) => Promise.resolve(isHidden(name) ? undefined : broker.subscriptions.get(name)?.config),
    listSubscriptions: (topic) => listSubscriptions(broker, topic),
    deleteSubscription: async (name) => {
      await removeSubscription(broker, subscriptionNamed(broker, name))
    },
    backlog: async (name) => {
      const { id } = subscriptionNamed(broker, name)
      await broker.store.write([])
      return broker.store.count(id)
    },
    stats: () => ({
      leased: broker.leases.size,
      in_memory: [...broker.subscriptions.values()].reduce((sum, { held, delayed }) => sum + held + delayed, 0),
      expired: broker.expired,
    }),
    publish: (outgoing) => publishWith(broker, outgoing, []),
    subscribe: (name, { max_outstanding, max_extension_ms }, on_message) => {
      const close = consume(broker, subscriptionNamed(broker, name), {
        ...endless,
        max_outstanding,
        lease_ms: max_extension_ms,
        on_message,
      })
      return { close }
    },
    stream: (name, options, on_message) => stream(broker, name, options, on_message),
    leasedBy: (ack_id) => broker.leases.get(ack_id)?.subscription.name,
    pull: (name, options) => pull(broker, name, options),
    ack: (ack_id) => ack(broker, ack_id),
    nack: (ack_id) => {
      nack(broker, ack_id)
    },
    modifyAckDeadline: (ack_id, seconds) => {
      modifyAckDeadline(broker, ack_id, seconds)
    },
    deadLetter: (ack_id, attributes) => deadLetter(broker, ack_id, attributes),
    wake: broker.agenda.wake,
    healthy: () => broker.closing === undefined && broker.store.healthy(),
    receiving: () => true,
    close: () =>
      (broker.closing ??= (async () => {
        broker.agenda.close()
        await releaseUnused(broker)
        broker.leases.clear()
        await broker.store.close()
      })()),
  }
}
