/** How the vendors' clients are opened. */
import type { AzureOptions } from './clouds/azure.ts'
import type { GcsOptions } from './clouds/gcs.ts'
import type { S3Options } from './clouds/s3.ts'
import type { Endpoints } from './credential.ts'

export interface CloudsOptions {
  /** What is used where a call brings no credential: that of the process. */
  s3?: Omit<S3Options, 'bucket_owner'>
  azure?: AzureOptions
  gcs?: GcsOptions
  /** Where credentials of a call are used, instead of at the vendors. */
  endpoints?: Endpoints
  /** Another address of STS than AWS's, for tests. */
  sts_endpoint?: string
  log?: { warn(fields: object, message: string): void }
  /** How often a request is made, and a download is continued without a byte in between, at most; default 4. */
  tries?: number
  /** First pause before another try, in milliseconds, doubled each time; default 200. */
  pause_ms?: number
  /** Milliseconds since 1970; default Date.now. */
  now?: () => number
}
