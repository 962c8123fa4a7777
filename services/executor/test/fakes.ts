/** What the executor's tests share: runs, a record in memory, a warehouse that notes what it is asked. */
import type { Delivery } from '@convergence/bus'
import { AppError } from '@convergence/contracts'
import type { CompiledStep, Run, StepCompleted } from '@convergence/contracts'
import type { Recorded } from '@convergence/pipeline'
import type { StepContext } from '@convergence/service/steps'
import type { ChainResult, DryRun, JobSpec, Row, Statement, TableRef, Warehouse } from '@convergence/warehouse'
import type { CheckResult, Store } from '../src/store.ts'

export const makeStep = (step_id: string, more: Partial<CompiledStep> = {}): CompiledStep => ({
  step_id,
  name: `step ${step_id}`,
  ps_type: 'custom.noop',
  host: 'executor',
  timeout_minutes: 10,
  retry_policy: { max_retries: 2, retry_delay_seconds: 1 },
  config: {},
  ...more,
})
export const makeRun = (more: Partial<Run> = {}): Run => ({
  run_id: `r_${'a'.repeat(26)}`,
  tenant_id: 'acme',
  pipeline: 'gcp/cost/billing',
  pipeline_id: 'acme-billing',
  trigger_type: 'api',
  parameters: { date: '2026-01-01' },
  priority: 5,
  requested_at: '2026-01-01T23:59:59Z',
  admitted_at: '2026-01-02T00:00:01Z',
  sources: ['local-convergence.billing_export'],
  steps: [makeStep('s0'), makeStep('s1')],
  notifications: [],
  ...more,
})
/** How the recorded steps ended. */
export const conclusions = (recorded: Recorded) =>
  Object.fromEntries([...recorded].map(([step_id, { conclusion }]) => [step_id, conclusion]))
export const shared_sources = ['local-convergence.billing_export']
export const ended = (run: Run, step_id: string, more: Partial<StepCompleted> = {}): StepCompleted => ({
  run,
  step_id,
  attempt: 0,
  conclusion: 'SUCCEEDED',
  started_at: '2026-01-02T00:00:01Z',
  ended_at: '2026-01-02T00:00:02Z',
  duration_ms: 1000,
  ...more,
})
export const delivery: Delivery = {
  message_id: '1',
  published_at: '2026-01-02T00:00:00Z',
  attributes: {},
  data: new Uint8Array(),
  attempt: 1,
  beforeAck: () => undefined,
  signal: new AbortController().signal,
}

export const contextOf = (run: Run, step: CompiledStep): StepContext => ({
  run,
  step,
  chain: {
    run_id: run.run_id,
    step_id: step.step_id,
    max_retries: 2,
    retry_delay_seconds: 1,
    tenant_id: run.tenant_id,
  },
  signal: new AbortController().signal,
  now: () => new Date('2026-01-02T00:00:00Z'),
})

export const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'no error',
    (error: unknown) => (error instanceof AppError ? error.code : String(error)),
  )
export const errorOf = (work: Promise<unknown>): Promise<AppError> =>
  work.then(
    () => {
      throw new Error('no error')
    },
    (error: unknown) => {
      if (error instanceof AppError) return error
      throw error
    },
  )

export const fakeStore = (): Store & { noted: string[]; checks: CheckResult[] } => {
  const noted: string[] = []
  const checks: CheckResult[] = []
  const checksOf = new Map<string, CheckResult[]>()
  const steps = new Map<string, StepCompleted>()
  return {
    noted,
    checks,
    recordStart: async () => {
      noted.push('start')
    },
    recordEnd: async ({ status }) => {
      noted.push(`end ${status}`)
    },
    recordStep: async (event) => {
      const { step_id, conclusion } = event
      noted.push(`step ${step_id} ${conclusion}`)
      if (!steps.has(step_id)) steps.set(step_id, event)
    },
    recordChecks: async ({ run_id }, step_id, results) => {
      checks.push(...results)
      const first = checksOf.get(`${run_id} ${step_id}`)
      if (first === undefined) checksOf.set(`${run_id} ${step_id}`, [...results])
    },
    recordedChecks: async ({ run_id }, step_id) => checksOf.get(`${run_id} ${step_id}`) ?? [],
    recordedSteps: async () => new Map(steps),
  }
}

export interface FakeWarehouse extends Warehouse {
  appended: { table: string; row: Row }[]
  jobs: JobSpec[]
  statements: Statement[]
  calls: string[]
  cancelled: string[]
  datasets: Map<string, Record<string, string>>
  made: Map<string, string>
}
/** `answer` says what a query returns, `reads` what a dry run finds. */
export const fakeWarehouse = ({
  answer = () => [],
  reads = [],
  statement_type = 'SELECT',
  result = {},
}: {
  answer?: (statement: Statement) => Row[]
  reads?: readonly TableRef[]
  statement_type?: string
  result?: Partial<ChainResult>
} = {}): FakeWarehouse => {
  const appended: FakeWarehouse['appended'] = []
  const jobs: JobSpec[] = []
  const statements: Statement[] = []
  const calls: string[] = []
  const cancelled: string[] = []
  const datasets = new Map<string, Record<string, string>>()
  const made = new Map<string, string>()
  const once = (key: string, text: string): 'created' | 'existed' => {
    const existed = made.has(key)
    made.set(key, text)
    calls.push(key)
    return existed ? 'existed' : 'created'
  }
  return {
    appended,
    jobs,
    statements,
    calls,
    cancelled,
    datasets,
    made,
    project_id: 'local-convergence',
    commit: async () => 'mine',
    append: async (table, rows) => {
      for (const row of rows) appended.push({ table, row })
    },
    runJob: async (_chain, spec) => {
      jobs.push(spec)
      return { rows_written: 5, bytes_processed: 50, attempt: 0, adopted: false, ...result }
    },
    cancelChain: async ({ run_id, step_id }) => {
      cancelled.push(`${run_id} ${step_id}`)
    },
    query: async (statement) => {
      statements.push(statement)
      return answer(statement)
    },
    pages: async function* (statement) {
      statements.push(statement)
      yield answer(statement)
    },
    dryRun: async (): Promise<DryRun> => ({
      statement_type,
      referenced_tables: reads,
      columns: [],
      bytes_processed: 10,
    }),
    ensureDataset: async (dataset, options) => {
      if (datasets.has(dataset)) return 'existed'
      datasets.set(dataset, options?.labels ?? {})
      return 'created'
    },
    ensureTable: async ({ dataset, table }) => once(`${dataset}.${table}`, 'table'),
    ensureView: async ({ dataset, view, query }) => once(`${dataset}.${view}`, query),
    dropTable: async ({ dataset, table }) => {
      made.delete(`${dataset}.${table}`)
      calls.push(`drop ${dataset}.${table}`)
    },
    dropDataset: async (dataset) => {
      datasets.delete(dataset)
      for (const key of made.keys()) if (key.startsWith(`${dataset}.`)) made.delete(key)
    },
    getDataset: async (dataset) => {
      const labels = datasets.get(dataset)
      return labels === undefined ? undefined : { labels }
    },
    healthy: async () => true,
    close: async () => undefined,
  }
}
