/** `primary`: of an account that several sources tell of, those that say so feed FOCUS; the others are only compared. */
import { expect } from 'chai'
import { hour, openFocus, type FocusWorld, type Row } from './world.ts'

const month = '2026-02'
const payer = '123456789012'
const line = (source_name: string, account: string, cost: string): Row => ({
  ...{ billing_period: `${month}-01`, source_name, bill_payer_account_id: payer, bill_invoice_id: 'INV-1' },
  ...{ line_item_usage_account_id: account, line_item_line_item_type: 'Usage', line_item_currency_code: 'USD' },
  ...{ product_product_name: 'Compute', line_item_unblended_cost: cost },
  ...{ line_item_usage_start_date: hour(0), line_item_usage_end_date: hour(1) },
})
const focusRow = (source_name: string, BillingAccountId: string, BilledCost: string, more: Row = {}): Row => ({
  ...{ billing_period: `${month}-01`, source_name, BillingAccountId, BilledCost, EffectiveCost: BilledCost },
  ...{ BillingCurrency: 'USD', InvoiceId: 'INV-1', ChargeCategory: 'Usage', BillingPeriodStart: hour(0) },
  ...{ ChargePeriodStart: hour(0), ChargePeriodEnd: hour(1), SubAccountId: '1', ...more },
})

describe('a source that says primary', function () {
  this.timeout(180_000)
  let world: FocusWorld
  before(async () => {
    world = await openFocus()
  })
  after(() => world.end())
  const fed = (provider = 'aws') =>
    world.rows(
      `SELECT x_SourceName AS source, CAST(SUM(BilledCost) AS STRING) AS billed
       FROM focus_cost_and_usage WHERE x_SourceProvider = '${provider}' AND BilledCost <> 0 GROUP BY 1 ORDER BY 1`,
    )
  const told = async (provider: string, primary: readonly string[]): Promise<string> =>
    (await world.normalise(provider, month, { views: true, primary })).join('\n')

  it('a FOCUS export before the native one, by account, and back again with the next normalisation', async () => {
    await world.fill('aws_cost_cur', [
      line('report', '1', '10'),
      { ...line('other', '9', '5'), bill_payer_account_id: '9' },
    ])
    await world.fill('aws_cost_focus', [focusRow('standard', payer, '10')])
    expect(await told('aws', [])).to.equal('')
    const native = [
      { source: 'other', billed: '5' },
      { source: 'report', billed: '10' },
    ]
    expect(await fed()).to.deep.equal(native)
    expect(await told('aws', ['standard'])).to.equal('')
    expect(await fed()).to.deep.equal([
      { source: 'other', billed: '5' },
      { source: 'standard', billed: '10' },
    ])
    expect(
      await world.rows(`SELECT source, feeds, CAST(difference AS STRING) AS difference FROM focus_reconciliation
                        WHERE billing_account_id = '${payer}' ORDER BY source`),
    ).to.deep.equal([
      { source: 'report', feeds: false, difference: '0' },
      { source: 'standard', feeds: true, difference: '0' },
    ])
    // The native one where both say it; a name that tells of nothing changes nothing.
    for (const primary of [['report', 'standard'], ['nobody']]) {
      await told('aws', primary)
      expect(await fed()).to.deep.equal(native)
    }
    await world.fill('aws_cost_focus', [])
  })

  it('two reports that overlap warn at each run until one says it, and what then does not count is told', async () => {
    const a = [line('a', '1', '1'), line('a', '2', '2')]
    await world.fill('aws_cost_cur', [...a, line('b', '2', '2'), line('b', '3', '4')])
    const both = [
      { source: 'a', billed: '3' },
      { source: 'b', billed: '4' },
    ]
    expect(await told('aws', [])).to.contain('of this account tell the sources a, b: primary of one of them says which')
    expect(await fed()).to.deep.equal(both)
    expect(await told('aws', ['a'])).to.contain(
      `source b, ${month}, account ${payer}: 4 USD of 1 accounts below it does not count`,
    )
    expect(await fed()).to.deep.equal([{ source: 'a', billed: '3' }])
    expect(await told('aws', ['a', 'b'])).to.contain(
      `sources a, b, ${month}: expected primary of one source for an account, got it of several for account ${payer}`,
    )
    expect(await fed()).to.deep.equal(both)
    await world.fill('aws_cost_cur', [...a, line('a', '3', '4'), line('b', '2', '2'), line('b', '3', '4')])
    expect(await told('aws', ['b', 'x'])).to.contain('source a, ')
    expect(await told('aws', ['a'])).to.equal('')
    expect(await fed()).to.deep.equal([{ source: 'a', billed: '7' }])
  })

  it("Azure's: its FOCUS export before both native ones, and one actual export before another", async () => {
    const azure = (source_name: string, cost: string): Row => ({
      ...{ billing_period: `${month}-01`, source_name, billing_account_id: '4711', date: `${month}-01` },
      ...{ billing_currency_code: 'USD', charge_type: 'Usage', cost_in_billing_currency: cost, subscription_id: 's' },
    })
    await world.fill('azure_cost_exports', [azure('a', '7'), azure('b', '7')])
    await world.fill('azure_cost_amortized', [azure('amortized', '7')])
    const account = '/providers/Microsoft.Billing/billingAccounts/4711'
    await world.fill('azure_cost_focus', [focusRow('focus', account, '7', { SubAccountId: '/subscriptions/s' })])
    await told('azure', ['focus'])
    expect(await fed('azure')).to.deep.equal([{ source: 'focus', billed: '7' }])
    await told('azure', ['b'])
    expect(await fed('azure')).to.deep.equal([{ source: 'amortized', billed: '7' }])
    await world.fill('azure_cost_amortized', [])
    expect(await told('azure', ['b'])).not.to.contain('does not count')
    expect(await fed('azure')).to.deep.equal([{ source: 'b', billed: '7' }])
    const second = { ...azure('a', '4'), subscription_id: 's2' }
    await world.fill('azure_cost_exports', [azure('a', '7'), second])
    expect(await told('azure', ['focus'])).to.contain('source a, 2026-02, account 4711: 4 USD of 1 accounts below it')
    // Nor where both say it and tell of different subscriptions.
    await world.fill('azure_cost_exports', [second])
    expect(await told('azure', ['focus', 'a'])).to.contain('7 USD of 1 accounts below it does not count, for a native')
    await world.fill('azure_cost_exports', [])
    await world.fill('azure_cost_focus', [])
    await told('azure', [])
  })

  it("anybody's: an account of the same name at another biller has nothing to do with it", async () => {
    const at = (source: string, InvoiceIssuerName: string, SubAccountId: string): Row =>
      focusRow(source, 'main', '2', { InvoiceIssuerName, SubAccountId })
    await world.fill('any_cost_focus', [at('a', 'A', '1'), at('b', 'B', '2')])
    expect(await told('any', ['a'])).to.equal('')
    expect(await fed('any')).to.deep.equal([
      { source: 'a', billed: '2' },
      { source: 'b', billed: '2' },
    ])
  })

  it("Google's: the standard export before the detailed one, and the FOCUS export before both", async () => {
    const google = (source_name: string): Row => ({
      ...{ usage_date: `${month}-01`, usage_start_time: hour(0), usage_end_time: hour(1), invoice_month: '202602' },
      ...{ source_name, billing_account_id: '012345-6789AB-CDEF01', cost_type: 'regular', currency: 'USD' },
      ...{ project_id: 'p', cost: '3', net_cost: '3', credits: [] },
    })
    await world.fill('gcp_cost_billing', [google('detailed')])
    await world.fill('gcp_cost_standard', [google('standard')])
    await world.fill('gcp_cost_focus', [
      {
        ...focusRow('focus', '012345-6789AB-CDEF01', '3', { SubAccountId: 'p' }),
        ...{ billing_period: undefined, usage_date: `${month}-01` },
      },
    ])
    for (const [primary, source] of [
      [[], 'detailed'],
      [['standard'], 'standard'],
      [['focus'], 'focus'],
    ] as const) {
      expect(await told('gcp', primary)).to.satisfy((text: string) => !text.includes('difference of'))
      expect(await fed('gcp')).to.deep.equal([{ source, billed: '3' }])
    }
    // What only a source of another kind tells of is told, not lost without a word.
    await world.fill('gcp_cost_standard', [
      google('standard'),
      { ...google('standard'), project_id: 'q', cost: '5', net_cost: '5' },
    ])
    const missing = 'source standard, 2026-02, account 012345-6789ab-cdef01: 5 USD of 1 accounts below it does not'
    expect(await told('gcp', [])).not.to.contain('does not count')
    for (const primary of ['detailed', 'focus']) expect(await told('gcp', [primary])).to.contain(missing)
    expect(await told('gcp', ['detailed', 'standard'])).not.to.contain('does not count')
  })
})
