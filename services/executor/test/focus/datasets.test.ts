/** Invoice Detail and Contract Commitment, beside the rows of Cost and Usage that they are of. */
import { expect } from 'chai'
import { hour, openFocus, type FocusWorld, type Row } from './world.ts'

const month = '2026-02'
const plan = 'arn:aws:savingsplans::123456789012:savingsplan/sp-0f1e2d3c'
const line = (kind: string, cost: string, more: Row = {}): Row => ({
  ...{ billing_period: `${month}-01`, source_name: 'payer', bill_payer_account_id: '123456789012' },
  ...{ bill_invoice_id: 'INV-1', line_item_usage_account_id: '987654321098', line_item_line_item_type: kind },
  ...{ line_item_currency_code: 'USD', line_item_product_code: 'AmazonEC2', line_item_unblended_cost: cost },
  ...{ line_item_usage_start_date: hour(0), line_item_usage_end_date: hour(1) },
  ...more,
})

describe('datasets of FOCUS beside Cost and Usage', function () {
  this.timeout(60_000)
  let world: FocusWorld
  before(async () => {
    world = await openFocus()
  })
  after(() => world.end())
  const lines = () =>
    world.rows(
      `SELECT InvoiceId AS invoice, ChargeCategory AS category, CAST(BilledCost AS STRING) AS billed,
         InvoiceIssueStatus AS status, x_RowCount AS n
       FROM focus_invoice_detail ORDER BY invoice, category`,
    )
  const ids = async () =>
    (await world.rows('SELECT InvoiceDetailId AS id FROM focus_invoice_detail ORDER BY id')).map(({ id }) => id)

  it('two invoices of a month, one of them a credit, and what is on none yet: lines by category, with the same sums', async () => {
    await world.fill('aws_cost_cur', [
      line('Usage', '1.25'),
      line('Usage', '0.00000000000000000001'),
      line('Tax', '0.2'),
      line('Credit', '-7', { bill_invoice_id: 'INV-2' }),
      line('Usage', '3', { bill_invoice_id: '' }),
    ])
    await world.normalise('aws', month, { views: true })
    expect(await lines()).to.deep.equal([
      { invoice: '123456789012-202602', category: 'Usage', billed: '3', status: 'Open', n: 1 },
      { invoice: 'INV-1', category: 'Tax', billed: '0.2', status: 'Issued', n: 1 },
      { invoice: 'INV-1', category: 'Usage', billed: '1.25000000000000000001', status: 'Issued', n: 2 },
      { invoice: 'INV-2', category: 'Credit', billed: '-7', status: 'Issued', n: 1 },
    ])
    const first = await ids()
    expect(new Set(first).size).to.equal(4)
    await world.normalise('aws', month, { views: true })
    expect(await ids()).to.deep.equal(first)
  })

  it('each row that is on an invoice names its line', async () => {
    expect(
      await world.rows(
        `SELECT c.InvoiceId AS invoice, COUNT(*) AS n, COUNTIF(d.InvoiceId = c.InvoiceId) AS found
         FROM focus_cost_and_usage AS c LEFT JOIN focus_invoice_detail AS d ON c.InvoiceDetailId = d.InvoiceDetailId
         GROUP BY 1 ORDER BY 1`,
      ),
    ).to.deep.equal([
      { invoice: null, n: 1, found: 0 },
      { invoice: 'INV-1', n: 3, found: 3 },
      { invoice: 'INV-2', n: 1, found: 1 },
    ])
  })

  it('use that a savings plan pays names the commitment, with the money that it takes of it', async () => {
    await world.fill('aws_cost_cur', [
      line('SavingsPlanCoveredUsage', '78.60', {
        ...{ savings_plan_savings_plan_arn: plan, savings_plan_savings_plan_effective_cost: '52.40' },
        pricing_public_on_demand_cost: '78.60',
      }),
      line('SavingsPlanNegation', '-78.60', { savings_plan_savings_plan_arn: plan }),
    ])
    await world.normalise('aws', month, { views: true })
    expect(
      (await world.rows('SELECT ContractApplied FROM focus_cost_and_usage'))[0]?.['ContractApplied'],
    ).to.deep.equal({
      Elements: [{ ContractId: plan, ContractCommitmentId: plan, ContractCommitmentAppliedCost: 52.4 }],
    })
    expect(
      await world.rows(
        `SELECT ContractCommitmentId AS id, ContractCommitmentCategory AS category FROM focus_contract_commitment`,
      ),
    ).to.deep.equal([{ id: plan, category: 'Spend' }])
  })

  it('a month without rows has no lines and no commitments', async () => {
    await world.fill('aws_cost_cur', [])
    await world.normalise('aws', month, { views: true })
    expect(await lines()).to.deep.equal([])
    expect(await world.rows('SELECT ContractId FROM focus_contract_commitment')).to.deep.equal([])
  })
})
