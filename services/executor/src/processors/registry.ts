/** Processors that this service hosts: one line each. */
import type { Objects } from '@convergence/objects'
import type { Secrets } from '@convergence/secrets'
import type { Processor } from '@convergence/service/steps'
import type { Warehouse } from '@convergence/warehouse'
import type { Store } from '../store.ts'
import { noop } from './custom/noop.ts'

export interface ProcessorDeps {
  warehouse: Warehouse
  objects: Objects
  secrets?: Secrets
  store: Store
  /** Files on their way into the warehouse; removed when the step ends. */
  scratch_folder: string
}

export const processors = (_deps: ProcessorDeps): Readonly<Record<string, Processor>> => ({
  'custom.noop': noop,
})
