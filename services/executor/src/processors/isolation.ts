/**
 * The wall between tenants below the API: which tables a step may read and write. Names alone decide, before any job
 * exists;
 * on Google Cloud the rights of the identity are a second wall behind it.
 */
import { AppError, isSystemPipeline } from '@convergence/contracts'
import type { Run } from '@convergence/contracts'
import type { TableRef, Warehouse } from '@convergence/warehouse'

/**
 * Runs of the platform itself, such as the validation at onboarding, work in the dataset that they name; they come from
 * setup/ alone.
 */
const isSystemRun = (run: Run): boolean => run.tenant_id === 'system' && isSystemPipeline(run.pipeline)

/** The dataset that stands for the tenant in this step. */
export const tenantDataset = (run: Run, target: TableRef): string => (isSystemRun(run) ? target.dataset : run.tenant_id)

/** Throws FORBIDDEN unless the destination is a dataset of the run's tenant. */
export const assertWritable = async (
  where: string,
  warehouse: Pick<Warehouse, 'getDataset' | 'project_id'>,
  run: Run,
  target: TableRef,
): Promise<void> => {
  if (target.project_id !== warehouse.project_id)
    throw new AppError(
      'FORBIDDEN',
      `${where}: destination.bq_project_id: expected ${warehouse.project_id}, came ${target.project_id}`,
    )
  if (!isSystemRun(run)) {
    if (target.dataset !== run.tenant_id)
      throw new AppError(
        'FORBIDDEN',
        `${where}: destination: expected the tenant's dataset ${run.tenant_id}, came ${target.dataset}`,
      )
    return
  }
  const dataset = await warehouse.getDataset(target.dataset)
  if (dataset === undefined)
    throw new AppError(
      'TABLE_NOT_FOUND',
      `${where}: destination: there is no dataset ${target.dataset}; onboard the tenant first`,
    )
  if (dataset.labels['owner'] !== 'tenant')
    throw new AppError('FORBIDDEN', `${where}: destination: ${target.dataset} is not a dataset of a tenant`)
}

/**
 * Throws SOURCE_NOT_DECLARED, with every table at fault, unless all are the tenant's or of a dataset in run.sources.
 */
export const assertReadable = (
  where: string,
  project_id: string,
  run: Run,
  target: TableRef,
  tables: readonly TableRef[],
): void => {
  const allowed = new Set([`${project_id}.${tenantDataset(run, target)}`, ...run.sources])
  const foreign = tables.filter((table) => !allowed.has(`${table.project_id}.${table.dataset}`))
  if (foreign.length === 0) return
  throw new AppError(
    'SOURCE_NOT_DECLARED',
    `${where}: source.query: may read ${[...allowed].join(', ')}; declare other sources in the pipeline`,
    {
      faults: foreign.map(({ project_id: project, dataset, table }) => `reads ${project}.${dataset}.${table}`),
    },
  )
}
