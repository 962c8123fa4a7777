/**
 * Statements of GoogleSQL as DuckDB runs them, remembered while the catalog stays as it is. GoogleSQL is loaded with
 * the first statement, so that its weight is paid where it is used.
 */
import { AppError } from '@convergence/contracts'
import type { Column } from '@convergence/contracts'
import type { Statement, TableRef } from '@convergence/warehouse'
import type * as googlesql from '@convergence/googlesql'
import { wordFault } from '../faults.ts'
import { bind } from '../values.ts'
import type { Bound } from '../values.ts'
import type { Store } from './store.ts'

type Translator = typeof googlesql
export type Translated = ReturnType<Translator['translate']>
export interface Translation {
  translated: Translated
  /** The catalog's. */
  version: number
  /** Of a query that DuckDB agreed to. */
  columns?: readonly Column[]
}
export interface Translations {
  /** `information`: INFORMATION_SCHEMA is there too. */
  translate(statement: Statement, information?: boolean): Promise<Translation>
  /** A fault of a statement: of ours, or of DuckDB in BigQuery's words. */
  wordStatement(error: unknown): Promise<AppError>
  /** What comes out of a query, once DuckDB has agreed to it. */
  columnsOf(translation: Translation): Promise<readonly Column[]>
}

const translationsKept = 2_000

export const openTranslations = ({ catalog, control, connected }: Store): Translations => {
  let loading: Promise<Translator> | undefined
  const translator = (): Promise<Translator> =>
    (loading ??= (async () => {
      const module = await import('@convergence/googlesql')
      for (const sql of module.setupSql) await control.run(sql)
      return module
    })())
  const known = new Map<string, Translation>()
  const translate = async (statement: Statement, information = false): Promise<Translation> => {
    const parameters = (statement.parameters ?? []).map(({ name, type }) => ({ name, type }))
    const key = JSON.stringify([statement.default_dataset, statement.query, parameters, information])
    const before = known.get(key)
    if (before !== undefined && before.version === catalog.version()) return before
    const { translate: toDuckdb } = await translator()
    const made: Translation = {
      version: catalog.version(),
      translated: toDuckdb(statement.query, {
        catalog: catalog.forStatements(statement.default_dataset, information),
        parameters,
      }),
    }
    if (known.size >= translationsKept) known.clear()
    known.set(key, made)
    return made
  }
  /** A fault of a statement: of ours, or of DuckDB in BigQuery's words. */
  const wordStatement = async (error: unknown): Promise<AppError> => {
    const fault = wordFault(error)
    return fault.code === 'QUERY_INVALID' && fault !== error
      ? ((await translator()).engineError(error) ?? fault)
      : fault
  }
  /** What comes out of a query, once DuckDB has agreed to it. */
  const columnsOf = async (entry: Translation): Promise<readonly Column[]> =>
    (entry.columns ??= await connected(async (connection) => {
      try {
        const prepared = await connection.prepare(entry.translated.sql)
        prepared.destroySync()
        return entry.translated.columns
      } catch (error) {
        throw await wordStatement(error)
      }
    }))
  return { translate, wordStatement, columnsOf }
}

/** The statement's parameters, as DuckDB takes them. */
export const bound = (statement: Statement, { parameters }: Translated): Bound =>
  bind((statement.parameters ?? []).filter(({ name }) => parameters.includes(name)))

/** An estimate: eight bytes a value of every table that is read. */
export const bytesOf = async ({ catalog, connected }: Store, refs: readonly TableRef[]): Promise<number> => {
  // Counting a table reads its row groups' heads alone; what duckdb_tables() tells is gathered from every table there
  // is.
  const known = refs.flatMap(({ dataset, table }) => {
    const stored = catalog.table(dataset, table)
    return stored === undefined
      ? []
      : [`SELECT count(*) * ${stored.columns.length * 8} AS n FROM ${catalog.path(dataset, table)}`]
  })
  if (known.length === 0) return 0
  return connected(async (connection) =>
    Number(
      (
        await connection.runAndReadAll(
          `SELECT CAST(sum(n) AS BIGINT) FROM (${[...new Set(known)].join(' UNION ALL ')})`,
        )
      ).getRows()[0]?.[0] ?? 0,
    ),
  )
}
/** Throws QUERY_INVALID. */
export const assertSelect = (translated: Translated): void => {
  if (translated.kind !== 'query')
    throw new AppError(
      'QUERY_INVALID',
      `expected one SELECT statement, got ${translated.statement_type}; tables are written by jobs`,
    )
}

/** Throws QUERY_INVALID when more would be read than is allowed. */
export const assertBytes = (bytes: number, limit: number | undefined): void => {
  if (limit !== undefined && bytes > limit)
    throw new AppError('QUERY_INVALID', `Query exceeded limit for bytes billed: ${limit}. ${bytes} or higher required.`)
}
