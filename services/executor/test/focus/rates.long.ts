/** Rates between currencies that the exports tell: beside those that were given, never in their place. */
import { expect } from 'chai'
import { hour, openFocus, type FocusWorld, type Row } from './world.ts'

const azure = (month: string, rate: string | null, day: string, more: Row = {}): Row => ({
  ...{ billing_period: `${month}-01`, source_name: 'actual', billing_account_id: '4711', date: `${month}-01` },
  ...{ billing_currency_code: 'EUR', pricing_currency: 'USD', exchange_rate_pricing_to_billing: rate },
  ...{ exchange_rate_date: `${month}-${day}`, charge_type: 'Usage', cost_in_billing_currency: '1', ...more },
})

describe('rates that the exports tell', function () {
  this.timeout(180_000)
  let world: FocusWorld
  before(async () => {
    world = await openFocus()
  })
  after(() => world.end())
  const rates = () =>
    world.rows(
      `SELECT FORMAT_DATE('%Y-%m', period) AS month, CONCAT(from_currency, ' ', to_currency) AS pair,
         CAST(rate AS STRING) AS rate, status, IFNULL(source, 'given') AS source, provider
       FROM focus_currency_rates ORDER BY month, pair, source`,
    )
  const told = (month: string, pair: string, rate: string, status: string, provider: string): Row => ({
    ...{ month, pair, rate, status, source: 'provider', provider },
  })

  it("Azure's: the newest of the month and the way back, once however often, final once the month is closed", async () => {
    const given = { period: '2026-02-01', from_currency: 'USD', to_currency: 'EUR', rate: '0.9', status: 'final' }
    await world.fill('focus_currency_rates', [given])
    await world.fill('azure_cost_exports', [
      azure('2026-02', '0.75', '01'),
      azure('2026-02', '0.8', '03'),
      azure('2026-02', '2', '04', { pricing_currency: 'EUR' }),
      azure('2026-02', null, '05'),
      azure('2099-01', '0.5', '01'),
    ])
    for (const month of ['2026-02', '2026-02', '2099-01']) await world.normalise('azure', month, { only: 'rates' })
    const both = [
      told('2026-02', 'EUR USD', '1.25', 'final', 'azure'),
      { month: '2026-02', pair: 'USD EUR', rate: '0.9', status: 'final', source: 'given', provider: null },
      told('2026-02', 'USD EUR', '0.8', 'final', 'azure'),
      told('2099-01', 'EUR USD', '2', 'provisional', 'azure'),
      told('2099-01', 'USD EUR', '0.5', 'provisional', 'azure'),
    ]
    expect(await rates()).to.deep.equal(both)
    await world.fill('azure_cost_exports', [])
    for (const month of ['2026-02', '2099-01']) await world.normalise('azure', month, { only: 'rates' })
    expect(await rates()).to.deep.equal([both[1]])
  })

  it("Google's: what a dollar is on the bill; none where the bill is in dollars", async () => {
    const google = (currency: string, rate: string): Row => ({
      ...{ usage_date: '2026-02-01', usage_start_time: hour(0), usage_end_time: hour(1), invoice_month: '202602' },
      ...{ source_name: 'google', billing_account_id: '012345-6789AB-CDEF01', cost_type: 'regular', currency },
      ...{ cost: '3', net_cost: '3', credits: [], currency_conversion_rate: rate },
    })
    await world.fill('focus_currency_rates', [])
    await world.fill('gcp_cost_billing', [google('USD', '1'), google('JPY', '150')])
    await world.normalise('gcp', '2026-02', { only: 'rates' })
    expect(await rates()).to.deep.equal([
      told('2026-02', 'JPY USD', '0.00666666666666666667', 'final', 'gcp'),
      told('2026-02', 'USD JPY', '150', 'final', 'gcp'),
    ])
  })
})
