/** Messages in, and what becomes of them: acknowledged, nacked, sent to the dead letters. */
import { AppError } from '@convergence/contracts'
import { statusNameOf } from '@convergence/contracts/grpc-status'
import { Duration, type Message, type Subscription } from '@google-cloud/pubsub'
import { context, trace } from '@opentelemetry/api'
import type { PortMessage } from '../port.ts'
import { asAppError, detailOf } from './errors.ts'
import { publishOne } from './publishing.ts'
import type { Session } from './session.ts'
import { deadTopicOf } from './subscriptions.ts'

export const takeHeld = (session: Session, ack_id: string) => {
  const found = session.held.get(ack_id)
  session.held.delete(ack_id)
  return found
}

export const subscribe = (
  session: Session,
  name: string,
  { max_outstanding, max_extension_ms }: { max_outstanding: number; max_extension_ms: number },
  onMessage: (message: PortMessage) => void,
): { close(): void } => {
  let stopped = false
  let again: NodeJS.Timeout | undefined
  let well: NodeJS.Timeout | undefined
  let current: Subscription | undefined
  const begin = () => {
    const subscription = session.client.subscription(name, {
      flowControl: { maxMessages: max_outstanding, allowExcessMessages: false },
      batching: { maxMessages: 500, maxMilliseconds: 2 },
      maxExtensionTime: Duration.from({ millis: max_extension_ms }),
      streamingOptions: { maxStreams: session.streams, retryMaxBackoff: Duration.from({ seconds: 5 }) },
      closeOptions: { behavior: 'WAIT', timeout: Duration.from({ millis: session.close_timeout_ms }) },
    })
    current = subscription
    subscription.on('message', (message: Message) => {
      const ack_id = String((session.lastHeld += 1))
      session.held.set(ack_id, { message, subscription: name })
      session.broken.delete(name)
      const given: PortMessage = {
        ack_id,
        message_id: message.id,
        data: message.data,
        attributes: message.attributes,
        published_at: message.publishTime.toISOString(),
        attempt: Math.max(1, message.deliveryAttempt),
        ordering_key: message.orderingKey ?? '',
      }
      // The client calls back outside the message's span, and all that a handler does would begin a trace of its
      // own.
      const { parentSpan } = message
      if (parentSpan === undefined) onMessage(given)
      else
        context.with(trace.setSpan(context.active(), parentSpan), () => {
          onMessage(given)
        })
    })
    // The client opens its stream again by itself after what may pass; what comes here does not.
    subscription.on('error', (error) => {
      session.broken.add(name)
      clearTimeout(well)
      session.log.error(
        { subscription: name, code: statusNameOf(error), error: detailOf(error) },
        'not receiving; tried again in five seconds',
      )
      void subscription.close().catch(() => undefined)
      if (!stopped) again = setTimeout(begin, 5_000).unref()
    })
    // Where no message comes, a stream that was not refused is one that receives.
    well = setTimeout(() => {
      session.broken.delete(name)
    }, session.accepted_ms).unref()
  }
  begin()
  let ended: Promise<void> | undefined
  const reader = {
    end: () =>
      (ended ??= (async () => {
        stopped = true
        clearTimeout(again)
        clearTimeout(well)
        session.broken.delete(name)
        await current?.close().catch((error: unknown) => {
          session.log.warn({ subscription: name, error: detailOf(error) }, 'not closed cleanly')
        })
      })()),
  }
  session.readers.add(reader)
  return {
    close: () => {
      void reader.end().finally(() => {
        session.readers.delete(reader)
      })
    },
  }
}

export const ack = async (session: Session, ack_id: string): Promise<void> => {
  const found = takeHeld(session, ack_id)
  if (found === undefined) return
  try {
    // Only an exactly-once subscription says whether it counted; elsewhere a lost one means one more delivery.
    await found.message.ackWithResponse()
  } catch (error) {
    throw asAppError(error, `acknowledge message ${found.message.id} of ${found.subscription}`)
  }
}

export const deadLetter = async (
  session: Session,
  ack_id: string,
  attributes: Readonly<Record<string, string>>,
): Promise<void> => {
  const found = session.held.get(ack_id)
  if (found === undefined) return
  const { message, subscription } = found
  try {
    const topic = await deadTopicOf(session, subscription)
    if (topic === undefined)
      throw new AppError('SETTING_INVALID', `subscription ${subscription} has no dead-letter policy`)
    await publishOne(session, {
      topic,
      data: message.data,
      attributes: {
        ...message.attributes,
        ...attributes,
        CloudPubSubDeadLetterSourceDeliveryCount: String(Math.max(1, message.deliveryAttempt)),
        CloudPubSubDeadLetterSourceSubscription: subscription,
        CloudPubSubDeadLetterSourceSubscriptionProject: session.project_id,
        CloudPubSubDeadLetterSourceTopicPublishTime: message.publishTime.toISOString().replace('Z', '+00:00'),
      },
    })
  } catch (error) {
    // Nothing is lost: it comes again, and is sent there then.
    takeHeld(session, ack_id)?.message.nack()
    throw error
  }
  takeHeld(session, ack_id)
  await message.ackWithResponse()
}
