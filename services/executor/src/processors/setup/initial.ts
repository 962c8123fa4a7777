import { randomBytes } from 'node:crypto'
import { tables, views } from '@convergence/contracts'
import type { Processor } from '@convergence/service/steps'
import type { Warehouse } from '@convergence/warehouse'

export interface BootstrapOptions {
  /** Drops the central dataset first, with everything in it. Whoever holds state of it in memory must be started again. */
  force_recreate_dataset?: boolean
  /** The same: every central table lives in that dataset. */
  force_recreate_tables?: boolean
  /** Names one life of the central tables; a label of the dataset. */
  new_epoch?: () => string
}
export interface Bootstrapped {
  dataset_created: boolean
  tables_created: string[]
  tables_existing: string[]
  /** Part of every job id that writes a central table: ids outlive a table, so a new life of the tables needs other ids. */
  epoch: string
}
type Builder = Pick<Warehouse, 'project_id' | 'ensureDataset' | 'ensureTable' | 'ensureView' | 'dropDataset' | 'getDataset'>

/** The central dataset, its tables and views, as schemas/ has them. Safe to repeat and to race: what is there stays. */
export const bootstrap = async (warehouse: Builder, { force_recreate_dataset, force_recreate_tables, new_epoch = () => `e${randomBytes(6).toString('hex')}` }: BootstrapOptions): Promise<Bootstrapped> => {
  if (force_recreate_dataset === true || force_recreate_tables === true) await warehouse.dropDataset('tenants')
  const dataset_created = await warehouse.ensureDataset('tenants', { labels: { owner: 'convergence', epoch: new_epoch() }, description: 'Central tables of Convergence' }) === 'created'
  // Read back: of two that start at once, one has made it.
  const epoch = (await warehouse.getDataset('tenants'))?.labels['epoch'] ?? 'e0'
  const tables_created: string[] = []
  const tables_existing: string[] = []
  for (const { dataset, table, columns, time_partitioning, clustering_fields, description } of Object.values(tables)) {
    const made = await warehouse.ensureTable({ dataset, table, columns, ...(time_partitioning === undefined ? {} : { time_partitioning }), ...(clustering_fields === undefined ? {} : { clustering_fields }), description })
    if (made === 'created') tables_created.push(table)
    else tables_existing.push(table)
  }
  for (const [view, query] of Object.entries(views)) {
    if (!query.includes('{tenant_id}')) await warehouse.ensureView({ dataset: 'tenants', view, query: query.replaceAll('{project_id}', warehouse.project_id) })
  }
  return { dataset_created, tables_created, tables_existing, epoch }
}

/** The same as a step; a bootstrap that was asked for through REST does not pass here, for it makes the ledger. */
export const initial = ({ warehouse }: { warehouse: Builder }): Processor => ({
  ps_type: 'setup.initial',
  run: async ({ step }) => {
    const { force_recreate_dataset, force_recreate_tables } = step.config as BootstrapOptions
    const { dataset_created, tables_created, tables_existing } = await bootstrap(warehouse, { force_recreate_dataset, force_recreate_tables })
    return { outputs: { dataset: 'tenants', dataset_created, tables_created, tables_existing } }
  },
})
