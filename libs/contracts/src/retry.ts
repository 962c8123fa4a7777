/**
 * Trying again: the one backoff of the platform. It is in contracts, the lowest package, because doors, engines and
 * services all need it and not every one of them may import libs/service.
 */
import { setTimeout as pause } from 'node:timers/promises'

export interface Backoff {
  /** After the first attempt. */
  first_ms: number
  /** No pause is longer; default none is. */
  most_ms?: number
}
/** Pause after attempt n, from 1, that failed: doubled with each, without jitter. */
export const backoffMs = (attempt: number, { first_ms, most_ms = Infinity }: Backoff): number =>
  Math.min(most_ms, first_ms * 2 ** Math.min(attempt - 1, 30))

export interface RetryOptions extends Backoff {
  /** Attempts in all; default without end. */
  tries?: number
  isTransient: (error: unknown) => boolean
  /** Called before each pause. */
  onRetry?: (error: unknown, attempt: number) => void
  /** Ends the waiting; what then comes out is the signal's reason. */
  signal?: AbortSignal | undefined
  /** Whether a pause keeps the process alive; default true. */
  ref?: boolean
}
/** Work until it succeeds; throws what is not transient, and the last error. */
export const retry = async <T>(
  work: () => Promise<T>,
  { tries = Infinity, isTransient, onRetry, signal, ref = true, ...backoff }: RetryOptions,
): Promise<T> => {
  for (let attempt = 1; ; attempt += 1) {
    signal?.throwIfAborted()
    try {
      return await work()
    } catch (error) {
      if (signal?.aborted === true || attempt >= tries || !isTransient(error)) throw error
      onRetry?.(error, attempt)
    }
    await pause(backoffMs(attempt, backoff), undefined, { ref, ...(signal === undefined ? {} : { signal }) }).catch(
      () => {
        signal?.throwIfAborted()
      },
    )
  }
}
