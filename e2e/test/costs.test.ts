/** A tenant asks what its clouds cost. */
import { expect } from 'chai'
import { openOneProcess } from './world.ts'
import type { World } from '../operations.ts'

type Line = [day: string, provider: string, service: string | null, account: string, team: string | null, cost: string]
const lines: readonly Line[] = [
  ['2025-11-01', 'aws', 'Amazon EC2', 'a1', 'core', '0.00000000000000000000000000000000000001'],
  ['2025-11-01', 'aws', 'Amazon EC2', 'a2', 'web', '10.1'],
  ['2025-11-02', 'aws', 'Amazon S3', 'a1', null, '2'],
  ['2025-11-30', 'gcp', 'Compute Engine', 'p1', 'core', '5'],
  ['2025-12-01', 'gcp', null, 'p1', 'core', '7'],
]

describe('costs', function () {
  this.timeout(60_000)
  let world: World
  let key: string
  let other: string
  const lay = async (tenant: string, rows: readonly Line[], currency: string, run: string) => {
    const structs = rows.map(
      ([day, provider, service, account, team, cost]) =>
        `STRUCT(DATE '${day.slice(0, 7)}-01' AS x_BillingPeriod, TIMESTAMP '${day} 00:00:00' AS ChargePeriodStart, ` +
        `'${provider}' AS x_SourceProvider, ${service === null ? 'CAST(NULL AS STRING)' : `'${service}'`} AS ServiceName, ` +
        `'Compute' AS ServiceCategory, '${account}' AS SubAccountId, 'b' AS BillingAccountId, 'r' AS RegionId, ` +
        `'=r' AS ResourceId, ${team === null ? 'CAST(NULL AS JSON)' : `JSON '{"team": "${team}"}'`} AS Tags, ` +
        `BIGNUMERIC '${cost}' AS EffectiveCost, BIGNUMERIC '1' AS BilledCost, CAST(NULL AS BIGNUMERIC) AS ListCost, ` +
        `BIGNUMERIC '2' AS ContractedCost, '${currency}' AS BillingCurrency)`,
    )
    await world.warehouse.runJob(
      { run_id: run, step_id: 'lay', max_retries: 0, retry_delay_seconds: 1, tenant_id: tenant },
      {
        kind: 'query',
        query: `SELECT * FROM UNNEST([${structs.join(', ')}])`,
        destination: {
          project_id: world.warehouse.project_id,
          dataset: tenant,
          table: 'focus_cost_and_usage',
          write_mode: 'append',
        },
      },
    )
  }
  const ask = (query: string, options: { key?: string; headers?: Record<string, string> } = {}) =>
    world.client.call('GET', `/api/v1/tenants/acme/costs${query}`, { key, expect: [200, 400, 403, 404], ...options })
  const november = '?from=2025-11-01&to=2025-12-01'

  before(async () => {
    world = await openOneProcess()
    key = await world.onboard('acme')
    other = await world.onboard('globex')
    expect((await ask(november)).body).to.deep.equal({ items: [], totals: [], freshness: [], next_cursor: null })
    await lay('acme', lines, 'USD', `r_${'a'.repeat(26)}`)
    await lay('globex', [['2025-11-01', 'aws', 'Amazon EC2', 'g', 'core', '1000']], 'USD', `r_${'b'.repeat(26)}`)
  })
  after(() => world.end())

  it('are exact, from the first day to before the last, by currency', async () => {
    expect((await ask(november)).body).to.deep.include({
      items: [{ period: null, group: {}, amount: '17.10000000000000000000000000000000000001', currency: 'USD' }],
      totals: [{ amount: '17.10000000000000000000000000000000000001', currency: 'USD' }],
    })
    expect((await ask(`${november}&metric=billed`)).body).to.deep.include({
      totals: [{ amount: '4', currency: 'USD' }],
    })
    expect((await ask(`${november}&metric=list`)).body).to.deep.include({ totals: [{ amount: null, currency: 'USD' }] })
  })
  it('are told by day or month and three dimensions, a tag among them, the dearest first, page by page', async () => {
    const first = await ask(
      '?from=2025-11-01&to=2026-01-01&granularity=month&group_by=provider,service,tag:team&limit=3',
    )
    expect(first.body['items']).to.deep.equal([
      ...[
        { group: { provider: 'aws', service: 'Amazon EC2', 'tag:team': 'web' }, amount: '10.1' },
        { group: { provider: 'gcp', service: 'Compute Engine', 'tag:team': 'core' }, amount: '5' },
        { group: { provider: 'aws', service: 'Amazon S3', 'tag:team': null }, amount: '2' },
      ].map((item) => ({ period: '2025-11', currency: 'USD', ...item })),
    ])
    const second = await ask(
      `?from=2025-11-01&to=2026-01-01&granularity=month&group_by=provider,service,tag:team&limit=3&cursor=${String(first.body['next_cursor'])}`,
    )
    expect(second.body).to.deep.include({
      items: [
        {
          period: '2025-11',
          group: { provider: 'aws', service: 'Amazon EC2', 'tag:team': 'core' },
          amount: '0.00000000000000000000000000000000000001',
          currency: 'USD',
        },
        {
          period: '2025-12',
          group: { provider: 'gcp', service: null, 'tag:team': 'core' },
          amount: '7',
          currency: 'USD',
        },
      ],
      totals: first.body['totals'],
      next_cursor: null,
    })
    const { body } = await ask(`${november}&granularity=day&filter=provider:gcp`)
    expect(body['items']).to.deep.equal([{ period: '2025-11-30', group: {}, amount: '5', currency: 'USD' }])
  })
  it('are of any value of one filter and all filters of several, also of what has no value', async () => {
    const total = async (filters: string) => (await ask(`?from=2025-11-01&to=2026-01-01${filters}`)).body['totals']
    const usd = (amount: string) => [{ amount, currency: 'USD' }]
    expect(await total('&filter=account:a2&filter=account:p1')).to.deep.equal(usd('22.1'))
    expect(await total('&filter=account:a1&filter=tag:team:core')).to.deep.equal(
      usd('0.00000000000000000000000000000000000001'),
    )
    expect(await total('&filter=service:')).to.deep.equal(usd('7'))
    expect(await total('&filter=tag:team:')).to.deep.equal(usd('2'))
    expect(await total("&filter=service:x' OR TRUE --")).to.deep.equal([])
  })
  it('come as CSV, where nothing is a formula', async () => {
    const answer = await fetch(`${world.url}/api/v1/tenants/acme/costs${november}&group_by=resource,account`, {
      headers: { 'X-API-Key': key, Accept: 'text/csv' },
    })
    expect(answer.headers.get('content-type')).to.match(/^text\/csv/)
    expect(await answer.text()).to.equal(
      "period,resource,account,amount,currency\r\n,'=r,a2,10.1,USD\r\n,'=r,p1,5,USD\r\n" +
        ",'=r,a1,2.00000000000000000000000000000000000001,USD\r\n",
    )
  })
  it('have pickers: the values of a dimension with their cost', async () => {
    const { body } = await world.client.call(
      'GET',
      '/api/v1/tenants/acme/costs/dimensions?dimension=service&from=2025-11-01&to=2025-12-01',
      { key },
    )
    expect(body).to.deep.equal({
      items: [
        { value: 'Amazon EC2', amount: '10.10000000000000000000000000000000000001', currency: 'USD' },
        { value: 'Compute Engine', amount: '5', currency: 'USD' },
        { value: 'Amazon S3', amount: '2', currency: 'USD' },
      ],
      next_cursor: null,
    })
  })
  it('are never mixed between currencies, and nothing is converted without a rate', async () => {
    await lay('acme', [['2024-01-05', 'azure', 'Storage', 's1', null, '3']], 'EUR', `r_${'c'.repeat(26)}`)
    const both = '?from=2024-01-01&to=2025-12-01'
    expect((await ask(both)).body['totals']).to.deep.equal([
      { amount: '3', currency: 'EUR' },
      { amount: '17.10000000000000000000000000000000000001', currency: 'USD' },
    ])
    const { status, body } = await ask(`${both}&currency=EUR`)
    expect([status, body['errors']]).to.deep.equal([
      400,
      [
        'query.currency: there is no rate from USD to EUR for 2025-11; PUT /api/v1/tenants/{tenant_id}/rates gives one, ' +
          'or leave it out to have each currency by itself',
      ],
    ])
    expect((await ask('?from=2024-01-01&to=2024-02-01&currency=EUR')).status).to.equal(200)
  })
  it('are answered in one currency by the rate of each billing period, the newest that was given; nothing is left out', async () => {
    const put = (rates: readonly object[], options: { key?: string; expect?: number[] } = {}) =>
      world.client.call('PUT', '/api/v1/tenants/acme/rates', { key, body: { rates }, expect: [200], ...options })
    const rate = (period: string, from: string, to: string, value: string, more: object = {}) => ({
      period,
      from,
      to,
      rate: value,
      ...more,
    })
    // As a version made it that knew of no providers' rates.
    await world.warehouse.runJob(
      { run_id: `r_${'e'.repeat(26)}`, step_id: 'rates', max_retries: 0, retry_delay_seconds: 1, tenant_id: 'acme' },
      {
        kind: 'query',
        query: `SELECT DATE '2022-01-01' AS period, 'USD' AS from_currency, 'GBP' AS to_currency, BIGNUMERIC '0.6' AS rate,
                  'final' AS status, TIMESTAMP '2022-01-01 00:00:00' AS recorded_at, 'r' AS run_id`,
        destination: {
          project_id: world.warehouse.project_id,
          ...{ dataset: 'acme', table: 'focus_currency_rates', write_mode: 'append' },
        },
      },
    )
    const old = await world.client.call('GET', '/api/v1/tenants/acme/rates', { key })
    expect(old.body['items']).to.deep.equal([
      rate('2022-01', 'USD', 'GBP', '0.6', { status: 'final', source: 'given' }),
    ])
    await put([rate('2025-11', 'USD', 'EUR', '9'), rate('2024-01', 'EUR', 'USD', '1.1')])
    await put([rate('2025-11', 'USD', 'EUR', '0.5', { status: 'provisional' }), rate('2025-12', 'USD', 'EUR', '0.25')])
    const both = '?from=2024-01-01&to=2026-01-01&currency=EUR'
    const { body } = await ask(`${both}&group_by=provider`)
    expect(body['items']).to.deep.equal([
      { period: null, group: { provider: 'aws' }, amount: '6.05000000000000000000000000000000000001', currency: 'EUR' },
      { period: null, group: { provider: 'gcp' }, amount: '4.25', currency: 'EUR' },
      { period: null, group: { provider: 'azure' }, amount: '3', currency: 'EUR' },
    ])
    expect(body['totals']).to.deep.equal([{ amount: '13.30000000000000000000000000000000000001', currency: 'EUR' }])
    expect(body['rates']).to.deep.equal([
      { period: '2025-11', from: 'USD', to: 'EUR', rate: '0.5', status: 'provisional', source: 'given' },
      { period: '2025-12', from: 'USD', to: 'EUR', rate: '0.25', status: 'final', source: 'given' },
    ])
    // The way back is another rate.
    const back = await ask('?from=2024-01-01&to=2026-01-01&currency=GBP')
    expect([back.status, (back.body['errors'] as string[]).length]).to.deep.equal([400, 3])
    const listed = await world.client.call('GET', '/api/v1/tenants/acme/rates?first=2024-01&last=2024-12', { key })
    expect(listed.body).to.deep.equal({
      items: [rate('2024-01', 'EUR', 'USD', '1.1', { status: 'final', source: 'given' })],
      next_cursor: null,
    })
    // What an export tells holds only where nobody gave one, be it newer and told many times.
    await world.warehouse.runJob(
      { run_id: `r_${'d'.repeat(26)}`, step_id: 'rates', max_retries: 0, retry_delay_seconds: 1, tenant_id: 'acme' },
      {
        kind: 'query',
        query: `SELECT period, 'USD' AS from_currency, 'GBP' AS to_currency, BIGNUMERIC '0.8' AS rate,
                  'provisional' AS status, TIMESTAMP '2099-01-01 00:00:00' AS recorded_at, 'r' AS run_id,
                  'provider' AS source, provider
                FROM UNNEST([DATE '2023-01-01', DATE '2023-02-01']) AS period, UNNEST(['gcp', 'azure']) AS provider,
                  UNNEST(GENERATE_ARRAY(1, 2600)) AS nth`,
        destination: {
          project_id: world.warehouse.project_id,
          ...{ dataset: 'acme', table: 'focus_currency_rates', write_mode: 'append' },
        },
      },
    )
    await put([rate('2023-02', 'USD', 'GBP', '0.7')])
    const beside = await world.client.call('GET', '/api/v1/tenants/acme/rates?first=2023-01&last=2023-12', { key })
    expect(beside.body['items']).to.deep.equal([
      rate('2023-01', 'USD', 'GBP', '0.8', { status: 'provisional', source: 'provider', provider: 'azure' }),
      rate('2023-02', 'USD', 'GBP', '0.7', { status: 'final', source: 'given' }),
    ])
    await put([rate('2025-11', 'USD', 'EUR', '1')], { key: other, expect: [404] })
    const wrong = await put(
      [rate('2025-13', 'USD', 'EUR', '1'), rate('2025-11', 'usd', 'EUR', '-1'), { period: '2025-11' }],
      { expect: [400] },
    )
    expect(wrong.body['errors']).to.have.length(6)
    const twice = await put(
      [rate('2025-11', 'USD', 'USD', '1'), rate('2025-10', 'USD', 'EUR', '0'), rate('2025-10', 'USD', 'EUR', '1')],
      { expect: [400] },
    )
    expect(twice.body['errors']).to.deep.equal([
      'body.rates.0: expected two currencies, got USD twice',
      'body.rates.1.rate: expected more than 0, got 0',
      'body.rates.2: 2025-10 USD EUR stands in body.rates.1 too; expected each once',
    ])
  })
  it('are refused with all that is wrong at once, and are nobody else’s', async () => {
    const { status, body } = await ask('?to=2025-11-01&group_by=team,service,service,x&filter=team:core')
    expect([status, body['errors']]).to.deep.equal([
      400,
      [
        'query.from: is missing: the first day, YYYY-MM-DD',
        'query.group_by: expected at most 3 dimensions, got 4',
        'query.group_by: expected one of provider, service, category, account, region, resource, allocation or tag:KEY, got "team"',
        'query.group_by: service stands twice',
        'query.group_by: expected one of provider, service, category, account, region, resource, allocation or tag:KEY, got "x"',
        'query.filter: expected DIMENSION:VALUE with one of provider, service, category, account, region, resource, allocation or tag:KEY, got "team:core"',
      ],
    ])
    expect((await ask(november, { key: other })).status).to.equal(404)
    expect((await ask("?from=2025-11-01&to=2025-12-01&group_by=tag:a'||x")).status).to.equal(400)
  })
})
