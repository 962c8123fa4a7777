/**
 * The doors of a service in a process of its own: Google's clients, against Google Cloud or against the fronts of the
 * local cloud. Nothing is imported before it is opened, so a wrong setting loads no client.
 */
import type { KeyObject } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { Bus, WallOptions } from '@convergence/bus'
import { AppError, centralDataset, isRetryable } from '@convergence/contracts'
import type { Pipelines } from '@convergence/pipeline'
import type { Purpose, Secrets } from '@convergence/secrets'
import type { Warehouse } from '@convergence/warehouse'
import { inspectCentral } from './central.ts'
import type { ServiceMain } from './context.ts'
import type { Log } from './service.ts'

/** How long a dependency that does not answer is waited for at start. */
const startMs = 60_000

export interface DoorOptions {
  main: ServiceMain
  settings: Readonly<Record<string, string>>
  project_id: string
  embedded: boolean
  log: Log
  /** Aborted when the process is stopping: what waits for an answer gives up. */
  signal: AbortSignal
  /** Of what publishes. */
  signing_key: KeyObject | undefined
  /** Whose word is taken for what. */
  wall: Pick<WallOptions, 'keys' | 'unsigned_before'>
  /** How long handlers may go on after the stop. */
  close_timeout_ms: number
  /** Called with what has to be closed, in the order of opening. */
  opened(close: () => Promise<void>): void
}
export interface Doors {
  pipelines: Pipelines
  /** Datasets that the operator shares with every tenant, as project.dataset. */
  shared_sources: readonly string[]
  warehouse: Warehouse
  /** Life of the central tables; a new one is written here. */
  life: Life
  /** Opened here, closed by the caller: handlers end before what they use is closed. */
  bus: Bus
  secrets(needed: { seals?: readonly Purpose[]; opens?: readonly Purpose[] }): Promise<Secrets>
}

/** Which life of the central tables it is. */
export interface Life {
  epoch: string
}

/** Tries again each second while the failure is one that heals, for at most a minute. */
const patiently = async <T>({ log, signal }: DoorOptions, what: string, work: () => Promise<T>): Promise<T> => {
  for (const began = performance.now(); ;) {
    try {
      return await work()
    } catch (error) {
      const heals = error instanceof AppError && isRetryable(error)
      if (!heals || performance.now() - began > startMs || signal.aborted) throw error
      log.warn({ what, error: error.message }, 'no answer yet; tried again in a second')
      await pause(1_000, undefined, { signal })
    }
  }
}

/** The warehouse first: a table that is missing is reported at start, not by the first request. */
const openWarehouseDoor = async (options: DoorOptions): Promise<{ warehouse: Warehouse; epoch: string }> => {
  const { main, settings, project_id, embedded, log, opened } = options
  const [{ openWarehouse }, { openBigQuery }] = await Promise.all([
    import('@convergence/warehouse'),
    import('@convergence/warehouse/google'),
  ])
  const engine = openBigQuery({
    project_id,
    location: settings['BIGQUERY_LOCATION'] ?? 'EU',
    labels: { service: main.name },
    log,
    ...(embedded ? { api_endpoint: settings['BIGQUERY_EMULATOR_HOST'] ?? '' } : {}),
  })
  opened(() => engine.close())
  const warehouse = openWarehouse({ engine, random: Math.random })
  await patiently(options, 'BigQuery', () => engine.assertUsable([centralDataset]))
  const central = await patiently(options, 'BigQuery', () => warehouse.getDataset(centralDataset))
  if (central === undefined)
    throw new AppError(
      'SETTING_INVALID',
      `${project_id} has no dataset tenants: npm run apply makes it with its tables, topics and subscriptions`,
    )
  if (!embedded) await patiently(options, 'BigQuery', () => inspectCentral(warehouse))
  return { warehouse, epoch: central.labels['epoch'] ?? 'e0' }
}

const openBusDoor = async (
  { main, settings, project_id, embedded, log, signing_key, wall, close_timeout_ms, opened }: DoorOptions,
  life: Life,
): Promise<Bus> => {
  const [{ openBus, openSigner }, { openGoogleBus }] = await Promise.all([
    import('@convergence/bus'),
    import('@convergence/bus/google'),
  ])
  const port = openGoogleBus({
    project_id,
    log,
    close_timeout_ms,
    ...(embedded ? { api_endpoint: settings['PUBSUB_EMULATOR_HOST'] ?? '' } : {}),
  })
  opened(() => port.close())
  const signers = signing_key === undefined ? {} : { [main.name]: openSigner(signing_key, main.name) }
  return openBus({
    port,
    log,
    signers,
    wall: { ...wall, epoch: () => life.epoch },
    closeTimeoutMs: close_timeout_ms,
    ...main.bus,
  })
}

export const openDoors = async (options: DoorOptions): Promise<Doors> => {
  const { settings, project_id, embedded, log, opened } = options
  const { assertSharedSources, loadPipelines, sharedSourcesOf } = await import('@convergence/pipeline')
  const shared_sources = sharedSourcesOf(settings['SHARED_SOURCES'] ?? '', project_id)
  const pipelines = loadPipelines({ project_id, shared_sources })
  const { warehouse, epoch } = await openWarehouseDoor(options)
  await patiently(options, 'BigQuery', () => assertSharedSources(warehouse, shared_sources))
  const life = { epoch }
  const bus = await openBusDoor(options, life)
  return {
    pipelines,
    shared_sources,
    warehouse,
    life,
    bus,
    secrets: async ({ seals = [], opens = [] }) => {
      const [{ openSecrets }, { openKms }] = await Promise.all([
        import('@convergence/secrets'),
        import('@convergence/secrets/google'),
      ])
      const wrapper = openKms({
        key_ring: settings['KMS_KEY_RING'] ?? `projects/${project_id}/locations/global/keyRings/convergence`,
        log,
        ...(embedded ? { api_endpoint: settings['KMS_EMULATOR_HOST'] ?? '' } : {}),
      })
      opened(() => wrapper.close())
      await patiently(options, 'KMS', () => wrapper.assertUsable({ seals, opens }))
      return openSecrets(wrapper, { may_open: opens })
    },
  }
}
