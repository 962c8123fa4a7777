/** Topics, subscriptions and dead letters of schemas/topology.yaml. */
import {
  deadLetterName,
  serviceNames,
  subscriptionName,
  topics,
  topology,
  type ServiceName,
  type Topic,
} from '@convergence/contracts'
import type { BusPort } from './port.ts'

/**
 * Every subscription of the topology but the feeds of replicas, which their consumers make: name, topic, filter,
 * attempts.
 */
export const allSubscriptions = (): {
  name: string
  service: ServiceName
  topic: Topic
  filter?: string
  max_delivery_attempts: number
}[] =>
  topics.flatMap((topic) =>
    serviceNames.flatMap((service) => {
      const reader = topology[topic].readers[service]
      if (reader === undefined) return []
      return [
        {
          name: subscriptionName(service, topic),
          service,
          topic,
          max_delivery_attempts: reader.max_delivery_attempts ?? 20,
          ...(reader.filter === undefined ? {} : { filter: reader.filter }),
        },
      ]
    }),
  )

/** Makes every topic, subscription and dead letter of schemas/topology.yaml. Safe to repeat. */
export const ensureTopology = async (
  port: BusPort,
  backoff: { minimumBackoffMs?: number; maximumBackoffMs?: number } = {},
): Promise<void> => {
  const retryPolicy = {
    minimumBackoffMs: backoff.minimumBackoffMs ?? 10_000,
    maximumBackoffMs: backoff.maximumBackoffMs ?? 600_000,
  }
  const all = allSubscriptions()
  await Promise.all([...topics, ...all.map(({ name }) => deadLetterName(name))].map((topic) => port.ensureTopic(topic)))
  await Promise.all(
    all.flatMap(({ name, topic, filter, max_delivery_attempts }) => {
      const dead = deadLetterName(name)
      return [
        port.ensureSubscription(dead, { topic: dead, retryPolicy }),
        port.ensureSubscription(name, {
          topic,
          retryPolicy,
          deadLetterPolicy: { topic: dead, maxDeliveryAttempts: max_delivery_attempts },
          ...(filter === undefined ? {} : { filter }),
        }),
      ]
    }),
  )
}
