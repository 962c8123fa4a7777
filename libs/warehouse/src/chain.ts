/**
 * The two ways to write exactly once over a warehouse whose only promise is that a job id is taken once: the attempt
 * chain of a step, and
 * compare-and-append of a log. Pure of any engine: they speak `Jobs`, so the same code runs over BigQuery, over the
 * embedded engine and
 * in the model check, which interleaves it with crashes and lost answers.
 */
import { AppError, digestOf, isErrorCode, isRetryable } from '@convergence/contracts'
import { backoffMs } from '@convergence/contracts/retry'
import type { Chain, ChainName, ChainResult, Job, Jobs, RetryShape, Row } from './jobs.ts'

export interface Pace {
  /** 0 <= x < 1. */
  random: () => number
  /** Resolves after ms; rejects when the signal aborts. */
  sleep: (ms: number, signal?: AbortSignal) => Promise<unknown>
}

/** The part of a pause that is left to chance. */
const chance: Readonly<Record<NonNullable<RetryShape['jitter']>, number>> = { none: 0, half: 0.5, full: 1 }

/**
 * Pause before attempt k+1 of a step, in milliseconds. Unless its shape says otherwise: random between half and the
 * whole of retry_delay_seconds * 2^k, which grows up to 60 s, or to retry_delay_seconds where that is longer. With the
 * default of 5 s the upper ends are 5, 10, 20, 40, 60, 60 s.
 */
export const retryPauseMs = (
  k: number,
  retry_delay_seconds: number,
  random: () => number,
  { backoff = 'exponential', jitter = 'half', max_delay_seconds }: RetryShape = {},
): number => {
  const first_ms = retry_delay_seconds * 1_000
  const most_ms = max_delay_seconds === undefined ? Math.max(60_000, first_ms) : max_delay_seconds * 1_000
  const whole = backoffMs(backoff === 'constant' ? 1 : k + 1, { first_ms, most_ms })
  return (1 - chance[jitter] * (1 - random())) * whole
}

/** What tells whose rows won an id: 60 characters, since a BigQuery label holds 63. */
export const payloadDigest = (payload: unknown): string => digestOf(payload).slice(0, 60)

/** Calls without an answer before the trouble is the caller's: the message comes again later. */
const mostSilentCalls = 8
/** Failed attempts of one call of `commitRows`; those of earlier calls are walked past for nothing. */
const mostFailedCommits = 20

/** The job of this id, DONE, whoever inserted it. `own` is true only when our insert was answered with the job. */
const settle = async <Spec>(
  jobs: Jobs<Spec>,
  id: string,
  spec: Spec,
  labels: Readonly<Record<string, string>>,
  { random, sleep }: Pace,
  signal?: AbortSignal,
): Promise<{ job: Job; own: boolean }> => {
  let silent = 0
  const patiently = async (error: unknown): Promise<void> => {
    silent += 1
    if (silent >= mostSilentCalls) throw error
    await sleep(retryPauseMs(silent, 0.1, random), signal)
  }
  let own = false
  let job: Job | undefined
  let asked = false
  for (;;) {
    let lost: unknown
    if (!asked) {
      try {
        const answer = await jobs.insert(id, spec, labels)
        // 409 means that the job exists. It may still be running, and it may be somebody else's: hence the wait and the
        // digest.
        if (answer !== 'exists') [own, job] = [true, answer]
      } catch (error) {
        // The insert may have worked all the same, or may still arrive: only the id can tell.
        lost = error
      }
      asked = true
    }
    try {
      job ??= await jobs.get(id)
      if (job?.state === 'DONE') return { job, own }
      if (job !== undefined) return { job: await jobs.wait(id, signal), own }
    } catch (error) {
      if (signal?.aborted) throw error
      await patiently(error)
      job = undefined
      continue
    }
    // Not there: the same id again, never the next one, for the first insert may be late and not lost.
    asked = false
    if (lost instanceof AppError && !isRetryable(lost)) throw lost
    await patiently(lost ?? new AppError('UNAVAILABLE', `job ${id} exists and cannot be found; it is tried again`))
  }
}

/** Why a chain is asked to stop; shutdown is none of these, there the job goes on and is adopted later. */
const ends = (reason: unknown): reason is AppError =>
  reason instanceof AppError && (reason.code === 'TIMED_OUT' || reason.code === 'CANCELLED')

const failureOf = ({ job_id, error }: Job): AppError =>
  new AppError(
    error !== undefined && isErrorCode(error.code) ? error.code : 'JOB_FAILED',
    error?.message ?? `job ${job_id} failed`,
  )

/**
 * A job that was asked to stop, DONE: it may still finish, and nothing is decided before. Undefined without one. Throws
 * when nobody answers.
 */
const cancelled = async <Spec>(jobs: Jobs<Spec>, id: string, { random, sleep }: Pace): Promise<Job | undefined> => {
  for (let silent = 1; ; silent += 1) {
    try {
      await jobs.cancel(id)
      return (await jobs.get(id)) === undefined ? undefined : await jobs.wait(id)
    } catch (error) {
      if (silent >= mostSilentCalls) throw error
      await sleep(retryPauseMs(silent, 0.1, random))
    }
  }
}

export const chainJobId = ({ run_id, step_id, part }: ChainName, k: number): string =>
  `run-${run_id}-${step_id}${part === undefined ? '' : `-${part}`}-a${k}`

/**
 * Runs a step's job along its attempt ids until one succeeded; at most one ever does, whoever walks. `a{k+1}` is
 * inserted only after
 * `a{k}` is DONE, failed in a way that may pass, and k < max_retries. Throws the last failure as an AppError. When the
 * signal aborts with
 * TIMED_OUT or CANCELLED the job is cancelled and its end awaited, and a success is still a success; any other abort
 * leaves it running.
 */
export const walkChain = async <Spec>(jobs: Jobs<Spec>, chain: Chain, spec: Spec, pace: Pace): Promise<ChainResult> => {
  const { signal } = chain
  const labels = { tenant_id: chain.tenant_id, run_id: chain.run_id, step_id: chain.step_id }
  for (let k = 0; ; k++) {
    signal?.throwIfAborted()
    const id = chainJobId(chain, k)
    let ended: { job: Job; own: boolean }
    try {
      ended = await settle(jobs, id, spec, labels, pace, signal)
    } catch (error) {
      if (!signal?.aborted || !ends(signal.reason)) throw error
      const job = await cancelled(jobs, id, pace)
      if (job === undefined) throw signal.reason
      ended = { job, own: false }
    }
    const { job, own } = ended
    if (job.error === undefined)
      return { rows_written: job.rows_written, bytes_processed: job.bytes_processed, attempt: k, adopted: !own }
    if (signal?.aborted) throw signal.reason
    const failure = failureOf(job)
    const goesOn = job.error.retryable && k < chain.max_retries && (chain.mayRetry?.(failure) ?? true)
    if (!goesOn) throw failure
    chain.onRetry?.(failure)
    // Only whoever saw the attempt fail waits; who comes later has waited already.
    if (own) await pace.sleep(retryPauseMs(k, chain.retry_delay_seconds, pace.random, chain.shape), signal)
  }
}

/**
 * Stops a step's job from outside of the process that walks its chain: cancels the attempt that is not DONE, of which
 * there is at most one.
 * Nothing happens without one. The walker sees a job that failed as CANCELLED, or that finished all the same. Throws
 * when nobody answers.
 */
export const cancelChain = async <Spec>(jobs: Pick<Jobs<Spec>, 'get' | 'cancel'>, chain: ChainName): Promise<void> => {
  for (let k = 0; ; k++) {
    const job = await jobs.get(chainJobId(chain, k))
    if (job === undefined) return
    if (job.state !== 'DONE') {
      await jobs.cancel(job.job_id)
      return
    }
    // After a success, and after a failure for good, there is no other attempt.
    if (job.error?.retryable !== true) return
  }
}

export interface LogPosition {
  epoch: string
  shard: number
  seq: number
}
export const commitJobId = ({ epoch, shard, seq }: LogPosition, k: number): string =>
  `adm-${epoch}-${shard}-${seq}-a${k}`

/**
 * Compare-and-append: these rows become commit `seq` of the log (`mine`, also when an earlier call of the same rows had
 * won and its answer
 * was lost), or somebody else's rows already are (`conflict`). A failed job has no effect, so it is followed by the
 * next id.
 * Throws when nothing can be decided now, or with the error of the job that this call inserted when that will never
 * work.
 */
export const commitRows = async <Spec>(
  jobs: Jobs<Spec>,
  table: string,
  at: LogPosition,
  rows: readonly Row[],
  specOf: (rows: readonly Row[]) => Spec,
  pace: Pace,
): Promise<'mine' | 'conflict'> => {
  const payload = payloadDigest(rows)
  const spec = specOf(rows)
  let failed = 0
  for (let k = 0; ; k++) {
    const { job, own } = await settle(jobs, commitJobId(at, k), spec, { payload, table }, pace)
    if (job.error === undefined) return job.labels['payload'] === payload ? 'mine' : 'conflict'
    // What failed before had no effect, and its cause may be mended: were it the last word, nothing could ever be
    // committed here again.
    if (!own) continue
    if (!job.error.retryable) throw failureOf(job)
    failed += 1
    if (failed >= mostFailedCommits) throw failureOf(job)
    await pace.sleep(retryPauseMs(failed, 0.05, pace.random))
  }
}
