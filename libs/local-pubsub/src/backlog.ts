/**
 * What of a backlog is in memory: ready, behind its ordering key, delayed; and how more of it comes from the file.
 */
import { type BrokerState, type Entry, type Subscription, retryMs } from './state.ts'
import type { StoredMessage } from './store-worker.ts'
import { type Write, outOfMemory } from './store.ts'

export const readyCount = (subscription: Subscription) => subscription.ready.length - subscription.head

export const peek = (subscription: Subscription) => subscription.ready[subscription.head]

export const shift = (subscription: Subscription) => {
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
export const admit = (subscription: Subscription, entry: Entry) => {
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
export const readmit = (subscription: Subscription, entry: Entry) => {
  if (subscription.gone || entry.life !== subscription.life) return
  subscription.held += 1
  subscription.ready.push(entry)
}

export const freeKey = (subscription: Subscription, entry: Entry) => {
  if (entry.life !== subscription.life) return
  const key = keyOf(subscription, entry)
  if (key === '') return
  const next = subscription.keys.get(key)?.shift()
  if (next === undefined) subscription.keys.delete(key)
  else subscription.ready.push(next)
}

/** Ready at its time. Beyond the window it waits in the file; but not with an ordering key, which it holds. */
export const delay = (
  broker: BrokerState,
  subscription: Subscription,
  entry: Entry,
  due_ms: number,
): 'memory' | 'file' => {
  if (subscription.delayed >= broker.window && keyOf(subscription, entry) === '') {
    wakeFor(broker, subscription, due_ms)
    return 'file'
  }
  subscription.delayed += 1
  broker.agenda.add(due_ms, () => {
    subscription.delayed -= 1
    readmit(subscription, entry)
    broker.pump(subscription)
  })
  return 'memory'
}

const wakeFor = (broker: BrokerState, subscription: Subscription, due_ms: number) => {
  if (subscription.nextDue !== undefined && subscription.nextDue.at >= 0) {
    if (subscription.nextDue.due_ms <= due_ms) return
    broker.agenda.cancel(subscription.nextDue)
  }
  subscription.nextDue = broker.agenda.add(due_ms, () => {
    subscription.overdue = true
    broker.pump(subscription)
  })
}

const fromFile = (broker: BrokerState, row: StoredMessage, life: number): Entry => ({
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
  attempt: row.attempt + (row.handed > 0 && row.handed !== broker.opened.epoch ? 1 : 0),
  marked: false,
})

/** Brings in the next of the backlog when the window has room. */
export const load = (broker: BrokerState, subscription: Subscription) => {
  if (
    subscription.loading ||
    subscription.gone ||
    broker.closing !== undefined ||
    subscription.held > broker.window / 4
  )
    return
  if (!subscription.overdue && subscription.cursor >= subscription.tail) return
  subscription.loading = true
  const limit = Math.max(1, broker.window - subscription.held)
  const work = subscription.overdue ? loadDue(broker, subscription, limit) : loadPage(broker, subscription, limit)
  work.then(
    () => {
      subscription.loading = false
      broker.pump(subscription)
    },
    () => {
      subscription.loading = false
      if (broker.closing === undefined)
        broker.agenda.add(broker.now() + retryMs, () => {
          broker.pump(subscription)
        })
    },
  )
}

const loadPage = async (broker: BrokerState, subscription: Subscription, limit: number) => {
  const { cursor, tail, life } = subscription
  // Whatever was published up to here is in the file after this, or failed.
  await broker.store.write([])
  const rows = await broker.store.page(subscription.id, cursor, limit)
  if (subscription.gone || subscription.life !== life) return
  const moved: Write[] = []
  for (const row of rows) {
    const entry = fromFile(broker, row, life)
    subscription.cursor = Math.max(subscription.cursor, row.id)
    if (row.due_ms <= broker.now()) {
      admit(subscription, entry)
      continue
    }
    const key = keyOf(subscription, entry)
    if (key !== '' && subscription.keys.has(key)) admit(subscription, entry)
    else {
      if (key !== '') subscription.keys.set(key, [])
      if (delay(broker, subscription, entry, row.due_ms) === 'file')
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
  if (moved.length > 0) await broker.store.write(moved)
}

const loadDue = async (broker: BrokerState, subscription: Subscription, limit: number) => {
  const { life } = subscription
  subscription.overdue = false
  const { rows, next_ms } = await broker.store
    .write([])
    .then(() => broker.store.due(subscription.id, broker.now(), limit))
    .catch((error: unknown) => {
      // Still due: whoever tries again must find it so.
      subscription.overdue = true
      throw error
    })
  for (const row of rows) readmit(subscription, fromFile(broker, row, life))
  if (next_ms === undefined) return
  if (next_ms <= broker.now()) subscription.overdue = true
  else wakeFor(broker, subscription, next_ms)
}
