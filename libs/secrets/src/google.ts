/**
 * The other side of the door: Cloud KMS, by the unmodified client. One crypto key per purpose in one ring; what goes
 * there and comes back
 * is checked by CRC32C both ways, so a byte that changed on the way is never stored. Fails closed: what KMS does not
 * confirm is an error.
 */
import { retry } from '@convergence/contracts/retry'
import { Crc32c } from '@aws-crypto/crc32c'
import { KeyManagementServiceClient } from '@google-cloud/kms'
import { credentials } from '@grpc/grpc-js'
import { PassThroughClient } from 'google-auth-library'
import { AppError } from '@convergence/contracts'
import { unreadable, type KeyWrapper, type Purpose } from './secrets.ts'

export interface KmsOptions {
  /** projects/{project}/locations/{location}/keyRings/{name}; its keys are named by their purpose. */
  key_ring: string
  /** A local KMS, such as 127.0.0.1:9060: no credentials are looked for, nothing is encrypted on the way. */
  api_endpoint?: string
  log: { warn(fields: object, message: string): void }
  /** How long one call may take, in milliseconds; default 3,000. */
  timeout_ms?: number
  /** How often a call is made at most, when what came back says that it may work later; default 3. */
  tries?: number
}
/** The key wrapper, and a look at whether this identity can do what it must. */
export interface KmsPort extends KeyWrapper {
  /**
   * Throws SETTING_INVALID with one sentence: which key is missing or which permission, and how it is made. Encrypts
   * for `seals`, decrypts for `opens`.
   */
  assertUsable(needed: { seals?: readonly Purpose[]; opens?: readonly Purpose[] }): Promise<void>
}

const codes = { invalidArgument: 3, notFound: 5, forbidden: 7, failedPrecondition: 9, unauthenticated: 16 }
/**
 * Codes after which the same call may work: cancelled, unknown, deadline, exhausted, aborted, internal, unavailable.
 */
const transientStatuses = new Set([1, 2, 4, 8, 10, 13, 14])
const names = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
]
const firstPauseMs = 100

const codeOf = (error: unknown): number | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : undefined
const checksum = (bytes: Uint8Array): number => new Crc32c().update(bytes).digest()
const bytesOf = (given: Uint8Array | string | null | undefined): Buffer =>
  typeof given === 'string' ? Buffer.from(given, 'base64') : Buffer.from(given ?? [])
const numberOf = (given: { value?: unknown } | null | undefined): number | undefined =>
  given?.value === undefined || given.value === null ? undefined : Number(given.value)

/** gRPC would wait up to two minutes before it looks again for a server that was away. */
const reconnecting = { 'grpc.max_reconnect_backoff_ms': 5_000 }

/** Bytes that came back with another checksum than they were sent with, or that KMS did not confirm. */
class Changed extends Error {}

export const openKms = ({ key_ring, api_endpoint, log, timeout_ms = 3_000, tries = 3 }: KmsOptions): KmsPort => {
  const [host, port] = api_endpoint?.split(':') ?? []
  const client = new KeyManagementServiceClient(
    host === undefined
      ? reconnecting
      : {
          ...reconnecting,
          apiEndpoint: host,
          port: Number(port),
          sslCreds: credentials.createInsecure(),
          authClient: new PassThroughClient(),
          projectId: key_ring.split('/')[1] ?? '',
        },
  )
  const keyOf = (purpose: Purpose): string => `${key_ring}/cryptoKeys/${purpose}`
  // The client's own retries would hide how often and how long; these are ours.
  const once = { timeout: timeout_ms, retry: null }

  /** What Google said and of which request; never what was to be encrypted. */
  const worded = (error: unknown, what: string): AppError => {
    const code = codeOf(error)
    const said =
      error instanceof Changed
        ? error.message
        : `${names[code ?? 2] ?? 'UNKNOWN'}: ${(error instanceof Error ? error.message.replace(/^\d+ [A-Z_]+: /, '') : String(error)).slice(0, 300)}`
    if (code === codes.notFound)
      return new AppError(
        'SETTING_INVALID',
        `${what}: the key is not there (${said}); KMS_KEY_RING names its ring, k8s/platform or npm run apply makes both`,
        { cause: error },
      )
    if (code === codes.forbidden || code === codes.unauthenticated)
      return new AppError(
        'SETTING_INVALID',
        `${what}: KMS refuses it (${said}); give this service's identity the role in k8s/platform, or sign in`,
        { cause: error },
      )
    if (code === codes.failedPrecondition)
      return new AppError(
        'SETTING_INVALID',
        `${what}: the key cannot be used (${said}); enable or restore its version`,
        { cause: error },
      )
    return new AppError('UNAVAILABLE', `${what}: KMS does not answer as it should (${said}); it is tried again`, {
      cause: error,
    })
  }
  const patiently = <T>(what: string, call: () => Promise<T>): Promise<T> =>
    retry(call, {
      tries,
      first_ms: firstPauseMs,
      isTransient: (error) => {
        const code = codeOf(error)
        return error instanceof Changed || (code !== undefined && transientStatuses.has(code))
      },
      onRetry: (error, tried) => {
        log.warn(
          { request: what, tried, error: error instanceof Changed ? error.message : names[codeOf(error) ?? 2] },
          'KMS is asked again',
        )
      },
    })

  const wrap: KeyWrapper['wrap'] = async (purpose, dataKey, aad) => {
    const [name, plaintext, additionalAuthenticatedData] = [keyOf(purpose), Buffer.from(dataKey), Buffer.from(aad)]
    const what = `encrypt with ${name}`
    try {
      return await patiently(what, async () => {
        const [answer] = await client.encrypt(
          {
            name,
            plaintext,
            additionalAuthenticatedData,
            plaintextCrc32c: { value: checksum(plaintext) },
            additionalAuthenticatedDataCrc32c: { value: checksum(additionalAuthenticatedData) },
          },
          once,
        )
        const ciphertext = bytesOf(answer.ciphertext)
        if (answer.verifiedPlaintextCrc32c !== true || answer.verifiedAdditionalAuthenticatedDataCrc32c !== true)
          throw new Changed('KMS did not confirm the checksums of what it got')
        if (numberOf(answer.ciphertextCrc32c) !== checksum(ciphertext))
          throw new Changed('the ciphertext was changed on its way back')
        if (!(answer.name ?? '').startsWith(`${name}/`))
          throw new Changed(`KMS used ${String(answer.name)}, another key than it was asked to`)
        return ciphertext
      })
    } catch (error) {
      throw worded(error, what)
    } finally {
      plaintext.fill(0)
    }
  }
  const unwrap: KeyWrapper['unwrap'] = async (purpose, wrapped, aad) => {
    const [name, ciphertext, additionalAuthenticatedData] = [keyOf(purpose), Buffer.from(wrapped), Buffer.from(aad)]
    const what = `decrypt with ${name}`
    try {
      return await patiently(what, async () => {
        const [answer] = await client.decrypt(
          {
            name,
            ciphertext,
            additionalAuthenticatedData,
            ciphertextCrc32c: { value: checksum(ciphertext) },
            additionalAuthenticatedDataCrc32c: { value: checksum(additionalAuthenticatedData) },
          },
          once,
        )
        const plaintext = bytesOf(answer.plaintext)
        if (numberOf(answer.plaintextCrc32c) !== checksum(plaintext))
          throw new Changed('the plaintext was changed on its way back')
        return plaintext
      })
    } catch (error) {
      // Google says the same of a wrong key, a changed ciphertext and other additional data; so does the door.
      throw codeOf(error) === codes.invalidArgument ? unreadable(purpose, error) : worded(error, what)
    }
  }
  return {
    wrap,
    unwrap,
    assertUsable: async ({ seals = [], opens = [] }) => {
      const faults: string[] = []
      const note = (error: unknown) => {
        if (!(error instanceof AppError) || error.code !== 'SETTING_INVALID') throw error
        faults.push(error.message)
      }
      for (const purpose of seals) await wrap(purpose, Buffer.alloc(1), 'start').catch(note)
      // Whoever may decrypt may not encrypt: that a made-up ciphertext is refused as such shows that the key is there
      // and allowed.
      for (const purpose of opens)
        await unwrap(purpose, Buffer.alloc(64), 'start').catch((error: unknown) => {
          if (!(error instanceof AppError && error.code === 'CREDENTIAL_UNREADABLE')) note(error)
        })
      if (faults.length > 0)
        throw new AppError(
          'SETTING_INVALID',
          faults.length === 1 ? (faults[0] ?? '') : `${faults.length} keys of ${key_ring} cannot be used`,
          { faults: faults.length === 1 ? [] : faults },
        )
    },
    close: async () => {
      await client.close()
    },
  }
}
