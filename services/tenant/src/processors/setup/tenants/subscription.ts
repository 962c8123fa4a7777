import { AppError, plans, systemPipelines } from '@convergence/contracts'
import type { Processor } from '@convergence/service/steps'
import type { Subscription } from '../../../store.ts'
import { planOf, tenantOf } from '../../config.ts'
import type { ProcessorDeps } from '../../deps.ts'

/**
 * Plan and limits of a tenant, and tenant-changed for those who keep them in memory. Onboarding gives a plan to a
 * tenant that has none and leaves another alone: repeated later, it must not take back a change of plan. Each run
 * changes a plan once.
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
    const event_id = `${run.run_id}-${step_id}`
    return store.exclusive(tenant_id, async () => {
      const profile = await store.profile(tenant_id)
      if (profile === undefined)
        throw new AppError('TENANT_UNKNOWN', `tenant ${tenant_id} has no profile; onboard it first`)
      const known = await store.subscription(tenant_id)
      const stays =
        known !== undefined &&
        (known.plan === plan ||
          run.pipeline === systemPipelines.onboarding ||
          (await store.hasSubscriptionEvent(tenant_id, event_id)))
      const current: Subscription = stays
        ? known
        : {
            ...known,
            tenant_id,
            version: (known?.version ?? 0) + 1,
            status: known?.status ?? 'ACTIVE',
            plan,
            limits: plans[plan],
          }
      if (!stays) await store.putSubscription(current, event_id)
      // Published again even when nothing changed: whoever asks again may do so because it was not heard.
      return {
        rows_written: stays ? 0 : 1,
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
