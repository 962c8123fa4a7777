import { AppError, plans } from '@convergence/contracts'
import type { Processor } from '@convergence/service/steps'
import { planOf, tenantOf } from '../../config.ts'
import type { ProcessorDeps } from '../../deps.ts'

/**
 * The first plan of a tenant, with its limits, and tenant-changed for those who keep them in memory. A tenant that has
 * a plan keeps it: onboarding repeated later must not take back a change (`setup.tenants.change`).
 */
export const subscription = ({
  store,
  shared_sources,
}: Pick<ProcessorDeps, 'store' | 'shared_sources'>): Processor => ({
  ps_type: 'setup.tenants.subscription',
  run: async ({ run, step }) => {
    const { config, step_id } = step
    const tenant_id = tenantOf(run, step_id, config['tenant_id'], shared_sources)
    const plan = planOf(step_id, config['subscription_plan'])
    return store.exclusive(tenant_id, async () => {
      const profile = await store.profile(tenant_id)
      if (profile === undefined)
        throw new AppError('TENANT_UNKNOWN', `tenant ${tenant_id} has no profile; onboard it first`)
      const known = await store.subscription(tenant_id)
      const current = known ?? { tenant_id, version: 1, status: 'ACTIVE' as const, plan, limits: plans[plan] }
      if (known === undefined) await store.putSubscription(current, `${run.run_id}-${step_id}`)
      // Published again even when nothing changed: whoever asks again may do so because it was not heard.
      return {
        rows_written: known === undefined ? 1 : 0,
        outputs: { tenant_id, subscription_plan: current.plan, version: current.version, limits: current.limits },
        events: [
          {
            topic: 'tenant-changed' as const,
            event: { ...current, company_name: profile.company_name, admin_email: profile.admin_email },
          },
        ],
      }
    })
  },
})
