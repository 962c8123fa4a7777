/**
 * Running a step and moving the run on: the same in every service that hosts steps. The chain of a step makes its
 * effect happen once; this module finds the processor, bounds its time, turns its end into step-completed, and says
 * what follows.
 */
import { metrics, type Histogram } from '@opentelemetry/api'
import type { Outgoing, Delivery } from '@convergence/bus'
import { AppError, faultOf, isRetryable } from '@convergence/contracts'
import type { CompiledStep, Fault, NextStep, Run, ServiceName, StepCompleted } from '@convergence/contracts'
import { aboutToStart, afterStep, nextSteps, stepOf } from '@convergence/pipeline'
import { retryPauseMs } from '@convergence/warehouse'
import type { Chain } from '@convergence/warehouse'
import type { Log } from './service.ts'

export interface StepContext {
  run: Run
  step: CompiledStep
  /**
   * Names the step's effect; give it to warehouse.runJob, or use `${run_id}-${step_id}` as the name of another effect.
   */
  chain: Chain
  /** Aborts at the step's time-out, at cancellation and at shutdown. */
  signal: AbortSignal
  now(): Date
}
export interface StepResult {
  rows_written?: number
  bytes_processed?: number
  attempt?: number
  outputs?: Record<string, unknown> | undefined
  /** Published together with step-completed, such as tenant-changed. */
  events?: readonly Outgoing[]
}
/**
 * One kind of step. It opens nothing and reads no environment. Safe to call again for the same run and step: whoever
 * comes second adopts the first one's effect. A decided failure is an AppError whose code says whether another attempt
 * may help.
 */
export interface Processor {
  ps_type: string
  run(context: StepContext): Promise<StepResult>
}

export interface Steps {
  /**
   * Runs those of `next` that this service hosts and returns what follows: one step-completed for each, and their
   * events.
   */
  host(run: Run, next: readonly NextStep[] | undefined, delivery: Delivery): Promise<Outgoing[]>
  /**
   * The ledger has ended the run as CANCELLED: stops the steps of it that run in this process, and starts no others.
   * May be repeated.
   */
  cancel(run_id: string): void
}
export interface StepsOptions {
  service: ServiceName
  processors: Readonly<Record<string, Processor>>
  now: () => Date
  random: () => number
  /** Resolves after ms, rejects when the signal aborts; also measures time-outs. Default: the clock. */
  sleep?: (ms: number, signal: AbortSignal) => Promise<void>
  /** Hears of errors that nobody foresaw; the event shows only their class. */
  log?: Log
}

const isCancellation = (reason: unknown): boolean => reason instanceof AppError && reason.code === 'CANCELLED'
/** Ends the timer of a step that is over; made once, for an error with its stack costs more than the rest of a step. */
const finished = new Error('the step is over')
/**
 * How long a processor may take, once it is stopped, to leave things tidy: a job of the warehouse is cancelled, and
 * its end awaited. With a step's hour it stays below the 63.7 minutes after which the bus takes the message back.
 */
const graceMs = 3 * 60_000
/** Cancelled runs that are remembered: their messages may be on their way still, or come again. */
const mostCancelled = 10_000

/** Every step has a time-out, so this is on the hot path; node:timers/promises costs a good deal more. */
const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason as Error)
      return
    }
    const onAbort = () => {
      clearTimeout(timer)
      reject(signal.reason as Error)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort)
      resolve()
    }, ms)
    signal.addEventListener('abort', onAbort, { once: true })
  })

/** What open steps keep, handed to the functions below. */
interface StepRunner {
  readonly service: ServiceName
  readonly processors: StepsOptions['processors']
  readonly now: () => Date
  readonly random: () => number
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>
  readonly log: Log | undefined
  readonly duration: Histogram
  /** Of the steps that run here, what stops them, by run. */
  readonly running: Map<string, Set<AbortController>>
  readonly cancelled: Set<string>
}

export const openSteps = ({ service, processors, now, random, sleep = pause, log }: StepsOptions): Steps => {
  const runner: StepRunner = {
    service,
    processors,
    now,
    random,
    sleep,
    log,
    duration: metrics.getMeter('convergence').createHistogram('pipeline.step.duration', {
      unit: 's',
      description: 'Time of a step, with its retries',
      advice: { explicitBucketBoundaries: [0.005, 0.05, 0.5, 1, 5, 10, 30, 60, 300, 900, 1800, 3600] },
    }),
    running: new Map(),
    cancelled: new Set(),
  }
  const { running, cancelled } = runner
  return {
    host: async (run, next, delivery) => {
      // The run has its end already, so nobody waits for what its message would bring.
      if (cancelled.has(run.run_id)) return []
      // Filters are a saving, not a promise: what is not ours is left to its host.
      const ours = new Map((next ?? []).filter(({ host }) => host === service).map((each) => [each.step_id, each]))
      if (ours.size === 0) return []
      const answers = await Promise.allSettled([...ours.values()].map((each) => runStep(runner, run, each, delivery)))
      return answers.flatMap((answer) => {
        if (answer.status === 'rejected') throw answer.reason
        return answer.value
      })
    },
    cancel: (run_id) => {
      cancelled.add(run_id)
      const oldest = cancelled.values().next().value
      if (cancelled.size > mostCancelled && oldest !== undefined) cancelled.delete(oldest)
      for (const stop of running.get(run_id) ?? []) stop.abort(new AppError('CANCELLED', 'the run was cancelled'))
    },
  }
}

/** Runs one step to its end, or skips it, and says what happened and what follows. */
const runStep = async (
  runner: StepRunner,
  run: Run,
  { step_id, skip }: NextStep,
  delivery: Delivery,
): Promise<Outgoing[]> => {
  const { service, now, duration } = runner
  const step = stepOf(run, step_id)
  if (step.host !== service) return []
  const began = now()
  const about = aboutToStart(run, step, skip)
  const { result, attempt, conclusion, error } =
    'step' in about ? await settle(runner, run, about.step, delivery) : endingWithoutWork(about)
  const ended = now()
  const duration_ms = Math.max(0, ended.getTime() - began.getTime())
  duration.record(duration_ms / 1000, { ps_type: step.ps_type, status: conclusion })
  const next = nextSteps(run, step_id, error?.code === 'CANCELLED' ? 'CANCELLED' : conclusion)
  const event: StepCompleted = {
    run: afterStep(run, { step_id, error, next, warnings: result.outputs?.['warnings'] }),
    step_id,
    attempt,
    conclusion,
    started_at: began.toISOString(),
    ended_at: ended.toISOString(),
    duration_ms,
    ...(result.rows_written === undefined ? {} : { rows_written: result.rows_written }),
    ...(result.bytes_processed === undefined ? {} : { bytes_processed: result.bytes_processed }),
    ...(result.outputs === undefined ? {} : { outputs: result.outputs }),
    ...(error === undefined ? {} : { error }),
    ...(next === undefined ? {} : { next }),
  }
  return [...(result.events ?? []), { topic: 'step-completed', event }]
}

// ---- the attempts of one step

type Ending = Pick<StepCompleted, 'attempt' | 'conclusion' | 'error'> & { result: StepResult }

const endingWithoutWork = (about: { skipped: string } | { fault: Fault }): Ending =>
  'fault' in about
    ? { attempt: 0, conclusion: 'FAILED', error: about.fault, result: {} }
    : { attempt: 0, conclusion: 'SKIPPED', result: { outputs: { skipped_because: about.skipped } } }

/** A step under way. */
interface Execution {
  readonly run: Run
  readonly step: CompiledStep
  /** Of the message; aborts when the process stops or the message is somebody else's. */
  readonly interrupt: AbortSignal
  /** Aborts at the step's time-out, at cancellation and with `interrupt`. */
  readonly signal: AbortSignal
  /** Aborts when the step is over. */
  readonly done: AbortSignal
  end(): void
}

/**
 * Tries until the step succeeded or failed for good. Throws only when it was interrupted: then the message comes
 * again.
 */
const settle = async (runner: StepRunner, run: Run, step: CompiledStep, delivery: Delivery): Promise<Ending> => {
  const { processors, service } = runner
  const processor = Object.hasOwn(processors, step.ps_type) ? processors[step.ps_type] : undefined
  if (processor === undefined) {
    const known = Object.keys(processors).sort().join(', ')
    const error = new AppError(
      'CONFIG_INVALID',
      `step ${step.step_id}: ${service} has no processor for ps_type ${step.ps_type}; it has ${known}`,
    )
    return { attempt: 0, conclusion: 'FAILED', error: faultOf(error), result: {} }
  }
  const execution = beginExecution(runner, run, step, delivery.signal)
  try {
    return await attemptUntilSettled(runner, processor, execution)
  } finally {
    execution.end()
  }
}

const beginExecution = (runner: StepRunner, run: Run, step: CompiledStep, interrupt: AbortSignal): Execution => {
  const { running, sleep } = runner
  const stop = new AbortController()
  const done = new AbortController()
  const ofRun = running.get(run.run_id) ?? new Set()
  running.set(run.run_id, ofRun.add(stop))
  const onInterrupt = () => {
    stop.abort(interrupt.reason)
  }
  if (interrupt.aborted) onInterrupt()
  else interrupt.addEventListener('abort', onInterrupt)
  sleep(step.timeout_minutes * 60_000, done.signal).then(
    () => {
      stop.abort(new AppError('TIMED_OUT', 'timeout_minutes are over'))
    },
    () => undefined,
  )
  return {
    run,
    step,
    interrupt,
    signal: stop.signal,
    done: done.signal,
    end: () => {
      interrupt.removeEventListener('abort', onInterrupt)
      done.abort(finished)
      ofRun.delete(stop)
      if (ofRun.size === 0) running.delete(run.run_id)
    },
  }
}

const attemptUntilSettled = async (runner: StepRunner, processor: Processor, execution: Execution): Promise<Ending> => {
  const { now, random, sleep } = runner
  const { run, step, interrupt, signal } = execution
  const { max_retries, retry_delay_seconds, ...shape } = step.retry_policy
  const { run_id, tenant_id } = run
  const { mayRetry, onRetry, attempts } = retriesOf(step, now)
  const chain: Chain = {
    run_id,
    step_id: step.step_id,
    max_retries,
    retry_delay_seconds,
    tenant_id,
    signal,
    ...(Object.keys(shape).length === 0 ? {} : { shape }),
    mayRetry,
    onRetry,
  }
  const told = (ending: Ending): Ending =>
    attempts.length === 0
      ? ending
      : { ...ending, result: { ...ending.result, outputs: { ...ending.result.outputs, attempts: [...attempts] } } }
  for (let k = 0; ; k++) {
    try {
      const result = await leaveInTime(runner, processor.run({ run, step, chain, signal, now }), execution)
      return told({ attempt: result.attempt ?? k, conclusion: 'SUCCEEDED', result })
    } catch (error) {
      const ending = endingOf(runner, execution, { k, error, mayRetry })
      if (ending !== undefined) return told(ending)
      onRetry(error)
    }
    await sleep(retryPauseMs(k, retry_delay_seconds, random, shape), signal).catch(() => undefined)
    if (interrupt.aborted) throw interrupted(execution)
    if (signal.aborted) return told(stopped(execution, k))
  }
}

/** Failed attempts that are remembered: of a step's ten, each may have two jobs of as many. */
const mostAttempts = 40
/** What of a step's policy its host decides: until when it is tried, after which codes, and what failed on the way. */
const retriesOf = ({ retry_policy: { retry_on, max_total_minutes } }: CompiledStep, now: () => Date) => {
  const until = max_total_minutes === undefined ? Infinity : now().getTime() + max_total_minutes * 60_000
  const attempts: { attempt: number; ended_at: string; error_code: string; error_message: string }[] = []
  return {
    attempts,
    mayRetry: (error: unknown): boolean =>
      now().getTime() < until && (retry_on === undefined || retry_on.includes(faultOf(error).code)),
    onRetry: (error: unknown): void => {
      const { code, message } = faultOf(error)
      if (attempts.length < mostAttempts)
        attempts.push({
          attempt: attempts.length,
          ended_at: now().toISOString(),
          error_code: code,
          error_message: message.slice(0, longestAttempt).toWellFormed(),
        })
    },
  }
}
const longestAttempt = 500

/** How the step ends with this error; undefined when it is tried again. Throws when its message is to come again. */
const endingOf = (
  { log }: StepRunner,
  execution: Execution,
  { k: attempt, error, mayRetry }: { k: number; error: unknown; mayRetry(error: unknown): boolean },
): Ending | undefined => {
  const { run, step, interrupt, signal } = execution
  const { max_retries } = step.retry_policy
  const fields = { run_id: run.run_id, tenant_id: run.tenant_id, step_id: step.step_id }
  // An effect that finished all the same is a success; whatever an abort makes of a call is not the step's failure.
  if (interrupt.aborted) throw interrupted(execution)
  // The warehouse does not say how its job ended, or whether there is one: nothing is decided before it does.
  const undecided = error instanceof AppError && error.code === 'UNAVAILABLE'
  if (signal.aborted && !undecided) return stopped(execution, attempt)
  if (undecided && (signal.aborted || attempt >= max_retries)) {
    log?.warn({ ...fields, attempt, err: error.message }, 'a step is given back: what it needs does not answer')
    throw interrupted(execution)
  }
  if (!(error instanceof AppError))
    log?.error({ ...fields, ps_type: step.ps_type, attempt, err: error }, 'a step failed in a way that nobody foresaw')
  // JOB_FAILED is the end of a chain, which has used up its own retries.
  const isOver = attempt >= max_retries || !isRetryable(error) || !mayRetry(error)
  if (isOver || (error instanceof AppError && error.code === 'JOB_FAILED'))
    return { attempt, conclusion: 'FAILED', error: faultOf(error), result: {} }
  return undefined
}

const interrupted = ({ run, step }: Execution): AppError =>
  new AppError(
    'UNAVAILABLE',
    `step ${step.step_id} of ${run.run_id} was interrupted; it goes on where its message comes next`,
  )

/** FAILED as it is where the job was cancelled by its id from elsewhere: one fault, whoever was faster. */
const stopped = ({ step, signal }: Execution, attempt: number): Ending => {
  if (isCancellation(signal.reason)) return { attempt, conclusion: 'FAILED', error: faultOf(signal.reason), result: {} }
  const message =
    `step ${step.step_id} (${step.ps_type}): took longer than timeout_minutes = ${step.timeout_minutes}; ` +
    'raise it, or make the step smaller'
  return { attempt, conclusion: 'TIMED_OUT', error: { code: 'TIMED_OUT', message }, result: {} }
}

/** The work's own end, unless it ignores the signal for longer than the grace. */
const leaveInTime = (
  { sleep }: StepRunner,
  work: Promise<StepResult>,
  { signal, done }: Execution,
): Promise<StepResult> =>
  new Promise((resolve, reject) => {
    work.then(resolve, reject)
    const onAbort = () => {
      sleep(graceMs, done).then(
        () => {
          reject(new AppError('TIMED_OUT', 'the processor did not stop'))
        },
        () => undefined,
      )
    }
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
  })
