/** Jobs and chains of them, as the door and whoever is behind it speak of them. */
import type { AppError, ErrorCode } from '@convergence/contracts'

/**
 * A row as JSON has it: NUMERIC as decimal text, TIMESTAMP as RFC 3339, DATE as YYYY-MM-DD, BYTES as base64 text, JSON
 * as its value.
 */
export type Row = Record<string, unknown>
export interface JobFault {
  code: ErrorCode
  /** For people; a load names file, line and column. */
  message: string
  /** Whether the next attempt id may be tried. */
  retryable: boolean
}
/** A job as the warehouse remembers it. */
export interface Job {
  job_id: string
  state: 'PENDING' | 'RUNNING' | 'DONE'
  error?: JobFault | undefined
  /** Labels given at the insert; `payload` is the digest that tells whose job won an id. */
  labels: Readonly<Record<string, string>>
  rows_written: number
  bytes_processed: number
}

/**
 * The one primitive under chains and commits: a client-chosen job id is taken once, for ever. `insert` of a taken id
 * answers `exists`; that means *exists*, not *done* and not *mine*. Any call may throw without having failed (the
 * answer was lost): ask with `get`.
 * A job takes effect when it is DONE without error, all of it, or never.
 */
export interface Jobs<Spec> {
  insert(job_id: string, spec: Spec, labels: Readonly<Record<string, string>>): Promise<Job | 'exists'>
  get(job_id: string): Promise<Job | undefined>
  /** Resolves when the job is DONE. */
  wait(job_id: string, signal?: AbortSignal): Promise<Job>
  /** A wish: the job may still finish. Wait for DONE before deciding anything. */
  cancel(job_id: string): Promise<void>
}

/**
 * The attempt chain of one step: job ids run-{run_id}-{step_id}-a0, a1, ... (`part` is put before -a for a second job
 * of one step).
 */
export interface Chain {
  run_id: string
  step_id: string
  part?: string
  max_retries: number
  retry_delay_seconds: number
  tenant_id: string
  signal?: AbortSignal
  shape?: RetryShape
  /** Whether the step is tried again after this failure, which may pass, of an attempt that was not the last. */
  mayRetry?(failure: AppError): boolean
  /** Hears of each failed attempt that another one follows, also of those that another process walked past. */
  onRetry?(failure: AppError): void
}
/** How the pauses between attempts grow. */
export interface RetryShape {
  /** Default: doubling. */
  backoff?: 'exponential' | 'constant'
  /** How much of a pause is left to chance; default half of it. */
  jitter?: 'none' | 'half' | 'full'
  /** No pause is longer; default 60 s, or the first one where it is longer. */
  max_delay_seconds?: number
}
/** What the job ids of a chain are made of. */
export type ChainName = Pick<Chain, 'run_id' | 'step_id' | 'part'>
export interface ChainResult {
  rows_written: number
  bytes_processed: number
  /** Attempts before the one that succeeded. */
  attempt: number
  /** Found done: somebody had done it before. */
  adopted: boolean
}
