/**
 * The other side of the door: BigQuery, by the unmodified client. Every request names its location, every job its id,
 * its labels and what
 * it may bill. What makes a write happen once is the job id alone; each job that has an effect is one atomic job
 * (docs/adr/0005):
 * append and a period by DML, a whole partition and a file by a job with a destination, a commit of a log by an INSERT
 * of bound rows.
 */
import { createHash, randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import { BigQuery } from '@google-cloud/bigquery'
import { PassThroughClient } from 'google-auth-library'
import { AppError } from '@convergence/contracts'
import { isDate } from '@convergence/tabular/values'
import type { Column, TimePartitioning } from '@convergence/contracts'
import type {
  Destination,
  DryRun,
  Job,
  LoadSpec,
  QuerySpec,
  Row,
  RowsSpec,
  Statement,
  TableRef,
  WarehousePort,
} from './warehouse.ts'
import { faultOfReason, reasonOf, statusOf, wordGoogle } from './google/faults.ts'
import type { Reason } from './google/faults.ts'
import { contentOf, rowsOfFiles } from './google/files.ts'
import {
  assertListed,
  insertOf,
  insertRowsOf,
  oneSelect,
  parquetSelect,
  pathOf,
  replaceOf,
  selectFor,
} from './google/sql.ts'
import type { PeriodColumn, Written } from './google/sql.ts'
import { openRows } from './google/rows.ts'
import type { StorageOptions } from './google/rows.ts'
import { assertRows, columnOf, fieldOf, parametersOf, rowsOf, sameName, withoutRequired } from './google/values.ts'
import type { Field } from './google/values.ts'

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

interface RestTable {
  etag?: string
  type?: string
  schema?: { fields?: Field[] }
  view?: { query?: string }
  timePartitioning?: TimePartitioning
}
interface RestJob {
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
interface RestResult {
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
interface Known {
  columns: readonly Column[]
  time_partitioning?: TimePartitioning
  is_view: boolean
  view_query?: string
  etag?: string
  at: number
}

const tenants = 'tenants'
const defaultBytesBilled = 2 ** 40
const requestTimeoutMs = 60_000
const tableKeptMs = 60_000
const stagingKeptMs = 86_400_000
const longPollMs = 10_000
const pagesOf = 10_000
/** A dry run lists at most so many tables: beyond them it proves nothing. */
const mostReferencedTables = 50
const mostEtagTries = 5

/** A label's value holds lower-case letters, digits, _ and -, at most 63. */
const labelText = (text: string): string =>
  text
    .toLowerCase()
    .replace(/[^\p{Ll}\p{Lo}\p{N}_-]/gu, '_')
    .slice(0, 63)
const labelsOf = (labels: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(labels).map(([key, value]) => [labelText(key), labelText(value)]))

/** Decorator of the partition that a period is, when it is exactly one; undefined for any other period. */
const partitionOf = (
  period: readonly PeriodColumn[],
  partitioning: TimePartitioning | undefined,
): string | undefined => {
  const [only, ...others] = period
  if (only === undefined || others.length > 0 || partitioning?.field?.toLowerCase() !== only.column.name.toLowerCase())
    return undefined
  // A day of a DATE is a partition. A month holds other dates beside the one that the period names, a day of a
  // TIMESTAMP other instants.
  return partitioning.type === 'DAY' && only.column.type === 'DATE' && isDate(only.value)
    ? only.value.replaceAll('-', '')
    : undefined
}

const numbers = new Set(['INT64', 'NUMERIC', 'BIGNUMERIC', 'FLOAT64'])
const assignable = (from: Column, to: Column): boolean =>
  (from.mode === 'REPEATED') === (to.mode === 'REPEATED') &&
  (from.type === to.type || (numbers.has(from.type) && numbers.has(to.type) && to.type !== 'INT64'))

export const openBigQuery = ({
  project_id,
  location,
  api_endpoint,
  maximum_bytes_billed = defaultBytesBilled,
  job_timeout_ms = 3_600_000,
  labels: own_labels = {},
  request_retries = 3,
  storage,
  log,
  now = () => new Date(),
  unique = () => randomUUID().slice(0, 8),
}: BigQueryOptions): BigQueryPort => {
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
  let closed = false
  const assertOpen = () => {
    if (closed) throw new AppError('UNAVAILABLE', 'the warehouse is closing')
  }

  // ---- requests

  /** One request; rejects with what the client threw. */
  const raw = <T>({ method = 'GET', ...request }: Call): Promise<T> =>
    new Promise((resolve, reject) => {
      client.request({ method, timeout: requestTimeoutMs, ...request }, (error: Error | null, body?: unknown) => {
        if (error === null || error === undefined) resolve(body as T)
        else reject(error)
      })
    })
  const call = async <T>(request: Call, what: string): Promise<T> => {
    assertOpen()
    try {
      return await raw<T>(request)
    } catch (error) {
      throw wordGoogle(error, what)
    }
  }
  /** undefined for a status that is an answer. */
  const unless = async <T>(status: number, request: Call, what: string): Promise<T | undefined> => {
    assertOpen()
    try {
      return await raw<T>(request)
    } catch (error) {
      if (statusOf(error) === status) return undefined
      throw wordGoogle(error, what)
    }
  }
  const pathTo = (project: string, uri: string): string =>
    project === project_id ? uri : `${client.baseUrl}/projects/${project}${uri}`
  const tableUri = ({ project_id: project, dataset, table }: TableRef): string =>
    pathTo(project, `/datasets/${encodeURIComponent(dataset)}/tables/${encodeURIComponent(table)}`)
  const nameOf = ({ dataset, table }: TableRef): string => `${dataset}.${table}`
  const restRef = ({ project_id: project, dataset, table }: TableRef, partition?: string) => ({
    projectId: project,
    datasetId: dataset,
    tableId: partition === undefined ? table : `${table}$${partition}`,
  })

  // ---- tables

  const known = new Map<string, Known>()
  const remember = (ref: TableRef, { schema, timePartitioning, type, view, etag }: RestTable): Known => {
    const table: Known = {
      columns: (schema?.fields ?? []).map(columnOf),
      is_view: type === 'VIEW' || type === 'MATERIALIZED_VIEW' || view !== undefined,
      at: now().getTime(),
      ...(timePartitioning === undefined ? {} : { time_partitioning: timePartitioning }),
      ...(view?.query === undefined ? {} : { view_query: view.query }),
      ...(etag === undefined ? {} : { etag }),
    }
    known.set(pathOf(ref), table)
    return table
  }
  /** undefined when it does not exist. */
  const readTable = async (ref: TableRef): Promise<Known | undefined> => {
    const found = await unless<RestTable>(404, { uri: tableUri(ref) }, `get table ${nameOf(ref)}`)
    if (found === undefined) {
      known.delete(pathOf(ref))
      return undefined
    }
    return remember(ref, found)
  }
  const looking = new Map<string, Promise<Known | undefined>>()
  /** As it was a minute ago at most; those who ask at the same time ask once. */
  const recentTable = (ref: TableRef): Promise<Known | undefined> => {
    const path = pathOf(ref)
    const recent = known.get(path)
    if (recent !== undefined && now().getTime() - recent.at < tableKeptMs) return Promise.resolve(recent)
    const other = looking.get(path)
    if (other !== undefined) return other
    const mine = readTable(ref).finally(() => {
      looking.delete(path)
    })
    looking.set(path, mine)
    return mine
  }
  const createTable = async (ref: TableRef, body: object): Promise<boolean> => {
    const made = await unless<RestTable>(
      409,
      {
        method: 'POST',
        uri: pathTo(ref.project_id, `/datasets/${encodeURIComponent(ref.dataset)}/tables`),
        json: { tableReference: restRef(ref), ...body },
      },
      `create table ${nameOf(ref)}`,
    )
    if (made !== undefined) remember(ref, made)
    return made !== undefined
  }
  /** Adds what is missing. The etag keeps two that add at once from undoing each other. */
  const addColumns = async (ref: TableRef, columns: readonly Column[], found: Known): Promise<Known> => {
    let table = found
    for (let k = 1; ; k++) {
      const missing = columns
        .filter((column) => !table.columns.some((other) => sameName(other, column)))
        .map(withoutRequired)
      if (missing.length === 0) return table
      const changed = await unless<RestTable>(
        412,
        {
          method: 'PATCH',
          uri: tableUri(ref),
          json: { schema: { fields: [...table.columns, ...missing].map(fieldOf) } },
          ...(table.etag === undefined ? {} : { headers: { 'If-Match': table.etag } }),
        },
        `add columns to ${nameOf(ref)}`,
      )
      if (changed !== undefined) return remember(ref, changed)
      if (k >= mostEtagTries)
        throw new AppError(
          'UNAVAILABLE',
          `${nameOf(ref)}: others change its columns at the same time; it is tried again`,
        )
      table = (await readTable(ref)) ?? table
    }
  }
  const partitioningOf = (
    time_partitioning: TimePartitioning | undefined,
    clustering_fields: readonly string[] | undefined,
  ): object => ({
    ...(time_partitioning === undefined ? {} : { timePartitioning: time_partitioning }),
    ...(clustering_fields === undefined || clustering_fields.length === 0
      ? {}
      : { clustering: { fields: clustering_fields } }),
  })
  /**
   * The table of a job, made if it is missing. A job that then fails leaves it empty: BigQuery has no job that makes a
   * table of a declared schema and fills it.
   */
  const targetTable = async (destination: Destination, given: readonly Column[]): Promise<Known> => {
    const { columns = [], time_partitioning, clustering_fields } = destination
    const wanted = [
      ...columns,
      ...given.filter((column) => !columns.some((other) => sameName(other, column))).map(withoutRequired),
    ]
    let table = await readTable(destination)
    if (table === undefined) {
      await createTable(destination, {
        schema: { fields: wanted.map(fieldOf) },
        ...partitioningOf(time_partitioning, clustering_fields),
      })
      table = await readTable(destination)
    }
    if (table === undefined)
      throw new AppError('UNAVAILABLE', `${nameOf(destination)} was made and cannot be found yet; it is tried again`)
    if (table.is_view) throw new AppError('QUERY_INVALID', `${nameOf(destination)} is a view; it cannot be written`)
    return table
  }
  /** Refuses what the table cannot take, by column; BigQuery would name the whole schema. */
  const assertTakes = (
    { dataset, table: name, add_columns = true }: Destination,
    table: Known,
    given: readonly Column[],
  ): void => {
    for (const column of given) {
      const own = table.columns.find((other) => sameName(other, column))
      if (own === undefined) {
        if (!add_columns)
          throw new AppError(
            'QUERY_INVALID',
            `${dataset}.${name}: has no column ${column.name}, and add_columns is false`,
          )
      } else if (!assignable(column, own)) {
        throw new AppError(
          'QUERY_INVALID',
          `${dataset}.${name}.${own.name}: the table has ${own.type}, the result gives ${column.mode === 'REPEATED' ? 'an array of ' : ''}${column.type}; use CAST`,
        )
      }
    }
  }
  const periodOf = ({ dataset, table: name, write_mode, period }: Destination, table: Known): PeriodColumn[] =>
    Object.entries(write_mode === 'truncate' ? (period ?? {}) : {}).map(([key, value]) => {
      const column = table.columns.find((one) => one.name.toLowerCase() === key.toLowerCase())
      if (column === undefined)
        throw new AppError(
          'QUERY_INVALID',
          `${dataset}.${name}: the period names ${key}, which is no column of the table`,
        )
      return { column, value: String(value) }
    })

  // ---- jobs

  /** What to do when a job of ours has ended. */
  const afterwards = new Map<string, () => Promise<void>>()
  /** Queries that we inserted and did not see end. */
  const ourQueries = new Set<string>()
  const rowsWritten = async (id: string, { configuration, statistics }: RestJob): Promise<number> => {
    const { load, query } = statistics ?? {}
    const told = load?.outputRows ?? query?.dmlStats?.insertedRowCount ?? query?.numDmlAffectedRows
    if (told !== undefined) return Number(told)
    if (configuration?.query === undefined) return 0
    const { totalRows = '0' } = await call<RestResult>(
      { uri: `/queries/${id}`, qs: { location, maxResults: 0 } },
      `count rows of job ${id}`,
    )
    return Number(totalRows)
  }
  const jobOf = async (id: string, rest: RestJob): Promise<Job> => {
    const { status, configuration, statistics } = rest
    const state = status?.state === 'DONE' ? 'DONE' : status?.state === 'PENDING' ? 'PENDING' : 'RUNNING'
    const job: Job = {
      job_id: id,
      state,
      labels: configuration?.labels ?? {},
      rows_written: 0,
      bytes_processed: Number(
        statistics?.query?.totalBytesProcessed ??
          statistics?.totalBytesProcessed ??
          statistics?.load?.inputFileBytes ??
          0,
      ),
    }
    if (state !== 'DONE') return job
    if (status?.errorResult === undefined) return { ...job, rows_written: await rowsWritten(id, rest) }
    const fault = faultOfReason(status.errorResult, `job ${id}`)
    // Only WRITE_EMPTY makes a job end with `duplicate`: its table has rows.
    return { ...job, error: fault.code === 'ALREADY_EXISTS' ? { ...fault, code: 'TABLE_NOT_EMPTY' } : fault }
  }
  const readJob = (id: string): Promise<RestJob | undefined> =>
    unless<RestJob>(404, { uri: `/jobs/${id}`, qs: { location } }, `get job ${id}`)
  const ended = async (id: string): Promise<void> => {
    const work = afterwards.get(id)
    afterwards.delete(id)
    ourQueries.delete(id)
    await work?.().catch((error: unknown) => {
      log?.warn(
        { job_id: id, fault: wordGoogle(error, `clean up after job ${id}`).message },
        'a staging table is left to its expiry',
      )
    })
  }
  const limitsOf = (labels: Readonly<Record<string, string>>) => ({
    jobTimeoutMs: String(job_timeout_ms),
    labels: labelsOf({ ...own_labels, ...labels }),
  })
  const insertJob = async (
    id: string,
    configuration: object,
    labels: Readonly<Record<string, string>>,
  ): Promise<Job | 'exists'> => {
    const rest = await unless<RestJob>(
      409,
      {
        method: 'POST',
        uri: '/jobs',
        json: {
          jobReference: { projectId: project_id, jobId: id, location },
          configuration: { ...configuration, ...limitsOf(labels) },
        },
      },
      `insert job ${id}`,
    )
    if (rest === undefined) return 'exists'
    const job = await jobOf(id, rest)
    if (job.state === 'DONE') await ended(id)
    else if ('query' in configuration) ourQueries.add(id)
    return job
  }
  const queryOf = ({ query, parameters = [], default_dataset }: Statement) => ({
    query,
    useLegacySql: false,
    ...(parameters.length === 0 ? {} : { parameterMode: 'NAMED', queryParameters: parametersOf(parameters) }),
    ...(default_dataset === undefined ? {} : { defaultDataset: { projectId: project_id, datasetId: default_dataset } }),
  })
  const writing = (written: Written, spec: Pick<QuerySpec, 'default_dataset' | 'maximum_bytes_billed'>): object => ({
    ...queryOf({
      ...written,
      ...(spec.default_dataset === undefined ? {} : { default_dataset: spec.default_dataset }),
    }),
    maximumBytesBilled: String(Math.min(maximum_bytes_billed, spec.maximum_bytes_billed ?? maximum_bytes_billed)),
    priority: 'INTERACTIVE',
  })
  const dryRunJob = async (statement: Statement): Promise<NonNullable<NonNullable<RestJob['statistics']>['query']>> => {
    const { statistics, status } = await call<RestJob>(
      {
        method: 'POST',
        uri: '/jobs',
        json: {
          jobReference: { projectId: project_id, location },
          configuration: { dryRun: true, query: queryOf(statement) },
        },
      },
      'dry run',
    )
    if (status?.errorResult !== undefined) {
      const { code, message } = faultOfReason(status.errorResult, 'dry run')
      throw new AppError(code, message)
    }
    assertListed(statement.query, statistics?.query?.referencedRoutines)
    return {
      ...statistics?.query,
      totalBytesProcessed: statistics?.query?.totalBytesProcessed ?? statistics?.totalBytesProcessed ?? '0',
    }
  }
  const assertSelect = (statement_type: string | undefined): void => {
    if (statement_type !== 'SELECT')
      throw new AppError(
        'QUERY_INVALID',
        `expected one SELECT statement, got ${statement_type ?? 'none'}; tables are written by jobs`,
      )
  }

  const insertQuery = async (
    id: string,
    spec: QuerySpec,
    labels: Readonly<Record<string, string>>,
  ): Promise<Job | 'exists'> => {
    const { destination } = spec
    const select = oneSelect(spec.query)
    const ours = (spec.parameters ?? []).find(({ name }) => name.toLowerCase().startsWith('convergence_'))
    if (ours !== undefined)
      throw new AppError('QUERY_INVALID', `parameter @${ours.name}: names that begin with convergence_ are taken`)
    // BigQuery itself says whether it is one SELECT, and what comes out; a position in its error is one in the user's
    // text.
    const dry = await dryRunJob(spec)
    assertSelect(dry.statementType)
    const given = (dry.schema?.fields ?? []).map(columnOf)
    const twice = given.find((column, k) => given.findIndex((other) => sameName(other, column)) !== k)
    if (twice !== undefined)
      throw new AppError('QUERY_INVALID', `the result has two columns ${twice.name}; give each its own name`)
    let table = await targetTable(destination, given)
    assertTakes(destination, table, given)
    table = await addColumns(destination, given, table)
    const period = periodOf(destination, table)
    const columns = table.columns.filter((column) => given.some((other) => sameName(other, column)))
    return insertJob(
      id,
      writingJob(
        destination,
        { query: select, parameters: [...(spec.parameters ?? [])] },
        table,
        columns,
        given,
        period,
        spec,
      ),
      labels,
    )
  }
  /**
   * The one job that writes what a SELECT gives; `columns` are those of the table that it gives, `given` the same as
   * they come.
   */
  const writingJob = (
    destination: Destination,
    select: Written,
    table: Known,
    columns: readonly Column[],
    given: readonly Column[],
    period: readonly PeriodColumn[],
    spec: Pick<QuerySpec, 'default_dataset' | 'maximum_bytes_billed'>,
  ): object => {
    const { write_mode } = destination
    const partition = partitionOf(period, table.time_partitioning)
    // What a query gives is never REQUIRED, and a destination must have exactly its schema: such a table is written by
    // DML.
    if (
      write_mode === 'write_empty' ||
      (partition !== undefined && !table.columns.some(({ mode }) => mode === 'REQUIRED'))
    ) {
      const written = writing(selectFor(destination, select, table.columns, given, period), spec)
      return {
        query: {
          ...written,
          destinationTable: restRef(destination, partition),
          createDisposition: 'CREATE_NEVER',
          writeDisposition: write_mode === 'write_empty' ? 'WRITE_EMPTY' : 'WRITE_TRUNCATE',
        },
      }
    }
    return {
      query: writing(
        write_mode === 'truncate'
          ? replaceOf(destination, select, columns, given, period)
          : insertOf(destination, select, columns, given),
        spec,
      ),
    }
  }
  const restLoad = (
    ref: TableRef,
    partition: string | undefined,
    columns: readonly Column[],
    writeDisposition: string,
  ): object => ({
    destinationTable: restRef(ref, partition),
    schema: { fields: columns.map(fieldOf) },
    sourceFormat: 'NEWLINE_DELIMITED_JSON',
    ignoreUnknownValues: true,
    writeDisposition,
  })
  const insertLoad = async (
    id: string,
    spec: LoadSpec,
    labels: Readonly<Record<string, string>>,
  ): Promise<Job | 'exists'> => {
    // An upload is long: whoever comes second does not begin one.
    if ((await readJob(id)) !== undefined) return 'exists'
    const { destination } = spec
    const { columns, rows } = await rowsOfFiles(spec)
    let table = await targetTable(destination, columns)
    assertTakes(destination, table, columns)
    table = await addColumns(destination, columns, table)
    const period = periodOf(destination, table)
    const partition = partitionOf(period, table.time_partitioning)
    if (spec.format !== 'parquet' && (period.length === 0 || partition !== undefined)) {
      const disposition =
        destination.write_mode === 'append'
          ? 'WRITE_APPEND'
          : destination.write_mode === 'write_empty'
            ? 'WRITE_EMPTY'
            : partition === undefined
              ? 'WRITE_TRUNCATE_DATA'
              : 'WRITE_TRUNCATE'
      return upload(id, restLoad(destination, partition, table.columns, disposition), rows(period), labels)
    }
    // Neither a load nor a copy replaces less than a partition, and none renames columns: the files go to a table of
    // their own, and one statement does the rest.
    const own = table.columns.filter((column) => columns.some((other) => sameName(other, column)))
    const staging: TableRef = {
      project_id: destination.project_id,
      dataset: destination.dataset,
      table: `_staging_${createHash('sha256').update(id).digest('hex').slice(0, 16)}_${unique()}`,
    }
    const expires = { expirationTime: String(now().getTime() + stagingKeptMs) }
    const drop = async () => {
      await unless(404, { method: 'DELETE', uri: tableUri(staging) }, `delete table ${nameOf(staging)}`)
    }
    const stage = async (part: string, load: object, content: AsyncIterable<string | Uint8Array>): Promise<void> => {
      const staged = `${id}-${staging.table.slice(1)}-${part}`
      const loaded = await upload(staged, load, content, labels)
      const { error } = loaded === 'exists' || loaded.state !== 'DONE' ? await waitFor(staged) : loaded
      // Under the chain's id nothing has happened yet: what may pass is tried again under the same one.
      if (error !== undefined)
        throw new AppError(
          error.retryable
            ? 'UNAVAILABLE'
            : spec.format === 'parquet' && error.code === 'QUERY_INVALID'
              ? 'EXPORT_INVALID'
              : error.code,
          error.message,
        )
    }
    try {
      let select: Written
      if (spec.format === 'parquet') {
        await createTable(staging, expires)
        for (const [k, file] of spec.files.entries()) {
          await stage(
            `f${k}`,
            {
              destinationTable: restRef(staging),
              sourceFormat: 'PARQUET',
              writeDisposition: 'WRITE_APPEND',
              schemaUpdateOptions: ['ALLOW_FIELD_ADDITION', 'ALLOW_FIELD_RELAXATION'],
              parquetOptions: { enableListInference: true },
            },
            contentOf(file),
          )
        }
        select = parquetSelect(staging, (await readTable(staging))?.columns ?? [], spec)
      } else {
        await createTable(staging, { schema: { fields: own.map(fieldOf) }, ...expires })
        await stage('f0', restLoad(staging, undefined, own, 'WRITE_TRUNCATE'), rows(period))
        select = { query: `SELECT * FROM ${pathOf(staging)}`, parameters: [] }
      }
      afterwards.set(id, drop)
      const job = await insertJob(id, writingJob(destination, select, table, own, own, period, {}), labels)
      if (job === 'exists') await ended(id)
      return job
    } catch (error) {
      // Without an answer the job may be there and need the table: then its expiry removes it.
      if (!(error instanceof AppError && error.code === 'UNAVAILABLE')) await drop().catch(() => undefined)
      throw error
    }
  }
  /**
   * A load job by upload, for whose labels the client's own upload has no place. The rows are made while they are sent;
   * a row that is wrong
   * breaks the upload off, and without its end there is no job.
   */
  const upload = async (
    id: string,
    load: object,
    content: AsyncIterable<string | Uint8Array>,
    labels: Readonly<Record<string, string>>,
  ): Promise<Job | 'exists'> => {
    assertOpen()
    const what = `insert job ${id}`
    const config = {
      jobReference: { projectId: project_id, jobId: id, location },
      configuration: { ...limitsOf(labels), load: { createDisposition: 'CREATE_NEVER', ...load } },
    }
    const boundary = `upload_${createHash('sha256').update(id).digest('hex').slice(0, 32)}`
    let fault: unknown
    async function* parts(): AsyncGenerator<string | Uint8Array> {
      yield `--${boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n${JSON.stringify(config)}\r\n--${boundary}\r\nContent-Type: application/octet-stream\r\n\r\n`
      try {
        yield* content
      } catch (error) {
        fault = error
        throw error
      }
      yield `\r\n--${boundary}--\r\n`
    }
    let answer: { status: number; data: RestJob & { error?: { code?: number; message?: string; errors?: Reason[] } } }
    try {
      answer = await client.authClient.request({
        url: `${client.apiEndpoint}/upload/bigquery/v2/projects/${project_id}/jobs?uploadType=multipart`,
        method: 'POST',
        headers: { 'Content-Type': `multipart/related; boundary=${boundary}` },
        data: Readable.from(parts(), { objectMode: false }),
        duplex: 'half',
        retry: false,
        validateStatus: () => true,
      })
    } catch (error) {
      throw wordGoogle(fault ?? error, what)
    }
    if (answer.status === 409) return 'exists'
    const { error, ...rest } = answer.data
    if (error === undefined && answer.status < 300) return jobOf(id, rest)
    throw wordGoogle(
      Object.assign(new Error(error?.message ?? `HTTP ${answer.status}`), {
        code: error?.code ?? answer.status,
        errors: error?.errors ?? [],
      }),
      what,
    )
  }
  const insertRows = async (
    id: string,
    { table: name, rows }: RowsSpec,
    labels: Readonly<Record<string, string>>,
  ): Promise<Job | 'exists'> => {
    const target: TableRef = { project_id, dataset: tenants, table: name }
    const table = await centralTable(name, rows)
    return insertJob(id, { query: writing(insertRowsOf(target, table.columns, rows), {}) }, labels)
  }
  /** The central table, which takes these rows. Columns may have been added since we looked. */
  const centralTable = async (name: string, rows: readonly Row[]): Promise<Known> => {
    const ref: TableRef = { project_id, dataset: tenants, table: name }
    const recent = known.get(pathOf(ref))
    const found = await recentTable(ref)
    if (found === undefined)
      throw new AppError(
        'TABLE_NOT_FOUND',
        `${project_id}.${tenants}.${name} does not exist; the bootstrap pipeline makes the central tables`,
      )
    try {
      assertRows(name, found.columns, rows)
      return found
    } catch (error) {
      const anew = found === recent ? await readTable(ref) : undefined
      if (anew === undefined) throw error
      assertRows(name, anew.columns, rows)
      return anew
    }
  }

  const waitFor = async (id: string, signal?: AbortSignal): Promise<Job> => {
    let isQuery = ourQueries.has(id)
    for (let k = 0; ; k++) {
      signal?.throwIfAborted()
      if (isQuery) {
        // The answer comes when the job ends, or after the time given; how the job ended is read from the job.
        const asked = raw<RestResult>({
          uri: `/queries/${id}`,
          qs: { location, maxResults: 0, timeoutMs: longPollMs },
        }).then(
          ({ jobComplete }) => jobComplete,
          () => (k === 0 ? undefined : false),
        )
        await abortable(
          asked.then((complete) => (complete === false ? pause(Math.min(2_000, 25 * 2 ** k)) : undefined)),
          signal,
        )
      } else if (k > 0) {
        await pause(Math.min(2_000, 25 * 2 ** k), undefined, signal === undefined ? {} : { signal }).catch(
          () => undefined,
        )
      }
      const rest = await readJob(id)
      if (rest === undefined) throw new AppError('NOT_FOUND', `job ${id} does not exist`)
      if (rest.status?.state === 'DONE') {
        const job = await jobOf(id, rest)
        await ended(id)
        return job
      }
      isQuery = rest.configuration?.query !== undefined
    }
  }
  /** What is waited for goes on; only the waiting ends. */
  const abortable = async (work: Promise<unknown>, signal: AbortSignal | undefined): Promise<void> => {
    if (signal === undefined) {
      await work
      return
    }
    let onAbort: (() => void) | undefined
    try {
      await Promise.race([
        work,
        new Promise<never>((_, reject) => {
          onAbort = () => {
            reject(signal.reason as Error)
          }
          signal.addEventListener('abort', onAbort, { once: true })
        }),
      ])
    } finally {
      if (onAbort !== undefined) signal.removeEventListener('abort', onAbort)
    }
  }
  const cancel = async (id: string): Promise<void> => {
    await unless(404, { method: 'POST', uri: `/jobs/${id}/cancel`, qs: { location } }, `cancel job ${id}`)
  }

  // ---- reading

  const runQuery = async (
    statement: Statement,
    { signal, max_rows }: { signal?: AbortSignal; max_rows?: number },
  ): Promise<Row[]> => {
    signal?.throwIfAborted()
    oneSelect(statement.query)
    const formatOptions = { useInt64Timestamp: true }
    const maxResults = Math.min(pagesOf, max_rows ?? pagesOf)
    let id: string | undefined
    const asked = call<RestResult>(
      {
        method: 'POST',
        uri: '/queries',
        json: {
          ...queryOf(statement),
          location,
          maxResults,
          timeoutMs: longPollMs,
          formatOptions,
          requestId: randomUUID(),
          maximumBytesBilled: String(maximum_bytes_billed),
          labels: labelsOf(own_labels),
        },
      },
      'query',
    )
    const work = (async () => {
      let answer = await asked
      id = answer.jobReference?.jobId
      let fields: readonly Field[] | undefined
      const rows: Row[] = []
      for (;;) {
        if (answer.jobComplete !== false) {
          fields ??= answer.schema?.fields ?? []
          for (const row of rowsOf(fields, answer.rows ?? [])) rows.push(row)
          if (answer.pageToken === undefined || rows.length >= (max_rows ?? Infinity))
            return max_rows === undefined ? rows : rows.slice(0, max_rows)
        }
        signal?.throwIfAborted()
        if (id === undefined)
          throw new AppError('UNAVAILABLE', 'query: BigQuery answered without rows and without a job')
        answer = await call<RestResult>(
          {
            uri: `/queries/${id}`,
            qs: {
              location,
              maxResults,
              timeoutMs: longPollMs,
              'formatOptions.useInt64Timestamp': true,
              ...(answer.jobComplete !== false && answer.pageToken !== undefined
                ? { pageToken: answer.pageToken }
                : {}),
            },
          },
          `read results of job ${id}`,
        )
      }
    })()
    try {
      await abortable(work, signal)
      return await work
    } catch (error) {
      if (signal?.aborted === true) {
        work.catch(() => undefined)
        void asked
          .then(({ jobReference }) => (jobReference?.jobId === undefined ? undefined : cancel(jobReference.jobId)))
          .catch(() => undefined)
        throw signal.reason
      }
      throw error
    }
  }
  /** Views are followed to the tables that they read; what BigQuery itself follows already is left as it is. */
  const followed = async (refs: readonly TableRef[], seen = new Set<string>()): Promise<TableRef[]> => {
    const all = await Promise.all(
      refs.map(async (ref): Promise<TableRef[]> => {
        if (seen.has(pathOf(ref))) return []
        seen.add(pathOf(ref))
        // Of a table that may be read but not looked at, the dry run's word is taken.
        const table = await recentTable(ref).catch((error: unknown) => {
          if (error instanceof AppError && error.code === 'FORBIDDEN') return undefined
          throw error
        })
        if (table?.is_view !== true || table.view_query === undefined) return [ref]
        const inside = await dryRunJob({ query: table.view_query })
        return followed(refsOf(inside.referencedTables), seen)
      }),
    )
    return all.flat()
  }
  const refsOf = (tables: readonly { projectId: string; datasetId: string; tableId: string }[] = []): TableRef[] => {
    if (tables.length >= mostReferencedTables)
      throw new AppError(
        'QUERY_INVALID',
        `the statement reads ${mostReferencedTables} tables or more, and BigQuery lists no more of them: what it reads cannot be checked; make it smaller`,
      )
    return tables.map(({ projectId, datasetId, tableId }) => ({
      project_id: projectId,
      dataset: datasetId,
      table: tableId,
    }))
  }

  const datasetUri = (dataset: string): string => `/datasets/${encodeURIComponent(dataset)}`
  const readDataset = (dataset: string) =>
    unless<{ labels?: Record<string, string> }>(404, { uri: datasetUri(dataset) }, `get dataset ${dataset}`)
  const rows = openRows({
    project_id,
    dataset: tenants,
    unique,
    ...(storage !== undefined
      ? { storage }
      : api_endpoint === undefined
        ? {}
        : {
            insertAll: (name, json) =>
              call(
                { method: 'POST', uri: `${tableUri({ project_id, dataset: tenants, table: name })}/insertAll`, json },
                `insert rows into ${tenants}.${name}`,
              ),
          }),
  })

  return {
    project_id,
    insert: async (id, spec, labels) => {
      assertOpen()
      if (!/^[A-Za-z0-9_-]{1,1024}$/.test(id))
        throw new AppError(
          'QUERY_INVALID',
          `job id: expected 1 to 1024 letters, digits, _ or -, got ${id.length} characters`,
        )
      if (spec.kind === 'rows') return insertRows(id, spec, labels)
      return spec.kind === 'load' ? insertLoad(id, spec, labels) : insertQuery(id, spec, labels)
    },
    get: async (id) => {
      const rest = await readJob(id)
      return rest === undefined ? undefined : jobOf(id, rest)
    },
    wait: waitFor,
    cancel,
    append: async (name, given) => {
      assertOpen()
      if (given.length === 0) return
      const { columns } = await centralTable(name, given)
      await rows.append(name, columns, given)
    },
    query: (statement, options = {}) => {
      assertOpen()
      return runQuery(statement, options)
    },
    dryRun: async (statement): Promise<DryRun> => {
      assertOpen()
      const {
        statementType = 'UNKNOWN',
        referencedTables,
        schema,
        totalBytesProcessed = '0',
      } = await dryRunJob(statement)
      const refs = await followed(refsOf(referencedTables))
      return {
        statement_type: statementType,
        bytes_processed: Number(totalBytesProcessed),
        referenced_tables: [...new Map(refs.map((ref) => [pathOf(ref), ref])).values()],
        columns: statementType === 'SELECT' ? (schema?.fields ?? []).map(columnOf) : [],
      }
    },
    ensureDataset: async (dataset, options = {}) => {
      if ((await readDataset(dataset)) !== undefined) return 'existed'
      const made = await unless(
        409,
        {
          method: 'POST',
          uri: '/datasets',
          json: {
            datasetReference: { projectId: project_id, datasetId: dataset },
            location,
            ...(options.labels === undefined ? {} : { labels: options.labels }),
            ...(options.description === undefined ? {} : { description: options.description }),
          },
        },
        `create dataset ${dataset}`,
      )
      return made === undefined ? 'existed' : 'created'
    },
    ensureTable: async ({ dataset, table: name, columns, time_partitioning, clustering_fields, description }) => {
      const ref: TableRef = { project_id, dataset, table: name }
      let table = await readTable(ref)
      if (
        table === undefined &&
        (await createTable(ref, {
          schema: { fields: columns.map(fieldOf) },
          ...partitioningOf(time_partitioning, clustering_fields),
          ...(description === undefined ? {} : { description }),
        }))
      )
        return 'created'
      table ??= await readTable(ref)
      if (table === undefined)
        throw new AppError('UNAVAILABLE', `${nameOf(ref)} exists and cannot be found; it is tried again`)
      await addColumns(ref, columns, table)
      return 'existed'
    },
    ensureView: async ({ dataset, view, query, description }) => {
      const ref: TableRef = { project_id, dataset, table: view }
      const body = { view: { query, useLegacySql: false }, ...(description === undefined ? {} : { description }) }
      let table = await readTable(ref)
      if (table === undefined && (await createTable(ref, body))) return 'created'
      table ??= await readTable(ref)
      if (table === undefined)
        throw new AppError('UNAVAILABLE', `${nameOf(ref)} exists and cannot be found; it is tried again`)
      if (!table.is_view) throw new AppError('ALREADY_EXISTS', `${nameOf(ref)} is a table`)
      if (table.view_query === query) return 'existed'
      remember(
        ref,
        await call<RestTable>({ method: 'PATCH', uri: tableUri(ref), json: body }, `replace view ${nameOf(ref)}`),
      )
      return 'replaced'
    },
    dropDataset: async (dataset) => {
      await unless(
        404,
        { method: 'DELETE', uri: datasetUri(dataset), qs: { deleteContents: true } },
        `delete dataset ${dataset}`,
      )
      known.clear()
      rows.forget()
    },
    getDataset: async (dataset) => {
      const found = await readDataset(dataset)
      return found === undefined ? undefined : { labels: found.labels ?? {} }
    },
    // Which dataset is asked for is all one: that there is none is an answer. To list them takes a right that no
    // service has.
    healthy: () =>
      raw({ uri: datasetUri(tenants), timeout: 5_000, maxRetries: 0 }).then(
        () => !closed,
        (error: unknown) => statusOf(error) === 404 && !closed,
      ),
    close: async () => {
      closed = true
      await rows.close()
    },
    assertUsable: async (datasets = []) => {
      try {
        // It needs the right to run jobs, and bills nothing.
        await raw({
          method: 'POST',
          uri: '/jobs',
          json: {
            jobReference: { projectId: project_id, location },
            configuration: { dryRun: true, query: { query: 'SELECT 1', useLegacySql: false } },
          },
        })
      } catch (error) {
        throw unusable(error, project_id, location, api_endpoint)
      }
      for (const dataset of datasets) {
        const found = await unless<{ location?: string }>(404, { uri: datasetUri(dataset) }, `get dataset ${dataset}`)
        if (found === undefined)
          throw new AppError(
            'SETTING_INVALID',
            `dataset ${project_id}.${dataset} does not exist: expected it before a service starts; tools/apply makes it (docs/DEPLOYMENT.md)`,
          )
        if (found.location !== undefined && found.location.toUpperCase() !== location.toUpperCase())
          throw new AppError(
            'SETTING_INVALID',
            `dataset ${project_id}.${dataset} is in ${found.location}, BIGQUERY_LOCATION says ${location}: a job reads and writes in one location; correct the setting (docs/DEPLOYMENT.md)`,
          )
      }
    },
  }
}

/** One sentence for the start: what is missing, where it is documented, how it is made. */
const unusable = (error: unknown, project_id: string, location: string, api_endpoint: string | undefined): AppError => {
  const fault = wordGoogle(error, 'BigQuery')
  const status = statusOf(error)
  const text = (error instanceof Error ? error.message : '').toLowerCase()
  const wrong = (sentence: string) => new AppError('SETTING_INVALID', sentence, { cause: error })
  if (api_endpoint !== undefined && status === undefined)
    return wrong(
      `${api_endpoint} (BIGQUERY_EMULATOR_HOST) does not answer: expected the local BigQuery there; start it with \`npm start\`, or unset the variable (docs/LOCAL.md)`,
    )
  if (reasonOf(error) === 'accessNotConfigured' || /has not been used in project|is disabled/.test(text))
    return wrong(
      `project ${project_id} (GCP_PROJECT_ID): the BigQuery API is off; turn it on with \`gcloud services enable bigquery.googleapis.com --project ${project_id}\` (docs/DEPLOYMENT.md)`,
    )
  if (status === 401 || /no usable google credentials/i.test(fault.message))
    return wrong(
      "no usable Google credentials: expected those of the workload's identity; on a laptop run `gcloud auth application-default login` (docs/DEPLOYMENT.md)",
    )
  if (status === 403)
    return wrong(
      `project ${project_id} (GCP_PROJECT_ID): this identity may not run jobs; give it roles/bigquery.jobUser on the project and roles/bigquery.dataEditor on the datasets that it writes (docs/DEPLOYMENT.md)`,
    )
  if (status === 404)
    return wrong(
      `project ${project_id} (GCP_PROJECT_ID) does not exist, or this identity may not know it; correct the name (docs/DEPLOYMENT.md)`,
    )
  if (status === 400)
    return wrong(
      `project ${project_id} or location ${location}: BigQuery refuses it (${fault.message}); correct GCP_PROJECT_ID or BIGQUERY_LOCATION (docs/DEPLOYMENT.md)`,
    )
  return fault
}
