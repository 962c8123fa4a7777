/** How far a backfill is: its periods by state, and what it waits for. */
import { lastDayOf, quotaFault, runId, subscriptionFault } from '@convergence/contracts'
import { countNames, type Backfill, type Counts, type FailedPeriod } from '@convergence/service/backfill-row'
import { backfillRunKey, isTriedAgain } from '@convergence/service/backfills'
import type { RouteContext } from './context.ts'
import { hasEnded } from './record.ts'
import type { RecordedRun } from './store/backfills.ts'

export interface Progress {
  /** Periods by state. */
  counts: Counts & { skipped: number }
  failed_periods: ShownFailure[]
  /** Why it asks for no more runs now, and until when where that is known. */
  waits: { reason: string; until: string | null } | null
}

type ShownFailure = Omit<FailedPeriod, 'error_code'> & { error_code: string | null }

const statuses = { failed: 'FAILED', cancelled: 'CANCELLED', rejected: 'REJECTED' } as const

/** Of one that has ended as it was written down, else from the record of its runs and what was heard since. */
export const progressOf = async (parts: RouteContext, row: Backfill): Promise<Progress> => {
  const { counts: written, failed_periods, skipped } = row
  if (written !== undefined) {
    const shown = (failed_periods ?? []).map((one) => ({ ...one, error_code: one.error_code ?? null }))
    return { counts: { ...inOrder(written), skipped }, failed_periods: shown, waits: null }
  }
  const { store, live } = parts
  const recorded = await store.runsOfBackfill(row.tenant_id, row.backfill_id)
  const known = (run_id: string): RecordedRun | undefined => {
    const written_run = recorded.get(run_id)
    const heard = live.get(run_id)?.record
    return heard === undefined || (written_run !== undefined && !hasEnded(heard.status)) ? written_run : heard
  }
  const counts = inOrder({})
  const failed: ShownFailure[] = []
  for (const period of row.periods) {
    const { run_id, state, error_code } = stateOf(row, period, known)
    counts[state] += 1
    if (state === 'failed' || state === 'cancelled' || state === 'rejected')
      failed.push({ period, status: statuses[state], run_id, error_code })
  }
  return { counts: { ...counts, skipped }, failed_periods: failed, waits: await waitsOf(parts, row, counts) }
}
const inOrder = (counts: Readonly<Partial<Counts>>): Counts =>
  Object.fromEntries(countNames.map((name) => [name, counts[name] ?? 0])) as Counts
const stateNamed = (name: string): keyof Counts => countNames.find((known) => known === name) ?? 'pending'

/** Of the run that stands for a period now: one that was rejected for the quota is followed by another. */
const stateOf = (
  { tenant_id, backfill_id }: Backfill,
  period: string,
  known: (run_id: string) => RecordedRun | undefined,
): { run_id: string; state: keyof Counts; error_code: string | null } => {
  for (let attempt = 0; ; attempt += 1) {
    const run_id = runId(tenant_id, backfillRunKey(backfill_id, period, attempt))
    const run = known(run_id)
    if (run === undefined) return { run_id, state: 'pending', error_code: null }
    if (run.status !== 'REJECTED' || !isTriedAgain(run.error_code))
      return { run_id, state: stateNamed(run.status.toLowerCase()), error_code: run.error_code }
  }
}

const waitsOf = async (
  { tenants, store, deps }: RouteContext,
  { tenant_id, status, max_active }: Backfill,
  counts: Counts,
): Promise<Progress['waits']> => {
  const active = counts.queued + counts.running
  if (status !== 'RUNNING' || counts.pending === 0 || active >= max_active) return null
  const tenant = await tenants.get(tenant_id)
  if (tenant === undefined) return null
  const day = deps.now().toISOString().slice(0, 10)
  const last_day = lastDayOf(tenant.trial_end_date, tenant.subscription_end_date)
  const inactive = subscriptionFault({ tenant_id, status: tenant.status, last_day }, day)
  if (inactive !== undefined) return { reason: inactive.message, until: null }
  const over = quotaFault(tenant_id, await store.usage(tenant_id, day), tenant.limits, day)
  return over === undefined ? null : { reason: over.message, until: over.resets_at }
}
