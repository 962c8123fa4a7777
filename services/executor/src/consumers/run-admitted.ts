import type { Handler, Outgoing } from '@convergence/bus'
import type { Run } from '@convergence/contracts'
import type { Steps } from '@convergence/service/steps'
import type { Store } from '../store.ts'

/**
 * Records that the run is running, while its first steps start. A repeat adds nothing: the row has a name, and so has
 * each step's effect.
 */
export const onRunAdmitted =
  ({ store, steps, now }: { store: Store; steps: Steps; now: () => Date }): Handler<'run-admitted'> =>
  async (event, delivery) => {
    const { run, next } = event
    delivery.beforeAck(store.recordStart(event))
    return next.length === 0 ? nothingLeft(run, now()) : steps.host(run, next, delivery)
  }

/** A resumed run whose parent had finished every step still needs an end. */
const nothingLeft = (run: Run, at: Date): Outgoing[] => {
  const last = run.steps.at(-1)
  if (last === undefined) return []
  const time = at.toISOString()
  return [
    {
      topic: 'step-completed',
      event: {
        run,
        step_id: last.step_id,
        attempt: 0,
        conclusion: 'SKIPPED',
        started_at: time,
        ended_at: time,
        duration_ms: 0,
        next: [],
      },
    },
  ]
}
