/** Parts of dates and times, INTERVAL arithmetic and time zones. */
import type { Compiler, Expression } from './compiler.ts'
import { isZoneName } from './literals.ts'
import type { DatePart } from '../ast.ts'
import { reservedSchema as MACROS } from '../macros/macro.ts'
import { DATE, DATETIME, INT64, TIME, type Type, typeName } from '../types.ts'

/** A date or time whose arithmetic may leave the years 1 to 9999, checked. */
export const within = (
  compiler: Compiler,
  pos: number,
  type: Type,
  sql: string,
  ...parts: readonly Expression[]
): Expression =>
  compiler.build(
    pos,
    type,
    `${MACROS}.${type.k.toLowerCase()}_within(${sql})`,
    compiler.build(pos, type, sql, ...parts),
  )

/** What a part of a date is in months, if it is whole ones. */
export const monthsOf: Readonly<Record<string, number>> = { MONTH: 1, QUARTER: 3, YEAR: 12 }
/** The same in days. */
export const daysOf: Readonly<Record<string, number>> = { DAY: 1, WEEK: 7 }
/** date or time +- INTERVAL n part */
export const addInterval = (
  compiler: Compiler,
  base: Expression,
  n: Expression,
  part: DatePart,
  sign: '+' | '-',
  pos: number,
): Expression => {
  const count = compiler.coerce(n, INT64, 'INTERVAL')
  const type = base.type
  if (part.day !== undefined) throw compiler.invalid(part.pos, 'INTERVAL has no WEEK(day)')
  const times = (factor: number): string => (factor === 1 ? count.sql : `(${count.sql} * ${factor})`)
  const out = (step: string): Expression => within(compiler, pos, type, `(${base.sql} ${sign} ${step})`, base, count)
  const [months, days, unit] = [monthsOf[part.part], daysOf[part.part], microseconds[part.part]]
  const monthStep = `to_months(CAST(${times(months ?? 1)} AS INTEGER))`
  switch (type.k) {
    case 'DATE':
      if (days !== undefined) return out(`CAST(${times(days)} AS INTEGER)`)
      if (months !== undefined)
        return within(compiler, pos, DATE, `CAST(${base.sql} ${sign} ${monthStep} AS DATE)`, base, count)
      throw compiler.invalid(part.pos, `A DATE takes no part ${part.part}`)
    case 'DATETIME':
      if (months !== undefined) return out(monthStep)
      if (part.part === 'WEEK') return out(`to_days(CAST(${times(7)} AS INTEGER))`)
      break
    case 'TIMESTAMP':
      if (months !== undefined || part.part === 'WEEK')
        throw compiler.invalid(part.pos, `A TIMESTAMP takes no part ${part.part}`)
      break
    case 'TIME':
      if (months !== undefined || days !== undefined)
        throw compiler.invalid(part.pos, `A TIME takes no part ${part.part}`)
      if (unit !== undefined)
        return compiler.build(pos, TIME, `(${base.sql} ${sign} to_microseconds(${times(unit)}))`, base, count)
  }
  if (unit === undefined || (type.k !== 'DATETIME' && type.k !== 'TIMESTAMP'))
    throw compiler.invalid(part.pos, `INTERVAL ${part.part} does not go with ${typeName(type)}`)
  return out(`to_microseconds(${times(unit)})`)
}

const isUtc = (zone: string): boolean => /^'(UTC|Etc\/UTC)'$/i.test(zone)
/** What the clock of the zone shows at the instant: a DATETIME. */
export const civilOf = (compiler: Compiler, pos: number, zone: string, instant: Expression): Expression =>
  compiler.build(
    pos,
    DATETIME,
    isUtc(zone) ? `timezone(${zone}, ${instant.sql})` : `${MACROS}.civil_of(${zone}, ${instant.sql})`,
    instant,
  )
/** The same where it becomes a text. */
export const shownCivil = (sql: string): string => sql.replace(`${MACROS}.civil_of`, `${MACROS}.shown_civil_of`)
/** The instant of a local time in the zone. UTC has no other. */
export const instantOf = (zone: string, local: string): string =>
  isUtc(zone) ? `timezone(${zone}, ${local})` : `${MACROS}.instant_of(${zone}, ${local})`

export const extractPart = (
  compiler: Compiler,
  part: DatePart,
  x: Expression,
  zone: Expression | undefined,
  pos: number,
): Expression => {
  let base = x
  if (x.type.k === 'TIMESTAMP') base = civilOf(compiler, pos, zone === undefined ? "'UTC'" : zoneSql(compiler, zone), x)
  else if (zone !== undefined) throw compiler.invalid(pos, 'AT TIME ZONE belongs to a TIMESTAMP')
  const out = (sql: string, type: Type = INT64): Expression => compiler.build(pos, type, sql, base)
  const type = base.type.k
  if (type !== 'DATE' && type !== 'DATETIME' && type !== 'TIME')
    throw compiler.invalid(pos, `EXTRACT is not defined for ${typeName(x.type)}`)
  const clock = type !== 'DATE'
  const day = type !== 'TIME'
  const date = type === 'DATE' ? base.sql : `CAST(${base.sql} AS DATE)`
  switch (part.part) {
    case 'MICROSECOND':
      if (clock) return out(`CAST(date_part('microsecond', ${base.sql}) % 1000000 AS BIGINT)`)
      break
    case 'MILLISECOND':
      if (clock) return out(`CAST(date_part('microsecond', ${base.sql}) % 1000000 // 1000 AS BIGINT)`)
      break
    case 'SECOND':
    case 'MINUTE':
    case 'HOUR':
      if (clock) return out(`CAST(date_part('${part.part.toLowerCase()}', ${base.sql}) AS BIGINT)`)
      break
    case 'DAYOFWEEK':
      if (day) return out(`CAST(dayofweek(${date}) + 1 AS BIGINT)`)
      break
    case 'DAY':
    case 'MONTH':
    case 'QUARTER':
    case 'YEAR':
    case 'ISOYEAR':
      if (day) return out(`CAST(${part.part.toLowerCase()}(${date}) AS BIGINT)`)
      break
    case 'DAYOFYEAR':
      if (day) return out(`CAST(dayofyear(${date}) AS BIGINT)`)
      break
    case 'ISOWEEK':
      if (day) return out(`CAST(weekofyear(${date}) AS BIGINT)`)
      break
    case 'WEEK':
      if (day) return out(`${MACROS}.week_number(${date}, ${weekDay(compiler, part)})`)
      break
    case 'DATE':
      if (type === 'DATETIME') return out(date, DATE)
      break
    case 'TIME':
      if (type === 'DATETIME') return out(`CAST(${base.sql} AS TIME)`, TIME)
      break
    case 'DATETIME':
      if (type === 'DATETIME' && x.type.k === 'TIMESTAMP') return out(base.sql, DATETIME)
      break
    default:
      throw compiler.unsupported(part.pos, `EXTRACT of ${part.part}`)
  }
  throw compiler.invalid(part.pos, `${typeName(x.type)} has no part ${part.part}`)
}
/** Microseconds of a part with a fixed length. */
export const microseconds: Readonly<Record<string, number>> = {
  MICROSECOND: 1,
  MILLISECOND: 1_000,
  SECOND: 1_000_000,
  MINUTE: 60_000_000,
  HOUR: 3_600_000_000,
  DAY: 86_400_000_000,
}
const weekDays = ['SUNDAY', 'MONDAY', 'TUESDAY', 'WEDNESDAY', 'THURSDAY', 'FRIDAY', 'SATURDAY']
/** Number of the weekday that WEEK or WEEK(day) starts with; Sunday is 0. */
export const weekDay = (compiler: Compiler, part: DatePart): number => {
  const day = part.day === undefined ? 0 : weekDays.indexOf(part.day)
  if (day < 0) throw compiler.invalid(part.pos, `${part.day ?? ''} is no day of the week`)
  return day
}
/** A time zone argument: a literal name or a parameter. DuckDB fails on names that it does not know. */
export const zoneSql = (compiler: Compiler, zone: Expression): string => {
  if (zone.type.k !== 'STRING') throw compiler.invalid(zone.pos, 'A time zone is text')
  if (zone.lit?.kind === 'STRING') {
    const hours = /^([+-])(\d{1,2})(?::?00)?$/.exec(zone.lit.value)
    // Names of whole hours, whose sign is the other way round.
    if (hours !== null && Number(hours[2]) <= 12)
      return Number(hours[2]) === 0 ? "'UTC'" : `'Etc/GMT${hours[1] === '+' ? '-' : '+'}${Number(hours[2])}'`
    if (/^[+-]\d/.test(zone.lit.value)) throw compiler.unsupported(zone.pos, 'A time zone given as an offset')
    if (!isZoneName(zone.lit.value)) throw compiler.invalid(zone.pos, `Invalid time zone: ${zone.lit.value}`)
  } else if (zone.param !== true) throw compiler.unsupported(zone.pos, 'A time zone that is no literal or parameter')
  return zone.sql
}
