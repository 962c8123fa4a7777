/**
 * What a broker offers: the bus port, and what the administration of Google's API asks beside it.
 */
import type { BusPort, PortMessage, SubscriptionConfig } from '@convergence/bus'

export interface BrokerSubscriptionConfig extends SubscriptionConfig {
  /** Lease of a pulled message; 10 to 600, default 10. A stream extends its leases by itself. */
  ackDeadlineSeconds?: number
  /** An ack id counts for one lease only, whoever comes late learns so by `leasedBy`. */
  enableExactlyOnceDelivery?: boolean
  labels?: Readonly<Record<string, string>>
  /** Acknowledged messages stay for the retention, so that `seek` finds them. */
  retainAckedMessages?: boolean
  /** 10 minutes to 31 days; default the broker's. */
  messageRetentionMs?: number
  detached?: boolean
}

export interface TopicConfig {
  labels?: Readonly<Record<string, string>>
  /** Messages stay so long for `seek`, whoever acknowledged them; 10 minutes to 31 days. */
  retentionMs?: number
}

export interface Snapshot {
  name: string
  topic: string
  labels: Readonly<Record<string, string>>
  expires_ms: number
}

export interface Broker extends BusPort {
  /** Throws CONFLICT when it exists, BODY_INVALID for a bad name or value. */
  createTopic(name: string, config?: TopicConfig): Promise<void>
  listTopics(): string[]
  /** Its subscriptions keep their backlog and show the topic `_deleted-topic_`. */
  deleteTopic(name: string): Promise<void>
  /** Throws CONFLICT when it exists, NOT_FOUND without its topics, BODY_INVALID for a bad value or filter. */
  createSubscription(name: string, config: BrokerSubscriptionConfig): Promise<void>
  listSubscriptions(topic?: string): string[]
  deleteSubscription(name: string): Promise<void>
  getSubscription(name: string): Promise<BrokerSubscriptionConfig | undefined>
  /** At most max_messages, as soon as there is one; none when none came within wait_ms, default 1,000. */
  pull(
    subscription: string,
    options: {
      max_messages: number
      wait_ms?: number
      /** Whoever asked is gone: nothing is handed out any more, and what was comes again. */ signal?: AbortSignal
    },
  ): Promise<PortMessage[]>
  getTopic(name: string): TopicConfig | undefined
  /** Throws NOT_FOUND, BODY_INVALID. */
  updateTopic(name: string, config: TopicConfig): Promise<void>
  /** Lets go of its topic: its backlog is dropped and nothing comes any more. */
  detachSubscription(name: string): Promise<void>
  /**
   * What the subscription has not acknowledged now, and whatever is published from now on. Throws CONFLICT, NOT_FOUND,
   * SETTING_INVALID when it would expire within the hour.
   */
  createSnapshot(name: string, subscription: string, labels?: Readonly<Record<string, string>>): Promise<Snapshot>
  getSnapshot(name: string): Snapshot | undefined
  /** Of a topic, or all, by name. */
  listSnapshots(topic?: string): Snapshot[]
  updateSnapshot(
    name: string,
    change: { labels?: Readonly<Record<string, string>>; expires_ms?: number },
  ): Promise<Snapshot>
  deleteSnapshot(name: string): Promise<void>
  /**
   * To a time: what was published before is acknowledged, what was published since and is retained comes again. To a
   * snapshot: as it was then. Ends all
   * leases. Throws NOT_FOUND; SETTING_INVALID for a snapshot of another topic.
   */
  seek(subscription: string, target: { time_ms: number } | { snapshot: string }): Promise<void>
  /** Counts from its arrival; 0 is a nack. Nothing happens when the lease is over. */
  modifyAckDeadline(ack_id: string, seconds: number): void
  /**
   * Changes what may be changed: not the topic, the filter or the ordering. Throws BODY_INVALID, NOT_FOUND: for a
   * dead-letter topic too, unless it was named before.
   */
  updateSubscription(name: string, config: BrokerSubscriptionConfig): Promise<void>
  /**
   * As `subscribe`, for a reader at the other end of a wire: at most so many bytes outstanding (one message at least),
   * and it can be made to wait.
   */
  stream(subscription: string, options: StreamOptions, onMessage: (message: PortMessage) => void): Stream
  /** Whether an ack id is of a lease that is not over. */
  /** The subscription whose lease this is; undefined when it is over. */
  leasedBy(ack_id: string): string | undefined
  /** Messages of a subscription that are not acknowledged. */
  backlog(subscription: string): Promise<number>
  /** `in_memory`: messages beside the leased; `expired`: deliveries that the retention dropped. */
  stats(): { leased: number; in_memory: number; expired: number }
  /** Does what is due: the alarm calls it. */
  wake(): void
}

export interface StreamOptions {
  max_outstanding: number
  max_bytes: number
  lease_ms: number
}

export interface Stream {
  /** Hands out nothing more until `resume`. */
  pause(): void
  resume(): void
  /** Of leases that begin from now on. */
  setLease(lease_ms: number): void
  /** Leases stay until they are over. */
  close(): void
}
