/** Processors that this service hosts: one line each. */
import type { Processor } from '@convergence/service/steps'
import type { Store } from '../store.ts'
import { profile } from './setup/tenants/profile.ts'
import { subscription } from './setup/tenants/subscription.ts'

export interface ProcessorDeps {
  store: Store
  /** Datasets that the operator shares with every tenant, as project.dataset. */
  shared_sources: readonly string[]
}

export const processors = (deps: ProcessorDeps): Readonly<Record<string, Processor>> => ({
  'setup.tenants.profile': profile(deps),
  'setup.tenants.subscription': subscription(deps),
})
