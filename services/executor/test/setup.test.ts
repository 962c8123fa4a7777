import { expect } from 'chai'
import { tables, views } from '@convergence/contracts'
import { dataset } from '../src/processors/setup/dataset.ts'
import { bootstrap, initial } from '../src/processors/setup/initial.ts'
import { codeOf, contextOf, fakeWarehouse, makeRun, makeStep, shared_sources } from './fakes.ts'

const setup = () => {
  const warehouse = fakeWarehouse()
  let epochs = 0
  const start = (options: Parameters<typeof bootstrap>[1] = {}) =>
    bootstrap(warehouse, { new_epoch: () => `e${++epochs}`, ...options })
  const make = (tenant_id: unknown, run = makeRun({ tenant_id: 'system', pipeline: 'setup/tenants/onboarding' })) =>
    dataset({ warehouse, shared_sources }).run(
      contextOf(run, makeStep('dataset', { ps_type: 'setup.dataset', config: { tenant_id } })),
    )
  return { warehouse, start, make }
}

describe('setup.initial', () => {
  it('makes the central dataset with every table and view, once', async () => {
    const { start, warehouse } = setup()
    const names = Object.keys(tables)
    expect(await start()).to.deep.equal({
      dataset_created: true,
      tables_created: names,
      tables_existing: [],
      epoch: 'e1',
    })
    expect(await start()).to.deep.equal({
      dataset_created: false,
      tables_created: [],
      tables_existing: names,
      epoch: 'e1',
    })
    for (const [view, query] of Object.entries(views)) {
      expect(warehouse.made.has(`tenants.${view}`), view).to.equal(!query.includes('{tenant_id}'))
    }
    for (const text of warehouse.made.values()) expect(text).not.to.contain('{project_id}')
  })

  it('begins a new epoch when the tables are made anew, so that old job ids are not in the way', async () => {
    for (const force of [{ force_recreate_dataset: true }, { force_recreate_tables: true }]) {
      const { start } = setup()
      await start()
      const again = await start(force)
      expect([again.epoch, again.dataset_created, again.tables_created.length]).to.deep.equal([
        'e2',
        true,
        Object.keys(tables).length,
      ])
    }
  })

  it('is a step too', async () => {
    const { warehouse } = setup()
    const { outputs } = await initial({ warehouse }).run(
      contextOf(makeRun({ tenant_id: 'system' }), makeStep('s0', { ps_type: 'setup.initial' })),
    )
    expect(outputs).to.include({ dataset: 'tenants', dataset_created: true })
  })
})

describe('setup.dataset', () => {
  it("makes the tenant's dataset, its views and the table of the validation, and again changes nothing", async () => {
    const { make, warehouse } = setup()
    expect((await make('acme')).outputs).to.deep.equal({ tenant_id: 'acme', dataset: 'acme', dataset_created: true })
    expect((await make('acme')).outputs).to.include({ dataset_created: false })
    expect(warehouse.datasets.get('acme')).to.include({ owner: 'tenant' })
    expect([...warehouse.made.keys()]).to.have.members([
      'acme.onboarding_validation_test',
      'acme.tenant_comprehensive_view',
      'acme.load_state',
    ])
    expect(warehouse.made.get('acme.tenant_comprehensive_view'))
      .to.contain("tenant_id = 'acme'")
      .and.contain('`local-convergence.tenants.tenant_pipeline_runs`')
      .and.not.match(/\{\w+\}/)
  })

  it('takes no dataset that belongs to somebody else', async () => {
    const { make, warehouse } = setup()
    warehouse.datasets.set('shared_prices', { team: 'finance' })
    warehouse.datasets.set('tenants', { owner: 'convergence' })
    expect([await codeOf(make('shared_prices')), await codeOf(make('tenants'))]).to.deep.equal([
      'CONFLICT',
      'PARAMETER_INVALID',
    ])
    expect(warehouse.made.size).to.equal(0)
  })

  it("refuses a name that is none, and another tenant's", async () => {
    const { make } = setup()
    for (const name of ["a' OR '1'='1", 'ab', 'Acme', 'acme-corp', 'acme.t', '_acme', 'аcme', 7, undefined])
      expect(await codeOf(make(name))).to.equal('PARAMETER_INVALID')
    expect(await codeOf(make('globex', makeRun({ tenant_id: 'acme' })))).to.equal('FORBIDDEN')
  })
})
