/**
 * Small rows, durable before they reach DuckDB: `write` resolves when the rows, and the job id they may carry, are in
 * the file. What is asked for while a group is being written becomes the next group. The journal knows nothing of
 * tables; the engine takes what is pending, puts it into DuckDB together with its position, and says so.
 */
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { AppError } from '@convergence/contracts'
import { cannotOpen, writeFault } from '@convergence/local-wire/sqlite-faults'
import type { Answer, Entry, Opened, Request, StoredJob } from './journal-worker.ts'

export type { Entry, StoredJob } from './journal-worker.ts'

export interface Journal {
  /** Entries that are durable and not known to be in DuckDB, in order. Shrinks by `applied`. */
  readonly pending: readonly Entry[]
  /** False: the job id was taken, nothing was written. Throws DISK_FULL or UNAVAILABLE; then nothing is there. */
  write(table: string, rows: string, count: number, job?: StoredJob): Promise<boolean>
  job(job_id: string): Promise<StoredJob | undefined>
  /** Everything up to here is in DuckDB: it goes, with the next group or at the end. */
  applied(position: number): void
  /** False after a fault, until a write succeeds again. */
  healthy(): boolean
  close(): Promise<void>
}

interface Waiting {
  entry: Entry
  resolve(written: boolean): void
  reject(error: unknown): void
}
type WithoutNumber = Request extends infer R ? (R extends Request ? Omit<R, 'n'> : never) : never

const largestGroup = 2_000
/** Groups on their way at a time: one is written while the next is carried over. */
const groupsInFlight = 2
const dropSoonMs = 1_000

/** The thread that has the file: requests by number, each with its answer. */
interface JournalThread {
  opened: Opened
  ask(request: WithoutNumber): Promise<unknown>
  /** Why it answers no more. */
  ended(): AppError | undefined
  exited: Promise<void>
}
const openThread = async (file: string, forget_before_ms: number): Promise<JournalThread> => {
  const worker = new Worker(join(import.meta.dirname, 'journal-worker.ts'), { workerData: { file, forget_before_ms } })
  const calls = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>()
  let n = 0
  let ended: AppError | undefined
  const end = (why: string) => {
    ended ??= new AppError('UNAVAILABLE', `${file}: ${why}`)
    for (const { reject } of calls.values()) reject(ended)
    calls.clear()
  }
  worker.on('message', ({ n: number, result, failed }: Answer) => {
    const call = calls.get(number)
    calls.delete(number)
    if (failed === undefined) call?.resolve(result)
    else call?.reject(number === 0 ? cannotOpen(file, failed, 'a journal') : writeFault(file, failed))
  })
  worker.on('error', (error: unknown) => {
    end(`the thread that writes it failed (${error instanceof Error ? error.message : String(error)}); start again`)
  })
  const exited = new Promise<void>((resolve) => {
    worker.on('exit', () => {
      end('is closed')
      resolve()
    })
  })
  const answered = (number: number) =>
    new Promise<unknown>((resolve, reject) => {
      calls.set(number, { resolve, reject })
    })
  return {
    opened: (await answered(0)) as Opened,
    ask: (request) => {
      if (ended !== undefined) return Promise.reject(ended)
      n += 1
      const answer = answered(n)
      worker.postMessage({ ...request, n } satisfies Request)
      return answer
    },
    ended: () => ended,
    exited,
  }
}

/**
 * `forget_before_ms`: job ids that are older may go. `onPending` hears of entries as they became durable, before
 * whoever wrote them.
 */
export const openJournal = async (
  file: string,
  forget_before_ms: number,
  onPending: (entries: readonly Entry[]) => void,
): Promise<Journal> => {
  const { opened, ask, ended, exited } = await openThread(file, forget_before_ms)
  let well = true
  const pending: Entry[] = opened.entries
  let position = Math.max(opened.last, pending.at(-1)?.position ?? 0)
  let applied = 0
  let dropped = 0
  let inFlight = 0
  const gathered: Waiting[] = []
  let scheduled = false
  let drop: NodeJS.Timeout | undefined

  const send = (): void => {
    scheduled = false
    while (inFlight < groupsInFlight && gathered.length > 0) {
      const group = gathered.splice(0, largestGroup)
      inFlight += 1
      const upTo = applied
      ask({ kind: 'write', entries: group.map(({ entry }) => entry), applied: upTo })
        .then(
          (result) => {
            well = true
            dropped = Math.max(dropped, upTo)
            const written = result as boolean[]
            const fresh = group.map(({ entry }) => entry).filter(({ count }, k) => written[k] === true && count > 0)
            pending.push(...fresh)
            onPending(fresh)
            group.forEach(({ resolve }, k) => {
              resolve(written[k] === true)
            })
          },
          (error: unknown) => {
            well = false
            for (const { reject } of group) reject(error)
          },
        )
        .finally(() => {
          inFlight -= 1
          send()
        })
    }
  }
  return {
    pending,
    write: (table, rows, count, job) =>
      new Promise((resolve, reject) => {
        const end = ended()
        if (end !== undefined) {
          reject(end)
          return
        }
        position += 1
        gathered.push({
          entry: { position, table, rows, count, ...(job === undefined ? {} : { job }) },
          resolve,
          reject,
        })
        if (scheduled) return
        scheduled = true
        setImmediate(send)
      }),
    job: async (job_id) => (await ask({ kind: 'get', job_id })) as StoredJob | undefined,
    applied: (upTo) => {
      applied = Math.max(applied, upTo)
      position = Math.max(position, upTo)
      let count = 0
      while (count < pending.length && (pending[count]?.position ?? Infinity) <= upTo) count += 1
      pending.splice(0, count)
      if (drop !== undefined || applied <= dropped) return
      drop = setTimeout(() => {
        drop = undefined
        if (ended() !== undefined || applied <= dropped) return
        const now = applied
        ask({ kind: 'write', entries: [], applied: now }).then(
          () => {
            dropped = Math.max(dropped, now)
          },
          () => {
            well = false
          },
        )
      }, dropSoonMs)
      drop.unref()
    },
    healthy: () => well && ended() === undefined,
    close: async () => {
      clearTimeout(drop)
      while (gathered.length > 0 || inFlight > 0) await new Promise((resolve) => setImmediate(resolve))
      if (ended() === undefined) {
        await ask({ kind: 'write', entries: [], applied }).catch(() => undefined)
        await ask({ kind: 'close' })
      }
      await exited
    },
  }
}
