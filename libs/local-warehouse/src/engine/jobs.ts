/**
 * Jobs by their ids: an id is taken once, for ever. Those at work and those that ended lately are in memory, all that
 * ended in the warehouse. A job that was running when the process ended is simply not there: whoever wants it inserts
 * it again.
 */
import { AppError } from '@convergence/contracts'
import type { Job, RowsSpec } from '@convergence/warehouse'
import type { KeptJob } from '../work.ts'
import type { Context } from './context.ts'
import { readJob, readJobs } from './job-store.ts'
import { assertJournalRows, journalDataset, textOfRows } from './journal-rows.ts'
import { perform } from './perform.ts'
import type { Running, Task } from './perform.ts'

const jobsInMemory = 2_000

export interface Jobs {
  running: Map<string, Running>
  /** The latest ones, the oldest first. */
  ended: Map<string, KeptJob>
}
const remember = ({ ended }: Jobs, job: KeptJob): KeptJob => {
  ended.set(job.job_id, job)
  if (ended.size > jobsInMemory) ended.delete(ended.keys().next().value ?? '')
  return job
}
/** Throws QUERY_INVALID. */
export const assertJobId = (job_id: string): void => {
  if (!/^[A-Za-z0-9_-]{1,1024}$/.test(job_id))
    throw new AppError(
      'QUERY_INVALID',
      `job id: expected 1 to 1024 letters, digits, _ or -, got ${job_id.length} characters`,
    )
}

const findJob = async (context: Context, jobs: Jobs, job_id: string): Promise<KeptJob | undefined> => {
  const known = jobs.ended.get(job_id)
  if (known !== undefined) return known
  const stored = await context.journal.job(job_id)
  // What the journal takes are inserts of rows, and nothing else: said again, so that a job that outlived its process
  // still tells its rows.
  if (stored !== undefined)
    return {
      job_id,
      state: 'DONE',
      labels: JSON.parse(stored.labels) as Record<string, string>,
      rows_written: stored.rows_written,
      bytes_processed: 0,
      ended_ms: stored.created_ms,
      outcome: { statement_type: 'INSERT', inserted: stored.rows_written },
    }
  const row = await readJob(context, job_id)
  return row === undefined ? undefined : remember(jobs, row)
}
/** Rows and the job's id are one durable entry of the journal. */
export const insertRows = async (
  context: Context,
  job_id: string,
  { table, rows }: RowsSpec,
  labels: Readonly<Record<string, string>>,
): Promise<Job | 'exists'> => {
  assertJournalRows(context, table, rows)
  const written = await context.journal.write(table, textOfRows(rows), rows.length, {
    job_id,
    labels: JSON.stringify(labels),
    rows_written: rows.length,
    created_ms: context.now().getTime(),
  })
  return written ? { job_id, state: 'DONE', labels, rows_written: rows.length, bytes_processed: 0 } : 'exists'
}
/**
 * Waits for no other job: a read, and rows for the journal, among them the commit that cancels the jobs which are in
 * its way.
 */
const isSmall = async ({ translations }: Context, { work, keep, information }: Task): Promise<boolean> => {
  if (work.kind !== 'statement' || work.destination !== undefined) return false
  if (!keep) return true
  const { json_rows, target } =
    (await translations.translate(work.statement, information).catch(() => undefined))?.translated ?? {}
  return json_rows !== undefined && target?.dataset === journalDataset
}
const runningJob = (job_id: string, { task: { labels, detail } }: Running): KeptJob => ({
  job_id,
  state: 'RUNNING',
  labels,
  rows_written: 0,
  bytes_processed: 0,
  ...(detail === undefined ? {} : { detail }),
})
export const insertJob = async (
  context: Context,
  jobs: Jobs,
  job_id: string,
  task: Task,
): Promise<KeptJob | 'exists'> => {
  const other = jobs.running.get(job_id)
  if (other !== undefined) {
    await other.taken
    return 'exists'
  }
  // An id that only this process knows is in no file.
  const taken = !task.keep
    ? Promise.resolve(jobs.ended.has(job_id))
    : findJob(context, jobs, job_id).then((job) => job !== undefined)
  const started_ms = context.now().getTime()
  const entry: Running = {
    task,
    started_ms,
    taken,
    connection: undefined,
    cancelled: false,
    done: Promise.resolve()
      .then(async () => {
        if (await taken) throw new AppError('ALREADY_EXISTS', `job ${job_id}`)
        const work = () => perform(context, job_id, entry)
        return ((await isSmall(context, task)) ? work() : context.working(work)).then((job) => remember(jobs, job))
      })
      .finally(() => {
        jobs.running.delete(job_id)
      }),
  }
  jobs.running.set(job_id, entry)
  entry.done.catch(() => undefined)
  if (await taken) return 'exists'
  return runningJob(job_id, entry)
}
export const getJob = async (context: Context, jobs: Jobs, job_id: string): Promise<KeptJob | undefined> => {
  const entry = jobs.running.get(job_id)
  if (entry !== undefined && !(await entry.taken)) return jobs.ended.get(job_id) ?? runningJob(job_id, entry)
  return findJob(context, jobs, job_id)
}

/** Resolves when the job is DONE; rejects when the signal says so. Throws NOT_FOUND. */
export const waitFor = async (context: Context, jobs: Jobs, job_id: string, signal?: AbortSignal): Promise<KeptJob> => {
  signal?.throwIfAborted()
  const entry = jobs.running.get(job_id)
  if (entry === undefined || (await entry.taken)) {
    const job = await findJob(context, jobs, job_id)
    if (job === undefined) throw new AppError('NOT_FOUND', `job ${job_id} does not exist`)
    return job
  }
  if (signal === undefined) return entry.done
  signal.throwIfAborted()
  let onAbort: (() => void) | undefined
  try {
    return await Promise.race([
      entry.done,
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
/** A wish: the job may still finish. */
export const cancelJob = ({ running }: Jobs, job_id: string): void => {
  const entry = running.get(job_id)
  if (entry !== undefined && !entry.cancelled) {
    entry.cancelled = true
    const interrupt = () => {
      entry.connection?.interrupt()
    }
    interrupt()
    // DuckDB forgets an interruption that comes between two statements.
    const again = setInterval(interrupt, 20)
    const end = () => {
      clearInterval(again)
    }
    entry.done.then(end, end)
  }
}
/** The last ones first. */
export const listJobs = async (context: Context, { running, ended }: Jobs, limit: number): Promise<KeptJob[]> => {
  const stored = await readJobs(context, limit)
  const all = new Map([
    ...[...running].map(([id, entry]) => [id, runningJob(id, entry)] as const),
    ...[...ended].reverse(),
    ...stored.map((job) => [job.job_id, job] as const),
  ])
  return [...all.values()].slice(0, limit)
}
