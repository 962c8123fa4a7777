/**
 * The ways to read a subscription: subscribe, stream, pull.
 */
import type { PortMessage } from '@convergence/bus'
import type { Stream, StreamOptions } from './api.ts'
import { nack } from './delivery.ts'
import { type BrokerState, type Consumer, type Subscription, subscriptionNamed } from './state.ts'
import { watchExpiry } from './subscriptions.ts'

/** How long a pull that does not wait looks into the file at most. */
const atOnceMs = 1_000

export const consume = (broker: BrokerState, subscription: Subscription, consumer: Consumer): (() => void) => {
  subscription.consumers.push(consumer)
  if (subscription.expiry !== undefined) broker.agenda.cancel(subscription.expiry)
  setImmediate(() => {
    broker.pump(subscription)
  })
  return () => {
    if (consumer.closed) return
    consumer.closed = true
    subscription.consumers.splice(subscription.consumers.indexOf(consumer), 1)
    watchExpiry(broker, subscription)
    broker.pump(subscription)
  }
}

export const stream = (
  broker: BrokerState,
  name: string,
  { max_outstanding, max_bytes, lease_ms }: StreamOptions,
  on_message: (message: PortMessage) => void,
): Stream => {
  const subscription = subscriptionNamed(broker, name)
  const consumer: Consumer = { ...endless, max_outstanding, max_bytes, lease_ms, on_message }
  const close = consume(broker, subscription, consumer)
  return {
    pause: () => {
      consumer.paused = true
    },
    resume: () => {
      consumer.paused = false
      broker.pump(subscription)
    },
    setLease: (ms) => {
      consumer.lease_ms = ms
    },
    close,
  }
}

export const pull = (
  broker: BrokerState,
  name: string,
  { max_messages, wait_ms = 1_000, signal }: { max_messages: number; wait_ms?: number; signal?: AbortSignal },
): Promise<PortMessage[]> =>
  new Promise((resolve) => {
    const subscription = subscriptionNamed(broker, name)
    const messages: PortMessage[] = []
    let finished = false
    const finish = () => {
      if (finished) return
      finished = true
      if (tooLate !== undefined) broker.agenda.cancel(tooLate)
      signal?.removeEventListener('abort', finish)
      close()
      if (signal?.aborted === true) for (const { ack_id } of messages.splice(0)) nack(broker, ack_id)
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
        broker.closing === undefined &&
        !subscription.gone &&
        (subscription.loading || subscription.reserved > 0 || subscription.cursor < subscription.tail) &&
        messages.length === 0
      )
        setImmediate(atOnce)
      else finish()
    }
    const tooLate = wait_ms === 0 ? undefined : broker.agenda.add(broker.now() + wait_ms, finish)
    const close = consume(broker, subscription, {
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
  })

/** A consumer that takes whatever comes. */
export const endless = { outstanding: 0, max_bytes: Infinity, bytes: 0, paused: false, closed: false }
