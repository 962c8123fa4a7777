/** What BigQuery's own jobs and tables are beyond the door: the terms of the REST front, which the engine runs. */
import type { Column, TimePartitioning } from '@convergence/contracts'
import type { Destination, Job, LoadSpec, Statement, TableRef, WarehousePort } from '@convergence/warehouse'
import type { StoredDataset, StoredTable, StoredView } from './catalog.ts'
import type { WireRow } from './values.ts'

export interface WorkDestination extends Destination {
  /** The table must exist. */
  create_never?: boolean
  /** With write_mode truncate: the table is made anew, its columns are those that come in. */
  replace_table?: boolean
}
/** What a statement gave. */
export interface Result {
  columns: readonly Column[]
  rows: readonly WireRow[]
}
export interface StatementWork {
  kind: 'statement'
  statement: Statement
  /** Of a SELECT: its rows become that table's. Without one they go to `onResult`, and are not kept. */
  destination?: WorkDestination
  maximum_bytes_billed?: number
  onResult?(result: Result): void
}
export interface LoadWork extends Omit<LoadSpec, 'destination'> {
  destination: WorkDestination
  /** Makes the files, and may settle the columns; what it throws is the job's failure. */
  prepare?(): Promise<Pick<LoadSpec, 'files' | 'columns'> & { destination: WorkDestination }>
}
export interface CopyWork {
  kind: 'copy'
  sources: readonly TableRef[]
  destination: WorkDestination
}
export type Work = StatementWork | LoadWork | CopyWork

/** What came of a job, beside what the door tells. */
export interface Outcome {
  statement_type?: string
  referenced_tables?: readonly TableRef[]
  /** Rows that a DML statement changed. */
  inserted?: number
  updated?: number
  deleted?: number
  /** CREATE, SKIP, REPLACE, ALTER, DROP: what a DDL statement did, and to what. */
  ddl_operation?: string
  target?: TableRef
}
/** A job with what its caller asked to remember of it. */
export interface KeptJob extends Job {
  detail?: unknown
  outcome?: Outcome
  ended_ms?: number
}
export type Described =
  | { kind: 'table'; table: StoredTable; rows: number; bytes: number }
  | { kind: 'view'; view: StoredView; columns: readonly Column[] }

export interface Engine extends WarehousePort {
  /** Absolute; loads may read what is below its `scratch/`. */
  readonly folder: string
  /**
   * Runs BigQuery's job; `detail` is kept with it. With `keep` false only this process knows the id: for ids that
   * nobody will use again.
   */
  submit(
    job_id: string,
    work: Work,
    options: { labels: Readonly<Record<string, string>>; detail: unknown; keep: boolean },
  ): Promise<KeptJob | 'exists'>
  /** As `get`, with what is kept. */
  job(job_id: string): Promise<KeptJob | undefined>
  /** Ended jobs, the last one first. */
  jobs(limit: number): Promise<KeptJob[]>
  /** INFORMATION_SCHEMA included. */
  plan(statement: Statement): Promise<{
    statement_type: string
    referenced_tables: readonly TableRef[]
    columns: readonly Column[]
    bytes: number
    target?: TableRef
  }>

  /** Of a table; undefined when there is none. */
  columns(dataset: string, name: string): readonly Column[] | undefined
  /** When the table was made, ms: another time, another table, though it has the same name. */
  madeAt(dataset: string, name: string): number | undefined
  partitioning(dataset: string, name: string): TimePartitioning | undefined
  /** Whether small rows of its tables are answered by the journal. */
  takesSmallRows(dataset: string): boolean
  /** Columns that a Parquet file below `scratch/` says it has. Throws EXPORT_INVALID, QUERY_UNSUPPORTED. */
  parquetColumns(file: LoadSpec['files'][number]): Promise<Column[]>
  datasets(): readonly { dataset: string; spec: StoredDataset }[]
  /** Throws ALREADY_EXISTS. */
  createDataset(dataset: string, spec: StoredDataset): Promise<void>
  /** Throws NOT_FOUND. */
  changeDataset(dataset: string, change: (spec: StoredDataset) => StoredDataset): Promise<StoredDataset>
  /** Throws NOT_FOUND, and CONFLICT when it has tables and `contents` is false. */
  deleteDataset(dataset: string, contents: boolean): Promise<void>
  /** Tables and views by name. Throws NOT_FOUND. */
  things(
    dataset: string,
  ): Promise<({ name: string; kind: 'table'; table: StoredTable } | { name: string; kind: 'view'; view: StoredView })[]>
  describe(dataset: string, name: string): Promise<Described | undefined>
  /** Throws ALREADY_EXISTS and NOT_FOUND. */
  createTable(dataset: string, name: string, spec: StoredTable): Promise<void>
  createView(dataset: string, name: string, spec: StoredView): Promise<void>
  /** Columns may be added, made NULLABLE, described. Throws NOT_FOUND, QUERY_INVALID. */
  changeTable(dataset: string, name: string, change: (spec: StoredTable) => StoredTable): Promise<void>
  changeView(dataset: string, name: string, change: (spec: StoredView) => StoredView): Promise<void>
  /** Throws NOT_FOUND. */
  deleteThing(dataset: string, name: string): Promise<void>
  /** Rows in the order in which they came. Throws NOT_FOUND. */
  read(
    dataset: string,
    name: string,
    options: { offset: number; limit: number; fields?: readonly string[] },
  ): Promise<Result & { total: number }>
  /** Throws QUERY_INVALID for rows that the table does not take: all or none. */
  insertRows(dataset: string, name: string, rows: readonly Record<string, unknown>[]): Promise<void>
}
