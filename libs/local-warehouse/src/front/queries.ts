/** jobs.query of the REST API: a query that waits for its rows. */
import { randomUUID } from 'node:crypto'
import { limitOf, queryKnown, statementOf } from './configurations.ts'
import { resultsDataset } from './job-context.ts'
import type { Detail, JobsContext } from './job-context.ts'
import { afterWaiting } from './job-resource.ts'
import { answerOf, limitFrom, waitMs } from './query-results.ts'
import { maxResultsOf } from './request.ts'
import type { Answer, RestRequest } from './request.ts'
import { dryRun, submit } from './submit.ts'
import { assertKnown, flagAt, labelsAt, objectAt, textAt, timestampFormat, wholeAt } from './wire.ts'

export const runQuery = async (context: JobsContext, { body }: RestRequest): Promise<Answer> => {
  assertKnown(body, 'query', [
    'kind',
    ...queryKnown,
    'maxResults',
    'timeoutMs',
    'dryRun',
    'location',
    'formatOptions',
    'requestId',
    'labels',
    'jobCreationMode',
    'jobTimeoutMs',
    'preserveNulls',
  ])
  const location = textAt(body, 'location') ?? 'EU'
  const options = objectAt(body, 'formatOptions') ?? {}
  assertKnown(options, 'formatOptions', ['useInt64Timestamp', 'timestampOutputFormat'])
  const format = timestampFormat(flagAt(options, 'useInt64Timestamp'), textAt(options, 'timestampOutputFormat'))
  if (flagAt(body, 'dryRun') === true) {
    const { schema, totalBytesProcessed } = await dryRun(context, body)
    return {
      body: {
        kind: 'bigquery#queryResponse',
        jobReference: { projectId: context.engine.project_id, location },
        jobComplete: true,
        totalBytesProcessed,
        cacheHit: false,
        totalRows: '0',
        ...(schema === undefined ? {} : { schema }),
      },
    }
  }
  const requestId = textAt(body, 'requestId')
  const before = requestId === undefined ? undefined : context.requests.get(requestId)
  const job_id = before ?? `job_${randomUUID().replaceAll('-', '')}`
  if (before === undefined) {
    const statement = statementOf(context, body)
    const detail: Detail = {
      configuration: {
        jobType: 'QUERY',
        ...(labelsAt(body) === undefined ? {} : { labels: labelsAt(body) }),
        query: {
          query: statement.query,
          useLegacySql: false,
          destinationTable: {
            projectId: context.engine.project_id,
            datasetId: resultsDataset,
            tableId: `anon_${job_id}`,
          },
        },
      },
      created_ms: context.now().getTime(),
      location,
    }
    if (requestId !== undefined) {
      context.requests.set(requestId, job_id)
      if (context.requests.size > 10_000) context.requests.delete(context.requests.keys().next().value ?? '')
    }
    await submit(
      context,
      job_id,
      {
        kind: 'statement',
        statement,
        ...limitOf(body),
        onResult: (result) => {
          context.results.keep(job_id, result)
        },
      },
      detail,
      { keep: false, timeout_ms: wholeAt(body, 'jobTimeoutMs') },
    )
  }
  const job = await afterWaiting(context, job_id, Math.min(wholeAt(body, 'timeoutMs') ?? waitMs, 200_000))
  return {
    body: await answerOf(
      context,
      job,
      { offset: 0, limit: limitFrom(maxResultsOf(body)), format },
      'bigquery#queryResponse',
    ),
  }
}
