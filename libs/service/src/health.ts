/** What a service's process says of itself: why it is not ready, and why it should be started again. */
import type { Bus } from '@convergence/bus'
import type { Warehouse } from '@convergence/warehouse'
import type { RunningService } from './context.ts'

/** No message could be received for so long: start it again. */
const stuckMs = 5 * 60_000
/** An answer of the warehouse counts for so long. */
const freshMs = 60_000

export interface HealthParts {
  bus?: Bus
  warehouse?: Warehouse
  running?: RunningService
}

/** `parts` is asked each time: they are opened one after the other. */
export const openHealth = ({ parts, signal }: { parts(): HealthParts; signal: AbortSignal }) => {
  let healthyAt = 0
  let unhealthySince: number | undefined
  return {
    stuck: (): string[] => {
      const { bus } = parts()
      if (bus === undefined || signal.aborted || bus.receiving()) unhealthySince = undefined
      else unhealthySince ??= performance.now()
      return unhealthySince !== undefined && performance.now() - unhealthySince > stuckMs
        ? ['no messages for five minutes']
        : []
    },
    notReady: async (): Promise<string[]> => {
      if (signal.aborted) return ['stopping']
      const { bus, warehouse, running } = parts()
      if (running === undefined || bus === undefined || warehouse === undefined) return ['starting']
      const reasons: string[] = []
      if (!bus.healthy()) reasons.push('messages cannot be published or received')
      if (await warehouse.healthy().catch(() => false)) healthyAt = performance.now()
      else if (performance.now() - healthyAt > freshMs) reasons.push('the warehouse does not answer')
      if (running.healthy?.() === false) reasons.push('ledger corrupt; see log')
      return reasons
    },
  }
}
