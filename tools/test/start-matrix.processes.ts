/**
 * Every service's real process, with every kind of bad setting: exit code, one sentence per fault, no secret, and
 * nothing loaded that is not allowed.
 */
import { spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { serviceNames, type ServiceName } from '@convergence/contracts'

const root = join(import.meta.dirname, '../..')
const secret = 'hunter2hunter2hunter2hunter2hunter2hunter2hunter2'

const setup = () => {
  const folder = mkdtempSync(join(tmpdir(), 'convergence-matrix-'))
  const hook = join(folder, 'trace.mjs')
  writeFileSync(
    hook,
    `import { registerHooks } from 'node:module'
import { appendFileSync } from 'node:fs'
registerHooks({ resolve: (specifier, context, next) => { const found = next(specifier, context); appendFileSync(process.env.TRACE_FILE, found.url + '\\n'); return found } })
`,
  )
  let runs = 0
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const signing_key = privateKey.export({ type: 'pkcs8', format: 'der' }).toString('base64')
  const public_key = publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
  const platform_keys = `auth=${public_key},scheduler=${public_key}`
  const credentials = join(folder, 'credentials.json')
  // Workload identity whose token file is not there: signing in fails in this process, without a network.
  writeFileSync(
    credentials,
    JSON.stringify({
      type: 'external_account',
      audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q',
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      token_url: 'http://127.0.0.1:1/token',
      credential_source: { file: join(folder, 'no-token') },
    }),
  )
  return {
    credentials,
    signing_key,
    /** What each service needs on Google Cloud. */
    gcp: {
      RUNTIME: 'gcp',
      GCP_PROJECT_ID: 'acme-prod',
      BIGQUERY_LOCATION: 'EU',
      KMS_KEY_RING: 'projects/acme-prod/locations/europe/keyRings/convergence',
      SIGNING_KEY: signing_key,
      PLATFORM_KEYS: platform_keys,
      ADMIN_KEY_HASHES: 'a'.repeat(64),
      SMTP_URL: 'smtp://user:password@mail.acme.example:587',
      MANAGEMENT_PORT: '0',
      LISTEN_HOST: '127.0.0.1',
      API_PORT: '0',
      // Where no metadata server is, the client would look for one for seconds.
      METADATA_SERVER_DETECTION: 'none',
      GOOGLE_APPLICATION_CREDENTIALS: credentials,
    } as Record<string, string>,
    local: {
      PUBSUB_EMULATOR_HOST: '127.0.0.1:1',
      BIGQUERY_EMULATOR_HOST: 'http://127.0.0.1:1',
      KMS_EMULATOR_HOST: '127.0.0.1:1',
      MANAGEMENT_PORT: '0',
      API_PORT: '0',
      SIGNING_KEY: signing_key,
      PLATFORM_KEYS: platform_keys,
    } as Record<string, string>,
    /** `until`: SIGTERM when it has said this. */
    run: (
      service: ServiceName,
      env: Record<string, string>,
      until?: string,
    ): Promise<{ code: number | null; text: string; faults: string[]; loaded: string[] }> => {
      return new Promise<{ code: number | null; text: string; faults: string[]; loaded: string[] }>((resolve) => {
        const trace = join(folder, `trace-${(runs += 1)}`)
        writeFileSync(trace, '')
        const child = spawn(process.execPath, ['--import', hook, join(root, 'services', service, 'src/main.ts')], {
          cwd: folder,
          env: {
            PATH: process.env['PATH'],
            HOME: folder,
            TRACE_FILE: trace,
            NODE_COMPILE_CACHE: join(folder, 'cache'),
            ...env,
          },
          stdio: ['ignore', 'pipe', 'pipe'],
        })
        let text = ''
        for (const stream of [child.stdout, child.stderr])
          stream.on('data', (chunk: Buffer) => {
            text += chunk.toString()
            if (until !== undefined && text.includes(until)) child.kill('SIGTERM')
          })
        child.on('close', (code) => {
          resolve({
            code,
            text,
            faults: text
              .split('\n')
              .filter((line) => line.startsWith('  '))
              .map((line) => line.trim()),
            loaded: readFileSync(trace, 'utf8').split('\n'),
          })
        })
      })
    },
    close: () => {
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
type World = ReturnType<typeof setup>
const embedded = (loaded: readonly string[]) =>
  loaded.filter((url) => /\/libs\/local-|\/libs\/googlesql\/src\/(?!lexer\.ts)|duckdb|node:sqlite/.test(url))
const clients = (loaded: readonly string[]) => loaded.filter((url) => /@google-cloud|@aws-sdk|@azure/.test(url))
const without = (env: Record<string, string>, ...names: string[]) =>
  Object.fromEntries(Object.entries(env).filter(([name]) => !names.includes(name)))

describe('start-up matrix', function () {
  this.timeout(60_000)
  let world: World
  before(() => {
    world = setup()
  })
  after(() => {
    world.close()
  })

  /** Told at once, one line each, before anything is loaded. */
  const refused = async (service: ServiceName, env: Record<string, string>, variables: readonly string[]) => {
    const { code, text, faults, loaded } = await world.run(service, env)
    expect(code, text).to.equal(78)
    expect(faults.map((fault) => fault.split(' ')[0]).sort(), text).to.deep.equal([...variables].sort())
    for (const fault of faults) expect(fault).to.match(/expected .+/)
    expect(text).to.match(
      new RegExp(
        `^convergence ${service}: ${variables.length === 1 ? '1 setting is' : `${variables.length} settings are`} wrong, nothing was started\n`,
      ),
    )
    expect(text).not.to.contain(secret)
    expect(text).not.to.match(/^\s+at /m)
    expect(
      loaded.some((url) => url.endsWith(`/services/${service}/src/main.ts`)),
      'the trace sees what is loaded',
    ).to.be.true
    expect([...embedded(loaded), ...clients(loaded)]).to.deep.equal([])
    return text
  }
  const own: Record<ServiceName, string[]> = {
    auth: ['KMS_KEY_RING', 'SIGNING_KEY', 'ADMIN_KEY_HASHES', 'PLATFORM_KEYS'],
    tenant: ['SIGNING_KEY', 'PLATFORM_KEYS'],
    scheduler: ['SIGNING_KEY', 'PLATFORM_KEYS'],
    executor: ['KMS_KEY_RING', 'SIGNING_KEY', 'PLATFORM_KEYS'],
    notifier: ['KMS_KEY_RING', 'SMTP_URL', 'PLATFORM_KEYS'],
  }
  const malformed: Record<ServiceName, Record<string, string>> = {
    auth: { SIGNING_KEY: `${secret}!`, ADMIN_KEY_HASHES: secret, API_PORT: '8o00', ENVIRONMENT: 'prod' },
    tenant: { LOG_LEVEL: 'LOUD' },
    scheduler: { SIGNING_KEY: `${secret}!`, PLATFORM_KEYS: 'me=1' },
    executor: { KMS_KEY_RING: 'my-ring' },
    notifier: { SMTP_URL: `http://user:${secret}@mail`, MAIL_FROM: 'me' },
  }

  for (const service of serviceNames) {
    describe(service, () => {
      it('without its settings says each of them, for the local cloud and for Google Cloud', async () => {
        const [text] = await Promise.all([
          refused(service, {}, [
            'PUBSUB_EMULATOR_HOST',
            'BIGQUERY_EMULATOR_HOST',
            ...(own[service].includes('KMS_KEY_RING') ? ['KMS_EMULATOR_HOST'] : []),
          ]),
          refused(service, { RUNTIME: 'gcp', PUBSUB_EMULATOR_HOST: '' }, [
            'GCP_PROJECT_ID',
            'BIGQUERY_LOCATION',
            ...own[service],
          ]),
        ])
        expect(text).to.contain('npm run local-cloud').and.to.contain(`services/${service}/README.md`)
      })
      it('with malformed settings says what was expected and, but for secrets, what came', async () => {
        const text = await refused(
          service,
          { ...world.gcp, GCP_PROJECT_ID: 'Acme Prod', MANAGEMENT_PORT: '99999', ...malformed[service] },
          ['GCP_PROJECT_ID', 'MANAGEMENT_PORT', ...Object.keys(malformed[service])],
        )
        expect(text).to.contain('got "Acme Prod"').and.to.contain('got "99999"')
      })
      it('with RUNTIME=gcp refuses emulators, a data folder, DISABLE_AUTH, a plain admin key and credentials that are not there', async () => {
        await refused(
          service,
          {
            ...world.gcp,
            PUBSUB_EMULATOR_HOST: '127.0.0.1:8085',
            SPANNER_EMULATOR_HOST: 'x',
            DISABLE_AUTH: 'true',
            ADMIN_API_KEY: secret,
            CONVERGENCE_DATA_DIR: '/data',
            GOOGLE_APPLICATION_CREDENTIALS: join(root, 'no-such-file.json'),
          },
          [
            'PUBSUB_EMULATOR_HOST',
            'SPANNER_EMULATOR_HOST',
            'DISABLE_AUTH',
            'ADMIN_API_KEY',
            'CONVERGENCE_DATA_DIR',
            'GOOGLE_APPLICATION_CREDENTIALS',
          ],
        )
      })
      it('says which port is in use, and which setting chooses another', async () => {
        const taken = createServer()
        await new Promise<void>((resolve) => {
          taken.listen(0, '127.0.0.1', resolve)
        })
        const { port } = taken.address() as AddressInfo
        const { code, text } = await world.run(service, { ...world.local, MANAGEMENT_PORT: String(port) })
        taken.close()
        expect(code, text).to.equal(78)
        expect(text).to.equal(
          `convergence ${service}: port ${port} of 127.0.0.1 is in use; choose another with MANAGEMENT_PORT\n`,
        )
      })
      it('with good settings of Google Cloud loads its clients and nothing embedded; stops in order while it waits for an answer', async () => {
        const { code, text, loaded } = await world.run(
          service,
          { ...world.gcp, DISABLE_AUTH: 'false' },
          'no answer yet',
        )
        expect(code, text).to.equal(0)
        expect(text).not.to.contain(world.signing_key)
        expect(clients(loaded)).not.to.be.empty
        expect(embedded(loaded)).to.deep.equal([])
      })
    })
  }

  it('DISABLE_AUTH is refused wherever others could reach the door', async () => {
    const reached: Record<string, string>[] = [
      { KUBERNETES_SERVICE_HOST: '10.0.0.1' },
      { K_SERVICE: 'auth' },
      { LISTEN_HOST: '0.0.0.0' },
      { PUBSUB_EMULATOR_HOST: 'pubsub:8085' },
    ]
    await Promise.all(
      reached.map((extra) => refused('auth', { ...world.local, ...extra, DISABLE_AUTH: 'true' }, ['DISABLE_AUTH'])),
    )
  })

  it('a signing key that is none is told without being shown', async () => {
    const wrong = Buffer.from(secret.repeat(2)).toString('base64').slice(0, 64)
    const { code, text } = await world.run('scheduler', { ...without(world.local, 'SIGNING_KEY'), SIGNING_KEY: wrong })
    expect(code, text).to.equal(78)
    expect(text).to.contain('SIGNING_KEY expected an Ed25519 private key').and.not.to.contain(wrong)
  })
})
