/** What the answers share: the store, the options of a test, and the objects as they are now. */
import type { Objects, Store } from '@convergence/objects'
import type { ChecksumAlgorithm } from '@convergence/objects/checksum'

export interface StoreFrontOptions {
  store: Store
  objects: Objects
  /** 0 takes a free one. */
  port: number
  /**
   * How S3 keeps an object's checksum, which its uploader chose: default crc64nvme, as AWS does by itself. `composite`:
   * of an upload in parts, that is none of the whole. `etag`: an older upload, whose ETag is its MD5.
   */
  s3_checksum?: ChecksumAlgorithm | 'composite' | 'etag' | 'none'
  /** AWS account of the buckets: a request that expects another is refused. */
  owner?: string
  /**
   * What goes wrong with a request, for tests: an answer with this status, or a connection that is cut after so many
   * bytes of content, or one bit of this byte of the object changed on its way.
   */
  fault?: (request: { method: string; path: string; range: number }) => RequestFault | undefined
}

export type RequestFault = { status: number } | { cut_after?: number; flip_at?: number }

export interface FrontState {
  readonly store: Store
  readonly objects: Objects
  readonly owner: string | undefined
  readonly fault: StoreFrontOptions['fault']
  readonly s3_checksum: NonNullable<StoreFrontOptions['s3_checksum']>
  /** By object and algorithm: counted once, as a store does when an object is put. */
  readonly checksums: Map<string, Promise<string>>
}
