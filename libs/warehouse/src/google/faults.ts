/**
 * Google's errors in our words: a code of ours, Google's reason, and the request that caused it; never a parameter or a
 * row.
 * Reasons: bigquery/docs/error-messages.
 */
import { AppError } from '@convergence/contracts'
import type { ErrorCode } from '@convergence/contracts'
import type { JobFault } from '../warehouse.ts'

export interface Reason {
  reason?: string
  message?: string
  location?: string
}
interface GoogleError {
  code?: unknown
  message: string
  errors?: readonly Reason[]
  response?: { statusCode?: number }
}

/** What a statement of ours raises with ERROR(), to be known again: mark, code, mark, text. */
const mark = '§'
export const raisedText = (code: ErrorCode, text: string): string => `${mark}${code}${mark}${text}`
const raised = (message: string): { code: ErrorCode; text: string } | undefined => {
  const [, code, text = ''] = message.split(mark)
  return code === 'ROW_OUTSIDE_PERIOD' || code === 'EXPORT_INVALID'
    ? { code, text: text.replace(/; error in .*$/s, '').trim() }
    : undefined
}

const retryable = new Set([
  'backendError',
  'internalError',
  'jobBackendError',
  'jobInternalError',
  'jobRateLimitExceeded',
  'rateLimitExceeded',
  'userRateLimitExceeded',
  'quotaExceeded',
  'tableUnavailable',
])
const codes: Readonly<Record<string, ErrorCode>> = {
  invalidQuery: 'QUERY_INVALID',
  invalid: 'QUERY_INVALID',
  badRequest: 'QUERY_INVALID',
  parseError: 'QUERY_INVALID',
  required: 'QUERY_INVALID',
  responseTooLarge: 'QUERY_INVALID',
  bytesBilledLimitExceeded: 'QUERY_INVALID',
  billingTierLimitExceeded: 'QUERY_INVALID',
  notImplemented: 'QUERY_UNSUPPORTED',
  notFound: 'TABLE_NOT_FOUND',
  duplicate: 'ALREADY_EXISTS',
  resourceInUse: 'CONFLICT',
  conditionNotMet: 'CONFLICT',
  accessDenied: 'FORBIDDEN',
  accessNotConfigured: 'FORBIDDEN',
  forbidden: 'FORBIDDEN',
  billingNotEnabled: 'FORBIDDEN',
  blocked: 'FORBIDDEN',
  authError: 'FORBIDDEN',
  resourcesExceeded: 'RESOURCE_EXHAUSTED',
  requestTooLarge: 'RESOURCE_EXHAUSTED',
  uploadTooLarge: 'RESOURCE_EXHAUSTED',
  stopped: 'CANCELLED',
  timeout: 'TIMED_OUT',
}
/**
 * What is gone is a job or what it gave, no table: a warehouse that was restored or restarted in between. Whoever asked
 * asks anew.
 */
const isGone = (reason: string | undefined, message: string): boolean =>
  reason === 'notFound' && /^not found: (job|results of job)\b/i.test(message)
const reasons: Readonly<Partial<Record<number, string>>> = {
  400: 'invalid',
  401: 'authError',
  403: 'accessDenied',
  404: 'notFound',
  409: 'duplicate',
  412: 'conditionNotMet',
  413: 'requestTooLarge',
  429: 'rateLimitExceeded',
  501: 'notImplemented',
}
const byStatus = (status: number): string => reasons[status] ?? 'backendError'
const cut = (text: string): string => (text.length > 600 ? `${text.slice(0, 597)}...` : text)

const conflictOfWriters = new RegExp(
  [
    'could not serialize access',
    'aborted due to concurrent',
    'too many dml statements outstanding',
    'retrying the (job|query)',
  ].join('|'),
  'i',
)

/** One reason of BigQuery as a fault. A conflict of two writers has the reason of a wrong query, and passes. */
export const faultOfReason = ({ reason = 'backendError', message = '' }: Reason, context: string): JobFault => {
  const own = raised(message)
  if (own !== undefined) return { code: own.code, message: own.text, retryable: false }
  const worded = cut(`${context}: ${reason}: ${message}`)
  if (conflictOfWriters.test(message)) return { code: 'JOB_FAILED', message: worded, retryable: true }
  if (/different partitions? (rather|than)/i.test(message))
    return { code: 'ROW_OUTSIDE_PERIOD', message: worded, retryable: false }
  if (/not supported by the local warehouse/.test(message))
    return { code: 'QUERY_UNSUPPORTED', message: worded, retryable: false }
  if (retryable.has(reason)) return { code: 'JOB_FAILED', message: worded, retryable: true }
  return { code: codes[reason] ?? 'JOB_FAILED', message: worded, retryable: codes[reason] === undefined }
}

const isGoogleError = (error: unknown): error is GoogleError => error instanceof Error
export const statusOf = (error: unknown): number | undefined => {
  if (!isGoogleError(error)) return undefined
  const { code } = error
  if (typeof code === 'number') return code
  return typeof code === 'string' && /^\d{3}$/.test(code) ? Number(code) : undefined
}
export const reasonOf = (error: unknown): string | undefined =>
  isGoogleError(error) ? error.errors?.[0]?.reason : undefined

/**
 * Any error of the client as an AppError; an AppError stays what it is. `request` says method and thing, as in "insert
 * job run-...-a0".
 */
export const wordGoogle = (error: unknown, request: string): AppError => {
  if (error instanceof AppError) return error
  const status = statusOf(error)
  if (status === undefined || !isGoogleError(error)) {
    const name = error instanceof Error ? error.name : typeof error
    const code = isGoogleError(error) && typeof error.code === 'string' ? error.code : name
    // What the credentials' library throws has no status; its text is kept, for it names the file or variable that is
    // missing.
    if (isGoogleError(error) && /default credentials|keyFilename|invalid_grant|service account/i.test(error.message))
      return new AppError('FORBIDDEN', `${request}: no usable Google credentials: ${cut(error.message)}`, {
        cause: error,
      })
    return new AppError('UNAVAILABLE', `${request}: BigQuery does not answer (${code})`, { cause: error })
  }
  const first = error.errors?.[0] ?? { reason: byStatus(status), message: error.message }
  if (status === 429 || status >= 500) {
    if (first.reason !== 'notImplemented')
      return new AppError(
        'UNAVAILABLE',
        cut(`${request}: ${first.reason ?? byStatus(status)}: ${first.message ?? error.message}`),
        { cause: error },
      )
  }
  const reason = first.reason ?? byStatus(status)
  if (isGone(reason, first.message ?? error.message))
    return new AppError('UNAVAILABLE', cut(`${request}: ${reason}: ${first.message ?? error.message}`), {
      cause: error,
    })
  const { code, message } = faultOfReason({ reason, message: first.message ?? error.message }, request)
  // A reason that we do not know: of a request that Google refuses it will be refused again.
  if (code === 'JOB_FAILED' && !retryable.has(reason) && status !== 408 && !/concurrent|serialize/i.test(message))
    return new AppError('QUERY_INVALID', message, { cause: error })
  return new AppError(code === 'JOB_FAILED' ? 'UNAVAILABLE' : code, message, { cause: error })
}
