/**
 * State is the fold of the ledger: rows in, state changed. Rows may come twice and in any order within one call; rows
 * of another epoch
 * are ignored. A row that cannot follow from the state means that the log is damaged or a bug wrote it: fold throws,
 * the ledger stops.
 */
import { digestOf, lastDayOf, systemPipelines } from '@convergence/contracts'
import type { Limits, Run, TenantChanged } from '@convergence/contracts'
import { remember } from './archive.ts'
import type { Account, LedgerRow, RunEntry, State } from './state.ts'
import { accountOf, change, dequeue, drop, enqueue, occupy, openAccount, put, vacate } from './state.ts'

/**
 * Bodies by kind: ADMIT and QUEUE carry the run, RELEASE and REJECT how it ended, TENANT the event, TIMER what was
 * fired.
 */
export interface EndBody {
  step_id?: string
  outputs?: Record<string, unknown> | undefined
  /** The run, where no later message brings it along. */ run?: Run
  requested_at?: string
  resets_at?: string
}
export interface TimerBody {
  fire: 'resend' | 'announce'
}
type TenantBody = Pick<
  TenantChanged,
  'version' | 'status' | 'plan' | 'limits' | 'company_name' | 'admin_email' | 'trial_end_date' | 'subscription_end_date'
>

/**
 * Applies rows that follow the state's last one; those that it has already are skipped. Throws on a gap and on an
 * impossible row. Returns the state.
 */
export const fold = (state: State, rows: readonly LedgerRow[]): State => {
  let left = false
  const own = rows.filter(
    (row) => row.epoch === state.epoch && (row.seq > state.seq || (row.seq === state.seq && row.idx > state.idx)),
  )
  for (const row of sorted(own)) {
    if (row.seq === state.seq && row.idx === state.idx) continue
    const follows = row.seq === state.seq ? row.idx === state.idx + 1 : row.seq === state.seq + 1 && row.idx === 0
    if (!follows) throw damaged(row, `a gap after seq ${state.seq} idx ${state.idx}`)
    apply(state, row)
    left ||= row.kind === 'SNAPSHOT'
  }
  if (left) evictEndedRuns(state)
  return state
}

const sorted = (rows: readonly LedgerRow[]): readonly LedgerRow[] => {
  for (let k = 1; k < rows.length; k++) {
    const before = rows[k - 1]
    const row = rows[k]
    if (before !== undefined && row !== undefined && (before.seq - row.seq || before.idx - row.idx) > 0)
      return rows.toSorted((a, b) => a.seq - b.seq || a.idx - b.idx)
  }
  return rows
}

/** One row on the state, which is changed. The caller has checked that it follows. */
export const apply = (state: State, row: LedgerRow): void => {
  change(state, state, { seq: row.seq, idx: row.idx, unsaved: state.unsaved + 1 })
  const known = row.run_id === null ? undefined : state.runs.get(row.run_id)
  switch (row.kind) {
    case 'TENANT':
      applyTenant(state, row)
      break
    case 'ADMIT':
      if (known === undefined) start(state, row)
      else promote(state, row, known)
      break
    case 'QUEUE':
      if (known === undefined) wait(state, row)
      else refuse(row, known)
      break
    case 'REJECT':
      applyReject(state, row, known)
      break
    case 'RELEASE':
      applyRelease(state, row, known)
      break
    case 'CANCEL':
      break
    case 'TIMER':
      applyTimer(state, row, known)
      break
    case 'SNAPSHOT':
      afterSnapshot(state, row.decided_at)
      break
  }
}

const applyTenant = (state: State, row: LedgerRow): void => {
  const body = row.body as TenantBody
  const owner = state.accounts.get(row.tenant_id) ?? openAccount(state, row.tenant_id, body.limits)
  const last_day = lastDayOf(body.trial_end_date, body.subscription_end_date)
  const { version, status, limits, company_name = owner.company_name, admin_email = owner.admin_email } = body
  change(state, owner, { version, status, limits, company_name, admin_email, last_day })
}

const start = (state: State, row: LedgerRow): void => {
  const { entry, owner } = enter(state, row, 'RUNNING')
  count(state, owner, entry)
  run(state, row, entry, owner)
}
const promote = (state: State, row: LedgerRow, entry: RunEntry): void => {
  if (entry.phase !== 'QUEUED') return refuse(row, entry)
  const owner = ownerOf(state, row)
  dequeue(state, owner, entry)
  run(state, row, entry, owner)
}
const run = (state: State, row: LedgerRow, entry: RunEntry, owner: Account): void => {
  change(state, entry, { phase: 'RUNNING', admitted_at: row.decided_at, run: (row.body as Run | null) ?? undefined })
  put(state, state.running, entry.run_id, entry)
  occupy(state, entry)
  change(state, state, {
    served: state.served + 1,
    running_tenants: state.running_tenants + (owner === state.system ? 0 : 1),
  })
  change(state, owner, { running: owner.running + 1, served: state.served })
}
const wait = (state: State, row: LedgerRow): void => {
  const { entry, owner } = enter(state, row, 'QUEUED')
  count(state, owner, entry)
  enqueue(state, owner, entry)
}

const applyReject = (state: State, row: LedgerRow, known: RunEntry | undefined): void => {
  const body = row.body as EndBody | null
  if (known === undefined) {
    const { entry } = enter(state, row, 'REJECTED', row.tenant_id)
    change(state, entry, {
      ended_at: row.decided_at,
      reason: row.reason ?? undefined,
      message: row.message ?? undefined,
      resets_at: body?.resets_at,
    })
    return
  }
  if (known.phase !== 'QUEUED') return refuse(row, known)
  dequeue(state, ownerOf(state, row), known)
  change(state, known, {
    phase: 'REJECTED',
    ended_at: row.decided_at,
    reason: row.reason ?? undefined,
    message: row.message ?? undefined,
    run: undefined,
  })
  if (body?.run !== undefined)
    put(state, state.unannounced, known.run_id, { run: body.run, at: row.decided_at, announced_at: undefined })
}

const applyRelease = (state: State, row: LedgerRow, known: RunEntry | undefined): void => {
  if (known === undefined || (known.phase !== 'QUEUED' && known.phase !== 'RUNNING')) return refuse(row, known)
  const body = row.body as EndBody | null
  const owner = ownerOf(state, row)
  if (known.phase === 'QUEUED') {
    dequeue(state, owner, known)
  } else {
    drop(state, state.running, known.run_id)
    vacate(state, known)
    change(state, owner, { running: owner.running - 1 })
    if (owner !== state.system) change(state, state, { running_tenants: state.running_tenants - 1 })
  }
  if (known.pipeline === systemPipelines.backfill)
    change(state, state, { backfill_changes: state.backfill_changes + 1 })
  change(state, known, {
    phase: 'ENDED',
    run: undefined,
    ended_at: row.decided_at,
    outcome: row.outcome ?? undefined,
    reason: row.reason ?? undefined,
    message: row.message ?? undefined,
    step_id: body?.step_id,
    outputs: owner === state.system ? body?.outputs : undefined,
  })
  if (body?.run !== undefined)
    put(state, state.unannounced, known.run_id, { run: body.run, at: row.decided_at, announced_at: row.decided_at })
}

const applyTimer = (state: State, row: LedgerRow, known: RunEntry | undefined): void => {
  const { fire } = row.body as TimerBody
  if (known === undefined) return refuse(row, known)
  if (fire === 'resend') {
    change(state, known, { resent: known.resent + 1, resent_at: row.decided_at })
    return
  }
  const waiting = state.unannounced.get(known.run_id)
  if (waiting !== undefined) put(state, state.unannounced, known.run_id, { ...waiting, announced_at: row.decided_at })
}

/** Use by day is asked of days that a message can still be about: Pub/Sub keeps them for seven. */
const daysKeptMs = 8 * 86_400_000
/** The ledger's memory: longer than the 31 days that Pub/Sub can replay, longer than the 180 that job ids live. */
export const memoryMs = 200 * 86_400_000

/** What no message needs any more is dropped here, at a place in the log, so that every reader drops the same. */
export const afterSnapshot = (state: State, at: string): void => {
  change(state, state, { unsaved: 0 })
  const now = Date.parse(at)
  const oldest_day = new Date(now - daysKeptMs).toISOString().slice(0, 10)
  const oldest_month = new Date(now - memoryMs).toISOString().slice(0, 7)
  for (const owner of state.accounts.values()) {
    for (const day of owner.days.keys()) if (day < oldest_day) drop(state, owner.days, day)
    for (const month of owner.months.keys()) if (month < oldest_month) drop(state, owner.months, month)
  }
  for (const [run_id, { announced_at }] of state.unannounced) {
    if (announced_at !== undefined && now - Date.parse(announced_at) > daysKeptMs)
      drop(state, state.unannounced, run_id)
  }
}
/**
 * Runs that ended become numbers. Only when rows are folded, never while they are tried: a decision sees what it saw.
 */
const evictEndedRuns = (state: State): void => {
  for (const [run_id, { phase, ended_at, seq }] of state.runs) {
    if (phase === 'QUEUED' || phase === 'RUNNING' || state.unannounced.has(run_id)) continue
    remember(state.archive, run_id, { day: (ended_at ?? '').slice(0, 10), from_seq: seq, to_seq: state.seq })
    state.runs.delete(run_id)
  }
}
/** Forgets the past that is older than the ledger's memory. */
export const forget = (state: State, at: string): void => {
  const oldest = new Date(Date.parse(at) - memoryMs).toISOString().slice(0, 10)
  for (const day of state.archive.keys()) if (day < oldest) state.archive.delete(day)
}

const enter = (
  state: State,
  row: LedgerRow,
  phase: RunEntry['phase'],
  tenant_id?: string,
): { entry: RunEntry; owner: Account } => {
  const { run_id, pipeline, digest } = row
  if (run_id === null || pipeline === null || digest === null) throw damaged(row, 'no run_id, pipeline or digest')
  // A rejected request may be of a tenant that is unknown; it needs no account.
  const owner = tenant_id === undefined ? ownerOf(state, row) : state.system
  const body = row.body as Run | EndBody | null
  const asked = body?.requested_at ?? row.decided_at
  const requested_ms = Date.parse(asked)
  const entry: RunEntry = {
    run_id,
    tenant_id: intern(row.tenant_id),
    pipeline: intern(pipeline),
    seq: row.seq,
    phase,
    digest,
    priority: row.priority ?? 5,
    concurrency_key: phase === 'REJECTED' ? undefined : (body as Run | null)?.concurrency_key,
    requested_ms,
    due_ms: phase === 'REJECTED' ? requested_ms : Date.parse((body as Run | null)?.scheduled_time ?? asked),
    period_day: row.period_day === null ? undefined : intern(row.period_day),
    period_month: row.period_month === null ? undefined : intern(row.period_month),
    run: phase === 'REJECTED' ? undefined : ((body as Run | null) ?? undefined),
    admitted_at: undefined,
    ended_at: undefined,
    outcome: undefined,
    reason: undefined,
    message: undefined,
    step_id: undefined,
    resets_at: undefined,
    outputs: undefined,
    resent: 0,
    resent_at: undefined,
  }
  put(state, state.runs, run_id, entry)
  return { entry, owner }
}
const count = (state: State, owner: Account, { period_day, period_month }: RunEntry): void => {
  if (period_day !== undefined) put(state, owner.days, period_day, (owner.days.get(period_day) ?? 0) + 1)
  if (period_month !== undefined) put(state, owner.months, period_month, (owner.months.get(period_month) ?? 0) + 1)
}
const ownerOf = (state: State, row: LedgerRow): Account => {
  const owner = accountOf(state, row.tenant_id)
  if (owner === undefined) throw damaged(row, 'a tenant without a TENANT row')
  return owner
}

const refuse = (row: LedgerRow, known: RunEntry | undefined): never => {
  throw damaged(row, known === undefined ? 'a run that no row began' : `a run that is ${known.phase}`)
}
const damaged = (row: LedgerRow, found: string): Error =>
  new Error(
    `run_ledger epoch ${row.epoch} seq ${row.seq} idx ${row.idx}: ${row.kind} of ${row.run_id ?? row.tenant_id} ` +
      `meets ${found}; nothing is decided until the log is repaired`,
  )

// The same few ids stand in every row: one copy each.
const interned = new Map<string, string>()
const intern = (text: string): string => {
  const known = interned.get(text)
  if (known !== undefined) return known
  if (interned.size > 100_000) interned.clear()
  interned.set(text, text)
  return text
}

/**
 * Equal states have equal hashes, however they came about. Of runs that are over and announced it does not matter which
 * are in memory.
 */
export const stateHash = (state: State): string =>
  digestOf({
    seq: state.seq,
    idx: state.idx,
    served: state.served,
    running_tenants: state.running_tenants,
    unsaved: state.unsaved,
    runs: [...state.runs.values()]
      .filter(({ phase, run_id }) => phase === 'QUEUED' || phase === 'RUNNING' || state.unannounced.has(run_id))
      .sort((a, b) => (a.run_id < b.run_id ? -1 : 1)),
    running: [...state.running.keys()].sort(),
    occupied: [...state.occupied].sort(),
    unannounced: [...state.unannounced.keys()].sort(),
    waiting: [...state.waiting].map((owner) => owner.tenant_id).sort(),
    accounts: [...state.accounts.values(), state.system].map(accountHash).sort(),
  })
const accountHash = (owner: Account & { limits: Limits }): string =>
  JSON.stringify({
    ...owner,
    days: [...owner.days].sort(),
    months: [...owner.months].sort(),
    queue: owner.queue.map((entry) => entry.run_id),
  })
