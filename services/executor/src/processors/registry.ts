/** Processors that this service hosts: one line each. */
import type { Objects } from '@convergence/objects'
import type { Secrets } from '@convergence/secrets'
import type { Processor } from '@convergence/service/steps'
import type { Warehouse } from '@convergence/warehouse'
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
  /** Files on their way into the warehouse; removed when the step ends. */
  scratch_folder: string
}

export const processors = (deps: ProcessorDeps): Readonly<Record<string, Processor>> => ({
  'aws.s3_data_loader': s3DataLoader(deps),
  'azure.blob_data_loader': blobDataLoader(deps),
  'custom.noop': noop,
  'gcp.bq_etl': bqEtl(deps),
  'setup.dataset': dataset(deps),
  'setup.initial': initial(deps),
})
