/** Fields of a step's config, checked again where they are used. */
import { AppError, newTenantIdFault, plans, systemTenant, type PlanName, type Run } from '@convergence/contracts'
import { reservedByShared } from '@convergence/pipeline'

/** The tenant that a step is about. Throws unless the run is the platform's own or the tenant's. */
export const tenantOf = (run: Run, step_id: string, tenant_id: unknown, shared_sources: readonly string[]): string => {
  const fault = newTenantIdFault(tenant_id, reservedByShared(shared_sources))
  if (fault !== undefined || typeof tenant_id !== 'string')
    throw new AppError('PARAMETER_INVALID', `step ${step_id}: tenant_id: ${String(fault)}`)
  if (run.tenant_id !== systemTenant && run.tenant_id !== tenant_id)
    throw new AppError(
      'FORBIDDEN',
      `step ${step_id}: a run of tenant ${run.tenant_id} may not change tenant ${tenant_id}`,
    )
  return tenant_id
}

export const planOf = (step_id: string, name: unknown): PlanName => {
  if (typeof name === 'string' && Object.hasOwn(plans, name)) return name as PlanName
  throw new AppError(
    'PARAMETER_INVALID',
    `step ${step_id}: subscription_plan: expected one of ${Object.keys(plans).join(', ')}`,
  )
}

export const textOf = (step_id: string, field: string, value: unknown, longest: number): string => {
  if (
    typeof value === 'string' &&
    value.trim() !== '' &&
    value.length <= longest &&
    !/[\u0000-\u001f\u007f]/.test(value)
  )
    return value
  throw new AppError(
    'PARAMETER_INVALID',
    `step ${step_id}: ${field}: expected text of at most ${longest} characters in one line`,
  )
}
