import { gzipSync } from 'node:zlib'
import { expect } from 'chai'
import { codeOf, errorOf } from '../fakes.ts'
import {
  awsFolder,
  awsHeader,
  awsLine,
  awsManifest,
  csvOf,
  exactSum,
  inWorld,
  miniature,
  rawColumn,
  realExport,
  tableColumns,
  type World,
} from './world.ts'

const source = { s3_bucket: 'acme-cur', s3_prefix: 'cur', report_name: 'daily', month: '2025-11' }
/** A delivery of files by name, with its manifest. */
const deliver = (
  { put }: World,
  files: Record<string, string | Buffer>,
  {
    folder = awsFolder,
    manifest = {},
    modified,
  }: { folder?: string; manifest?: Record<string, unknown>; modified?: string } = {},
) => {
  for (const [name, content] of Object.entries(files)) put('s3', 'acme-cur', `${folder}/${name}`, content, modified)
  put(
    's3',
    'acme-cur',
    `${folder}/daily-Manifest.json`,
    awsManifest(
      Object.keys(files).map((name) => `${folder}/${name}`),
      manifest,
    ),
    modified,
  )
}
const total = async ({ one }: World) =>
  one('SELECT COUNT(*) AS n, CAST(SUM(line_item_unblended_cost) AS STRING) AS cost FROM aws_cost_cur')

describe('aws.s3_data_loader', function () {
  this.timeout(60_000)

  it(
    'loads all files of a manifest, packed or not, and says what it did',
    inWorld(async (world) => {
      deliver(world, {
        'daily-1.csv.gz': gzipSync(csvOf(awsHeader, [awsLine('1.81E-8'), awsLine('2')])),
        'daily-2.csv': csvOf(awsHeader, [awsLine('-0.5', { env: '' })], '\r\n'),
      })
      const { rows_written, outputs } = await world.load('aws', source)
      expect(rows_written).to.equal(3)
      expect(outputs).to.include({
        table: 'acme.aws_cost_cur',
        files: 2,
        manifest_id: 'a-1',
        source_file: `${awsFolder}/daily-Manifest.json`,
        rows_written: 3,
        billing_period: '2025-11-01',
        columns_not_taken: 0,
      })
      expect(await total(world)).to.deep.equal({ n: 3, cost: '1.5000000181' })
      const row = await world.one('SELECT * FROM aws_cost_cur WHERE line_item_unblended_cost = 2')
      expect(row).to.deep.include({
        billing_period: '2025-11-01',
        report_name: 'daily',
        manifest_id: 'a-1',
        line_item_usage_account_id: '012345678901',
        product_product_name: 'Amazon, Inc.',
        resource_tags: { 'user:env': 'prod' },
        cost_category: { Team: 'core' },
        product: { vcpu: '4' },
        bill_invoice_id: null,
        line_item_net_unblended_cost: null,
      })
      expect(String(row['line_item_usage_start_date'])).to.match(/^2025-11-05T01:00:00/)
      expect(
        (await world.one('SELECT resource_tags FROM aws_cost_cur WHERE line_item_unblended_cost < 0'))['resource_tags'],
      ).to.deep.equal({})
      expect(world.scratch()).to.deep.equal([])
    }),
  )

  it(
    'replaces the month when it is loaded again, and leaves other months and reports alone',
    inWorld(async (world) => {
      deliver(world, { 'daily-1.csv': csvOf(awsHeader, [awsLine('1'), awsLine('2')]) })
      deliver(
        world,
        { 'daily-1.csv': csvOf(awsHeader, [awsLine('10', { month: '2025-10' })]) },
        { folder: 'cur/daily/20251001-20251101', manifest: { billingPeriod: { start: '20251001T000000.000Z' } } },
      )
      await world.load('aws', source)
      await world.load('aws', { ...source, month: '2025-10' })
      await world.load('aws', source)
      expect(await total(world)).to.deep.equal({ n: 3, cost: '13' })
      deliver(world, { 'daily-1.csv': csvOf(awsHeader, [awsLine('5')]) })
      await world.load('aws', source)
      expect(await total(world)).to.deep.equal({ n: 2, cost: '15' })
    }),
  )

  it(
    'takes the newest assembly where every delivery has a folder',
    inWorld(async (world) => {
      const file = (cost: string) => csvOf(awsHeader, [awsLine(cost)])
      deliver(
        world,
        { 'daily-1.csv': file('1') },
        { folder: `${awsFolder}/old`, manifest: { assemblyId: 'old' }, modified: '2025-11-02T00:00:00Z' },
      )
      deliver(
        world,
        { 'daily-1.csv': file('2') },
        { folder: `${awsFolder}/new`, manifest: { assemblyId: 'new' }, modified: '2025-11-03T00:00:00Z' },
      )
      // Nothing says which is the newest: the times of files are no more than when they were copied.
      expect((await errorOf(world.load('aws', source))).message).to.contain(
        `expected one manifest directly in ${awsFolder}/`,
      )
      world.put(
        's3',
        'acme-cur',
        `${awsFolder}/daily-Manifest.json`,
        awsManifest([`${awsFolder}/new/daily-1.csv`], { assemblyId: 'new' }),
        '2025-11-03T00:00:00Z',
      )
      expect((await world.load('aws', source)).outputs).to.include({
        manifest_id: 'new',
        source_file: `${awsFolder}/daily-Manifest.json`,
      })
      expect(await total(world)).to.deep.equal({ n: 1, cost: '2' })
    }),
  )

  const cur2 = (world: World, header: string, row: string, execution = 'e-1') => {
    const key = 'cur/daily/data/BILLING_PERIOD=2025-11/daily-00001.csv.gz'
    world.put('s3', 'acme-cur', key, gzipSync(csvOf(header, [row])))
    world.put(
      's3',
      'acme-cur',
      'cur/daily/metadata/BILLING_PERIOD=2025-11/daily-Manifest.json',
      JSON.stringify({ executionId: execution, dataFiles: [`s3://acme-cur/${key}`] }),
    )
  }

  it(
    "reads the map of all tags: resources' tags and cost categories have their columns, absent tags are NULL",
    inWorld(async (world) => {
      const start = 'bill_billing_period_start_date,line_item_unblended_cost'
      const json = (value: unknown) => `"${JSON.stringify(value).replaceAll('"', '""')}"`
      cur2(
        world,
        `${start},tags,product,resource_tags.user_team,a_new_column`,
        `2025-11-01,1,${json({ 'resourceTag/env': 'prod', 'accountTag/owner': 'fin', 'costCategory/Team': 'core' })},${json({ product_name: 'EC2', region: 'eu-west-1' })},blue,x`,
      )
      const { outputs } = await world.load('aws', source)
      expect(outputs).to.deep.include({ other_columns: 1, other_columns_names: ['a_new_column'] })
      expect(await world.one('SELECT * FROM aws_cost_cur')).to.deep.include({
        tags: { 'resourceTag/env': 'prod', 'accountTag/owner': 'fin', 'costCategory/Team': 'core' },
        resource_tags: { env: 'prod', user_team: 'blue' },
        cost_category: { Team: 'core' },
        product_product_name: 'EC2',
        product_region: 'eu-west-1',
        other_columns: { a_new_column: 'x' },
        source_name: 's3://acme-cur/cur/daily',
      })
      cur2(world, start, '2025-11-01,1')
      await world.load('aws', source)
      expect(await world.one('SELECT * FROM aws_cost_cur')).to.include({
        tags: null,
        resource_tags: null,
        cost_category: null,
        other_columns: null,
      })
    }),
  )

  it(
    'keeps a map that is no JSON as text, counts it, and loads the cost',
    inWorld(async (world) => {
      cur2(world, 'bill_billing_period_start_date,line_item_unblended_cost,resource_tags', '2025-11-01,1,"{""env"":"')
      const { outputs } = await world.load('aws', source)
      expect(outputs).to.deep.include({ values_not_json: { resource_tags: 1 } })
      expect(outputs?.['warnings']).to.deep.equal([
        'column resource_tags: 1 rows have text that is no JSON; it is kept as text',
      ])
      expect((await world.one('SELECT resource_tags FROM aws_cost_cur'))['resource_tags']).to.equal('{"env":')
    }),
  )

  it(
    'keeps two payers apart that name their report alike, and replaces rows of older versions that name no source',
    inWorld(async (world) => {
      const older = tableColumns('aws').filter(({ name }) => !['source_name', 'other_columns', 'tags'].includes(name))
      deliver(world, { 'daily-1.csv': csvOf(awsHeader, [awsLine('1')]) })
      await world.load('aws', source, { columns: older })
      expect(await total(world)).to.deep.equal({ n: 1, cost: '1' })
      deliver(world, { 'daily-1.csv': csvOf(awsHeader, [awsLine('2')]) })
      await world.load('aws', source)
      expect(await total(world)).to.deep.equal({ n: 1, cost: '2' })
      for (const key of ['daily-1.csv', 'daily-Manifest.json'])
        world.put(
          's3',
          'other-cur',
          `${awsFolder}/${key}`,
          key.endsWith('csv') ? csvOf(awsHeader, [awsLine('7')]) : awsManifest([`${awsFolder}/daily-1.csv`]),
        )
      await world.load('aws', { ...source, s3_bucket: 'other-cur' })
      await world.load('aws', { ...source, s3_bucket: 'other-cur' })
      expect(await total(world)).to.deep.equal({ n: 2, cost: '9' })
      await world.load('aws', source)
      expect(await total(world)).to.deep.equal({ n: 2, cost: '9' })
    }),
  )

  it(
    'completes without rows where there were none, and says so',
    inWorld(async (world) => {
      for (const files of [{ 'daily-1.csv': `${awsHeader}\n` }, {}] as Record<string, string>[]) {
        deliver(world, files)
        const result = await world.load('aws', source)
        expect(result).to.include({ rows_written: 0 })
        expect(result.outputs?.['warnings']).to.deep.equal([
          `${awsFolder}/daily-Manifest.json: the delivery has no rows`,
        ])
      }
      expect(await total(world)).to.deep.equal({ n: 0, cost: null })
    }),
  )

  it(
    'refuses a row of another billing period wherever it stands',
    inWorld(async (world) => {
      const many = Array.from({ length: 20_000 }, () => awsLine('1'))
      deliver(world, { 'daily-1.csv': csvOf(awsHeader, [...many, awsLine('100', { month: '2101-01' })]) })
      const error = await errorOf(world.load('aws', source))
      expect(error.code).to.equal('EXPORT_INVALID')
      expect(error.message).to.match(
        /daily-1\.csv:20002, column bill\/BillingPeriodStartDate: expected TIMESTAMP from 2025-11-01 and before 2025-12-01, got '2101-01-01/,
      )
    }),
  )

  it(
    'loads a Data Export of CUR 2.0, whose maps are JSON',
    inWorld(async (world) => {
      const header =
        'bill_billing_period_start_date,line_item_usage_account_id,line_item_unblended_cost,product,resource_tags,cost_category,reservation_reservation_a_r_n,savings_plan_savings_plan_a_r_n,product_sku,line_item_iam_principal'
      world.put(
        's3',
        'acme-cur',
        'cur/daily/data/BILLING_PERIOD=2025-11/daily-00001.csv.gz',
        gzipSync(
          csvOf(header, [
            '2025-11-01T00:00:00.000Z,000000000001,0.25,"{""product_name"":""EC2""}","{""user_env"":""prod""}",{},arn:r,arn:s,SKU1,me',
          ]),
        ),
      )
      world.put(
        's3',
        'acme-cur',
        'cur/daily/metadata/BILLING_PERIOD=2025-11/daily-Manifest.json',
        JSON.stringify({
          executionId: 'e-1',
          dataFiles: ['s3://acme-cur/cur/daily/data/BILLING_PERIOD=2025-11/daily-00001.csv.gz'],
        }),
      )
      const { outputs } = await world.load('aws', source)
      expect(outputs).to.include({ manifest_id: 'e-1', columns_not_taken: 0, other_columns: 0 })
      expect(await world.one('SELECT * FROM aws_cost_cur')).to.deep.include({
        line_item_usage_account_id: '000000000001',
        product: { product_name: 'EC2' },
        product_product_name: 'EC2',
        line_item_iam_principal: 'me',
        resource_tags: { user_env: 'prod' },
        cost_category: {},
        reservation_reservation_arn: 'arn:r',
        savings_plan_savings_plan_arn: 'arn:s',
        product_sku: 'SKU1',
      })
    }),
  )

  it(
    'loads one object by its key, with the month that its folder or its rows say',
    inWorld(async (world) => {
      world.put('s3', 'acme-cur', 'by-hand/report.csv', csvOf(awsHeader, [awsLine('3')]))
      const { outputs } = await world.load('aws', {
        s3_bucket: 'acme-cur',
        report_name: 'daily',
        s3_key: 'by-hand/report.csv',
      })
      expect(outputs).to.include({ billing_period: '2025-11-01', manifest_id: '', source_file: 'by-hand/report.csv' })
      expect((await errorOf(world.load('aws', { ...source, s3_key: 'by-hand/none.csv' }))).message).to.contain(
        'by-hand/none.csv',
      )
      expect(await codeOf(world.load('aws', { ...source, month: '2025-10', s3_key: 'by-hand/report.csv' }))).to.equal(
        'EXPORT_INVALID',
      )
    }),
  )

  it(
    'names file, line and column of a bad value and leaves the month as it was',
    inWorld(async (world) => {
      deliver(world, { 'daily-1.csv.gz': gzipSync(csvOf(awsHeader, [awsLine('1'), awsLine('2')])) })
      await world.load('aws', source)
      deliver(world, {
        'daily-1.csv.gz': gzipSync(csvOf(awsHeader, [awsLine('7')])),
        'daily-2.csv.gz': gzipSync(csvOf(awsHeader, [awsLine('8'), awsLine('9'), awsLine('not-a-number')])),
      })
      const error = await errorOf(world.load('aws', source))
      expect(error.code).to.equal('EXPORT_INVALID')
      expect(error.message)
        .to.contain(`${awsFolder}/daily-2.csv.gz:4`)
        .and.contain('lineItem/UnblendedCost')
        .and.contain('not-a-number')
      expect(await total(world)).to.deep.equal({ n: 2, cost: '3' })
      expect(world.scratch()).to.deep.equal([])
    }),
  )

  it(
    'refuses what is not the delivery it should be, and writes nothing',
    inWorld(async (world) => {
      deliver(world, { 'daily-1.csv': csvOf(awsHeader, [awsLine('1')]) })
      await world.load('aws', source)
      const file = csvOf(awsHeader, [awsLine('7')])
      const cases: [string, () => void, string, RegExp][] = [
        [
          'a missing file',
          () => {
            world.put(
              's3',
              'acme-cur',
              `${awsFolder}/daily-Manifest.json`,
              awsManifest([`${awsFolder}/daily-1.csv`, `${awsFolder}/daily-9.csv`]),
            )
          },
          'OBJECT_NOT_FOUND',
          /names .*daily-9\.csv/,
        ],
        [
          'a file twice',
          () => {
            world.put(
              's3',
              'acme-cur',
              `${awsFolder}/daily-Manifest.json`,
              awsManifest([`${awsFolder}/daily-1.csv`, `${awsFolder}/daily-1.csv`]),
            )
          },
          'EXPORT_INVALID',
          /twice/,
        ],
        [
          'a manifest of another month',
          () => {
            deliver(world, { 'daily-1.csv': file }, { manifest: { billingPeriod: { start: '20251001T000000.000Z' } } })
          },
          'EXPORT_INVALID',
          /expected the billing period 2025-11, got 20251001/,
        ],
        [
          'rows of another month',
          () => {
            deliver(world, { 'daily-1.csv': csvOf(awsHeader, [awsLine('7'), awsLine('8', { month: '2025-10' })]) })
          },
          'EXPORT_INVALID',
          /daily-1\.csv:3, column bill\/BillingPeriodStartDate/,
        ],
        [
          'a header alone',
          () => {
            deliver(world, { 'daily-1.csv': `${awsHeader}\n` })
          },
          'EXPORT_INVALID',
          /expected rows/,
        ],
        [
          'an empty file',
          () => {
            deliver(world, { 'daily-1.csv': '' })
          },
          'EXPORT_INVALID',
          /empty file/,
        ],
        [
          'another table',
          () => {
            deliver(world, { 'daily-1.csv': 'BilledCost,Tags\n1,{}\n' })
          },
          'EXPORT_INVALID',
          /expected a Cost and Usage Report .* got BilledCost, Tags/,
        ],
        [
          'one file of another table',
          () => {
            deliver(world, { 'daily-1.csv': file, 'daily-2.csv': 'a,b\n1,2\n' })
          },
          'EXPORT_INVALID',
          /daily-2\.csv:1/,
        ],
        [
          'two spellings',
          () => {
            deliver(world, {
              'daily-1.csv': file,
              'daily-2.csv': 'line_item_unblended_cost,bill_billing_period_start_date\n1,2025-11-01\n',
            })
          },
          'EXPORT_INVALID',
          /one way/,
        ],
        [
          'rows that say no month',
          () => {
            deliver(world, { 'daily-1.csv': csvOf('lineItem/UnblendedCost,lineItem/ProductCode', ['7,AmazonEC2']) })
          },
          'EXPORT_INVALID',
          /daily-1\.csv:1: expected a column bill\/BillingPeriodStartDate or lineItem\/UsageStartDate, .* got lineItem\/UnblendedCost, lineItem\/ProductCode/,
        ],
        [
          'one file whose rows say none',
          () => {
            deliver(world, { 'daily-1.csv': file, 'daily-2.csv': 'lineItem/UnblendedCost,lineItem/ProductCode\n1,x\n' })
          },
          'EXPORT_INVALID',
          /daily-2\.csv:1: expected a column bill/,
        ],
        [
          'days of another month',
          () => {
            deliver(world, {
              'daily-1.csv': csvOf('lineItem/UnblendedCost,lineItem/UsageStartDate', ['7,2025-10-31T23:00:00Z']),
            })
          },
          'EXPORT_INVALID',
          /daily-1\.csv:2, column lineItem\/UsageStartDate: expected days of 2025-11, got "2025-10-31T23/,
        ],
        [
          'a billing period that is empty',
          () => {
            deliver(world, { 'daily-1.csv': csvOf('lineItem/UnblendedCost,bill/BillingPeriodStartDate', ['7,']) })
          },
          'EXPORT_INVALID',
          /daily-1\.csv, column bill\/BillingPeriodStartDate: expected days of 2025-11, got empty fields alone/,
        ],
        [
          'CSV where the manifest says Parquet',
          () => {
            deliver(world, { 'daily-1.csv': file }, { manifest: { contentType: 'Parquet' } })
          },
          'EXPORT_INVALID',
          /daily-1\.csv: expected Parquet, as contentType in .*daily-Manifest\.json says/,
        ],
        [
          'another format',
          () => {
            deliver(world, { 'daily-1.orc': 'ORC' })
          },
          'EXPORT_INVALID',
          /daily-1\.orc: expected a file \.csv, \.csv\.gz, \.csv\.zip or \.parquet/,
        ],
        [
          'an empty list of files',
          () => {
            deliver(world, {}, { manifest: { reportKeys: [] } })
          },
          'EXPORT_INVALID',
          /expected rows, got none; an empty delivery does not replace the 1 rows/,
        ],
        [
          'a manifest that is no JSON',
          () => {
            world.put('s3', 'acme-cur', `${awsFolder}/daily-Manifest.json`, '{')
          },
          'EXPORT_INVALID',
          /JSON/,
        ],
        [
          'files of another bucket',
          () => {
            world.put('s3', 'acme-cur', `${awsFolder}/daily-Manifest.json`, awsManifest(['s3://globex-cur/cur/x.csv']))
          },
          'EXPORT_INVALID',
          /bucket acme-cur/,
        ],
        [
          'files outside',
          () => {
            world.put('s3', 'acme-cur', `${awsFolder}/daily-Manifest.json`, awsManifest(['../../azure/other/x.csv']))
          },
          'OBJECT_NOT_FOUND',
          /x\.csv/,
        ],
        [
          'a broken archive',
          () => {
            deliver(world, { 'daily-1.csv.gz': gzipSync(file.repeat(50)).subarray(0, 60) })
          },
          'EXPORT_INVALID',
          /gzip/,
        ],
        [
          'text called gz',
          () => {
            deliver(world, { 'daily-1.csv.gz': file })
          },
          'EXPORT_INVALID',
          /gzip/,
        ],
        [
          'a ragged row',
          () => {
            deliver(world, { 'daily-1.csv': `${file}a,b\n` })
          },
          'EXPORT_INVALID',
          /daily-1\.csv:3/,
        ],
      ]
      for (const [name, arrange, code, message] of cases) {
        arrange()
        const error = await errorOf(world.load('aws', source))
        expect(error.code, `${name}: ${error.message}`).to.equal(code)
        expect(error.message, name).to.match(message)
      }
      expect(await total(world)).to.deep.equal({ n: 1, cost: '1' })
      expect(world.scratch()).to.deep.equal([])
    }),
  )

  it(
    'says which bucket, month or setting is missing',
    inWorld(async (world) => {
      expect((await errorOf(world.load('aws', source))).message).to.contain('acme-cur does not exist')
      deliver(world, { 'daily-1.csv': csvOf(awsHeader, [awsLine('1')]) })
      const error = await errorOf(world.load('aws', { ...source, month: '2025-12' }))
      expect(error.code).to.equal('OBJECT_NOT_FOUND')
      expect(error.message).to.contain('cur/daily/20251201-20260101/').and.contain('BILLING_PERIOD=2025-12')
      expect(await codeOf(world.load('aws', { ...source, month: '2025-13' }))).to.equal('CONFIG_INVALID')
      expect(await codeOf(world.load('aws', { s3_bucket: 'acme-cur' }))).to.equal('CONFIG_INVALID')
      expect(await codeOf(world.load('aws', source, { columns: [] }))).to.equal('CONFIG_INVALID')
      expect(await codeOf(world.load('aws', source, { tenant: 'globex' }))).to.equal('FORBIDDEN')
    }),
  )

  it(
    'refuses an archive that unpacks without end, and a file that is too large',
    inWorld(async (world) => {
      deliver(world, {
        'daily-1.csv.gz': gzipSync(
          Buffer.concat([Buffer.from(csvOf(awsHeader, [awsLine('1')])), Buffer.alloc(80 * 1024 ** 2, 'a')]),
        ),
      })
      expect((await errorOf(world.load('aws', source))).message).to.match(/packs up to 250 times/)
      deliver(world, {
        'daily-1.csv.gz': gzipSync(
          csvOf(
            awsHeader,
            Array.from({ length: 100 }, () => awsLine('1')),
          ),
        ),
      })
      expect(
        (await errorOf(world.load('aws', source, { deps: { limits: { unpacked_bytes: 1000 } } }))).message,
      ).to.contain('at most 1000 bytes unpacked')
      expect((await errorOf(world.load('aws', source, { deps: { limits: { file_bytes: 10 } } }))).message).to.contain(
        'at most 10 bytes',
      )
      expect(world.scratch()).to.deep.equal([])
    }),
  )

  it(
    'checks the rows of a delivery before they replace the month, and those of one without rows',
    inWorld(async (world) => {
      const checks = [
        { check: 'range' as const, column: 'line_item_unblended_cost', min: 0 },
        { check: 'row_count' as const, min: 1 },
      ]
      deliver(world, { 'daily-1.csv': csvOf(awsHeader, []) })
      expect((await errorOf(world.load('aws', source, { checks }))).faults).to.deep.equal([
        'row_count: expected at least 1, came 0',
      ])
      deliver(world, { 'daily-1.csv': csvOf(awsHeader, [awsLine('1'), awsLine('2')]) })
      expect((await world.load('aws', source, { checks })).outputs).to.deep.include({
        checks: { passed: 2, warned: 0 },
        rows_written: 2,
      })
      deliver(world, { 'daily-1.csv': csvOf(awsHeader, [awsLine('-1')]) })
      expect(await codeOf(world.load('aws', source, { checks }))).to.equal('CHECK_FAILED')
      expect(await total(world)).to.deep.equal({ n: 2, cost: '3' })
    }),
  )

  it(
    'leaves a large archive packed, and checks and loads it all the same',
    inWorld(async (world) => {
      const deps = { limits: { unpack_bytes: 10 } }
      deliver(world, { 'daily-1.csv.gz': gzipSync(csvOf(awsHeader, [awsLine('1'), awsLine('2')])) })
      expect((await world.load('aws', source, { deps })).rows_written).to.equal(2)
      const padded = Buffer.concat([gzipSync(csvOf(awsHeader, [awsLine('1'), awsLine('2')])), Buffer.alloc(100_000)])
      deliver(world, { 'daily-1.csv.gz': padded })
      expect((await world.load('aws', source, { deps })).rows_written).to.equal(2)
      expect((await world.load('aws', source)).rows_written).to.equal(2)
      deliver(world, { 'daily-1.csv.gz': gzipSync(csvOf(awsHeader, [awsLine('1'), awsLine('x')])) })
      expect((await errorOf(world.load('aws', source, { deps }))).message).to.contain('daily-1.csv.gz:3')
      deliver(world, { 'daily-1.csv.gz': gzipSync(csvOf(awsHeader, [awsLine('1')]).repeat(50)).subarray(0, 60) })
      expect((await errorOf(world.load('aws', source, { deps }))).message).to.match(/whole gzip file/)
      expect(await total(world)).to.deep.equal({ n: 2, cost: '3' })
    }),
  )

  it(
    'takes a column that only some files have, and fills the others with NULL',
    inWorld(async (world) => {
      deliver(world, {
        'daily-1.csv': csvOf(awsHeader, [awsLine('1')]),
        'daily-2.csv': csvOf(
          'lineItem/UnblendedCost,bill/BillingPeriodStartDate,bill/InvoiceId,resourceTags/user:team',
          ['2,2025-11-01T00:00:00Z,inv-1,core'],
        ),
      })
      await world.load('aws', source)
      expect(
        await world.one(
          'SELECT bill_invoice_id, resource_tags, line_item_product_code FROM aws_cost_cur ' +
            'WHERE line_item_unblended_cost = 2',
        ),
      ).to.deep.equal({
        bill_invoice_id: 'inv-1',
        resource_tags: { 'user:team': 'core' },
        line_item_product_code: null,
      })
      expect(
        (await world.one('SELECT bill_invoice_id FROM aws_cost_cur WHERE line_item_unblended_cost = 1'))[
          'bill_invoice_id'
        ],
      ).to.equal(null)
    }),
  )

  /** The export of 2023-11, twice; its sums are taken from its text. */
  const loadsWhole = (raw: string, tax: number) =>
    inWorld(async (world) => {
      const costs = rawColumn(raw, 'lineItem/UnblendedCost')
      deliver(
        world,
        { 'daily-1.csv.gz': gzipSync(raw) },
        { folder: 'cur/daily/20231101-20231201', manifest: { billingPeriod: { start: '20231101T000000.000Z' } } },
      )
      for (const round of [1, 2]) {
        const { rows_written, outputs } = await world.load('aws', { ...source, month: '2023-11' })
        expect(rows_written, `round ${round}`).to.equal(costs.length)
        expect(await total(world)).to.deep.equal({ n: costs.length, cost: exactSum(costs) })
        expect(outputs).to.include({ columns_not_taken: 0 })
      }
      expect(
        await world.one(
          'SELECT CAST(SUM(line_item_blended_cost) AS STRING) AS cost, ' +
            "COUNTIF(line_item_line_item_type = 'Tax') AS tax, COUNT(bill_invoice_id) AS invoices, " +
            'COUNT(DISTINCT line_item_usage_account_id) AS accounts FROM aws_cost_cur',
        ),
      ).to.deep.equal({ cost: exactSum(rawColumn(raw, 'lineItem/BlendedCost')), tax, invoices: 0, accounts: 1 })
    })()
  it('loads an export to the sum of its raw file, and again without doubling it', () =>
    loadsWhole(miniature('aws-cur.csv'), 2))
  const real = realExport('aws/sample-anonymous-aws-export-dataset.csv')
  if (real !== undefined)
    it('loads the real export in the same way', async () => {
      expect(exactSum(rawColumn(real, 'lineItem/UnblendedCost'))).to.equal('1.6823086974')
      await loadsWhole(real, 12)
    })
})
