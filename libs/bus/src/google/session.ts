/** What an open door to Pub/Sub keeps. */
import type { PubSub } from '@google-cloud/pubsub'
import { type Message, type Topic } from '@google-cloud/pubsub'

export interface Session {
  readonly project_id: string
  readonly log: { warn(fields: object, message: string): void; error(fields: object, message: string): void }
  readonly publish_timeout_ms: number
  readonly accepted_ms: number
  readonly close_timeout_ms: number
  readonly streams: number
  readonly client: PubSub
  /** Publishers, by topic and whether they keep an order. */
  readonly topics: Map<string, Topic>
  /** Messages that were handed out and are not settled, by our ack id. */
  readonly held: Map<string, { message: Message; subscription: string }>
  readonly deadTopics: Map<string, Promise<string | undefined>>
  readonly readers: Set<{ end(): Promise<void> }>
  lastHeld: number
  /** When the last publish found Pub/Sub away; undefined since one succeeded. */
  unpublishedAt: number | undefined
  /** Subscriptions whose stream was refused. */
  readonly broken: Set<string>
}
