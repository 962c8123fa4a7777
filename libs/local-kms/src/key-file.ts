/**
 * The key file on disk: mode 0600, replaced as a whole, made once even when several processes start at the same time.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import { chmodSync, closeSync, fsyncSync, linkSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs'
import { AppError } from '@convergence/contracts'
import { purposes, type Purpose } from '@convergence/secrets'
import type { CryptoKey, KeyVersion } from './api.ts'

/** `material`: base64 of 32 bytes, gone once the version is destroyed. */
export type StoredVersion = KeyVersion & { material?: string }

export type StoredKey = Omit<CryptoKey, 'versions'> & { versions: StoredVersion[] }

export interface KeyFile {
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

export const monthSeconds = 30 * 86_400

/** Changes whenever the file is replaced. */
export const stampOf = (file: string): string => {
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

export const createKeyFile = (file: string, at: string): void => {
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
export const writeAside = (file: string, content: KeyFile): string => {
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

export const readKeyFile = (file: string): KeyFile => {
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
      `${file}: expected a key file (format 2, with keys of 32 bytes for ${purposes.join(', ')}); ` +
        'restore it from a backup',
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
