/** Backfills, which the scheduler writes, and what the record says of their runs. */
import { backfillColumns, readBackfill, type Backfill } from '@convergence/service/backfill-row'
import { backfillTrigger, planPeriods, type PlanWanted, type PlannedPeriod } from '@convergence/service/backfills'
import { textOf, type Tables } from './tables.ts'

export interface RecordedRun {
  status: string
  error_code: string | null
}

export interface BackfillStore {
  backfill(tenant_id: string, backfill_id: string): Promise<Backfill | undefined>
  /** Newest first. */
  backfills(tenant_id: string, page: { after?: { at: string; id: string }; limit: number }): Promise<Backfill[]>
  /** Runs of it as they were recorded or wait, by id. */
  runsOfBackfill(tenant_id: string, backfill_id: string): Promise<Map<string, RecordedRun>>
  plannedPeriods(wanted: PlanWanted): Promise<PlannedPeriod[]>
}

export const backfillStore = ({ warehouse, name, rows, first }: Tables): BackfillStore => ({
  backfill: async (tenant_id, backfill_id) => {
    const row = await first(
      `SELECT ${backfillColumns} FROM ${name('tenant_backfills')}
       WHERE tenant_id = @tenant_id AND backfill_id = @backfill_id LIMIT 1`,
      { tenant_id, backfill_id },
    )
    return row === undefined ? undefined : readBackfill(row)
  },
  backfills: async (tenant_id, { after, limit }) => {
    const later =
      after === undefined
        ? ''
        : `AND (created_at < TIMESTAMP(@after_at)
             OR (created_at = TIMESTAMP(@after_at) AND backfill_id < @after_id)) `
    const found = await rows(
      `SELECT ${backfillColumns} FROM ${name('tenant_backfills')}
       WHERE tenant_id = @tenant_id ${later}ORDER BY created_at DESC, backfill_id DESC LIMIT ${limit}`,
      { tenant_id, after_at: after?.at, after_id: after?.id },
    )
    return found.map(readBackfill)
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
