/**
 * Leases: handed out, acknowledged, nacked, expired, forwarded to the dead letters.
 */
import type { SubscriptionConfig } from '@convergence/bus'
import { AppError } from '@convergence/contracts'
import { backoffMs } from '@convergence/contracts/retry'
import { admit, delay, freeKey, load, peek, readmit, shift } from './backlog.ts'
import { isUsedUp, needsMark, pickConsumer, room } from './consumers.ts'
import { acknowledgement, publishWith } from './publish.ts'
import { type BrokerState, type Consumer, type Entry, type Lease, type Subscription, retryMs, within } from './state.ts'
import { outOfMemory } from './store.ts'

/**
 * Hands out what can be. A consumer may acknowledge while it is called; then this goes on in the loop, not deeper.
 */
export const pump = (broker: BrokerState, subscription: Subscription): void => {
  if (subscription.pumping || subscription.gone || broker.closing !== undefined) return
  subscription.pumping = true
  try {
    while (subscription.consumers.length > 0) {
      const entry = peek(subscription)
      if (entry === undefined) break
      if (isUsedUp(broker, subscription, entry.attempt - 1)) {
        shift(subscription)
        sendToDeadLetters(broker, subscription, entry, entry.attempt - 1)
        continue
      }
      if (needsMark(subscription) && !entry.marked) {
        if (room(subscription) <= 0) break
        markAhead(broker, subscription)
        continue
      }
      const consumer = pickConsumer(subscription)
      if (consumer === undefined) break
      shift(subscription)
      lease(broker, subscription, entry, consumer)
    }
  } finally {
    subscription.pumping = false
  }
  if (subscription.consumers.length > 0) load(broker, subscription)
}

/** Writes down the attempts that consumers have room for, all in one transaction, then hands them out. */
const markAhead = (broker: BrokerState, subscription: Subscription) => {
  const batch: Entry[] = []
  for (let free = room(subscription); free > 0; free -= 1) {
    const entry = peek(subscription)
    if (entry === undefined || entry.marked || isUsedUp(broker, subscription, entry.attempt - 1)) break
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
  broker.store
    .write(
      batch.map(({ message, attempt }) => ({
        op: 'delivery',
        sub: subscription.id,
        id: message.id,
        attempt,
        due_ms: 0,
        handed: broker.opened.epoch,
      })),
    )
    .then(
      () => {
        if (subscription.gone) return
        back(true)
        broker.pump(subscription)
      },
      () => {
        if (subscription.gone || broker.closing !== undefined) return
        broker.agenda.add(broker.now() + retryMs, () => {
          back(false)
          broker.pump(subscription)
        })
      },
    )
}

const lease = (broker: BrokerState, subscription: Subscription, entry: Entry, consumer: Consumer) => {
  const ack_id = `${broker.prefix}.${(broker.lastLease += 1).toString(36)}`
  const { message, attempt } = entry
  broker.leases.set(ack_id, {
    subscription,
    entry,
    consumer,
    due: broker.agenda.add(broker.now() + consumer.lease_ms, () => {
      nack(broker, ack_id)
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
    nack(broker, ack_id)
  }
}

const endLease = (broker: BrokerState, ack_id: string): Lease | undefined => {
  const held = broker.leases.get(ack_id)
  if (held === undefined) return undefined
  broker.leases.delete(ack_id)
  broker.agenda.cancel(held.due)
  held.consumer.outstanding -= 1
  held.consumer.bytes -= held.entry.message.data.byteLength
  return held
}

/** A nack and a lease that ran out are the same: the attempt is used up. */
export const nack = (broker: BrokerState, ack_id: string): void => {
  const held = endLease(broker, ack_id)
  if (held === undefined || held.subscription.gone) return
  const { subscription, entry } = held
  if (isUsedUp(broker, subscription, entry.attempt)) sendToDeadLetters(broker, subscription, entry, entry.attempt)
  else redeliver(broker, subscription, entry)
  broker.pump(subscription)
}

const redeliver = (broker: BrokerState, subscription: Subscription, { message, attempt, life }: Entry): void => {
  const next: Entry = { message, attempt: attempt + 1, marked: false, life }
  const pause = redeliveryDelayMs(subscription.config.retryPolicy, attempt, broker.random)
  const due_ms = pause === 0 ? 0 : Math.ceil(broker.now() + pause)
  const place = pause === 0 ? undefined : delay(broker, subscription, next, due_ms)
  const written = broker.store.write([
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
    broker.pump(subscription)
  }
  written.then(
    () => {
      if (place === undefined) ready()
    },
    () => {
      if (place !== 'memory' && broker.closing === undefined) broker.agenda.add(broker.now() + retryMs, ready)
    },
  )
}

/** To the dead letters; if that cannot be written, back into the subscription. */
const sendToDeadLetters = (broker: BrokerState, subscription: Subscription, entry: Entry, attempts: number) => {
  forwardToDeadLetters(broker, subscription, entry, attempts, {}).catch(() => {
    if (broker.closing === undefined && !subscription.gone)
      broker.agenda.add(broker.now() + retryMs, () => {
        readmit(subscription, entry)
        broker.pump(subscription)
      })
  })
}

/** Publishes to the dead-letter topic and removes from the subscription, in one transaction. */
const forwardToDeadLetters = async (
  broker: BrokerState,
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
    broker,
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
          CloudPubSubDeadLetterSourceSubscriptionProject: broker.project_id,
          CloudPubSubDeadLetterSourceTopicPublishTime: new Date(message.published_ms)
            .toISOString()
            .replace('Z', '+00:00'),
        },
      },
    ],
    [acknowledgement(subscription, entry)],
  )
  freeKey(subscription, entry)
  broker.pump(subscription)
}

/** Forgets what is in memory; what the file says then is read anew. */
export const forgetMemory = (broker: BrokerState, subscription: Subscription) => {
  for (const [ack_id, held] of broker.leases) if (held.subscription === subscription) endLease(broker, ack_id)
  subscription.life += 1
  subscription.ready = []
  subscription.head = 0
  subscription.held = 0
  subscription.keys.clear()
  subscription.cursor = 0
  subscription.tail = broker.lastId
  subscription.overdue = false
}

export const ack = async (broker: BrokerState, ack_id: string): Promise<void> => {
  const held = endLease(broker, ack_id)
  if (held === undefined || held.subscription.gone) return
  const { subscription, entry } = held
  const durable = broker.store.write([acknowledgement(subscription, entry)], true)
  freeKey(subscription, entry)
  broker.pump(subscription)
  try {
    await durable
  } catch (error) {
    // It is still in the file, so it comes again.
    if (broker.closing === undefined)
      broker.agenda.add(broker.now() + retryMs, () => {
        admit(subscription, { ...entry, attempt: entry.attempt + 1, marked: false })
        broker.pump(subscription)
      })
    throw error
  }
}

export const modifyAckDeadline = (broker: BrokerState, ack_id: string, seconds: number): void => {
  if (!within(seconds, 0, 600))
    throw new AppError('BODY_INVALID', `ack deadline: expected 0 to 600 seconds, got ${seconds}`)
  if (seconds === 0) {
    nack(broker, ack_id)
    return
  }
  const held = broker.leases.get(ack_id)
  if (held === undefined) return
  broker.agenda.cancel(held.due)
  held.due = broker.agenda.add(broker.now() + seconds * 1000, () => {
    nack(broker, ack_id)
  })
}

export const deadLetter = async (
  broker: BrokerState,
  ack_id: string,
  attributes: Readonly<Record<string, string>>,
): Promise<void> => {
  const held = endLease(broker, ack_id)
  if (held === undefined) return
  try {
    await forwardToDeadLetters(broker, held.subscription, held.entry, held.entry.attempt, attributes)
  } catch (error) {
    if (broker.closing === undefined) redeliver(broker, held.subscription, held.entry)
    throw error
  }
}

/**
 * Exponential by attempt, up to a quarter more at random, never above the maximum: from 10, 20, 40 ... 600 s with
 * Google's defaults.
 */
const redeliveryDelayMs = (policy: SubscriptionConfig['retryPolicy'], attempt: number, random: () => number): number =>
  policy === undefined
    ? 0
    : Math.min(policy.maximumBackoffMs, backoffMs(attempt, { first_ms: policy.minimumBackoffMs }) * (1 + random() / 4))
