import type { Handler } from '@convergence/bus'
import type { Run } from '@convergence/contracts'
import type { Steps } from '@convergence/service/steps'
import type { ChainName, Warehouse } from '@convergence/warehouse'
import type { Store } from '../store.ts'

/**
 * Failed, cancelled or refused, with the reason: the run's last row. Of a cancelled run, and of one that has used up its time, what is at work is stopped: in
 * this process, and by
 * its job's id where another replica walks the chain, for only one replica gets this message. A repeat finds nothing to
 * stop.
 */
export const onRunFailed =
  ({
    store,
    steps,
    warehouse,
  }: {
    store: Store
    steps: Pick<Steps, 'cancel'>
    warehouse: Pick<Warehouse, 'cancelChain'>
  }): Handler<'run-failed'> =>
  async (event) => {
    const { run, status } = event
    // A step's own time-out has stopped it; that of the run is told without a step.
    const isStopped = status === 'CANCELLED' || (event.error.code === 'TIMED_OUT' && event.step_id === undefined)
    if (isStopped) steps.cancel(run.run_id)
    await Promise.all([
      store.recordEnd(event),
      ...(isStopped ? chainsOf(run) : []).map((chain) => warehouse.cancelChain(chain)),
    ])
    return undefined
  }

/**
 * Chains of this service that may have a job. No processor of ours has a second job in a step, and so none has a
 * `part`.
 */
const chainsOf = ({ run_id, admitted_at, steps, skip = [] }: Run): ChainName[] =>
  admitted_at === undefined
    ? []
    : steps
        .filter(({ step_id, host }) => host === 'executor' && !skip.includes(step_id))
        .map(({ step_id }) => ({ run_id, step_id }))
