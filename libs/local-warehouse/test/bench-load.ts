/**
 * How fast a cost and usage report gets into a table: `node libs/local-warehouse/test/bench-load.ts [rows]`. Makes a
 * csv.gz with the columns of such a report, loads it through the engine and, for comparison, has bare DuckDB read the
 * same file into a table.
 */
import { createWriteStream, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { DuckDBInstance } from '@duckdb/node-api'
import { openWarehouse } from '@convergence/warehouse'
import type { LoadColumn } from '@convergence/warehouse'
import { openEngine } from '../src/engine.ts'

const rows = Number(process.argv[2] ?? 1_000_000)
const folder = mkdtempSync(join(tmpdir(), 'convergence-bench-load-'))
const scratch = join(folder, 'scratch')
mkdirSync(scratch)
const path = join(scratch, 'cur.csv.gz')
/** Others may use the machine too: processor time tells more than the clock then. */
const cpuSeconds = (since: NodeJS.CpuUsage): string => {
  const { user, system } = process.cpuUsage(since)
  return ((user + system) / 1e6).toFixed(1)
}
const fillers = Array.from({ length: 25 }, (_, k) => `product/attribute${k}`)
const header = [
  'identity/LineItemId',
  'bill/PayerAccountId',
  'bill/BillingPeriodStartDate',
  'lineItem/UsageAccountId',
  'lineItem/LineItemType',
  'lineItem/UsageStartDate',
  'lineItem/ProductCode',
  'lineItem/UsageType',
  'lineItem/Operation',
  'lineItem/ResourceId',
  'lineItem/UsageAmount',
  'lineItem/CurrencyCode',
  'lineItem/UnblendedRate',
  'lineItem/UnblendedCost',
  'lineItem/BlendedCost',
  'lineItem/LineItemDescription',
  'product/region',
  'resourceTags/user:team',
  'resourceTags/user:env',
  ...fillers,
]
function* lines(): Generator<string> {
  yield `${header.join(',')}\n`
  const text: string[] = []
  for (let k = 0; k < rows; k++) {
    const cost = k % 7 === 0 ? `${(k % 97) + 1}.81E-8` : (((k * 2654435761) % 100_000_007) / 1e8).toFixed(10)
    text.push(
      `id${(k * 2654435761) % 4294967296},123456789012,2025-11-01T00:00:00Z,${100000000000 + (k % 40)},Usage,` +
        `2025-11-${String(1 + (k % 30)).padStart(2, '0')}T0${k % 10}:00:00Z,AmazonEC2,USE1-BoxUsage:m5.large,` +
        `RunInstances,i-${k % 5000},` +
        `${(k % 24) / 3},USD,0.0960000000,${cost},${cost},"$0.096 per On Demand, Linux m5.large",us-east-1,` +
        `team-${k % 12},${k % 3 === 0 ? 'prod' : ''},` +
        `${fillers.map((_, n) => (n % 3 === 0 ? `v${k % 11}` : '')).join(',')}\n`,
    )
    if (text.length === 2_000) yield text.splice(0).join('')
  }
  yield text.join('')
}
const columns: LoadColumn[] = [
  { name: 'line_item_id', type: 'STRING', source: 'identity/LineItemId' },
  { name: 'payer_account_id', type: 'STRING', source: 'bill/PayerAccountId' },
  { name: 'billing_period', type: 'DATE', value: '2025-11-01' },
  { name: 'report_name', type: 'STRING', value: 'daily' },
  { name: 'usage_account_id', type: 'STRING', source: 'lineItem/UsageAccountId' },
  { name: 'line_item_type', type: 'STRING', source: 'lineItem/LineItemType' },
  { name: 'usage_start', type: 'TIMESTAMP', source: 'lineItem/UsageStartDate' },
  { name: 'product_code', type: 'STRING', source: 'lineItem/ProductCode' },
  { name: 'usage_type', type: 'STRING', source: 'lineItem/UsageType' },
  { name: 'operation', type: 'STRING', source: 'lineItem/Operation' },
  { name: 'resource_id', type: 'STRING', source: 'lineItem/ResourceId' },
  { name: 'usage_amount', type: 'BIGNUMERIC', source: 'lineItem/UsageAmount' },
  { name: 'currency', type: 'STRING', source: 'lineItem/CurrencyCode' },
  { name: 'unblended_rate', type: 'BIGNUMERIC', source: 'lineItem/UnblendedRate' },
  { name: 'unblended_cost', type: 'BIGNUMERIC', source: 'lineItem/UnblendedCost' },
  { name: 'blended_cost', type: 'BIGNUMERIC', source: 'lineItem/BlendedCost' },
  { name: 'description', type: 'STRING', source: 'lineItem/LineItemDescription' },
  { name: 'region', type: 'STRING', source: 'product/region' },
  { name: 'tags', type: 'JSON', object_of: { team: 'resourceTags/user:team', env: 'resourceTags/user:env' } },
]

try {
  await pipeline(Readable.from(lines()), createGzip({ level: 1 }), createWriteStream(path))
  console.log(
    `${rows} rows, ${(statSync(path).size / 1e6).toFixed(0)} MB csv.gz, ${header.length} columns in the file, ` +
      `${columns.length} in the table`,
  )
  let peak = 0
  const sampling = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss())
  }, 50)
  const warehouse = openWarehouse({ engine: await openEngine({ folder, project_id: 'bench' }), random: Math.random })
  await warehouse.ensureDataset('acme')
  for (let round = 0; round < 3; round++) {
    const began = performance.now()
    const spent = process.cpuUsage()
    const { rows_written } = await warehouse.runJob(
      { run_id: `r_${round}`, step_id: 'load', max_retries: 0, retry_delay_seconds: 0, tenant_id: 'acme' },
      {
        kind: 'load',
        format: 'csv',
        files: [{ path, name: 'cur.csv.gz' }],
        columns,
        destination: {
          project_id: 'bench',
          dataset: 'acme',
          table: 'aws_cost_cur',
          write_mode: 'truncate',
          period: { billing_period: '2025-11-01', report_name: 'daily' },
        },
      },
    )
    const seconds = (performance.now() - began) / 1000
    console.log(
      `engine: ${rows_written} rows in ${seconds.toFixed(2)} s, ${Math.round(rows_written / seconds)} rows/s, ` +
        `${cpuSeconds(spent)} s of processor, peak memory so far ${(peak / 1e6).toFixed(0)} MB`,
    )
  }
  const sums: number[] = []
  for (let round = 0; round < 3; round++) {
    const began = performance.now()
    await warehouse.query({
      query: 'SELECT usage_account_id, SUM(unblended_cost) AS cost FROM acme.aws_cost_cur GROUP BY usage_account_id',
    })
    sums.push(performance.now() - began)
  }
  console.log(`engine: sum of the ${rows} costs by account in ${Math.min(...sums).toFixed(0)} ms, the best of three`)
  await warehouse.close()
  clearInterval(sampling)
  const bare = await DuckDBInstance.create(join(folder, 'bare.duckdb'))
  const connection = await bare.connect()
  const began = performance.now()
  const spent = process.cpuUsage()
  await connection.run(`CREATE TABLE t AS SELECT * FROM read_csv('${path}', all_varchar=true)`)
  const seconds = (performance.now() - began) / 1000
  console.log(
    `bare DuckDB, all columns as text: ${Math.round(rows / seconds)} rows/s, ${cpuSeconds(spent)} s of processor`,
  )
  connection.closeSync()
  bare.closeSync()
} finally {
  rmSync(folder, { recursive: true })
}
