/** What becomes of a statement: text to run, what must hold before, and what the catalog has to record. */
import type { Column, TableRef, TimePartitioning } from '@convergence/contracts'
import type { JsonRows } from './json-rows.ts'
import type { OptionValue } from './options.ts'

/**
 * A query that must return no row, run in the same transaction before the statement; otherwise the statement fails with
 * the message (QUERY_INVALID).
 */
export interface Check {
  sql: string
  message: string
}

export const multipleMatch = 'UPDATE/MERGE must match at most one source row for each target row'

/** What a DDL statement means for the catalog. `options` are checked by name; their values are as written. */
/** What a DDL statement means for the catalog. `options` are checked by name; their values are as written. */
export interface Ddl {
  operation:
    'create_table' | 'create_view' | 'create_schema' | 'drop_table' | 'drop_view' | 'drop_schema' | 'alter_table'
  /** IF NOT EXISTS, IF EXISTS and OR REPLACE. */
  if_not_exists?: boolean
  if_exists?: boolean
  replace?: boolean
  cascade?: boolean
  dataset: string
  project_id: string
  table?: string
  /** Of a new table: all of them; of alter_table: those to add. */
  columns?: Column[]
  dropped_columns?: string[]
  primary_key?: string[]
  time_partitioning?: TimePartitioning
  clustering_fields?: string[]
  /** GoogleSQL of a view. */
  view_query?: string
  materialized?: boolean
  options: Readonly<Record<string, OptionValue>>
}
export type StatementType =
  | 'SELECT'
  | 'INSERT'
  | 'UPDATE'
  | 'DELETE'
  | 'MERGE'
  | 'TRUNCATE_TABLE'
  | 'CREATE_TABLE'
  | 'CREATE_TABLE_AS_SELECT'
  | 'CREATE_VIEW'
  | 'CREATE_MATERIALIZED_VIEW'
  | 'CREATE_SCHEMA'
  | 'DROP_TABLE'
  | 'DROP_VIEW'
  | 'DROP_MATERIALIZED_VIEW'
  | 'DROP_SCHEMA'
  | 'ALTER_TABLE'
export interface Plan {
  kind: 'query' | 'dml' | 'ddl'
  statement_type: StatementType
  statements: string[]
  columns: Column[]
  target?: TableRef
  checks: Check[]
  ddl?: Ddl
  /** Of an INSERT that only takes bound JSON texts apart: whoever runs it need not ask an engine. */
  json_rows?: JsonRows
}
