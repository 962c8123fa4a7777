/** What the processors of this service are given. */
import type { Bus } from '@convergence/bus'
import type { Pipelines } from '@convergence/pipeline'
import type { Warehouse } from '@convergence/warehouse'
import type { PublisherKey } from '../consumers/run-requested.ts'
import type { Backfills } from '../backfills.ts'
import type { Ledger } from '../ledger.ts'
import type { Schedules } from '../schedule.ts'

export interface ProcessorDeps {
  bus: Pick<Bus, 'read'>
  ledger: Ledger
  schedules: Schedules
  backfills: Backfills
  warehouse: Pick<Warehouse, 'append' | 'query'>
  pipelines: Pick<Pipelines, 'get' | 'compile'>
  publisherKey(kid: string): Promise<PublisherKey | undefined>
  /** Names the key that signs what is asked for. */
  kid?: string | undefined
}
