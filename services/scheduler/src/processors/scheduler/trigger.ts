import type { Processor } from '@convergence/service/steps'
import type { ProcessorDeps } from '../deps.ts'

/** Asks for every run that is due when the job itself was asked for: what the tick does each minute, at once. */
export const trigger = ({ ledger, schedules }: ProcessorDeps): Processor => ({
  ps_type: 'scheduler.trigger',
  run: async ({ run }) => {
    const events = schedules.due(run.requested_at, (run_id) =>
      ['QUEUED', 'RUNNING'].includes(ledger.state.runs.get(run_id)?.phase ?? ''),
    )
    return { events, outputs: { schedules: schedules.list().length, triggered: events.length } }
  },
})
