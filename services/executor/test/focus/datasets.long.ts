/** Invoice Detail and Contract Commitment, beside the rows of Cost and Usage that they are of. */
import { expect } from 'chai'
import { hour, hours, openFocus, type FocusWorld, type Row } from './world.ts'

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
  this.timeout(180_000)
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
    await world.normalise('aws', month, { datasets: true })
    expect(await lines()).to.deep.equal([
      { invoice: '123456789012-202602', category: 'Usage', billed: '3', status: 'Open', n: 1 },
      { invoice: 'INV-1', category: 'Tax', billed: '0.2', status: 'Issued', n: 1 },
      { invoice: 'INV-1', category: 'Usage', billed: '1.25000000000000000001', status: 'Issued', n: 2 },
      { invoice: 'INV-2', category: 'Credit', billed: '-7', status: 'Issued', n: 1 },
    ])
    const first = await ids()
    expect(new Set(first).size).to.equal(4)
    await world.normalise('aws', month, { datasets: true })
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
    await world.normalise('aws', month, { datasets: true })
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

  const commitments = () =>
    world.rows(
      `SELECT ContractCommitmentId AS id, ContractCommitmentCategory AS category, ContractCommitmentPaymentModel AS payment,
         CAST(ContractCommitmentCost AS STRING) AS cost, CAST(ContractCommitmentQuantity AS STRING) AS quantity,
         ContractCommitmentUnit AS unit, ContractCommitmentDurationType AS duration,
         CAST(DATE(ContractCommitmentPeriodStart) AS STRING) AS start, CAST(DATE(ContractCommitmentPeriodEnd) AS STRING) AS end_,
         CAST(ROUND(ContractCommitmentDiscountPercentage, 4) AS STRING) AS discount,
         CAST(ContractCommitmentPaymentUpfrontPercentage AS STRING) AS upfront
       FROM focus_contract_commitment ORDER BY x_SourceProvider, id`,
    )
  const usedHours = hours(0, 24)
    .slice(0, 3)
    .map((k) => ({ line_item_usage_start_date: hour(k), line_item_usage_end_date: hour(k + 1) }))

  it('a savings plan paid upfront: what was paid for its year, at a third less than the list', async () => {
    const terms = {
      ...{ savings_plan_savings_plan_arn: plan, savings_plan_payment_option: 'All Upfront' },
      ...{ savings_plan_purchase_term: '1yr', savings_plan_start_time: '2026-02-01T00:00:00.000Z' },
      savings_plan_end_time: '2027-01-31T23:59:59.000Z',
    }
    await world.fill('aws_cost_cur', [
      line('SavingsPlanUpfrontFee', '459000.00', terms),
      ...usedHours.flatMap((at) => [
        line('SavingsPlanCoveredUsage', '78.60', {
          ...{ ...at, ...terms, pricing_public_on_demand_cost: '78.60' },
          savings_plan_savings_plan_effective_cost: '52.40',
        }),
        line('SavingsPlanNegation', '-78.60', { ...at, ...terms }),
      ]),
    ])
    await world.normalise('aws', month, { datasets: true })
    const common = { id: plan, category: 'Spend', quantity: null, unit: null, duration: '1 Year' }
    expect(await commitments()).to.deep.equal([
      {
        ...common,
        ...{ payment: 'All Upfront', cost: '459000', start: '2026-02-01', end_: '2027-02-01' },
        ...{ discount: '0.3333', upfront: '1' },
      },
    ])
  })

  it('a savings plan paid in part by the hour: its hours over the term, and the share that was paid upfront', async () => {
    const terms = {
      ...{ savings_plan_savings_plan_arn: plan, savings_plan_payment_option: 'Partial Upfront' },
      ...{ savings_plan_purchase_term: '3yr', savings_plan_start_time: '2026-02-01T00:00:00.000Z' },
      savings_plan_end_time: '2029-01-31T23:59:59.000Z',
    }
    const fees = usedHours.map((at) =>
      line('SavingsPlanRecurringFee', '3', {
        ...{ ...at, ...terms, savings_plan_total_commitment_to_date: '4', savings_plan_used_commitment: '4' },
        savings_plan_amortized_upfront_commitment_for_billing_period: '1',
        savings_plan_recurring_commitment_for_billing_period: '3',
      }),
    )
    await world.fill('aws_cost_cur', fees)
    await world.normalise('aws', month, { datasets: true })
    // 1096 days of 24 hours at 4.
    expect((await commitments())[0]).to.deep.include({ payment: 'Partial Upfront', cost: '105216', upfront: '0.25' })
  })

  it("reservations of Azure and Google: the months that are told, of the provider's own kind", async () => {
    const reservation = '/providers/Microsoft.Capacity/reservationOrders/o-1/reservations/r-1'
    const azure = (charge_type: string, cost: string, more: Row): Row => ({
      ...{ billing_period: `${month}-01`, source_name: 'ea', billing_account_id: '12345678', invoice_id: 'E1' },
      ...{ date: `${month}-01`, billing_currency_code: 'USD', pricing_model: 'Reservation', benefit_id: reservation },
      ...{ term: '1Year', charge_type, cost_in_billing_currency: cost, ...more },
    })
    const used = { unit_of_measure: '1 Hour', quantity: '1', pay_g_price: '113.70', effective_price: '75.80' }
    // Azure's exports do not agree in which letters an id is written: it is one commitment.
    const bought = { frequency: 'Recurring', benefit_id: reservation.toUpperCase() }
    await world.fill('azure_cost_exports', [azure('Purchase', '55333.33', bought)])
    await world.fill('azure_cost_amortized', [azure('Usage', '75.80', used)])
    await world.normalise('azure', month, { datasets: true })
    const google = {
      ...{ usage_date: `${month}-01`, usage_start_time: hour(0), invoice_month: '202602', source_name: 'google' },
      ...{ billing_account_id: '012345-6789AB-CDEF01', cost_type: 'regular', currency: 'USD', pricing_unit: 'hour' },
      subscription_instance_id: 'cud-resource-1',
    }
    const type = 'COMMITTED_USAGE_DISCOUNT'
    await world.fill('gcp_cost_billing', [
      {
        ...{
          ...google,
          usage_end_time: hour(672),
          cost: '19790.40',
          usage_amount_in_pricing_units: '672',
          credits: [],
        },
        sku_description: 'Commitment v1: N2 Core in Iowa for 1 Year',
      },
      {
        ...{ ...google, usage_end_time: hour(672), cost: '29688.96', cost_at_list: '29688.96' },
        ...{ usage_amount_in_pricing_units: '672', sku_description: 'N2 Instance Core running in Iowa' },
        credits: [{ id: type, full_name: type, name: type, type, amount: -29688.96 }],
      },
    ])
    await world.normalise('gcp', month, { datasets: true })
    const year = { category: 'Usage', payment: 'No Upfront', cost: null, duration: '1 Year', upfront: '0' }
    const common = { ...year, quantity: null, unit: null, start: '2026-02-01' }
    expect((await commitments()).slice(1)).to.deep.equal([
      { ...common, id: reservation, end_: '2026-02-02', discount: '0.3333' },
      { ...common, id: 'cud-resource-1', end_: '2026-03-01', discount: '0.3334' },
    ])
    expect(
      await world.rows(
        `SELECT DISTINCT x_SourceProvider AS provider, JSON_VALUE(e, '$.ContractId') AS contract, d.ContractId AS found,
           CAST(JSON_VALUE(e, '$.ContractCommitmentAppliedQuantity') AS FLOAT64) AS quantity,
           JSON_VALUE(e, '$.ContractCommitmentAppliedUnit') AS unit
         FROM focus_cost_and_usage CROSS JOIN UNNEST(JSON_QUERY_ARRAY(ContractApplied, '$.Elements')) AS e
         LEFT JOIN (SELECT ContractCommitmentId, ContractId FROM focus_contract_commitment) AS d
           ON d.ContractCommitmentId = JSON_VALUE(e, '$.ContractCommitmentId')
         ORDER BY provider`,
      ),
    ).to.deep.equal([
      {
        ...{ provider: 'azure', quantity: 1, unit: 'Hours' },
        ...{
          contract: reservation.replace('/reservations/r-1', ''),
          found: reservation.replace('/reservations/r-1', ''),
        },
      },
      { provider: 'gcp', quantity: 672, unit: 'Hours', contract: 'cud-resource-1', found: 'cud-resource-1' },
    ])
  })

  it("FOCUS files: a purchase's period is the term, contracts that are no discount are found, 1.3's shape becomes 1.4's", async () => {
    const row = (ChargeCategory: string, cost: string, more: Row = {}): Row => ({
      ...{ billing_period: `${month}-01`, source_name: 'saas', focus_version: '1.3', BilledCost: cost },
      ...{ EffectiveCost: cost, BillingAccountId: 'acme', BillingCurrency: 'USD', ChargeCategory, InvoiceId: 'S-1' },
      ...{ BillingPeriodStart: '2026-02-01T00:00:00Z', BillingPeriodEnd: '2026-03-01T00:00:00Z' },
      ...{ ChargePeriodStart: hour(0), ChargePeriodEnd: hour(1), InvoiceIssuerName: 'Example' },
      ...{ ServiceProviderName: 'Example', ...more },
    })
    const CommitmentDiscountId = 'cd-1'
    await world.fill('any_cost_focus', [
      row('Purchase', '8760', {
        ...{ CommitmentDiscountId, CommitmentDiscountCategory: 'Spend', ChargeFrequency: 'One-Time' },
        ...{ ChargePeriodStart: '2026-02-01T00:00:00Z', ChargePeriodEnd: '2027-02-01T00:00:00Z' },
        ...{ CommitmentDiscountQuantity: '8760', CommitmentDiscountUnit: 'USD', CommitmentDiscountType: 'Plan' },
      }),
      row('Usage', '2', {
        ContractApplied: [{ ContractID: 'c-9', ContractCommitmentID: 'c-9-1', ContractCommitmentAppliedCost: 2 }],
      }),
    ])
    await world.normalise('any', month, { datasets: true })
    const found = await commitments()
    expect(found.filter(({ id }) => id === 'cd-1')[0]).to.deep.include({
      ...{ payment: 'All Upfront', cost: '8760', start: '2026-02-01', end_: '2027-02-01', category: 'Spend' },
    })
    expect(found.filter(({ id }) => id === 'c-9-1')[0]).to.deep.include({ category: 'Spend', cost: null })
    const [applied] = await world.rows(
      `SELECT ContractApplied FROM focus_cost_and_usage WHERE x_SourceProvider = 'any' AND ContractApplied IS NOT NULL`,
    )
    expect(applied?.['ContractApplied']).to.deep.equal({
      Elements: [{ ContractId: 'c-9', ContractCommitmentId: 'c-9-1', ContractCommitmentAppliedCost: 2 }],
    })
  })

  it('a month without rows has no lines and no commitments', async () => {
    await world.fill('aws_cost_cur', [])
    await world.normalise('aws', month, { datasets: true })
    const of = `WHERE x_SourceProvider = 'aws'`
    expect(await world.rows(`SELECT InvoiceId FROM focus_invoice_detail ${of}`)).to.deep.equal([])
    expect(await world.rows(`SELECT ContractId FROM focus_contract_commitment ${of}`)).to.deep.equal([])
  })
})
