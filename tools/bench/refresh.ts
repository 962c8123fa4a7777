/**
 * A refresh of many sources of which nothing has changed: reports in buckets with a year of months each, and claims on
 * Google's tables with two months of days each. Everything is written down as loaded, as loads would have done it.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openBuckets } from '@convergence/local-objects'
import type { Row } from '@convergence/warehouse'
import type { Platform } from '../platform.ts'
import { openClient } from '../client.ts'

export interface RefreshFigures {
  /** Of one core. */
  cpu_seconds: number
  seconds: number
  sources: number
  periods: number
}
interface Sources {
  configs: Row[]
  states: Row[]
}

const months = Array.from({ length: 12 }, (_, k) => `2025-${String(k + 1).padStart(2, '0')}`)
const monthAfter = (month: string): string =>
  new Date(Date.UTC(Number(month.slice(0, 4)), Number(month.slice(5)), 1)).toISOString().slice(0, 7)
const at = '2026-01-02T00:00:00.000Z'

const configOf = (tenant_id: string, provider: string, settings: object): Row => ({
  ...{ tenant_id, provider, domain: 'cost', name: 'main', settings },
  ...{ is_active: true, is_purged: false, version: 1, event_id: `bench-${tenant_id}`, recorded_at: at },
})
const stateOf = (tenant_id: string, pipeline: string, period: string, version: string): Row => ({
  ...{ tenant_id, source: 'main', pipeline, period, version, loaded_rows: 1, run_id: 'r_bench' },
  ...{ observed_at: at, event_id: `bench-${tenant_id}-${period}`, recorded_at: at },
})

/** Reports, each in a bucket of its own, with a manifest and a file for each month. */
const reports = async (folder: string, count: number): Promise<Sources> => {
  const configs: Row[] = []
  const states: Row[] = []
  const buckets = openBuckets({ folder: join(folder, 'buckets') })
  for (let k = 0; k < count; k += 1) {
    const [tenant_id, bucket] = [`aws_${k}`, `bench-${k}-cur`]
    for (const month of months) {
      const days = `${month.replace('-', '')}01-${monthAfter(month).replace('-', '')}01`
      const path = join(folder, 'buckets/s3', bucket, 'cur/daily', days)
      mkdirSync(path, { recursive: true })
      writeFileSync(join(path, 'daily-Manifest.json'), '{}')
      writeFileSync(join(path, 'daily-1.csv.gz'), '')
    }
    configs.push(configOf(tenant_id, 'aws', { kind: 'cur', bucket, prefix: 'cur', report_name: 'daily' }))
    for await (const { key, etag } of buckets.list('s3', bucket, 'cur/daily/')) {
      const month = key.endsWith('.json') ? /\/(\d{4})(\d{2})01-/.exec(key)?.slice(1).join('-') : undefined
      if (month !== undefined) states.push(stateOf(tenant_id, 'aws/cost/cur', month, `${key} ${etag}`))
    }
  }
  await buckets.close()
  return { configs, states }
}

/** Claims on one table, each of one project, with a row for each project and day. */
const claims = async ({ warehouse }: Platform, table: string, count: number): Promise<Sources> => {
  const today = Date.parse(new Date().toISOString().slice(0, 10))
  const days = Array.from({ length: 60 }, (_, k) => new Date(today - k * 86_400_000).toISOString().slice(0, 10))
  await warehouse.ensureDataset('billing_export')
  await warehouse.runJob(
    { run_id: `r_${table}`, step_id: 'put', max_retries: 0, retry_delay_seconds: 1, tenant_id: 'system' },
    {
      kind: 'query',
      query:
        "SELECT TIMESTAMP(day) AS usage_start_time, TIMESTAMP(day) AS export_time, 'A' AS billing_account_id, " +
        `STRUCT(CONCAT('${table}-', CAST(k AS STRING)) AS id) AS project, 1.5 AS cost, 'EUR' AS currency ` +
        `FROM UNNEST(GENERATE_ARRAY(0, ${count - 1})) AS k, ` +
        `UNNEST(GENERATE_DATE_ARRAY(CAST('${days.at(-1) ?? ''}' AS DATE), CAST('${days[0] ?? ''}' AS DATE))) AS day`,
      destination: {
        project_id: warehouse.project_id,
        dataset: 'billing_export',
        table,
        write_mode: 'append',
      },
    },
  )
  const path = `${warehouse.project_id}.billing_export.${table}`
  const tenants = Array.from({ length: count }, (_, k) => `${table}_${k}`)
  return {
    configs: tenants.map((tenant_id, k) =>
      configOf(tenant_id, 'gcp', { kind: 'detailed', table: path, projects: [`${table}-${k}`] }),
    ),
    states: tenants.flatMap((tenant_id) =>
      days.map((day) => stateOf(tenant_id, 'gcp/cost/billing', day, `${day} 00:00:00+00, 1 rows`)),
    ),
  }
}

const rowsAtOnce = 5_000
const write = async ({ warehouse }: Platform, table: string, rows: readonly Row[]) => {
  for (let k = 0; k < rows.length; k += rowsAtOnce) await warehouse.append(table, rows.slice(k, k + rowsAtOnce))
}

/** Outputs of the step that looked, once both have ended. */
const endOf = async ({ warehouse }: Platform, run_id: string): Promise<Record<string, unknown>> => {
  for (;;) {
    const rows = await warehouse.query({
      query:
        'SELECT step_id, TO_JSON_STRING(outputs) AS outputs FROM tenants.tenant_step_logs ' +
        'WHERE pipeline_logging_id = @run_id',
      parameters: [{ name: 'run_id', type: 'STRING', value: run_id }],
    })
    const look = rows.find((row) => row['step_id'] === 'look')
    if (look !== undefined && rows.length === 2) return JSON.parse(String(look['outputs'])) as Record<string, unknown>
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

/** `count` sources, three of five in buckets, the others in four tables. */
export const measureRefresh = async (platform: Platform, folder: string, count: number): Promise<RefreshFigures> => {
  const ofTables = Math.floor(count / 10)
  const made = [await reports(folder, count - 4 * ofTables)]
  for (let k = 0; k < 4; k += 1) made.push(await claims(platform, `google_${k}`, ofTables))
  const states = made.flatMap((each) => each.states)
  await write(
    platform,
    'tenant_provider_configs_rows',
    made.flatMap(({ configs }) => configs),
  )
  await write(platform, 'tenant_load_state_rows', states)
  const cpu = process.cpuUsage()
  const started = performance.now()
  const { body } = await openClient(platform.url).call('POST', '/api/v1/admin/sources/refresh', {
    admin: platform.admin_key ?? '',
    body: {},
  })
  const outputs = await endOf(platform, String(body['pipeline_logging_id']))
  const used = process.cpuUsage(cpu)
  const seconds = (performance.now() - started) / 1000
  if (outputs['periods_changed'] !== 0 || outputs['warnings'] !== undefined)
    throw new Error(`expected nothing to be changed, got ${JSON.stringify(outputs)}`)
  return {
    cpu_seconds: (used.user + used.system) / 1e6,
    seconds,
    sources: count,
    periods: states.length,
  }
}
