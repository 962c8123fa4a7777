/** Of google.pubsub.v1.Subscriber: messages out, acknowledgements in, by request. */
import { invalid } from '@convergence/local-wire'
import type * as grpc from '@grpc/grpc-js'
import { acknowledge, modify, reportFates } from './acknowledging.ts'
import { received } from './shapes.ts'
import { method, mostMessages, refuseDetached, subscriptionAt, type FrontState } from './state.ts'
import { streamingPull, type PullCall } from './streaming-pull.ts'

const pullWaitMs = 5_000

/** Messages out, acknowledgements in. */
export const readingMethods = (front: FrontState): grpc.UntypedServiceImplementation => ({
  ...method(
    front,
    'ModifyAckDeadline',
    async ({
      subscription,
      ackIds,
      ackDeadlineSeconds,
    }: {
      subscription: string
      ackIds: string[]
      ackDeadlineSeconds: number
    }) => {
      const { name, config } = await subscriptionAt(front, subscription)
      reportFates(
        config,
        modify(front, name, ackIds, () => ackDeadlineSeconds),
      )
      return {}
    },
  ),
  ...method(front, 'Acknowledge', async ({ subscription, ackIds }: { subscription: string; ackIds: string[] }) => {
    const { name, config } = await subscriptionAt(front, subscription)
    reportFates(config, await acknowledge(front, name, ackIds))
    return {}
  }),
  ...method(
    front,
    'Pull',
    async (
      {
        subscription,
        maxMessages,
        returnImmediately,
      }: { subscription: string; maxMessages: number; returnImmediately?: boolean },
      call,
    ) => {
      const gone = new AbortController()
      call.on('cancelled', () => {
        gone.abort()
      })
      const { name, config } = await subscriptionAt(front, subscription)
      refuseDetached({ name, config })
      if (maxMessages <= 0) throw invalid(`max_messages: expected at least 1, got ${maxMessages}`)
      const messages = await front.broker.pull(name, {
        max_messages: Math.min(maxMessages, mostMessages),
        wait_ms: returnImmediately === true ? 0 : pullWaitMs,
        signal: gone.signal,
      })
      // It may have changed while this waited.
      const after = (await front.broker.getSubscription(name)) ?? config
      return { receivedMessages: messages.map((message) => received(message, after)) }
    },
  ),
  StreamingPull: (call: PullCall) => {
    streamingPull(front, call)
  },
})
