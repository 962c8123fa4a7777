/** What Pub/Sub says, in the errors of the bus. */
import { AppError } from '@convergence/contracts'
import { grpcStatus, isTransientStatus, statusNameOf, statusOf } from '@convergence/contracts/grpc-status'

export const detailOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error).slice(0, 300)
  const detailed = 'details' in error && typeof error.details === 'string' && error.details !== ''
  return (detailed ? (error.details as string) : error.message).slice(0, 300)
}

/** What Google said, the request that it said it of, and what to do. */
export const asAppError = (error: unknown, what: string): AppError => {
  if (error instanceof AppError) return error
  const status = statusOf(error)
  const said = `${statusNameOf(error)}: ${detailOf(error)}`
  if (status === grpcStatus.PERMISSION_DENIED || status === grpcStatus.UNAUTHENTICATED)
    return new AppError(
      'SETTING_INVALID',
      `${what}: Pub/Sub refuses it (${said}); give this service's identity the role in k8s/platform, or sign in`,
      { cause: error },
    )
  if (status === grpcStatus.NOT_FOUND)
    return new AppError(
      'NOT_FOUND',
      `${what}: Pub/Sub does not know it (${said}); npm run apply makes what schemas/topology.yaml names`,
      { cause: error },
    )
  if (status === grpcStatus.ALREADY_EXISTS) return new AppError('CONFLICT', `${what}: ${said}`, { cause: error })
  if (status !== undefined && !isTransientStatus(status))
    return new AppError('BODY_INVALID', `${what}: ${said}`, { cause: error })
  return new AppError('UNAVAILABLE', `${what}: Pub/Sub does not answer (${said}); it is tried again`, { cause: error })
}
