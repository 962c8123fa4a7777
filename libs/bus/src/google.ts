/**
 * The other side of the door: Pub/Sub, by the unmodified client. Its defaults are made for throughput between data
 * centres; here every hop of a run waits for them, so publishes and acknowledgements wait a millisecond at most, and
 * closing waits for handlers instead of nacking their messages. What a subscription hands out is leased until it is
 * acknowledged or its longest extension is over.
 */
import { PubSub } from '@google-cloud/pubsub'
import { trace } from '@opentelemetry/api'
import { PassThroughClient } from 'google-auth-library'
import { publishOne } from './google/publishing.ts'
import { ack, deadLetter, subscribe, takeHeld } from './google/receiving.ts'
import type { Session } from './google/session.ts'
import { ensureSubscription, ensureTopic, getSubscription } from './google/subscriptions.ts'
import type { BusPort } from './port.ts'

export interface GoogleBusOptions {
  project_id: string
  /** A local Pub/Sub, such as 127.0.0.1:8085: no credentials are looked for, nothing is encrypted. */
  api_endpoint?: string
  log: { warn(fields: object, message: string): void; error(fields: object, message: string): void }
  /** How long a publish is tried before it is UNAVAILABLE, in milliseconds; default 10,000. */
  publish_timeout_ms?: number
  /** How long a publish that found nobody makes the port unhealthy, in milliseconds; default 15,000. */
  unpublished_ms?: number
  /** A stream that was not refused for so long receives, in milliseconds; default 30,000. */
  accepted_ms?: number
  /**
   * How long `close` waits for messages that handlers hold, in milliseconds; the bus gives them back before; default
   * 25,000.
   */
  close_timeout_ms?: number
  /** Streams of one subscription; default 1: a stream carries some thousand messages a second. */
  streams?: number
}

/** gRPC would wait up to two minutes before it looks again for a server that was away. */
const reconnecting = { 'grpc.max_reconnect_backoff_ms': 5_000 }

/** Whether a tracer was registered before: without one the client's spans would only cost. */
const isTraced = (): boolean => {
  const probe = trace.getTracer('convergence').startSpan('probe')
  probe.end()
  return probe.isRecording() || trace.isSpanContextValid(probe.spanContext())
}

export const openGoogleBus = ({
  project_id,
  api_endpoint,
  log,
  publish_timeout_ms = 10_000,
  unpublished_ms = 15_000,
  accepted_ms = 30_000,
  close_timeout_ms = 25_000,
  streams = 1,
}: GoogleBusOptions): BusPort => {
  const client = new PubSub({
    projectId: project_id,
    enableOpenTelemetryTracing: isTraced(),
    ...reconnecting,
    ...(api_endpoint === undefined
      ? {}
      : { apiEndpoint: api_endpoint, emulatorMode: true, authClient: new PassThroughClient() }),
  })
  const session: Session = {
    project_id,
    log,
    publish_timeout_ms,
    accepted_ms,
    close_timeout_ms,
    streams,
    client,
    topics: new Map(),
    held: new Map(),
    deadTopics: new Map(),
    readers: new Set(),
    lastHeld: 0,
    unpublishedAt: undefined,
    broken: new Set(),
  }
  let closing: Promise<void> | undefined

  return {
    ensureTopic: (name) => ensureTopic(session, name),
    ensureSubscription: (name, config) => ensureSubscription(session, name, config),
    getSubscription: (name) => getSubscription(session, name),
    publish: (messages) => Promise.all(messages.map((message) => publishOne(session, message))),
    subscribe: (name, options, onMessage) => subscribe(session, name, options, onMessage),
    ack: (ack_id) => ack(session, ack_id),
    nack: (ack_id) => {
      takeHeld(session, ack_id)?.message.nack()
    },
    deadLetter: (ack_id, attributes) => deadLetter(session, ack_id, attributes),
    // Whoever is taken out of a load balancer publishes nothing: without an end to it, it would stay out.
    healthy: () =>
      closing === undefined &&
      (session.unpublishedAt === undefined || performance.now() - session.unpublishedAt > unpublished_ms) &&
      session.broken.size === 0,
    receiving: () => session.broken.size === 0,
    close: () =>
      (closing ??= (async () => {
        await Promise.all([...session.readers].map((reader) => reader.end()))
        await client.close()
      })()),
  }
}
