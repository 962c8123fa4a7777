/**
 * The other side of the door: S3, Azure Blob and Cloud Storage by the vendors' own clients, each loaded when it is first
 * asked for. The three differ in how they list, open and word their errors; what is the same is here: names are checked
 * before anything is asked, a download that breaks goes on where it was with the object's version pinned, and an object
 * that was replaced or changed on its way is an error, never a mixture.
 */
import { AppError } from '@convergence/contracts'
import { openClients } from './clouds/clients.ts'
import { download } from './clouds/download.ts'
import { patiently } from './clouds/patience.ts'
import { storeNames } from './clouds/words.ts'
import type { CloudsOptions } from './clouds-options.ts'
import type { Objects, Store } from './objects.ts'

export type { CloudsOptions } from './clouds-options.ts'
export type { Endpoints, ObjectCredential } from './credential.ts'

const bucketName = /^[a-z0-9][a-z0-9._-]{1,221}$/
const isBucket = (bucket: string): boolean => bucketName.test(bucket) && !bucket.includes('..')
/** A key may begin with a slash or hold two in a row: stores know no folders. */
const isKey = (key: string): boolean =>
  key !== '' &&
  key.length <= 1024 &&
  !/[\0\\]/.test(key) &&
  key.split('/').every((part) => part !== '.' && part !== '..')

const assertBucket = (store: Store, bucket: string): void => {
  if (!isBucket(bucket))
    throw new AppError(
      'OBJECT_NOT_FOUND',
      `${storeNames[store]} ${JSON.stringify(bucket.slice(0, 80))}: expected a name of lower-case letters, digits, dots, _ and -`,
    )
}

export const openClouds = (options: CloudsOptions): Objects => {
  const clients = openClients(options)
  return {
    list: async function* (store, bucket, prefix, access = {}) {
      assertBucket(store, bucket)
      const remote = await clients.of(store, access)
      let token: string | undefined
      do {
        const { objects, next } = await patiently(options, remote, { store, bucket, access }, undefined, () =>
          remote.page(bucket, prefix, token),
        )
        yield* objects
        token = next
      } while (token !== undefined)
    },
    read: async (store, bucket, key, { etag, signal, ...access } = {}) => {
      assertBucket(store, bucket)
      if (!isKey(key))
        throw new AppError(
          'OBJECT_NOT_FOUND',
          `${storeNames[store]} ${bucket}: ${JSON.stringify(key.slice(0, 200))} is not the key of an object`,
        )
      const remote = await clients.of(store, access)
      return download(options, remote, { store, bucket, key, access }, { etag, signal })
    },
    close: () => clients.close(),
  }
}
