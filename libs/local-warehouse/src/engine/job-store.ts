/** Jobs that ended, as rows of the warehouse: stored in the transaction of their effect, both or none. */
import type { DuckDBConnection, DuckDBValue } from '@duckdb/node-api'
import type { JobFault } from '@convergence/warehouse'
import type { KeptJob, Outcome } from '../work.ts'
import type { Store } from './store.ts'

const storedColumns = 'job_id, labels, error, rows_written, bytes_processed, epoch_ms(ended_at), detail'
const storedJob = ([
  job_id,
  labels,
  error,
  rows_written,
  bytes_processed,
  ended_ms,
  detail,
]: readonly DuckDBValue[]): KeptJob => {
  return {
    job_id: String(job_id),
    state: 'DONE',
    ended_ms: Number(ended_ms),
    labels: JSON.parse(String(labels)) as Record<string, string>,
    rows_written: Number(rows_written),
    bytes_processed: Number(bytes_processed),
    ...(error === null || error === undefined ? {} : { error: JSON.parse(String(error)) as JobFault }),
    ...(detail === null || detail === undefined
      ? {}
      : (JSON.parse(String(detail)) as { detail?: unknown; outcome?: Outcome })),
  }
}
/** Part of the job's transaction. */
export const storeJob = async (
  { catalog, now }: Store,
  connection: DuckDBConnection,
  { job_id, labels, error, rows_written, bytes_processed, detail, outcome }: KeptJob,
): Promise<void> => {
  await connection.run(
    `INSERT INTO ${catalog.reserved('jobs')} VALUES ($1, $2, $3, $4, $5, CAST($6 AS TIMESTAMPTZ), $7)`,
    [
      job_id,
      JSON.stringify(labels),
      error === undefined ? null : JSON.stringify(error),
      BigInt(rows_written),
      BigInt(Math.round(bytes_processed)),
      now().toISOString(),
      detail === undefined && outcome === undefined ? null : JSON.stringify({ detail, outcome }),
    ],
  )
}
export const readJob = async ({ catalog, connected }: Store, job_id: string): Promise<KeptJob | undefined> => {
  const [row] = await connected(async (connection) =>
    (
      await connection.runAndReadAll(`SELECT ${storedColumns} FROM ${catalog.reserved('jobs')} WHERE job_id = $1`, [
        job_id,
      ])
    ).getRows(),
  )
  return row === undefined ? undefined : storedJob(row)
}
/** The last ones first. */
export const readJobs = async ({ catalog, connected }: Store, limit: number): Promise<KeptJob[]> =>
  connected(async (connection) =>
    (
      await connection.runAndReadAll(
        `SELECT ${storedColumns} FROM ${catalog.reserved('jobs')} ORDER BY ended_at DESC LIMIT ${Math.floor(limit)}`,
      )
    )
      .getRows()
      .map(storedJob),
  )
