/** What a test does with the platform, whatever its form: one process, or many. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hasEnded, type Client, type RunStatus } from '@convergence/tools/client'
import type { SourceSettings } from '@convergence/contracts'
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
  connect(key: string, tenant_id: string, name: string, source: SourceSettings): Promise<void>
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
export const operations = (
  clients: readonly Client[],
): Pick<World, 'client' | 'onboard' | 'connect' | 'start' | 'ended'> => {
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
    connect: async (key, tenant_id, name, source) => {
      await client.call('PUT', `/api/v1/tenants/${tenant_id}/sources/${name}`, { key, body: source })
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
        const run = (await client.call('GET', `/api/v1/pipelines/runs/${id}`, { key })).body as RunStatus
        if (hasEnded(run.status)) return run
        await new Promise((resolve) => setTimeout(resolve, inProcesses ? 50 : 10))
      }
    },
  }
}
