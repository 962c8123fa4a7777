/** Every input comes to the same rows, or is refused, on both sides of the warehouse's door. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { AppError, type Column } from '@convergence/contracts'
import { openCsv } from '@convergence/tabular/csv'
import { expect } from 'chai'
import { bothSides, canonical } from './both-sides.ts'
import { parquetOf } from './duckdb.ts'
import { awsFolder, awsManifest, azureFolder, azureManifest, inWorld, tableColumns, type World } from './world.ts'

const cases = join(import.meta.dirname, '../../../../../shared/cases/costdata')
const aws = { s3_bucket: 'acme-cur', s3_prefix: 'cur', report_name: 'daily', month: '2025-11' }
const azure = { container: 'acme-exports', prefix: 'cost/daily', month: '2025-11' }

/** Loads one input; 'rows' or 'refused'. A difference between the sides is an AssertionError. */
const outcome = async (
  world: World,
  provider: 'aws' | 'azure',
  files: Record<string, Buffer | string>,
  columns?: Column[],
): Promise<'rows' | 'refused'> => {
  const both = bothSides(world.warehouse)
  const folder = provider === 'aws' ? awsFolder : azureFolder
  const keys = Object.keys(files).map((name) => `${folder}/${name}`)
  for (const [name, content] of Object.entries(files))
    world.put(
      provider === 'aws' ? 's3' : 'azure',
      provider === 'aws' ? 'acme-cur' : 'acme-exports',
      `${folder}/${name}`,
      content,
    )
  if (provider === 'aws') world.put('s3', 'acme-cur', `${folder}/daily-Manifest.json`, awsManifest(keys))
  else world.put('azure', 'acme-exports', `${folder}/manifest.json`, azureManifest(keys))
  try {
    await world.load(provider, provider === 'aws' ? aws : azure, {
      deps: both,
      ...(columns === undefined ? {} : { columns }),
    })
    return 'rows'
  } catch (error) {
    if (error instanceof AppError) return 'refused'
    throw error
  }
}
const cell = (text: string): string => `"${text.replaceAll('"', '""')}"`
const amounts = [
  '1',
  '-0',
  '-0.00',
  '+1',
  '1_000',
  '1,000.5',
  ' 1 ',
  '1.',
  '.5',
  '1e3',
  '1E-7',
  '1e+2',
  '0x10',
  'NaN',
  'Infinity',
  '-inf',
  '1 000',
  '1.5.5',
  '--1',
  '1e',
  'e1',
  '1e400',
  '0e400',
  '000.50',
  '99999999999999999999',
  '$1',
  '1%',
  'None',
  'NULL',
  'true',
  '-',
  '.',
  '٣',
  '1\u00a0',
  '1\t',
  '0.123456789012345678',
]
const instants = [
  '2025-11-05T01:00:00Z',
  '2025-11-05 01:00:00',
  '2025-11-05',
  '2025-11-05T01:00:00.000Z',
  '2025-11-05T01:00:00+02:00',
  '2025-11-05T01:00:00+0200',
  '2025-11-05T01:00:00 UTC',
  '2025-11-05T24:00:00Z',
  '20251105T010000Z',
  '2025-02-30T00:00:00Z',
  '2025-11-05T1:00:00Z',
  ' 2025-11-05',
  '2025-11-05T01:00:00.123456Z',
  '2025-11-05T01:00:00.123456789Z',
  '2025-11-05T01:00Z',
  '2025-11-05T01',
  '2025-11-31',
  '1762300800',
  '2025-11-05T01:00:60Z',
  '0000-01-01',
  '10000-01-01',
  '2025-11-05T01:00:00z',
  '2025-11-05t01:00:00Z',
  '2025-11-05T01:00:00-23:59',
  '2025-11-5',
]
const tags = [
  '"env": "prod"',
  '"env": "prod",',
  '{"env":"prod"}',
  '{"env":"prod",}',
  '{}',
  '[]',
  '[1,2]',
  '[1,]',
  '"a"',
  'null',
  'true',
  '"a": NaN',
  '"a": Infinity',
  '"a": 1e999',
  '"a": 01',
  '"a": 1.0',
  '"a": 12345678901234567890',
  'a: 1',
  "'a': 'b'",
  '"k": "v":',
  '"a": "\\ud83d\\ude00"',
  '"a": "tab\there"',
  '"a": "é😀"',
  '"a": {"b": [1, null]}',
  '"a": null',
  '"": "x"',
  '"a b.c/d~e": "x"',
  '"a": "1", "b": "2"',
  '// c',
  '"a": "nan, }"',
  '"__proto__": "x"',
  ' "a" : "b" ',
  '"a": "\\x"',
  '"a": -0',
  '"a": .5',
  '"a": +1',
  '"a": tRue',
]
const forms: Record<string, Buffer | string> = {
  bom: '\uFEFFlineItem/UnblendedCost,bill/BillingPeriodStartDate\n1,2025-11-01\n',
  'second bom': '\uFEFFlineItem/UnblendedCost,bill/BillingPeriodStartDate\n\uFEFF1,2025-11-01\n',
  'bom further down': 'lineItem/UnblendedCost,bill/BillingPeriodStartDate\n1,2025-11-01\n\uFEFF1,2025-11-01\n',
  crlf: 'lineItem/UnblendedCost,bill/BillingPeriodStartDate\r\n1,2025-11-01\r\n',
  cr: 'lineItem/UnblendedCost,bill/BillingPeriodStartDate\r1,2025-11-01\r2,2025-11-01\r',
  mixed: 'lineItem/UnblendedCost,bill/BillingPeriodStartDate\r\n1,2025-11-01\n2,2025-11-01\r3,2025-11-01\r\n',
  'no last end': 'lineItem/UnblendedCost,bill/BillingPeriodStartDate\n1,2025-11-01',
  'empty lines': 'lineItem/UnblendedCost,bill/BillingPeriodStartDate\n\n1,2025-11-01\n\n\n2,2025-11-01\n\n',
  'quoted line ends':
    'lineItem/UnblendedCost,bill/BillingPeriodStartDate,lineItem/ResourceId\n1,2025-11-01,"a\nb\r\nc"\n',
  'spaces around quotes':
    'lineItem/UnblendedCost,bill/BillingPeriodStartDate,lineItem/ResourceId\n1,2025-11-01, "a" \n',
  'quote inside': 'lineItem/UnblendedCost,bill/BillingPeriodStartDate,lineItem/ResourceId\n1,2025-11-01,a"b\n',
  'text after a quote': 'lineItem/UnblendedCost,bill/BillingPeriodStartDate,lineItem/ResourceId\n1,2025-11-01,"a"b\n',
  'open quote': 'lineItem/UnblendedCost,bill/BillingPeriodStartDate,lineItem/ResourceId\n1,2025-11-01,"a\n',
  'quoted empty': 'lineItem/UnblendedCost,bill/BillingPeriodStartDate,lineItem/ResourceId\n1,2025-11-01,""\n',
  'short row': 'lineItem/UnblendedCost,bill/BillingPeriodStartDate,lineItem/ResourceId\n1,2025-11-01\n',
  'long row': 'lineItem/UnblendedCost,bill/BillingPeriodStartDate\n1,2025-11-01,x\n',
  'row of nothing': 'lineItem/UnblendedCost,bill/BillingPeriodStartDate\n1,2025-11-01\n,\n',
  'empty name': 'lineItem/UnblendedCost,bill/BillingPeriodStartDate,\n1,2025-11-01,\n',
  'empty name with a value': 'lineItem/UnblendedCost,bill/BillingPeriodStartDate,\n1,2025-11-01,x\n',
  'name twice': 'lineItem/UnblendedCost,bill/BillingPeriodStartDate,x,x\n1,2025-11-01,1,2\n',
  'cost twice': 'lineItem/UnblendedCost,bill/BillingPeriodStartDate,lineItem/UnblendedCost\n1,2025-11-01,2\n',
  'tabs and controls':
    'lineItem/UnblendedCost,bill/BillingPeriodStartDate,lineItem/ResourceId\n1,2025-11-01,a\tb\u0001\u2028\n',
  nul: 'lineItem/UnblendedCost,bill/BillingPeriodStartDate,lineItem/ResourceId\n1,2025-11-01,a\u0000b\n',
  'no utf-8': Buffer.from(
    'lineItem/UnblendedCost,bill/BillingPeriodStartDate,lineItem/ResourceId\n1,2025-11-01,\xe9\n',
    'latin1',
  ),
  'another month below': `lineItem/UnblendedCost,bill/BillingPeriodStartDate\n${'1,2025-11-01\n'.repeat(100_000)}1,2025-10-01\n`,
  'a record of 1.5 MiB': `lineItem/UnblendedCost,bill/BillingPeriodStartDate,lineItem/ResourceId\n1,2025-11-01,"${'x'.repeat(1.5 * 1024 ** 2)}"\n`,
  'a record of 3 MiB': `lineItem/UnblendedCost,bill/BillingPeriodStartDate,lineItem/ResourceId\n1,2025-11-01,"${'x'.repeat(3 * 1024 ** 2)}"\n`,
}
const groups: Record<string, Record<string, { provider: 'aws' | 'azure'; files: Record<string, Buffer | string> }>> = {
  amounts: Object.fromEntries(
    amounts.map((text) => [
      text,
      {
        provider: 'aws',
        files: { 'a.csv': `lineItem/UnblendedCost,bill/BillingPeriodStartDate\n${cell(text)},2025-11-01\n` },
      },
    ]),
  ),
  instants: Object.fromEntries(
    instants.map((text) => [
      text,
      {
        provider: 'aws',
        files: {
          'a.csv': `lineItem/UnblendedCost,bill/BillingPeriodStartDate,lineItem/UsageStartDate\n1,2025-11-01,${cell(text)}\n`,
        },
      },
    ]),
  ),
  tags: Object.fromEntries(
    tags.map((text) => [
      text,
      { provider: 'azure', files: { 'part_0.csv': `CostInBillingCurrency,Date,Tags\n1,2025-11-05,${cell(text)}\n` } },
    ]),
  ),
  maps: Object.fromEntries(
    tags.map((text) => [
      text,
      {
        provider: 'aws',
        files: {
          'a.csv':
            'line_item_unblended_cost,bill_billing_period_start_date,product,tags,resource_tags\n' +
            `1,2025-11-01,${cell(text)},${cell(text)},${cell(`{${text}}`)}\n`,
        },
      },
    ]),
  ),
  forms: Object.fromEntries(
    Object.entries(forms).map(([name, content]) => [name, { provider: 'aws', files: { 'a.csv': content } }]),
  ),
}
/** Inputs that both sides refuse; all others come to rows. */
const refused: Readonly<Record<string, readonly string[]>> = {
  amounts: [
    '1_000',
    '1,000.5',
    '0x10',
    'NaN',
    'Infinity',
    '-inf',
    '1 000',
    '1.5.5',
    '--1',
    '1e',
    'e1',
    '1e400',
    '$1',
    '1%',
    'None',
    'NULL',
    'true',
    '-',
    '.',
    '٣',
    '1\u00a0',
  ],
  instants: [
    '2025-11-05T24:00:00Z',
    '20251105T010000Z',
    '2025-02-30T00:00:00Z',
    '2025-11-05T1:00:00Z',
    '2025-11-05T01',
    '2025-11-31',
    '1762300800',
    '2025-11-05T01:00:60Z',
    '0000-01-01',
    '10000-01-01',
    '2025-11-5',
  ],
  tags: [],
  maps: [],
  forms: ['text after a quote', 'open quote', 'short row', 'long row', 'cost twice', 'no utf-8', 'another month below'],
}
/** Few columns, for what is tried is not how many there are. */
const few = (provider: 'aws' | 'azure') =>
  tableColumns(provider).filter(
    ({ name }) =>
      /^(billing_period|report_name|export_name|date|tags|resource_tags|cost_category|product(_region)?|other_columns)$/.test(
        name,
      ) ||
      /^(source_name|dataset|bill_billing_period_start_date|line_item_(unblended_cost|usage_start_date|resource_id)|cost_in_billing_currency)$/.test(
        name,
      ),
  )

describe('both sides of the door', function () {
  this.timeout(300_000)

  for (const [group, inputs] of Object.entries(groups))
    it(
      `take the same ${group}, or refuse them alike`,
      inWorld(async (world) => {
        const came: string[] = []
        for (const [name, { provider, files }] of Object.entries(inputs))
          if ((await outcome(world, provider, files, few(provider))) === 'refused') came.push(name)
        expect(came).to.have.members(refused[group] ?? [])
      }),
    )

  for (const provider of ['aws', 'azure'] as const)
    it(
      `take the same public cases of ${provider}, and Parquet of them as the same rows`,
      inWorld(async (world) => {
        const folder = join(cases, 'files', provider)
        if (!existsSync(folder)) {
          console.log('SKIPPED public cases: ../shared/cases is not here')
          return
        }
        const table = provider === 'aws' ? 'aws_cost_cur' : 'azure_cost_exports'
        const rowsOf = async () =>
          (
            await world.warehouse.query({
              query: `SELECT * EXCEPT (source_file) FROM ${table}`,
              default_dataset: 'acme',
            })
          )
            .map(canonical)
            .sort()
        let same = 0
        for (const name of readdirSync(folder)) {
          const [file = ''] = readdirSync(join(folder, name))
          const path = join(folder, name, file)
          if ((await outcome(world, provider, { [file]: readFileSync(path) })) === 'refused') continue
          const rows = await rowsOf()
          const bytes = readFileSync(path)
          const text = (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8')
          const [header] = openCsv({ name }).push(text)
          const shape = (header?.fields ?? []).map((column) => `'${column}': 'VARCHAR'`).join(', ')
          const form = `auto_detect = false, header = true, quote = '"', escape = '"', columns = {${shape}}`
          const content = await parquetOf(`SELECT * FROM read_csv('${path}', ${form})`).catch(() => undefined)
          // DuckDB by itself does not read each of them, and a file without rows replaces none.
          if (content === undefined || rows.length === 0 || /bom|eol/.test(name)) continue
          const parquet = { [file.replace(/\.csv(\.gz)?$/, '.parquet')]: content }
          expect(await outcome(world, provider, parquet), name).to.equal('rows')
          expect(await rowsOf(), name).to.deep.equal(rows)
          same += 1
        }
        expect(same).to.be.greaterThan(1)
      }),
    )
})
