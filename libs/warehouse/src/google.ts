/**
 * The other side of the door: BigQuery, by the unmodified client. Every request names its location, every job its id,
 * its labels and what it may bill. What makes a write happen once is the job id alone; each job that has an effect is
 * one atomic job (docs/adr/0005): append and a period by DML, a whole partition and a file by a job with a destination,
 * a commit of a log by an INSERT of bound rows.
 */
import { randomUUID } from 'node:crypto'
import { AppError } from '@convergence/contracts'
import { BigQuery } from '@google-cloud/bigquery'
import { PassThroughClient } from 'google-auth-library'
import { statusOf } from './google/faults.ts'
import { cancel, jobOf, readJob, waitFor } from './google/jobs.ts'
import { dryRun, pagesOf, runQuery } from './google/reading.ts'
import { openRows, type Rows, type StorageOptions } from './google/rows.ts'
import { assertOpen, call, raw, tenants, unless, type Session } from './google/session.ts'
import {
  centralTable,
  datasetUri,
  dropTable,
  ensureDataset,
  ensureTable,
  ensureView,
  readDataset,
  tableUri,
} from './google/tables.ts'
import { assertUsable } from './google/usable.ts'
import { insertLoad, insertQuery, insertRows } from './google/writes.ts'
import type { WarehousePort } from './warehouse.ts'

export interface BigQueryOptions {
  project_id: string
  /** Of datasets and jobs; job ids are unique within one, so it is one for ever. */
  location: string
  /**
   * A local BigQuery, such as http://127.0.0.1:9050: no credentials are looked for, and rows are appended by insertAll.
   */
  api_endpoint?: string
  /** Bytes that one statement may bill; default 1 TiB. A QuerySpec may say less. */
  maximum_bytes_billed?: number
  /**
   * After so long BigQuery is asked to stop a job of ours; default one hour, the most that a step may take. It may
   * still finish: only DONE tells.
   */
  job_timeout_ms?: number
  /** On every job beside its own, such as the service that asks. */
  labels?: Readonly<Record<string, string>>
  /**
   * How often the client itself repeats a request that met 429, 5xx or a full rate; default 3. Safe, since each repeats
   * an id.
   */
  request_retries?: number
  /**
   * Appends by the Storage Write API of this server, for tests of it; default Google's, or insertAll where
   * `api_endpoint` is given.
   */
  storage?: StorageOptions
  log?: { warn(fields: object, message: string): void }
  now?: () => Date
  /** Makes names of staging tables and ids of requests different; default random. */
  unique?: () => string
}
/** The port, and a look at whether this project can be worked with. */
export interface BigQueryPort extends WarehousePort {
  /**
   * Throws SETTING_INVALID with one sentence: what is missing (API, permission, project, one of these datasets), and
   * how it is made.
   */
  assertUsable(datasets?: readonly string[]): Promise<void>
}
const defaultBytesBilled = 2 ** 40

const openClient = ({ project_id, location, api_endpoint, request_retries = 3 }: BigQueryOptions): BigQuery => {
  const client = new BigQuery({
    projectId: project_id,
    location,
    retryOptions: { autoRetry: request_retries > 0, maxRetries: request_retries },
    // Without an own credential client an upload to a local endpoint looks for real credentials and brings the process
    // down.
    ...(api_endpoint === undefined ? {} : { apiEndpoint: api_endpoint, authClient: new PassThroughClient() }),
  })
  // The client would read BIGQUERY_EMULATOR_HOST itself, even against the endpoint that it is given.
  client.baseUrl = `${client.apiEndpoint}/bigquery/v2`
  return client
}
const openSession = (options: BigQueryOptions): Session => ({
  project_id: options.project_id,
  location: options.location,
  api_endpoint: options.api_endpoint,
  maximum_bytes_billed: options.maximum_bytes_billed ?? defaultBytesBilled,
  job_timeout_ms: options.job_timeout_ms ?? 3_600_000,
  own_labels: options.labels ?? {},
  log: options.log,
  now: options.now ?? (() => new Date()),
  unique: options.unique ?? (() => randomUUID().slice(0, 8)),
  client: openClient(options),
  known: new Map(),
  looking: new Map(),
  afterwards: new Map(),
  ourQueries: new Set(),
  closed: false,
})
/** How small rows travel: by the Storage Write API, and by insertAll to a local endpoint without one. */
const openAppends = (session: Session, storage: StorageOptions | undefined): Rows => {
  const { project_id, unique, api_endpoint } = session
  const shared = { project_id, dataset: tenants, unique }
  if (storage !== undefined) return openRows({ ...shared, storage })
  if (api_endpoint === undefined) return openRows(shared)
  return openRows({
    ...shared,
    insertAll: (table, json) =>
      call(
        session,
        { method: 'POST', uri: `${tableUri(session, { project_id, dataset: tenants, table })}/insertAll`, json },
        `insert rows into ${tenants}.${table}`,
      ),
  })
}

export const openBigQuery = (options: BigQueryOptions): BigQueryPort => {
  const session = openSession(options)
  const rows = openAppends(session, options.storage)
  return {
    project_id: session.project_id,
    insert: async (id, spec, labels) => {
      assertOpen(session)
      if (!/^[A-Za-z0-9_-]{1,1024}$/.test(id))
        throw new AppError(
          'QUERY_INVALID',
          `job id: expected 1 to 1024 letters, digits, _ or -, got ${id.length} characters`,
        )
      if (spec.kind === 'rows') return insertRows(session, id, spec, labels)
      return spec.kind === 'load' ? insertLoad(session, id, spec, labels) : insertQuery(session, id, spec, labels)
    },
    get: async (id) => {
      const rest = await readJob(session, id)
      return rest === undefined ? undefined : jobOf(session, id, rest)
    },
    wait: (id, signal) => waitFor(session, id, signal),
    cancel: (id) => cancel(session, id),
    append: async (name, given) => {
      assertOpen(session)
      if (given.length === 0) return
      const { columns } = await centralTable(session, name, given)
      await rows.append(name, columns, given)
    },
    query: (statement, options = {}) => {
      assertOpen(session)
      return runQuery(session, statement, options)
    },
    pages: (statement, options = {}) => {
      assertOpen(session)
      return pagesOf(session, statement, options)
    },
    dryRun: (statement) => dryRun(session, statement),
    ensureDataset: (dataset, options) => ensureDataset(session, dataset, options),
    ensureTable: (table) => ensureTable(session, table),
    ensureView: (view) => ensureView(session, view),
    dropTable: (table) => dropTable(session, { project_id: session.project_id, ...table }),
    dropDataset: async (dataset) => {
      await unless(
        session,
        404,
        { method: 'DELETE', uri: datasetUri(dataset), qs: { deleteContents: true } },
        `delete dataset ${dataset}`,
      )
      session.known.clear()
      rows.forget()
    },
    getDataset: async (dataset) => {
      const found = await readDataset(session, dataset)
      return found === undefined ? undefined : { labels: found.labels ?? {} }
    },
    // Which dataset is asked for is all one: that there is none is an answer. To list them takes a right that no
    // service has.
    healthy: () =>
      raw(session, { uri: datasetUri(tenants), timeout: 5_000, maxRetries: 0 }).then(
        () => !session.closed,
        (error: unknown) => statusOf(error) === 404 && !session.closed,
      ),
    close: async () => {
      session.closed = true
      await rows.close()
    },
    assertUsable: (datasets) => assertUsable(session, datasets),
  }
}
