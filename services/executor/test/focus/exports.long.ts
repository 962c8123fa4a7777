/** FOCUS exports of the providers and of others: one bill once, and what providers are known to get wrong. */
import { expect } from 'chai'
import { errorOf } from '../fakes.ts'
import { openFocus, type FocusWorld, type Row } from './world.ts'

const month = '2026-02'
const row = (more: Row = {}): Row => ({
  billing_period: `${month}-01`,
  source_name: 'focus',
  focus_version: '1.0',
  BillingPeriodStart: '2026-02-01T00:00:00Z',
  BillingPeriodEnd: '2026-03-01T00:00:00Z',
  ChargePeriodStart: '2026-02-03T00:00:00Z',
  ChargePeriodEnd: '2026-02-04T00:00:00Z',
  BillingAccountId: '/providers/Microsoft.Billing/billingAccounts/12345678',
  BillingCurrency: 'USD',
  SubAccountId: '/subscriptions/4711',
  ChargeCategory: 'Usage',
  ProviderName: 'Microsoft',
  PublisherName: 'Microsoft',
  InvoiceIssuerName: 'Microsoft',
  ServiceName: 'Virtual Machines',
  ServiceCategory: 'Compute',
  BilledCost: '1',
  EffectiveCost: '1',
  ListCost: '1',
  ContractedCost: '1',
  ...more,
})
const reserved = {
  CommitmentDiscountId: '/providers/Microsoft.Capacity/reservationOrders/1',
  CommitmentDiscountCategory: 'Usage',
  CommitmentDiscountType: 'Reservation',
}

describe('FOCUS from FOCUS exports', function () {
  this.timeout(60_000)
  let world: FocusWorld
  before(async () => {
    world = await openFocus()
  })
  after(() => world.end())
  const shown = async (columns: string, where = 'TRUE') =>
    world.rows(`SELECT ${columns} FROM focus_cost_and_usage WHERE ${where} ORDER BY 1`)

  it("puts right by named rules what Azure's has wrong", async () => {
    await world.fill('azure_cost_focus', [
      row({ ...reserved, ChargeCategory: 'Purchase', BilledCost: '100', EffectiveCost: '100', ChargeDescription: 'a' }),
      row({
        ...{ ...reserved, CommitmentDiscountStatus: 'Used', PricingCategory: 'Standard', ChargeDescription: 'b' },
        ...{ BilledCost: '0', EffectiveCost: '80', ContractedCost: '0', ContractedUnitPrice: '0', ListCost: '0' },
        ...{ PublisherName: null, SkuPriceId: '-2', SubAccountName: 'Unassigned' },
      }),
      row({
        ...{ ...reserved, CommitmentDiscountStatus: 'Unused', ConsumedQuantity: '0', ConsumedUnit: 'Units' },
        ...{ BilledCost: '0', EffectiveCost: '20', ListCost: '0', ContractedCost: '0', ChargeDescription: 'c' },
      }),
      row({ ServiceName: null, other_columns: { x_SkuMeterSubcategory: 'Rounding' }, ChargeDescription: 'd' }),
    ])
    await world.normalise('azure', month)
    const columns = `ChargeDescription AS place, CAST(EffectiveCost AS STRING) AS effective,
      CAST(x_SourceEffectiveCost AS STRING) AS told, CAST(ContractedCost AS STRING) AS contracted, PricingCategory AS pricing,
      x_PublisherName AS publisher, SkuPriceId AS sku, SubAccountName AS name, ConsumedUnit AS unit, ServiceName AS service,
      REGEXP_EXTRACT_ALL(x_Assumptions, r'\\((A[0-9]+)\\)') AS rules`
    const plain = { told: null, pricing: null, publisher: 'Microsoft', sku: null, name: null, unit: null }
    const machines = { service: 'Virtual Machines' }
    expect(await shown(columns)).to.deep.equal([
      { place: 'a', ...plain, ...machines, effective: '0', told: '100', contracted: '1', rules: ['A1'] },
      {
        ...{ place: 'b', ...plain, ...machines, effective: '80', contracted: null, pricing: 'Committed' },
        rules: ['A3', 'A3', 'A4'],
      },
      { place: 'c', ...plain, ...machines, effective: '20', contracted: null, rules: ['A2', 'A3', 'A3'] },
      { place: 'd', ...plain, effective: '1', contracted: '1', service: 'Rounding', rules: ['A5'] },
    ])
  })

  it('tells rows whose list cost is not the list price times the quantity, and how many', async () => {
    const block = { ListUnitPrice: '0.2', PricingQuantity: '10000', ListCost: '0.2' }
    for (const provider of ['azure', 'any'] as const) {
      await world.fill(`${provider}_cost_focus`, [row(block), row({ ...block, PricingQuantity: '1' }), row()])
      const warnings = await world.normalise(provider, month)
      expect(warnings).to.have.length(1)
      expect(warnings[0]).to.match(/list_cost_is_price_times_quantity.* came 1\b/)
      await world.fill(`${provider}_cost_focus`, [row({ ...block, PricingQuantity: '1.004' }), row()])
      expect(await world.normalise(provider, month)).to.deep.equal([])
    }
    await world.fill('any_cost_focus', [])
    expect(await world.normalise('any', month)).to.deep.equal([
      'no rows for x_BillingPeriod = 2026-02-01, x_SourceProvider = any, x_SourceType = focus; the 2 rows that were there are gone',
    ])
    expect(await world.normalise('any', month)).to.deep.equal([])
  })

  it('a bill that the cost export tells of is not told again, whichever came first', async () => {
    const account = '/providers/Microsoft.Billing/billingAccounts/87654321'
    await world.fill('azure_cost_focus', [row(), row({ BillingAccountId: account, BilledCost: '7' })])
    await world.normalise('azure', month)
    expect(await shown('CAST(BilledCost AS STRING) AS billed, x_SourceType AS type')).to.deep.equal([
      { billed: '1', type: 'focus' },
      { billed: '7', type: 'focus' },
    ])
    await world.fill('azure_cost_exports', [
      {
        ...{
          billing_period: `${month}-01`,
          source_name: 'actual',
          billing_account_id: '12345678',
          date: `${month}-03`,
        },
        ...{ cost_in_billing_currency: '1.5', billing_currency_code: 'USD', charge_type: 'Usage' },
      },
    ])
    await world.normalise('azure', month)
    expect(await shown('CAST(BilledCost AS STRING) AS billed, x_SourceType AS type')).to.deep.equal([
      { billed: '1.5', type: 'native' },
      { billed: '7', type: 'focus' },
    ])
  })

  it('of two reports of one account the first by name counts, and the other takes over when it is gone', async () => {
    const line = (source_name: string, account: string, cost: string): Row => ({
      ...{ billing_period: `${month}-01`, source_name, bill_payer_account_id: '123456789012' },
      ...{ line_item_usage_account_id: account, line_item_line_item_type: 'Usage', line_item_currency_code: 'USD' },
      ...{ line_item_usage_start_date: '2026-02-03T00:00:00Z', line_item_usage_end_date: '2026-02-03T01:00:00Z' },
      line_item_unblended_cost: cost,
    })
    const second = [line('second', '1', '1'), line('second', '2', '3')]
    await world.fill('aws_cost_cur', [line('first', '1', '1'), ...second])
    await world.normalise('aws', month)
    const ofAws = () =>
      shown('CAST(BilledCost AS STRING) AS billed, x_SourceName AS source', `x_SourceProvider = 'aws'`)
    expect(await ofAws()).to.deep.equal([
      { billed: '1', source: 'first' },
      { billed: '3', source: 'second' },
    ])
    await world.fill('aws_cost_cur', second)
    await world.normalise('aws', month)
    expect(await ofAws()).to.deep.equal([
      { billed: '1', source: 'second' },
      { billed: '3', source: 'second' },
    ])
  })

  it("names the issuer that a row of AWS's leaves out by its invoice, and only where there is one", async () => {
    await world.fill('aws_cost_cur', [])
    const aws = { BillingAccountId: '123456789012', SubAccountId: '1', ProviderName: 'AWS', PublisherName: 'AWS' }
    await world.fill('aws_cost_focus', [
      row({ ...aws, InvoiceId: 'A', InvoiceIssuerName: 'AWS EMEA SARL', BilledCost: '1' }),
      row({ ...aws, InvoiceId: 'A', InvoiceIssuerName: null, BilledCost: '2' }),
      row({ ...aws, InvoiceId: 'B', InvoiceIssuerName: null, BilledCost: '3' }),
    ])
    await world.normalise('aws', month)
    expect(
      await shown('CAST(BilledCost AS STRING) AS billed, InvoiceIssuerName AS issuer', `x_SourceProvider = 'aws'`),
    ).to.deep.equal([
      { billed: '1', issuer: 'AWS EMEA SARL' },
      { billed: '2', issuer: 'AWS EMEA SARL' },
      { billed: '3', issuer: 'AWS' },
    ])
  })

  it("Google's: periods in UTC with an exclusive end, labels as one object, categories as they are spelled", async () => {
    await world.fill('gcp_cost_focus', [
      {
        ...{ usage_date: '2026-02-03', source_name: 'google', BillingAccountId: '012345-6789AB-CDEF01' },
        ...{ BillingPeriodStart: '2026-02-01T08:00:00Z', BillingPeriodEnd: '2026-02-28T08:00:00Z' },
        ...{ ChargePeriodStart: '2026-02-03T01:00:00Z', ChargePeriodEnd: '2026-02-03T02:00:00Z' },
        ...{
          BillingCurrency: 'EUR',
          ChargeCategory: 'usage',
          BilledCost: '3',
          EffectiveCost: '3',
          SubAccountId: 'acme-1',
        },
        ...{ ServiceName: 'Cloud Run', x_Labels: [{ Key: 'env', Value: 'prod' }], PricingCategory: 'standard' },
      },
    ])
    await world.normalise('gcp', month)
    expect(
      await shown(
        `CAST(BillingPeriodStart AS STRING) AS start, CAST(BillingPeriodEnd AS STRING) AS end_, ChargeCategory AS category,
         Tags AS tags, CAST(ListCost AS STRING) AS list, InvoiceId AS invoice, SubAccountType AS type`,
        `x_SourceProvider = 'gcp'`,
      ),
    ).to.deep.equal([
      {
        ...{
          start: '2026-02-01 00:00:00+00',
          end_: '2026-03-01 00:00:00+00',
          category: 'Usage',
          tags: { env: 'prod' },
        },
        ...{ list: '3', invoice: '012345-6789AB-CDEF01-202602', type: 'Project' },
      },
    ])
  })

  it("anybody's rows come as they are: prices in tokens stay what they are, and are never added to money", async () => {
    await world.fill('any_cost_focus', [
      row({
        ...{ BillingAccountId: 'gateway', ProviderName: 'LLM', PricingCurrency: 'Token', focus_version: '1.2' },
        ...{ PricingCurrencyEffectiveCost: '1200', BilledCost: '0', EffectiveCost: '0.36', SubAccountId: null },
      }),
    ])
    await world.normalise('any', month)
    expect(
      await shown(
        `CAST(EffectiveCost AS STRING) AS effective, CAST(PricingCurrencyEffectiveCost AS STRING) AS tokens, PricingCurrency AS unit,
         BillingCurrency AS currency, ServiceProviderName AS provider, x_FocusSourceVersion AS version`,
        `x_SourceProvider = 'any'`,
      ),
    ).to.deep.equal([
      {
        ...{ effective: '0.36', tokens: '1200', unit: 'Token', currency: 'USD' },
        ...{ provider: 'LLM', version: '1.2' },
      },
    ])
  })

  it('files in a currency of no country are taken, and without one they are refused', async () => {
    for (const provider of ['aws', 'azure', 'any'] as const) {
      await world.fill('aws_cost_cur', [])
      await world.fill('azure_cost_exports', [])
      const table = `${provider}_cost_focus`
      const credits = { BillingAccountId: 'gateway', BillingCurrency: 'Credits', InvoiceId: 'INV-1' }
      await world.fill(table, [row({ ...credits, ServiceProviderName: 'LLM', HostProviderName: 'LLM' })])
      await world.normalise(provider, month, { datasets: true })
      const there = () =>
        shown('BillingCurrency AS currency', `x_SourceProvider = '${provider}' AND BillingAccountId = 'gateway'`)
      expect(await there()).to.deep.equal([{ currency: 'Credits' }])
      await world.fill(table, [row({ ...credits, BillingCurrency: null })])
      expect((await errorOf(world.normalise(provider, month))).faults?.join()).to.contain('BillingCurrency')
      expect(await there()).to.deep.equal([{ currency: 'Credits' }])
    }
  })
})
