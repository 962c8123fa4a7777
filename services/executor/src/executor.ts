/**
 * What a run does: hosts the data processors and keeps the record of runs and steps. Wiring; nothing is opened before
 * `executor` is called.
 */
import type { Bus } from '@convergence/bus'
import type { Objects } from '@convergence/objects'
import type { Pipelines } from '@convergence/pipeline'
import type { Secrets } from '@convergence/secrets'
import type { Log } from '@convergence/service'
import { assertHosted } from '@convergence/service/hosts'
import { openSteps } from '@convergence/service/steps'
import type { Warehouse } from '@convergence/warehouse'
import { onRunAdmitted } from './consumers/run-admitted.ts'
import { onRunCompleted } from './consumers/run-completed.ts'
import { onRunFailed } from './consumers/run-failed.ts'
import { onStepCompleted } from './consumers/step-completed.ts'
import { processors } from './processors/registry.ts'
import { openLoadStates } from './load-state.ts'
import { openStore } from './store.ts'

export { bootstrap, type Bootstrapped, type BootstrapOptions } from './processors/setup/initial.ts'

export interface ExecutorDeps {
  bus: Bus
  warehouse: Warehouse
  objects: Objects
  secrets?: Secrets | undefined
  pipelines: Pipelines
  log: Log
  now(): Date
  random(): number
  /** Datasets that the operator shares with every tenant, as project.dataset. */
  shared_sources: readonly string[]
  /** Files on their way into the warehouse; must exist. */
  scratch_folder: string
  /** What they may take together at a time; default: no bound. */
  scratch_bytes?: number | undefined
}
export interface Executor {
  close(): Promise<void>
}

/** Records wait for the warehouse's next group, not for work of ours: many may. */
const recordsAtATime = 1000
/**
 * Of either subscription whose messages bring steps: what one process holds, another cannot take. The autoscaler's
 * target is half of it.
 */
const stepsAtATime = 100

/** Throws CONFIG_INVALID, with nothing consumed, unless it has exactly the processors that the templates give to it. */
export const executor = async ({
  bus,
  warehouse,
  objects,
  secrets,
  pipelines,
  log,
  now,
  random,
  shared_sources,
  scratch_folder,
  scratch_bytes,
}: ExecutorDeps): Promise<Executor> => {
  const store = openStore({ warehouse, now })
  const hosted = processors({
    warehouse,
    objects,
    secrets,
    store,
    load_states: openLoadStates({ warehouse, now }),
    log,
    shared_sources,
    scratch_folder,
    scratch_bytes,
  })
  assertHosted('executor', Object.keys(hosted), pipelines.kinds)
  const steps = openSteps({ service: 'executor', processors: hosted, now, random, log })
  bus.consume('executor', 'run-admitted', onRunAdmitted({ store, steps, now }), { concurrency: stepsAtATime })
  bus.consume('executor', 'step-completed', onStepCompleted({ store, steps }), { concurrency: stepsAtATime })
  bus.consume('executor', 'run-completed', onRunCompleted({ store }), { concurrency: recordsAtATime })
  bus.consume('executor', 'run-failed', onRunFailed({ store, steps, warehouse }), { concurrency: recordsAtATime })
  // The bus ends the handlers and whoever opened the doors closes them.
  return { close: async () => undefined }
}
