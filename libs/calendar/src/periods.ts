/** Days (YYYY-MM-DD) and months (YYYY-MM) of a range. */
export type PeriodKind = 'day' | 'month'

/**
 * First moment of a period in UTC, milliseconds; undefined for a text that is none of the kind. Warehouses have no year 0,
 * and write those before 1000 with fewer digits.
 */
const startOf = (kind: PeriodKind, period: string): number | undefined => {
  const whole = kind === 'day' ? period : `${period}-01`
  const at = /^[1-9]\d{3}-\d\d-\d\d$/.test(whole) ? Date.parse(`${whole}T00:00:00Z`) : NaN
  // Date.parse takes the 30th of February for the 2nd of March.
  return !Number.isNaN(at) && new Date(at).toISOString().startsWith(whole) ? at : undefined
}
export const isPeriod = (kind: PeriodKind, period: string): boolean => startOf(kind, period) !== undefined

const lengthOf: Readonly<Record<PeriodKind, number>> = { day: 10, month: 7 }
const after = (kind: PeriodKind, at: number): number => {
  const date = new Date(at)
  return kind === 'day' ? at + 86_400_000 : Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1)
}

/** From the first to the last, both included, at most `most` of them, oldest first; none where the last is earlier. */
export const periodsBetween = (kind: PeriodKind, from: string, to: string, most: number): string[] => {
  const first = startOf(kind, from)
  const last = startOf(kind, to)
  const periods: string[] = []
  if (first === undefined || last === undefined) return periods
  for (let at = first; at <= last && periods.length < most; at = after(kind, at))
    periods.push(new Date(at).toISOString().slice(0, lengthOf[kind]))
  return periods
}
