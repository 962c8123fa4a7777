/**
 * The journal's file, on a thread of its own, so that a slow fsync delays durable answers and nothing else. Each
 * request is a group of entries that become one transaction. A commit's job id is unique in this file for as long as
 * jobs are kept: that is the whole guard. The file is locked by the operating system while this thread lives;
 * `<file>.owner` only tells a second opener who it is.
 */
import type { DatabaseSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import {
  closeOwned,
  failedOf,
  inTransaction,
  openCheckpoints,
  openFailure,
  openOwned,
  type Failed,
} from '@convergence/local-wire/sqlite-file'

export interface StoredJob {
  job_id: string
  labels: string
  rows_written: number
  created_ms: number
}
/** Rows of one table, as the inside of a JSON array; with a job they are written only if its id is new. */
export interface Entry {
  position: number
  table: string
  rows: string
  count: number
  job?: StoredJob
}
export type Request =
  /** `applied`: entries up to this position are in the warehouse and may go. */
  | { n: number; kind: 'write'; entries: Entry[]; applied: number }
  | { n: number; kind: 'get'; job_id: string }
  | { n: number; kind: 'close' }
export interface Answer {
  n: number
  result?: unknown
  failed?: Failed
}
export interface Opened {
  entries: Entry[]
  last: number
}

const port = parentPort
if (port === null) throw new Error('runs as a worker only')
const { file, forget_before_ms } = workerData as { file: string; forget_before_ms: number }
const layout = 1

const open = (): DatabaseSync =>
  openOwned(file, {
    layout,
    prepare: (made) => {
      made.exec(`
        CREATE TABLE IF NOT EXISTS journal (
          position INTEGER PRIMARY KEY, table_name TEXT NOT NULL, row_texts TEXT NOT NULL, row_count INTEGER NOT NULL);
        CREATE TABLE IF NOT EXISTS jobs (
          job_id TEXT PRIMARY KEY, labels TEXT NOT NULL, rows_written INTEGER NOT NULL, created_ms INTEGER NOT NULL
        ) WITHOUT ROWID;
        CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;`)
      made.prepare('DELETE FROM jobs WHERE created_ms < ?').run(forget_before_ms)
    },
  })

let db: DatabaseSync
try {
  db = open()
} catch (error) {
  port.postMessage({ n: 0, failed: openFailure(file, error) } satisfies Answer)
  process.exit(0)
}

const statement = {
  insert: db.prepare('INSERT INTO journal (position, table_name, row_texts, row_count) VALUES (?, ?, ?, ?)'),
  // Positions never come again, not even when the journal is empty: the warehouse remembers the last one it has.
  last: db.prepare(
    `INSERT INTO meta (key, value) VALUES ('last', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
  ),
  drop: db.prepare('DELETE FROM journal WHERE position <= ?'),
  take: db.prepare('INSERT OR IGNORE INTO jobs (job_id, labels, rows_written, created_ms) VALUES (?, ?, ?, ?)'),
  get: db.prepare('SELECT job_id, labels, rows_written, created_ms FROM jobs WHERE job_id = ?'),
}

/** For each entry whether it was written; false: its job id was taken. */
const write = (entries: readonly Entry[], applied: number): boolean[] =>
  inTransaction(db, () => {
    const written = entries.map(({ position, table, rows, count, job }) => {
      if (
        job !== undefined &&
        statement.take.run(job.job_id, job.labels, job.rows_written, job.created_ms).changes === 0
      )
        return false
      if (count > 0) statement.insert.run(position, table, rows, count)
      return true
    })
    const last = entries.at(-1)
    if (last !== undefined) statement.last.run(last.position)
    statement.drop.run(applied)
    return written
  })

const muchBytes = 64 * 1024 * 1024
const checkpoints = openCheckpoints(db, muchBytes)
const answer = (request: Request): unknown => {
  switch (request.kind) {
    case 'write':
      return write(request.entries, request.applied)
    case 'get':
      return statement.get.get(request.job_id)
    case 'close':
      checkpoints.stop()
      closeOwned(file, db)
      return undefined
  }
}
port.on('message', (request: Request) => {
  try {
    port.postMessage({ n: request.n, result: answer(request) } satisfies Answer)
  } catch (error) {
    port.postMessage({ n: request.n, failed: failedOf(error) } satisfies Answer)
  }
  if (request.kind === 'close') {
    port.close()
    return
  }
  if (request.kind !== 'write') return
  checkpoints.wrote(request.entries.reduce((bytes, { rows }) => bytes + 2 * rows.length + 200, 0))
})

port.postMessage({
  n: 0,
  result: {
    entries: db
      .prepare(
        'SELECT position, table_name AS "table", row_texts AS rows, row_count AS count FROM journal ORDER BY position',
      )
      .all() as unknown as Entry[],
    last: Number(db.prepare(`SELECT value FROM meta WHERE key = 'last'`).get()?.['value'] ?? 0),
  } satisfies Opened,
} satisfies Answer)
