/** What the bus asks of a broker, whichever it is. */

export interface PortOutgoing {
  topic: string
  data: Uint8Array
  attributes: Readonly<Record<string, string>>
  ordering_key?: string
}

export interface PortMessage {
  ack_id: string
  message_id: string
  data: Uint8Array
  attributes: Readonly<Record<string, string>>
  published_at: string
  attempt: number
  ordering_key: string
}

export interface SubscriptionConfig {
  topic: string
  filter?: string
  deadLetterPolicy?: { topic: string; maxDeliveryAttempts: number } | undefined
  /** Pause before a message that was given back comes again; without it, none. */
  retryPolicy?: { minimumBackoffMs: number; maximumBackoffMs: number }
  enableMessageOrdering?: boolean
  /** A subscription that nobody reads for so long is deleted. */
  expirationMs?: number
}

/** What a broker can do, in Pub/Sub's terms: the embedded engine, or Google's client. */
export interface BusPort {
  ensureTopic(name: string): Promise<void>
  ensureSubscription(name: string, config: SubscriptionConfig): Promise<void>
  getSubscription(name: string): Promise<SubscriptionConfig | undefined>
  /** All of one call are durable together where the broker can; resolves with the server's ids. */
  publish(messages: readonly PortOutgoing[]): Promise<string[]>
  /** Messages under a lease that is extended up to max_extension_ms while they are not acknowledged. */
  subscribe(
    subscription: string,
    options: { max_outstanding: number; max_extension_ms: number },
    onMessage: (message: PortMessage) => void,
  ): { close(): void }
  ack(ack_id: string): Promise<void>
  nack(ack_id: string): void
  /**
   * Publishes the message to its subscription's dead-letter topic, with these attributes added, and acknowledges it:
   * together where the broker can.
   */
  deadLetter(ack_id: string, attributes: Readonly<Record<string, string>>): Promise<void>
  /** False while it cannot publish or not receive, as far as it has tried. */
  healthy(): boolean
  /** False while a subscription is refused to it. An outage is none: the client goes on by itself. */
  receiving(): boolean
  close(): Promise<void>
}
