/** What the bus offers its handlers and whoever publishes. */
import type { KeyObject } from 'node:crypto'
import type { EventBodies, ServiceName, Topic } from '@convergence/contracts'
import type { BusPort } from './port.ts'
import type { Signer } from './sign.ts'

/** An event to be published. `attributes` are added to those that the bus derives from the event. */
export type Outgoing = {
  [T in Topic]: {
    topic: T
    event: EventBodies[T]
    attributes?: Record<string, string>
    /** Of run-requested: what makes a repeat the same run. Signed. */
    idempotency_key?: string
  }
}[Topic]

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
  /**
   * Work that must have succeeded before the message is acknowledged, but that nothing which follows has to wait for,
   * such as a record.
   * When it fails the message comes again, although what follows may be published already.
   */
  beforeAck(work: Promise<unknown>): void
  /** Aborts shortly before the bus stops waiting for this handler: at shutdown, or when the lease is lost. */
  signal: AbortSignal
}

export type Handler<T extends Topic> = (
  event: EventBodies[T],
  delivery: Delivery,
) => Promise<readonly Outgoing[] | undefined>

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
  /**
   * A subscription of this replica alone (`<service>.<topic>.<replica>`), made here, expiring after a day: for live
   * feeds.
   */
  replica?: string
}

export interface Bus {
  /**
   * Resolves when the events are durable; all of one call in one transaction where the broker has them. Throws
   * UNAVAILABLE.
   */
  publish(events: readonly Outgoing[]): Promise<void>
  /**
   * The event of a message that was kept, as a handler would get it. Throws EVENT_INVALID for what is none,
   * BAD_SIGNATURE for what no publisher of its topic has said, SETTING_INVALID where this process lacks its key.
   */
  read<T extends Topic>(topic: T, message: Pick<DeadDelivery, 'attributes' | 'data' | 'published_at'>): EventBodies[T]
  /**
   * Starts consuming. When the subscription is missing or has no dead-letter policy the log says so (SETTING_INVALID)
   * and healthy() is false.
   */
  consume<T extends Topic>(service: ServiceName, topic: T, handler: Handler<T>, options?: ConsumeOptions): void
  /** Consumes the dead letters of every subscription; only the scheduler does. */
  consumeDead(handler: (dead: DeadDelivery) => Promise<readonly Outgoing[] | undefined>): void
  /** True while messages can be published and received. */
  healthy(): boolean
  /** False when it will not receive again by itself. True while it waits for a broker that does not answer. */
  receiving(): boolean
  /** Stops pulling, waits for running handlers up to the close timeout, gives the rest back. May be called twice. */
  close(): Promise<void>
}

export interface WallOptions {
  /** Public keys of our services; several of one while its key is changed. */
  keys: Readonly<Record<string, readonly KeyObject[]>>
  /**
   * RFC 3339: what the broker took before may be unsigned, and what was admitted before may be unconfirmed for a day
   * more. Since when there are keys; without it nothing may.
   */
  unsigned_before?: string | undefined
  /** Life of the ledger. */
  epoch(): string
}

export interface BusOptions {
  port: BusPort
  log: { warn(fields: object, message: string): void; error(fields: object, message: string): void }
  /**
   * Sign what is published. The name is the publishing service; of run-requested an event's `attributes.kid` picks one,
   * else the first signs.
   */
  signers?: Readonly<Record<string, Signer>>
  /** What is asked of messages between our services; without it nothing is, which is for tests. */
  wall?: WallOptions
  now?: () => Date
  /** How long `close` waits for running handlers, in milliseconds; default 20,000. Signals abort a tenth before. */
  closeTimeoutMs?: number
  /** Deliver each message to its handler twice: for tests. */
  duplicate?: boolean
  /**
   * Called at before-publish, after-publish and before-ack with the subscription; a throw there is a death of the
   * handler: for tests.
   */
  crash?: (point: string, subscription: string) => void
}
