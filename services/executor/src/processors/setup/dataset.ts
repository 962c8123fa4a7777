import { AppError, newTenantIdFault, systemTenant } from '@convergence/contracts'
import type { Column } from '@convergence/contracts'
import { reservedByShared } from '@convergence/pipeline'
import type { Processor } from '@convergence/service/steps'
import type { Warehouse } from '@convergence/warehouse'
import { ensureTenantViews } from '../../load-state.ts'

/** What the validation run at the end of onboarding writes. */
const validationColumns: Column[] = [
  { name: 'message', type: 'STRING', description: 'What was tried' },
  { name: 'timestamp', type: 'TIMESTAMP', description: 'When' },
  { name: 'tenant_id', type: 'STRING', description: 'Tenant' },
]

/**
 * The dataset of a tenant, with the views of its runs and loads. A dataset that is not labelled as a tenant's belongs to somebody
 * else and is left alone.
 */
export const dataset = ({
  warehouse,
  shared_sources,
}: {
  shared_sources: readonly string[]
  warehouse: Pick<Warehouse, 'project_id' | 'ensureDataset' | 'ensureTable' | 'ensureView' | 'getDataset'>
}): Processor => ({
  ps_type: 'setup.dataset',
  run: async ({ run, step }) => {
    const { tenant_id } = step.config as { tenant_id?: unknown }
    const fault = newTenantIdFault(tenant_id, reservedByShared(shared_sources))
    if (fault !== undefined || typeof tenant_id !== 'string')
      throw new AppError('PARAMETER_INVALID', `step ${step.step_id}: tenant_id: ${String(fault)}`)
    if (run.tenant_id !== systemTenant && run.tenant_id !== tenant_id)
      throw new AppError(
        'FORBIDDEN',
        `step ${step.step_id}: a run of tenant ${run.tenant_id} may not make the dataset of ${tenant_id}`,
      )
    const dataset_created =
      (await warehouse.ensureDataset(tenant_id, {
        labels: { owner: 'tenant', tenant: tenant_id },
        description: `Tenant ${tenant_id}`,
      })) === 'created'
    // Read after, not before: between a look and a creation somebody else may have made it.
    if ((await warehouse.getDataset(tenant_id))?.labels['owner'] !== 'tenant')
      throw new AppError('CONFLICT', `a dataset ${tenant_id} exists and belongs to no tenant; choose another tenant id`)
    await warehouse.ensureTable({
      dataset: tenant_id,
      table: 'onboarding_validation_test',
      columns: validationColumns,
      description: 'Written by the validation run at onboarding',
    })
    await ensureTenantViews(warehouse, tenant_id)
    return { outputs: { tenant_id, dataset: tenant_id, dataset_created } }
  },
})
