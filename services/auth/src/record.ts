/** A run as the API shows it, field by field. */
import { canonicalJson, recordOf, type Run, type RunFailed, type StepCompleted } from '@convergence/contracts'

export type RunStatus = 'PENDING' | 'QUEUED' | 'RUNNING' | 'COMPLETED' | RunFailed['status']
export const statuses: readonly RunStatus[] = [
  'PENDING',
  'QUEUED',
  'RUNNING',
  'COMPLETED',
  'FAILED',
  'CANCELLED',
  'REJECTED',
]
export const hasEnded = (status: RunStatus): boolean =>
  status !== 'PENDING' && status !== 'QUEUED' && status !== 'RUNNING'

/** A step as the API shows it: these fields, in this order. */
export interface StepRecord {
  step_id: string
  name: string
  ps_type: string
  status: StepCompleted['conclusion']
  attempt: number
  start_time: string
  end_time: string
  duration_ms: number
  rows_written: number | null
  bytes_processed: number | null
  error_code: string | null
  error_message: string | null
  /** What it found odd though it succeeded. */
  warnings: readonly string[]
  /** Those that failed and were followed by another one. */
  attempts: readonly Readonly<Record<string, unknown>>[]
  /** What it found out, such as the delivery that it loaded and the columns that went to other_columns; {} for none. */
  outputs: Readonly<Record<string, unknown>>
}

/** A step that has not ended. */
export interface OpenStep {
  step_id: string
  name: string
  ps_type: string
  status: 'RUNNING' | 'WAITING'
  /** When it was told to start; null while it waits. */
  start_time: string | null
}

export interface RunRecord {
  pipeline_logging_id: string
  tenant_id: string
  pipeline_id: string
  pipeline: string
  status: RunStatus
  trigger_type: string
  trigger_by: string | null
  user_id: string | null
  parameters: Run['parameters']
  parent_run_id: string | null
  requested_at: string | null
  start_time: string | null
  end_time: string | null
  duration_ms: number | null
  error_code: string | null
  error_message: string | null
  /** Of a quota rejection. */
  resets_at: string | null
  /** Those that have ended, in order of the pipeline. */
  steps: StepRecord[]
  /** The others, in order of the pipeline, while the run goes on and as far as it was heard from its start. */
  open?: readonly OpenStep[]
  /** What the last step found out; shown only as the answer of the platform's own runs. */
  outputs: Readonly<Record<string, unknown>>
}

export const stepOf = (run: Run, event: StepCompleted): StepRecord => {
  const step = run.steps.find(({ step_id }) => step_id === event.step_id)
  return {
    step_id: event.step_id,
    name: step?.name ?? event.step_id,
    ps_type: step?.ps_type ?? '',
    status: event.conclusion,
    attempt: event.attempt,
    start_time: event.started_at,
    end_time: event.ended_at,
    duration_ms: Math.round(event.duration_ms),
    rows_written: event.rows_written ?? null,
    bytes_processed: event.bytes_processed ?? null,
    error_code: event.error?.code ?? null,
    error_message: event.error?.message ?? null,
    ...findings(event.outputs),
  }
}
/** Of the outputs of a step. In one order of keys, whether they were heard or read from a table, which keeps none. */
export const findings = (
  given: Readonly<Record<string, unknown>> = {},
): Pick<StepRecord, 'warnings' | 'attempts' | 'outputs'> => {
  const { attempts, ...outputs } = given
  const { warnings } = outputs
  return {
    warnings: Array.isArray(warnings) ? warnings.map(String) : [],
    attempts: Array.isArray(attempts) ? (attempts as StepRecord['attempts']) : [],
    outputs: JSON.parse(canonicalJson(outputs)) as Record<string, unknown>,
  }
}

export const pendingOf = (run: Parameters<typeof recordOf>[0]): RunRecord => ({
  ...recordOf(run),
  status: 'PENDING',
  resets_at: null,
  steps: [],
  outputs: {},
})

/** A run without its steps, as in a list. */
export const summaryAnswer = (run: RunRecord) => ({
  pipeline_logging_id: run.pipeline_logging_id,
  tenant_id: run.tenant_id,
  pipeline_id: run.pipeline_id,
  pipeline: run.pipeline,
  status: run.status,
  trigger_type: run.trigger_type,
  trigger_by: run.trigger_by,
  user_id: run.user_id,
  parameters: run.parameters,
  parent_run_id: run.parent_run_id,
  requested_at: run.requested_at,
  start_time: run.start_time,
  end_time: run.end_time,
  duration_ms: run.duration_ms,
  error_code: run.error_code,
  error_message: run.error_message,
})
export const runAnswer = (run: RunRecord) => ({
  ...summaryAnswer(run),
  warnings: run.steps.flatMap(({ step_id, warnings }) => warnings.map((message) => ({ step_id, message }))),
  steps: [...run.steps, ...(hasEnded(run.status) ? [] : (run.open ?? []).map(openAnswer))],
})
const openAnswer = ({ step_id, name, ps_type, status, start_time }: OpenStep) => ({
  step_id,
  name,
  ps_type,
  status,
  attempt: 0,
  start_time,
  end_time: null,
  duration_ms: null,
  rows_written: null,
  bytes_processed: null,
  error_code: null,
  error_message: null,
  ...findings(),
})

/** One line of a run's event stream. `key` tells a repeat of the same event. */
export interface RunEvent {
  key: string
  event: 'run-requested' | 'run-admitted' | 'step-completed' | 'run-completed' | 'run-failed'
  data: Readonly<Record<string, unknown>>
}
export const isTerminal = ({ event }: RunEvent): boolean => event === 'run-completed' || event === 'run-failed'

/**
 * The run's events from its start, as far as the record tells; the same text whether it was watched or read afterwards.
 */
export const eventsOf = (run: RunRecord): RunEvent[] => {
  const id = { pipeline_logging_id: run.pipeline_logging_id, tenant_id: run.tenant_id }
  const events: RunEvent[] = []
  if (run.requested_at !== null)
    events.push({
      key: 'requested',
      event: 'run-requested',
      data: { ...id, pipeline_id: run.pipeline_id, status: 'PENDING', at: run.requested_at },
    })
  if (run.start_time !== null)
    events.push({ key: 'admitted', event: 'run-admitted', data: { ...id, status: 'RUNNING', at: run.start_time } })
  for (const step of run.steps)
    events.push({ key: `step ${step.step_id}`, event: 'step-completed', data: { ...id, ...step } })
  if (hasEnded(run.status)) {
    events.push({
      key: 'ended',
      event: run.status === 'COMPLETED' ? 'run-completed' : 'run-failed',
      data: {
        ...id,
        status: run.status,
        at: run.end_time,
        duration_ms: run.duration_ms,
        ...(run.error_code === null ? {} : { error_code: run.error_code, error_message: run.error_message }),
      },
    })
  }
  return events
}
