import type { Processor } from '@convergence/service/steps'

/** Admitted, dispatched and recorded like any step, without an effect: what the bench measures. */
export const noop: Processor = { ps_type: 'custom.noop', run: async () => ({}) }
