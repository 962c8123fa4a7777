/**
 * What the main.ts of every service does the same way: settings, log, doors, health, the stop order and exit codes.
 * 0 stopped in order, 1 failed or not stopped in time, 78 a setting is wrong, 130 a second signal.
 * Nothing is imported before the settings are known to be good, so that a wrong one loads no client and no engine.
 */
import { createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Bus, BusOptions, Signer } from '@convergence/bus'
import { AppError, isRetryable, type ServiceName } from '@convergence/contracts'
import type { Pipelines } from '@convergence/pipeline'
import type { Purpose, Secrets } from '@convergence/secrets'
import type { Warehouse } from '@convergence/warehouse'
import { isHashes, isLocalMode, readEnvironment } from './env.ts'
import { openManagement } from './management.ts'
import { startTelemetry } from './telemetry.ts'
import { bootstrap, inspectCentral, openLog, scrub, type Log } from './service.ts'

/** What every service is given. */
export interface Given {
  bus: Bus
  warehouse: Warehouse
  pipelines: Pipelines
  /** Datasets that the operator shares with every tenant, as project.dataset. */
  shared_sources: readonly string[]
  log: Log
  now(): Date
  random(): number
  /** Checked settings, defaults filled in. */
  settings: Readonly<Record<string, string>>
  /** RUNTIME is not gcp: engines of the local cloud behind Google's clients. */
  embedded: boolean
  /** Loopback alone; see isLocalMode. */
  local_mode: boolean
  host: string
  replica: string
  /** Life of the central tables. */
  epoch: string
  /** File of the local data folder. */
  localFile(name: string): string
  /** Prometheus text of this process. */
  metrics(): Promise<string>
  /** Public keys of our own publishers by kid. */
  platformKeys(): Record<string, KeyObject[]>
  adminKeyHashes(): string[]
  /** Throws SETTING_INVALID when a key for these purposes is missing or not allowed. */
  secrets(needed: { seals?: readonly Purpose[]; opens?: readonly Purpose[] }): Promise<Secrets>
  /** Makes the central tables, or on Google Cloud looks whether all are there. */
  bootstrap(request: {
    force_recreate_dataset?: boolean
    force_recreate_tables?: boolean
  }): ReturnType<typeof bootstrap>
}
export interface Running {
  /** Before the bus is closed: what brings work from outside. May be called twice. */
  stop?(): Promise<void>
  /** After the bus is closed. */
  close(): Promise<void>
  healthy?(): boolean
  /** The central tables were dropped and made again by another process. */
  recreated?(epoch: string): Promise<void>
  /** Where it is reached, when it is. */
  url?: string
}
export interface ServiceMain {
  name: ServiceName
  /** Folder of the service's main.ts; env.schema.json is beside it. */
  folder: string
  /** The process's own: in local mode Google's clients are told in it not to look for a metadata server. */
  env: Record<string, string | undefined>
  /** Signs run-requested. */
  signs?: boolean
  /** terminationGracePeriodSeconds of its Deployment; the process ends itself 3 s before. */
  grace_seconds: number
  /** Of the bus; for tests, which have an entry of their own. No setting leads here. */
  bus?: Pick<BusOptions, 'duplicate' | 'crash'>
  open(given: Given): Promise<Running>
}

/** preStop of the Deployment: the load balancer is told before the process is. */
const preStopSeconds = 5
const startMs = 60_000
/**
 * How often another process' new life of the central tables is looked for, and how long who made it waits for the
 * others to have looked.
 */
const epochMs = 1_000
const stuckMs = 5 * 60_000
const freshMs = 60_000

interface Pair {
  private_key: string
  public_key: string
}
const levels: Readonly<Record<string, string>> = { WARNING: 'warn' }

/** Runs a service until a signal, and ends the process. */
export const runService = async (main: ServiceMain): Promise<void> => {
  const opened: (() => Promise<void>)[] = []
  let stopping: AbortController | undefined
  const fail = (error: unknown): void => {
    const told = error instanceof AppError && (error.code === 'SETTING_INVALID' || error.code === 'CONFIG_INVALID')
    const text =
      error instanceof AppError
        ? [error.message, ...error.faults].join('\n  ')
        : error instanceof Error
          ? (error.stack ?? error.message)
          : String(error)
    // Written at once: exit does not wait for a pipe.
    process.stderr.write(`convergence ${main.name}: ${scrub(text)}\n`, () => process.exit(told ? 78 : 1))
    setTimeout(() => process.exit(told ? 78 : 1), 1_000).unref()
  }
  try {
    const settings = readEnvironment(join(main.folder, '../env.schema.json'), main.env)
    const read = (name: string): string => settings[name] ?? ''
    const embedded = settings['RUNTIME'] !== 'gcp'
    if (embedded) main.env['METADATA_SERVER_DETECTION'] ??= 'none'
    const host = settings['LISTEN_HOST'] ?? (embedded ? '127.0.0.1' : '0.0.0.0')
    const project_id = settings['GCP_PROJECT_ID'] ?? 'local-convergence'
    const replica = settings['REPLICA'] ?? `${hostname()}-${process.pid}`.replace(/[^A-Za-z0-9._-]/g, '-').slice(-100)
    const local_mode = isLocalMode(main.env)
    // First of all: what is opened later asks for its instruments then.
    const telemetry = startTelemetry(main.name)
    const own = openLog({ service: main.name, level: levels[read('LOG_LEVEL')] ?? read('LOG_LEVEL') })
    const localFile = (name: string) => join(read('CONVERGENCE_DATA_DIR'), name)
    const localKeys = (setting: string): Record<string, Pair> => {
      try {
        return JSON.parse(readFileSync(localFile('signing-keys.json'), 'utf8')) as Record<string, Pair>
      } catch (error) {
        throw new AppError(
          'SETTING_INVALID',
          `${setting} is not set and ${localFile('signing-keys.json')} cannot be read: start npm run local-cloud first, with the same CONVERGENCE_DATA_DIR`,
          { cause: error },
        )
      }
    }
    const signingKey = (): KeyObject => {
      if (settings['SIGNING_KEY'] === undefined && embedded)
        return createPrivateKey(localKeys('SIGNING_KEY')[main.name]?.private_key ?? '')
      try {
        const key = createPrivateKey({ key: Buffer.from(read('SIGNING_KEY'), 'base64'), format: 'der', type: 'pkcs8' })
        if (key.asymmetricKeyType === 'ed25519') return key
      } catch {
        // Told below, without the key.
      }
      throw new AppError(
        'SETTING_INVALID',
        'SIGNING_KEY expected an Ed25519 private key (PKCS8 DER in base64), got something else (not shown: it is a secret); openssl genpkey -algorithm ed25519 -outform DER | base64',
      )
    }
    const signer_key = main.signs === true ? signingKey() : undefined

    let running: Running | undefined = undefined as Running | undefined
    let bus: Bus | undefined
    let warehouse: Warehouse | undefined
    let healthyAt = 0
    let unhealthySince: number | undefined
    stopping = new AbortController()
    const { signal } = stopping
    const management = await openManagement({
      host,
      port: Number(read('MANAGEMENT_PORT')),
      stuck: () => {
        if (bus === undefined || signal.aborted || bus.receiving()) unhealthySince = undefined
        else unhealthySince ??= performance.now()
        return unhealthySince !== undefined && performance.now() - unhealthySince > stuckMs
          ? ['no messages for five minutes']
          : []
      },
      notReady: async () => {
        if (signal.aborted) return ['stopping']
        if (running === undefined || bus === undefined || warehouse === undefined) return ['starting']
        const reasons: string[] = []
        if (!bus.healthy()) reasons.push('messages cannot be published or received')
        if (await warehouse.healthy().catch(() => false)) healthyAt = performance.now()
        else if (performance.now() - healthyAt > freshMs) reasons.push('the warehouse does not answer')
        if (running.healthy?.() === false) reasons.push('it reports damage; its log says which')
        return reasons
      },
      metrics: telemetry.text,
    })
    opened.push(() => management.close())

    const stop = (reason: string) => {
      if (signal.aborted) {
        process.exit(130)
        return
      }
      stopping?.abort()
      own.info({ reason }, 'stopping')
      const hard = setTimeout(
        () => {
          own.error({}, 'not stopped in time; what is left is given to another process')
          process.exit(1)
        },
        (main.grace_seconds - preStopSeconds - 3) * 1000,
      )
      hard.unref()
      // Messages in hand are finished or given back before what they need is closed.
      const close = async () => {
        for (const step of opened.toReversed()) await step()
      }
      close().then(() => process.exit(0), fail)
    }
    process.on('SIGTERM', () => {
      stop('SIGTERM')
    })
    process.on('SIGINT', () => {
      stop('SIGINT')
    })
    // Who started it is gone: nobody would stop it.
    if (process.connected)
      process.once('disconnect', () => {
        stop('parent is gone')
      })
    process.on('unhandledRejection', fail)
    process.on('uncaughtException', fail)

    const patiently = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
      for (const began = performance.now(); ;) {
        try {
          return await work()
        } catch (error) {
          if (
            !(error instanceof AppError) ||
            !isRetryable(error) ||
            performance.now() - began > startMs ||
            signal.aborted
          )
            throw error
          own.warn({ what, error: error.message }, 'no answer yet; tried again in a second')
          await pause(1_000, undefined, { signal })
        }
      }
    }
    const [
      { openBus, openSigner },
      { openGoogleBus },
      { openWarehouse },
      { openBigQuery },
      { assertSharedSources, loadPipelines, sharedSourcesOf },
    ] = await Promise.all([
      import('@convergence/bus'),
      import('@convergence/bus/google'),
      import('@convergence/warehouse'),
      import('@convergence/warehouse/google'),
      import('@convergence/pipeline'),
    ])
    const shared_sources = sharedSourcesOf(read('SHARED_SOURCES'), project_id)
    const pipelines = loadPipelines({ project_id, shared_sources })
    const engine = openBigQuery({
      project_id,
      location: settings['BIGQUERY_LOCATION'] ?? 'EU',
      labels: { service: main.name },
      log: own,
      ...(embedded ? { api_endpoint: read('BIGQUERY_EMULATOR_HOST') } : {}),
    })
    opened.push(() => engine.close())
    const store = (warehouse = openWarehouse({ engine, random: Math.random }))
    await patiently('BigQuery', () => engine.assertUsable(['tenants']))
    const central = await patiently('BigQuery', () => store.getDataset('tenants'))
    if (central === undefined)
      throw new AppError(
        'SETTING_INVALID',
        `${project_id} has no dataset tenants: npm run apply makes it with its tables, topics and subscriptions`,
      )
    // A table that is missing is told now, not by the first request.
    if (!embedded) await patiently('BigQuery', () => inspectCentral(store))
    await patiently('BigQuery', () => assertSharedSources(store, shared_sources))
    let epoch = central.labels['epoch'] ?? 'e0'

    const closeTimeoutMs = Math.max(5, main.grace_seconds - preStopSeconds - 10) * 1000
    const port = openGoogleBus({
      project_id,
      log: own,
      close_timeout_ms: closeTimeoutMs,
      ...(embedded ? { api_endpoint: read('PUBSUB_EMULATOR_HOST') } : {}),
    })
    opened.push(() => port.close())
    const signers: Record<string, Signer> =
      signer_key === undefined ? {} : { [main.name]: openSigner(signer_key, main.name) }
    const messages = (bus = openBus({ port, log: own, signers, closeTimeoutMs, ...main.bus }))

    const given: Given = {
      metrics: telemetry.text,
      bus: messages,
      warehouse: store,
      pipelines,
      shared_sources,
      log: own,
      now: () => new Date(),
      random: Math.random,
      settings,
      embedded,
      local_mode,
      host,
      replica,
      epoch,
      localFile,
      platformKeys: () => {
        const pairs =
          settings['PLATFORM_KEYS'] === undefined && embedded
            ? Object.entries(localKeys('PLATFORM_KEYS')).map(([kid, { public_key }]) => [kid, public_key] as const)
            : read('PLATFORM_KEYS')
                .split(',')
                .map((part) => [part.slice(0, part.indexOf('=')), part.slice(part.indexOf('=') + 1)] as const)
        // A name that comes twice has two keys: while they are changed both are taken.
        const known: Record<string, KeyObject[]> = {}
        for (const [kid, key] of pairs) (known[kid] ??= []).push(publicKey(kid, key))
        return known
      },
      adminKeyHashes: () => adminKeyHashes(settings, embedded, local_mode, localFile('admin-key')),
      secrets: async ({ seals = [], opens = [] }) => {
        const [{ openSecrets }, { openKms }] = await Promise.all([
          import('@convergence/secrets'),
          import('@convergence/secrets/google'),
        ])
        const wrapper = openKms({
          key_ring: settings['KMS_KEY_RING'] ?? `projects/${project_id}/locations/global/keyRings/convergence`,
          log: own,
          ...(embedded ? { api_endpoint: read('KMS_EMULATOR_HOST') } : {}),
        })
        opened.push(() => wrapper.close())
        await patiently('KMS', () => wrapper.assertUsable({ seals, opens }))
        return openSecrets(wrapper, { may_open: opens })
      },
      bootstrap: async (request) => {
        if (embedded) {
          const made = await bootstrap(store, request)
          // The others look each second; what is asked for after the answer meets processes that have looked.
          if (made.epoch !== epoch) await pause(2 * epochMs)
          epoch = made.epoch
          return made
        }
        if (request.force_recreate_dataset === true || request.force_recreate_tables === true)
          throw new AppError(
            'FORBIDDEN',
            'force_recreate is for the local cloud: on Google Cloud no service may drop the central tables',
          )
        return inspectCentral(store)
      },
    }
    const service = await main.open(given)
    running = service
    opened.push(
      () => service.close(),
      () => messages.close(),
      async () => service.stop?.(),
    )

    if (embedded && service.recreated !== undefined) {
      const { recreated } = service
      let looking = false
      const look = async () => {
        const next = (await store.getDataset('tenants'))?.labels['epoch']
        if (next === undefined || next === epoch) return
        // Throws while they are still being made: the next look tries again.
        await inspectCentral(store)
        await recreated(next)
        epoch = next
        own.info({ epoch }, 'the central tables were made again; what was in memory is forgotten')
      }
      const timer = setInterval(() => {
        if (looking || signal.aborted) return
        looking = true
        look()
          .catch((error: unknown) => {
            own.warn(
              { error: error instanceof Error ? error.message : String(error) },
              'not all central tables are there; looked for again',
            )
          })
          .finally(() => {
            looking = false
          })
      }, epochMs)
      opened.push(async () => {
        clearInterval(timer)
      })
    }
    own.info({ management_port: management.port, ...(service.url === undefined ? {} : { url: service.url }) }, 'ready')
    process.send?.({
      ready: true,
      management_port: management.port,
      ...(service.url === undefined ? {} : { url: service.url }),
    })
  } catch (error) {
    if (stopping?.signal.aborted === true) return
    fail(error)
  }
}

const publicKey = (kid: string, text: string): KeyObject => {
  try {
    return createPublicKey({ key: Buffer.from(text, 'base64'), format: 'der', type: 'spki' })
  } catch {
    throw new AppError(
      'SETTING_INVALID',
      `PLATFORM_KEYS expected for ${kid} an Ed25519 public key, SPKI DER in base64, got something else`,
    )
  }
}

const adminKeyHashes = (
  settings: Readonly<Record<string, string>>,
  embedded: boolean,
  local_mode: boolean,
  file: string,
): string[] => {
  const { ADMIN_KEY_HASHES: hashes, ADMIN_API_KEY: given } = settings
  if (hashes !== undefined && isHashes(hashes)) return hashes.split(',')
  if (!embedded) throw new AppError('SETTING_INVALID', 'ADMIN_KEY_HASHES is not set')
  let key = given
  if (key === undefined) {
    try {
      key = readFileSync(file, 'utf8').trim()
    } catch (error) {
      throw new AppError(
        'SETTING_INVALID',
        `neither ADMIN_API_KEY nor ADMIN_KEY_HASHES is set and ${file} cannot be read: npm run local-cloud makes it, npm run admin-key makes a key`,
        { cause: error },
      )
    }
  }
  // Others can reach the door: 128 bits, in the form that npm run admin-key gives.
  if (!local_mode && !/^cdpadm_[0-9A-Za-z]{22,}$/.test(key))
    throw new AppError(
      'SETTING_INVALID',
      'ADMIN_API_KEY expected a key of at least 128 bits outside local mode, got a shorter one (not shown: it is a secret); npm run admin-key makes one',
    )
  return [createHash('sha256').update(key).digest('hex')]
}
