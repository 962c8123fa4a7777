/**
 * The warehouse's door over Google's client over our wire: its conformance suite, unchanged, and what the wire must
 * carry beside it.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { AppError } from '@convergence/contracts'
import type { ErrorCode } from '@convergence/contracts'
import { openBigQueryFront } from '../src/front.ts'
import { openEngine } from '../src/engine.ts'
import { openWarehouse } from '@convergence/warehouse'
import type { Chain, LoadSpec, Warehouse } from '@convergence/warehouse'
import { warehouseConformance } from '@convergence/warehouse/conformance'
import { openBigQuery } from '@convergence/warehouse/google'

const open = async (folder = mkdtempSync(join(tmpdir(), 'convergence-wire-'))) => {
  const engine = await openEngine({ folder, project_id: 'local' })
  const front = await openBigQueryFront({ engine, host: '127.0.0.1', port: 0 })
  const port = openBigQuery({ project_id: 'local', location: 'EU', api_endpoint: `http://127.0.0.1:${front.port}` })
  const stop = async () => {
    await port.close()
    await front.close()
    await engine.close()
  }
  return {
    port,
    folder,
    stop,
    close: async () => {
      await stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
const expectCode = async (work: Promise<unknown>, code: ErrorCode, words?: RegExp): Promise<void> => {
  const fault = await work.then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(fault, `expected ${code}`).to.be.instanceOf(AppError)
  expect((fault as AppError).code, (fault as AppError).message).to.equal(code)
  if (words !== undefined) expect((fault as AppError).message).to.match(words)
}
let steps = 0
const chain = (): Chain => ({
  run_id: 'r_wire',
  step_id: `s${(steps += 1)}`,
  max_retries: 0,
  retry_delay_seconds: 0,
  tenant_id: 'acme',
})

describe('warehouse over the wire', function () {
  this.timeout(20_000)

  describe('conformance', () => {
    warehouseConformance({ open: () => open() })
  })

  describe('loads', () => {
    const setup = async (
      work: (world: {
        warehouse: Warehouse
        load(text: string, more?: Partial<LoadSpec['destination']>): LoadSpec
        rows(): Promise<string[]>
        tables(): Promise<string[]>
      }) => Promise<void>,
    ): Promise<void> => {
      const { port, folder, close } = await open()
      try {
        const warehouse = openWarehouse({ engine: port, random: () => 0 })
        await warehouse.ensureDataset('tenants')
        await warehouse.ensureDataset('acme')
        await work({
          warehouse,
          load: (text, more) => {
            const path = join(folder, 'a.csv')
            writeFileSync(path, text)
            return {
              kind: 'load',
              format: 'csv',
              files: [{ path, name: 'a.csv' }],
              columns: [
                { name: 'day', type: 'DATE', source: 'Day' },
                { name: 'cost', type: 'NUMERIC', source: 'Cost' },
                { name: 'report', type: 'STRING', value: 'daily' },
              ],
              destination: { project_id: 'local', dataset: 'acme', table: 'costs', write_mode: 'append', ...more },
            }
          },
          rows: async () =>
            (
              await warehouse.query({
                query: 'SELECT day, cost FROM costs ORDER BY day, cost',
                default_dataset: 'acme',
              })
            ).map(({ day, cost }) => `${String(day)} ${String(cost)}`),
          tables: async () =>
            (
              await warehouse.query({
                query: 'SELECT table_name FROM acme.INFORMATION_SCHEMA.TABLES ORDER BY table_name',
              })
            ).map(({ table_name }) => String(table_name)),
        })
      } finally {
        await close()
      }
    }
    it('append, replace a partition, replace a period of two columns, replace everything', () =>
      setup(async ({ warehouse, load, rows, tables }) => {
        const partitioned = { time_partitioning: { field: 'day', type: 'DAY' } } as const
        expect(
          (await warehouse.runJob(chain(), load('Day,Cost\n2025-11-18,1\n2025-11-19,2.5\n2025-11-19,3\n', partitioned)))
            .rows_written,
        ).to.equal(3)
        await warehouse.runJob(
          chain(),
          load('Day,Cost\n2025-11-19,9\n', { write_mode: 'truncate', period: { day: '2025-11-19' } }),
        )
        expect(await rows()).to.deep.equal(['2025-11-18 1', '2025-11-19 9'])
        expect(
          (
            await warehouse.runJob(
              chain(),
              load('Day,Cost\n2025-11-18,4\n2025-11-18,5\n', {
                write_mode: 'truncate',
                period: { day: '2025-11-18', report: 'daily' },
              }),
            )
          ).rows_written,
        ).to.equal(2)
        expect(await rows()).to.deep.equal(['2025-11-18 4', '2025-11-18 5', '2025-11-19 9'])
        await warehouse.runJob(
          chain(),
          load('Day,Cost\n', { write_mode: 'truncate', period: { day: '2025-11-18', report: 'daily' } }),
        )
        expect(await rows()).to.deep.equal(['2025-11-19 9'])
        await warehouse.runJob(chain(), load('Day,Cost\n2025-11-01,7\n', { write_mode: 'truncate' }))
        expect(await rows()).to.deep.equal(['2025-11-01 7'])
        expect(await tables(), 'no staging table is left').to.deep.equal(['costs'])
      }))
    it('leave the table as it was when a value is wrong', () =>
      setup(async ({ warehouse, load, rows }) => {
        await warehouse.runJob(chain(), load('Day,Cost\n2025-11-18,1\n'))
        await expectCode(
          warehouse.runJob(chain(), load('Day,Cost\n2025-11-18,2\n2025-11-18,much\n')),
          'EXPORT_INVALID',
          /a\.csv:3, column Cost: expected NUMERIC, got 'much'/,
        )
        await expectCode(
          warehouse.runJob(
            chain(),
            load('Day,Cost\n2025-11-19,2\n', { write_mode: 'truncate', period: { day: '2025-11-18' } }),
          ),
          'ROW_OUTSIDE_PERIOD',
          /2025-11-19/,
        )
        await expectCode(
          warehouse.runJob(chain(), load('Day,Cost\n2025-11-19,2\n', { write_mode: 'write_empty' })),
          'TABLE_NOT_EMPTY',
        )
        expect(await rows()).to.deep.equal(['2025-11-18 1'])
      }))
  })
  it('takes rows again that an earlier table of the same name had', async () => {
    const { port, close } = await open()
    try {
      for (const round of [1, 2]) {
        await port.ensureDataset('tenants')
        await port.ensureTable({ dataset: 'tenants', table: 'log', columns: [{ name: 'event_id', type: 'STRING' }] })
        await port.append('log', [{ event_id: 'e1' }])
        expect(
          await port.query({ query: 'SELECT event_id FROM log', default_dataset: 'tenants' }),
          `round ${round}`,
        ).to.deep.equal([{ event_id: 'e1' }])
        await port.dropDataset('tenants')
      }
    } finally {
      await close()
    }
  })
  it('tells of a commit whose answer was lost, after a restart, as before it', async () => {
    const first = await open()
    const log = { dataset: 'tenants', table: 'log', columns: [{ name: 'seq', type: 'INT64' }] } as const
    const at = { epoch: 'e1', shard: 0, seq: 1 }
    await first.port.ensureDataset('tenants')
    await first.port.ensureTable(log)
    expect(
      await openWarehouse({ engine: first.port, random: () => 0 }).commit('log', at, [{ seq: 1 }, { seq: 2 }]),
    ).to.equal('mine')
    await first.stop()
    const second = await open(first.folder)
    try {
      expect(await second.port.get('adm-e1-0-1-a0')).to.deep.include({ state: 'DONE', rows_written: 2 })
      const again = openWarehouse({ engine: second.port, random: () => 0 })
      expect(await again.commit('log', at, [{ seq: 1 }, { seq: 2 }])).to.equal('mine')
      expect(await again.commit('log', at, [{ seq: 3 }])).to.equal('conflict')
    } finally {
      await second.close()
    }
  })
  it('is usable at its start', async () => {
    const { port, close } = await open()
    try {
      await port.assertUsable()
      expect(await port.healthy()).to.equal(true)
    } finally {
      await close()
    }
  })
})
