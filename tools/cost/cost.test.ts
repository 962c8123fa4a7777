import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { monthOf, pageWith, readUsages, section } from './main.ts'

describe('what a month on Google Cloud costs', () => {
  it('is in docs/DEPLOYMENT.md as npm run cost tells it', () => {
    const page = readFileSync(join(import.meta.dirname, '../../docs/DEPLOYMENT.md'), 'utf8')
    expect(page, 'npm run cost -- --write').to.equal(pageWith(page, section(readUsages())))
  })
  it('grows with the runs in every part, and less than they do', () => {
    const usages = readUsages()
    const months = [1_000, 100_000, 10_000_000].map((runs) => monthOf(runs, usages))
    for (const part of [
      'pubsub',
      'bigquery_platform',
      'bigquery_exports',
      'storage_per_month_kept',
      'kms',
      'gke',
      'total',
    ] as const) {
      const costs = months.map((month) => month[part])
      expect(costs, part).to.deep.equal([...costs].sort((one, other) => one - other))
    }
    expect((months[2]?.total ?? 0) / 100).to.be.below(months[1]?.total ?? 0)
  })
  it('counts what a run of one step must cause: four messages, two commits of the ledger, one job', () => {
    const usage = readUsages().find(({ pipeline, at_once }) => pipeline === 'gcp/cost/billing' && at_once === 1)
    const { runs = 0, messages = {}, bigquery = {} } = usage ?? {}
    expect(
      Object.fromEntries(Object.entries(messages).map(([topic, { count }]) => [topic, count / runs])),
    ).to.deep.equal({ 'run-requested': 1, 'run-admitted': 1, 'step-completed': 1, 'run-completed': 1 })
    expect((bigquery['query job: INSERT INTO tenants.run_ledger'] ?? 0) / runs).to.equal(2)
    expect(
      Object.entries(bigquery)
        .filter(([kind]) => kind.startsWith('query job: replace'))
        .reduce((sum, [, count]) => sum + count, 0) / runs,
    ).to.equal(1)
  })
})
