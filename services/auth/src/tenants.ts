/** What this replica knows of tenants' plans and use: early advice at the door. The ledger decides. */
import { AppError, lastDayOf, quotaFault, subscriptionFault, type TenantChanged } from '@convergence/contracts'
import type { Tenant, TenantStore, Usage } from './store/tenants.ts'

export interface TenantsCache {
  /** At most 30 s old; newer when a change was heard. */
  get(tenant_id: string): Promise<Tenant | undefined>
  /** Throws SUBSCRIPTION_INACTIVE or QUOTA_EXCEEDED when the ledger is sure to refuse. */
  advise(tenant_id: string): Promise<void>
  changed(event: TenantChanged): void
  /** A run of the tenant was admitted: it counts. */
  admitted(tenant_id: string): void
  forget(tenant_id?: string): void
}

interface Entry {
  tenant: Tenant
  loaded_at: number
  /** Runs counted: from the ledger, plus what was heard since. An estimate from above. */ day: string
  daily: number
  monthly: number
  checked_at: number
}

const freshMs = 30_000
/** From here on a refresh runs beside, so that nobody waits for it. */
const refreshMs = 15_000
const mostTenants = 10_000

/** An error that carries when to try again. */
export class QuotaError extends AppError {
  readonly resets_at: string
  constructor(message: string, resets_at: string) {
    super('QUOTA_EXCEEDED', message)
    this.resets_at = resets_at
  }
}

export const openTenants = ({ store, now }: { store: TenantStore; now: () => Date }): TenantsCache => {
  const cache = new Map<string, Entry>()
  const loading = new Map<string, Promise<Entry | undefined>>()
  const today = () => now().toISOString().slice(0, 10)

  const fetchEntry = async (tenant_id: string): Promise<Entry | undefined> => {
    const loaded_at = now().getTime()
    const known = cache.get(tenant_id)
    const [tenant, usage] = await Promise.all([
      store.tenant(tenant_id),
      known === undefined ? store.usage(tenant_id, today()) : undefined,
    ])
    if (tenant === undefined) {
      cache.delete(tenant_id)
      return undefined
    }
    // A change that was heard meanwhile is newer than what was read.
    const heard = cache.get(tenant_id)
    const entry: Entry = {
      day: today(),
      daily: 0,
      monthly: 0,
      checked_at: 0,
      ...known,
      ...usage,
      tenant:
        heard !== undefined && heard.tenant.subscription_version > tenant.subscription_version ? heard.tenant : tenant,
      loaded_at,
    }
    if (cache.size >= mostTenants) cache.delete(cache.keys().next().value ?? '')
    cache.set(tenant_id, entry)
    return entry
  }
  const load = (tenant_id: string): Promise<Entry | undefined> => {
    const running = loading.get(tenant_id)
    if (running !== undefined) return running
    const started = fetchEntry(tenant_id).finally(() => loading.delete(tenant_id))
    loading.set(tenant_id, started)
    return started
  }
  const entryOf = async (tenant_id: string): Promise<Entry | undefined> => {
    const entry = cache.get(tenant_id)
    const age = entry === undefined ? Infinity : now().getTime() - entry.loaded_at
    if (entry === undefined || age >= freshMs) return load(tenant_id)
    if (age >= refreshMs) load(tenant_id).catch(() => undefined)
    return entry
  }
  const turn = (entry: Entry) => {
    const day = today()
    if (day === entry.day) return
    if (day.slice(0, 7) !== entry.day.slice(0, 7)) entry.monthly = 0
    entry.day = day
    entry.daily = 0
  }

  return {
    get: async (tenant_id) => (await entryOf(tenant_id))?.tenant,
    advise: async (tenant_id) => {
      const entry = await entryOf(tenant_id)
      if (entry === undefined)
        throw new AppError('TENANT_UNKNOWN', `tenant ${tenant_id} is not known; onboard it first`)
      turn(entry)
      const { tenant } = entry
      const { status, limits } = tenant
      const last_day = lastDayOf(tenant.trial_end_date, tenant.subscription_end_date)
      const inactive = subscriptionFault({ tenant_id, status, last_day }, entry.day)
      if (inactive !== undefined) throw new AppError('SUBSCRIPTION_INACTIVE', inactive.message)
      const fault = () => quotaFault(tenant_id, entry, limits, entry.day)
      if (fault() === undefined) return
      // The estimate may count a run twice, the ledger's count never does: nobody is refused on an estimate.
      if (now().getTime() - entry.checked_at >= 1_000) {
        const usage: Usage = await store.usage(tenant_id, entry.day)
        entry.daily = usage.daily
        entry.monthly = usage.monthly
        entry.checked_at = now().getTime()
      }
      const over = fault()
      if (over !== undefined) throw new QuotaError(over.message, over.resets_at)
    },
    changed: (event) => {
      const entry = cache.get(event.tenant_id)
      if (entry === undefined || entry.tenant.subscription_version > event.version) return
      entry.tenant = {
        ...entry.tenant,
        subscription_version: event.version,
        status: event.status,
        plan: event.plan,
        limits: event.limits,
        company_name: event.company_name ?? entry.tenant.company_name,
        admin_email: event.admin_email ?? entry.tenant.admin_email,
        trial_end_date: event.trial_end_date ?? null,
        subscription_end_date: event.subscription_end_date ?? null,
      }
    },
    admitted: (tenant_id) => {
      const entry = cache.get(tenant_id)
      if (entry === undefined) return
      turn(entry)
      entry.daily += 1
      entry.monthly += 1
    },
    forget: (tenant_id) => {
      if (tenant_id === undefined) cache.clear()
      else cache.delete(tenant_id)
    },
  }
}
