/**
 * What the judges read: the demo's tenants, and one with the public samples where they are, loaded by the whole platform
 * in this process and exported by the command line.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { SourceSettings } from '@convergence/contracts'
import { openLog } from '@convergence/service'
import { runCli } from '../cli/main.ts'
import { followRun, openClient, type Client } from '../client.ts'
import { loadBillingExport } from '../demo.ts'
import { startPlatform, type Platform } from '../platform.ts'
import { sampleSources, writeSamples } from '../samples/samples.ts'

const month = '2025-11'
const days = ['2025-11-17', '2025-11-18']
const demoTenants = ['acme_corp', 'globex']
/** Few are enough: what a judge says of one row it says of all like it. */
const rowsPerProvider = 600

interface Load {
  pipeline: string
  parameters: Readonly<Record<string, string>>
}
export interface JudgedTenant {
  tenant: string
  /** Of its charges, `to` exclusive. */
  from: string
  to: string
}
interface Loaded extends JudgedTenant {
  sources: Readonly<Record<string, SourceSettings>>
  loads: readonly Load[]
  /** Providers whose charges are made of the loads by themselves. */
  providers: readonly string[]
}
const demoTenant = (tenant: string, project_id: string): Loaded => ({
  tenant,
  from: '2025-10-01',
  to: '2026-01-01',
  sources: sampleSources(tenant, project_id),
  loads: [
    ...days.map((date) => ({ pipeline: 'gcp/cost/billing', parameters: { date } })),
    { pipeline: 'aws/cost/cur', parameters: { month } },
    { pipeline: 'azure/cost/exports', parameters: { month } },
  ],
  providers: ['aws', 'azure', 'gcp'],
})

// ---- the public samples

const samplesFolder = resolve(import.meta.dirname, '../../../shared/samples')
const sampleOf = (name: string): string | undefined => {
  try {
    return readFileSync(join(samplesFolder, name), 'utf8')
  } catch {
    return undefined
  }
}
/**
 * Puts them where a provider would: exports that FOCUS is made of, and a file that is FOCUS already and comes in as it is.
 * Undefined where one is missing.
 */
const publicSamples = (data_folder: string): Loaded[] | undefined => {
  const aws = sampleOf('aws/sample-anonymous-aws-export-dataset.csv')
  const azure = sampleOf('azure/sample-anonymous-ea-export-dataset.csv')
  const focus = sampleOf('focus/focus_sample.csv')
  if (aws === undefined || azure === undefined || focus === undefined) return undefined
  const put = (path: string, content: string) => {
    const file = join(data_folder, 'buckets', path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, content)
  }
  const report = 'cur/daily/20231101-20231201'
  put(`s3/public-cur/${report}/daily-1.csv`, aws)
  put(
    `s3/public-cur/${report}/daily-Manifest.json`,
    JSON.stringify({
      assemblyId: 'a',
      reportName: 'daily',
      compression: 'NONE',
      billingPeriod: { start: '20231101T000000.000Z', end: '20231201T000000.000Z' },
      reportKeys: [`${report}/daily-1.csv`],
    }),
  )
  put('azure/public-exports/cost/daily/20230901-20230930/daily.csv', azure)
  put('s3/public-focus/focus/focus_sample.csv', focus)
  return [
    {
      tenant: 'samples',
      from: '2023-08-01',
      to: '2024-01-01',
      sources: {
        cur: { provider: 'aws', kind: 'cur', bucket: 'public-cur', prefix: 'cur', report_name: 'daily' },
        actual: {
          provider: 'azure',
          kind: 'actual',
          container: 'public-exports',
          prefix: 'cost',
          export_name: 'daily',
        },
      },
      loads: [
        { pipeline: 'aws/cost/cur', parameters: { month: '2023-11' } },
        { pipeline: 'azure/cost/exports', parameters: { month: '2023-09' } },
      ],
      providers: ['aws', 'azure'],
    },
    {
      tenant: 'imported',
      from: '2024-08-01',
      to: '2024-11-01',
      sources: { focus: { provider: 'any', kind: 'focus', store: 's3', bucket: 'public-focus', prefix: 'focus' } },
      loads: [{ pipeline: 'any/cost/focus', parameters: { month: '2024-09' } }],
      providers: ['any'],
    },
  ]
}

// ---- loading them

const onboard = async (client: Client, { tenant, sources }: Loaded): Promise<string> => {
  const { body } = await client.call('POST', '/api/v1/tenants/onboard', {
    body: {
      tenant_id: tenant,
      company_name: tenant,
      admin_email: `admin@${tenant.replace('_', '-')}.example`,
      subscription_plan: 'SCALE',
    },
  })
  const key = String(body['api_key'])
  for (const [name, settings] of Object.entries(sources))
    await client.call('PUT', `/api/v1/tenants/${tenant}/sources/${name}`, { key, body: settings })
  return key
}

interface Run {
  pipeline: string
  pipeline_logging_id: string
  start_time: string | null
  end_time: string | null
}
/** Longest wait for what follows by itself. */
const mostFollowMs = 120_000
/** Runs the loads, and waits for the runs that follow them: of each provider one that began after all its loads. */
const load = async (url: string, client: Client, key: string, { tenant, loads, providers }: Loaded): Promise<void> => {
  const end = async (id: string, what: string) => {
    const { status, error_code, error_message } = await followRun(url, key, id)
    if (status !== 'COMPLETED')
      throw new Error(`${tenant}: ${what} ended as ${status}: ${error_code ?? ''} ${error_message ?? ''}`)
  }
  const started = await Promise.all(
    loads.map(async ({ pipeline, parameters }) => {
      const { body } = await client.call('POST', `/api/v1/pipelines/run/${tenant}/${pipeline}`, {
        key,
        body: parameters,
      })
      return { pipeline, id: String(body['pipeline_logging_id']) }
    }),
  )
  await Promise.all(started.map(({ pipeline, id }) => end(id, pipeline)))
  const until = performance.now() + mostFollowMs
  for (const provider of providers)
    for (;;) {
      const { body } = await client.call('GET', '/api/v1/pipelines/runs?limit=100', { key })
      const runs = body['items'] as Run[]
      const ends = runs
        .filter(({ pipeline }) => pipeline.startsWith(`${provider}/cost/`))
        .map((run) => run.end_time ?? '')
      const found = runs.find(
        ({ pipeline, start_time }) =>
          pipeline === `focus/cost/${provider}` && (start_time === null || ends.every((each) => start_time >= each)),
      )
      if (found !== undefined) {
        await end(found.pipeline_logging_id, found.pipeline)
        break
      }
      if (performance.now() > until)
        throw new Error(`${tenant}: no run of focus/cost/${provider} has followed the loads`)
      await new Promise((done) => setTimeout(done, 100))
    }
}

export interface ExportedTenant extends JudgedTenant {
  /** Rules of FOCUS 1.2 that were asked before the rows were there, and whether they held. */
  rules: ReadonlyMap<string, boolean>
  /** Of a version, with its files by dataset. */
  folder(version: string, format: 'csv' | 'parquet'): string
}
export interface Judged {
  tenants: readonly ExportedTenant[]
  /** Why the public samples are not among them. */
  without?: string
  close(): Promise<void>
}

/** What the gate said of each rule: one that was broken once is broken, since rows only came. */
const rulesOf = async ({ warehouse }: Platform, tenant: string): Promise<Map<string, boolean>> => {
  const rows = await warehouse.query({
    query: `SELECT check_name, LOGICAL_AND(status = 'PASSED') AS holds FROM tenants.tenant_dq_results
      WHERE tenant_id = @tenant AND STARTS_WITH(check_name, 'FOCUS 1.2 ') GROUP BY check_name`,
    parameters: [{ name: 'tenant', type: 'STRING', value: tenant }],
  })
  return new Map(rows.map((row) => [String(row['check_name']).replace('FOCUS 1.2 ', ''), row['holds'] === true]))
}

/** Exports below `folder`. Throws where a run or an export ends badly. */
export const openJudged = async (
  folder: string,
  wanted: readonly (readonly [version: string, format: 'csv' | 'parquet'])[],
): Promise<Judged> => {
  const data_folder = join(folder, 'data')
  const samples = await writeSamples({
    folder: data_folder,
    tenants: demoTenants,
    seed: 7,
    rows_per_provider: rowsPerProvider,
    month,
    days,
  })
  const platform: Platform = await startPlatform({
    data_folder,
    port: 0,
    log: openLog({ level: 'error' }),
    close_timeout_ms: 5_000,
  })
  try {
    await loadBillingExport(platform.warehouse, samples.gcp_file)
    const client = openClient(platform.url)
    const ofPublic = publicSamples(data_folder)
    const all = [...demoTenants.map((tenant) => demoTenant(tenant, platform.warehouse.project_id)), ...(ofPublic ?? [])]
    const keys = new Map<string, string>()
    for (const each of all) keys.set(each.tenant, await onboard(client, each))
    await Promise.all(all.map((each) => load(platform.url, client, keys.get(each.tenant) ?? '', each)))
    const folderOf = (tenant: string) => (version: string, format: string) =>
      join(folder, 'exports', tenant, version, format)
    for (const { tenant, from, to } of all)
      for (const [version, format] of wanted) {
        const status = await runCli([
          ...['focus', 'export', '--url', platform.url, '--key', keys.get(tenant) ?? '', '--from', from, '--to', to],
          ...['--version', version, '--format', format, '--out', folderOf(tenant)(version, format)],
        ])
        if (status !== 0) throw new Error(`${tenant}: the export of ${version} as ${format} ended with ${status}`)
      }
    const rules = new Map<string, ReadonlyMap<string, boolean>>()
    for (const { tenant } of all) rules.set(tenant, await rulesOf(platform, tenant))
    return {
      tenants: all.map(({ tenant, from, to }) => ({
        ...{ tenant, from, to, folder: folderOf(tenant) },
        rules: rules.get(tenant) ?? new Map<string, boolean>(),
      })),
      ...(ofPublic === undefined ? { without: 'the public samples of ../shared/samples are not here' } : {}),
      close: () => platform.close(),
    }
  } catch (error) {
    await platform.close()
    throw error
  }
}
