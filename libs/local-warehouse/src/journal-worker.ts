/**
 * The journal's file, on a thread of its own, so that a slow fsync delays durable answers and nothing else. Each
 * request is a group of entries that become one transaction. A commit's job id is unique in this file for as long as
 * jobs are kept: that is the whole guard. The file is locked by the operating system while this thread lives;
 * `<file>.owner` only tells a second opener who it is.
 */
import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { DatabaseSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'

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
  failed?: { message: string; errcode: number | undefined; held_by?: string }
}
export interface Opened {
  entries: Entry[]
  last: number
}

const port = parentPort
if (port === null) throw new Error('runs as a worker only')
const { file, forget_before_ms } = workerData as { file: string; forget_before_ms: number }
const owner = `${file}.owner`
const busy = 5
const layout = 1

const failedOf = (error: unknown) => {
  const { message, errcode } = error as Error & { errcode?: number }
  return { message, errcode }
}
const open = (): DatabaseSync => {
  closeSync(openSync(file, 'a', 0o600))
  const made = new DatabaseSync(file)
  made.exec(
    'PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; ' +
      'PRAGMA wal_autocheckpoint=0; PRAGMA temp_store=MEMORY',
  )
  made.exec('BEGIN IMMEDIATE')
  const version = Number(made.prepare('PRAGMA user_version').get()?.['user_version'])
  if (version > layout) throw new Error(`its layout is ${version}, newer than this program's ${layout}`)
  made.exec(`
    CREATE TABLE IF NOT EXISTS journal (
      position INTEGER PRIMARY KEY, table_name TEXT NOT NULL, row_texts TEXT NOT NULL, row_count INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS jobs (
      job_id TEXT PRIMARY KEY, labels TEXT NOT NULL, rows_written INTEGER NOT NULL, created_ms INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    PRAGMA user_version=${layout};`)
  made.prepare('DELETE FROM jobs WHERE created_ms < ?').run(forget_before_ms)
  made.exec('COMMIT')
  writeFileSync(owner, `process ${process.pid} on ${hostname()}`, { mode: 0o600 })
  return made
}
const whoHolds = (): string => {
  try {
    return readFileSync(owner, 'utf8')
  } catch {
    return 'another process'
  }
}

let db: DatabaseSync
try {
  db = open()
} catch (error) {
  const failed = failedOf(error)
  port.postMessage({
    n: 0,
    failed: failed.errcode === busy ? { ...failed, held_by: whoHolds() } : failed,
  } satisfies Answer)
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
const write = (entries: readonly Entry[], applied: number): boolean[] => {
  db.exec('BEGIN IMMEDIATE')
  try {
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
    db.exec('COMMIT')
    return written
  } catch (error) {
    // SQLite has already rolled back after some faults, a full disk among them.
    if (db.isTransaction) db.exec('ROLLBACK')
    throw error
  }
}

// Checkpoints on purpose: when idle, or when much has gathered. Otherwise they fall into somebody's commit.
const idleMs = 300
const muchBytes = 64 * 1024 * 1024
let bytes = 0
let idle: NodeJS.Timeout | undefined
const checkpoint = () => {
  bytes = 0
  try {
    db.exec('PRAGMA wal_checkpoint(PASSIVE)')
  } catch {
    // The log only stays longer; a full disk shows itself at the next write.
  }
}
const answer = (request: Request): unknown => {
  switch (request.kind) {
    case 'write':
      return write(request.entries, request.applied)
    case 'get':
      return statement.get.get(request.job_id)
    case 'close':
      clearTimeout(idle)
      db.close()
      rmSync(owner, { force: true })
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
  for (const { rows } of request.entries) bytes += 2 * rows.length + 200
  clearTimeout(idle)
  if (bytes > muchBytes) checkpoint()
  else idle = setTimeout(checkpoint, idleMs)
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
