import type { Handler } from '@convergence/bus'
import type { Steps } from '@convergence/service/steps'

/** The first step of a run, if it is hosted here. A repeat changes nothing: rows are named by run and step. */
export const onRunAdmitted =
  ({ steps }: { steps: Steps }): Handler<'run-admitted'> =>
  (event, delivery) =>
    steps.host(event.run, event.next, delivery)
