/** What the processors of this service are given. */
import type { Store } from '../store.ts'

export interface ProcessorDeps {
  store: Store
  /** Datasets that the operator shares with every tenant, as project.dataset. */
  shared_sources: readonly string[]
}
