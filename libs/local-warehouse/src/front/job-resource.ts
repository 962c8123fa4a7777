/** The job resource: how the REST API tells of a job. */
import type { KeptJob } from '../work.ts'
import type { Detail, JobsContext } from './job-context.ts'
import { isJson, notFound, reasonOf, restRef } from './wire.ts'
import type { Json } from './wire.ts'

const detailsKept = 20_000

export const remember = (context: JobsContext, job_id: string, detail: Detail): void => {
  context.details.set(job_id, detail)
  if (context.details.size > detailsKept) context.details.delete(context.details.keys().next().value ?? '')
}
export const detailOf = (context: JobsContext, job: KeptJob): Detail =>
  context.details.get(job.job_id) ??
  (isJson(job.detail)
    ? (job.detail as unknown as Detail)
    : { configuration: { jobType: 'QUERY', query: {} }, created_ms: job.ended_ms ?? 0, location: 'EU' })
export const errorOf = (
  { error }: KeptJob,
  configuration: Json,
): { reason: string; message: string; location?: string } | undefined => {
  if (error === undefined) return undefined
  const { reason, message } = reasonOf(error, configuration['query'] === undefined ? 'request' : 'query')
  return { reason, message, ...(reason === 'invalidQuery' ? { location: 'query' } : {}) }
}
export const statisticsOf = (job: KeptJob, { configuration, created_ms, input_bytes, input_files }: Detail) => {
  const { outcome = {}, rows_written, bytes_processed } = job
  const changes = {
    ...(outcome.inserted === undefined ? {} : { insertedRowCount: String(outcome.inserted) }),
    ...(outcome.deleted === undefined ? {} : { deletedRowCount: String(outcome.deleted) }),
    ...(outcome.updated === undefined ? {} : { updatedRowCount: String(outcome.updated) }),
  }
  const isDml = outcome.inserted !== undefined || outcome.deleted !== undefined || outcome.updated !== undefined
  const query =
    configuration['query'] === undefined || job.state !== 'DONE'
      ? {}
      : {
          query: {
            totalBytesProcessed: String(bytes_processed),
            totalBytesBilled: String(bytes_processed),
            cacheHit: false,
            statementType:
              outcome.statement_type ??
              (job.error === undefined &&
              isJson(configuration['query']) &&
              configuration['query']['query'] === undefined
                ? 'INSERT'
                : 'SELECT'),
            ...(outcome.referenced_tables === undefined
              ? {}
              : { referencedTables: outcome.referenced_tables.map(restRef) }),
            ...(isDml ? { numDmlAffectedRows: String(rows_written), dmlStats: changes } : {}),
            ...(outcome.ddl_operation === undefined
              ? {}
              : {
                  ddlOperationPerformed: outcome.ddl_operation,
                  ...(outcome.target === undefined ? {} : { ddlTargetTable: restRef(outcome.target) }),
                }),
          },
        }
  return {
    creationTime: String(created_ms),
    startTime: String(created_ms),
    ...(job.state === 'DONE' ? { endTime: String(Math.max(created_ms, job.ended_ms ?? created_ms)) } : {}),
    totalBytesProcessed: String(bytes_processed),
    ...query,
    ...(configuration['load'] === undefined || job.state !== 'DONE'
      ? {}
      : {
          load: {
            inputFiles: String(input_files ?? 1),
            inputFileBytes: String(input_bytes ?? bytes_processed),
            outputRows: String(rows_written),
            outputBytes: String(bytes_processed),
            badRecords: '0',
          },
        }),
    ...(configuration['copy'] === undefined || job.state !== 'DONE'
      ? {}
      : { copy: { copiedRows: String(rows_written), copiedLogicalBytes: '0' } }),
  }
}
export const resource = (context: JobsContext, job: KeptJob) => {
  const detail = detailOf(context, job)
  const error = errorOf(job, detail.configuration)
  return {
    kind: 'bigquery#job',
    etag: `${job.job_id}.${job.state}`,
    id: `${context.engine.project_id}:${detail.location}.${job.job_id}`,
    selfLink: `${context.self()}/projects/${context.engine.project_id}/jobs/${job.job_id}?location=${detail.location}`,
    user_email: 'local@localhost',
    configuration: { ...detail.configuration, labels: job.labels },
    jobReference: { projectId: context.engine.project_id, jobId: job.job_id, location: detail.location },
    statistics: statisticsOf(job, detail),
    status: { state: job.state, ...(error === undefined ? {} : { errorResult: error, errors: [error] }) },
  }
}
/** Throws notFound. */
export const jobOf = async (context: JobsContext, job_id: string): Promise<KeptJob> => {
  const job = await context.engine.job(job_id)
  if (job === undefined) throw notFound(`Job ${context.engine.project_id}:${job_id}`)
  return job
}
/** The job once it has ended, or as it is then. */
export const afterWaiting = async (context: JobsContext, job_id: string, ms: number): Promise<KeptJob> => {
  const before = await jobOf(context, job_id)
  if (before.state === 'DONE' || ms <= 0) return before
  const gaveUp = new AbortController()
  const timer = setTimeout(() => {
    gaveUp.abort()
  }, ms)
  try {
    await context.engine.wait(job_id, gaveUp.signal)
  } catch (error) {
    if (!gaveUp.signal.aborted) throw error
  } finally {
    clearTimeout(timer)
  }
  return jobOf(context, job_id)
}
