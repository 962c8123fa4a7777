/**
 * `npm run demo`: the main job from nothing to cost tables, in a throw-away data folder: starts everything, bootstraps,
 * onboards two
 * tenants, loads sample exports of three clouds through their pipelines (asked for by REST and by a signed Pub/Sub
 * message), shows
 * progress, checks every total against the sums of the samples, prints the tables, and says it all again in FOCUS: one
 * table per tenant. With `-- --keep` it stays up.
 */
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { openBus, openSigner } from '@convergence/bus'
import { runId, systemTenant, type Column, type SourceSettings } from '@convergence/contracts'
import { openLog } from '@convergence/service'
import type { Warehouse } from '@convergence/warehouse'
import { followRun, openClient, type Client, type RunStatus } from './client.ts'
import { runCommand } from './command.ts'
import { startPlatform, type Platform } from './platform.ts'
import { gcpExportTable, sampleSources, writeSamples, type Samples } from './samples/samples.ts'

const tenants = ['acme_corp', 'globex'] as const
type TenantId = (typeof tenants)[number]
const month = '2025-11'
const days = ['2025-11-17', '2025-11-18', '2025-11-19', '2025-11-20']
const tty = process.stdout.isTTY
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
        table: gcpExportTable.slice(gcpExportTable.indexOf('.') + 1),
        write_mode: 'truncate',
        columns,
      },
    },
  )
  return result.rows_written
}

interface WantedRun {
  tenant: TenantId
  pipeline: string
  parameters: Record<string, string>
  how: 'REST' | 'Pub/Sub' | 'after'
}
const wanted = (tenant: TenantId, how: WantedRun['how']): WantedRun[] => [
  ...days.map((date) => ({ tenant, how, pipeline: 'gcp/cost/billing', parameters: { date } })),
  { tenant, how, pipeline: 'aws/cost/cur', parameters: { month } },
  { tenant, how, pipeline: 'azure/cost/exports', parameters: { month } },
]

const costTables = [
  {
    provider: 'gcp',
    table: 'gcp_cost_billing',
    label: 'service_description',
    cost: 'cost',
    net: 'net_cost',
    currency: 'currency',
  },
  {
    provider: 'aws',
    table: 'aws_cost_cur',
    label: 'line_item_product_code',
    cost: 'line_item_unblended_cost',
    net: 'line_item_unblended_cost',
    currency: 'line_item_currency_code',
  },
  {
    provider: 'azure',
    table: 'azure_cost_exports',
    label: 'meter_category',
    cost: 'cost_in_billing_currency',
    net: 'cost_in_billing_currency',
    currency: 'billing_currency_code',
  },
] as const

/** Bars of the largest services of one provider. Returns rows and total, exact. */
const showTable = async (
  warehouse: Warehouse,
  tenant: TenantId,
  { table, label, cost, currency }: (typeof costTables)[number],
) => {
  const name = `\`${warehouse.project_id}.${tenant}.${table}\``
  const [sum] = await warehouse.query({
    query: `SELECT COUNT(*) AS n, SUM(${cost}) AS total, STRING_AGG(DISTINCT ${currency}) AS currency FROM ${name}`,
  })
  const rows = await warehouse.query({
    query:
      `SELECT IFNULL(${label}, '(none)') AS label, SUM(${cost}) AS cost ` +
      `FROM ${name} GROUP BY 1 ORDER BY cost DESC LIMIT 5`,
  })
  console.log(
    `  ${bold(`${tenant}.${table}`)}  ${String(sum?.['n'])} rows, ${money(Number(sum?.['total']))} ${String(sum?.['currency'])}`,
  )
  const largest = Math.max(...rows.map((row) => Number(row['cost'])), 0.01)
  const bar = (value: number) => {
    const length = Math.max(value > 0 ? 1 : 0, Math.round((value / largest) * 32))
    return '█'.repeat(length).padEnd(32)
  }
  for (const row of rows) {
    const value = Number(row['cost'])
    console.log(`    ${String(row['label']).slice(0, 28).padEnd(28)} ${green(bar(value))} ${money(value).padStart(12)}`)
  }
  return { rows: Number(sum?.['n']), total: String(sum?.['total']) }
}

/** What each part of the demo goes on with. */
interface Demo {
  platform: Platform
  client: Client
  admin_key: string
  samples: Samples
  /** API key of each tenant, from its onboarding. */
  keys: Readonly<Record<TenantId, string>>
}
type StartedRun = WantedRun & { id: string }

const seconds = (since: number): string => ((performance.now() - since) / 1000).toFixed(1)

const start = async (data_folder: string, started: number): Promise<Omit<Demo, 'keys'>> => {
  heading('1. Start: broker, warehouse, keys and five services in this process')
  const samples = await writeSamples({
    folder: data_folder,
    tenants: [...tenants],
    seed: 7,
    rows_per_provider: 3000,
    month,
    days,
  })
  const platform = await startPlatform({
    data_folder,
    port: 0,
    log: openLog({ level: 'error' }),
    close_timeout_ms: 5_000,
  })
  const { url, admin_key = '' } = platform
  const client = openClient(url)
  console.log(`  ready at ${url} after ${seconds(started)} s`)
  const boot = (await client.call('POST', '/api/v1/admin/bootstrap', { admin: admin_key, body: {} })).body
  console.log(`  central dataset ${String(boot['dataset'])}: ${(boot['tables_existing'] as string[]).length} tables`)
  return { platform, client, admin_key, samples }
}

const onboard = async (client: Client): Promise<Demo['keys']> => {
  heading('2. Onboard two tenants')
  const keys: Record<TenantId, string> = { acme_corp: '', globex: '' }
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
      `  ${tenant.padEnd(10)} plan ${String(body['subscription_plan'])}, dataset made, ` +
        `validation run ${String(body['dryrun_status'])}`,
    )
  }
  return keys
}

const deliver = async ({ platform, samples }: Demo): Promise<void> => {
  heading('3. The providers deliver their exports')
  const exported = await loadBillingExport(platform.warehouse, samples.gcp_file)
  console.log(`  Google Cloud  billing_export table, ${exported} nested rows for both tenants`)
  console.log('  AWS           CUR csv.gz with manifest in an S3 bucket of each')
  console.log('  Azure         cost export csv with manifest in a container of each')
}

const showSource = (name: string, source: SourceSettings): string => {
  const whose =
    source.provider === 'gcp' && Array.isArray(source.projects) ? `, projects ${source.projects.join(', ')}` : ''
  return `${name.padEnd(7)} ${source.provider} ${source.kind}: ${placeOf(source)}${whose}`
}
const placeOf = (source: SourceSettings): string => {
  switch (source.provider) {
    case 'gcp':
      return source.table
    case 'aws':
      return `s3://${source.bucket}/${source.prefix}/${source.report_name}`
    case 'azure':
      return `azure://${source.container}/${source.prefix}/${source.export_name}`
    case 'any':
      return `${source.store}://${source.bucket}/${source.prefix}`
  }
}

/** Each tenant says where its exports are. */
const connect = async ({ platform, client, keys }: Demo): Promise<void> => {
  heading('4. The tenants connect their sources')
  for (const tenant of tenants)
    for (const [name, settings] of Object.entries(sampleSources(tenant, platform.warehouse.project_id))) {
      await client.call('PUT', `/api/v1/tenants/${tenant}/sources/${name}`, { key: keys[tenant], body: settings })
      console.log(`  ${tenant.padEnd(10)} ${showSource(name, settings)}`)
    }
}

const startByRest = async ({ client, keys }: Demo, asked: readonly WantedRun[]): Promise<StartedRun[]> => {
  const runs: StartedRun[] = []
  for (const run of asked) {
    const { body } = await client.call('POST', `/api/v1/pipelines/run/${run.tenant}/${run.pipeline}`, {
      key: keys[run.tenant],
      body: run.parameters,
    })
    runs.push({ ...run, id: String(body['pipeline_logging_id']) })
  }
  return runs
}

/** As an upstream system does: it signs with a key that the operator knows, and publishes. */
const startByMessage = async ({ platform, client, admin_key }: Demo): Promise<StartedRun[]> => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const public_key = publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
  await client.call('POST', '/api/v1/admin/publisher-keys', {
    admin: admin_key,
    body: { kid: 'globex-upstream', tenant_id: 'globex', public_key },
  })
  const upstream = openBus({
    port: platform.broker,
    log: openLog({ service: 'upstream', level: 'error' }),
    signers: { outside: openSigner(privateKey, 'globex-upstream') },
  })
  const runs: StartedRun[] = []
  for (const run of wanted('globex', 'Pub/Sub')) {
    const { tenant: tenant_id, pipeline, parameters } = run
    const idempotency_key = `${pipeline}:${Object.values(parameters).join(':')}`
    const event = { tenant_id, pipeline, parameters, trigger_type: 'publisher' as const }
    await upstream.publish([{ topic: 'run-requested', event, idempotency_key }])
    runs.push({ ...run, id: runId(tenant_id, idempotency_key) })
  }
  await upstream.close()
  return runs
}

const showEnd = (run: StartedRun, result: RunStatus, done: number, of: number): void => {
  const width = 24
  const bar = '#'.repeat(Math.round((done / of) * width)).padEnd(width, '.')
  const rows = result.steps.reduce((sum, step) => sum + (step.rows_written ?? 0), 0)
  console.log(
    [
      `  [${bar}] ${String(done).padStart(2)}/${of} `,
      run.tenant.padEnd(9),
      run.pipeline.padEnd(18),
      Object.values(run.parameters).join(' ').padEnd(10),
      run.how.padEnd(7),
      result.status === 'COMPLETED' ? green(result.status) : red(result.status),
      `${String(rows).padStart(5)} rows`,
      `${String(result.duration_ms ?? '').padStart(5)} ms`,
    ].join(' '),
  )
  if (result.error_message !== null) console.log(red(`      ${result.error_code ?? ''}: ${result.error_message}`))
}

/** A line for each run when it ends. Returns how they ended. */
const follow = async ({ platform, client, keys }: Demo, runs: readonly StartedRun[]): Promise<RunStatus[]> => {
  let done = 0
  return Promise.all(
    runs.map(async (run) => {
      // A run asked for by a message is known once the scheduler has taken it.
      for (let tries = 0; tries < 200; tries += 1) {
        const { status } = await client.call('GET', `/api/v1/pipelines/runs/${run.id}`, {
          key: keys[run.tenant],
          expect: [200, 404],
        })
        if (status === 200) break
        await new Promise((resolve) => setTimeout(resolve, 25))
      }
      const result = await followRun(platform.url, keys[run.tenant], run.id)
      done += 1
      showEnd(run, result, done, runs.length)
      return result
    }),
  )
}

/** Returns how many tables are not the sum of their export. */
const showCosts = async ({ platform, samples }: Demo): Promise<number> => {
  heading('6. Cost tables')
  let wrong = 0
  for (const tenant of tenants)
    for (const spec of costTables) {
      const { rows, total } = await showTable(platform.warehouse, tenant, spec)
      const expected = samples.expected[tenant]?.[spec.provider]
      if (expected !== undefined && expected.rows === rows && expected.cost === total)
        console.log(dim(`    equals the sum of the export's own rows: ${total}`))
      else {
        wrong += 1
        const sought = `${expected?.rows ?? 0} rows and ${expected?.cost ?? 'nothing'}`
        console.log(red(`    expected ${sought}, got ${rows} rows and ${total}`))
      }
    }
  return wrong
}

/** Longest wait for what follows by itself. */
const mostFollowMs = 120_000
/** The runs that made FOCUS of the loads by themselves: of each cloud the latest, which has begun after all its loads. */
const followers = async ({ client, keys }: Demo): Promise<StartedRun[]> => {
  const latest = async (tenant: TenantId, provider: string): Promise<StartedRun | undefined> => {
    const pipeline = `focus/cost/${provider}`
    const { body } = await client.call('GET', '/api/v1/pipelines/runs?limit=100', { key: keys[tenant] })
    const runs = body['items'] as {
      pipeline: string
      pipeline_logging_id: string
      start_time: string | null
      end_time: string | null
    }[]
    const loaded = runs
      .filter((run) => run.pipeline.startsWith(`${provider}/cost/`))
      .map(({ end_time }) => end_time ?? '')
    const found = runs.find(
      ({ pipeline: path, start_time }) =>
        path === pipeline && (start_time === null || loaded.every((end) => start_time >= end)),
    )
    return found && { tenant, how: 'after', pipeline, parameters: { month }, id: found.pipeline_logging_id }
  }
  const until = performance.now() + mostFollowMs
  const found: StartedRun[] = []
  for (const tenant of tenants)
    for (const { provider } of costTables)
      for (;;) {
        const run = await latest(tenant, provider)
        if (run !== undefined) {
          found.push(run)
          break
        }
        if (performance.now() > until)
          throw new Error(`no run of focus/cost/${provider} has followed the loads of ${tenant}`)
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
  return found
}

interface CostsAnswer {
  items: { group: { category: string | null; provider: string }; amount: string; currency: string }[]
  totals: { amount: string; currency: string }[]
  freshness: { source: string; reconciled: boolean | null }[]
}
/** What a tenant asks over REST, from its one table for three clouds. Returns how much is not as the exports say. */
const showFocus = async ({ platform: { warehouse }, client, keys }: Demo): Promise<number> => {
  heading('8. What was it? Each tenant asks for its effective cost by category of service')
  let wrong = 0
  const fail = (text: string) => {
    wrong += 1
    console.log(red(`    ${text}`))
  }
  for (const tenant of tenants) {
    const path = `/api/v1/tenants/${tenant}/costs?from=${month}-01&to=2025-12-01&group_by=category,provider&limit=500`
    const { items, totals, freshness } = (await client.call('GET', path, { key: keys[tenant] }))
      .body as unknown as CostsAnswer
    const cells = (texts: readonly string[]) => texts.map((text) => text.padStart(14)).join('')
    const providers = costTables.map(({ provider }) => provider)
    for (const { amount, currency } of totals) {
      console.log(`  ${bold(tenant.padEnd(30))}${dim(cells([...providers, 'all']))}`)
      const mine = items.filter((item) => item.currency === currency)
      for (const category of new Set(mine.map(({ group }) => group.category))) {
        const of = mine.filter(({ group }) => group.category === category)
        const amounts = providers.map((provider) =>
          Number(of.find(({ group }) => group.provider === provider)?.amount ?? 0),
        )
        const all = amounts.reduce((sum, each) => sum + each, 0)
        console.log(`    ${String(category).padEnd(28)}${cells([...amounts, all].map(money))}`)
      }
      console.log(`    ${`in all, ${currency}`.padEnd(28)}${amount.padStart(56)}`)
    }
    for (const { provider, table, net } of costTables) {
      const name = (of: string) => `\`${warehouse.project_id}.${tenant}.${of}\``
      const [sums] = await warehouse.query({
        query:
          `SELECT (SELECT CAST(SUM(${net}) AS STRING) FROM ${name(table)}) AS told, ` +
          `(SELECT CAST(SUM(BilledCost) AS STRING) FROM ${name('focus_cost_and_usage')} WHERE x_SourceProvider = '${provider}') AS focus`,
      })
      const { told, focus } = sums ?? {}
      if (told === focus) console.log(dim(`    ${provider}: billed cost equals that of ${table}: ${String(told)}`))
      else fail(`${provider}: ${table} has ${String(told)}, FOCUS ${String(focus)}`)
    }
    const open = freshness.filter(({ reconciled }) => reconciled !== true).map(({ source }) => source)
    if (open.length === 0 && freshness.length === costTables.length) console.log(dim('    every source is reconciled'))
    else fail(`not reconciled: ${open.join(', ') || `${freshness.length} sources of ${costTables.length}`}`)
  }
  return wrong
}

const showRecord = async ({ platform: { warehouse }, client, keys }: Demo): Promise<void> => {
  heading('9. The record')
  for (const tenant of tenants) {
    const { usage } = (await client.call('GET', `/api/v1/tenants/${tenant}`, { key: keys[tenant] })).body as {
      usage: { daily: { used: number; limit: number } }
    }
    const [recorded] = await warehouse.query({
      query: `SELECT COUNT(DISTINCT pipeline_logging_id) AS runs, COUNT(step_id) AS steps
              FROM \`${warehouse.project_id}.${tenant}.tenant_comprehensive_view\``,
    })
    const { used, limit } = usage.daily
    console.log(
      `  ${tenant.padEnd(10)} ${String(recorded?.['runs'])} runs, ${String(recorded?.['steps'])} steps recorded; ` +
        `today ${used} of ${limit} runs of its plan used`,
    )
  }
}

const stayUp = async ({ platform, admin_key, keys }: Demo): Promise<void> => {
  console.log(`\nStays up at ${platform.url} until Ctrl-C.\n  admin key ${admin_key}`)
  for (const tenant of tenants) console.log(`  ${tenant} key ${keys[tenant]}`)
  await new Promise<void>((resolve) => {
    process.once('SIGINT', () => {
      resolve()
    })
  })
}

/** Returns whether every run completed and every table equals its export. */
const runDemo = async ({ keep }: { keep: boolean }): Promise<boolean> => {
  const started = performance.now()
  const data_folder = mkdtempSync(join(tmpdir(), 'convergence-demo-'))
  let platform: Platform | undefined
  try {
    console.log(bold("Convergence: from three clouds' exports to each tenant's cost tables"))
    console.log(dim(`data folder ${data_folder}${keep ? '' : ', removed at the end'}`))
    const opened = await start(data_folder, started)
    ;({ platform } = opened)
    const demo: Demo = { ...opened, keys: await onboard(opened.client) }
    await deliver(demo)
    await connect(demo)
    heading('5. Runs: acme_corp asks by REST, globex by signed messages on Pub/Sub')
    const runs = [...(await startByRest(demo, wanted('acme_corp', 'REST'))), ...(await startByMessage(demo))]
    const ends = await follow(demo, runs)
    const notEqual = await showCosts(demo)
    heading('7. Runs that follow them by themselves: the same in FOCUS 1.4')
    ends.push(...(await follow(demo, await followers(demo))))
    const wrong = ends.filter(({ status }) => status !== 'COMPLETED').length + notEqual + (await showFocus(demo))
    await showRecord(demo)
    const good = `\nAll ${ends.length} runs completed, every table equals its export. ${seconds(started)} s`
    console.log(wrong === 0 ? green(good) : red(`\n${wrong} things are not as they should be`))
    if (keep && wrong === 0) await stayUp(demo)
    return wrong === 0
  } finally {
    await platform?.close()
    rmSync(data_folder, { recursive: true, force: true })
  }
}

const help = `
Runs the main job in one process and a throw-away folder: onboards two tenants, loads sample exports of three clouds
through their pipelines, and prints cost tables. Exit code 1 when a run or a sum is wrong.

  --keep   stays up until Ctrl-C, with the keys printed
`

if (import.meta.main)
  await runCommand(
    { name: 'npm run demo', synopsis: '[--keep]', help, options: { keep: { type: 'boolean' } } },
    async ({ keep }) => {
      if (!(await runDemo({ keep: keep === true }))) process.exitCode = 1
    },
  )
