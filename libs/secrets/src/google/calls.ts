/** Encrypt and Decrypt of Cloud KMS, tried again while that may help, every byte checked both ways. */
import { Crc32c } from '@aws-crypto/crc32c'
import { grpcStatus, isTransientStatus, statusNameOf, statusOf } from '@convergence/contracts/grpc-status'
import { retry } from '@convergence/contracts/retry'
import type { KeyManagementServiceClient } from '@google-cloud/kms'
import { unreadable, type Purpose } from '../secrets.ts'
import { asAppError, Changed } from './errors.ts'

const firstPauseMs = 100

export interface KmsState {
  readonly client: KeyManagementServiceClient
  readonly key_ring: string
  readonly log: { warn(fields: object, message: string): void }
  readonly tries: number
  /** Options of a call. The client's own retries would hide how often and how long; these are ours. */
  readonly once: { timeout: number; retry: null }
}

const checksum = (bytes: Uint8Array): number => new Crc32c().update(bytes).digest()

const bytesOf = (given: Uint8Array | string | null | undefined): Buffer =>
  typeof given === 'string' ? Buffer.from(given, 'base64') : Buffer.from(given ?? [])

const numberOf = (given: { value?: unknown } | null | undefined): number | undefined =>
  given?.value === undefined || given.value === null ? undefined : Number(given.value)

const keyOf = (kms: KmsState, purpose: Purpose): string => `${kms.key_ring}/cryptoKeys/${purpose}`

const untilConfirmed = <T>(kms: KmsState, what: string, call: () => Promise<T>): Promise<T> =>
  retry(call, {
    tries: kms.tries,
    first_ms: firstPauseMs,
    isTransient: (error) => {
      const status = statusOf(error)
      return error instanceof Changed || (status !== undefined && isTransientStatus(status))
    },
    onRetry: (error, tried) => {
      kms.log.warn(
        { request: what, tried, error: error instanceof Changed ? error.message : statusNameOf(error) },
        'KMS is asked again',
      )
    },
  })

export const wrap = async (kms: KmsState, purpose: Purpose, dataKey: Uint8Array, aad: string): Promise<Uint8Array> => {
  const [name, plaintext, additionalAuthenticatedData] = [keyOf(kms, purpose), Buffer.from(dataKey), Buffer.from(aad)]
  const what = `encrypt with ${name}`
  try {
    return await untilConfirmed(kms, what, async () => {
      const [answer] = await kms.client.encrypt(
        {
          name,
          plaintext,
          additionalAuthenticatedData,
          plaintextCrc32c: { value: checksum(plaintext) },
          additionalAuthenticatedDataCrc32c: { value: checksum(additionalAuthenticatedData) },
        },
        kms.once,
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
    throw asAppError(error, what)
  } finally {
    plaintext.fill(0)
  }
}

export const unwrap = async (
  kms: KmsState,
  purpose: Purpose,
  wrapped: Uint8Array,
  aad: string,
): Promise<Uint8Array> => {
  const [name, ciphertext, additionalAuthenticatedData] = [keyOf(kms, purpose), Buffer.from(wrapped), Buffer.from(aad)]
  const what = `decrypt with ${name}`
  try {
    return await untilConfirmed(kms, what, async () => {
      const [answer] = await kms.client.decrypt(
        {
          name,
          ciphertext,
          additionalAuthenticatedData,
          ciphertextCrc32c: { value: checksum(ciphertext) },
          additionalAuthenticatedDataCrc32c: { value: checksum(additionalAuthenticatedData) },
        },
        kms.once,
      )
      const plaintext = bytesOf(answer.plaintext)
      if (numberOf(answer.plaintextCrc32c) !== checksum(plaintext))
        throw new Changed('the plaintext was changed on its way back')
      return plaintext
    })
  } catch (error) {
    // Google says the same of a wrong key, a changed ciphertext and other additional data; so does the door.
    throw statusOf(error) === grpcStatus.INVALID_ARGUMENT ? unreadable(purpose, error) : asAppError(error, what)
  }
}
