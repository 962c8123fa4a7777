/** Processors that this service hosts: one line each. */
import type { Processor } from '@convergence/service/steps'
import type { ProcessorDeps } from './deps.ts'
import { backfill } from './scheduler/backfill.ts'
import { deadLetter } from './scheduler/dead_letter.ts'
import { processQueue } from './scheduler/process_queue.ts'
import { requestChanged } from './scheduler/request_changed.ts'
import { resetDailyQuotas } from './scheduler/reset_daily_quotas.ts'
import { schedule } from './scheduler/schedule.ts'
import { trigger } from './scheduler/trigger.ts'

export const processors = (deps: ProcessorDeps): Readonly<Record<string, Processor>> => ({
  'scheduler.backfill': backfill(deps),
  'scheduler.dead_letter': deadLetter(deps),
  'scheduler.process_queue': processQueue(deps),
  'scheduler.request_changed': requestChanged(deps),
  'scheduler.reset_daily_quotas': resetDailyQuotas(deps),
  'scheduler.schedule': schedule(deps),
  'scheduler.trigger': trigger(deps),
})
