/** The one report in a zip archive, as AWS delivers legacy reports where GZIP is not chosen. */
import type { Readable } from 'node:stream'
import { crc32 } from 'node:zlib'
import { AppError } from '@convergence/contracts'
import { openPromise, type Entry, type ZipFile } from 'yauzl'

const refused = (key: string, problem: string, cause?: unknown): AppError =>
  new AppError('EXPORT_INVALID', `${key}: ${problem}`, { cause })
const whyOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
const damaged = (key: string, error: unknown): AppError =>
  error instanceof AppError
    ? error
    : refused(key, `expected a whole zip archive, got one that does not unpack (${whyOf(error)})`, error)
const mostNamed = 3

/** Its one entry that is a file. Throws EXPORT_INVALID for none, several, an encrypted one, or one that is no CSV. */
const entryOf = async (key: string, zip: ZipFile): Promise<Entry> => {
  const files: Entry[] = []
  for await (const entry of zip.eachEntry()) {
    if (!entry.fileName.endsWith('/') && !entry.fileName.startsWith('__MACOSX/')) files.push(entry)
    if (files.length > mostNamed) break
  }
  const [only, ...more] = files
  if (only === undefined) throw refused(key, 'expected an archive with one file .csv, got an empty one')
  if (more.length > 0) {
    const names = files.slice(0, mostNamed).map(({ fileName }) => fileName.slice(0, 100))
    throw refused(key, `expected an archive with one file .csv, got several: ${names.join(', ')}; deliver one a file`)
  }
  if (only.isEncrypted()) throw refused(key, 'expected an archive without a password, got an encrypted one')
  if (!/\.csv$/i.test(only.fileName))
    throw refused(key, `expected an archive with one file .csv, got ${only.fileName.slice(0, 100)}`)
  return only
}

/**
 * The bytes of the one CSV file in an archive. Reading them to the end throws EXPORT_INVALID where they are not those
 * that its directory promises.
 */
export async function* unzipped(key: string, path: string): AsyncGenerator<Buffer> {
  let zip: ZipFile | undefined
  try {
    zip = await openPromise(path, { lazyEntries: true, autoClose: false })
    const entry = await entryOf(key, zip)
    const stream: Readable = await zip.openReadStreamPromise(entry)
    let sum = 0
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      sum = crc32(chunk, sum)
      yield chunk
    }
    if (sum !== entry.crc32) throw refused(key, 'expected the bytes that its checksum is of, got others')
  } catch (error) {
    throw damaged(key, error)
  } finally {
    zip?.close()
  }
}
