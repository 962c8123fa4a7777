/** What an open BigQuery door keeps, and its one way to send a request. */
import { AppError, centralDataset, type Column, type TimePartitioning } from '@convergence/contracts'
import type { BigQuery } from '@google-cloud/bigquery'
import { statusOf, wordGoogle, type Reason } from './faults.ts'
import type { Field } from './values.ts'

export interface RestTable {
  etag?: string | undefined
  type?: string
  schema?: { fields?: Field[] }
  view?: { query?: string }
  timePartitioning?: TimePartitioning
}

export interface RestJob {
  jobReference?: { jobId?: string; location?: string }
  status?: { state?: string; errorResult?: Reason; errors?: Reason[] }
  configuration?: {
    jobType?: string
    labels?: Record<string, string>
    dryRun?: boolean
    query?: { destinationTable?: unknown }
    load?: unknown
  }
  statistics?: {
    totalBytesProcessed?: string
    load?: { outputRows?: string; inputFileBytes?: string }
    query?: {
      statementType?: string
      totalBytesProcessed?: string
      numDmlAffectedRows?: string
      dmlStats?: { insertedRowCount?: string }
      schema?: { fields?: Field[] }
      referencedTables?: { projectId: string; datasetId: string; tableId: string }[]
      referencedRoutines?: object[]
    }
  }
}

export interface RestResult {
  jobComplete?: boolean
  schema?: { fields?: Field[] }
  rows?: { f: { v: unknown }[] }[]
  pageToken?: string
  jobReference?: { jobId?: string }
  totalRows?: string
}

interface Call {
  method?: string
  uri: string
  json?: object
  qs?: Record<string, string | number | boolean>
  headers?: Record<string, string>
  timeout?: number
  maxRetries?: number
}

/** A table as we last saw it, and when. */
export interface KnownTable {
  columns: readonly Column[]
  time_partitioning?: TimePartitioning
  is_view: boolean
  view_query?: string
  etag?: string | undefined
  at: number
}

export const tenants = centralDataset

const requestTimeoutMs = 60_000

export interface Session {
  readonly project_id: string
  readonly location: string
  readonly api_endpoint: string | undefined
  readonly maximum_bytes_billed: number
  readonly job_timeout_ms: number
  /** On every job beside its own. */
  readonly own_labels: Readonly<Record<string, string>>
  readonly log: { warn(fields: object, message: string): void } | undefined
  readonly now: () => Date
  readonly unique: () => string
  readonly client: BigQuery
  /** Tables as they were last seen, by path. */
  readonly known: Map<string, KnownTable>
  /** Tables that are being looked at now. */
  readonly looking: Map<string, Promise<KnownTable | undefined>>
  /** What to do when a job of ours has ended. */
  readonly afterwards: Map<string, () => Promise<void>>
  /** Queries that we inserted and did not see end. */
  readonly ourQueries: Set<string>
  closed: boolean
}

export const assertOpen = (session: Session) => {
  if (session.closed) throw new AppError('UNAVAILABLE', 'the warehouse is closing')
}

/** One request; rejects with what the client threw. */
export const raw = <T>(session: Session, { method = 'GET', ...request }: Call): Promise<T> =>
  new Promise((resolve, reject) => {
    session.client.request(
      { method, timeout: requestTimeoutMs, ...request },
      (error: Error | null | undefined, body?: unknown) => {
        if (error === null || error === undefined) resolve(body as T)
        else reject(error)
      },
    )
  })

export const call = async <T>(session: Session, request: Call, what: string): Promise<T> => {
  assertOpen(session)
  try {
    return await raw<T>(session, request)
  } catch (error) {
    throw wordGoogle(error, what)
  }
}

/** undefined for a status that is an answer. */
export const unless = async <T>(
  session: Session,
  status: number,
  request: Call,
  what: string,
): Promise<T | undefined> => {
  assertOpen(session)
  try {
    return await raw<T>(session, request)
  } catch (error) {
    if (statusOf(error) === status) return undefined
    throw wordGoogle(error, what)
  }
}

export const pathTo = (session: Session, project: string, uri: string): string =>
  project === session.project_id ? uri : `${session.client.baseUrl}/projects/${project}${uri}`
