/**
 * `npm run local-cloud`: the embedded engines in a process of their own, behind Google's wire protocols on loopback. It
 * owns the data folder,
 * makes topics, tables and keys at the first start, and stands for Cloud Scheduler: a tick each minute. The services
 * find it by the
 * environment lines that it prints.
 */
import { createHash, createPrivateKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { ensureTopology, openBus } from '@convergence/bus'
import { AppError } from '@convergence/contracts'
import { openKeyring, type Keyring } from '@convergence/local-kms'
import { openBroker, type Broker } from '@convergence/local-pubsub'
import { openEngine } from '@convergence/local-warehouse'
import { bootstrap, closeAll, openLog, type Log } from '@convergence/service'
import { openWarehouse } from '@convergence/warehouse'
import { readSettings } from './settings.ts'

type Engine = Awaited<ReturnType<typeof openEngine>>

export interface LocalCloudOptions {
  data_folder: string
  project_id: string
  log: Log
  clock?: () => number
  /** SHA-256 of the admin key, hex; without it the key in the data folder is used, made the first time. */
  admin_key_hashes?: readonly string[]
  redelivery_ms?: number
}
/** Ports of the fronts: 0 takes a free one, undefined opens none. */
export interface WirePorts {
  host?: string
  pubsub?: number
  bigquery?: number
  kms?: number
}
export interface Fronts {
  /** What a client needs in its environment, by name. */
  env: Record<string, string>
  close(): Promise<void>
}
export interface LocalCloud {
  broker: Broker
  engine: Engine
  keyring: Keyring
  keys: SigningKeys
  admin_key: string | undefined
  admin_key_is_new: boolean
  admin_key_hashes: readonly string[]
  openFronts(ports: WirePorts): Promise<Fronts>
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
    throw new AppError(
      'SETTING_INVALID',
      `the data folder ${folder} cannot be used (${reason}): CONVERGENCE_DATA_DIR must name a folder that this user may read and write`,
    )
  }
}

/** A file of mode 0600, complete or not there at all. */
const writeSecretFile = (path: string, text: string): void => {
  writeFileSync(`${path}.new`, text, { mode: 0o600 })
  chmodSync(`${path}.new`, 0o600)
  renameSync(`${path}.new`, path)
}

export interface SigningKeys {
  [kid: string]: { private_key: string; public_key: string }
}
/** Key pairs of our own publishers, made at the first start. */
const signingKeys = (path: string): SigningKeys => {
  if (!existsSync(path)) {
    const made: SigningKeys = {}
    for (const kid of ['auth', 'scheduler']) {
      const { privateKey, publicKey } = generateKeyPairSync('ed25519')
      made[kid] = {
        private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
        public_key: publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
      }
    }
    writeSecretFile(path, JSON.stringify(made))
  }
  try {
    const keys = JSON.parse(readOwn(path)) as SigningKeys
    for (const kid of ['auth', 'scheduler']) createPrivateKey(keys[kid]?.private_key ?? '')
    return keys
  } catch (error) {
    if (error instanceof AppError) throw error
    throw new AppError(
      'SETTING_INVALID',
      `${path}: expected the key pairs of auth and scheduler, got something else; take the file away and new ones are made`,
      { cause: error },
    )
  }
}
/** Throws SETTING_INVALID where it may not be read. */
const readOwn = (path: string): string => {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new AppError(
      'SETTING_INVALID',
      `${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'}): expected a file of this user`,
      { cause: error },
    )
  }
}

export const newAdminKey = (): string => `cdpadm_${BigInt(`0x${randomBytes(32).toString('hex')}`).toString(36)}`
export const hashKey = (key: string): string => createHash('sha256').update(key).digest('hex')

/** Opens the engines; the fronts are opened when asked for, since they load what nobody else in the process needs. */
export const openLocalCloud = async ({
  data_folder,
  project_id,
  log,
  clock = Date.now,
  admin_key_hashes,
  redelivery_ms,
}: LocalCloudOptions): Promise<LocalCloud> => {
  const opened: { close(): Promise<void> }[] = []
  const open = <T extends { close(): Promise<void> }>(thing: T): T => {
    opened.push(thing)
    return thing
  }
  try {
    prepareFolder(data_folder)
    let admin_key: string | undefined
    let admin_key_is_new = false
    if (admin_key_hashes === undefined) {
      const path = join(data_folder, 'admin-key')
      admin_key_is_new = !existsSync(path)
      if (admin_key_is_new) writeSecretFile(path, `${newAdminKey()}\n`)
      admin_key = readOwn(path).trim()
      if (!/^\S{8,200}$/.test(admin_key))
        throw new AppError(
          'SETTING_INVALID',
          `${path}: expected an admin key, 8 to 200 characters without a space, got something else; take the file away and a new one is made`,
        )
      admin_key_hashes = [hashKey(admin_key)]
    }
    const keys = signingKeys(join(data_folder, 'signing-keys.json'))
    const broker = open(await openBroker({ file: join(data_folder, 'pubsub.db'), now: clock, project_id }))
    await ensureTopology(
      broker,
      redelivery_ms === undefined ? {} : { minimumBackoffMs: redelivery_ms, maximumBackoffMs: redelivery_ms },
    )
    const engine = open(await openEngine({ folder: data_folder, project_id, log: log.child({ service: 'warehouse' }) }))
    const keyring = openKeyring({ file: join(data_folder, 'keyring.json') })
    return {
      broker,
      engine,
      keyring,
      keys,
      admin_key,
      admin_key_is_new,
      admin_key_hashes,
      openFronts: (ports) => openFronts({ broker, engine, keyring, project_id, log }, ports),
      close: () => closeAll(opened),
    }
  } catch (error) {
    await closeAll(opened).catch(() => undefined)
    throw error
  }
}

const openFronts = async (
  {
    broker,
    engine,
    keyring,
    project_id,
    log,
  }: { broker: Broker; engine: Engine; keyring: Keyring; project_id: string; log: Log },
  { host = '127.0.0.1', pubsub, bigquery, kms }: WirePorts,
): Promise<Fronts> => {
  const opened: { close(): Promise<void> }[] = []
  const env: Record<string, string> = {}
  try {
    if (pubsub !== undefined) {
      const { openPubSubFront } = await import('@convergence/local-pubsub/front')
      const front = await openPubSubFront({ broker, project_id, host, port: pubsub, log })
      opened.push(front)
      env['PUBSUB_EMULATOR_HOST'] = `${host}:${front.port}`
    }
    if (bigquery !== undefined) {
      const { openBigQueryFront } = await import('@convergence/local-warehouse/front')
      const front = await openBigQueryFront({ engine, host, port: bigquery, log })
      opened.push(front)
      env['BIGQUERY_EMULATOR_HOST'] = `http://${host}:${front.port}`
    }
    if (kms !== undefined) {
      const { openKmsFront } = await import('@convergence/local-kms/front')
      const front = await openKmsFront({ keyring, project_id, host, port: kms, log })
      opened.push(front)
      env['KMS_EMULATOR_HOST'] = `${host}:${front.port}`
    }
  } catch (error) {
    await closeAll(opened).catch(() => undefined)
    throw error
  }
  return { env, close: () => closeAll(opened) }
}

/** The lines to paste into another shell. */
export const pasteLines = (env: Readonly<Record<string, string>>): string[] =>
  Object.entries(env).map(([name, value]) => `export ${name}=${value}`)

/** What `npm start` and `npm run dev` say when all is ready. */
export const readyText = ({
  urls,
  data_folder,
  admin_key,
  admin_key_is_new,
  lines,
}: {
  urls: readonly string[]
  data_folder: string
  admin_key: string | undefined
  admin_key_is_new: boolean
  lines: readonly string[]
}): string[] => [
  `Convergence is ready at ${urls.join(' and ')}   (runs: ${urls[0] ?? ''}/console, description: ${urls[0] ?? ''}/docs)`,
  `  data        ${data_folder}`,
  admin_key === undefined
    ? '  admin key   as ADMIN_API_KEY says'
    : admin_key_is_new
      ? `  admin key   ${admin_key}   (kept in ${join(data_folder, 'admin-key')}; shown this once)`
      : `  admin key   in ${join(data_folder, 'admin-key')}`,
  ...lines.map((line, index) => `  ${index === 0 ? 'clients' : '       '}     ${line}`),
]

/** Runs it until a signal, and ends the process. */
export const runLocalCloud = async (): Promise<void> => {
  const settings = readSettings(process.env)
  const log = openLog({ service: 'local-cloud', level: settings.LOG_LEVEL })
  const cloud = await openLocalCloud({
    data_folder: settings.CONVERGENCE_DATA_DIR,
    project_id: settings.GCP_PROJECT_ID,
    log,
    ...(settings.ADMIN_API_KEY === undefined ? {} : { admin_key_hashes: [hashKey(settings.ADMIN_API_KEY)] }),
  })
  const opened: { close(): Promise<void> }[] = [cloud]
  const warehouse = openWarehouse({ engine: cloud.engine, random: Math.random })
  let stopping = false
  const stop = () => {
    if (stopping) process.exit(130)
    stopping = true
    closeAll(opened).then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ error: String(error) }, 'not closed cleanly')
        process.exit(1)
      },
    )
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  if (process.connected) process.once('disconnect', stop)
  try {
    await bootstrap(warehouse, {})
    const { WIRE_HOST: host, PUBSUB_PORT: pubsub, BIGQUERY_PORT: bigquery, KMS_PORT: kms } = settings
    const fronts = await cloud.openFronts({
      host,
      ...(pubsub === undefined ? {} : { pubsub }),
      ...(bigquery === undefined ? {} : { bigquery }),
      ...(kms === undefined ? {} : { kms }),
    })
    opened.push(fronts)
    // Cloud Scheduler's part.
    const bus = openBus({ port: cloud.broker, log })
    const tick = setInterval(() => {
      bus.publish([{ topic: 'scheduler-tick', event: {} }]).catch((error: unknown) => {
        log.warn({ error: String(error) }, 'tick not published')
      })
    }, 60_000)
    opened.push({
      close: async () => {
        clearInterval(tick)
      },
    })
    if (process.send !== undefined)
      process.send({
        ready: true,
        env: fronts.env,
        admin_key: cloud.admin_key,
        admin_key_is_new: cloud.admin_key_is_new,
      })
    else {
      console.log('The local cloud is ready; the services find it by:')
      for (const line of pasteLines({
        ...fronts.env,
        CONVERGENCE_DATA_DIR: resolve(settings.CONVERGENCE_DATA_DIR),
        GCP_PROJECT_ID: settings.GCP_PROJECT_ID,
      }))
        console.log(`  ${line}`)
    }
  } catch (error) {
    await closeAll(opened).catch(() => undefined)
    throw error
  }
}

if (import.meta.main) {
  runLocalCloud().catch((error: unknown) => {
    if (error instanceof AppError)
      console.error(`convergence local-cloud: ${[error.message, ...error.faults].join('\n  ')}`)
    else console.error(error)
    process.exit(error instanceof AppError ? 78 : 1)
  })
}
