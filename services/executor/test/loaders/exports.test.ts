import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { expect } from 'chai'
import { AppError } from '@convergence/contracts'
import type { ObjectInfo, Objects } from '@convergence/objects'
import { awsColumns, azureColumns } from '../../src/exports/columns.ts'
import { inspectCsv } from '../../src/exports/csv.ts'
import { dayFormatOf, orderOf } from '../../src/exports/days.ts'
import {
  awsDelivery,
  azureDelivery,
  monthOfKey,
  newestAwsManifest,
  azureRuns,
  chooseAzureRun,
  parseManifest,
} from '../../src/exports/deliveries.ts'
import { openSpool } from '../../src/exports/spool.ts'
import { codeOf, errorOf } from '../fakes.ts'
import { tableColumns } from './world.ts'

const object = (key: string, modified_at = '2025-11-02T00:00:00.000Z', size_bytes = 1): ObjectInfo => ({
  key,
  size_bytes,
  etag: 'e',
  modified_at,
})
const file = (text: string, name = 'x.csv') => inspectCsv(name, Buffer.from(text), { whole: true })

describe('the beginning of an export', () => {
  it('must have a header', () => {
    for (const text of ['', 'one column\n1\n', 'a,b without an end'])
      expect(() => inspectCsv('x.csv', Buffer.from(text), { whole: false }), text)
        .to.throw(AppError)
        .with.property('code', 'EXPORT_INVALID')
  })

  it('must be UTF-8: UTF-16 is named as such, with its byte order mark or without', () => {
    const little = Buffer.from('Date,Cost\r\n11/5/2025,1\r\n', 'utf16le')
    const big = Buffer.from(little).swap16()
    const mark = [Buffer.from([0xff, 0xfe]), Buffer.from([0xfe, 0xff])] as const
    for (const [head, got] of [
      [Buffer.concat([mark[0], little]), 'UTF-16 (it begins with the byte order mark FF FE)'],
      [Buffer.concat([mark[1], big]), 'UTF-16 (it begins with the byte order mark FE FF)'],
      [little, 'UTF-16 or no text (byte 2 is NUL)'],
      [big, 'UTF-16 or no text (byte 1 is NUL)'],
    ] as const) {
      for (const whole of [true, false])
        expect(() => inspectCsv('x.csv', head, { whole }), got)
          .to.throw(AppError, /^x\.csv:1: expected UTF-8, got /)
          .with.property('message', `x.csv:1: expected UTF-8, got ${got}`)
    }
    expect(file('a,b\n1,\0\n').rows).to.have.length(1)
  })

  it('says how days are written, or that it does not', () => {
    const of = (text: string, declared?: 'day_first') => dayFormatOf([file(text)], 'd', { month: '2023-09', declared })
    expect(of('d,x\n9/2/2023,\n12/31/2023,\n')).to.include({ order: 'month_first', strptime: '%m/%d/%Y' })
    expect(of('d,x\n2/9/2023,\n30/9/2023,\n')).to.include({ order: 'day_first', strptime: '%d/%m/%Y' })
    expect(() => of('d,x\n9/2/2023,\n')).to.throw(
      'x.csv:2, column d: expected a day that reads one way, or one past the 12th in some column of days, ' +
        'got "9/2/2023", which is 2023-09-02 or 2023-02-09; ' +
        'have the export write YYYY-MM-DD, or say day_format of the source: month_first or day_first',
    )
    expect(of('d,x\n9/2/2023,\n', 'day_first')).to.include({ order: 'day_first', by_range: false })
    expect(of('d,x\n09/13/2023 00:00:00,\n')).to.include({ strptime: '%m/%d/%Y %H:%M:%S' })
    expect(of('d,x\n9/13/2023 12:00:00 AM,\n')).to.include({ strptime: '%m/%d/%Y %I:%M:%S %p' })
    expect(of('d,x\n2023-09-02,\n2023-09-02T00:00:00.000Z,\n')).to.deep.equal({ order: 'iso', by_range: false })
    expect(of('d,x\n,\n')).to.equal(undefined)
    expect(() => of('d,x\n9/2/23,\n')).to.throw('9/2/23')
    expect(() => of('d,x\n20230902,\n')).to.throw('expected a day as MM/DD/YYYY or YYYY-MM-DD')
    expect(() => of('d,x\n9/2/2023,\n2023-09-03,\n')).to.throw('x.csv:3, column d: expected a day written as')
    expect(() => of('d,x\n9/13/2023,\n13/9/2023,\n')).to.throw('x.csv:3, column d: expected MM/DD/YYYY')
  })

  it('does not guess days that read in two ways', () => {
    const of = (text: string) => {
      const files = [file(text)]
      return dayFormatOf(files, 'd', { month: '2025-11', elsewhere: orderOf(files, ['d', 'end', 'x']) })
    }
    // All of them are of the month that was asked for, month first: so are those of May, day first, in a file of May.
    for (const days of ['11/05/2025,\n11/06/2025', '11/11/2025,\n05/11/2025', '05/11/2025,\n06/11/2025'])
      expect(() => of(`d,x\n${days},\n`), days).to.throw('expected a day that reads one way')
    // Another column says how days are written, such as the end of the billing period; two that disagree say nothing.
    expect(of('d,end\n11/05/2025,11/30/2025\n')).to.include({ order: 'month_first', by_range: true })
    expect(of('d,end\n05/11/2025,30/11/2025\n')).to.include({ order: 'day_first', by_range: true })
    expect(() => of('d,end\n11/05/2025,30/11/2025\n')).to.throw('expected a day of 2025-11 as DD/MM/YYYY')
    expect(() => of('d,end,x\n11/05/2025,30/11/2025,11/30/2025\n')).to.throw('expected a day that reads one way')
    expect(of('d,x\n11/11/2025,\n')).to.include({ order: 'month_first', by_range: true })
    expect(() => of('d,end\n11/11/2025,11/30/2025\n05/11/2025,11/30/2025\n')).to.throw(
      'x.csv:3, column d: expected a day of 2025-11 as MM/DD/YYYY, got "05/11/2025", which also reads the other way',
    )
    // Days first, as some program wrote it again: then all of them.
    expect(of('d,x\n05/11/2025,\n25/11/2025,\n')).to.include({ order: 'day_first', by_range: true })
    expect(() => of('d,x\n11/05/2025,\n25/11/2025,\n')).to.throw('expected a day of 2025-11 as DD/MM/YYYY')
  })
})

describe('columns of an export', () => {
  const aws = (header: string) =>
    awsColumns({
      table: tableColumns('aws'),
      files: [file(`bill/BillingPeriodStartDate,${header}\n2025-11-01${','.repeat(header.split(',').length)}\n`)],
      month: '2025-11',
      provenance: { report_name: 'daily' },
    })
  const named = ({ columns }: ReturnType<typeof aws>, name: string) => columns.find((column) => column.name === name)

  it("are the table's, all of them, in order", () => {
    expect(aws('lineItem/UnblendedCost,b').columns.map(({ name }) => name)).to.deep.equal(
      tableColumns('aws').map(({ name }) => name),
    )
  })

  it('are found in the spellings of the legacy report, of Athena and of CUR 2.0, whatever the case', () => {
    const spellings: [string, string, string][] = [
      ['line_item_unblended_cost', 'lineItem/UnblendedCost', 'LINE_ITEM_UNBLENDED_COST'],
      ['reservation_reservation_arn', 'reservation/ReservationARN', 'reservation_reservation_a_r_n'],
      ['savings_plan_savings_plan_arn', 'savingsPlan/SavingsPlanARN', 'savings_plan_savings_plan_a_r_n'],
      ['pricing_rate_code', 'pricing/RateCode', 'pricing_rate_code'],
      ['product_product_family', 'product/productFamily', 'product_product_family'],
      ['product_servicecode', 'product/servicecode', 'product_servicecode'],
      ['identity_time_interval', 'identity/TimeInterval', 'identity_time_interval'],
    ]
    for (const [name, ...sources] of spellings) {
      for (const source of sources)
        expect(
          named(aws(name === 'line_item_unblended_cost' ? `${source},b` : `lineItem/UnblendedCost,${source}`), name),
          source,
        ).to.include({ source })
    }
  })

  it('say the month by the days of use, where the billing period was not chosen for the report', () => {
    const planned = (day: string) =>
      awsColumns({
        table: tableColumns('aws'),
        files: [file(`line_item_usage_start_date,line_item_unblended_cost\n2025-10-31T23:00:00Z,1\n${day},1\n`)],
        month: '2025-11',
        provenance: {},
      })
    expect(named(planned('2025-11-01 00:00:00'), 'line_item_usage_start_date')).to.include({
      source: 'line_item_usage_start_date',
    })
    expect(() => planned('2025-10-31 00:00:00')).to.throw(AppError, 'expected days of 2025-11')
  })

  it('that have none of their own become JSON by the rest of their name, or are named', () => {
    const planned = aws(
      'lineItem/UnblendedCost,product/sku,product/vcpu,resourceTags/user:Cost ' +
        'Center,resource_tags_aws_x,resource_tags.user_env,discount/EdpDiscount,splitLineItem/SplitCost',
    )
    expect(named(planned, 'product')).to.deep.include({ object_of: { vcpu: 'product/vcpu' } })
    expect(named(planned, 'resource_tags')).to.deep.include({
      object_of: {
        'user:Cost Center': 'resourceTags/user:Cost Center',
        aws_x: 'resource_tags_aws_x',
        user_env: 'resource_tags.user_env',
      },
    })
    expect(named(planned, 'discount')).to.deep.include({ object_of: { EdpDiscount: 'discount/EdpDiscount' } })
    expect(named(planned, 'split_line_item_split_cost')).to.include({ source: 'splitLineItem/SplitCost' })
    expect(named(planned, 'other_columns')).to.deep.include({ value: null })
  })

  it('take the first of two that differ in case alone, and tell the other', () => {
    const planned = aws('lineItem/UnblendedCost,product/region,product/Region')
    expect(named(planned, 'product_region')).to.include({ source: 'product/region' })
    expect(named(planned, 'product')).to.deep.include({ object_of: { Region: 'product/Region' } })
  })

  it('say where the rows come from, whatever the file says', () => {
    const planned = aws('lineItem/UnblendedCost,b,report_name')
    expect(named(planned, 'report_name')).to.include({ value: 'daily' })
    expect(named(planned, 'other_columns')).to.deep.include({ object_of: { b: 'b', report_name: 'report_name' } })
    expect(planned.other_columns).to.deep.equal(['b', 'report_name'])
  })

  it('of Azure read each day column as the file writes it', () => {
    const { columns } = azureColumns({
      table: tableColumns('azure'),
      files: [file('Date,Cost,BillingPeriodStartDate,ServicePeriodEndDate,Tags\n11/15/2025,1,2025-11-01,,\n')],
      month: '2025-11',
      provenance: {},
    })
    const by = (name: string) => columns.find((column) => column.name === name)
    expect(by('date')).to.include({ source: 'Date', format: '%m/%d/%Y' })
    expect(by('billing_period_start_date')).to.not.have.property('format')
    expect(by('service_period_end_date')).to.include({ format: '%m/%d/%Y' })
    expect(by('tags')).to.include({ wrap_braces: true })
    expect(by('cost_in_billing_currency')).to.include({ source: 'Cost' })
  })
})

describe('the day columns of Azure beside the date', () => {
  const plan = (text: string, day_order?: 'month_first' | 'day_first') => {
    const { columns } = azureColumns({
      table: tableColumns('azure'),
      files: [file(text)],
      month: '2025-11',
      provenance: {},
      ...(day_order === undefined ? {} : { day_order }),
    })
    return (name: string) => columns.find((column) => column.name === name)
  }

  it('may be of any month: their days say how they are written, not when the delivery is of', () => {
    const by = plan('Date,Cost,ExchangeRateDate\n2025-11-05,1,10/10/2025\n')
    expect(by('exchange_rate_date')).to.include({ format: '%m/%d/%Y' })
    expect(by('exchange_rate_date')).to.not.have.property('within')
  })

  it('have no bounds, whatever the first ones say', () => {
    const by = plan(
      'Date,Cost,ServicePeriodStartDate,ServicePeriodEndDate,ExchangeRateDate\n' +
        '11/11/2025,1,11/11/2025,,10/10/2025\n',
    )
    expect(by('date')).to.deep.include({ format: '%m/%d/%Y', within: { from: '2025-11-01', to: '2025-12-01' } })
    for (const name of ['service_period_start_date', 'service_period_end_date', 'exchange_rate_date']) {
      expect(by(name), name).to.include({ format: '%m/%d/%Y' })
      expect(by(name), name).to.not.have.property('within')
    }
  })

  it('may be of another month with the day first too', () => {
    const by = plan('Date,Cost,ExchangeRateDate\n05/11/2025,1,31/10/2025\n', 'day_first')
    expect(by('date')).to.include({ format: '%d/%m/%Y' })
    expect(by('exchange_rate_date')).to.include({ format: '%d/%m/%Y' })
    expect(by('exchange_rate_date')).to.not.have.property('within')
  })

  it('let the date itself be of another month where it is written as the pipeline declares', () => {
    const by = plan('Date,Cost\n05/11/2025,1\n31/10/2025,1\n', 'day_first')
    expect(by('date')).to.include({ format: '%d/%m/%Y' })
    expect(by('date')).to.not.have.property('within')
  })
})

describe('deliveries', () => {
  it('are found in the folder of their month alone', () => {
    const listing = [
      object('cur/daily/20251101-20251201/daily-Manifest.json'),
      object('cur/daily/20251101-20251201/a1/daily-Manifest.json', '2025-11-01T00:00:00.000Z'),
      object('cur/daily/20251101-20251201/daily-RedshiftManifest.json', '2025-11-09T00:00:00.000Z'),
      object('cur/daily/20251201-20260101/daily-Manifest.json', '2025-12-09T00:00:00.000Z'),
      object('cur/daily/metadata/BILLING_PERIOD=2025-10/daily-Manifest.json', '2025-12-09T00:00:00.000Z'),
    ]
    expect(newestAwsManifest('s3', 'cur/daily/', '2025-11', listing).key).to.equal(
      'cur/daily/20251101-20251201/daily-Manifest.json',
    )
    expect(newestAwsManifest('s3', 'cur/daily/', '2025-12', listing).key).to.contain('20251201-20260101')
    expect(newestAwsManifest('s3', 'cur/daily/', '2025-10', listing).key).to.contain('BILLING_PERIOD=2025-10')
    expect(() => newestAwsManifest('s3', 'cur/daily/', '2025-09', listing)).to.throw('expected a manifest of 2025-09')
  })

  it('of AWS without a manifest for all are told apart by the times that their folders name, or refused', () => {
    const at = (folder: string, modified?: string) =>
      object(`e/metadata/BILLING_PERIOD=2025-11/${folder}/e-Manifest.json`, modified)
    expect(
      newestAwsManifest('s3', 'e/', '2025-11', [
        at('2025-11-06T01:00:00.000Z-bbbb', '2025-11-01T00:00:00.000Z'),
        at('2025-11-05T01:00:00.000Z-aaaa', '2025-12-01T00:00:00.000Z'),
      ]).key,
    ).to.contain('bbbb')
    expect(() => newestAwsManifest('s3', 'e/', '2025-11', [at('aaaa'), at('bbbb')])).to.throw(
      'expected one manifest directly in e/metadata/BILLING_PERIOD=2025-11/',
    )
    expect(() =>
      newestAwsManifest('s3', 'e/', '2025-11', [at('aaaa'), object('e/20251101-20251201/e-Manifest.json')]),
    ).to.throw('expected one report')
  })

  it('of the same time are told apart by the copy beside the assemblies', () => {
    const listing = [
      object('r/20251101-20251201/zz/x-Manifest.json'),
      object('r/20251101-20251201/x-Manifest.json'),
      object('r/20251101-20251201/aa/x-Manifest.json'),
    ]
    for (const order of [listing, [...listing].reverse()])
      expect(newestAwsManifest('s3', 'r/', '2025-11', order).key).to.equal('r/20251101-20251201/x-Manifest.json')
  })

  it('of the folders that touch the month, or there is none and the others are named', () => {
    expect(() =>
      azureRuns('azure', 'e/', '2025-11', [
        object('e/20251001-20251031/part_0.csv'),
        object('e/20251101-20251130/notes.txt'),
      ]),
    ).to.throw(
      'below e/20251101-20251130/, got none among 2 objects, which stand in 20251001-20251031/ 20251101-20251130/',
    )
    expect(azureRuns('azure', 'e/', '2024-02', [object('e/20240201-20240229/part_0.csv')])[0]?.files).to.have.length(1)
    expect(azureRuns('azure', 'e/', '2025-11', [object('e/20251101-20251110/part_0.csv')])).to.have.length(1)
  })

  describe('of Azure are chosen by their manifests', () => {
    const run = (id: string, more: Record<string, unknown> = {}, modified_at = '2025-11-02T00:00:00.000Z') => ({
      run: {
        id,
        manifest: object(`${id}/manifest.json`, modified_at),
        files: [],
        folder: { from: '20251101', to: '20251130' },
      },
      manifest: { exportConfig: { exportName: 'daily', type: 'ActualCost' }, ...more },
    })
    const choose = (...candidates: Parameters<typeof chooseAzureRun>[2][number][]) =>
      chooseAzureRun('azure', { month: '2025-11', dataset: 'actual', export_name: 'daily' }, candidates).run.id

    it('by the time of their submission, or of their folder, and never by the times of files', () => {
      const submitted = (time: string) => ({ runInfo: { submittedTime: time } })
      expect(
        choose(
          run('/new', submitted('2025-11-11T09:00:00Z'), '2025-11-01T00:00:00.000Z'),
          run('/old', submitted('2025-11-10T09:00:00.0000000Z'), '2025-12-01T00:00:00.000Z'),
        ),
      ).to.equal('/new')
      expect(choose(run('/202511100900/a'), run('/202511110900/b'))).to.equal('/202511110900/b')
      expect(() => choose(run('/a'), run('/b'))).to.throw('expected manifests that say which run is the newest')
    })

    it('by the most days, for a one-time export of some is none of the month', () => {
      const to = (endDate: string) => ({ runInfo: { startDate: '2025-11-01T00:00:00', endDate } })
      expect(
        choose(run('/202511100900/a', to('2025-11-10T00:00:00Z')), run('/202511110900/b', to('2025-11-05T00:00:00Z'))),
      ).to.equal('/202511100900/a')
    })

    it('by the kind and the name of the export', () => {
      const of = (type: string, exportName = 'daily') => ({ exportConfig: { exportName, type } })
      expect(
        choose(run('/1/202511100900', of('ActualCost', 'a')), run('/2/202511100930', of('AmortizedCost', 'b'))),
      ).to.equal('/1/202511100900')
      expect(() => choose(run('/a', of('AmortizedCost')))).to.throw(
        'expected an export of actual cost (exportConfig.type ActualCost), got AmortizedCost',
      )
      expect(choose(run('/a', of('ActualCost')), run('/b', of('ActualCost', 'other')))).to.equal('/a')
      expect(() => choose(run('/a', of('ActualCost', 'x')), run('/b', of('ActualCost', 'y')))).to.throw(
        'expected runs of one export, got those of "x", "y"',
      )
    })

    it('by the month that they are of', () => {
      expect(() =>
        choose(run('/a', { runInfo: { startDate: '2025-10-19T00:00:00', endDate: '2025-11-18T00:00:00' } })),
      ).to.throw('expected a run of 2025-11, got one of 2025-10-19 to 2025-11-18')
    })
  })

  it('say the month in the folder of a key', () => {
    expect(monthOfKey('cur/daily/20251101-20251201/daily-1.csv')).to.equal('2025-11')
    expect(monthOfKey('x/data/BILLING_PERIOD=2025-07/x.csv.gz')).to.equal('2025-07')
    expect(monthOfKey('by-hand/20251301-20251401/x.csv')).to.equal(undefined)
  })
})

describe('text of others in errors', () => {
  const half = '\ud83d'
  const messages = (attempts: readonly (() => unknown)[]) =>
    attempts.map((attempt) => {
      try {
        attempt()
      } catch (error) {
        return (error as AppError).message
      }
      throw new Error(`no error from ${String(attempt)}`)
    })

  it('is never half a character, wherever it is cut', () => {
    // One letter before them or two: one of both ends in the middle of a pair.
    for (const before of ['x', 'xx']) {
      const long = `${before}${'\u{1f4b8}'.repeat(300)}`
      const azure = (blobName: string) =>
        azureDelivery({
          where: 'azure',
          container: 'c',
          run: { id: '', manifest: object('m.json'), files: [], folder: { from: '20251101', to: '20251130' } },
          manifest: { blobs: [{ blobName }, { blobName }] },
          objects: [],
        })
      const aws = (manifest: Record<string, unknown>) =>
        awsDelivery({ where: 's3', bucket: 'b', manifest_key: 'm.json', manifest, month: '2025-11', objects: [] })
      for (const message of messages([
        () =>
          chooseAzureRun('azure', { month: '2025-11', dataset: 'actual', export_name: 'x' }, [
            {
              run: { id: '', manifest: object('m.json'), files: [], folder: { from: '20251101', to: '20251130' } },
              manifest: { exportConfig: { type: long } },
            },
          ]),
        () => azure(long),
        () => azure(`a${half}`),
        () => aws({ billingPeriod: { start: long } }),
        () => aws({ contentType: `parquet${long}` }),
        () => aws({ reportKeys: long }),
        () => aws({ reportKeys: [{ [long]: 1 }] }),
        () => aws({ reportKeys: [long] }),
        () => aws({ reportKeys: [`s3://other/${long}`] }),
        () => aws({ reportKeys: [half] }),
        () => parseManifest('m.json', JSON.stringify(long)),
        () => file(`${long}\n1\n`),
        () => dayFormatOf([file(`d,x\n${long},\n`)], 'd', { month: '2025-11' }),
        () =>
          awsColumns({
            table: tableColumns('aws'),
            files: [file(`bill/BillingPeriodStartDate,lineItem/UnblendedCost\n${long},1\n`)],
            month: '2025-11',
            provenance: {},
          }),
      ])) {
        expect(message.isWellFormed(), message).to.equal(true)
        expect(message).to.not.match(/\\ud[89a-f]/i)
      }
    }
  })

  it('is none in the ids of a delivery either, which are stored with every row', () => {
    expect(
      azureDelivery({
        where: 'azure',
        container: 'c',
        run: { id: '', manifest: object('m.json'), files: [], folder: { from: '20251101', to: '20251130' } },
        manifest: { runInfo: { runId: half }, blobs: ['a.csv'] },
        objects: [object('a.csv')],
      }).id,
    ).to.equal('\ufffd')
  })
})

describe('the scratch folder of a load', () => {
  const text = 'a,b\n1,2\n'
  const setup = (content: Record<string, Buffer | Error>) => {
    const folder = mkdtempSync(join(tmpdir(), 'convergence-spool-'))
    const objects: Objects = {
      list: async function* () {
        /* nothing asks */
      },
      read: async (_store, _bucket, key) =>
        Readable.from(
          (async function* () {
            const value = content[key]
            yield value instanceof Error ? Buffer.from('a,b\n') : value
            if (value instanceof Error) throw value
          })(),
        ),
      close: async () => undefined,
    }
    const files = Object.entries(content).map(([key, value]) =>
      object(key, undefined, value instanceof Error ? 100 : value.length),
    )
    const stop = new AbortController()
    const spool = openSpool({ objects, scratch_folder: join(folder, 'scratch') })
    return {
      folder,
      spool,
      stop,
      names: () => readdirSync(join(folder, 'scratch')),
      run: <T>(work: Parameters<typeof spool.with<T>>[0]['work']) =>
        spool.with({ store: 's3', bucket: 'b', files, signal: stop.signal, work }),
      end: () => {
        rmSync(folder, { recursive: true, force: true })
      },
    }
  }

  it('holds the files in their order while they are loaded, and nothing afterwards', async () => {
    const { run, names, end } = setup(
      Object.fromEntries(
        Array.from({ length: 8 }, (_, k) => [
          `${k}.csv${k % 2 === 0 ? '.gz' : ''}`,
          k % 2 === 0 ? gzipSync(`a,b\n${k},2\n`) : Buffer.from(`a,b\n${k},2\n`),
        ]),
      ),
    )
    await run(async (files) => {
      expect(files.map(({ name, rows }) => `${name} ${rows[0]?.fields.join('')}`)).to.deep.equal([
        '0.csv.gz 02',
        '1.csv 12',
        '2.csv.gz 22',
        '3.csv 32',
        '4.csv.gz 42',
        '5.csv 52',
        '6.csv.gz 62',
        '7.csv 72',
      ])
      expect(readFileSync(files[1]!.path, 'utf8')).to.equal('a,b\n1,2\n')
      // Put down unpacked, which loads faster.
      expect(files[0]).to.include({ unpacked_bytes: 8 })
      expect(readFileSync(files[0]!.path, 'utf8')).to.equal('a,b\n0,2\n')
      expect(files[0]!.path).to.match(/\.csv$/)
    })
    expect(names()).to.deep.equal([])
    expect(
      await codeOf(
        run(async () => {
          throw new AppError('EXPORT_INVALID', 'no')
        }),
      ),
    ).to.equal('EXPORT_INVALID')
    expect(names()).to.deep.equal([])
    end()
  })

  it('tells a full disk, and that a stream broke', async () => {
    const full = setup({
      'x.csv': Buffer.from(text),
      'y.csv': Object.assign(new Error('no space'), { code: 'ENOSPC' }),
    })
    expect((await errorOf(full.run(async () => undefined))).code).to.equal('DISK_FULL')
    expect(full.names()).to.deep.equal([])
    full.end()
    const broken = setup({ 'x.csv': Object.assign(new Error('reset'), { code: 'ECONNRESET' }) })
    expect(await codeOf(broken.run(async () => undefined))).to.contain('reset')
    expect(broken.names()).to.deep.equal([])
    broken.end()
  })

  it('tells a file that is not as long as its listing said', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'convergence-spool-'))
    const objects: Objects = {
      list: async function* () {
        /* nothing asks */
      },
      read: async () => Readable.from([Buffer.from(text)]),
      close: async () => undefined,
    }
    const short = openSpool({ objects, scratch_folder: folder }).with({
      store: 's3',
      bucket: 'b',
      files: [object('x.csv', undefined, 100)],
      signal: new AbortController().signal,
      work: async () => undefined,
    })
    expect(await codeOf(short)).to.equal('OBJECT_CHANGED')
    rmSync(folder, { recursive: true })
  })

  it('keeps the files for a job that goes on at shutdown, and not for one that was cancelled', async () => {
    for (const [reason, left] of [
      [new Error('shutdown'), 1],
      [new AppError('CANCELLED', 'stop'), 0],
      [new AppError('TIMED_OUT', 'late'), 0],
    ] as const) {
      const { run, names, stop, end } = setup({ 'x.csv': Buffer.from(text) })
      await run(async () => {
        stop.abort(reason)
        throw reason
      }).catch(() => undefined)
      expect(names(), String(reason)).to.have.length(left)
      end()
    }
  })

  it('loses at its first use what a process left that is gone, and nothing else', async () => {
    const { folder, run, names, end } = setup({ 'x.csv': Buffer.from(text) })
    const scratch = join(folder, 'scratch')
    for (const name of ['load-2000000000-1-abc', `load-${process.pid}-1-abc`, `load-${process.ppid}-1-abc`, 'other']) {
      mkdirSync(join(scratch, name), { recursive: true })
      writeFileSync(join(scratch, name, 'part-0.csv'), text)
    }
    await run(async () => undefined)
    expect(names().sort()).to.deep.equal([`load-${process.ppid}-1-abc`, 'other'].sort())
    expect(existsSync(join(scratch, 'other/part-0.csv'))).to.equal(true)
    end()
  })
})
