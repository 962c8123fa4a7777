/** Processors that this service hosts: one line each. */
import type { Processor } from '@convergence/service/steps'
import type { ProcessorDeps } from './deps.ts'
import { change } from './setup/tenants/change.ts'
import { profile } from './setup/tenants/profile.ts'
import { source } from './setup/tenants/source.ts'
import { subscription } from './setup/tenants/subscription.ts'

export const processors = (deps: ProcessorDeps): Readonly<Record<string, Processor>> => ({
  'setup.tenants.change': change(deps),
  'setup.tenants.profile': profile(deps),
  'setup.tenants.source': source(deps),
  'setup.tenants.subscription': subscription(deps),
})
