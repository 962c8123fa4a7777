/**
 * The whole platform in one process on the embedded engines: what `npm start`, the demo, the whole-run tests and the
 * bench use.
 * Order of opening is the order of dependence; closing is the reverse. Nothing here decides anything.
 */
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { auth } from '@convergence/auth'
import { openBus, openSigner, type Bus } from '@convergence/bus'
import { bootstrap, executor } from '@convergence/executor'
import { openBuckets } from '@convergence/local-objects'
import { openMailFolder } from '@convergence/notifier/mail-folder'
import type { Broker } from '@convergence/local-pubsub'
import { notifier } from '@convergence/notifier'
import { openSmtp } from '@convergence/notifier'
import {
  assertSharedSources,
  defaultSharedSources,
  loadPipelines,
  sharedSourcesOf,
  type Pipelines,
} from '@convergence/pipeline'
import { scheduler } from '@convergence/scheduler'
import { openSecrets } from '@convergence/secrets'
import { closeAll, isLocalMode, type Log } from '@convergence/service'
import { tenant } from '@convergence/tenant'
import { openWarehouse, type Warehouse } from '@convergence/warehouse'
import { openLocalCloud, type WirePorts } from './local-cloud.ts'

export interface PlatformOptions {
  /** Made if missing, mode 0700. */
  data_folder: string
  project_id?: string
  /** 0 takes a free port. */
  port: number
  log: Log
  /** SHA-256 of the admin key, hex; without it the key in the data folder is used, made the first time. */
  admin_key_hashes?: readonly string[]
  smtp_url?: string
  environment?: string
  /** Deliver every message twice: for tests. */
  duplicate?: boolean
  /** The clock of broker and services, in milliseconds since 1970: for tests. */
  clock?: () => number
  /** Called at each named point of the bus; may throw or end the process: for tests. */
  crash?: (point: string, subscription: string) => void
  /**
   * Pause before a message that was given back comes again, in milliseconds: for tests; default as the topology says.
   */
  redelivery_ms?: number
  configs_folder?: string
  /** The setting SHARED_SOURCES. */
  shared_sources?: string
  close_timeout_ms?: number
  /** Prometheus text of this process, for /metrics. */
  metrics?: () => Promise<string>
  /** Ports of Google's wire protocols on loopback; default none. */
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
  close(): Promise<void>
}

export const startPlatform = async (options: PlatformOptions): Promise<Platform> => {
  const { log, data_folder } = options
  const project_id = options.project_id ?? 'local-convergence'
  const opened: { close(): Promise<void> }[] = []
  const open = <T extends { close(): Promise<void> }>(thing: T): T => {
    opened.push(thing)
    return thing
  }
  try {
    const clock = options.clock ?? Date.now
    const now = () => new Date(clock())
    const shared_sources = sharedSourcesOf(options.shared_sources ?? defaultSharedSources, project_id)
    const pipelines = loadPipelines({
      project_id,
      shared_sources,
      ...(options.configs_folder === undefined ? {} : { configs_folder: options.configs_folder }),
    })
    const cloud = open(
      await openLocalCloud({
        data_folder,
        project_id,
        log,
        clock,
        ...(options.admin_key_hashes === undefined ? {} : { admin_key_hashes: options.admin_key_hashes }),
        ...(options.redelivery_ms === undefined ? {} : { redelivery_ms: options.redelivery_ms }),
      }),
    )
    const { broker, engine, keys, admin_key, admin_key_is_new, admin_key_hashes } = cloud
    const signer = (kid: string) => openSigner(createPrivateKey(keys[kid]?.private_key ?? ''), kid)
    const warehouse = openWarehouse({ engine, random: Math.random })
    const secrets = open(openSecrets(cloud.keyring))
    const objects = open(openBuckets({ folder: join(data_folder, 'buckets') }))
    const scratch_folder = join(data_folder, 'scratch')
    mkdirSync(scratch_folder, { recursive: true, mode: 0o700 })

    const bus = open(
      openBus({
        port: broker,
        log,
        now,
        signers: { auth: signer('auth'), scheduler: signer('scheduler') },
        closeTimeoutMs: options.close_timeout_ms ?? 20_000,
        ...(options.duplicate === undefined ? {} : { duplicate: options.duplicate }),
        ...(options.crash === undefined ? {} : { crash: options.crash }),
      }),
    )
    await assertSharedSources(warehouse, shared_sources)
    const made = await bootstrap(warehouse, {})
    log.info(
      { dataset_created: made.dataset_created, tables_created: made.tables_created.length },
      'central tables are there',
    )

    let epoch = made.epoch
    const shared = { bus, warehouse, pipelines, shared_sources, log, now, random: Math.random }
    const decider = open(
      await scheduler({
        ...shared,
        log: log.child({ service: 'scheduler' }),
        epoch: made.epoch,
        platform_keys: Object.fromEntries(
          Object.entries(keys).map(([kid, pair]) => [
            kid,
            createPublicKey({ key: Buffer.from(pair.public_key, 'base64'), format: 'der', type: 'spki' }),
          ]),
        ),
      }),
    )
    const tenants = open(await tenant({ ...shared, log: log.child({ service: 'tenant' }) }))
    open(await executor({ ...shared, log: log.child({ service: 'executor' }), objects, secrets, scratch_folder }))
    const mail =
      options.smtp_url === undefined
        ? openMailFolder({ folder: join(data_folder, 'mail') })
        : openSmtp({ url: options.smtp_url })
    open(await notifier({ ...shared, log: log.child({ service: 'notifier' }), secrets, mail }))
    const door = open(
      await auth({
        ...shared,
        log: log.child({ service: 'auth' }),
        secrets,
        host: '127.0.0.1',
        port: options.port,
        version: '0.1.0',
        environment: options.environment ?? 'development',
        local_mode: isLocalMode({ WIRE_HOST: options.wire?.host }),
        admin_key_hashes: [...admin_key_hashes],
        replica: 'r0',
        ...(options.metrics === undefined ? {} : { metrics: options.metrics }),
        bootstrap: async (request) => {
          const result = await bootstrap(warehouse, request)
          // The central tables were dropped and made again: what is in memory is of others.
          if (result.epoch !== epoch) {
            epoch = result.epoch
            await decider.recreated(epoch)
            await tenants.recreated()
          }
          return result
        },
      }),
    )

    const fronts = options.wire === undefined ? undefined : open(await cloud.openFronts(options.wire))

    // The clock of the embedded platform: Cloud Scheduler publishes this on Google Cloud.
    const tick = setInterval(() => {
      bus.publish([{ topic: 'scheduler-tick', event: {} }]).catch((error: unknown) => {
        log.warn({ error: String(error) }, 'tick not published')
      })
    }, 60_000)
    let closing: Promise<void> | undefined
    return {
      url: door.url,
      admin_key,
      admin_key_is_new,
      bus,
      broker,
      warehouse,
      pipelines,
      wire: fronts?.env ?? {},
      close: () =>
        (closing ??= (async () => {
          clearInterval(tick)
          await door.close()
          await bus.close()
          await closeAll(opened)
        })()),
    }
  } catch (error) {
    await closeAll(opened).catch(() => undefined)
    throw error
  }
}
