/** Jobs handed to the engine, with what their requests said and their time limits; and dry runs. */
import { randomUUID } from 'node:crypto'
import type { KeptJob, Work } from '../work.ts'
import { limitOf, statementOf } from './configurations.ts'
import type { Detail, JobsContext } from './job-context.ts'
import { remember } from './job-resource.ts'
import { RestFault, faultOf, invalid, labelsAt, restRef, schemaOf, textAt } from './wire.ts'
import type { Json } from './wire.ts'

export const jobId = (reference: Json): string => {
  const id = textAt(reference, 'jobId') ?? `job_${randomUUID().replaceAll('-', '')}`
  if (!/^[A-Za-z0-9_-]{1,1024}$/.test(id)) throw invalid('Invalid job ID: expected 1 to 1024 letters, digits, _ or -')
  return id
}
export const dryRun = async (context: JobsContext, config: Json) => {
  const statement = statementOf(context, config)
  const { statement_type, referenced_tables, columns, bytes } = await context.engine
    .plan(statement)
    .catch((error: unknown) => {
      throw faultOf(error, 'query')
    })
  const limit = limitOf(config).maximum_bytes_billed
  if (limit !== undefined && bytes > limit)
    throw new RestFault(
      400,
      'bytesBilledLimitExceeded',
      `Query exceeded limit for bytes billed: ${limit}. ${bytes} or higher required.`,
    )
  return {
    statementType: statement_type,
    totalBytesProcessed: String(bytes),
    totalBytesBilled: '0',
    cacheHit: false,
    referencedTables: referenced_tables.map(restRef),
    ...(columns.length === 0 ? {} : { schema: schemaOf(columns) }),
  }
}
export const exists = (context: JobsContext, job_id: string, location: string): RestFault =>
  new RestFault(409, 'duplicate', `Already Exists: Job ${context.engine.project_id}:${location}.${job_id}`)
const cancelAfter = (context: JobsContext, job_id: string, ms: number | undefined): void => {
  if (ms === undefined || ms <= 0) return
  const timer = setTimeout(
    () => {
      void context.engine.cancel(job_id)
    },
    Math.min(ms, 2 ** 31 - 1),
  )
  context.timers.add(timer)
  context.engine
    .wait(job_id)
    .catch(() => undefined)
    .finally(() => {
      clearTimeout(timer)
      context.timers.delete(timer)
    })
}
export const submit = async (
  context: JobsContext,
  job_id: string,
  work: Work,
  detail: Detail,
  { keep, timeout_ms }: { keep: boolean; timeout_ms?: number | undefined },
): Promise<KeptJob> => {
  const job = await context.engine.submit(job_id, work, { labels: labelsAt(detail.configuration) ?? {}, detail, keep })
  if (job === 'exists') throw exists(context, job_id, detail.location)
  remember(context, job_id, detail)
  cancelAfter(context, job_id, timeout_ms)
  return job
}
