/** Objects on their way into the warehouse: streamed to the scratch folder, counted, and removed when the step has ended. */
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { AppError } from '@convergence/contracts'
import type { Objects, Store } from '@convergence/objects'

export interface Spooled { path: string; name: string; size_bytes: number }
const maxBytes = 20 * 1024 ** 3

const diskFull = (error: unknown): unknown =>
  (error as NodeJS.ErrnoException).code === 'ENOSPC' ? new AppError('DISK_FULL', 'no space left in the scratch folder; free some, the step is tried again') : error

/** Runs `work` with the objects as local files; they are gone afterwards, whatever happens. */
export const withSpooled = async <T>(
  { objects, scratch_folder, name, store, bucket, keys, signal }: { objects: Objects; scratch_folder: string; name: string; store: Store; bucket: string; keys: readonly string[]; signal: AbortSignal },
  work: (files: Spooled[]) => Promise<T>,
): Promise<T> => {
  const folder = join(scratch_folder, `${name}-${process.pid}-${Math.round(performance.now() * 1000)}`)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  try {
    const files: Spooled[] = []
    for (const [k, key] of keys.entries()) {
      const gz = key.endsWith('.gz')
      const path = join(folder, `part-${k}.csv${gz ? '.gz' : ''}`)
      let size = 0
      const count = new Transform({
        transform(chunk: Buffer, _encoding, done) {
          size += chunk.length
          done(size > maxBytes ? new AppError('EXPORT_INVALID', `${key}: larger than ${maxBytes / 1024 ** 3} GiB`) : null, chunk)
        },
      })
      await pipeline(await objects.read(store, bucket, key, { signal }), count, createWriteStream(path, { mode: 0o600 }), { signal })
      files.push({ path, name: key, size_bytes: size })
    }
    return await work(files)
  } catch (error) {
    throw diskFull(error)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** The first lines of a file as text, unpacked; enough for its header and some rows. */
export const firstText = async (path: string, bytes = 1024 * 1024): Promise<string> => {
  const chunks: Buffer[] = []
  let size = 0
  const source = createReadStream(path)
  const text = path.endsWith('.gz') ? source.pipe(createGunzip()) : source
  source.on('error', (error) => text.destroy(error))
  try {
    for await (const chunk of text) {
      chunks.push(chunk as Buffer)
      size += (chunk as Buffer).length
      if (size >= bytes) break
    }
  } catch (error) {
    throw new AppError('EXPORT_INVALID', `cannot be unpacked: ${(error as NodeJS.ErrnoException).code ?? 'not a gzip file'}`, { cause: error })
  } finally {
    source.destroy()
  }
  return Buffer.concat(chunks).toString('utf8').replace(/^\uFEFF/, '')
}

/** Records of CSV text, at most `limit`; a last record that is cut off is left out. */
export const parseCsv = (text: string, limit = Infinity): string[][] => {
  const records: string[][] = []
  let record: string[] = []
  let field = ''
  let quoted = false
  for (let at = 0; at < text.length && records.length < limit; at += 1) {
    const character = text.charAt(at)
    if (quoted) {
      if (character !== '"') field += character
      else if (text.charAt(at + 1) === '"') { field += '"'; at += 1 }
      else quoted = false
    } else if (character === '"') quoted = true
    else if (character === ',') { record.push(field); field = '' }
    else if (character === '\n') {
      record.push(field.replace(/\r$/, ''))
      records.push(record)
      record = []
      field = ''
    } else field += character
  }
  if ((field !== '' || record.length > 0) && records.length < limit && text.length < 1024 * 1024) records.push([...record, field.replace(/\r$/, '')])
  return records
}

/** A whole small object as JSON. */
export const readJsonObject = async (objects: Objects, store: Store, bucket: string, key: string): Promise<Record<string, unknown>> => {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of await objects.read(store, bucket, key)) {
    size += (chunk as Buffer).length
    if (size > 16 * 1024 * 1024) throw new AppError('EXPORT_INVALID', `${key}: a manifest of more than 16 MiB`)
    chunks.push(chunk as Buffer)
  }
  try {
    const value: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'))
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  } catch { /* said below */ }
  throw new AppError('EXPORT_INVALID', `${key}: expected a manifest, which is a JSON object`)
}
