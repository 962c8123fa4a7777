/**
 * How a backfill is paced: which runs are asked for next, which are to be cancelled, whether it is over. Pure: what
 * became of a period is what the ledger says of its run, under a name that follows from the backfill and the period.
 */
import { quotaFault, runId, subscriptionFault } from '@convergence/contracts'
import { countNames, type Backfill, type Counts, type FailedPeriod } from '@convergence/service/backfill-row'
import { backfillRunKey, isTriedAgain } from '@convergence/service/backfills'
import type { RunEntry, State } from './ledger/state.ts'

/** What the ledger says of a run. */
export type Seen = Pick<RunEntry, 'phase' | 'outcome' | 'reason'>
export type SeeRun = (run_id: string) => Seen | undefined

export interface Asked {
  period: string
  run_id: string
  idempotency_key: string
}
export interface Next {
  requests: Asked[]
  /** Runs that wait or run and are to be cancelled. */
  cancels: string[]
  /** How it ended, once nothing of it moves any more. */
  end: Pick<Backfill, 'status' | 'counts' | 'failed_periods'> | undefined
}
export interface Moment {
  /** RFC 3339: the time of the message that this is about. */
  at: string
  /** See isOpen. */
  is_open: boolean
}

/** Of periods that are done and did not complete. */
const statuses: Readonly<Partial<Record<keyof Counts, FailedPeriod['status']>>> = {
  failed: 'FAILED',
  cancelled: 'CANCELLED',
  rejected: 'REJECTED',
}
/** Whether the ledger would let a run of the tenant start or wait now: by its subscription and its quota. */
export const isOpen = ({ accounts }: Pick<State, 'accounts'>, tenant_id: string, at: string): boolean => {
  const day = at.slice(0, 10)
  const owner = accounts.get(tenant_id)
  if (owner === undefined || subscriptionFault(owner, day) !== undefined) return false
  const used = { daily: owner.days.get(day) ?? 0, monthly: owner.months.get(day.slice(0, 7)) ?? 0 }
  return quotaFault(tenant_id, used, owner.limits, day) === undefined
}

/** How long after its cancellation a run of it may still come in. */
const lateMs = 120_000

/** What need not be looked up again. */
interface Known {
  /** Those before were rejected for the tenant's quota or subscription. */
  attempt: number
  /** How the period ended. */
  end?: { state: keyof Counts; failed?: FailedPeriod }
}
/** By period; filled by `nextOf`, and only there to spare it work. */
export type Memo = Map<string, Known>

interface Place {
  state: keyof Counts
  failed?: FailedPeriod
  /** The run that stands for it; none where its end is remembered. */
  run?: Asked
}

const countOfEnd = { COMPLETED: 'completed', FAILED: 'failed', CANCELLED: 'cancelled' } as const
const countOf = (seen: Seen | undefined): keyof Counts => {
  if (seen === undefined) return 'pending'
  switch (seen.phase) {
    case 'QUEUED':
      return 'queued'
    case 'RUNNING':
      return 'running'
    case 'REJECTED':
      return 'rejected'
    case 'ENDED':
      return countOfEnd[seen.outcome ?? 'FAILED']
  }
}

/** The run that stands for a period as far as is remembered. */
const runOf = ({ backfill_id, tenant_id }: Backfill, period: string, attempt: number): Asked => {
  const idempotency_key = backfillRunKey(backfill_id, period, attempt)
  return { period, idempotency_key, run_id: runId(tenant_id, idempotency_key) }
}
/** Runs whose end is not remembered. */
export const openRunsOf = (backfill: Backfill, memo: Memo): string[] =>
  backfill.periods
    .filter((period) => memo.get(period)?.end === undefined)
    .map((period) => runOf(backfill, period, memo.get(period)?.attempt ?? 0).run_id)

/** How a period stands, by the run that stands for it now: of those that were rejected for the quota, the one after. */
const placeOf = (backfill: Backfill, period: string, see: SeeRun, memo: Memo): Place => {
  let known: Known = memo.get(period) ?? { attempt: 0 }
  for (;;) {
    if (known.end !== undefined) return known.end
    const run = runOf(backfill, period, known.attempt)
    const { run_id } = run
    const seen = see(run_id)
    if (seen?.phase !== 'REJECTED' || !isTriedAgain(seen.reason)) {
      const state = countOf(seen)
      const status = statuses[state]
      const failed = status === undefined ? {} : { failed: { period, run_id, error_code: seen?.reason, status } }
      if (status !== undefined || state === 'completed') memo.set(period, { ...known, end: { state, ...failed } })
      return { state, run, ...failed }
    }
    known = { attempt: known.attempt + 1 }
    memo.set(period, known)
  }
}

/**
 * Periods are asked for in order, and those that were asked for and of which the ledger does not know yet are asked
 * for again first: so at most `max_active` are under way, whoever asks how often.
 */
export const nextOf = (backfill: Backfill, see: SeeRun, { at, is_open }: Moment, memo: Memo = new Map()): Next => {
  const next: Next = { requests: [], cancels: [], end: undefined }
  if (backfill.ended_at !== undefined) return next
  const { periods, status, max_active } = backfill
  const counts = Object.fromEntries(countNames.map((name) => [name, 0])) as Counts
  const failed: FailedPeriod[] = []
  const candidates: Asked[] = []
  for (const [k, period] of periods.entries()) {
    // When one is asked for, fewer than max_active before it are unknown; as many more may be rejected for the quota.
    if (candidates.length >= 2 * max_active && status !== 'CANCELLED') {
      counts.pending += periods.length - k
      break
    }
    const place = placeOf(backfill, period, see, memo)
    const { state, run } = place
    counts[state] += 1
    if (place.failed !== undefined) failed.push(place.failed)
    if (run === undefined) continue
    if (state === 'pending') candidates.push(run)
    if ((state === 'queued' || state === 'running') && status === 'CANCELLED') next.cancels.push(run.run_id)
  }
  const active = counts.queued + counts.running
  const isOver =
    status === 'CANCELLED'
      ? active === 0 && Date.parse(at) - Date.parse(backfill.recorded_at) >= lateMs
      : active + counts.pending === 0
  if (isOver) {
    const ended = failed.length === 0 ? 'COMPLETED' : 'FAILED'
    next.end = { status: status === 'CANCELLED' ? 'CANCELLED' : ended, counts, failed_periods: failed }
  } else if (status === 'RUNNING' && is_open) {
    next.requests = candidates.slice(0, Math.max(0, max_active - active))
  }
  return next
}
