import type { Handler } from '@convergence/bus'
import type { Ended } from '../text.ts'

/** Tells whom the pipeline names. A repeat finds the rows of the first time and tells nobody again. */
export const onRunFailed =
  ({ notify }: { notify: (event: Ended, signal: AbortSignal) => Promise<void> }): Handler<'run-failed'> =>
  async (event, delivery) => {
    await notify(event, delivery.signal)
    return undefined
  }
