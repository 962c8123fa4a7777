/**
 * The record of runs, steps and checks. Rows are only ever added; each has a deterministic event_id and the views show
 * the latest, so recording something again changes nothing. It may lag behind the ledger and decides nothing.
 */
import { centralDataset, recordOf } from '@convergence/contracts'
import type { Run, RunAdmitted, RunCompleted, RunFailed, StepCompleted } from '@convergence/contracts'
import type { Recorded, StepRecord } from '@convergence/pipeline'
import type { Row, Warehouse } from '@convergence/warehouse'

/** How a check of a step's result came out. */
export interface CheckResult {
  check_name: string
  column_name?: string
  status: 'PASSED' | 'WARNED' | 'FAILED'
  expected: string
  actual: string
}

export interface Store {
  recordStart(event: RunAdmitted): Promise<void>
  recordStep(event: StepCompleted): Promise<void>
  recordEnd(event: RunCompleted | RunFailed): Promise<void>
  recordChecks(run: Run, step_id: string, results: readonly CheckResult[]): Promise<void>
  /** The first record of each check of a step. Sees what was acknowledged before. */
  recordedChecks(run: Run, step_id: string): Promise<CheckResult[]>
  /**
   * How each recorded step of the run ended, by step_id, whoever recorded it: its first record, which no later one
   * changes. Sees what was acknowledged before.
   */
  recordedSteps(run: Run): Promise<Recorded>
}

/** UTC day of the request: the partition of everything about the run. */
const dayOf = (run: Run): string => run.requested_at.slice(0, 10)

const runRow = (run: Run, status: string, rank: number, recorded_at: string, more: Row): Row => ({
  ...recordOf(run),
  status,
  rank,
  ...more,
  run_date: dayOf(run),
  event_id: `${run.run_id}-${status}`,
  recorded_at,
})
const endRow = (event: RunCompleted | RunFailed, recorded_at: string): Row =>
  runRow(event.run, event.status, 3, recorded_at, {
    start_time: event.started_at ?? null,
    end_time: event.ended_at,
    duration_ms: event.duration_ms ?? null,
    ...('error' in event ? { error_code: event.error.code, error_message: event.error.message } : {}),
  })

const stepRow = (event: StepCompleted, recorded_at: string): Row => {
  const { run, step_id, attempt, conclusion, error } = event
  const step_index = run.steps.findIndex((step) => step.step_id === step_id)
  const step = run.steps[step_index]
  const step_log_id = `${run.run_id}-${step_id}-a${attempt}`
  return {
    step_log_id,
    pipeline_logging_id: run.run_id,
    tenant_id: run.tenant_id,
    pipeline_id: run.pipeline_id,
    step_id,
    step_index,
    step_name: step?.name ?? step_id,
    ps_type: step?.ps_type ?? '',
    status: conclusion,
    attempt,
    start_time: event.started_at,
    end_time: event.ended_at,
    duration_ms: event.duration_ms,
    rows_written: event.rows_written ?? null,
    bytes_processed: event.bytes_processed ?? null,
    outputs: event.outputs ?? null,
    error_code: error?.code ?? null,
    error_message: error?.message ?? null,
    run_date: dayOf(run),
    event_id: `${step_log_id}-${conclusion}`,
    recorded_at,
  }
}

const checkRow = (run: Run, step_id: string, result: CheckResult, recorded_at: string): Row => {
  const { check_name, column_name = null, status, expected, actual } = result
  const dq_result_id = `${run.run_id}-${step_id}-${check_name}`
  return {
    dq_result_id,
    pipeline_logging_id: run.run_id,
    tenant_id: run.tenant_id,
    step_id,
    check_name,
    column_name,
    status,
    expected,
    actual,
    run_date: dayOf(run),
    event_id: `${dq_result_id}-${status}`,
    recorded_at,
  }
}

// Our own table, not the view: nothing may lie between the record and this read.
const stepsQuery =
  'SELECT step_id, status, rows_written, bytes_processed, outputs, error_code, error_message ' +
  'FROM tenant_step_logs_rows WHERE tenant_id = @tenant_id AND pipeline_logging_id = @run_id ' +
  'ORDER BY recorded_at DESC, event_id DESC'

const checksQuery =
  'SELECT check_name, column_name, status, expected, actual FROM tenant_dq_results_rows ' +
  'WHERE tenant_id = @tenant_id AND run_date = @run_date AND pipeline_logging_id = @run_id AND step_id = @step_id ' +
  'QUALIFY ROW_NUMBER() OVER (PARTITION BY check_name ORDER BY recorded_at, event_id) = 1 ORDER BY check_name'

const numberIn = (name: 'rows_written' | 'bytes_processed', value: unknown): Partial<StepRecord> =>
  value === null || value === undefined ? {} : { [name]: Number(value) }
const recordOfStep = (row: Row): StepRecord => {
  const { status, rows_written, bytes_processed, error_code, error_message } = row
  const outputs: unknown = typeof row['outputs'] === 'string' ? JSON.parse(row['outputs']) : row['outputs']
  return {
    conclusion: String(status) as StepRecord['conclusion'],
    ...numberIn('rows_written', rows_written),
    ...numberIn('bytes_processed', bytes_processed),
    ...(typeof outputs === 'object' && outputs !== null ? { outputs: outputs as Record<string, unknown> } : {}),
    ...(typeof error_code === 'string'
      ? { error: { code: error_code, message: typeof error_message === 'string' ? error_message : '' } }
      : {}),
  }
}

export const openStore = ({
  warehouse,
  now,
}: {
  warehouse: Pick<Warehouse, 'append' | 'query'>
  now: () => Date
}): Store => {
  const at = (): string => now().toISOString()
  return {
    recordStart: ({ run }) =>
      warehouse.append('tenant_pipeline_runs_rows', [
        runRow(run, 'RUNNING', 2, at(), { start_time: run.admitted_at ?? run.requested_at }),
      ]),

    recordEnd: (event) => warehouse.append('tenant_pipeline_runs_rows', [endRow(event, at())]),

    recordStep: (event) => warehouse.append('tenant_step_logs_rows', [stepRow(event, at())]),

    recordChecks: async (run, step_id, results) => {
      if (results.length === 0) return
      const rows = results.map((result) => checkRow(run, step_id, result, at()))
      await warehouse.append('tenant_dq_results_rows', rows)
    },

    recordedChecks: async (run, step_id) => {
      const rows = await warehouse.query({
        query: checksQuery,
        parameters: [
          { name: 'tenant_id', type: 'STRING', value: run.tenant_id },
          { name: 'run_date', type: 'DATE', value: dayOf(run) },
          { name: 'run_id', type: 'STRING', value: run.run_id },
          { name: 'step_id', type: 'STRING', value: step_id },
        ],
        default_dataset: centralDataset,
      })
      return rows.map(({ check_name, column_name, status, expected, actual }) => ({
        check_name: String(check_name),
        ...(typeof column_name === 'string' ? { column_name } : {}),
        status: status as CheckResult['status'],
        expected: String(expected),
        actual: String(actual),
      }))
    },

    recordedSteps: async (run) => {
      const rows = await warehouse.query({
        query: stepsQuery,
        parameters: [
          { name: 'tenant_id', type: 'STRING', value: run.tenant_id },
          { name: 'run_id', type: 'STRING', value: run.run_id },
        ],
        default_dataset: centralDataset,
      })
      return new Map(rows.map((row) => [String(row['step_id']), recordOfStep(row)]))
    },
  }
}
