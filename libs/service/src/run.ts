/**
 * What the main.ts of every service does the same way: settings, log, doors, health, the stop order and exit codes.
 * 0 stopped in order, 1 failed or not stopped in time, 78 a setting is wrong, 130 a second signal.
 * Nothing is imported before the settings are known to be good, so that a wrong one loads no client and no engine.
 */
import { hostname } from 'node:os'
import { join } from 'node:path'
import { AppError } from '@convergence/contracts'
import type { ServiceMain } from './context.ts'
import { openDoors } from './doors.ts'
import { isLocalMode, readEnvironment } from './env.ts'
import { openEpochs } from './epochs.ts'
import { openHealth, type HealthParts } from './health.ts'
import { adminKeyHashes, platformKeys, signingKey, wallKeys } from './keys.ts'
import { openManagement } from './management.ts'
import { startTelemetry } from './telemetry.ts'
import { logLevel, openLog, scrub, type Log } from './service.ts'

export type { RunningService, ServiceContext, ServiceMain } from './context.ts'

/** preStop of the Deployment: the load balancer knows before the process does. */
const preStopSeconds = 5

/** Ends the process: 78 when a setting is wrong, 1 otherwise. */
const fail = (main: ServiceMain, error: unknown): void => {
  const setting = error instanceof AppError && (error.code === 'SETTING_INVALID' || error.code === 'CONFIG_INVALID')
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  const shown = error instanceof AppError ? [error.message, ...error.faults].join('\n  ') : text
  // Written at once: exit does not wait for a pipe.
  process.stderr.write(`convergence ${main.name}: ${scrub(shown)}\n`, () => process.exit(setting ? 78 : 1))
  setTimeout(() => process.exit(setting ? 78 : 1), 1_000).unref()
}

/** Signals, a parent that is gone and errors nobody caught: the steps are closed last first, and the process ends. */
const stopOnSignals = (main: ServiceMain, opened: readonly (() => Promise<void>)[], log: Log): AbortController => {
  const stopping = new AbortController()
  const stop = (reason: string) => {
    if (stopping.signal.aborted) {
      process.exit(130)
      return
    }
    stopping.abort()
    log.info({ reason }, 'stopping')
    const hard = setTimeout(
      () => {
        log.error({}, 'not stopped in time; what is left is redelivered to another process')
        process.exit(1)
      },
      (main.grace_seconds - preStopSeconds - 3) * 1000,
    )
    hard.unref()
    // Messages in hand are finished or nacked before what they need is closed.
    const close = async () => {
      for (const step of opened.toReversed()) await step()
    }
    close().then(
      () => process.exit(0),
      (error: unknown) => {
        fail(main, error)
      },
    )
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.on(signal, () => {
      stop(signal)
    })
  // Who started it is gone: nobody would stop it.
  if (process.connected)
    process.once('disconnect', () => {
      stop('parent is gone')
    })
  for (const event of ['unhandledRejection', 'uncaughtException'] as const)
    process.on(event, (error) => {
      fail(main, error)
    })
  return stopping
}

const start = async (main: ServiceMain, onStopping: (stopping: AbortController) => void): Promise<void> => {
  const settings = readEnvironment(join(main.folder, '../env.schema.json'), main.env)
  const embedded = settings['RUNTIME'] !== 'gcp'
  if (embedded) main.env['METADATA_SERVER_DETECTION'] ??= 'none'
  const host = settings['LISTEN_HOST'] ?? (embedded ? '127.0.0.1' : '0.0.0.0')
  const project_id = settings['GCP_PROJECT_ID'] ?? 'local-convergence'
  const local_mode = isLocalMode(main.env)
  // First of all: what is opened later asks for its instruments then.
  const telemetry = startTelemetry(main.name)
  const log = openLog({ service: main.name, level: logLevel(settings['LOG_LEVEL']) })
  const localFile = (name: string) => join(settings['CONVERGENCE_DATA_DIR'] ?? '', name)
  const keySource = { settings, embedded, localFile }
  const signing_key = main.signs === true ? signingKey(keySource, main.name) : undefined

  const opened: (() => Promise<void>)[] = []
  const parts: HealthParts = {}
  const stopping = stopOnSignals(main, opened, log)
  onStopping(stopping)
  const { signal } = stopping
  const management = await openManagement({
    host,
    port: Number(settings['MANAGEMENT_PORT']),
    ...openHealth({ parts: () => parts, signal }),
    metrics: telemetry.text,
  })
  opened.push(() => management.close())

  const doors = await openDoors({
    main,
    settings,
    project_id,
    embedded,
    log,
    signal,
    signing_key,
    wall: wallKeys(keySource),
    close_timeout_ms: Math.max(5, main.grace_seconds - preStopSeconds - 10) * 1000,
    opened: (close) => opened.push(close),
  })
  const { bus, warehouse, pipelines, shared_sources, life, secrets } = doors
  Object.assign(parts, { bus, warehouse })
  const epochs = openEpochs({ warehouse, log, embedded, life })
  const service = await main.open({
    bus,
    warehouse,
    pipelines,
    shared_sources,
    log,
    now: () => new Date(),
    random: Math.random,
    settings,
    embedded,
    local_mode,
    host,
    replica: settings['REPLICA'] ?? `${hostname()}-${process.pid}`.replace(/[^A-Za-z0-9._-]/g, '-').slice(-100),
    epoch: life.epoch,
    localFile,
    metrics: telemetry.text,
    platformKeys: () => platformKeys(keySource),
    adminKeyHashes: () => adminKeyHashes(keySource, local_mode),
    secrets,
    bootstrap: epochs.bootstrap,
  })
  parts.running = service
  opened.push(
    () => service.close(),
    () => bus.close(),
    async () => service.stop?.(),
  )
  if (embedded) {
    const watch = epochs.watch(async (epoch) => service.recreated?.(epoch))
    opened.push(async () => {
      watch.close()
    })
  }
  const { port: management_port } = management
  const at = service.url === undefined ? {} : { url: service.url }
  log.info({ management_port, ...at }, 'ready')
  process.send?.({ ready: true, management_port, ...at })
}

/** Runs a service until a signal, and ends the process. */
export const runService = async (main: ServiceMain): Promise<void> => {
  let stopping: AbortController | undefined
  try {
    await start(main, (controller) => {
      stopping = controller
    })
  } catch (error) {
    if (stopping?.signal.aborted !== true) fail(main, error)
  }
}
