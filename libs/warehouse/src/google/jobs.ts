/** Jobs: inserted under their id, waited for, cancelled, and what they say of themselves. */
import { setTimeout as pause } from 'node:timers/promises'
import { AppError } from '@convergence/contracts'
import { backoffMs } from '@convergence/contracts/retry'
import type { Job, QuerySpec, Statement } from '../warehouse.ts'
import { faultOfReason, wordGoogle } from './faults.ts'
import { call, raw, unless, type RestJob, type RestResult, type Session } from './session.ts'
import { assertListed, type Written } from './sql.ts'
import { parametersOf } from './values.ts'

/** Between two looks at a job that has not ended. */
const polling = { first_ms: 25, most_ms: 2_000 }

export const longPollMs = 10_000

/** A label's value holds lower-case letters, digits, _ and -, at most 63. */
const labelText = (text: string): string =>
  text
    .toLowerCase()
    .replace(/[^\p{Ll}\p{Lo}\p{N}_-]/gu, '_')
    .slice(0, 63)

export const labelsOf = (labels: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(labels).map(([key, value]) => [labelText(key), labelText(value)]))

const rowsWritten = async (session: Session, id: string, { configuration, statistics }: RestJob): Promise<number> => {
  const { load, query } = statistics ?? {}
  const counted = load?.outputRows ?? query?.dmlStats?.insertedRowCount ?? query?.numDmlAffectedRows
  if (counted !== undefined) return Number(counted)
  if (configuration?.query === undefined) return 0
  const { totalRows = '0' } = await call<RestResult>(
    session,
    { uri: `/queries/${id}`, qs: { location: session.location, maxResults: 0 } },
    `count rows of job ${id}`,
  )
  return Number(totalRows)
}

const stateOf = (state: string | undefined): Job['state'] =>
  state === 'DONE' || state === 'PENDING' ? state : 'RUNNING'
export const jobOf = async (session: Session, id: string, rest: RestJob): Promise<Job> => {
  const { status, configuration, statistics } = rest
  const state = stateOf(status?.state)
  const job: Job = {
    job_id: id,
    state,
    labels: configuration?.labels ?? {},
    rows_written: 0,
    bytes_processed: Number(
      statistics?.query?.totalBytesProcessed ??
        statistics?.totalBytesProcessed ??
        statistics?.load?.inputFileBytes ??
        0,
    ),
  }
  if (state !== 'DONE') return job
  if (status?.errorResult === undefined) return { ...job, rows_written: await rowsWritten(session, id, rest) }
  const fault = faultOfReason(status.errorResult, `job ${id}`)
  // Only WRITE_EMPTY makes a job end with `duplicate`: its table has rows.
  return { ...job, error: fault.code === 'ALREADY_EXISTS' ? { ...fault, code: 'TABLE_NOT_EMPTY' } : fault }
}

export const readJob = (session: Session, id: string): Promise<RestJob | undefined> =>
  unless<RestJob>(session, 404, { uri: `/jobs/${id}`, qs: { location: session.location } }, `get job ${id}`)

export const ended = async (session: Session, id: string): Promise<void> => {
  const work = session.afterwards.get(id)
  session.afterwards.delete(id)
  session.ourQueries.delete(id)
  await work?.().catch((error: unknown) => {
    session.log?.warn(
      { job_id: id, fault: wordGoogle(error, `clean up after job ${id}`).message },
      'a staging table is left to its expiry',
    )
  })
}

export const limitsOf = (session: Session, labels: Readonly<Record<string, string>>) => ({
  jobTimeoutMs: String(session.job_timeout_ms),
  labels: labelsOf({ ...session.own_labels, ...labels }),
})

export const insertJob = async (
  session: Session,
  id: string,
  configuration: object,
  labels: Readonly<Record<string, string>>,
): Promise<Job | 'exists'> => {
  const rest = await unless<RestJob>(
    session,
    409,
    {
      method: 'POST',
      uri: '/jobs',
      json: {
        jobReference: { projectId: session.project_id, jobId: id, location: session.location },
        configuration: { ...configuration, ...limitsOf(session, labels) },
      },
    },
    `insert job ${id}`,
  )
  if (rest === undefined) return 'exists'
  const job = await jobOf(session, id, rest)
  if (job.state === 'DONE') await ended(session, id)
  else if ('query' in configuration) session.ourQueries.add(id)
  return job
}

export const queryOf = (session: Session, { query, parameters = [], default_dataset }: Statement) => ({
  query,
  useLegacySql: false,
  ...(parameters.length === 0 ? {} : { parameterMode: 'NAMED', queryParameters: parametersOf(parameters) }),
  ...(default_dataset === undefined
    ? {}
    : { defaultDataset: { projectId: session.project_id, datasetId: default_dataset } }),
})

export const writing = (
  session: Session,
  written: Written,
  spec: Pick<QuerySpec, 'default_dataset' | 'maximum_bytes_billed'>,
): object => ({
  ...queryOf(session, {
    ...written,
    ...(spec.default_dataset === undefined ? {} : { default_dataset: spec.default_dataset }),
  }),
  maximumBytesBilled: String(
    Math.min(session.maximum_bytes_billed, spec.maximum_bytes_billed ?? session.maximum_bytes_billed),
  ),
  priority: 'INTERACTIVE',
})

export const dryRunJob = async (
  session: Session,
  statement: Statement,
): Promise<NonNullable<NonNullable<RestJob['statistics']>['query']>> => {
  const { statistics, status } = await call<RestJob>(
    session,
    {
      method: 'POST',
      uri: '/jobs',
      json: {
        jobReference: { projectId: session.project_id, location: session.location },
        configuration: { dryRun: true, query: queryOf(session, statement) },
      },
    },
    'dry run',
  )
  if (status?.errorResult !== undefined) {
    const { code, message } = faultOfReason(status.errorResult, 'dry run')
    throw new AppError(code, message)
  }
  assertListed(statement.query, statistics?.query?.referencedRoutines)
  return {
    ...statistics?.query,
    totalBytesProcessed: statistics?.query?.totalBytesProcessed ?? statistics?.totalBytesProcessed ?? '0',
  }
}

export const assertSelect = (statement_type: string | undefined): void => {
  if (statement_type !== 'SELECT')
    throw new AppError(
      'QUERY_INVALID',
      `expected one SELECT statement, got ${statement_type ?? 'none'}; tables are written by jobs`,
    )
}

export const waitFor = async (session: Session, id: string, signal?: AbortSignal): Promise<Job> => {
  let isQuery = session.ourQueries.has(id)
  for (let k = 0; ; k++) {
    signal?.throwIfAborted()
    if (isQuery) {
      // The answer comes when the job ends, or after the time given; how the job ended is read from the job.
      const asked = raw<RestResult>(session, {
        uri: `/queries/${id}`,
        qs: { location: session.location, maxResults: 0, timeoutMs: longPollMs },
      }).then(
        ({ jobComplete }) => jobComplete,
        () => (k === 0 ? undefined : false),
      )
      await abortable(
        asked.then((complete) => (complete === false ? pause(backoffMs(k + 1, polling)) : undefined)),
        signal,
      )
    } else if (k > 0) {
      await pause(backoffMs(k + 1, polling), undefined, signal === undefined ? {} : { signal }).catch(() => undefined)
    }
    const rest = await readJob(session, id)
    if (rest === undefined) throw new AppError('NOT_FOUND', `job ${id} does not exist`)
    if (rest.status?.state === 'DONE') {
      const job = await jobOf(session, id, rest)
      await ended(session, id)
      return job
    }
    isQuery = rest.configuration?.query !== undefined
  }
}

/** What is waited for goes on; only the waiting ends. */
export const abortable = async (work: Promise<unknown>, signal: AbortSignal | undefined): Promise<void> => {
  if (signal === undefined) {
    await work
    return
  }
  let onAbort: (() => void) | undefined
  try {
    await Promise.race([
      work,
      new Promise<never>((_, reject) => {
        onAbort = () => {
          reject(signal.reason as Error)
        }
        signal.addEventListener('abort', onAbort, { once: true })
      }),
    ])
  } finally {
    if (onAbort !== undefined) signal.removeEventListener('abort', onAbort)
  }
}

export const cancel = async (session: Session, id: string): Promise<void> => {
  await unless(
    session,
    404,
    { method: 'POST', uri: `/jobs/${id}/cancel`, qs: { location: session.location } },
    `cancel job ${id}`,
  )
}
