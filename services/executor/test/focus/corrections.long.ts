/** A change of a month that was closed is seen: told, and kept with what was and what is. */
import { expect } from 'chai'
import { openFocus, type FocusWorld, type Row } from './world.ts'

const line = (month: string, invoice: string | null, cost: string): Row => ({
  ...{ billing_period: `${month}-01`, source_name: 'payer', bill_payer_account_id: '123456789012' },
  ...{ bill_invoice_id: invoice, line_item_usage_account_id: '1', line_item_line_item_type: 'Usage' },
  ...{ line_item_currency_code: 'USD', product_product_name: 'Compute', line_item_unblended_cost: cost },
  ...{ line_item_usage_start_date: `${month}-03T00:00:00Z`, line_item_usage_end_date: `${month}-03T01:00:00Z` },
})

describe('corrections of closed months', function () {
  this.timeout(180_000)
  let world: FocusWorld
  before(async () => {
    world = await openFocus()
  })
  after(() => world.end())
  const kept = (provider: string) =>
    world.rows(
      `SELECT invoice_id AS invoice, sources, CAST(amount_before AS STRING) AS before,
         CAST(amount_after AS STRING) AS after, CAST(difference AS STRING) AS difference
       FROM focus_corrections WHERE provider = '${provider}' ORDER BY seen_at, invoice_id`,
    )

  it('each changed invoice once, also where the run ends before the new lines are made', async () => {
    const month = '2026-02'
    const second = line(month, 'INV-2', '5')
    await world.fill('aws_cost_cur', [line(month, 'INV-1', '1.5'), second])
    expect(await world.normalise('aws', month, { corrections: true })).to.deep.equal([])
    expect(await world.normalise('aws', month, { corrections: true })).to.deep.equal([])
    await world.fill('aws_cost_cur', [line(month, 'INV-1', '1.25'), second, line(month, 'INV-3', '2')])
    await world.normalise('aws', month, { only: 'native' })
    const [warning = ''] = await world.normalise('aws', month, { only: 'corrections' })
    expect(warning).to.contain('came 2: ')
    expect(warning).to.match(
      /account 123456789012, 2026-02, invoice INV-1: the month was closed, and 1\.5 USD of [0-9-]{10} became 1\.25, a correction of -0\.25, by source payer/,
    )
    const first = [
      { invoice: 'INV-1', sources: 'payer', before: '1.5', after: '1.25', difference: '-0.25' },
      { invoice: 'INV-3', sources: 'payer', before: '0', after: '2', difference: '2' },
    ]
    expect(await kept('aws')).to.deep.equal(first)
    expect(await world.normalise('aws', month, { corrections: true })).to.deep.equal([])
    expect(await kept('aws')).to.deep.equal(first)
    // Back again is another one, and what is gone whole is one too.
    await world.fill('aws_cost_cur', [line(month, 'INV-1', '1.5'), second])
    expect((await world.normalise('aws', month, { corrections: true }))[0]).to.contain('came 2: ')
    expect((await kept('aws')).slice(2)).to.deep.equal([
      { invoice: 'INV-1', sources: 'payer', before: '1.25', after: '1.5', difference: '0.25' },
      { invoice: 'INV-3', sources: 'payer', before: '2', after: '0', difference: '-2' },
    ])
    await world.fill('aws_cost_cur', [])
  })

  it('none of a month that goes on', async () => {
    const month = '2099-02'
    for (const cost of ['1', '2']) {
      await world.fill('aws_cost_cur', [line(month, 'INV-9', cost)])
      expect(await world.normalise('aws', month, { corrections: true })).to.deep.equal([])
    }
  })

  it("of anybody's files, which name invoices from the first day, only ten days after the end", async () => {
    const day = 86_400_000
    const file = (cost: string, ended: number): Row => ({
      ...{ billing_period: '2026-02-01', source_name: 'files', InvoiceId: 'INV-1', BillingAccountId: 'x' },
      ...{ BillingPeriodStart: '2026-02-01T00:00:00Z', BillingPeriodEnd: new Date(Date.now() - ended).toISOString() },
      ...{ ChargePeriodStart: '2026-02-03T00:00:00Z', ChargePeriodEnd: '2026-02-04T00:00:00Z' },
      ...{ ProviderName: 'X', ChargeCategory: 'Usage', BillingCurrency: 'USD', BilledCost: cost, EffectiveCost: cost },
    })
    const told = async (cost: string, ended: number) => {
      await world.fill('any_cost_focus', [file(cost, ended)])
      return (await world.normalise('any', '2026-02', { corrections: true })).join()
    }
    for (const cost of ['1', '2']) expect(await told(cost, day)).to.equal('')
    const statuses = () =>
      world.rows(`SELECT BillingPeriodStatus AS status FROM focus_billing_period WHERE InvoiceIssuerName = 'X'`)
    expect(await statuses()).to.deep.equal([{ status: 'Open' }])
    expect(await told('2', 11 * day)).to.equal('')
    expect(await statuses()).to.deep.equal([{ status: 'Closed' }])
    expect(await told('3', 11 * day)).to.contain('2 USD of')
    const open = file('2', 11 * day)
    const laid = async (...rows: Row[]) => {
      await world.fill('any_cost_focus', rows)
      return (await world.normalise('any', '2026-02', { corrections: true })).join()
    }
    await laid({ ...open, InvoiceId: null }, file('3', 11 * day))
    // Neither another way to write the account nor an invoice that is named later is one.
    expect(await laid({ ...open, InvoiceId: null, BillingAccountId: '/A/X' }, file('3', 11 * day))).to.equal('')
    expect(await laid(file('5', 11 * day))).to.equal('')
    await laid({ ...open, InvoiceId: null }, { ...open, InvoiceId: 'INV-2' }, file('3', 11 * day))
    expect(await laid({ ...open, InvoiceId: 'INV-2' }, file('5', 11 * day))).to.equal('')
    expect(await laid({ ...open, InvoiceId: 'INV-2', BilledCost: '3' }, file('4', 11 * day))).to.contain('came 2: ')
  })

  it("of Google's a day that is loaded for the first time is none, and one that changes is", async () => {
    const google = (day: number, cost: string): Row => ({
      ...{ usage_date: `2026-03-0${day}`, usage_start_time: `2026-03-0${day}T00:00:00Z`, source_name: 'google' },
      ...{ usage_end_time: `2026-03-0${day}T01:00:00Z`, invoice_month: '202603', currency: 'USD', credits: [] },
      ...{ billing_account_id: '012345-6789AB-CDEF01', cost_type: 'regular', cost, net_cost: cost },
    })
    for (const rows of [[google(1, '1')], [google(1, '1'), google(2, '2')]]) {
      await world.fill('gcp_cost_billing', rows)
      expect(await world.normalise('gcp', '2026-03', { corrections: true })).to.deep.equal([])
    }
    await world.fill('gcp_cost_billing', [google(1, '1'), google(2, '2'), google(2, '0.5'), google(3, '9')])
    expect((await world.normalise('gcp', '2026-03', { corrections: true })).join()).to.contain(
      'a correction of 0.5, by',
    )
    expect(await kept('gcp')).to.deep.equal([
      {
        ...{ invoice: '012345-6789AB-CDEF01-202603', sources: 'google' },
        ...{ before: '3', after: '3.5', difference: '0.5' },
      },
    ])
    // Nor is another source, which tells of another project.
    await world.fill('gcp_cost_standard', [{ ...google(1, '7'), source_name: 'standard', project_id: 'other' }])
    expect(await world.normalise('gcp', '2026-03', { corrections: true })).to.deep.equal([])
    // A run that ended behind the lines did not note its days.
    const days = [google(1, '1'), google(2, '2.5'), google(3, '9'), google(4, '4')]
    await world.fill('gcp_cost_billing', days)
    for (const only of ['native', 'invoice_detail']) await world.normalise('gcp', '2026-03', { only })
    expect(await world.normalise('gcp', '2026-03', { only: 'corrections' })).to.deep.equal([])
    await world.fill('gcp_cost_billing', [...days, google(5, '5')])
    await world.normalise('gcp', '2026-03', { only: 'native' })
    expect((await world.normalise('gcp', '2026-03', { only: 'corrections' })).join()).to.match(
      /a correction of 5, by source google, standard; days that are new may be part of it/,
    )
  })
})
