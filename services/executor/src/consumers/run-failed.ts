import type { Handler } from '@convergence/bus'
import type { Store } from '../store.ts'

/** Failed, cancelled or refused, with the reason: the run's last row. */
export const onRunFailed = ({ store }: { store: Store }): Handler<'run-failed'> => async (event) => {
  await store.recordEnd(event)
  return undefined
}
