/** The part of strptime that exports' dates need. */
const monthNames = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
type Part =
  | 'year'
  | 'short_year'
  | 'month'
  | 'month_name'
  | 'day'
  | 'hour'
  | 'hour12'
  | 'minute'
  | 'second'
  | 'fraction'
  | 'half'
  | 'zone'
const elements: Readonly<Record<string, readonly [Part, string]>> = {
  Y: ['year', '\\d{4}'],
  y: ['short_year', '\\d{2}'],
  m: ['month', '\\d{1,2}'],
  b: ['month_name', '[A-Za-z]{3}'],
  d: ['day', '\\d{1,2}'],
  H: ['hour', '\\d{1,2}'],
  I: ['hour12', '\\d{1,2}'],
  M: ['minute', '\\d{1,2}'],
  S: ['second', '\\d{1,2}'],
  f: ['fraction', '\\d{1,6}'],
  p: ['half', '[AaPp][Mm]'],
  z: ['zone', 'Z|[+-]\\d{2}:?\\d{2}'],
}
const compiled = new Map<string, { pattern: RegExp; parts: Part[] }>()
const compile = (format: string): { pattern: RegExp; parts: Part[] } => {
  const parts: Part[] = []
  const text = format.replace(/%-?([A-Za-z%])|[^]/g, (piece, letter: string | undefined) => {
    if (letter === undefined || letter === '%') return (letter ?? piece).replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')
    const known = Object.hasOwn(elements, letter) ? elements[letter] : undefined
    if (known !== undefined) {
      parts.push(known[0])
      return `(${known[1]})`
    }
    if (letter !== 'F' && letter !== 'T') throw new RangeError(`format ${format}: %${letter} is not supported`)
    parts.push(...(letter === 'F' ? (['year', 'month', 'day'] as const) : (['hour', 'minute', 'second'] as const)))
    return letter === 'F' ? '(\\d{4})-(\\d{1,2})-(\\d{1,2})' : '(\\d{1,2}):(\\d{1,2}):(\\d{1,2})'
  })
  const made = { pattern: new RegExp(`^\\s*${text}\\s*$`), parts }
  compiled.set(format, made)
  return made
}

/** A year of two digits as POSIX has it: 69 to 99 are of the twentieth century. */
const fullYear = (short: number): number => (short < 69 ? 2000 : 1900) + short

/**
 * RFC 3339 in UTC of a text in this format, undefined when it is none or no date of the calendar. Throws RangeError for
 * an unknown element.
 */
export const strptime = (text: string, format: string): string | undefined => {
  const { pattern, parts } = compiled.get(format) ?? compile(format)
  const match = pattern.exec(text)
  if (match === null) return undefined
  const get = (part: Part): string | undefined => (parts.includes(part) ? match[parts.indexOf(part) + 1] : undefined)
  const short = get('short_year')
  const year = Number(get('year') ?? (short === undefined ? 1970 : fullYear(Number(short))))
  const name = get('month_name')
  const month = name === undefined ? Number(get('month') ?? 1) : monthNames.indexOf(name.toLowerCase()) + 1
  const day = Number(get('day') ?? 1)
  const half = get('half')?.toLowerCase()
  const hour12 = get('hour12')
  const hour = hour12 === undefined ? Number(get('hour') ?? 0) : (Number(hour12) % 12) + (half === 'pm' ? 12 : 0)
  const [minute, second] = [Number(get('minute') ?? 0), Number(get('second') ?? 0)]
  if (
    month < 1 ||
    month > 12 ||
    hour > 23 ||
    minute > 59 ||
    second > 59 ||
    (hour12 !== undefined && (Number(hour12) < 1 || Number(hour12) > 12))
  )
    return undefined
  const at = new Date(Date.UTC(year, month - 1, day, hour, minute, second))
  // A day that the month does not have falls into another one.
  if (at.getUTCMonth() !== month - 1) return undefined
  const zone = get('zone')
  const offset =
    zone === undefined || zone === 'Z'
      ? 0
      : (zone.startsWith('-') ? -1 : 1) * (Number(zone.slice(1, 3)) * 60 + Number(zone.slice(-2)))
  const iso = new Date(at.getTime() - offset * 60_000).toISOString().slice(0, 19)
  const fraction = get('fraction')?.padEnd(6, '0').replace(/0+$/, '')
  return `${iso}${fraction === undefined || fraction === '' ? '' : `.${fraction}`}Z`
}
