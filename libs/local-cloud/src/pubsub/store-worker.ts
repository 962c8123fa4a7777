/**
 * The broker's file, on a thread of its own, so that a slow fsync delays durable answers and nothing else. Each message from the broker
 * is a list of operations that become one transaction, and one answer.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'

export type Op =
  | { op: 'topic'; name: string; config: string }
  | { op: 'drop-topic'; name: string }
  | { op: 'subscription'; id: number; name: string; config: string }
  | { op: 'drop-subscription'; id: number }
  | { op: 'message'; id: number; topic: string; data: Uint8Array; attributes: string; ordering_key: string; published_ms: number; to: { sub: number; handed: boolean }[] }
  | { op: 'ack'; sub: number; id: number }
  | { op: 'again'; sub: number; id: number; attempt: number; due_ms: number }
export interface StoredMessage { id: number; topic: string; data: Uint8Array; attributes: string; ordering_key: string; published_ms: number; attempt: number; due_ms: number }
export type Request =
  | { n: number; kind: 'write'; ops: Op[] }
  | { n: number; kind: 'page'; sub: number; after: number; limit: number }
  | { n: number; kind: 'count'; sub: number }
  | { n: number; kind: 'checkpoint' }
  | { n: number; kind: 'close' }
export interface Opened { topics: { name: string; config: string }[]; subscriptions: { id: number; name: string; config: string }[]; last_id: number }

const port = parentPort
if (port === null) throw new Error('runs as a worker only')
const { file } = workerData as { file: string }

/** One owner per file: a lock beside it names the process; a lock of a process that is gone is taken over. */
const lock = `${file}.lock`
const takeLock = () => {
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx', mode: 0o600 })
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const holder = Number(existsSync(lock) ? readFileSync(lock, 'utf8') : '')
    // Several brokers in one process are told apart by the path alone, so our own pid is a holder too.
    if (holder > 0 && isAlive(holder)) throw Object.assign(new Error(`held by process ${holder}`), { held: true })
    rmSync(lock, { force: true })
  }
}
const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

const schema = `
CREATE TABLE IF NOT EXISTS topics (name TEXT PRIMARY KEY, config TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS subscriptions (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, config TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS messages (id INTEGER PRIMARY KEY, topic TEXT NOT NULL, data BLOB NOT NULL, attributes TEXT NOT NULL, ordering_key TEXT NOT NULL, published_ms INTEGER NOT NULL, open INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS deliveries (sub INTEGER NOT NULL, id INTEGER NOT NULL, attempt INTEGER NOT NULL, due_ms INTEGER NOT NULL, handed INTEGER NOT NULL, PRIMARY KEY (sub, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
`

const open = () => {
  takeLock()
  const db = new DatabaseSync(file)
  db.exec('PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=-16000; PRAGMA temp_store=MEMORY')
  db.exec(schema)
  // What was handed out when the process died has used up that attempt.
  db.exec('UPDATE deliveries SET attempt = attempt + 1, handed = 0 WHERE handed = 1')
  db.exec('DELETE FROM messages WHERE open <= 0')
  return db
}

let db: DatabaseSync
try {
  db = open()
} catch (error) {
  const { message, held, code } = error as Error & { held?: boolean; code?: string }
  port.postMessage({ n: 0, failed: message, held: held === true, code })
  process.exit(0)
}

const insertTopic = db.prepare('INSERT INTO topics (name, config) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET config = excluded.config')
const dropTopic = db.prepare('DELETE FROM topics WHERE name = ?')
const insertSubscription = db.prepare('INSERT INTO subscriptions (id, name, config) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET config = excluded.config')
const dropSubscription = db.prepare('DELETE FROM subscriptions WHERE id = ?')
const dropMessagesOf = db.prepare('UPDATE messages SET open = open - 1 WHERE id IN (SELECT id FROM deliveries WHERE sub = ?)')
const dropDeliveries = db.prepare('DELETE FROM deliveries WHERE sub = ?')
const insertMessage = db.prepare('INSERT INTO messages (id, topic, data, attributes, ordering_key, published_ms, open) VALUES (?, ?, ?, ?, ?, ?, ?)')
const insertDelivery = db.prepare('INSERT INTO deliveries (sub, id, attempt, due_ms, handed) VALUES (?, ?, 1, 0, ?)')
const deleteDelivery = db.prepare('DELETE FROM deliveries WHERE sub = ? AND id = ?')
const closeMessage = db.prepare('UPDATE messages SET open = open - 1 WHERE id = ?')
const deleteMessage = db.prepare('DELETE FROM messages WHERE id = ? AND open <= 0')
const again = db.prepare('UPDATE deliveries SET attempt = ?, due_ms = ?, handed = 0 WHERE sub = ? AND id = ?')
const page = db.prepare('SELECT m.id, m.topic, m.data, m.attributes, m.ordering_key, m.published_ms, d.attempt, d.due_ms FROM deliveries d JOIN messages m ON m.id = d.id WHERE d.sub = ? AND d.id > ? ORDER BY d.id LIMIT ?')
const markHanded = db.prepare('UPDATE deliveries SET handed = 1 WHERE sub = ? AND id > ? AND id <= ?')
const count = db.prepare('SELECT COUNT(*) AS n FROM deliveries WHERE sub = ?')
const saveLastId = db.prepare(`INSERT INTO meta (key, value) VALUES ('last_id', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value`)

const apply = (op: Op): void => {
  switch (op.op) {
    case 'topic': insertTopic.run(op.name, op.config); return
    case 'drop-topic': dropTopic.run(op.name); return
    case 'subscription': insertSubscription.run(op.id, op.name, op.config); return
    case 'drop-subscription':
      dropMessagesOf.run(op.id)
      dropDeliveries.run(op.id)
      dropSubscription.run(op.id)
      return
    case 'message':
      if (op.to.length === 0) return
      insertMessage.run(op.id, op.topic, op.data, op.attributes, op.ordering_key, op.published_ms, op.to.length)
      for (const { sub, handed } of op.to) insertDelivery.run(sub, op.id, handed ? 1 : 0)
      return
    case 'ack':
      if (deleteDelivery.run(op.sub, op.id).changes > 0) {
        closeMessage.run(op.id)
        deleteMessage.run(op.id)
      }
      return
    case 'again': again.run(op.attempt, op.due_ms, op.sub, op.id)
  }
}

const write = (ops: Op[]): void => {
  db.exec('BEGIN IMMEDIATE')
  try {
    let last = 0
    for (const op of ops) {
      apply(op)
      if (op.op === 'message') last = op.id
    }
    if (last > 0) saveLastId.run(last)
    db.exec('COMMIT')
  } catch (error) {
    db.exec('ROLLBACK')
    throw error
  }
}

const answer = (request: Request): unknown => {
  switch (request.kind) {
    case 'write': write(request.ops); return undefined
    case 'page': {
      const rows = page.all(request.sub, request.after, request.limit)
      const last = rows.at(-1)
      if (last !== undefined) markHanded.run(request.sub, request.after, Number(last['id']))
      return rows
    }
    case 'count': return Number(count.get(request.sub)?.['n'] ?? 0)
    case 'checkpoint': db.exec('PRAGMA wal_checkpoint(PASSIVE)'); return undefined
    case 'close':
      db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
      db.close()
      rmSync(lock, { force: true })
      return undefined
  }
}

port.on('message', (request: Request) => {
  try {
    port.postMessage({ n: request.n, result: answer(request) })
  } catch (error) {
    port.postMessage({ n: request.n, failed: (error as Error).message, code: (error as { code?: string }).code })
  }
  if (request.kind === 'close') port.close()
})

const opened: Opened = {
  topics: db.prepare('SELECT name, config FROM topics').all() as unknown as Opened['topics'],
  subscriptions: db.prepare('SELECT id, name, config FROM subscriptions').all() as unknown as Opened['subscriptions'],
  last_id: Math.max(Number(db.prepare(`SELECT value FROM meta WHERE key = 'last_id'`).get()?.['value'] ?? 0), Number(db.prepare('SELECT MAX(id) AS id FROM messages').get()?.['id'] ?? 0)),
}
port.postMessage({ n: 0, result: opened })
