import type { Handler } from '@convergence/bus'
import type { Steps } from '@convergence/service/steps'
import type { Ledger } from '../ledger.ts'

/**
 * Runs what follows here; after the last step the ledger decides how the run ended. Without `next` a run with
 * depends_on is not resolved yet: the executor says it again.
 */
export const onStepCompleted =
  ({ ledger, steps }: { ledger: Ledger; steps: Steps }): Handler<'step-completed'> =>
  async (event, delivery) =>
    event.next?.length === 0
      ? ledger.submit({ kind: 'ended', event, at: new Date(delivery.published_at).toISOString() })
      : steps.host(event.run, event.next, delivery)
