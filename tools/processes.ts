/**
 * The platform as processes of their own: the local cloud, and each service once or several times. What `npm run dev`
 * and the tests of
 * that form open. A process that ends by itself is told and left ended: whoever asked decides.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { AppError, serviceNames, type ServiceName } from '@convergence/contracts'

export interface ProcessesOptions {
  data_folder: string
  project_id?: string
  /** Of each service; default 1. */
  replicas?: number
  /** Of the first auth, the others follow; 0, the default, takes free ones. */
  api_port?: number
  /** Of the fronts; default free ones. */
  wire?: { pubsub?: number; bigquery?: number; kms?: number }
  /** DEBUG, INFO, WARNING or ERROR. */
  log_level?: string
  /** One line of a process's log, or a word about it. */
  log(name: string, line: string): void
  /**
   * Added to what each process gets; nothing of the environment of this process but its PATH and HOME goes on by
   * itself.
   */
  env?: Readonly<Record<string, string>>
  /** Where the services find the local cloud, given where it is: to put something between them. */
  through?(
    env: Readonly<Record<string, string>>,
    service: { name: ServiceName; replica: number },
  ): Record<string, string>
  /** What node is given to run; default the service's main.ts, or tools/local-cloud.ts: for tests. */
  entry?(name: ServiceName | 'local-cloud'): string[]
  /** How long a process may take to be ready, in milliseconds; default 60,000. */
  start_ms?: number
  /** How long a process may take to stop in order before it is killed, in milliseconds; default 60,000. */
  stop_ms?: number
}
export interface ServiceProcess {
  name: ServiceName | 'local-cloud'
  /** From 0. */
  replica: number
  readonly pid: number
  /** Of auth. */
  readonly url: string | undefined
  /** Health and metrics on 127.0.0.1; 0 for the local cloud, which has none. */
  readonly management_port: number
  readonly running: boolean
  kill(signal: NodeJS.Signals): void
  /** To the process, for entries that listen. */
  send(message: object): void
  /** Resolves when the process has ended, with its exit code or the signal that ended it. */
  ended(): Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  /** Stops it in order if it runs, starts it on the same ports, resolves when it is ready. */
  restart(): Promise<void>
}
export interface Processes {
  /** Of each auth. */
  urls: readonly string[]
  /** Undefined when ADMIN_API_KEY was given in `env`. */
  admin_key: string | undefined
  admin_key_is_new: boolean
  /** What clients of the fronts, and further services, need in their environment. */
  env: Readonly<Record<string, string>>
  cloud: ServiceProcess
  services: readonly ServiceProcess[]
  /** auth first, then the others, the local cloud last. May be called twice. */
  close(): Promise<void>
}

interface Ready {
  ready: true
  url?: string
  management_port?: number
  env?: Record<string, string>
  admin_key?: string
  admin_key_is_new?: boolean
}
interface Child extends ServiceProcess {
  start(): Promise<Ready>
  stop(): Promise<void>
}

const root = resolve(import.meta.dirname, '..')

const compileCache = join(root, 'tools/compile-cache.mjs')

const openChild = (
  name: Child['name'],
  replica: number,
  shown: string,
  envOf: (last: Ready | undefined) => Record<string, string>,
  { log, start_ms = 60_000, stop_ms = 60_000, entry }: ProcessesOptions,
): Child => {
  const file = entry?.(name) ?? [
    name === 'local-cloud' ? join(root, 'tools/local-cloud.ts') : join(root, 'services', name, 'src/main.ts'),
  ]
  let child: ChildProcess | undefined
  let last: Ready | undefined
  let wanted = false
  let ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }> = Promise.resolve({
    code: null,
    signal: null,
  })
  const running = () => child !== undefined && child.exitCode === null && child.signalCode === null

  const start = async (): Promise<Ready> => {
    // A group of its own: Ctrl-C reaches the parent alone, which stops all in order. The channel tells the child when
    // the parent is gone.
    const own = (child = spawn(process.execPath, ['--import', compileCache, ...file], {
      cwd: root,
      env: envOf(last),
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      detached: true,
    }))
    wanted = true
    const said: string[] = []
    for (const stream of [own.stdout, own.stderr]) {
      if (stream === null) continue
      createInterface({ input: stream }).on('line', (line) => {
        if (said.length < 20) said.push(line)
        log(shown, line)
      })
    }
    // close, not exit: its last words are read by then.
    ended = new Promise((done) => {
      own.once('error', (error) => {
        done({ code: 127, signal: null })
        log(shown, `not started: ${error.message}`)
      })
      own.once('close', (code, signal) => {
        done({ code, signal })
      })
    })
    let late: NodeJS.Timeout | undefined
    try {
      last = await Promise.race([
        new Promise<Ready>((done) => {
          own.once('message', (message) => {
            done(message as Ready)
          })
        }),
        ended.then(({ code, signal }) => {
          throw new AppError('SETTING_INVALID', `${shown} did not start (${signal ?? `exit code ${String(code)}`})`, {
            faults: said.filter((line) => /^(convergence | {2})/.test(line)),
          })
        }),
        new Promise<never>((_, refuse) => {
          late = setTimeout(() => {
            refuse(new AppError('UNAVAILABLE', `${shown} is not ready after ${start_ms / 1000} s; its log says why`))
          }, start_ms)
        }),
      ])
    } finally {
      clearTimeout(late)
    }
    void ended.then(({ code, signal }) => {
      if (wanted && own === child)
        log(shown, `ended by itself (${signal ?? `exit code ${String(code)}`}) and is not started again`)
    })
    return last
  }
  const stop = async (): Promise<void> => {
    wanted = false
    if (!running()) return
    child?.kill('SIGTERM')
    const hard = setTimeout(() => {
      log(shown, `not stopped after ${stop_ms / 1000} s: killed`)
      child?.kill('SIGKILL')
    }, stop_ms)
    await ended
    clearTimeout(hard)
  }
  return {
    name,
    replica,
    get pid() {
      return child?.pid ?? 0
    },
    get url() {
      return last?.url
    },
    get management_port() {
      return last?.management_port ?? 0
    },
    get running() {
      return running()
    },
    kill: (signal) => {
      child?.kill(signal)
    },
    send: (message) => {
      if (running()) child?.send(message)
    },
    ended: () => ended,
    restart: async () => {
      await stop()
      await start()
    },
    start,
    stop,
  }
}

const portOf = (address: string | undefined): string => /:(\d+)$/.exec(address ?? '')?.[1] ?? '0'

/** Resolves when all are ready. Throws, with nothing left running, what the first that did not start said. */
export const startProcesses = async (options: ProcessesOptions): Promise<Processes> => {
  const {
    data_folder: given,
    project_id = 'local-convergence',
    replicas = 1,
    api_port = 0,
    wire = {},
    log_level = 'WARNING',
  } = options
  const data_folder = resolve(given)
  const base: Record<string, string> = {
    ...(process.env['PATH'] === undefined ? {} : { PATH: process.env['PATH'] }),
    ...(process.env['HOME'] === undefined ? {} : { HOME: process.env['HOME'] }),
    CONVERGENCE_DATA_DIR: data_folder,
    GCP_PROJECT_ID: project_id,
    LOG_LEVEL: log_level,
    MANAGEMENT_PORT: '0',
    // What was compiled is kept: the next start is a second shorter.
    NODE_COMPILE_CACHE: join(root, 'node_modules/.cache/compiled'),
    ...options.env,
  }
  const cloud = openChild(
    'local-cloud',
    0,
    'local-cloud',
    (last) => ({
      ...base,
      // The services have its ports by now.
      PUBSUB_PORT: last === undefined ? String(wire.pubsub ?? 0) : portOf(last.env?.['PUBSUB_EMULATOR_HOST']),
      BIGQUERY_PORT: last === undefined ? String(wire.bigquery ?? 0) : portOf(last.env?.['BIGQUERY_EMULATOR_HOST']),
      KMS_PORT: last === undefined ? String(wire.kms ?? 0) : portOf(last.env?.['KMS_EMULATOR_HOST']),
    }),
    options,
  )
  const services: Child[] = []
  let closing: Promise<void> | undefined
  const close = () =>
    (closing ??= (async () => {
      await Promise.all(services.filter(({ name }) => name === 'auth').map((each) => each.stop()))
      await Promise.all(services.map((each) => each.stop()))
      await cloud.stop()
    })())
  try {
    const { env = {}, admin_key, admin_key_is_new = false } = await cloud.start()
    for (const name of serviceNames) {
      for (let replica = 0; replica < replicas; replica += 1) {
        services.push(
          openChild(
            name,
            replica,
            replicas === 1 ? name : `${name}.${replica}`,
            (last) => ({
              ...base,
              ...(options.through?.(env, { name, replica }) ?? env),
              REPLICA: `r${replica}`,
              MANAGEMENT_PORT: String(last?.management_port ?? base['MANAGEMENT_PORT']),
              ...(name === 'auth'
                ? {
                    API_PORT:
                      last?.url === undefined ? String(api_port === 0 ? 0 : api_port + replica) : portOf(last.url),
                  }
                : {}),
            }),
            options,
          ),
        )
      }
    }
    await Promise.all(services.map((each) => each.start()))
    return {
      urls: services.flatMap(({ url }) => url ?? []),
      admin_key,
      admin_key_is_new,
      cloud,
      services,
      close,
      env: { ...env, CONVERGENCE_DATA_DIR: data_folder, GCP_PROJECT_ID: project_id },
    }
  } catch (error) {
    await close()
    throw error
  }
}
