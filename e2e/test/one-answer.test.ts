import { expect } from 'chai'
import type { World } from '../operations.ts'
import { openWorld } from './world.ts'

describe('a run', function () {
  this.timeout(120_000)
  let world: World
  let key: string
  before(async () => {
    world = await openWorld()
    key = await world.onboard('acme_corp', 'STARTER')
    const table = `${world.warehouse.project_id}.billing_export.not_there`
    await world.connect(key, 'acme_corp', 'google', { provider: 'gcp', kind: 'detailed', table })
  })
  after(() => world.end())

  const detail = ['steps', 'warnings', 'follows', 'followed_by']
  const summary = (run: Record<string, unknown>) =>
    Object.fromEntries(Object.entries(run).filter(([field]) => !detail.includes(field)))
  const single = async (id: string) => (await world.client.call('GET', `/api/v1/pipelines/runs/${id}`, { key })).body
  const listed = async (id: string) => {
    const { body } = await world.client.call('GET', '/api/v1/pipelines/runs', { key })
    return (body['items'] as Record<string, unknown>[]).find((run) => run['pipeline_logging_id'] === id)
  }

  it('has one answer by its id, in the list and in the tables, from its request to its end', async () => {
    // The export is not there, so each fails; what counts is what is told of it. STARTER runs one at a time.
    const ids = await Promise.all([1, 2, 3].map(() => world.start(key, 'acme_corp', 'gcp/cost/billing')))
    const first = new Map(await Promise.all(ids.map(async (id) => [id, await single(id)] as const)))
    const lasting = (run: Record<string, unknown> | undefined) => [run?.['parameters'], run?.['requested_at']]
    for (const id of ids) {
      expect(lasting(await listed(id))).to.deep.equal(lasting(first.get(id)))
      await world.ended(key, id)
      const [row] = await world.warehouse.query({
        query: `SELECT parameters, requested_at FROM tenant_pipeline_runs
                WHERE pipeline_logging_id = '${id}' AND status = 'FAILED'`,
        default_dataset: 'tenants',
      })
      const one = await single(id)
      expect(lasting(one)).to.deep.equal(lasting(first.get(id)))
      expect(one['parameters'])
        .to.have.property('date')
        .that.matches(/^\d{4}-\d\d-\d\d$/)
      if (row !== undefined) expect(lasting(row)).to.deep.equal(lasting(one))
      const inList = await listed(id)
      if (inList?.['status'] === 'FAILED') expect(inList).to.deep.equal(summary(one))
    }
  })
})
