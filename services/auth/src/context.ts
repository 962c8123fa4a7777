/** What the routes are made of. */
import type { Bus } from '@convergence/bus'
import type { Pipelines } from '@convergence/pipeline'
import type { Secrets } from '@convergence/secrets'
import type { Log } from '@convergence/service'
import type { Warehouse } from '@convergence/warehouse'
import type { Room } from './holdings.ts'
import type { RandomBytes } from './issue-key.ts'
import type { Limit, RateClass } from './limits.ts'
import type { Live } from './live.ts'
import type { Keys } from './principal.ts'
import type { Route } from './route.ts'
import type { Runs } from './runs.ts'
import type { Store } from './store.ts'
import type { TenantsCache } from './tenants.ts'

export interface BootstrapRequest {
  force_recreate_dataset?: boolean | undefined
  force_recreate_tables?: boolean | undefined
}
export interface BootstrapResult {
  dataset_created: boolean
  tables_created: readonly string[]
  tables_existing: readonly string[]
}

export interface AuthDeps {
  bus: Bus
  warehouse: Warehouse
  /** Needs to encrypt only. */
  secrets: Secrets
  pipelines: Pipelines
  log: Log
  now(): Date
  random(): number
  /** Address and port to listen on; port 0 takes a free one. */
  host: string
  port: number
  version: string
  environment: string
  /** Embedded engines and loopback alone: onboarding is open, metrics and health details are public. */
  local_mode: boolean
  /** SHA-256 of each admin key, hex. */
  admin_key_hashes: readonly string[]
  /** Name of this process's live feed. */
  replica: string
  bootstrap(request: BootstrapRequest): Promise<BootstrapResult>
  /** Exact origins that browsers may call from; default none. */
  cors_origins?: readonly string[]
  /** How many proxies in front add to X-Forwarded-For; default none, and the header is not looked at. */
  trusted_proxies?: number
  /** Requests without a key are those of tenant `dev`; only in local mode. */
  disable_auth?: boolean
  limits?: Partial<Record<RateClass, Limit>> | undefined
  /** Key id that run-requested is signed with; default auth. */
  kid?: string | undefined
  /** Datasets that the operator shares with every tenant, as project.dataset; no tenant may take such a name. */
  shared_sources: readonly string[]
  /** Key material; default the system's generator. */
  random_bytes?: RandomBytes
  /** How long a run of the platform is waited for; default 25,000 ms. */
  wait_ms?: number
  /** Prometheus text of the process; shown on the public port in local mode only. */
  metrics?: () => Promise<string>
  /** How long a run's end waits for steps that it overtook; default 2,000 ms. */
  settle_ms?: number
}

export interface RouteContext {
  deps: AuthDeps
  store: Store
  live: Live
  keys: Keys
  tenants: TenantsCache
  runs: Runs
  room: Room
  /** All routes, for the description. */
  routes(): readonly Route[]
}
