import type { Processor } from '@convergence/service/steps'
import type { ProcessorDeps } from '../deps.ts'

/**
 * Reports use. Nothing is reset: use is counted by UTC day and month from the ledger, so a new day starts at zero by
 * itself.
 */
export const resetDailyQuotas = ({ ledger }: ProcessorDeps): Processor => ({
  ps_type: 'scheduler.reset_daily_quotas',
  run: async ({ run }) => {
    const usage_date = run.requested_at.slice(0, 10)
    const accounts = [...ledger.state.accounts.values()]
    const sum = (count: (owner: (typeof accounts)[number]) => number) =>
      accounts.reduce((total, owner) => total + count(owner), 0)
    return {
      outputs: {
        usage_date,
        tenants: accounts.length,
        runs_today: sum((owner) => owner.days.get(usage_date) ?? 0),
        runs_this_month: sum((owner) => owner.months.get(usage_date.slice(0, 7)) ?? 0),
        running: ledger.state.running.size,
        queued: sum((owner) => owner.queue.length),
      },
    }
  },
})
