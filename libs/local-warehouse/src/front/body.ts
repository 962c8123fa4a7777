/** Bodies of requests: unpacked, bounded, as JSON. */
import type { IncomingMessage } from 'node:http'
import { createGunzip } from 'node:zlib'
import { RestFault, isJson, unsupported } from './wire.ts'
import type { Json } from './wire.ts'

/** A request's JSON; uploads are not bound by it. BigQuery's own limit is 10 MB. */
export const bytesOfJson = 20_000_000

/** Throws uploadTooLarge. */
export const bytesOf = async (body: AsyncIterable<Buffer>, most: number): Promise<Buffer> => {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > most)
      throw new RestFault(413, 'uploadTooLarge', `Request payload size exceeds the limit: ${most} bytes.`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
/** Throws parseError. */
export const parsed = (text: string): Json => {
  if (text.trim() === '') return {}
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new RestFault(400, 'parseError', 'Parse Error: the body is no JSON', { cause: error })
  }
  if (!isJson(value)) throw new RestFault(400, 'parseError', 'Parse Error: expected a JSON object')
  return value
}
export const rawBody = (request: IncomingMessage): AsyncIterable<Buffer> => {
  const encoding = request.headers['content-encoding']
  if (encoding === undefined || encoding === 'identity') return request as AsyncIterable<Buffer>
  if (encoding !== 'gzip') throw unsupported(`Content-Encoding: ${encoding}`)
  const unpacked = createGunzip()
  request.on('error', (error) => unpacked.destroy(error))
  return request.pipe(unpacked) as AsyncIterable<Buffer>
}
