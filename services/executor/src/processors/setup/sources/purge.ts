import { AppError, centralDataset, sourceKinds, sourcePlace } from '@convergence/contracts'
import { sourceOfRow } from '@convergence/service/sources'
import type { Processor, StepContext } from '@convergence/service/steps'
import type { Warehouse } from '@convergence/warehouse'
import type { ProcessorDeps } from '../../deps.ts'
import { subjectOf } from './check.ts'

/** Tables that a source of this name has loaded into, whatever it was over time, and what its rows are called there. */
const loadedBy = async (
  warehouse: Pick<Warehouse, 'query'>,
  tenant_id: string,
  source_name: string,
): Promise<Map<string, Set<string>>> => {
  const rows = await warehouse.query({
    query:
      'SELECT provider, settings FROM tenant_provider_configs_rows ' +
      'WHERE tenant_id = @tenant_id AND name = @source_name',
    default_dataset: centralDataset,
    parameters: [
      { name: 'tenant_id', type: 'STRING', value: tenant_id },
      { name: 'source_name', type: 'STRING', value: source_name },
    ],
  })
  const loaded = new Map<string, Set<string>>()
  for (const row of rows) {
    const source = sourceOfRow({ ...row, name: source_name })
    const kind = sourceKinds.find((each) => each.provider === source?.provider && each.kind === source.kind)
    if (source === undefined || kind === undefined) continue
    // Version 0.1 called rows by their place.
    loaded.set(kind.table, (loaded.get(kind.table) ?? new Set([source_name])).add(sourcePlace(source)))
  }
  return loaded
}

/**
 * Removes what a source has loaded, from every table that it was loaded into: each as one job, whose period is the source
 * and whose new rows are none. Again, it finds nothing.
 */
export const purge = ({
  warehouse,
  load_states,
}: Pick<ProcessorDeps, 'load_states'> & {
  warehouse: Pick<Warehouse, 'project_id' | 'query' | 'runJob'>
}): Processor => ({
  ps_type: 'setup.sources.purge',
  run: async ({ run, step, chain, signal }) => {
    const { tenant_id, source_name } = subjectOf(run, step)
    const removed: Record<string, number> = {}
    for (const [table, names] of [...(await loadedBy(warehouse, tenant_id, source_name))].toSorted()) {
      const path = `\`${warehouse.project_id}.${tenant_id}.${table}\``
      const rows = await countOf(warehouse, path, [...names], signal)
      if (rows === undefined) continue
      removed[table] = rows
      // A job of its own for each table; its name is that of the step's chain with the table in it.
      await warehouse.runJob(
        { ...chain, step_id: `${chain.step_id}-${table}` },
        {
          kind: 'query',
          query: `SELECT * FROM ${path} WHERE FALSE`,
          destination: {
            project_id: warehouse.project_id,
            dataset: tenant_id,
            table,
            write_mode: 'truncate',
            period: { source_name },
            also_replaces: [...names].map((name) => ({ source_name: name })),
          },
        },
      )
    }
    await forgetAmounts(warehouse, tenant_id, { chain, signal }, source_name)
    await load_states.recordRemoved(run, tenant_id, source_name)
    const rows_removed = Object.values(removed).reduce((sum, rows) => sum + rows, 0)
    return { rows_written: 0, outputs: { tenant_id, source: source_name, rows_removed, removed } }
  },
})

/** What its exports told is not compared with rows that are gone. */
const forgetAmounts = async (
  warehouse: Pick<Warehouse, 'project_id' | 'query' | 'runJob'>,
  tenant_id: string,
  { chain, signal }: Pick<StepContext, 'chain' | 'signal'>,
  source_name: string,
): Promise<void> => {
  const table = 'export_amounts'
  const path = `\`${warehouse.project_id}.${tenant_id}.${table}\``
  if ((await countOf(warehouse, path, [source_name], signal)) === undefined) return
  await warehouse.runJob(
    { ...chain, step_id: `${chain.step_id}-${table}` },
    {
      kind: 'query',
      query: `SELECT * FROM ${path} WHERE FALSE`,
      destination: {
        ...{ project_id: warehouse.project_id, dataset: tenant_id, table, write_mode: 'truncate' },
        period: { source_name },
      },
    },
  )
}

/** Undefined where the table, or its column, was never made: nothing was loaded. */
const countOf = async (
  warehouse: Pick<Warehouse, 'query'>,
  path: string,
  names: readonly string[],
  signal: AbortSignal,
): Promise<number | undefined> => {
  try {
    const [row] = await warehouse.query(
      {
        query: `SELECT COUNT(*) AS row_count FROM ${path} WHERE source_name IN UNNEST(@names)`,
        parameters: [{ name: 'names', type: 'ARRAY<STRING>', value: names }],
      },
      { signal },
    )
    return Number(row?.['row_count'] ?? 0)
  } catch (error) {
    if (error instanceof AppError && (error.code === 'TABLE_NOT_FOUND' || error.code === 'QUERY_INVALID'))
      return undefined
    throw error
  }
}
