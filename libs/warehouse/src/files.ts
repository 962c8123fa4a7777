/** Local files of a load as bytes, unpacked where their path ends in .gz. */
import { createReadStream } from 'node:fs'
import { createGunzip } from 'node:zlib'
import { AppError } from '@convergence/contracts'
import type { LoadSpec } from './warehouse.ts'

export type File = LoadSpec['files'][number]

export const isGzip = (path: string): boolean => path.endsWith('.gz')
export const bytesOf = (file: File): AsyncIterable<Buffer> => {
  const raw = createReadStream(file.path, { highWaterMark: 1 << 20 })
  if (!isGzip(file.path)) return raw as AsyncIterable<Buffer>
  const unzipped = createGunzip({ chunkSize: 1 << 20 })
  raw.on('error', (error) => unzipped.destroy(error))
  return raw.pipe(unzipped) as AsyncIterable<Buffer>
}
const whyUnreadable = (file: File, error: unknown): string => {
  if (/ENOENT/.test(String(error))) return 'there is no such file'
  if (error instanceof TypeError) return 'expected UTF-8'
  return isGzip(file.path) ? 'it is not a whole gzip file' : 'the disk answers with an error'
}
/** Throws nothing: the fault of a file that is not there, or not whole; one that is worded already as it is. */
export const unreadable = (file: File, error: unknown): AppError =>
  error instanceof AppError
    ? error
    : new AppError('EXPORT_INVALID', `${file.name}: cannot be read (${whyUnreadable(file, error)})`, { cause: error })
