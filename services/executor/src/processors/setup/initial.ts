import { centralDataset } from '@convergence/contracts'
import { bootstrap, type BootstrapOptions, type Builder } from '@convergence/service'
import type { Processor } from '@convergence/service/steps'

export { bootstrap, type Bootstrapped, type BootstrapOptions } from '@convergence/service'

/** The same as a step; a bootstrap that was asked for through REST does not pass here, for it makes the ledger. */
export const initial = ({ warehouse }: { warehouse: Builder }): Processor => ({
  ps_type: 'setup.initial',
  run: async ({ step }) => {
    const { force_recreate_dataset, force_recreate_tables } = step.config as BootstrapOptions
    const { dataset_created, tables_created, tables_existing } = await bootstrap(warehouse, {
      force_recreate_dataset,
      force_recreate_tables,
    })
    return { outputs: { dataset: centralDataset, dataset_created, tables_created, tables_existing } }
  },
})
