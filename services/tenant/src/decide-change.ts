/** What a change makes of a tenant: pure. */
import { plans, type Limits, type PlanName } from '@convergence/contracts'
import type { Profile, Subscription } from './store.ts'

/** A field that is missing stays as it is; null takes a date away. */
export interface TenantChange {
  subscription_plan?: PlanName
  status?: 'ACTIVE' | 'SUSPENDED'
  /** Last day, YYYY-MM-DD, inclusive. */
  trial_end_date?: string | null
  subscription_end_date?: string | null
  admin_email?: string
  /** Of the limits the ones to change; the others stay, or are the plan's where the plan changes. */
  limits?: Partial<Limits>
}

/** The subscription with a version one higher; the profile too, or as it was where nothing of it changes. */
export const decideChange = (
  known: { profile: Profile; subscription: Subscription | undefined },
  change: TenantChange,
): { profile: Profile; subscription: Subscription } => {
  const { profile, subscription: before } = known
  const plan = change.subscription_plan ?? before?.plan ?? profile.subscription_plan
  const status = change.status ?? before?.status ?? profile.status
  const kept = before?.plan === plan ? before.limits : plans[plan]
  const dateOf = (field: 'trial_end_date' | 'subscription_end_date') => {
    const day = change[field] === undefined ? before?.[field] : change[field]
    return day === undefined || day === null ? {} : { [field]: day }
  }
  const subscription: Subscription = {
    tenant_id: profile.tenant_id,
    version: (before?.version ?? 0) + 1,
    status,
    plan,
    limits: { ...kept, ...change.limits },
    ...dateOf('trial_end_date'),
    ...dateOf('subscription_end_date'),
  }
  const next = { ...profile, status, subscription_plan: plan, admin_email: change.admin_email ?? profile.admin_email }
  return { profile: isSame(profile, next) ? profile : { ...next, version: profile.version + 1 }, subscription }
}

const isSame = (one: Profile, other: Profile): boolean =>
  one.status === other.status &&
  one.subscription_plan === other.subscription_plan &&
  one.admin_email === other.admin_email
