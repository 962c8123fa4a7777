/**
 * Job ids as the unique constraint. A taken id means *exists*, not *done* and not *mine*; a call that threw may have worked. So: ask, wait
 * until the job is done, and only then decide. The next attempt id is made only after the one before is known to have failed.
 */
import { AppError, digestOf, isRetryable } from '@convergence/contracts'
import type { Chain, ChainResult, Job, Jobs, Row } from './warehouse.ts'

export interface WalkOptions {
  /** Between 0 and 1. */
  random: () => number
  sleep: (ms: number, signal?: AbortSignal) => Promise<void>
}

/** Calls of one job that may go unanswered before the caller is told; then its message comes again and asks anew. */
const patience = 8

/**
 * Pause before attempt k+1 of a step: random between 0 and retry_delay_seconds * 2^k, at most 60 s, in milliseconds.
 * With the default of 5 s the upper ends are 5, 10, 20, 40, 60, 60 s.
 */
export const retryPauseMs = (k: number, retry_delay_seconds: number, random: () => number): number => random() * Math.min(60, retry_delay_seconds * 2 ** k) * 1000

/** The job under this id, done, whoever made it; `first` when this call made it. */
const settle = async <Spec>(jobs: Jobs<Spec>, job_id: string, spec: Spec, labels: Readonly<Record<string, string>>, { random, sleep }: WalkOptions, signal?: AbortSignal): Promise<{ job: Job; first: boolean }> => {
  let first = false
  for (let unanswered = 0; ;) {
    try {
      const made = await jobs.insert(job_id, spec, labels)
      if (made !== 'exists') {
        first = true
        if (made.state === 'DONE') return { job: made, first }
      }
    } catch (error) {
      // What is certainly wrong with the call made no job; anything else may have made one.
      if (!isRetryable(error)) throw error
      unanswered += 1
      if (unanswered >= patience) throw error
      await sleep(random() * 200 * unanswered, signal)
    }
    for (;;) {
      try {
        const known = await jobs.get(job_id)
        if (known === undefined) break // Not there: insert the same id again.
        if (known.state === 'DONE') return { job: known, first }
        return { job: await jobs.wait(job_id, signal), first }
      } catch (error) {
        if (signal?.aborted === true || !isRetryable(error)) throw error
        unanswered += 1
        if (unanswered >= patience) throw error
        await sleep(random() * 200 * unanswered, signal)
      }
    }
  }
}

/** Runs a step's job along its chain; throws the last failure. Ten callers make one effect. */
export const walkChain = async <Spec>(jobs: Jobs<Spec>, chain: Chain, spec: Spec, options: WalkOptions): Promise<ChainResult> => {
  const part = chain.part === undefined ? '' : `-${chain.part}`
  const labels = { tenant: chain.tenant_id, run: chain.run_id, step: chain.step_id.toLowerCase() }
  for (let attempt = 0; ; attempt += 1) {
    const { job, first } = await settle(jobs, `run-${chain.run_id}-${chain.step_id}${part}-a${attempt}`, spec, labels, options, chain.signal)
    if (job.error === undefined) return { rows_written: job.rows_written, bytes_processed: job.bytes_processed, attempt, adopted: !first }
    if (!job.error.retryable || attempt >= chain.max_retries) throw new AppError(job.error.code, job.error.message)
    if (first) await options.sleep(retryPauseMs(attempt, chain.retry_delay_seconds, options.random), chain.signal)
  }
}

/** Compare-and-append: the rows become commit `seq`, or somebody else's are. The label `payload` tells whose. */
export const commitRows = async <Spec>(
  jobs: Jobs<Spec>, table: string, log: { epoch: string; shard: number; seq: number }, rows: readonly Row[], toSpec: (rows: readonly Row[]) => Spec, options: WalkOptions,
): Promise<'mine' | 'conflict'> => {
  const payload = digestOf(rows).slice(0, 60)
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const { job } = await settle(jobs, `adm-${log.epoch}-${log.shard}-${log.seq}-a${attempt}`, toSpec(rows), { payload }, options)
    if (job.error === undefined) return job.labels['payload'] === payload ? 'mine' : 'conflict'
    // A permanent failure is our own fault: no endless chain.
    if (!job.error.retryable) throw new AppError(job.error.code, `${table}, commit ${log.seq}: ${job.error.message}`)
  }
  throw new AppError('JOB_FAILED', `${table}, commit ${log.seq}: a hundred attempts failed`)
}
