/** Parquet of AWS and Azure: the same rows as CSV of the same export, on both sides of the warehouse's door. */
import { gzipSync } from 'node:zlib'
import { expect } from 'chai'
import { errorOf } from '../fakes.ts'
import { bothSides } from './both-sides.ts'
import { csvOfSelect, parquetOf } from './duckdb.ts'
import { awsFolder, awsManifest, azureFolder, azureManifest, inWorld, type World } from './world.ts'

const cur2Folder = 'cur/daily/data/BILLING_PERIOD=2025-11'
const cur2 = ({ put }: World, files: Record<string, Buffer>, manifest: Record<string, unknown> = {}) => {
  for (const [name, content] of Object.entries(files)) put('s3', 'acme-cur', `${cur2Folder}/${name}`, content)
  const dataFiles = Object.keys(files).map((name) => `s3://acme-cur/${cur2Folder}/${name}`)
  const key = 'cur/daily/metadata/BILLING_PERIOD=2025-11/daily-Manifest.json'
  put('s3', 'acme-cur', key, JSON.stringify({ executionId: 'e-1', dataFiles, ...manifest }))
}
const aws = { s3_bucket: 'acme-cur', s3_prefix: 'cur', report_name: 'daily', month: '2025-11' }
const azure = { container: 'acme-exports', prefix: 'cost/daily', month: '2025-11' }
const twoSided = (world: World) => bothSides(world.warehouse)
const rowsOf = async ({ warehouse }: World, table: string): Promise<Record<string, unknown>[]> =>
  warehouse.query({ query: `SELECT * FROM ${table} ORDER BY 1, 2`, default_dataset: 'acme' })

/** Rows of CUR 2.0 as it writes Parquet: doubles, instants, maps; `k` of them. */
const curSelect = (k: number, more = '') => `SELECT
  'l-' || k AS identity_line_item_id, TIMESTAMP '2025-11-01 00:00:00' AS bill_billing_period_start_date,
  TIMESTAMP '2025-12-01 00:00:00' AS bill_billing_period_end_date, '' AS bill_invoice_id,
  lpad(CAST(k % 3 AS VARCHAR), 12, '0') AS line_item_usage_account_id,
  TIMESTAMP '2025-11-05 01:00:00' + k * INTERVAL 1 MINUTE AS line_item_usage_start_date,
  'Usage' AS line_item_line_item_type, (k * 0.1)::DOUBLE AS line_item_unblended_cost,
  CASE WHEN k % 2 = 0 THEN (k / 3.0)::DOUBLE END AS line_item_usage_amount, 1.81e-8::DOUBLE AS line_item_blended_cost,
  '0.0960000000' AS line_item_unblended_rate, 0.25::DOUBLE AS split_line_item_split_usage_ratio,
  MAP {'product_name': 'Amazon "EC2"', 'region': 'eu-west-1', 'vcpu': '4'} AS product,
  CASE k % 3 WHEN 0 THEN MAP {'resourceTags/user:env': 'prod', 'costCategory/Team': 'core'}
    WHEN 1 THEN MAP {}::MAP(VARCHAR, VARCHAR) END AS tags,
  MAP {'bundled': '0.5'} AS discount, 'new' AS line_item_iam_something, 7::BIGINT AS line_item_next,
  true AS line_item_flag, DATE '2025-11-05' AS line_item_when${more}
  FROM range(${k}) AS t(k)`

describe('exports as Parquet', function () {
  this.timeout(120_000)

  it(
    "loads AWS's CUR 2.0 with maps, doubles and instants, as its CSV would be",
    inWorld(async (world) => {
      const both = twoSided(world)
      const maps = ['product', 'tags', 'discount']
      cur2(world, { 'daily-00001.snappy.parquet': await parquetOf(curSelect(500)) }, { contentType: 'Parquet' })
      const { outputs } = await world.load('aws', aws, { deps: both })
      expect(both.loads).to.deep.equal([{ rows: 500 }])
      expect(outputs).to.include({ rows_written: 500, billing_period: '2025-11-01' })
      const byParquet = await rowsOf(world, 'aws_cost_cur')
      expect(byParquet.find((row) => row['identity_line_item_id'] === 'l-3')).to.deep.include({
        line_item_usage_account_id: '000000000000',
        line_item_unblended_cost: '0.3',
        line_item_usage_amount: null,
        line_item_blended_cost: '0.0000000181',
        bill_invoice_id: null,
        product_product_name: 'Amazon "EC2"',
        product_region: 'eu-west-1',
        product: { product_name: 'Amazon "EC2"', region: 'eu-west-1', vcpu: '4' },
        resource_tags: { 'user:env': 'prod' },
        cost_category: { Team: 'core' },
        other_columns: {
          line_item_iam_something: 'new',
          line_item_next: '7',
          line_item_flag: 'true',
          line_item_when: '2025-11-05',
        },
      })
      const csv = await csvOfSelect(
        `SELECT * REPLACE (${maps.map((name) => `to_json(${name})::VARCHAR AS ${name}`).join(', ')}) FROM (${curSelect(500)})`,
      )
      cur2(world, { 'daily-00001.csv.gz': gzipSync(csv) })
      await world.load('aws', aws, { deps: both })
      expect(await rowsOf(world, 'aws_cost_cur')).to.deep.equal(byParquet)
    }),
  )

  it(
    'keeps each digit of files whose decimals have different scales, in any order, and of maps with a key twice the last',
    inWorld(async (world) => {
      const both = twoSided(world)
      const row = (cost: string, type: string) =>
        `SELECT TIMESTAMP '2025-11-01' AS bill_billing_period_start_date, ${cost}::${type} AS line_item_unblended_cost,
          MAP {'user_env': 'first', 'user_two': 'last'} AS resource_tags`
      const twice = await parquetOf(row('7', 'DECIMAL(6,2)'), ', COMPRESSION uncompressed')
      for (let at = twice.indexOf('user_two'); at >= 0; at = twice.indexOf('user_two')) twice.write('user_env', at)
      const files = {
        'a.parquet': await parquetOf(row('12.5', 'DECIMAL(38,10)')),
        'b.parquet': await parquetOf(row('0.00011886691674590', 'DECIMAL(38,17)')),
        'c.parquet': twice,
        'd.parquet': await parquetOf(row('-1', 'BIGINT')),
        'e.parquet': await parquetOf(row("'2E-3'", 'VARCHAR')),
        'f.parquet': await parquetOf(row('0.1', 'FLOAT')),
      }
      for (const names of [Object.keys(files), Object.keys(files).reverse()]) {
        cur2(world, files, { dataFiles: names.map((name) => `s3://acme-cur/${cur2Folder}/${name}`) })
        await world.load('aws', aws, { deps: both })
        const rows = await rowsOf(world, 'aws_cost_cur')
        const costs = rows.map((each) => each['line_item_unblended_cost']).sort()
        expect(costs).to.deep.equal(['-1', '0.0001188669167459', '0.002', '0.1', '12.5', '7'])
        expect(rows.find((each) => each['line_item_unblended_cost'] === '7')).to.deep.include({
          resource_tags: { user_env: 'last' },
        })
      }
    }),
  )

  it(
    'loads a legacy report in the folders of Athena, however its pages are packed',
    inWorld(async (world) => {
      const both = twoSided(world)
      for (const codec of ['uncompressed', 'snappy', 'gzip', 'zstd', 'brotli', 'lz4_raw']) {
        const key = 'cur/daily/daily/year=2025/month=11/daily-00001.snappy.parquet'
        const select = `SELECT 'x' || k AS identity_line_item_id, TIMESTAMP_NS '2025-11-01 00:00:00' AS bill_billing_period_start_date,
          'AmazonEC2' AS line_item_product_code, (k / 8)::DOUBLE AS line_item_unblended_cost, 'prod' AS resource_tags_user_env,
          'arn' AS reservation_reservation_a_r_n, 'm5' AS product_instance_type, '' AS product_odd FROM range(3000) AS t(k)`
        world.put('s3', 'acme-cur', key, await parquetOf(select, `, COMPRESSION ${codec}, ROW_GROUP_SIZE 2048`))
        world.put(
          's3',
          'acme-cur',
          `${awsFolder}/daily-Manifest.json`,
          awsManifest([key], { compression: 'Parquet', contentType: 'Parquet' }),
        )
        await world.load('aws', aws, { deps: both })
        expect(
          await world.one(
            'SELECT COUNT(*) AS n, CAST(SUM(line_item_unblended_cost) AS STRING) AS cost FROM aws_cost_cur',
          ),
          codec,
        ).to.deep.equal({ n: 3000, cost: '562312.5' })
      }
      expect((await rowsOf(world, 'aws_cost_cur'))[0]).to.deep.include({
        resource_tags: { user_env: 'prod' },
        reservation_reservation_arn: 'arn',
        product_instance_type: 'm5',
      })
    }),
  )

  it(
    "loads Azure's Parquet, with days as dates, instants or text, by its manifest",
    inWorld(async (world) => {
      const both = twoSided(world)
      const select = (day: string) => `SELECT 'sub-1' AS SubscriptionId, ${day} AS date, 'Storage' AS MeterCategory,
        0.00011886691674590::DECIMAL(38,17) AS costInBillingCurrency, 'EUR' AS billingCurrency, '"env": "prod"' AS tags,
        '{"a": 1}' AS additionalInfo, 1.5::DOUBLE AS quantity, 'x' AS somethingNew FROM range(3) AS t(k)`
      const days = ["DATE '2025-11-05'", "TIMESTAMP '2025-11-05 00:00:00'", "'11/' || (13 + k) || '/2025'"]
      for (const [k, day] of days.entries()) {
        const folder = `${azureFolder}/2025111${k}0900/g`
        const key = `${folder}/part_0_0001.snappy.parquet`
        const content = await parquetOf(select(day))
        world.put('azure', 'acme-exports', key, content)
        const manifest = (rows: number) => {
          world.put(
            'azure',
            'acme-exports',
            `${folder}/manifest.json`,
            azureManifest([], { blobs: [{ blobName: key, byteCount: content.length, dataRowCount: rows }] }),
          )
        }
        manifest(4)
        expect((await errorOf(world.load('azure', azure, { deps: both }))).message).to.match(
          /expected 4 rows, as dataRowCount .* says, got 3/,
        )
        manifest(3)
        await world.load('azure', azure, { deps: both })
        const rows = await rowsOf(world, 'azure_cost_exports')
        expect(rows).to.have.length(3)
        expect(rows[0], day).to.deep.include({
          subscription_id: 'sub-1',
          date: k === 2 ? '2025-11-13' : '2025-11-05',
          cost_in_billing_currency: '0.0001188669167459',
          billing_currency_code: 'EUR',
          tags: { env: 'prod' },
          other_columns: { somethingNew: 'x' },
        })
      }
    }),
  )

  it(
    'refuses a row of another month wherever it stands, and a value that is none, by row group, row and column',
    inWorld(async (world) => {
      const both = twoSided(world)
      const select = (start: string, cost = '1.0') =>
        `SELECT ${start} AS bill_billing_period_start_date, ${cost} AS line_item_unblended_cost FROM range(5000) AS t(k)`
      cur2(world, { 'a.parquet': await parquetOf(select("TIMESTAMP '2025-11-01'")) })
      await world.load('aws', aws, { deps: both })
      const refused = async (content: Buffer): Promise<{ embedded: string; google: string }> => {
        cur2(world, { 'a.parquet': content })
        await errorOf(world.load('aws', aws, { deps: both }))
        expect(await world.one('SELECT COUNT(*) AS n FROM aws_cost_cur')).to.deep.equal({ n: 5000 })
        return both.loads.at(-1)?.refused ?? { embedded: '', google: '' }
      }
      const groups = ', ROW_GROUP_SIZE 2048'
      for (const start of [
        "CASE k WHEN 4500 THEN TIMESTAMP '2025-10-01' ELSE TIMESTAMP '2025-11-01' END",
        "CASE k WHEN 4500 THEN DATE '2025-10-01' ELSE DATE '2025-11-01' END",
        "CASE k WHEN 4500 THEN '2025-10-01T00:00:00Z' ELSE '2025-11-01T00:00:00Z' END",
      ]) {
        const { embedded, google } = await refused(await parquetOf(select(start), groups))
        expect(google).to.match(
          /a\.parquet, row group 3, row 4501, column bill_billing_period_start_date: expected TIMESTAMP from 2025-11-01 and before 2025-12-01, got '2025-10-01/,
        )
        expect(embedded).to.match(
          /a\.parquet, column bill_billing_period_start_date: expected TIMESTAMP from 2025-11-01 and before 2025-12-01, got '2025-10-01/,
        )
      }
      const value = await refused(
        await parquetOf(select("TIMESTAMP '2025-11-01'", "CASE k WHEN 9 THEN '1_000' ELSE '1' END"), groups),
      )
      expect(value.google).to.match(
        /a\.parquet, row group 1, row 10, column line_item_unblended_cost: expected BIGNUMERIC, got '1_000'/,
      )
      expect(value.embedded).to.match(/a\.parquet, column line_item_unblended_cost: expected BIGNUMERIC.*, got '1_000'/)
      cur2(world, { 'a.parquet': await parquetOf(select("TIMESTAMP_NS '2025-11-01 00:00:00.000000001'")) })
      expect((await errorOf(world.load('aws', aws))).message).to.match(
        /a\.parquet, row group 1, column bill_billing_period_start_date: expected an instant of whole microseconds, got/,
      )
    }),
  )

  it(
    'refuses what is no Parquet file, or none that it can read, by name, and says what it is',
    inWorld(async (world) => {
      const whole = await parquetOf(
        "SELECT TIMESTAMP '2025-11-01' AS bill_billing_period_start_date, 1.0 AS line_item_unblended_cost",
      )
      const damaged = Buffer.from(whole)
      damaged.fill(0xff, damaged.length - 40, damaged.length - 8)
      const cases: [string, string, Buffer, RegExp][] = [
        [
          'text',
          'a.parquet',
          Buffer.from('line_item_unblended_cost,x\n1,2\n'),
          /a\.parquet: expected a Parquet file, which begins with PAR1, got a file that begins with "line"/,
        ],
        [
          'gzip',
          'a.parquet',
          gzipSync(whole),
          /a\.parquet: expected a Parquet file, which begins with PAR1, got a gzip file/,
        ],
        [
          'one that breaks off',
          'a.parquet',
          whole.subarray(0, -20),
          /a\.parquet: expected a whole Parquet file, which ends with PAR1, got one that breaks off/,
        ],
        ['a damaged footer', 'a.parquet', damaged, /a\.parquet: expected a whole Parquet footer, got a damaged one/],
        [
          'an encrypted footer',
          'a.parquet',
          Buffer.concat([Buffer.from('PARE'), whole.subarray(4)]),
          /a\.parquet: expected a Parquet file that is not encrypted/,
        ],
        ['nothing', 'a.parquet', Buffer.alloc(0), /a\.parquet: expected a Parquet file, got an empty file/],
        [
          'Parquet named as CSV',
          'a.csv',
          whole,
          /a\.csv: expected CSV, as its name says, got a Parquet file.*\.parquet$/,
        ],
        [
          'gzip named as CSV',
          'a.csv',
          gzipSync('a,b\n1,2\n'),
          /a\.csv: expected CSV, as its name says, got a gzip file.*\.csv\.gz$/,
        ],
      ]
      for (const [what, name, content, words] of cases) {
        cur2(world, { [name]: content })
        const error = await errorOf(world.load('aws', aws))
        expect(error.code, what).to.equal('EXPORT_INVALID')
        expect(error.message, what).to.match(words)
        expect(world.scratch()).to.deep.equal([])
      }
      cur2(world, {
        'a.parquet': whole,
        'b.csv': Buffer.from('bill_billing_period_start_date,line_item_unblended_cost\n2025-11-01,1\n'),
      })
      expect((await errorOf(world.load('aws', aws))).message).to.match(
        /b\.csv: expected files of one format in a delivery, CSV or Parquet, as .*a\.parquet is/,
      )
    }),
  )

  it(
    'loads a file without rows into an empty month with a warning, and does not replace rows by it',
    inWorld(async (world) => {
      const select = "SELECT TIMESTAMP '2025-11-01' AS bill_billing_period_start_date, 1.0 AS line_item_unblended_cost"
      cur2(world, { 'a.parquet': await parquetOf(`${select} WHERE false`) })
      const { rows_written, outputs } = await world.load('aws', aws)
      expect(rows_written).to.equal(0)
      expect(outputs?.['warnings']).to.match(/the delivery has no rows/)
      cur2(world, { 'a.parquet': await parquetOf(select) })
      await world.load('aws', aws)
      cur2(world, { 'a.parquet': await parquetOf(`${select} WHERE false`) })
      expect((await errorOf(world.load('aws', aws))).message).to.match(/an empty delivery does not replace the 1 rows/)
    }),
  )
})
