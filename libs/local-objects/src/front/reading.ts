/** The content of an object, whole or from a byte on. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createGunzip } from 'node:zlib'
import { checksumHeaders, versionOf } from './checksums.ts'
import { notFound, Refused } from './errors.ts'
import { assertBucket, objectAt } from './listing.ts'
import type { FrontState } from './state.ts'

/** Resolves when more may be written, or nobody reads any more. */
const drained = (response: ServerResponse): Promise<void> =>
  new Promise((resolve) => {
    const done = () => {
      response.off('drain', done).off('close', done)
      resolve()
    }
    response.on('drain', done).on('close', done)
  })

export const sendObject = async (
  front: FrontState,
  request: IncomingMessage,
  response: ServerResponse,
  bucket: string,
  key: string,
  from: number,
  version: string | undefined,
  { cut_after, flip_at = -1 }: { cut_after?: number; flip_at?: number },
): Promise<void> => {
  await assertBucket(front, bucket)
  const found = await objectAt(front, bucket, key)
  const current = await versionOf(front, bucket, found)
  if (version !== undefined && version !== current)
    throw new Refused(
      front.store === 'gcs'
        ? notFound(front, 'object')
        : {
            status: 412,
            code: front.store === 's3' ? 'PreconditionFailed' : 'ConditionNotMet',
            message: 'At least one of the pre-conditions you specified did not hold.',
          },
    )
  if (from > 0 && from >= found.size_bytes)
    throw new Refused({ status: 416, code: 'InvalidRange', message: 'The requested range is not satisfiable.' })
  const checksums = await checksumHeaders(front, request, bucket, found, from)
  const stream = await front.objects.read(front.store, bucket, key, { etag: found.etag })
  // As Google does with an object of Content-Encoding gzip: unpacked for whoever does not say that it may stay packed.
  if (front.store === 'gcs' && key.endsWith('.gz')) {
    if (request.headers['accept-encoding']?.includes('gzip') !== true) {
      response.writeHead(200, { 'Content-Type': 'text/csv' })
      stream.pipe(createGunzip()).pipe(response)
      return
    }
    response.setHeader('Content-Encoding', 'gzip')
  }
  response.writeHead(from > 0 ? 206 : 200, {
    'Content-Type': 'application/octet-stream',
    'Content-Length': found.size_bytes - from,
    ETag: `"${front.store === 'gcs' ? found.etag : current}"`,
    ...checksums,
    'Last-Modified': new Date(found.modified_at).toUTCString(),
    'Accept-Ranges': 'bytes',
    ...(from > 0 ? { 'Content-Range': `bytes ${from}-${found.size_bytes - 1}/${found.size_bytes}` } : {}),
    ...(front.store === 'azure'
      ? { 'x-ms-blob-type': 'BlockBlob', 'x-ms-version': '2025-01-05', 'x-ms-request-id': 'r1' }
      : {}),
    ...(front.store === 's3' ? { 'x-amz-request-id': 'r1' } : {}),
  })
  let [skip, left, at] = [from, cut_after ?? Infinity, 0]
  try {
    for await (const chunk of stream) {
      const flipped = flip_at - at
      at += (chunk as Buffer).length
      if (flipped >= 0 && flipped < (chunk as Buffer).length)
        (chunk as Buffer)[flipped] = ((chunk as Buffer)[flipped] ?? 0) ^ 1
      const part = (chunk as Buffer).subarray(Math.min(skip, (chunk as Buffer).length)).subarray(0, left)
      skip = Math.max(0, skip - (chunk as Buffer).length)
      left -= part.length
      if (part.length > 0 && !response.write(part) && !response.destroyed) await drained(response)
      if (left <= 0 || response.destroyed) break
    }
    if (left <= 0) request.socket.destroy()
    else response.end()
  } catch {
    // Replaced in the middle: what was sent is not to look whole.
    request.socket.destroy()
  } finally {
    stream.destroy()
  }
}
