import { AppError } from '@convergence/contracts'
import type { Processor } from '@convergence/service/steps'
import { decideChange } from '../../../decide-change.ts'
import { changeOf, tenantOf } from '../../config.ts'
import type { ProcessorDeps } from '../../deps.ts'

/**
 * Changes a tenant, and tells tenant-changed. A run changes once: what it wrote before it died is not written again,
 * also when a later change has come between.
 */
export const change = ({ store, shared_sources }: Pick<ProcessorDeps, 'store' | 'shared_sources'>): Processor => ({
  ps_type: 'setup.tenants.change',
  run: async ({ run, step }) => {
    const { config, step_id } = step
    const tenant_id = tenantOf(run, step_id, config['tenant_id'], shared_sources)
    const wanted = changeOf(step_id, config['change'])
    const event_id = `${run.run_id}-${step_id}`
    return store.exclusive(tenant_id, async () => {
      const profile = await store.profile(tenant_id)
      if (profile === undefined)
        throw new AppError('TENANT_UNKNOWN', `tenant ${tenant_id} has no profile; onboard it first`)
      const known = await store.subscription(tenant_id)
      // The subscription is written last, also when it says what it said before: with it the change is whole.
      const done = known !== undefined && (await store.hasSubscriptionEvent(tenant_id, event_id))
      const next = done ? { profile, subscription: known } : decideChange({ profile, subscription: known }, wanted)
      if (next.profile !== profile) await store.putProfile(next.profile, event_id)
      if (next.subscription !== known) await store.putSubscription(next.subscription, event_id)
      const { subscription } = next
      const { company_name, admin_email } = next.profile
      return {
        rows_written: done ? 0 : 1,
        outputs: {
          tenant_id,
          subscription_plan: subscription.plan,
          status: subscription.status,
          limits: subscription.limits,
          version: subscription.version,
        },
        // Told again also when the change was made before: who asks again may do so because it was not heard.
        events: [{ topic: 'tenant-changed' as const, event: { ...subscription, company_name, admin_email } }],
      }
    })
  },
})
