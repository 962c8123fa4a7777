/**
 * The whole platform in one process on the embedded engines: what `npm start`, the demo, the whole-run tests and the bench use.
 * Order of opening is the order of dependence; closing is the reverse. Nothing here decides anything.
 */
import { createHash, generateKeyPairSync, createPrivateKey, createPublicKey, randomBytes } from 'node:crypto'
import { accessSync, chmodSync, constants, existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { auth } from '@convergence/auth'
import { ensureTopology, openBus, openSigner, type Bus } from '@convergence/bus'
import { AppError } from '@convergence/contracts'
import { bootstrap, executor } from '@convergence/executor'
import { openBuckets } from '@convergence/local-cloud/buckets'
import { openKeyring } from '@convergence/local-cloud/keyring'
import { openMailFolder } from '@convergence/local-cloud/mail'
import { openBroker, type Broker } from '@convergence/local-cloud/pubsub'
import { openEngine } from '@convergence/local-cloud/warehouse'
import { notifier } from '@convergence/notifier'
import { openSmtp } from '@convergence/notifier'
import { loadPipelines, type Pipelines } from '@convergence/pipeline'
import { scheduler } from '@convergence/scheduler'
import { openSecrets } from '@convergence/secrets'
import { closeAll, type Log } from '@convergence/service'
import { tenant } from '@convergence/tenant'
import { openWarehouse, type Warehouse } from '@convergence/warehouse'

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
  /** Pause before a message that was given back comes again, in milliseconds: for tests; default as the topology says. */
  redelivery_ms?: number
  configs_folder?: string
  close_timeout_ms?: number
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
  close(): Promise<void>
}

/** Makes the folder or says in one sentence why it cannot be used. */
const prepareFolder = (folder: string): void => {
  try {
    // One by one: Node's recursive mkdir never returns below a folder that takes no entries, as /proc is.
    const missing: string[] = []
    for (let at = resolve(folder); !existsSync(at); at = dirname(at)) missing.unshift(at)
    for (const each of missing) mkdirSync(each, { mode: 0o700 })
    if (!statSync(folder).isDirectory()) throw new Error('not a folder')
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    const reason = error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.message) : 'unknown'
    throw new AppError('SETTING_INVALID', `the data folder ${folder} cannot be used (${reason}): CONVERGENCE_DATA_DIR must name a folder that this user may read and write`)
  }
}

/** A file of mode 0600, complete or not there at all. */
const writeSecretFile = (path: string, text: string): void => {
  writeFileSync(`${path}.new`, text, { mode: 0o600 })
  chmodSync(`${path}.new`, 0o600)
  renameSync(`${path}.new`, path)
}

interface SigningKeys { [kid: string]: { private_key: string; public_key: string } }
/** Key pairs of our own publishers, made at the first start. */
const signingKeys = (path: string): SigningKeys => {
  if (!existsSync(path)) {
    const made: SigningKeys = {}
    for (const kid of ['auth', 'scheduler']) {
      const { privateKey, publicKey } = generateKeyPairSync('ed25519')
      made[kid] = { private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), public_key: publicKey.export({ type: 'spki', format: 'der' }).toString('base64') }
    }
    writeSecretFile(path, JSON.stringify(made))
  }
  return JSON.parse(readFileSync(path, 'utf8')) as SigningKeys
}

export const newAdminKey = (): string => `cdpadm_${BigInt(`0x${randomBytes(32).toString('hex')}`).toString(36)}`
export const hashKey = (key: string): string => createHash('sha256').update(key).digest('hex')

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
    prepareFolder(data_folder)
    const pipelines = loadPipelines({ project_id, ...(options.configs_folder === undefined ? {} : { configs_folder: options.configs_folder }) })

    let admin_key: string | undefined
    let admin_key_is_new = false
    let admin_key_hashes = options.admin_key_hashes
    if (admin_key_hashes === undefined) {
      const path = join(data_folder, 'admin-key')
      admin_key_is_new = !existsSync(path)
      if (admin_key_is_new) writeSecretFile(path, `${newAdminKey()}\n`)
      admin_key = readFileSync(path, 'utf8').trim()
      admin_key_hashes = [hashKey(admin_key)]
    }
    const keys = signingKeys(join(data_folder, 'signing-keys.json'))
    const signer = (kid: string) => openSigner(createPrivateKey(keys[kid]?.private_key ?? ''), kid)

    const broker = open(await openBroker({ file: join(data_folder, 'pubsub.db'), now: clock }))
    await ensureTopology(broker, options.redelivery_ms === undefined ? {} : { minimumBackoffMs: options.redelivery_ms, maximumBackoffMs: options.redelivery_ms })
    const engine = await openEngine({ folder: data_folder, project_id, log: log.child({ service: 'warehouse' }) })
    const warehouse = open(openWarehouse({ engine, random: Math.random }))
    const secrets = open(openSecrets(openKeyring({ file: join(data_folder, 'keyring.json') })))
    const objects = open(openBuckets({ folder: join(data_folder, 'buckets') }))
    const scratch_folder = join(data_folder, 'scratch')
    mkdirSync(scratch_folder, { recursive: true, mode: 0o700 })

    const bus = open(openBus({
      port: broker, log, now, signers: { auth: signer('auth'), scheduler: signer('scheduler') }, closeTimeoutMs: options.close_timeout_ms ?? 20_000,
      ...(options.duplicate === undefined ? {} : { duplicate: options.duplicate }), ...(options.crash === undefined ? {} : { crash: options.crash }),
    }))
    const made = await bootstrap(warehouse, {})
    log.info({ dataset_created: made.dataset_created, tables_created: made.tables_created.length }, 'central tables are there')

    let epoch = made.epoch
    const shared = { bus, warehouse, pipelines, log, now, random: Math.random }
    const decider = open(await scheduler({
      ...shared, log: log.child({ service: 'scheduler' }), epoch: made.epoch,
      platform_keys: Object.fromEntries(Object.entries(keys).map(([kid, pair]) => [kid, createPublicKey({ key: Buffer.from(pair.public_key, 'base64'), format: 'der', type: 'spki' })])),
    }))
    const tenants = open(await tenant({ ...shared, log: log.child({ service: 'tenant' }) }))
    open(await executor({ ...shared, log: log.child({ service: 'executor' }), objects, secrets, scratch_folder }))
    const mail = options.smtp_url === undefined ? openMailFolder({ folder: join(data_folder, 'mail') }) : openSmtp({ url: options.smtp_url })
    open(await notifier({ ...shared, log: log.child({ service: 'notifier' }), secrets, mail }))
    const door = open(await auth({
      ...shared, log: log.child({ service: 'auth' }), secrets, host: '127.0.0.1', port: options.port, version: '0.1.0', environment: options.environment ?? 'development',
      local_mode: true, admin_key_hashes: [...admin_key_hashes], replica: 'r0',
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
    }))

    // The clock of the embedded platform: Cloud Scheduler publishes this on Google Cloud.
    const tick = setInterval(() => {
      bus.publish([{ topic: 'scheduler-tick', event: {} }]).catch((error: unknown) => { log.warn({ error: String(error) }, 'tick not published') })
    }, 60_000)
    let closing: Promise<void> | undefined
    return {
      url: door.url, admin_key, admin_key_is_new, bus, broker, warehouse, pipelines,
      close: () => closing ??= (async () => {
        clearInterval(tick)
        await door.close()
        await bus.close()
        await closeAll(opened)
      })(),
    }
  } catch (error) {
    await closeAll(opened).catch(() => undefined)
    throw error
  }
}
