/** What KMS refused, and what to do about it; never what was to be encrypted. */
import { AppError } from '@convergence/contracts'
import { grpcStatus, statusNameOf, statusOf } from '@convergence/contracts/grpc-status'

const textOf = (error: unknown): string =>
  (error instanceof Error ? error.message.replace(/^\d+ [A-Z_]+: /, '') : String(error)).slice(0, 300)

/** Bytes that came back with another checksum than they were sent with, or that KMS did not confirm. */
export class Changed extends Error {}

/** What Google said and of which request; never what was to be encrypted. */
export const asAppError = (error: unknown, what: string): AppError => {
  const status = statusOf(error)
  const said = error instanceof Changed ? error.message : `${statusNameOf(error)}: ${textOf(error)}`
  if (status === grpcStatus.NOT_FOUND)
    return new AppError(
      'SETTING_INVALID',
      `${what}: the key is not there (${said}); KMS_KEY_RING names its ring, k8s/platform or npm run apply makes both`,
      { cause: error },
    )
  if (status === grpcStatus.PERMISSION_DENIED || status === grpcStatus.UNAUTHENTICATED)
    return new AppError(
      'SETTING_INVALID',
      `${what}: KMS refuses it (${said}); give this service's identity the role in k8s/platform, or sign in`,
      { cause: error },
    )
  if (status === grpcStatus.FAILED_PRECONDITION)
    return new AppError('SETTING_INVALID', `${what}: the key cannot be used (${said}); enable or restore its version`, {
      cause: error,
    })
  return new AppError('UNAVAILABLE', `${what}: KMS does not answer as it should (${said}); it is tried again`, {
    cause: error,
  })
}
