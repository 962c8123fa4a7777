/** Rings, keys and their versions: made, shown, changed. */
import { randomBytes } from 'node:crypto'
import { AppError } from '@convergence/contracts'
import type { CryptoKey, KeyChange, KeyOptions, KeyRing, KeyVersion, StateChange, VersionState } from './api.ts'
import { monthSeconds, type KeyFile, type StoredKey, type StoredVersion } from './key-file.ts'
import { change, freshContent, time, type KeyringState } from './state.ts'

export const keyIn = (content: KeyFile, name: string): StoredKey => {
  const [location, ring, id] = name.split('/')
  const found = content.rings[`${location ?? ''}/${ring ?? ''}`]?.keys[id ?? '']
  if (found === undefined)
    throw new AppError('NOT_FOUND', `crypto key ${name} does not exist; create it in its key ring first`)
  return found
}

const versionOf = (key: StoredKey, name: string, number: number): StoredVersion => {
  const found = key.versions[number - 1]
  if (found === undefined) throw new AppError('NOT_FOUND', `crypto key ${name} has no version ${number}`)
  return found
}

const stateOf = (keyring: KeyringState, { state, destroy_time }: KeyVersion): VersionState =>
  state === 'DESTROY_SCHEDULED' && destroy_time !== undefined && destroy_time <= time(keyring) ? 'DESTROYED' : state

const publicVersion = (keyring: KeyringState, { material: _material, ...version }: StoredVersion): KeyVersion => {
  const state = stateOf(keyring, version)
  return state === version.state ? version : { ...version, state, destroy_event_time: version.destroy_time ?? '' }
}

const publicKey = (keyring: KeyringState, key: StoredKey): CryptoKey => ({
  ...key,
  versions: key.versions.map((version) => publicVersion(keyring, version)),
})

export const addVersion = (keyring: KeyringState, key: StoredKey, state: VersionState = 'ENABLED'): StoredVersion => {
  const version: StoredVersion = {
    number: key.versions.length + 1,
    state,
    create_time: time(keyring),
    material: randomBytes(32).toString('base64'),
  }
  key.versions.push(version)
  return version
}

export const materialOf = (keyring: KeyringState, name: string, key: StoredKey, number: number): Buffer => {
  const version = versionOf(key, name, number)
  const state = stateOf(keyring, version)
  if (state !== 'ENABLED' || version.material === undefined)
    throw new AppError(
      'SETTING_INVALID',
      `crypto key ${name}: version ${number} is ${state}; enable or restore it, or use another`,
    )
  return Buffer.from(version.material, 'base64')
}

export const setPrimary = (keyring: KeyringState, name: string, number: number): CryptoKey =>
  change(keyring, (content) => {
    const key = keyIn(content, name)
    materialOf(keyring, name, key, number)
    key.primary = number
    return publicKey(keyring, key)
  })

export const createVersion = (keyring: KeyringState, name: string, state?: 'ENABLED' | 'DISABLED'): KeyVersion =>
  change(keyring, (content) => publicVersion(keyring, addVersion(keyring, keyIn(content, name), state)))

export const rings = (keyring: KeyringState): Readonly<Record<string, KeyRing>> =>
  Object.fromEntries(
    Object.entries(freshContent(keyring).rings).map(([name, ring]) => [
      name,
      {
        ...ring,
        keys: Object.fromEntries(Object.entries(ring.keys).map(([id, key]) => [id, publicKey(keyring, key)])),
      },
    ]),
  )

export const createRing = (keyring: KeyringState, name: string): KeyRing =>
  change(keyring, (content) => {
    if (content.rings[name] !== undefined) throw new AppError('CONFLICT', `key ring ${name} exists`)
    const made = { create_time: time(keyring), keys: {} }
    content.rings[name] = made
    return made
  })

export const createKey = (
  keyring: KeyringState,
  name: string,
  { empty = false, labels = {}, destroy_scheduled_seconds = monthSeconds, ...rotation }: KeyOptions,
): CryptoKey =>
  change(keyring, (content) => {
    const [location, ringName, id = ''] = name.split('/')
    const ring = content.rings[`${location ?? ''}/${ringName ?? ''}`]
    if (ring === undefined)
      throw new AppError('NOT_FOUND', `key ring ${location ?? ''}/${ringName ?? ''} does not exist; create it first`)
    if (ring.keys[id] !== undefined) throw new AppError('CONFLICT', `crypto key ${name} exists`)
    const key: StoredKey = { create_time: time(keyring), labels, destroy_scheduled_seconds, ...rotation, versions: [] }
    if (!empty) key.primary = addVersion(keyring, key).number
    ring.keys[id] = key
    return publicKey(keyring, key)
  })

export const updateKey = (keyring: KeyringState, name: string, changes: KeyChange): CryptoKey =>
  change(keyring, (content) => {
    const key = keyIn(content, name)
    Object.assign(key, changes)
    for (const field of ['rotation_seconds', 'next_rotation_time'] as const)
      if (field in changes && changes[field] === undefined) Reflect.deleteProperty(key, field)
    return publicKey(keyring, key)
  })

export const setState = (keyring: KeyringState, name: string, number: number, to: StateChange): KeyVersion =>
  change(keyring, (content) => {
    const key = keyIn(content, name)
    const version = versionOf(key, name, number)
    const state = stateOf(keyring, version)
    const allowed = to === 'RESTORE' ? state === 'DESTROY_SCHEDULED' : state === 'ENABLED' || state === 'DISABLED'
    if (!allowed)
      throw new AppError(
        'SETTING_INVALID',
        `crypto key ${name}: version ${number} is ${state}; ` +
          (to === 'RESTORE' ? 'only one whose destruction is scheduled can be restored' : 'it can no longer be used'),
      )
    if (to === 'DESTROY')
      Object.assign(version, {
        state: 'DESTROY_SCHEDULED',
        destroy_time: time(keyring, keyring.now().getTime() + key.destroy_scheduled_seconds * 1000),
      })
    else {
      version.state = to === 'ENABLED' ? 'ENABLED' : 'DISABLED'
      delete version.destroy_time
    }
    // What was given up long enough ago leaves the file with the next change.
    for (const each of key.versions)
      if (each.state === 'DESTROY_SCHEDULED' && stateOf(keyring, each) === 'DESTROYED') {
        Object.assign(each, { state: 'DESTROYED', destroy_event_time: each.destroy_time })
        delete each.material
      }
    return publicVersion(keyring, version)
  })
