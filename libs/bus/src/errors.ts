/** Errors as labels and log lines, and which are of the infrastructure and not of the message in hand. */
import { AppError, type ErrorCode } from '@convergence/contracts'

/**
 * What a door says of itself and not of the message in hand: a right that was taken away, a table that is being made
 * again, memory that others use. The
 * message comes again, and its attempts bound how often; else a minute's mistake of an operator would end every run
 * that it met.
 */
export const infrastructureErrorCodes: ReadonlySet<ErrorCode> = new Set([
  'FORBIDDEN',
  'SETTING_INVALID',
  'TABLE_NOT_FOUND',
  'RESOURCE_EXHAUSTED',
  'QUERY_INVALID',
  'QUERY_UNSUPPORTED',
  'TIMED_OUT',
  'CANCELLED',
  'ALREADY_EXISTS',
  'CREDENTIAL_UNREADABLE',
])

/** A topic that is missing or refused is none of the message's doing; an event that is wrong is its handler's. */
export const asUnavailable = (error: unknown): never => {
  throw error instanceof AppError && (error.code === 'NOT_FOUND' || error.code === 'CONFLICT')
    ? new AppError('UNAVAILABLE', error.message, { cause: error })
    : error
}

/** Of low cardinality, for labels: our code, or the class. */
export const errorTypeOf = (error: unknown): string => {
  if (error instanceof AppError) return error.code
  return error instanceof Error ? error.name : typeof error
}

/** Class and code, and the message where it is ours: never a payload. */
export const describeError = (error: unknown): string => {
  if (error instanceof AppError) return `${error.code}: ${error.message}`
  return error instanceof Error ? `${error.name}: ${error.message.slice(0, 300)}` : typeof error
}
