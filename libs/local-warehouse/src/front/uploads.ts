/** Media uploads of load jobs, in one request or resumed over several. */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { bytesOf, bytesOfJson, parsed, rawBody } from './body.ts'
import { openMedia, readMultipart } from './files.ts'
import type { Media } from './files.ts'
import type { JobsContext } from './job-context.ts'
import { insertJob } from './jobs.ts'
import type { Answer } from './request.ts'
import { notFound, unsupported } from './wire.ts'
import type { Json } from './wire.ts'

const resumableMs = 24 * 3_600_000
/** A resumable upload that has begun. */
interface Session {
  config: Json
  media: ReturnType<typeof openMedia>
  at: number
}
export type Sessions = Map<string, Session>

const resume = async (
  context: JobsContext,
  sessions: Sessions,
  request: IncomingMessage,
  id: string,
): Promise<Answer> => {
  const session = sessions.get(id)
  if (session === undefined) throw notFound(`Upload ${id}`)
  const { media, config } = session
  const range = request.headers['content-range']
  const [, from, to, total] =
    /^bytes (?:(\d+)-(\d+)|\*)\/(\d+|\*)$/.exec(
      range ??
        `bytes 0-${Number(request.headers['content-length'] ?? 1) - 1}/${request.headers['content-length'] ?? '*'}`,
    ) ?? []
  const more = (): Answer => ({
    status: 308,
    headers: media.bytes === 0 ? {} : { Range: `bytes=0-${media.bytes - 1}` },
  })
  if (from !== undefined && Number(from) !== media.bytes) {
    // Bytes that are here already came again, or some are missing: the answer says how far it is.
    for await (const _chunk of rawBody(request)) continue
    return more()
  }
  for await (const chunk of rawBody(request)) await media.write(chunk)
  const isWhole = total !== undefined && total !== '*' ? media.bytes >= Number(total) : range === undefined
  if (!isWhole || (to === undefined && from === undefined && range !== undefined && total === '*')) return more()
  sessions.delete(id)
  const whole: Media = await media.end()
  return insertJob(context, config, whole)
}

/** Throws what is wrong with the request. */
export const upload = async (
  context: JobsContext,
  sessions: Sessions,
  origin: string,
  request: IncomingMessage,
  query: URLSearchParams,
): Promise<Answer> => {
  const kind = query.get('uploadType') ?? request.headers['x-goog-upload-protocol']
  if (kind === 'multipart') {
    const { json, media } = await readMultipart(
      rawBody(request),
      request.headers['content-type'] ?? '',
      join(context.uploads, `upload-${randomUUID()}`),
    )
    return insertJob(context, parsed(json), media)
  }
  if (kind !== 'resumable') throw unsupported(`An upload of type ${String(kind)} (multipart and resumable are)`)
  const session = query.get('upload_id')
  if (session === null) {
    const config = parsed((await bytesOf(rawBody(request), bytesOfJson)).toString())
    const id = randomUUID()
    for (const [old, { at, media }] of sessions) {
      if (at > context.now().getTime() - resumableMs) continue
      sessions.delete(old)
      await media.discard()
    }
    sessions.set(id, {
      config,
      media: openMedia(join(context.uploads, `resumable-${id}`)),
      at: context.now().getTime(),
    })
    return {
      headers: {
        Location:
          `${origin}/upload/bigquery/v2/projects/${context.engine.project_id}/jobs` +
          `?uploadType=resumable&upload_id=${id}`,
        'X-GUploader-UploadID': id,
      },
      body: {},
    }
  }
  return resume(context, sessions, request, session)
}
