/** Of google.pubsub.v1.Subscriber: messages out and acknowledgements in over one stream. */
import type { PortMessage } from '@convergence/bus'
import type { StatusError } from '@convergence/local-wire'
import { invalid, statusOf } from '@convergence/local-wire'
import type * as grpc from '@grpc/grpc-js'
import type { BrokerSubscriptionConfig, Stream } from '../api.ts'
import { acknowledge, modify, type Fates } from './acknowledging.ts'
import { received } from './shapes.ts'
import { mostMessages, refuseDetached, subscriptionAt, type FrontState } from './state.ts'

interface PullRequest {
  subscription: string
  ackIds: string[]
  modifyDeadlineSeconds: number[]
  modifyDeadlineAckIds: string[]
  streamAckDeadlineSeconds: number
  maxOutstandingMessages: string
  maxOutstandingBytes: string
}

export type PullCall = grpc.ServerDuplexStream<PullRequest, object>

export const streamingPull = (front: FrontState, call: PullCall): void => {
  let stream: Stream | undefined
  let waiting: PortMessage[] = []
  let ended = false
  const entry = {
    subscription: '',
    config: { topic: '' } as BrokerSubscriptionConfig,
    end: (error: StatusError) => {
      finish(error)
    },
  }
  const finish = (error?: unknown) => {
    if (ended) return
    ended = true
    front.streams.delete(entry)
    stream?.close()
    if (error === undefined) call.end()
    else call.emit('error', statusOf(error))
  }
  const answer = (
    messages: readonly PortMessage[],
    confirmed: { acknowledgeConfirmation?: object; modifyAckDeadlineConfirmation?: object } = {},
  ) => {
    const { config } = entry
    // With every answer: the client learns from it whether acknowledgements are to be confirmed.
    const full = !call.write({
      ...confirmed,
      receivedMessages: messages.map((message) => received(message, config)),
      subscriptionProperties: {
        exactlyOnceDeliveryEnabled: config.enableExactlyOnceDelivery ?? false,
        messageOrderingEnabled: config.enableMessageOrdering ?? false,
      },
    })
    // Leased messages in a full socket would be redelivered before anybody has seen them.
    if (full) stream?.pause()
  }
  const send = () => {
    const messages = waiting
    waiting = []
    if (!ended && messages.length > 0) answer(messages)
  }
  call.on('drain', () => {
    stream?.resume()
  })
  const begin = async (request: PullRequest): Promise<void> => {
    const found = await subscriptionAt(front, request.subscription)
    refuseDetached(found)
    const seconds = request.streamAckDeadlineSeconds
    if (seconds < 10 || seconds > 600) throw invalid(`stream_ack_deadline_seconds: expected 10 to 600, got ${seconds}`)
    if (ended) return
    entry.config = found.config
    entry.subscription = found.name
    front.streams.add(entry)
    const limit = (text: string) => (Number(text) <= 0 ? Number.MAX_SAFE_INTEGER : Number(text))
    stream = front.broker.stream(
      found.name,
      {
        max_outstanding: limit(request.maxOutstandingMessages),
        max_bytes: limit(request.maxOutstandingBytes),
        lease_ms: seconds * 1000,
      },
      (message) => {
        waiting.push(message)
        if (waiting.length === 1) setImmediate(send)
        else if (waiting.length >= mostMessages) send()
      },
    )
    answer([])
  }
  const goOn = async (request: PullRequest): Promise<void> => {
    const { ackIds, modifyDeadlineAckIds, modifyDeadlineSeconds, streamAckDeadlineSeconds } = request
    if (
      request.subscription !== '' ||
      Number(request.maxOutstandingMessages) !== 0 ||
      Number(request.maxOutstandingBytes) !== 0
    )
      throw invalid(
        'subscription, max_outstanding_messages and max_outstanding_bytes are said in the first request of a ' +
          'stream alone',
      )
    if (modifyDeadlineAckIds.length !== modifyDeadlineSeconds.length)
      throw invalid('modify_deadline_ack_ids and modify_deadline_seconds: expected as many of one as of the other')
    if (streamAckDeadlineSeconds !== 0) stream?.setLease(streamAckDeadlineSeconds * 1000)
    // A client that hears nothing for its empty request takes the stream for dead.
    if (ackIds.length === 0 && modifyDeadlineAckIds.length === 0) {
      answer([])
      return
    }
    const modified = modify(front, entry.subscription, modifyDeadlineAckIds, (k) => modifyDeadlineSeconds[k] ?? 0)
    const acknowledged = await acknowledge(front, entry.subscription, ackIds)
    if (ended || entry.config.enableExactlyOnceDelivery !== true) return
    const confirmationOf = ({ done, late, failed }: Fates) => ({
      ackIds: done,
      invalidAckIds: late,
      temporaryFailedAckIds: failed,
    })
    answer([], {
      ...(ackIds.length === 0 ? {} : { acknowledgeConfirmation: confirmationOf(acknowledged) }),
      ...(modifyDeadlineAckIds.length === 0 ? {} : { modifyAckDeadlineConfirmation: confirmationOf(modified) }),
    })
  }
  let first = true
  call.on('data', (request: PullRequest) => {
    const work = first ? begin(request) : goOn(request)
    first = false
    work.catch(finish)
  })
  call.on('end', () => {
    finish()
  })
  call.on('error', () => {
    finish()
  })
  call.on('cancelled', () => {
    ended = true
    front.streams.delete(entry)
    stream?.close()
  })
}
