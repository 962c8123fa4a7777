/**
 * The other side of the door: Cloud KMS, by the unmodified client. One crypto key per purpose in one ring; what goes
 * there and comes back is checked by CRC32C both ways, so a byte that changed on the way is never stored. Fails closed:
 * what KMS does not confirm is an error.
 */
import { AppError } from '@convergence/contracts'
import { KeyManagementServiceClient } from '@google-cloud/kms'
import { credentials } from '@grpc/grpc-js'
import { PassThroughClient } from 'google-auth-library'
import { unwrap, wrap, type KmsState } from './google/calls.ts'
import type { KeyWrapper, Purpose } from './secrets.ts'

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
/** Purposes that this identity must be able to use. */
export interface Needed {
  seals?: readonly Purpose[]
  opens?: readonly Purpose[]
}
/** The key wrapper, and a look at whether this identity can do what it must. */
export interface KmsPort extends KeyWrapper {
  /**
   * Throws SETTING_INVALID with one sentence: which key is missing or which permission, and how it is made. Encrypts
   * for `seals`, decrypts for `opens`.
   */
  assertUsable(needed: Needed): Promise<void>
}

/** gRPC would wait up to two minutes before it looks again for a server that was away. */
const reconnecting = { 'grpc.max_reconnect_backoff_ms': 5_000 }

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
  const kms: KmsState = { client, key_ring, log, tries, once: { timeout: timeout_ms, retry: null } }
  const assertUsable = async ({ seals = [], opens = [] }: Needed): Promise<void> => {
    const faults: string[] = []
    const note = (error: unknown) => {
      if (!(error instanceof AppError) || error.code !== 'SETTING_INVALID') throw error
      faults.push(error.message)
    }
    for (const purpose of seals) await wrap(kms, purpose, Buffer.alloc(1), 'start').catch(note)
    // Whoever may decrypt may not encrypt: that a made-up ciphertext is refused as such shows that the key is there
    // and allowed.
    for (const purpose of opens)
      await unwrap(kms, purpose, Buffer.alloc(64), 'start').catch((error: unknown) => {
        if (!(error instanceof AppError && error.code === 'CREDENTIAL_UNREADABLE')) note(error)
      })
    if (faults.length > 0)
      throw new AppError(
        'SETTING_INVALID',
        faults.length === 1 ? (faults[0] ?? '') : `${faults.length} keys of ${key_ring} cannot be used`,
        { faults: faults.length === 1 ? [] : faults },
      )
  }
  return {
    wrap: (purpose, dataKey, aad) => wrap(kms, purpose, dataKey, aad),
    unwrap: (purpose, wrapped, aad) => unwrap(kms, purpose, wrapped, aad),
    assertUsable,
    close: async () => {
      await client.close()
    },
  }
}
