/**
 * A durable Pub/Sub broker in one process, with Google's semantics: at least once, ack deadlines, backoff, delivery attempts, dead letters,
 * filters, ordering keys. The file is written by a worker thread; everything of one turn is one transaction. A publish is handed to its
 * subscribers as soon as it is durable. Leases live in memory: after a restart whatever was not acknowledged is available at once, with
 * its attempts counted. Memory holds what is leased and a window of each backlog, never the whole.
 */
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { BusPort, PortMessage, PortOutgoing, SubscriptionConfig } from '@convergence/bus'
import { AppError } from '@convergence/contracts'
import { parseFilter, type Filter } from './filter.ts'
import type { Op, Opened, Request, StoredMessage } from './store-worker.ts'

export interface BrokerOptions {
  file: string
  /** Milliseconds since 1970; default Date.now. */
  now?: () => number
  /** Between 0 and 1, for the jitter of backoff; default Math.random. */
  random?: () => number
}
export interface Broker extends BusPort {
  listTopics(): string[]
  listSubscriptions(): string[]
  deleteTopic(name: string): Promise<void>
  deleteSubscription(name: string): Promise<void>
  /** Messages of a subscription that are not acknowledged. */
  backlog(subscription: string): Promise<number>
}

/** Messages of one subscription that are kept in memory; the rest waits in the file. */
const windowSize = 5_000
/** So near the head that the next delivery may already have happened when the process dies. */
const imminent = 1_000

interface Message { id: number; data: Uint8Array; attributes: Readonly<Record<string, string>>; ordering_key: string; published_ms: number; topic: string }
interface Entry { message: Message; attempt: number; due_ms: number }
interface Lease { subscription: Subscription; entry: Entry; timer: NodeJS.Timeout; consumer: Consumer | undefined }
interface Consumer { max_outstanding: number; outstanding: number; max_extension_ms: number; on_message: (message: PortMessage) => void; closed: boolean }
interface Subscription {
  id: number
  name: string
  config: SubscriptionConfig
  filter: Filter | undefined
  ready: Entry[]
  /** Waiting for their backoff. */
  later: number
  /** Newest id that was ever in memory; with `spilled`, newer ones are in the file only. */
  newest: number
  spilled: boolean
  loading: boolean
  missed: boolean
  consumers: Consumer[]
  turn: number
  busy_keys: Set<string>
  expiry: NodeJS.Timeout | undefined
}

const namePattern = /^[A-Za-z][A-Za-z0-9\-_.~+%]{2,254}$/

export const openBroker = async ({ file, now = Date.now, random = Math.random }: BrokerOptions): Promise<Broker> => {
  const worker = new Worker(join(import.meta.dirname, 'store-worker.ts'), { workerData: { file } })
  worker.unref()
  let n = 0
  let failure: AppError | undefined
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
  const tell = ({ failed, code }: { failed: string; code?: string }): AppError =>
    /full|ENOSPC/i.test(failed) ? new AppError('DISK_FULL', `${file}: no space left on the disk; free some, nothing that was acknowledged is lost`)
      : new AppError('UNAVAILABLE', `${file}: cannot be written (${code ?? failed})`)
  const settle = (answer: { n: number; result?: unknown; failed?: string; code?: string; held?: boolean }) => {
    const entry = waiting.get(answer.n)
    waiting.delete(answer.n)
    if (waiting.size === 0) worker.unref()
    if (answer.failed === undefined) entry?.resolve(answer.result)
    else if (answer.n === 0) {
      entry?.reject(answer.held === true
        ? new AppError('SETTING_INVALID', `${file} is ${answer.failed}: stop that one, or use another data folder`)
        : new AppError('SETTING_INVALID', `${file} cannot be opened (${answer.failed}): it must be a file that this user may read and write`))
    } else entry?.reject(tell({ failed: answer.failed, ...(answer.code === undefined ? {} : { code: answer.code }) }))
  }
  const opening = new Promise<Opened>((resolve, reject) => { waiting.set(0, { resolve: resolve as (value: unknown) => void, reject }) })
  worker.ref()
  worker.on('message', settle)
  worker.on('error', (error) => {
    failure = new AppError('UNAVAILABLE', `${file}: the store ended (${error.message})`)
    for (const entry of waiting.values()) entry.reject(failure)
    waiting.clear()
  })
  // Distributes over the union, so that each kind keeps its own fields.
  type Asked = Request extends infer R ? (R extends Request ? Omit<R, 'n'> : never) : never
  const ask = <T>(request: Asked): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      if (failure !== undefined) return reject(failure)
      n += 1
      waiting.set(n, { resolve: resolve as (value: unknown) => void, reject })
      worker.ref()
      worker.postMessage({ ...request, n })
    })
  const opened = await opening
  chmodSync(file, 0o600)

  // ---- group commit ---------------------------------------------------------------------------------------------------------------

  let ops: Op[] = []
  let group: { resolve(): void; reject(error: Error): void }[] = []
  let inFlight = false
  let scheduled = false
  let writesSinceCheckpoint = 0
  let checkpoint: NodeJS.Timeout | undefined
  const flush = () => {
    scheduled = false
    if (inFlight || group.length === 0) return
    const [sentOps, sentGroup] = [ops, group]
    ops = []
    group = []
    inFlight = true
    writesSinceCheckpoint += sentOps.length
    ask({ kind: 'write', ops: sentOps }).then(
      () => {
        inFlight = false
        for (const { resolve } of sentGroup) resolve()
        flush()
        settleDown()
      },
      (error: Error) => {
        inFlight = false
        for (const { reject } of sentGroup) reject(error)
        flush()
      })
  }
  /** Checkpoints when idle, or when much has gathered: never by surprise in the middle of a commit. */
  const settleDown = () => {
    if (writesSinceCheckpoint > 50_000) {
      writesSinceCheckpoint = 0
      void ask({ kind: 'checkpoint' }).catch(() => undefined)
    }
    clearTimeout(checkpoint)
    checkpoint = setTimeout(() => {
      writesSinceCheckpoint = 0
      void ask({ kind: 'checkpoint' }).catch(() => undefined)
    }, 500)
    checkpoint.unref()
  }
  /** Resolves when the operations are durable; those of one call are in one transaction. */
  const write = (added: readonly Op[]): Promise<void> =>
    new Promise((resolve, reject) => {
      if (failure !== undefined) return reject(failure)
      for (const op of added) ops.push(op)
      group.push({ resolve, reject })
      if (!scheduled) {
        scheduled = true
        queueMicrotask(flush)
      }
    })

  // ---- topics and subscriptions -----------------------------------------------------------------------------------------------------

  const topics = new Map<string, Subscription[]>(opened.topics.map(({ name }) => [name, []]))
  const subscriptions = new Map<string, Subscription>()
  let lastId = opened.last_id
  let lastSub = opened.subscriptions.reduce((most, { id }) => Math.max(most, id), 0)
  const addSubscription = (id: number, name: string, config: SubscriptionConfig, spilled: boolean): Subscription => {
    const subscription: Subscription = {
      id, name, config, filter: config.filter === undefined ? undefined : parseFilter(config.filter), ready: [], later: 0, newest: 0, spilled, loading: false, missed: false,
      consumers: [], turn: 0, busy_keys: new Set(), expiry: undefined,
    }
    subscriptions.set(name, subscription)
    topics.get(config.topic)?.push(subscription)
    watchExpiry(subscription)
    return subscription
  }
  /** A subscription that nobody reads goes after its time. */
  const watchExpiry = (subscription: Subscription) => {
    const { expirationMs } = subscription.config
    if (expirationMs === undefined || subscription.consumers.length > 0) return
    clearTimeout(subscription.expiry)
    subscription.expiry = setTimeout(() => { void removeSubscription(subscription).catch(() => undefined) }, Math.min(expirationMs, 2 ** 31 - 1))
    subscription.expiry.unref()
  }
  const removeSubscription = async (subscription: Subscription): Promise<void> => {
    clearTimeout(subscription.expiry)
    subscriptions.delete(subscription.name)
    const siblings = topics.get(subscription.config.topic)
    if (siblings !== undefined) siblings.splice(siblings.indexOf(subscription), 1)
    for (const consumer of subscription.consumers) consumer.closed = true
    await write([{ op: 'drop-subscription', id: subscription.id }])
  }
  for (const { id, name, config } of opened.subscriptions) addSubscription(id, name, JSON.parse(config) as SubscriptionConfig, true)

  // ---- delivery ---------------------------------------------------------------------------------------------------------------------

  const leases = new Map<string, Lease>()
  let nextLease = 0
  const prefix = now().toString(36)

  const pickConsumer = (subscription: Subscription): Consumer | undefined => {
    const { consumers } = subscription
    for (let tried = 0; tried < consumers.length; tried += 1) {
      subscription.turn = (subscription.turn + 1) % consumers.length
      const consumer = consumers[subscription.turn]
      if (consumer !== undefined && !consumer.closed && consumer.outstanding < consumer.max_outstanding) return consumer
    }
    return undefined
  }
  const pump = (subscription: Subscription): void => {
    if (subscription.consumers.length === 0) return
    let blocked = 0
    while (subscription.ready.length > blocked) {
      const consumer = pickConsumer(subscription)
      if (consumer === undefined) return
      const entry = subscription.ready[blocked]
      if (entry === undefined) return
      const key = subscription.config.enableMessageOrdering === true ? entry.message.ordering_key : ''
      if (key !== '' && subscription.busy_keys.has(key)) {
        blocked += 1
        continue
      }
      if (blocked === 0) subscription.ready.shift()
      else subscription.ready.splice(blocked, 1)
      if (key !== '') subscription.busy_keys.add(key)
      lease(subscription, entry, consumer)
    }
    if (subscription.spilled && subscription.ready.length < windowSize / 4) load(subscription)
  }
  const lease = (subscription: Subscription, entry: Entry, consumer: Consumer | undefined, deadlineMs?: number): PortMessage => {
    const ack_id = `${prefix}-${(nextLease += 1).toString(36)}`
    const timer = setTimeout(() => { giveBack(ack_id) }, deadlineMs ?? consumer?.max_extension_ms ?? 10_000)
    timer.unref()
    leases.set(ack_id, { subscription, entry, timer, consumer })
    const { message, attempt } = entry
    const delivered: PortMessage = {
      ack_id, message_id: String(message.id), data: message.data, attributes: message.attributes, published_at: new Date(message.published_ms).toISOString(),
      attempt, ordering_key: message.ordering_key,
    }
    if (consumer !== undefined) {
      consumer.outstanding += 1
      consumer.on_message(delivered)
    }
    return delivered
  }
  const load = (subscription: Subscription): void => {
    if (subscription.loading) return
    subscription.loading = true
    subscription.missed = false
    ask<StoredMessage[]>({ kind: 'page', sub: subscription.id, after: subscription.newest, limit: windowSize / 2 }).then(
      (rows) => {
        subscription.loading = false
        for (const row of rows) {
          subscription.newest = Math.max(subscription.newest, row.id)
          const message: Message = { id: row.id, data: row.data, attributes: JSON.parse(row.attributes) as Record<string, string>, ordering_key: row.ordering_key, published_ms: row.published_ms, topic: row.topic }
          makeReady(subscription, { message, attempt: row.attempt, due_ms: row.due_ms })
        }
        if (rows.length < windowSize / 2 && !subscription.missed) subscription.spilled = false
        pump(subscription)
      },
      () => { subscription.loading = false })
  }
  const makeReady = (subscription: Subscription, entry: Entry): void => {
    const wait = entry.due_ms - now()
    if (wait <= 0) {
      subscription.ready.push(entry)
      return
    }
    subscription.later += 1
    const timer = setTimeout(() => {
      subscription.later -= 1
      subscription.ready.push(entry)
      pump(subscription)
    }, Math.min(wait, 2 ** 31 - 1))
    timer.unref()
  }
  const end = (ack_id: string): Lease | undefined => {
    const held = leases.get(ack_id)
    if (held === undefined) return undefined
    leases.delete(ack_id)
    clearTimeout(held.timer)
    if (held.consumer !== undefined) held.consumer.outstanding -= 1
    return held
  }
  const freeKey = ({ subscription, entry }: Lease): void => {
    if (entry.message.ordering_key !== '') subscription.busy_keys.delete(entry.message.ordering_key)
  }
  /** A nack and a lease that ran out are the same: the attempt is used up. */
  const giveBack = (ack_id: string): void => {
    const held = end(ack_id)
    if (held === undefined) return
    const { subscription, entry } = held
    const policy = subscription.config.deadLetterPolicy
    if (policy !== undefined && entry.attempt >= policy.maxDeliveryAttempts && topics.has(policy.topic)) {
      void forward(held, {}).catch(() => { requeue(held) })
      return
    }
    requeue(held)
  }
  const requeue = (held: Lease): void => {
    const { subscription, entry } = held
    const { retryPolicy } = subscription.config
    const pause = retryPolicy === undefined ? 0
      : Math.min(retryPolicy.maximumBackoffMs, retryPolicy.minimumBackoffMs * 2 ** Math.min(entry.attempt - 1, 20)) * (0.75 + random() * 0.25)
    const next: Entry = { message: entry.message, attempt: entry.attempt + 1, due_ms: pause === 0 ? 0 : now() + pause }
    // Of an ordering key everything later waits until this one has gone through.
    void write([{ op: 'again', sub: subscription.id, id: entry.message.id, attempt: next.attempt, due_ms: Math.round(next.due_ms) }]).catch(() => undefined)
    const ready = () => {
      freeKey(held)
      subscription.ready.unshift(next)
      pump(subscription)
    }
    if (pause === 0) setImmediate(ready)
    else setTimeout(ready, pause).unref()
  }
  const forward = async (held: Lease, attributes: Readonly<Record<string, string>>): Promise<void> => {
    const { subscription, entry } = held
    const policy = subscription.config.deadLetterPolicy
    if (policy === undefined) throw new AppError('SETTING_INVALID', `${subscription.name} has no dead-letter policy`)
    await publishWith([{
      topic: policy.topic, data: entry.message.data, ordering_key: entry.message.ordering_key,
      attributes: {
        ...entry.message.attributes, ...attributes,
        CloudPubSubDeadLetterSourceDeliveryCount: String(entry.attempt), CloudPubSubDeadLetterSourceSubscription: subscription.name,
        CloudPubSubDeadLetterSourceSubscriptionProject: 'local', CloudPubSubDeadLetterSourceTopicPublishTime: new Date(entry.message.published_ms).toISOString().replace('Z', '+00:00'),
      },
    }], [{ op: 'ack', sub: subscription.id, id: entry.message.id }])
    freeKey(held)
    pump(subscription)
  }

  const publishWith = async (outgoing: readonly PortOutgoing[], more: readonly Op[]): Promise<string[]> => {
    const published_ms = now()
    const added: Op[] = []
    const entries: { subscription: Subscription; entry: Entry }[] = []
    const ids: string[] = []
    for (const { topic, data, attributes, ordering_key = '' } of outgoing) {
      const readers = topics.get(topic)
      if (readers === undefined) throw new AppError('NOT_FOUND', `topic ${topic} does not exist`)
      const message: Message = { id: (lastId += 1), data, attributes, ordering_key, published_ms, topic }
      const to: { sub: number; handed: boolean }[] = []
      for (const subscription of readers) {
        if (subscription.filter !== undefined && !subscription.filter(attributes)) continue
        if (subscription.spilled || subscription.ready.length >= windowSize) {
          subscription.spilled = true
          subscription.missed = true
          to.push({ sub: subscription.id, handed: false })
          continue
        }
        to.push({ sub: subscription.id, handed: subscription.consumers.length > 0 && subscription.ready.length < imminent })
        subscription.newest = Math.max(subscription.newest, message.id)
        entries.push({ subscription, entry: { message, attempt: 1, due_ms: 0 } })
      }
      added.push({ op: 'message', id: message.id, topic, data, attributes: JSON.stringify(attributes), ordering_key, published_ms, to })
      ids.push(String(message.id))
    }
    await write(more.length === 0 ? added : [...added, ...more])
    const touched = new Set<Subscription>()
    for (const { subscription, entry } of entries) {
      subscription.ready.push(entry)
      touched.add(subscription)
    }
    for (const subscription of touched) pump(subscription)
    return ids
  }

  const named = (name: string): Subscription => {
    const subscription = subscriptions.get(name)
    if (subscription === undefined) throw new AppError('NOT_FOUND', `subscription ${name} does not exist`)
    return subscription
  }
  const checkName = (name: string) => {
    if (!namePattern.test(name) || name.startsWith('goog')) throw new AppError('BODY_INVALID', `${JSON.stringify(name)}: expected 3 to 255 letters, digits or -_.~+%, beginning with a letter and not with goog`)
  }

  let closing: Promise<void> | undefined
  return {
    ensureTopic: async (name) => {
      checkName(name)
      if (topics.has(name)) return
      topics.set(name, [])
      await write([{ op: 'topic', name, config: '{}' }])
    },
    ensureSubscription: async (name, config) => {
      checkName(name)
      if (subscriptions.has(name)) {
        const known = named(name)
        if (known.config.topic !== config.topic || known.config.filter !== config.filter) throw new AppError('CONFLICT', `subscription ${name} exists with another topic or filter; both are immutable`)
        known.config = config
        await write([{ op: 'subscription', id: known.id, name, config: JSON.stringify(config) }])
        return
      }
      if (!topics.has(config.topic)) throw new AppError('NOT_FOUND', `subscription ${name}: topic ${config.topic} does not exist`)
      if (config.deadLetterPolicy !== undefined && !topics.has(config.deadLetterPolicy.topic)) throw new AppError('NOT_FOUND', `subscription ${name}: dead-letter topic ${config.deadLetterPolicy.topic} does not exist`)
      const subscription = addSubscription((lastSub += 1), name, config, false)
      await write([{ op: 'subscription', id: subscription.id, name, config: JSON.stringify(config) }])
    },
    getSubscription: (name) => Promise.resolve(subscriptions.get(name)?.config),
    listTopics: () => [...topics.keys()],
    listSubscriptions: () => [...subscriptions.keys()],
    deleteTopic: async (name) => {
      topics.delete(name)
      await write([{ op: 'drop-topic', name }])
    },
    deleteSubscription: async (name) => { await removeSubscription(named(name)) },
    backlog: async (name) => {
      const { id } = named(name)
      await write([])
      return ask<number>({ kind: 'count', sub: id })
    },
    publish: (outgoing) => publishWith(outgoing, []),
    subscribe: (name, { max_outstanding, max_extension_ms }, on_message) => {
      const subscription = named(name)
      const consumer: Consumer = { max_outstanding, outstanding: 0, max_extension_ms, on_message, closed: false }
      subscription.consumers.push(consumer)
      clearTimeout(subscription.expiry)
      if (subscription.spilled) load(subscription)
      setImmediate(() => { pump(subscription) })
      return {
        close: () => {
          if (consumer.closed) return
          consumer.closed = true
          subscription.consumers.splice(subscription.consumers.indexOf(consumer), 1)
          watchExpiry(subscription)
        },
      }
    },
    ack: async (ack_id) => {
      const held = end(ack_id)
      if (held === undefined) return
      const { subscription, entry } = held
      const durable = write([{ op: 'ack', sub: subscription.id, id: entry.message.id }])
      freeKey(held)
      pump(subscription)
      await durable
    },
    nack: (ack_id) => { giveBack(ack_id) },
    deadLetter: async (ack_id, attributes) => {
      const held = end(ack_id)
      if (held === undefined) return
      await forward(held, attributes).catch((error: unknown) => {
        requeue(held)
        throw error
      })
    },
    healthy: () => failure === undefined,
    close: () => closing ??= (async () => {
      clearTimeout(checkpoint)
      for (const subscription of subscriptions.values()) {
        clearTimeout(subscription.expiry)
        for (const consumer of subscription.consumers) consumer.closed = true
        subscription.consumers = []
      }
      for (const { timer } of leases.values()) clearTimeout(timer)
      leases.clear()
      await write([]).catch(() => undefined)
      await ask({ kind: 'close' }).catch(() => undefined)
      failure = new AppError('UNAVAILABLE', 'the broker is closed')
      await worker.terminate()
    })(),
  }
}
