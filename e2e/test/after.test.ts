/** A pipeline that follows another: it runs by itself once, about the same, and is none of the tenant's runs. */
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect } from 'chai'
import { configsFolder } from '@convergence/pipeline'
import { temporaryFolder, type World } from '../operations.ts'
import { ledgerFaults, openOneProcess } from './world.ts'

const table = (name: string, query: string): string => `
  - step_id: write
    ps_type: gcp.bq_etl
    retry_policy: { max_retries: 0 }
    for_each: { parameter: month }
    source:
      query: ${query}
    destination:
      bq_project_id: "{project_id}"
      dataset_type: "{tenant_id}"
      table: ${name}
      write_mode: truncate
      period: { month: "{month}" }
`
const head = (id: string, more = ''): string =>
  `pipeline_id: ${id}\ndescription: Example\n${more}parameters: { month: { type: month, many: values } }\nsteps:`
const pipelines = {
  'custom/after/load.yml':
    head('after_load') +
    table('loaded', `SELECT '{month}' AS month, IF('{month}' = '1999-01', ERROR('no'), 1) AS cost`),
  'custom/after/sums.yml':
    head('after_sums', 'after: [{ pipeline: custom/after/load }]\n') +
    table('sums', `SELECT month, SUM(cost) AS cost FROM loaded WHERE month = '{month}' GROUP BY month`),
  'custom/after/last.yml':
    head('after_last', 'after: [{ pipeline: custom/after/sums, parameters: { month: "{month}" } }]\n') +
    table('last', `SELECT '{month}' AS month, 2 AS cost`),
}

describe('a pipeline that follows another', function () {
  this.timeout(120_000)

  let world: World
  let key: string
  const configs_folder = temporaryFolder()
  before(async () => {
    cpSync(configsFolder(), configs_folder, { recursive: true })
    for (const [name, text] of Object.entries(pipelines)) {
      mkdirSync(dirname(join(configs_folder, name)), { recursive: true })
      writeFileSync(join(configs_folder, name), text)
    }
    world = await openOneProcess({ configs_folder })
    key = await world.onboard('acme_corp')
  })
  after(async () => {
    await world.end()
    rmSync(configs_folder, { recursive: true, force: true })
  })
  const run = async (id: string) => (await world.client.call('GET', `/api/v1/pipelines/runs/${id}`, { key })).body
  interface Follower {
    pipeline_logging_id: string
    pipeline: string
    status: string
  }
  /** The run that follows, once it has ended. */
  const followerOf = async (id: string): Promise<Record<string, unknown>> => {
    for (;;) {
      const [next] = (await run(id))['followed_by'] as Follower[]
      if (next !== undefined) {
        await world.ended(key, next.pipeline_logging_id)
        return run(next.pipeline_logging_id)
      }
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
  const rows = async (name: string) =>
    (
      await world.warehouse.query({
        query: `SELECT month, SUM(cost) AS cost FROM \`${world.warehouse.project_id}.acme_corp.${name}\` GROUP BY month ORDER BY month`,
      })
    ).map(({ month, cost }) => `${String(month)} ${String(cost)}`)
  const used = async (): Promise<unknown> => {
    const { body } = await world.client.call('GET', '/api/v1/tenants/acme_corp', { key })
    return (body['usage'] as Record<string, { used: number }>)['daily']?.used
  }

  it('runs after each run that completed, with its periods, and so on; it counts against no quota', async () => {
    const before = Number(await used())
    const id = await world.start(key, 'acme_corp', 'custom/after/load', { month: '2026-01,2025-12' })
    expect((await world.ended(key, id)).status).to.equal('COMPLETED')
    const sums = await followerOf(id)
    expect(sums).to.deep.include({
      status: 'COMPLETED',
      pipeline: 'custom/after/sums',
      trigger_type: 'after',
      trigger_by: 'custom/after/load',
      parent_run_id: id,
      follows: { pipeline_logging_id: id, pipeline: 'custom/after/load' },
    })
    expect(sums['parameters']).to.include({ month: '2026-01,2025-12' })
    expect(await rows('sums')).to.deep.equal(['2025-12 1', '2026-01 1'])
    const last = await followerOf(String(sums['pipeline_logging_id']))
    expect(last).to.deep.include({ status: 'COMPLETED', pipeline: 'custom/after/last', followed_by: [] })
    expect((await run(id))['followed_by']).to.deep.equal([
      { pipeline_logging_id: sums['pipeline_logging_id'], pipeline: 'custom/after/sums', status: 'COMPLETED' },
    ])
    expect(Number(await used())).to.equal(before + 1)
    expect(await ledgerFaults(world)).to.deep.equal([])
  })

  it('does not run after one that failed; a plan and the catalogue say what follows', async () => {
    const { body } = await world.client.call('POST', '/api/v1/pipelines/run/acme_corp/custom/after/load?dry_run=true', {
      key,
      body: { month: '2026-02' },
      expect: [200],
    })
    expect(body['followed_by']).to.deep.equal([{ pipeline: 'custom/after/sums', parameters: { month: '2026-02' } }])
    const { body: entry } = await world.client.call('GET', '/api/v1/pipelines/custom/after/sums', { key })
    expect(entry).to.deep.include({ after: ['custom/after/load'], followed_by: ['custom/after/last'] })
    const failing = await world.start(key, 'acme_corp', 'custom/after/load', { month: '1999-01' })
    expect((await world.ended(key, failing)).status).to.equal('FAILED')
    const other = await world.start(key, 'acme_corp', 'custom/after/load', { month: '2026-02' })
    await world.ended(key, other)
    await followerOf(String((await followerOf(other))['pipeline_logging_id']))
    expect((await run(failing))['followed_by']).to.deep.equal([])
    const { body: page } = await world.client.call('GET', '/api/v1/pipelines/runs?limit=50', { key })
    const runs = page['items'] as { trigger_type: string }[]
    expect(runs.filter(({ trigger_type }) => trigger_type === 'after')).to.have.length(4)
  })
})
