/**
 * The whole platform in a temporary folder, for one test; closed and removed by `end`. In one process, or, with
 * E2E_FORM=processes, as the
 * local cloud and two replicas of each service that talk through Google's clients: the same tests run in both forms.
 */
import { rmSync } from 'node:fs'
import { openLog } from '@convergence/service'
import { openClient } from '@convergence/tools/client'
import { startPlatform, type Platform, type PlatformOptions } from '@convergence/tools/platform'
import { inProcesses, operations, temporaryFolder, type World, type WorldOptions } from '../operations.ts'

/** In one process; `platform` for tests that are about that form. */
export const openOneProcess = async ({
  data_folder = temporaryFolder(),
  ...options
}: Partial<PlatformOptions> = {}): Promise<World & { platform: Platform }> => {
  const log = openLog({ service: 'e2e', level: 'info', write: () => undefined })
  let offset_ms = 0
  const platform = await startPlatform({
    port: 0,
    log,
    close_timeout_ms: 3_000,
    clock: () => Date.now() + offset_ms,
    ...options,
    data_folder,
  })
  return {
    platform,
    url: platform.url,
    warehouse: platform.warehouse,
    data_folder,
    admin_key: platform.admin_key ?? '',
    ...operations([openClient(platform.url)]),
    tick: async () => {
      await platform.bus.publish([{ topic: 'scheduler-tick', event: {} }])
    },
    shiftClock: (ms) => {
      offset_ms += ms
    },
    end: async () => {
      await platform.close()
      rmSync(data_folder, { recursive: true, force: true })
    },
  }
}

export const openWorld = async (options: WorldOptions = {}): Promise<World> => {
  if (!inProcesses) return openOneProcess(options)
  const { openProcesses } = await import('../processes/world.ts')
  return openProcesses(options)
}

/** A small generator of numbers from 0 to 1, so that a failing order of faults can be run again. */
export const seeded = (seed: number) => (): number => {
  seed = (seed * 1664525 + 1013904223) >>> 0
  return seed / 2 ** 32
}

/**
 * What must hold of every ledger once nothing moves any more: each run one ADMIT and one end, limits in order, no slot
 * held.
 */
export const ledgerFaults = async ({ warehouse }: Pick<World, 'warehouse'>): Promise<string[]> => {
  const rows = await warehouse.query({
    query: `SELECT run_id, COUNTIF(kind = 'ADMIT') AS admits, COUNTIF(kind IN ('RELEASE', 'REJECT')) AS ends
            FROM \`${warehouse.project_id}.tenants.run_ledger\`
            WHERE run_id IS NOT NULL
            GROUP BY run_id HAVING admits > 1 OR ends <> 1`,
  })
  const seqs = await warehouse.query({
    query: `SELECT seq, idx FROM \`${warehouse.project_id}.tenants.run_ledger\` GROUP BY seq, idx HAVING COUNT(*) > 1`,
  })
  return [
    ...rows.map((row) => `${String(row['run_id'])}: ${String(row['admits'])} admissions, ${String(row['ends'])} ends`),
    ...seqs.map((row) => `place ${String(row['seq'])}.${String(row['idx'])} of the ledger is there twice`),
  ]
}
