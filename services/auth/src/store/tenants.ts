/** Tenants with their plan and use. */
import { plans, type Limits, type PlanName, type TenantChanged } from '@convergence/contracts'
import type { Row } from '@convergence/warehouse'
import { textOf, type Tables } from './tables.ts'

export interface Profile {
  tenant_id: string
  company_name: string
  admin_email: string
  status: TenantChanged['status']
  plan: PlanName
  body_digest: string | null
  /** Of the latest version, RFC 3339. */ recorded_at: string
}
export interface Tenant extends Profile {
  /** Of its latest subscription, as in tenant-changed; 0 when it has none yet. */
  subscription_version: number
  limits: Limits
  trial_end_date: string | null
  subscription_end_date: string | null
}
export interface Usage {
  daily: number
  monthly: number
  concurrent: number
}

export interface TenantStore {
  tenant(tenant_id: string): Promise<Tenant | undefined>
  tenants(after: string, limit: number): Promise<Tenant[]>
  usage(tenant_id: string, day: string): Promise<Usage>
}

export const tenantStore = ({ name, rows, first }: Tables): TenantStore => {
  const profiles = `SELECT p.tenant_id, p.company_name, p.admin_email, p.status, p.subscription_plan, p.body_digest,
    p.recorded_at, s.version AS subscription_version, s.status AS subscription_status, s.subscription_plan AS plan,
    s.daily_limit, s.monthly_limit, s.concurrent_limit, s.trial_end_date, s.subscription_end_date
    FROM ${name('tenant_profiles')} AS p
    LEFT JOIN ${name('tenant_subscriptions')} AS s ON s.tenant_id = p.tenant_id`
  const used = 'THEN pipelines_run_today ELSE 0 END), 0)'
  return {
    tenant: async (tenant_id) => {
      const row = await first(`${profiles} WHERE p.tenant_id = @tenant_id LIMIT 1`, { tenant_id })
      return row === undefined ? undefined : tenantOf(row)
    },
    tenants: async (after, limit) =>
      (await rows(`${profiles} WHERE p.tenant_id > @after ORDER BY p.tenant_id LIMIT ${limit}`, { after })).map(
        tenantOf,
      ),
    usage: async (tenant_id, day) => {
      const row = await first(
        `SELECT IFNULL(SUM(CASE WHEN CAST(usage_date AS STRING) = @usage_day ${used} AS daily,
                IFNULL(SUM(CASE WHEN usage_month = @usage_month ${used} AS monthly,
                IFNULL(SUM(concurrent_pipelines_running), 0) AS concurrent
         FROM ${name('tenant_usage_quotas')} WHERE tenant_id = @tenant_id`,
        { tenant_id, usage_day: day, usage_month: day.slice(0, 7) },
      )
      return {
        daily: Number(row?.['daily'] ?? 0),
        monthly: Number(row?.['monthly'] ?? 0),
        concurrent: Number(row?.['concurrent'] ?? 0),
      }
    },
  }
}

const tenantOf = (row: Row): Tenant => {
  const plan = String(row['plan'] ?? row['subscription_plan']) as PlanName
  const profile = String(row['status']) as Tenant['status']
  const subscription = (textOf(row['subscription_status']) ?? 'ACTIVE') as Tenant['status']
  return {
    tenant_id: String(row['tenant_id']),
    company_name: String(row['company_name']),
    admin_email: String(row['admin_email']),
    status: profile === 'ACTIVE' ? subscription : profile,
    plan,
    body_digest: textOf(row['body_digest']),
    subscription_version: Number(row['subscription_version'] ?? 0),
    recorded_at: String(row['recorded_at']),
    trial_end_date: textOf(row['trial_end_date']),
    subscription_end_date: textOf(row['subscription_end_date']),
    limits: {
      daily: Number(row['daily_limit'] ?? plans[plan].daily),
      monthly: Number(row['monthly_limit'] ?? plans[plan].monthly),
      concurrent: Number(row['concurrent_limit'] ?? plans[plan].concurrent),
    },
  }
}
