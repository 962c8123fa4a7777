/**
 * S3, Azure Blob and Cloud Storage over HTTP in front of the bucket folders: what the vendors' clients ask to list and
 * to read, for the tests of the clients'
 * side of the door. Signatures are not checked. Loopback only; `npm start` does not open them, since locally the door
 * reads the folders themselves.
 */
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createGunzip } from 'node:zlib'
import { AppError } from '@convergence/contracts'
import type { ObjectInfo, Objects, Store } from '@convergence/objects'
import { openChecksum, type ChecksumAlgorithm } from '@convergence/objects/checksum'

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
export interface StoreFront {
  port: number
  close(): Promise<void>
}

const mostKeys = 1_000
const escaped = (text: string): string =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll('\r', '&#13;')
/** Google numbers the versions of an object: microseconds, which a double holds. */
const generationOf = (etag: string): string =>
  String(createHash('sha256').update(etag).digest().readBigUInt64BE() >> 12n)

/** Resolves when more may be written, or nobody reads any more. */
const drained = (response: ServerResponse): Promise<void> =>
  new Promise((resolve) => {
    const done = () => {
      response.off('drain', done).off('close', done)
      resolve()
    }
    response.on('drain', done).on('close', done)
  })

interface Refusal {
  status: number
  code: string
  message: string
}
class Refused extends Error {
  readonly refusal: Refusal
  constructor(refusal: Refusal) {
    super(refusal.message)
    this.refusal = refusal
  }
}

export const openStoreFront = async ({
  store,
  objects,
  port,
  s3_checksum = 'crc64nvme',
  owner,
  fault,
}: StoreFrontOptions): Promise<StoreFront> => {
  /** As a store does once, when an object is put. */
  const counted = new Map<string, Promise<string>>()
  const checksumOf = (bucket: string, { key, etag }: ObjectInfo, algorithm: ChecksumAlgorithm): Promise<string> => {
    const name = JSON.stringify([bucket, key, etag, algorithm])
    const known = counted.get(name)
    if (known !== undefined) return known
    const count = async () => {
      const counter = await openChecksum(algorithm)
      for await (const chunk of await objects.read(store, bucket, key, { etag })) counter.update(chunk as Buffer)
      return counter.digest()
    }
    const made = count()
    counted.set(name, made)
    made.catch(() => counted.delete(name))
    return made
  }
  const md5Etag = async (bucket: string, found: ObjectInfo): Promise<string> =>
    Buffer.from(await checksumOf(bucket, found, 'md5'), 'base64').toString('hex')
  const checksumHeaders = async (
    request: IncomingMessage,
    bucket: string,
    found: ObjectInfo,
    from: number,
  ): Promise<Record<string, string>> => {
    if (store === 'azure') {
      const md5 = await checksumOf(bucket, found, 'md5')
      return from === 0 ? { 'Content-MD5': md5 } : { 'x-ms-blob-content-md5': md5 }
    }
    if (store === 'gcs' || from > 0 || request.headers['x-amz-checksum-mode'] !== 'ENABLED') return {}
    if (s3_checksum === 'none' || s3_checksum === 'etag') return {}
    if (s3_checksum === 'composite')
      return {
        'x-amz-checksum-crc32': `${await checksumOf(bucket, found, 'crc32')}-2`,
        'x-amz-checksum-type': 'COMPOSITE',
      }
    return {
      [`x-amz-checksum-${s3_checksum}`]: await checksumOf(bucket, found, s3_checksum),
      'x-amz-checksum-type': 'FULL_OBJECT',
    }
  }
  const errorBody = ({ status, code, message }: Refusal): { type: string; text: string } =>
    store === 'gcs'
      ? {
          type: 'application/json',
          text: JSON.stringify({
            error: { code: status, message, errors: [{ domain: 'global', reason: code, message }] },
          }),
        }
      : {
          type: 'application/xml',
          text: `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>${escaped(message)}</Message></Error>`,
        }
  const missing = (what: 'bucket' | 'object'): Refusal => ({
    status: 404,
    message: `The specified ${what} does not exist.`,
    code:
      store === 's3'
        ? what === 'bucket'
          ? 'NoSuchBucket'
          : 'NoSuchKey'
        : store === 'azure'
          ? what === 'bucket'
            ? 'ContainerNotFound'
            : 'BlobNotFound'
          : 'notFound',
  })
  const versionOf = (bucket: string, found: ObjectInfo): Promise<string> => {
    if (store === 's3' && s3_checksum === 'etag') return md5Etag(bucket, found)
    return Promise.resolve(store === 'gcs' ? generationOf(found.etag) : found.etag)
  }
  const exists = async (bucket: string): Promise<void> => {
    for await (const _ of objects.list(store, bucket, '')) return
  }
  const find = async (bucket: string, key: string): Promise<ObjectInfo> => {
    for await (const each of objects.list(store, bucket, key)) if (each.key === key) return each
    throw new Refused(missing('object'))
  }
  const page = async (
    bucket: string,
    prefix: string,
    after: string,
    most: number,
  ): Promise<{ found: ObjectInfo[]; next: string | undefined }> => {
    await exists(bucket)
    const found: ObjectInfo[] = []
    for await (const each of objects.list(store, bucket, prefix)) {
      if (each.key <= after) continue
      if (found.length === most) return { found, next: found.at(-1)?.key }
      found.push(each)
    }
    return { found, next: undefined }
  }
  const list = async (bucket: string, query: URLSearchParams): Promise<{ type: string; text: string }> => {
    const asked = Number(query.get('max-keys') ?? query.get('maxresults') ?? query.get('maxResults') ?? mostKeys)
    const token = query.get('continuation-token') ?? query.get('marker') ?? query.get('pageToken') ?? ''
    const { found, next } = await page(
      bucket,
      query.get('prefix') ?? '',
      Buffer.from(token, 'base64url').toString(),
      Math.min(asked, mostKeys),
    )
    const more = next === undefined ? '' : Buffer.from(next).toString('base64url')
    if (store === 'gcs') {
      return {
        type: 'application/json',
        text: JSON.stringify({
          kind: 'storage#objects',
          items: await Promise.all(found.map((each) => metadata(bucket, each))),
          ...(more === '' ? {} : { nextPageToken: more }),
        }),
      }
    }
    if (store === 's3') {
      const etags = await Promise.all(found.map((each) => versionOf(bucket, each)))
      return {
        type: 'application/xml',
        text: `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>${bucket}</Name><KeyCount>${found.length}</KeyCount><IsTruncated>${String(more !== '')}</IsTruncated>${more === '' ? '' : `<NextContinuationToken>${more}</NextContinuationToken>`}${found.map((each, k) => `<Contents><Key>${escaped(each.key)}</Key><LastModified>${each.modified_at}</LastModified><ETag>&quot;${etags[k] ?? ''}&quot;</ETag><Size>${each.size_bytes}</Size></Contents>`).join('')}</ListBucketResult>`,
      }
    }
    return {
      type: 'application/xml',
      text: `<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="http://127.0.0.1/" ContainerName="${bucket}"><Blobs>${found.map((each) => `<Blob><Name>${escaped(each.key)}</Name><Properties><Last-Modified>${new Date(each.modified_at).toUTCString()}</Last-Modified><Etag>${each.etag}</Etag><Content-Length>${each.size_bytes}</Content-Length><BlobType>BlockBlob</BlobType></Properties></Blob>`).join('')}</Blobs><NextMarker>${more}</NextMarker></EnumerationResults>`,
    }
  }
  const metadata = async (bucket: string, each: ObjectInfo, checksums = false) => ({
    kind: 'storage#object',
    bucket,
    name: each.key,
    size: String(each.size_bytes),
    generation: generationOf(each.etag),
    ...(checksums
      ? { crc32c: await checksumOf(bucket, each, 'crc32c'), md5Hash: await checksumOf(bucket, each, 'md5') }
      : {}),
    updated: each.modified_at,
    timeCreated: each.modified_at,
  })

  const send = async (
    request: IncomingMessage,
    response: ServerResponse,
    bucket: string,
    key: string,
    from: number,
    version: string | undefined,
    { cut_after, flip_at = -1 }: { cut_after?: number; flip_at?: number },
  ): Promise<void> => {
    await exists(bucket)
    const found = await find(bucket, key)
    const current = await versionOf(bucket, found)
    if (version !== undefined && version !== current)
      throw new Refused(
        store === 'gcs'
          ? missing('object')
          : {
              status: 412,
              code: store === 's3' ? 'PreconditionFailed' : 'ConditionNotMet',
              message: 'At least one of the pre-conditions you specified did not hold.',
            },
      )
    if (from > 0 && from >= found.size_bytes)
      throw new Refused({ status: 416, code: 'InvalidRange', message: 'The requested range is not satisfiable.' })
    const checksums = await checksumHeaders(request, bucket, found, from)
    const stream = await objects.read(store, bucket, key, { etag: found.etag })
    // As Google does with an object of Content-Encoding gzip: unpacked for whoever does not say that it may stay packed.
    if (store === 'gcs' && key.endsWith('.gz')) {
      if (!String(request.headers['accept-encoding'] ?? '').includes('gzip')) {
        response.writeHead(200, { 'Content-Type': 'text/csv' })
        stream.pipe(createGunzip()).pipe(response)
        return
      }
      response.setHeader('Content-Encoding', 'gzip')
    }
    response.writeHead(from > 0 ? 206 : 200, {
      'Content-Type': 'application/octet-stream',
      'Content-Length': found.size_bytes - from,
      ETag: `"${store === 'gcs' ? found.etag : current}"`,
      ...checksums,
      'Last-Modified': new Date(found.modified_at).toUTCString(),
      'Accept-Ranges': 'bytes',
      ...(from > 0 ? { 'Content-Range': `bytes ${from}-${found.size_bytes - 1}/${found.size_bytes}` } : {}),
      ...(store === 'azure'
        ? { 'x-ms-blob-type': 'BlockBlob', 'x-ms-version': '2025-01-05', 'x-ms-request-id': 'r1' }
        : {}),
      ...(store === 's3' ? { 'x-amz-request-id': 'r1' } : {}),
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
  /** Bucket and key of a path: S3 and Azure as they are, Azure below its account, Google below its API. */
  const placeOf = (path: string): { bucket: string; key: string; media: boolean } => {
    const decoded = (text = '') => {
      try {
        return decodeURIComponent(text)
      } catch {
        return ''
      }
    }
    if (store === 'gcs') {
      const [, bucket, key] = /^\/(?:download\/)?storage\/v1\/b\/([^/]+)\/o(?:\/(.+))?$/.exec(path) ?? []
      return { bucket: decoded(bucket), key: decoded(key), media: path.startsWith('/download/') }
    }
    const parts = path.split('/').slice(store === 'azure' ? 2 : 1)
    return { bucket: decoded(parts[0]), key: decoded(parts.slice(1).join('/')), media: true }
  }
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '/', 'http://127.0.0.1')
    const from = Number(
      /^bytes=(\d+)-/.exec(String(request.headers['x-ms-range'] ?? request.headers.range ?? ''))?.[1] ?? 0,
    )
    const wrong = fault?.({ method: request.method ?? '', path: url.pathname, range: from })
    const reply = (status: number, type: string, text: string) => {
      response
        .writeHead(status, {
          'Content-Type': type,
          'Content-Length': Buffer.byteLength(text),
          ...(store === 'azure' ? { 'x-ms-request-id': 'r1', 'x-ms-version': '2025-01-05' } : {}),
        })
        .end(text)
    }
    const refuse = (refusal: Refusal) => {
      if (store === 'azure') response.setHeader('x-ms-error-code', refusal.code)
      const { type, text } = errorBody(refusal)
      reply(refusal.status, type, text)
    }
    if (wrong !== undefined && 'status' in wrong) {
      refuse({
        status: wrong.status,
        code:
          wrong.status === 403
            ? store === 'azure'
              ? 'AuthorizationFailure'
              : store === 's3'
                ? 'AccessDenied'
                : 'forbidden'
            : store === 's3'
              ? 'SlowDown'
              : 'ServerBusy',
        message: 'as the test wants it',
      })
      return
    }
    const onTheWay = wrong !== undefined && !('status' in wrong) ? wrong : {}
    try {
      if (request.method !== 'GET')
        throw new Refused({ status: 405, code: 'MethodNotAllowed', message: 'only GET is answered' })
      const { bucket, key, media } = placeOf(url.pathname)
      const expected = request.headers['x-amz-expected-bucket-owner']
      if (expected !== undefined && expected !== owner)
        throw new Refused({ status: 403, code: 'AccessDenied', message: 'Access Denied' })
      try {
        if (key === '') {
          const { type, text } = await list(bucket, url.searchParams)
          reply(200, type, text)
          return
        }
        const match = request.headers['if-match']
        const version =
          url.searchParams.get('generation') ?? (match === undefined ? undefined : match.replaceAll('"', ''))
        if (store !== 'gcs' || media || url.searchParams.get('alt') === 'media')
          await send(request, response, bucket, key, from, version ?? undefined, onTheWay)
        else {
          await exists(bucket)
          reply(200, 'application/json', JSON.stringify(await metadata(bucket, await find(bucket, key), true)))
        }
      } catch (error) {
        if (error instanceof AppError && error.code === 'OBJECT_NOT_FOUND')
          throw new Refused(/ object /.test(error.message) ? missing('object') : missing('bucket'))
        throw error
      }
    } catch (error) {
      if (response.headersSent) request.socket.destroy()
      else
        refuse(error instanceof Refused ? error.refusal : { status: 500, code: 'InternalError', message: 'it failed' })
    }
  }
  const server = createServer((request, response) => {
    void answer(request, response)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve()
        })
        server.closeAllConnections()
      }),
  }
}
