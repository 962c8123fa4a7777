/** Another try where it may help; else, and after the last, the error in the terms of the door. */
import { retry } from '@convergence/contracts/retry'
import type { CloudsOptions } from '../clouds-options.ts'
import type { Remote } from './remote.ts'
import { asAppError, type Place } from './words.ts'

export const usualTries = 4

export const patiently = async <T>(
  { tries = usualTries, pause_ms = 200, log }: CloudsOptions,
  remote: Remote,
  place: Place,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> => {
  const { store, bucket, key } = place
  try {
    return await retry(work, {
      tries,
      first_ms: pause_ms,
      signal,
      isTransient: (error) => remote.faultOf(error).kind === 'passing',
      onRetry: (error, tried) =>
        log?.warn({ store, bucket, key, tried, error: remote.faultOf(error).reason }, 'object store asked again'),
    })
  } catch (error) {
    if (signal?.aborted === true) throw error
    throw asAppError(remote.faultOf(error), place, error)
  }
}
