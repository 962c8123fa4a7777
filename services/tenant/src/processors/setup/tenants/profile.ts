import { AppError, digestOf } from '@convergence/contracts'
import type { Processor } from '@convergence/service/steps'
import { planOf, tenantOf, textOf } from '../../config.ts'
import type { ProcessorDeps } from '../../deps.ts'

/**
 * The first step of onboarding: the tenant exists from here on. The same body again is the same tenant, another one is
 * CONFLICT.
 */
export const profile = ({ store, shared_sources }: Pick<ProcessorDeps, 'store' | 'shared_sources'>): Processor => ({
  ps_type: 'setup.tenants.profile',
  run: async ({ run, step }) => {
    const { config, step_id } = step
    const tenant_id = tenantOf(run, step_id, config['tenant_id'], shared_sources)
    const company_name = textOf(step_id, 'company_name', config['company_name'], 200)
    const admin_email = textOf(step_id, 'admin_email', config['admin_email'], 254)
    const subscription_plan = planOf(step_id, config['subscription_plan'])
    const given = config['body_digest'] ?? ''
    const body_digest =
      given === ''
        ? digestOf({ company_name, admin_email, subscription_plan })
        : textOf(step_id, 'body_digest', given, 128)
    return store.exclusive(tenant_id, async () => {
      const known = await store.profile(tenant_id)
      if (known === undefined) {
        await store.putProfile(
          { tenant_id, company_name, admin_email, status: 'ACTIVE', subscription_plan, body_digest, version: 1 },
          `${run.run_id}-${step_id}`,
        )
        return { rows_written: 1, outputs: { tenant_id, version: 1, created: true } }
      }
      if (known.body_digest !== body_digest)
        throw new AppError(
          'CONFLICT',
          `tenant ${tenant_id} exists with other values; choose another tenant id, or send exactly what was sent first`,
        )
      return { rows_written: 0, outputs: { tenant_id, version: known.version, created: false } }
    })
  },
})
