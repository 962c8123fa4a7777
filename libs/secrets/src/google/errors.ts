/** What KMS refused, and what to do about it; never what was to be encrypted. */
import { AppError } from '@convergence/contracts'

export const statusCodes = { invalidArgument: 3, notFound: 5, forbidden: 7, failedPrecondition: 9, unauthenticated: 16 }

/**
 * Codes after which the same call may work: cancelled, unknown, deadline, exhausted, aborted, internal, unavailable.
 */
export const transientStatuses = new Set([1, 2, 4, 8, 10, 13, 14])

export const statusNames = [
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

export const codeOf = (error: unknown): number | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : undefined

const textOf = (error: unknown): string =>
  (error instanceof Error ? error.message.replace(/^\d+ [A-Z_]+: /, '') : String(error)).slice(0, 300)

/** Bytes that came back with another checksum than they were sent with, or that KMS did not confirm. */
export class Changed extends Error {}

/** What Google said and of which request; never what was to be encrypted. */
export const asAppError = (error: unknown, what: string): AppError => {
  const code = codeOf(error)
  const said = error instanceof Changed ? error.message : `${statusNames[code ?? 2] ?? 'UNKNOWN'}: ${textOf(error)}`
  if (code === statusCodes.notFound)
    return new AppError(
      'SETTING_INVALID',
      `${what}: the key is not there (${said}); KMS_KEY_RING names its ring, k8s/platform or npm run apply makes both`,
      { cause: error },
    )
  if (code === statusCodes.forbidden || code === statusCodes.unauthenticated)
    return new AppError(
      'SETTING_INVALID',
      `${what}: KMS refuses it (${said}); give this service's identity the role in k8s/platform, or sign in`,
      { cause: error },
    )
  if (code === statusCodes.failedPrecondition)
    return new AppError('SETTING_INVALID', `${what}: the key cannot be used (${said}); enable or restore its version`, {
      cause: error,
    })
  return new AppError('UNAVAILABLE', `${what}: KMS does not answer as it should (${said}); it is tried again`, {
    cause: error,
  })
}
