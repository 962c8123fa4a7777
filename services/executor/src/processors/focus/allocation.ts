import { AppError } from '@convergence/contracts'
import { ownDataset } from '@convergence/pipeline'
import { allocationStatement, rulesStatement, storedAllocation } from '@convergence/pipeline/allocation'
import type { Processor } from '@convergence/service/steps'
import type { Row } from '@convergence/warehouse'
import { bqEtl, destinationOf, type DestinationConfig } from '../gcp/bq_etl.ts'

interface Config {
  source: { month: string }
  destination: DestinationConfig
}

/**
 * Who bears the charges of a month, by the newest rules of the tenant. A tenant without rules has no such rows. The rules
 * are read before the first attempt; a repeat finds the rows of that attempt.
 */
export const allocation = (deps: Parameters<typeof bqEtl>[0]): Processor => {
  const { warehouse } = deps
  const etl = bqEtl(deps)
  return {
    ps_type: 'focus.allocation',
    run: async (context) => {
      const { run, step } = context
      const { source, destination } = step.config as unknown as Config
      const target = destinationOf(destination)
      const [newest] = await known(() =>
        warehouse.query({ ...rulesStatement(1), default_dataset: ownDataset(run, target.dataset) }),
      )
      if (newest === undefined)
        return { rows_written: 0, outputs: { table: `${target.dataset}.${target.table}`, rows_written: 0 } }
      const { query, parameters } = allocationStatement(storedAllocation(newest['rules']), {
        period: `${source.month}-01`,
        run_id: run.run_id,
        version: String(newest['run_id']),
      })
      const config = {
        ...step.config,
        source: { bq_project_id: target.project_id, query, parameters, may_be_empty: true },
      }
      return etl.run({ ...context, step: { ...step, config } })
    },
  }
}

const known = async (ask: () => Promise<Row[]>): Promise<Row[]> => {
  try {
    return await ask()
  } catch (error) {
    if (error instanceof AppError && error.code === 'TABLE_NOT_FOUND') return []
    throw error
  }
}
