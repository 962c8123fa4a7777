/** What jobs of the front share: the latest results, and what their requests said. */
import type { Result } from '../work.ts'
import type { FrontContext } from './request.ts'
import type { Json } from './wire.ts'

/** What a job's request said. */
export interface Detail {
  configuration: Json
  created_ms: number
  location: string
  input_bytes?: number
  input_files?: number
}
/** Results of queries without a destination, by job. */
export interface Results {
  get(job_id: string): Result | undefined
  keep(job_id: string, result: Result): void
}
export interface JobsContext extends FrontContext {
  results: Results
  details: Map<string, Detail>
  /** Jobs by the ids of the requests, for a client that asks again because the answer was lost. */
  requests: Map<string, string>
  /** Of jobs with a time limit. */
  timers: Set<NodeJS.Timeout>
}

/** Where results of queries without a destination are said to be. */
export const resultsDataset = '_results'
/**
 * Results of queries without a destination stay in memory: so many cells of the latest ones, and the latest one
 * whatever its size.
 */
const cellsKept = 5_000_000
const sizeOf = ({ columns, rows }: Result): number => columns.length * rows.length
const openResults = (): Results => {
  const results = new Map<string, Result>()
  let cells = 0
  return {
    get: (job_id) => results.get(job_id),
    keep: (job_id, result) => {
      results.set(job_id, result)
      cells += sizeOf(result)
      for (const [old, other] of results) {
        if (cells <= cellsKept || old === job_id) break
        cells -= sizeOf(other)
        results.delete(old)
      }
    },
  }
}
export const openJobsContext = (context: FrontContext): JobsContext => ({
  ...context,
  results: openResults(),
  details: new Map(),
  requests: new Map(),
  timers: new Set(),
})
