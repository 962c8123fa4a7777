/**
 * A statement as a job: SELECT reads, DML and DDL change tables and catalog in the transaction that stores the job. An
 * INSERT of bound JSON rows into a table whose small rows go by the journal goes by it too: the job's id and the rows
 * are one durable entry.
 */
import type { DuckDBConnection } from '@duckdb/node-api'
import { AppError } from '@convergence/contracts'
import type { TableRef } from '@convergence/warehouse'
import type { JsonRows, Translated } from '@convergence/googlesql'
import { takeJsonApart } from '../json-rows.ts'
import { wireReader } from '../values.ts'
import type { Bound } from '../values.ts'
import type { KeptJob, Outcome, StatementWork } from '../work.ts'
import type { Context } from './context.ts'
import { runDdl } from './ddl.ts'
import { storeJob } from './job-store.ts'
import { assertJournalRows, journalDataset, textOfRows } from './journal-rows.ts'
import { assertGoingOn, finished } from './run.ts'
import type { Run } from './run.ts'
import { bound } from './translations.ts'

/** So few rows are one entry of the journal. */
const rowsOfEntry = 2_000

const select = async (
  context: Context,
  job: KeptJob,
  { statement, onResult }: StatementWork,
  translated: Translated,
  run: Run,
): Promise<KeptJob> => {
  const { connected, reading, transaction, translations } = context
  await context.applier.applyFor(translated.referenced_tables)
  const { values, types } = bound(statement, translated)
  const rows = await reading(() =>
    connected(async (connection) => {
      run.onConnection(connection)
      try {
        assertGoingOn(run)
        const reader = await connection.runAndReadAll(translated.sql, values, types)
        return wireReader(reader.columnTypes())(reader.getColumns())
      } catch (error) {
        throw await translations.wordStatement(error)
      } finally {
        run.onConnection(undefined)
      }
    }),
  )
  const done = finished(context, job, {
    outcome: { statement_type: 'SELECT', referenced_tables: translated.referenced_tables },
  })
  if (run.keep) await transaction((connection) => storeJob(context, connection, done))
  onResult?.({ columns: translated.columns, rows })
  return done
}

/** Undefined where the statement itself has to run. */
const journaled = async (
  context: Context,
  job: KeptJob,
  { statement }: StatementWork,
  parts: JsonRows,
  target: TableRef,
): Promise<KeptJob | undefined> => {
  const rows = takeJsonApart(
    parts,
    statement.parameters?.find(({ name }) => name.toLowerCase() === parts.parameter.toLowerCase())?.value,
  )
  if (rows === undefined || rows.length === 0 || rows.length > rowsOfEntry) return undefined
  try {
    assertJournalRows(context, target.table, rows)
    const written = await context.journal.write(target.table, textOfRows(rows), rows.length, {
      job_id: job.job_id,
      labels: JSON.stringify(job.labels),
      rows_written: rows.length,
      created_ms: context.now().getTime(),
    })
    if (!written) throw new AppError('ALREADY_EXISTS', `job ${job.job_id}`)
  } catch (error) {
    if (error instanceof AppError && error.code === 'QUERY_INVALID') return undefined
    throw error
  }
  return finished(context, job, {
    rows_written: rows.length,
    outcome: { statement_type: 'INSERT', referenced_tables: [target], inserted: rows.length, target },
  })
}

/** A statement of several has the parameters of all; DuckDB wants for each exactly its own. */
const parametersOf = ({ values, types }: Bound, sql: string) => {
  const names = Object.keys(values).filter((name) => new RegExp(`\\$${name}(?![A-Za-z0-9_])`).test(sql))
  return [
    Object.fromEntries(names.map((name) => [name, values[name] ?? null])),
    Object.fromEntries(names.flatMap((name) => (types[name] === undefined ? [] : [[name, types[name]]]))),
  ] as const
}
/** Runs the statement's parts; how many rows changed, and how. */
const changeRows = async (
  connection: DuckDBConnection,
  translated: Translated,
  parameters: Bound,
): Promise<{ changed: number; counts: Pick<Outcome, 'inserted' | 'updated' | 'deleted'> }> => {
  for (const { sql, message } of translated.checks) {
    if ((await connection.runAndReadAll(sql, ...parametersOf(parameters, sql))).getRows().length > 0)
      throw new AppError('QUERY_INVALID', message)
  }
  let changed = 0
  const counts: Pick<Outcome, 'inserted' | 'updated' | 'deleted'> = {}
  for (const sql of translated.statements) {
    if (translated.statement_type === 'MERGE') {
      const actions = (
        await connection.runAndReadAll(`${sql} RETURNING merge_action`, ...parametersOf(parameters, sql))
      )
        .getRows()
        .map(([action]) => String(action))
      const count = (what: string) => actions.filter((action) => action === what).length
      Object.assign(counts, { inserted: count('INSERT'), updated: count('UPDATE'), deleted: count('DELETE') })
      changed += actions.length
    } else changed += (await connection.run(sql, ...parametersOf(parameters, sql))).rowsChanged
  }
  if (translated.statement_type === 'INSERT') counts.inserted = changed
  if (translated.statement_type === 'UPDATE') counts.updated = changed
  if (translated.statement_type === 'DELETE' || translated.statement_type === 'TRUNCATE_TABLE') counts.deleted = changed
  return { changed, counts }
}
/** Columns without a value cannot be written: those that a statement names, though it may only read them, become so. */
const fillNamed = async (
  { catalog }: Pick<Context, 'catalog'>,
  connection: DuckDBConnection,
  { statement_type, statements }: Translated,
  { dataset, table }: Pick<TableRef, 'dataset' | 'table'>,
): Promise<void> => {
  if (statement_type === 'DELETE' || statement_type === 'TRUNCATE_TABLE') return
  const text = statements.join('\n').toLowerCase()
  const named = catalog.table(dataset, table)?.columns.filter(({ name }) => text.includes(name.toLowerCase()))
  await catalog.fill(connection, dataset, table, named ?? [])
}
const dml = async (
  context: Context,
  job: KeptJob,
  { statement }: StatementWork,
  translated: Translated,
  target: TableRef,
  run: Run,
): Promise<KeptJob> => {
  await context.applier.applyFor([...translated.referenced_tables, target])
  const parameters = bound(statement, translated)
  return context.locked(`${target.dataset}.${target.table}`, () =>
    context.transaction(async (connection) => {
      assertGoingOn(run)
      try {
        await fillNamed(context, connection, translated, target)
        const { changed, counts } = await changeRows(connection, translated, parameters)
        const done = finished(context, job, {
          rows_written: changed,
          outcome: {
            statement_type: translated.statement_type,
            referenced_tables: translated.referenced_tables,
            target,
            ...counts,
          },
        })
        if (run.keep) await storeJob(context, connection, done)
        return done
      } catch (error) {
        if (error instanceof AppError || /conflict/i.test(String(error))) throw error
        throw await context.translations.wordStatement(error)
      }
    }, run.onConnection),
  )
}

export const runStatement = async (
  context: Context,
  job: KeptJob,
  work: StatementWork,
  translated: Translated,
  run: Run,
): Promise<KeptJob> => {
  if (translated.kind === 'query') return select(context, job, work, translated, run)
  if (translated.kind === 'ddl') {
    if (translated.ddl === undefined)
      throw new AppError(
        'QUERY_UNSUPPORTED',
        `${translated.statement_type} is not supported by the local warehouse; see docs/LOCAL.md`,
      )
    return runDdl(context, job, work, translated, translated.ddl, run)
  }
  const { target, json_rows } = translated
  if (target === undefined)
    throw new AppError(
      'QUERY_UNSUPPORTED',
      `${translated.statement_type} is not supported by the local warehouse; see docs/LOCAL.md`,
    )
  if (json_rows !== undefined && target.dataset === journalDataset) {
    const done = await journaled(context, job, work, json_rows, target)
    if (done !== undefined) return done
  }
  return dml(context, job, work, translated, target, run)
}
