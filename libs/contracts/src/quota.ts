/**
 * Whether a tenant's plan lets a run start, and the sentence when it does not: what the ledger decides, and what auth
 * says early. Days and months are UTC.
 */
import type { Fault, Limits } from './events.generated.ts'

export interface Subscribed {
  tenant_id: string
  status: string
  /** The last day of the trial or the subscription, YYYY-MM-DD, inclusive; without end when missing. */
  last_day: string | undefined
}
/** The last day of what was agreed: the later of both ends. */
export const lastDayOf = (...ends: readonly (string | null | undefined)[]): string | undefined =>
  ends
    .filter((day) => day !== null && day !== undefined)
    .sort()
    .at(-1)

export const subscriptionFault = ({ tenant_id, status, last_day }: Subscribed, day: string): Fault | undefined => {
  const inactive = (message: string): Fault => ({ code: 'SUBSCRIPTION_INACTIVE', message })
  if (status !== 'ACTIVE') return inactive(`tenant ${tenant_id} is ${status.toLowerCase()}; renew the subscription`)
  return last_day !== undefined && last_day < day
    ? inactive(`the subscription of tenant ${tenant_id} ended on ${last_day}; renew it`)
    : undefined
}

const nextDay = (day: string): string => new Date(Date.parse(`${day}T00:00:00Z`) + 86_400_000).toISOString()
const nextMonth = (day: string): string =>
  new Date(Date.UTC(Number(day.slice(0, 4)), Number(day.slice(5, 7)), 1)).toISOString()

/** The month is told first: a new day would not help. `daily` and `monthly` are the runs of the day and its month. */
export const quotaFault = (
  tenant_id: string,
  { daily, monthly }: { daily: number; monthly: number },
  limits: Pick<Limits, 'daily' | 'monthly'>,
  day: string,
): (Fault & { resets_at: string }) | undefined => {
  const used = (limit: number, period: string, resets_at: string): Fault & { resets_at: string } => ({
    code: 'QUOTA_EXCEEDED',
    message: `tenant ${tenant_id} has used its ${limit} runs of ${period}; it resets at ${resets_at}, or change the plan`,
    resets_at,
  })
  if (monthly >= limits.monthly) return used(limits.monthly, day.slice(0, 7), nextMonth(day))
  if (daily >= limits.daily) return used(limits.daily, day, nextDay(day))
  return undefined
}
