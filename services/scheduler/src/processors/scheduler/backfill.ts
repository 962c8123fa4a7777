import { AppError, systemTenant } from '@convergence/contracts'
import type { PeriodOrder, Reprocess } from '@convergence/service/backfills'
import type { Processor } from '@convergence/service/steps'
import type { BackfillChange, WantedBackfill } from '../../backfills.ts'
import type { ProcessorDeps } from '../deps.ts'
import { readParameters } from '../read-parameters.ts'

interface Config {
  tenant_id: string
  action: 'create' | BackfillChange
  backfill_id?: string
  pipeline?: string
  from_period?: string
  to_period?: string
  /** JSON object, as text. */
  parameters?: string
  reprocess?: Reprocess
  period_order?: PeriodOrder
  /** Text where the pipeline fills it in. */
  max_active?: number | string
}

/** Makes or changes a backfill of a tenant; its first runs are asked for at once. */
export const backfill = ({ backfills }: ProcessorDeps): Processor => ({
  ps_type: 'scheduler.backfill',
  run: async ({ run, step }) => {
    const config = step.config as unknown as Config
    const { tenant_id, action, backfill_id = '' } = config
    if (run.tenant_id !== systemTenant && run.tenant_id !== tenant_id)
      throw new AppError(
        'FORBIDDEN',
        `a run of tenant ${run.tenant_id} may not ${action} a backfill of tenant ${tenant_id}`,
      )
    const by = { run_id: run.run_id, at: run.requested_at }
    const changed =
      action === 'create'
        ? await backfills.create({ ...wantedOf(config), created_by: run.trigger_by }, by)
        : await backfills.change({ tenant_id, backfill_id }, action, by)
    const { backfill_id: id, status, periods, skipped, max_active } = changed.backfill
    return {
      rows_written: 1,
      events: changed.events,
      outputs: { backfill_id: id, status, periods: periods.length + skipped, runs: periods.length, max_active },
    }
  },
})

const wantedOf = ({
  tenant_id,
  pipeline = '',
  from_period = '',
  to_period = '',
  parameters,
  reprocess = 'none',
  period_order = 'newest_first',
  max_active = 1,
}: Config): Omit<WantedBackfill, 'created_by'> => {
  const most = Number(max_active)
  if (!Number.isInteger(most) || most < 1)
    throw new AppError('PARAMETER_INVALID', `max_active: expected 1 or more, got ${JSON.stringify(max_active)}`)
  return {
    tenant_id,
    pipeline,
    from_period,
    to_period,
    parameters: readParameters(parameters),
    reprocess,
    period_order,
    max_active: most,
  }
}
