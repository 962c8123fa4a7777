/** What the processors of this service are given. */
import type { Backfills } from '../backfills.ts'
import type { Ledger } from '../ledger.ts'
import type { Schedules } from '../schedule.ts'

export interface ProcessorDeps {
  ledger: Ledger
  schedules: Schedules
  backfills: Backfills
}
