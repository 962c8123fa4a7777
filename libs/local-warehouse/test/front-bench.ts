/**
 * Commits and appended rows a second by Google's client over the wire, in this process. Run: npx node
 * libs/local-warehouse/test/front-bench.ts
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openBigQueryFront } from '../src/front.ts'
import { openEngine } from '../src/engine.ts'
import { openWarehouse } from '@convergence/warehouse'
import { openBigQuery } from '@convergence/warehouse/google'

const folder = mkdtempSync(join(tmpdir(), 'convergence-wire-'))
const engine = await openEngine({ folder, project_id: 'local' })
const front = await openBigQueryFront({ engine, host: '127.0.0.1', port: 0 })
const port = openBigQuery({ project_id: 'local', location: 'EU', api_endpoint: `http://127.0.0.1:${front.port}` })
const warehouse = openWarehouse({ engine: port, random: Math.random })
try {
  await warehouse.ensureDataset('tenants')
  await warehouse.ensureTable({
    dataset: 'tenants',
    table: 'log',
    columns: [
      { name: 'seq', type: 'INT64' },
      { name: 'event_id', type: 'STRING' },
      { name: 'at', type: 'TIMESTAMP' },
      { name: 'body', type: 'JSON' },
    ],
  })
  const row = (seq: number) => ({
    seq,
    event_id: `e${seq}`,
    at: '2025-11-19T01:02:03.000Z',
    body: { run: 'r_'.padEnd(28, 'x'), limits: { daily: 10, monthly: 100 } },
  })
  const measure = async (name: string, count: number, unit: string, work: () => Promise<unknown>): Promise<void> => {
    const started = performance.now()
    await work()
    const seconds = (performance.now() - started) / 1000
    console.log(
      `${name.padEnd(44)} ${(count / seconds).toFixed(0).padStart(8)} ${unit}/s   ` +
        `${((seconds * 1000) / count).toFixed(2)} ms each`,
    )
  }
  const commits = async (from: number, count: number, rows: number) => {
    for (let seq = from; seq < from + count; seq++)
      await warehouse.commit(
        'log',
        { epoch: 'bench', shard: rows, seq },
        Array.from({ length: rows }, (_, k) => row(seq * 1000 + k)),
      )
  }
  await commits(0, 20, 1)
  await measure('commits of 1 row, one after the other', 200, 'commits', () => commits(20, 200, 1))
  await measure('commits of 100 rows, one after the other', 100, 'commits', () => commits(0, 100, 100))
  await measure('appends of 1 row, one after the other', 500, 'rows', async () => {
    for (let k = 0; k < 500; k++) await warehouse.append('log', [row(k)])
  })
  await measure('appends of 1 row, 200 at a time', 20_000, 'rows', async () => {
    for (let k = 0; k < 100; k++)
      await Promise.all(Array.from({ length: 200 }, (_, n) => warehouse.append('log', [row(k * 200 + n)])))
  })
  await measure('queries that count one table', 200, 'queries', async () => {
    for (let k = 0; k < 200; k++)
      await warehouse.query({ query: 'SELECT COUNT(*) AS n FROM log', default_dataset: 'tenants' })
  })
} finally {
  await warehouse.close()
  await front.close()
  await engine.close()
  rmSync(folder, { recursive: true, force: true })
}
