/**
 * Object stores that others wrote, each of a pinned version: installed by its own package manager into a folder of this
 * user's in the temporary one, started on the loopback, ended by its own process id.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, connect, type AddressInfo } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const installMs = 900_000
const startMs = 60_000

interface Recipe {
  name: string
  version: string
  /** Into a folder that is there and empty. */
  install(folder: string): Promise<unknown>
  /** The program and its arguments. */
  command(folder: string, port: number, data: string): readonly [string, ...string[]]
  env?: Readonly<Record<string, string>>
}
export interface Server {
  url: string
  end(): Promise<void>
}

const install = (command: string, words: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  run(command, words, { timeout: installMs, maxBuffer: 64 * 1024 ** 2, env: { ...process.env, ...env } })

export const moto: Recipe = {
  name: 'moto',
  version: '5.2.5',
  install: async (folder) => {
    await install('python3', ['-m', 'venv', folder])
    await install(join(folder, 'bin/pip'), ['install', '--quiet', `moto[server]==${moto.version}`])
  },
  command: (folder, port) => [join(folder, 'bin/moto_server'), '-H', '127.0.0.1', '-p', String(port)],
}
export const azurite = (accounts: string): Recipe => {
  const version = '3.37.0'
  return {
    name: 'azurite',
    version,
    install: (folder) =>
      install('npm', ['install', '--no-audit', '--no-fund', '--prefix', folder, `azurite@${version}`]),
    command: (folder, port, data) => [
      process.execPath,
      join(folder, 'node_modules/azurite/dist/src/blob/main.js'),
      ...['--blobHost', '127.0.0.1', '--blobPort', String(port), '--location', data],
      ...['--silent', '--disableTelemetry', '--skipApiVersionCheck'],
    ],
    env: { AZURITE_ACCOUNTS: accounts },
  }
}
export const fakeGcsServer: Recipe = {
  name: 'fake-gcs-server',
  version: '1.56.1',
  install: (folder) =>
    install('go', ['install', `github.com/fsouza/fake-gcs-server@v${fakeGcsServer.version}`], { GOBIN: folder }),
  command: (folder, port) => [
    join(folder, 'fake-gcs-server'),
    ...['-scheme', 'http', '-host', '127.0.0.1', '-port', String(port), '-public-host', `127.0.0.1:${port}`],
    ...['-backend', 'memory'],
  ],
}

/** Where it is installed; made by whoever is first. */
const installed = async ({ name, version, install: make }: Recipe): Promise<string> => {
  const folder = join(tmpdir(), `convergence-stores-${userInfo().uid}`, `${name}-${version}`)
  const done = join(folder, '.installed')
  if (existsSync(done)) return folder
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  await make(folder)
  writeFileSync(done, '')
  return folder
}
const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => {
        resolve(port)
      })
    })
  })
const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => {
      resolve(false)
    })
  })
const ended = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve()
    else
      child.once('exit', () => {
        resolve()
      })
  })
/** The last line that says something, of a command that failed. */
const whyOf = (error: unknown): string => {
  const { stderr = '', message = '' } = error as { stderr?: string; message?: string }
  return (stderr.trim() || message).split('\n').at(-1)?.slice(0, 200) ?? 'unknown'
}

/** A server that answers, or why there is none. */
export const startServer = async (recipe: Recipe): Promise<Server | { why: string }> => {
  let folder: string
  try {
    folder = await installed(recipe)
  } catch (error) {
    return { why: `${recipe.name} ${recipe.version} cannot be installed: ${whyOf(error)}` }
  }
  const data = mkdtempSync(join(tmpdir(), `convergence-${recipe.name}-`))
  const port = await freePort()
  const [program, ...words] = recipe.command(folder, port, data)
  const child = spawn(program, words, { stdio: 'ignore', env: { ...process.env, ...recipe.env } })
  child.on('error', () => undefined)
  const end = async () => {
    child.kill('SIGTERM')
    const hard = setTimeout(() => child.kill('SIGKILL'), 5_000)
    await ended(child)
    clearTimeout(hard)
    rmSync(data, { recursive: true, force: true })
  }
  for (const until = Date.now() + startMs; Date.now() < until && child.pid !== undefined && child.exitCode === null;) {
    if (await answers(port)) return { url: `http://127.0.0.1:${port}`, end }
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  if (child.pid !== undefined) await end()
  return { why: `${recipe.name} ${recipe.version} does not start` }
}
