/**
 * Days and months that a parameter says in words: counted from the local day on which a run is scheduled. Days are
 * YYYY-MM-DD, months YYYY-MM.
 */
const formats = new Map<string, Intl.DateTimeFormat>()
const formatOf = (timezone: string): Intl.DateTimeFormat => {
  const known = formats.get(timezone)
  if (known !== undefined) return known
  const made = new Intl.DateTimeFormat('en-u-ca-gregory-nu-latn', {
    timeZone: timezone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
  })
  formats.set(timezone, made)
  return made
}

/** The day that it is at a moment in a time zone. Throws RangeError for a zone that does not exist. */
export const localDay = (at: number, timezone: string): string => {
  const parts = new Map(
    formatOf(timezone)
      .formatToParts(at)
      .map(({ type, value }) => [type, value]),
  )
  return `${parts.get('year')?.padStart(4, '0')}-${parts.get('month')}-${parts.get('day')}`
}

const daysBack = (day: string, days: number): string =>
  new Date(Date.parse(`${day}T00:00:00Z`) - days * 86_400_000).toISOString().slice(0, 10)
/** The same day of an earlier month, or that month's last. */
const monthsBack = (day: string, months: number): string => {
  const [year = 0, month = 1, date = 1] = day.split('-').map(Number)
  const last = new Date(Date.UTC(year, month - months, 0)).getUTCDate()
  return new Date(Date.UTC(year, month - 1 - months, Math.min(date, last))).toISOString().slice(0, 10)
}

const back = /^\{date(?: ?([-+]) ?(\d{1,4})([dwm]))?\}$/
/** `today`, `yesterday`, `{date}`, `{date - 4d}`, `{date - 2w}`, `{date - 1m}` as a day; undefined for anything else. */
export const dayInWords = (text: string, day: string): string | undefined => {
  if (text === 'today') return day
  if (text === 'yesterday') return daysBack(day, 1)
  const [whole, sign = '-', digits = '0', unit = 'd'] = back.exec(text) ?? []
  if (whole === undefined) return undefined
  const count = Number(digits) * (sign === '-' ? 1 : -1)
  if (unit === 'm') return monthsBack(day, count)
  return daysBack(day, unit === 'w' ? count * 7 : count)
}

/** `this_month`, `last_month`, or the month of a day in words; undefined for anything else. */
export const monthInWords = (text: string, day: string): string | undefined => {
  if (text === 'this_month') return day.slice(0, 7)
  if (text === 'last_month') return monthsBack(day, 1).slice(0, 7)
  return dayInWords(text, day)?.slice(0, 7)
}

/** Said after "expected a day as YYYY-MM-DD". */
export const dayWords = 'today, yesterday or {date - 4d} (d, w or m)'
/** Said after "expected a month as YYYY-MM". */
export const monthWords = 'this_month, last_month or {date - 1m}'
