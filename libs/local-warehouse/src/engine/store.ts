/**
 * The file of DuckDB that a warehouse is in: opened, locked against others, closed to the host for whatever SQL says,
 * with the tables that the engine itself needs. Connections are lent, transactions are all of it or nothing.
 */
import { randomUUID } from 'node:crypto'
import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { DuckDBInstance } from '@duckdb/node-api'
import accessors from '@duckdb/node-api/lib/vectors/dataAccessors.js'
import type { DuckDBConnection } from '@duckdb/node-api'
import { AppError } from '@convergence/contracts'
import { openKeyedQueue } from '@convergence/contracts/keyed-queue'
import { openCatalog } from '../catalog.ts'
import type { Catalog } from '../catalog.ts'
import { isConflict, wordFault } from '../faults.ts'
import { literal, quoted } from '../values.ts'
import { gate } from './gates.ts'
import { upgradeDecimals } from './upgrade.ts'

// The client's own decoder drops U+FEFF where a text begins with it: two texts that differ would look the same.
Object.assign(accessors, { textDecoder: new TextDecoder('utf-8', { ignoreBOM: true }) })

const readersAtOnce = 3
const streamsAtOnce = 4
const jobsAtOnce = 2
const mostTries = 6

export type OnConnection = (connection: DuckDBConnection | undefined) => void
export interface Store {
  project_id: string
  catalog: Catalog
  now(): Date
  /** The journal's position up to which its rows are in DuckDB. */
  applied: number
  /** For what belongs to no statement: it is never interrupted. */
  control: DuckDBConnection
  /** Lends a connection. */
  connected<T>(work: (connection: DuckDBConnection) => Promise<T>): Promise<T>
  /**
   * All of it or nothing; a conflict with another transaction is tried again, for nothing waits in DuckDB.
   * `onConnection` gets the connection while its work may be interrupted.
   */
  transaction<T>(work: (connection: DuckDBConnection) => Promise<T>, onConnection?: OnConnection): Promise<T>
  /** One at a time for each key: `dataset NAME` for DDL of a dataset, `DATASET.TABLE` for what writes a table. */
  locked<T>(key: string, work: () => Promise<T>): Promise<T>
  /** A few reads at a time. */
  reading<T>(work: () => Promise<T>): Promise<T>
  /** A few long reads at a time, which wait for whoever takes their rows: the others must not wait for those. */
  streaming<T>(work: () => Promise<T>): Promise<T>
  /** A few jobs at a time. */
  working<T>(work: () => Promise<T>): Promise<T>
  close(): Promise<void>
}

/** Folders of a warehouse, for this user alone. Throws SETTING_INVALID. */
export const makeFolders = (folder: string): { scratch: string; spill: string } => {
  const scratch = join(folder, 'scratch')
  const spill = join(folder, 'spill')
  try {
    for (const path of [folder, scratch, spill]) mkdirSync(path, { recursive: true, mode: 0o700 })
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
    throw new AppError(
      'SETTING_INVALID',
      `${folder}: cannot be made or written (${code}); expected a folder of this user with space left`,
      { cause: error },
    )
  }
  return { scratch, spill }
}

interface StoreOptions {
  file: string
  scratch: string
  spill: string
  project_id: string
  memory_limit: string
  now: () => Date
  /** Jobs that ended before it are forgotten. */
  jobs_since: Date
}
const attach = async ({ file, scratch, spill, project_id, memory_limit }: StoreOptions) => {
  const instance = await DuckDBInstance.fromCache(`:memory:${randomUUID()}`)
  const control = await instance.connect()
  for (const sql of [
    `SET GLOBAL TimeZone='UTC'`,
    `SET memory_limit=${literal(memory_limit)}`,
    `SET temp_directory=${literal(spill)}`,
    'SET preserve_insertion_order=false',
    // DuckDB writes what each of its versions since 1.0 can read, and so packs text in the ways of that one.
    `ATTACH ${literal(file)} AS ${quoted(project_id)} (STORAGE_VERSION 'v1.5.0')`,
    // Tenants write SQL: without these a statement could read the host.
    'SET autoinstall_known_extensions=false',
    'SET autoload_known_extensions=false',
    `SET allowed_directories=[${literal(scratch)}, ${literal(spill)}]`,
    'SET enable_external_access=false',
    'SET lock_configuration=true',
  ])
    await control.run(sql)
  chmodSync(file, 0o600)
  return { instance, control }
}
/** The engine's own tables: jobs, how far the journal is applied, rows that were kept aside. */
const makeReserved = async (control: DuckDBConnection, catalog: Catalog, jobs_since: Date): Promise<number> => {
  const [jobs, journal, refused] = [catalog.reserved('jobs'), catalog.reserved('journal'), catalog.reserved('refused')]
  await control.run(
    `CREATE TABLE IF NOT EXISTS ${jobs} (job_id VARCHAR PRIMARY KEY, labels VARCHAR NOT NULL, error VARCHAR, ` +
      'rows_written BIGINT NOT NULL, bytes_processed BIGINT NOT NULL, ended_at TIMESTAMPTZ NOT NULL)',
  )
  await control.run(`ALTER TABLE ${jobs} ADD COLUMN IF NOT EXISTS detail VARCHAR`)
  await control.run(`CREATE TABLE IF NOT EXISTS ${journal} (position BIGINT NOT NULL)`)
  await control.run(
    `CREATE TABLE IF NOT EXISTS ${refused} ` +
      '(position BIGINT, table_name VARCHAR, row_texts VARCHAR, fault VARCHAR)',
  )
  await control.run(`INSERT INTO ${journal} SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM ${journal})`)
  await control.run(`DELETE FROM ${jobs} WHERE ended_at < CAST(${literal(jobs_since.toISOString())} AS TIMESTAMPTZ)`)
  const [row] = (await control.runAndReadAll(`SELECT max(position) FROM ${journal}`)).getRows()
  return Number(row?.[0] ?? 0)
}
const cannotOpen = (file: string, error: unknown): AppError => {
  const text = error instanceof Error ? error.message : String(error)
  if (/set lock/i.test(text)) {
    const pid = /PID (\d+)/.exec(text)?.[1]
    const holder = pid === undefined ? 'another process' : `process ${pid}`
    return new AppError(
      'SETTING_INVALID',
      `${file} is in use by ${holder}: stop that one, or give this one another data folder`,
      { cause: error },
    )
  }
  if (wordFault(error).code === 'DISK_FULL') return wordFault(error)
  return new AppError(
    'SETTING_INVALID',
    `${file} cannot be opened: expected a warehouse, or none yet, in a folder where this user may write`,
    { cause: error },
  )
}

/** Throws SETTING_INVALID or DISK_FULL. */
export const openStore = async (options: StoreOptions): Promise<Store> => {
  const { file, project_id, now, jobs_since } = options
  const { instance, control, catalog, applied } = await (async () => {
    const attached = await attach(options)
    const known = await openCatalog(attached.control, project_id)
    await upgradeDecimals(attached.control, known, project_id)
    return { ...attached, catalog: known, applied: await makeReserved(attached.control, known, jobs_since) }
  })().catch((error: unknown) => {
    throw cannotOpen(file, error)
  })
  const idle: DuckDBConnection[] = []
  const connected = async <T>(work: (connection: DuckDBConnection) => Promise<T>): Promise<T> => {
    const connection = idle.pop() ?? (await instance.connect())
    try {
      return await work(connection)
    } finally {
      idle.push(connection)
    }
  }
  const transaction = async <T>(
    work: (connection: DuckDBConnection) => Promise<T>,
    onConnection?: OnConnection,
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

  const locks = openKeyedQueue()
  return {
    project_id,
    catalog,
    now,
    applied,
    control,
    connected,
    transaction,
    locked: (key, work) => locks.run(key, work),
    reading: gate(readersAtOnce),
    streaming: gate(streamsAtOnce),
    working: gate(jobsAtOnce),
    close: async () => {
      for (const connection of idle) connection.closeSync()
      await control.run(`DETACH ${quoted(project_id)}`).catch(() => undefined)
      control.closeSync()
      instance.closeSync()
    },
  }
}
