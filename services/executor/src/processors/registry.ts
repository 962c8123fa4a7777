/** Processors that this service hosts: one line each. */
import type { Objects } from '@convergence/objects'
import type { Secrets } from '@convergence/secrets'
import type { Log } from '@convergence/service'
import type { Processor } from '@convergence/service/steps'
import type { Warehouse } from '@convergence/warehouse'
import { openRoom } from '../exports/room.ts'
import type { Store } from '../store.ts'
import { s3DataLoader } from './aws/s3_data_loader.ts'
import { blobDataLoader } from './azure/blob_data_loader.ts'
import { noop } from './custom/noop.ts'
import { bqEtl } from './gcp/bq_etl.ts'
import { dataset } from './setup/dataset.ts'
import { initial } from './setup/initial.ts'

export interface ProcessorDeps {
  warehouse: Warehouse
  objects: Objects
  secrets?: Secrets
  store: Store
  log?: Pick<Log, 'info' | 'warn'>
  /** Datasets that the operator shares with every tenant, as project.dataset. */
  shared_sources: readonly string[]
  /** Files on their way into the warehouse; removed when the step ends. */
  scratch_folder: string
  /** What they may take together at a time; default: no bound. */
  scratch_bytes?: number
}

export const processors = (deps: ProcessorDeps): Readonly<Record<string, Processor>> => {
  const loads = { ...deps, room: openRoom({ scratch_bytes: deps.scratch_bytes }) }
  return {
    'aws.s3_data_loader': s3DataLoader(loads),
    'azure.blob_data_loader': blobDataLoader(loads),
    'custom.noop': noop,
    'gcp.bq_etl': bqEtl(deps),
    'setup.dataset': dataset(deps),
    'setup.initial': initial(deps),
  }
}
