/**
 * What to answer to a group of messages, and which rows make it so. Pure: no I/O, no clock, no random numbers; the
 * state is left as it was.
 * A message about something known gets its known answer again, so redelivery is harmless. Each row is tried on the
 * state by the same
 * `apply` that fold uses, and taken back at the end: what a decision saw is what its commit makes.
 */
import { AppError, quotaFault, subscriptionFault, systemTenant } from '@convergence/contracts'
import { backoffMs } from '@convergence/contracts/retry'
import type { Fault, Run, RunFailed, StepCompleted, TenantChanged } from '@convergence/contracts'
import type { Outgoing } from '@convergence/bus'
import { firstSteps } from '@convergence/pipeline'
import type { EndBody } from './fold.ts'
import { apply } from './fold.ts'
import { snapshotOf } from './snapshot.ts'
import type { Account, LedgerRow, Outcome, RowKind, RunEntry, State } from './state.ts'
import { accountOf, occupantOf, undo } from './state.ts'

/**
 * `at` is always the publish time of the message that caused it, RFC 3339: the broker's clock, the same at each
 * delivery.
 */
export type Message =
  | {
      kind: 'request'
      run: Run
      digest: string
      at: string
      /** The request is refused for what it asks. */ refused?: Fault
    }
  | { kind: 'ended'; event: StepCompleted; at: string }
  | { kind: 'tenant'; event: TenantChanged; at: string }
  | {
      kind: 'cancel'
      tenant_id: string
      run_id: string
      /** Whose runs whoever asks may cancel; empty for all. */
      pipelines?: readonly string[]
      by?: string | undefined
      at: string
    }
  | {
      kind: 'tick'
      at: string
      /** Last recorded event of silent runs, by run id. */
      heard?: ReadonlyMap<string, string> | undefined
    }
  | {
      kind: 'poison'
      run_id: string
      subscription: string
      detail: string
      at: string
      /** A dead request that verifies: rejected if its run is in no row. */ request?: { run: Run; digest: string }
    }

/** `answers[k]` belongs to messages[k]; an error is for its sender alone and is never a run's end. */
export interface Decision {
  rows: LedgerRow[]
  answers: (Outgoing[] | AppError)[]
}

export const decide = (state: State, messages: readonly Message[]): Decision => {
  const rows: LedgerRow[] = []
  const seq = state.seq + 1
  state.journal = []
  const draft: Draft = {
    state,
    write: (kind, tenant_id, at, fields) => {
      const row: LedgerRow = {
        epoch: state.epoch,
        shard: 0,
        seq,
        idx: rows.length,
        kind,
        tenant_id,
        run_id: null,
        pipeline: null,
        period_day: null,
        period_month: null,
        digest: null,
        outcome: null,
        reason: null,
        message: null,
        priority: null,
        decided_at: new Date(at).toISOString(),
        body: null,
        ...fields,
      }
      apply(state, row)
      rows.push(row)
      return row
    },
  }
  try {
    const answers = messages.map((message) => answer(draft, message))
    return { rows, answers }
  } finally {
    undo(state)
  }
}

interface Draft {
  state: State
  write(kind: RowKind, tenant_id: string, at: string, fields: Partial<LedgerRow>): LedgerRow
}

const answer = (draft: Draft, message: Message): Outgoing[] | AppError => {
  switch (message.kind) {
    case 'request':
      return onRequest(draft, message)
    case 'ended':
      return onEnded(draft, message)
    case 'tenant':
      return onTenant(draft, message)
    case 'cancel':
      return onCancel(draft, message)
    case 'tick':
      return onTick(draft, message)
    case 'poison':
      return onPoison(draft, message)
  }
}

// ---- a request

/**
 * What the platform finds to be late is loaded again within the tenant's subscription, and what follows a run runs
 * within it; neither is one of the tenant's number of runs.
 */
const uncounted: ReadonlySet<Run['trigger_type']> = new Set(['refresh', 'after'])

const onRequest = (
  draft: Draft,
  { run: asked, digest, at, refused }: Message & { kind: 'request' },
): Outgoing[] | AppError => {
  const { state } = draft
  const run = withKeyOfParent(state, asked)
  const known = state.runs.get(run.run_id)
  if (known !== undefined) {
    return known.digest === digest
      ? [...replacedAgain(state, run), ...knownAnswer(known, run)]
      : new AppError(
          'IDEMPOTENCY_MISMATCH',
          `run ${run.run_id}: its idempotency key was used with another pipeline, action or parameters; use a new key`,
        )
  }
  if (refused !== undefined) return reject(draft, run, digest, at, refused)
  const owner = accountOf(state, run.tenant_id)
  if (owner === undefined)
    return new AppError('TENANT_UNKNOWN', `tenant ${run.tenant_id}: no such tenant in the ledger; onboard it first`)
  const day = at.slice(0, 10)
  const ofTenant = owner !== state.system
  const counted = ofTenant && !uncounted.has(run.trigger_type)
  if (ofTenant) {
    const fault = subscriptionFault(owner, day) ?? (counted ? overQuota(owner, day) : undefined)
    if (fault !== undefined) return reject(draft, run, digest, at, fault)
  }
  const newer = newerThan(state, owner, run)
  if (newer !== undefined) return reject(draft, run, digest, at, { code: 'CANCELLED', message: replacedBy(newer) })
  const replaced = run.cancel_in_progress === true ? replace(draft, owner, run, at) : []
  const periods = counted ? { period_day: day, period_month: day.slice(0, 7) } : {}
  const facts = { run_id: run.run_id, pipeline: run.pipeline, digest, priority: run.priority, ...periods }
  if (!hasRoom(state, owner) || mustWait(state, owner, run)) {
    draft.write('QUEUE', run.tenant_id, at, { ...facts, body: run })
    return replaced
  }
  const admitted = { ...run, admitted_at: new Date(at).toISOString() }
  draft.write('ADMIT', run.tenant_id, at, { ...facts, body: admitted })
  return [...replaced, ...started(draft, admitted, at)]
}

/** What is resumed waits where it waited before. */
const withKeyOfParent = (state: State, run: Run): Run => {
  const parent = run.trigger_type === 'resume' ? state.runs.get(run.parent_run_id ?? '') : undefined
  const key = parent?.tenant_id === run.tenant_id ? parent.concurrency_key : undefined
  return key === undefined || run.concurrency_key !== undefined ? run : { ...run, concurrency_key: key }
}
/** Of one that comes late and would cancel: the one that is of a later time, and waits or runs in its place. */
const newerThan = (state: State, owner: Account, run: Run): RunEntry | undefined => {
  if (run.cancel_in_progress !== true) return undefined
  const due_ms = Date.parse(run.scheduled_time ?? run.requested_at)
  return sameKey(state, owner, run).find((entry) => entry.due_ms > due_ms)
}
/** The tenant's runs with its key: those that wait, then the one that runs. */
const sameKey = (state: State, owner: Account, { tenant_id, concurrency_key }: Run): RunEntry[] => {
  if (concurrency_key === undefined) return []
  const running = state.running.get(occupantOf(state, { tenant_id, concurrency_key }) ?? '')
  return [
    ...owner.queue.filter((each) => each.tenant_id === tenant_id && each.concurrency_key === concurrency_key),
    ...(running === undefined ? [] : [running]),
  ]
}
const replacedBy = ({ run_id }: Pick<Run, 'run_id'>): string =>
  `the run was replaced by ${run_id}, which has the same concurrency_key`
/** Cancels the runs with its key: those that wait first, or the end of the one that runs would let one of them start. */
const replace = (draft: Draft, owner: Account, run: Run, at: string): Outgoing[] =>
  sameKey(draft.state, owner, run).flatMap((entry) =>
    entry.run === undefined ? [] : cancelled(draft, entry, entry.run, replacedBy(run), at),
  )
/** The request came again: so do the ends of those that it cancelled. */
const replacedAgain = (state: State, run: Run): Outgoing[] =>
  run.cancel_in_progress !== true
    ? []
    : [...state.unannounced.keys()].flatMap((run_id) => {
        const entry = state.runs.get(run_id)
        return entry?.message === replacedBy(run) ? republished(state, entry) : []
      })

/** run-admitted; a run that has nothing to do is over at once. */
const started = (draft: Draft, run: Run, at: string): Outgoing[] => {
  const next = firstSteps(run)
  const admitted: Outgoing = { topic: 'run-admitted', event: { run, next } }
  const entry = draft.state.runs.get(run.run_id)
  return next.length > 0 || entry === undefined
    ? [admitted]
    : [admitted, ...release(draft, entry, at, { outcome: 'COMPLETED', run })]
}

const reject = (
  draft: Draft,
  run: Run,
  digest: string,
  at: string,
  fault: Fault & { resets_at?: string },
): Outgoing[] => {
  const { trigger_type, trigger_by, requested_at, scheduled_time } = run
  const body = {
    trigger_type,
    ...(trigger_by === undefined ? {} : { trigger_by }),
    requested_at,
    ...(scheduled_time === undefined ? {} : { scheduled_time }),
    ...(fault.resets_at === undefined ? {} : { resets_at: fault.resets_at }),
  }
  draft.write('REJECT', run.tenant_id, at, {
    run_id: run.run_id,
    pipeline: run.pipeline,
    digest,
    priority: run.priority,
    reason: fault.code,
    message: fault.message,
    body,
  })
  const entry = draft.state.runs.get(run.run_id)
  return entry === undefined ? [] : knownAnswer(entry, run)
}

const overQuota = (owner: Account, day: string): (Fault & { resets_at: string }) | undefined => {
  const used = { daily: owner.days.get(day) ?? 0, monthly: owner.months.get(day.slice(0, 7)) ?? 0 }
  return quotaFault(owner.tenant_id, used, owner.limits, day)
}

/** What was answered before, from the record; `run` stands in for the one that the record no longer holds. */
const knownAnswer = (entry: RunEntry, run: Run, outputs?: Record<string, unknown>): Outgoing[] => {
  if (entry.phase === 'QUEUED') return []
  if (entry.phase === 'RUNNING')
    return entry.run === undefined
      ? []
      : [{ topic: 'run-admitted', event: { run: entry.run, next: firstSteps(entry.run) } }]
  return [endOf(entry, run, outputs)]
}

const endOf = (entry: RunEntry, run: Run, outputs = entry.outputs): Outgoing => {
  const ended_at = entry.ended_at ?? run.requested_at
  const duration =
    entry.admitted_at === undefined
      ? {}
      : {
          started_at: entry.admitted_at,
          duration_ms: Math.max(0, Date.parse(ended_at) - Date.parse(entry.admitted_at)),
        }
  const whole = entry.admitted_at === undefined ? run : { ...run, admitted_at: entry.admitted_at }
  if (entry.outcome === 'COMPLETED') {
    return {
      topic: 'run-completed',
      event: {
        run: whole,
        status: 'COMPLETED',
        started_at: ended_at,
        duration_ms: 0,
        ...duration,
        ended_at,
        ...(outputs === undefined ? {} : { outputs }),
      },
    }
  }
  const event: RunFailed = {
    run: whole,
    status: entry.phase === 'REJECTED' ? 'REJECTED' : (entry.outcome ?? 'FAILED'),
    error: { code: entry.reason ?? 'INTERNAL', message: (entry.message ?? '').slice(0, 4000) },
    ...duration,
    ended_at,
    ...(entry.step_id === undefined ? {} : { step_id: entry.step_id }),
  }
  return {
    topic: 'run-failed',
    event: entry.resets_at === undefined ? event : { ...event, resets_at: entry.resets_at },
  }
}

// ---- an end

const onEnded = (draft: Draft, { event, at }: Message & { kind: 'ended' }): Outgoing[] => {
  const entry = draft.state.runs.get(event.run.run_id)
  // Unknown: of a ledger that was dropped since. Queued: no host can have got it. Neither is an end of ours.
  if (entry === undefined || entry.phase === 'QUEUED' || entry.phase === 'REJECTED') return []
  const end = endBy(event)
  if (entry.phase === 'ENDED') {
    const same = entry.outcome === end.outcome && entry.reason === end.fault?.code && entry.step_id === end.step_id
    // The run had ended otherwise: the record stays, and nobody hears of it twice.
    return same ? knownAnswer(entry, event.run, event.outputs) : []
  }
  const { warnings, results } = event.run
  const run = {
    ...(entry.run ?? event.run),
    ...(warnings === undefined ? {} : { warnings }),
    ...(results === undefined ? {} : { results }),
  }
  return release(draft, entry, at, { ...end, run })
}

interface End {
  outcome: Outcome
  fault?: Fault
  step_id?: string
  outputs?: Record<string, unknown> | undefined
}
const endBy = (event: StepCompleted): End => {
  const { conclusion, error, outputs, step_id } = event
  const [first, ...others] = event.run.failed ?? []
  if (first !== undefined && conclusion !== 'CANCELLED') {
    const also = others.map((other) => other.step_id)
    const isTold = error === undefined || step_id === first.step_id || also.includes(step_id)
    const more = isTold ? also : [...also, step_id]
    const { code, message } = first.error
    const fault = more.length === 0 ? first.error : { code, message: `${message}\nAlso failed: ${more.join(', ')}` }
    return { outcome: 'FAILED', step_id: first.step_id, fault }
  }
  switch (conclusion) {
    case 'SUCCEEDED':
    case 'SKIPPED':
      return error === undefined ? { outcome: 'COMPLETED', outputs } : { outcome: 'FAILED', step_id, fault: error }
    case 'CANCELLED':
      return {
        outcome: 'CANCELLED',
        step_id,
        fault: error ?? { code: 'CANCELLED', message: `step ${step_id} was cancelled` },
      }
    case 'TIMED_OUT':
      return {
        outcome: 'FAILED',
        step_id,
        fault: { code: 'TIMED_OUT', message: error?.message ?? `step ${step_id} took longer than its timeout_minutes` },
      }
    case 'FAILED':
      return {
        outcome: 'FAILED',
        step_id,
        fault: error ?? { code: 'INTERNAL', message: `step ${step_id} failed and did not say why` },
      }
  }
}

/**
 * The end of a run, and in the same commit the next ones that its slot lets start. `tell`: its message does not bring
 * the run along, so the row keeps it.
 */
const release = (
  draft: Draft,
  entry: RunEntry,
  at: string,
  { outcome, fault, step_id, outputs, run, tell }: End & { run: Run; tell?: boolean },
): Outgoing[] => {
  const { state } = draft
  const freed = entry.phase === 'RUNNING'
  const owner = accountOf(state, entry.tenant_id)
  const wasFull = state.running_tenants >= state.rules.max_running
  const body: EndBody = {
    ...(step_id === undefined ? {} : { step_id }),
    ...(outputs === undefined || owner !== state.system ? {} : { outputs }),
    ...(tell === true ? { run } : {}),
  }
  draft.write('RELEASE', entry.tenant_id, at, {
    run_id: entry.run_id,
    pipeline: entry.pipeline,
    outcome,
    reason: fault?.code ?? null,
    message: fault?.message ?? null,
    body: Object.keys(body).length === 0 ? null : body,
  })
  const end = endOf(entry, run, outputs)
  if (!freed || owner === undefined) return [end]
  return [end, ...promoteFrom(draft, wasFull && owner !== state.system ? undefined : owner, at)]
}

// ---- who is next

/**
 * Lets queued runs start while there is room: of one account, or of all when the whole platform was full. Between
 * tenants the one that uses the smallest part of its limit comes first, then the one served longest ago; within a
 * tenant priority, then time.
 */
const promoteFrom = (draft: Draft, only: Account | undefined, at: string): Outgoing[] => {
  const { state } = draft
  const outgoing: Outgoing[] = []
  for (;;) {
    const owner = only ?? neediest(state)
    const entry = owner === undefined ? undefined : nextOf(state, owner)
    if (owner === undefined || entry === undefined || !hasRoom(state, owner)) return outgoing
    outgoing.push(...promote(draft, owner, entry, at))
  }
}
/** The first that waits for room alone. */
const nextOf = (state: State, owner: Account): RunEntry | undefined =>
  owner.queue.find((entry) => occupantOf(state, entry) === undefined)
/** Whether another with its key runs, or came before it. */
const mustWait = (state: State, owner: Account, { tenant_id, concurrency_key }: Run): boolean =>
  concurrency_key !== undefined &&
  (occupantOf(state, { tenant_id, concurrency_key }) !== undefined ||
    owner.queue.some((entry) => entry.tenant_id === tenant_id && entry.concurrency_key === concurrency_key))
const hasRoom = (state: State, owner: Account): boolean =>
  owner.running < owner.limits.concurrent && (owner === state.system || state.running_tenants < state.rules.max_running)
const neediest = (state: State): Account | undefined => {
  let best: Account | undefined
  for (const owner of state.waiting)
    if (hasRoom(state, owner) && (best === undefined || before(owner, best)) && nextOf(state, owner) !== undefined)
      best = owner
  return best
}
const before = (a: Account, b: Account): boolean => {
  const shares = a.running / a.limits.concurrent - b.running / b.limits.concurrent
  if (shares !== 0) return shares < 0
  return a.served !== b.served ? a.served < b.served : a.tenant_id < b.tenant_id
}
const promote = (draft: Draft, owner: Account, entry: RunEntry, at: string): Outgoing[] => {
  const { state } = draft
  const run = entry.run
  const facts = { run_id: entry.run_id, pipeline: entry.pipeline }
  const fault = owner === state.system ? undefined : subscriptionFault(owner, at.slice(0, 10))
  if (fault !== undefined || run === undefined) {
    draft.write('REJECT', entry.tenant_id, at, {
      ...facts,
      reason: fault?.code ?? 'INTERNAL',
      message: fault?.message ?? 'the queued run is not in its row',
      body: run === undefined ? null : { run },
    })
    return run === undefined ? [] : [endOf(entry, run)]
  }
  // A redelivered message may be older than the run that it lets start.
  const admitted = {
    ...run,
    admitted_at: new Date(Math.max(Date.parse(at), Date.parse(run.requested_at))).toISOString(),
  }
  draft.write('ADMIT', entry.tenant_id, admitted.admitted_at, {
    ...facts,
    priority: entry.priority,
    digest: entry.digest,
    period_day: entry.period_day ?? null,
    period_month: entry.period_month ?? null,
    body: admitted,
  })
  return started(draft, admitted, at)
}

// ---- tenants, cancellation, poison

const onTenant = (draft: Draft, { event, at }: Message & { kind: 'tenant' }): Outgoing[] => {
  const { state } = draft
  const known = state.accounts.get(event.tenant_id)
  // Of an older release the same version may lack the company and its address.
  const completes =
    known?.version === event.version && known.admin_email === undefined && event.admin_email !== undefined
  if (known !== undefined && known.version >= event.version && !completes) return []
  const { version, status, plan, limits, company_name, admin_email, trial_end_date, subscription_end_date } = event
  draft.write('TENANT', event.tenant_id, at, {
    body: {
      version,
      status,
      plan,
      limits,
      ...(company_name === undefined ? {} : { company_name }),
      ...(admin_email === undefined ? {} : { admin_email }),
      ...(trial_end_date === undefined ? {} : { trial_end_date }),
      ...(subscription_end_date === undefined ? {} : { subscription_end_date }),
    },
  })
  return promoteFrom(draft, state.accounts.get(event.tenant_id), at)
}

/**
 * A cancelled run ends in the ledger at once, queued or running, and its slot is free. The executor sees
 * run-failed{CANCELLED}, stops what is at work and starts nothing more; whatever a step still says, that it failed or
 * that it finished, changes nothing.
 */
const onCancel = (
  draft: Draft,
  { tenant_id, run_id, pipelines = [], by, at }: Message & { kind: 'cancel' },
): Outgoing[] | AppError => {
  const entry = draft.state.runs.get(run_id)
  if (entry === undefined || entry.tenant_id !== tenant_id)
    return new AppError('NOT_FOUND', `run ${run_id}: tenant ${tenant_id} has no such run to cancel`)
  if (pipelines.length > 0 && !pipelines.includes(entry.pipeline))
    return new AppError('BAD_SIGNATURE', `run ${run_id}: the key may not cancel runs of pipeline ${entry.pipeline}`)
  const run = entry.run
  if (run === undefined) return entry.outcome === 'CANCELLED' ? republished(draft.state, entry) : []
  return cancelled(draft, entry, run, by === undefined ? 'the run was cancelled' : `the run was cancelled by ${by}`, at)
}
const cancelled = (draft: Draft, entry: RunEntry, run: Run, message: string, at: string): Outgoing[] => {
  const { tenant_id, run_id, pipeline } = entry
  draft.write('CANCEL', tenant_id, at, { run_id, pipeline, message })
  return release(draft, entry, at, { outcome: 'CANCELLED', fault: { code: 'CANCELLED', message }, run, tell: true })
}

/** The message that ended a run came again: so does its answer. */
const republished = (state: State, entry: RunEntry): Outgoing[] => {
  const end = state.unannounced.get(entry.run_id)
  return end === undefined ? [] : [endOf(entry, end.run)]
}

const onPoison = (
  draft: Draft,
  { run_id, subscription, detail, at, request }: Message & { kind: 'poison' },
): Outgoing[] => {
  const entry = draft.state.runs.get(run_id)
  const message =
    `a message of ${subscription} failed at every delivery: ${detail}; ` +
    'see the dead letter; after the fix resume the run, or ask for it again'
  const fault: Fault = { code: 'POISON', message: message.slice(0, 4000) }
  if (request !== undefined) {
    if (entry === undefined) return reject(draft, request.run, request.digest, at, fault)
    return entry.phase === 'REJECTED' && entry.reason === 'POISON' ? knownAnswer(entry, request.run) : []
  }
  if (entry?.phase === 'ENDED' && entry.reason === 'POISON') return republished(draft.state, entry)
  if (entry?.phase !== 'RUNNING' || entry.run === undefined) return []
  return release(draft, entry, at, { outcome: 'FAILED', fault, run: entry.run, tell: true })
}

// ---- the tick: sweeper and outbox

/** How often run-admitted is published again before a silent run is LOST. */
const resends = 5
/** Extra silence before resend n, n from 0, in minutes: 0, 1, 2, 4, 8, and 16 before LOST. */
const resendDelayMs = (n: number): number => (n === 0 ? 0 : backoffMs(n, { first_ms: 60_000 }))
const outboxMs = 60_000

/**
 * Silence of a running run after which it is started again: the longest of its steps' timeouts and two minutes, in
 * milliseconds.
 */
export const patienceMs = (run: Run): number =>
  Math.max(0, ...run.steps.map((step) => step.timeout_minutes)) * 60_000 + 120_000

const dueAt = (entry: RunEntry, run: Run, heard: string | undefined): number => {
  const last = Math.max(
    ...[entry.admitted_at, entry.resent_at, heard].map((time) => (time === undefined ? 0 : Date.parse(time))),
  )
  return last + patienceMs(run) + resendDelayMs(entry.resent)
}
/**
 * Runs that seem silent at a tick, as far as the ledger knows: of these the record is asked when something was last
 * heard.
 */
export const silent = (state: State, at: string): string[] =>
  [...state.running.values()]
    .filter((entry) => entry.run !== undefined && dueAt(entry, entry.run, undefined) <= Date.parse(at))
    .map((entry) => entry.run_id)

const onTick = (draft: Draft, { at, heard }: Message & { kind: 'tick' }): Outgoing[] => {
  const { state } = draft
  const now = Date.parse(at)
  const outgoing: Outgoing[] = []
  const again = (entry: RunEntry): Outgoing[] =>
    entry.run === undefined ? [] : [{ topic: 'run-admitted', event: { run: entry.run, next: firstSteps(entry.run) } }]
  for (const [run_id, end] of state.unannounced) {
    const entry = state.runs.get(run_id)
    if (entry === undefined) continue
    const since = end.announced_at ?? end.at
    if (Date.parse(since) === now) outgoing.push(endOf(entry, end.run))
    else if (end.announced_at === undefined && Date.parse(end.at) < now) {
      draft.write('TIMER', entry.tenant_id, at, { run_id, pipeline: entry.pipeline, body: { fire: 'announce' } })
      outgoing.push(endOf(entry, end.run))
    }
  }
  for (const entry of inOrder(state.running.values())) {
    if (entry.run === undefined) continue
    if (outOfTimeAt(entry, entry.run) <= now) {
      outgoing.push(
        ...release(draft, entry, at, { outcome: 'FAILED', fault: outOfTime(entry.run), run: entry.run, tell: true }),
      )
    } else if (entry.resent_at !== undefined && Date.parse(entry.resent_at) === now) {
      outgoing.push(...again(entry)) // this tick, delivered again
    } else if (dueAt(entry, entry.run, heard?.get(entry.run_id)) <= now) {
      if (entry.resent >= resends) {
        const fault: Fault = {
          code: 'LOST',
          message: `nothing was heard of the run although it was started ${resends} times again; resume it`,
        }
        outgoing.push(...release(draft, entry, at, { outcome: 'FAILED', fault, run: entry.run, tell: true }))
      } else {
        draft.write('TIMER', entry.tenant_id, at, {
          run_id: entry.run_id,
          pipeline: entry.pipeline,
          body: { fire: 'resend' },
        })
        outgoing.push(...again(entry))
      }
    } else if (isPromoted(entry) && entry.resent === 0 && isFirstTickAfter(entry.admitted_at, now)) {
      outgoing.push(...again(entry)) // outbox: its run-admitted may have died with the process that promoted it
    }
  }
  outgoing.push(...promoteFrom(draft, undefined, at), ...promoteFrom(draft, state.system, at))
  if (state.unsaved >= state.rules.snapshot_rows)
    for (const body of snapshotOf(state)) draft.write('SNAPSHOT', systemTenant, at, { body })
  return outgoing
}
/** When a run has used up its own time, which begins with its admission. */
const outOfTimeAt = ({ admitted_at }: RunEntry, { timeout_minutes }: Run): number =>
  timeout_minutes === undefined || admitted_at === undefined
    ? Infinity
    : Date.parse(admitted_at) + timeout_minutes * 60_000
const outOfTime = ({ timeout_minutes }: Run): Fault => ({
  code: 'TIMED_OUT',
  message:
    `the run took longer than timeout_minutes = ${timeout_minutes ?? 0} of its pipeline; ` +
    'raise it, or resume the run, which goes on behind the steps that succeeded',
})
const isPromoted = (entry: RunEntry): boolean =>
  entry.admitted_at !== undefined && Date.parse(entry.admitted_at) !== entry.requested_ms
/** Ticks come each minute: the first two that are a minute late or later catch it, without a row. */
const isFirstTickAfter = (admitted_at: string | undefined, now: number): boolean => {
  const age = now - Date.parse(admitted_at ?? '')
  return age >= outboxMs && age < 3 * outboxMs
}
const inOrder = (entries: Iterable<RunEntry>): RunEntry[] => [...entries].sort((a, b) => (a.run_id < b.run_id ? -1 : 1))
