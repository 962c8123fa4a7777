/**
 * The whole platform in a temporary folder, for one test; closed and removed by `end`. In one process, or, with
 * E2E_FORM=processes, as the
 * local cloud and two replicas of each service that talk through Google's clients: the same tests run in both forms.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openLog } from '@convergence/service'
import { openClient, hasEnded, type Client, type RunStatus } from '@convergence/tools/client'
import { startPlatform, type Platform, type PlatformOptions } from '@convergence/tools/platform'
import type { Warehouse } from '@convergence/warehouse'

export interface World {
  /** Of one auth; of the second replica where there are two, so that what is watched here was asked for elsewhere. */
  url: string
  /** Asks one auth after the other. */
  client: Client
  warehouse: Warehouse
  data_folder: string
  admin_key: string
  onboard(tenant_id: string, subscription_plan?: string): Promise<string>
  start(
    key: string,
    tenant_id: string,
    pipeline: string,
    parameters?: Record<string, unknown>,
    headers?: Record<string, string>,
  ): Promise<string>
  ended(key: string, id: string): Promise<RunStatus>
  /** What Cloud Scheduler does each minute. */
  tick(): Promise<void>
  /** Moves the clock of everything. */
  shiftClock(ms: number): void
  end(): Promise<void>
}
export interface WorldOptions {
  /** Deliver every message twice. */
  duplicate?: boolean
  /** A folder with data of an earlier life. */
  data_folder?: string
}

export const inProcesses = process.env['E2E_FORM'] === 'processes'
export const temporaryFolder = (): string => mkdtempSync(join(tmpdir(), 'convergence-e2e-'))

/** What a test does with the platform, whatever its form. `clients` are asked in turn. */
export const operations = (clients: readonly Client[]): Pick<World, 'client' | 'onboard' | 'start' | 'ended'> => {
  let asked = 0
  const client: Client = {
    call: (...given) => {
      asked += 1
      const next = clients[asked % clients.length]
      if (next === undefined) throw new Error('no client')
      return next.call(...given)
    },
  }
  return {
    client,
    onboard: async (tenant_id, subscription_plan = 'ENTERPRISE') => {
      const { body } = await client.call('POST', '/api/v1/tenants/onboard', {
        body: {
          tenant_id,
          company_name: tenant_id,
          admin_email: `admin@${tenant_id.replaceAll('_', '-')}.example`,
          subscription_plan,
        },
      })
      return String(body['api_key'])
    },
    start: async (key, tenant_id, pipeline, parameters = {}, headers = {}) => {
      const { body } = await client.call('POST', `/api/v1/pipelines/run/${tenant_id}/${pipeline}`, {
        key,
        body: parameters,
        headers,
      })
      return String(body['pipeline_logging_id'])
    },
    ended: async (key, id) => {
      for (;;) {
        const { body } = await client.call<RunStatus>('GET', `/api/v1/pipelines/runs/${id}`, { key })
        if (hasEnded(body.status)) return body
        await new Promise((resolve) => setTimeout(resolve, inProcesses ? 50 : 10))
      }
    },
  }
}

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
            FROM \`${warehouse.project_id}.tenants.run_ledger\` WHERE run_id IS NOT NULL GROUP BY run_id HAVING admits > 1 OR ends <> 1`,
  })
  const seqs = await warehouse.query({
    query: `SELECT seq, idx FROM \`${warehouse.project_id}.tenants.run_ledger\` GROUP BY seq, idx HAVING COUNT(*) > 1`,
  })
  return [
    ...rows.map((row) => `${String(row['run_id'])}: ${String(row['admits'])} admissions, ${String(row['ends'])} ends`),
    ...seqs.map((row) => `place ${String(row['seq'])}.${String(row['idx'])} of the ledger is there twice`),
  ]
}
