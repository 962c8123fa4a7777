import { AppError, systemTenant } from '@convergence/contracts'
import type { Processor } from '@convergence/service/steps'
import type { Schedule } from '../../schedule.ts'
import type { ProcessorDeps } from '../deps.ts'
import { readParameters } from '../read-parameters.ts'

interface Config {
  tenant_id: string
  /** The step's own `name` is for people. */
  schedule_name: string
  action: 'put' | 'delete'
  pipeline: string
  cron: string
  timezone?: string
  /** JSON object, as text. */
  parameters?: string
  /** Text where the pipeline fills it in. */
  priority?: number | string
  is_active?: boolean | string
  missed?: 'skip' | 'latest' | 'all'
  overlap?: Schedule['overlap']
}

/** Puts or removes a schedule of a tenant. */
export const schedule = ({ schedules }: ProcessorDeps): Processor => ({
  ps_type: 'scheduler.schedule',
  run: async ({ run, step }) => {
    const {
      tenant_id,
      schedule_name: name,
      action,
      pipeline,
      cron,
      timezone = 'UTC',
      parameters,
      priority,
      is_active,
      missed,
      overlap,
    } = step.config as unknown as Config
    if (run.tenant_id !== systemTenant && run.tenant_id !== tenant_id)
      throw new AppError(
        'FORBIDDEN',
        `schedule ${name}: a run of tenant ${run.tenant_id} may not change a schedule of tenant ${tenant_id}`,
      )
    const by = { event_id: `${run.run_id}-${step.step_id}`, at: run.requested_at }
    if (action === 'delete') {
      await schedules.remove(tenant_id, name, by)
      return { rows_written: 1, outputs: { config_id: `${tenant_id}:${name}`, deleted: true } }
    }
    const put = await schedules.put(
      {
        tenant_id,
        name,
        pipeline,
        cron,
        timezone,
        parameters: readParameters(parameters),
        priority: readPriority(priority ?? 5),
        is_active: String(is_active ?? true) === 'true',
        missed: missed ?? 'latest',
        overlap: overlap ?? 'allow',
      },
      by,
    )
    return {
      rows_written: 1,
      outputs: { config_id: put.config_id, pipeline, cron, timezone, is_active: put.is_active, version: put.version },
    }
  },
})

const readPriority = (value: number | string): number => {
  const priority = Number(value)
  if (!Number.isInteger(priority) || priority < 0 || priority > 9)
    throw new AppError('PARAMETER_INVALID', `priority: expected 0 (first) to 9 (last), got ${JSON.stringify(value)}`)
  return priority
}
