/**
 * Who has room for a message, and whether it may still be delivered.
 */
import type { BrokerState, Consumer, Subscription } from './state.ts'

/** Deliveries that consumers have room for. */
export const room = ({ consumers, reserved }: Subscription): number => {
  let free = -reserved
  for (const { closed, paused, max_outstanding, outstanding, max_bytes, bytes } of consumers)
    if (!closed && !paused && bytes < max_bytes) free += Math.max(0, max_outstanding - outstanding)
  return free
}

export const pickConsumer = (subscription: Subscription): Consumer | undefined => {
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
export const needsMark = ({ config }: Subscription) => config.deadLetterPolicy !== undefined

export const isUsedUp = (broker: BrokerState, { config: { deadLetterPolicy } }: Subscription, attempts: number) =>
  deadLetterPolicy !== undefined &&
  attempts >= deadLetterPolicy.maxDeliveryAttempts &&
  broker.topics.has(deadLetterPolicy.topic)
