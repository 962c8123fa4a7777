/** Load jobs by upload. */
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import type { Job } from '../warehouse.ts'
import { wordGoogle, type Reason } from './faults.ts'
import { jobOf, limitsOf } from './jobs.ts'
import { assertOpen, type RestJob, type Session } from './session.ts'

/**
 * A load job by upload, for whose labels the client's own upload has no place. The rows are made while they are sent;
 * a row that is wrong
 * breaks the upload off, and without its end there is no job.
 */
export const upload = async (
  session: Session,
  id: string,
  load: object,
  content: AsyncIterable<string | Uint8Array>,
  labels: Readonly<Record<string, string>>,
): Promise<Job | 'exists'> => {
  assertOpen(session)
  const what = `insert job ${id}`
  const config = {
    jobReference: { projectId: session.project_id, jobId: id, location: session.location },
    configuration: { ...limitsOf(session, labels), load: { createDisposition: 'CREATE_NEVER', ...load } },
  }
  const boundary = `upload_${createHash('sha256').update(id).digest('hex').slice(0, 32)}`
  let fault: unknown
  async function* parts(): AsyncGenerator<string | Uint8Array> {
    yield `--${boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n${JSON.stringify(config)}\r\n`
    yield `--${boundary}\r\nContent-Type: application/octet-stream\r\n\r\n`
    try {
      yield* content
    } catch (error) {
      fault = error
      throw error
    }
    yield `\r\n--${boundary}--\r\n`
  }
  let answer: { status: number; data: RestJob & { error?: { code?: number; message?: string; errors?: Reason[] } } }
  try {
    answer = await session.client.authClient.request({
      url: `${session.client.apiEndpoint}/upload/bigquery/v2/projects/${session.project_id}/jobs?uploadType=multipart`,
      method: 'POST',
      headers: { 'Content-Type': `multipart/related; boundary=${boundary}` },
      data: Readable.from(parts(), { objectMode: false }),
      duplex: 'half',
      retry: false,
      validateStatus: () => true,
    })
  } catch (error) {
    throw wordGoogle(fault ?? error, what)
  }
  if (answer.status === 409) return 'exists'
  const { error, ...rest } = answer.data
  if (error === undefined && answer.status < 300) return jobOf(session, id, rest)
  throw wordGoogle(
    Object.assign(new Error(error?.message ?? `HTTP ${answer.status}`), {
      code: error?.code ?? answer.status,
      errors: error?.errors ?? [],
    }),
    what,
  )
}
