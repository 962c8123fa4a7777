/**
 * The key file that stands in for Cloud KMS, in its terms: key rings, crypto keys of AES-256-GCM, numbered versions
 * with a state, one of
 * them primary. The file is of mode 0600, is replaced as a whole, and is made once even when several processes start at
 * the same time.
 * One process changes it; others may read. As a key wrapper it uses one key per purpose in the ring of the platform, as
 * Google's side does.
 */
import { createCipheriv, createDecipheriv, randomBytes, randomUUID } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { AppError } from '@convergence/contracts'
import { purposes, unreadable, type KeyWrapper, type Purpose } from '@convergence/secrets'

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

/** Names are `{location}/{ring}` and `{location}/{ring}/{key}`. Every method throws NOT_FOUND for what is not there. */
export interface Keyring extends KeyWrapper {
  rings(): Readonly<Record<string, KeyRing>>
  /** Throws CONFLICT when it is there. */
  createRing(ring: string): KeyRing
  /** With a first version, which is primary, unless `empty`. Throws CONFLICT when it is there. */
  createKey(
    key: string,
    options: Partial<
      Pick<CryptoKey, 'labels' | 'destroy_scheduled_seconds' | 'rotation_seconds' | 'next_rotation_time'>
    > & { empty?: boolean },
  ): CryptoKey
  updateKey(
    key: string,
    change: Partial<Pick<CryptoKey, 'labels' | 'rotation_seconds' | 'next_rotation_time'>>,
  ): CryptoKey
  /** Enabled, or as `state` says. Not primary until it is named so. */
  createVersion(key: string, state?: 'ENABLED' | 'DISABLED'): KeyVersion
  /** Throws SETTING_INVALID when that version is not enabled. */
  setPrimary(key: string, version: number): CryptoKey
  /**
   * Throws SETTING_INVALID when the version's state does not allow it: enable and disable one that is either, destroy
   * what is not given up yet, restore what is. A restored one is disabled.
   */
  setState(key: string, version: number, to: 'ENABLED' | 'DISABLED' | 'DESTROY' | 'RESTORE'): KeyVersion
  /** By the primary version, or the one asked for. Throws SETTING_INVALID when it is not enabled. */
  encrypt(
    key: string,
    plaintext: Uint8Array,
    aad: Uint8Array,
    version?: number,
  ): { version: number; ciphertext: Buffer }
  /** Throws CREDENTIAL_UNREADABLE when anything does not fit, SETTING_INVALID when the version is not enabled. */
  decrypt(
    key: string,
    ciphertext: Uint8Array,
    aad: Uint8Array,
  ): { version: number; used_primary: boolean; plaintext: Buffer }
  /** A new primary version of the purpose's key; older ones still unwrap. Returns its number. */
  rotate(purpose: Purpose): number
}

/** `material`: base64 of 32 bytes, gone once the version is destroyed. */
type StoredVersion = KeyVersion & { material?: string }
type StoredKey = Omit<CryptoKey, 'versions'> & { versions: StoredVersion[] }
interface KeyFile {
  format: 2
  rings: Record<string, { create_time: string; keys: Record<string, StoredKey> }>
}
/** What the first release wrote: keys by purpose, version 1 first. */
interface FirstKeyFile {
  format: 1
  keys: Record<Purpose, string[]>
}

/** The ring of the platform: what KMS_KEY_RING names locally. */
export const platformRing = 'global/convergence'

const ivBytes = 12
const tagBytes = 16
const monthSeconds = 30 * 86_400

export interface KeyringOptions {
  file: string
  now?: () => Date
}

/** Makes the file if it is missing. Throws SETTING_INVALID when others may read it or it is damaged. */
export const openKeyring = ({ file, now = () => new Date() }: KeyringOptions): Keyring => {
  const time = (ms = now().getTime()) => new Date(ms).toISOString()
  if (!existsSync(file)) create(file, time())
  let seen = stamp(file)
  let current = read(file)

  /** The file as it is now: another process may have changed it. */
  const fresh = (): KeyFile => {
    const is = stamp(file)
    if (is !== seen) {
      current = read(file)
      seen = is
    }
    return current
  }
  const change = <T>(work: (content: KeyFile) => T): T => {
    const next = structuredClone(fresh())
    const result = work(next)
    renameSync(writeAside(file, next), file)
    current = next
    seen = stamp(file)
    return result
  }
  const find = (content: KeyFile, name: string): StoredKey => {
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
  const stateOf = ({ state, destroy_time }: KeyVersion): VersionState =>
    state === 'DESTROY_SCHEDULED' && destroy_time !== undefined && destroy_time <= time() ? 'DESTROYED' : state
  const shownVersion = ({ material: _material, ...version }: StoredVersion): KeyVersion => {
    const state = stateOf(version)
    return state === version.state ? version : { ...version, state, destroy_event_time: version.destroy_time ?? '' }
  }
  const shownKey = (key: StoredKey): CryptoKey => ({ ...key, versions: key.versions.map(shownVersion) })
  const add = (key: StoredKey, state: VersionState = 'ENABLED'): StoredVersion => {
    const version: StoredVersion = {
      number: key.versions.length + 1,
      state,
      create_time: time(),
      material: randomBytes(32).toString('base64'),
    }
    key.versions.push(version)
    return version
  }
  const material = (name: string, key: StoredKey, number: number): Buffer => {
    const version = versionOf(key, name, number)
    const state = stateOf(version)
    if (state !== 'ENABLED' || version.material === undefined)
      throw new AppError(
        'SETTING_INVALID',
        `crypto key ${name}: version ${number} is ${state}; enable or restore it, or use another`,
      )
    return Buffer.from(version.material, 'base64')
  }
  /** Google rotates by itself when the time has come; here the first use after it does. */
  const rotateWhenDue = (name: string): StoredKey => {
    const key = find(fresh(), name)
    if (key.rotation_seconds === undefined || key.next_rotation_time === undefined || key.next_rotation_time > time())
      return key
    return change((content) => {
      const due = find(content, name)
      const [from, step] = [Date.parse(due.next_rotation_time ?? ''), (due.rotation_seconds ?? 1) * 1000]
      due.primary = add(due).number
      due.next_rotation_time = time(from + step * (Math.floor((now().getTime() - from) / step) + 1))
      return due
    })
  }

  const encrypt: Keyring['encrypt'] = (name, plaintext, aad, version) => {
    const key = rotateWhenDue(name)
    const number = version ?? key.primary
    if (number === undefined)
      throw new AppError('SETTING_INVALID', `crypto key ${name} has no primary version; name one`)
    const secret = material(name, key, number)
    const head = Buffer.alloc(4 + ivBytes)
    head.writeUInt32BE(number)
    randomBytes(ivBytes).copy(head, 4)
    const cipher = createCipheriv('aes-256-gcm', secret, head.subarray(4), { authTagLength: tagBytes }).setAAD(
      bound(name, number, aad),
    )
    return {
      version: number,
      ciphertext: Buffer.concat([head, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]),
    }
  }
  const decrypt: Keyring['decrypt'] = (name, ciphertext, aad) => {
    const key = find(fresh(), name)
    const bytes = Buffer.from(ciphertext)
    const number = bytes.length < 4 + ivBytes + tagBytes ? 0 : bytes.readUInt32BE()
    if (number === 0 || number > key.versions.length) throw unopened(name)
    const secret = material(name, key, number)
    try {
      const decipher = createDecipheriv('aes-256-gcm', secret, bytes.subarray(4, 4 + ivBytes), {
        authTagLength: tagBytes,
      })
        .setAAD(bound(name, number, aad))
        .setAuthTag(bytes.subarray(-tagBytes))
      return {
        version: number,
        used_primary: number === key.primary,
        plaintext: Buffer.concat([decipher.update(bytes.subarray(4 + ivBytes, -tagBytes)), decipher.final()]),
      }
    } catch (error) {
      throw unopened(name, error)
    }
  }
  const setPrimary = (name: string, number: number): CryptoKey =>
    change((content) => {
      const key = find(content, name)
      material(name, key, number)
      key.primary = number
      return shownKey(key)
    })
  const createVersion: Keyring['createVersion'] = (name, state) =>
    change((content) => shownVersion(add(find(content, name), state)))

  return {
    rings: () =>
      Object.fromEntries(
        Object.entries(fresh().rings).map(([name, ring]) => [
          name,
          { ...ring, keys: Object.fromEntries(Object.entries(ring.keys).map(([id, key]) => [id, shownKey(key)])) },
        ]),
      ),
    createRing: (name) =>
      change((content) => {
        if (content.rings[name] !== undefined) throw new AppError('CONFLICT', `key ring ${name} exists`)
        const made = { create_time: time(), keys: {} }
        content.rings[name] = made
        return made
      }),
    createKey: (name, { empty = false, labels = {}, destroy_scheduled_seconds = monthSeconds, ...rotation }) =>
      change((content) => {
        const [location, ringName, id = ''] = name.split('/')
        const ring = content.rings[`${location ?? ''}/${ringName ?? ''}`]
        if (ring === undefined)
          throw new AppError(
            'NOT_FOUND',
            `key ring ${location ?? ''}/${ringName ?? ''} does not exist; create it first`,
          )
        if (ring.keys[id] !== undefined) throw new AppError('CONFLICT', `crypto key ${name} exists`)
        const key: StoredKey = { create_time: time(), labels, destroy_scheduled_seconds, ...rotation, versions: [] }
        if (!empty) key.primary = add(key).number
        ring.keys[id] = key
        return shownKey(key)
      }),
    updateKey: (name, changes) =>
      change((content) => {
        const key = find(content, name)
        Object.assign(key, changes)
        for (const field of ['rotation_seconds', 'next_rotation_time'] as const)
          if (field in changes && changes[field] === undefined) Reflect.deleteProperty(key, field)
        return shownKey(key)
      }),
    createVersion,
    setPrimary,
    setState: (name, number, to) =>
      change((content) => {
        const key = find(content, name)
        const version = versionOf(key, name, number)
        const state = stateOf(version)
        const allowed = to === 'RESTORE' ? state === 'DESTROY_SCHEDULED' : state === 'ENABLED' || state === 'DISABLED'
        if (!allowed)
          throw new AppError(
            'SETTING_INVALID',
            `crypto key ${name}: version ${number} is ${state}; ${to === 'RESTORE' ? 'only one whose destruction is scheduled can be restored' : 'it can no longer be used'}`,
          )
        if (to === 'DESTROY')
          Object.assign(version, {
            state: 'DESTROY_SCHEDULED',
            destroy_time: time(now().getTime() + key.destroy_scheduled_seconds * 1000),
          })
        else {
          version.state = to === 'ENABLED' ? 'ENABLED' : 'DISABLED'
          delete version.destroy_time
        }
        // What was given up long enough ago leaves the file with the next change.
        for (const each of key.versions)
          if (each.state === 'DESTROY_SCHEDULED' && stateOf(each) === 'DESTROYED') {
            Object.assign(each, { state: 'DESTROYED', destroy_event_time: each.destroy_time })
            delete each.material
          }
        return shownVersion(version)
      }),
    encrypt,
    decrypt,
    wrap: async (purpose, dataKey, aad) => encrypt(`${platformRing}/${purpose}`, dataKey, Buffer.from(aad)).ciphertext,
    unwrap: async (purpose, wrapped, aad) => {
      try {
        return decrypt(`${platformRing}/${purpose}`, wrapped, Buffer.from(aad)).plaintext
      } catch (error) {
        throw unreadable(purpose, error)
      }
    },
    rotate: (purpose) => {
      const name = `${platformRing}/${purpose}`
      const { number } = createVersion(name)
      setPrimary(name, number)
      return number
    },
    close: () => Promise.resolve(),
  }
}

const unopened = (name: string, cause?: unknown): AppError =>
  new AppError(
    'CREDENTIAL_UNREADABLE',
    `crypto key ${name}: decryption failed: the ciphertext is of another key, was changed, or the additional authenticated data is other than at encryption`,
    { cause },
  )

/**
 * A ciphertext opens under its own key and version alone. Keys of the platform's ring are named by their purpose, as
 * they always were.
 */
const bound = (name: string, version: number, aad: Uint8Array): Buffer =>
  Buffer.concat([
    Buffer.from(`${name.startsWith(`${platformRing}/`) ? name.slice(platformRing.length + 1) : name}\n${version}\n`),
    aad,
  ])

/** Changes whenever the file is replaced. */
const stamp = (file: string): string => {
  const { ino, mtimeMs, mode } = statSync(file)
  return `${ino} ${mtimeMs} ${mode}`
}

const platformFile = (keys: Readonly<Record<Purpose, readonly string[]>>, at: string): KeyFile => ({
  format: 2,
  rings: {
    [platformRing]: {
      create_time: at,
      keys: Object.fromEntries(
        purposes.map((purpose): [string, StoredKey] => [
          purpose,
          {
            primary: keys[purpose].length,
            create_time: at,
            labels: {},
            destroy_scheduled_seconds: monthSeconds,
            versions: keys[purpose].map((material, index) => ({
              number: index + 1,
              state: 'ENABLED',
              create_time: at,
              material,
            })),
          },
        ]),
      ),
    },
  },
})

const create = (file: string, at: string): void => {
  const made = writeAside(
    file,
    platformFile(
      {
        'api-key-wrap': [randomBytes(32).toString('base64')],
        'tenant-credentials': [randomBytes(32).toString('base64')],
        'notify-targets': [randomBytes(32).toString('base64')],
      },
      at,
    ),
  )
  try {
    // A link fails where a rename would replace: whoever comes second uses the first one's keys.
    linkSync(made, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    rmSync(made, { force: true })
  }
}

/** The content in a file beside, durable; returns its path. */
const writeAside = (file: string, content: KeyFile): string => {
  const path = `${file}.${randomUUID()}`
  const handle = openSync(path, 'wx', 0o600)
  try {
    writeSync(handle, JSON.stringify(content))
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
  chmodSync(path, 0o600)
  return path
}

const read = (file: string): KeyFile => {
  const { mode: bits, mtime } = statSync(file)
  const mode = bits & 0o777
  if ((mode & 0o077) !== 0)
    throw new AppError(
      'SETTING_INVALID',
      `${file}: expected mode 600, found ${mode.toString(8)}: others may read the keys; run chmod 600 on it`,
    )
  let content: unknown
  try {
    content = JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    content = undefined
  }
  if (isFirstKeyFile(content)) return platformFile(content.keys, mtime.toISOString())
  if (!isKeyFile(content))
    throw new AppError(
      'SETTING_INVALID',
      `${file}: expected a key file (format 2, with keys of 32 bytes for ${purposes.join(', ')}); restore it from a backup`,
    )
  return content
}

const isKey = (text: unknown): boolean => typeof text === 'string' && Buffer.from(text, 'base64').length === 32
const isFirstKeyFile = (content: unknown): content is FirstKeyFile => {
  const { format, keys } = (content ?? {}) as Partial<FirstKeyFile>
  return (
    format === 1 &&
    keys !== undefined &&
    purposes.every((purpose) => Array.isArray(keys[purpose]) && keys[purpose].length > 0 && keys[purpose].every(isKey))
  )
}
const isKeyFile = (content: unknown): content is KeyFile => {
  const { format, rings } = (content ?? {}) as Partial<KeyFile>
  const keys = rings?.[platformRing]?.keys
  return (
    format === 2 &&
    rings !== undefined &&
    keys !== undefined &&
    purposes.every((purpose) => keys[purpose] !== undefined) &&
    Object.values(rings).every((ring) =>
      Object.values((ring as Partial<typeof ring>).keys ?? { bad: { versions: undefined } }).every(
        ({ versions }) =>
          Array.isArray(versions) &&
          versions.every(({ state, material }) => (state === 'DESTROYED' ? material === undefined : isKey(material))),
      ),
    )
  )
}
