/** Fields of a step's config, checked again where they are used. */
import { AppError, isName, newTenantIdFault, plans, systemTenant } from '@convergence/contracts'
import type { Limits, PlanName, Run } from '@convergence/contracts'
import { reservedByShared } from '@convergence/pipeline'
import type { TenantChange } from '../decide-change.ts'

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

const limitNames = ['daily', 'monthly', 'concurrent'] as const

/** A change of a tenant from its JSON text. Throws PARAMETER_INVALID with the first field that cannot be taken. */
export const changeOf = (step_id: string, json: unknown): TenantChange => {
  const refuse = (field: string, expected: string): never => {
    throw new AppError('PARAMETER_INVALID', `step ${step_id}: change${field}: expected ${expected}`)
  }
  const change = objectOf(json) ?? refuse('', 'a JSON object as text')
  if (Object.keys(change).length === 0) refuse('', 'at least one field')
  const taken: TenantChange = {}
  for (const [field, value] of Object.entries(change))
    switch (field) {
      case 'subscription_plan':
        taken.subscription_plan = planOf(step_id, value)
        break
      case 'status':
        taken.status = value === 'ACTIVE' || value === 'SUSPENDED' ? value : refuse('.status', 'ACTIVE or SUSPENDED')
        break
      case 'trial_end_date':
      case 'subscription_end_date':
        taken[field] =
          value === null || isDay(value) ? value : refuse(`.${field}`, 'a date such as 2027-12-31, or null')
        break
      case 'admin_email':
        taken.admin_email =
          typeof value === 'string' && isName('email', value) ? value : refuse('.admin_email', 'a mail address')
        break
      case 'limits':
        taken.limits = limitsOf(value) ?? refuse('.limits', `numbers from 1 of ${limitNames.join(', ')}`)
        break
      default:
        refuse(`.${field.slice(0, 64)}`, 'a field that is known here')
    }
  return taken
}

const objectOf = (json: unknown): Record<string, unknown> | undefined => {
  if (typeof json !== 'string') return undefined
  try {
    const value: unknown = JSON.parse(json)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}
const isDay = (value: unknown): value is string =>
  typeof value === 'string' &&
  /^\d{4}-\d\d-\d\d$/.test(value) &&
  !Number.isNaN(Date.parse(value)) &&
  new Date(value).toISOString().startsWith(value)
const limitsOf = (value: unknown): Partial<Limits> | undefined => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const given = Object.entries(value)
  const known = (name: string) => limitNames.some((each) => each === name)
  return given.length > 0 && given.every(([name, n]) => known(name) && Number.isSafeInteger(n) && Number(n) >= 1)
    ? value
    : undefined
}
