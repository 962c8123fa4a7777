/**
 * The key file that stands in for Cloud KMS, in its terms: key rings, crypto keys of AES-256-GCM, numbered versions
 * with a state, one of them primary. One process changes it; others may read. As a key wrapper it uses one key per
 * purpose in the ring of the platform, as Google's side does.
 */
import { existsSync } from 'node:fs'
import { unreadable } from '@convergence/secrets'
import type { Keyring } from './api.ts'
import { decrypt, encrypt } from './ciphers.ts'
import { createKeyFile, platformRing, readKeyFile, stampOf } from './key-file.ts'
import { createKey, createRing, createVersion, rings, setPrimary, setState, updateKey } from './keys.ts'
import type { KeyringState } from './state.ts'

export type { Keyring } from './api.ts'

export interface KeyringOptions {
  file: string
  now?: () => Date
}

/** Makes the file if it is missing. Throws SETTING_INVALID when others may read it or it is damaged. */
export const openKeyring = ({ file, now = () => new Date() }: KeyringOptions): Keyring => {
  if (!existsSync(file)) createKeyFile(file, now().toISOString())
  const keyring: KeyringState = { file, now, seen: stampOf(file), current: readKeyFile(file) }

  return {
    rings: () => rings(keyring),
    createRing: (name) => createRing(keyring, name),
    createKey: (name, given) => createKey(keyring, name, given),
    updateKey: (name, changes) => updateKey(keyring, name, changes),
    createVersion: (name, state) => createVersion(keyring, name, state),
    setPrimary: (name, number) => setPrimary(keyring, name, number),
    setState: (name, number, to) => setState(keyring, name, number, to),
    encrypt: (name, plaintext, aad, version) => encrypt(keyring, name, plaintext, aad, version),
    decrypt: (name, ciphertext, aad) => decrypt(keyring, name, ciphertext, aad),
    wrap: async (purpose, dataKey, aad) =>
      encrypt(keyring, `${platformRing}/${purpose}`, dataKey, Buffer.from(aad)).ciphertext,
    unwrap: async (purpose, wrapped, aad) => {
      try {
        return decrypt(keyring, `${platformRing}/${purpose}`, wrapped, Buffer.from(aad)).plaintext
      } catch (error) {
        throw unreadable(purpose, error)
      }
    },
    rotate: (purpose) => {
      const name = `${platformRing}/${purpose}`
      const { number } = createVersion(keyring, name)
      setPrimary(keyring, name, number)
      return number
    },
    close: () => Promise.resolve(),
  }
}
