/** A schedule, and its row. */
import type { Run } from '@convergence/contracts'
import type { Row } from '@convergence/warehouse'
import { nextTime } from '@convergence/calendar/cron'
import type { Timed } from './due.ts'

export interface Schedule extends Timed {
  /** `{tenant_id}:{name}` */
  config_id: string
  tenant_id: string
  name: string
  pipeline: string
  pipeline_id: string
  parameters: Run['parameters']
  priority: number
  is_active: boolean
  /**
   * What it does while its previous run has not ended: start beside it, not at all, behind it, or behind it once that is
   * cancelled.
   */
  overlap: 'allow' | 'skip' | 'queue' | 'cancel_previous'
  is_deleted: boolean
  version: number
  /** Pipelines of the platform whose YAML has a `schedule`: not in the table. */
  built_in?: boolean
}

/** What of a row makes a schedule; `version` and `recorded_at` order the rows of one. */
export const scheduleColumns = `config_id, tenant_id, name, pipeline, pipeline_id, cron, timezone, parameters, priority,
  is_active, missed, overlap, last_run_time, effective_from, is_deleted, version, recorded_at`

export const readSchedule = (row: Row): Schedule => {
  const effective_from = row['effective_from'] as string | null | undefined
  const parameters: unknown = typeof row['parameters'] === 'string' ? JSON.parse(row['parameters']) : row['parameters']
  return {
    config_id: String(row['config_id']),
    tenant_id: String(row['tenant_id']),
    name: String(row['name']),
    pipeline: String(row['pipeline']),
    pipeline_id: String(row['pipeline_id']),
    cron: String(row['cron']),
    timezone: String(row['timezone']),
    parameters: (parameters ?? {}) as Run['parameters'],
    priority: Number(row['priority']),
    is_active: row['is_active'] === true,
    missed: String(row['missed']) as Schedule['missed'],
    overlap: String(row['overlap']) as Schedule['overlap'],
    last_run_time: new Date(String(row['last_run_time'] ?? row['recorded_at'])).toISOString(),
    ...(effective_from === null || effective_from === undefined
      ? {}
      : { effective_from: new Date(effective_from).toISOString() }),
    is_deleted: row['is_deleted'] === true,
    version: Number(row['version']),
  }
}

/** A row of the table; `event_id` names the change. */
export const rowOf = (schedule: Schedule, event_id: string, recorded_at: string): Row => {
  const { built_in: _, ...columns } = schedule
  const [provider, domain] = schedule.pipeline.split('/')
  const next = schedule.is_active
    ? nextTime(schedule.cron, schedule.timezone, Date.parse(schedule.last_run_time))
    : undefined
  return {
    ...columns,
    provider,
    domain,
    next_run_time: next === undefined ? null : new Date(next).toISOString(),
    event_id,
    recorded_at,
  }
}
