/** Of google.pubsub.v1.Subscriber: subscriptions made, changed and removed. */
import { invalid, StatusError, unsupported } from '@convergence/local-wire'
import * as grpc from '@grpc/grpc-js'
import { configOf, isEmpty, protoSubscription, snakeCase, type ProtoSubscription } from './shapes.ts'
import {
  assertProject,
  method,
  nameIn,
  page,
  subscriptionAt,
  subscriptionPath,
  topicPath,
  type FrontState,
  type Page,
} from './state.ts'

/** Which parts of a subscription an update mask may name, and how each is taken over. */
const changeable: Readonly<Record<string, (from: ProtoSubscription) => Partial<ProtoSubscription>>> = {
  ack_deadline_seconds: ({ ackDeadlineSeconds = 0 }) => ({ ackDeadlineSeconds }),
  dead_letter_policy: ({ deadLetterPolicy = null }) => ({ deadLetterPolicy }),
  retry_policy: ({ retryPolicy = null }) => ({ retryPolicy }),
  expiration_policy: ({ expirationPolicy = null }) => ({ expirationPolicy }),
  enable_exactly_once_delivery: ({ enableExactlyOnceDelivery = false }) => ({ enableExactlyOnceDelivery }),
  labels: ({ labels = {} }) => ({ labels }),
  push_config: ({ pushConfig = null }) => ({ pushConfig }),
  message_retention_duration: ({ messageRetentionDuration = null }) => ({ messageRetentionDuration }),
  retain_acked_messages: ({ retainAckedMessages = false }) => ({ retainAckedMessages }),
}

/** Making, changing and removing subscriptions. */
export const subscriptionMethods = (front: FrontState): grpc.UntypedServiceImplementation => ({
  ...method(front, 'CreateSubscription', async (subscription: ProtoSubscription) => {
    const name = nameIn(front, 'subscriptions', subscription.name)
    await front.broker.createSubscription(name, configOf(front, subscription))
    return protoSubscription(front, name, (await subscriptionAt(front, subscription.name)).config)
  }),
  ...method(front, 'GetSubscription', async ({ subscription }: { subscription: string }) => {
    const { name, config } = await subscriptionAt(front, subscription)
    return protoSubscription(front, name, config)
  }),
  ...method(
    front,
    'UpdateSubscription',
    async ({ subscription, updateMask }: { subscription: ProtoSubscription; updateMask?: { paths?: string[] } }) => {
      const { name, config } = await subscriptionAt(front, subscription.name)
      const paths = updateMask?.paths ?? []
      if (paths.length === 0) throw invalid('update_mask: expected at least one path')
      let changed: ProtoSubscription = protoSubscription(front, name, config)
      for (const path of paths) {
        const take = changeable[snakeCase(path)]
        if (take === undefined) throw invalid(`update_mask: ${path} cannot be changed or is not known`)
        changed = { ...changed, ...take(subscription) }
      }
      await front.broker.updateSubscription(
        name,
        config.topic === '_deleted-topic_'
          ? { ...configOf(front, { ...changed, topic: topicPath(front, 'gone') }), topic: config.topic }
          : configOf(front, changed),
      )
      const { config: after } = await subscriptionAt(front, subscription.name)
      for (const stream of front.streams) if (stream.subscription === name) stream.config = after
      return protoSubscription(front, name, after)
    },
  ),
  ...method(front, 'ListSubscriptions', async (request: Page & { project: string }) => {
    assertProject(front, request.project)
    const { names, nextPageToken } = page(front.broker.listSubscriptions(), request)
    return {
      subscriptions: await Promise.all(
        names.map(async (name) =>
          protoSubscription(front, name, (await subscriptionAt(front, subscriptionPath(front, name))).config),
        ),
      ),
      nextPageToken,
    }
  }),
  ...method(front, 'DeleteSubscription', async ({ subscription }: { subscription: string }) => {
    const name = nameIn(front, 'subscriptions', subscription)
    await front.broker.deleteSubscription(name)
    for (const stream of front.streams)
      if (stream.subscription === name)
        stream.end(new StatusError(grpc.status.NOT_FOUND, `subscription ${name} was deleted`))
    return {}
  }),
  ...method(front, 'ModifyPushConfig', ({ pushConfig }: { pushConfig?: { pushEndpoint?: string } | null }) => {
    if (!isEmpty(pushConfig)) throw unsupported('a push endpoint')
    return {}
  }),
})
