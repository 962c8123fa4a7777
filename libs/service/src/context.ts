/**
 * What a service is opened with, in a process of its own (`run.ts`) and in the platform in one process
 * (`tools/platform.ts`): both call the `open` of its `main.ts`, so each setting and each door is wired in one place.
 */
import type { KeyObject } from 'node:crypto'
import type { Bus, BusOptions } from '@convergence/bus'
import type { ServiceName } from '@convergence/contracts'
import type { Pipelines } from '@convergence/pipeline'
import type { Purpose, Secrets } from '@convergence/secrets'
import type { Warehouse } from '@convergence/warehouse'
import type { Bootstrapped } from './central.ts'
import type { Log } from './service.ts'

export interface ServiceContext {
  bus: Bus
  warehouse: Warehouse
  pipelines: Pipelines
  /** Datasets that the operator shares with every tenant, as project.dataset. */
  shared_sources: readonly string[]
  log: Log
  now(): Date
  random(): number
  /** Checked settings of env.schema.json, defaults filled in. */
  settings: Readonly<Record<string, string>>
  /** RUNTIME is not gcp: the engines of the local cloud. */
  embedded: boolean
  /** Loopback alone; see isLocalMode. */
  local_mode: boolean
  host: string
  /** Name of this process among its replicas. */
  replica: string
  /** Life of the central tables. */
  epoch: string
  /** Path of a file or folder of the local data folder. */
  localFile(name: string): string
  /** Prometheus text of this process. */
  metrics?(): Promise<string>
  /** Public keys of our own publishers by kid. */
  platformKeys(): Record<string, KeyObject[]>
  /** SHA-256 of each admin key, hex. */
  adminKeyHashes(): string[]
  /** Throws SETTING_INVALID when a key for these purposes is missing or not allowed. */
  secrets(needed: { seals?: readonly Purpose[]; opens?: readonly Purpose[] }): Promise<Secrets>
  /** Makes the central tables, or on Google Cloud checks that all are there. */
  bootstrap(request: {
    force_recreate_dataset?: boolean | undefined
    force_recreate_tables?: boolean | undefined
  }): Promise<Bootstrapped>
}

export interface RunningService {
  /** Before the bus is closed: what brings work from outside. May be called twice. */
  stop?(): Promise<void>
  /** After the bus is closed. */
  close(): Promise<void>
  healthy?(): boolean
  /** The central tables were dropped and made again. */
  recreated?(epoch: string): Promise<void>
  /** Where it is reached, when it is. */
  url?: string
}

export interface ServiceMain {
  name: ServiceName
  /** Folder of the service's main.ts; env.schema.json is beside it. */
  folder: string
  /** The process's own: in local mode it says to Google's clients not to look for a metadata server. */
  env: Record<string, string | undefined>
  /** Publishes, and signs what it publishes. */
  signs?: boolean
  /** terminationGracePeriodSeconds of its Deployment; the process ends itself 3 s before. */
  grace_seconds: number
  /** Of the bus; for tests, which have an entry of their own. No setting leads here. */
  bus?: Pick<BusOptions, 'duplicate' | 'crash'>
  open(context: ServiceContext): Promise<RunningService>
}
