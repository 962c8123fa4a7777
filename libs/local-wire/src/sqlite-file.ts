/**
 * A SQLite file that one thread of one process owns: what the broker's store and the warehouse's journal do alike. The
 * file is locked by the operating system while the thread lives, so a killed owner leaves nothing to clean up;
 * `<file>.owner` only tells a second opener who it is. Imports little, since each thread loads it anew.
 */
import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { DatabaseSync } from 'node:sqlite'

/** An error as it travels from the thread. */
export interface Failed {
  message: string
  errcode: number | undefined
  /** Who has the file open. */
  held_by?: string
}
const busy = 5
const idleMs = 300

const ownerOf = (file: string): string => `${file}.owner`

export const failedOf = (error: unknown): Failed => {
  const { message, errcode } = error as Error & { errcode?: number }
  return { message, errcode }
}
/** Why the file could not be opened. */
export const openFailure = (file: string, error: unknown): Failed => {
  const failed = failedOf(error)
  if (failed.errcode !== busy) return failed
  try {
    return { ...failed, held_by: readFileSync(ownerOf(file), 'utf8') }
  } catch {
    return { ...failed, held_by: 'another process' }
  }
}

/** Opens the file, or makes it; `prepare` runs in the transaction that takes the lock. */
export const openOwned = (
  file: string,
  { layout, pragmas = '', prepare }: { layout: number; pragmas?: string; prepare(db: DatabaseSync): void },
): DatabaseSync => {
  closeSync(openSync(file, 'a', 0o600))
  const db = new DatabaseSync(file)
  db.exec(
    'PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; ' +
      `PRAGMA wal_autocheckpoint=0; PRAGMA temp_store=MEMORY; ${pragmas}`,
  )
  // A first write takes the lock; it is kept until this thread ends, however it ends.
  db.exec('BEGIN IMMEDIATE')
  const version = Number(db.prepare('PRAGMA user_version').get()?.['user_version'])
  if (version > layout) throw new Error(`its layout is ${version}, newer than this program's ${layout}`)
  prepare(db)
  db.exec(`PRAGMA user_version=${layout}`)
  db.exec('COMMIT')
  writeFileSync(ownerOf(file), `process ${process.pid} on ${hostname()}`, { mode: 0o600 })
  return db
}
export const closeOwned = (file: string, db: DatabaseSync): void => {
  db.close()
  rmSync(ownerOf(file), { force: true })
}

export const inTransaction = <T>(db: DatabaseSync, work: () => T): T => {
  db.exec('BEGIN IMMEDIATE')
  try {
    const result = work()
    db.exec('COMMIT')
    return result
  } catch (error) {
    // SQLite has already rolled back after some faults, a full disk among them.
    if (db.isTransaction) db.exec('ROLLBACK')
    throw error
  }
}

/** Checkpoints on purpose: when idle, or when `much` has gathered. Otherwise they fall into somebody's commit. */
export const openCheckpoints = (db: DatabaseSync, much: number) => {
  let gathered = 0
  let idle: NodeJS.Timeout | undefined
  const checkpoint = () => {
    gathered = 0
    try {
      db.exec('PRAGMA wal_checkpoint(PASSIVE)')
    } catch {
      // The log only stays longer; a full disk shows itself at the next write.
    }
  }
  return {
    wrote: (amount: number): void => {
      gathered += amount
      clearTimeout(idle)
      if (gathered > much) checkpoint()
      else idle = setTimeout(checkpoint, idleMs)
    },
    stop: (): void => {
      clearTimeout(idle)
    },
  }
}
