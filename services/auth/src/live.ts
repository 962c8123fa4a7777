/**
 * What this replica has heard of runs and tenants: the answer to most status requests, and the source of event streams.
 * Everything here can
 * be lost; the tables say the same a little later. Bounded: the runs that ended first are forgotten first.
 */
import type { Bus, Handler } from '@convergence/bus'
import type { Run, RunFailed, RunCompleted, StepCompleted, TenantChanged } from '@convergence/contracts'
import { hasEnded, pendingOf, stepOf, type RunRecord } from './record.ts'

export interface LiveRun {
  record: RunRecord
  /** Of the request, when it was asked for here. */
  digest: string | undefined
  /** False when earlier events may have been missed. */
  complete: boolean
  /** When something was last heard, ms. */
  heard_at: number
}

export interface Live {
  get(run_id: string): LiveRun | undefined
  /** Makes the run known before anybody else can have heard of it. */
  requested(record: RunRecord, digest: string): LiveRun
  /** The request did not become durable. */
  forget(run_id: string): void
  /** Takes over what the tables say, when they know more. */
  learn(record: RunRecord): void
  /** Calls back at each change until the returned function is called. */
  watch(run_id: string, onChange: () => void): () => void
  /** The run when it has ended; undefined after `ms`. */
  ended(run_id: string, ms: number): Promise<RunRecord | undefined>
  size(): { runs: number; watchers: number }
  clear(): void
  close(): void
}

interface Entry extends LiveRun {
  /** Steps that must have been heard before the end is told; the end waits here, at most settle_ms. */
  waiting: { end: RunCompleted | RunFailed; timer: NodeJS.Timeout } | undefined
}

export interface LiveOptions {
  bus: Bus
  replica: string
  now(): Date
  /** Finished runs that are kept; default 5,000. */
  most_finished?: number
  /** How long an end waits for steps that were overtaken by it; default 2,000 ms. */
  settle_ms?: number
  onTenant(event: TenantChanged): void
  /** Each run once, when it is first heard to be admitted. */
  onAdmitted(run: RunRecord): void
}

export const openLive = ({
  bus,
  replica,
  now,
  most_finished = 5_000,
  settle_ms = 2_000,
  onTenant,
  onAdmitted,
}: LiveOptions): Live => {
  const runs = new Map<string, Entry>()
  const finished = new Set<string>()
  const watchers = new Map<string, Set<() => void>>()
  const timers = new Set<NodeJS.Timeout>()

  const tell = (entry: Entry) => {
    entry.heard_at = now().getTime()
    const id = entry.record.pipeline_logging_id
    if (hasEnded(entry.record.status) && !finished.has(id)) {
      finished.add(id)
      if (finished.size > most_finished) {
        const oldest = finished.values().next().value ?? ''
        finished.delete(oldest)
        runs.delete(oldest)
      }
    }
    for (const onChange of watchers.get(id) ?? []) onChange()
  }
  const entryOf = (run: Run, complete: boolean): Entry => {
    const known = runs.get(run.run_id)
    if (known !== undefined) return known
    const entry: Entry = {
      record: pendingOf(run),
      digest: undefined,
      complete,
      heard_at: now().getTime(),
      waiting: undefined,
    }
    runs.set(run.run_id, entry)
    return entry
  }
  /** A run whose later event came first was admitted all the same. */
  const admitted = (entry: Entry, run: Run) => {
    const { record } = entry
    // What was admitted is what runs, and what the tables say: a day that was counted is among its parameters.
    record.parameters = run.parameters
    record.requested_at = run.requested_at
    record.start_time ??= run.admitted_at ?? run.requested_at
    if (record.status !== 'PENDING' && record.status !== 'QUEUED') return
    record.status = 'RUNNING'
    onAdmitted(record)
  }
  const finish = (entry: Entry, end: RunCompleted | RunFailed) => {
    const { record } = entry
    if (entry.waiting !== undefined) {
      clearTimeout(entry.waiting.timer)
      timers.delete(entry.waiting.timer)
      entry.waiting = undefined
    }
    if (hasEnded(record.status)) return
    if (end.started_at !== undefined) record.start_time ??= end.started_at
    if ('error' in end) {
      record.error_code = end.error.code
      record.error_message = end.error.message
      record.resets_at = end.resets_at ?? null
    } else if (end.outputs !== undefined && record.pipeline.startsWith('setup/')) record.outputs = end.outputs
    record.end_time = end.ended_at
    record.duration_ms = end.duration_ms === undefined ? null : Math.round(end.duration_ms)
    record.status = end.status
    if (missing(end, record) > 0) entry.complete = false
    tell(entry)
  }

  const onRunAdmitted: Handler<'run-admitted'> = async ({ run }) => {
    const entry = entryOf(run, true)
    if (!hasEnded(entry.record.status)) admitted(entry, run)
    tell(entry)
    return undefined
  }
  const onStepCompleted: Handler<'step-completed'> = async (event) => {
    const entry = entryOf(event.run, false)
    addStep(entry.record, event)
    if (!hasEnded(entry.record.status)) admitted(entry, event.run)
    if (entry.waiting !== undefined && missing(entry.waiting.end, entry.record) === 0) finish(entry, entry.waiting.end)
    else tell(entry)
    return undefined
  }
  const onEnd = async (end: RunCompleted | RunFailed): Promise<undefined> => {
    const entry = entryOf(end.run, false)
    if (hasEnded(entry.record.status) || entry.waiting !== undefined) return undefined
    // A rejected run has missed nothing; its end is its only event.
    if (end.status === 'REJECTED') entry.complete = true
    else if (end.started_at !== undefined) admitted(entry, end.run)
    if (missing(end, entry.record) === 0 || settle_ms === 0) {
      finish(entry, end)
      return undefined
    }
    const timer = setTimeout(() => {
      finish(entry, end)
    }, settle_ms)
    timers.add(timer)
    entry.waiting = { end, timer }
    return undefined
  }
  const feed = { replica, concurrency: 1_000 }
  bus.consume('auth', 'run-admitted', onRunAdmitted, feed)
  bus.consume('auth', 'step-completed', onStepCompleted, feed)
  bus.consume('auth', 'run-completed', onEnd, feed)
  bus.consume('auth', 'run-failed', onEnd, feed)
  bus.consume(
    'auth',
    'tenant-changed',
    async (event) => {
      onTenant(event)
      return undefined
    },
    feed,
  )

  const watch: Live['watch'] = (run_id, onChange) => {
    const set = watchers.get(run_id) ?? new Set()
    set.add(onChange)
    watchers.set(run_id, set)
    return () => {
      set.delete(onChange)
      if (set.size === 0) watchers.delete(run_id)
    }
  }
  const recordIfEnded = (run_id: string) => {
    const record = runs.get(run_id)?.record
    return record !== undefined && hasEnded(record.status) ? record : undefined
  }
  return {
    get: (run_id) => runs.get(run_id),
    requested: (record, digest) => {
      const known = runs.get(record.pipeline_logging_id)
      if (known !== undefined) {
        known.digest ??= digest
        return known
      }
      const entry: Entry = { record, digest, complete: true, heard_at: now().getTime(), waiting: undefined }
      runs.set(record.pipeline_logging_id, entry)
      return entry
    },
    forget: (run_id) => {
      if (runs.get(run_id)?.record.status === 'PENDING') runs.delete(run_id)
    },
    learn: (record) => {
      const entry = runs.get(record.pipeline_logging_id)
      if (entry === undefined || hasEnded(entry.record.status)) return
      if (hasEnded(record.status)) {
        entry.record = { ...record, requested_at: record.requested_at ?? entry.record.requested_at }
        tell(entry)
      } else if (entry.record.status === 'PENDING' && record.status === 'QUEUED') entry.record.status = 'QUEUED'
    },
    watch,
    ended: (run_id, ms) => {
      const already = recordIfEnded(run_id)
      if (already !== undefined) return Promise.resolve(already)
      return new Promise((resolve) => {
        const settle = (record: RunRecord | undefined) => {
          clearTimeout(timer)
          timers.delete(timer)
          stop()
          resolve(record)
        }
        const timer = setTimeout(() => {
          settle(undefined)
        }, ms)
        timers.add(timer)
        const stop = watch(run_id, () => {
          const record = recordIfEnded(run_id)
          if (record !== undefined) settle(record)
        })
      })
    },
    size: () => ({ runs: runs.size, watchers: watchers.size }),
    clear: () => {
      runs.clear()
      finished.clear()
    },
    close: () => {
      for (const timer of timers) clearTimeout(timer)
      timers.clear()
    },
  }
}

/** Steps that must have ended before this end, and have not been heard of. */
const missing = (end: RunCompleted | RunFailed, record: RunRecord): number => {
  const { run } = end
  const heard = new Set(record.steps.map(({ step_id }) => step_id))
  const skipped = new Set(run.skip ?? [])
  const ids = run.steps.map(({ step_id }) => step_id)
  const ordered = !run.steps.some(({ depends_on }) => depends_on !== undefined)
  const failed = 'step_id' in end && end.step_id !== undefined ? end.step_id : undefined
  const needed =
    end.status === 'COMPLETED'
      ? ids
      : failed === undefined
        ? []
        : ordered
          ? ids.slice(0, ids.indexOf(failed) + 1)
          : [failed]
  return needed.filter((id) => !heard.has(id) && !skipped.has(id)).length
}

const addStep = (record: RunRecord, event: StepCompleted): void => {
  const place = record.steps.findIndex(({ step_id }) => step_id === event.step_id)
  const step = stepOf(event.run, event)
  if (place < 0) record.steps.push(step)
  else if ((record.steps[place]?.attempt ?? 0) < event.attempt) record.steps[place] = step
}
