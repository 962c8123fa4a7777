import { systemPipelines } from '@convergence/contracts'
import { randomDigits } from '../issue-key.ts'
import type { RunRecord } from '../record.ts'
import type { RouteContext } from '../context.ts'
import type { Route } from '../route.ts'

/** Jobs of the platform, asked for by hand or by a timer; each is a run of the platform. */
export const scheduler = ({ deps, runs }: RouteContext): Route[] =>
  (
    [
      ['/api/v1/scheduler/trigger', systemPipelines.trigger, 'Ask for every run that is due'],
      ['/api/v1/scheduler/process-queue', systemPipelines.process_queue, 'Start queued runs as far as limits allow'],
      [
        '/api/v1/scheduler/reset-daily-quotas',
        systemPipelines.reset_daily_quotas,
        'Report use; counters are counted by UTC day and need no reset',
      ],
      [
        '/api/v1/admin/sources/unclaimed',
        systemPipelines.sources_unclaimed,
        "Count rows of Google's exports that no tenant claims",
      ],
      [
        '/api/v1/admin/sources/refresh',
        systemPipelines.sources_refresh,
        'Look at the sources of all tenants, and ask for runs of the periods that have changed',
      ],
    ] as const
  ).map(([path, pipeline, summary]): Route => ({
    method: 'POST',
    path,
    summary,
    scope: 'admin',
    tenant: 'none',
    rate: 'admin',
    body: { type: 'object', properties: {}, additionalProperties: false },
    answers: [200, 202],
    handle: async ({ idempotency_key, user_id }) => {
      const { run_id, ended } = await runs.system({
        pipeline,
        parameters: {},
        idempotency_key: idempotency_key ?? randomDigits(22, deps.random_bytes),
        trigger_by: 'admin',
        user_id,
      })
      return ended === undefined
        ? { status: 202, body: { status: 'RUNNING', pipeline_logging_id: run_id } }
        : {
            status: 200,
            body: { status: 'SUCCESS', pipeline_logging_id: run_id, ...ended.outputs, ...warningsOf(ended) },
          }
    },
  }))

/** Of all steps; none where nothing was odd. */
const warningsOf = ({ steps }: RunRecord): { warnings?: string[] } => {
  const warnings = steps.flatMap((step) => [...step.warnings])
  return warnings.length === 0 ? {} : { warnings }
}
