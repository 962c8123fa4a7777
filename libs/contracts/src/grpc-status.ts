/** What gRPC's status codes mean to a caller: the two doors whose clients speak it read errors alike. */

export const grpcStatus = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const
const names = Object.keys(grpcStatus)

const transient = new Set<number>([
  grpcStatus.CANCELLED,
  grpcStatus.UNKNOWN,
  grpcStatus.DEADLINE_EXCEEDED,
  grpcStatus.RESOURCE_EXHAUSTED,
  grpcStatus.ABORTED,
  grpcStatus.INTERNAL,
  grpcStatus.UNAVAILABLE,
])
/** Whether the same call may work later. */
export const isTransientStatus = (status: number): boolean => transient.has(status)

/** The status of a client's error; undefined of any other error. */
export const statusOf = (error: unknown): number | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : undefined

/** The status by its name; UNKNOWN of an error without one. */
export const statusNameOf = (error: unknown): string => names[statusOf(error) ?? grpcStatus.UNKNOWN] ?? 'UNKNOWN'
