/** What the processors of this service are given. */
import type { Objects } from '@convergence/objects'
import type { Secrets } from '@convergence/secrets'
import type { Log } from '@convergence/service'
import type { Warehouse } from '@convergence/warehouse'
import type { LoadStates } from '../load-state.ts'
import type { Store } from '../store.ts'

export interface ProcessorDeps {
  warehouse: Warehouse
  objects: Objects
  secrets?: Secrets | undefined
  store: Store
  load_states: LoadStates
  log?: Pick<Log, 'info' | 'warn'>
  /** Datasets that the operator shares with every tenant, as project.dataset. */
  shared_sources: readonly string[]
  /** Files on their way into the warehouse; removed when the step ends. */
  scratch_folder: string
  /** What they may take together at a time; default: no bound. */
  scratch_bytes?: number | undefined
}
