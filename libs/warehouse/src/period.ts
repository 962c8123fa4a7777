/** The values that a period has in one of its columns: one, or the days of a range. */
import { AppError, type Column } from '@convergence/contracts'

/** Days as YYYY-MM-DD, both included, of a column of type DATE. */
export interface DayRange {
  from: string
  to: string
}
export type PeriodValue = string | number | DayRange

/** As text; `to` only where it is another day. */
export interface Ends {
  value: string
  to?: string
}

const day = /^\d{4}-\d{2}-\d{2}$/
/** Throws CONFIG_INVALID when it is a range that is none, or of a column of another type. */
export const endsOf = (column: Pick<Column, 'name' | 'type' | 'mode'>, value: PeriodValue): Ends => {
  if (typeof value !== 'object') return { value: String(value) }
  const { from, to } = value
  const wrong = (expected: string, got: string): AppError =>
    new AppError('CONFIG_INVALID', `period.${column.name}: expected ${expected}, got ${got}`)
  if (column.type !== 'DATE' || column.mode === 'REPEATED')
    throw wrong('one value, for only a DATE has a range of days', `from and to of a ${column.type}`)
  if (!day.test(from) || !day.test(to) || from > to)
    throw wrong('a range of days, from the first to the last as YYYY-MM-DD', `${from} to ${to}`)
  return from === to ? { value: from } : { value: from, to }
}
/** Whether a value that a row has, as text, is one of them. */
export const isWithin = ({ value, to }: Ends, text: string): boolean =>
  to === undefined ? text === value : text >= value && text <= to
/** For people. */
export const endsInWords = ({ value, to }: Ends): string => (to === undefined ? value : `${value} to ${to}`)
