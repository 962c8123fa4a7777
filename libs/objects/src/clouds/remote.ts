/** What the door asks of each vendor's client. */
import type { Readable } from 'node:stream'
import type { Checksum } from '../checksum.ts'
import type { ObjectInfo } from '../objects.ts'

/** What a vendor's client said, in the terms of the door. */
export interface Fault {
  kind: 'bucket missing' | 'object missing' | 'denied' | 'changed' | 'damaged' | 'passing' | 'other'
  reason: string
  request_id: string | undefined
}
export interface Opened {
  body: Readable
  etag: string
  size: number
  /** Of the whole object, whatever part of it is read; undefined where the store states none. */
  checksum: Checksum | undefined
}
export interface Remote {
  page(
    bucket: string,
    prefix: string,
    token: string | undefined,
  ): Promise<{ objects: ObjectInfo[]; next: string | undefined }>
  /** From a byte on. With `etag` that version or a fault of kind changed. */
  open(
    bucket: string,
    key: string,
    from: number,
    etag: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Opened>
  faultOf(error: unknown): Fault
  close(): void
}

export const kindOfStatus = (status: number | undefined): Fault['kind'] => {
  if (status === 401 || status === 403) return 'denied'
  if (status === 412) return 'changed'
  return status === undefined || status === 408 || status === 429 || status >= 500 ? 'passing' : 'other'
}
export const textOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n')[0]?.slice(0, 200) ?? ''
