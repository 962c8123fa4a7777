/**
 * What this replica knows of tenants' sources: so that a request is compiled at the door without waiting for the tables.
 * What is remembered is at most 30 s old, and read again before anything is refused for it.
 */
import { AppError, type Source } from '@convergence/contracts'

export interface SourcesCache {
  /** Compiles with the sources of the tenant; with newer ones when those that are known do not do. `fresh`: as they are now. */
  compiled<T>(tenant_id: string, compile: (sources: readonly Source[]) => T, options?: { fresh?: boolean }): Promise<T>
}

const freshMs = 30_000
const mostTenants = 10_000

export const openSources = ({
  read,
  now,
}: {
  read: (tenant_id: string) => Promise<Source[]>
  now: () => Date
}): SourcesCache => {
  const cache = new Map<string, { sources: Source[]; at: number }>()
  const fresh = async (tenant_id: string): Promise<Source[]> => {
    const at = now().getTime()
    const sources = await read(tenant_id)
    if (cache.size >= mostTenants) cache.delete(cache.keys().next().value ?? '')
    cache.set(tenant_id, { sources, at })
    return sources
  }
  return {
    compiled: async (tenant_id, compile, options = {}) => {
      const known = cache.get(tenant_id)
      if (options.fresh !== true && known !== undefined && now().getTime() - known.at < freshMs) {
        try {
          return compile(known.sources)
        } catch (error) {
          if (!(error instanceof AppError)) throw error
        }
      }
      return compile(await fresh(tenant_id))
    },
  }
}
