/**
 * BigQuery in one process, on DuckDB: catalog = project, schema = dataset. A job's row and its effect are one
 * transaction, so a kill
 * leaves both or neither; a job that was running is then simply not there, and the same id is inserted again. Small
 * rows are answered by
 * the journal and reach DuckDB in batches, the journal's position in the same transaction; a query first applies what
 * was acknowledged
 * of the tables that it reads. GoogleSQL is translated when it is used, so its weight loads with the first statement.
 */
import { randomUUID } from 'node:crypto'
import { chmodSync, mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { DuckDBInstance } from '@duckdb/node-api'
import type { DuckDBConnection, DuckDBValue } from '@duckdb/node-api'
import { AppError, errorTable } from '@convergence/contracts'
import type { Column } from '@convergence/contracts'
import type { Job, JobFault, JobSpec, Row, RowsSpec, Statement, TableRef } from '@convergence/warehouse'
import type * as googlesql from '@convergence/googlesql'
import { openCatalog } from './catalog.ts'
import type { Catalog, StoredTable } from './catalog.ts'
import { isConflict, isInterrupt, raise, wordFault } from './faults.ts'
import { openJournal } from './journal.ts'
import type { Entry } from './journal.ts'
import { planLoad } from './load.ts'
import { parquetColumns } from './load/parquet.ts'
import { statementRunner } from './statements.ts'
import { assertRows, bind, literal, quoted, rowReader, rowsFromJson, typeOf, wireReader } from './values.ts'
import type { Described, Engine, KeptJob, Outcome, Work, WorkDestination } from './work.ts'

export type { Engine } from './work.ts'

export interface EngineOptions {
  /**
   * warehouse.duckdb and journal.db are in it, and `scratch/`, the only folder that loads may read. Made if it is
   * missing.
   */
  folder: string
  project_id: string
  /** Of datasets made from now on; without it none is kept, and the front says EU. */
  location?: string
  now?: () => Date
  /** What DuckDB may use before it spills to disk; default 1GB. */
  memory_limit?: string
  /** Told of rows that were acknowledged and that DuckDB does not take: they are kept aside, and somebody must look. */
  log?: { error(fields: object, message: string): void }
}

/** Ids of jobs are remembered for so long. */
const jobsKeptMs = 180 * 86_400_000
/** Pending entries that are applied without waiting, and how long fewer of them wait. */
const manyEntries = 10_000
const applyAfterMs = 1_000
const entriesOfOneApply = 20_000
const rowsOfOneInsert = 4_000
const readersAtOnce = 3
const jobsAtOnce = 2
const mostTries = 6
const translationsKept = 2_000
const jobsInMemory = 2_000
const journalDataset = 'tenants'

/** At most so many at a time; the others wait in order. */
const gate = (slots: number) => {
  let free = slots
  const queue: (() => void)[] = []
  return async <T>(work: () => Promise<T>): Promise<T> => {
    if (free > 0) free -= 1
    else
      await new Promise<void>((go) => {
        queue.push(go)
      })
    try {
      return await work()
    } finally {
      const next = queue.shift()
      if (next === undefined) free += 1
      else next()
    }
  }
}
/** One at a time for each key. */
const locks = () => {
  const last = new Map<string, Promise<void>>()
  return async <T>(key: string, work: () => Promise<T>): Promise<T> => {
    const before = last.get(key)
    const mine = (before ?? Promise.resolve()).then(work)
    const settled = mine.then(
      () => undefined,
      () => undefined,
    )
    last.set(key, settled)
    try {
      return await mine
    } finally {
      if (last.get(key) === settled) last.delete(key)
    }
  }
}

/** A job's work, with what the door's own jobs leave out. */
type Task = {
  work: JobSpec | Work
  labels: Readonly<Record<string, string>>
  detail?: unknown
  keep: boolean
  information: boolean
}
interface Running {
  task: Task
  started_ms: number
  taken: Promise<boolean>
  done: Promise<Job>
  connection: DuckDBConnection | undefined
  cancelled: boolean
}
interface Selected {
  sql: string
  values: Record<string, DuckDBValue>
  types: ReturnType<typeof bind>['types']
  columns: readonly Column[]
  bytes: number
  verify?(): Promise<void>
  explain(error: unknown): Promise<AppError>
  outcome?: Outcome
}

/**
 * Opens the warehouse of a folder, which this process then owns; whoever comes second is told in one sentence. Throws
 * SETTING_INVALID or
 * DISK_FULL.
 */
export const openEngine = async ({
  folder: given,
  project_id,
  location,
  now = () => new Date(),
  memory_limit = '1GB',
  log,
}: EngineOptions): Promise<Engine> => {
  const folder = resolve(given)
  const scratch = join(folder, 'scratch')
  const spill = join(folder, 'spill')
  try {
    for (const path of [folder, scratch, spill]) mkdirSync(path, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw new AppError(
      'SETTING_INVALID',
      `${folder}: cannot be made or written (${error instanceof Error && 'code' in error ? String(error.code) : 'unknown'}); expected a folder of this user with space left`,
      { cause: error },
    )
  }
  // The journal's lock is the engine's: it holds against other processes and against this one, where two instances on
  // one file lose data.
  const lastPosition = new Map<string, number>()
  const journal = await openJournal(join(folder, 'journal.db'), now().getTime() - jobsKeptMs, (entries) => {
    onDurable(entries)
  })
  const project = quoted(project_id)
  const file = join(folder, 'warehouse.duckdb')
  let instance: DuckDBInstance
  let control: DuckDBConnection
  let catalog: Catalog
  let appliedPosition = 0
  try {
    instance = await DuckDBInstance.fromCache(`:memory:${randomUUID()}`)
    control = await instance.connect()
    for (const sql of [
      `SET GLOBAL TimeZone='UTC'`,
      `SET memory_limit=${literal(memory_limit)}`,
      `SET temp_directory=${literal(spill)}`,
      'SET preserve_insertion_order=false',
      `ATTACH ${literal(file)} AS ${project}`,
      // Tenants write SQL: without these a statement could read the host.
      'SET autoinstall_known_extensions=false',
      'SET autoload_known_extensions=false',
      `SET allowed_directories=[${literal(scratch)}, ${literal(spill)}]`,
      'SET enable_external_access=false',
      'SET lock_configuration=true',
    ])
      await control.run(sql)
    chmodSync(file, 0o600)
    catalog = await openCatalog(control, project_id)
    await control.run(
      `CREATE TABLE IF NOT EXISTS ${catalog.reserved('jobs')} (job_id VARCHAR PRIMARY KEY, labels VARCHAR NOT NULL, error VARCHAR, rows_written BIGINT NOT NULL, bytes_processed BIGINT NOT NULL, ended_at TIMESTAMPTZ NOT NULL)`,
    )
    await control.run(`ALTER TABLE ${catalog.reserved('jobs')} ADD COLUMN IF NOT EXISTS detail VARCHAR`)
    await control.run(`CREATE TABLE IF NOT EXISTS ${catalog.reserved('journal')} (position BIGINT NOT NULL)`)
    await control.run(
      `CREATE TABLE IF NOT EXISTS ${catalog.reserved('refused')} (position BIGINT, table_name VARCHAR, row_texts VARCHAR, fault VARCHAR)`,
    )
    await control.run(
      `INSERT INTO ${catalog.reserved('journal')} SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM ${catalog.reserved('journal')})`,
    )
    await control.run(
      `DELETE FROM ${catalog.reserved('jobs')} WHERE ended_at < CAST(${literal(new Date(now().getTime() - jobsKeptMs).toISOString())} AS TIMESTAMPTZ)`,
    )
    appliedPosition = Number(
      (await control.runAndReadAll(`SELECT max(position) FROM ${catalog.reserved('journal')}`)).getRows()[0]?.[0] ?? 0,
    )
    journal.applied(appliedPosition)
    for (const { table, position } of journal.pending) lastPosition.set(table, position)
  } catch (error) {
    await journal.close()
    const text = error instanceof Error ? error.message : String(error)
    if (/set lock/i.test(text))
      throw new AppError(
        'SETTING_INVALID',
        `${file} is in use by ${/PID (\d+)/.exec(text)?.[1] === undefined ? 'another process' : `process ${/PID (\d+)/.exec(text)?.[1] ?? ''}`}: stop that one, or give this one another data folder`,
        { cause: error },
      )
    if (wordFault(error).code === 'DISK_FULL') throw wordFault(error)
    throw new AppError(
      'SETTING_INVALID',
      `${file} cannot be opened: expected a warehouse, or none yet, in a folder where this user may write`,
      { cause: error },
    )
  }

  // ---- connections and transactions

  const idle: DuckDBConnection[] = []
  const connected = async <T>(work: (connection: DuckDBConnection) => Promise<T>): Promise<T> => {
    const connection = idle.pop() ?? (await instance.connect())
    try {
      return await work(connection)
    } finally {
      idle.push(connection)
    }
  }
  const reading = gate(readersAtOnce)
  const working = gate(jobsAtOnce)
  const locked = locks()
  let closing: Promise<void> | undefined
  const assertOpen = () => {
    if (closing !== undefined) throw new AppError('UNAVAILABLE', 'the warehouse is closing')
  }

  /** All of it or nothing; a conflict with another transaction is tried again, for nothing waits in DuckDB. */
  const transaction = async <T>(
    work: (connection: DuckDBConnection) => Promise<T>,
    onConnection?: (connection: DuckDBConnection | undefined) => void,
  ): Promise<T> => {
    for (let k = 1; ; k++) {
      try {
        return await connected(async (connection) => {
          try {
            await connection.run('BEGIN TRANSACTION')
            // Only the work may be interrupted: a transaction that could not end would be the next one's.
            onConnection?.(connection)
            const result = await work(connection).finally(() => {
              onConnection?.(undefined)
            })
            await connection.run('COMMIT')
            return result
          } catch (error) {
            await connection.run('ROLLBACK').catch(() => undefined)
            throw error
          }
        })
      } catch (error) {
        if (!isConflict(error) || k >= mostTries) throw error
        await pause(k * k * 5 * (0.5 + Math.random()))
      }
    }
  }

  // ---- journal into DuckDB

  let applying: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined
  let applyFault: unknown
  const onDurable = (entries: readonly Entry[]) => {
    for (const { table, position } of entries) lastPosition.set(table, position)
    if (closing !== undefined) return
    if (journal.pending.length >= manyEntries) applyInBackground()
    else timer ??= setTimeout(applyInBackground, applyAfterMs)
  }
  const applyInBackground = () => {
    clearTimeout(timer)
    timer = undefined
    if (journal.pending.length === 0 || closing !== undefined) return
    applyOnce().then(
      () => {
        if (journal.pending.length > 0 && closing === undefined)
          timer ??= setTimeout(applyInBackground, journal.pending.length >= manyEntries ? 0 : applyAfterMs)
      },
      () => {
        // The rows are durable where they are; the next query or the next round tries again, and `healthy` tells.
        timer ??= setTimeout(applyInBackground, applyAfterMs * 5)
      },
    )
  }
  const insertEntries = async (connection: DuckDBConnection, entries: readonly Entry[]): Promise<void> => {
    const byTable = new Map<string, Entry[]>()
    for (const entry of entries) {
      const own = byTable.get(entry.table)
      if (own === undefined) byTable.set(entry.table, [entry])
      else own.push(entry)
    }
    for (const [name, own] of byTable) {
      const table = catalog.table(journalDataset, name)
      // Dropped since: its rows went with it.
      if (table === undefined) continue
      const insert = `INSERT INTO ${catalog.path(journalDataset, name)} (${table.columns.map((column) => quoted(column.name)).join(', ')}) ${rowsFromJson(table.columns)}`
      for (let from = 0; from < own.length;) {
        let [to, rows] = [from, 0]
        while (to < own.length && (rows === 0 || rows + (own[to]?.count ?? 0) <= rowsOfOneInsert)) {
          rows += own[to]?.count ?? 0
          to += 1
        }
        await connection.run(insert, [
          `[${own
            .slice(from, to)
            .map(({ rows: texts }) => texts)
            .join(',')}]`,
        ])
        from = to
      }
    }
  }
  const applyBatch = async (
    entries: readonly Entry[],
    insert: (connection: DuckDBConnection) => Promise<void>,
  ): Promise<void> => {
    const last = entries.at(-1)
    if (last === undefined) return
    await transaction(async (connection) => {
      await insert(connection)
      await connection.run(`UPDATE ${catalog.reserved('journal')} SET position = ${last.position}`)
    })
    appliedPosition = last.position
    journal.applied(last.position)
  }
  const applyOnce = (): Promise<void> =>
    (applying ??= locked(`dataset ${journalDataset}`, async () => {
      const batch = journal.pending.slice(0, entriesOfOneApply)
      try {
        await applyBatch(batch, (connection) => insertEntries(connection, batch))
      } catch (error) {
        if (wordFault(error).code !== 'QUERY_INVALID') throw error
        // One row that DuckDB does not take must not hold up the others: it is kept aside, with the reason.
        for (const entry of batch) {
          await applyBatch([entry], (connection) => insertEntries(connection, [entry])).catch(
            async (fault: unknown) => {
              if (wordFault(fault).code !== 'QUERY_INVALID') throw fault
              await applyBatch([entry], async (connection) => {
                log?.error(
                  { table: entry.table, position: entry.position, fault: wordFault(fault).message },
                  'rows kept aside in _convergence.refused',
                )
                await connection.run(`INSERT INTO ${catalog.reserved('refused')} VALUES ($1, $2, $3, $4)`, [
                  BigInt(entry.position),
                  entry.table,
                  entry.rows,
                  wordFault(fault).message,
                ])
              })
            },
          )
        }
      }
    })
      .then(
        () => {
          applyFault = undefined
        },
        (error: unknown) => {
          applyFault = error
          throw wordFault(error)
        },
      )
      .finally(() => {
        applying = undefined
      }))
  /** Until everything is in DuckDB that is acknowledged now. */
  const applyThrough = async (position: number): Promise<void> => {
    while (appliedPosition < position && journal.pending.length > 0) await applyOnce()
  }
  const applyFor = (refs: readonly TableRef[]): Promise<void> =>
    applyThrough(
      Math.max(
        0,
        ...refs.map(({ dataset, table }) => (dataset === journalDataset ? (lastPosition.get(table) ?? 0) : 0)),
      ),
    )
  const journalTable = (table: string, rows: readonly Row[]): void => {
    const spec = catalog.table(journalDataset, table)
    if (spec === undefined)
      throw new AppError(
        'TABLE_NOT_FOUND',
        `${project_id}.${journalDataset}.${table} does not exist; the bootstrap pipeline makes the central tables`,
      )
    assertRows(table, spec.columns, rows)
  }
  /** A half character, as JSON says it, is one that DuckDB would not take after the rows were acknowledged. */
  const whole = (_key: string, value: unknown): unknown => (typeof value === 'string' ? value.toWellFormed() : value)
  const textOfRows = (rows: readonly Row[]): string => {
    const text = rows.map((row) => JSON.stringify(row)).join(',')
    return text.includes('\\ud') ? rows.map((row) => JSON.stringify(row, whole)).join(',') : text
  }

  // ---- statements

  type Translator = typeof googlesql
  type Translated = ReturnType<Translator['translate']>
  let loading: Promise<Translator> | undefined
  const translator = (): Promise<Translator> =>
    (loading ??= (async () => {
      const module = await import('@convergence/googlesql')
      for (const sql of module.setupSql) await control.run(sql)
      return module
    })())
  const translations = new Map<string, { translated: Translated; version: number; columns?: readonly Column[] }>()
  const translate = async (statement: Statement, information = false) => {
    const parameters = (statement.parameters ?? []).map(({ name, type }) => ({ name, type }))
    const key = JSON.stringify([statement.default_dataset, statement.query, parameters, information])
    const known = translations.get(key)
    if (known !== undefined && known.version === catalog.version()) return known
    const { translate: toDuckdb } = await translator()
    const made: { translated: Translated; version: number; columns?: readonly Column[] } = {
      version: catalog.version(),
      translated: toDuckdb(statement.query, {
        catalog: catalog.forStatements(statement.default_dataset, information),
        parameters,
      }),
    }
    if (translations.size >= translationsKept) translations.clear()
    translations.set(key, made)
    return made
  }
  const bound = (statement: Statement, { parameters }: Translated): ReturnType<typeof bind> =>
    bind((statement.parameters ?? []).filter(({ name }) => parameters.includes(name)))
  /** A fault of a statement: of ours, or of DuckDB in BigQuery's words. */
  const wordStatement = async (error: unknown): Promise<AppError> => {
    const fault = wordFault(error)
    return fault.code === 'QUERY_INVALID' && fault !== error
      ? ((await translator()).engineError(error) ?? fault)
      : fault
  }
  /** What comes out of a query, once DuckDB has agreed to it. */
  const columnsOf = async (entry: Awaited<ReturnType<typeof translate>>): Promise<readonly Column[]> =>
    (entry.columns ??= await connected(async (connection) => {
      try {
        const prepared = await connection.prepare(entry.translated.sql)
        prepared.destroySync()
        return entry.translated.columns
      } catch (error) {
        throw await wordStatement(error)
      }
    }))
  /** An estimate: eight bytes a value of every table that is read. */
  const bytesOf = async (refs: readonly TableRef[]): Promise<number> => {
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
  const assertSelect = (translated: Translated): void => {
    if (translated.kind !== 'query')
      throw new AppError(
        'QUERY_INVALID',
        `expected one SELECT statement, got ${translated.statement_type}; tables are written by jobs`,
      )
  }

  // ---- jobs

  const running = new Map<string, Running>()
  const ended = new Map<string, KeptJob>()
  const remember = (job: KeptJob): KeptJob => {
    ended.set(job.job_id, job)
    if (ended.size > jobsInMemory) ended.delete(ended.keys().next().value ?? '')
    return job
  }
  const findJob = async (job_id: string): Promise<KeptJob | undefined> => {
    const known = ended.get(job_id)
    if (known !== undefined) return known
    const stored = await journal.job(job_id)
    // What the journal takes are inserts of rows, and nothing else: said again, so that a job that outlived its process
    // still tells its rows.
    if (stored !== undefined)
      return {
        job_id,
        state: 'DONE',
        labels: JSON.parse(stored.labels) as Record<string, string>,
        rows_written: stored.rows_written,
        bytes_processed: 0,
        ended_ms: stored.created_ms,
        outcome: { statement_type: 'INSERT', inserted: stored.rows_written },
      }
    const [row] = await connected(async (connection) =>
      (
        await connection.runAndReadAll(`SELECT ${storedColumns} FROM ${catalog.reserved('jobs')} WHERE job_id = $1`, [
          job_id,
        ])
      ).getRows(),
    )
    return row === undefined ? undefined : remember(storedJob(row))
  }
  const storedColumns = 'job_id, labels, error, rows_written, bytes_processed, epoch_ms(ended_at), detail'
  const storedJob = ([
    job_id,
    labels,
    error,
    rows_written,
    bytes_processed,
    ended_ms,
    detail,
  ]: readonly DuckDBValue[]): KeptJob => {
    return {
      job_id: String(job_id),
      state: 'DONE',
      ended_ms: Number(ended_ms),
      labels: JSON.parse(String(labels)) as Record<string, string>,
      rows_written: Number(rows_written),
      bytes_processed: Number(bytes_processed),
      ...(error === null || error === undefined ? {} : { error: JSON.parse(String(error)) as JobFault }),
      ...(detail === null || detail === undefined
        ? {}
        : (JSON.parse(String(detail)) as { detail?: unknown; outcome?: Outcome })),
    }
  }
  const storeJob = async (
    connection: DuckDBConnection,
    { job_id, labels, error, rows_written, bytes_processed, detail, outcome }: KeptJob,
  ): Promise<void> => {
    await connection.run(
      `INSERT INTO ${catalog.reserved('jobs')} VALUES ($1, $2, $3, $4, $5, CAST($6 AS TIMESTAMPTZ), $7)`,
      [
        job_id,
        JSON.stringify(labels),
        error === undefined ? null : JSON.stringify(error),
        BigInt(rows_written),
        BigInt(Math.round(bytes_processed)),
        now().toISOString(),
        detail === undefined && outcome === undefined ? null : JSON.stringify({ detail, outcome }),
      ],
    )
  }
  const numeric = new Set(['INT64', 'NUMERIC', 'BIGNUMERIC', 'FLOAT64'])
  const fitsInto = (from: Column, to: Column): boolean =>
    (from.mode === 'REPEATED') === (to.mode === 'REPEATED') &&
    (from.type === to.type || (numeric.has(from.type) && numeric.has(to.type) && to.type !== 'INT64'))

  /** The table as it will be, and the columns to add; made inside the job's transaction. */
  const target = (
    destination: WorkDestination,
    given: readonly Column[],
    known: StoredTable | undefined,
  ): { table: StoredTable; added: readonly Column[] } => {
    const { dataset, table, columns = [], time_partitioning, clustering_fields, add_columns = true } = destination
    const name = `${dataset}.${table}`
    const wanted =
      columns.length === 0
        ? given
        : [...columns, ...given.filter((column) => !columns.some((other) => sameName(other, column)))]
    if (known === undefined) {
      if (columns.length > 0 && !add_columns && wanted.length > columns.length)
        throw new AppError(
          'QUERY_INVALID',
          `${name}: the result has a column ${wanted[columns.length]?.name ?? ''}, which the table has not`,
        )
      return {
        table: {
          columns: wanted,
          ...(time_partitioning === undefined ? {} : { time_partitioning }),
          ...(clustering_fields === undefined ? {} : { clustering_fields }),
        },
        added: [],
      }
    }
    const added = wanted.filter((column) => !known.columns.some((other) => sameName(other, column)))
    if (added.length > 0 && !add_columns)
      throw new AppError(
        'QUERY_INVALID',
        `${name}: has no column ${added[0]?.name ?? ''}, and columns may not be added`,
      )
    return {
      table: { ...known, columns: [...known.columns, ...added.map(withoutRequired)] },
      added: added.map(withoutRequired),
    }
  }
  const write = async (
    connection: DuckDBConnection,
    destination: WorkDestination,
    selected: Selected,
  ): Promise<{ rows: number; table: StoredTable }> => {
    const { dataset, table: name, write_mode, period } = destination
    const found = catalog.table(dataset, name)
    if (found === undefined && destination.create_never === true)
      throw new AppError('TABLE_NOT_FOUND', `Not found: Table ${project_id}:${dataset}.${name}`)
    const replaced =
      found !== undefined && destination.replace_table === true && write_mode === 'truncate' && period === undefined
    const known = replaced ? undefined : found
    const { table: made, added } = target(destination, selected.columns, known)
    const table: StoredTable =
      known === undefined
        ? {
            ...(replaced ? { ...found, ...made } : { created_ms: now().getTime(), ...made }),
            modified_ms: now().getTime(),
          }
        : made
    const path = catalog.path(dataset, name)
    if (replaced) await catalog.dropTable(connection, dataset, name)
    if (known === undefined) await catalog.createTable(connection, dataset, name, table)
    else if (added.length > 0) await catalog.addColumns(connection, dataset, name, table, added)
    if (known !== undefined && write_mode === 'write_empty') {
      const [row] = (await connection.runAndReadAll(`SELECT EXISTS (SELECT 1 FROM ${path})`)).getRows()
      if (row?.[0] === true)
        throw new AppError(
          'TABLE_NOT_EMPTY',
          `${project_id}.${dataset}.${name} has rows, and write_mode is write_empty; use another write_mode, or another table`,
        )
    }
    const inside = Object.entries(write_mode === 'truncate' ? (period ?? {}) : {}).map(([key, value]) => {
      const column = table.columns.find((one) => one.name.toLowerCase() === key.toLowerCase())
      if (column === undefined)
        throw new AppError(
          'QUERY_INVALID',
          `${dataset}.${name}: the period names ${key}, which is no column of the table`,
        )
      return {
        column,
        value: String(value),
        is: `${quoted(column.name)} IS NOT DISTINCT FROM CAST(${literal(String(value))} AS ${typeOf(column)})`,
      }
    })
    if (known !== undefined && write_mode === 'truncate')
      await connection.run(
        inside.length === 0
          ? `DELETE FROM ${path}`
          : `DELETE FROM ${path} WHERE ${inside.map(({ is }) => is).join(' AND ')}`,
      )
    const values = table.columns.map((column) => {
      const source = selected.columns.find((one) => sameName(one, column))
      const type = typeOf(column)
      if (source !== undefined && typeOf(source) !== type && !fitsInto(source, column) && column.type !== 'STRUCT')
        throw new AppError(
          'QUERY_INVALID',
          `${dataset}.${name}.${column.name}: the table has ${column.type}, the result gives ${source.mode === 'REPEATED' ? 'an array of ' : ''}${source.type}; use CAST`,
        )
      const value =
        source === undefined
          ? `CAST(NULL AS ${type})`
          : typeOf(source) === type
            ? `s.${quoted(source.name)}`
            : `CAST(s.${quoted(source.name)} AS ${type})`
      const rule = inside.find((one) => one.column === column)
      if (rule !== undefined) {
        const outside = raise(
          'ROW_OUTSIDE_PERIOD',
          `${dataset}.${name}: a new row has ${column.name} = `,
          `COALESCE(CAST(${value} AS VARCHAR), 'NULL') || ', the period that is replaced is ' || ${literal(rule.value)}`,
          type,
        )
        return `CASE WHEN ${value} IS NOT DISTINCT FROM CAST(${literal(rule.value)} AS ${type}) THEN ${value} ELSE ${outside} END`
      }
      return column.mode === 'REPEATED' ? `COALESCE(${value}, [])` : value
    })
    const whole = selected.verify?.().then(
      () => undefined,
      (error: unknown) => error,
    )
    try {
      const result = await connection.run(
        `INSERT INTO ${path} (${table.columns.map((column) => quoted(column.name)).join(', ')}) SELECT ${values.join(', ')} FROM (${selected.sql}) AS s`,
        selected.values,
        selected.types,
      )
      const fault = await whole
      if (fault !== undefined) throw fault
      return { rows: result.rowsChanged, table }
    } catch (error) {
      await whole
      if (error instanceof AppError || isConflict(error) || isInterrupt(error)) throw error
      throw await selected.explain(error)
    }
  }
  const select = async (work: JobSpec | Work, information: boolean): Promise<Selected> => {
    if (work.kind === 'load') {
      return { ...(await connected((connection) => planLoad(connection, work))), values: {}, types: {} }
    }
    if (work.kind === 'copy') return selectCopied(work.sources)
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
    await applyFor(translated.referenced_tables)
    const bytes = await bytesOf(translated.referenced_tables)
    assertBytes(bytes, spec.maximum_bytes_billed)
    return {
      sql: translated.sql,
      ...bound(spec, translated),
      columns,
      bytes,
      explain: wordStatement,
      outcome: { statement_type: 'SELECT', referenced_tables: translated.referenced_tables },
    }
  }
  const assertBytes = (bytes: number, limit: number | undefined): void => {
    if (limit !== undefined && bytes > limit)
      throw new AppError(
        'QUERY_INVALID',
        `Query exceeded limit for bytes billed: ${limit}. ${bytes} or higher required.`,
      )
  }
  const selectCopied = async (sources: readonly TableRef[]): Promise<Selected> => {
    const tables = sources.map((ref) => ({ ref, table: tableOf(ref.dataset, ref.table) }))
    const columns = tables[0]?.table.columns ?? []
    const other = tables.find(
      ({ table }) =>
        JSON.stringify(
          table.columns.map(({ name, type, mode, fields }) => [name, type, mode ?? 'NULLABLE', fields]),
        ) !== JSON.stringify(columns.map(({ name, type, mode, fields }) => [name, type, mode ?? 'NULLABLE', fields])),
    )
    if (other !== undefined)
      throw new AppError(
        'QUERY_INVALID',
        `${other.ref.dataset}.${other.ref.table}: its columns are not those of the first source`,
      )
    await applyFor(sources)
    return {
      sql: sources
        .map(
          ({ dataset, table }) =>
            `SELECT ${columns.map(({ name }) => quoted(name)).join(', ')} FROM ${catalog.path(dataset, table)}`,
        )
        .join(' UNION ALL '),
      values: {},
      types: {},
      columns,
      bytes: 0,
      explain: wordStatement,
    }
  }
  const notFound = (dataset: string, table?: string): AppError =>
    new AppError(
      'NOT_FOUND',
      table === undefined
        ? `Not found: Dataset ${project_id}:${dataset}`
        : `Not found: Table ${project_id}:${dataset}.${table}`,
    )
  const tableOf = (dataset: string, name: string): StoredTable => {
    if (!catalog.hasDataset(dataset)) throw notFound(dataset)
    const table = catalog.table(dataset, name)
    if (table === undefined) throw notFound(dataset, name)
    return table
  }
  const byStatement = statementRunner({
    catalog,
    project_id,
    now,
    connected,
    transaction,
    locked,
    applyFor,
    wordStatement,
    bound,
    reading,
    writeRows: (table, rows, job) => {
      journalTable(table, rows)
      return journal.write(table, textOfRows(rows), rows.length, {
        job_id: job.job_id,
        labels: JSON.stringify(job.labels),
        rows_written: rows.length,
        created_ms: now().getTime(),
      })
    },
    canJournal: (dataset) => dataset === journalDataset,
    storeJob,
  })
  const perform = async (
    job_id: string,
    { work, labels, detail, keep, information }: Task,
    entry: Running,
  ): Promise<KeptJob> => {
    const job: KeptJob = {
      job_id,
      state: 'DONE',
      labels,
      rows_written: 0,
      bytes_processed: 0,
      ...(detail === undefined ? {} : { detail }),
    }
    try {
      if (entry.cancelled) throw new AppError('CANCELLED', 'the job was cancelled')
      const spec =
        work.kind === 'load' && 'prepare' in work && work.prepare !== undefined
          ? { ...work, ...(await work.prepare()) }
          : work
      const { destination } = spec
      if (spec.kind === 'statement' && destination === undefined) {
        const known = await translate(spec.statement, information)
        const bytes = known.translated.json_rows === undefined ? await bytesOf(known.translated.referenced_tables) : 0
        assertBytes(bytes, spec.maximum_bytes_billed)
        if (known.translated.kind === 'query') await columnsOf(known)
        return await byStatement({ ...job, bytes_processed: bytes }, spec, known.translated, {
          keep,
          onConnection: (connection) => {
            entry.connection = connection
          },
          isCancelled: () => entry.cancelled,
        })
      }
      if (destination === undefined) throw new AppError('QUERY_INVALID', 'the job has no destination')
      if (destination.project_id !== project_id)
        throw new AppError(
          'QUERY_INVALID',
          `${destination.project_id}.${destination.dataset}.${destination.table}: the local warehouse writes into its own project ${project_id} only`,
        )
      if (!catalog.hasDataset(destination.dataset))
        throw new AppError('TABLE_NOT_FOUND', `dataset ${project_id}.${destination.dataset} does not exist`)
      if (catalog.view(destination.dataset, destination.table) !== undefined)
        throw new AppError(
          'QUERY_INVALID',
          `${destination.dataset}.${destination.table} is a view; it cannot be written`,
        )
      const selected = await select(spec, information)
      if (destination.dataset === journalDataset && destination.write_mode !== 'append') await applyFor([destination])
      // DDL of a table and rows into it exclude each other; other tables go on.
      return await locked(`${destination.dataset}.${destination.table}`, async () => {
        assertOpen()
        const { done, table } = await transaction(
          async (connection) => {
            if (entry.cancelled) throw new AppError('CANCELLED', 'the job was cancelled')
            const { rows, table: after } = await write(connection, destination, selected)
            const finished: KeptJob = {
              ...job,
              rows_written: rows,
              bytes_processed: selected.bytes,
              ended_ms: now().getTime(),
              ...(selected.outcome === undefined ? {} : { outcome: selected.outcome }),
            }
            await storeJob(connection, finished)
            return { done: finished, table: after }
          },
          (connection) => {
            entry.connection = connection
          },
        )
        catalog.tableIs(destination.dataset, destination.table, table)
        return done
      })
    } catch (error) {
      // A job that the end of the process stops has not failed: it is not there, and whoever wants it inserts it again.
      if (closing !== undefined)
        throw new AppError('UNAVAILABLE', `job ${job_id} was interrupted; insert it again`, { cause: error })
      const fault = wordFault(error)
      const failed: KeptJob = {
        ...job,
        ended_ms: now().getTime(),
        error: {
          code: fault.code,
          message: [fault.message, ...fault.faults].join('\n'),
          retryable: errorTable[fault.code].retryable,
        },
      }
      if (keep) await transaction((connection) => storeJob(connection, failed))
      return failed
    }
  }
  const insertRows = async (
    job_id: string,
    { table, rows }: RowsSpec,
    labels: Readonly<Record<string, string>>,
  ): Promise<Job | 'exists'> => {
    journalTable(table, rows)
    const written = await journal.write(table, textOfRows(rows), rows.length, {
      job_id,
      labels: JSON.stringify(labels),
      rows_written: rows.length,
      created_ms: now().getTime(),
    })
    return written ? { job_id, state: 'DONE', labels, rows_written: rows.length, bytes_processed: 0 } : 'exists'
  }
  /**
   * Waits for no other job: a read, and rows for the journal, among them the commit that cancels the jobs which are in
   * its way.
   */
  const isSmall = async ({ work, keep, information }: Task): Promise<boolean> => {
    if (work.kind !== 'statement' || work.destination !== undefined) return false
    if (!keep) return true
    const { json_rows, target } =
      (await translate(work.statement, information).catch(() => undefined))?.translated ?? {}
    return json_rows !== undefined && target?.dataset === journalDataset
  }
  const insertJob = async (job_id: string, task: Task): Promise<KeptJob | 'exists'> => {
    const other = running.get(job_id)
    if (other !== undefined) {
      await other.taken
      return 'exists'
    }
    // An id that only this process knows is in no file.
    const taken = !task.keep ? Promise.resolve(ended.has(job_id)) : findJob(job_id).then((job) => job !== undefined)
    const started_ms = now().getTime()
    const entry: Running = {
      task,
      started_ms,
      taken,
      connection: undefined,
      cancelled: false,
      done: Promise.resolve()
        .then(async () => {
          if (await taken) throw new AppError('ALREADY_EXISTS', `job ${job_id}`)
          const work = () => perform(job_id, task, entry)
          return ((await isSmall(task)) ? work() : working(work)).then(remember)
        })
        .finally(() => {
          running.delete(job_id)
        }),
    }
    running.set(job_id, entry)
    entry.done.catch(() => undefined)
    if (await taken) return 'exists'
    return runningJob(job_id, entry)
  }
  const runningJob = (job_id: string, { task: { labels, detail } }: Running): KeptJob => ({
    job_id,
    state: 'RUNNING',
    labels,
    rows_written: 0,
    bytes_processed: 0,
    ...(detail === undefined ? {} : { detail }),
  })
  const getJob = async (job_id: string): Promise<KeptJob | undefined> => {
    const entry = running.get(job_id)
    if (entry !== undefined && !(await entry.taken)) return ended.get(job_id) ?? runningJob(job_id, entry)
    return findJob(job_id)
  }

  const changing = <T>(dataset: string, work: () => Promise<T>): Promise<T> => {
    assertOpen()
    return locked(`dataset ${dataset}`, work)
  }
  const changed = (work: (connection: DuckDBConnection) => Promise<void>): Promise<void> =>
    transaction(work).catch((error: unknown) => {
      throw wordFault(error)
    })
  const assertFree = (dataset: string, name: string): void => {
    if (!catalog.hasDataset(dataset)) throw notFound(dataset)
    if (catalog.table(dataset, name) !== undefined || catalog.view(dataset, name) !== undefined)
      throw new AppError('ALREADY_EXISTS', `Already Exists: Table ${project_id}:${dataset}.${name}`)
  }
  const dropThing = (dataset: string, name: string): Promise<void> =>
    locked(`${dataset}.${name}`, async () => {
      if (catalog.view(dataset, name) !== undefined) {
        await changed((connection) => catalog.dropView(connection, dataset, name))
        catalog.viewIs(dataset, name, undefined)
        return
      }
      tableOf(dataset, name)
      await changed((connection) => catalog.dropTable(connection, dataset, name))
      catalog.tableIs(dataset, name, undefined)
    })
  const dropExpired = async (dataset: string): Promise<void> => {
    const due = [...catalog.tables(dataset)].filter(([, { expires_ms = Infinity }]) => expires_ms <= now().getTime())
    for (const [name] of due)
      await changing(dataset, () =>
        catalog.table(dataset, name) === undefined ? Promise.resolve() : dropThing(dataset, name),
      )
  }
  const assertJobId = (job_id: string): void => {
    if (!/^[A-Za-z0-9_-]{1,1024}$/.test(job_id))
      throw new AppError(
        'QUERY_INVALID',
        `job id: expected 1 to 1024 letters, digits, _ or -, got ${job_id.length} characters`,
      )
  }

  const engine: Engine = {
    project_id,
    folder,
    insert: async (job_id, spec, labels) => {
      assertOpen()
      assertJobId(job_id)
      return spec.kind === 'rows'
        ? insertRows(job_id, spec, labels)
        : insertJob(job_id, { work: spec, labels, keep: true, information: false })
    },
    get: getJob,
    wait: async (job_id, signal) => {
      signal?.throwIfAborted()
      const entry = running.get(job_id)
      if (entry === undefined || (await entry.taken)) {
        const job = await findJob(job_id)
        if (job === undefined) throw new AppError('NOT_FOUND', `job ${job_id} does not exist`)
        return job
      }
      if (signal === undefined) return entry.done
      signal.throwIfAborted()
      let onAbort: (() => void) | undefined
      try {
        return await Promise.race([
          entry.done,
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
    },
    cancel: (job_id) => {
      const entry = running.get(job_id)
      if (entry !== undefined && !entry.cancelled) {
        entry.cancelled = true
        const interrupt = () => {
          entry.connection?.interrupt()
        }
        interrupt()
        // DuckDB forgets an interruption that comes between two statements.
        const again = setInterval(interrupt, 20)
        const end = () => {
          clearInterval(again)
        }
        entry.done.then(end, end)
      }
      return Promise.resolve()
    },
    append: async (table, rows) => {
      assertOpen()
      if (rows.length === 0) return
      journalTable(table, rows)
      await journal.write(table, textOfRows(rows), rows.length)
    },
    query: async (statement, { signal, max_rows } = {}) => {
      assertOpen()
      signal?.throwIfAborted()
      const { translated } = await translate(statement)
      assertSelect(translated)
      const { values, types } = bound(statement, translated)
      await applyFor(translated.referenced_tables)
      return reading(() =>
        connected(async (connection) => {
          signal?.throwIfAborted()
          const onAbort = () => {
            connection.interrupt()
          }
          signal?.addEventListener('abort', onAbort, { once: true })
          try {
            const reader = await connection.runAndReadAll(translated.sql, values, types)
            const rows = rowReader(reader.columnNames(), reader.columnTypes())(reader.getColumns())
            return max_rows === undefined ? rows : rows.slice(0, max_rows)
          } catch (error) {
            if (signal?.aborted === true) throw signal.reason
            throw await wordStatement(error)
          } finally {
            signal?.removeEventListener('abort', onAbort)
          }
        }),
      )
    },
    dryRun: async (statement) => {
      assertOpen()
      const entry = await translate(statement)
      const { translated } = entry
      return {
        statement_type: translated.statement_type,
        referenced_tables: translated.referenced_tables,
        bytes_processed: await bytesOf(translated.referenced_tables),
        columns: translated.kind === 'query' ? await columnsOf(entry) : [],
      }
    },
    ensureDataset: (dataset, options = {}) =>
      locked(`dataset ${dataset}`, async () => {
        assertOpen()
        if (catalog.hasDataset(dataset)) return 'existed'
        const made = {
          labels: options.labels ?? {},
          ...(location === undefined ? {} : { location }),
          ...(options.description === undefined ? {} : { description: options.description }),
        }
        await transaction((connection) => catalog.createDataset(connection, dataset, made)).catch((error: unknown) => {
          throw wordFault(error)
        })
        catalog.datasetIs(dataset, made)
        return 'created'
      }),
    ensureTable: ({ dataset, table, ...spec }) =>
      locked(`dataset ${dataset}`, () =>
        locked(`${dataset}.${table}`, async () => {
          assertOpen()
          if (!catalog.hasDataset(dataset))
            throw new AppError('TABLE_NOT_FOUND', `dataset ${project_id}.${dataset} does not exist`)
          const known = catalog.table(dataset, table)
          if (known === undefined) {
            await transaction((connection) => catalog.createTable(connection, dataset, table, spec)).catch(
              (error: unknown) => {
                throw wordFault(error)
              },
            )
            catalog.tableIs(dataset, table, spec)
            return 'created'
          }
          const added = spec.columns
            .filter((column) => !known.columns.some((other) => sameName(other, column)))
            .map(withoutRequired)
          if (added.length > 0) {
            const after = { ...known, columns: [...known.columns, ...added] }
            await transaction((connection) => catalog.addColumns(connection, dataset, table, after, added)).catch(
              (error: unknown) => {
                throw wordFault(error)
              },
            )
            catalog.tableIs(dataset, table, after)
          }
          return 'existed'
        }),
      ),
    ensureView: ({ dataset, view, query, description }) =>
      locked(`dataset ${dataset}`, async () => {
        assertOpen()
        if (!catalog.hasDataset(dataset))
          throw new AppError('TABLE_NOT_FOUND', `dataset ${project_id}.${dataset} does not exist`)
        const known = catalog.view(dataset, view)
        if (known?.query === query) return 'existed'
        if (catalog.table(dataset, view) !== undefined)
          throw new AppError('ALREADY_EXISTS', `${dataset}.${view} is a table`)
        const made = { query, ...(description === undefined ? {} : { description }) }
        await transaction((connection) => catalog.createView(connection, dataset, view, made)).catch(
          (error: unknown) => {
            throw wordFault(error)
          },
        )
        catalog.viewIs(dataset, view, made)
        return known === undefined ? 'created' : 'replaced'
      }),
    dropDataset: async (dataset) => {
      assertOpen()
      if (dataset === journalDataset) await applyThrough(Math.max(0, ...lastPosition.values()))
      await locked(`dataset ${dataset}`, async () => {
        if (!catalog.hasDataset(dataset)) return
        await transaction((connection) => catalog.dropDataset(connection, dataset)).catch((error: unknown) => {
          throw wordFault(error)
        })
        catalog.datasetIs(dataset, undefined)
      })
    },
    getDataset: (dataset) => Promise.resolve(catalog.dataset(dataset)),
    submit: (job_id, work, { labels, detail, keep }) => {
      assertOpen()
      assertJobId(job_id)
      return insertJob(job_id, { work, labels, detail, keep, information: true })
    },
    job: getJob,
    jobs: async (limit) => {
      const stored = await connected(async (connection) =>
        (
          await connection.runAndReadAll(
            `SELECT ${storedColumns} FROM ${catalog.reserved('jobs')} ORDER BY ended_at DESC LIMIT ${Math.floor(limit)}`,
          )
        ).getRows(),
      )
      const all = new Map([
        ...[...running].map(([id, entry]) => [id, runningJob(id, entry)] as const),
        ...[...ended].reverse(),
        ...stored.map(storedJob).map((job) => [job.job_id, job] as const),
      ])
      return [...all.values()].slice(0, limit)
    },
    plan: async (statement) => {
      assertOpen()
      const entry = await translate(statement, true)
      const { translated } = entry
      return {
        statement_type: translated.statement_type,
        referenced_tables: translated.referenced_tables,
        columns: translated.kind === 'query' ? await columnsOf(entry) : [],
        bytes: await bytesOf(translated.referenced_tables),
        ...(translated.target === undefined ? {} : { target: translated.target }),
      }
    },
    columns: (dataset, name) => catalog.table(dataset, name)?.columns,
    madeAt: (dataset, name) => catalog.table(dataset, name)?.created_ms,
    partitioning: (dataset, name) => catalog.table(dataset, name)?.time_partitioning,
    takesSmallRows: (dataset) => dataset === journalDataset,
    parquetColumns: (file) => connected((connection) => parquetColumns(connection, file)),
    datasets: () => [...catalog.datasets()].map(([dataset, spec]) => ({ dataset, spec })),
    createDataset: (dataset, spec) =>
      changing(dataset, async () => {
        if (catalog.hasDataset(dataset))
          throw new AppError('ALREADY_EXISTS', `Already Exists: Dataset ${project_id}:${dataset}`)
        const made = { ...spec, created_ms: now().getTime(), modified_ms: now().getTime() }
        await changed((connection) => catalog.createDataset(connection, dataset, made))
        catalog.datasetIs(dataset, made)
      }),
    changeDataset: (dataset, change) =>
      changing(dataset, async () => {
        const known = catalog.datasets().get(dataset)
        if (known === undefined) throw notFound(dataset)
        const made = { ...change(known), modified_ms: now().getTime() }
        await changed((connection) => catalog.putDataset(connection, dataset, made))
        catalog.datasetIs(dataset, made)
        return made
      }),
    deleteDataset: async (dataset, contents) => {
      assertOpen()
      if (!catalog.hasDataset(dataset)) throw notFound(dataset)
      if (!contents && catalog.tables(dataset).size + catalog.views(dataset).size > 0)
        throw new AppError('CONFLICT', `Dataset ${project_id}:${dataset} is still in use`)
      await engine.dropDataset(dataset)
    },
    things: async (dataset) => {
      if (!catalog.hasDataset(dataset)) throw notFound(dataset)
      await dropExpired(dataset)
      const tables = [...catalog.tables(dataset)].map(([name, table]) => ({ name, kind: 'table' as const, table }))
      const views = [...catalog.views(dataset)].map(([name, view]) => ({ name, kind: 'view' as const, view }))
      return [...tables, ...views].sort((one, other) => (one.name < other.name ? -1 : 1))
    },
    describe: async (dataset, name): Promise<Described | undefined> => {
      await dropExpired(dataset)
      const table = catalog.table(dataset, name)
      if (table !== undefined) {
        await applyFor([{ project_id, dataset, table: name }])
        const [row] = await connected(async (connection) =>
          (await connection.runAndReadAll(`SELECT count(*) FROM ${catalog.path(dataset, name)}`)).getRows(),
        )
        const rows = Number(row?.[0] ?? 0)
        return { kind: 'table', table, rows, bytes: rows * table.columns.length * 8 }
      }
      const view = catalog.view(dataset, name)
      if (view === undefined) return undefined
      const { translated } = await translate({ query: view.query }, true)
      return { kind: 'view', view, columns: translated.columns }
    },
    createTable: (dataset, name, spec) =>
      changing(dataset, () =>
        locked(`${dataset}.${name}`, async () => {
          assertFree(dataset, name)
          const made = { ...spec, created_ms: now().getTime(), modified_ms: now().getTime() }
          await changed((connection) => catalog.createTable(connection, dataset, name, made))
          catalog.tableIs(dataset, name, made)
        }),
      ),
    createView: (dataset, name, spec) =>
      changing(dataset, async () => {
        assertFree(dataset, name)
        await translate({ query: spec.query }, true)
        const made = { ...spec, created_ms: now().getTime(), modified_ms: now().getTime() }
        await changed((connection) => catalog.createView(connection, dataset, name, made))
        catalog.viewIs(dataset, name, made)
      }),
    changeTable: (dataset, name, change) =>
      changing(dataset, () =>
        locked(`${dataset}.${name}`, async () => {
          const known = tableOf(dataset, name)
          const made = { ...change(known), modified_ms: now().getTime() }
          const added = made.columns.filter((column) => !known.columns.some((other) => sameName(other, column)))
          const relaxed = made.columns.filter(
            (column) =>
              column.mode !== 'REQUIRED' &&
              known.columns.some((other) => sameName(other, column) && other.mode === 'REQUIRED'),
          )
          await changed(async (connection) => {
            for (const column of relaxed)
              await connection.run(
                `ALTER TABLE ${catalog.path(dataset, name)} ALTER COLUMN ${quoted(column.name)} DROP NOT NULL`,
              )
            await catalog.addColumns(connection, dataset, name, made, added)
          })
          catalog.tableIs(dataset, name, made)
        }),
      ),
    changeView: (dataset, name, change) =>
      changing(dataset, async () => {
        const known = catalog.view(dataset, name)
        if (known === undefined) throw notFound(dataset, name)
        const made = { ...change(known), modified_ms: now().getTime() }
        if (made.query !== known.query) await translate({ query: made.query }, true)
        await changed((connection) => catalog.createView(connection, dataset, name, made))
        catalog.viewIs(dataset, name, made)
      }),
    deleteThing: async (dataset, name) => {
      assertOpen()
      await applyFor([{ project_id, dataset, table: name }])
      await changing(dataset, () => dropThing(dataset, name))
    },
    read: async (dataset, name, { offset, limit, fields }) => {
      assertOpen()
      await dropExpired(dataset)
      const table = tableOf(dataset, name)
      await applyFor([{ project_id, dataset, table: name }])
      const columns =
        fields === undefined
          ? table.columns
          : table.columns.filter((column) => fields.some((field) => field.toLowerCase() === column.name.toLowerCase()))
      const path = catalog.path(dataset, name)
      return reading(() =>
        connected(async (connection) => {
          const [count] = (await connection.runAndReadAll(`SELECT count(*) FROM ${path}`)).getRows()
          const total = Number(count?.[0] ?? 0)
          if (limit <= 0 || offset >= total || columns.length === 0) return { columns, rows: [], total }
          const reader = await connection.runAndReadAll(
            `SELECT ${columns.map((column) => quoted(column.name)).join(', ')} FROM ${path} ORDER BY rowid LIMIT ${Math.floor(limit)} OFFSET ${Math.floor(offset)}`,
          )
          return { columns, rows: wireReader(reader.columnTypes())(reader.getColumns()), total }
        }),
      )
    },
    insertRows: async (dataset, name, rows) => {
      assertOpen()
      if (rows.length === 0) return
      const table = tableOf(dataset, name)
      if (dataset === journalDataset) return engine.append(name, rows)
      assertRows(name, table.columns, rows)
      await locked(`${dataset}.${name}`, () =>
        changed(async (connection) => {
          await connection.run(
            `INSERT INTO ${catalog.path(dataset, name)} (${table.columns.map((column) => quoted(column.name)).join(', ')}) ${rowsFromJson(table.columns)}`,
            [`[${textOfRows(rows)}]`],
          )
        }).catch(async (error: unknown) => {
          throw await wordStatement(error)
        }),
      )
    },
    healthy: () => Promise.resolve(closing === undefined && journal.healthy() && applyFault === undefined),
    close: () =>
      (closing ??= (async () => {
        clearTimeout(timer)
        for (const { connection } of running.values()) connection?.interrupt()
        await Promise.allSettled([...running.values()].map(({ done }) => done))
        try {
          while (journal.pending.length > 0) await applyOnce()
        } catch {
          // They are durable in the journal and are applied at the next start.
        }
        await journal.close()
        for (const connection of idle) connection.closeSync()
        await control.run(`DETACH ${project}`).catch(() => undefined)
        control.closeSync()
        instance.closeSync()
      })()),
  }
  return engine
}

const sameName = (one: Column, other: Column): boolean => one.name.toLowerCase() === other.name.toLowerCase()
/** A column that is added later has no values in the rows that are there. */
const withoutRequired = (column: Column): Column =>
  column.mode === 'REQUIRED' ? { ...column, mode: 'NULLABLE' } : column
