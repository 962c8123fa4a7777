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
})
