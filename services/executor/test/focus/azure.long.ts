import { expect } from 'chai'
import { group, hours, openFocus, type FocusWorld, type Row } from './world.ts'

const month = '2026-02'
const reservation = '/providers/Microsoft.Capacity/reservationOrders/0f1e2d3c'
const row = (charge_type: string, pricing_model: string, cost: string, more: Row = {}): Row => ({
  billing_period: `${month}-01`,
  source_name: 'ea',
  billing_account_id: '12345678',
  billing_profile_id: '12345678',
  subscription_id: '00000000-0000-0000-0000-000000004711',
  date: `${month}-01`,
  charge_type,
  pricing_model,
  frequency: charge_type === 'Purchase' ? 'Recurring' : 'UsageBased',
  meter_category: 'Virtual Machines',
  billing_currency_code: 'USD',
  cost_in_billing_currency: cost,
  ...more,
})
const virtualMachine = { unit_of_measure: '1 Hour', quantity: '1', pay_g_price: '113.70', unit_price: '113.70' }
const benefit = { benefit_id: reservation, benefit_name: 'Virtual Machine Reserved Instance' }

describe('FOCUS from exports of actual and amortized cost', function () {
  this.timeout(60_000)
  let world: FocusWorld
  before(async () => {
    world = await openFocus()
  })
  after(() => world.end())

  const standard = [...Array.from({ length: 11 }, () => '3.27'), '3.38'].map((cost) =>
    row('Usage', 'OnDemand', cost, { ...virtualMachine, pay_g_price: cost, unit_price: cost }),
  )
  const purchase = row('Purchase', 'Reservation', '55333.33', { ...benefit, quantity: '1', unit_of_measure: '1' })
  const used = hours(0, 24).map((k) =>
    row('Usage', 'Reservation', '75.80', {
      ...virtualMachine,
      ...benefit,
      effective_price: '75.80',
      resource_id: `/subscriptions/0/resourceGroups/prod/providers/Microsoft.Compute/virtualMachines/vm-${k}`,
    }),
  )

  it('a reservation paid by the month and used wholly: purchase, used and standard rows', async () => {
    // The actual cost has the covered use at nothing; the amortized one does not have the purchase.
    await world.fill('azure_cost_exports', [
      purchase,
      ...used.map((each) => ({ ...each, cost_in_billing_currency: '0' })),
      ...standard,
    ])
    await world.fill('azure_cost_amortized', [...used, ...standard])
    await world.normalise('azure', month)
    expect(await world.groups()).to.deep.equal([
      group('Purchase', null, 1, '55333.33', '0', '55333.33'),
      group('Usage', null, 12, '39.35', '39.35', '39.35'),
      group('Usage', 'Used', 24, '0', '1819.2', '2728.8'),
    ])
    const [shown] = await world.rows(
      `SELECT DISTINCT CAST(EffectiveCost AS STRING) AS effective, PricingCategory AS pricing, ChargeFrequency AS frequency,
         CommitmentDiscountCategory AS category, CommitmentDiscountUnit AS unit, ResourceType AS resource, x_SourceTable AS source
       FROM focus_cost_and_usage WHERE CommitmentDiscountStatus = 'Used'`,
    )
    expect(shown).to.deep.equal({
      ...{ effective: '75.8', pricing: 'Committed', frequency: 'Usage-Based', category: 'Usage', unit: 'Hours' },
      ...{ resource: 'Microsoft.Compute/virtualMachines', source: 'azure_cost_amortized' },
    })
  })

  it('of the actual cost alone nothing is spread, and each row concerned says so', async () => {
    await world.fill('azure_cost_exports', [
      purchase,
      ...used.map((each) => ({ ...each, cost_in_billing_currency: '0' })),
      ...standard,
    ])
    await world.fill('azure_cost_amortized', [])
    await world.normalise('azure', month)
    expect(await world.groups()).to.deep.equal([
      group('Purchase', null, 1, '55333.33', '55333.33', '55333.33'),
      group('Usage', null, 12, '39.35', '39.35', '39.35'),
      group('Usage', 'Used', 24, '0', '0', '2728.8'),
    ])
    const [told] = await world.rows(
      `SELECT COUNTIF(STRPOS(x_Assumptions, 'no amortized export was loaded') > 0) AS n FROM focus_cost_and_usage`,
    )
    expect(told).to.deep.equal({ n: 25 })
  })

  it('reads blocks of units: quantity and price are of the block, what was consumed is of the unit', async () => {
    await world.fill('azure_cost_exports', [
      row('Usage', 'OnDemand', '0.002', {
        ...{
          unit_of_measure: '10K',
          quantity: '0.5',
          effective_price: '0.004',
          unit_price: '0.004',
          pay_g_price: '0.006',
        },
        ...{ meter_category: 'Storage', subscription_id: 'a' },
      }),
      row('Usage', 'OnDemand', '0.4', {
        ...{
          unit_of_measure: '100 Hours',
          quantity: '100',
          effective_price: '0.4',
          unit_price: '0.4',
          pay_g_price: '0.5',
        },
        ...{ subscription_id: 'b' },
      }),
    ])
    await world.normalise('azure', month)
    expect(
      await world.rows(
        `SELECT CAST(PricingQuantity AS STRING) AS priced, PricingUnit AS pricing_unit, CAST(ConsumedQuantity AS STRING) AS consumed,
           ConsumedUnit AS unit, CAST(ListCost AS STRING) AS list, ListCost = ListUnitPrice * PricingQuantity AS holds,
           ServiceCategory AS service
         FROM focus_cost_and_usage ORDER BY SubAccountId`,
      ),
    ).to.deep.equal([
      {
        ...{ priced: '0.5', pricing_unit: '10000 Units', consumed: '5000', unit: 'Units', list: '0.003', holds: true },
        service: 'Storage',
      },
      {
        ...{ priced: '1', pricing_unit: '100 Hours', consumed: '100', unit: 'Hours', list: '0.5', holds: true },
        service: 'Compute',
      },
    ])
  })
})
