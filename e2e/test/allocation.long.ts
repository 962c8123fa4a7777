/** A tenant stores rules, sees before what they would say, and asks who bears its cost; months are made by themselves. */
import { expect } from 'chai'
import { sampleSources, writeSamples } from '@convergence/tools/samples'
import { temporaryFolder, type World } from '../operations.ts'
import { openOneProcess } from './world.ts'

const rules = [
  { name: 'by_team', match: { service: ['Amazon*', 'AWS*'] }, to_value_of: 'tag:team' },
  { name: 'storage', match: { category: ['Storage'] }, to: 'storage' },
  { name: 'tax', match: { charge_category: ['Tax'] }, split: { method: 'proportional' } },
  { name: 'compute', match: { category: ['Compute'] }, split: { method: 'fixed', parts: { core: 2, web: 1 } } },
  { name: 'nobody', match: { service: ['no such service'] }, to: 'nobody' },
]

describe('allocation of a tenant', function () {
  this.timeout(300_000)
  let world: World
  let key: string
  let other: string
  const path = '/api/v1/tenants/acme_corp'
  const call = async (method: 'GET' | 'PUT' | 'POST', where: string, body?: object, as = key) => {
    const answer = await world.client.call(method, `${path}${where}`, {
      key: as,
      ...(body === undefined ? {} : { body }),
      expect: [200, 400, 404],
    })
    return { status: answer.status, ...answer.body } as Record<string, unknown> & { status: number }
  }
  const november = '/costs?from=2025-11-01&to=2025-12-01'
  interface Follower {
    pipeline_logging_id: string
    pipeline: string
  }
  /** The run that follows another by itself, once it has ended. */
  const followerOf = async (id: string, pipeline: string): Promise<string> => {
    for (;;) {
      const { body } = await world.client.call('GET', `/api/v1/pipelines/runs/${id}`, { key })
      const next = (body['followed_by'] as Follower[]).find((each) => each.pipeline === pipeline)
      if (next !== undefined) {
        expect((await world.ended(key, next.pipeline_logging_id)).status).to.equal('COMPLETED')
        return next.pipeline_logging_id
      }
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  const load = async (pipeline: string): Promise<void> => {
    const id = await world.start(key, 'acme_corp', pipeline, { month: '2025-11' })
    expect((await world.ended(key, id)).status).to.equal('COMPLETED')
    const focus = await followerOf(id, `focus/cost/${pipeline.split('/')[0] ?? ''}`)
    await followerOf(focus, 'focus/cost/allocation')
  }

  before(async () => {
    const data_folder = temporaryFolder()
    const samples = { seed: 5, rows_per_provider: 400, month: '2025-11', days: ['2025-11-18'] }
    await writeSamples({ folder: data_folder, tenants: ['acme_corp', 'globex'], ...samples })
    world = await openOneProcess({ data_folder })
    key = await world.onboard('acme_corp')
    other = await world.onboard('globex')
    for (const [name, source] of Object.entries(sampleSources('acme_corp', world.warehouse.project_id)))
      if (source.provider !== 'gcp') await world.connect(key, 'acme_corp', name, source)
  })
  after(() => world.end())

  it('is nothing before rules are stored, which is said', async () => {
    await load('aws/cost/cur')
    expect(await call('GET', '/allocation')).to.deep.include({ version: 0, rules: [] })
    const asked = await call('GET', `${november}&group_by=allocation`)
    expect([asked.status, asked['code']]).to.deep.equal([404, 'TABLE_NOT_FOUND'])
    expect(await call('GET', '/allocation?version=1')).to.deep.include({ status: 404, code: 'NOT_FOUND' })
  })

  it('is seen before rules are stored, with the rules that match nothing', async () => {
    const seen = await call('POST', '/allocation/preview?month=2025-11', { rules })
    const items = seen['items'] as { allocation: string; rule: string | null; method: string | null }[]
    expect(items.find(({ rule }) => rule === 'by_team')).to.deep.include({ allocation: 'core', method: 'direct' })
    expect(seen['rules_without_cost']).to.deep.equal(['nobody'])
    expect(await call('GET', '/allocation/versions')).to.deep.include({ items: [] })
    expect((await call('POST', '/allocation/preview', { rules })).status).to.equal(400)
  })

  it('follows each normalisation with the same totals, by all providers, and is asked for by the cost API', async () => {
    expect((await call('PUT', '/allocation', { rules })).status).to.equal(200)
    await load('azure/cost/exports')
    for (const metric of ['billed', 'effective', 'list', 'contracted'])
      for (const filter of ['', '&filter=provider:aws', '&filter=tag:team:core', '&filter=category:Compute']) {
        const query = `${november}&metric=${metric}${filter}`
        const whole = await call('GET', query)
        const borne = await call('GET', `${query}&group_by=allocation,service`)
        expect(borne['totals'], query).to.deep.equal(whole['totals'])
      }
    const { items } = await call('GET', `${november}&group_by=allocation`)
    const names = (items as { group: { allocation: string } }[]).map(({ group }) => group.allocation)
    expect(names).to.have.members(['core', 'web', 'storage', 'unallocated'])
    const core = await call('GET', `${november}&filter=allocation:core&group_by=provider`)
    expect((core['items'] as unknown[]).length).to.equal(2)
    // Of a month that nothing has allocated all is nobody's, and nothing is left out.
    await world.warehouse.runJob(
      { run_id: `r_${'z'.repeat(26)}`, step_id: 'lay', max_retries: 0, retry_delay_seconds: 1, tenant_id: 'acme_corp' },
      {
        kind: 'query',
        query: `SELECT * REPLACE (DATE '2025-12-01' AS x_BillingPeriod) FROM \`acme_corp.focus_cost_and_usage\``,
        destination: {
          ...{ project_id: world.warehouse.project_id, dataset: 'acme_corp', table: 'focus_cost_and_usage' },
          write_mode: 'append',
        },
      },
    )
    const twice = await call('GET', `${november}&group_by=allocation`)
    expect(twice['totals']).to.deep.equal((await call('GET', november))['totals'])
  })

  it('has its versions, refuses faulty rules with all faults at once, and is nobody else’s', async () => {
    const second = [{ name: 'all', to: 'us' }]
    await call('PUT', '/allocation', { rules: second })
    expect(await call('GET', '/allocation')).to.deep.include({ version: 2, rules: second })
    expect(await call('GET', '/allocation?version=1')).to.deep.include({ version: 1, rules })
    const { items } = await call('GET', '/allocation/versions')
    expect((items as { version: number; recorded_by: string }[]).map(({ version }) => version)).to.deep.equal([2, 1])
    expect((items as { recorded_by: string }[])[0]?.recorded_by).to.match(/acme_corp/)
    const wrong = await call('PUT', '/allocation', { rules: [{ name: 'A', to: 'x' }, { name: 'b' }] })
    expect([wrong.status, (wrong['errors'] as string[]).map((each) => each.slice(0, 30))]).to.deep.equal([
      400,
      ['body.rules[0].name: expected a', 'body.rules[1]: expected one of'],
    ])
    expect(await call('PUT', '/allocation', {})).to.deep.include({
      errors: ['body: "rules" is missing: the rules in order; an empty list leaves all cost unallocated'],
    })
    for (const [method, where] of [
      ['GET', '/allocation'],
      ['GET', '/allocation/versions'],
      ['PUT', '/allocation'],
    ] as const)
      expect((await call(method, where, method === 'PUT' ? { rules } : undefined, other)).status).to.equal(404)
    const theirs = await world.client.call('GET', '/api/v1/tenants/globex/allocation', { key: other })
    expect(theirs.body).to.deep.include({ version: 0, rules: [] })
  })
})
