import type { Handler } from '@convergence/bus'
import type { Steps } from '@convergence/service/steps'
import type { Backfills } from '../backfills.ts'
import type { Ledger } from '../ledger.ts'

interface Deps {
  ledger: Ledger
  backfills: Pick<Backfills, 'after'>
  steps: Steps
}

/**
 * Runs what follows here; after the last step the ledger decides how the run ended. Without `next` a run with
 * depends_on is not resolved yet: the executor says it again.
 */
export const onStepCompleted =
  ({ ledger, backfills, steps }: Deps): Handler<'step-completed'> =>
  async (event, delivery) => {
    if (event.next?.length !== 0) return steps.host(event.run, event.next, delivery)
    const at = new Date(delivery.published_at).toISOString()
    const told = await ledger.submit({ kind: 'ended', event, at })
    return [...told, ...(await backfills.after(told, at))]
  }
