/** A statement's run as a job. */
import { AppError } from '@convergence/contracts'
import type { KeptJob } from '../work.ts'
import type { OnConnection, Store } from './store.ts'

export interface Run {
  /** Whether the job is stored. */
  keep: boolean
  onConnection: OnConnection
  isCancelled(): boolean
}
/** Throws CANCELLED. */
export const assertGoingOn = ({ isCancelled }: Run): void => {
  if (isCancelled()) throw new AppError('CANCELLED', 'the job was cancelled')
}
export const finished = ({ now }: Store, job: KeptJob, more: Partial<KeptJob>): KeptJob => ({
  ...job,
  ended_ms: now().getTime(),
  ...more,
})
