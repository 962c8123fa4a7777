/** One changed digit anywhere between the export and the lines of its invoice is seen, and told with what makes it. */
import { expect } from 'chai'
import { exactSum, rawColumn, realExport } from '../loaders/world.ts'
import { hour, openFocus, type FocusWorld, type Row } from './world.ts'

const month = '2026-02'
const digit = '0.00000000000000000001'
const line = (cost: string, day: number, more: Row = {}): Row => ({
  ...{ billing_period: `${month}-01`, source_name: 'payer', bill_payer_account_id: '123456789012' },
  ...{ bill_invoice_id: 'INV-1', line_item_usage_account_id: '987654321098', line_item_line_item_type: 'Usage' },
  ...{ line_item_currency_code: 'USD', product_product_name: 'Compute', line_item_unblended_cost: cost },
  ...{ line_item_usage_start_date: hour(24 * day), line_item_usage_end_date: hour(24 * day + 1) },
  ...more,
})
const exported = (amount: string): Row => ({
  ...{ period: `${month}-01`, provider_table: 'aws_cost_cur', source_name: 'payer', loaded_period: `${month}-01` },
  ...{ billing_account_id: '123456789012', invoice_id: 'INV-1', currency: 'USD', row_count: 3, amount },
})

describe('differences between export, table, FOCUS and invoice', function () {
  this.timeout(180_000)
  let world: FocusWorld
  before(async () => {
    world = await openFocus()
  })
  after(() => world.end())
  const rows = [line('1.5', 0), line('2', 1), line('3', 1, { product_product_name: 'Storage' })]
  const same = async (): Promise<void> => {
    await world.fill('aws_cost_cur', rows)
    await world.fill('export_amounts', [exported('6.5')])
    expect(await world.normalise('aws', month, { views: true })).to.deep.equal([])
  }
  let count = 0
  /** Replaces the rows of a table by what a SELECT makes of them. */
  const change = async (table: string, select: string): Promise<void> => {
    for (const [query, destination] of [
      [select, 'changed'],
      ['SELECT * FROM changed', table],
    ] as const) {
      count += 1
      await world.warehouse.runJob(
        {
          ...{ run_id: `r_z${String(count).padStart(25, '0')}`, step_id: 'x', tenant_id: 'acme' },
          ...{ max_retries: 0, retry_delay_seconds: 1 },
        },
        {
          ...{ kind: 'query', query, default_dataset: 'acme' },
          destination: {
            project_id: 'local-convergence',
            ...{ dataset: 'acme', table: destination, write_mode: 'truncate' },
          },
        },
      )
    }
  }
  const seen = () =>
    world.rows(
      `SELECT source, invoice_id AS invoice, CAST(export_amount AS STRING) AS exported, CAST(provider_amount AS STRING) AS told,
         CAST(focus_amount AS STRING) AS focus, CAST(invoice_detail_amount AS STRING) AS invoiced,
         CAST(difference AS STRING) AS difference
       FROM focus_reconciliation`,
    )
  const all = { source: 'payer', invoice: 'INV-1', exported: '6.5', told: '6.5', focus: '6.5', invoiced: '6.5' }

  it('nothing differs where nothing is changed: no warning, and the four amounts are one', async () => {
    await same()
    expect(await seen()).to.deep.equal([{ ...all, difference: '0' }])
    expect(await world.rows('SELECT 1 FROM focus_differences')).to.deep.equal([])
  })

  it('in FOCUS: the warning names source, month, invoice, amounts, and the day, account and service that make it', async () => {
    await same()
    await change(
      'focus_cost_and_usage',
      `SELECT * REPLACE (BilledCost + IF(ServiceName = 'Storage', CAST('${digit}' AS BIGNUMERIC), 0) AS BilledCost)
       FROM focus_cost_and_usage`,
    )
    expect(await seen()).to.deep.equal([{ ...all, focus: '6.50000000000000000001', difference: `-${digit}` }])
    const warnings = await world.normalise('aws', month, { only: 'differences' })
    expect(warnings).to.have.length(1)
    expect(warnings[0]).to.contain(
      'came 1: source payer, 2026-02, invoice INV-1: the export tells 6.5, aws_cost_cur has 6.5, ' +
        'focus_cost_and_usage 6.50000000000000000001, focus_invoice_detail 6.5 USD, ' +
        `a difference of -${digit}; most of it: 2026-02-02 987654321098 Storage: 3 and 3.00000000000000000001`,
    )
    expect(
      await world.rows(
        `SELECT CAST(usage_day AS STRING) AS day, service, CAST(difference AS STRING) AS difference
         FROM focus_differences WHERE usage_day IS NOT NULL`,
      ),
    ).to.deep.equal([{ day: '2026-02-02', service: 'Storage', difference: `-${digit}` }])
  })

  it("in a line of the invoice, in the provider's table, in the export", async () => {
    await same()
    await change(
      'focus_invoice_detail',
      `SELECT * REPLACE (BilledCost - CAST('${digit}' AS BIGNUMERIC) AS BilledCost) FROM focus_invoice_detail`,
    )
    expect(await seen()).to.deep.equal([{ ...all, invoiced: '6.49999999999999999999', difference: digit }])
    expect(await world.normalise('aws', month, { only: 'differences' })).to.have.length(1)
    await world.fill('aws_cost_cur', [...rows.slice(1), line('1.50000000000000000001', 0)])
    const changed = { told: '6.50000000000000000001', focus: '6.50000000000000000001' }
    expect((await world.normalise('aws', month, { views: true }))[0]).to.contain('the export tells 6.5, ')
    expect(await seen()).to.deep.equal([{ ...all, ...changed, invoiced: changed.focus, difference: `-${digit}` }])
    await world.fill('aws_cost_cur', rows)
    await world.fill('export_amounts', [exported('6.4')])
    expect((await world.normalise('aws', month, { views: true }))[0]).to.contain(
      'the export tells 6.4, aws_cost_cur has 6.5',
    )
  })

  it("none are made of commitments and credits, of Azure's two exports told as one, of Google's fees", async () => {
    const azure = (charge_type: string, cost: string, more: Row = {}): Row => ({
      ...{ billing_period: `${month}-01`, source_name: 'actual', billing_account_id: '12345678', date: `${month}-01` },
      ...{ billing_currency_code: 'USD', pricing_model: 'Reservation', benefit_id: '/microsoft.capacity/1' },
      ...{ charge_type, cost_in_billing_currency: cost, ...more },
    })
    await world.fill('azure_cost_exports', [azure('Purchase', '100'), azure('Usage', '0'), azure('Refund', '-3')])
    await world.fill('azure_cost_amortized', [
      azure('Usage', '3.25', { source_name: 'amortized' }),
      azure('UnusedReservation', '1', { source_name: 'amortized' }),
    ])
    expect(await world.normalise('azure', month, { views: true })).to.deep.equal([])
    const credit = (type: string, amount: number): Row => ({ id: type, full_name: type, name: type, type, amount })
    const google = (cost: string, net_cost: string, more: Row): Row => ({
      ...{ usage_date: `${month}-01`, usage_start_time: hour(0), usage_end_time: hour(1), invoice_month: '202602' },
      ...{ source_name: 'google', billing_account_id: '012345-6789AB-CDEF01', cost_type: 'regular', currency: 'USD' },
      ...{
        subscription_instance_id: 'cud-1',
        pricing_unit: 'hour',
        usage_amount_in_pricing_units: '10',
        cost,
        net_cost,
      },
      ...more,
    })
    await world.fill('gcp_cost_billing', [
      google('5', '5', { sku_description: 'Commitment v1: Core for 1 Year', credits: [] }),
      google('8', '-1', {
        sku_description: 'Core',
        credits: [credit('COMMITTED_USAGE_DISCOUNT', -8), credit('PROMOTION', -1)],
      }),
    ])
    expect(await world.normalise('gcp', month, { views: true })).to.deep.equal([])
  })

  const four = (provider: string, period: string) =>
    world.rows(
      `SELECT CAST(SUM(export_amount) AS STRING) AS exported, CAST(SUM(provider_amount) AS STRING) AS told,
         CAST(SUM(focus_amount) AS STRING) AS focus, CAST(SUM(invoice_detail_amount) AS STRING) AS invoiced
       FROM focus_reconciliation WHERE provider = '${provider}' AND period = '${period}'`,
    )

  it('none are in public exports: what the files told, counted apart from their load, is what the invoices have', async () => {
    const report = realExport('aws/sample-anonymous-aws-export-dataset.csv')
    const usage = realExport('azure/sample-anonymous-ea-export-dataset.csv')
    if (report === undefined || usage === undefined) return
    const folder = 'cur/daily/20231101-20231201'
    world.put('s3', 'acme-cur', `${folder}/daily-1.csv`, report)
    const billingPeriod = { start: '20231101T000000.000Z', end: '20231201T000000.000Z' }
    const manifest = { assemblyId: 'a', reportName: 'daily', compression: 'NONE', billingPeriod }
    const reportKeys = [`${folder}/daily-1.csv`]
    world.put('s3', 'acme-cur', `${folder}/daily-Manifest.json`, JSON.stringify({ ...manifest, reportKeys }))
    await world.load('aws', { s3_bucket: 'acme-cur', s3_prefix: 'cur', report_name: 'daily', month: '2023-11' })
    world.put('azure', 'exports', 'cost/daily/20230901-20230930/daily.csv', usage)
    await world.load('azure', { container: 'exports', prefix: 'cost', export_name: 'daily', month: '2023-09' })
    const sums = {
      aws: exactSum(rawColumn(report, 'lineItem/UnblendedCost')),
      azure: exactSum(rawColumn(usage, 'CostInBillingCurrency')),
    }
    for (const [provider, period] of [
      ['aws', '2023-11'],
      ['azure', '2023-09'],
    ] as const) {
      expect(await world.normalise(provider, period, { views: true })).to.deep.equal([])
      const sum = sums[provider]
      expect(await four(provider, `${period}-01`)).to.deep.equal([
        { exported: sum, told: sum, focus: sum, invoiced: sum },
      ])
    }
  })

  it("in Google's export: counted by day, and nothing is said of days that were loaded and not counted since", async () => {
    const google = (day: string, net_cost: string, export_time: string): Row => ({
      ...{ usage_date: day, usage_start_time: `${day}T00:00:00Z`, usage_end_time: `${day}T01:00:00Z`, export_time },
      ...{
        invoice_month: '202603',
        source_name: 'google',
        billing_account_id: '012345-6789AB-CDEF01',
        currency: 'USD',
      },
      ...{ cost_type: 'regular', service_description: 'Core', cost: net_cost, net_cost, credits: [] },
    })
    const told = (day: string, amount: string, newest_export_time: string): Row => ({
      ...{
        period: '2026-03-01',
        provider_table: 'gcp_cost_billing',
        source_name: 'google',
        loaded_period: day,
        amount,
      },
      ...{ billing_account_id: '012345-6789AB-CDEF01', currency: 'USD', row_count: 1, newest_export_time },
    })
    const [noon, later] = ['2026-03-03T12:00:00Z', '2026-03-03T15:00:00Z']
    const days = [google('2026-03-01', '1.5', noon), google('2026-03-02', '2', noon)]
    const both = [told('2026-03-01', '1.5', noon), told('2026-03-02', '2', noon)]
    await world.fill('gcp_cost_billing', days)
    await world.fill('export_amounts', both)
    expect(await world.normalise('gcp', '2026-03', { views: true })).to.deep.equal([])
    const same = { told: '3.5', focus: '3.5', invoiced: '3.5' }
    expect(await four('gcp', '2026-03-01')).to.deep.equal([{ exported: '3.5', ...same }])
    await world.fill('export_amounts', [told('2026-03-01', '1.51', noon), told('2026-03-02', '2', noon)])
    expect((await world.normalise('gcp', '2026-03', { views: true }))[0]).to.contain(
      'the export tells 3.51, gcp_cost_billing has 3.5',
    )
    // A day that the load lost whole.
    await world.fill('gcp_cost_billing', days.slice(1))
    await world.fill('export_amounts', both)
    expect((await world.normalise('gcp', '2026-03', { views: true }))[0]).to.contain(
      'the export tells 3.5, gcp_cost_billing has 2',
    )
    // Loaded again, and not counted again.
    for (const counts of [both.slice(1), both]) {
      await world.fill('gcp_cost_billing', [google('2026-03-01', '1.5', later), google('2026-03-02', '2', noon)])
      await world.fill('export_amounts', counts)
      expect(await world.normalise('gcp', '2026-03', { views: true })).to.deep.equal([])
      expect(await four('gcp', '2026-03-01')).to.deep.equal([{ exported: null, ...same }])
    }
  })

  it('an export that is only compared is no alert, for its rows are nowhere; one of no account that feeds is', async () => {
    await world.fill('export_amounts', [])
    await world.fill('aws_cost_cur', rows)
    await world.fill('aws_cost_focus', [
      {
        ...{ billing_period: `${month}-01`, source_name: 'focus', BillingAccountId: '123456789012', BilledCost: '7' },
        ...{ BillingCurrency: 'USD', InvoiceId: 'INV-1', ChargeCategory: 'Usage', EffectiveCost: '7' },
        ...{ BillingPeriodStart: hour(0), ChargePeriodStart: hour(0), ChargePeriodEnd: hour(1) },
      },
    ])
    expect(await world.normalise('aws', month, { views: true })).to.deep.equal([])
    await change('focus_cost_and_usage', 'SELECT * FROM focus_cost_and_usage WHERE FALSE')
    const warnings = await world.normalise('aws', month, { only: 'differences' })
    expect(warnings[0]).to.contain('came 2: ')
    expect(warnings[0]).to.contain('source focus, 2026-02, invoice INV-1: aws_cost_focus has 7')
  })
})
