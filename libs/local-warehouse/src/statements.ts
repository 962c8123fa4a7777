/**
 * A statement as a job: SELECT reads, DML and DDL change tables and catalog in the transaction that stores the job. An
 * INSERT of
 * bound JSON rows into a table whose small rows go by the journal goes by it too: the job's id and the rows are one
 * durable entry.
 */
import type { DuckDBConnection } from '@duckdb/node-api'
import { AppError } from '@convergence/contracts'
import type { Row, Statement, TableRef } from '@convergence/warehouse'
import type { Ddl, JsonRows, Translated } from '@convergence/googlesql'
import type { Catalog, StoredTable } from './catalog.ts'
import { takeJsonApart } from './json-rows.ts'
import { wireReader } from './values.ts'
import type { Bound } from './values.ts'
import type { KeptJob, Outcome, StatementWork } from './work.ts'

type Connected = <T>(work: (connection: DuckDBConnection) => Promise<T>) => Promise<T>
type OnConnection = (connection: DuckDBConnection | undefined) => void
interface Around {
  catalog: Catalog
  project_id: string
  now: () => Date
  connected: Connected
  transaction<T>(work: (connection: DuckDBConnection) => Promise<T>, onConnection?: OnConnection): Promise<T>
  locked<T>(key: string, work: () => Promise<T>): Promise<T>
  reading<T>(work: () => Promise<T>): Promise<T>
  applyFor(refs: readonly TableRef[]): Promise<void>
  bound(statement: Statement, translated: Translated): Bound
  wordStatement(error: unknown): Promise<AppError>
  storeJob(connection: DuckDBConnection, job: KeptJob): Promise<void>
  canJournal(dataset: string): boolean
  /** Throws when the table does not take the rows; false when the job's id is taken. */
  writeRows(table: string, rows: readonly Row[], job: KeptJob): Promise<boolean>
}
interface Run {
  keep: boolean
  onConnection: OnConnection
  isCancelled(): boolean
}

/** So few rows are one entry of the journal. */
const rowsOfEntry = 2_000

export const statementRunner = (around: Around) => {
  const { catalog, now, connected, transaction, locked, reading, applyFor, bound, wordStatement, storeJob } = around
  const assertGoingOn = ({ isCancelled }: Run): void => {
    if (isCancelled()) throw new AppError('CANCELLED', 'the job was cancelled')
  }
  const finished = (job: KeptJob, more: Partial<KeptJob>): KeptJob => ({ ...job, ended_ms: now().getTime(), ...more })

  const select = async (
    job: KeptJob,
    { statement, onResult }: StatementWork,
    translated: Translated,
    run: Run,
  ): Promise<KeptJob> => {
    await applyFor(translated.referenced_tables)
    const { values, types } = bound(statement, translated)
    const rows = await reading(() =>
      connected(async (connection) => {
        run.onConnection(connection)
        try {
          assertGoingOn(run)
          const reader = await connection.runAndReadAll(translated.sql, values, types)
          return wireReader(reader.columnTypes())(reader.getColumns())
        } catch (error) {
          throw await wordStatement(error)
        } finally {
          run.onConnection(undefined)
        }
      }),
    )
    const done = finished(job, {
      outcome: { statement_type: 'SELECT', referenced_tables: translated.referenced_tables },
    })
    if (run.keep) await transaction((connection) => storeJob(connection, done))
    onResult?.({ columns: translated.columns, rows })
    return done
  }

  /** Undefined where the statement itself has to run. */
  const journaled = async (
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
      if (!(await around.writeRows(target.table, rows, job))) throw new AppError('ALREADY_EXISTS', `job ${job.job_id}`)
    } catch (error) {
      if (error instanceof AppError && error.code === 'QUERY_INVALID') return undefined
      throw error
    }
    return finished(job, {
      rows_written: rows.length,
      outcome: { statement_type: 'INSERT', referenced_tables: [target], inserted: rows.length, target },
    })
  }

  const dml = async (
    job: KeptJob,
    { statement }: StatementWork,
    translated: Translated,
    target: TableRef,
    run: Run,
  ): Promise<KeptJob> => {
    await applyFor([...translated.referenced_tables, target])
    const { values, types } = bound(statement, translated)
    // A statement of several has the parameters of all; DuckDB wants for each exactly its own.
    const own = (sql: string) => {
      const names = Object.keys(values).filter((name) => new RegExp(`\\$${name}(?![A-Za-z0-9_])`).test(sql))
      return [
        Object.fromEntries(names.map((name) => [name, values[name] ?? null])),
        Object.fromEntries(names.flatMap((name) => (types[name] === undefined ? [] : [[name, types[name]]]))),
      ] as const
    }
    return locked(`${target.dataset}.${target.table}`, () =>
      transaction(async (connection) => {
        assertGoingOn(run)
        try {
          for (const { sql, message } of translated.checks) {
            if ((await connection.runAndReadAll(sql, ...own(sql))).getRows().length > 0)
              throw new AppError('QUERY_INVALID', message)
          }
          const outcome: Outcome = {
            statement_type: translated.statement_type,
            referenced_tables: translated.referenced_tables,
            target,
          }
          let changed = 0
          for (const sql of translated.statements) {
            if (translated.statement_type === 'MERGE') {
              const actions = (await connection.runAndReadAll(`${sql} RETURNING merge_action`, ...own(sql)))
                .getRows()
                .map(([action]) => String(action))
              const count = (what: string) => actions.filter((action) => action === what).length
              Object.assign(outcome, { inserted: count('INSERT'), updated: count('UPDATE'), deleted: count('DELETE') })
              changed += actions.length
            } else {
              changed += (await connection.run(sql, ...own(sql))).rowsChanged
            }
          }
          if (translated.statement_type === 'INSERT') outcome.inserted = changed
          if (translated.statement_type === 'UPDATE') outcome.updated = changed
          if (translated.statement_type === 'DELETE' || translated.statement_type === 'TRUNCATE_TABLE')
            outcome.deleted = changed
          const done = finished(job, { rows_written: changed, outcome })
          if (run.keep) await storeJob(connection, done)
          return done
        } catch (error) {
          if (error instanceof AppError || /conflict/i.test(String(error))) throw error
          throw await wordStatement(error)
        }
      }, run.onConnection),
    )
  }

  const labelsOf = (value: unknown): { labels?: Record<string, string> } =>
    typeof value === 'object' && value !== null ? { labels: value as Record<string, string> } : {}
  const textsOf = ({ options }: Ddl) => ({
    ...(typeof options['description'] === 'string' ? { description: options['description'] } : {}),
    ...(typeof options['friendly_name'] === 'string' ? { friendly_name: options['friendly_name'] } : {}),
    ...labelsOf(options['labels']),
  })
  const assertKept = ({ options }: Ddl): void => {
    for (const name of [
      'partition_expiration_days',
      'require_partition_filter',
      'default_table_expiration_days',
      'default_partition_expiration_days',
    ]) {
      if (options[name] !== undefined && options[name] !== null && options[name] !== false)
        throw new AppError(
          'QUERY_UNSUPPORTED',
          `Option ${name} is not supported by the local warehouse; see docs/LOCAL.md`,
        )
    }
  }
  const expiryOf = ({ options }: Ddl): { expires_ms?: number } => {
    const at = options['expiration_timestamp']
    if (typeof at !== 'string') return {}
    const ms = Date.parse(
      /(Z|UTC|[+-]\d\d(:?\d\d)?)$/i.test(at)
        ? at.replace(/ ?UTC$/i, 'Z')
        : `${at.replace(' ', 'T')}${at.length > 10 ? 'Z' : ''}`,
    )
    if (Number.isNaN(ms)) throw new AppError('QUERY_INVALID', 'expiration_timestamp: expected a timestamp')
    return { expires_ms: ms }
  }

  /** What the statement did, the change itself, and what is true in memory once it is committed. */
  const ddl = async (
    job: KeptJob,
    { statement }: StatementWork,
    translated: Translated,
    plan: Ddl,
    run: Run,
  ): Promise<KeptJob> => {
    assertKept(plan)
    const { dataset, table: name = '' } = plan
    const { values, types } = bound(statement, translated)
    // Small rows that are acknowledged belong to the table as it is, not to one that takes its name.
    await applyFor([
      ...translated.referenced_tables,
      ...(plan.table === undefined ? [] : [{ project_id: plan.project_id, dataset, table: plan.table }]),
    ])
    return locked(`dataset ${dataset}`, () =>
      locked(`${dataset}.${name}`, async () => {
        const at = now().getTime()
        const known = catalog.table(dataset, name)
        const view = catalog.view(dataset, name)
        let operation = plan.operation.startsWith('create')
          ? plan.replace === true && (known !== undefined || view !== undefined)
            ? 'REPLACE'
            : 'CREATE'
          : plan.operation === 'alter_table'
            ? 'ALTER'
            : 'DROP'
        let change: ((connection: DuckDBConnection) => Promise<void>) | undefined
        let afterwards: () => void = () => undefined
        const runStatements = async (connection: DuckDBConnection) => {
          for (const sql of translated.statements) await connection.run(sql, values, types)
        }
        switch (plan.operation) {
          case 'create_table': {
            if (view !== undefined || (known !== undefined && plan.replace !== true && plan.if_not_exists !== true))
              throw new AppError('ALREADY_EXISTS', `Already Exists: Table ${plan.project_id}:${dataset}.${name}`)
            if (known !== undefined && plan.replace !== true) break
            const made: StoredTable = {
              columns: plan.columns ?? [],
              created_ms: at,
              modified_ms: at,
              ...textsOf(plan),
              ...expiryOf(plan),
              ...(plan.time_partitioning === undefined ? {} : { time_partitioning: plan.time_partitioning }),
              ...(plan.clustering_fields === undefined ? {} : { clustering_fields: plan.clustering_fields }),
            }
            change = async (connection) => {
              await runStatements(connection)
              await catalog.putTable(connection, dataset, name, made)
            }
            afterwards = () => {
              catalog.tableIs(dataset, name, made)
            }
            break
          }
          case 'create_view': {
            if (plan.materialized === true)
              throw new AppError(
                'QUERY_UNSUPPORTED',
                'CREATE MATERIALIZED VIEW is not supported by the local warehouse; see docs/LOCAL.md',
              )
            if (known !== undefined || (view !== undefined && plan.replace !== true && plan.if_not_exists !== true))
              throw new AppError('ALREADY_EXISTS', `Already Exists: Table ${plan.project_id}:${dataset}.${name}`)
            if (view !== undefined && plan.replace !== true) break
            const made = { query: plan.view_query ?? '', created_ms: at, modified_ms: at, ...textsOf(plan) }
            change = (connection) => catalog.createView(connection, dataset, name, made)
            afterwards = () => {
              catalog.viewIs(dataset, name, made)
            }
            break
          }
          case 'create_schema': {
            if (catalog.hasDataset(dataset)) {
              if (plan.if_not_exists !== true)
                throw new AppError('ALREADY_EXISTS', `Already Exists: Dataset ${plan.project_id}:${dataset}`)
              break
            }
            const { location } = plan.options
            const made = {
              labels: {},
              created_ms: at,
              modified_ms: at,
              ...textsOf(plan),
              ...(typeof location === 'string' ? { location } : {}),
            }
            change = (connection) => catalog.createDataset(connection, dataset, made)
            afterwards = () => {
              catalog.datasetIs(dataset, made)
            }
            break
          }
          case 'drop_table':
            if (known === undefined) break
            change = (connection) => catalog.dropTable(connection, dataset, name)
            afterwards = () => {
              catalog.tableIs(dataset, name, undefined)
            }
            break
          case 'drop_view':
            if (view === undefined) break
            change = (connection) => catalog.dropView(connection, dataset, name)
            afterwards = () => {
              catalog.viewIs(dataset, name, undefined)
            }
            break
          case 'drop_schema':
            if (!catalog.hasDataset(dataset)) break
            if (plan.cascade !== true && catalog.tables(dataset).size + catalog.views(dataset).size > 0)
              throw new AppError('CONFLICT', `Dataset ${plan.project_id}:${dataset} is still in use`)
            change = (connection) => catalog.dropDataset(connection, dataset)
            afterwards = () => {
              catalog.datasetIs(dataset, undefined)
            }
            break
          case 'alter_table': {
            if (known === undefined) break
            const dropped = new Set((plan.dropped_columns ?? []).map((column) => column.toLowerCase()))
            const made = {
              ...known,
              columns: [
                ...known.columns.filter((column) => !dropped.has(column.name.toLowerCase())),
                ...(plan.columns ?? []),
              ],
              modified_ms: at,
              ...textsOf(plan),
              ...expiryOf(plan),
            }
            change = async (connection) => {
              await runStatements(connection)
              await catalog.putTable(connection, dataset, name, made)
            }
            afterwards = () => {
              catalog.tableIs(dataset, name, made)
            }
            break
          }
        }
        if (change === undefined) operation = 'SKIP'
        const done = finished(job, {
          outcome: {
            statement_type: translated.statement_type,
            referenced_tables: translated.referenced_tables,
            ddl_operation: operation,
            ...(translated.target === undefined ? {} : { target: translated.target }),
          },
        })
        await transaction(async (connection) => {
          assertGoingOn(run)
          try {
            await change?.(connection)
          } catch (error) {
            if (error instanceof AppError || /conflict/i.test(String(error))) throw error
            throw await wordStatement(error)
          }
          if (run.keep) await storeJob(connection, done)
        }, run.onConnection)
        afterwards()
        return done
      }),
    )
  }

  return async (job: KeptJob, work: StatementWork, translated: Translated, run: Run): Promise<KeptJob> => {
    if (translated.kind === 'query') return select(job, work, translated, run)
    if (translated.kind === 'ddl') {
      if (translated.ddl === undefined)
        throw new AppError(
          'QUERY_UNSUPPORTED',
          `${translated.statement_type} is not supported by the local warehouse; see docs/LOCAL.md`,
        )
      return ddl(job, work, translated, translated.ddl, run)
    }
    const { target, json_rows } = translated
    if (target === undefined)
      throw new AppError(
        'QUERY_UNSUPPORTED',
        `${translated.statement_type} is not supported by the local warehouse; see docs/LOCAL.md`,
      )
    if (json_rows !== undefined && around.canJournal(target.dataset)) {
      const done = await journaled(job, work, json_rows, target)
      if (done !== undefined) return done
    }
    return dml(job, work, translated, target, run)
  }
}
