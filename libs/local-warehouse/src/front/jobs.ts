/** jobs.* of the REST API. A job answers RUNNING first; how it ended is asked for. */
import { AppError } from '@convergence/contracts'
import { copyWork, queryWork } from './configurations.ts'
import type { Media } from './files.ts'
import { resultsDataset } from './job-context.ts'
import type { Detail, JobsContext } from './job-context.ts'
import { afterWaiting, detailOf, jobOf, remember, resource } from './job-resource.ts'
import { loadWork } from './loads.ts'
import { pageOf } from './request.ts'
import type { Answer, RestRequest } from './request.ts'
import { smallLoad } from './small-load.ts'
import { dryRun, exists, jobId, submit } from './submit.ts'
import { RestFault, assertKnown, flagAt, labelsAt, notFound, objectAt, textAt, unsupported, wholeAt } from './wire.ts'
import type { Json } from './wire.ts'

/** A job that ends well within this answers DONE to whoever inserted it, and is not asked for again. */
const quickMs = 30

/** The body's configuration, which is of exactly one kind. */
const configurationOf = (body: Json) => {
  assertKnown(body, 'job', [
    'configuration',
    'jobReference',
    'jobCreationMode',
    'kind',
    'etag',
    'id',
    'selfLink',
    'status',
    'statistics',
    'user_email',
  ])
  const configuration = objectAt(body, 'configuration')
  if (configuration === undefined) throw new RestFault(400, 'required', 'Required parameter is missing: configuration')
  assertKnown(configuration, 'configuration', [
    'query',
    'load',
    'copy',
    'extract',
    'dryRun',
    'labels',
    'jobTimeoutMs',
    'jobType',
  ])
  const [query, load, copy] = [
    objectAt(configuration, 'query'),
    objectAt(configuration, 'load'),
    objectAt(configuration, 'copy'),
  ]
  if (configuration['extract'] !== undefined) throw unsupported('An extract job')
  if ([query, load, copy].filter((one) => one !== undefined).length !== 1)
    throw new RestFault(
      400,
      'required',
      'Required parameter is missing: exactly one of configuration.query, load and copy',
    )
  return { configuration, query, load, copy }
}
const insertDryRun = async (context: JobsContext, query: Json | undefined, detail: Detail): Promise<Answer> => {
  if (query === undefined) throw unsupported('A dry run of a job that is no query')
  const statistics = await dryRun(context, query)
  return {
    body: {
      kind: 'bigquery#job',
      configuration: detail.configuration,
      jobReference: { projectId: context.engine.project_id, location: detail.location },
      status: { state: 'DONE' },
      statistics: {
        creationTime: String(detail.created_ms),
        totalBytesProcessed: statistics.totalBytesProcessed,
        query: statistics,
      },
    },
  }
}
const insertQuery = async (
  context: JobsContext,
  job_id: string,
  query: Json,
  detail: Detail,
  timeout_ms: number | undefined,
): Promise<Answer> => {
  const hasDestination = objectAt(query, 'destinationTable') !== undefined
  if (!hasDestination)
    detail.configuration = {
      ...detail.configuration,
      query: {
        ...query,
        destinationTable: {
          projectId: context.engine.project_id,
          datasetId: resultsDataset,
          tableId: `anon_${job_id}`,
        },
      },
    }
  const running = await submit(context, job_id, queryWork(context, job_id, query), detail, {
    keep: true,
    timeout_ms,
  })
  const soon = await afterWaiting(context, job_id, quickMs)
  return { body: resource(context, soon.error === undefined ? soon : running) }
}
const insertLoad = async (
  context: JobsContext,
  job_id: string,
  load: Json,
  media: Media | undefined,
  detail: Detail,
  timeout_ms: number | undefined,
): Promise<Answer> => {
  const small = smallLoad(context, load, media)
  if (small !== undefined) {
    const job = await context.engine
      .insert(job_id, { kind: 'rows', ...small }, labelsAt(detail.configuration) ?? {})
      .catch((error: unknown) => {
        if (error instanceof AppError && error.code === 'QUERY_INVALID') return undefined
        throw error
      })
    if (job === 'exists') throw exists(context, job_id, detail.location)
    if (job !== undefined) {
      remember(context, job_id, { ...detail, input_bytes: media?.bytes ?? 0, input_files: 1 })
      return { body: resource(context, job) }
    }
  }
  const { work, clean } = loadWork(context, load, media, detail)
  const job = await submit(context, job_id, work, detail, {
    keep: true,
    timeout_ms,
  }).catch(async (error: unknown) => {
    await clean()
    throw error
  })
  context.engine
    .wait(job_id)
    .catch(() => undefined)
    .finally(() => {
      void clean()
    })
  return { body: resource(context, job) }
}
/** jobs.insert */
export const insertJob = async (context: JobsContext, body: Json, media?: Media): Promise<Answer> => {
  const { configuration, query, load, copy } = configurationOf(body)
  const reference = objectAt(body, 'jobReference') ?? {}
  const of = textAt(reference, 'projectId')
  if (of !== undefined && of !== context.engine.project_id) throw notFound(`Project ${of}`)
  const location = textAt(reference, 'location') ?? 'EU'
  let jobType = 'COPY'
  if (query !== undefined) jobType = 'QUERY'
  else if (load !== undefined) jobType = 'LOAD'
  const detail: Detail = { configuration: { ...configuration, jobType }, created_ms: context.now().getTime(), location }
  if (flagAt(configuration, 'dryRun') === true) return insertDryRun(context, query, detail)
  const job_id = jobId(reference)
  const timeout_ms = wholeAt(configuration, 'jobTimeoutMs')
  if (query !== undefined) return insertQuery(context, job_id, query, detail, timeout_ms)
  if (load !== undefined) return insertLoad(context, job_id, load, media, detail, timeout_ms)
  return {
    body: resource(context, await submit(context, job_id, copyWork(context, copy ?? {}), detail, { keep: true })),
  }
}
/** jobs.get */
export const getJob = async (context: JobsContext, job_id: string): Promise<Answer> => ({
  body: resource(context, await jobOf(context, job_id)),
})

/** jobs.cancel */
export const cancelJob = async (context: JobsContext, job_id: string): Promise<Answer> => {
  await jobOf(context, job_id)
  await context.engine.cancel(job_id)
  return { body: { kind: 'bigquery#jobCancelResponse', job: resource(context, await jobOf(context, job_id)) } }
}

/** jobs.list */
export const listJobs = async (context: JobsContext, { query }: RestRequest): Promise<Answer> => {
  const states = query.getAll('stateFilter').map((state) => state.toUpperCase())
  const [min, max] = [
    wholeAt({ min: query.get('minCreationTime') || null }, 'min') ?? -Infinity,
    wholeAt({ max: query.get('maxCreationTime') || null }, 'max') ?? Infinity,
  ]
  if ((query.get('parentJobId') ?? '') !== '') throw unsupported('jobs.list with parentJobId')
  const all = (await context.engine.jobs(10_000))
    .map((job) => ({ job, detail: detailOf(context, job) }))
    .filter(
      ({ job, detail }) =>
        (states.length === 0 || states.includes(job.state)) && detail.created_ms >= min && detail.created_ms <= max,
    )
    .sort((one, other) => other.detail.created_ms - one.detail.created_ms)
  const { items, nextPageToken } = pageOf(all, query)
  return {
    body: {
      kind: 'bigquery#jobList',
      ...(nextPageToken === undefined ? {} : { nextPageToken }),
      jobs: items.map(({ job }) => {
        const { etag: _etag, selfLink: _selfLink, ...rest } = resource(context, job)
        return {
          ...rest,
          state: job.state,
          ...(rest.status.errorResult === undefined ? {} : { errorResult: rest.status.errorResult }),
        }
      }),
    },
  }
}
