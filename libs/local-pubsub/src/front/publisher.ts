/** google.pubsub.v1.Publisher. */
import type { PortOutgoing } from '@convergence/bus'
import { invalid, StatusError } from '@convergence/local-wire'
import * as grpc from '@grpc/grpc-js'
import { protoTopic, refuseTopic, snakeCase, topicConfigOf, type ProtoTopic } from './shapes.ts'
import {
  assertProject,
  assertTopic,
  method,
  mostMessages,
  nameIn,
  page,
  snapshotPath,
  subscriptionAt,
  subscriptionPath,
  type FrontState,
  type Page,
} from './state.ts'

interface ProtoMessage {
  data: Buffer
  attributes: Record<string, string>
  orderingKey: string
}

const mostBytes = 10_000_000

export const publisherMethods = (front: FrontState): grpc.UntypedServiceImplementation => ({
  ...method(front, 'CreateTopic', async (topic: ProtoTopic) => {
    refuseTopic(topic)
    const name = nameIn(front, 'topics', topic.name)
    await front.broker.createTopic(name, topicConfigOf(topic))
    return protoTopic(front, name)
  }),
  ...method(front, 'GetTopic', ({ topic }: { topic: string }) => protoTopic(front, assertTopic(front, topic))),
  ...method(
    front,
    'UpdateTopic',
    async ({ topic, updateMask }: { topic: ProtoTopic; updateMask?: { paths?: string[] } }) => {
      const name = assertTopic(front, topic.name)
      const paths = (updateMask?.paths ?? []).map(snakeCase)
      if (paths.length === 0) throw invalid('update_mask: expected at least one path')
      refuseTopic(topic)
      for (const path of paths)
        if (path !== 'labels' && path !== 'message_retention_duration')
          throw invalid(
            `update_mask: ${path} cannot be changed or is not known; expected labels or message_retention_duration`,
          )
      const { labels, retentionMs } = front.broker.getTopic(name) ?? {}
      const wanted = topicConfigOf(topic)
      const [newLabels, newRetention] = [
        paths.includes('labels') ? wanted.labels : labels,
        paths.includes('message_retention_duration') ? wanted.retentionMs : retentionMs,
      ]
      await front.broker.updateTopic(name, {
        ...(newLabels === undefined ? {} : { labels: newLabels }),
        ...(newRetention === undefined ? {} : { retentionMs: newRetention }),
      })
      return protoTopic(front, name)
    },
  ),
  ...method(front, 'ListTopics', (request: Page & { project: string }) => {
    assertProject(front, request.project)
    const { names, nextPageToken } = page(front.broker.listTopics(), request)
    return { topics: names.map((name) => protoTopic(front, name)), nextPageToken }
  }),
  ...method(front, 'ListTopicSubscriptions', (request: Page & { topic: string }) => {
    const { names, nextPageToken } = page(front.broker.listSubscriptions(assertTopic(front, request.topic)), request)
    return { subscriptions: names.map((name) => subscriptionPath(front, name)), nextPageToken }
  }),
  ...method(front, 'ListTopicSnapshots', (request: Page & { topic: string }) => {
    const { names, nextPageToken } = page(
      front.broker.listSnapshots(assertTopic(front, request.topic)).map(({ name }) => name),
      request,
    )
    return { snapshots: names.map((name) => snapshotPath(front, name)), nextPageToken }
  }),
  ...method(front, 'DeleteTopic', async ({ topic }: { topic: string }) => {
    await front.broker.deleteTopic(nameIn(front, 'topics', topic))
    return {}
  }),
  ...method(front, 'DetachSubscription', async ({ subscription }: { subscription: string }) => {
    const { name } = await subscriptionAt(front, subscription)
    await front.broker.detachSubscription(name)
    for (const stream of front.streams)
      if (stream.subscription === name)
        stream.end(new StatusError(grpc.status.FAILED_PRECONDITION, `subscription ${name} was detached from its topic`))
    return {}
  }),
  ...method(front, 'Publish', async ({ topic: path, messages }: { topic: string; messages: ProtoMessage[] }) => {
    const topic = nameIn(front, 'topics', path)
    if (messages.length === 0) throw invalid('messages: expected at least one')
    if (messages.length > mostMessages)
      throw invalid(`messages: expected at most ${mostMessages}, got ${messages.length}`)
    if (messages.reduce((sum, { data }) => sum + data.length, 0) > mostBytes)
      throw invalid('messages: expected at most 10 MB in one request')
    if (new Set(messages.map(({ orderingKey }) => orderingKey)).size > 1)
      throw invalid('messages: all of one request have the same ordering key, or none')
    return {
      messageIds: await front.broker.publish(
        messages.map(({ data, attributes, orderingKey }): PortOutgoing => ({
          topic,
          data,
          attributes,
          ...(orderingKey === '' ? {} : { ordering_key: orderingKey }),
        })),
      ),
    }
  }),
})
