import type { Processor } from '@convergence/service/steps'
import type { ProcessorDeps } from '../deps.ts'

/**
 * Starts queued runs as far as limits allow. The ledger does so at every release; what this finds was left by a change
 * of limits or a lost message.
 */
export const processQueue = ({ ledger }: ProcessorDeps): Processor => ({
  ps_type: 'scheduler.process_queue',
  run: async ({ run }) => {
    const events = await ledger.submit({ kind: 'tick', at: run.requested_at })
    const queued = [...ledger.state.waiting].reduce((sum, owner) => sum + owner.queue.length, 0)
    return { events, outputs: { started: events.filter(({ topic }) => topic === 'run-admitted').length, queued } }
  },
})
