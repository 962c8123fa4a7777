/**
 * `npm run publish-run -- --tenant T --pipeline P [--param k=v]`: an upstream system that asks for a run by a signed
 * message, with Google's
 * plain client. Written to be copied: nothing of the platform is imported, `request` is all that a publisher needs.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomUUID,
  sign,
  type KeyObject,
} from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
// eslint-disable-next-line no-restricted-imports -- an upstream has no door of ours: this is what it would write
import { PubSub } from '@google-cloud/pubsub'

export interface RunRequest {
  tenant_id: string
  /** Path of the pipeline's file without .yml, such as gcp/cost/billing. */
  pipeline: string
  parameters: Readonly<Record<string, string>>
  /** Key id under which the public key is registered, and the Ed25519 private key. */
  kid: string
  key: KeyObject
  /** The same key again is the same run. */
  idempotency_key: string
  now: Date
}

/**
 * The message: body, and attributes of which `sig` signs key id, tenant, idempotency key, time and the hash of the
 * body, a line each.
 */
export const request = ({
  tenant_id,
  pipeline,
  parameters,
  kid,
  key,
  idempotency_key,
  now,
}: RunRequest): { data: Buffer; attributes: Record<string, string> } => {
  const data = Buffer.from(JSON.stringify({ tenant_id, pipeline, parameters, trigger_type: 'publisher' }))
  const ts = now.toISOString()
  const signed = ['v1', kid, tenant_id, idempotency_key, ts, createHash('sha256').update(data).digest('hex')].join('\n')
  return {
    data,
    attributes: {
      event: 'run-requested',
      version: '1',
      tenant_id,
      kid,
      idempotency_key,
      ts,
      sig: sign(null, Buffer.from(signed), key).toString('base64'),
    },
  }
}

/** Id of the run that a request makes: known before anybody has answered. */
export const runIdOf = (tenant_id: string, idempotency_key: string): string => {
  const alphabet = 'abcdefghijklmnopqrstuvwxyz234567'
  const bits = [...createHash('sha256').update(`${tenant_id}\u001f${idempotency_key}`).digest()]
    .map((byte) => byte.toString(2).padStart(8, '0'))
    .join('')
  const letterOf = (index: number) => alphabet.charAt(Number.parseInt(bits.slice(index * 5, index * 5 + 5), 2))
  return `r_${Array.from({ length: 26 }, (_, index) => letterOf(index)).join('')}`
}

class UsageError extends Error {}

const usage = `npm run publish-run -- --tenant T --pipeline P [--param k=v ...] [--idempotency-key K]
                       [--key-file PEM --kid ID]
  --tenant           tenant id, such as acme_corp
  --pipeline         such as gcp/cost/billing
  --param            parameter of the run; may be repeated
  --idempotency-key  the same key again is the same run; default a new one
  --key-file, --kid  Ed25519 private key (PKCS8, PEM) and the id under which its public key is registered; against
                     a local platform they may be left out: a key is made in the data folder and registered
Environment: PUBSUB_EMULATOR_HOST (default 127.0.0.1:8085) or RUNTIME=gcp, GCP_PROJECT_ID,
             API_URL (default http://127.0.0.1:8000), CONVERGENCE_DATA_DIR`

/** A key of this machine, registered at the platform that runs on it. */
const localKey = async (
  tenant_id: string,
  data_folder: string,
  api_url: string,
): Promise<{ kid: string; key: KeyObject }> => {
  const kid = `${tenant_id}-upstream`
  const file = join(data_folder, `publisher-${tenant_id}.pem`)
  const admin = join(data_folder, 'admin-key')
  if (!existsSync(admin))
    throw new UsageError(
      `no --key-file given, and ${admin} is not there to register one: ` +
        `start npm start or npm run dev first, or set CONVERGENCE_DATA_DIR`,
    )
  if (!existsSync(file))
    writeFileSync(file, generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }), {
      mode: 0o600,
    })
  const key = createPrivateKey(readFileSync(file, 'utf8'))
  const answer = await fetch(`${api_url}/api/v1/admin/publisher-keys`, {
    method: 'POST',
    headers: { 'X-Admin-Key': readFileSync(admin, 'utf8').trim(), 'Content-Type': 'application/json' },
    body: JSON.stringify({
      kid,
      tenant_id,
      public_key: createPublicKey(key).export({ type: 'spki', format: 'der' }).toString('base64'),
    }),
  }).catch((error: unknown) => {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error)
    throw new UsageError(`${api_url} does not answer (${cause}): ` + `is the platform running, is API_URL right?`)
  })
  if (!answer.ok)
    throw new UsageError(
      `the key was not registered: ` +
        (((await answer.json().catch(() => ({}))) as { detail?: string }).detail ?? `status ${answer.status}`),
    )
  return { kid, key }
}

const main = async (): Promise<void> => {
  const { values } = parseArgs({
    options: {
      tenant: { type: 'string' },
      pipeline: { type: 'string' },
      param: { type: 'string', multiple: true, default: [] },
      'idempotency-key': { type: 'string' },
      'key-file': { type: 'string' },
      kid: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) {
    console.log(usage)
    return
  }
  const {
    tenant: tenant_id,
    pipeline,
    kid: given_kid,
    'key-file': key_file,
    'idempotency-key': idempotency_key = randomUUID(),
  } = values
  const {
    RUNTIME,
    GCP_PROJECT_ID: project_id = 'local-convergence',
    API_URL: api_url = 'http://127.0.0.1:8000',
    CONVERGENCE_DATA_DIR: data_folder = '.convergence',
  } = process.env
  const host = RUNTIME === 'gcp' ? undefined : (process.env['PUBSUB_EMULATOR_HOST'] ?? '127.0.0.1:8085')
  if (tenant_id === undefined || pipeline === undefined)
    throw new UsageError(`--tenant and --pipeline are needed\n${usage}`)
  if ((key_file === undefined) !== (given_kid === undefined)) throw new UsageError('--key-file and --kid go together')
  if (key_file === undefined && host === undefined)
    throw new UsageError(
      'with RUNTIME=gcp --key-file and --kid are needed: openssl genpkey -algorithm ed25519 makes a key, ' +
        'POST /api/v1/admin/publisher-keys registers its public half',
    )
  const parameters = Object.fromEntries(
    values.param.map((text) => {
      const at = text.indexOf('=')
      if (at < 1) throw new UsageError(`--param expected name=value, got ${JSON.stringify(text)}`)
      return [text.slice(0, at), text.slice(at + 1)]
    }),
  )
  const { kid, key } =
    key_file !== undefined && given_kid !== undefined
      ? { kid: given_kid, key: privateKeyOf(key_file) }
      : await localKey(tenant_id, data_folder, api_url)

  // A local Pub/Sub asks for no credentials: the client need not look for a metadata server.
  if (host !== undefined) process.env['METADATA_SERVER_DETECTION'] ??= 'none'
  const client = new PubSub({
    projectId: project_id,
    ...(host === undefined ? {} : { apiEndpoint: host, emulatorMode: true }),
  })
  try {
    const topic = client.topic('run-requested', { gaxOpts: { timeout: 10_000 } })
    const message_id = await topic
      .publishMessage(request({ tenant_id, pipeline, parameters, kid, key, idempotency_key, now: new Date() }))
      .catch((error: unknown) => {
        throw new UsageError(
          `not published: ${error instanceof Error ? error.message : String(error)}` +
            (host === undefined ? '' : ` (Pub/Sub at ${host}: is it running?)`),
        )
      })
    const id = runIdOf(tenant_id, idempotency_key)
    console.log(`published as message ${message_id}, signed by ${kid}`)
    console.log(`  run              ${id}`)
    console.log(`  idempotency key  ${idempotency_key}   (the same again is the same run)`)
    console.log(`  follow it        curl -N ${api_url}/api/v1/pipelines/runs/${id}/events -H "X-API-Key: $KEY"`)
  } finally {
    await client.close()
  }
}

const privateKeyOf = (file: string): KeyObject => {
  let key: KeyObject
  try {
    key = createPrivateKey(readFileSync(file, 'utf8'))
  } catch {
    throw new UsageError(
      `${file}: expected an Ed25519 private key in PEM; openssl genpkey -algorithm ed25519 -out ${file} makes one`,
    )
  }
  if (key.asymmetricKeyType !== 'ed25519')
    throw new UsageError(`${file}: expected an Ed25519 key, got ${key.asymmetricKeyType ?? 'another kind'}`)
  return key
}

if (import.meta.main) {
  await main().catch((error: unknown) => {
    const wrongUse =
      error instanceof UsageError ||
      (error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS'))
    console.error(wrongUse && error instanceof Error ? `convergence publish-run: ${error.message}` : error)
    process.exitCode = wrongUse ? 2 : 1
  })
}
