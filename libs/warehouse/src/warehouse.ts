/**
 * The door to BigQuery. Behind it: job ids and the 409 rule, attempt chains, locations, type conversion, streaming of
 * small rows. Writing never goes through `query`. Whatever is acknowledged is durable and seen by every query that
 * starts afterwards.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Column, TableRef, TimePartitioning } from '@convergence/contracts'
import { cancelChain, commitRows, walkChain, type Pace } from './chain.ts'
import type { PeriodValue } from './period.ts'
import type { Chain, ChainName, ChainResult, Jobs, Row } from './jobs.ts'

export type { TableRef } from '@convergence/contracts'
export { cancelChain, commitRows, retryPauseMs, walkChain } from './chain.ts'
export type { Chain, ChainName, ChainResult, Job, JobFault, Jobs, Row } from './jobs.ts'

export type Scalar = string | number | boolean | null | Uint8Array

/** A named query parameter; `type` as GoogleSQL has it, such as STRING, DATE, ARRAY<STRING>. */
export interface QueryParameter {
  name: string
  type: string
  value: unknown
}
export interface Statement {
  /** GoogleSQL, one statement. */
  query: string
  parameters?: readonly QueryParameter[]
  /** Default dataset of unqualified names. */
  default_dataset?: string
}

export interface Destination extends TableRef {
  write_mode: 'append' | 'truncate' | 'write_empty'
  /**
   * With write_mode truncate: only the rows for which all of these columns have these values, or for a DATE one of a
   * range of days, are replaced, atomically; a new row outside is ROW_OUTSIDE_PERIOD.
   */
  period?: Readonly<Record<string, PeriodValue>>
  /**
   * With `period`: other rows that go with it, those that have all values of one of these; null is NULL. One that names a
   * column which the table does not have says nothing.
   */
  also_replaces?: readonly Readonly<Record<string, PeriodValue | null>>[] | undefined
  /** Used when the table is made; with no columns they are those of the result. */
  columns?: readonly Column[] | undefined
  time_partitioning?: TimePartitioning
  clustering_fields?: readonly string[]
  /** Columns of the result that the table lacks are added to it; default true. */
  add_columns?: boolean
  /** Used when the table is made: so many hours later it goes by itself. Default: it stays. */
  expires_hours?: number
}

/** A column of a load. An empty field is NULL. */
export type LoadColumn = Column & (FieldSource | { value: Scalar } | ObjectSource | FileNameSource)
/** What the file is called that a row comes from. */
export interface FileNameSource {
  file_name: true
}
/** From one column of the file. */
export interface FieldSource {
  source: string
  /** Empty text when the column is not in the file; default: EXPORT_INVALID. */
  optional?: boolean
  /** strptime format of DATE and TIMESTAMP where it is not ISO 8601. */
  format?: string
  /** Azure: the inside of a JSON object without its braces. */
  wrap_braces?: boolean
  /** JSON: text that is none is kept as a string of JSON; default: EXPORT_INVALID. */
  or_text?: boolean
  /**
   * Days, `to` exclusive, in UTC: a filled field outside of them is EXPORT_INVALID, or with `leave_out` its row is none of
   * the load.
   */
  within?: { from: string; to: string; leave_out?: true }
  /** The word NULL, in whatever case, is NULL; default: it is text. */
  null_word?: boolean
  /** What is at this key of the JSON object that the field holds; NULL where it holds none. */
  key?: string | undefined
}
/** A JSON object of several columns of the file: of those that are filled, by these keys. */
export interface ObjectSource {
  object_of: Readonly<Record<string, string>>
  /**
   * Columns that hold JSON objects, whose members stand beside those: all of them, or with a prefix those whose keys
   * begin with it, without it. The last one of a key counts, and `object_of` counts most.
   */
  maps?: readonly { source: string; prefix?: string }[]
}
/** The columns of a file that a column of a load reads. */
export const sourcesOf = (column: LoadColumn): string[] => {
  if ('source' in column) return [column.source]
  if (!('object_of' in column)) return []
  return [...Object.values(column.object_of), ...(column.maps ?? []).map(({ source }) => source)]
}

/**
 * Local files that become a table's rows as one atomic job. CSV files have a header; its columns are matched exactly by
 * `source`.
 */
export interface LoadSpec {
  kind: 'load'
  format: 'csv' | 'ndjson' | 'parquet'
  /**
   * `path` on this machine's scratch folder; `name` is what errors call it. gzip is recognised by a path that ends in
   * .gz.
   */
  files: readonly { path: string; name: string }[]
  /** CSV and Parquet: what to take. NDJSON: leave out; `destination.columns` is the schema. */
  columns?: readonly LoadColumn[] | undefined
  /** Parquet: values are those of CSV of the same export, so an empty text is NULL; default: it is text. */
  like_csv?: boolean
  destination: Destination
}
export interface QuerySpec extends Statement {
  kind: 'query'
  destination: Destination
  maximum_bytes_billed?: number
}
export type JobSpec = LoadSpec | QuerySpec

export interface DryRun {
  statement_type: string
  /** Every table that is read, views followed to what they read; fully qualified. */
  referenced_tables: readonly TableRef[]
  columns: readonly Column[]
  /** An estimate where the engine is embedded. */
  bytes_processed: number
}

export interface Warehouse {
  readonly project_id: string
  /**
   * Compare-and-append: these rows become commit `seq` of the table's log, or somebody else's already are. `mine` also
   * when an earlier,
   * interrupted call of the same rows had won. Job id adm-{epoch}-{shard}-{seq}-a{k}.
   */
  commit(
    table: string,
    log: { epoch: string; shard: number; seq: number },
    rows: readonly Row[],
  ): Promise<'mine' | 'conflict'>
  /**
   * Small rows into tables of the dataset `tenants`; at least once, so each has a deterministic event_id. Durable on
   * return, grouped with others.
   */
  append(table: string, rows: readonly Row[]): Promise<void>
  /**
   * Runs the job of a step once, whoever calls how often; retries retryable failures along the chain. Throws the last
   * failure as an AppError.
   */
  runJob(chain: Chain, spec: JobSpec): Promise<ChainResult>
  /**
   * Stops the job of a step that another process may be waiting for; silent when there is none that runs. A wish: the
   * job may still finish.
   */
  cancelChain(chain: ChainName): Promise<void>
  /** Reads. Sees everything that was acknowledged before. Throws QUERY_INVALID, QUERY_UNSUPPORTED, TABLE_NOT_FOUND. */
  query(statement: Statement, options?: { signal?: AbortSignal; max_rows?: number }): Promise<Row[]>
  /**
   * Reads as `query` does what may be more than memory holds: the rows of one moment in parts of at most `page_rows`
   * (default 10,000). Something stays open meanwhile: read to the end, or leave the loop.
   */
  pages(statement: Statement, options?: { signal?: AbortSignal; page_rows?: number }): AsyncIterable<Row[]>
  /** What a statement would read; runs nothing. */
  dryRun(statement: Statement): Promise<DryRun>
  /**
   * Makes a dataset, table or view if it is missing and adds missing columns; `created` says which it was. Safe to
   * repeat and to race.
   */
  ensureDataset(
    dataset: string,
    options?: { labels?: Record<string, string>; description?: string },
  ): Promise<'created' | 'existed'>
  ensureTable(table: {
    dataset: string
    table: string
    columns: readonly Column[]
    time_partitioning?: TimePartitioning
    clustering_fields?: readonly string[]
    description?: string
  }): Promise<'created' | 'existed'>
  ensureView(view: {
    dataset: string
    view: string
    query: string
    description?: string
  }): Promise<'created' | 'replaced' | 'existed'>
  /** Silent where there is no such table. */
  dropTable(table: Pick<TableRef, 'dataset' | 'table'>): Promise<void>
  dropDataset(dataset: string): Promise<void>
  /** Labels of a dataset, or undefined when it does not exist. */
  getDataset(dataset: string): Promise<{ labels: Record<string, string> } | undefined>
  healthy(): Promise<boolean>
  close(): Promise<void>
}

/** Small rows as one job of the ledger. */
export interface RowsSpec {
  kind: 'rows'
  table: string
  rows: readonly Row[]
}
/** The other side of the door: the embedded engine, or Google's client. */
export interface WarehousePort extends Jobs<JobSpec | RowsSpec>, Omit<Warehouse, 'commit' | 'runJob' | 'cancelChain'> {}

export interface WarehouseOptions {
  engine: WarehousePort
  /** 0 <= x < 1. */
  random: () => number
  /** Resolves after ms, rejects when the signal aborts; default: the clock. */
  sleep?: Pace['sleep']
}
/** The door over an engine; what waits, retries and compares is the same over each of them. */
export const openWarehouse = ({
  engine,
  random,
  sleep = (ms, signal) => pause(ms, undefined, { signal }),
}: WarehouseOptions): Warehouse => ({
  project_id: engine.project_id,
  commit: (table, log, rows) =>
    commitRows(engine, table, log, rows, (own): RowsSpec => ({ kind: 'rows', table, rows: own }), { random, sleep }),
  append: (table, rows) => engine.append(table, rows),
  runJob: (chain, spec) => walkChain<JobSpec | RowsSpec>(engine, chain, spec, { random, sleep }),
  cancelChain: (chain) => cancelChain(engine, chain),
  query: (statement, options) => engine.query(statement, options),
  pages: (statement, options) => engine.pages(statement, options),
  dryRun: (statement) => engine.dryRun(statement),
  ensureDataset: (dataset, options) => engine.ensureDataset(dataset, options),
  ensureTable: (table) => engine.ensureTable(table),
  ensureView: (view) => engine.ensureView(view),
  dropTable: (table) => engine.dropTable(table),
  dropDataset: (dataset) => engine.dropDataset(dataset),
  getDataset: (dataset) => engine.getDataset(dataset),
  healthy: () => engine.healthy(),
  close: () => engine.close(),
})
