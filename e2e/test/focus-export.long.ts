/** A tenant takes its costs away as files of FOCUS. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { focusColumns, focusDatasetsOf, focusVersions } from '@convergence/contracts/focus'
import { parquetRecords } from '@convergence/tools/read-parquet'
import { expect } from 'chai'
import { openOneProcess } from './world.ts'
import type { World } from '../operations.ts'

describe('exports of FOCUS', function () {
  this.timeout(60_000)
  let world: World
  let key: string
  let other: string
  const smallest = `0.${'0'.repeat(37)}1`
  const mostNines = '9'.repeat(38)
  const line = (start: string, fields: Readonly<Record<string, string>>): string =>
    `STRUCT(DATE '${start.slice(0, 7)}-01' AS x_BillingPeriod, TIMESTAMP '${start}' AS ChargePeriodStart, ` +
    `${fields['service'] ?? 'CAST(NULL AS STRING)'} AS ServiceName, ${fields['tags'] ?? 'CAST(NULL AS JSON)'} AS Tags, ` +
    `BIGNUMERIC '${fields['effective'] ?? '1'}' AS EffectiveCost, BIGNUMERIC '${fields['billed'] ?? '1'}' AS BilledCost, ` +
    `${fields['price'] ?? 'CAST(NULL AS BIGNUMERIC)'} AS ListUnitPrice, 'AWS' AS ServiceProviderName, ` +
    `CAST(NULL AS STRING) AS HostProviderName, '012345678901' AS BillingAccountId)`
  const lay = async (tenant: string, structs: readonly string[], run: string, table = 'focus_cost_and_usage') => {
    await world.warehouse.runJob(
      { run_id: `r_${run.repeat(26)}`, step_id: 'lay', max_retries: 0, retry_delay_seconds: 1, tenant_id: tenant },
      {
        kind: 'query',
        query: `SELECT * FROM UNNEST([${structs.join(', ')}])`,
        destination: { project_id: world.warehouse.project_id, dataset: tenant, table, write_mode: 'append' },
      },
    )
  }
  const ask = async (path: string, headers: Record<string, string> = { 'X-API-Key': key }) =>
    fetch(`${world.url}/api/v1/tenants/acme/focus/${path}`, { headers })
  const november = 'from=2025-11-01&to=2025-12-01'
  const csv = async (path: string): Promise<string[][]> => {
    const text = await (await ask(path)).text()
    // No field of these has a line break.
    return text
      .trimEnd()
      .split('\r\n')
      .map((each) => [...`${each},`.matchAll(/("(?:[^"]|"")*"|[^,]*),/g)].map(([, field]) => field ?? ''))
  }

  before(async () => {
    world = await openOneProcess()
    key = await world.onboard('acme')
    other = await world.onboard('globex')
    await lay('globex', [line('2025-11-01 00:00:00', { service: "'S3 of somebody else'" })], 'b')
    const none = await ask(`cost_and_usage?${november}`)
    expect([none.status, ((await none.json()) as { detail: string }).detail]).to.deep.equal([
      404,
      'cost_and_usage: acme has no table focus_cost_and_usage yet; focus/cost/{aws,azure,gcp,any} makes it after a load',
    ])
    await lay(
      'acme',
      [
        line('2025-10-31 23:59:59', { service: "'before'" }),
        line('2025-11-01 00:00:00', {
          service: '\'=1+1,"a"\'',
          effective: smallest,
          tags: `JSON '{"team":"core","n":1}'`,
        }),
        line('2025-11-30 23:59:59.25', {
          service: "''",
          effective: '0.5',
          billed: mostNines,
          price: `BIGNUMERIC '1.${'0'.repeat(37)}1'`,
        }),
        line('2025-12-01 00:00:00', { service: "'behind'" }),
      ],
      'a',
    )
  })
  after(() => world.end())

  it('have the columns of each version, from the first day to before the last, as they are', async () => {
    for (const version of focusVersions) {
      const [header, ...rows] = await csv(`cost_and_usage?${november}&version=${version}`)
      const names = focusColumns('cost_and_usage', version).map(({ name }) => name)
      expect(header).to.deep.equal(version === '1.4' ? [...names, 'x_BillingPeriod'] : names)
      expect(rows.length).to.equal(2)
      const column = (name: string) => rows.map((row) => row[header?.indexOf(name) ?? -1]).sort()
      expect(column('ServiceName')).to.deep.equal(['""', '"=1+1,""a"""'])
      expect(column('EffectiveCost')).to.deep.equal([smallest, '0.5'])
      expect(column('BilledCost')).to.deep.equal(['1', mostNines])
      expect(column('BillingAccountId')).to.deep.equal(['012345678901', '012345678901'])
      expect(column('ChargePeriodStart')).to.deep.equal(['2025-11-01T00:00:00Z', '2025-11-30T23:59:59.250Z'])
      expect(column('Tags')).to.deep.equal(['', '"{""n"":1,""team"":""core""}"'])
      if (version !== '1.4') expect(column('ProviderName')).to.deep.equal(['AWS', 'AWS'])
    }
    expect((await csv('cost_and_usage?from=2024-01-01&to=2024-02-01')).length).to.equal(1)
  })
  it('are Parquet with the digits of each amount, as text where 38 do not do, which is told', async () => {
    const answer = await ask(`cost_and_usage?${november}&format=parquet`)
    expect([answer.status, answer.headers.get('x-text-amounts'), answer.headers.get('x-focus-version')]).to.deep.equal([
      200,
      'ListUnitPrice',
      '1.4',
    ])
    const folder = mkdtempSync(join(tmpdir(), 'convergence-focus-'))
    try {
      const file = join(folder, 'cost_and_usage.parquet')
      writeFileSync(file, Buffer.from(await answer.arrayBuffer()))
      const { columns, rows } = await parquetRecords(file, 'SELECT * FROM file ORDER BY ChargePeriodStart')
      expect(columns).to.include({
        BilledCost: 'DECIMAL(38,0)',
        EffectiveCost: 'DECIMAL(38,38)',
        ListCost: 'DECIMAL(38,0)',
        ListUnitPrice: 'VARCHAR',
        ChargePeriodStart: 'TIMESTAMP WITH TIME ZONE',
        Tags: 'VARCHAR',
        BillingAccountId: 'VARCHAR',
        x_BillingPeriod: 'DATE',
      })
      expect(
        rows.map((row) => [
          row['EffectiveCost']?.replace(/^\./, '0.'),
          row['BilledCost'],
          row['ListUnitPrice'],
          row['ServiceName'],
        ]),
      ).to.deep.equal([
        [smallest, '1', null, '=1+1,"a"'],
        [`0.5${'0'.repeat(37)}`, mostNines, `1.${'0'.repeat(37)}1`, ''],
      ])
      writeFileSync(
        file,
        Buffer.from(await (await ask('cost_and_usage?from=2024-01-01&to=2024-02-01&format=parquet')).arrayBuffer()),
      )
      expect((await parquetRecords(file, 'SELECT * FROM file')).rows).to.deep.equal([])
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
  it('have a commitment once, as the newest month tells it', async () => {
    const told = (month: string, type: string): string =>
      `STRUCT(DATE '${month}-01' AS x_BillingPeriod, 'aws' AS x_SourceProvider, 'sp-1' AS ContractCommitmentId, ` +
      `'${type}' AS ContractCommitmentType, TIMESTAMP '2025-01-01' AS ContractCommitmentPeriodStart, ` +
      `TIMESTAMP '2026-01-01' AS ContractCommitmentPeriodEnd)`
    await lay('acme', [told('2025-11', 'newer'), told('2025-10', 'older')], 'k', 'focus_contract_commitment')
    const [header = [], ...rows] = await csv(`contract_commitment?from=2025-10-01&to=2025-12-01`)
    expect(rows.map((row) => row[header.indexOf('ContractCommitmentType')])).to.deep.equal(['newer'])
  })
  it('are refused with all that is wrong at once, and are nobody else’s', async () => {
    const wrong = await ask('costs?from=2025-02-30&version=2.0&format=xlsx')
    expect([wrong.status, ((await wrong.json()) as { errors: string[] }).errors]).to.deep.equal([
      400,
      [
        'path.dataset: expected one of cost_and_usage, billing_period, contract_commitment, invoice_detail, got "costs"',
        'query.format: expected one of csv, parquet, got "xlsx"',
        'query.version: expected one of 1.4, 1.3, 1.2, 1.1, 1.0, got "2.0"',
        'query.from: expected the first day, YYYY-MM-DD, got "2025-02-30"',
        'query.to: is missing: the day behind the last one, YYYY-MM-DD',
      ],
    ])
    const older = await ask(`invoice_detail?${november}&version=1.3`)
    expect(((await older.json()) as { errors: string[] }).errors).to.deep.equal([
      'path.dataset: FOCUS 1.3 has no invoice_detail; expected one of cost_and_usage, contract_commitment',
    ])
    expect(focusDatasetsOf('1.0')).to.deep.equal(['cost_and_usage'])
    expect((await ask(`cost_and_usage?from=2025-11-02&to=2025-11-02`)).status).to.equal(400)
    expect((await ask(`cost_and_usage?${november}`, { 'X-API-Key': other })).status).to.equal(404)
    const admin = await ask(`cost_and_usage?${november}`, { 'X-Admin-Key': world.admin_key })
    expect([admin.status, (await admin.text()).split('\r\n').length]).to.deep.equal([200, 4])
  })
  it('are whole with more rows than a page has, and hold nothing when a caller goes', async () => {
    await world.warehouse.runJob(
      { run_id: `r_${'c'.repeat(26)}`, step_id: 'lay', max_retries: 0, retry_delay_seconds: 1, tenant_id: 'acme' },
      {
        kind: 'query',
        query: `SELECT one.* REPLACE (CAST(k AS BIGNUMERIC) AS BilledCost) FROM UNNEST(GENERATE_ARRAY(1, 25000)) AS k, UNNEST([${line('2026-01-05 00:00:00', { service: "'many'" })}]) AS one`,
        destination: {
          project_id: world.warehouse.project_id,
          dataset: 'acme',
          table: 'focus_cost_and_usage',
          write_mode: 'append',
        },
      },
    )
    for (let k = 0; k < 6; k += 1) {
      const gone = new AbortController()
      const answer = await fetch(
        `${world.url}/api/v1/tenants/acme/focus/cost_and_usage?from=2026-01-01&to=2026-02-01`,
        {
          headers: { 'X-API-Key': key },
          signal: gone.signal,
        },
      )
      await answer.body?.getReader().read()
      gone.abort()
    }
    const [header, ...rows] = await csv('cost_and_usage?from=2026-01-01&to=2026-02-01')
    const billed = rows.map((row) => Number(row[header?.indexOf('BilledCost') ?? -1]))
    expect([billed.length, billed.reduce((sum, each) => sum + each, 0)]).to.deep.equal([25_000, 312_512_500])
  })
})
