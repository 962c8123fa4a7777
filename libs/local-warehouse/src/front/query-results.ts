/** Rows of a query's result, by pages: of the latest results in memory, or of the table that the query wrote. */
import type { Column } from '@convergence/contracts'
import type { KeptJob, Result } from '../work.ts'
import { resultsDataset } from './job-context.ts'
import type { JobsContext } from './job-context.ts'
import { afterWaiting, detailOf, errorOf, statisticsOf } from './job-resource.ts'
import { maxResultsOf, startOf, tokenOf } from './request.ts'
import type { Answer, RestRequest } from './request.ts'
import {
  RestFault,
  formatRows,
  isSaid,
  notFound,
  objectAt,
  reasonOf,
  schemaOf,
  tableRefOf,
  textAt,
  timestampFormat,
  wholeAt,
} from './wire.ts'
import type { TimestampFormat } from './wire.ts'

const rowsOfPage = 50_000
const bytesOfPage = 10_000_000
/** How long a request waits for a job, where it does not say. */
export const waitMs = 10_000

const pageOfRows = (columns: readonly Column[], rows: Result['rows'], format: TimestampFormat) => {
  const shown = formatRows(columns, rows, format)
  // A page holds some 10 MB; rows are of about the same size.
  const [first] = shown
  const size =
    first === undefined ? 1 : Math.max(1, JSON.stringify(shown.slice(0, 20)).length / Math.min(20, shown.length))
  return shown.slice(0, Math.max(1, Math.floor(bytesOfPage / size)))
}
export const answerOf = async (
  context: JobsContext,
  job: KeptJob,
  { limit, offset, format }: { limit: number; offset: number; format: TimestampFormat },
  kind: string,
) => {
  const detail = detailOf(context, job)
  const head = {
    kind,
    jobReference: { projectId: context.engine.project_id, jobId: job.job_id, location: detail.location },
  }
  if (job.state !== 'DONE') return { ...head, jobComplete: false }
  const fault = errorOf(job, detail.configuration)
  if (fault !== undefined)
    throw new RestFault(reasonOf(job.error ?? { code: '', message: '' }, 'query').status, fault.reason, fault.message)
  const done = {
    ...head,
    jobComplete: true,
    totalBytesProcessed: String(job.bytes_processed),
    totalBytesBilled: String(job.bytes_processed),
    cacheHit: false,
    statementType: job.outcome?.statement_type ?? 'SELECT',
    creationTime: String(detail.created_ms),
    endTime: String(job.ended_ms ?? detail.created_ms),
  }
  const config = objectAt(detail.configuration, 'query')
  const isDml =
    job.outcome?.inserted !== undefined || job.outcome?.updated !== undefined || job.outcome?.deleted !== undefined
  if (isDml || job.outcome?.ddl_operation !== undefined || config === undefined) {
    return {
      ...done,
      totalRows: '0',
      ...(isDml
        ? { numDmlAffectedRows: String(job.rows_written), dmlStats: statisticsOf(job, detail).query?.dmlStats }
        : {}),
    }
  }
  const page = (columns: readonly Column[], rows: Result['rows'], total: number, paged: number) => ({
    ...done,
    schema: schemaOf(columns),
    totalRows: String(total),
    ...(limit === 0 ? {} : { rows }),
    ...(limit > 0 && offset + rows.length < paged && rows.length > 0
      ? { pageToken: tokenOf(offset + rows.length) }
      : {}),
  })
  const destinationTable = objectAt(config, 'destinationTable')
  if (destinationTable !== undefined && textAt(destinationTable, 'datasetId') !== resultsDataset) {
    const ref = tableRefOf(destinationTable, 'destinationTable', context.engine.project_id)
    const { columns, rows, total } = await context.engine.read(ref.dataset, ref.table, { offset, limit })
    return page(columns, pageOfRows(columns, rows, format), limit === 0 ? job.rows_written : total, total)
  }
  const result = context.results.get(job.job_id)
  if (result === undefined)
    throw notFound(
      `Results of job ${job.job_id}: the local warehouse keeps those of the latest queries, until it ends; ` +
        'run the query again',
    )
  return page(
    result.columns,
    pageOfRows(result.columns, result.rows.slice(offset, offset + limit), format),
    result.rows.length,
    result.rows.length,
  )
}
export const limitFrom = (asked: number | undefined): number => Math.min(asked ?? rowsOfPage, rowsOfPage)

/** jobs.getQueryResults */
export const getQueryResults = async (
  context: JobsContext,
  job_id: string,
  { query }: RestRequest,
): Promise<Answer> => {
  const timeout = wholeAt({ timeoutMs: query.get('timeoutMs') }, 'timeoutMs') ?? waitMs
  const job = await afterWaiting(context, job_id, Math.min(timeout, 200_000))
  const format = timestampFormat(
    isSaid(query, 'formatOptions.useInt64Timestamp'),
    query.get('formatOptions.timestampOutputFormat') ?? undefined,
  )
  const offset = startOf(query)
  return {
    body: await answerOf(
      context,
      job,
      { offset, limit: limitFrom(maxResultsOf({ maxResults: query.get('maxResults') })), format },
      'bigquery#getQueryResultsResponse',
    ),
  }
}

/** Rows of a result in memory, as tabledata.list has them. */
export const readResult = (result: Result, { query }: RestRequest): Answer => {
  const offset = startOf(query)
  const rows = result.rows.slice(
    offset,
    offset + Math.min(maxResultsOf({ maxResults: query.get('maxResults') }) ?? 50_000, 50_000),
  )
  const format = timestampFormat(
    isSaid(query, 'formatOptions.useInt64Timestamp'),
    query.get('formatOptions.timestampOutputFormat') ?? undefined,
  )
  return {
    body: {
      kind: 'bigquery#tableDataList',
      totalRows: String(result.rows.length),
      rows: formatRows(result.columns, rows, format),
      ...(offset + rows.length < result.rows.length && rows.length > 0
        ? { pageToken: tokenOf(offset + rows.length) }
        : {}),
    },
  }
}
/** A result in memory, as tables.get has it. */
export const resultResource = ({ engine }: JobsContext, table: string, { columns, rows }: Result): Answer => ({
  body: {
    kind: 'bigquery#table',
    id: `${engine.project_id}:${resultsDataset}.${table}`,
    tableReference: { projectId: engine.project_id, datasetId: resultsDataset, tableId: table },
    type: 'TABLE',
    schema: schemaOf(columns),
    numRows: String(rows.length),
    location: 'EU',
  },
})
