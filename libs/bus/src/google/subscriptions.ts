/** Subscriptions: their settings in Google's form and ours, made and looked at. */
import { AppError } from '@convergence/contracts'
import { grpcStatus, statusOf } from '@convergence/contracts/grpc-status'
import type { GetSubscriptionMetadataResponse, SubscriptionMetadata } from '@google-cloud/pubsub'
import type { SubscriptionConfig } from '../port.ts'
import { asAppError } from './errors.ts'
import type { Session } from './session.ts'

const shortName = (path: string | null | undefined): string => (path ?? '').split('/').at(-1) ?? ''

const millisecondsOf = (duration: { seconds?: unknown; nanos?: number | null } | null | undefined): number =>
  Number(duration?.seconds ?? 0) * 1000 + (duration?.nanos ?? 0) / 1e6

const durationOf = (ms: number) => ({ seconds: Math.floor(ms / 1000), nanos: Math.round((ms % 1000) * 1e6) })

const metadataOf = (session: Session, config: SubscriptionConfig): SubscriptionMetadata => ({
  ackDeadlineSeconds: 60,
  // Without a policy a subscription that is idle for a month is deleted.
  expirationPolicy:
    config.expirationMs === undefined ? {} : { ttl: durationOf(Math.max(config.expirationMs, 86_400_000)) },
  ...(config.filter === undefined ? {} : { filter: config.filter }),
  ...(config.enableMessageOrdering === true ? { enableMessageOrdering: true } : {}),
  ...(config.deadLetterPolicy === undefined
    ? {}
    : {
        deadLetterPolicy: {
          deadLetterTopic: session.client
            .topic(config.deadLetterPolicy.topic)
            .name.replace('{{projectId}}', session.project_id),
          maxDeliveryAttempts: config.deadLetterPolicy.maxDeliveryAttempts,
        },
      }),
  ...(config.retryPolicy === undefined
    ? {}
    : {
        retryPolicy: {
          minimumBackoff: durationOf(config.retryPolicy.minimumBackoffMs),
          maximumBackoff: durationOf(config.retryPolicy.maximumBackoffMs),
        },
      }),
})

const configOf = (metadata: GetSubscriptionMetadataResponse[0]): SubscriptionConfig => ({
  topic: shortName(metadata.topic),
  ...(metadata.filter ? { filter: metadata.filter } : {}),
  ...(metadata.deadLetterPolicy?.deadLetterTopic
    ? {
        deadLetterPolicy: {
          topic: shortName(metadata.deadLetterPolicy.deadLetterTopic),
          maxDeliveryAttempts: metadata.deadLetterPolicy.maxDeliveryAttempts ?? 5,
        },
      }
    : {}),
  ...(metadata.retryPolicy
    ? {
        retryPolicy: {
          minimumBackoffMs: millisecondsOf(metadata.retryPolicy.minimumBackoff),
          maximumBackoffMs: millisecondsOf(metadata.retryPolicy.maximumBackoff),
        },
      }
    : {}),
  ...(metadata.enableMessageOrdering === true ? { enableMessageOrdering: true } : {}),
  ...(metadata.expirationPolicy?.ttl ? { expirationMs: millisecondsOf(metadata.expirationPolicy.ttl) } : {}),
})

export const getSubscription = async (session: Session, name: string): Promise<SubscriptionConfig | undefined> => {
  try {
    const [metadata] = await session.client.subscription(name).getMetadata()
    return configOf(metadata)
  } catch (error) {
    if (statusOf(error) === grpcStatus.NOT_FOUND) return undefined
    throw asAppError(error, `subscription ${name}`)
  }
}

export const deadTopicOf = (session: Session, subscription: string): Promise<string | undefined> => {
  const known = session.deadTopics.get(subscription)
  if (known !== undefined) return known
  const asked = getSubscription(session, subscription).then((config) => config?.deadLetterPolicy?.topic)
  asked.catch(() => {
    session.deadTopics.delete(subscription)
  })
  session.deadTopics.set(subscription, asked)
  return asked
}

export const ensureTopic = async (session: Session, name: string): Promise<void> => {
  try {
    await session.client.createTopic(name)
  } catch (error) {
    if (statusOf(error) !== grpcStatus.ALREADY_EXISTS) throw asAppError(error, `topic ${name}`)
  }
}

export const ensureSubscription = async (session: Session, name: string, config: SubscriptionConfig): Promise<void> => {
  try {
    await session.client.createSubscription(config.topic, name, metadataOf(session, config))
    return
  } catch (error) {
    if (statusOf(error) !== grpcStatus.ALREADY_EXISTS) throw asAppError(error, `subscription ${name}`)
  }
  const known = await getSubscription(session, name)
  const [was, wanted] = [known, config].map((each) =>
    JSON.stringify({
      topic: each?.topic,
      filter: each?.filter ?? '',
      enableMessageOrdering: each?.enableMessageOrdering ?? false,
    }),
  )
  if (was !== wanted)
    throw new AppError(
      'CONFLICT',
      `subscription ${name} exists as ${String(was)}, expected ${String(wanted)}: these cannot change; ` +
        'delete it, or use another name',
    )
  const same = (each: SubscriptionConfig | undefined) => JSON.stringify([each?.deadLetterPolicy, each?.retryPolicy])
  if (same(known) === same(config)) return
  session.deadTopics.delete(name)
  const { deadLetterPolicy, retryPolicy } = metadataOf(session, config)
  try {
    await session.client
      .subscription(name)
      .setMetadata({ deadLetterPolicy: deadLetterPolicy ?? null, retryPolicy: retryPolicy ?? null })
  } catch (error) {
    throw asAppError(error, `subscription ${name}`)
  }
}
