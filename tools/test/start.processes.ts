/** `npm start` as a process, with every kind of setting. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { readSettings } from '../settings.ts'

const root = join(import.meta.dirname, '../..')
/** Free ports for everything. */
const free = { API_PORT: '0', PUBSUB_PORT: '0', BIGQUERY_PORT: '0', KMS_PORT: '0' }
const longKey = `cdpadm_${'a'.repeat(40)}`

interface Started {
  /** undefined when it ended before it was ready. */
  url: string | undefined
  text(): string
  /** The first group of the pattern, once the output holds it; fails when the program ends without. */
  printed(pattern: RegExp): Promise<string>
  /** Its exit code. */
  ended: Promise<number | null>
  stop(): Promise<number | null>
}

const setup = () => {
  const folders: string[] = []
  const running: Started[] = []
  return {
    folder: () => {
      const folder = mkdtempSync(join(tmpdir(), 'convergence-start-'))
      folders.push(folder)
      return folder
    },
    /** Resolves when it is ready or has ended. */
    start: async (env: Record<string, string>, folder: string, args: string[] = []): Promise<Started> => {
      const child = spawn(
        process.execPath,
        ['--import', join(root, 'tools/compile-cache.mjs'), join(root, 'tools/start.ts'), ...args],
        {
          cwd: folder,
          env: { PATH: process.env['PATH'], HOME: folder, ...free, ...env },
          stdio: ['ignore', 'pipe', 'pipe'],
        },
      )
      let said = ''
      const waiting = new Set<() => void>()
      const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (chunk: Buffer) => {
          said += chunk.toString()
          for (const look of waiting) look()
        })
      /** undefined when it ends without. */
      const found = (pattern: RegExp) =>
        new Promise<string | undefined>((resolve) => {
          const look = () => {
            const group = pattern.exec(said)?.[1]
            if (group === undefined) return
            waiting.delete(look)
            resolve(group)
          }
          waiting.add(look)
          look()
          void ended.then(() => {
            resolve(undefined)
          })
        })
      const url = await found(/ready at (http:\S+) .*\n[^]*\n {2}clients/)
      const started: Started = {
        url: url?.replace('0.0.0.0', '127.0.0.1'),
        text: () => said,
        printed: async (pattern) => {
          const group = await found(pattern)
          expect(group, `${String(pattern)} in ${said}`).to.be.a('string')
          return group ?? ''
        },
        ended,
        stop: () => {
          child.kill('SIGTERM')
          return ended
        },
      }
      running.push(started)
      return started
    },
    close: async () => {
      await Promise.all(running.map((each) => each.stop()))
      for (const folder of folders) rmSync(folder, { recursive: true, force: true })
    },
  }
}

const onboard = async (url: string | undefined): Promise<number> =>
  (
    await fetch(`${url ?? ''}/api/v1/tenants/onboard`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({
        tenant_id: 'acme_corp',
        company_name: 'Acme',
        admin_email: 'admin@acme.example',
        subscription_plan: 'STARTER',
      }),
    })
  ).status

describe('npm start', function () {
  this.timeout(180_000)
  let world: ReturnType<typeof setup>
  beforeEach(() => {
    world = setup()
  })
  afterEach(() => world.close())

  it('is in local mode as the services are: each of 64 environments', () => {
    for (let row = 0; row < 64; row += 1) {
      const on = (bit: number) => (row & (1 << bit)) !== 0
      const env = {
        ...(on(0) ? { WIRE_HOST: '0.0.0.0' } : {}),
        ...(on(1) ? { KUBERNETES_SERVICE_HOST: '10.0.0.1' } : {}),
        ...(on(2) ? { K_SERVICE: 'convergence' } : {}),
        ...(on(3) ? { LISTEN_HOST: '0.0.0.0' } : {}),
        ...(on(4) ? { PUBSUB_EMULATOR_HOST: 'pubsub:8085' } : {}),
        ...(on(5) ? { KMS_EMULATOR_HOST: 'kms:9060' } : {}),
      }
      expect(readSettings(env).local_mode, JSON.stringify(env)).to.equal(row === 0)
    }
  })

  it('onboards without a key in local mode alone', async () => {
    const reached: Record<string, string>[] = [
      {},
      { KUBERNETES_SERVICE_HOST: '10.0.0.1' },
      { K_SERVICE: 'convergence' },
      { LISTEN_HOST: '0.0.0.0' },
      { WIRE_HOST: '0.0.0.0' },
    ]
    for (const env of reached) {
      const local = Object.keys(env).length === 0
      const started = await world.start({ ...env, ADMIN_API_KEY: longKey }, world.folder())
      expect(started.url, started.text()).to.be.a('string')
      expect(await onboard(started.url), JSON.stringify(env)).to.equal(local ? 201 : 403)
      expect(await started.stop()).to.equal(0)
    }
  })

  it('refuses a short admin key where others can reach the door, and what cannot be honoured, all at once', async () => {
    const short = await world.start({ K_SERVICE: 'convergence', ADMIN_API_KEY: 'hunter2hunter2' }, world.folder())
    expect(await short.ended, short.text()).to.equal(78)
    expect(short.text()).to.contain('ADMIN_API_KEY expected a key of at least 128 bits').and.not.to.contain('hunter2')

    const wrong = await world.start(
      { DISABLE_AUTH: 'true', SIGNING_KEY: 'hunter2', RUNTIME: 'gcp', TRUSTED_PROXIES: 'two', CORS_ORIGINS: '*' },
      world.folder(),
    )
    expect(await wrong.ended, wrong.text()).to.equal(78)
    expect(wrong.text().match(/^ {2}[A-Z_]+ expected/gm)).to.have.members([
      '  DISABLE_AUTH expected',
      '  SIGNING_KEY expected',
      '  RUNTIME expected',
      '  TRUSTED_PROXIES expected',
      '  CORS_ORIGINS expected',
    ])
    expect(wrong.text()).to.contain('5 settings are wrong, nothing was started').and.not.to.contain('hunter2')
  })

  it('honours the settings of the services, from the environment and from .env', async () => {
    const folder = world.folder()
    writeFileSync(
      join(folder, '.env'),
      'CORS_ORIGINS=https://console.acme.example\nBIGQUERY_LOCATION=US\nENVIRONMENT=staging\n',
    )
    const started = await world.start({ ENVIRONMENT: 'production', MANAGEMENT_PORT: '0' }, folder)
    expect(started.url, started.text()).to.be.a('string')
    const health = await fetch(`${started.url ?? ''}/health`, { headers: { Origin: 'https://console.acme.example' } })
    expect(health.headers.get('access-control-allow-origin')).to.equal('https://console.acme.example')
    // The environment comes before the file.
    expect(await health.json()).to.include({ environment: 'production' })
    const bigquery = await started.printed(/BIGQUERY_EMULATOR_HOST=(\S+)\s/)
    const dataset = await fetch(`${bigquery}/bigquery/v2/projects/local-convergence/datasets/tenants`)
    expect(await dataset.json()).to.include({ location: 'US' })
    const ready = await started.printed(/health +(http\S+)\n/)
    expect(await (await fetch(ready)).json()).to.deep.equal({ status: 'ready', reasons: [] })
  })

  it('prints its usage with --help, and does nothing else', async () => {
    const folder = world.folder()
    const { ended, text, url } = await world.start({}, folder, ['--help'])
    expect(url).to.equal(undefined)
    expect(await ended).to.equal(0)
    expect(text()).to.match(/^npm start\n/)
  })
})
