import type { Handler, Outgoing } from '@convergence/bus'
import type { StepCompleted } from '@convergence/contracts'
import { readySteps } from '@convergence/pipeline'
import type { Steps } from '@convergence/service/steps'
import type { Store } from '../store.ts'

/**
 * Records the step, whoever ran it (named by run, step and attempt: a repeat adds nothing), and runs what follows here,
 * which does not wait for the record. In a run with
 * depends_on its host could not say what follows; that is said here, in a second event.
 */
export const onStepCompleted =
  ({ store, steps }: { store: Store; steps: Steps }): Handler<'step-completed'> =>
  async (event, delivery) => {
    if (event.next === undefined) {
      await store.recordStep(event)
      return resolve(event, store)
    }
    const recordedBefore = event.run.steps.some(({ depends_on }) => depends_on !== undefined)
    if (!recordedBefore) delivery.beforeAck(store.recordStep(event))
    return steps.host(event.run, event.next, delivery)
  }

/**
 * Record first, read second: of two branches that end together at least one sees both; if both do, the joined step's
 * chain folds the two starts.
 */
const resolve = async (event: StepCompleted, store: Store): Promise<Outgoing[]> => {
  const recorded = await store.recordedSteps(event.run)
  const { run, next, ended } = readySteps(event.run, recorded, event.step_id)
  return next.length === 0 && !ended ? [] : [{ topic: 'step-completed', event: { ...event, run, next } }]
}
