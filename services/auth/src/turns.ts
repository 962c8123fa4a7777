/**
 * What one tenant may have going on in this process at a time: what it asks for beyond waits for its own turn, so a
 * tenant that asks for much is nobody's trouble but its own.
 */
import { AppError } from '@convergence/contracts'

/** Requests that read, at a time. */
const readsAtATime = 8
/** And that wait for their turn. */
const readsWaiting = 500
/** Event streams. */
const streamsAtATime = 100

interface Tenant {
  reading: number
  waiting: (() => void)[]
  streams: number
}

/** The same parts; the turn is handed on when they end, fail, or are not wanted any more. */
export type Keep = <P>(parts: AsyncIterable<P>) => AsyncIterable<P>

export interface Turns {
  /**
   * Does the work when it is the tenant's turn, which lasts until the parts that it was told to keep it for have ended.
   * Throws RATE_LIMITED when too many wait already.
   */
  read<T>(tenant_id: string, work: (keep: Keep) => T | Promise<T>): Promise<T>
  /** Runs an event stream to its end; throws RATE_LIMITED, before it begins, when too many are open. */
  stream<Given extends unknown[]>(
    tenant_id: string,
    run: (...given: Given) => Promise<void>,
  ): (...given: Given) => Promise<void>
}

const tooMany = (what: string): AppError =>
  new AppError('RATE_LIMITED', `too many requests: ${what} of the tenant at a time in each process; wait 1 second`)

/** No generator: one that was never asked for a part does nothing when it is told to end. */
const ending = <P>(parts: AsyncIterable<P>, end: () => void): AsyncIterable<P> => ({
  [Symbol.asyncIterator]: () => {
    const given = parts[Symbol.asyncIterator]()
    return {
      next: async () => {
        try {
          const part = await given.next()
          if (part.done === true) end()
          return part
        } catch (error) {
          end()
          throw error
        }
      },
      return: async () => {
        try {
          await given.return?.()
        } finally {
          end()
        }
        return { done: true, value: undefined }
      },
    }
  },
})

export const openTurns = (): Turns => {
  const tenants = new Map<string, Tenant>()
  const of = (tenant_id: string): Tenant => {
    const tenant = tenants.get(tenant_id) ?? { reading: 0, waiting: [], streams: 0 }
    tenants.set(tenant_id, tenant)
    return tenant
  }
  const forget = (tenant_id: string, { reading, streams }: Tenant): void => {
    if (reading === 0 && streams === 0) tenants.delete(tenant_id)
  }
  return {
    read: async (tenant_id, work) => {
      const tenant = of(tenant_id)
      if (tenant.reading >= readsAtATime) {
        if (tenant.waiting.length >= readsWaiting) throw tooMany(`${readsAtATime + readsWaiting} reads`)
        // Whoever ends hands its turn on: it is not free in between.
        await new Promise<void>((resolve) => tenant.waiting.push(resolve))
      } else tenant.reading += 1
      let isOver = false
      const end = (): void => {
        if (isOver) return
        isOver = true
        const next = tenant.waiting.shift()
        if (next === undefined) tenant.reading -= 1
        else next()
        forget(tenant_id, tenant)
      }
      const turn = { kept: false }
      try {
        return await work((parts) => {
          turn.kept = true
          return ending(parts, end)
        })
      } catch (error) {
        turn.kept = false
        throw error
      } finally {
        if (!turn.kept) end()
      }
    },
    stream: (tenant_id, run) => {
      const tenant = of(tenant_id)
      if (tenant.streams >= streamsAtATime) throw tooMany(`${streamsAtATime} event streams`)
      tenant.streams += 1
      return async (...given) => {
        try {
          await run(...given)
        } finally {
          tenant.streams -= 1
          forget(tenant_id, tenant)
        }
      }
    },
  }
}
