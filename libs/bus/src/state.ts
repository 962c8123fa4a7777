/** What an open bus keeps, handed to the functions of each subject. */
import type { Counter, Histogram } from '@opentelemetry/api'
import type { AppError } from '@convergence/contracts'
import type { BusOptions } from './api.ts'
import type { BusPort } from './port.ts'

/** A message in the hands of a handler. */
export interface Work {
  ack_id: string
  before_ack: Promise<unknown>[]
  controller: AbortController | undefined
  timer: NodeJS.Timeout | undefined
  nacked: boolean
}

export interface BusState {
  readonly options: BusOptions
  readonly port: BusPort
  readonly log: BusOptions['log']
  readonly now: () => Date
  readonly crash: (point: string, subscription: string) => void
  /** Handlers at work. */
  readonly running: Map<Promise<void>, Work>
  readonly readers: { close(): void }[]
  readonly starting: Set<Promise<void>>
  /** Subscriptions to be consumed whose broker was asked and did not answer yet. */
  readonly waiting: Set<string>
  /** Aborts when the bus begins to close. */
  readonly over: AbortController
  readonly sent: Counter
  readonly publishing: Histogram
  readonly consumed: Counter
  readonly processing: Histogram
  /** Signatures of events and runs that this process made or has verified, each with what it signs. */
  readonly verified: Map<string, string>
  failure: unknown
  interrupted: AppError | undefined
  closing: Promise<void> | undefined
}
