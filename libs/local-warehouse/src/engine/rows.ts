/** Rows out and in, without a job: queries, pages of a table, small inserts. */
import type { DuckDBConnection } from '@duckdb/node-api'
import { assertRows } from '@convergence/tabular/values'
import type { Row, Statement } from '@convergence/warehouse'
import { fits, quoted, rowReader, rowsFromJson, wireReader } from '../values.ts'
import type { Engine } from '../work.ts'
import { changed, dropExpired } from './changes.ts'
import { assertOpen, tableOf } from './context.ts'
import type { Context } from './context.ts'
import { assertJournalRows, journalDataset, textOfRows } from './journal-rows.ts'
import { assertSelect, bound, bytesOf } from './translations.ts'

type QueryOptions = NonNullable<Parameters<Engine['query']>[1]>
type PagesOptions = NonNullable<Parameters<Engine['pages']>[1]>
type DryRun = Awaited<ReturnType<Engine['dryRun']>>

/** A SELECT ready to run, with what was acknowledged of its tables applied. */
const prepared = async (context: Context, statement: Statement) => {
  assertOpen(context)
  const { translated } = await context.translations.translate(statement)
  assertSelect(translated)
  const parameters = bound(statement, translated)
  await context.applier.applyFor(translated.referenced_tables)
  return { sql: translated.sql, ...parameters }
}

export const query = async (
  context: Context,
  statement: Statement,
  { signal, max_rows }: QueryOptions = {},
): Promise<Row[]> => {
  signal?.throwIfAborted()
  const { sql, values, types } = await prepared(context, statement)
  return context.reading(() =>
    context.connected(async (connection) => {
      signal?.throwIfAborted()
      const onAbort = () => {
        connection.interrupt()
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      try {
        const reader = await connection.runAndReadAll(sql, values, types)
        const rows = rowReader(reader.columnNames(), reader.columnTypes())(reader.getColumns())
        return max_rows === undefined ? rows : rows.slice(0, max_rows)
      } catch (error) {
        if (signal?.aborted === true) throw signal.reason
        throw await context.translations.wordStatement(error)
      } finally {
        signal?.removeEventListener('abort', onAbort)
      }
    }),
  )
}

/** Lends a connection for as long as a loop takes: it is given back by `free`. */
const lend = async ({ streaming, connected }: Context) => {
  let free: () => void = () => undefined
  const freed = new Promise<void>((resolve) => {
    free = resolve
  })
  const connection = await new Promise<DuckDBConnection>((resolve, reject) => {
    streaming(() =>
      connected(async (lent) => {
        resolve(lent)
        await freed
      }),
    ).catch(reject)
  })
  return { connection, free }
}

/** Rows as DuckDB makes them: it waits while nobody takes them, and holds the tables as they were at the start. */
export const pages = async function* (
  context: Context,
  statement: Statement,
  { signal, page_rows = 10_000 }: PagesOptions = {},
): AsyncGenerator<Row[]> {
  signal?.throwIfAborted()
  const { sql, values, types } = await prepared(context, statement)
  const { connection, free } = await lend(context)
  const onAbort = () => {
    connection.interrupt()
  }
  signal?.addEventListener('abort', onAbort, { once: true })
  let isRead = false
  try {
    const result = await connection.stream(sql, values, types)
    const read = rowReader(result.columnNames(), result.columnTypes())
    let page: Row[] = []
    for (;;) {
      const chunk = await result.fetchChunk()
      if (chunk === null || chunk.rowCount === 0) break
      for (const row of read(chunk.getColumns())) page.push(row)
      for (; page.length >= page_rows; page = page.slice(page_rows)) yield page.slice(0, page_rows)
      signal?.throwIfAborted()
      assertOpen(context)
    }
    isRead = true
    if (page.length > 0) yield page
  } catch (error) {
    if (signal?.aborted === true) throw signal.reason
    throw await context.translations.wordStatement(error)
  } finally {
    signal?.removeEventListener('abort', onAbort)
    // The next statement of a connection ends what the one before has open.
    if (!isRead) await connection.run('SELECT 1').catch(() => undefined)
    free()
  }
}

export const dryRun = async (context: Context, statement: Statement): Promise<DryRun> => {
  assertOpen(context)
  const entry = await context.translations.translate(statement)
  const { translated } = entry
  return {
    statement_type: translated.statement_type,
    referenced_tables: translated.referenced_tables,
    bytes_processed: await bytesOf(context, translated.referenced_tables),
    columns: translated.kind === 'query' ? await context.translations.columnsOf(entry) : [],
  }
}

export const plan = async (context: Context, statement: Statement): ReturnType<Engine['plan']> => {
  assertOpen(context)
  const entry = await context.translations.translate(statement, true)
  const { translated } = entry
  return {
    statement_type: translated.statement_type,
    referenced_tables: translated.referenced_tables,
    columns: translated.kind === 'query' ? await context.translations.columnsOf(entry) : [],
    bytes: await bytesOf(context, translated.referenced_tables),
    ...(translated.target === undefined ? {} : { target: translated.target }),
  }
}

export const read = async (
  context: Context,
  dataset: string,
  name: string,
  { offset, limit, fields }: { offset: number; limit: number; fields?: readonly string[] },
): ReturnType<Engine['read']> => {
  assertOpen(context)
  await dropExpired(context, dataset)
  const table = tableOf(context, dataset, name)
  await context.applier.applyFor([{ project_id: context.project_id, dataset, table: name }])
  const columns =
    fields === undefined
      ? table.columns
      : table.columns.filter((column) => fields.some((field) => field.toLowerCase() === column.name.toLowerCase()))
  const path = context.catalog.path(dataset, name)
  return context.reading(() =>
    context.connected(async (connection) => {
      const [count] = (await connection.runAndReadAll(`SELECT count(*) FROM ${path}`)).getRows()
      const total = Number(count?.[0] ?? 0)
      if (limit <= 0 || offset >= total || columns.length === 0) return { columns, rows: [], total }
      const reader = await connection.runAndReadAll(
        `SELECT ${columns.map((column) => quoted(column.name)).join(', ')} FROM ${path} ` +
          `ORDER BY rowid LIMIT ${Math.floor(limit)} OFFSET ${Math.floor(offset)}`,
      )
      return { columns, rows: wireReader(reader.columnTypes())(reader.getColumns()), total }
    }),
  )
}

/** Small rows, durable once it resolves. */
export const append = async (context: Context, table: string, rows: readonly Row[]): Promise<void> => {
  assertOpen(context)
  if (rows.length === 0) return
  assertJournalRows(context, table, rows)
  await context.journal.write(table, textOfRows(rows), rows.length)
}

export const insertRows = async (
  context: Context,
  dataset: string,
  name: string,
  rows: readonly Row[],
): Promise<void> => {
  assertOpen(context)
  if (rows.length === 0) return
  const table = tableOf(context, dataset, name)
  if (dataset === journalDataset) return append(context, name, rows)
  assertRows(name, table.columns, rows, fits)
  await context.locked(`${dataset}.${name}`, () =>
    changed(context, async (connection) => {
      await context.catalog.fill(connection, dataset, name, table.columns)
      await connection.run(
        `INSERT INTO ${context.catalog.path(dataset, name)} ` +
          `(${table.columns.map((column) => quoted(column.name)).join(', ')}) ${rowsFromJson(table.columns)}`,
        [`[${textOfRows(rows)}]`],
      )
    }).catch(async (error: unknown) => {
      throw await context.translations.wordStatement(error)
    }),
  )
}
