/**
 * The door's suite on Google's own Pub/Sub emulator, where it and Java are installed. Part of npm run test:clients.
 * What the emulator is known not to do is
 * named, and its cases are skipped by that name: filters (a filtered subscription gets everything), and order after a
 * message was given back.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openGoogleBus } from '../src/google.ts'
import { busConformance } from './conformance.ts'

process.env['METADATA_SERVER_DETECTION'] = 'none'
const log = { warn: () => undefined, error: () => undefined }

/** The emulator's program, in the Cloud SDK of this machine. */
const findJar = (): string | undefined => {
  const asked = spawnSync('gcloud', ['info', '--format=value(installation.sdk_root)'], { encoding: 'utf8' })
  for (const sdk of [
    asked.status === 0 ? asked.stdout.trim() : '',
    '/usr/lib/google-cloud-sdk',
    join(process.env['HOME'] ?? '', 'google-cloud-sdk'),
  ]) {
    const lib = join(sdk, 'platform/pubsub-emulator/lib')
    const jar =
      sdk === '' || !existsSync(lib)
        ? undefined
        : readdirSync(lib).find((name) => /^cloud-pubsub-emulator.*\.jar$/.test(name))
    if (jar !== undefined) return join(lib, jar)
  }
  return undefined
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

describe("bus, Google's client on Google's emulator", function () {
  this.timeout(60_000)
  let emulator: ChildProcess | undefined
  let folder = ''
  let port = 0
  let worlds = 0
  before(async function () {
    this.timeout(90_000)
    const jar = findJar()
    if (jar === undefined || spawnSync('java', ['-version'], { stdio: 'ignore' }).status !== 0) {
      console.log(
        "    skipped: Google's Pub/Sub emulator (gcloud components install pubsub-emulator) or Java is not installed",
      )
      this.skip()
    }
    folder = mkdtempSync(join(tmpdir(), 'convergence-emulator-'))
    port = await freePort()
    const child = (emulator = spawn('java', ['-jar', jar, '--host=127.0.0.1', `--port=${port}`], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    }))
    await new Promise<void>((resolve, reject) => {
      const onText = (chunk: Buffer) => {
        if (chunk.includes('started')) resolve()
      }
      child.stdout.on('data', onText)
      child.stderr.on('data', onText)
      child.once('exit', (code) => {
        reject(new Error(`the emulator ended with ${String(code)}`))
      })
    })
  })
  after(() => {
    emulator?.kill('SIGKILL')
    if (folder !== '') rmSync(folder, { recursive: true, force: true })
  })

  busConformance({
    lacks: ['filters', 'ordering'],
    open: async () => {
      worlds += 1
      // A project of its own for each case: the emulator keeps everything in one memory.
      const bus = openGoogleBus({
        project_id: `case-${worlds}`,
        api_endpoint: `127.0.0.1:${port}`,
        log,
        close_timeout_ms: 3_000,
      })
      return { port: bus, end: () => bus.close() }
    },
  })
})
