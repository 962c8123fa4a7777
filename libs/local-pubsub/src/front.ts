/**
 * Pub/Sub's gRPC protocol in front of the broker, for the unmodified Google clients of any language: Publisher and
 * Subscriber of google.pubsub.v1. What is not supported is refused by name when it is asked for; nothing is accepted
 * and then ignored.
 */
import { listen, loadServices, newServer, shut, StatusError, warnOfReach, type FrontLog } from '@convergence/local-wire'
import * as grpc from '@grpc/grpc-js'
import type { Broker } from './api.ts'
import { publisherMethods } from './front/publisher.ts'
import { readingMethods } from './front/reading.ts'
import { snapshotMethods } from './front/snapshots.ts'
import type { FrontState } from './front/state.ts'
import { subscriptionMethods } from './front/subscriptions.ts'

export interface PubSubFrontOptions {
  broker: Broker
  project_id: string
  /** Default 127.0.0.1. */
  host?: string
  /** 0 takes a free one. */
  port: number
  log: FrontLog
}
export interface PubSubFront {
  port: number
  /** Streams end with UNAVAILABLE, and their clients open them again elsewhere or later. */
  close(): Promise<void>
}

export const openPubSubFront = async ({
  broker,
  project_id,
  host = '127.0.0.1',
  port,
  log,
}: PubSubFrontOptions): Promise<PubSubFront> => {
  const service = loadServices('@google-cloud/pubsub')
  const front: FrontState = { broker, project_id, log, streams: new Set() }

  const server = newServer()
  server.addService(service('google.pubsub.v1.Publisher'), publisherMethods(front))
  server.addService(service('google.pubsub.v1.Subscriber'), {
    ...subscriptionMethods(front),
    ...readingMethods(front),
    ...snapshotMethods(front),
  })
  const bound = await listen(server, host, port, 'PUBSUB_PORT')
  warnOfReach(log, 'Pub/Sub', host, bound)
  return {
    port: bound,
    close: async () => {
      for (const stream of front.streams)
        stream.end(new StatusError(grpc.status.UNAVAILABLE, 'the local cloud is stopping'))
      await shut(server)
    },
  }
}
