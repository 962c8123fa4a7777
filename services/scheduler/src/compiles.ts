/** What would be refused each time that it is asked for is refused when it is set up. */
import { runId, type Run } from '@convergence/contracts'
import type { Pipelines } from '@convergence/pipeline'
import type { ReadTenantFacts } from './tenant-facts.ts'

interface Deps {
  pipelines: Pick<Pipelines, 'compile'>
  tenantFacts: ReadTenantFacts
}
type Wanted = Pick<Run, 'tenant_id' | 'pipeline' | 'parameters' | 'trigger_type'>

/** Throws as a run would. */
export const assertCompiles = async (
  { pipelines, tenantFacts }: Deps,
  wanted: Wanted,
  by: { event_id: string; at: string },
): Promise<void> => {
  const facts = await tenantFacts(wanted.tenant_id, wanted.pipeline)
  pipelines.compile({ run_id: runId(wanted.tenant_id, by.event_id), ...wanted, ...facts, requested_at: by.at })
}
