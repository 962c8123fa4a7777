/**
 * Onboarding: a run of setup/tenants/onboarding, then the tenant's first key under the id `first:{tenant_id}`. The key
 * is made by whoever first
 * sees the onboarding completed and no such key, so a repeat of a request whose answer never came still gets it.
 * The idempotency key is `onboard:{tenant_id}:{digest of the body}:{n}`; n counts attempts that failed, so a failed
 * onboarding can be tried again.
 */
import { AppError, digestOf, newTenantIdFault, runId, systemPipelines, systemTenant } from '@convergence/contracts'
import { reservedByShared } from '@convergence/pipeline'
import { createFirstKey } from './keys.ts'
import type { RouteContext } from './context.ts'
import { hasEnded } from './record.ts'
import { textOf } from './store/tables.ts'

export interface OnboardBody {
  tenant_id: string
  company_name: string
  admin_email: string
  subscription_plan: string
}
export interface Onboarded {
  status: 200 | 201 | 202
  body: Record<string, unknown>
}

const mostAttempts = 20

export const openOnboarding = (
  parts: RouteContext,
): ((body: OnboardBody, by: { trigger_by: string; user_id: string | undefined }) => Promise<Onboarded>) => {
  const { deps, store, tenants, runs } = parts
  /**
   * The last request of each tenant that is under way: they go one after the other, so that the second sees what the
   * first has made.
   */
  const last = new Map<string, Promise<unknown>>()

  /** The first attempt that did not fail. */
  const attemptOf = async (tenant_id: string, body_digest: string): Promise<string> => {
    for (let n = 0; n < mostAttempts; n += 1) {
      const idempotency_key = `onboard:${tenant_id}:${body_digest}:${n}`
      const run = await runs.find(runId(systemTenant, idempotency_key), systemTenant)
      if (run === undefined || !hasEnded(run.status) || run.status === 'COMPLETED') return idempotency_key
    }
    throw new AppError(
      'CONFLICT',
      `tenant ${tenant_id}: ${mostAttempts} attempts of this onboarding have failed; ` +
        'see their runs, and correct what they name',
    )
  }

  const onboard = async (
    body: OnboardBody,
    { trigger_by, user_id }: { trigger_by: string; user_id: string | undefined },
  ): Promise<Onboarded> => {
    const { tenant_id } = body
    const body_digest = digestOf({
      tenant_id,
      company_name: body.company_name,
      admin_email: body.admin_email,
      subscription_plan: body.subscription_plan,
    })
    const differs = () =>
      new AppError(
        'CONFLICT',
        `tenant ${tenant_id} exists with other values; GET /api/v1/tenants/${tenant_id} shows them`,
      )
    const known = await store.tenant(tenant_id)
    if (known !== undefined && known.body_digest !== body_digest) throw differs()
    if (known === undefined) {
      const dataset = await deps.warehouse.getDataset(tenant_id)
      if (dataset !== undefined && dataset.labels['owner'] !== 'tenant')
        throw new AppError(
          'CONFLICT',
          `tenant ${tenant_id}: a dataset of this name exists and is no tenant's; choose another tenant_id`,
        )
    }
    const { run_id, ended } = await runs.system({
      pipeline: systemPipelines.onboarding,
      idempotency_key: await attemptOf(tenant_id, body_digest),
      trigger_by,
      user_id,
      parameters: {
        new_tenant_id: tenant_id,
        company_name: body.company_name,
        admin_email: body.admin_email,
        subscription_plan: body.subscription_plan,
        body_digest,
      },
    })
    const facts = { tenant_id, subscription_plan: body.subscription_plan, pipeline_logging_id: run_id }
    if (ended === undefined)
      return {
        status: 202,
        body: {
          ...facts,
          status: 'RUNNING',
          message: 'onboarding is under way; send the same request again for its result',
        },
      }
    tenants.forget(tenant_id)
    const dryrun_status = textOf(ended.outputs['dryrun_status']) ?? 'SUCCESS'
    const done = { ...facts, dataset_created: true, dryrun_status }
    const since = (await store.tenant(tenant_id))?.recorded_at
    if (since === undefined)
      throw new AppError(
        'UNAVAILABLE',
        `tenant ${tenant_id}: its onboarding has completed and its profile cannot be read yet; ` +
          'send the same request again',
      )
    const api_key = await createFirstKey(
      parts,
      { tenant_id, created_by: trigger_by, description: 'made at onboarding' },
      since,
    )
    return api_key === undefined ? { status: 200, body: done } : { status: 201, body: { ...done, api_key } }
  }

  return async (body, by) => {
    const fault = newTenantIdFault(body.tenant_id, reservedByShared(deps.shared_sources))
    if (fault !== undefined) throw new AppError('BODY_INVALID', `body.tenant_id: ${fault}`)
    const before = last.get(body.tenant_id)
    const mine = (async () => {
      await before?.catch(() => undefined)
      return onboard(body, by)
    })()
    last.set(body.tenant_id, mine)
    try {
      return await mine
    } finally {
      if (last.get(body.tenant_id) === mine) last.delete(body.tenant_id)
    }
  }
}
