/** FOCUS files of whoever bills: no manifest, any names, CSV and Parquet. */
import { gzipSync } from 'node:zlib'
import type { StepResult } from '@convergence/service/steps'
import { expect } from 'chai'
import { monthsNamed, monthsOfFile } from '../../src/exports/bare-files.ts'
import { errorOf } from '../fakes.ts'
import { bothSides } from './both-sides.ts'
import { parquetOf } from './duckdb.ts'
import { csvOf, exactSum, inWorld, rawColumn, realExport, type World } from './world.ts'

const header = 'BilledCost,EffectiveCost,BillingAccountId,BillingPeriodStart,ChargePeriodStart,ResourceId,x_Model'
const row = (cost: string, day = '2025-11-05', resource = 'r-1', model = 'm') =>
  `${cost},${cost},acct-1,${day.slice(0, 7)}-01T00:00:00Z,${day}T00:00:00Z,${resource},${model}`
const file = (...rows: string[]) => csvOf(header, rows)
const put = (world: World, key: string, content: string | Buffer) => {
  world.put('s3', 'acme-focus', `llm/${key}`, content)
}
const load = (world: World, month = '2025-11', deps = {}) =>
  world.load('any', { store: 's3', bucket: 'acme-focus', prefix: 'llm', month }, { deps })
const loaded = (world: World) => world.one('SELECT COUNT(*) AS n, SUM(BilledCost) AS cost FROM any_cost_focus')
const warningsOf = ({ outputs }: Pick<StepResult, 'outputs'>) => outputs?.['warnings'] ?? []

describe('names of files without a manifest', () => {
  it('say days and months in whatever form, and nothing where digits are another thing', () => {
    const said = (name: string) => Object.values(monthsNamed(name) ?? {}).join(' ')
    for (const name of [
      'date=2025-11-05/hour=07/usage.parquet',
      '2025/11/05/0001000002847565.csv.gz',
      'usage_20251105T070000Z_20251105T080000Z.parquet',
      'year=2025/month=11/day=5/part-0.parquet',
      'year=2025/month=11/a.csv',
      'bill_2025_11.csv',
      '202511.csv',
    ])
      expect(said(name), name).to.equal('2025-11 2025-11')
    expect(said('20251101-20251201/focus.csv')).to.equal('2025-11 2025-12')
    for (const name of [
      '0001000002847565.csv',
      'a20251105.csv',
      'focus-1.2025.csv',
      '2025-13.csv',
      'v202.csv',
      'focus.csv',
    ])
      expect(said(name), name).to.equal('')
  })
  it('are those below the prefix, which may say a year itself', () => {
    expect(monthsOfFile('bills/2024-01/', 'bills/2024-01/all.csv')).to.equal(undefined)
    expect(monthsOfFile('bills/', 'bills/2024-01/all.csv')).to.deep.equal({ from: '2023-12', to: '2024-01' })
  })
})

describe('FOCUS files of anybody', function () {
  this.timeout(60_000)

  it(
    'that have no bytes are passed over, and told',
    inWorld(async (world) => {
      put(world, '2025-11-05/a.csv', file(row('1.5')))
      put(world, '2025-11-05/b.csv', '')
      expect(warningsOf(await load(world)).toString()).to.include('1 files below llm/ have no bytes and were not read')
      expect(await loaded(world)).to.deep.equal({ n: 1, cost: '1.5' })
    }),
  )
  it(
    'are all loaded that have rows of the month, whatever they are called, and each row says its file',
    inWorld(async (world) => {
      const both = bothSides(world.warehouse)
      put(world, '2025/11/05/a.csv', file(row('1.5')))
      put(world, '2025/12/01/b.csv.gz', gzipSync(file(row('2', '2025-11-30'), row('100', '2025-12-01'))))
      put(world, 'all.csv', file(row('7', '2025-10-31'), row('0.25', '2025-11-01')))
      put(world, '2025/10/05/old.csv', 'not a file of the month, and not opened')
      put(world, '2026/02/01/new.csv', 'nor this one')
      put(world, '_SUCCESS', '')
      const { outputs } = await load(world, '2025-11', both)
      expect(outputs).to.deep.include({
        rows_written: 3,
        files: 3,
        rows_of_other_months: { '2025-10': 1, '2025-12': 1 },
        billing_period: '2025-11-01',
        other_columns_names: ['x_Model'],
      })
      expect(outputs).to.not.have.property('warnings')
      expect(await loaded(world)).to.deep.equal({ n: 3, cost: '3.75' })
      expect(await world.one('SELECT * FROM any_cost_focus WHERE BilledCost = 2')).to.deep.include({
        source_file: 'llm/2025/12/01/b.csv.gz',
        source_name: 'saas',
        billing_period: '2025-11-01',
        focus_version: '0.5',
        other_columns: { x_Model: 'm' },
      })
      // The rows of the others come with their own month.
      expect((await load(world, '2025-12', both)).rows_written).to.equal(1)
    }),
  )
  it(
    'come as Parquet of a gateway, a file an hour, with instants as text and decimals',
    inWorld(async (world) => {
      const both = bothSides(world.warehouse)
      const hour = (day: string, cost: string, start = `'${day}T00:00:00Z'`) =>
        parquetOf(`SELECT ${cost}::DECIMAL(18,6) AS BilledCost, ${cost}::DECIMAL(18,6) AS EffectiveCost, 'key' AS BillingAccountId,
          ${start} AS BillingPeriodStart, TIMESTAMP '${day} 00:00:00' AS ChargePeriodStart, 'USD' AS PricingCurrency,
          'gpt' AS ResourceId, '{"team":"a"}' AS Tags, NULL::VARCHAR AS InvoiceId`)
      put(
        world,
        'date=2025-11-05/hour=00/usage_20251105T000000Z_20251105T010000Z.parquet',
        await hour('2025-11-05', '0.000001'),
      )
      put(
        world,
        'date=2025-11-06/hour=00/usage_20251106T000000Z_20251106T010000Z.parquet',
        await hour('2025-11-06', '2.5'),
      )
      const late = await hour('2025-11-30', '4', `TIMESTAMPTZ '2025-11-30 23:00:00+00'`)
      put(world, 'date=2025-12-01/hour=00/usage_20251201T000000Z_20251201T010000Z.parquet', late)
      put(
        world,
        'date=2025-12-01/hour=01/usage_20251201T010000Z_20251201T020000Z.parquet',
        await hour('2025-12-01', '8'),
      )
      expect((await load(world, '2025-11', both)).outputs).to.deep.include({
        rows_written: 3,
        rows_of_other_months: { '2025-12': 1 },
      })
      expect(await loaded(world)).to.deep.equal({ n: 3, cost: '6.500001' })
      expect(await world.one('SELECT * FROM any_cost_focus WHERE BilledCost = 2.5')).to.deep.include({
        focus_version: '1.2',
        Tags: { team: 'a' },
        source_file: 'llm/date=2025-11-06/hour=00/usage_20251106T000000Z_20251106T010000Z.parquet',
      })
    }),
  )
  it(
    'count once where one was written again, and are refused where most rows are the same and not all',
    inWorld(async (world) => {
      const rows = [row('1'), row('2', '2025-11-06'), row('4', '2025-11-07')]
      put(world, '2025-11-06/focus.csv', file(...rows.slice(0, 2)))
      put(world, '2025-11-07/focus.csv', file(...rows))
      put(world, 'copy of 2025-11-07.csv', file(...rows))
      const first = await load(world)
      expect([first.rows_written, first.outputs?.['files']]).to.deep.equal([3, 1])
      expect(String(warningsOf(first))).to.include('2025-11-06/focus.csv: all of its rows of 2025-11 stand in')
      expect(await loaded(world)).to.deep.equal({ n: 3, cost: '7' })

      put(world, '2025-11-07/focus.csv', file(...rows.slice(0, 2), row('5', '2025-11-07', 'r-2')))
      const { code, message } = await errorOf(load(world))
      expect(code).to.equal('EXPORT_INVALID')
      expect(message).to.match(/got most of those of .*, and not all; which of the two counts, nothing says/)
      expect(await loaded(world)).to.deep.equal({ n: 3, cost: '7' })
    }),
  )
  it(
    'count once where another program wrote them again with other instants, digits, tags and words for nothing',
    inWorld(async (world) => {
      const columns = 'BilledCost,BillingPeriodStart,ChargePeriodStart,ResourceId,Tags,SkuId'
      put(
        world,
        'a.csv',
        csvOf(columns, [
          '1.50,2025-11-01T00:00:00Z,2025-11-05T01:00:00Z,r-1,"{""a"":""1"",""b"":""2""}",',
          '2,2025-11-01T00:00:00Z,2025-11-06T00:00:00Z,r-2,,',
        ]),
      )
      put(
        world,
        'b.csv',
        csvOf(columns.replace(',SkuId', ''), [
          '1.5,2025-11-01,2025-11-05 02:00:00.000+01:00,r-1,"{""b"": ""2"", ""a"": ""1""}"',
          '2E0,2025-11-01,2025-11-06,r-2,NULL',
        ]),
      )
      const result = await load(world)
      expect(await loaded(world)).to.deep.equal({ n: 2, cost: '3.5' })
      expect(String(warningsOf(result))).to.match(/all of its rows of 2025-11 stand in .* they count once/)
    }),
  )
  it(
    'are told of where one tells the charges of another with other amounts, as hourly sums of a day do',
    inWorld(async (world) => {
      put(world, 'date=2025-11-05/hour=01/a.csv', file(row('1'), row('1', '2025-11-05', 'r-2')))
      put(world, 'date=2025-11-05/hour=02/b.csv', file(row('1.5'), row('7', '2025-11-05', 'r-3')))
      const result = await load(world)
      expect(result.rows_written).to.equal(4)
      expect(String(warningsOf(result))).to.include(
        'hour=02/b.csv: has charges that llm/date=2025-11-05/hour=01/a.csv has',
      )
    }),
  )
  it(
    'are refused by file and line where a row says no month, or one that the name of the file does not promise',
    inWorld(async (world) => {
      for (const [key, content, expected] of [
        ['a.csv', file(row('1'), row('1').replace('2025-11-01T', ',')), /a\.csv:3/],
        [
          'a.csv',
          file(row('1'), row('1').replace('2025-11-01T00:00:00Z', '')),
          /a\.csv:3, column BillingPeriodStart: .* got an empty field/,
        ],
        [
          'a.csv',
          file(row('1').replace('2025-11-01T00:00:00Z', '11/1/25')),
          /a\.csv:2, column BillingPeriodStart: expected a day .* got "11\/1\/25"/,
        ],
        [
          '2025-11-09.csv',
          file(row('1'), row('1', '2025-08-01')),
          /2025-11-09\.csv:3, .* expected a billing period of 2025-10 to 2025-11/,
        ],
        ['a.csv', 'BilledCost,ChargePeriodStart\n1,2025-11-01\n', /a\.csv:1: expected a column BillingPeriodStart/],
        [
          'a.csv',
          'BillingPeriodStart,Cost\n2025-11-01,1\n',
          /a\.csv:1: expected a FOCUS export with a column BilledCost/,
        ],
        ['a.csv', file(row('1'), row('one')), /a\.csv:3, column BilledCost/],
      ] as const) {
        put(world, key, content)
        const { code, message } = await errorOf(load(world))
        expect(code, message).to.equal('EXPORT_INVALID')
        expect(message).to.match(expected)
        expect(world.scratch()).to.deep.equal([])
        put(world, key, file())
      }
    }),
  )
  it(
    'are refused where there are none, and where none has rows of a month that has been loaded',
    inWorld(async (world) => {
      put(world, 'bill.xlsx', 'x')
      expect((await errorOf(load(world))).message).to.match(
        /expected FOCUS files below llm\/, .*got none among 1 objects.*bill\.xlsx/,
      )
      put(world, '2025-09/bill.csv', file(row('1', '2025-09-01')))
      expect((await errorOf(load(world))).message).to.match(
        /expected FOCUS files of 2025-11 .* got 1 files of 2025-09 to 2025-09/,
      )
      put(world, 'bill.csv', file())
      const empty = await load(world)
      expect([empty.rows_written, warningsOf(empty)]).to.deep.equal([
        0,
        [
          '1 files below llm/ are no .csv, .csv.gz, .csv.zip or .parquet and were not read: llm/bill.xlsx',
          'llm/bill.csv: the delivery has no rows',
        ],
      ])
      put(world, 'bill.csv', file(row('1')))
      await load(world)
      put(world, 'bill.csv', file(row('1', '2025-10-01')))
      expect((await errorOf(load(world))).message).to.match(
        /expected rows, got none; an empty delivery does not replace the 1 rows/,
      )
      expect(await loaded(world)).to.deep.equal({ n: 1, cost: '1' })
    }),
  )
  it(
    'of another offset are of the month in UTC, on both sides',
    inWorld(async (world) => {
      const both = bothSides(world.warehouse)
      const at = (start: string) => row('1').replace('2025-11-01T00:00:00Z', start)
      put(world, 'a.csv', file(at('2025-10-31T20:00:00-05:00'), at('2025-11-30T20:00:00-05:00'), at('2025-11-01')))
      expect((await load(world, '2025-11', both)).outputs).to.deep.include({
        rows_written: 2,
        rows_of_other_months: { '2025-12': 1 },
      })
    }),
  )
  it(
    'come from each store',
    inWorld(async (world) => {
      for (const store of ['s3', 'azure', 'gcs'] as const) {
        world.put(store, 'acme-focus', 'saas/bill.csv', file(row('3')))
        await world.load('any', { store, bucket: 'acme-focus', prefix: '/saas/', month: '2025-11' })
        expect(await loaded(world)).to.deep.equal({ n: 1, cost: '3' })
      }
    }),
  )
  it(
    'of the public samples load with their sums, each row with its month, on both sides',
    inWorld(async (world) => {
      const scenario = 'focus/spec-examples/commitment_discount_purchase_scenario_1.csv'
      const texts = ['focus/focus_sample.csv', scenario].map(realExport)
      for (const [k, text = ''] of texts.entries()) put(world, `sample-${k}.csv`, text)
      if (texts.includes(undefined)) return
      const both = bothSides(world.warehouse)
      const rows = []
      for (const month of ['2023-01', '2024-09', '2024-10']) rows.push((await load(world, month, both)).rows_written)
      expect(rows).to.deep.equal([1, 999, 1])
      const costs = texts.flatMap((text = '') => rawColumn(text, 'BilledCost'))
      expect(await loaded(world)).to.deep.equal({ n: 1001, cost: exactSum(costs) })
    }),
  )
})
