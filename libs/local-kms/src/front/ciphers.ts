/** Encrypt and Decrypt, with the checksums of what came and of what goes back. */
import { Crc32c } from '@aws-crypto/crc32c'
import { invalid } from '@convergence/local-wire'
import type * as grpc from '@grpc/grpc-js'
import { isVersion, keyPath, method, nameOf, versionAt, type FrontState } from './state.ts'

interface Checksum {
  value: string
}

/** What software keys take: plaintext, and additional authenticated data, at most. */
const mostBytes = 65_536

const checksumOf = (bytes: Uint8Array): string => String(new Crc32c().update(bytes).digest())

/** Throws when the caller sent a checksum that the bytes do not have: they were changed on the way. */
const verifyChecksum = (what: string, bytes: Uint8Array, given: Checksum | null | undefined): boolean => {
  if (given === null || given === undefined) return false
  if (given.value !== checksumOf(bytes))
    throw invalid(
      `${what}_crc32c: expected ${checksumOf(bytes)} for the ${bytes.length} bytes of ${what} that came, ` +
        `got ${given.value}; they were changed on the way: send them again`,
    )
  return true
}

const assertLength = (what: string, bytes: Uint8Array): Uint8Array => {
  if (bytes.length > mostBytes) throw invalid(`${what}: expected at most ${mostBytes} bytes, got ${bytes.length}`)
  return bytes
}

export const cipherMethods = (front: FrontState): grpc.UntypedServiceImplementation => ({
  ...method(
    front,
    'Encrypt',
    ({
      name,
      plaintext,
      additionalAuthenticatedData: aad,
      plaintextCrc32c,
      additionalAuthenticatedDataCrc32c,
    }: {
      name: string
      plaintext: Buffer
      additionalAuthenticatedData: Buffer
      plaintextCrc32c?: Checksum | null
      additionalAuthenticatedDataCrc32c?: Checksum | null
    }) => {
      const { key, number } = isVersion(name)
        ? versionAt(front, name)
        : { key: nameOf(front, name, 'key'), number: undefined }
      const verifiedPlaintextCrc32c = verifyChecksum('plaintext', assertLength('plaintext', plaintext), plaintextCrc32c)
      const verifiedAdditionalAuthenticatedDataCrc32c = verifyChecksum(
        'additional_authenticated_data',
        assertLength('additional_authenticated_data', aad),
        additionalAuthenticatedDataCrc32c,
      )
      const { version, ciphertext } = front.keyring.encrypt(key, plaintext, aad, number)
      return {
        name: `${keyPath(front, key)}/cryptoKeyVersions/${version}`,
        ciphertext,
        ciphertextCrc32c: { value: checksumOf(ciphertext) },
        verifiedPlaintextCrc32c,
        verifiedAdditionalAuthenticatedDataCrc32c,
        protectionLevel: 'SOFTWARE',
      }
    },
  ),
  ...method(
    front,
    'Decrypt',
    ({
      name,
      ciphertext,
      additionalAuthenticatedData: aad,
      ciphertextCrc32c,
      additionalAuthenticatedDataCrc32c,
    }: {
      name: string
      ciphertext: Buffer
      additionalAuthenticatedData: Buffer
      ciphertextCrc32c?: Checksum | null
      additionalAuthenticatedDataCrc32c?: Checksum | null
    }) => {
      verifyChecksum('ciphertext', ciphertext, ciphertextCrc32c)
      verifyChecksum(
        'additional_authenticated_data',
        assertLength('additional_authenticated_data', aad),
        additionalAuthenticatedDataCrc32c,
      )
      const { plaintext, used_primary } = front.keyring.decrypt(nameOf(front, name, 'key'), ciphertext, aad)
      return {
        plaintext,
        plaintextCrc32c: { value: checksumOf(plaintext) },
        usedPrimary: used_primary,
        protectionLevel: 'SOFTWARE',
      }
    },
  ),
})
