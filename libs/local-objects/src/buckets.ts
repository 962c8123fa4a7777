/**
 * Object stores as folders: <folder>/{s3,azure,gcs}/<bucket>/<key>. A key never leaves its bucket, and links are
 * neither listed nor read: whoever may
 * put files here decides what exports say, not what else of this machine is read.
 */
import { constants, type BigIntStats } from 'node:fs'
import { lstat, open, readdir, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { AppError } from '@convergence/contracts'
import type { ObjectInfo, Objects, Store } from '@convergence/objects'

/** Inode, size and both times: a file that was replaced, or written over and given its old time, has another one. */
const etagOf = ({ ino, size, mtimeNs, ctimeNs }: BigIntStats): string =>
  [ino, size, mtimeNs, ctimeNs].map((part) => part.toString(36)).join('-')

const codeOf = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : 'unknown')
const isMissing = (error: unknown): boolean => ['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG'].includes(codeOf(error))

/** Bytes asked of the disk at a time. */
const chunkBytes = 256 * 1024

export const openBuckets = ({ folder }: { folder: string }): Objects => {
  const unreadable = (what: string, error: unknown): AppError =>
    new AppError(
      'SOURCE_UNAVAILABLE',
      `${what} cannot be read (${codeOf(error)}); expected that this user may read it`,
      { cause: error },
    )

  /** The real folder of a bucket. */
  const bucketFolder = async (store: Store, bucket: string): Promise<string> => {
    if (!/^[a-z0-9][a-z0-9._-]{1,221}$/.test(bucket) || bucket.includes('..')) {
      throw new AppError(
        'OBJECT_NOT_FOUND',
        `${store} bucket ${JSON.stringify(bucket.slice(0, 80))}: ` +
          'expected a name of lower-case letters, digits, dots, _ and -',
      )
    }
    const path = join(folder, store, bucket)
    try {
      const stats = await lstat(path)
      if (stats.isDirectory()) return await realpath(path)
    } catch (error) {
      if (!isMissing(error)) throw unreadable(`${store} bucket ${bucket}`, error)
    }
    throw new AppError(
      'OBJECT_NOT_FOUND',
      `${store} bucket ${bucket} does not exist; locally it is the folder buckets/${store}/${bucket} of the data ` +
        'folder',
    )
  }
  const isKey = (key: string): boolean =>
    key !== '' && !/[\0\\]/.test(key) && key.split('/').every((part) => part !== '' && part !== '.' && part !== '..')

  /**
   * Files below a folder by key; `below` ends in a slash or is empty. Only what can begin with the prefix is looked at.
   */
  const walk = async function* (root: string, below: string, prefix: string): AsyncGenerator<ObjectInfo> {
    const entries = await readdir(join(root, below), { withFileTypes: true }).catch((error: unknown) => {
      // Removed since it was listed.
      if (isMissing(error)) return []
      throw unreadable(below === '' ? 'the bucket' : below, error)
    })
    const sorted = entries
      .filter((entry) => entry.isDirectory() || entry.isFile())
      .map((entry) => ({
        key: `${below}${entry.name}${entry.isDirectory() ? '/' : ''}`,
        isFolder: entry.isDirectory(),
      }))
    for (const { key, isFolder } of sorted.sort((a, b) => (a.key < b.key ? -1 : 1))) {
      if (isFolder) {
        if (key.startsWith(prefix) || prefix.startsWith(key)) yield* walk(root, key, prefix)
      } else if (key.startsWith(prefix)) {
        const stats = await lstat(join(root, key), { bigint: true }).catch(() => undefined)
        if (stats?.isFile() === true)
          yield { key, size_bytes: Number(stats.size), etag: etagOf(stats), modified_at: stats.mtime.toISOString() }
      }
    }
  }

  return {
    list: async function* (store, bucket, prefix) {
      yield* walk(await bucketFolder(store, bucket), '', prefix)
    },
    read: async (store, bucket, key, { etag, signal } = {}) => {
      signal?.throwIfAborted()
      const root = await bucketFolder(store, bucket)
      const name = `${store} object ${bucket}/${key}`
      const missing = () =>
        new AppError(
          'OBJECT_NOT_FOUND',
          isKey(key)
            ? `${name} does not exist`
            : `${store} bucket ${bucket}: ${JSON.stringify(key.slice(0, 200))} is not the key of an object`,
        )
      if (!isKey(key)) throw missing()
      const path = join(root, key)
      const changed = () => new AppError('OBJECT_CHANGED', `${name} was replaced while it was read`)
      /** No link on the whole way: the real path is the plain one. */
      const opened = async () => {
        try {
          if ((await realpath(path)) !== path) throw missing()
          const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
          const stats = await file.stat({ bigint: true })
          if (stats.isFile()) return { file, stats }
          await file.close()
        } catch (error) {
          if (error instanceof AppError) throw error
          if (!isMissing(error)) throw unreadable(name, error)
        }
        throw missing()
      }
      const first = await opened()
      await first.file.close()
      const wanted = etagOf(first.stats)
      if (etag !== undefined && wanted !== etag) throw changed()

      // The file is opened again when somebody reads: a stream that nobody reads holds nothing open.
      const content = async function* () {
        const { file, stats } = await opened()
        try {
          if (etagOf(stats) !== wanted) throw changed()
          let sent = 0n
          for (;;) {
            signal?.throwIfAborted()
            const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(chunkBytes), 0, chunkBytes, null)
            if (bytesRead === 0) break
            sent += BigInt(bytesRead)
            yield buffer.subarray(0, bytesRead)
          }
          // Written over in place meanwhile: what was sent is a mixture.
          if (sent !== stats.size || etagOf(await file.stat({ bigint: true })) !== wanted) throw changed()
        } finally {
          await file.close()
        }
      }
      return Readable.from(content(), { objectMode: false, highWaterMark: chunkBytes })
    },
    close: () => Promise.resolve(),
  }
}
