/** Who bears which cost: rules of a tenant over its charges, on the real engine. */
import { AppError } from '@convergence/contracts'
import { allocationFaults, allocationStatement, type AllocationRule } from '@convergence/pipeline/allocation'
import { expect } from 'chai'
import fc from 'fast-check'
import { openFocus, type FocusWorld, type Row } from './world.ts'

const charge = (service: string, cost: string, more: Row = {}): Row => ({
  x_BillingPeriod: '2026-02-01',
  ChargePeriodStart: '2026-02-03T04:00:00Z',
  x_SourceProvider: 'aws',
  BillingCurrency: 'USD',
  BillingAccountId: 'b',
  ServiceName: service,
  BilledCost: cost,
  EffectiveCost: cost,
  ...more,
})
const team = (name: string): Row => ({ Tags: { team: name } })
const shared = (split: AllocationRule['split'], more: object = {}): AllocationRule => ({
  name: 'shared',
  match: { service: ['Support'] },
  ...(split === undefined ? {} : { split }),
  ...more,
})
const byTeam: AllocationRule = { name: 'by_team', to_value_of: 'tag:team' }

describe('allocation', function () {
  this.timeout(60_000)
  let world: FocusWorld
  before(async () => {
    world = await openFocus()
  })
  after(() => world.end())

  const statement = (rules: readonly AllocationRule[], period: string) =>
    allocationStatement({ rules }, { period, run_id: 'r', version: 'v' })
  /** `TARGET by RULE: effective cost` of charges, by target. */
  const borne = async (charges: readonly Row[], rules: readonly AllocationRule[]): Promise<string[]> => {
    expect(allocationFaults({ rules })).to.deep.equal([])
    await world.fill('focus_cost_and_usage', charges)
    const { query, parameters } = statement(rules, '2026-02-01')
    const rows = await world.warehouse.query({
      query: `SELECT x_AllocatedTo, x_AllocationRule, BillingCurrency, SUM(EffectiveCost) AS cost FROM (${query})
              GROUP BY 1, 2, 3 ORDER BY 1, 2, 3`,
      parameters,
      default_dataset: 'acme',
    })
    return rows.map(
      ({ x_AllocatedTo, x_AllocationRule, cost, BillingCurrency }) =>
        `${String(x_AllocatedTo)} by ${String(x_AllocationRule)}: ${String(cost)} ${String(BillingCurrency)}`,
    )
  }

  it('is by the first rule that matches, and what none matches is shown as unallocated', async () => {
    const charges = [
      charge('EC2', '1', { SubAccountId: 'prod-1', ...team('web') }),
      charge('S3', '2', { SubAccountId: 'prod-2' }),
      charge('S3', '4', { SubAccountId: 'dev' }),
      charge('RDS', '8', team('')),
    ]
    expect(
      await borne(charges, [
        { name: 'ec2', match: { service: ['EC2', 'Lambda'], account: ['prod-*'] }, to: 'platform' },
        { name: 'prod', match: { account: ['prod-*'] }, to: 'products' },
        { name: 'not_tagged', match: { 'tag:team': [''], service: ['RDS'] }, to: 'nobody tags it' },
        { name: 'too_late', match: { service: ['EC2'] }, to: 'never' },
      ]),
    ).to.deep.equal([
      'nobody tags it by not_tagged: 8 USD',
      'platform by ec2: 1 USD',
      'products by prod: 2 USD',
      'unallocated by null: 4 USD',
    ])
    expect(await borne(charges, [byTeam])).to.deep.equal(['unallocated by null: 14 USD', 'web by by_team: 1 USD'])
    expect(await borne(charges, [])).to.deep.equal(['unallocated by null: 15 USD'])
    expect(await borne([], [byTeam, shared({ method: 'proportional' })])).to.deep.equal([])
  })

  it('splits shared cost by what each bears of its own in that month and currency, in which a credit counts against it', async () => {
    const charges = [
      charge('EC2', '30', team('a')),
      charge('Credit', '-10', team('a')),
      charge('EC2', '40', team('b')),
      charge('Refund', '-5', team('c')),
      charge('EC2', '1', { BillingCurrency: 'EUR', ...team('c') }),
      charge('Support', '9'),
      charge('Support', '-3'),
      charge('Support', '5', { BillingCurrency: 'EUR' }),
      charge('Support', '1000', { x_BillingPeriod: '2026-03-01' }),
    ]
    const rules = [byTeam, shared({ method: 'proportional' })]
    expect(await borne(charges, rules)).to.deep.equal([
      'a by by_team: 20 USD',
      'a by shared: 2 USD',
      'b by by_team: 40 USD',
      'b by shared: 4 USD',
      'c by by_team: 1 EUR',
      'c by by_team: -5 USD',
      'c by shared: 5 EUR',
    ])
    // What a tag calls so is nobody's too.
    expect(await borne([...charges, charge('EC2', '7', team('unallocated'))], rules)).to.deep.include.members([
      'b by shared: 4 USD',
      'unallocated by by_team: 7 USD',
    ])
    await borne(charges, rules)
    const some = [byTeam, shared({ method: 'proportional', targets: ['b', 'not there'] })]
    expect(await borne(charges, some)).to.deep.include.members(['b by shared: 6 USD', 'unallocated by shared: 5 EUR'])
  })

  it('leaves shared cost unallocated, under the name of its rule, where nobody bears cost to share by', async () => {
    const rules = [byTeam, shared({ method: 'proportional' })]
    expect(await borne([charge('Support', '7'), charge('EC2', '0', team('a'))], rules)).to.deep.equal([
      'a by by_team: 0 USD',
      'unallocated by shared: 7 USD',
    ])
  })

  it('splits by weights or evenly; the heaviest, of equals the last by name, takes what rounding leaves', async () => {
    const of = (split: AllocationRule['split'], cost = '10') => borne([charge('Support', cost)], [shared(split)])
    expect(await of({ method: 'fixed', parts: { a: 60, b: 39.5, c: 0.5 } })).to.deep.equal([
      'a by shared: 6 USD',
      'b by shared: 3.95 USD',
      'c by shared: 0.05 USD',
    ])
    expect(await of({ method: 'fixed', parts: { all: 100 } })).to.deep.equal(['all by shared: 10 USD'])
    const smallest = `0.${'0'.repeat(37)}1`
    expect(await of({ method: 'even', targets: ['z', 'y'] }, smallest)).to.deep.equal([
      'y by shared: 0 USD',
      `z by shared: ${smallest} USD`,
    ])
    expect(await of({ method: 'fixed', parts: { a: 1, b: 2 } }, '-0.01')).to.deep.equal([
      'a by shared: -0.003333333333333333 USD',
      'b by shared: -0.006666666666666667 USD',
    ])
  })

  it('loses nothing of any row, whatever the amounts and the rules', async () => {
    const cost = fc
      .tuple(fc.bigInt({ min: -(10n ** 20n), max: 10n ** 20n }), fc.integer({ min: 0, max: 30 }))
      .map(([units, digits]) => {
        const text = String(units < 0n ? -units : units).padStart(digits + 1, '0')
        const point = text.length - digits
        return `${units < 0n ? '-' : ''}${text.slice(0, point)}${digits === 0 ? '' : `.${text.slice(point)}`}`
      })
    const name = fc.constantFrom('a', 'b', 'c', 'd')
    const service = fc.constantFrom('EC2', 'S3', 'Support', 'Tax')
    const row = fc.record({
      ServiceName: service,
      BilledCost: cost,
      EffectiveCost: cost,
      ListCost: fc.option(cost),
      ContractedCost: cost,
      BillingCurrency: fc.constantFrom('USD', 'EUR'),
      x_SourceProvider: fc.constantFrom('aws', 'gcp'),
      Tags: fc.option(fc.record({ team: name }, { requiredKeys: [] })),
    })
    const parts = fc.dictionary(name, fc.integer({ min: 1, max: 1000 }), { minKeys: 1 })
    const way: fc.Arbitrary<object> = fc.oneof(
      fc.record({ to: name }),
      fc.constant({ to_value_of: 'tag:team' }),
      fc.record({ split: fc.record({ method: fc.constant('fixed'), parts }) }),
      fc.constant({ split: { method: 'proportional' } }),
      fc.record({ split: fc.record({ method: fc.constant('even'), targets: fc.uniqueArray(name, { minLength: 1 }) }) }),
    )
    const rule = fc.tuple(way, fc.option(fc.uniqueArray(service, { minLength: 1 })))
    const ruleSet = fc.array(rule, { maxLength: 6 }).map((found) =>
      found.map(([each, services], k) => ({
        name: `r${k}`,
        ...(services === null ? {} : { match: { service: services } }),
        ...each,
      })),
    )
    const cases = fc.sample(fc.tuple(fc.array(row, { maxLength: 40 }), ruleSet), {
      numRuns: 20 * Number(process.env['PROPERTY_FACTOR'] ?? 1),
      seed: 7,
    })
    const periodOf = (k: number) => new Date(Date.UTC(2000, k, 1)).toISOString().slice(0, 10)
    await world.fill(
      'focus_cost_and_usage',
      cases.flatMap(([rows], k) => rows.map((each) => charge('', '', { ...each, x_BillingPeriod: periodOf(k) }))),
    )
    const sums = 'SUM(BilledCost) AS b, SUM(EffectiveCost) AS e, SUM(ListCost) AS l, SUM(ContractedCost) AS c'
    const by = 'x_SourceProvider, BillingCurrency, ServiceName, TO_JSON_STRING(Tags)'
    for (const [k, [, rules]] of cases.entries()) {
      const { query, parameters } = statement(rules, periodOf(k))
      const of = (from: string) =>
        world.warehouse.query({
          query: `SELECT ${by} AS t, ${sums} FROM ${from} GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4`,
          parameters,
          default_dataset: 'acme',
        })
      const charges = '(SELECT * FROM focus_cost_and_usage WHERE x_BillingPeriod = @period)'
      expect(await of(`(${query})`), JSON.stringify(rules)).to.deep.equal(await of(charges))
    }
  })

  it('takes a hundred rules of many values', async () => {
    const rules = Array.from({ length: 100 }, (_, k) => ({
      name: `r${k}`,
      match: { service: Array.from({ length: 20 }, (__, n) => `s${k}-${n}${n % 5 === 0 ? '*' : ''}`) },
      to: `t${k}`,
    }))
    expect(
      await borne([charge('s99-19', '1'), charge('s0-5-and-more', '2'), charge('s1-1-no', '4')], rules),
    ).to.deep.equal(['t0 by r0: 2 USD', 't99 by r99: 1 USD', 'unallocated by null: 4 USD'])
  })

  it('is made of a month by its pipeline, replaced by another run, and nothing where no rules were ever stored', async () => {
    await world.fill('focus_cost_and_usage', [charge('EC2', '3', team('a')), charge('Support', '1')])
    const rowsOf = () =>
      world.rows(
        'SELECT x_AllocatedTo, x_AllocationVersion, CAST(EffectiveCost AS STRING) AS cost FROM focus_allocation ORDER BY 1, 3 DESC',
      )
    const store = (rules: string, run: string) =>
      world.warehouse.runJob(
        { run_id: run, step_id: 'rules', max_retries: 0, retry_delay_seconds: 1, tenant_id: 'acme' },
        {
          kind: 'query',
          query: `SELECT CURRENT_TIMESTAMP() AS recorded_at, 'k' AS recorded_by, '${rules}' AS rules, '${run}' AS run_id`,
          destination: {
            project_id: 'local-convergence',
            dataset: 'acme',
            table: 'focus_allocation_rules',
            write_mode: 'append',
          },
        },
      )
    const run = () => world.normalise('allocation', '2026-02', { only: 'allocation' })
    await run()
    expect(await rowsOf().catch((error: unknown) => (error as AppError).code)).to.equal('TABLE_NOT_FOUND')
    await store('{"rules":[{"name":"all","to":"us"}]}', 'r_1')
    await run()
    expect(await rowsOf()).to.deep.equal([
      { x_AllocatedTo: 'us', x_AllocationVersion: 'r_1', cost: '3' },
      { x_AllocatedTo: 'us', x_AllocationVersion: 'r_1', cost: '1' },
    ])
    await store('{"rules":[{"name":"by_team","to_value_of":"tag:team"}]}', 'r_2')
    await run()
    const second = [
      { x_AllocatedTo: 'a', x_AllocationVersion: 'r_2', cost: '3' },
      { x_AllocatedTo: 'unallocated', x_AllocationVersion: 'r_2', cost: '1' },
    ]
    expect(await rowsOf()).to.deep.equal(second)
    // Whoever may write the dataset wrote something else there.
    await store('{"rules":[{"name":"x","to_value_of":"tag:a\\\\"; DROP"}]}', 'r_3')
    const refused = await run().catch((error: unknown) => error as AppError)
    expect(refused).to.be.instanceOf(AppError)
    expect([(refused as AppError).code, (refused as AppError).faults.length]).to.deep.equal(['CONFIG_INVALID', 1])
    expect(await rowsOf()).to.deep.equal(second)
  })
})
