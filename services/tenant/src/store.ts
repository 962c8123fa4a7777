/**
 * Profiles and subscriptions: what is in memory is what the views said at the start, and everything written here since.
 * Rows are only
 * added; each change has a version one higher than the last, and a name that makes the same change again the same row.
 */
import { centralDataset, plans, type PlanName, type TenantChanged } from '@convergence/contracts'
import { openKeyedQueue } from '@convergence/contracts/keyed-queue'
import type { Row, Warehouse } from '@convergence/warehouse'

export interface Profile {
  tenant_id: string
  company_name: string
  admin_email: string
  status: TenantChanged['status']
  subscription_plan: PlanName
  /** Digest of the onboarding body; missing where the profile came otherwise. */
  body_digest?: string
  version: number
}
export type Subscription = TenantChanged

export interface Store {
  profile(tenant_id: string): Promise<Profile | undefined>
  subscription(tenant_id: string): Promise<Subscription | undefined>
  /** Durable on return. `event_id` names the change: the run and step that asked for it. */
  putProfile(profile: Profile, event_id: string): Promise<void>
  putSubscription(subscription: Subscription, event_id: string): Promise<void>
  /** Whether that change was made before, however long ago. */
  hasSubscriptionEvent(tenant_id: string, event_id: string): Promise<boolean>
  /** One change of a tenant at a time. */
  exclusive<T>(tenant_id: string, body: () => Promise<T>): Promise<T>
  /** Reads the views again. */
  reload(): Promise<void>
  /** How many tenants are known. */
  size(): number
}

const isPlan = (name: string): name is PlanName => Object.hasOwn(plans, name)
const optional = (value: unknown): string | undefined => {
  if (value === null || value === undefined) return undefined
  return typeof value === 'string' ? value : JSON.stringify(value)
}

const readProfile = (row: Row): Profile => {
  const subscription_plan = String(row['subscription_plan'])
  const body_digest = optional(row['body_digest'])
  return {
    tenant_id: String(row['tenant_id']),
    company_name: String(row['company_name']),
    admin_email: String(row['admin_email']),
    status: String(row['status']) as Profile['status'],
    subscription_plan: isPlan(subscription_plan) ? subscription_plan : 'STARTER',
    ...(body_digest === undefined ? {} : { body_digest }),
    version: Number(row['version']),
  }
}
const readSubscription = (row: Row): Subscription => {
  const plan = String(row['subscription_plan'])
  const trial_end_date = optional(row['trial_end_date'])
  const subscription_end_date = optional(row['subscription_end_date'])
  return {
    tenant_id: String(row['tenant_id']),
    version: Number(row['version']),
    status: String(row['status']) as Subscription['status'],
    plan: isPlan(plan) ? plan : 'STARTER',
    limits: {
      daily: Number(row['daily_limit']),
      monthly: Number(row['monthly_limit']),
      concurrent: Number(row['concurrent_limit']),
    },
    ...(trial_end_date === undefined ? {} : { trial_end_date }),
    ...(subscription_end_date === undefined ? {} : { subscription_end_date }),
  }
}

export const openStore = async ({
  warehouse,
  now,
}: {
  warehouse: Pick<Warehouse, 'append' | 'query'>
  now: () => Date
}): Promise<Store> => {
  const read = (view: string, tenant_id?: string) =>
    warehouse.query({
      query: `SELECT * FROM ${view}${tenant_id === undefined ? '' : ' WHERE tenant_id = @tenant_id'}`,
      default_dataset: centralDataset,
      ...(tenant_id === undefined ? {} : { parameters: [{ name: 'tenant_id', type: 'STRING', value: tenant_id }] }),
    })
  const profiles = new Map<string, Profile>()
  const subscriptions = new Map<string, Subscription>()
  const reload = async () => {
    const [profileRows, subscriptionRows] = await Promise.all([read('tenant_profiles'), read('tenant_subscriptions')])
    profiles.clear()
    subscriptions.clear()
    for (const profile of profileRows.map(readProfile)) profiles.set(profile.tenant_id, profile)
    for (const subscription of subscriptionRows.map(readSubscription))
      subscriptions.set(subscription.tenant_id, subscription)
  }
  await reload()
  const queue = openKeyedQueue()

  return {
    // What memory does not have, another replica may have written.
    profile: async (tenant_id) => {
      const [row] = profiles.has(tenant_id) ? [] : await read('tenant_profiles', tenant_id)
      if (row !== undefined) profiles.set(tenant_id, readProfile(row))
      return profiles.get(tenant_id)
    },
    subscription: async (tenant_id) => {
      const [row] = subscriptions.has(tenant_id) ? [] : await read('tenant_subscriptions', tenant_id)
      if (row !== undefined) subscriptions.set(tenant_id, readSubscription(row))
      return subscriptions.get(tenant_id)
    },
    putProfile: async (profile, event_id) => {
      await warehouse.append('tenant_profiles_rows', [
        { ...profile, body_digest: profile.body_digest ?? null, event_id, recorded_at: now().toISOString() },
      ])
      profiles.set(profile.tenant_id, profile)
    },
    putSubscription: async (subscription, event_id) => {
      const { tenant_id, version, status, plan, limits, trial_end_date, subscription_end_date } = subscription
      await warehouse.append('tenant_subscriptions_rows', [
        {
          tenant_id,
          subscription_plan: plan,
          status,
          daily_limit: limits.daily,
          monthly_limit: limits.monthly,
          concurrent_limit: limits.concurrent,
          trial_end_date: trial_end_date ?? null,
          subscription_end_date: subscription_end_date ?? null,
          version,
          event_id,
          recorded_at: now().toISOString(),
        },
      ])
      subscriptions.set(tenant_id, subscription)
    },
    hasSubscriptionEvent: async (tenant_id, event_id) => {
      const rows = await warehouse.query({
        query:
          'SELECT event_id FROM tenant_subscriptions_rows WHERE tenant_id = @tenant_id ' +
          'AND event_id = @event_id LIMIT 1',
        default_dataset: centralDataset,
        parameters: [
          { name: 'tenant_id', type: 'STRING', value: tenant_id },
          { name: 'event_id', type: 'STRING', value: event_id },
        ],
      })
      return rows.length > 0
    },
    exclusive: queue.run,
    reload,
    size: () => profiles.size,
  }
}
