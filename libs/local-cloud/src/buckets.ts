/** The stores as folders: <folder>/{s3,azure,gcs}/<bucket>/<key>. A key never leaves its bucket, and links are not followed. */
import { createReadStream, type Stats } from 'node:fs'
import { lstat, open, readdir } from 'node:fs/promises'
import { join, sep } from 'node:path'
import type { Readable } from 'node:stream'
import { AppError } from '@convergence/contracts'
import type { ObjectInfo, Objects, Store } from '@convergence/objects'

const etagOf = (stats: Stats): string => `${stats.ino.toString(36)}-${stats.size.toString(36)}-${Math.round(stats.mtimeMs * 1000).toString(36)}`

export const openBuckets = ({ folder }: { folder: string }): Objects => {
  const bucketFolder = async (store: Store, bucket: string): Promise<string> => {
    if (!/^[a-z0-9][a-z0-9._-]{1,221}$/.test(bucket) || bucket.includes('..')) throw new AppError('OBJECT_NOT_FOUND', `${store} bucket ${JSON.stringify(bucket)}: not the name of a bucket`)
    const path = join(folder, store, bucket)
    const stats = await lstat(path).catch(() => undefined)
    if (stats?.isDirectory() !== true) throw new AppError('OBJECT_NOT_FOUND', `${store} bucket ${bucket} does not exist; locally it is the folder buckets/${store}/${bucket} of the data folder`)
    return path
  }
  const keyPath = (root: string, bucket: string, key: string): string => {
    if (key === '' || key.includes('\0') || key.includes('\\') || key.split('/').some((part) => part === '' || part === '.' || part === '..')) throw new AppError('OBJECT_NOT_FOUND', `${bucket}: ${JSON.stringify(key)} is not the key of an object`)
    return join(root, ...key.split('/'))
  }
  const walk = async function* (root: string, below: string): AsyncGenerator<ObjectInfo> {
    const entries = (await readdir(join(root, below), { withFileTypes: true })).map((entry) => ({ entry, sort: entry.isDirectory() ? `${entry.name}/` : entry.name })).sort((a, b) => (a.sort < b.sort ? -1 : 1))
    for (const { entry } of entries) {
      const path = below === '' ? entry.name : join(below, entry.name)
      if (entry.isDirectory()) yield* walk(root, path)
      else if (entry.isFile()) {
        const stats = await lstat(join(root, path))
        yield { key: path.split(sep).join('/'), size_bytes: stats.size, etag: etagOf(stats), modified_at: stats.mtime.toISOString() }
      }
    }
  }
  return {
    list: async function* (store, bucket, prefix) {
      const root = await bucketFolder(store, bucket)
      for await (const object of walk(root, '')) if (object.key.startsWith(prefix)) yield object
    },
    read: async (store, bucket, key, options = {}): Promise<Readable> => {
      const root = await bucketFolder(store, bucket)
      const path = keyPath(root, bucket, key)
      const stats = await lstat(path).catch(() => undefined)
      if (stats?.isFile() !== true) throw new AppError('OBJECT_NOT_FOUND', `${store} object ${bucket}/${key} does not exist`)
      if (options.etag !== undefined && etagOf(stats) !== options.etag) throw new AppError('OBJECT_CHANGED', `${store} object ${bucket}/${key} was replaced while it was read`)
      // The handle keeps the file that was looked at, also when the name is given to another one.
      const file = await open(path, 'r')
      const opened = await file.stat()
      if (options.etag !== undefined && etagOf(opened) !== options.etag) {
        await file.close()
        throw new AppError('OBJECT_CHANGED', `${store} object ${bucket}/${key} was replaced while it was read`)
      }
      return createReadStream(path, { fd: file, ...(options.signal === undefined ? {} : { signal: options.signal }) })
    },
    close: () => Promise.resolve(),
  }
}
