/** What the key file offers, in the terms of Cloud KMS. */
import type { KeyWrapper, Purpose } from '@convergence/secrets'

export type VersionState = 'ENABLED' | 'DISABLED' | 'DESTROY_SCHEDULED' | 'DESTROYED'

export interface KeyVersion {
  /** From 1. */
  number: number
  state: VersionState
  /** RFC 3339. */
  create_time: string
  /** When it will be destroyed, while that is scheduled. */
  destroy_time?: string
  destroy_event_time?: string
}

export interface CryptoKey {
  /** Undefined: nothing can be encrypted until one is named. */
  primary?: number
  create_time: string
  labels: Readonly<Record<string, string>>
  /** Seconds that a version can be restored after it was given up. */
  destroy_scheduled_seconds: number
  /** A new primary version is made at `next_rotation_time`, then every so many seconds. */
  rotation_seconds?: number
  next_rotation_time?: string
  versions: readonly KeyVersion[]
}

export interface KeyRing {
  create_time: string
  keys: Readonly<Record<string, CryptoKey>>
}

export type KeyChange = Partial<Pick<CryptoKey, 'labels' | 'rotation_seconds' | 'next_rotation_time'>>

export type KeyOptions = KeyChange & Partial<Pick<CryptoKey, 'destroy_scheduled_seconds'>> & { empty?: boolean }

export type StateChange = 'ENABLED' | 'DISABLED' | 'DESTROY' | 'RESTORE'

export interface Encrypted {
  version: number
  ciphertext: Buffer
}

export interface Decrypted {
  version: number
  used_primary: boolean
  plaintext: Buffer
}

/** Names are `{location}/{ring}` and `{location}/{ring}/{key}`. Every method throws NOT_FOUND for what is not there. */
export interface Keyring extends KeyWrapper {
  rings(): Readonly<Record<string, KeyRing>>
  /** Throws CONFLICT when it is there. */
  createRing(ring: string): KeyRing
  /** With a first version, which is primary, unless `empty`. Throws CONFLICT when it is there. */
  createKey(key: string, options: KeyOptions): CryptoKey
  updateKey(key: string, change: KeyChange): CryptoKey
  /** Enabled, or as `state` says. Not primary until it is named so. */
  createVersion(key: string, state?: 'ENABLED' | 'DISABLED'): KeyVersion
  /** Throws SETTING_INVALID when that version is not enabled. */
  setPrimary(key: string, version: number): CryptoKey
  /**
   * Throws SETTING_INVALID when the version's state does not allow it: enable and disable one that is either, destroy
   * what is not given up yet, restore what is. A restored one is disabled.
   */
  setState(key: string, version: number, to: StateChange): KeyVersion
  /** By the primary version, or the one asked for. Throws SETTING_INVALID when it is not enabled. */
  encrypt(key: string, plaintext: Uint8Array, aad: Uint8Array, version?: number): Encrypted
  /** Throws CREDENTIAL_UNREADABLE when anything does not fit, SETTING_INVALID when the version is not enabled. */
  decrypt(key: string, ciphertext: Uint8Array, aad: Uint8Array): Decrypted
  /** A new primary version of the purpose's key; older ones still unwrap. Returns its number. */
  rotate(purpose: Purpose): number
}
