import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { expect } from 'chai'
import { sumDecimals, writeBigCur, writeSamples } from '../samples/samples.ts'

const inFolder = async (body: (folder: string) => Promise<void> | void) => {
  const folder = mkdtempSync(join(tmpdir(), 'convergence-samples-'))
  try {
    await body(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
const days = ['2025-11-18', '2025-11-19']
const written = (seed: number, body: (folder: string, samples: Awaited<ReturnType<typeof writeSamples>>) => void) =>
  inFolder(async (folder) => {
    body(
      folder,
      await writeSamples({
        folder,
        tenants: ['acme', 'globex'],
        seed,
        rows_per_provider: 1000,
        month: '2025-11',
        days,
      }),
    )
  })
const filesOf = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
const textOf = (file: string): string =>
  (file.endsWith('.gz') ? gunzipSync(readFileSync(file)) : readFileSync(file)).toString()
/** A column of CSV text without any parser of ours: quoted commas are put away first. */
const column = (text: string, name: string): string[] => {
  const [header = [], ...rows] = text
    .replace(/^\uFEFF/, '')
    .trim()
    .split(/\r?\n/)
    .map((line) =>
      line
        .replaceAll('""', '')
        .split('"')
        .map((part, k) => (k % 2 === 0 ? part : part.replaceAll(',', ';')))
        .join('')
        .split(','),
    )
  expect(rows.every((row) => row.length === header.length)).to.equal(true)
  return rows.map((row) => row[header.indexOf(name)] ?? '')
}
type GcpRow = {
  usage_start_time: string
  export_time: string
  cost_type: string
  project: { id: string } | null
  credits: { amount: number }[]
  labels: unknown[]
  adjustment_info: unknown
  cost: string
}
const gcpRows = (file: string): GcpRow[] =>
  readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => ({ ...(JSON.parse(line) as GcpRow), cost: /"cost":(-?[\d.]+)\}$/.exec(line)?.[1] ?? '' }))

describe('samples', function () {
  this.timeout(20_000)

  it('are the same bytes for the same seed, and others for another', async () => {
    const contents: string[][] = []
    for (const seed of [1, 1, 2])
      await written(seed, (folder) => {
        contents.push(filesOf(folder).map((file) => `${file.slice(folder.length)} ${textOf(file)}`))
      })
    expect(contents[0]).to.deep.equal(contents[1])
    expect(contents[0]).not.to.deep.equal(contents[2])
  })

  it('come with the totals of their own rows, for each tenant and provider', () =>
    written(5, (folder, { gcp_file, expected }) => {
      const all = gcpRows(gcp_file)
      for (const tenant of ['acme', 'globex']) {
        const loaded = all.filter(
          ({ usage_start_time, project }) =>
            days.includes(usage_start_time.slice(0, 10)) && project?.id === `${tenant}-prod-4711`,
        )
        expect(expected[tenant]?.gcp).to.deep.equal({
          rows: loaded.length,
          cost: sumDecimals(loaded.map(({ cost }) => cost)),
        })
        const manifest = JSON.parse(
          readFileSync(
            join(folder, `buckets/s3/${tenant}-cur/cur/daily/20251101-20251201/daily-Manifest.json`),
            'utf8',
          ),
        ) as { reportKeys: string[] }
        expect(manifest.reportKeys).to.have.length(2)
        const costs = manifest.reportKeys.flatMap((key) =>
          column(textOf(join(folder, `buckets/s3/${tenant}-cur`, key)), 'lineItem/UnblendedCost'),
        )
        expect(expected[tenant]?.aws)
          .to.deep.equal({ rows: 1000, cost: sumDecimals(costs) })
          .and.to.have.property('rows', costs.length)
        const azure = filesOf(join(folder, `buckets/azure/${tenant}-exports`))
        expect(azure.map((file) => file.split('/').at(-1))).to.deep.equal(['manifest.json', 'part_0.csv'])
        const azureCosts = column(textOf(azure[1]!), 'CostInBillingCurrency')
        expect(expected[tenant]?.azure)
          .to.deep.equal({ rows: 1000, cost: sumDecimals(azureCosts) })
          .and.to.have.property('rows', azureCosts.length)
      }
    }))

  it('hold what makes real exports hard', () =>
    written(5, (folder, { gcp_file }) => {
      const rows = gcpRows(gcp_file)
      expect(new Set(rows.map(({ cost_type }) => cost_type)))
        .to.include('tax')
        .and.include('regular')
      expect(rows.some(({ credits }) => credits.length > 0)).to.equal(true)
      expect(rows.some(({ project }) => project === null)).to.equal(true)
      expect(rows.some(({ usage_start_time }) => usage_start_time.startsWith('2025-11-20'))).to.equal(true)
      // A correction is two rows more: one takes the first back.
      const corrections = rows.flatMap((row, k) =>
        row.adjustment_info !== null && row.cost.startsWith('-') ? [[row.cost, rows[k - 1]?.cost]] : [],
      )
      expect(corrections).to.not.have.length(0)
      for (const [back, first] of corrections) expect(back).to.equal(`-${String(first)}`)
      const aws = filesOf(join(folder, 'buckets/s3/acme-cur'))
        .filter((file) => file.endsWith('.gz'))
        .map(textOf)
      const types = new Set(aws.flatMap((text) => column(text, 'lineItem/LineItemType')))
      expect([...types]).to.include.members(['Usage', 'Tax', 'SavingsPlanCoveredUsage', 'SavingsPlanNegation'])
      expect(aws.join('')).to.match(/,-?\d+(\.\d+)?E-\d+,/)
      const azure = textOf(filesOf(join(folder, 'buckets/azure/acme-exports'))[1]!)
      expect(azure)
        .to.match(/^\uFEFF/)
        .and.contain('\r\n')
      expect(column(azure, 'Date').every((day) => /^11\/\d{1,2}\/2025$/.test(day))).to.equal(true)
    }))

  it('of any size are written to a packed report with its manifest', () =>
    inFolder(async (folder) => {
      await writeBigCur({
        folder,
        rows: 2500,
        seed: 1,
        report_name: 'daily',
        bucket: 'big-cur',
        prefix: 'cur',
        month: '2025-11',
      })
      const manifest = JSON.parse(readFileSync(join(folder, 'daily-Manifest.json'), 'utf8')) as { reportKeys: string[] }
      expect(manifest.reportKeys).to.deep.equal(['cur/daily/20251101-20251201/daily-1.csv.gz'])
      expect(
        column(textOf(join(folder, 'daily-1.csv.gz')), 'lineItem/UnblendedCost').every((cost) =>
          Number.isFinite(Number(cost)),
        ),
      ).to.equal(true)
      expect(textOf(join(folder, 'daily-1.csv.gz')).trim().split('\n')).to.have.length(2501)
    }))

  it('sum decimals exactly, with exponents and signs', () => {
    expect(sumDecimals(['0.1', '0.2', '-0.3'])).to.equal('0')
    expect(sumDecimals(['1.81E-8', '2'])).to.equal('2.0000000181')
    expect(sumDecimals(['-1.5', '0.25'])).to.equal('-1.25')
    expect(() => sumDecimals(['1e-19'])).to.throw('18 digits')
  })
})
