/** A tenant asks saved queries over REST: its own data alone, all faults at once, JSON and CSV. */
import { expect } from 'chai'
import { openOneProcess } from './world.ts'
import type { World } from '../operations.ts'

describe('saved queries over REST', function () {
  this.timeout(120_000)
  let world: World
  let key: string
  let other: string
  const lay = async (tenant: string, structs: readonly string[], run: string) => {
    await world.warehouse.runJob(
      { run_id: `r_${run.repeat(26)}`, step_id: 'lay', max_retries: 0, retry_delay_seconds: 1, tenant_id: tenant },
      {
        kind: 'query',
        query: `SELECT * FROM UNNEST([${structs.join(', ')}])`,
        destination: {
          ...{ project_id: world.warehouse.project_id, dataset: tenant, table: 'focus_cost_and_usage' },
          write_mode: 'append',
        },
      },
    )
  }
  const charge = (currency: string, tags: string, cost: string): string =>
    `STRUCT(DATE '2025-11-01' AS x_BillingPeriod, TIMESTAMP '2025-11-03' AS ChargePeriodStart, 'aws' AS x_SourceProvider, ` +
    `'${currency}' AS BillingCurrency, JSON '${tags}' AS Tags, BIGNUMERIC '${cost}' AS EffectiveCost)`
  const ask = async (path: string, headers: Record<string, string> = { 'X-API-Key': key }) =>
    fetch(`${world.url}/api/v1/tenants/acme/focus/queries${path}`, { headers })
  const problem = async (path: string) => {
    const answer = await ask(path)
    const { code, detail, errors } = (await answer.json()) as { code: string; detail: string; errors?: string[] }
    return { status: answer.status, code, detail, errors }
  }
  const november = 'from=2025-11-01&to=2025-12-01'

  before(async () => {
    world = await openOneProcess()
    key = await world.onboard('acme')
    other = await world.onboard('globex')
    expect(await problem(`/tag_coverage?${november}&param=tag=team`)).to.deep.include({
      ...{ status: 404, code: 'TABLE_NOT_FOUND' },
      detail:
        'tag_coverage: reads focus_cost_and_usage, which acme has not all yet; ' +
        'focus/cost/{aws,azure,gcp,any} makes them after a load',
    })
    await lay('globex', [charge('USD', '{"team":"theirs"}', '1000')], 'b')
    const smallest = `0.${'0'.repeat(37)}1`
    await lay(
      'acme',
      [charge('USD', '{"team":"core"}', '3'), charge('USD', '{}', smallest), charge('EUR', '{"a.b":"=1+1"}', '2')],
      'a',
    )
  })
  after(() => world.end())

  it('are listed with questions, parameters and SQL', async () => {
    const { items } = (await (await ask('')).json()) as { items: { name: string; sql: string }[] }
    expect(items.length).to.be.at.least(60)
    expect(items.find(({ name }) => name === 'tag_coverage')).to.include.keys('question', 'parameters', 'reads', 'sql')
  })
  it('answer exactly, each currency by itself, of the tenant alone', async () => {
    const answer = await ask(`/tag_coverage?${november}&param=tag=team`)
    const body = (await answer.json()) as { columns: unknown[]; items: unknown[]; truncated: boolean }
    expect(body.columns[2]).to.deep.equal({ name: 'effective_cost', type: 'BIGNUMERIC' })
    expect(body.truncated).to.equal(false)
    const of = (currency: string, effective: string, tagged: string, untagged: string, share: string) => ({
      ...{ provider: 'aws', currency, effective_cost: effective, tagged_cost: tagged },
      ...{ untagged_cost: untagged, tagged_share: share },
    })
    const smallest = `0.${'0'.repeat(37)}1`
    expect(body.items).to.deep.equal([
      of('EUR', '2', '0', '2', '0'),
      of('USD', `3${smallest.slice(1)}`, '3', smallest, '1'),
    ])
  })
  it('as CSV when it is asked for', async () => {
    const answer = await ask(`/tag_coverage?${november}&param=tag=a.b&limit=1`, {
      'X-API-Key': key,
      Accept: 'text/csv',
    })
    expect(answer.headers.get('content-type')).to.equal('text/csv; charset=utf-8')
    expect(answer.headers.get('x-truncated')).to.equal('true')
    expect(await answer.text()).to.equal(
      'provider,currency,effective_cost,tagged_cost,untagged_cost,tagged_share\r\naws,EUR,2,2,0,1\r\n',
    )
  })
  it('are refused with all that is wrong at once, and are nobody else’s', async () => {
    expect(await problem(`/tag_coverage?from=2025-12-01&to=2025-11-01&param=tga=x&limit=0`)).to.deep.include({
      ...{ status: 400, code: 'BODY_INVALID' },
      errors: [
        'query.param: tag_coverage has no parameter "tga=x"; it has from, to, provider, tag',
        'query.to: expected a day after 2025-12-01, got 2025-11-01',
        'query.param: tag is missing: key of the tag, as it is spelled in Tags; param=tag=VALUE',
        'query.limit: expected 1 to 10000, got "0"',
      ],
    })
    expect(await problem('/tag_covrage')).to.deep.include({
      ...{ status: 404, code: 'NOT_FOUND' },
      detail: 'no saved query "tag_covrage", did you mean "tag_coverage"?',
    })
    for (const path of ['', `/tag_coverage?${november}&param=tag=team`])
      expect((await ask(path, { 'X-API-Key': other })).status).to.equal(404)
  })
})
