/** What Pub/Sub says, in the errors of the bus. */
import { AppError } from '@convergence/contracts'

export const notFound = 5

export const alreadyExists = 6

const forbidden = 7

/**
 * Codes after which the same call may work: cancelled, unknown, deadline, exhausted, aborted, internal, unavailable.
 */
const transientStatuses = new Set([1, 2, 4, 8, 10, 13, 14])

export const statusOf = (error: unknown): number | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : undefined

export const detailOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error).slice(0, 300)
  const detailed = 'details' in error && typeof error.details === 'string' && error.details !== ''
  return (detailed ? (error.details as string) : error.message).slice(0, 300)
}

export const names = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
]

/** What Google said, the request that it said it of, and what to do. */
export const asAppError = (error: unknown, what: string): AppError => {
  if (error instanceof AppError) return error
  const status = statusOf(error)
  const said = `${names[status ?? 2] ?? 'UNKNOWN'}: ${detailOf(error)}`
  if (status === forbidden || status === 16)
    return new AppError(
      'SETTING_INVALID',
      `${what}: Pub/Sub refuses it (${said}); give this service's identity the role in k8s/platform, or sign in`,
      { cause: error },
    )
  if (status === notFound)
    return new AppError(
      'NOT_FOUND',
      `${what}: Pub/Sub does not know it (${said}); npm run apply makes what schemas/topology.yaml names`,
      { cause: error },
    )
  if (status === alreadyExists) return new AppError('CONFLICT', `${what}: ${said}`, { cause: error })
  if (status !== undefined && !transientStatuses.has(status))
    return new AppError('BODY_INVALID', `${what}: ${said}`, { cause: error })
  return new AppError('UNAVAILABLE', `${what}: Pub/Sub does not answer (${said}); it is tried again`, { cause: error })
}
