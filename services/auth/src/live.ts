/**
 * What this replica has heard of runs and tenants: the answer to most status requests, and the source of event streams.
 * Everything here can be lost; the tables say the same a little later. Bounded: the runs that ended first are forgotten
 * first.
 */
import type { Bus, Handler } from '@convergence/bus'
import type { NextStep, Run, RunFailed, RunCompleted, StepCompleted, TenantChanged } from '@convergence/contracts'
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
  /** Steps that must have been heard before the end is shown; the end waits here, at most settle_ms. */
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

/** What an open feed keeps, handed to the functions below. */
interface Feed extends Required<Omit<LiveOptions, 'bus' | 'replica'>> {
  readonly runs: Map<string, Entry>
  /** Runs that have ended, the oldest end first. */
  readonly finished: Set<string>
  readonly watchers: Map<string, Set<() => void>>
  readonly timers: Set<NodeJS.Timeout>
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
  const feed: Feed = {
    now,
    most_finished,
    settle_ms,
    onTenant,
    onAdmitted,
    runs: new Map(),
    finished: new Set(),
    watchers: new Map(),
    timers: new Set(),
  }
  consume(feed, bus, replica)
  const { runs, finished, watchers, timers } = feed
  return {
    get: (run_id) => runs.get(run_id),
    requested: (record, digest) => requested(feed, record, digest),
    forget: (run_id) => {
      if (runs.get(run_id)?.record.status === 'PENDING') runs.delete(run_id)
    },
    learn: (record) => {
      learn(feed, record)
    },
    watch: (run_id, onChange) => watch(feed, run_id, onChange),
    ended: (run_id, ms) => awaitEnd(feed, run_id, ms),
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

// ---- what is heard

const consume = (feed: Feed, bus: Bus, replica: string): void => {
  const onRunAdmitted: Handler<'run-admitted'> = async ({ run, next }) => {
    const entry = entryOf(feed, run, true)
    if (!hasEnded(entry.record.status)) admit(feed, entry, run)
    begin(entry, run, next, run.admitted_at ?? run.requested_at)
    changed(feed, entry)
    return undefined
  }
  const onStepCompleted: Handler<'step-completed'> = async (event) => {
    const entry = entryOf(feed, event.run, false)
    addStep(entry.record, event)
    begin(entry, event.run, event.next ?? [], event.ended_at)
    if (!hasEnded(entry.record.status)) admit(feed, entry, event.run)
    const { waiting } = entry
    if (waiting !== undefined && missing(waiting.end, entry.record) === 0) finish(feed, entry, waiting.end)
    else changed(feed, entry)
    return undefined
  }
  const onEnd = async (end: RunCompleted | RunFailed): Promise<undefined> => {
    finishWhenComplete(feed, end)
  }
  const onTenantChanged: Handler<'tenant-changed'> = async (event) => {
    feed.onTenant(event)
    return undefined
  }
  const options = { replica, concurrency: 1_000 }
  bus.consume('auth', 'run-admitted', onRunAdmitted, options)
  bus.consume('auth', 'step-completed', onStepCompleted, options)
  bus.consume('auth', 'run-completed', onEnd, options)
  bus.consume('auth', 'run-failed', onEnd, options)
  bus.consume('auth', 'tenant-changed', onTenantChanged, options)
}

/** An end may overtake steps of its run: it waits for them, at most settle_ms. */
const finishWhenComplete = (feed: Feed, end: RunCompleted | RunFailed): void => {
  const { settle_ms, timers } = feed
  const entry = entryOf(feed, end.run, false)
  if (hasEnded(entry.record.status) || entry.waiting !== undefined) return
  // A rejected run has missed nothing; its end is its only event.
  if (end.status === 'REJECTED') entry.complete = true
  else if (end.started_at !== undefined) admit(feed, entry, end.run)
  if (missing(end, entry.record) === 0 || settle_ms === 0) {
    finish(feed, entry, end)
    return
  }
  const timer = setTimeout(() => {
    finish(feed, entry, end)
  }, settle_ms)
  timers.add(timer)
  entry.waiting = { end, timer }
}

// ---- the entry of a run

const entryOf = ({ runs, now }: Feed, run: Run, complete: boolean): Entry => {
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
const admit = ({ onAdmitted }: Feed, { record }: Entry, run: Run): void => {
  // What was admitted is what runs, and what the tables say: a day that was counted is among its parameters.
  record.parameters = run.parameters
  record.requested_at = run.requested_at
  record.start_time ??= run.admitted_at ?? run.requested_at
  if (record.status !== 'PENDING' && record.status !== 'QUEUED') return
  record.status = 'RUNNING'
  onAdmitted(record)
}

const finish = (feed: Feed, entry: Entry, end: RunCompleted | RunFailed): void => {
  const { record } = entry
  if (entry.waiting !== undefined) {
    clearTimeout(entry.waiting.timer)
    feed.timers.delete(entry.waiting.timer)
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
  changed(feed, entry)
}

/** Something of the run was heard: its watchers look, and what ended first is forgotten first. */
const changed = ({ runs, finished, watchers, most_finished, now }: Feed, entry: Entry): void => {
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

const requested = ({ runs, now }: Feed, record: RunRecord, digest: string): LiveRun => {
  const known = runs.get(record.pipeline_logging_id)
  if (known !== undefined) {
    known.digest ??= digest
    return known
  }
  const entry: Entry = { record, digest, complete: true, heard_at: now().getTime(), waiting: undefined }
  runs.set(record.pipeline_logging_id, entry)
  return entry
}

const learn = (feed: Feed, record: RunRecord): void => {
  const entry = feed.runs.get(record.pipeline_logging_id)
  if (entry === undefined || hasEnded(entry.record.status)) return
  if (hasEnded(record.status)) {
    entry.record = { ...record, requested_at: record.requested_at ?? entry.record.requested_at }
    changed(feed, entry)
  } else if (entry.record.status === 'PENDING' && record.status === 'QUEUED') entry.record.status = 'QUEUED'
}

// ---- who watches

const watch = ({ watchers }: Feed, run_id: string, onChange: () => void): (() => void) => {
  const set = watchers.get(run_id) ?? new Set()
  set.add(onChange)
  watchers.set(run_id, set)
  return () => {
    set.delete(onChange)
    if (set.size === 0) watchers.delete(run_id)
  }
}

const awaitEnd = (feed: Feed, run_id: string, ms: number): Promise<RunRecord | undefined> => {
  const recordIfEnded = () => {
    const record = feed.runs.get(run_id)?.record
    return record !== undefined && hasEnded(record.status) ? record : undefined
  }
  const already = recordIfEnded()
  if (already !== undefined) return Promise.resolve(already)
  return new Promise((resolve) => {
    const settle = (record: RunRecord | undefined) => {
      clearTimeout(timer)
      feed.timers.delete(timer)
      stop()
      resolve(record)
    }
    const timer = setTimeout(() => {
      settle(undefined)
    }, ms)
    feed.timers.add(timer)
    const stop = watch(feed, run_id, () => {
      const record = recordIfEnded()
      if (record !== undefined) settle(record)
    })
  })
}

// ---- steps

/** What is to start now, beside what waits still. Of a run that was not heard from its start, nobody knows here. */
const begin = ({ record, complete }: Entry, run: Run, next: readonly NextStep[], at: string): void => {
  if (!complete) return
  const ended = new Set([...record.steps.map(({ step_id }) => step_id), ...(run.skip ?? [])])
  const started = new Map(record.open?.map(({ step_id, start_time }) => [step_id, start_time]))
  for (const { step_id } of next) if (typeof started.get(step_id) !== 'string') started.set(step_id, at)
  record.open = run.steps
    .filter(({ step_id }) => !ended.has(step_id))
    .map(({ step_id, name, ps_type }) => {
      const start_time = started.get(step_id) ?? null
      return { step_id, name, ps_type, status: start_time === null ? 'WAITING' : 'RUNNING', start_time }
    })
}

/** Steps that must have ended before this end, and have not been heard of. */
const missing = (end: RunCompleted | RunFailed, record: RunRecord): number => {
  const heard = new Set(record.steps.map(({ step_id }) => step_id))
  const skipped = new Set(end.run.skip ?? [])
  return neededSteps(end).filter((id) => !heard.has(id) && !skipped.has(id)).length
}

const neededSteps = (end: RunCompleted | RunFailed): string[] => {
  const { steps } = end.run
  const ids = steps.map(({ step_id }) => step_id)
  if (end.status === 'COMPLETED') return ids
  const failed = 'step_id' in end ? end.step_id : undefined
  if (failed === undefined) return []
  const isOrdered = !steps.some(({ depends_on }) => depends_on !== undefined)
  if (!isOrdered) return [failed]
  // The items behind a failed one of a for_each go on.
  const { for_each } = steps.find(({ step_id }) => step_id === failed) ?? {}
  const last = for_each === undefined ? -1 : steps.findLastIndex((step) => step.for_each === for_each)
  return ids.slice(0, Math.max(last, ids.indexOf(failed)) + 1)
}

const addStep = (record: RunRecord, event: StepCompleted): void => {
  const place = record.steps.findIndex(({ step_id }) => step_id === event.step_id)
  const step = stepOf(event.run, event)
  if (place < 0) record.steps.push(step)
  else if ((record.steps[place]?.attempt ?? 0) < event.attempt) record.steps[place] = step
}
