/** Runs as the tables tell them: what was asked for here, what the executor recorded, what waits in the queue. */
import type { Row } from '@convergence/warehouse'
import { findings, type RunRecord, type RunStatus, type StepRecord } from '../record.ts'
import { jsonOf, numberOf, textOf, type Tables } from './tables.ts'

export interface RequestRow {
  run_id: string
  tenant_id: string
  parameters_digest: string
  requested_at: string
}
export interface RunFilter {
  status?: RunStatus
  pipeline_id?: string
  from?: string
  to?: string
  after?: { at: string; id: string }
  limit: number
}

export interface RunStore {
  /** The run as the tables tell; `tenant_id` undefined: of any tenant. */
  run(run_id: string, tenant_id: string | undefined): Promise<RunRecord | undefined>
  /** Of a tenant, or, without one, of all and of the platform itself. */
  runs(tenant_id: string | undefined, filter: RunFilter): Promise<RunRecord[]>
  request(run_id: string): Promise<RequestRow | undefined>
  writeRequest(run: RunRecord, digest: string, idempotency_key: string): Promise<void>
}

const stepColumns = `step_id, step_name, ps_type, status, attempt, start_time, end_time, duration_ms, rows_written,
  bytes_processed, outputs, error_code, error_message`

export const runStore = ({ warehouse, name, rows, first }: Tables): RunStore => {
  /** One row per run, however far it has come: the same answer for one run and for a list of them. */
  const selectRuns = (condition: { run: string; request: string; queued: string }): string => `SELECT * FROM (
    SELECT COALESCE(r.pipeline_logging_id, q.run_id) AS pipeline_logging_id,
      COALESCE(r.tenant_id, q.tenant_id) AS tenant_id,
      COALESCE(r.pipeline_id, q.pipeline_id) AS pipeline_id,
      COALESCE(r.pipeline, q.pipeline) AS pipeline,
      CASE WHEN r.status IS NOT NULL THEN r.status
        WHEN w.pipeline_logging_id IS NOT NULL THEN 'QUEUED' ELSE 'PENDING' END AS status,
      COALESCE(r.trigger_type, q.trigger_type) AS trigger_type,
      COALESCE(r.trigger_by, q.trigger_by) AS trigger_by,
      COALESCE(r.user_id, q.user_id) AS user_id,
      COALESCE(r.parameters, q.parameters) AS parameters,
      r.parent_run_id AS parent_run_id,
      COALESCE(q.requested_at, r.requested_at, r.start_time, r.end_time, r.recorded_at) AS requested_at,
      r.start_time AS start_time, r.end_time AS end_time, r.duration_ms AS duration_ms,
      r.error_code AS error_code, r.error_message AS error_message
    FROM (
      SELECT pipeline_logging_id, tenant_id, pipeline_id, pipeline, status, trigger_type, trigger_by, user_id,
        parameters, parent_run_id, requested_at, start_time, end_time, duration_ms, error_code, error_message,
        recorded_at
      FROM ${name('tenant_pipeline_runs')} WHERE ${condition.run}
    ) AS r
    FULL OUTER JOIN (
      SELECT run_id, tenant_id, pipeline, pipeline_id, parameters, trigger_type, trigger_by, user_id, requested_at
      FROM ${name('run_requests')} WHERE ${condition.request}
      QUALIFY ROW_NUMBER() OVER (PARTITION BY run_id ORDER BY requested_at) = 1
    ) AS q ON q.run_id = r.pipeline_logging_id
    LEFT JOIN (
      SELECT pipeline_logging_id FROM ${name('pipeline_execution_queue')} WHERE ${condition.queued}
    ) AS w ON w.pipeline_logging_id = q.run_id
  ) AS page`

  return {
    run: async (run_id, tenant_id) => {
      const ofTenant = tenant_id === undefined ? '' : ' AND tenant_id = @tenant_id'
      const values = { run_id, tenant_id }
      const [run, steps] = await Promise.all([
        first(
          `${selectRuns({
            run: `pipeline_logging_id = @run_id${ofTenant}`,
            request: `run_id = @run_id${ofTenant}`,
            queued: `pipeline_logging_id = @run_id${ofTenant}`,
          })} LIMIT 1`,
          values,
        ),
        rows(
          `SELECT ${stepColumns} FROM ${name('tenant_step_logs')}
           WHERE pipeline_logging_id = @run_id${ofTenant} ORDER BY step_index`,
          values,
        ),
      ])
      if (run === undefined) return undefined
      return { ...recordOf(run), steps: steps.map(stepRecord), outputs: jsonOf(steps.at(-1)?.['outputs']) }
    },
    runs: async (tenant_id, { status, pipeline_id, from, to, after, limit }) => {
      const wanted = [
        ...(status === undefined ? [] : ['status = @run_status']),
        ...(pipeline_id === undefined ? [] : ['pipeline_id = @pipeline_id']),
        ...(from === undefined ? [] : ['requested_at >= TIMESTAMP(@from_time)']),
        ...(to === undefined ? [] : ['requested_at < TIMESTAMP(@to_time)']),
        ...(after === undefined
          ? []
          : [
              `(requested_at < TIMESTAMP(@after_at)
                OR (requested_at = TIMESTAMP(@after_at) AND pipeline_logging_id < @after_id))`,
            ]),
      ]
      const own = tenant_id === undefined ? 'TRUE' : 'tenant_id = @tenant_id'
      const found = await rows(
        `${selectRuns({ run: own, request: own, queued: own })}
         ${wanted.length === 0 ? '' : `WHERE ${wanted.join(' AND ')} `}
         ORDER BY requested_at DESC, pipeline_logging_id DESC LIMIT ${limit}`,
        {
          tenant_id,
          run_status: status,
          pipeline_id,
          from_time: from,
          to_time: to,
          after_at: after?.at,
          after_id: after?.id,
        },
      )
      return found.map(recordOf)
    },
    request: async (run_id) => {
      const row = await first(
        `SELECT tenant_id, parameters_digest, requested_at FROM ${name('run_requests')}
         WHERE run_id = @run_id ORDER BY requested_at LIMIT 1`,
        { run_id },
      )
      return row === undefined
        ? undefined
        : {
            run_id,
            tenant_id: String(row['tenant_id']),
            parameters_digest: String(row['parameters_digest']),
            requested_at: String(row['requested_at']),
          }
    },
    writeRequest: (run, digest, idempotency_key) =>
      warehouse.append('run_requests', [
        {
          run_id: run.pipeline_logging_id,
          tenant_id: run.tenant_id,
          pipeline: run.pipeline,
          pipeline_id: run.pipeline_id,
          parameters: run.parameters,
          parameters_digest: digest,
          trigger_type: run.trigger_type,
          trigger_by: run.trigger_by,
          user_id: run.user_id,
          idempotency_key,
          requested_at: run.requested_at,
          event_id: run.pipeline_logging_id,
        },
      ]),
  }
}

/** A run of the tables; its steps are not in that row. */
const recordOf = (row: Row): RunRecord => ({
  pipeline_logging_id: String(row['pipeline_logging_id']),
  tenant_id: String(row['tenant_id']),
  pipeline_id: String(row['pipeline_id']),
  pipeline: String(row['pipeline']),
  status: String(row['status']) as RunStatus,
  trigger_type: String(row['trigger_type']),
  trigger_by: textOf(row['trigger_by']),
  user_id: textOf(row['user_id']),
  parameters: jsonOf(row['parameters']),
  parent_run_id: textOf(row['parent_run_id']),
  requested_at: textOf(row['requested_at']),
  start_time: textOf(row['start_time']),
  end_time: textOf(row['end_time']),
  duration_ms: numberOf(row['duration_ms']),
  error_code: textOf(row['error_code']),
  error_message: textOf(row['error_message']),
  resets_at: null,
  steps: [],
  outputs: {},
})
const stepRecord = (row: Row): StepRecord => ({
  step_id: String(row['step_id']),
  name: String(row['step_name']),
  ps_type: String(row['ps_type']),
  status: String(row['status']) as StepRecord['status'],
  attempt: Number(row['attempt']),
  start_time: String(row['start_time']),
  end_time: String(row['end_time']),
  duration_ms: Number(row['duration_ms']),
  rows_written: numberOf(row['rows_written']),
  bytes_processed: numberOf(row['bytes_processed']),
  error_code: textOf(row['error_code']),
  error_message: textOf(row['error_message']),
  ...findings(jsonOf(row['outputs'])),
})
