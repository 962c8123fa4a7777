import { expect } from 'chai'
import { group, hour, hours, openFocus, type FocusWorld, type Row } from './world.ts'

const month = '2026-02'
const line = (cost: string, more: Row = {}): Row => ({
  usage_date: String(more['usage_start_time'] ?? hour(0)).slice(0, 10),
  usage_start_time: hour(0),
  usage_end_time: hour(1),
  invoice_month: '202602',
  source_name: 'google',
  billing_account_id: '012345-6789AB-CDEF01',
  project_id: 'acme-prod-4711',
  service_description: 'Compute Engine',
  sku_id: 'D97E-AB26-5D95',
  sku_description: 'N2 Instance Core running in Iowa',
  cost_type: 'regular',
  currency: 'USD',
  cost,
  credits: [],
  ...more,
})
const credit = (type: string, amount: number): Row => ({ id: type, full_name: type, name: type, type, amount })
const commitment = { subscription_instance_id: 'cud-resource-1' }

describe("FOCUS from Google's billing exports", function () {
  this.timeout(60_000)
  let world: FocusWorld
  before(async () => {
    world = await openFocus()
  })
  after(() => world.end())

  const covered = (k: number, count = 1): Row =>
    line(String(44.18 * count), {
      ...commitment,
      usage_start_time: hour(k),
      usage_end_time: hour(k + count),
      usage_amount_in_pricing_units: String(count),
      pricing_unit: 'hour',
      price_list_price: '44.18',
      price_effective_price: '44.18',
      cost_at_list: String(44.18 * count),
      credits: [credit('COMMITTED_USAGE_DISCOUNT', -44.18 * count)],
    })
  const fee = line('19790.40', {
    ...commitment,
    sku_description: 'Commitment v1: N2 Core in Iowa for 1 Year',
    usage_end_time: hour(672),
    usage_amount_in_pricing_units: '672',
    pricing_unit: 'hour',
  })

  it('a commitment for resources paid by the month and used wholly: purchase and used rows', async () => {
    await world.fill('gcp_cost_billing', [fee, ...hours(0, 24).map((k) => covered(k)), covered(24, 648)])
    await world.normalise('gcp', month)
    expect(await world.groups()).to.deep.equal([
      group('Purchase', null, 1, '19790.4', '0', '19790.4'),
      group('Usage', 'Used', 25, '0', '19790.4', '29688.96'),
    ])
    expect(
      await world.rows(
        `SELECT COUNT(*) AS n, CAST(SUM(EffectiveCost) AS STRING) AS effective, MIN(CAST(ListUnitPrice AS STRING)) AS list,
           MIN(CAST(ContractedUnitPrice AS STRING)) AS contracted, MIN(PricingCategory) AS pricing
         FROM focus_cost_and_usage WHERE CommitmentDiscountStatus = 'Used' AND ChargePeriodStart < '2026-02-02'`,
      ),
    ).to.deep.equal([{ n: 24, effective: '706.8', list: '44.18', contracted: '44.18', pricing: 'Committed' }])
    expect(
      await world.rows(
        `SELECT CAST(CommitmentDiscountQuantity AS STRING) AS quantity, CommitmentDiscountUnit AS unit, ChargeFrequency AS frequency
         FROM focus_cost_and_usage WHERE ChargeCategory = 'Purchase'`,
      ),
    ).to.deep.equal([{ quantity: '672', unit: 'Hours', frequency: 'Recurring' }])
  })

  it('what of a commitment was not used is one row, and the effective cost is all that was paid', async () => {
    await world.fill('gcp_cost_billing', [fee, ...hours(0, 24).map((k) => covered(k))])
    await world.normalise('gcp', month)
    expect(await world.groups()).to.deep.equal([
      group('Purchase', null, 1, '19790.4', '0', '19790.4'),
      group('Usage', 'Unused', 1, '0', '19083.6', null),
      group('Usage', 'Used', 24, '0', '706.8', '1060.32'),
    ])
  })

  it('discounts lower their row, promotions are rows of their own, and the total is the net cost', async () => {
    await world.fill('gcp_cost_billing', [
      line('10', {
        credits: [credit('SUSTAINED_USAGE_DISCOUNT', -1.25), credit('PROMOTION', -0.3)],
        cost_at_list: '12',
      }),
      line('2', { cost_type: 'tax', project_id: null }),
      line('-0.01', { cost_type: 'rounding_error', project_id: null }),
      // Late use, on the next invoice: the rows of another month are not read.
      line('5', { invoice_month: '202603' }),
    ])
    await world.normalise('gcp', month)
    expect(await world.groups()).to.deep.equal([
      group('Adjustment', null, 1, '-0.01', '-0.01', '-0.01'),
      group('Credit', null, 1, '-0.3', '-0.3', '0'),
      group('Tax', null, 1, '2', '2', '2'),
      group('Usage', null, 1, '8.75', '8.75', '12'),
    ])
  })

  it('a correction lies on the open invoice, with the period of its use', async () => {
    const late = { usage_start_time: '2026-01-20T03:00:00Z', usage_end_time: '2026-01-20T04:00:00Z' }
    const adjusted = { ...late, adjustment_id: 'adj-1', adjustment_type: 'PRICE_CORRECTION' }
    await world.fill('gcp_cost_billing', [line('1'), line('-4', adjusted), line('3', adjusted)])
    await world.normalise('gcp', month)
    expect(
      await world.rows(
        `SELECT CAST(BilledCost AS STRING) AS billed, ChargeClass AS class, CAST(DATE(BillingPeriodStart) AS STRING) AS period,
           CAST(DATE(ChargePeriodStart) AS STRING) AS charged
         FROM focus_cost_and_usage ORDER BY BilledCost`,
      ),
    ).to.deep.equal([
      { billed: '-4', class: 'Correction', period: '2026-02-01', charged: '2026-01-20' },
      { billed: '1', class: null, period: '2026-02-01', charged: '2026-02-01' },
      { billed: '3', class: 'Correction', period: '2026-02-01', charged: '2026-01-20' },
    ])
  })

  it('labels are one object, those of anything but the resource with what they are of', async () => {
    await world.fill('gcp_cost_billing', [
      line('1', {
        labels: [
          { key: 'env', value: 'prod "1"' },
          { key: 'bare', value: '' },
        ],
        project_labels: [{ key: 'env', value: 'x' }],
        tags: [{ key: 'cost-center', value: '42' }],
      }),
      line('2'),
    ])
    await world.normalise('gcp', month)
    expect(await world.rows('SELECT Tags FROM focus_cost_and_usage ORDER BY BilledCost')).to.deep.equal([
      { Tags: { env: 'prod "1"', bare: true, 'project/env': 'x', 'tag/cost-center': '42' } },
      { Tags: {} },
    ])
  })
})
