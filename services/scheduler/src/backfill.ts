/**
 * How a backfill is paced: which runs are asked for next, which are to be cancelled, whether it is over. Pure: what
 * became of a period is what the ledger says of its run, under a name that follows from the backfill and the period.
 */
import { runId, type Run } from '@convergence/contracts'
import {
  backfillRunKey,
  isTriedAgain,
  type BackfillStatus,
  type PeriodOrder,
  type Reprocess,
} from '@convergence/service/backfills'
import type { RunEntry } from './ledger/state.ts'

export interface Backfill {
  backfill_id: string
  tenant_id: string
  pipeline: string
  pipeline_id: string
  /** The pipeline's parameter that is the period. */
  parameter: string
  from_period: string
  to_period: string
  parameters: Run['parameters']
  reprocess: Reprocess
  period_order: PeriodOrder
  max_active: number
  /** Those that it runs, in its order. */
  periods: readonly string[]
  skipped: number
  status: BackfillStatus
  counts: Counts | undefined
  failed_periods: readonly FailedPeriod[] | undefined
  created_by: string | undefined
  created_at: string
  /** When nothing of it moved any more. */
  ended_at: string | undefined
  version: number
  recorded_at: string
}
export interface FailedPeriod {
  period: string
  status: 'FAILED' | 'CANCELLED' | 'REJECTED'
  run_id: string
  error_code: string | undefined
}
const countNames = ['pending', 'queued', 'running', 'completed', 'failed', 'cancelled', 'rejected'] as const
export type Counts = Record<(typeof countNames)[number], number>

/** What the ledger says of a run. */
export type Seen = Pick<RunEntry, 'phase' | 'outcome' | 'reason' | 'resets_at'>
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
  /** False while the ledger would reject a run of the tenant: its subscription or its quota. */
  is_open: boolean
}

/** Of periods that are done and did not complete. */
const statuses: Readonly<Partial<Record<keyof Counts, FailedPeriod['status']>>> = {
  failed: 'FAILED',
  cancelled: 'CANCELLED',
  rejected: 'REJECTED',
}
/** How long after its cancellation a run of it may still come in. */
const lateMs = 120_000

interface Place extends Asked {
  seen: Seen | undefined
}
/** The run that stands for a period now: of those that were rejected for the quota, the one after. */
const placeOf = ({ backfill_id, tenant_id }: Backfill, period: string, see: SeeRun, at: string): Place => {
  for (let attempt = 0; ; attempt += 1) {
    const idempotency_key = backfillRunKey(backfill_id, period, attempt)
    const run_id = runId(tenant_id, idempotency_key)
    const seen = see(run_id)
    const again = seen?.phase === 'REJECTED' && isTriedAgain(seen.reason)
    if (!again || (seen.resets_at !== undefined && at < seen.resets_at))
      return { period, run_id, idempotency_key, seen }
  }
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
      return isTriedAgain(seen.reason) ? 'pending' : 'rejected'
    case 'ENDED':
      return countOfEnd[seen.outcome ?? 'FAILED']
  }
}

/**
 * Periods are asked for in order, and those that were asked for and of which the ledger does not know yet are asked
 * for again first: so at most `max_active` are under way, whoever asks how often.
 */
export const nextOf = (backfill: Backfill, see: SeeRun, { at, is_open }: Moment): Next => {
  const next: Next = { requests: [], cancels: [], end: undefined }
  if (backfill.ended_at !== undefined) return next
  const counts = Object.fromEntries(countNames.map((name) => [name, 0])) as Counts
  const failed: FailedPeriod[] = []
  const candidates: Place[] = []
  let waits = !is_open
  for (const period of backfill.periods) {
    const place = placeOf(backfill, period, see, at)
    const { seen, run_id } = place
    const state = countOf(seen)
    counts[state] += 1
    if (state === 'pending' && seen === undefined) candidates.push(place)
    // The quota is the tenant's: no other period fares better.
    if (state === 'pending' && seen !== undefined) waits = true
    if ((state === 'queued' || state === 'running') && backfill.status === 'CANCELLED') next.cancels.push(run_id)
    const status = statuses[state]
    if (status !== undefined) failed.push({ period, run_id, error_code: seen?.reason, status })
  }
  const active = counts.queued + counts.running
  const isOver =
    backfill.status === 'CANCELLED'
      ? active === 0 && Date.parse(at) - Date.parse(backfill.recorded_at) >= lateMs
      : active + counts.pending === 0
  if (isOver) {
    const ended = failed.length === 0 ? 'COMPLETED' : 'FAILED'
    next.end = { status: backfill.status === 'CANCELLED' ? 'CANCELLED' : ended, counts, failed_periods: failed }
  } else if (backfill.status === 'RUNNING' && !waits) {
    next.requests = candidates
      .slice(0, Math.max(0, backfill.max_active - active))
      .map(({ period, run_id, idempotency_key }) => ({ period, run_id, idempotency_key }))
  }
  return next
}
