/**
 * Publishing: one transaction, then handed to whoever waits.
 */
import type { PortOutgoing } from '@convergence/bus'
import { AppError } from '@convergence/contracts'
import { admit, readyCount } from './backlog.ts'
import { needsMark, room } from './consumers.ts'
import type { BrokerState, Entry, Message, Subscription } from './state.ts'
import type { Write } from './store.ts'

const idBlock = 10_000

export const acknowledgement = (subscription: Subscription, { message }: Entry): Write => {
  if (subscription.config.retainAckedMessages === true) return { op: 'retain', sub: subscription.id, id: message.id }
  const only = message.open <= 1
  message.open -= 1
  return { op: 'ack', sub: subscription.id, id: message.id, only }
}

export const publishWith = async (
  broker: BrokerState,
  outgoing: readonly PortOutgoing[],
  more: readonly Write[],
): Promise<string[]> => {
  if (broker.closing !== undefined) throw new AppError('UNAVAILABLE', 'the broker is closed')
  for (const each of outgoing) checkMessage(each, broker.topics)
  const published_ms = broker.now()
  const writes: Write[] = [...more]
  const fresh: { subscription: Subscription; entry: Entry; reserved: boolean }[] = []
  const promised = new Map<Subscription, number>()
  const ids = outgoing.map(({ topic, data, attributes, ordering_key = '' }) => {
    const message: Message = { id: (broker.lastId += 1), data, attributes, ordering_key, published_ms, open: 0 }
    const to: number[] = []
    for (const subscription of broker.topics.get(topic) ?? []) {
      if (subscription.filter !== undefined && !subscription.filter(attributes)) continue
      message.open += 1
      const follows = subscription.cursor >= subscription.tail
      subscription.tail = message.id
      const coming = promised.get(subscription) ?? 0
      if (!follows || subscription.held + coming >= broker.window) {
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
      to.push(subscription.id, at_once && needsMark(subscription) ? broker.opened.epoch : 0)
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
  if (broker.lastId > broker.reservedId) {
    broker.reservedId = broker.lastId + idBlock
    writes.push({ op: 'reserve', id: broker.reservedId })
  }
  try {
    await broker.store.write(writes)
  } catch (error) {
    for (const { subscription, reserved } of fresh) if (reserved) subscription.reserved -= 1
    broker.reservedId = broker.opened.last_id
    throw error
  }
  for (const { subscription, entry, reserved } of fresh) {
    if (reserved) subscription.reserved -= 1
    admit(subscription, entry)
  }
  for (const { subscription } of fresh) broker.pump(subscription)
  return ids
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
