/**
 * Whether and when a run starts, and how it ended. Wires the ledger, the schedules and the consumers; nothing is opened
 * before this is called.
 */
import type { Bus } from '@convergence/bus'
import type { Pipelines } from '@convergence/pipeline'
import type { Log } from '@convergence/service'
import { openSteps } from '@convergence/service/steps'
import type { Steps } from '@convergence/service/steps'
import type { Warehouse } from '@convergence/warehouse'
import { openBackfills, type Backfills } from './backfills.ts'
import { onDeadLetter } from './consumers/dead-letters.ts'
import { onRunAdmitted } from './consumers/run-admitted.ts'
import { onRunRequested } from './consumers/run-requested.ts'
import { onSchedulerTick } from './consumers/scheduler-tick.ts'
import { onStepCompleted } from './consumers/step-completed.ts'
import { onTenantChanged } from './consumers/tenant-changed.ts'
import { openFollowers } from './followers.ts'
import { openPublisherKeys, type PlatformKeys } from './keys.ts'
import type { State, Rules } from './ledger/state.ts'
import { openTable } from './ledger/table.ts'
import { openLedger } from './ledger.ts'
import type { Ledger } from './ledger.ts'
import { observe } from './measures.ts'
import { processors } from './processors/registry.ts'
import { openSchedules } from './schedule.ts'
import type { Schedules } from './schedule.ts'
import { openTenantFacts } from './tenant-facts.ts'

export interface SchedulerDeps {
  bus: Bus
  warehouse: Warehouse
  pipelines: Pipelines
  log: Log
  now(): Date
  random(): number
  /** Creation of the ledger's table: rows of another epoch are ignored. */
  epoch: string
  /**
   * Ed25519 public keys of the platform's own publishers by kid; text is SPKI in base64. They may ask for every tenant.
   */
  platform_keys: PlatformKeys
  /** Hosts the steps of scheduler.*; by default made here. */
  steps?: Steps
  rules?: Partial<Rules> | undefined
  /** Spreads schedules over this many seconds; default 0, exact times. */
  spread_seconds?: number | undefined
}
export interface Scheduler {
  /** What the ledger says, read-only. */
  readonly state: State
  readonly schedules: Schedules
  /** False when the log is damaged. */
  healthy(): boolean
  /**
   * The central tables were dropped and made again: goes on with the ledger of the new epoch, and with no schedules or
   * backfills.
   */
  recreated(epoch: string): Promise<void>
  /** Finishes what is being decided. Close the bus first, so that nothing comes after. May be called twice. */
  close(): Promise<void>
}

/** How many decisions wait for one commit: the more, the fewer commits. */
const decisionsAtATime = 1000

/** Reads the ledger and the schedules, then consumes. */
export const scheduler = async ({
  bus,
  warehouse,
  pipelines,
  log,
  now,
  random,
  epoch,
  platform_keys,
  steps: given,
  rules,
  spread_seconds,
}: SchedulerDeps): Promise<Scheduler> => {
  let current = await openLedger({ warehouse, table: openTable(warehouse, epoch), log, epoch, rules })
  let swapping: Promise<void> | undefined
  const ledger: Ledger = {
    submit: async (message) => {
      await swapping
      return current.submit(message)
    },
    past: (run_ids) => current.past(run_ids),
    get state() {
      return current.state
    },
    healthy: () => current.healthy(),
    close: () => current.close(),
  }
  const tenantFacts = openTenantFacts({ ledger, warehouse, pipelines })
  const kid = platform_keys['scheduler'] === undefined ? undefined : 'scheduler'
  const schedulesOptions = {
    warehouse,
    pipelines,
    tenantFacts,
    spread_seconds,
    kid,
  }
  let currentSchedules = await openSchedules(schedulesOptions)
  const schedules: Schedules = {
    due: (...given) => currentSchedules.due(...given),
    refresh: () => currentSchedules.refresh(),
    record: (at) => currentSchedules.record(at),
    put: (...given) => currentSchedules.put(...given),
    remove: (...given) => currentSchedules.remove(...given),
    list: () => currentSchedules.list(),
  }
  const backfillsOf = (life: string) =>
    openBackfills({ warehouse, ledger, pipelines, tenantFacts, log, epoch: life, kid: schedulesOptions.kid })
  let currentBackfills = await backfillsOf(epoch)
  const backfills: Backfills = {
    tick: (at) => currentBackfills.tick(at),
    after: (...given) => currentBackfills.after(...given),
    create: (...given) => currentBackfills.create(...given),
    change: (...given) => currentBackfills.change(...given),
  }
  const followersOf = openFollowers({ ledger, pipelines, kid })
  const publisherKey = openPublisherKeys({ warehouse, platform_keys, now, log })
  const steps =
    given ??
    openSteps({
      service: 'scheduler',
      processors: processors({ bus, ledger, schedules, backfills, warehouse, pipelines, publisherKey, kid }),
      now,
      random,
      log,
    })

  const unobserve = observe(() => ledger.state, now)

  const requested = onRunRequested({ ledger, backfills, pipelines, tenantFacts, publisherKey, now })
  bus.consume('scheduler', 'run-requested', requested, { concurrency: decisionsAtATime })
  bus.consume('scheduler', 'step-completed', onStepCompleted({ ledger, backfills, followersOf, steps }), {
    concurrency: decisionsAtATime,
  })
  bus.consume('scheduler', 'run-admitted', onRunAdmitted({ steps }))
  bus.consume('scheduler', 'tenant-changed', onTenantChanged({ ledger }))
  bus.consume('scheduler', 'scheduler-tick', onSchedulerTick({ ledger, schedules, backfills, warehouse, log }))
  bus.consumeDead(onDeadLetter({ bus, ledger, pipelines, tenantFacts, publisherKey, warehouse, log }))
  return {
    get state() {
      return ledger.state
    },
    schedules,
    healthy: ledger.healthy,
    recreated: (next) =>
      (swapping = (async () => {
        await current.close()
        current = await openLedger({ warehouse, table: openTable(warehouse, next), log, epoch: next, rules })
        currentSchedules = await openSchedules(schedulesOptions)
        currentBackfills = await backfillsOf(next)
      })()),
    close: () => {
      unobserve()
      return ledger.close()
    },
  }
}
