import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect } from 'chai'
import { codeOf, errorOf } from '../fakes.ts'
import {
  azureFolder,
  azureHeader,
  azureLine,
  azureManifest,
  csvOf,
  exactSum,
  inWorld,
  miniature,
  rawColumn,
  realExport,
  type World,
} from './world.ts'

const source = { container: 'acme-exports', prefix: 'cost/daily', month: '2025-11' }
const put = (world: World, path: string, content: string | Buffer, modified?: string) => {
  world.put('azure', 'acme-exports', `${azureFolder}/${path}`, content, modified)
}
const total = async ({ one }: World) =>
  one('SELECT COUNT(*) AS n, CAST(SUM(cost_in_billing_currency) AS STRING) AS cost FROM azure_cost_exports')

describe('azure.blob_data_loader', function () {
  this.timeout(60_000)

  it(
    'loads all parts of a run with its manifest: byte order mark, CRLF, tags without braces',
    inWorld(async (world) => {
      put(
        world,
        'run-1/part_0.csv',
        `\uFEFF${csvOf(azureHeader, [azureLine('5.5E-05'), azureLine('2', { tags: '' })], '\r\n')}`,
      )
      put(
        world,
        'run-1/part_1.csv.gz',
        gzipSync(csvOf(azureHeader, [azureLine('-1', { day: '11/30/2025', tags: '"{""org"": ""x""}"' })], '\r\n')),
      )
      put(
        world,
        'run-1/manifest.json',
        azureManifest([`${azureFolder}/run-1/part_0.csv`, `acme-exports/${azureFolder}/run-1/part_1.csv.gz`], {
          runInfo: { runId: 'r-1', startDate: '2025-11-01T00:00:00' },
        }),
      )
      const { rows_written, outputs } = await world.load('azure', source)
      expect(rows_written).to.equal(3)
      expect(outputs).to.include({
        files: 2,
        manifest_id: 'r-1',
        billing_period: '2025-11-01',
        source_file: `${azureFolder}/run-1/manifest.json`,
      })
      expect(await total(world)).to.deep.equal({ n: 3, cost: '1.000055' })
      expect(
        await world.one(
          'SELECT * FROM azure_cost_exports WHERE cost_in_billing_currency < 1 AND cost_in_billing_currency > 0',
        ),
      ).to.deep.include({
        billing_period: '2025-11-01',
        export_name: 'cost/daily',
        export_run_id: 'r-1',
        date: '2025-11-05',
        billing_period_start_date: '2025-11-01',
        subscription_id: 'sub-1',
        tags: { env: 'prod' },
        additional_info: '{"a": 1}',
        invoice_id: null,
      })
      expect(
        (await world.one('SELECT tags FROM azure_cost_exports WHERE cost_in_billing_currency = 2'))['tags'],
      ).to.equal(null)
      expect(
        (await world.one('SELECT tags FROM azure_cost_exports WHERE cost_in_billing_currency = -1'))['tags'],
      ).to.deep.equal({ org: 'x' })
      expect(world.scratch()).to.deep.equal([])
    }),
  )

  it(
    'does not replace days that a delivery does not cover',
    inWorld(async (world) => {
      const run = (folder: string, cost: string, day: string, endDate: string) => {
        put(world, `${folder}/part_0.csv`, csvOf(azureHeader, [azureLine(cost, { day })]))
        put(
          world,
          `${folder}/manifest.json`,
          azureManifest([`${azureFolder}/${folder}/part_0.csv`], {
            runInfo: { startDate: '2025-11-01T00:00:00', endDate },
          }),
        )
      }
      run('202511140900/a', '3', '11/13/2025', '2025-11-14T00:00:00Z')
      await world.load('azure', source)
      // A one-time export of the first days stands beside it: the wider one is the month.
      run('202511150900/b', '1', '11/03/2025', '2025-11-05T00:00:00Z')
      await world.load('azure', source)
      expect(await total(world)).to.deep.equal({ n: 1, cost: '3' })
      rmSync(join(world.folder, 'buckets/azure/acme-exports', azureFolder, '202511140900'), { recursive: true })
      const error = await errorOf(world.load('azure', source))
      expect(error.code).to.equal('EXPORT_INVALID')
      expect(error.message).to.contain(
        'expected days to 2025-11-13 at least, which are loaded, got a delivery of days to 2025-11-05',
      )
      expect(await total(world)).to.deep.equal({ n: 1, cost: '3' })
    }),
  )

  it(
    "brings the names of older, translated and partners' exports to one column, and keeps the rest",
    inWorld(async (world) => {
      put(
        world,
        'part_0.csv',
        csvOf(
          'Abonnement (SubscriptionGuid),Datum (UsageDateTime),PreTaxCost,Währung ' +
            '(Currency),InstanceName,MarketPrice,exchangeRate,pricingCurrencyCode,customerName,DepartmentName,Neu,Tags',
          ['s-1,2025-11-05T00:00Z,1.5,EUR,vm-1,2.5,1.1,USD,Contoso,Sales,x,"""env"": ""prod"","'],
        ),
      )
      const { outputs } = await world.load('azure', source)
      expect(outputs).to.deep.include({
        other_columns: 1,
        other_columns_names: ['Neu'],
        values_not_json: { tags: 1 },
      })
      expect(await world.one('SELECT * FROM azure_cost_exports')).to.deep.include({
        subscription_id: 's-1',
        cost_in_billing_currency: '1.5',
        billing_currency_code: 'EUR',
        resource_id: 'vm-1',
        pay_g_price: '2.5',
        exchange_rate_pricing_to_billing: '1.1',
        pricing_currency: 'USD',
        customer_name: 'Contoso',
        department_name: 'Sales',
        tags: '"env": "prod",',
        dataset: 'actual',
        other_columns: { Neu: 'x' },
        source_name: 'azure://acme-exports/cost/daily',
      })
    }),
  )

  it(
    'passes over a byte order mark that stands before the first row too',
    inWorld(async (world) => {
      const text = `\uFEFFDate,Cost,SubscriptionId\r\n\uFEFF11/13/2025,1.25,s-1\r\n11/14/2025,2,s-1\r\n`
      put(world, 'r/part_0.csv', text)
      put(
        world,
        'r/manifest.json',
        azureManifest([], {
          blobs: [{ blobName: `${azureFolder}/r/part_0.csv`, byteCount: Buffer.byteLength(text), dataRowCount: 2 }],
        }),
      )
      await world.load('azure', source)
      expect(await total(world)).to.deep.equal({ n: 2, cost: '3.25' })
      put(
        world,
        'r/part_0.csv',
        text
          .replace('Date,Cost,SubscriptionId', 'SubscriptionId,Date,Cost')
          .replaceAll(/(\d+\/\d+\/\d+,[\d.]+),s-1/g, 's-1,$1'),
      )
      await world.load('azure', source)
      expect(await world.one("SELECT COUNTIF(subscription_id = 's-1') AS n FROM azure_cost_exports")).to.deep.equal({
        n: 2,
      })
    }),
  )

  it(
    'completes without rows where there were none, and refuses to replace rows by none',
    inWorld(async (world) => {
      put(world, 'r/manifest.json', azureManifest([], { blobs: [], blobCount: 0 }))
      expect(await world.load('azure', source)).to.include({ rows_written: 0 })
      put(world, 'r/part_0.csv', `${azureHeader}\n`)
      put(world, 'r/manifest.json', azureManifest([`${azureFolder}/r/part_0.csv`], { dataRowCount: 0 }))
      expect(await world.load('azure', source)).to.include({ rows_written: 0 })
      put(world, 'r/part_0.csv', csvOf(azureHeader, [azureLine('1')]))
      put(world, 'r/manifest.json', azureManifest([`${azureFolder}/r/part_0.csv`]))
      await world.load('azure', source)
      put(world, 'r/part_0.csv', `${azureHeader}\n`)
      expect((await errorOf(world.load('azure', source))).message).to.contain(
        'expected rows, got none; an empty delivery does not replace the 1 rows of the month',
      )
    }),
  )

  it(
    'takes the newest run alone, and none that is still being written',
    inWorld(async (world) => {
      const run = (id: string, cost: string, modified: string) => {
        put(world, `${id}/guid/part_0.csv`, csvOf(azureHeader, [azureLine(cost)]), modified)
        put(world, `${id}/guid/manifest.json`, manifestOf(id, modified), '2025-12-01T00:00:00Z')
      }
      const manifestOf = (id: string, submittedTime: string) =>
        azureManifest([`${azureFolder}/${id}/guid/part_0.csv`], { runInfo: { submittedTime } })
      run('r2', '2', '2025-11-03T00:00:00Z')
      run('r1', '1', '2025-11-02T00:00:00Z')
      put(world, 'r3/guid/part_0.csv', csvOf(azureHeader, [azureLine('3')]), '2025-11-04T00:00:00Z')
      expect((await world.load('azure', source)).outputs).to.include({ manifest_id: 'r2/guid' })
      expect(await total(world)).to.deep.equal({ n: 1, cost: '2' })
      put(world, 'r3/guid/manifest.json', manifestOf('r3', '2025-11-04T00:00:00Z'))
      await world.load('azure', source)
      await world.load('azure', source)
      expect(await total(world)).to.deep.equal({ n: 1, cost: '3' })
    }),
  )

  it(
    'reads older exports without manifests: parts are a run, any other file is one',
    inWorld(async (world) => {
      put(world, 'guid-1/part_0.csv', csvOf(azureHeader, [azureLine('1')]), '2025-11-02T00:00:00Z')
      put(world, 'guid-1/part_1.csv', csvOf(azureHeader, [azureLine('2')]), '2025-11-02T00:00:00Z')
      await world.load('azure', source)
      expect(await total(world)).to.deep.equal({ n: 2, cost: '3' })
      put(world, 'daily_aaaa.csv', csvOf(azureHeader, [azureLine('10')]), '2025-11-03T00:00:00Z')
      put(world, 'daily_bbbb.csv', csvOf(azureHeader, [azureLine('20')]), '2025-11-04T00:00:00Z')
      await world.load('azure', source)
      expect(await total(world)).to.deep.equal({ n: 1, cost: '20' })
    }),
  )

  it(
    'knows the spellings of EA, MCA and the newer camel case',
    inWorld(async (world) => {
      const cases = [
        'subscriptionId,date,costInBillingCurrency,billingCurrency,resourceGroupName,productName,invoiceSectionName',
        'SubscriptionId,Date,Cost,BillingCurrency,ResourceGroup,Product,InvoiceSection',
        'SUBSCRIPTIONID,DATE,COSTINBILLINGCURRENCY,BILLINGCURRENCYCODE,RESOURCEGROUP,PRODUCTNAME,INVOICESECTIONNAME',
      ]
      for (const [k, header] of cases.entries()) {
        put(world, 'part_0.csv', csvOf(header, [`sub,2025-11-0${k + 1}T00:00:00Z,1.25,EUR,rg,vm,main`]))
        await world.load('azure', source)
        expect(
          await world.one(
            'SELECT subscription_id, date, CAST(cost_in_billing_currency AS STRING) AS cost, ' +
              'billing_currency_code, resource_group, product_name, invoice_section_name FROM azure_cost_exports',
          ),
          header,
        ).to.deep.equal({
          subscription_id: 'sub',
          date: `2025-11-0${k + 1}`,
          cost: '1.25',
          billing_currency_code: 'EUR',
          resource_group: 'rg',
          product_name: 'vm',
          invoice_section_name: 'main',
        })
      }
    }),
  )

  it(
    'finds how a file writes its days, and never guesses a row',
    inWorld(async (world) => {
      const load = async (...days: string[]) => {
        put(
          world,
          'part_0.csv',
          csvOf(
            azureHeader,
            days.map((day) =>
              azureLine('1', { day, ...(/^\d{4}/.test(day) ? { start: '2025-11-01', end: '2025-11-30' } : {}) }),
            ),
          ),
        )
        await world.load('azure', source)
        return (
          await world.one('SELECT STRING_AGG(CAST(date AS STRING), " " ORDER BY date) AS days FROM azure_cost_exports')
        )['days']
      }
      expect(await load('11/5/2025', '11/12/2025')).to.equal('2025-11-05 2025-11-12')
      expect(await load('11/05/2025', '11/30/2025')).to.equal('2025-11-05 2025-11-30')
      expect(await load('2025-11-05', '2025-11-12T00:00:00')).to.equal('2025-11-05 2025-11-12')
      const wrong: [string[], RegExp][] = [
        [
          ['11/5/2025', '2025-11-06'],
          /part_0\.csv:3, column Date: expected a day written as "11\/5\/2025" in line 2 is, got "2025-11-06"/,
        ],
        [['2025-11-06', '11/5/2025'], /expected a day written as "2025-11-06" in line 2 is/],
        [['5/11/2025', '12/11/2025'], /expected a day of 2025-11 as MM\/DD\/YYYY, got "5\/11\/2025"/],
        [['11/5/2025', '13/11/2025'], /part_0\.csv:2.* expected a day of 2025-11 as DD\/MM\/YYYY/],
        [['5 Nov 2025'], /expected a day as MM\/DD\/YYYY or YYYY-MM-DD/],
        [['10/5/2025'], /expected a day of 2025-11/],
      ]
      for (const [days, message] of wrong) {
        const error = await errorOf(load(...days))
        expect(error.code).to.equal('EXPORT_INVALID')
        expect(error.message, days.join()).to.match(message)
      }
      expect(await total(world)).to.deep.equal({ n: 2, cost: '2' })
    }),
  )

  it(
    'refuses days that read in two ways where nothing in the file says which, though all be of the month asked for',
    inWorld(async (world) => {
      const lines = ['11/5/2025', '11/12/2025'].map((day) => azureLine('1', { day, end: '' }))
      put(world, 'part_0.csv', csvOf(azureHeader, lines))
      const error = await errorOf(world.load('azure', source))
      expect(error.code).to.equal('EXPORT_INVALID')
      expect(error.message).to.match(
        /part_0\.csv:2, column Date: expected a day that reads one way.*"11\/5\/2025", which is 2025-11-05 or 2025-05-11; /,
      )
      await world.load('azure', { ...source, day_format: 'month_first' })
      expect(await total(world)).to.deep.equal({ n: 2, cost: '2' })
      put(world, 'part_0.csv', csvOf(azureHeader, [...lines, azureLine('3', { day: '11/13/2025', end: '' })]))
      await world.load('azure', source)
      expect(await total(world)).to.deep.equal({ n: 3, cost: '5' })
    }),
  )

  it(
    'finds the day that says how days are written also far below the first rows',
    inWorld(async (world) => {
      const ofDay = (day: string, n: number) => Array.from({ length: n }, () => azureLine('1', { day, end: '' }))
      const lines = [...ofDay('11/5/2025', 10_000), ...ofDay('11/12/2025', 10_000)]
      for (const name of ['part_0.csv', 'part_0.csv.gz']) {
        const pack = (text: string) => (name.endsWith('.gz') ? gzipSync(text) : text)
        const decided = [...lines, azureLine('1', { day: '11/13/2025', end: '' })]
        put(world, 'r/manifest.json', azureManifest([`${azureFolder}/r/${name}`]))
        put(world, `r/${name}`, pack(csvOf(azureHeader, decided)))
        await world.load('azure', source)
        expect(await total(world)).to.deep.equal({ n: 20_001, cost: '20001' })
        put(world, `r/${name}`, pack(csvOf(azureHeader, lines)))
        expect((await errorOf(world.load('azure', source))).message).to.match(
          /part_0\.csv(\.gz)?:2, column Date: expected a day that reads one way/,
        )
      }
    }),
  )

  it(
    'finds a day that reads in two ways also far below those that read in one',
    inWorld(async (world) => {
      const header = 'Date,Cost,SubscriptionId,ExchangeRateDate'
      const ofRate = (day: string, n: number) =>
        Array.from({ length: n }, () => `2025-11-05,1,${'s'.repeat(40)},${day}`)
      put(world, 'part_0.csv', csvOf(header, [...ofRate('10/10/2025', 20_000), ...ofRate('10/5/2025', 1)]))
      expect((await errorOf(world.load('azure', source))).message).to.match(
        /part_0\.csv:20002, column ExchangeRateDate: expected a day that reads one way.*2025-10-05 or 2025-05-10/,
      )
      put(world, 'part_0.csv', csvOf(header, [...ofRate('10/10/2025', 20_000), ...ofRate('10/31/2025', 1)]))
      await world.load('azure', source)
      expect(await total(world)).to.deep.equal({ n: 20_001, cost: '20001' })
    }),
  )

  it(
    'finds another way of writing days also far below the first rows',
    inWorld(async (world) => {
      const many = Array.from({ length: 20_000 }, () => azureLine('1'))
      put(world, 'part_0.csv', csvOf(azureHeader, [...many, azureLine('1', { day: '2025-11-06' })]))
      const error = await errorOf(world.load('azure', source))
      expect(error.code).to.equal('EXPORT_INVALID')
      expect(error.message).to.contain(`${azureFolder}/part_0.csv:20002`).and.contain('Date')
    }),
  )

  it(
    'refuses two parts that write days in two ways',
    inWorld(async (world) => {
      put(world, 'part_0.csv', csvOf(azureHeader, [azureLine('1')]))
      put(world, 'part_1.csv', csvOf(azureHeader, [azureLine('1', { day: '2025-11-06' })]))
      expect((await errorOf(world.load('azure', source))).message).to.match(
        /part_1\.csv:2, column Date: expected a day written as "11\/5\/2025" in .*part_0\.csv:2 is, got "2025-11-06"/,
      )
    }),
  )

  it(
    'loads what its manifest counted: rows without the header, bytes as they are stored or unpacked',
    inWorld(async (world) => {
      const [plain, other] = [
        `\uFEFF${csvOf(azureHeader, [azureLine('1', { tags: '"""a"":\n ""b"""' }), azureLine('2')], '\r\n')}\r\n`,
        csvOf(azureHeader, [azureLine('4')]).trimEnd(),
      ]
      const packed = gzipSync(other)
      put(world, 'r/part_0.csv', plain)
      put(world, 'r/part_1.csv.gz', packed)
      for (const byteCount of [packed.length, other.length]) {
        put(
          world,
          'r/manifest.json',
          azureManifest([], {
            blobCount: 2,
            byteCount: Buffer.byteLength(plain) + byteCount,
            dataRowCount: 3,
            blobs: [
              { blobName: `${azureFolder}/r/part_0.csv`, byteCount: Buffer.byteLength(plain), dataRowCount: 2 },
              { blobName: `${azureFolder}/r/part_1.csv.gz`, byteCount, dataRowCount: 1 },
            ],
          }),
        )
        for (const unpack_bytes of [1, 1_000_000])
          expect((await world.load('azure', source, { deps: { limits: { unpack_bytes } } })).rows_written).to.equal(3)
      }
      put(
        world,
        'r/manifest.json',
        azureManifest([`${azureFolder}/r/part_0.csv`], { byteCount: null, dataRowCount: 'many', blobCount: -1 }),
      )
      expect((await world.load('azure', source)).rows_written).to.equal(2)
    }),
  )

  it(
    'refuses a delivery that is not all its manifest counted, and leaves the month as it was',
    inWorld(async (world) => {
      const [text, packed] = [
        csvOf(azureHeader, [azureLine('1'), azureLine('2')]),
        gzipSync(csvOf(azureHeader, [azureLine('4')])),
      ]
      const files = ['part_0.csv', 'part_1.csv.gz'].map((name) => `${azureFolder}/r/${name}`)
      const deliver = (counts: readonly object[], more = {}) => {
        put(
          world,
          'r/manifest.json',
          azureManifest([], { blobs: files.map((blobName, k) => ({ blobName, ...counts[k] })), ...more }),
        )
      }
      put(world, 'r/part_0.csv', text)
      put(world, 'r/part_1.csv.gz', packed)
      deliver([])
      await world.load('azure', source)
      const manifest = `${azureFolder}/r/manifest.json`
      const cases: [readonly object[], Record<string, unknown>, string][] = [
        [
          [{ byteCount: text.length + 99 }],
          {},
          `${files[0]}: expected ${text.length + 99} bytes, as byteCount in ${manifest} says, ` +
            `got ${text.length}; the delivery is not complete`,
        ],
        [
          [{}, { byteCount: packed.length + 1 }],
          {},
          `${files[1]}: expected ${packed.length + 1} bytes, as byteCount in ${manifest} says, got ${packed.length} (`,
        ],
        [
          [{ dataRowCount: 3 }],
          {},
          `${files[0]}: expected 3 rows, as dataRowCount in ${manifest} says, got 2; the delivery is not complete`,
        ],
        [[{}, { dataRowCount: 0 }], {}, `${files[1]}: expected 0 rows, as dataRowCount in ${manifest} says, got 1`],
        [
          [],
          { dataRowCount: 4 },
          `the 2 files of ${manifest}: expected 4 rows, as dataRowCount in ${manifest} says, got 3`,
        ],
        [[], { byteCount: 5 }, `the 2 files of ${manifest}: expected 5 bytes`],
        [[], { blobCount: 3 }, `${manifest}: expected 3 files in blobs, as blobCount says, got 2`],
      ]
      for (const [counts, more, message] of cases) {
        deliver(counts, more)
        const error = await errorOf(world.load('azure', source))
        expect(error.code, error.message).to.equal('EXPORT_INVALID')
        expect(error.message).to.contain(message)
      }
      put(
        world,
        'r/manifest.json',
        azureManifest([files[0] ?? '', `https://account.blob.core.windows.net/acme-exports/${String(files[0])}`]),
      )
      expect((await errorOf(world.load('azure', source))).message).to.contain(`got ${String(files[0])} twice`)
      expect(await total(world)).to.deep.equal({ n: 3, cost: '7' })
      expect(world.scratch()).to.deep.equal([])
    }),
  )

  it(
    'refuses rows without the day by which their month is known, in any of the files',
    inWorld(async (world) => {
      put(world, 'part_0.csv', csvOf(azureHeader, [azureLine('1')]))
      await world.load('azure', source)
      put(world, 'part_1.csv', csvOf('SubscriptionId,CostInBillingCurrency', ['sub-1,2']))
      expect((await errorOf(world.load('azure', source))).message).to.contain(
        `${azureFolder}/part_1.csv:1: expected a column Date, UsageDate or UsageDateTime, ` +
          'which says the month of its rows, got SubscriptionId, CostInBillingCurrency',
      )
      put(world, 'part_1.csv', csvOf(azureHeader, [azureLine('2')]))
      put(world, 'part_0.csv', csvOf('SubscriptionId,CostInBillingCurrency', ['sub-1,2']))
      expect(await errorOf(world.load('azure', source)))
        .to.include({ code: 'EXPORT_INVALID' })
        .and.to.have.property('message')
        .that.contains('part_0.csv:1: expected a column Date')
      for (const part of ['part_0.csv', 'part_1.csv'])
        put(world, part, csvOf(azureHeader, [azureLine('2', { day: '' })]))
      expect((await errorOf(world.load('azure', source))).message).to.contain(
        `${azureFolder}/part_0.csv, column Date: expected days of 2025-11, got empty fields alone`,
      )
      expect(await total(world)).to.deep.equal({ n: 1, cost: '1' })
    }),
  )

  it(
    'names file, line and column of a bad value and leaves the month as it was',
    inWorld(async (world) => {
      put(world, 'part_0.csv', csvOf(azureHeader, [azureLine('1')]))
      await world.load('azure', source)
      put(world, 'part_0.csv', `\uFEFF${csvOf(azureHeader, [azureLine('2'), azureLine('1,5')], '\r\n')}`)
      expect((await errorOf(world.load('azure', source))).message).to.contain(`${azureFolder}/part_0.csv:3`)
      put(world, 'part_0.csv', csvOf(azureHeader, [azureLine('2'), azureLine('n/a')]))
      const error = await errorOf(world.load('azure', source))
      expect(error.code).to.equal('EXPORT_INVALID')
      expect(error.message)
        .to.contain(`${azureFolder}/part_0.csv:3`)
        .and.contain('CostInBillingCurrency')
        .and.contain('n/a')
      expect(await total(world)).to.deep.equal({ n: 1, cost: '1' })
    }),
  )

  it(
    "loads its own export alone, in either layout, and never another's because there is no other",
    inWorld(async (world) => {
      const named = (name: string) => ({ container: 'c1', prefix: 'cost', export_name: name, month: '2025-11' })
      const load = (name: string) =>
        world.load('azure', named(name), { period: { billing_period: '2025-11-01', source_name: name } })
      const deliver = (folder: string, cost: string, exportName: string) => {
        const part = `cost/${folder}/run-1/part_0.csv`
        world.put('azure', 'c1', part, csvOf(azureHeader, [azureLine(cost)]))
        world.put(
          'azure',
          'c1',
          `cost/${folder}/run-1/manifest.json`,
          azureManifest([part], { exportConfig: { exportName, type: 'ActualCost' } }),
        )
      }
      deliver('20251101-20251130/daily', '5', 'daily')
      deliver('hourly/20251101-20251130', '7', 'hourly')
      deliver('wrong/20251101-20251130', '9', 'other')
      await load('daily')
      await load('hourly')
      expect((await errorOf(load('weekly'))).code).to.equal('OBJECT_NOT_FOUND')
      const foreign = await errorOf(load('wrong'))
      expect(foreign.message).to.include('expected a run of export wrong (exportConfig.exportName), got one of "other"')
      expect(await total(world)).to.deep.equal({ n: 2, cost: '12' })
    }),
  )

  it(
    'refuses what is not the delivery it should be, in one sentence',
    inWorld(async (world) => {
      const manifest = (text: string) => {
        put(world, 'r/manifest.json', text)
      }
      expect((await errorOf(world.load('azure', source))).message).to.match(
        /^azure (bucket|container) acme-exports does not exist/i,
      )
      put(world, '../other/x.csv', 'a,b\n')
      expect((await errorOf(world.load('azure', source))).message).to.contain(
        'expected an export of 2025-11 below cost/daily/20251101-20251130/',
      )
      put(world, 'r/part_0.csv', csvOf(azureHeader, [azureLine('1')]))
      manifest(azureManifest([`${azureFolder}/r/part_0.csv`, `${azureFolder}/r/part_1.csv`]))
      expect(await errorOf(world.load('azure', source)))
        .to.include({ code: 'OBJECT_NOT_FOUND' })
        .and.to.have.property('message')
        .that.contains('r/part_1.csv')
      manifest(azureManifest([`${azureFolder}/r/part_0.csv`], { runInfo: { startDate: '2025-10-01T00:00:00' } }))
      expect((await errorOf(world.load('azure', source))).message).to.contain('expected a run of 2025-11')
      manifest('[]')
      expect((await errorOf(world.load('azure', source))).message).to.contain('a list')
      manifest(azureManifest([`${azureFolder}/r/part_0.csv`]))
      put(world, 'r/part_0.csv', 'BilledCost,ChargePeriodStart\n1,2025-11-01\n')
      expect((await errorOf(world.load('azure', source))).message).to.contain(
        'expected a cost export with a column CostInBillingCurrency or Cost, got BilledCost',
      )
      expect(await codeOf(world.load('azure', { ...source, month: '2025-1' }))).to.equal('CONFIG_INVALID')
      expect(await codeOf(world.load('azure', { container: 'acme-exports' }))).to.equal('CONFIG_INVALID')
    }),
  )

  /** The export of 2023-09, twice; its sums are taken from its text. */
  const loadsWhole = (raw: string, expected: { days: number; first: string; spot: number }) =>
    inWorld(async (world) => {
      const costs = rawColumn(raw, 'CostInBillingCurrency')
      const folder = 'cost/daily/20230901-20230930/run'
      world.put('azure', 'acme-exports', `${folder}/part_0.csv`, raw)
      world.put(
        'azure',
        'acme-exports',
        `${folder}/manifest.json`,
        azureManifest([], {
          blobs: [{ blobName: `${folder}/part_0.csv`, byteCount: Buffer.byteLength(raw), dataRowCount: costs.length }],
        }),
      )
      for (const round of [1, 2]) {
        const { rows_written } = await world.load('azure', { ...source, month: '2023-09' })
        expect(rows_written, `round ${round}`).to.equal(costs.length)
        expect(await total(world)).to.deep.equal({ n: costs.length, cost: exactSum(costs) })
      }
      expect(
        await world.one(
          'SELECT COUNT(DISTINCT date) AS days, CAST(MIN(date) AS STRING) AS first, ' +
            "COUNTIF(pricing_model = 'Spot') AS spot, COUNT(tags) AS tags FROM azure_cost_exports",
        ),
      ).to.deep.equal({ ...expected, tags: rawColumn(raw, 'Tags').filter((text) => text !== '').length })
    })()
  it('loads an export to the sum of its raw file, and again without doubling it', () =>
    loadsWhole(miniature('azure-ea.csv'), { days: 6, first: '2023-09-02', spot: 1 }))
  const real = realExport('azure/sample-anonymous-ea-export-dataset.csv')
  if (real !== undefined)
    it('loads the real export in the same way', async () => {
      expect(exactSum(rawColumn(real, 'CostInBillingCurrency'))).to.equal('1.26136926505726')
      await loadsWhole(real, { days: 1, first: '2023-09-02', spot: 3 })
    })

  it(
    'warns where parts without a manifest may be of two runs, and leaves out byte order marks of files put together',
    inWorld(async (world) => {
      const part = (cost: string) => `\uFEFF${csvOf(azureHeader, [azureLine(cost, { day: '11/15/2025' })])}`
      world.put('azure', 'acme-exports', `${azureFolder}/part_0.csv`, part('1'), '2025-11-20T01:00:00Z')
      world.put('azure', 'acme-exports', `${azureFolder}/part_1.csv`, part('2'), '2025-11-19T01:00:00Z')
      const { outputs } = await world.load('azure', source)
      expect(outputs?.['warnings']).to.match(/2 parts without a manifest were written from 2025-11-19.* to 2025-11-20/)
      const lines = ['1', '2', '3'].map((cost) => azureLine(cost, { day: '11/15/2025' }))
      world.put('azure', 'acme-exports', `${azureFolder}/part_1.csv`, part('2'), '2025-11-20T01:00:01Z')
      world.put(
        'azure',
        'acme-exports',
        `${azureFolder}/part_0.csv`,
        csvOf(azureHeader, lines, '\n\uFEFF'),
        '2025-11-20T01:00:00Z',
      )
      expect((await world.load('azure', source)).outputs)
        .to.include({ rows_written: 4 })
        .and.not.have.property('warnings')
      expect(
        await world.one("SELECT COUNT(*) AS n FROM azure_cost_exports WHERE subscription_id = 'sub-1'"),
      ).to.deep.equal({ n: 4 })
    }),
  )
})
