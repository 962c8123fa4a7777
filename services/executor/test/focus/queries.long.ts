/** The saved queries on months of three clouds: each runs, what adds up does, and numbers worked out by hand. */
import { savedQueries, savedQuery } from '@convergence/pipeline/saved-queries'
import { expect } from 'chai'
import { exactSum, miniature, realExport } from '../loaders/world.ts'
import { hour, hours, loadEnrollment, loadReport, openFocus, type FocusWorld, type Row } from './world.ts'

const plan = 'arn:aws:savingsplans::123456789012:savingsplan/sp-0f1e2d3c'
const line = (kind: string, cost: string, more: Row = {}): Row => ({
  ...{ billing_period: '2026-02-01', source_name: 'payer', bill_payer_account_id: '123456789012' },
  ...{ bill_invoice_id: 'INV-1', line_item_usage_account_id: '987654321098', line_item_line_item_type: kind },
  ...{ line_item_currency_code: 'USD', line_item_product_code: 'AmazonEC2', line_item_unblended_cost: cost },
  ...{ line_item_usage_start_date: hour(0), line_item_usage_end_date: hour(1) },
  ...more,
})
const at = (k: number): Row => ({ line_item_usage_start_date: hour(k), line_item_usage_end_date: hour(k + 1) })
const azure = (source_name: string, cost: string, more: Row = {}): Row => ({
  ...{ billing_period: '2026-02-01', source_name, billing_account_id: '12345678', date: '2026-02-03' },
  ...{ billing_currency_code: 'EUR', charge_type: 'Usage', pricing_model: 'OnDemand', cost_in_billing_currency: cost },
  ...more,
})
const google = (cost: string, more: Row = {}): Row => ({
  ...{ usage_date: '2026-02-01', usage_start_time: hour(0), usage_end_time: hour(1), invoice_month: '202602' },
  ...{ source_name: 'google', billing_account_id: '012345-6789AB-CDEF01', project_id: 'acme-prod-4711' },
  ...{ service_description: 'Compute Engine', sku_id: 'D97E-AB26-5D95', cost_type: 'regular', currency: 'USD', cost },
  credits: [],
  ...more,
})

/** Three hours of a plan at 60 that are used by 52.40 each, and what else a bill has. */
const awsRows = (): Row[] => {
  const terms = {
    ...{ savings_plan_savings_plan_arn: plan, savings_plan_payment_option: 'No Upfront' },
    ...{ savings_plan_purchase_term: '1yr', savings_plan_start_time: '2026-02-01T00:00:00.000Z' },
    savings_plan_end_time: '2027-01-31T23:59:59.000Z',
  }
  const january = { billing_period: '2026-01-01', bill_invoice_id: 'INV-0' }
  const tags = { resource_tags: { user_team: 'core' } }
  const priced = { pricing_unit: 'Hrs', product_sku: 'SKU-1' }
  return [
    line('Usage', '1', {
      ...{ ...january, ...tags, line_item_usage_start_date: '2026-01-05T00:00:00Z' },
      line_item_usage_end_date: '2026-01-05T01:00:00Z',
    }),
    line('Usage', '1.25', { ...tags, ...priced, line_item_resource_id: 'i-1', line_item_usage_amount: '5' }),
    line('Usage', '0.00000000000000000001', { line_item_product_code: 'AmazonS3', ...at(24) }),
    line('Usage', '3', { line_item_product_code: 'AmazonS3', ...at(48) }),
    // Of January, on the bill of February.
    line('Usage', '0.5', {
      line_item_usage_start_date: '2026-01-31T00:00:00Z',
      line_item_usage_end_date: '2026-01-31T01:00:00Z',
    }),
    line('Tax', '0.2'),
    line('Credit', '-7', { bill_invoice_id: 'INV-2', line_item_line_item_description: 'Migration credit' }),
    ...hours(0, 3).flatMap((k) => [
      line('SavingsPlanCoveredUsage', '78.60', {
        ...{ ...at(k), ...terms, pricing_public_on_demand_cost: '78.60' },
        savings_plan_savings_plan_effective_cost: '52.40',
      }),
      line('SavingsPlanNegation', '-78.60', { ...at(k), ...terms }),
      line('SavingsPlanRecurringFee', '60', {
        ...{ ...at(k), ...terms, savings_plan_total_commitment_to_date: '60', savings_plan_used_commitment: '52.40' },
        savings_plan_amortized_upfront_commitment_for_billing_period: '0',
        savings_plan_recurring_commitment_for_billing_period: '60',
      }),
    ]),
  ]
}

const queries = savedQueries()
const required: Row = {
  tag: 'team',
  resource: 'i-1',
  sku: 'SKU-1',
  unit: 'Hours',
  budget: '10',
  virtual_currency: 'tokens',
}

describe('saved queries of FOCUS', function () {
  this.timeout(180_000)
  let world: FocusWorld
  before(async () => {
    world = await openFocus()
    await world.fill('aws_cost_cur', awsRows())
    const bought = { pricing_model: 'Reservation', benefit_id: '/microsoft.capacity/1' }
    await world.fill('azure_cost_exports', [
      azure('actual', '100', { ...bought, charge_type: 'Purchase' }),
      azure('actual', '0', bought),
      azure('actual', '2.5'),
    ])
    await world.fill('azure_cost_amortized', [azure('amortized', '3.25', bought), azure('amortized', '2.5')])
    const promotion = { id: 'p', full_name: 'p', name: 'p', type: 'PROMOTION', amount: -1 }
    await world.fill('gcp_cost_billing', [google('10', { credits: [promotion] }), google('4')])
    for (const [provider, month] of [
      ['aws', '2026-01'],
      ['aws', '2026-02'],
      ['azure', '2026-02'],
      ['gcp', '2026-02'],
    ] as const)
      await world.normalise(provider, month, { datasets: true, views: provider === 'gcp' })
  })
  after(() => world.end())

  const range = { from: '2026-01-01', to: '2026-03-01' }
  const ask = (name: string, given: Row = {}): Promise<Row[]> => {
    const { sql, parameters } = savedQuery(queries, name)
    const values: Row = { ...range, ...given }
    return world.warehouse.query({
      query: `${sql}LIMIT 10001`,
      parameters: parameters.map(({ name: key, type, default: usual }) => ({
        name: key,
        type,
        value: values[key] ?? usual ?? required[key],
      })),
      default_dataset: 'acme',
    })
  }
  /** By currency, of the rows of an answer. */
  const sumsOf = (rows: readonly Row[], column: string): Record<string, string> => {
    const currencies = [...new Set(rows.map(({ currency }) => String(currency)))].sort()
    const amounts = (currency: string) =>
      rows.filter((row) => row['currency'] === currency).map((row) => String(row[column] ?? '0'))
    return Object.fromEntries(currencies.map((currency) => [currency, exactSum(amounts(currency))]))
  }
  /** By currency, of the table. */
  const totalsOf = async (
    column: string,
    { from, to }: { from: string; to: string },
  ): Promise<Record<string, string>> => {
    const rows = await world.rows(
      `SELECT BillingCurrency AS currency, CAST(${column} AS STRING) AS amount FROM focus_cost_and_usage
       WHERE DATE(ChargePeriodStart) >= '${from}' AND DATE(ChargePeriodStart) < '${to}'`,
    )
    return sumsOf(rows, 'amount')
  }
  /** Names that do not add up in these days. */
  const wrongSums = async (days: { from: string; to: string }): Promise<string[]> => {
    const wrong: string[] = []
    const totals = new Map<string, Record<string, string>>()
    for (const { name, adds_up } of queries.filter((query) => query.adds_up.length > 0)) {
      const rows = await ask(name, days)
      for (const column of adds_up) {
        const standard = column.replaceAll(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase())
        const [got, expected] = [sumsOf(rows, column), totals.get(standard) ?? (await totalsOf(standard, days))]
        totals.set(standard, expected)
        if (JSON.stringify(got) !== JSON.stringify(expected))
          wrong.push(`${name}.${column}: ${JSON.stringify(got)} instead of ${JSON.stringify(expected)}`)
      }
    }
    return wrong
  }

  it('each runs, and those whose rows are here have an answer', async () => {
    const empty: string[] = []
    for (const { name } of queries) if ((await ask(name)).length === 0) empty.push(name)
    expect(empty).to.deep.equal([
      'allocated_resource_cost',
      'core_usage',
      'marketplace_cost_by_month',
      'marketplace_purchases',
      'shared_resources',
      'unused_capacity_reservations',
      'virtual_currency_purchases',
      'virtual_currency_savings',
      'virtual_currency_targets',
      'virtual_currency_use',
    ])
  })
  it('those that add up have the totals of the table, to the last digit, each currency by itself', async () => {
    expect(queries.filter(({ adds_up }) => adds_up.length > 0)).to.have.length.above(20)
    expect(await totalsOf('BilledCost', range)).to.deep.equal({ EUR: '102.5', USD: '191.95000000000000000001' })
    expect(await wrongSums(range)).to.deep.equal([])
  })
  it('a month alone has what was charged in it, also on a later bill', async () => {
    const january = { from: '2026-01-01', to: '2026-02-01' }
    expect(sumsOf(await ask('service_cost_by_month', january), 'billed_cost')).to.deep.equal({ USD: '1.5' })
    expect(sumsOf(await ask('billed_by_period', january), 'billed_cost')).to.deep.equal({ USD: '1' })
  })
  it('commitments: three hours of 60, of which 52.40 are used', async () => {
    const common = { service_provider: 'AWS', commitment: plan, currency: 'USD' }
    expect((await ask('commitment_utilization', { provider: 'aws' }))[0]).to.deep.include({
      ...common,
      ...{ used_cost: '157.2', unused_cost: '22.8', used_share: '0.873333' },
    })
    expect((await ask('unused_commitments', { provider: 'aws' }))[0]).to.deep.include({
      ...common,
      unused_cost: '22.8',
    })
    expect((await ask('recurring_commitment_fees'))[0]).to.deep.include({ ...common, billed_cost: '180' })
    expect((await ask('contract_burn_down', { provider: 'aws' }))[0]).to.deep.include({
      ...{ commitment: plan, currency: 'USD', applied_cost: '157.2', total_applied_cost: '157.2' },
      // A year of 8760 hours at 60.
      commitment_cost: '525600',
    })
  })
  it('savings: 78.60 at the list price are 52.40', async () => {
    // 235.8 of the plan, 1 + 1.25 + 3 + 0.5 and the smallest of the rest; the unused part has no list price and a cost.
    const [row] = await ask('effective_savings_rate', { provider: 'aws' })
    expect(row).to.deep.include({
      ...{ list_cost: '241.55000000000000000001', effective_cost: '185.75000000000000000001' },
      ...{ savings: '55.8', savings_rate: '0.231008' },
    })
  })
  it('tags: what has the key, and what has not', async () => {
    expect((await ask('tag_coverage', { provider: 'aws' }))[0]).to.deep.include({
      ...{ currency: 'USD', effective_cost: '178.95000000000000000001', tagged_cost: '2.25' },
      ...{ untagged_cost: '176.70000000000000000001', tagged_share: '0.012573' },
    })
    expect(await ask('tag_cost_by_month', { value: 'core' })).to.deep.equal(
      [
        ['2026-01-01', '1'],
        ['2026-02-01', '1.25'],
      ].map(([month, effective_cost]) => ({
        ...{ month, tag_value: 'core', service: 'AmazonEC2', currency: 'USD', effective_cost },
      })),
    )
    expect(await ask('tag_cost_by_month', { tag: 'no"t $.here', value: 'core' })).to.deep.equal([])
  })
  it('invoices come to their lines, what is on none yet too', async () => {
    const rows = await ask('invoices')
    expect(rows.map(({ invoice }) => invoice)).to.include.members(['INV-0', 'INV-1', 'INV-2'])
    expect(rows.filter(({ difference_cost }) => difference_cost !== '0')).to.deep.equal([])
    const [first] = rows.filter(({ invoice }) => invoice === 'INV-1')
    // 1.25 + 3 + 0.5 + 0.2 + 180 and the smallest.
    expect(first?.['billed_cost']).to.equal('184.95000000000000000001')
  })
  it('credits, corrections, budgets and units are told apart', async () => {
    expect((await ask('credits', { provider: 'aws' }))[0]).to.deep.include({ invoice: 'INV-2', billed_cost: '-7' })
    expect(await ask('corrections')).to.have.length(1)
    expect((await ask('corrections'))[0]).to.deep.include({ service: 'AmazonEC2', billed_cost: '0.5' })
    const [budget] = await ask('budget_of_sub_account', { budget: '1000', account: '987654321098' })
    expect(budget).to.deep.include({ left_cost: '821.04999999999999999999', used_share: '0.17895' })
    expect((await ask('unit_cost_by_day', { unit: 'Hours' }))[0]).to.deep.include({
      ...{ effective_cost: '1.25', consumed_quantity: '5', unit_cost: '0.25' },
    })
  })
  it('days that cost three times what the days before did are told, others not', async () => {
    const given = { provider: 'aws', account: '', times: '3', at_least: '1', from: '2026-02-01' }
    // S3: next to nothing on the second day, 3 on the third.
    expect((await ask('daily_service_anomalies', given)).map(({ day, service }) => [day, service])).to.deep.equal([
      ['2026-02-03', 'AmazonS3'],
      ['2026-02-01', 'AmazonEC2'],
    ])
  })
  it('on reports as the providers send them those that add up do too', async function () {
    await loadReport(world, realExport('aws/sample-anonymous-aws-export-dataset.csv') ?? miniature('aws-cur.csv'), {
      datasets: true,
    })
    await loadEnrollment(
      world,
      realExport('azure/sample-anonymous-ea-export-dataset.csv') ?? miniature('azure-ea.csv'),
      {
        datasets: true,
      },
    )
    expect(await wrongSums({ from: '2023-09-01', to: '2023-12-01' })).to.deep.equal([])
  })
})
