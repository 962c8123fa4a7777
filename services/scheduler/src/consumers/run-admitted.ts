import type { Handler } from '@convergence/bus'
import type { Steps } from '@convergence/service/steps'

/** The first step of a run whose first step is hosted here. */
export const onRunAdmitted =
  ({ steps }: { steps: Steps }): Handler<'run-admitted'> =>
  (event, delivery) =>
    steps.host(event.run, event.next, delivery)
