/** The central tables: made, or looked at, by every program that needs them to be there. */
import { randomBytes } from 'node:crypto'
import { AppError, centralDataset, tables, views } from '@convergence/contracts'
import type { Warehouse } from '@convergence/warehouse'

export interface BootstrapOptions {
  /**
   * Drops the central dataset first, with everything in it. Whoever holds state of it in memory must be started again.
   */
  force_recreate_dataset?: boolean | undefined
  /** The same: every central table lives in that dataset. */
  force_recreate_tables?: boolean | undefined
  /** Names one life of the central tables; a label of the dataset. */
  new_epoch?: () => string
}
export interface Bootstrapped {
  dataset_created: boolean
  tables_created: string[]
  tables_existing: string[]
  /**
   * Part of every job id that writes a central table: ids outlive a table, so a new life of the tables needs other ids.
   */
  epoch: string
}
export type Builder = Pick<
  Warehouse,
  'project_id' | 'ensureDataset' | 'ensureTable' | 'ensureView' | 'dropDataset' | 'getDataset'
>

/** The central dataset, its tables and views, as schemas/ has them. Safe to repeat and to race: what is there stays. */
export const bootstrap = async (
  warehouse: Builder,
  {
    force_recreate_dataset,
    force_recreate_tables,
    new_epoch = () => `e${randomBytes(6).toString('hex')}`,
  }: BootstrapOptions,
): Promise<Bootstrapped> => {
  if (force_recreate_dataset === true || force_recreate_tables === true) await warehouse.dropDataset(centralDataset)
  const dataset_created =
    (await warehouse.ensureDataset(centralDataset, {
      labels: { owner: 'convergence', epoch: new_epoch() },
      description: 'Central tables of Convergence',
    })) === 'created'
  // Read back: of two that start at once, one has made it.
  const epoch = (await warehouse.getDataset(centralDataset))?.labels['epoch'] ?? 'e0'
  const tables_created: string[] = []
  const tables_existing: string[] = []
  for (const { dataset, table, columns, time_partitioning, clustering_fields, description } of Object.values(tables)) {
    const made = await warehouse.ensureTable({
      dataset,
      table,
      columns,
      ...(time_partitioning === undefined ? {} : { time_partitioning }),
      ...(clustering_fields === undefined ? {} : { clustering_fields }),
      description,
    })
    if (made === 'created') tables_created.push(table)
    else tables_existing.push(table)
  }
  for (const [view, query] of Object.entries(views)) {
    if (!query.includes('{tenant_id}'))
      await warehouse.ensureView({
        dataset: centralDataset,
        view,
        query: query.replaceAll('{project_id}', warehouse.project_id),
      })
  }
  return { dataset_created, tables_created, tables_existing, epoch }
}

/**
 * The central tables and views as they are, making nothing: for a process that may not make them. Throws
 * SETTING_INVALID that names every missing
 * one and what makes it.
 */
export const inspectCentral = async (
  warehouse: Pick<Warehouse, 'project_id' | 'getDataset' | 'dryRun'>,
): Promise<Bootstrapped> => {
  const dataset = await warehouse.getDataset(centralDataset)
  if (dataset === undefined)
    throw new AppError(
      'SETTING_INVALID',
      `${warehouse.project_id} has no dataset tenants: npm run apply makes it with its tables and views`,
    )
  const names = [
    ...Object.values(tables).map(({ table }) => table),
    ...Object.entries(views).flatMap(([view, query]) => (query.includes('{tenant_id}') ? [] : [view])),
  ]
  const missing = (
    await Promise.all(
      names.map(async (name) => {
        try {
          await warehouse.dryRun({ query: `SELECT 1 FROM \`${warehouse.project_id}.tenants.${name}\`` })
          return []
        } catch (error) {
          if (error instanceof AppError && error.code === 'TABLE_NOT_FOUND') return [`tenants.${name}`]
          throw error
        }
      }),
    )
  ).flat()
  if (missing.length > 0)
    throw new AppError('SETTING_INVALID', `${warehouse.project_id} lacks tables or views: npm run apply makes them`, {
      faults: missing,
    })
  return {
    dataset_created: false,
    tables_created: [],
    tables_existing: Object.values(tables).map(({ table }) => table),
    epoch: dataset.labels['epoch'] ?? 'e0',
  }
}
