/** The whole platform in a temporary folder, for one test; closed and removed by `end`. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openLog } from '@convergence/service'
import { openClient, hasEnded, type Client, type RunStatus } from '@convergence/tools/client'
import { startPlatform, type Platform, type PlatformOptions } from '@convergence/tools/platform'

export interface World {
  platform: Platform
  client: Client
  data_folder: string
  lines: string[]
  onboard(tenant_id: string, subscription_plan?: string): Promise<string>
  start(key: string, tenant_id: string, pipeline: string, parameters?: Record<string, unknown>, headers?: Record<string, string>): Promise<string>
  ended(key: string, id: string): Promise<RunStatus>
  end(): Promise<void>
}

export const openWorld = async (options: Partial<PlatformOptions> = {}): Promise<World> => {
  const data_folder = options.data_folder ?? mkdtempSync(join(tmpdir(), 'convergence-e2e-'))
  const lines: string[] = []
  const log = openLog({ service: 'e2e', level: 'info', write: (line) => lines.push(line) })
  const platform = await startPlatform({ port: 0, log, close_timeout_ms: 3_000, ...options, data_folder })
  const client = openClient(platform.url)
  return {
    platform, client, data_folder, lines,
    onboard: async (tenant_id, subscription_plan = 'ENTERPRISE') => {
      const { body } = await client.call('POST', '/api/v1/tenants/onboard', { body: { tenant_id, company_name: tenant_id, admin_email: `admin@${tenant_id.replaceAll('_', '-')}.example`, subscription_plan } })
      return String(body['api_key'])
    },
    start: async (key, tenant_id, pipeline, parameters = {}, headers = {}) => {
      const { body } = await client.call('POST', `/api/v1/pipelines/run/${tenant_id}/${pipeline}`, { key, body: parameters, headers })
      return String(body['pipeline_logging_id'])
    },
    ended: async (key, id) => {
      for (;;) {
        const { body } = await client.call<RunStatus>('GET', `/api/v1/pipelines/runs/${id}`, { key })
        if (hasEnded(body.status)) return body
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
    },
    end: async () => {
      await platform.close()
      rmSync(data_folder, { recursive: true, force: true })
    },
  }
}

/** What must hold of every ledger once nothing moves any more: each run one ADMIT and one end, limits in order, no slot held. */
export const ledgerFaults = async ({ platform: { warehouse } }: World): Promise<string[]> => {
  const rows = await warehouse.query({
    query: `SELECT run_id, COUNTIF(kind = 'ADMIT') AS admits, COUNTIF(kind IN ('RELEASE', 'REJECT')) AS ends
            FROM \`${warehouse.project_id}.tenants.run_ledger\` WHERE run_id IS NOT NULL GROUP BY run_id HAVING admits > 1 OR ends <> 1`,
  })
  const seqs = await warehouse.query({ query: `SELECT seq, idx FROM \`${warehouse.project_id}.tenants.run_ledger\` GROUP BY seq, idx HAVING COUNT(*) > 1` })
  return [
    ...rows.map((row) => `${String(row['run_id'])}: ${String(row['admits'])} admissions, ${String(row['ends'])} ends`),
    ...seqs.map((row) => `place ${String(row['seq'])}.${String(row['idx'])} of the ledger is there twice`),
  ]
}
