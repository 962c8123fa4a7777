import type { Handler } from '@convergence/bus'
import type { Store } from '../store.ts'

/** The ledger has decided: the run's last row, named by run and status. */
export const onRunCompleted =
  ({ store }: { store: Store }): Handler<'run-completed'> =>
  async (event) => {
    await store.recordEnd(event)
    return undefined
  }
