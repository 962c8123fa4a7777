/**
 * What runs ask of Google Cloud: the platform as processes of their own with Google's clients, and everything between
 * them and the local
 * cloud counted: requests to BigQuery by a proxy, messages by a subscription of our own on each topic. `node
 * tools/cost/measure.ts` prints
 * it as JSON; `usage.json` holds what it printed.
 */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PubSub, type Message } from '@google-cloud/pubsub'
import { topics } from '@convergence/contracts'
import { openWarehouse } from '@convergence/warehouse'
import { openBigQuery } from '@convergence/warehouse/google'
import { hasEnded, openClient, type RunStatus } from '../client.ts'
import { startProcesses } from '../processes.ts'
import { loadBillingExport } from '../demo.ts'
import { writeSamples } from '../samples/samples.ts'

export interface Usage {
  pipeline: string
  runs: number
  at_once: number
  /** Requests to BigQuery by what they are, such as `query job: INSERT INTO tenants.run_ledger`; all runs together. */
  bigquery: Record<string, number>
  /** Messages published, and their bytes with attributes; all runs together. */
  messages: Record<string, { count: number; bytes: number }>
  /** Of requests that carry rows (insertAll), bytes; all runs together. */
  row_bytes: number
}

const kindOf = (method: string, url: string, body: string): string => {
  const path = url.replace(/\?.*$/, '').replace(/^.*\/projects\/[^/]+/, '')
  if (method === 'POST' && (path === '/jobs' || path === '/queries')) {
    const { configuration, query, defaultDataset } = JSON.parse(body) as {
      configuration?: {
        dryRun?: boolean
        query?: { query: string; destinationTable?: object; defaultDataset?: { datasetId: string } }
      }
      query?: string
      defaultDataset?: { datasetId: string }
    }
    const dataset = defaultDataset ?? configuration?.query?.defaultDataset
    const text = (configuration?.query?.query ?? query ?? '')
      .replaceAll(/\s+/g, ' ')
      .replaceAll(/`?[a-z-]+`?\.`?([a-z_0-9]+)`?\.`?([a-z_0-9]+)`?/g, '$1.$2')
      .replaceAll('`', '')
    const started = path === '/jobs' ? 'query job' : 'query'
    const what = configuration?.dryRun === true ? 'dry run' : started
    const written = /^(INSERT INTO|MERGE) \S+/.exec(text)?.[0]
    const read = [
      ...new Set(
        [...text.matchAll(/(?:FROM|JOIN) ([a-z_0-9.]+)/g)].map(([, table = '']) =>
          table.includes('.') || dataset === undefined ? table : `${dataset.datasetId}.${table}`,
        ),
      ),
    ]
      .sort()
      .join(', ')
    const replaced = configuration?.query?.destinationTable === undefined ? '' : 'replace a partition, '
    return `${what}: ${written ?? `${replaced}SELECT FROM ${read}`}`
  }
  const general = path
    .replace(/^\/(jobs|queries)\/[^/]+/, '/$1/{id}')
    .replace(/^\/datasets\/acme_corp/, '/datasets/{tenant}')
  return `${method} ${general}`
}

const countingProxy = async (target: URL, count: (kind: string, bytes: number) => void) => {
  const server = createServer((incoming, outgoing) => {
    const chunks: Buffer[] = []
    incoming
      .on('data', (chunk: Buffer) => {
        chunks.push(chunk)
      })
      .on('end', () => {
        const body = Buffer.concat(chunks)
        count(kindOf(incoming.method ?? '', incoming.url ?? '', body.toString('utf8')), body.length)
        const onward = request(
          {
            host: target.hostname,
            port: target.port,
            path: incoming.url,
            method: incoming.method,
            headers: incoming.headers,
          },
          (answer) => {
            outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
            answer.pipe(outgoing)
          },
        )
        onward.on('error', () => {
          outgoing.destroy()
        })
        onward.end(body)
      })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((done) => {
        server.close(done)
        server.closeAllConnections()
      }),
  }
}

const sorted = <T>(record: Record<string, T>): Record<string, T> =>
  Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)))

/** As Pub/Sub bills: body, attributes, 20 bytes of time, the id. */
const billedBytes = ({ length, attributes, id }: Message): number =>
  length +
  Object.entries(attributes).reduce((sum, [name, value]) => sum + name.length + value.length, 0) +
  20 +
  id.length

/** Asks for a run and waits for its end; throws when it did not complete. */
const runOnce = async (
  client: ReturnType<typeof openClient>,
  key: string,
  pipeline: string,
  parameters: Record<string, string>,
): Promise<void> => {
  const { body } = await client.call('POST', `/api/v1/pipelines/run/acme_corp/${pipeline}`, { key, body: parameters })
  for (;;) {
    const path = `/api/v1/pipelines/runs/${String(body['pipeline_logging_id'])}`
    const found = (await client.call('GET', path, { key })).body as RunStatus
    if (hasEnded(found.status)) {
      if (found.status !== 'COMPLETED') throw new Error(`${pipeline}: ${found.status} ${found.error_message ?? ''}`)
      return
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** Each load after the other, in one platform: `ticks` minutes of nothing, runs one by one, runs at once. */
export const measure = async (
  loads: readonly { pipeline: string; parameters: Record<string, string>; runs: number; at_once: number }[],
): Promise<Usage[]> => {
  const data_folder = mkdtempSync(join(tmpdir(), 'convergence-cost-'))
  let usage: Usage | undefined
  let target = new URL('http://127.0.0.1')
  const count = (kind: string, bytes: number) => {
    if (usage === undefined) return
    usage.bigquery[kind] = (usage.bigquery[kind] ?? 0) + 1
    if (kind.endsWith('/insertAll')) usage.row_bytes += bytes
  }
  const closing: (() => Promise<unknown>)[] = [
    async () => {
      rmSync(data_folder, { recursive: true, force: true })
    },
  ]
  try {
    const samples = await writeSamples({
      folder: data_folder,
      tenants: ['acme_corp'],
      seed: 7,
      rows_per_provider: 3000,
      month: '2025-11',
      days: ['2025-11-18'],
    })
    // The proxy is there before the local cloud's address is known; it reads the address when the first request comes.
    const proxy = await countingProxy(
      new Proxy(target, { get: (_, name) => Reflect.get(target, name) as unknown }),
      count,
    )
    closing.unshift(proxy.close)
    const all = await startProcesses({
      data_folder,
      log: () => undefined,
      through: (env) => {
        target = new URL(env['BIGQUERY_EMULATOR_HOST'] ?? '')
        return { ...env, BIGQUERY_EMULATOR_HOST: proxy.url }
      },
    })
    closing.unshift(all.close)
    const project_id = all.env['GCP_PROJECT_ID'] ?? ''
    const warehouse = openWarehouse({
      engine: openBigQuery({ project_id, location: 'EU', api_endpoint: target.origin }),
      random: Math.random,
    })
    closing.unshift(() => warehouse.close())
    await loadBillingExport(warehouse, samples.gcp_file)
    const client = openClient(all.urls[0] ?? '')
    const { body: tenant } = await client.call('POST', '/api/v1/tenants/onboard', {
      body: {
        tenant_id: 'acme_corp',
        company_name: 'Acme',
        admin_email: 'admin@acme.example',
        subscription_plan: 'ENTERPRISE',
      },
    })
    const key = String(tenant['api_key'])

    const pubsub = new PubSub({
      projectId: project_id,
      apiEndpoint: all.env['PUBSUB_EMULATOR_HOST'] ?? '',
      emulatorMode: true,
    })
    closing.unshift(() => pubsub.close())
    for (const topic of topics) {
      const [subscription] = await pubsub.topic(topic).createSubscription(`cost.${topic}`)
      subscription.on('message', (message: Message) => {
        message.ack()
        if (usage === undefined) return
        const entry = (usage.messages[topic] ??= { count: 0, bytes: 0 })
        entry.count += 1
        entry.bytes += billedBytes(message)
      })
      closing.unshift(() => subscription.close())
    }
    const run = (pipeline: string, parameters: Record<string, string>) => runOnce(client, key, pipeline, parameters)
    const settle = () => new Promise((resolve) => setTimeout(resolve, 3_000))
    const results: Usage[] = []
    // What nobody asked for by a run: the tick of each minute.
    await settle()
    usage = { pipeline: 'none, ten minutes', runs: 10, at_once: 1, bigquery: {}, messages: {}, row_bytes: 0 }
    for (let minute = 0; minute < 10; minute += 1) {
      await pubsub
        .topic('scheduler-tick')
        .publishMessage({ data: Buffer.from('{}'), attributes: { event: 'scheduler-tick', version: '1' } })
      await settle()
    }
    results.push(usage)
    usage = undefined
    for (const { pipeline, parameters, runs, at_once } of loads) {
      await run(pipeline, parameters)
      await settle()
      usage = { pipeline, runs, at_once, bigquery: {}, messages: {}, row_bytes: 0 }
      let left = runs
      await Promise.all(
        Array.from({ length: at_once }, async () => {
          while (left > 0) {
            left -= 1
            await run(pipeline, parameters)
          }
        }),
      )
      await settle()
      results.push(usage)
      usage = undefined
    }
    return results.map((each) => ({ ...each, bigquery: sorted(each.bigquery), messages: sorted(each.messages) }))
  } finally {
    for (const close of closing) await close().catch(() => undefined)
  }
}

if (import.meta.main) {
  console.log(
    JSON.stringify(
      await measure([
        { pipeline: 'gcp/cost/billing', parameters: { date: '2025-11-18' }, runs: 20, at_once: 1 },
        { pipeline: 'gcp/cost/billing', parameters: { date: '2025-11-18' }, runs: 60, at_once: 20 },
        { pipeline: 'custom/bench/three_steps', parameters: {}, runs: 20, at_once: 1 },
        { pipeline: 'custom/bench/three_steps', parameters: {}, runs: 400, at_once: 100 },
      ]),
      null,
      2,
    ),
  )
}
