/**
 * The key file that stands in for KMS: per purpose a row of AES-256 keys, of which the newest wraps and all unwrap. The file is of mode
 * 0600, is replaced as a whole, and is made once even when several processes start at the same time.
 */
import { createCipheriv, createDecipheriv, randomBytes, randomUUID } from 'node:crypto'
import { chmodSync, closeSync, existsSync, fsyncSync, linkSync, openSync, readFileSync, renameSync, rmSync, statSync, writeSync } from 'node:fs'
import { AppError } from '@convergence/contracts'
import { purposes, unreadable, type KeyWrapper, type Purpose } from '@convergence/secrets'

export interface Keyring extends KeyWrapper {
  /** A new key for the purpose; older ones still unwrap. Returns its version. */
  rotate(purpose: Purpose): number
}

/** `keys`: base64 of 32 bytes each, version 1 first. */
interface KeyFile { format: 1; keys: Record<Purpose, string[]> }

const ivBytes = 12
const tagBytes = 16

/** Makes the file if it is missing. Throws SETTING_INVALID when others may read it or it is damaged. */
export const openKeyring = ({ file }: { file: string }): Keyring => {
  if (!existsSync(file)) create(file)
  let current = read(file)

  const keyOf = (purpose: Purpose, version: number): Buffer | undefined => {
    // Another process may have rotated.
    if (current.keys[purpose].length < version) current = read(file)
    const text = current.keys[purpose][version - 1]
    return text === undefined ? undefined : Buffer.from(text, 'base64')
  }

  return {
    wrap: (purpose, dataKey, aad) => {
      const version = current.keys[purpose].length
      const key = keyOf(purpose, version)
      if (key === undefined) return Promise.reject(new AppError('SETTING_INVALID', `${file}: no key for ${purpose}; restore the file from a backup`))
      const head = Buffer.alloc(4 + ivBytes)
      head.writeUInt32BE(version)
      randomBytes(ivBytes).copy(head, 4)
      const cipher = createCipheriv('aes-256-gcm', key, head.subarray(4), { authTagLength: tagBytes }).setAAD(bound(purpose, version, aad))
      return Promise.resolve(Buffer.concat([head, cipher.update(dataKey), cipher.final(), cipher.getAuthTag()]))
    },
    unwrap: (purpose, wrapped, aad) => {
      const bytes = Buffer.from(wrapped)
      if (bytes.length < 4 + ivBytes + tagBytes) return Promise.reject(unreadable(purpose))
      const version = bytes.readUInt32BE()
      const key = version > 0 && version < 100_000 ? keyOf(purpose, version) : undefined
      if (key === undefined) return Promise.reject(unreadable(purpose))
      try {
        const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(4, 4 + ivBytes), { authTagLength: tagBytes }).setAAD(bound(purpose, version, aad)).setAuthTag(bytes.subarray(-tagBytes))
        return Promise.resolve(Buffer.concat([decipher.update(bytes.subarray(4 + ivBytes, -tagBytes)), decipher.final()]))
      } catch (error) {
        return Promise.reject(unreadable(purpose, error))
      }
    },
    rotate: (purpose) => {
      const latest = read(file)
      const keys = { ...latest.keys, [purpose]: [...latest.keys[purpose], randomBytes(32).toString('base64')] }
      const made = writeAside(file, { format: 1, keys })
      renameSync(made, file)
      current = { format: 1, keys }
      return keys[purpose].length
    },
    close: () => Promise.resolve(),
  }
}

const bound = (purpose: Purpose, version: number, aad: string): Buffer => Buffer.from(`${purpose}\n${version}\n${aad}`)

const create = (file: string): void => {
  const keys = Object.fromEntries(purposes.map((purpose) => [purpose, [randomBytes(32).toString('base64')]])) as KeyFile['keys']
  const made = writeAside(file, { format: 1, keys })
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
  const mode = statSync(file).mode & 0o777
  if ((mode & 0o077) !== 0) throw new AppError('SETTING_INVALID', `${file}: expected mode 600, found ${mode.toString(8)}: others may read the keys; run chmod 600 on it`)
  let content: unknown
  try {
    content = JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    content = undefined
  }
  if (!isKeyFile(content)) throw new AppError('SETTING_INVALID', `${file}: expected a key file (format 1, keys of 32 bytes for ${purposes.join(', ')}); restore it from a backup`)
  return content
}

const isKeyFile = (content: unknown): content is KeyFile => {
  const { format, keys } = (content ?? {}) as Partial<KeyFile>
  return format === 1 && keys !== undefined && purposes.every((purpose) =>
    Array.isArray(keys[purpose]) && keys[purpose].length > 0 && keys[purpose].every((key) => typeof key === 'string' && Buffer.from(key, 'base64').length === 32))
}
