import { expect } from 'chai'
import { errorOf } from '../fakes.ts'
import { group, hour, hours, openFocus, type FocusWorld, type Row } from './world.ts'

const plan = 'arn:aws:savingsplans::123456789012:savingsplan/sp-0f1e2d3c'
const month = '2026-02'
const line = (kind: string, cost: string, more: Row = {}): Row => ({
  billing_period: `${month}-01`,
  source_name: 'payer',
  bill_payer_account_id: '123456789012',
  bill_invoicing_entity: 'Amazon Web Services, Inc.',
  bill_billing_entity: 'AWS',
  line_item_usage_account_id: '987654321098',
  line_item_line_item_type: kind,
  line_item_currency_code: 'USD',
  line_item_product_code: 'AmazonEC2',
  product_product_name: 'Amazon Elastic Compute Cloud',
  line_item_usage_start_date: hour(0),
  line_item_usage_end_date: hour(1),
  line_item_unblended_cost: cost,
  ...more,
})
describe('FOCUS from Cost and Usage Reports', function () {
  this.timeout(60_000)
  let world: FocusWorld
  before(async () => {
    world = await openFocus()
  })
  after(() => world.end())

  it('a savings plan paid upfront and used to three quarters: purchase, used, unused and standard rows', async () => {
    const used = hours(0, 18).flatMap((k) => {
      const at = { line_item_usage_start_date: hour(k), line_item_usage_end_date: hour(k + 1) }
      const covered = {
        ...at,
        savings_plan_savings_plan_arn: plan,
        savings_plan_offering_type: 'EC2InstanceSavingsPlans',
        line_item_usage_amount: '1',
        pricing_unit: 'Hrs',
        pricing_public_on_demand_rate: '78.60',
        line_item_resource_id: `arn:aws:ec2:us-east-1:987654321098:instance/i-${k}`,
      }
      return [
        line('SavingsPlanCoveredUsage', '78.60', {
          ...covered,
          line_item_unblended_rate: '78.60',
          pricing_public_on_demand_cost: '78.60',
          savings_plan_savings_plan_effective_cost: '52.40',
        }),
        line('SavingsPlanNegation', '-78.60', covered),
      ]
    })
    const fees = hours(0, 24).map((k) =>
      line('SavingsPlanRecurringFee', '0', {
        line_item_usage_start_date: hour(k),
        line_item_usage_end_date: hour(k + 1),
        savings_plan_savings_plan_arn: plan,
        savings_plan_total_commitment_to_date: '52.40',
        savings_plan_used_commitment: k < 18 ? '52.40' : '0',
      }),
    )
    const standard = ['1.150000000000000', ...Array.from({ length: 11 }, () => '0.818181818181818')].map((cost, k) =>
      line('Usage', k === 11 ? '0.818181818181820' : cost, {
        pricing_public_on_demand_cost: k === 11 ? '0.818181818181820' : cost,
      }),
    )
    await world.fill('aws_cost_cur', [
      line('SavingsPlanUpfrontFee', '459000.00', {
        savings_plan_savings_plan_arn: plan,
        line_item_usage_amount: '1',
        line_item_resource_id: plan,
      }),
      ...used,
      ...fees,
      ...standard,
    ])
    await world.normalise('aws', month)
    expect(await world.groups()).to.deep.equal([
      group('Purchase', null, 1, '459000', '0', '459000'),
      group('Usage', null, 12, '10.15', '10.15', '10.15'),
      group('Usage', 'Unused', 6, '0', '314.4', null),
      group('Usage', 'Used', 18, '0', '943.2', '1414.8'),
    ])
    const shown = `SELECT DISTINCT CAST(ListCost AS STRING) AS list, CAST(ContractedUnitPrice AS STRING) AS contracted,
        CAST(CommitmentDiscountQuantity AS STRING) AS quantity, CommitmentDiscountUnit AS unit, PricingCategory AS pricing,
        CAST(ConsumedQuantity AS STRING) AS consumed, ResourceType AS resource, ServiceCategory AS service
      FROM focus_cost_and_usage WHERE CommitmentDiscountStatus = `
    expect(await world.rows(`${shown}'Used'`)).to.deep.equal([
      {
        ...{ list: '78.6', contracted: '78.6', quantity: '52.4', unit: 'USD', pricing: 'Committed', consumed: '1' },
        ...{ resource: 'ec2:instance', service: 'Compute' },
      },
    ])
    expect(await world.rows(`${shown}'Unused'`)).to.deep.equal([
      {
        ...{ list: null, contracted: null, quantity: '52.4', unit: 'USD', pricing: 'Committed', consumed: null },
        ...{ resource: null, service: 'Compute' },
      },
    ])
  })

  it('a line whose cost has no currency keeps the month as it was', async () => {
    const before = await world.groups()
    await world.fill('aws_cost_cur', [line('Usage', '1', { line_item_currency_code: null })])
    expect((await errorOf(world.normalise('aws', month))).faults.join('\n')).to.contain('BillingCurrency')
    expect(await world.groups()).to.deep.equal(before)
  })

  it('a reservation used in part: its fee is a purchase, and beside it what was not used', async () => {
    const reservation_reservation_arn = 'arn:aws:ec2:us-east-1:987654321098:reserved-instances/r-1'
    await world.fill('aws_cost_cur', [
      line('DiscountedUsage', '0', {
        ...{ reservation_reservation_arn, reservation_effective_cost: '6', line_item_usage_amount: '10' },
        ...{ pricing_public_on_demand_cost: '9', pricing_public_on_demand_rate: '0.9', pricing_unit: 'Hrs' },
      }),
      line('RIFee', '7.2', {
        ...{ reservation_reservation_arn, reservation_unused_recurring_fee: '1.2', reservation_unused_quantity: '2' },
        ...{ line_item_usage_end_date: '2026-02-28T23:59:59Z' },
      }),
    ])
    await world.normalise('aws', month)
    expect(await world.groups()).to.deep.equal([
      group('Purchase', null, 1, '7.2', '0', '7.2'),
      group('Usage', 'Unused', 1, '0', '1.2', null),
      group('Usage', 'Used', 1, '0', '6', '9'),
    ])
    expect(
      await world.rows(
        `SELECT CAST(ChargePeriodEnd AS STRING) AS end_, ChargeFrequency AS frequency, CommitmentDiscountType AS type
         FROM focus_cost_and_usage WHERE ChargeCategory = 'Purchase'`,
      ),
    ).to.deep.equal([{ end_: '2026-03-01 00:00:00+00', frequency: 'Recurring', type: 'Reserved Instance' }])
  })

  it('tax, credits, refunds, discounts and late use are what they are, and negations that do not fit leave a rest', async () => {
    const savings = { savings_plan_savings_plan_arn: plan }
    await world.fill('aws_cost_cur', [
      line('Tax', '1.9'),
      line('Credit', '-5'),
      line('Refund', '-0.5', { line_item_usage_start_date: '2026-01-20T00:00:00Z' }),
      line('EdpDiscount', '-1'),
      line('Usage', '2', { line_item_usage_start_date: '2026-01-31T23:00:00Z', pricing_public_on_demand_cost: '3' }),
      line('SavingsPlanCoveredUsage', '10', { ...savings, savings_plan_savings_plan_effective_cost: '7' }),
      line('SavingsPlanNegation', '-9.99999999', savings),
      // Lines of a split repeat the cost of the whole.
      line('Usage', '0', { split_line_item_parent_resource_id: 'i-1', split_line_item_split_cost: '2' }),
    ])
    await world.normalise('aws', month)
    expect(
      await world.rows(
        `SELECT ChargeCategory AS category, ChargeClass AS class, CAST(BilledCost AS STRING) AS billed,
           CAST(EffectiveCost AS STRING) AS effective, CAST(ListCost AS STRING) AS list
         FROM focus_cost_and_usage ORDER BY category, BilledCost`,
      ),
    ).to.deep.equal([
      { category: 'Adjustment', class: null, billed: '-1', effective: '-1', list: '0' },
      { category: 'Adjustment', class: 'Correction', billed: '-0.5', effective: '-0.5', list: '-0.5' },
      { category: 'Adjustment', class: null, billed: '0.00000001', effective: '0.00000001', list: '0.00000001' },
      { category: 'Credit', class: null, billed: '-5', effective: '-5', list: '0' },
      { category: 'Tax', class: null, billed: '1.9', effective: '1.9', list: '1.9' },
      { category: 'Usage', class: null, billed: '0', effective: '7', list: '10' },
      { category: 'Usage', class: 'Correction', billed: '2', effective: '2', list: '3' },
    ])
  })

  it("tags are one object: the user's without a prefix, AWS's with theirs, whatever stands in the values", async () => {
    const resource_tags = { 'user:env': 'a,"user:b', user_team: 'core', 'aws:createdBy': 'x', aws_stack: 'y' }
    await world.fill('aws_cost_cur', [line('Usage', '1', { resource_tags })])
    await world.normalise('aws', month)
    expect((await world.rows('SELECT Tags FROM focus_cost_and_usage'))[0]?.['Tags']).to.deep.equal({
      env: 'a,"user:b',
      team: 'core',
      'aws:createdBy': 'x',
      'aws:stack': 'y',
    })
  })
})
