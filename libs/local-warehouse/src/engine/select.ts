/** What a job writes, as one SELECT: of files, of a query, of other tables. */
import { AppError } from '@convergence/contracts'
import type { Column } from '@convergence/contracts'
import type { JobSpec, Statement, TableRef } from '@convergence/warehouse'
import { planLoad } from '../load.ts'
import { quoted } from '../values.ts'
import type { Bound } from '../values.ts'
import type { Outcome, Work } from '../work.ts'
import { sameName } from './columns.ts'
import { tableOf } from './context.ts'
import type { Context } from './context.ts'
import { assertBytes, assertSelect, bound, bytesOf } from './translations.ts'

export interface Selected extends Bound {
  sql: string
  columns: readonly Column[]
  bytes: number
  /** Tables that the rows come from, views followed. */
  reads?: readonly TableRef[]
  /** Names of columns that are NULL in each row. */
  empty?: readonly string[]
  /** Reads what DuckDB does not check; throws what is wrong. */
  verify?(): Promise<void>
  explain(error: unknown): Promise<AppError>
  /** Another way to the same rows, where the fault is none of theirs. */
  again?(
    fault: unknown,
  ): Promise<{ sql: string; explain(error: unknown): Promise<AppError>; release(): Promise<void> } | undefined>
  outcome?: Outcome
}

const selectCopied = async (context: Context, sources: readonly TableRef[]): Promise<Selected> => {
  const tables = sources.map((ref) => ({ ref, table: tableOf(context, ref.dataset, ref.table) }))
  const columns = tables[0]?.table.columns ?? []
  const other = tables.find(
    ({ table }) =>
      JSON.stringify(table.columns.map(({ name, type, mode, fields }) => [name, type, mode ?? 'NULLABLE', fields])) !==
      JSON.stringify(columns.map(({ name, type, mode, fields }) => [name, type, mode ?? 'NULLABLE', fields])),
  )
  if (other !== undefined)
    throw new AppError(
      'QUERY_INVALID',
      `${other.ref.dataset}.${other.ref.table}: its columns are not those of the first source`,
    )
  await context.applier.applyFor(sources)
  return {
    sql: sources
      .map(
        ({ dataset, table }) =>
          `SELECT ${columns.map(({ name }) => quoted(name)).join(', ')} FROM ${context.catalog.path(dataset, table)}`,
      )
      .join(' UNION ALL '),
    values: {},
    types: {},
    columns,
    bytes: 0,
    reads: sources,
    explain: context.translations.wordStatement,
  }
}
/** Reads heads of files, translates, applies what is pending of the tables that are read; rows come when it runs. */
export const select = async (context: Context, work: JobSpec | Work, information: boolean): Promise<Selected> => {
  if (work.kind === 'load') {
    return { ...(await context.connected((connection) => planLoad(connection, work))), values: {}, types: {} }
  }
  if (work.kind === 'copy') return selectCopied(context, work.sources)
  const { translate, columnsOf, wordStatement } = context.translations
  const spec: Statement & { maximum_bytes_billed?: number } =
    work.kind === 'query'
      ? work
      : {
          ...work.statement,
          ...(work.maximum_bytes_billed === undefined ? {} : { maximum_bytes_billed: work.maximum_bytes_billed }),
        }
  const entry = await translate(spec, information)
  const { translated } = entry
  if (work.kind === 'query') assertSelect(translated)
  else if (translated.kind !== 'query')
    throw new AppError(
      'QUERY_INVALID',
      `Cannot set destination table in jobs with ${translated.kind.toUpperCase()} statements`,
    )
  const columns = await columnsOf(entry)
  const twice = columns.find((column, k) => columns.findIndex((other) => sameName(other, column)) !== k)
  if (twice !== undefined)
    throw new AppError('QUERY_INVALID', `the result has two columns ${twice.name}; give each its own name`)
  await context.applier.applyFor(translated.referenced_tables)
  const bytes = await bytesOf(context, translated.referenced_tables)
  assertBytes(bytes, spec.maximum_bytes_billed)
  return {
    sql: translated.sql,
    ...bound(spec, translated),
    columns,
    bytes,
    reads: translated.referenced_tables,
    explain: wordStatement,
    outcome: { statement_type: 'SELECT', referenced_tables: translated.referenced_tables },
  }
}
