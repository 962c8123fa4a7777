/** What is written down of a load, when it dies, comes twice, or meets another one of the same month. */
import { expect } from 'chai'
import { bootstrap } from '@convergence/service'
import type { StepContext } from '@convergence/service/steps'
import type { Warehouse } from '@convergence/warehouse'
import { openLoadStates, versionOfObjects, type LoadStates } from '../src/load-state.ts'
import { contextOf, makeRun, makeStep } from './fakes.ts'
import { awsFolder, awsHeader, awsLine, awsManifest, csvOf, inWorld, type World } from './loaders/world.ts'

const deliver = (world: World, id: string, costs: readonly string[]): void => {
  const key = `${awsFolder}/${id}.csv`
  world.put(
    's3',
    'acme-cur',
    key,
    csvOf(
      awsHeader,
      costs.map((cost) => awsLine(cost)),
    ),
  )
  world.put('s3', 'acme-cur', `${awsFolder}/daily-Manifest.json`, awsManifest([key], { assemblyId: id }))
}
let clock = Date.parse('2026-01-02T00:00:00Z')
const now = (): Date => new Date((clock += 1000))

const setup = async (world: World) => {
  await bootstrap(world.warehouse, {})
  const states = openLoadStates({ warehouse: world.warehouse, now })
  const load = (run_id: string, warehouse: Warehouse = world.warehouse, load_states: Partial<LoadStates> = states) => {
    const run = makeRun({ run_id, tenant_id: 'acme', pipeline: 'aws/cost/cur' })
    // Of an item of a for_each, whose source nobody asks for.
    const step = makeStep('load', { for_each: 'load_month' })
    const { chain } = contextOf(run, step)
    const context: Partial<StepContext> = { run, chain, now }
    const source = { s3_bucket: 'acme-cur', s3_prefix: 'cur', report_name: 'daily', month: '2025-11' }
    return world.load('aws', source, {
      period: { billing_period: '2025-11-01', source_name: 'payer' },
      deps: { load_states: { ...states, ...load_states }, warehouse },
      context,
      step: { for_each: 'load_month' },
    })
  }
  const seenNow = async (): Promise<string> => {
    for await (const { key, etag } of world.objects.list('s3', 'acme-cur', `${awsFolder}/daily-Manifest.json`))
      return versionOfObjects([{ key, etag }])
    throw new Error('no manifest')
  }
  /** As the next refresh would find it. */
  const changed = async (): Promise<unknown> => {
    const of = { tenant_id: 'acme', source: 'payer', pipeline: 'aws/cost/cur', period: '2025-11' }
    await states.recordSeen([{ ...of, version: await seenNow() }], now())
    return (await world.warehouse.query({ query: 'SELECT changed FROM acme.load_state' })).map((row) => row['changed'])
  }
  const cost = () => world.one('SELECT CAST(SUM(line_item_unblended_cost) AS STRING) AS cost FROM aws_cost_cur')
  return { states, load, changed, cost }
}

describe('what is written down of a load', function () {
  this.timeout(60_000)

  it(
    'is the delivery that it took, once, however often its message comes',
    inWorld(async (world) => {
      const { load, changed } = await setup(world)
      deliver(world, 'one', ['1'])
      await load('r_a')
      await load('r_a')
      expect(await changed()).to.deep.equal([false])
      deliver(world, 'two', ['2'])
      expect(await changed()).to.deep.equal([true])
      await load('r_b')
      expect(await changed()).to.deep.equal([false])
    }),
  )
  it(
    'is nothing that was not loaded: who died after the job does not take a later delivery for it',
    inWorld(async (world) => {
      const { load, changed, cost } = await setup(world)
      deliver(world, 'one', ['1'])
      const dies = { recordLoaded: () => Promise.reject(new Error('dies')) }
      await load('r_a', world.warehouse, dies).catch(() => undefined)
      deliver(world, 'two', ['2'])
      await load('r_a')
      expect(await cost()).to.deep.equal({ cost: '1' })
      expect(await changed()).to.deep.equal([true])
    }),
  )
  it(
    'is not that of a load which another one replaced before it was written down',
    inWorld(async (world) => {
      const { load, changed, cost } = await setup(world)
      deliver(world, 'one', ['1'])
      const gate = () => {
        let open: () => void = () => undefined
        return {
          passed: new Promise<void>((resolve) => (open = resolve)),
          open: () => {
            open()
          },
        }
      }
      const [older, newer, reached, done] = [gate(), gate(), gate(), gate()]
      const late: Warehouse = {
        ...world.warehouse,
        runJob: async (...given) => {
          reached.open()
          await older.passed
          return world.warehouse.runJob(...given)
        },
      }
      const early: Warehouse = {
        ...world.warehouse,
        runJob: async (...given) => {
          const result = await world.warehouse.runJob(...given)
          done.open()
          await newer.passed
          return result
        },
      }
      const first = load('r_a', late)
      await reached.passed
      deliver(world, 'two', ['2'])
      const second = load('r_b', early)
      await done.passed
      older.open()
      await first
      newer.open()
      await second
      expect(await cost()).to.deep.equal({ cost: '1' })
      expect(await changed()).to.deep.equal([true])
    }),
  )
  it(
    'is gone with the rows, and what was only looked at stays',
    inWorld(async (world) => {
      const { states, load, changed } = await setup(world)
      deliver(world, 'one', ['1'])
      await load('r_a')
      await states.recordRemoved(makeRun({ run_id: 'r_p' }), 'acme', 'payer')
      expect(await states.read('acme')).to.deep.include.members([
        { ...(await states.read('acme'))[0], loaded_version: null },
      ])
      expect(await changed()).to.deep.equal([false])
      expect(await states.read('globex')).to.deep.equal([])
    }),
  )
})
