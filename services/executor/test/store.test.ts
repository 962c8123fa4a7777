import { expect } from 'chai'
import { tables } from '@convergence/contracts'
import { openStore } from '../src/store.ts'
import { conclusions, ended, fakeWarehouse, makeRun } from './fakes.ts'

const setup = (answer?: Parameters<typeof fakeWarehouse>[0]) => {
  const warehouse = fakeWarehouse(answer)
  let second = 0
  return { warehouse, store: openStore({ warehouse, now: () => new Date(Date.UTC(2026, 0, 2, 0, 0, second++)) }) }
}
const columns = (table: string) => tables[table]?.columns.map(({ name }) => name)

describe('the record of runs and steps', () => {
  it('has every column of its tables and no other', async () => {
    const { store, warehouse } = setup()
    const run = makeRun()
    await store.recordStart({ run, next: [] })
    await store.recordStep(ended(run, 's0'))
    await store.recordEnd({
      run,
      status: 'FAILED',
      error: { code: 'LOST', message: 'nothing heard' },
      ended_at: '2026-01-02T00:00:03Z',
    })
    await store.recordChecks(run, 's0', [{ check_name: 'rows', status: 'PASSED', expected: 'at least 1', actual: '5' }])
    for (const { table, row } of warehouse.appended)
      expect(Object.keys(row), table).to.have.members(columns(table) ?? [])
  })

  it('gives the same thing the same event_id, and the end the highest rank', async () => {
    const { store, warehouse } = setup()
    const run = makeRun()
    for (let k = 0; k < 2; k++) {
      await store.recordStart({ run, next: [] })
      await store.recordStep(ended(run, 's0'))
      await store.recordEnd({
        run,
        status: 'COMPLETED',
        started_at: '2026-01-02T00:00:01Z',
        ended_at: '2026-01-02T00:00:03Z',
        duration_ms: 2000,
      })
    }
    expect(new Set(warehouse.appended.map(({ row }) => row['event_id'])).size).to.equal(3)
    expect(
      warehouse.appended.filter(({ table }) => table === 'tenant_pipeline_runs_rows').map(({ row }) => row['rank']),
    ).to.deep.equal([2, 3, 2, 3])
  })

  it('counts a run to the UTC day of its request', async () => {
    const { store, warehouse } = setup()
    await store.recordStart({ run: makeRun(), next: [] })
    expect(warehouse.appended[0]?.row).to.include({
      run_date: '2026-01-01',
      start_time: '2026-01-02T00:00:01Z',
      status: 'RUNNING',
    })
  })

  it('gives back how each step ended and what it found out, by the first record of each, which no later one changes', async () => {
    const { store, warehouse } = setup({
      answer: () => [
        { step_id: 's0', status: 'TIMED_OUT' },
        { step_id: 's1', status: 'SKIPPED', rows_written: null, outputs: null, error_code: null },
        { step_id: 's0', status: 'SUCCEEDED', rows_written: '3', outputs: '{"table":"acme.t"}', error_code: null },
      ],
    })
    expect((await store.recordedSteps(makeRun())).get('s0')).to.deep.equal({
      conclusion: 'SUCCEEDED',
      rows_written: 3,
      outputs: { table: 'acme.t' },
    })
    expect(warehouse.statements[0]?.query).to.include('ORDER BY recorded_at DESC')
    expect(conclusions(await store.recordedSteps(makeRun()))).to.deep.equal({ s0: 'SUCCEEDED', s1: 'SKIPPED' })
    expect(warehouse.statements[0]?.parameters?.map(({ value }) => value)).to.deep.equal([
      'acme',
      `r_${'a'.repeat(26)}`,
    ])
  })
})
