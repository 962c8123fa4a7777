/**
 * The door to Pub/Sub. A handler takes one event and returns the events that follow; the bus publishes them, waits until they are
 * durable, and only then acknowledges. Behind it: leases, redelivery, backoff, delivery attempts, dead letters, signatures, stop order.
 * A handler that throws gives its message back; one that throws a permanent AppError sends it to the dead letters with the reason.
 */
import type { EventBodies, ServiceName, Topic } from '@convergence/contracts'

/** An event to be published. `attributes` are added to those that the bus derives from the event. */
export type Outgoing = { [T in Topic]: { topic: T; event: EventBodies[T]; attributes?: Record<string, string>; idempotency_key?: string } }[Topic]

/** What is known of a message beside its event. */
export interface Delivery {
  message_id: string
  /** The broker's clock when it took the message, RFC 3339. Decisions use this, never a host's clock. */
  published_at: string
  attributes: Readonly<Record<string, string>>
  /** Body as it came, for signatures. */
  data: Uint8Array
  /** 1 at the first delivery. */
  attempt: number
  /** Aborts shortly before the bus stops waiting for this handler: at shutdown, or when the lease is lost. */
  signal: AbortSignal
}

export type Handler<T extends Topic> = (event: EventBodies[T], delivery: Delivery) => Promise<readonly Outgoing[] | undefined>

/** A dead message as its handler sees it: raw, for nothing about it can be trusted. */
export interface DeadDelivery {
  message_id: string
  published_at: string
  /** `<service>.<topic>` where it failed. */
  subscription: string
  attributes: Readonly<Record<string, string>>
  data: Uint8Array
  delivery_attempts: number
}

export interface ConsumeOptions {
  /** Handlers of this subscription that run at a time; default 100. */
  concurrency?: number
  /** Lease that is extended while a handler runs, at most, in milliseconds; default 65 minutes. */
  max_extension_ms?: number
  /** A subscription of this replica alone (`<service>.<topic>.<replica>`), made here, expiring after a day: for live feeds. */
  replica?: string
}

export interface Bus {
  /** Resolves when the events are durable; all of one call in one transaction where the broker has them. Throws UNAVAILABLE. */
  publish(events: readonly Outgoing[]): Promise<void>
  /** Starts consuming; throws SETTING_INVALID when the subscription is missing or has no dead-letter policy. */
  consume<T extends Topic>(service: ServiceName, topic: T, handler: Handler<T>, options?: ConsumeOptions): void
  /** Consumes the dead letters of every subscription; only the scheduler does. */
  consumeDead(handler: (dead: DeadDelivery) => Promise<readonly Outgoing[] | undefined>): void
  /** True while messages can be published and received. */
  healthy(): boolean
  /** Stops pulling, waits for running handlers up to the close timeout, gives the rest back. May be called twice. */
  close(): Promise<void>
}

/** Signs run-requested; one per publishing service. */
export interface Signer { kid: string; sign(text: string): string }
