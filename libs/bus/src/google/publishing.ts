/** Publishers, and one message through them. */
import type { Topic } from '@google-cloud/pubsub'
import type { PortOutgoing } from '../port.ts'
import { asAppError } from './errors.ts'
import type { Session } from './session.ts'

/** Ordered and plain messages have a publisher each: an ordered one stops at the first failure of its key. */
const topicOf = (session: Session, name: string, ordered: boolean): Topic => {
  const key = `${name}|${String(ordered)}`
  const known = session.topics.get(key)
  if (known !== undefined) return known
  const made = session.client.topic(name, {
    messageOrdering: ordered,
    batching: { maxMessages: 200, maxMilliseconds: 1 },
    gaxOpts: {
      timeout: session.publish_timeout_ms,
      retry: {
        retryCodes: [1, 2, 4, 8, 10, 13, 14],
        backoffSettings: {
          initialRetryDelayMillis: 50,
          retryDelayMultiplier: 2,
          maxRetryDelayMillis: 1_000,
          initialRpcTimeoutMillis: session.publish_timeout_ms,
          rpcTimeoutMultiplier: 1,
          maxRpcTimeoutMillis: session.publish_timeout_ms,
          totalTimeoutMillis: session.publish_timeout_ms,
        },
      },
    },
  })
  session.topics.set(key, made)
  return made
}

export const publishOne = async (
  session: Session,
  { topic: name, data, attributes, ordering_key = '' }: PortOutgoing,
): Promise<string> => {
  const topic = topicOf(session, name, ordering_key !== '')
  try {
    const id = await topic.publishMessage({
      data: Buffer.from(data.buffer, data.byteOffset, data.byteLength),
      attributes: { ...attributes },
      ...(ordering_key === '' ? {} : { orderingKey: ordering_key }),
    })
    session.unpublishedAt = undefined
    return id
  } catch (error) {
    if (ordering_key !== '') topic.resumePublishing(ordering_key)
    const unpublished = asAppError(error, `publish to ${name}`)
    session.unpublishedAt = unpublished.code === 'UNAVAILABLE' ? performance.now() : undefined
    throw unpublished
  }
}
