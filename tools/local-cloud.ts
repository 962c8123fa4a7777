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
import { ensureTopology, openBus, type Bus } from '@convergence/bus'
import { AppError, serviceNames, topology } from '@convergence/contracts'
import { openKeyring, type Keyring } from '@convergence/local-kms'
import { openBroker, type Broker } from '@convergence/local-pubsub'
import { openEngine } from '@convergence/local-warehouse'
import { runCommand } from './command.ts'
import { bootstrap, closeAll, openLog, type Log } from '@convergence/service'
import { openWarehouse } from '@convergence/warehouse'
import { loadEnvFile, readSettings, type WirePorts } from './settings.ts'
import { adminKeyHashes } from '@convergence/service/keys'

type Engine = Awaited<ReturnType<typeof openEngine>>

export interface LocalCloudOptions {
  data_folder: string
  project_id: string
  log: Log
  clock?: () => number
  /** SHA-256 of the admin key, hex; without it the key in the data folder is used, made the first time. */
  admin_key_hashes?: readonly string[]
  /** Of datasets made from now on; default EU. */
  location?: string
  redelivery_ms?: number
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
      `the data folder ${folder} cannot be used (${reason}): ` +
        `CONVERGENCE_DATA_DIR must name a folder that this user may read and write`,
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
  [kid: string]: { private_key: string; public_key: string; made_at?: string }
}
/** Services that publish. */
const signing = serviceNames.filter((name) =>
  Object.values(topology).some(({ publishers }) => publishers.includes(name)),
)
const newPair = (made_at: string): SigningKeys[string] => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  return {
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    public_key: publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
    made_at,
  }
}
/** Key pairs of our own publishers, made at the first start; in a folder of version 0.1 not all have one yet. */
const signingKeys = (path: string, made_at: string): SigningKeys => {
  try {
    const there = existsSync(path) ? (JSON.parse(readOwn(path)) as SigningKeys) : {}
    const missing = signing.filter((kid) => !Object.hasOwn(there, kid))
    const keys = { ...there, ...Object.fromEntries(missing.map((kid) => [kid, newPair(made_at)])) }
    for (const kid of signing) createPrivateKey(keys[kid]?.private_key ?? '')
    if (missing.length > 0) writeSecretFile(path, JSON.stringify(keys))
    return keys
  } catch (error) {
    if (error instanceof AppError) throw error
    throw new AppError(
      'SETTING_INVALID',
      `${path}: expected the key pairs of ${signing.join(', ')}, ` +
        `got something else; take the file away and new ones are made`,
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
  location,
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
          `${path}: expected an admin key, 8 to 200 characters without a space, ` +
            `got something else; take the file away and a new one is made`,
        )
      admin_key_hashes = [hashKey(admin_key)]
    }
    const keys = signingKeys(join(data_folder, 'signing-keys.json'), new Date(clock()).toISOString())
    const broker = open(await openBroker({ file: join(data_folder, 'pubsub.db'), now: clock, project_id }))
    await ensureTopology(
      broker,
      redelivery_ms === undefined ? {} : { minimumBackoffMs: redelivery_ms, maximumBackoffMs: redelivery_ms },
    )
    const engine = open(
      await openEngine({
        folder: data_folder,
        project_id,
        log: log.child({ service: 'warehouse' }),
        ...(location === undefined ? {} : { location }),
      }),
    )
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

const adminKeyWords = (file: string, admin_key: string | undefined, is_new: boolean): string => {
  if (admin_key === undefined) return 'as ADMIN_API_KEY says'
  return is_new ? `${admin_key}   (kept in ${file}; shown this once)` : `in ${file}`
}

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
  `Convergence is ready at ${urls.join(' and ')}   ` +
    `(runs: ${urls[0] ?? ''}/console, description: ${urls[0] ?? ''}/docs)`,
  `  data        ${data_folder}`,
  `  admin key   ${adminKeyWords(join(data_folder, 'admin-key'), admin_key, admin_key_is_new)}`,
  ...lines.map((line, index) => `  ${index === 0 ? 'clients' : '       '}     ${line}`),
]

/** Cloud Scheduler's part: a tick each minute. */
export const startTick = (bus: Bus, log: Log): { close(): Promise<void> } => {
  const timer = setInterval(() => {
    bus.publish([{ topic: 'scheduler-tick', event: {} }]).catch((error: unknown) => {
      log.warn({ error: String(error) }, 'tick not published')
    })
  }, 60_000)
  return {
    close: async () => {
      clearInterval(timer)
    },
  }
}

/** Runs it until a signal, and ends the process. */
export const runLocalCloud = async (): Promise<void> => {
  const { data_folder, project_id, log_level, local_mode, wire, values } = readSettings(process.env)
  const log = openLog({ service: 'local-cloud', level: log_level })
  const localFile = (name: string) => join(data_folder, name)
  const given = values['ADMIN_API_KEY'] !== undefined || values['ADMIN_KEY_HASHES'] !== undefined
  const cloud = await openLocalCloud({
    data_folder,
    project_id,
    log,
    ...(given ? { admin_key_hashes: adminKeyHashes({ settings: values, embedded: true, localFile }, local_mode) } : {}),
    ...(values['BIGQUERY_LOCATION'] === undefined ? {} : { location: values['BIGQUERY_LOCATION'] }),
  })
  const opened: { close(): Promise<void> }[] = [cloud]
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
    await bootstrap(openWarehouse({ engine: cloud.engine, random: Math.random }), {})
    const fronts = await cloud.openFronts(wire)
    opened.push(fronts)
    opened.push(startTick(openBus({ port: cloud.broker, log }), log))
    const { admin_key, admin_key_is_new } = cloud
    if (process.send !== undefined) process.send({ ready: true, env: fronts.env, admin_key, admin_key_is_new })
    else {
      console.log('The local cloud is ready; the services find it by:')
      for (const line of pasteLines({
        ...fronts.env,
        CONVERGENCE_DATA_DIR: resolve(data_folder),
        GCP_PROJECT_ID: project_id,
      }))
        console.log(`  ${line}`)
    }
  } catch (error) {
    await closeAll(opened).catch(() => undefined)
    throw error
  }
}

const help = `
Starts the embedded engines behind Google's wire protocols on loopback, and prints the lines by which the services and
any client find them. Settings come from the environment and from .env (.env.example lists them all).
`

if (import.meta.main) {
  await runCommand({ name: 'npm run local-cloud', help }, async () => {
    loadEnvFile()
    await runLocalCloud()
  })
}
