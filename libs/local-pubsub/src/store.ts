/**
 * The broker's file as the broker sees it: `write` resolves when its operations are durable. Operations of one turn
 * become one transaction (group commit); while it is being written the next group gathers. Each fault is one
 * sentence.
 */
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { AppError } from '@convergence/contracts'
import { cannotOpen, writeFault } from '@convergence/local-wire/sqlite-faults'
import type { Answer, DuePage, Expired, ExpiringOf, Op, Opened, Request, StoredMessage } from './store-worker.ts'

/** `handed` of a delivery that waits for its time in the file only. */
export const outOfMemory = -1

/** An operation before its bytes have a place in the request. */
export type Write =
  Exclude<Op, { op: 'message' }> | (Omit<Extract<Op, { op: 'message' }>, 'from' | 'size'> & { data: Uint8Array })

export interface Store {
  opened: Opened
  /**
   * All of one call in one transaction. `soon`: may wait up to 2 ms for a group that is written anyway, for what nobody
   * waits for.
   * Throws DISK_FULL or UNAVAILABLE; then none of it is there.
   */
  write(operations: readonly Write[], soon?: boolean): Promise<void>
  page(sub: number, after: number, limit: number): Promise<StoredMessage[]>
  due(sub: number, by_ms: number, limit: number): Promise<DuePage>
  count(sub: number): Promise<number>
  expire(of: ExpiringOf[]): Promise<Expired>
  /** False after a fault, until a write succeeds again. */
  healthy(): boolean
  /** Writes what has gathered and lets go of the file. */
  close(): Promise<void>
}

/** Groups on their way to the worker at a time: one is written while the answers of the other are handled. */
const groupsInFlight = 2
const largestGroup = 1_000
const soonMs = 2

/** The thread that has the file: questions by number, answered in any order. */
const openThread = async (file: string, max_bytes: number | undefined) => {
  const worker = new Worker(join(import.meta.dirname, 'store-worker.ts'), { workerData: { file, max_bytes } })
  let ended: AppError | undefined
  let n = 0
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()

  const settle = ({ n: number, result, failed }: Answer) => {
    const entry = waiting.get(number)
    waiting.delete(number)
    if (waiting.size === 0) worker.unref()
    if (failed === undefined) entry?.resolve(result)
    else entry?.reject(number === 0 ? cannotOpen(file, failed, "a broker's file") : writeFault(file, failed))
  }
  const end = (why: string) => {
    ended ??= new AppError('UNAVAILABLE', `${file}: ${why}`)
    for (const entry of waiting.values()) entry.reject(ended)
    waiting.clear()
  }
  worker.on('message', settle)
  worker.on('error', (error: Error) => {
    end(`the thread that writes it failed (${error.message}); start again`)
  })
  worker.on('exit', () => {
    end('the thread that writes it has ended; start again')
  })
  // Distributes over the union, so that each kind keeps its own fields.
  type Numberless = Request extends infer R ? (R extends Request ? Omit<R, 'n'> : never) : never
  const ask = <T>(request: Numberless, transfer: ArrayBuffer[] = []): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      if (ended !== undefined) {
        reject(ended)
        return
      }
      n += 1
      if (waiting.size === 0) worker.ref()
      waiting.set(n, { resolve: resolve, reject })
      worker.postMessage({ ...request, n }, transfer)
    })

  const opened = await new Promise<Opened>((resolve, reject) => {
    waiting.set(0, { resolve: resolve, reject })
  })
  return { opened, ask, end, ended: () => ended, terminate: () => worker.terminate() }
}

export const openStore = async ({
  file,
  max_bytes,
}: {
  file: string
  max_bytes?: number | undefined
}): Promise<Store> => {
  const thread = await openThread(file, max_bytes)
  const { ask } = thread
  let well = true
  let operations: Write[] = []
  let callers: { resolve(): void; reject(error: Error): void }[] = []
  let inFlight = 0
  let scheduled: NodeJS.Immediate | undefined
  let late: NodeJS.Timeout | undefined
  let urgent = false
  const flush = () => {
    scheduled = undefined
    if (callers.length === 0 || inFlight >= groupsInFlight) return
    const [group, answered] = [operations, callers]
    operations = []
    callers = []
    urgent = false
    clearTimeout(late)
    late = undefined
    inFlight += 1
    const { ops, bytes } = pack(group)
    ask<undefined>({ kind: 'write', ops, bytes }, [bytes]).then(
      () => {
        well = true
        inFlight -= 1
        for (const { resolve } of answered) resolve()
        if (urgent) schedule()
      },
      (error: unknown) => {
        well = false
        inFlight -= 1
        for (const { reject } of answered) reject(error as Error)
        if (urgent) schedule()
      },
    )
  }
  const schedule = () => {
    scheduled ??= setImmediate(flush)
  }
  const write = (added: readonly Write[], soon = false): Promise<void> =>
    new Promise((resolve, reject) => {
      const ended = thread.ended()
      if (ended !== undefined) {
        reject(ended)
        return
      }
      for (const operation of added) operations.push(operation)
      callers.push({ resolve, reject })
      if (!soon || operations.length >= largestGroup) {
        urgent = true
        schedule()
      } else {
        late ??= setTimeout(() => {
          urgent = true
          schedule()
        }, soonMs)
      }
    })

  return {
    opened: thread.opened,
    write,
    page: (sub, after, limit) => ask({ kind: 'page', sub, after, limit }),
    due: (sub, by_ms, limit) => ask({ kind: 'due', sub, by_ms, limit }),
    count: (sub) => ask({ kind: 'count', sub }),
    expire: (of) => ask({ kind: 'expire', of }),
    healthy: () => well && thread.ended() === undefined,
    close: async () => {
      while (callers.length > 0 || inFlight > 0) await write([]).catch(() => undefined)
      await ask({ kind: 'close' }).catch(() => undefined)
      thread.end('it is closed')
      await thread.terminate()
    },
  }
}

/**
 * Bodies of a group in one buffer that is moved to the worker, not copied again: a small Buffer would take its whole
 * pool along.
 */
const pack = (group: readonly Write[]): { ops: Op[]; bytes: ArrayBuffer } => {
  let size = 0
  for (const write of group) if (write.op === 'message') size += write.data.byteLength
  const all = new Uint8Array(size)
  let from = 0
  const ops = group.map((write): Op => {
    if (write.op !== 'message') return write
    const { data, ...rest } = write
    all.set(data, from)
    const placed = { ...rest, from, size: data.byteLength }
    from += data.byteLength
    return placed
  })
  return { ops, bytes: all.buffer }
}
