/** Steps that depend on how others ended, through the whole platform: skipped, told of what was found, cleaning up. */
import { expect } from 'chai'
import type { World } from '../operations.ts'
import { ledgerFaults, openOneProcess } from './world.ts'

describe('steps with conditions', function () {
  this.timeout(120_000)

  let world: World
  let key: string
  before(async () => {
    world = await openOneProcess()
    key = await world.onboard('acme_corp')
  })
  after(() => world.end())

  interface Step {
    step_id: string
    status: string
    outputs: Record<string, unknown>
  }
  const ended = async (rows: number) => {
    const id = await world.start(key, 'acme_corp', 'custom/examples/conditions', { date: '2026-01-05', rows })
    await world.ended(key, id)
    const { body } = await world.client.call('GET', `/api/v1/pipelines/runs/${id}`, { key })
    return { id, run: body, steps: body['steps'] as Step[] }
  }
  const rowsOf = (query: string) => world.warehouse.query({ query, default_dataset: 'acme_corp' })
  const noteOf = async (id: string) => {
    const [row] = await rowsOf(`SELECT load, sum_up FROM example_notes WHERE run_id = '${id}'`)
    return `${String(row?.['load'])} ${String(row?.['sum_up'])}`
  }

  it('runs what the outputs of an earlier step allow, and gives them to its query', async () => {
    const { id, run, steps } = await ended(3)
    expect(run['status'], JSON.stringify(run)).to.equal('COMPLETED')
    expect(steps.map(({ status }) => status)).to.deep.equal(['SUCCEEDED', 'SUCCEEDED', 'SUCCEEDED'])
    const [sum] = await rowsOf('SELECT cost, n FROM example_sums')
    expect([Number(sum?.['cost']), Number(sum?.['n'])]).to.deep.equal([12, 3])
    expect(await noteOf(id)).to.equal('SUCCEEDED SUCCEEDED')
  })

  it('skips a step by name, with its condition, and goes on behind it', async () => {
    const { id, run, steps } = await ended(0)
    expect(run['status'], JSON.stringify(run)).to.equal('COMPLETED')
    expect(steps.map(({ step_id, status }) => `${step_id} ${status}`)).to.deep.equal([
      'load SUCCEEDED',
      'sum_up SKIPPED',
      'note SUCCEEDED',
    ])
    expect(steps[1]?.outputs).to.deep.equal({
      skipped_because: 'when: steps.load.outputs.rows_written > 0 is false',
    })
    expect(await noteOf(id)).to.equal('SUCCEEDED SKIPPED')
  })

  it('runs what always runs after a failure, which stays the end of the run, and again when it is resumed', async () => {
    const { id, run, steps } = await ended(-1)
    expect([run['status'], run['error_code']], JSON.stringify(run)).to.deep.equal(['FAILED', 'QUERY_INVALID'])
    expect(steps.map(({ step_id, status }) => `${step_id} ${status}`)).to.deep.equal(['load FAILED', 'note SUCCEEDED'])
    expect(await noteOf(id)).to.equal('FAILED NOT_RUN')
    const { body } = await world.client.call('POST', `/api/v1/pipelines/runs/${id}/resume`, { key, expect: [202] })
    const next = String(body['pipeline_logging_id'])
    expect((await world.ended(key, next)).status).to.equal('FAILED')
    expect(await noteOf(next)).to.equal('FAILED NOT_RUN')
    expect(await ledgerFaults(world)).to.deep.equal([])
  })
})
