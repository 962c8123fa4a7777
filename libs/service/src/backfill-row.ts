/** A backfill as it stands in its table, for the one who writes it and the one who shows it. */
import type { Run } from '@convergence/contracts'
import type { Row } from '@convergence/warehouse'
import type { BackfillStatus, PeriodOrder, Reprocess } from './backfills.ts'

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
/** How a period stands, in the order of a life. */
export const countNames = ['pending', 'queued', 'running', 'completed', 'failed', 'cancelled', 'rejected'] as const
export type Counts = Record<(typeof countNames)[number], number>

/** What of a row makes a backfill. */
export const backfillColumns = `backfill_id, tenant_id, pipeline, pipeline_id, parameter, from_period, to_period,
  parameters, reprocess, period_order, max_active, periods, skipped, status, counts, failed_periods, created_by,
  created_at, ended_at, version, recorded_at`

const jsonOf = (value: unknown): unknown => (typeof value === 'string' ? JSON.parse(value) : value)
const timeOf = (value: unknown): string => new Date(String(value)).toISOString()

export const readBackfill = (row: Row): Backfill => {
  const text = (name: keyof Backfill): string => String(row[name])
  const { created_by, ended_at } = row
  return {
    backfill_id: text('backfill_id'),
    tenant_id: text('tenant_id'),
    pipeline: text('pipeline'),
    pipeline_id: text('pipeline_id'),
    parameter: text('parameter'),
    from_period: text('from_period'),
    to_period: text('to_period'),
    parameters: (jsonOf(row['parameters']) ?? {}) as Backfill['parameters'],
    reprocess: text('reprocess') as Backfill['reprocess'],
    period_order: text('period_order') as Backfill['period_order'],
    max_active: Number(row['max_active']),
    periods: ((row['periods'] ?? []) as readonly unknown[]).map(String),
    skipped: Number(row['skipped']),
    status: text('status') as Backfill['status'],
    counts: (jsonOf(row['counts']) ?? undefined) as Counts | undefined,
    failed_periods: (jsonOf(row['failed_periods']) ?? undefined) as FailedPeriod[] | undefined,
    created_by: typeof created_by === 'string' ? created_by : undefined,
    created_at: timeOf(row['created_at']),
    ended_at: ended_at === null || ended_at === undefined ? undefined : timeOf(ended_at),
    version: Number(row['version']),
    recorded_at: timeOf(row['recorded_at']),
  }
}

export const rowOf = (backfill: Backfill): Row => ({
  ...backfill,
  counts: backfill.counts ?? null,
  failed_periods: backfill.failed_periods ?? null,
  created_by: backfill.created_by ?? null,
  ended_at: backfill.ended_at ?? null,
  event_id: `${backfill.backfill_id}:v${backfill.version}`,
})
