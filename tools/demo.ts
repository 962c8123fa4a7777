/**
 * `npm run demo`: the main job from nothing to cost tables, in a throw-away data folder: starts everything, bootstraps,
 * onboards two
 * tenants, loads sample exports of three clouds through their pipelines (asked for by REST and by a signed Pub/Sub
 * message), shows
 * progress, checks every total against the sums of the samples, prints the tables. With `-- --keep` it stays up.
 */
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { readFileSync } from 'node:fs'
import { openBus, openSigner } from '@convergence/bus'
import { runId, systemTenant, type Column } from '@convergence/contracts'
import { openLog } from '@convergence/service'
import type { Warehouse } from '@convergence/warehouse'
import { followRun, openClient, type RunStatus } from './client.ts'
import { startPlatform, type Platform } from './platform.ts'
import { writeSamples, type Samples } from './samples/samples.ts'

const tenants = ['acme_corp', 'globex'] as const
type TenantId = (typeof tenants)[number]
const month = '2025-11'
const days = ['2025-11-17', '2025-11-18', '2025-11-19', '2025-11-20']
const tty = process.stdout.isTTY === true
const paint = (code: number, text: string) => (tty ? `\u001b[${code}m${text}\u001b[0m` : text)
const bold = (text: string) => paint(1, text)
const dim = (text: string) => paint(2, text)
const green = (text: string) => paint(32, text)
const red = (text: string) => paint(31, text)
const money = (value: number) => value.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 })
const heading = (text: string) => {
  console.log(`\n${bold(text)}`)
}

/** The export of Google Cloud is a BigQuery table already: the demo puts the sample there, as Google would. */
export const loadBillingExport = async (warehouse: Warehouse, file: string): Promise<number> => {
  const templates = dirname(createRequire(import.meta.url).resolve('@convergence/ps_templates/package.json'))
  const columns = JSON.parse(
    readFileSync(join(templates, 'gcp/bq_etl/schemas/gcp_billing_export_resource_v1.json'), 'utf8'),
  ) as Column[]
  await warehouse.ensureDataset('billing_export', { description: 'Detailed billing export of the sample account' })
  const result = await warehouse.runJob(
    {
      run_id: runId(systemTenant, 'demo-billing-export'),
      step_id: 'load',
      max_retries: 0,
      retry_delay_seconds: 1,
      tenant_id: systemTenant,
    },
    {
      kind: 'load',
      format: 'ndjson',
      files: [{ path: file, name: 'billing_export.ndjson' }],
      destination: {
        project_id: warehouse.project_id,
        dataset: 'billing_export',
        table: 'gcp_billing_export_resource_v1_010101_F0FFF0_61C528',
        write_mode: 'truncate',
        columns,
      },
    },
  )
  return result.rows_written
}

interface Asked {
  tenant: TenantId
  pipeline: string
  parameters: Record<string, string>
  how: 'REST' | 'Pub/Sub'
}
const wanted = (tenant: TenantId, how: Asked['how']): Asked[] => [
  ...days.map((date) => ({ tenant, how, pipeline: 'gcp/cost/billing', parameters: { date } })),
  { tenant, how, pipeline: 'aws/cost/cur', parameters: { month } },
  { tenant, how, pipeline: 'azure/cost/exports', parameters: { month } },
]

const costTables = [
  { provider: 'gcp', table: 'gcp_cost_billing', label: 'service_description', cost: 'cost', net: 'net_cost' },
  {
    provider: 'aws',
    table: 'aws_cost_cur',
    label: 'line_item_product_code',
    cost: 'line_item_unblended_cost',
    net: 'line_item_unblended_cost',
  },
  {
    provider: 'azure',
    table: 'azure_cost_exports',
    label: 'meter_category',
    cost: 'cost_in_billing_currency',
    net: 'cost_in_billing_currency',
  },
] as const

/** Bars of the largest services of one provider. Returns rows and total, exact. */
const showTable = async (
  warehouse: Warehouse,
  tenant: TenantId,
  { provider, table, label, cost }: (typeof costTables)[number],
) => {
  const name = `\`${warehouse.project_id}.${tenant}.${table}\``
  const [sum] = await warehouse.query({ query: `SELECT COUNT(*) AS n, SUM(${cost}) AS total FROM ${name}` })
  const rows = await warehouse.query({
    query: `SELECT IFNULL(${label}, '(none)') AS label, SUM(${cost}) AS cost FROM ${name} GROUP BY 1 ORDER BY cost DESC LIMIT 5`,
  })
  console.log(
    `  ${bold(`${tenant}.${table}`)}  ${String(sum?.['n'])} rows, ${money(Number(sum?.['total']))} in ${provider}`,
  )
  const largest = Math.max(...rows.map((row) => Number(row['cost'])), 0.01)
  for (const row of rows) {
    const value = Number(row['cost'])
    console.log(
      `    ${String(row['label']).slice(0, 28).padEnd(28)} ${green('█'.repeat(Math.max(value > 0 ? 1 : 0, Math.round((value / largest) * 32))).padEnd(32))} ${money(value).padStart(12)}`,
    )
  }
  return { rows: Number(sum?.['n']), total: String(sum?.['total']) }
}

const main = async (): Promise<number> => {
  const keep = process.argv.includes('--keep')
  const started = performance.now()
  const data_folder = mkdtempSync(join(tmpdir(), 'convergence-demo-'))
  let platform: Platform | undefined
  let samples: Samples
  try {
    console.log(bold("Convergence: from three clouds' exports to each tenant's cost tables"))
    console.log(dim(`data folder ${data_folder}${keep ? '' : ', removed at the end'}`))

    heading('1. Start: broker, warehouse, keys and five services in this process')
    samples = await writeSamples({
      folder: data_folder,
      tenants: [...tenants],
      seed: 7,
      rows_per_provider: 3000,
      month,
      days,
    })
    platform = await startPlatform({
      data_folder,
      port: 0,
      log: openLog({ service: 'demo', level: 'error' }),
      close_timeout_ms: 5_000,
    })
    const { url, admin_key = '', warehouse } = platform
    const client = openClient(url)
    console.log(`  ready at ${url} after ${((performance.now() - started) / 1000).toFixed(1)} s`)
    const boot = (await client.call('POST', '/api/v1/admin/bootstrap', { admin: admin_key, body: {} })).body
    console.log(`  central dataset ${String(boot['dataset'])}: ${(boot['tables_existing'] as string[]).length} tables`)

    heading('2. Onboard two tenants')
    const keys: Partial<Record<TenantId, string>> = {}
    for (const tenant of tenants) {
      const { body } = await client.call('POST', '/api/v1/tenants/onboard', {
        body: {
          tenant_id: tenant,
          company_name: tenant === 'acme_corp' ? 'Acme Corp' : 'Globex',
          admin_email: `admin@${tenant.replace('_', '-')}.example`,
          subscription_plan: 'SCALE',
        },
      })
      keys[tenant] = String(body['api_key'])
      console.log(
        `  ${tenant.padEnd(10)} plan ${String(body['subscription_plan'])}, dataset made, validation run ${String(body['dryrun_status'])}`,
      )
    }
    const keyOf = (tenant: TenantId) => keys[tenant] ?? ''

    heading('3. The providers deliver their exports')
    const exported = await loadBillingExport(warehouse, samples.gcp_file)
    console.log(`  Google Cloud  billing_export table, ${exported} nested rows for both tenants`)
    console.log(
      `  AWS           CUR csv.gz with manifest in s3 buckets ${tenants.map((tenant) => `${tenant}-cur`).join(', ')}`,
    )
    console.log(
      `  Azure         cost export csv with manifest in containers ${tenants.map((tenant) => `${tenant}-exports`).join(', ')}`,
    )

    heading('4. Runs: acme_corp asks by REST, globex by signed messages on Pub/Sub')
    const { privateKey, publicKey } = generateKeyPairSync('ed25519')
    await client.call('POST', '/api/v1/admin/publisher-keys', {
      admin: admin_key,
      body: {
        kid: 'globex-upstream',
        tenant_id: 'globex',
        public_key: publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
      },
    })
    const upstream = openBus({
      port: platform.broker,
      log: openLog({ service: 'upstream', level: 'error' }),
      signers: { outside: openSigner(privateKey, 'globex-upstream') },
    })
    const asked: (Asked & { id: string })[] = []
    for (const run of wanted('acme_corp', 'REST')) {
      const { body } = await client.call('POST', `/api/v1/pipelines/run/${run.tenant}/${run.pipeline}`, {
        key: keyOf(run.tenant),
        body: run.parameters,
      })
      asked.push({ ...run, id: String(body['pipeline_logging_id']) })
    }
    for (const run of wanted('globex', 'Pub/Sub')) {
      const idempotency_key = `${run.pipeline}:${Object.values(run.parameters).join(':')}`
      await upstream.publish([
        {
          topic: 'run-requested',
          event: {
            tenant_id: run.tenant,
            pipeline: run.pipeline,
            parameters: run.parameters,
            trigger_type: 'publisher',
          },
          idempotency_key,
        },
      ])
      asked.push({ ...run, id: runId(run.tenant, idempotency_key) })
    }
    let done = 0
    const finished: RunStatus[] = await Promise.all(
      asked.map(async (run) => {
        // A run asked for by a message is known once the scheduler has taken it.
        for (let tries = 0; tries < 200; tries += 1) {
          const { status } = await client.call('GET', `/api/v1/pipelines/runs/${run.id}`, {
            key: keyOf(run.tenant),
            expect: [200, 404],
          })
          if (status === 200) break
          await new Promise((resolve) => setTimeout(resolve, 25))
        }
        const result = await followRun(url, keyOf(run.tenant), run.id)
        done += 1
        const width = 24
        const bar = '#'.repeat(Math.round((done / asked.length) * width)).padEnd(width, '.')
        const rows = result.steps.reduce((sum, step) => sum + (step.rows_written ?? 0), 0)
        const what = Object.values(run.parameters).join(' ')
        console.log(
          `  [${bar}] ${String(done).padStart(2)}/${asked.length}  ${run.tenant.padEnd(9)} ${run.pipeline.padEnd(18)} ${what.padEnd(10)} ${run.how.padEnd(7)} ${result.status === 'COMPLETED' ? green(result.status) : red(result.status)} ${String(rows).padStart(5)} rows ${String(result.duration_ms ?? '').padStart(5)} ms`,
        )
        if (result.error_message !== null && result.error_message !== undefined)
          console.log(red(`      ${result.error_code ?? ''}: ${result.error_message}`))
        return result
      }),
    )
    await upstream.close()

    heading('5. Cost tables')
    let wrong = finished.filter((run) => run.status !== 'COMPLETED').length
    for (const tenant of tenants) {
      for (const spec of costTables) {
        const shown = await showTable(warehouse, tenant, spec)
        const expected = samples.expected[tenant]?.[spec.provider]
        const same = expected !== undefined && expected.rows === shown.rows && expected.cost === shown.total
        if (!same) {
          wrong += 1
          console.log(
            red(
              `    expected ${expected?.rows ?? 0} rows and ${expected?.cost ?? 'nothing'}, found ${shown.rows} rows and ${shown.total}`,
            ),
          )
        } else console.log(dim(`    equals the sum of the export's own rows: ${shown.total}`))
      }
    }

    heading('6. The record')
    for (const tenant of tenants) {
      const { body } = await client.call<{ usage: { daily: { used: number; limit: number } } }>(
        'GET',
        `/api/v1/tenants/${tenant}`,
        { key: keyOf(tenant) },
      )
      const [runs] = await warehouse.query({
        query: `SELECT COUNT(DISTINCT pipeline_logging_id) AS runs, COUNT(step_id) AS steps FROM \`${warehouse.project_id}.${tenant}.tenant_comprehensive_view\``,
      })
      console.log(
        `  ${tenant.padEnd(10)} ${String(runs?.['runs'])} runs, ${String(runs?.['steps'])} steps recorded; today ${body.usage.daily.used} of ${body.usage.daily.limit} runs of its plan used`,
      )
    }
    console.log(
      wrong === 0
        ? green(
            `\nAll ${asked.length} runs completed, every table equals its export. ${((performance.now() - started) / 1000).toFixed(1)} s`,
          )
        : red(`\n${wrong} things are not as they should be`),
    )
    if (keep && wrong === 0) {
      console.log(
        `\nStays up at ${url} until Ctrl-C.\n  admin key ${admin_key}\n${tenants.map((tenant) => `  ${tenant} key ${keyOf(tenant)}`).join('\n')}`,
      )
      await new Promise<void>((resolve) => {
        process.once('SIGINT', () => {
          resolve()
        })
      })
    }
    return wrong === 0 ? 0 : 1
  } finally {
    await platform?.close()
    rmSync(data_folder, { recursive: true, force: true })
  }
}

if (import.meta.main) process.exitCode = await main()
