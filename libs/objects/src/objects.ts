/**
 * The door to object stores: S3, Azure Blob, Cloud Storage. Same listing, same bytes, same errors from each.
 */
import type { Readable } from 'node:stream'
import type { ObjectCredential } from './credential.ts'

export type { ObjectCredential } from './credential.ts'

export type Store = 's3' | 'azure' | 'gcs'
export interface ObjectInfo {
  key: string
  size_bytes: number
  /** Changes whenever the content does. */ etag: string
  modified_at: string
}
/** By what right, and of whom. Without a credential: as this process. Bucket folders take no notice of either. */
export interface Access {
  credential?: ObjectCredential
  /** The AWS account that the bucket must be in: a bucket that another took over is refused. */
  bucket_owner?: string
}
export interface Objects {
  /**
   * Objects of a bucket (Azure: container) below a prefix, by key. Throws OBJECT_NOT_FOUND when the bucket does not
   * exist.
   */
  list(store: Store, bucket: string, prefix: string, access?: Access): AsyncIterable<ObjectInfo>
  /**
   * The content as a stream with back-pressure. With `etag`, an object that was replaced meanwhile is OBJECT_CHANGED. A
   * stream that breaks, or whose bytes are not those of the checksum that the store keeps, ends with an error: what came
   * before it is not the object. Never a short or another file.
   */
  read(
    store: Store,
    bucket: string,
    key: string,
    options?: Access & { etag?: string | undefined; signal?: AbortSignal },
  ): Promise<Readable>
  close(): Promise<void>
}
