/**
 * A durable Pub/Sub broker in one process, in terms of Google's API: at least once, ack deadlines, backoff, delivery
 * attempts, dead letters,
 * filters, ordering keys, retention. What one turn of the event loop does is one transaction; a publish is handed to
 * its subscribers as soon
 * as it is durable. Leases live in memory: after a restart whatever was not acknowledged is available again, with its
 * attempts counted.
 * Memory holds what is leased and a window of each backlog; the rest stays in the file. A snapshot, and the retention
 * of a
 * topic, is a subscription that nobody sees and nobody reads; to seek is to copy what it holds. Not there: push.
 */
import type { BusPort, PortMessage, PortOutgoing, SubscriptionConfig } from '@convergence/bus'
import { AppError } from '@convergence/contracts'
import { openAgenda, type Alarm, type Due } from './due.ts'
import { parseFilter, type Filter } from './filter.ts'
import type { StoredMessage } from './store-worker.ts'
import { openStore, outOfMemory, type Write } from './store.ts'

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
export interface BrokerSubscriptionConfig extends SubscriptionConfig {
  /** Lease of a pulled message; 10 to 600, default 10. A stream extends its leases by itself. */
  ackDeadlineSeconds?: number
  /** An ack id counts for one lease only, and who comes late is told: `leasedBy`. */
  enableExactlyOnceDelivery?: boolean
  labels?: Readonly<Record<string, string>>
  /** Acknowledged messages stay for the retention, so that `seek` finds them. */
  retainAckedMessages?: boolean
  /** 10 minutes to 31 days; default the broker's. */
  messageRetentionMs?: number
  detached?: boolean
}
export interface TopicConfig {
  labels?: Readonly<Record<string, string>>
  /** Messages stay so long for `seek`, whoever acknowledged them; 10 minutes to 31 days. */
  retentionMs?: number
}
export interface Snapshot {
  name: string
  topic: string
  labels: Readonly<Record<string, string>>
  expires_ms: number
}
export interface Broker extends BusPort {
  /** Throws CONFLICT when it exists, BODY_INVALID for a bad name or value. */
  createTopic(name: string, config?: TopicConfig): Promise<void>
  listTopics(): string[]
  /** Its subscriptions keep their backlog and show the topic `_deleted-topic_`. */
  deleteTopic(name: string): Promise<void>
  /** Throws CONFLICT when it exists, NOT_FOUND without its topics, BODY_INVALID for a bad value or filter. */
  createSubscription(name: string, config: BrokerSubscriptionConfig): Promise<void>
  listSubscriptions(topic?: string): string[]
  deleteSubscription(name: string): Promise<void>
  getSubscription(name: string): Promise<BrokerSubscriptionConfig | undefined>
  /** At most max_messages, as soon as there is one; none when none came within wait_ms, default 1,000. */
  pull(
    subscription: string,
    options: {
      max_messages: number
      wait_ms?: number
      /** Whoever asked is gone: nothing is handed out any more, and what was comes again. */ signal?: AbortSignal
    },
  ): Promise<PortMessage[]>
  getTopic(name: string): TopicConfig | undefined
  /** Throws NOT_FOUND, BODY_INVALID. */
  updateTopic(name: string, config: TopicConfig): Promise<void>
  /** Lets go of its topic: its backlog is dropped and nothing comes any more. */
  detachSubscription(name: string): Promise<void>
  /**
   * What the subscription has not acknowledged now, and whatever is published from now on. Throws CONFLICT, NOT_FOUND,
   * SETTING_INVALID when it would expire within the hour.
   */
  createSnapshot(name: string, subscription: string, labels?: Readonly<Record<string, string>>): Promise<Snapshot>
  getSnapshot(name: string): Snapshot | undefined
  /** Of a topic, or all, by name. */
  listSnapshots(topic?: string): Snapshot[]
  updateSnapshot(
    name: string,
    change: { labels?: Readonly<Record<string, string>>; expires_ms?: number },
  ): Promise<Snapshot>
  deleteSnapshot(name: string): Promise<void>
  /**
   * To a time: what was published before is acknowledged, what was published since and is retained comes again. To a
   * snapshot: as it was then. Ends all
   * leases. Throws NOT_FOUND; SETTING_INVALID for a snapshot of another topic.
   */
  seek(subscription: string, target: { time_ms: number } | { snapshot: string }): Promise<void>
  /** Counts from its arrival; 0 is a nack. Nothing happens when the lease is over. */
  modifyAckDeadline(ack_id: string, seconds: number): void
  /**
   * Changes what may be changed: not the topic, the filter or the ordering. Throws BODY_INVALID, NOT_FOUND: for a
   * dead-letter topic too, unless it was named before.
   */
  updateSubscription(name: string, config: BrokerSubscriptionConfig): Promise<void>
  /**
   * As `subscribe`, for a reader at the other end of a wire: at most so many bytes outstanding (one message at least),
   * and it can be told to wait.
   */
  stream(subscription: string, options: StreamOptions, onMessage: (message: PortMessage) => void): Stream
  /** Whether an ack id is of a lease that is not over. */
  /** The subscription whose lease this is; undefined when it is over. */
  leasedBy(ack_id: string): string | undefined
  /** Messages of a subscription that are not acknowledged. */
  backlog(subscription: string): Promise<number>
  /** `in_memory`: messages beside the leased; `expired`: deliveries that the retention dropped. */
  stats(): { leased: number; in_memory: number; expired: number }
  /** Does what is due: the alarm calls it. */
  wake(): void
}

export interface StreamOptions {
  max_outstanding: number
  max_bytes: number
  lease_ms: number
}
export interface Stream {
  /** Hands out nothing more until `resume`. */
  pause(): void
  resume(): void
  /** Of leases that begin from now on. */
  setLease(lease_ms: number): void
  /** Leases stay until they are over. */
  close(): void
}

interface Message {
  id: number
  data: Uint8Array
  attributes: Readonly<Record<string, string>>
  ordering_key: string
  published_ms: number
  /** Subscriptions that have not acknowledged it, as far as this object knows; never less than there are. */
  open: number
}
/** `marked`: the file says that this attempt was handed out. */
interface Entry {
  message: Message
  attempt: number
  marked: boolean
  /** Of the subscription when the entry came into memory: a seek begins another. */ life: number
}
interface Consumer {
  max_outstanding: number
  outstanding: number
  max_bytes: number
  bytes: number
  paused: boolean
  lease_ms: number
  on_message: (message: PortMessage) => void
  closed: boolean
}
interface Lease {
  subscription: Subscription
  entry: Entry
  consumer: Consumer
  due: Due
}
interface Subscription {
  id: number
  name: string
  config: BrokerSubscriptionConfig
  filter: Filter | undefined
  ready: Entry[]
  /** Index of the first of `ready`. */
  head: number
  /** Entries in `ready` or behind their ordering key. */
  held: number
  /** Entries that wait for their backoff in memory. They leave the window to others. */
  delayed: number
  /** Ordering keys with a message on its way, and what waits behind it. */
  keys: Map<string, Entry[]>
  /** Newest message that is, or was, in memory; and newest there is. Between them: in the file only. */
  cursor: number
  tail: number
  loading: boolean
  /** Something in the file is due, and the time of the next that will be. */
  overdue: boolean
  nextDue: Due | undefined
  consumers: Consumer[]
  turn: number
  /** Places of consumers that are promised to entries whose mark is being written. */
  reserved: number
  pumping: boolean
  gone: boolean
  /** Counts its seeks. */
  life: number
  expiry: Due | undefined
}
/** What a hidden subscription is for is in its name, which no name of a subscription can be. */
const hiddenFor = { snapshot: (name: string) => `snapshot:${name}`, topic: (name: string) => `topic:${name}` }
const isHidden = (name: string): boolean => name.includes(':')
type StoredConfig = BrokerSubscriptionConfig & { snapshot_expires_ms?: number }

const namePattern = /^[A-Za-z][A-Za-z0-9\-_.~+%]{2,254}$/
const deletedTopic = '_deleted-topic_'
const idBlock = 10_000
const retryMs = 1_000
const sevenDaysMs = 7 * 86_400_000
const leastRetentionMs = 600_000
const mostRetentionMs = 31 * 86_400_000
const hourMs = 3_600_000
/** How long a pull that does not wait looks into the file at most. */
const atOnceMs = 1_000

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
  const agenda = openAgenda(now, options.alarm)
  const topics = new Map<string, Subscription[]>(opened.topics.map(({ name }) => [name, []]))
  const topicConfigs = new Map<string, TopicConfig>(
    opened.topics.flatMap(({ name, config }) => (config === null ? [] : [[name, JSON.parse(config) as TopicConfig]])),
  )
  const subscriptions = new Map<string, Subscription>()
  const leases = new Map<string, Lease>()
  const prefix = opened.epoch.toString(36)
  let lastId = opened.last_id
  let reservedId = opened.last_id
  let lastSubscription = opened.subscriptions.reduce((most, { id }) => Math.max(most, id), 0)
  let lastLease = 0
  let expired = 0
  let closing: Promise<void> | undefined

  // ---- topics and subscriptions

  const addSubscription = (
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
      tail: lastId,
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
    subscriptions.set(name, subscription)
    if (config.detached !== true) topics.get(config.topic)?.push(subscription)
    watchExpiry(subscription)
    return subscription
  }
  /** A subscription that nobody reads goes after its time. */
  const watchExpiry = (subscription: Subscription) => {
    if (subscription.expiry !== undefined) agenda.cancel(subscription.expiry)
    const { expirationMs, snapshot_expires_ms } = subscription.config as StoredConfig
    if (snapshot_expires_ms !== undefined && !subscription.gone)
      subscription.expiry = agenda.add(snapshot_expires_ms, () => {
        removeSubscription(subscription).catch(() => {
          watchExpiry(subscription)
        })
      })
    if (expirationMs === undefined || subscription.consumers.length > 0 || subscription.gone) return
    subscription.expiry = agenda.add(now() + expirationMs, () => {
      removeSubscription(subscription).catch(() => {
        watchExpiry(subscription)
      })
    })
  }
  const removeSubscription = async (subscription: Subscription): Promise<void> => {
    subscription.gone = true
    if (subscription.expiry !== undefined) agenda.cancel(subscription.expiry)
    if (subscription.nextDue !== undefined) agenda.cancel(subscription.nextDue)
    subscriptions.delete(subscription.name)
    const siblings = topics.get(subscription.config.topic)
    if (siblings?.includes(subscription) === true) siblings.splice(siblings.indexOf(subscription), 1)
    for (const consumer of subscription.consumers) consumer.closed = true
    subscription.consumers = []
    subscription.ready = []
    subscription.head = 0
    subscription.keys.clear()
    await store.write([{ op: 'drop-subscription', id: subscription.id }])
  }
  /** Topics have to be there when they are named; one that was named `before` may be gone since. */
  const checkConfig = (name: string, config: BrokerSubscriptionConfig, before?: BrokerSubscriptionConfig) => {
    const { topic, deadLetterPolicy, retryPolicy, ackDeadlineSeconds, filter, messageRetentionMs } = config
    const wrong = (what: string) => new AppError('BODY_INVALID', `subscription ${name}: ${what}`)
    if (topic !== before?.topic && !topics.has(topic))
      throw new AppError('NOT_FOUND', `subscription ${name}: topic ${topic} does not exist; make it first`)
    if (deadLetterPolicy !== undefined) {
      if (deadLetterPolicy.topic !== before?.deadLetterPolicy?.topic && !topics.has(deadLetterPolicy.topic))
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
        `retryPolicy: expected 0 to 600,000 ms, the minimum not above the maximum, got ${retryPolicy.minimumBackoffMs} and ${retryPolicy.maximumBackoffMs}`,
      )
    }
    if (ackDeadlineSeconds !== undefined && !within(ackDeadlineSeconds, 10, 600))
      throw wrong(`ackDeadlineSeconds: expected 10 to 600, got ${ackDeadlineSeconds}`)
    if (messageRetentionMs !== undefined && !within(messageRetentionMs, leastRetentionMs, mostRetentionMs))
      throw wrong(`message retention: expected 10 minutes to 31 days, got ${messageRetentionMs / 1000} seconds`)
    if (filter !== undefined && filter !== '') parseFilter(filter)
  }
  const create = async (name: string, config: BrokerSubscriptionConfig): Promise<void> => {
    checkConfig(name, config)
    const subscription = addSubscription((lastSubscription += 1), name, config, lastId)
    try {
      await store.write([{ op: 'subscription', id: subscription.id, name, config: JSON.stringify(config) }])
    } catch (error) {
      await removeSubscription(subscription).catch(() => undefined)
      throw error
    }
  }
  const named = (name: string): Subscription => {
    const subscription = isHidden(name) ? undefined : subscriptions.get(name)
    if (subscription === undefined) throw new AppError('NOT_FOUND', `subscription ${name} does not exist`)
    return subscription
  }

  // ---- what is in memory

  const readyCount = (subscription: Subscription) => subscription.ready.length - subscription.head
  const peek = (subscription: Subscription) => subscription.ready[subscription.head]
  const shift = (subscription: Subscription) => {
    subscription.head += 1
    subscription.held -= 1
    if (subscription.head === subscription.ready.length) {
      subscription.ready = []
      subscription.head = 0
    } else if (subscription.head > 1_000) {
      subscription.ready = subscription.ready.slice(subscription.head)
      subscription.head = 0
    }
  }
  const keyOf = ({ config }: Subscription, { message }: Entry) =>
    config.enableMessageOrdering === true ? message.ordering_key : ''
  /** A message that comes into memory: behind its ordering key while an earlier one is on its way. */
  const admit = (subscription: Subscription, entry: Entry) => {
    if (subscription.gone || entry.life !== subscription.life) return
    subscription.held += 1
    const key = keyOf(subscription, entry)
    const behind = key === '' ? undefined : subscription.keys.get(key)
    if (behind !== undefined) behind.push(entry)
    else {
      if (key !== '') subscription.keys.set(key, [])
      subscription.ready.push(entry)
    }
  }
  /** A message of which the key, if any, is its own already. */
  const readmit = (subscription: Subscription, entry: Entry) => {
    if (subscription.gone || entry.life !== subscription.life) return
    subscription.held += 1
    subscription.ready.push(entry)
  }
  const freeKey = (subscription: Subscription, entry: Entry) => {
    if (entry.life !== subscription.life) return
    const key = keyOf(subscription, entry)
    if (key === '') return
    const next = subscription.keys.get(key)?.shift()
    if (next === undefined) subscription.keys.delete(key)
    else subscription.ready.push(next)
  }
  /** Ready at its time. Beyond the window it waits in the file; but not with an ordering key, which it holds. */
  const later = (subscription: Subscription, entry: Entry, due_ms: number): 'memory' | 'file' => {
    if (subscription.delayed >= window && keyOf(subscription, entry) === '') {
      wakeFor(subscription, due_ms)
      return 'file'
    }
    subscription.delayed += 1
    agenda.add(due_ms, () => {
      subscription.delayed -= 1
      readmit(subscription, entry)
      pump(subscription)
    })
    return 'memory'
  }
  const wakeFor = (subscription: Subscription, due_ms: number) => {
    if (subscription.nextDue !== undefined && subscription.nextDue.at >= 0) {
      if (subscription.nextDue.due_ms <= due_ms) return
      agenda.cancel(subscription.nextDue)
    }
    subscription.nextDue = agenda.add(due_ms, () => {
      subscription.overdue = true
      pump(subscription)
    })
  }
  const fromFile = (row: StoredMessage, life: number): Entry => ({
    life,
    message: {
      id: row.id,
      data: row.data,
      attributes: JSON.parse(row.attributes) as Record<string, string>,
      ordering_key: row.ordering_key,
      published_ms: row.published_ms,
      open: row.open,
    },
    // What was handed out when the process died has used up that attempt.
    attempt: row.attempt + (row.handed > 0 && row.handed !== opened.epoch ? 1 : 0),
    marked: false,
  })
  /** Brings in the next of the backlog when the window has room. */
  const load = (subscription: Subscription) => {
    if (subscription.loading || subscription.gone || closing !== undefined || subscription.held > window / 4) return
    if (!subscription.overdue && subscription.cursor >= subscription.tail) return
    subscription.loading = true
    const limit = Math.max(1, window - subscription.held)
    const work = subscription.overdue ? loadDue(subscription, limit) : loadPage(subscription, limit)
    work.then(
      () => {
        subscription.loading = false
        pump(subscription)
      },
      () => {
        subscription.loading = false
        if (closing === undefined)
          agenda.add(now() + retryMs, () => {
            pump(subscription)
          })
      },
    )
  }
  const loadPage = async (subscription: Subscription, limit: number) => {
    const { cursor, tail, life } = subscription
    // Whatever was published up to here is in the file after this, or failed.
    await store.write([])
    const rows = await store.page(subscription.id, cursor, limit)
    if (subscription.gone || subscription.life !== life) return
    const moved: Write[] = []
    for (const row of rows) {
      const entry = fromFile(row, life)
      subscription.cursor = Math.max(subscription.cursor, row.id)
      if (row.due_ms <= now()) {
        admit(subscription, entry)
        continue
      }
      const key = keyOf(subscription, entry)
      if (key !== '' && subscription.keys.has(key)) admit(subscription, entry)
      else {
        if (key !== '') subscription.keys.set(key, [])
        if (later(subscription, entry, row.due_ms) === 'file')
          moved.push({
            op: 'delivery',
            sub: subscription.id,
            id: row.id,
            attempt: entry.attempt,
            due_ms: row.due_ms,
            handed: outOfMemory,
          })
      }
    }
    if (rows.length < limit) subscription.cursor = Math.max(subscription.cursor, tail)
    if (moved.length > 0) await store.write(moved)
  }
  const loadDue = async (subscription: Subscription, limit: number) => {
    const { life } = subscription
    subscription.overdue = false
    const { rows, next_ms } = await store
      .write([])
      .then(() => store.due(subscription.id, now(), limit))
      .catch((error: unknown) => {
        // Still due: whoever tries again must find it so.
        subscription.overdue = true
        throw error
      })
    for (const row of rows) readmit(subscription, fromFile(row, life))
    if (next_ms === undefined) return
    if (next_ms <= now()) subscription.overdue = true
    else wakeFor(subscription, next_ms)
  }

  // ---- delivery

  /** Deliveries that consumers have room for. */
  const room = ({ consumers, reserved }: Subscription): number => {
    let free = -reserved
    for (const { closed, paused, max_outstanding, outstanding, max_bytes, bytes } of consumers)
      if (!closed && !paused && bytes < max_bytes) free += Math.max(0, max_outstanding - outstanding)
    return free
  }
  const pickConsumer = (subscription: Subscription): Consumer | undefined => {
    const { consumers } = subscription
    for (let tried = 0; tried < consumers.length; tried += 1) {
      subscription.turn = (subscription.turn + 1) % consumers.length
      const consumer = consumers[subscription.turn]
      if (
        consumer !== undefined &&
        !consumer.closed &&
        !consumer.paused &&
        consumer.bytes < consumer.max_bytes &&
        consumer.outstanding < consumer.max_outstanding
      )
        return consumer
    }
    return undefined
  }
  /**
   * With a dead-letter policy an attempt is in the file before it is made: else a message that kills its consumer would
   * come for ever.
   */
  const needsMark = ({ config }: Subscription) => config.deadLetterPolicy !== undefined
  const isUsedUp = ({ config: { deadLetterPolicy } }: Subscription, attempts: number) =>
    deadLetterPolicy !== undefined &&
    attempts >= deadLetterPolicy.maxDeliveryAttempts &&
    topics.has(deadLetterPolicy.topic)

  /**
   * Hands out what can be. A consumer may acknowledge while it is called; then this goes on in the loop, not deeper.
   */
  const pump = (subscription: Subscription): void => {
    if (subscription.pumping || subscription.gone || closing !== undefined) return
    subscription.pumping = true
    try {
      while (subscription.consumers.length > 0) {
        const entry = peek(subscription)
        if (entry === undefined) break
        if (isUsedUp(subscription, entry.attempt - 1)) {
          shift(subscription)
          bury(subscription, entry, entry.attempt - 1)
          continue
        }
        if (needsMark(subscription) && !entry.marked) {
          if (room(subscription) <= 0) break
          markAhead(subscription)
          continue
        }
        const consumer = pickConsumer(subscription)
        if (consumer === undefined) break
        shift(subscription)
        lease(subscription, entry, consumer)
      }
    } finally {
      subscription.pumping = false
    }
    if (subscription.consumers.length > 0) load(subscription)
  }
  /** Writes down the attempts that consumers have room for, all in one transaction, then hands them out. */
  const markAhead = (subscription: Subscription) => {
    const batch: Entry[] = []
    for (let free = room(subscription); free > 0; free -= 1) {
      const entry = peek(subscription)
      if (entry === undefined || entry.marked || isUsedUp(subscription, entry.attempt - 1)) break
      shift(subscription)
      batch.push(entry)
    }
    subscription.reserved += batch.length
    const { life } = subscription
    const back = (marked: boolean) => {
      subscription.reserved -= batch.length
      if (subscription.life !== life) return
      for (const entry of batch) readmit(subscription, { ...entry, marked })
      // Marked ones go first: their places are free.
      if (marked)
        subscription.ready = [
          ...subscription.ready.slice(-batch.length),
          ...subscription.ready.slice(subscription.head, -batch.length),
        ]
      if (marked) subscription.head = 0
    }
    store
      .write(
        batch.map(({ message, attempt }) => ({
          op: 'delivery',
          sub: subscription.id,
          id: message.id,
          attempt,
          due_ms: 0,
          handed: opened.epoch,
        })),
      )
      .then(
        () => {
          if (subscription.gone) return
          back(true)
          pump(subscription)
        },
        () => {
          if (subscription.gone || closing !== undefined) return
          agenda.add(now() + retryMs, () => {
            back(false)
            pump(subscription)
          })
        },
      )
  }
  const lease = (subscription: Subscription, entry: Entry, consumer: Consumer) => {
    const ack_id = `${prefix}.${(lastLease += 1).toString(36)}`
    const { message, attempt } = entry
    leases.set(ack_id, {
      subscription,
      entry,
      consumer,
      due: agenda.add(now() + consumer.lease_ms, () => {
        giveBack(ack_id)
      }),
    })
    consumer.outstanding += 1
    consumer.bytes += message.data.byteLength
    try {
      consumer.on_message({
        ack_id,
        message_id: String(message.id),
        data: message.data,
        attributes: message.attributes,
        published_at: new Date(message.published_ms).toISOString(),
        attempt,
        ordering_key: message.ordering_key,
      })
    } catch {
      // A consumer that throws has not taken it; the publisher, in whose turn this may run, has nothing to do with
      // that.
      giveBack(ack_id)
    }
  }
  const end = (ack_id: string): Lease | undefined => {
    const held = leases.get(ack_id)
    if (held === undefined) return undefined
    leases.delete(ack_id)
    agenda.cancel(held.due)
    held.consumer.outstanding -= 1
    held.consumer.bytes -= held.entry.message.data.byteLength
    return held
  }
  /** A nack and a lease that ran out are the same: the attempt is used up. */
  const giveBack = (ack_id: string): void => {
    const held = end(ack_id)
    if (held === undefined || held.subscription.gone) return
    const { subscription, entry } = held
    if (isUsedUp(subscription, entry.attempt)) bury(subscription, entry, entry.attempt)
    else again(subscription, entry)
    pump(subscription)
  }
  const again = (subscription: Subscription, { message, attempt, life }: Entry): void => {
    const next: Entry = { message, attempt: attempt + 1, marked: false, life }
    const pause = backoffMs(subscription.config.retryPolicy, attempt, random)
    const due_ms = pause === 0 ? 0 : Math.ceil(now() + pause)
    const place = pause === 0 ? undefined : later(subscription, next, due_ms)
    const written = store.write([
      {
        op: 'delivery',
        sub: subscription.id,
        id: message.id,
        attempt: next.attempt,
        due_ms,
        handed: place === 'file' ? outOfMemory : 0,
      },
    ])
    const ready = () => {
      readmit(subscription, next)
      pump(subscription)
    }
    written.then(
      () => {
        if (place === undefined) ready()
      },
      () => {
        if (place !== 'memory' && closing === undefined) agenda.add(now() + retryMs, ready)
      },
    )
  }
  /** To the dead letters; if that cannot be written, back into the subscription. */
  const bury = (subscription: Subscription, entry: Entry, attempts: number) => {
    forward(subscription, entry, attempts, {}).catch(() => {
      if (closing === undefined && !subscription.gone)
        agenda.add(now() + retryMs, () => {
          readmit(subscription, entry)
          pump(subscription)
        })
    })
  }
  /** Publishes to the dead-letter topic and removes from the subscription, in one transaction. */
  const forward = async (
    subscription: Subscription,
    entry: Entry,
    attempts: number,
    attributes: Readonly<Record<string, string>>,
  ): Promise<void> => {
    const policy = subscription.config.deadLetterPolicy
    if (policy === undefined)
      throw new AppError('SETTING_INVALID', `subscription ${subscription.name} has no dead-letter policy`)
    const { message } = entry
    await publishWith(
      [
        {
          topic: policy.topic,
          data: message.data,
          ordering_key: message.ordering_key,
          attributes: {
            ...message.attributes,
            ...attributes,
            CloudPubSubDeadLetterSourceDeliveryCount: String(attempts),
            CloudPubSubDeadLetterSourceSubscription: subscription.name,
            CloudPubSubDeadLetterSourceSubscriptionProject: project_id,
            CloudPubSubDeadLetterSourceTopicPublishTime: new Date(message.published_ms)
              .toISOString()
              .replace('Z', '+00:00'),
          },
        },
      ],
      [gone(subscription, entry)],
    )
    freeKey(subscription, entry)
    pump(subscription)
  }
  const gone = (subscription: Subscription, { message }: Entry): Write => {
    if (subscription.config.retainAckedMessages === true) return { op: 'retain', sub: subscription.id, id: message.id }
    const only = message.open <= 1
    message.open -= 1
    return { op: 'ack', sub: subscription.id, id: message.id, only }
  }

  // ---- publishing

  const publishWith = async (outgoing: readonly PortOutgoing[], more: readonly Write[]): Promise<string[]> => {
    if (closing !== undefined) throw new AppError('UNAVAILABLE', 'the broker is closed')
    for (const each of outgoing) checkMessage(each, topics)
    const published_ms = now()
    const writes: Write[] = [...more]
    const fresh: { subscription: Subscription; entry: Entry; reserved: boolean }[] = []
    const promised = new Map<Subscription, number>()
    const ids = outgoing.map(({ topic, data, attributes, ordering_key = '' }) => {
      const message: Message = { id: (lastId += 1), data, attributes, ordering_key, published_ms, open: 0 }
      const to: number[] = []
      for (const subscription of topics.get(topic) ?? []) {
        if (subscription.filter !== undefined && !subscription.filter(attributes)) continue
        message.open += 1
        const follows = subscription.cursor >= subscription.tail
        subscription.tail = message.id
        const coming = promised.get(subscription) ?? 0
        if (!follows || subscription.held + coming >= window) {
          to.push(subscription.id, 0)
          continue
        }
        subscription.cursor = message.id
        promised.set(subscription, coming + 1)
        // To be handed out the moment it is durable, so the attempt is written along. A key that is busy has to wait
        // for its turn.
        const at_once =
          readyCount(subscription) === 0 &&
          room(subscription) > 0 &&
          !(ordering_key !== '' && subscription.config.enableMessageOrdering === true)
        if (at_once) subscription.reserved += 1
        to.push(subscription.id, at_once && needsMark(subscription) ? opened.epoch : 0)
        fresh.push({
          subscription,
          entry: { message, attempt: 1, marked: at_once, life: subscription.life },
          reserved: at_once,
        })
      }
      if (to.length > 0)
        writes.push({
          op: 'message',
          id: message.id,
          data,
          attributes: JSON.stringify(attributes),
          ordering_key,
          published_ms,
          to,
        })
      return String(message.id)
    })
    if (lastId > reservedId) {
      reservedId = lastId + idBlock
      writes.push({ op: 'reserve', id: reservedId })
    }
    try {
      await store.write(writes)
    } catch (error) {
      for (const { subscription, reserved } of fresh) if (reserved) subscription.reserved -= 1
      reservedId = opened.last_id
      throw error
    }
    for (const { subscription, entry, reserved } of fresh) {
      if (reserved) subscription.reserved -= 1
      admit(subscription, entry)
    }
    for (const { subscription } of fresh) pump(subscription)
    return ids
  }

  // ---- seek and snapshots

  /** Forgets what is in memory; what the file says then is read anew. */
  const restart = (subscription: Subscription) => {
    for (const [ack_id, held] of leases) if (held.subscription === subscription) end(ack_id)
    subscription.life += 1
    subscription.ready = []
    subscription.head = 0
    subscription.held = 0
    subscription.keys.clear()
    subscription.cursor = 0
    subscription.tail = lastId
    subscription.overdue = false
  }
  const snapshotOf = ({ name, config }: Subscription): Snapshot => ({
    name: name.slice('snapshot:'.length),
    topic: config.topic,
    labels: config.labels ?? {},
    expires_ms: (config as StoredConfig).snapshot_expires_ms ?? 0,
  })
  const snapshotNamed = (name: string): Subscription => {
    const found = subscriptions.get(hiddenFor.snapshot(name))
    if (found === undefined) throw new AppError('NOT_FOUND', `snapshot ${name} does not exist`)
    return found
  }
  /** Ids of what the topic itself kept since then, as far as the subscription's filter lets it through. */
  const keptByTopic = async ({ config, filter }: Subscription, since_ms: number): Promise<number[]> => {
    const kept = subscriptions.get(hiddenFor.topic(config.topic))
    const retention = topicConfigs.get(config.topic)?.retentionMs
    if (kept === undefined || retention === undefined) return []
    const from_ms = Math.max(since_ms, now() - retention)
    const ids: number[] = []
    for (let after = 0; ;) {
      const rows = await store.page(kept.id, after, 1_000)
      for (const { id, published_ms, attributes } of rows)
        if (
          published_ms >= from_ms &&
          (filter === undefined || filter(JSON.parse(attributes) as Record<string, string>))
        )
          ids.push(id)
      const last = rows.at(-1)
      if (last === undefined) return ids
      after = last.id
    }
  }
  const checkTopicConfig = (name: string, { retentionMs }: TopicConfig) => {
    if (retentionMs !== undefined && !within(retentionMs, leastRetentionMs, mostRetentionMs))
      throw new AppError(
        'BODY_INVALID',
        `topic ${name}: message retention: expected 10 minutes to 31 days, got ${retentionMs / 1000} seconds`,
      )
  }
  const configureTopic = async (name: string, config: TopicConfig): Promise<void> => {
    checkTopicConfig(name, config)
    const { retentionMs } = config
    const kept = subscriptions.get(hiddenFor.topic(name))
    topicConfigs.set(name, config)
    await store.write([{ op: 'topic-config', name, config: JSON.stringify(config) }])
    if (retentionMs !== undefined && kept === undefined) await create(hiddenFor.topic(name), { topic: name })
    if (retentionMs === undefined && kept !== undefined) await removeSubscription(kept)
  }

  // ---- retention

  const expire = async () => {
    const at = now()
    const keptMs = ({ name, config }: Subscription): number =>
      (name === hiddenFor.topic(config.topic)
        ? topicConfigs.get(config.topic)?.retentionMs
        : config.messageRetentionMs) ?? retentionMs
    const { up_to, dropped } = await store.expire(
      [...subscriptions.values()].map((each) => ({ sub: each.id, before_ms: at - keptMs(each) })),
    )
    expired += dropped
    if (dropped === 0) return
    const ends = new Map(up_to.map(({ sub, id }) => [sub, id]))
    for (const subscription of subscriptions.values()) {
      const old = ({ message }: Entry) => message.id <= (ends.get(subscription.id) ?? 0)
      const ready = subscription.ready.slice(subscription.head)
      const tooOld = ready.filter(old)
      subscription.ready = ready.filter((entry) => !old(entry))
      subscription.head = 0
      subscription.held -= tooOld.length
      for (const entry of tooOld) freeKey(subscription, entry)
    }
  }
  const hourly = () => {
    expire()
      .catch(() => undefined)
      .finally(() => {
        if (closing === undefined) agenda.add(now() + 3_600_000, hourly)
      })
  }

  for (const { id, name, config } of opened.subscriptions)
    addSubscription(id, name, JSON.parse(config) as BrokerSubscriptionConfig, 0)
  await expire().catch(() => undefined)
  agenda.add(now() + 3_600_000, hourly)

  const consume = (subscription: Subscription, consumer: Consumer): (() => void) => {
    subscription.consumers.push(consumer)
    if (subscription.expiry !== undefined) agenda.cancel(subscription.expiry)
    setImmediate(() => {
      pump(subscription)
    })
    return () => {
      if (consumer.closed) return
      consumer.closed = true
      subscription.consumers.splice(subscription.consumers.indexOf(consumer), 1)
      watchExpiry(subscription)
      pump(subscription)
    }
  }

  return {
    createTopic: async (name, config = {}) => {
      checkName('topic', name)
      if (topics.has(name)) throw new AppError('CONFLICT', `topic ${name} exists already`)
      checkTopicConfig(name, config)
      topics.set(name, [])
      await store.write([{ op: 'topic', name }])
      if (Object.keys(config).length > 0) await configureTopic(name, config)
    },
    getTopic: (name) => (topics.has(name) ? (topicConfigs.get(name) ?? {}) : undefined),
    updateTopic: async (name, config) => {
      if (!topics.has(name)) throw new AppError('NOT_FOUND', `topic ${name} does not exist`)
      await configureTopic(name, config)
    },
    detachSubscription: async (name) => {
      const subscription = named(name)
      if (subscription.config.detached === true) return
      const siblings = topics.get(subscription.config.topic)
      if (siblings?.includes(subscription) === true) siblings.splice(siblings.indexOf(subscription), 1)
      subscription.config = { ...subscription.config, detached: true }
      restart(subscription)
      await store.write([
        { op: 'clear', sub: subscription.id },
        { op: 'subscription', id: subscription.id, name, config: JSON.stringify(subscription.config) },
      ])
    },
    createSnapshot: async (name, from, labels = {}) => {
      checkName('snapshot', name)
      const subscription = named(from)
      if (subscriptions.has(hiddenFor.snapshot(name))) throw new AppError('CONFLICT', `snapshot ${name} exists already`)
      if (subscription.config.topic === deletedTopic || subscription.config.detached === true)
        throw new AppError('SETTING_INVALID', `snapshot ${name}: subscription ${from} has no topic any more`)
      // It lives as long as the oldest message in it is kept.
      await store.write([])
      const [oldest] = await store.page(subscription.id, 0, 1)
      const expires_ms = (oldest?.published_ms ?? now()) + retentionMs
      if (expires_ms - now() < hourMs)
        throw new AppError(
          'SETTING_INVALID',
          `snapshot ${name}: the oldest message of ${from} goes within the hour, and the snapshot with it; acknowledge or seek first`,
        )
      if (subscriptions.has(hiddenFor.snapshot(name))) throw new AppError('CONFLICT', `snapshot ${name} exists already`)
      const { topic, filter } = subscription.config
      const config: StoredConfig = {
        topic,
        labels,
        snapshot_expires_ms: expires_ms,
        ...(filter === undefined ? {} : { filter }),
      }
      const made = addSubscription((lastSubscription += 1), hiddenFor.snapshot(name), config, 0)
      try {
        await store.write([
          { op: 'subscription', id: made.id, name: made.name, config: JSON.stringify(config) },
          { op: 'copy', from_sub: subscription.id, to_sub: made.id },
        ])
      } catch (error) {
        await removeSubscription(made).catch(() => undefined)
        throw error
      }
      return snapshotOf(made)
    },
    getSnapshot: (name) => {
      const found = subscriptions.get(hiddenFor.snapshot(name))
      return found === undefined ? undefined : snapshotOf(found)
    },
    listSnapshots: (topic) =>
      [...subscriptions.values()]
        .filter(({ name, config }) => name.startsWith('snapshot:') && (topic === undefined || config.topic === topic))
        .map(snapshotOf)
        .sort((a, b) => (a.name < b.name ? -1 : 1)),
    updateSnapshot: async (name, { labels, expires_ms }) => {
      const found = snapshotNamed(name)
      if (expires_ms !== undefined && !within(expires_ms, now(), now() + sevenDaysMs))
        throw new AppError('BODY_INVALID', `snapshot ${name}: expire_time: expected within the next 7 days`)
      found.config = {
        ...found.config,
        ...(labels === undefined ? {} : { labels }),
        ...(expires_ms === undefined ? {} : { snapshot_expires_ms: expires_ms }),
      } as StoredConfig
      watchExpiry(found)
      await store.write([{ op: 'subscription', id: found.id, name: found.name, config: JSON.stringify(found.config) }])
      return snapshotOf(found)
    },
    deleteSnapshot: async (name) => {
      await removeSubscription(snapshotNamed(name))
    },
    seek: async (name, target) => {
      const subscription = named(name)
      const retain = subscription.config.retainAckedMessages === true
      if ('snapshot' in target) {
        const snapshot = snapshotNamed(target.snapshot)
        if (snapshot.config.topic !== subscription.config.topic)
          throw new AppError(
            'SETTING_INVALID',
            `snapshot ${target.snapshot} is of topic ${snapshot.config.topic}, subscription ${name} of ${subscription.config.topic}; a seek stays on its topic`,
          )
        restart(subscription)
        // What is kept stays for a later seek to a time.
        const emptied: Write = retain
          ? { op: 'seek', sub: subscription.id, to_ms: Number.MAX_SAFE_INTEGER, retain }
          : { op: 'clear', sub: subscription.id }
        await store.write([emptied, { op: 'copy', from_sub: snapshot.id, to_sub: subscription.id }])
      } else {
        const ids = await keptByTopic(subscription, target.time_ms)
        restart(subscription)
        await store.write([
          { op: 'seek', sub: subscription.id, to_ms: target.time_ms, retain },
          { op: 'deliver', sub: subscription.id, ids },
        ])
      }
      pump(subscription)
    },
    ensureTopic: async (name) => {
      checkName('topic', name)
      if (topics.has(name)) return
      topics.set(name, [])
      await store.write([{ op: 'topic', name }])
    },
    listTopics: () => [...topics.keys()].sort(),
    deleteTopic: async (name) => {
      const readers = topics.get(name)
      if (readers === undefined) throw new AppError('NOT_FOUND', `topic ${name} does not exist`)
      topics.delete(name)
      for (const subscription of readers) subscription.config = { ...subscription.config, topic: deletedTopic }
      topicConfigs.delete(name)
      const kept = readers.findIndex((each) => each.name === hiddenFor.topic(name))
      for (const each of kept < 0 ? [] : readers.splice(kept, 1)) await removeSubscription(each)
      await store.write([
        { op: 'drop-topic', name },
        ...readers.map(({ id, name: reader, config }): Write => ({
          op: 'subscription',
          id,
          name: reader,
          config: JSON.stringify(config),
        })),
      ])
    },
    createSubscription: async (name, config) => {
      checkName('subscription', name)
      if (subscriptions.has(name)) throw new AppError('CONFLICT', `subscription ${name} exists already`)
      await create(name, config)
    },
    ensureSubscription: async (name, config) => {
      checkName('subscription', name)
      const known = subscriptions.get(name)
      if (known === undefined) {
        await create(name, config)
        return
      }
      const [was, wanted] = [known.config, config].map(({ topic, filter = '', enableMessageOrdering = false }) =>
        JSON.stringify({ topic, filter, enableMessageOrdering }),
      )
      if (was !== wanted)
        throw new AppError(
          'CONFLICT',
          `subscription ${name} exists as ${String(was)}, expected ${String(wanted)}: these cannot change; delete it, or use another name`,
        )
      if (JSON.stringify(known.config) === JSON.stringify(config)) return
      checkConfig(name, config)
      known.config = config
      await store.write([{ op: 'subscription', id: known.id, name, config: JSON.stringify(config) }])
    },
    updateSubscription: async (name, config) => {
      const known = named(name)
      const fixed = ({ topic, filter = '', enableMessageOrdering = false }: SubscriptionConfig) =>
        JSON.stringify([topic, filter, enableMessageOrdering])
      if (fixed(known.config) !== fixed(config))
        throw new AppError(
          'BODY_INVALID',
          `subscription ${name}: topic, filter and enableMessageOrdering cannot change; delete it and make another`,
        )
      const before = known.config
      checkConfig(name, config, before)
      known.config = config
      watchExpiry(known)
      try {
        await store.write([
          { op: 'subscription', id: known.id, name, config: JSON.stringify(config) },
          ...(before.retainAckedMessages === true && config.retainAckedMessages !== true
            ? [{ op: 'release' as const, sub: known.id }]
            : []),
        ])
      } catch (error) {
        known.config = before
        throw error
      }
      pump(known)
    },
    getSubscription: (name) => Promise.resolve(isHidden(name) ? undefined : subscriptions.get(name)?.config),
    listSubscriptions: (topic) =>
      [...subscriptions.values()]
        .filter(
          ({ name, config }) =>
            !isHidden(name) && (topic === undefined || (config.topic === topic && config.detached !== true)),
        )
        .map(({ name }) => name)
        .sort(),
    deleteSubscription: async (name) => {
      await removeSubscription(named(name))
    },
    backlog: async (name) => {
      const { id } = named(name)
      await store.write([])
      return store.count(id)
    },
    stats: () => ({
      leased: leases.size,
      in_memory: [...subscriptions.values()].reduce((sum, { held, delayed }) => sum + held + delayed, 0),
      expired,
    }),
    publish: (outgoing) => publishWith(outgoing, []),
    subscribe: (name, { max_outstanding, max_extension_ms }, on_message) => {
      const close = consume(named(name), { ...endless, max_outstanding, lease_ms: max_extension_ms, on_message })
      return { close }
    },
    stream: (name, { max_outstanding, max_bytes, lease_ms }, on_message) => {
      const subscription = named(name)
      const consumer: Consumer = { ...endless, max_outstanding, max_bytes, lease_ms, on_message }
      const close = consume(subscription, consumer)
      return {
        pause: () => {
          consumer.paused = true
        },
        resume: () => {
          consumer.paused = false
          pump(subscription)
        },
        setLease: (ms) => {
          consumer.lease_ms = ms
        },
        close,
      }
    },
    leasedBy: (ack_id) => leases.get(ack_id)?.subscription.name,
    pull: (name, { max_messages, wait_ms = 1_000, signal }) =>
      new Promise((resolve) => {
        const subscription = named(name)
        const messages: PortMessage[] = []
        let finished = false
        const finish = () => {
          if (finished) return
          finished = true
          if (tooLate !== undefined) agenda.cancel(tooLate)
          signal?.removeEventListener('abort', finish)
          close()
          if (signal?.aborted === true) for (const { ack_id } of messages.splice(0)) giveBack(ack_id)
          resolve(messages)
        }
        const on_message = (message: PortMessage) => {
          messages.push(message)
          if (messages.length === 1) setImmediate(finish)
        }
        // Not to wait is not to look no further than memory: what is being read or written for it still counts.
        const began = performance.now()
        const atOnce = () => {
          if (
            performance.now() - began < atOnceMs &&
            closing === undefined &&
            !subscription.gone &&
            (subscription.loading || subscription.reserved > 0 || subscription.cursor < subscription.tail) &&
            messages.length === 0
          )
            setImmediate(atOnce)
          else finish()
        }
        const tooLate = wait_ms === 0 ? undefined : agenda.add(now() + wait_ms, finish)
        const close = consume(subscription, {
          ...endless,
          max_outstanding: max_messages,
          lease_ms: (subscription.config.ackDeadlineSeconds ?? 10) * 1000,
          on_message,
        })
        if (tooLate === undefined)
          setImmediate(() => {
            setImmediate(atOnce)
          })
        if (signal?.aborted === true) finish()
        else signal?.addEventListener('abort', finish)
      }),
    ack: async (ack_id) => {
      const held = end(ack_id)
      if (held === undefined || held.subscription.gone) return
      const { subscription, entry } = held
      const durable = store.write([gone(subscription, entry)], true)
      freeKey(subscription, entry)
      pump(subscription)
      try {
        await durable
      } catch (error) {
        // It is still in the file, so it comes again.
        if (closing === undefined)
          agenda.add(now() + retryMs, () => {
            admit(subscription, { ...entry, attempt: entry.attempt + 1, marked: false })
            pump(subscription)
          })
        throw error
      }
    },
    nack: giveBack,
    modifyAckDeadline: (ack_id, seconds) => {
      if (!within(seconds, 0, 600))
        throw new AppError('BODY_INVALID', `ack deadline: expected 0 to 600 seconds, got ${seconds}`)
      if (seconds === 0) {
        giveBack(ack_id)
        return
      }
      const held = leases.get(ack_id)
      if (held === undefined) return
      agenda.cancel(held.due)
      held.due = agenda.add(now() + seconds * 1000, () => {
        giveBack(ack_id)
      })
    },
    deadLetter: async (ack_id, attributes) => {
      const held = end(ack_id)
      if (held === undefined) return
      try {
        await forward(held.subscription, held.entry, held.entry.attempt, attributes)
      } catch (error) {
        if (closing === undefined) again(held.subscription, held.entry)
        throw error
      }
    },
    wake: agenda.wake,
    healthy: () => closing === undefined && store.healthy(),
    receiving: () => true,
    close: () =>
      (closing ??= (async () => {
        agenda.close()
        // What was promised a consumer and never reached it has not used up an attempt.
        const unused = [...subscriptions.values()].flatMap((subscription) =>
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
        if (unused.length > 0) await store.write(unused).catch(() => undefined)
        leases.clear()
        await store.close()
      })()),
  }
}

/** A consumer that takes whatever comes. */
const endless = { outstanding: 0, max_bytes: Infinity, bytes: 0, paused: false, closed: false }
const within = (value: number, least: number, most: number) => value >= least && value <= most

/**
 * Exponential by attempt, up to a quarter more at random, never above the maximum: from 10, 20, 40 ... 600 s with
 * Google's defaults.
 */
const backoffMs = (policy: SubscriptionConfig['retryPolicy'], attempt: number, random: () => number): number =>
  policy === undefined
    ? 0
    : Math.min(policy.maximumBackoffMs, policy.minimumBackoffMs * 2 ** Math.min(attempt - 1, 30) * (1 + random() / 4))

const checkName = (kind: string, name: string) => {
  if (!namePattern.test(name) || name.startsWith('goog'))
    throw new AppError(
      'BODY_INVALID',
      `${kind} ${JSON.stringify(name)}: expected 3 to 255 letters, digits or -_.~+%, beginning with a letter and not with goog`,
    )
}
const largestMessage = 10_000_000
const fits = (text: string, most: number) => text.length * 3 <= most || Buffer.byteLength(text) <= most
const checkMessage = (
  { topic, data, attributes, ordering_key }: PortOutgoing,
  topics: ReadonlyMap<string, unknown>,
) => {
  if (!topics.has(topic))
    throw new AppError('NOT_FOUND', `topic ${topic} does not exist; make it before publishing to it`)
  const wrong = (what: string) => new AppError('BODY_INVALID', `message to ${topic}: ${what}`)
  if (data.byteLength > largestMessage) throw wrong(`at most 10 MB, got ${data.byteLength} bytes`)
  let count = 0
  for (const key in attributes) {
    count += 1
    if (key === '' || !fits(key, 256)) throw wrong('an attribute key has 1 to 256 bytes')
    if (!fits(attributes[key] ?? '', 1024))
      throw wrong(`attribute ${key} has at most 1,024 bytes, got ${Buffer.byteLength(attributes[key] ?? '')}`)
  }
  if (count > 100) throw wrong(`at most 100 attributes, got ${count}`)
  if (count === 0 && data.byteLength === 0) throw wrong('expected data or an attribute')
  if (ordering_key !== undefined && !fits(ordering_key, 1024)) throw wrong('an ordering key has at most 1,024 bytes')
}
