import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { expect } from 'chai'
import { sumDecimals, writeSamples } from '../samples/samples.ts'

const written = async (seed: number, body: (folder: string, samples: Awaited<ReturnType<typeof writeSamples>>) => void) => {
  const folder = mkdtempSync(join(tmpdir(), 'convergence-samples-'))
  try {
    body(folder, await writeSamples({ folder, tenants: ['acme'], seed, rows_per_provider: 200, month: '2025-11', days: ['2025-11-18', '2025-11-19'] }))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
const filesOf = (folder: string): string[] => readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name)).sort()

describe('samples', () => {
  it('are the same bytes for the same seed, and others for another', async () => {
    const contents: string[][] = []
    for (const seed of [1, 1, 2]) await written(seed, (folder) => { contents.push(filesOf(folder).map((file) => `${file.slice(folder.length)} ${(file.endsWith('.gz') ? gunzipSync(readFileSync(file)) : readFileSync(file)).toString()}`)) })
    expect(contents[0]).to.deep.equal(contents[1])
    expect(contents[0]).not.to.deep.equal(contents[2])
  })

  it('come with the totals of their own rows', () => written(5, (folder, { gcp_file, expected }) => {
    const rows = readFileSync(gcp_file, 'utf8').trim().split('\n').map((line) => ({ ...(JSON.parse(line) as { usage_start_time: string }), cost: /"cost":(-?[\d.]+)\}$/.exec(line)?.[1] ?? '' }))
    const loaded = rows.filter(({ usage_start_time }) => ['2025-11-18', '2025-11-19'].includes(usage_start_time.slice(0, 10)))
    expect(expected['acme']?.gcp).to.deep.equal({ rows: loaded.length, cost: sumDecimals(loaded.map(({ cost }) => cost)) })
    expect(rows.length).to.be.greaterThan(loaded.length)
    const manifest = JSON.parse(readFileSync(join(folder, 'buckets/s3/acme-cur/cur/daily/20251101-20251201/daily-Manifest.json'), 'utf8')) as { reportKeys: string[] }
    const lines = manifest.reportKeys.flatMap((key) => gunzipSync(readFileSync(join(folder, 'buckets/s3/acme-cur', key))).toString().trim().split('\n').slice(1))
    expect(lines).to.have.length(expected['acme']?.aws?.rows ?? -1)
  }))

  it('sum decimals exactly, with exponents and signs', () => {
    expect(sumDecimals(['0.1', '0.2', '-0.3'])).to.equal('0')
    expect(sumDecimals(['1.81E-8', '2'])).to.equal('2.0000000181')
    expect(sumDecimals(['-1.5', '0.25'])).to.equal('-1.25')
    expect(() => sumDecimals(['1e-19'])).to.throw('18 digits')
  })
})
