import { AppError } from '@convergence/contracts'
import { assertWritable, ownDataset, readsOf } from '@convergence/pipeline'
import type { Processor } from '@convergence/service/steps'
import type { QueryParameter, Warehouse } from '@convergence/warehouse'

interface Config {
  source: { query: string; parameters?: QueryParameter[] }
  destination: { bq_project_id: string; dataset_type: string; table: string }
}

/** One SELECT over the tenant's own dataset, kept there as a view; made again where it has become another. */
export const bqView = ({
  warehouse,
}: {
  warehouse: Pick<Warehouse, 'dryRun' | 'ensureView' | 'getDataset' | 'project_id'>
}): Processor => ({
  ps_type: 'gcp.bq_view',
  run: async ({ run, step }) => {
    const { source, destination } = step.config as unknown as Config
    const { bq_project_id: project_id, dataset_type: dataset, table: view } = destination
    const where = `step ${step.step_id}`
    await assertWritable(where, warehouse, run, { project_id, dataset, table: view })
    const { query, parameters = [] } = source
    if (parameters.length > 0)
      throw new AppError(
        'QUERY_INVALID',
        `${where}: source.query: expected no value of a run, for a view stays, got ` +
          parameters.map(({ name }) => name).join(', '),
      )
    // Whoever reads the view reads what it names: nothing of what the operator shares.
    const readable = { shared_sources: [], source_tables: [] }
    const { foreign, allowed, statement_type } = await readsOf(warehouse, run, ownDataset(run, dataset), readable, {
      query,
    })
    if (statement_type !== 'SELECT')
      throw new AppError('QUERY_INVALID', `${where}: source.query: expected exactly one SELECT, came ${statement_type}`)
    if (foreign.length > 0)
      throw new AppError('SOURCE_NOT_DECLARED', `${where}: source.query: a view may read ${allowed.join(', ')}`, {
        faults: foreign,
      })
    const done = await warehouse.ensureView({ dataset, view, query })
    return { outputs: { view: `${dataset}.${view}`, done } }
  },
})
