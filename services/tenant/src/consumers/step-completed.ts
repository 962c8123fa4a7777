import type { Handler } from '@convergence/bus'
import type { Steps } from '@convergence/service/steps'

/** What follows the step that ended, if it is hosted here. A repeat changes nothing: rows are named by run and step. */
export const onStepCompleted =
  ({ steps }: { steps: Steps }): Handler<'step-completed'> =>
  (event, delivery) =>
    steps.host(event.run, event.next, delivery)
