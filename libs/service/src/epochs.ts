/**
 * One life of the central tables after another: in the local cloud they may be dropped and made again by one process
 * while others hold state of the old ones in memory.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { AppError, centralDataset } from '@convergence/contracts'
import type { Warehouse } from '@convergence/warehouse'
import { bootstrap, inspectCentral } from './central.ts'
import type { RunningService, ServiceContext } from './context.ts'
import type { Life } from './doors.ts'
import type { Log } from './service.ts'

/** How often a new life is looked for. */
const epochMs = 1_000

export interface Epochs {
  bootstrap: ServiceContext['bootstrap']
  /** Looks each second whether another process made the tables again, and tells the service. */
  watch(recreated: NonNullable<RunningService['recreated']>): { close(): void }
}

export const openEpochs = ({
  warehouse,
  log,
  embedded,
  life,
}: {
  warehouse: Warehouse
  log: Log
  embedded: boolean
  life: Life
}): Epochs => {
  return {
    bootstrap: async (request) => {
      if (embedded) {
        const made = await bootstrap(warehouse, request)
        // The others look each second; a request after this answer meets processes that have looked.
        if (made.epoch !== life.epoch) await pause(2 * epochMs)
        life.epoch = made.epoch
        return made
      }
      if (request.force_recreate_dataset === true || request.force_recreate_tables === true)
        throw new AppError(
          'FORBIDDEN',
          'force_recreate is for the local cloud: on Google Cloud no service may drop the central tables',
        )
      return inspectCentral(warehouse)
    },
    watch: (recreated) => {
      let looking = false
      const look = async () => {
        const next = (await warehouse.getDataset(centralDataset))?.labels['epoch']
        if (next === undefined || next === life.epoch) return
        // Throws while they are still being made: the next look tries again.
        await inspectCentral(warehouse)
        await recreated(next)
        life.epoch = next
        log.info({ epoch: next }, 'the central tables were made again; what was in memory is forgotten')
      }
      const timer = setInterval(() => {
        if (looking) return
        looking = true
        look()
          .catch((error: unknown) => {
            log.warn(
              { error: error instanceof Error ? error.message : String(error) },
              'not all central tables are there; looked for again',
            )
          })
          .finally(() => {
            looking = false
          })
      }, epochMs)
      return {
        close: () => {
          clearInterval(timer)
        },
      }
    },
  }
}
