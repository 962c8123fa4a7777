import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { expect } from 'chai'
import { AppError } from '@convergence/contracts'
import type { ObjectInfo, Objects } from '@convergence/objects'
import { awsColumns, azureColumns } from '../../src/exports/columns.ts'
import { dayFormatOf, inspectCsv, openRecordCount, parseCsv } from '../../src/exports/csv.ts'
import {
  awsDelivery,
  azureDelivery,
  monthOfKey,
  newestAwsManifest,
  newestAzureRun,
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
  const fields = (text: string, whole = true) => parseCsv(text, { whole }).map((record) => record.fields)

  it('is read as RFC 4180 has it', () => {
    expect(fields('a,b\n1,"x, ""y"""\n')).to.deep.equal([
      ['a', 'b'],
      ['1', 'x, "y"'],
    ])
    expect(fields('\uFEFF"a","b"\r\n"1","two\r\nlines"\r\n3,')).to.deep.equal([
      ['a', 'b'],
      ['1', 'two\r\nlines'],
      ['3', ''],
    ])
    expect(fields('a,,\n,,c')).to.deep.equal([
      ['a', '', ''],
      ['', '', 'c'],
    ])
    expect(fields('')).to.deep.equal([])
  })

  it('leaves out a record that is cut off, wherever it is cut', () => {
    const text = 'a,b\r\n1,"x, ""y"""\r\n2,"z\n"\r\n'
    const whole = fields(text)
    for (let length = 0; length <= text.length; length += 1) {
      const cut = fields(text.slice(0, length), false)
      expect(cut, String(length)).to.deep.equal(whole.slice(0, cut.length))
    }
    expect(fields(text, false)).to.deep.equal(whole)
  })

  it('counts lines, not records', () => {
    expect(parseCsv('a,b\n"1\n2",x\n\n3,y\n', { whole: true }).map(({ line }) => line)).to.deep.equal([1, 2, 5])
  })

  it('has as many records as are read of it, however its bytes come', () => {
    for (const text of [
      '',
      'a,b',
      'a,b\n',
      '\uFEFF"a","b"\r\n"1","two\r\nlines"\r\n3,',
      'a,b\n\n\n1,"x ""y"" \n\n"\n',
      'a,b\n1,x"y\n2,z"\n',
      '"a\n",b\n"",\n,""\n',
      '\uFEFF"a\n",b\n1,2\n',
    ]) {
      const bytes = Buffer.from(text)
      for (const size of [1, 2, 3, 1000]) {
        if (text.startsWith('\uFEFF"a\n') && size < 3) continue
        const count = openRecordCount()
        for (let k = 0; k < bytes.length; k += size) count.see(bytes.subarray(k, k + size))
        expect(count.records(), JSON.stringify([text, size])).to.equal(parseCsv(text, { whole: true }).length)
      }
    }
  })

  it('must have a header', () => {
    for (const text of ['', 'one column\n1\n', 'a,b without an end'])
      expect(() => inspectCsv('x.csv', Buffer.from(text), { whole: false }), text)
        .to.throw(AppError)
        .with.property('code', 'EXPORT_INVALID')
  })

  it('must be UTF-8: UTF-16 is told as such, with its byte order mark or without', () => {
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
    expect(dayFormatOf(file('d,x\n9/2/2023,\n12/31/2023,\n'), 'd')).to.equal('month_first')
    expect(dayFormatOf(file('d,x\n2023-09-02,\n2023-09-02T00:00:00.000Z,\n'), 'd')).to.equal('iso')
    expect(dayFormatOf(file('d,x\n,\n'), 'd')).to.equal(undefined)
    expect(() => dayFormatOf(file('d,x\n31/12/2023,\n'), 'd')).to.throw('x.csv:2, column d')
    expect(() => dayFormatOf(file('d,x\n9/2/23,\n'), 'd')).to.throw('9/2/23')
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

  it('that have none of their own become JSON by the rest of their name, or are told', () => {
    const planned = aws(
      'lineItem/UnblendedCost,product/sku,product/vcpu,resourceTags/user:Cost Center,resource_tags_aws_x,discount/EdpDiscount,splitLineItem/SplitCost',
    )
    expect(named(planned, 'product')).to.deep.include({ object_of: { vcpu: 'product/vcpu' } })
    expect(named(planned, 'resource_tags')).to.deep.include({
      object_of: { 'user:Cost Center': 'resourceTags/user:Cost Center', aws_x: 'resource_tags_aws_x' },
    })
    expect(named(planned, 'discount')).to.deep.include({ object_of: { EdpDiscount: 'discount/EdpDiscount' } })
    expect(planned.not_taken).to.deep.equal(['splitLineItem/SplitCost'])
  })

  it('take the first of two that differ in case alone, and tell the other', () => {
    const planned = aws('lineItem/UnblendedCost,product/region,product/Region')
    expect(named(planned, 'product_region')).to.include({ source: 'product/region' })
    expect(named(planned, 'product')).to.deep.include({ object_of: { Region: 'product/Region' } })
  })

  it('say where the rows come from, whatever the file says', () => {
    const planned = aws('lineItem/UnblendedCost,report_name')
    expect(named(planned, 'report_name')).to.include({ value: 'daily' })
    expect(planned.not_taken).to.deep.equal(['report_name'])
  })

  it('of Azure read each day column as the file writes it', () => {
    const { columns } = azureColumns({
      table: tableColumns('azure'),
      files: [file('Date,Cost,BillingPeriodStartDate,ServicePeriodEndDate,Tags\n11/5/2025,1,2025-11-01,,\n')],
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

  it('of the same time are told apart by the copy beside the assemblies', () => {
    const listing = [
      object('r/20251101-20251201/zz/x-Manifest.json'),
      object('r/20251101-20251201/x-Manifest.json'),
      object('r/20251101-20251201/aa/x-Manifest.json'),
    ]
    for (const order of [listing, [...listing].reverse()])
      expect(newestAwsManifest('s3', 'r/', '2025-11', order).key).to.equal('r/20251101-20251201/x-Manifest.json')
  })

  it('of Azure that span a part of the month are none', () => {
    expect(() =>
      newestAzureRun('azure', 'e/', '2025-11', [
        object('e/20251101-20251115/part_0.csv'),
        object('e/20251001-20251031/part_0.csv'),
        object('e/20251101-20251130/notes.txt'),
      ]),
    ).to.throw('below e/20251101-20251130/')
    expect(newestAzureRun('azure', 'e/', '2024-02', [object('e/20240201-20240229/part_0.csv')]).files).to.have.length(1)
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
      const azure = (blobName: string, runInfo = {}) =>
        azureDelivery({
          where: 'azure',
          container: 'c',
          run: { id: '', manifest: object('m.json'), files: [] },
          manifest: { runInfo, blobs: [{ blobName }, { blobName }] },
          month: '2025-11',
          objects: [],
        })
      const aws = (manifest: Record<string, unknown>) =>
        awsDelivery({ where: 's3', bucket: 'b', manifest_key: 'm.json', manifest, month: '2025-11', objects: [] })
      for (const message of messages([
        () => azure('x', { startDate: `2025-10${long}` }),
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
        () => dayFormatOf(file(`d,x\n${long},\n`), 'd'),
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
        run: { id: '', manifest: object('m.json'), files: [] },
        manifest: { runInfo: { runId: half }, blobs: ['a.csv'] },
        month: '2025-11',
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
