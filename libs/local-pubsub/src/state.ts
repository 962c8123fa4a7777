/**
 * What a broker keeps in memory, handed to the functions of each subject.
 */
import type { PortMessage } from '@convergence/bus'
import { AppError } from '@convergence/contracts'
import type { BrokerSubscriptionConfig, TopicConfig } from './api.ts'
import type { Agenda, Due } from './due.ts'
import type { Filter } from './filter.ts'
import type { Opened } from './store-worker.ts'
import type { Store } from './store.ts'

export interface Message {
  id: number
  data: Uint8Array
  attributes: Readonly<Record<string, string>>
  ordering_key: string
  published_ms: number
  /** Subscriptions that have not acknowledged it, as far as this object knows; never less than there are. */
  open: number
}

/** `marked`: the file says that this attempt was handed out. */
export interface Entry {
  message: Message
  attempt: number
  marked: boolean
  /** Of the subscription when the entry came into memory: a seek begins another. */ life: number
}

export interface Consumer {
  max_outstanding: number
  outstanding: number
  max_bytes: number
  bytes: number
  paused: boolean
  lease_ms: number
  on_message: (message: PortMessage) => void
  closed: boolean
}

export interface Lease {
  subscription: Subscription
  entry: Entry
  consumer: Consumer
  due: Due
}

export interface Subscription {
  id: number
  name: string
  config: BrokerSubscriptionConfig
  filter: Filter | undefined
  ready: Entry[]
  /** Index of the first of `ready`. */
  head: number
  /** Entries in `ready` or behind their ordering key. */
  held: number
  /** Entries that wait for their backoff in memory. They leave the window to others. */
  delayed: number
  /** Ordering keys with a message on its way, and what waits behind it. */
  keys: Map<string, Entry[]>
  /** Newest message that is, or was, in memory; and newest there is. Between them: in the file only. */
  cursor: number
  tail: number
  loading: boolean
  /** Something in the file is due, and the time of the next that will be. */
  overdue: boolean
  nextDue: Due | undefined
  consumers: Consumer[]
  turn: number
  /** Places of consumers that are promised to entries whose mark is being written. */
  reserved: number
  pumping: boolean
  gone: boolean
  /** Counts its seeks. */
  life: number
  expiry: Due | undefined
}

/** What a hidden subscription is for is in its name, which no name of a subscription can be. */
export const hiddenFor = { snapshot: (name: string) => `snapshot:${name}`, topic: (name: string) => `topic:${name}` }

export const isHidden = (name: string): boolean => name.includes(':')

export type StoredConfig = BrokerSubscriptionConfig & { snapshot_expires_ms?: number }

export const retryMs = 1_000

export const sevenDaysMs = 7 * 86_400_000

export const hourMs = 3_600_000

export const subscriptionNamed = (broker: BrokerState, name: string): Subscription => {
  const subscription = isHidden(name) ? undefined : broker.subscriptions.get(name)
  if (subscription === undefined) throw new AppError('NOT_FOUND', `subscription ${name} does not exist`)
  return subscription
}

export const within = (value: number, least: number, most: number) => value >= least && value <= most

export interface BrokerState {
  readonly now: () => number
  readonly random: () => number
  readonly window: number
  readonly retention_ms: number
  readonly project_id: string
  readonly store: Store
  readonly opened: Opened
  readonly agenda: Agenda
  /** Subscriptions of each topic. */
  readonly topics: Map<string, Subscription[]>
  readonly topicConfigs: Map<string, TopicConfig>
  readonly subscriptions: Map<string, Subscription>
  readonly leases: Map<string, Lease>
  /** Of ack ids: no process before this one had it. */
  readonly prefix: string
  lastId: number
  /** Message ids up to here are taken in the file. */
  reservedId: number
  lastSubscription: number
  lastLease: number
  /** Deliveries that the retention dropped. */
  expired: number
  closing: Promise<void> | undefined
  /** Hands out what can be: `pump` of delivery.ts, which everybody calls who made a message ready or room for one. */
  pump(subscription: Subscription): void
}
