/** Encryption and decryption by a version of a key; rotation when it is due. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { AppError } from '@convergence/contracts'
import type { Decrypted, Encrypted } from './api.ts'
import { platformRing, type StoredKey } from './key-file.ts'
import { addVersion, keyIn, materialOf } from './keys.ts'
import { change, freshContent, time, type KeyringState } from './state.ts'

const ivBytes = 12

const tagBytes = 16

/** Google rotates by itself when the time has come; here the first use after it does. */
const rotateWhenDue = (keyring: KeyringState, name: string): StoredKey => {
  const key = keyIn(freshContent(keyring), name)
  if (
    key.rotation_seconds === undefined ||
    key.next_rotation_time === undefined ||
    key.next_rotation_time > time(keyring)
  )
    return key
  return change(keyring, (content) => {
    const due = keyIn(content, name)
    const [from, step] = [Date.parse(due.next_rotation_time ?? ''), (due.rotation_seconds ?? 1) * 1000]
    due.primary = addVersion(keyring, due).number
    due.next_rotation_time = time(keyring, from + step * (Math.floor((keyring.now().getTime() - from) / step) + 1))
    return due
  })
}

export const encrypt = (
  keyring: KeyringState,
  name: string,
  plaintext: Uint8Array,
  aad: Uint8Array,
  version?: number,
): Encrypted => {
  const key = rotateWhenDue(keyring, name)
  const number = version ?? key.primary
  if (number === undefined) throw new AppError('SETTING_INVALID', `crypto key ${name} has no primary version; name one`)
  const secret = materialOf(keyring, name, key, number)
  const head = Buffer.alloc(4 + ivBytes)
  head.writeUInt32BE(number)
  randomBytes(ivBytes).copy(head, 4)
  const cipher = createCipheriv('aes-256-gcm', secret, head.subarray(4), { authTagLength: tagBytes }).setAAD(
    boundData(name, number, aad),
  )
  return {
    version: number,
    ciphertext: Buffer.concat([head, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]),
  }
}

export const decrypt = (keyring: KeyringState, name: string, ciphertext: Uint8Array, aad: Uint8Array): Decrypted => {
  const key = keyIn(freshContent(keyring), name)
  const bytes = Buffer.from(ciphertext)
  const number = bytes.length < 4 + ivBytes + tagBytes ? 0 : bytes.readUInt32BE()
  if (number === 0 || number > key.versions.length) throw decryptionFailed(name)
  const secret = materialOf(keyring, name, key, number)
  try {
    const decipher = createDecipheriv('aes-256-gcm', secret, bytes.subarray(4, 4 + ivBytes), {
      authTagLength: tagBytes,
    })
      .setAAD(boundData(name, number, aad))
      .setAuthTag(bytes.subarray(-tagBytes))
    return {
      version: number,
      used_primary: number === key.primary,
      plaintext: Buffer.concat([decipher.update(bytes.subarray(4 + ivBytes, -tagBytes)), decipher.final()]),
    }
  } catch (error) {
    throw decryptionFailed(name, error)
  }
}

const decryptionFailed = (name: string, cause?: unknown): AppError =>
  new AppError(
    'CREDENTIAL_UNREADABLE',
    `crypto key ${name}: decryption failed: the ciphertext is of another key, was changed, or the additional ` +
      'authenticated data is other than at encryption',
    { cause },
  )

/**
 * A ciphertext opens under its own key and version alone. Keys of the platform's ring are named by their purpose, as
 * they always were.
 */
const boundData = (name: string, version: number, aad: Uint8Array): Buffer =>
  Buffer.concat([
    Buffer.from(`${name.startsWith(`${platformRing}/`) ? name.slice(platformRing.length + 1) : name}\n${version}\n`),
    aad,
  ])
