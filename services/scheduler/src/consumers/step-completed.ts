import type { Handler } from '@convergence/bus'
import type { Steps } from '@convergence/service/steps'
import type { Backfills } from '../backfills.ts'
import type { ReadFollowers } from '../followers.ts'
import type { Ledger } from '../ledger.ts'

interface Deps {
  ledger: Ledger
  backfills: Pick<Backfills, 'after'>
  followersOf: ReadFollowers
  steps: Steps
}

/**
 * Runs what follows here; after the last step the ledger decides how the run ended, and
 * what follows it. Without `next` a run with
 * depends_on is not resolved yet: the executor says it again.
 */
export const onStepCompleted =
  ({ ledger, backfills, followersOf, steps }: Deps): Handler<'step-completed'> =>
  async (event, delivery) => {
    if (event.next?.length !== 0) return steps.host(event.run, event.next, delivery)
    const at = new Date(delivery.published_at).toISOString()
    const told = await ledger.submit({ kind: 'ended', event, at })
    return [...told, ...followersOf(told, event, at), ...(await backfills.after(told, at))]
  }
