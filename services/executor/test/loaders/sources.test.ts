import { expect } from 'chai'
import { bqEtl } from '../../src/processors/gcp/bq_etl.ts'
import { contextOf, fakeStore, makeRun, makeStep } from '../fakes.ts'
import { inWorld, type World } from './world.ts'

const day = '2025-11-05'
let runs = 0
/** A day of one billing account's export, which is one row of this cost. */
const load = async ({ warehouse }: World, account: string | undefined, query: string, type = 'NUMERIC') => {
  runs += 1
  const step = makeStep('load_day', {
    ps_type: 'gcp.bq_etl',
    config: {
      source: { bq_project_id: 'local-convergence', query },
      destination: {
        bq_project_id: 'local-convergence',
        dataset_type: 'acme',
        table: 'costs',
        write_mode: 'truncate',
        period: { usage_date: day, ...(account === undefined ? {} : { source_name: account }) },
        columns: [
          { name: 'usage_date', type: 'DATE' },
          { name: 'cost', type },
          ...(account === undefined ? [] : [{ name: 'source_name', type: 'STRING' }]),
        ],
      },
    },
  })
  const run = makeRun({ run_id: `r_s${String(runs).padStart(25, '0')}`, tenant_id: 'acme', steps: [step], sources: [] })
  return bqEtl({ warehouse, store: fakeStore(), shared_sources: [] }).run(contextOf(run, step))
}
const row = (cost: number, account?: string): string =>
  `SELECT DATE '${day}' AS usage_date, NUMERIC '${cost}' AS cost${account === undefined ? '' : `, '${account}' AS source_name`}`
const total = async ({ one }: World) => one('SELECT COUNT(*) AS n, CAST(SUM(cost) AS STRING) AS cost FROM costs')

describe('sources of a table', function () {
  this.timeout(60_000)

  it(
    'stand side by side: a load replaces the day of its own source, and what older versions loaded',
    inWorld(async (world) => {
      await load(world, undefined, row(10))
      await load(world, 'a', row(11, 'a'))
      expect(await total(world)).to.deep.equal({ n: 1, cost: '11' })
      await load(world, 'b', row(7, 'b'))
      await load(world, 'b', row(8, 'b'))
      await load(world, 'a', row(12, 'a'))
      expect(await total(world)).to.deep.equal({ n: 2, cost: '20' })
    }),
  )

  it(
    'that have no rows of the period say so',
    inWorld(async (world) => {
      const none = `${row(1, 'a')} LIMIT 0`
      const said = `no rows for usage_date = ${day}, source_name = a`
      expect((await load(world, 'a', none)).outputs).to.deep.include({ warnings: [said] })
      await load(world, 'a', row(1, 'a'))
      const gone = `${said}; the 1 rows that were there are gone`
      expect((await load(world, 'a', none)).outputs).to.deep.include({ warnings: [gone] })
    }),
  )

  it(
    'say so when an older table keeps fewer digits than they have',
    inWorld(async (world) => {
      await load(world, 'a', row(1, 'a'))
      const { outputs } = await load(world, 'a', row(1, 'a'), 'BIGNUMERIC')
      expect(JSON.stringify(outputs)).to.include('acme.costs: cost are NUMERIC as an older version made them')
    }),
  )
})
