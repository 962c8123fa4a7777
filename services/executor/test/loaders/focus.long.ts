/** FOCUS exports of AWS and Azure, of every version, as CSV and as Parquet. */
import { gzipSync } from 'node:zlib'
import { expect } from 'chai'
import { errorOf } from '../fakes.ts'
import { bothSides } from './both-sides.ts'
import { parquetOf } from './duckdb.ts'
import {
  azureFolder,
  azureManifest,
  exactSum,
  inWorld,
  rawColumn,
  realExport,
  tableColumns,
  type World,
} from './world.ts'

const aws = { s3_bucket: 'acme-cur', s3_prefix: 'cur', report_name: 'focus', dataset: 'focus', month: '2025-11' }
const azure = { container: 'acme-exports', prefix: 'cost/daily', dataset: 'focus', month: '2025-11' }
const awsExport = ({ put }: World, name: string, content: Buffer | string, month = '2025-11') => {
  const key = `cur/focus/data/BILLING_PERIOD=${month}/${name}`
  put('s3', 'acme-cur', key, content)
  const manifest = `cur/focus/metadata/BILLING_PERIOD=${month}/focus-Manifest.json`
  put('s3', 'acme-cur', manifest, JSON.stringify({ executionId: 'e-1', dataFiles: [`s3://acme-cur/${key}`] }))
}
const azureExport = ({ put }: World, name: string, content: Buffer | string, type = 'FocusCost') => {
  const folder = `${azureFolder}/202511100900/g`
  put('azure', 'acme-exports', `${folder}/${name}`, content)
  const config = { exportConfig: { exportName: 'daily', type, dataVersion: '1.2-preview' } }
  put('azure', 'acme-exports', `${folder}/manifest.json`, azureManifest([`${folder}/${name}`], config))
}
const period = { billing_period: '2025-11-01' }
const loadAws = (world: World, deps = {}, month = '2025-11') =>
  world.load('aws', { ...aws, month }, { table: 'aws_cost_focus', period: { billing_period: `${month}-01` }, deps })
const loadAzure = (world: World, deps = {}) => world.load('azure', azure, { table: 'azure_cost_focus', period, deps })

/** Columns by the version that was the first to have them, each with a value as providers write it. */
const byVersion: readonly (readonly [string, Record<string, string>])[] = [
  [
    '1.0',
    {
      BilledCost: '0',
      BillingAccountId: '012345678901',
      BillingCurrency: 'USD',
      BillingPeriodStart: '2025-11-01T00:00:00.000Z',
      BillingPeriodEnd: '2025-12-01T00:00:00.000Z',
      ChargeCategory: 'Usage',
      ChargeClass: '',
      ChargePeriodStart: '2025-11-05T01:00:00.000Z',
      ChargePeriodEnd: '2025-11-05T02:00:00.000Z',
      CommitmentDiscountStatus: 'Used',
      ContractedCost: '1.5',
      EffectiveCost: '-4.2E-7',
      ListCost: '0.0000123000',
      PricingCategory: 'Committed',
      ProviderName: 'AWS',
      SubAccountName: 'Unassigned',
      Tags: '{"user:env":"prod","flag":true}',
      x_Discounts: '{"edp":"-0.1"}',
      x_ServiceCode: 'AmazonEC2',
    },
  ],
  ['1.1', { CapacityReservationId: '', SkuPriceDetails: '{"CoreCount":4}', ServiceSubcategory: 'Virtual Machines' }],
  ['1.2', { InvoiceId: 'INV-1', PricingCurrency: 'Token', BillingAccountType: 'Account' }],
  ['1.3', { ServiceProviderName: 'AWS', HostProviderName: '', ContractApplied: '["a"]' }],
]
const cell = (text: string): string => (/[",]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)
const csvOf = (rows: readonly Record<string, string>[]): string =>
  [Object.keys(rows[0] ?? {}), ...rows.map((row) => Object.values(row))]
    .map((cells) => `${cells.map(cell).join(',')}\n`)
    .join('')

describe('FOCUS exports', function () {
  this.timeout(120_000)

  it(
    "loads AWS's of each version, and keeps what its authors added",
    inWorld(async (world) => {
      const both = bothSides(world.warehouse)
      let row: Record<string, string> = {}
      for (const [version, columns] of byVersion) {
        row = { ...row, ...columns }
        awsExport(world, 'focus-00001.csv.gz', gzipSync(csvOf([row, { ...row, BilledCost: '2' }])))
        const { outputs } = await loadAws(world, both)
        expect(outputs).to.include({
          rows_written: 2,
          other_columns: 2,
          columns_not_taken: 0,
          billing_period: '2025-11-01',
        })
        expect(await world.one('SELECT * FROM aws_cost_focus WHERE BilledCost = 2'), version).to.deep.include({
          billing_period: '2025-11-01',
          focus_version: version,
          source_name: 's3://acme-cur/cur/focus',
          manifest_id: 'e-1',
          BillingAccountId: '012345678901',
          EffectiveCost: '-0.00000042',
          ListCost: '0.0000123',
          ChargeClass: null,
          Tags: { 'user:env': 'prod', flag: true },
          InvoiceId: version < '1.2' ? null : 'INV-1',
          PricingCurrency: version < '1.2' ? null : 'Token',
          SkuPriceDetails: version < '1.1' ? null : { CoreCount: 4 },
          ContractApplied: version < '1.3' ? null : ['a'],
          other_columns: { x_Discounts: '{"edp":"-0.1"}', x_ServiceCode: 'AmazonEC2' },
        })
      }
    }),
  )

  it(
    'loads Parquet with doubles, instants and maps as the same rows',
    inWorld(async (world) => {
      const both = bothSides(world.warehouse)
      const select = `SELECT 0.1::DOUBLE AS BilledCost, '1' AS BillingAccountId, 'USD' AS BillingCurrency,
      TIMESTAMP_MS '2025-11-01 00:00:00' AS BillingPeriodStart, TIMESTAMP_MS '2025-12-01 00:00:00' AS BillingPeriodEnd,
      (k / 3)::DOUBLE AS EffectiveCost, CASE WHEN k % 2 = 0 THEN MAP {'user_env': 'prod'} END AS Tags,
      MAP {'edp': 0.25} AS x_Discounts, NULL::DOUBLE AS ListUnitPrice, 'AmazonEC2' AS x_ServiceCode FROM range(10) AS t(k)`
      awsExport(world, 'focus-00001.snappy.parquet', await parquetOf(select))
      await loadAws(world, both)
      azureExport(world, 'part_0_0001.snappy.parquet', await parquetOf(select))
      await loadAzure(world, both)
      expect(both.loads).to.deep.equal([{ rows: 10 }, { rows: 10 }])
      for (const table of ['aws_cost_focus', 'azure_cost_focus'])
        expect(await world.one(`SELECT * FROM ${table} WHERE EffectiveCost = 2`)).to.deep.include({
          BilledCost: '0.1',
          EffectiveCost: '2',
          Tags: { user_env: 'prod' },
          ListUnitPrice: null,
          other_columns: { x_Discounts: '{"edp":0.25}', x_ServiceCode: 'AmazonEC2' },
        })
    }),
  )

  it(
    "takes what Azure's says for nothing as it is, and refuses no row for it",
    inWorld(async (world) => {
      const both = bothSides(world.warehouse)
      const [, row] = byVersion[0] ?? ['', {}]
      const odd = {
        ...row,
        SkuPriceId: '-2',
        ServiceName: '',
        PublisherName: '',
        ContractedCost: '0',
        ResourceId: '/subscriptions/A',
        Tags: '"env": "prod"',
      }
      azureExport(world, 'part_0_0001.csv', csvOf([{ ...odd, x_BillingExchangeRateDate: '' }]))
      const { outputs } = await loadAzure(world, both)
      expect(outputs?.['warnings']).to.deep.equal(['column Tags: 1 rows have text that is no JSON; it is kept as text'])
      expect(await world.one('SELECT * FROM azure_cost_focus')).to.deep.include({
        SkuPriceId: '-2',
        SubAccountName: 'Unassigned',
        ServiceName: null,
        ContractedCost: '0',
        ResourceId: '/subscriptions/A',
        Tags: '"env": "prod"',
      })
    }),
  )

  it(
    'refuses another dataset and another billing period, by name, and replaces nothing',
    inWorld(async (world) => {
      const [, row] = byVersion[0] ?? ['', {}]
      azureExport(world, 'part_0_0001.csv', csvOf([row]), 'ActualCost')
      expect((await errorOf(loadAzure(world))).message).to.match(
        /expected an export of focus cost \(exportConfig\.type FocusCost\), got ActualCost/,
      )
      azureExport(world, 'part_0_0001.csv', csvOf([row]))
      expect((await errorOf(world.load('azure', { ...azure, dataset: 'actual' }))).message).to.match(
        /exportConfig\.type ActualCost\), got FocusCost/,
      )
      awsExport(world, 'a.csv', 'lineItem/UnblendedCost,bill/BillingPeriodStartDate\n1,2025-11-01\n')
      expect((await errorOf(loadAws(world))).message).to.match(
        /a\.csv:1: expected a FOCUS export with a column BilledCost, got lineItem/,
      )
      awsExport(world, 'a.csv', csvOf([row]))
      await loadAws(world)
      expect((await errorOf(world.load('aws', { ...aws, dataset: 'cur' }))).message).to.match(
        /expected a Cost and Usage Report/,
      )
      const many = Array.from({ length: 20_000 }, () => row)
      awsExport(world, 'a.csv', csvOf([...many, { ...row, BillingPeriodStart: '2025-10-01T00:00:00Z' }]))
      expect((await errorOf(loadAws(world))).message).to.match(
        /a\.csv:20002, column BillingPeriodStart: expected TIMESTAMP from 2025-11-01 and before 2025-12-01, got '2025-10-01/,
      )
      expect(await world.one('SELECT COUNT(*) AS n FROM aws_cost_focus')).to.deep.equal({ n: 1 })
    }),
  )

  it('has the same columns for both clouds, and those of the model of 1.4', () => {
    const names = (provider: 'aws' | 'azure') =>
      tableColumns(provider, `${provider}_cost_focus`).map(({ name }) => name)
    expect(names('aws')).to.deep.equal(names('azure'))
    const model = realExport('focus/1.4/focus_1_4_model.json')
    if (model === undefined) return
    const { datasets } = JSON.parse(model) as { datasets: Record<string, { columns: Record<string, unknown> }> }
    expect(names('aws')).to.include.members(Object.keys(datasets['Cost and Usage']?.columns ?? {}))
  })

  it(
    'loads a public file of 0.5 with its own sum, and refuses a sample of two months by the line of the other one',
    inWorld(async (world) => {
      const both = bothSides(world.warehouse)
      const [oldest, sample] = [realExport('focus/all_pass_0.5.csv'), realExport('focus/focus_sample.csv')]
      if (oldest === undefined || sample === undefined) return
      const month = rawColumn(oldest, 'BillingPeriodStart')[0]?.slice(0, 7) ?? ''
      awsExport(world, 'a.csv', oldest, month)
      await loadAws(world, both, month)
      expect(
        await world.one(
          'SELECT COUNT(*) AS n, CAST(SUM(BilledCost) AS STRING) AS cost, MAX(focus_version) AS v FROM aws_cost_focus',
        ),
      ).to.deep.equal({ n: 2, cost: exactSum(rawColumn(oldest, 'BilledCost')), v: '0.5' })
      awsExport(world, 'a.csv', sample, '2024-09')
      expect((await errorOf(loadAws(world, both, '2024-09'))).message).to.match(
        /a\.csv:946, column BillingPeriodStart: expected the billing period 2024-09, got "2024-10-01 00:00:00"/,
      )
    }),
  )
})
