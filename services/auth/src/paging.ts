/** Lists answer {items, next_cursor}; a cursor is opaque to its user and checked when it comes back. */
import { AppError } from '@convergence/contracts'
import { isFormat, type Field } from './fields.ts'

export const cursorField: Field = {
  type: 'string',
  description: 'next_cursor of the page before',
  maxLength: 500,
  pattern: '^[A-Za-z0-9_-]*$',
}
export const limitField: Field = {
  type: 'string',
  description: 'Items per page, 1 to 500; default 50',
  pattern: '^([1-9]|[1-9][0-9]|[1-4][0-9][0-9]|500)$',
  maxLength: 3,
}
export const limitOf = (query: Readonly<Record<string, string>>): number => Number(query['limit'] ?? 50)

export const writeCursor = (place: readonly string[]): string =>
  Buffer.from(JSON.stringify(place)).toString('base64url')
/** Undefined without a cursor; throws BODY_INVALID unless it holds `count` texts. */
export const readCursor = (cursor: string | undefined, count: number): string[] | undefined => {
  if (cursor === undefined || cursor === '') return undefined
  let place: unknown
  try {
    place = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'))
  } catch {
    place = undefined
  }
  if (
    !Array.isArray(place) ||
    place.length !== count ||
    !place.every((part) => typeof part === 'string' && part.length <= 100)
  )
    throw new AppError('BODY_INVALID', 'query.cursor: expected the next_cursor of an earlier answer')
  return place as string[]
}

/** Of the query: where a list begins or ends. */
export const momentField = (description: string): Field => ({
  type: 'string',
  description,
  pattern: '^\\d{4}-\\d\\d-\\d\\d(T\\d\\d:\\d\\d:\\d\\d(\\.\\d{1,6})?(Z|[+-]\\d\\d:\\d\\d))?$',
  maxLength: 40,
})
/** Nothing is later. */
const lastMoment = Date.parse('9999-12-31T23:59:59.999Z')
/** A date is its first moment, `days` later; a time is itself. Throws BODY_INVALID for a day that does not exist. */
export const startOf = (given: string, days: number): string => {
  const isDate = given.length === 10
  if (!isFormat(isDate ? 'date' : 'date-time', given))
    throw new AppError(
      'BODY_INVALID',
      `query: ${given} is no date or time; expected such as 2026-01-31 or 2026-01-31T06:00:00Z`,
    )
  const at = isDate ? Date.parse(`${given}T00:00:00Z`) + days * 86_400_000 : Date.parse(given)
  return new Date(Math.min(at, lastMoment)).toISOString()
}
