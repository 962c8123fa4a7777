/**
 * One load of a report by the platform, in a process of its own: `node platform-load.ts DATA_FOLDER BUCKET`. Prints the
 * seconds of the run from the request to its end, by the clock and of processor, and the most memory that the process has had until then, before the
 * load and in all, in MB.
 */
import { readFileSync } from 'node:fs'
import { openLog } from '@convergence/service'
import { openClient, hasEnded, type RunStatus } from '../client.ts'
import { startPlatform } from '../platform.ts'

const [data_folder = '', bucket = ''] = process.argv.slice(2)
/** VmHWM of Linux; elsewhere what it has now. */
const peakMb = (): number => {
  if (process.platform !== 'linux') return process.memoryUsage.rss() / 1024 ** 2
  return Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? 0) / 1024
}
const platform = await startPlatform({
  data_folder,
  port: 0,
  log: openLog({ service: 'bench', level: 'error' }),
  close_timeout_ms: 5_000,
})
const client = openClient(platform.url)
const { body: tenant } = await client.call('POST', '/api/v1/tenants/onboard', {
  body: {
    tenant_id: 'bench',
    company_name: 'Bench',
    admin_email: 'bench@bench.example',
    subscription_plan: 'ENTERPRISE',
  },
})
const key = String(tenant['api_key'])
await client.call('PUT', '/api/v1/tenants/bench/sources/payer', {
  key,
  body: { provider: 'aws', kind: 'cur', bucket, prefix: 'cur', report_name: 'daily' },
})
const before_mb = peakMb()
const [started, before] = [performance.now(), process.cpuUsage()]
const { body } = await client.call('POST', '/api/v1/pipelines/run/bench/aws/cost/cur', {
  key,
  body: { month: '2025-11' },
})
const path = `/api/v1/pipelines/runs/${String(body['pipeline_logging_id'])}`
for (;;) {
  const run = (await client.call('GET', path, { key })).body as RunStatus
  if (hasEnded(run.status)) {
    if (run.status !== 'COMPLETED') throw new Error(`${run.status}: ${String(run.error_message)}`)
    break
  }
  await new Promise((resolve) => setTimeout(resolve, 20))
}
const seconds = (performance.now() - started) / 1000
const { user, system } = process.cpuUsage(before)
console.log(JSON.stringify({ seconds, cpu_seconds: (user + system) / 1e6, before_mb, peak_mb: peakMb() }))
await platform.close()
