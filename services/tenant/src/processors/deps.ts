/** What the processors of this service are given. */
import type { SourceStore } from '../source-store.ts'
import type { Store } from '../store.ts'

export interface ProcessorDeps {
  store: Store
  sources: SourceStore
  /** Datasets that the operator shares with every tenant, as project.dataset. */
  shared_sources: readonly string[]
}
