/**
 * The whole platform in one process on the embedded engines: what `npm start`, the demo, the whole-run tests and the
 * bench use.
 * Each service is opened by its own main.ts, as in a process of its own; only the doors are others. Order of opening is
 * the order of dependence; closing is the reverse. Nothing here decides anything.
 */
import { createPrivateKey } from 'node:crypto'
import { join } from 'node:path'
import { main as auth } from '@convergence/auth/main'
import { openBus, openSigner, type Bus, type Signer } from '@convergence/bus'
import type { ServiceName } from '@convergence/contracts'
import { outline } from '@convergence/googlesql'
import { main as executor } from '@convergence/executor/main'
import type { Broker } from '@convergence/local-pubsub'
import { main as notifier } from '@convergence/notifier/main'
import {
  assertSharedSources,
  defaultSharedSources,
  loadPipelines,
  sharedSourcesOf,
  type Pipelines,
} from '@convergence/pipeline'
import { main as scheduler } from '@convergence/scheduler/main'
import { openSecrets } from '@convergence/secrets'
import { bootstrap, closeAll, type Log } from '@convergence/service'
import { adminKeyHashes, platformKeys, wallKeys, type KeySource } from '@convergence/service/keys'
import type { RunningService, ServiceContext, ServiceMain } from '@convergence/service/run'
import { main as tenant } from '@convergence/tenant/main'
import { openWarehouse, type Warehouse } from '@convergence/warehouse'
import { openLocalCloud, startTick, type LocalCloud } from './local-cloud.ts'
import type { WirePorts } from './settings.ts'

export interface PlatformOptions {
  /** Made if missing, mode 0700. */
  data_folder: string
  project_id?: string
  /** Of the REST API on `host`; 0 takes a free one. */
  port: number
  /** Default 127.0.0.1. */
  host?: string
  /** Each part adds its name as `service`. */
  log: Log
  /** Settings of the services by name, checked by readSettings; default none. */
  settings?: Readonly<Record<string, string>>
  /** Default true: loopback alone. */
  local_mode?: boolean
  /** Deliver every message twice: for tests. */
  duplicate?: boolean
  /** The clock of broker and services, in milliseconds since 1970: for tests. */
  clock?: () => number
  /** Called at each named point of the bus; may throw or end the process: for tests. */
  crash?: (point: string, subscription: string) => void
  /** Pause before a nacked message comes again, in milliseconds: for tests; default as the topology says. */
  redelivery_ms?: number
  configs_folder?: string
  close_timeout_ms?: number
  /** Prometheus text of this process, for /metrics. */
  metrics?: () => Promise<string>
  /** Ports of Google's wire protocols; default none. */
  wire?: WirePorts
}

export interface Platform {
  url: string
  /** Set when it was made now, or read from the data folder. */
  admin_key: string | undefined
  admin_key_is_new: boolean
  bus: Bus
  broker: Broker
  warehouse: Warehouse
  pipelines: Pipelines
  /** What clients of the fronts need in their environment. */
  wire: Readonly<Record<string, string>>
  /** False when a service reports damage or the bus or the warehouse do not answer. */
  healthy(): Promise<boolean>
  close(): Promise<void>
}

/** Which life of the central tables it is. */
interface Life {
  epoch: string
}
interface Closable {
  close(): Promise<void>
}
/** What the services share in this process. */
type Shared = Pick<ServiceContext, 'bus' | 'warehouse' | 'pipelines' | 'shared_sources' | 'now' | 'random' | 'epoch'>

/** In the order of opening: who decides first, the door last. */
const mains: readonly ServiceMain[] = [scheduler, tenant, executor, notifier, auth]

const openCloud = async (options: PlatformOptions, project_id: string, clock: () => number): Promise<LocalCloud> => {
  const { data_folder, log, settings = {}, local_mode = true, redelivery_ms } = options
  const localFile = (name: string) => join(data_folder, name)
  const given = settings['ADMIN_API_KEY'] !== undefined || settings['ADMIN_KEY_HASHES'] !== undefined
  return openLocalCloud({
    data_folder,
    project_id,
    log,
    clock,
    ...(given ? { admin_key_hashes: adminKeyHashes({ settings, embedded: true, localFile }, local_mode) } : {}),
    ...(settings['BIGQUERY_LOCATION'] === undefined ? {} : { location: settings['BIGQUERY_LOCATION'] }),
    ...(redelivery_ms === undefined ? {} : { redelivery_ms }),
  })
}

/** Keys are those of the data folder. */
const keySourceOf = (data_folder: string): KeySource => ({
  settings: {},
  embedded: true,
  localFile: (name) => join(data_folder, name),
})

const openPlatformBus = (
  { data_folder, duplicate, crash, close_timeout_ms = 20_000 }: PlatformOptions,
  { broker, keys }: LocalCloud,
  log: Log,
  now: () => Date,
  life: Life,
): Bus => {
  const signers = Object.entries(keys).map(([kid, pair]) => [kid, openSigner(createPrivateKey(pair.private_key), kid)])
  return openBus({
    port: broker,
    log,
    now,
    signers: Object.fromEntries(signers) as Record<string, Signer>,
    wall: { ...wallKeys(keySourceOf(data_folder)), epoch: () => life.epoch },
    closeTimeoutMs: close_timeout_ms,
    ...(duplicate === undefined ? {} : { duplicate }),
    ...(crash === undefined ? {} : { crash }),
  })
}

/** Opens each service by its main.ts; `opened` gets what is closed after the bus. */
const openServices = async (
  options: PlatformOptions,
  cloud: LocalCloud,
  shared: Shared,
  life: Life,
  opened: (service: Closable) => void,
): Promise<Map<ServiceName, RunningService>> => {
  const { data_folder, log, settings = {}, local_mode = true, host = '127.0.0.1', port, metrics } = options
  const services = new Map<ServiceName, RunningService>()
  const context: Omit<ServiceContext, 'log'> = {
    ...shared,
    settings: {
      ...settings,
      // The one folder that the embedded engine loads files from.
      TMPDIR: join(data_folder, 'scratch'),
      API_PORT: String(port),
      CONVERGENCE_DATA_DIR: data_folder,
      GCP_PROJECT_ID: shared.warehouse.project_id,
    },
    embedded: true,
    local_mode,
    host,
    replica: settings['REPLICA'] ?? 'r0',
    localFile: (name) => join(data_folder, name),
    ...(metrics === undefined ? {} : { metrics }),
    platformKeys: () => platformKeys(keySourceOf(data_folder)),
    adminKeyHashes: () => [...cloud.admin_key_hashes],
    secrets: async ({ opens = [] }) => openSecrets(cloud.keyring, { may_open: opens }),
    bootstrap: async (request) => {
      const made = await bootstrap(shared.warehouse, request)
      // The central tables were dropped and made again: what is in memory is of others.
      if (made.epoch !== life.epoch) {
        life.epoch = made.epoch
        for (const service of services.values()) await service.recreated?.(made.epoch)
      }
      return made
    },
  }
  for (const main of mains) {
    const service = await main.open({ ...context, log: log.child({ service: main.name }) })
    services.set(main.name, service)
    opened(service)
  }
  return services
}

export const startPlatform = async (options: PlatformOptions): Promise<Platform> => {
  const { project_id = 'local-convergence', configs_folder, clock = Date.now } = options
  const log = options.log.child({ service: 'platform' })
  const opened: Closable[] = []
  const open = <T extends Closable>(thing: T): T => {
    opened.push(thing)
    return thing
  }
  try {
    const now = () => new Date(clock())
    const shared_sources = sharedSourcesOf(options.settings?.['SHARED_SOURCES'] ?? defaultSharedSources, project_id)
    const pipelines = loadPipelines({
      project_id,
      shared_sources,
      outline,
      ...(configs_folder === undefined ? {} : { configs_folder }),
    })
    const cloud = open(await openCloud(options, project_id, clock))
    const warehouse = openWarehouse({ engine: cloud.engine, random: Math.random })
    const life: Life = { epoch: '' }
    const bus = open(openPlatformBus(options, cloud, log, now, life))
    await assertSharedSources(warehouse, shared_sources)
    const { dataset_created, tables_created, epoch } = await bootstrap(warehouse, {})
    life.epoch = epoch
    log.info({ dataset_created, tables_created: tables_created.length }, 'central tables are there')
    const services = await openServices(
      options,
      cloud,
      { bus, warehouse, pipelines, shared_sources, now, random: Math.random, epoch },
      life,
      open,
    )
    const fronts = options.wire === undefined ? undefined : open(await cloud.openFronts(options.wire))
    const tick = startTick(bus, log)
    let closing: Promise<void> | undefined
    return {
      url: services.get('auth')?.url ?? '',
      admin_key: cloud.admin_key,
      admin_key_is_new: cloud.admin_key_is_new,
      bus,
      broker: cloud.broker,
      warehouse,
      pipelines,
      wire: fronts?.env ?? {},
      healthy: async () =>
        bus.healthy() &&
        (await warehouse.healthy().catch(() => false)) &&
        [...services.values()].every((service) => service.healthy?.() !== false),
      close: () =>
        (closing ??= (async () => {
          await tick.close()
          for (const service of services.values()) await service.stop?.()
          await bus.close()
          await closeAll(opened)
        })()),
    }
  } catch (error) {
    await closeAll(opened).catch(() => undefined)
    throw error
  }
}
