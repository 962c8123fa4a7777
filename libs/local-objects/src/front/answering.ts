/** One request: where it points, what is wanted of it, and what a test has go wrong with it. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { AppError } from '@convergence/contracts'
import { errorBody, faultCodes, notFound, Refused, type Refusal } from './errors.ts'
import { assertBucket, listing, metadata, objectAt } from './listing.ts'
import { sendObject } from './reading.ts'
import type { FrontState } from './state.ts'

/** Bucket and key of a path: S3 and Azure as they are, Azure below its account, Google below its API. */
const locationOf = (front: FrontState, path: string): { bucket: string; key: string; media: boolean } => {
  const decoded = (text = '') => {
    try {
      return decodeURIComponent(text)
    } catch {
      return ''
    }
  }
  if (front.store === 'gcs') {
    const [, bucket, key] = /^\/(?:download\/)?storage\/v1\/b\/([^/]+)\/o(?:\/(.+))?$/.exec(path) ?? []
    return { bucket: decoded(bucket), key: decoded(key), media: path.startsWith('/download/') }
  }
  const parts = path.split('/').slice(front.store === 'azure' ? 2 : 1)
  return { bucket: decoded(parts[0]), key: decoded(parts.slice(1).join('/')), media: true }
}

export const answer = async (front: FrontState, request: IncomingMessage, response: ServerResponse): Promise<void> => {
  const url = new URL(request.url ?? '/', 'http://127.0.0.1')
  const from = Number(
    /^bytes=(\d+)-/.exec(String(request.headers['x-ms-range'] ?? request.headers.range ?? ''))?.[1] ?? 0,
  )
  const wrong = front.fault?.({ method: request.method ?? '', path: url.pathname, range: from })
  const reply = (status: number, type: string, text: string) => {
    response
      .writeHead(status, {
        'Content-Type': type,
        'Content-Length': Buffer.byteLength(text),
        ...(front.store === 'azure' ? { 'x-ms-request-id': 'r1', 'x-ms-version': '2025-01-05' } : {}),
      })
      .end(text)
  }
  const refuse = (refusal: Refusal) => {
    if (front.store === 'azure') response.setHeader('x-ms-error-code', refusal.code)
    const { type, text } = errorBody(front, refusal)
    reply(refusal.status, type, text)
  }
  if (wrong !== undefined && 'status' in wrong) {
    refuse({
      status: wrong.status,
      code: faultCodes[front.store][wrong.status === 403 ? 'denied' : 'busy'],
      message: 'as the test wants it',
    })
    return
  }
  const onTheWay = wrong !== undefined && !('status' in wrong) ? wrong : {}
  try {
    if (request.method !== 'GET')
      throw new Refused({ status: 405, code: 'MethodNotAllowed', message: 'only GET is answered' })
    const { bucket, key, media } = locationOf(front, url.pathname)
    const expected = request.headers['x-amz-expected-bucket-owner']
    if (expected !== undefined && expected !== front.owner)
      throw new Refused({ status: 403, code: 'AccessDenied', message: 'Access Denied' })
    try {
      if (key === '') {
        const { type, text } = await listing(front, bucket, url.searchParams)
        reply(200, type, text)
        return
      }
      const match = request.headers['if-match']
      const version =
        url.searchParams.get('generation') ?? (match === undefined ? undefined : match.replaceAll('"', ''))
      if (front.store !== 'gcs' || media || url.searchParams.get('alt') === 'media')
        await sendObject(front, request, response, bucket, key, from, version ?? undefined, onTheWay)
      else {
        await assertBucket(front, bucket)
        reply(
          200,
          'application/json',
          JSON.stringify(await metadata(front, bucket, await objectAt(front, bucket, key), true)),
        )
      }
    } catch (error) {
      if (error instanceof AppError && error.code === 'OBJECT_NOT_FOUND')
        throw new Refused(/ object /.test(error.message) ? notFound(front, 'object') : notFound(front, 'bucket'))
      throw error
    }
  } catch (error) {
    if (response.headersSent) request.socket.destroy()
    else refuse(error instanceof Refused ? error.refusal : { status: 500, code: 'InternalError', message: 'it failed' })
  }
}
