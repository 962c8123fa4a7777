/**
 * The broker's file, on a thread of its own, so that a slow fsync delays durable answers and nothing else. Each request
 * is a list of operations that become one transaction, and one answer. The file is locked by the operating system while
 * this thread lives, so a killed owner leaves nothing to clean up; `<file>.owner` only tells a second opener who it is.
 */
import { statSync } from 'node:fs'
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

export type Op =
  | { op: 'topic'; name: string }
  | { op: 'drop-topic'; name: string }
  | { op: 'subscription'; id: number; name: string; config: string }
  | { op: 'drop-subscription'; id: number }
  /** Labels and retention of a topic. */
  | { op: 'topic-config'; name: string; config: string }
  /** All its deliveries go; the subscription stays. */
  | { op: 'clear'; sub: number }
  /** What `from` has not acknowledged becomes undelivered in `to`. */
  | { op: 'copy'; from_sub: number; to_sub: number }
  /** Messages, acknowledged or not, become undelivered in `sub`. */
  | { op: 'deliver'; sub: number; ids: number[] }
  /**
   * Acknowledges what was published before; what was acknowledged, is kept, and was published since, becomes
   * undelivered.
   */
  | { op: 'seek'; sub: number; to_ms: number; retain: boolean }
  /** Acknowledged, and kept. */
  | { op: 'retain'; sub: number; id: number }
  /** What is acknowledged and kept goes. */
  | { op: 'release'; sub: number }
  /** `from` and `size` point into the request's bytes; `to` is subscription and `handed` of each, two by two. */
  | {
      op: 'message'
      id: number
      from: number
      size: number
      attributes: string
      ordering_key: string
      published_ms: number
      to: number[]
    }
  /** `only`: nobody else waits for the message, so it goes too. */
  | { op: 'ack'; sub: number; id: number; only: boolean }
  /**
   * `handed`: the epoch in which this attempt was handed out, 0 when it was not, -1 when it waits for its time in the
   * file only, -2 when it is acknowledged and kept.
   */
  | { op: 'delivery'; sub: number; id: number; attempt: number; due_ms: number; handed: number }
  /** Message ids up to here may have been given out. */
  | { op: 'reserve'; id: number }
export interface StoredMessage {
  id: number
  data: Uint8Array
  attributes: string
  ordering_key: string
  published_ms: number
  open: number
  attempt: number
  due_ms: number
  handed: number
}
export type Request =
  | { n: number; kind: 'write'; ops: Op[]; bytes: ArrayBuffer }
  /** Deliveries of a subscription by message id. */
  | { n: number; kind: 'page'; sub: number; after: number; limit: number }
  /** Deliveries that were sent out of memory and are due. */
  | { n: number; kind: 'due'; sub: number; by_ms: number; limit: number }
  | { n: number; kind: 'count'; sub: number }
  /** Drops what was published before, of each subscription. */
  | { n: number; kind: 'expire'; of: ExpiringOf[] }
  | { n: number; kind: 'close' }
export interface DuePage {
  rows: StoredMessage[]
  next_ms: number | undefined
}
export interface ExpiringOf {
  sub: number
  before_ms: number
}
/** Messages up to an id are gone from each subscription, and so many deliveries in all. */
export interface Expired {
  up_to: { sub: number; id: number }[]
  dropped: number
}
export interface Opened {
  topics: { name: string; config: string | null }[]
  subscriptions: { id: number; name: string; config: string }[]
  last_id: number
  /** Counts the openings of the file. A delivery `handed` in an earlier one has used up its attempt. */
  epoch: number
}
export interface Answer {
  n: number
  result?: unknown
  failed?: Failed
}
const port = parentPort
if (port === null) throw new Error('runs as a worker only')
const { file, max_bytes } = workerData as { file: string; max_bytes: number | undefined }

const layout = 1
const schema = `
CREATE TABLE IF NOT EXISTS topics (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS subscriptions (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, config TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS messages (
  id INTEGER PRIMARY KEY, data BLOB NOT NULL, attributes TEXT NOT NULL, ordering_key TEXT NOT NULL,
  published_ms INTEGER NOT NULL, open INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS deliveries (
  sub INTEGER NOT NULL, id INTEGER NOT NULL, attempt INTEGER NOT NULL, due_ms INTEGER NOT NULL, handed INTEGER NOT NULL,
  PRIMARY KEY (sub, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS deliveries_out_of_memory ON deliveries (sub, due_ms) WHERE handed = -1;
CREATE TABLE IF NOT EXISTS topic_configs (name TEXT PRIMARY KEY, config TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
`
const open = (): DatabaseSync => {
  const made = openOwned(file, {
    layout,
    pragmas: 'PRAGMA cache_size=-16000',
    prepare: (db) => {
      db.exec(schema)
      db.exec(`INSERT INTO meta (key, value) VALUES ('epoch', 1) ON CONFLICT (key) DO UPDATE SET value = value + 1`)
    },
  })
  makeRoom(made)
  if (max_bytes !== undefined) made.exec(`PRAGMA max_page_count=${Math.ceil(max_bytes / 4096)}`)
  return made
}
/** Bytes of log that are written over and over before it grows. */
const logBytes = 4_000_000
/**
 * A commit that overwrites the log takes half the time of one that makes it longer (0.16 against 0.33 ms), so it is
 * made long once.
 */
const makeRoom = (made: DatabaseSync) => {
  if ((statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0) >= logBytes) return
  try {
    made.exec(
      `BEGIN; CREATE TABLE room (x); INSERT INTO room VALUES (zeroblob(${logBytes})); DROP TABLE room; COMMIT; ` +
        'PRAGMA wal_checkpoint(PASSIVE)',
    )
  } catch {
    // No room for it: then it only is slower.
    if (made.isTransaction) made.exec('ROLLBACK')
  }
}
let db: DatabaseSync
try {
  db = open()
} catch (error) {
  port.postMessage({ n: 0, failed: openFailure(file, error) } satisfies Answer)
  process.exit(0)
}

const columns =
  'm.id, m.data, m.attributes, m.ordering_key, m.published_ms, m.open, d.attempt, d.due_ms, d.handed ' +
  'FROM deliveries d JOIN messages m ON m.id = d.id'
const statement = {
  insertTopic: db.prepare('INSERT OR IGNORE INTO topics (name) VALUES (?)'),
  dropTopic: db.prepare('DELETE FROM topics WHERE name = ?'),
  configTopic: db.prepare(
    'INSERT INTO topic_configs (name, config) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET config = excluded.config',
  ),
  dropTopicConfig: db.prepare('DELETE FROM topic_configs WHERE name = ?'),
  openCopied: db.prepare(
    'UPDATE messages SET open = open + 1 WHERE id IN (SELECT id FROM deliveries WHERE sub = ? AND handed <> -2) ' +
      'AND id NOT IN (SELECT id FROM deliveries WHERE sub = ?)',
  ),
  copyDeliveries: db.prepare(
    'INSERT OR IGNORE INTO deliveries (sub, id, attempt, due_ms, handed) SELECT ?, id, 1, 0, 0 FROM deliveries ' +
      'WHERE sub = ? AND handed <> -2',
  ),
  redeliverCopied: db.prepare(
    'UPDATE deliveries SET attempt = 1, due_ms = 0, handed = 0 WHERE sub = ? AND id IN (SELECT id ' +
      'FROM deliveries WHERE sub = ? AND handed <> -2)',
  ),
  openMessage: db.prepare('UPDATE messages SET open = open + 1 WHERE id = ?'),
  deliver: db.prepare(
    'INSERT INTO deliveries (sub, id, attempt, due_ms, handed) SELECT ?, id, 1, 0, 0 FROM messages WHERE id = ? ' +
      'ON CONFLICT (sub, id) DO NOTHING',
  ),
  redeliver: db.prepare(
    'UPDATE deliveries SET attempt = 1, due_ms = 0, handed = 0 WHERE sub = ? AND id = ? AND handed = -2',
  ),
  retain: db.prepare('UPDATE deliveries SET handed = -2 WHERE sub = ? AND id = ?'),
  retainBefore: db.prepare(
    'UPDATE deliveries SET handed = -2 WHERE sub = ? AND id IN (SELECT id FROM messages WHERE published_ms < ?)',
  ),
  redeliverSince: db.prepare(
    'UPDATE deliveries SET attempt = 1, due_ms = 0, handed = 0 WHERE sub = ? AND handed = -2 ' +
      'AND id IN (SELECT id FROM messages WHERE published_ms >= ?)',
  ),
  before: db.prepare(
    'SELECT d.id FROM deliveries d JOIN messages m ON m.id = d.id WHERE d.sub = ? AND m.published_ms < ?',
  ),
  retained: db.prepare('SELECT id FROM deliveries WHERE sub = ? AND handed = -2'),
  insertSubscription: db.prepare(
    'INSERT INTO subscriptions (id, name, config) VALUES (?, ?, ?) ' +
      'ON CONFLICT (id) DO UPDATE SET config = excluded.config',
  ),
  dropSubscription: db.prepare('DELETE FROM subscriptions WHERE id = ?'),
  releaseMessages: db.prepare(
    'UPDATE messages SET open = open - 1 WHERE id IN (SELECT id FROM deliveries WHERE sub = ?)',
  ),
  dropReleased: db.prepare('DELETE FROM messages WHERE open <= 0 AND id IN (SELECT id FROM deliveries WHERE sub = ?)'),
  dropDeliveries: db.prepare('DELETE FROM deliveries WHERE sub = ?'),
  insertMessage: db.prepare(
    'INSERT INTO messages (id, data, attributes, ordering_key, published_ms, open) VALUES (?, ?, ?, ?, ?, ?)',
  ),
  insertDelivery: db.prepare('INSERT INTO deliveries (sub, id, attempt, due_ms, handed) VALUES (?, ?, 1, 0, ?)'),
  deleteDelivery: db.prepare('DELETE FROM deliveries WHERE sub = ? AND id = ?'),
  closeMessage: db.prepare('UPDATE messages SET open = open - 1 WHERE id = ?'),
  deleteMessage: db.prepare('DELETE FROM messages WHERE id = ? AND open <= ?'),
  updateDelivery: db.prepare('UPDATE deliveries SET attempt = ?, due_ms = ?, handed = ? WHERE sub = ? AND id = ?'),
  setMeta: db.prepare(
    'INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
  ),
  page: db.prepare(`SELECT ${columns} WHERE d.sub = ? AND d.id > ? AND d.handed <> -2 ORDER BY d.id LIMIT ?`),
  due: db.prepare(`SELECT ${columns} WHERE d.sub = ? AND d.handed = -1 AND d.due_ms <= ? ORDER BY d.due_ms LIMIT ?`),
  nextDue: db.prepare('SELECT MIN(due_ms) AS due_ms FROM deliveries WHERE sub = ? AND handed = -1'),
  intoMemory: db.prepare('UPDATE deliveries SET handed = 0 WHERE sub = ? AND id = ?'),
  count: db.prepare('SELECT COUNT(*) AS n FROM deliveries WHERE sub = ? AND handed <> -2'),
  oldest: db.prepare('SELECT id, published_ms FROM messages WHERE id > ? ORDER BY id LIMIT 1000'),
  allSubscriptions: db.prepare('SELECT id, name, config FROM subscriptions'),
  expireOpen: db.prepare(
    'UPDATE messages SET open = open - 1 WHERE id IN (SELECT id FROM deliveries WHERE sub = ? AND id <= ?)',
  ),
  expireDeliveries: db.prepare('DELETE FROM deliveries WHERE sub = ? AND id <= ?'),
  expireMessages: db.prepare('DELETE FROM messages WHERE id <= ? AND open <= 0'),
}

const drop = (sub: number, rows: Record<string, unknown>[]): void => {
  for (const { id } of rows) {
    statement.deleteDelivery.run(sub, Number(id))
    statement.closeMessage.run(Number(id))
    statement.deleteMessage.run(Number(id), 0)
  }
}
const apply = (op: Op, bytes: ArrayBuffer): void => {
  switch (op.op) {
    case 'message':
      statement.insertMessage.run(
        op.id,
        new Uint8Array(bytes, op.from, op.size),
        op.attributes,
        op.ordering_key,
        op.published_ms,
        op.to.length / 2,
      )
      for (let k = 0; k < op.to.length; k += 2) statement.insertDelivery.run(op.to[k] ?? 0, op.id, op.to[k + 1] ?? 0)
      return
    case 'ack':
      if (statement.deleteDelivery.run(op.sub, op.id).changes === 0) return
      if (!op.only) statement.closeMessage.run(op.id)
      // Somebody else may wait for it since: a snapshot, a subscription that was sought.
      if (statement.deleteMessage.run(op.id, op.only ? 1 : 0).changes === 0 && op.only)
        statement.closeMessage.run(op.id)
      return
    case 'delivery':
      statement.updateDelivery.run(op.attempt, op.due_ms, op.handed, op.sub, op.id)
      return
    case 'reserve':
      statement.setMeta.run('last_id', op.id)
      return
    case 'topic':
      statement.insertTopic.run(op.name)
      return
    case 'drop-topic':
      statement.dropTopic.run(op.name)
      statement.dropTopicConfig.run(op.name)
      return
    case 'topic-config':
      statement.configTopic.run(op.name, op.config)
      return
    case 'clear':
      statement.releaseMessages.run(op.sub)
      statement.dropReleased.run(op.sub)
      statement.dropDeliveries.run(op.sub)
      return
    case 'copy':
      statement.openCopied.run(op.from_sub, op.to_sub)
      statement.redeliverCopied.run(op.to_sub, op.from_sub)
      statement.copyDeliveries.run(op.to_sub, op.from_sub)
      return
    case 'deliver':
      for (const id of op.ids)
        if (statement.redeliver.run(op.sub, id).changes === 0 && statement.deliver.run(op.sub, id).changes > 0)
          statement.openMessage.run(id)
      return
    case 'retain':
      statement.retain.run(op.sub, op.id)
      return
    case 'release':
      drop(op.sub, statement.retained.all(op.sub))
      return
    case 'seek':
      if (op.retain) statement.retainBefore.run(op.sub, op.to_ms)
      else drop(op.sub, statement.before.all(op.sub, op.to_ms))
      statement.redeliverSince.run(op.sub, op.to_ms)
      return
    case 'subscription':
      statement.insertSubscription.run(op.id, op.name, op.config)
      return
    case 'drop-subscription':
      statement.releaseMessages.run(op.id)
      statement.dropReleased.run(op.id)
      statement.dropDeliveries.run(op.id)
      statement.dropSubscription.run(op.id)
  }
}
/**
 * Pages written since, roughly, when the log begins again: as long as it was made, for longer ones cost more than
 * checkpoints do.
 */
const muchPages = logBytes / 4096
const checkpoints = openCheckpoints(db, muchPages)

const answer = (request: Request): unknown => {
  switch (request.kind) {
    case 'write':
      if (request.ops.length > 0)
        inTransaction(db, () => {
          for (const op of request.ops) apply(op, request.bytes)
        })
      return undefined
    case 'page':
      return statement.page.all(request.sub, request.after, request.limit)
    case 'due':
      return inTransaction(db, () => {
        const rows = statement.due.all(request.sub, request.by_ms, request.limit)
        for (const row of rows) statement.intoMemory.run(request.sub, Number(row['id']))
        return { rows, next_ms: statement.nextDue.get(request.sub)?.['due_ms'] ?? undefined }
      })
    case 'count':
      return Number(statement.count.get(request.sub)?.['n'] ?? 0)
    case 'expire':
      return inTransaction(db, () => {
        // Ids rise with time, so what is too old is a beginning of the table; subscriptions with one retention look for
        // its end once.
        const ends = new Map<number, number>()
        const endOf = (before_ms: number): number => {
          for (let end = 0; ;) {
            const rows = statement.oldest.all(end)
            const old = rows.filter(({ published_ms }) => Number(published_ms) < before_ms)
            end = Number(old.at(-1)?.['id'] ?? end)
            if (rows.length === 0 || old.length < rows.length) return end
          }
        }
        let dropped = 0
        const up_to = request.of.map(({ sub, before_ms }) => {
          const id = ends.get(before_ms) ?? endOf(before_ms)
          ends.set(before_ms, id)
          if (id === 0) return { sub, id }
          statement.expireOpen.run(sub, id)
          dropped += Number(statement.expireDeliveries.run(sub, id).changes)
          return { sub, id }
        })
        statement.expireMessages.run(Math.max(0, ...ends.values()))
        return { up_to, dropped } satisfies Expired
      })
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
  if (request.kind === 'close') port.close()
  else if (request.kind === 'write') checkpoints.wrote(4 + request.ops.length / 3)
})

const opened: Opened = {
  topics: db
    .prepare('SELECT t.name, c.config FROM topics t LEFT JOIN topic_configs c ON c.name = t.name')
    .all() as unknown as Opened['topics'],
  subscriptions: statement.allSubscriptions.all() as unknown as Opened['subscriptions'],
  last_id: Math.max(
    Number(db.prepare(`SELECT value FROM meta WHERE key = 'last_id'`).get()?.['value'] ?? 0),
    Number(db.prepare('SELECT MAX(id) AS id FROM messages').get()?.['id'] ?? 0),
  ),
  epoch: Number(db.prepare(`SELECT value FROM meta WHERE key = 'epoch'`).get()?.['value']),
}
port.postMessage({ n: 0, result: opened } satisfies Answer)
