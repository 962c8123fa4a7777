/** Processors that this service hosts: one line each. */
import type { Processor } from '@convergence/service/steps'
import { openAccess } from '../exports/access.ts'
import { openRoom } from '../exports/room.ts'
import { focusLoader } from './any/focus_loader.ts'
import { s3DataLoader } from './aws/s3_data_loader.ts'
import { blobDataLoader } from './azure/blob_data_loader.ts'
import { noop } from './custom/noop.ts'
import type { ProcessorDeps } from './deps.ts'
import { allocation } from './focus/allocation.ts'
import { bqEtl } from './gcp/bq_etl.ts'
import { bqView } from './gcp/bq_view.ts'
import { dataset } from './setup/dataset.ts'
import { initial } from './setup/initial.ts'
import { check } from './setup/sources/check.ts'
import { purge } from './setup/sources/purge.ts'
import { refresh } from './setup/sources/refresh.ts'
import { unclaimed } from './setup/sources/unclaimed.ts'

export const processors = (deps: ProcessorDeps): Readonly<Record<string, Processor>> => {
  const loads = { ...deps, accessOf: openAccess(deps), room: openRoom({ scratch_bytes: deps.scratch_bytes }) }
  return {
    'any.focus_loader': focusLoader(loads),
    'aws.s3_data_loader': s3DataLoader(loads),
    'azure.blob_data_loader': blobDataLoader(loads),
    'custom.noop': noop,
    'focus.allocation': allocation(deps),
    'gcp.bq_etl': bqEtl(deps),
    'gcp.bq_view': bqView(deps),
    'setup.dataset': dataset(deps),
    'setup.initial': initial(deps),
    'setup.sources.check': check(loads),
    'setup.sources.purge': purge(deps),
    'setup.sources.refresh': refresh(loads),
    'setup.sources.unclaimed': unclaimed(deps),
  }
}
