/**
 * Who the tenants are: profiles, plans, provider settings. Wiring; nothing is opened before `tenant` is called.
 */
import type { Bus } from '@convergence/bus'
import type { Pipelines } from '@convergence/pipeline'
import type { Log } from '@convergence/service'
import { openSteps } from '@convergence/service/steps'
import type { Warehouse } from '@convergence/warehouse'
import { adoptTenants } from './adopt.ts'
import { onRunAdmitted } from './consumers/run-admitted.ts'
import { onStepCompleted } from './consumers/step-completed.ts'
import { processors } from './processors/registry.ts'
import { openSourceStore } from './source-store.ts'
import { openStore } from './store.ts'

export interface TenantDeps {
  bus: Bus
  warehouse: Warehouse
  pipelines: Pipelines
  log: Log
  now(): Date
  random(): number
  /** Datasets that the operator shares with every tenant, as project.dataset. */
  shared_sources: readonly string[]
}
export interface Tenant {
  /** The central tables were dropped and made again: forgets what was read from the old ones. */
  recreated(): Promise<void>
  close(): Promise<void>
}

/** Reads the tenants, gives sources to those of an earlier version, then consumes. */
export const tenant = async ({ bus, warehouse, log, now, random, shared_sources }: TenantDeps): Promise<Tenant> => {
  const store = await openStore({ warehouse, now })
  log.info({ tenants: store.size() }, 'tenants read')
  const sources = openSourceStore({
    warehouse,
    now,
    onClaimed: (claim, by) => {
      log.warn({ ...claim, claimed_by: by.tenant_id, claimed_as: by.name }, 'a source is claimed by another tenant')
    },
  })
  await adoptTenants({ warehouse, sources, log })
  const hosted = processors({ store, sources, shared_sources })
  const steps = openSteps({ service: 'tenant', processors: hosted, now, random, log })
  bus.consume('tenant', 'run-admitted', onRunAdmitted({ steps }))
  bus.consume('tenant', 'step-completed', onStepCompleted({ steps }))
  return { recreated: () => store.reload(), close: async () => undefined }
}
