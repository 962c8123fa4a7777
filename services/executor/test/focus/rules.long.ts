/** The official rules of FOCUS as a check: each kind turned red by one changed row, and what a step makes of it. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { focusColumns } from '@convergence/contracts/focus'
import { focusRules, type ModelRules } from '@convergence/contracts/focus-rules'
import { openEngine } from '@convergence/local-warehouse'
import { openWarehouse, type Warehouse } from '@convergence/warehouse'
import { planRules, rowsWith } from '../../src/focus-rules.ts'
import { bqEtl } from '../../src/processors/gcp/bq_etl.ts'
import { dataset } from '../../src/processors/setup/dataset.ts'
import { bootstrap } from '../../src/processors/setup/initial.ts'
import { openStore, type Store } from '../../src/store.ts'
import { contextOf, errorOf, makeRun, makeStep, shared_sources } from '../fakes.ts'

/** An hour of a machine that breaks no rule, as SQL. */
const good: Readonly<Record<string, string>> = {
  BilledCost: '2',
  BillingAccountId: `'a'`,
  BillingAccountName: `'A'`,
  BillingAccountType: `'Billing Account'`,
  BillingCurrency: `'EUR'`,
  BillingPeriodEnd: `TIMESTAMP '2026-03-01'`,
  BillingPeriodStart: `TIMESTAMP '2026-02-01'`,
  ChargeCategory: `'Usage'`,
  ChargeDescription: `'an hour'`,
  ChargeFrequency: `'Usage-Based'`,
  ChargePeriodEnd: `TIMESTAMP '2026-02-03 01:00:00'`,
  ChargePeriodStart: `TIMESTAMP '2026-02-03'`,
  ConsumedQuantity: '1',
  ConsumedUnit: `'Hours'`,
  ContractedCost: '2',
  ContractedUnitPrice: '2',
  EffectiveCost: '2',
  HostProviderName: `'AWS'`,
  InvoiceIssuerName: `'AWS'`,
  ListCost: '2',
  ListUnitPrice: '2',
  PricingCategory: `'Standard'`,
  PricingCurrency: `'EUR'`,
  PricingCurrencyEffectiveCost: '2',
  PricingQuantity: '1',
  PricingUnit: `'Hours'`,
  ServiceCategory: `'Compute'`,
  ServiceName: `'Machines'`,
  ServiceProviderName: `'AWS'`,
  ServiceSubcategory: `'Virtual Machines'`,
  SkuId: `'s'`,
  SkuMeter: `'m'`,
  SkuPriceId: `'s.1'`,
  Tags: `JSON '{"team":"a"}'`,
}
const rowWith = (changes: Readonly<Record<string, string>> = {}): string =>
  focusColumns('cost_and_usage', '1.4')
    .map(({ name, type }) => `CAST(${changes[name] ?? good[name] ?? 'NULL'} AS ${type}) AS ${name}`)
    .filter((column) => !column.startsWith('CAST(NULL AS JSON) AS Allocated'))
    .join(', ')

const commitment = {
  CommitmentDiscountId: `'c'`,
  CommitmentDiscountName: `'C'`,
  CommitmentDiscountCategory: `'Usage'`,
  CommitmentDiscountType: `'Reserved'`,
  CommitmentDiscountStatus: `'Used'`,
  CommitmentDiscountQuantity: '1',
  CommitmentDiscountUnit: `'Hours'`,
}
/** One row for each kind of rule, and which rules it breaks. */
const changed: readonly (readonly [
  what: string,
  changes: Readonly<Record<string, string>>,
  broken: readonly string[],
])[] = [
  ['nothing', {}, []],
  ['nothing of covered use', commitment, []],
  ['NULL where a value must be', { BilledCost: 'NULL' }, ['BilledCost-C-003-M']],
  ['a value where there must be none', { RegionName: `'North'` }, ['RegionName-C-004-C']],
  ['NULL beside a value', { RegionId: `'n'` }, ['RegionName-C-005-C']],
  ['NULL of use that is no correction, whose class is NULL', { SkuId: 'NULL', SkuMeter: 'NULL' }, ['SkuId-C-005-C']],
  ['a value of no list', { ChargeFrequency: `'Often'` }, ['ChargeFrequency-C-003-M']],
  ['a subcategory of another category', { ServiceSubcategory: `'Bots'` }, ['ServiceSubcategory-C-004-M']],
  ['the one value that must be', { ChargeClass: `'Other'` }, ['ChargeClass-C-005-C']],
  [
    'a value that must not be',
    { ChargeCategory: `'Purchase'`, ConsumedQuantity: 'NULL', ConsumedUnit: 'NULL' },
    ['ChargeFrequency-C-004-C'],
  ],
  [
    'money of what is bought for later',
    {
      ...commitment,
      CommitmentDiscountStatus: 'NULL',
      ChargeCategory: `'Purchase'`,
      ChargeFrequency: `'Recurring'`,
      ConsumedQuantity: 'NULL',
      ConsumedUnit: 'NULL',
    },
    ['EffectiveCost-C-005-C'],
  ],
  ['a negative price', { ContractedUnitPrice: '-2', ContractedCost: '-2' }, ['ContractedUnitPrice-C-009-C']],
  ['a product', { ListCost: '2.01' }, ['ListCost-C-009-C', 'ListUnitPrice-C-010-C']],
  ['a unit', { PricingUnit: `'$/h'` }, ['PricingUnit-C-003-O']],
  ['a currency of nowhere', { BillingCurrency: `'EUX'`, PricingCurrency: `'EUX'` }, ['BillingCurrency-C-006-M']],
  ['tags that are no object', { Tags: `JSON '[1]'` }, ['Tags-C-001-M']],
  ['bytes that were no text', { ServiceName: `'a\\ufffd'` }, ['ServiceName-C-002-M']],
  [
    'a status of use without its commitment',
    { CommitmentDiscountStatus: `'Used'` },
    ['CommitmentDiscountStatus-C-003-C'],
  ],
  ['prices of another currency', { PricingCurrency: `'Tokens'` }, ['PricingCurrencyListUnitPrice-C-005-C']],
]

const rules = focusRules('1.2', 'cost_and_usage') as ModelRules

describe('the rules of FOCUS 1.2', function () {
  this.timeout(60_000)
  let folder: string
  let warehouse: Warehouse
  let store: Store
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'convergence-rules-'))
    warehouse = openWarehouse({
      engine: await openEngine({ folder, project_id: 'local-convergence' }),
      random: () => 0,
    })
    await bootstrap(warehouse, {})
    await dataset({ warehouse, shared_sources }).run(
      contextOf(
        makeRun({ tenant_id: 'system', pipeline: 'setup/tenants/onboarding' }),
        makeStep('dataset', { config: { tenant_id: 'acme' } }),
      ),
    )
    store = openStore({ warehouse, now: () => new Date('2026-01-02T00:00:00Z') })
  })
  after(async () => {
    await warehouse.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it('are as many as the model has, each asked or listed with the reason', () => {
    expect(rules.rules.length + Object.keys(rules.not_asked).length).to.equal(621)
    expect(rules.rules.map(({ rule }) => rule).filter((rule) => rule in rules.not_asked)).to.deep.equal([])
  })

  it('are each broken by a row of its kind, and by no other', async () => {
    const rows = changed.map(([, changes], k) => `SELECT ${k} AS id, ${rowWith(changes)}`).join(' UNION ALL ')
    const { columns } = await warehouse.dryRun({ query: rows })
    const { plans, counts, computed, currencies = [] } = planRules(rules, columns, 'changed')
    const found = await warehouse.query({
      query: `WITH changed AS (${rows}) SELECT id, TO_JSON_STRING([${counts.join(', ')}]) AS counts FROM ${rowsWith(computed, 'changed')} GROUP BY id`,
      parameters: [{ name: 'currencies', type: 'ARRAY<STRING>', value: [...currencies] }],
    })
    const byId = new Map(found.map((row) => [Number(row['id']), JSON.parse(String(row['counts'])) as number[]]))
    // Of all rows together.
    const whole = ['ServiceName-C-005-C', 'ServiceName-C-008-C', 'SkuPriceId-C-008-M']
    const brokenBy = changed.map(([what], k) => [
      what,
      plans.flatMap((plan) =>
        'count' in plan && !whole.includes(plan.rule.rule) && byId.get(k)?.[plan.count] !== 0 ? [plan.rule.rule] : [],
      ),
    ])
    expect(brokenBy).to.deep.equal(changed.map(([what, , broken]) => [what, broken]))
    const of_all = plans.flatMap((plan) =>
      'count' in plan && whole.includes(plan.rule.rule) ? [[plan.rule.rule, byId.get(0)?.[plan.count]]] : [],
    )
    // A service of two subcategories, a price without its SKU and with it.
    expect(of_all).to.deep.equal([
      ['ServiceName-C-005-C', 0],
      ['ServiceName-C-008-C', 1],
      ['SkuPriceId-C-008-M', 0],
    ])
    const isCounted = plans.filter((plan) => 'count' in plan).map(({ rule }) => rule.check[0])
    const kinds = new Set(
      changed.flatMap(([, , broken]) => broken).map((id) => rules.rules.find(({ rule }) => rule === id)?.check[0]),
    )
    expect([...new Set(isCounted)].filter((kind) => !kinds.has(kind))).to.deep.equal(['one_each'])
  })

  it('of 1.4 are asked of each dataset: values, NULL, ranges, units, and what 1.2 does not ask of charges', async () => {
    const brokenBy = async (name: string, select: string) => {
      const facts = focusRules('1.4', name) as ModelRules
      const { columns } = await warehouse.dryRun({ query: select })
      const { plans, counts, computed, currencies = ['EUR'] } = planRules(facts, columns, 'changed')
      const [row] = await warehouse.query({
        query: `WITH changed AS (${select}) SELECT TO_JSON_STRING([${counts.join(', ')}]) AS counts FROM ${rowsWith(computed, 'changed')}`,
        parameters: [{ name: 'currencies', type: 'ARRAY<STRING>', value: [...currencies] }],
      })
      const found = JSON.parse(String(row?.['counts'])) as number[]
      return plans.flatMap((plan) => ('count' in plan && found[plan.count] !== 0 ? [plan.rule.rule] : []))
    }
    expect(await brokenBy('cost_and_usage', `SELECT ${rowWith()}`)).to.deep.equal([])
    const charge = rowWith({ ServiceProviderName: 'NULL', ContractApplied: `JSON '[]'` })
    expect(await brokenBy('cost_and_usage', `SELECT ${charge}`)).to.deep.equal([
      'CAU-ContractApplied-object',
      'CAU-ServiceProviderName-null',
    ])
    const line = `SELECT CAST(NULL AS BIGNUMERIC) AS BilledCost, 'EUX' AS BillingCurrency, 'Sent' AS InvoiceIssueStatus`
    expect(await brokenBy('invoice_detail', line)).to.deep.equal([
      'IND-BilledCost-null',
      'IND-BillingCurrency-currency',
      'IND-InvoiceIssueStatus-values',
    ])
    const term = `SELECT 1.5 AS ContractCommitmentDiscountPercentage, '$' AS ContractCommitmentUnit, 'Money' AS ContractCommitmentCategory`
    expect(await brokenBy('contract_commitment', term)).to.deep.equal([
      'CCT-ContractCommitmentCategory-values',
      'CCT-ContractCommitmentDiscountPercentage-most',
      'CCT-ContractCommitmentUnit-unit',
    ])
  })

  it('are said by the columns where they are about these', () => {
    const { plans } = planRules(rules, [{ name: 'BilledCost', type: 'STRING' }], 'none')
    const said = plans.flatMap((plan) => ('holds' in plan && !plan.holds ? [`${plan.rule.rule}: ${plan.why}`] : []))
    expect(said).to.include('BilledCost-C-001-M: the column is STRING')
    expect(said).to.include('CostAndUsage-D-036-M: no such column')
  })

  const write = async (run_id: string, changes: Readonly<Record<string, string>>) => {
    const run = { ...makeRun({ tenant_id: 'acme' }), run_id }
    const step = makeStep('native', {
      ps_type: 'gcp.bq_etl',
      config: {
        source: {
          bq_project_id: 'local-convergence',
          query: `SELECT ${rowWith(changes)}, '${run_id}' AS x_SourceFile`,
          parameters: [],
        },
        destination: {
          bq_project_id: 'local-convergence',
          dataset_type: 'acme',
          table: 'charges',
          write_mode: 'truncate',
        },
        checks: [
          { check: 'row_count', min: 1 },
          {
            check: 'focus_rules',
            version: '1.2',
            columns: ['BilledCost', 'BillingCurrency'],
            known: ['SkuId-C-005-C', 'SkuPriceId-C-008-M'],
          },
        ],
      },
    })
    const done = await bqEtl({ warehouse, store, shared_sources }).run(contextOf(run, step))
    return { done, results: await store.recordedChecks(run, 'native') }
  }
  const run_id = (k: number): string => `r_r${String(k).padStart(25, '0')}`
  const fileThere = async (): Promise<unknown> =>
    (await warehouse.query({ query: 'SELECT x_SourceFile AS file FROM `local-convergence.acme.charges`' }))[0]?.['file']

  it('keep what was there where money breaks one, and say which row; else warn in one sentence, but of what is known', async () => {
    const { done, results } = await write(run_id(1), {})
    expect(done?.outputs?.['warnings']).to.equal(undefined)
    expect(results).to.have.length(rules.rules.length + 1)
    const error = await errorOf(write(run_id(2), { BilledCost: 'NULL', RegionId: `'n'` }))
    expect(error.code).to.equal('CHECK_FAILED')
    expect(error.faults).to.deep.equal([
      'FOCUS 1.2 BilledCost-C-003-M (BilledCost): expected 0 rows where BilledCost IS NULL, came 1 rows: ' +
        `{"x_SourceFile":"${run_id(2)}","BillingAccountId":"a","SubAccountId":null,"ChargePeriodStart":"2026-02-03T00:00:00Z",` +
        '"ServiceName":"Machines","ResourceId":null,"BilledCost":null}',
    ])
    expect(await fileThere()).to.equal(run_id(1))
    const warned = await write(run_id(3), { RegionId: `'n'`, SkuId: 'NULL', SkuMeter: 'NULL' })
    expect(warned.done?.outputs?.['warnings']).to.deep.equal([
      'check focus_rules: 1 of 365 rules of FOCUS 1.2 for cost_and_usage do not hold: RegionName-C-005-C: 1 rows; see tenant_dq_results',
    ])
    expect(await fileThere()).to.equal(run_id(3))
    const broken = warned.results
      .filter(({ status }) => status === 'WARNED')
      .map(({ check_name, actual }) => [check_name, actual])
    expect(broken).to.deep.include(['FOCUS 1.2 SkuId-C-005-C', '1'])
    expect(broken).to.deep.include(['FOCUS 1.2 RegionName-C-000-C', 'broken: RegionName-C-005-C'])
  })
})
