/** Views of FOCUS: what the exports told beside what FOCUS has, the names of 1.2, billing periods. */
import { expect } from 'chai'
import { realExport } from '../loaders/world.ts'
import { openFocus, type FocusWorld, type Row } from './world.ts'

const month = '2026-02'
const account = '12345678'
const of = (source_name: string, cost: string, more: Row = {}): Row => ({
  ...{ billing_period: `${month}-01`, source_name, billing_account_id: account, date: `${month}-03` },
  ...{ billing_currency_code: 'USD', charge_type: 'Usage', pricing_model: 'OnDemand', cost_in_billing_currency: cost },
  ...more,
})
const bought = { charge_type: 'Purchase', pricing_model: 'Reservation', benefit_id: '/microsoft.capacity/1' }
const used = { pricing_model: 'Reservation', benefit_id: '/microsoft.capacity/1' }

describe('views of FOCUS', function () {
  this.timeout(60_000)
  let world: FocusWorld
  before(async () => {
    world = await openFocus()
    await world.fill('azure_cost_exports', [of('actual', '100', bought), of('actual', '0', used), of('actual', '2.5')])
    await world.fill('azure_cost_amortized', [of('amortized', '3.25', used), of('amortized', '2.5')])
    await world.fill('azure_cost_focus', [
      {
        ...{ billing_period: `${month}-01`, source_name: 'focus', focus_version: '1.2', BilledCost: '102.4' },
        ...{ BillingAccountId: `/providers/Microsoft.Billing/billingAccounts/${account}`, BillingCurrency: 'USD' },
        ...{ BillingPeriodStart: '2026-02-01T00:00:00Z', ChargeCategory: 'Usage', EffectiveCost: '5.75' },
      },
    ])
    await world.normalise('azure', month, { views: true })
  })
  after(() => world.end())
  const reconciliation = () =>
    world.rows(
      `SELECT source, CAST(provider_amount AS STRING) AS told, CAST(focus_amount AS STRING) AS focus,
         CAST(difference AS STRING) AS difference, feeds, row_count AS n
       FROM focus_reconciliation ORDER BY source`,
    )

  it('each export is compared with what FOCUS has of it, one that feeds nothing with the bill that does', async () => {
    expect(await reconciliation()).to.deep.equal([
      { source: 'actual', told: '102.5', focus: '102.5', difference: '0', feeds: true, n: 3 },
      { source: 'amortized', told: '5.75', focus: '5.75', difference: '0', feeds: true, n: 2 },
      { source: 'focus', told: '102.4', focus: '102.5', difference: '-0.1', feeds: false, n: 1 },
    ])
  })

  it('a row of FOCUS that has come to be another is seen', async () => {
    const write = (query: string, table: string, k: number) =>
      world.warehouse.runJob(
        {
          run_id: `r_z${String(k).padStart(25, '0')}`,
          step_id: 'x',
          max_retries: 0,
          retry_delay_seconds: 1,
          tenant_id: 'acme',
        },
        {
          kind: 'query',
          query,
          default_dataset: 'acme',
          destination: { project_id: 'local-convergence', dataset: 'acme', table, write_mode: 'truncate' },
        },
      )
    const changed = `BilledCost + IF(ChargeCategory = 'Purchase', CAST('0.00000000000000000001' AS BIGNUMERIC), 0)`
    await write(`SELECT * REPLACE (${changed} AS BilledCost) FROM focus_cost_and_usage`, 'changed', 1)
    await write('SELECT * FROM changed', 'focus_cost_and_usage', 2)
    expect((await reconciliation())[0]).to.deep.include({ source: 'actual', difference: '-0.00000000000000000001' })
  })

  it('the view of 1.2 has its 57 columns and no other', async () => {
    const text = realExport('focus/model-1.2.json')
    const { columns } = await world.warehouse.dryRun({
      query: 'SELECT * FROM `local-convergence.acme.focus_cost_and_usage_1_2`',
    })
    expect(columns).to.have.length(57)
    if (text === undefined) return
    const { ModelRules } = JSON.parse(text) as {
      ModelRules: Record<string, { Reference: string; EntityType: string; Function: string }>
    }
    const model = Object.values(ModelRules)
      .filter(({ EntityType, Function: kind }) => EntityType === 'Dataset' && kind === 'Presence')
      .map(({ Reference }) => Reference)
    expect(columns.map(({ name }) => name).toSorted()).to.deep.equal([...new Set(model)].toSorted())
  })

  it('a billing period is closed once its end is past', async () => {
    const [period] = await world.rows(
      `SELECT CAST(BillingPeriodStart AS STRING) AS start, CAST(BillingPeriodEnd AS STRING) AS end_,
         BillingPeriodStatus IN ('Open', 'Closed') AS told, InvoiceIssuerName AS issuer, BillingPeriodLastUpdated IS NOT NULL AS dated
       FROM focus_billing_period`,
    )
    expect(period).to.deep.equal({
      ...{
        start: '2026-02-01 00:00:00+00',
        end_: '2026-03-01 00:00:00+00',
        told: true,
        issuer: 'Microsoft',
        dated: true,
      },
    })
  })
})
