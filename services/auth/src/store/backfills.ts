/** Backfills, which the scheduler writes, and what the record says of their runs. */
import { backfillTrigger, planPeriods, type PlanWanted, type PlannedPeriod } from '@convergence/service/backfills'
import type { Row } from '@convergence/warehouse'
import { jsonOf, listOf, numberOf, textOf, type Tables } from './tables.ts'

export interface BackfillRow {
  backfill_id: string
  tenant_id: string
  pipeline: string
  pipeline_id: string
  parameter: string
  from_period: string
  to_period: string
  parameters: Record<string, unknown>
  reprocess: string
  period_order: string
  max_active: number
  periods: string[]
  skipped: number
  status: string
  /** Null while something of it moves. */
  counts: Record<string, number> | null
  failed_periods: FailedPeriod[] | null
  created_by: string | null
  created_at: string
  ended_at: string | null
}
export interface FailedPeriod {
  period: string
  status: string
  run_id: string
  error_code: string | null
}
export interface RecordedRun {
  status: string
  error_code: string | null
}

export interface BackfillStore {
  backfill(tenant_id: string, backfill_id: string): Promise<BackfillRow | undefined>
  /** Newest first. */
  backfills(tenant_id: string, page: { after?: { at: string; id: string }; limit: number }): Promise<BackfillRow[]>
  /** Runs of it as they were recorded or wait, by id. */
  runsOfBackfill(tenant_id: string, backfill_id: string): Promise<Map<string, RecordedRun>>
  plannedPeriods(wanted: PlanWanted): Promise<PlannedPeriod[]>
}

const columns = `backfill_id, tenant_id, pipeline, pipeline_id, parameter, from_period, to_period, parameters,
  reprocess, period_order, max_active, periods, skipped, status, counts, failed_periods, created_by, created_at,
  ended_at`

const parsed = (value: unknown): unknown => (typeof value === 'string' ? JSON.parse(value) : (value ?? null))
const failedOf = (value: unknown): FailedPeriod[] | null => {
  const list = parsed(value)
  return Array.isArray(list)
    ? (list as Row[]).map((one) => ({
        period: String(one['period']),
        status: String(one['status']),
        run_id: String(one['run_id']),
        error_code: textOf(one['error_code']),
      }))
    : null
}

const backfillRow = (row: Row): BackfillRow => ({
  backfill_id: String(row['backfill_id']),
  tenant_id: String(row['tenant_id']),
  pipeline: String(row['pipeline']),
  pipeline_id: String(row['pipeline_id']),
  parameter: String(row['parameter']),
  from_period: String(row['from_period']),
  to_period: String(row['to_period']),
  parameters: jsonOf(row['parameters']),
  reprocess: String(row['reprocess']),
  period_order: String(row['period_order']),
  max_active: Number(row['max_active']),
  periods: listOf(row['periods']),
  skipped: numberOf(row['skipped']) ?? 0,
  status: String(row['status']),
  counts: row['counts'] === null || row['counts'] === undefined ? null : jsonOf(row['counts']),
  failed_periods: failedOf(row['failed_periods']),
  created_by: textOf(row['created_by']),
  created_at: String(row['created_at']),
  ended_at: textOf(row['ended_at']),
})

export const backfillStore = ({ warehouse, name, rows, first }: Tables): BackfillStore => ({
  backfill: async (tenant_id, backfill_id) => {
    const row = await first(
      `SELECT ${columns} FROM ${name('tenant_backfills')}
       WHERE tenant_id = @tenant_id AND backfill_id = @backfill_id LIMIT 1`,
      { tenant_id, backfill_id },
    )
    return row === undefined ? undefined : backfillRow(row)
  },
  backfills: async (tenant_id, { after, limit }) => {
    const later =
      after === undefined
        ? ''
        : `AND (created_at < TIMESTAMP(@after_at)
             OR (created_at = TIMESTAMP(@after_at) AND backfill_id < @after_id)) `
    const found = await rows(
      `SELECT ${columns} FROM ${name('tenant_backfills')}
       WHERE tenant_id = @tenant_id ${later}ORDER BY created_at DESC, backfill_id DESC LIMIT ${limit}`,
      { tenant_id, after_at: after?.at, after_id: after?.id },
    )
    return found.map(backfillRow)
  },
  runsOfBackfill: async (tenant_id, backfill_id) => {
    const [recorded, queued] = await Promise.all([
      rows(
        `SELECT pipeline_logging_id, status, error_code FROM ${name('tenant_pipeline_runs')}
         WHERE tenant_id = @tenant_id AND trigger_by = @trigger_by`,
        { tenant_id, trigger_by: backfillTrigger(backfill_id) },
      ),
      rows(`SELECT pipeline_logging_id FROM ${name('pipeline_execution_queue')} WHERE tenant_id = @tenant_id`, {
        tenant_id,
      }),
    ])
    return new Map<string, RecordedRun>([
      ...queued.map((row) => [String(row['pipeline_logging_id']), { status: 'QUEUED', error_code: null }] as const),
      ...recorded.map(
        (row) =>
          [
            String(row['pipeline_logging_id']),
            { status: String(row['status']), error_code: textOf(row['error_code']) },
          ] as const,
      ),
    ])
  },
  plannedPeriods: (wanted) => planPeriods(warehouse, wanted),
})
