/** Checksums and versions of objects, as each store keeps and sends them. */
import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { ObjectInfo } from '@convergence/objects'
import { openChecksum, type ChecksumAlgorithm } from '@convergence/objects/checksum'
import type { FrontState } from './state.ts'

/** Google numbers the versions of an object: microseconds, which a double holds. */
export const generationOf = (etag: string): string =>
  String(createHash('sha256').update(etag).digest().readBigUInt64BE() >> 12n)

export const checksumOf = (
  front: FrontState,
  bucket: string,
  { key, etag }: ObjectInfo,
  algorithm: ChecksumAlgorithm,
): Promise<string> => {
  const name = JSON.stringify([bucket, key, etag, algorithm])
  const known = front.checksums.get(name)
  if (known !== undefined) return known
  const count = async () => {
    const counter = await openChecksum(algorithm)
    for await (const chunk of await front.objects.read(front.store, bucket, key, { etag }))
      counter.update(chunk as Buffer)
    return counter.digest()
  }
  const made = count()
  front.checksums.set(name, made)
  made.catch(() => front.checksums.delete(name))
  return made
}

const md5Etag = async (front: FrontState, bucket: string, found: ObjectInfo): Promise<string> =>
  Buffer.from(await checksumOf(front, bucket, found, 'md5'), 'base64').toString('hex')

export const checksumHeaders = async (
  front: FrontState,
  request: IncomingMessage,
  bucket: string,
  found: ObjectInfo,
  from: number,
): Promise<Record<string, string>> => {
  if (front.store === 'azure') {
    const md5 = await checksumOf(front, bucket, found, 'md5')
    return from === 0 ? { 'Content-MD5': md5 } : { 'x-ms-blob-content-md5': md5 }
  }
  if (front.store === 'gcs' || from > 0 || request.headers['x-amz-checksum-mode'] !== 'ENABLED') return {}
  if (front.s3_checksum === 'none' || front.s3_checksum === 'etag') return {}
  if (front.s3_checksum === 'composite')
    return {
      'x-amz-checksum-crc32': `${await checksumOf(front, bucket, found, 'crc32')}-2`,
      'x-amz-checksum-type': 'COMPOSITE',
    }
  return {
    [`x-amz-checksum-${front.s3_checksum}`]: await checksumOf(front, bucket, found, front.s3_checksum),
    'x-amz-checksum-type': 'FULL_OBJECT',
  }
}

export const versionOf = (front: FrontState, bucket: string, found: ObjectInfo): Promise<string> => {
  if (front.store === 's3' && front.s3_checksum === 'etag') return md5Etag(front, bucket, found)
  return Promise.resolve(front.store === 'gcs' ? generationOf(found.etag) : found.etag)
}
