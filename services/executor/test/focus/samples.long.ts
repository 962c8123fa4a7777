/** Public exports, through the loaders: totals before and after are equal to the last digit. */
import { expect } from 'chai'
import { exactSum, miniature, rawColumn, realExport } from '../loaders/world.ts'
import { loadEnrollment, loadReport, openFocus, type FocusWorld } from './world.ts'

describe('FOCUS of whole exports', function () {
  this.timeout(60_000)
  let world: FocusWorld
  before(async () => {
    world = await openFocus()
  })
  after(() => world.end())

  const total = async (provider: string) =>
    (
      await world.rows(
        `SELECT COUNT(*) AS n, CAST(SUM(BilledCost) AS STRING) AS billed, CAST(SUM(EffectiveCost) AS STRING) AS effective,
           COUNTIF(ServiceCategory = 'Other') AS other
         FROM focus_cost_and_usage WHERE x_SourceProvider = '${provider}'`,
      )
    )[0]
  /** What the lines of the invoices come to. */
  const invoiced = async (provider: string, month: string) => {
    await world.normalise(provider, month, { datasets: true })
    const lines = await world.rows(
      `SELECT CAST(SUM(BilledCost) AS STRING) AS billed, SUM(x_RowCount) AS n FROM focus_invoice_detail
       WHERE x_SourceProvider = '${provider}' AND x_BillingPeriod = '${month}-01'`,
    )
    return lines[0]
  }
  const ofAws = async (text: string): Promise<string> => {
    await loadReport(world, text)
    return exactSum(rawColumn(text, 'lineItem/UnblendedCost'))
  }
  const ofAzure = async (text: string): Promise<string> => {
    await loadEnrollment(world, text)
    return exactSum(rawColumn(text, 'CostInBillingCurrency'))
  }

  it('AWS: billed and effective cost of a small report are its unblended cost', async () => {
    const sum = await ofAws(miniature('aws-cur.csv'))
    expect(await total('aws')).to.deep.include({ n: 12, billed: sum, effective: sum })
  })
  it('Azure: billed and effective cost of a small export are its cost', async () => {
    const sum = await ofAzure(miniature('azure-ea.csv'))
    expect(await total('azure')).to.deep.include({ billed: sum, effective: sum })
  })
  it('AWS: so of a public report, whose services are known', async function () {
    const text = realExport('aws/sample-anonymous-aws-export-dataset.csv')
    if (text === undefined) return
    // The month of the miniature is another.
    const sum = await ofAws(text)
    const found = await world.rows(
      `SELECT COUNT(*) AS n, CAST(SUM(BilledCost) AS STRING) AS billed, CAST(SUM(EffectiveCost) AS STRING) AS effective,
         COUNTIF(ServiceCategory = 'Other') AS other
       FROM focus_cost_and_usage WHERE x_SourceProvider = 'aws' AND x_BillingPeriod = '2023-11-01'`,
    )
    expect(found).to.deep.equal([{ n: 1281, billed: sum, effective: sum, other: 0 }])
    expect(await invoiced('aws', '2023-11')).to.deep.equal({ billed: sum, n: 1281 })
  })
  it('Azure: so of a public export, whose services are known', async () => {
    const text = realExport('azure/sample-anonymous-ea-export-dataset.csv')
    if (text === undefined) return
    const sum = await ofAzure(text)
    expect(await total('azure')).to.deep.equal({ n: 27, billed: sum, effective: sum, other: 0 })
    expect(await invoiced('azure', '2023-09')).to.deep.equal({ billed: sum, n: 27 })
  })
})
