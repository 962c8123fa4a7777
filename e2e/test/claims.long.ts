import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import type { SourceSettings } from '@convergence/contracts'
import { inProcesses } from '../operations.ts'
import { openOneProcess, openWorld } from './world.ts'

const payer: SourceSettings = {
  provider: 'aws',
  kind: 'cur',
  bucket: 'shared-billing-4711',
  prefix: 'cur',
  report_name: 'daily',
}

describe('sources by REST, on the whole platform', function () {
  this.timeout(inProcesses ? 150_000 : 60_000)

  it('give a place to one of two tenants that claim it at once, with every message twice', async () => {
    const world = await openWorld({ duplicate: true })
    try {
      const keys = [await world.onboard('acme_corp'), await world.onboard('globex')]
      const [acme, globex] = ['acme_corp', 'globex'].map((tenant_id) => `/api/v1/tenants/${tenant_id}/sources`)
      const put = (
        list: string | undefined,
        name: string,
        key: string | undefined,
        body: object,
        expected = [201, 409],
      ) =>
        world.client.call('PUT', `${String(list)}/${name}`, {
          ...(key === undefined ? {} : { key }),
          body,
          expect: expected,
        })
      const answers = await Promise.all([
        put(acme, 'payer', keys[0], payer),
        put(globex, 'mine', keys[1], { ...payer, prefix: '/cur/' }),
      ])
      expect(answers.map(({ status }) => status).toSorted()).to.deep.equal([201, 409])
      const loser = answers[0]?.status === 409 ? 0 : 1
      expect(String(answers[loser]?.body['detail'])).to.not.match(loser === 0 ? /globex|mine/ : /acme_corp|payer/)
      const [list, key, name] = loser === 0 ? [globex, keys[1], 'mine'] : [acme, keys[0], 'payer']

      // The same again is the same; it keeps its number.
      const given = loser === 0 ? { ...payer, prefix: '/cur/' } : payer
      const again = await put(list, name, key, given, [200])
      const stored = await world.client.call('GET', `${String(list)}/${name}`, { key: String(key) })
      expect(again.body['version']).to.equal(stored.body['version'])
      const removed = await world.client.call('DELETE', `${String(list)}/${name}`, { key: String(key) })
      expect(removed.body['deleted']).to.equal(true)
      const [other, otherKey] = loser === 0 ? [acme, keys[0]] : [globex, keys[1]]
      expect((await put(other, 'late', otherKey, payer, [201])).status).to.equal(201)
      const rows = await world.warehouse.query({
        query: 'SELECT version, COUNT(*) AS n FROM tenant_provider_configs_rows GROUP BY 1 ORDER BY 1',
        default_dataset: 'tenants',
      })
      expect(rows.map((row) => [Number(row['version']), Number(row['n'])])).to.deep.equal([
        [1, 1],
        [2, 1],
        [3, 1],
      ])
    } finally {
      await world.end()
    }
  })

  it('are checked, loaded and purged', async () => {
    const world = await openWorld()
    try {
      const folder = join(world.data_folder, 'buckets/s3/shared-billing-4711/cur/daily/20251101-20251201')
      mkdirSync(folder, { recursive: true })
      writeFileSync(
        join(folder, 'daily-1.csv'),
        'identity/LineItemId,bill/BillingPeriodStartDate,lineItem/UsageStartDate,lineItem/UnblendedCost\n' +
          'id-1,2025-11-01T00:00:00Z,2025-11-05T00:00:00Z,1.5\nid-2,2025-11-01T00:00:00Z,2025-11-06T00:00:00Z,2\n',
      )
      writeFileSync(
        join(folder, 'daily-Manifest.json'),
        JSON.stringify({
          assemblyId: 'a-1',
          billingPeriod: { start: '20251101T000000.000Z', end: '20251201T000000.000Z' },
          reportKeys: ['cur/daily/20251101-20251201/daily-1.csv'],
        }),
      )
      const key = await world.onboard('acme_corp')
      const source = '/api/v1/tenants/acme_corp/sources/payer'
      await world.connect(key, 'acme_corp', 'payer', payer)
      const used = async () => (await world.client.call('GET', '/api/v1/tenants/acme_corp', { key })).body['usage']
      const before = await used()
      const checked = await world.client.call('POST', `${source}/check`, { key })
      expect(checked.body).to.deep.include({ ok: true, problems: [] })
      expect(checked.body['found']).to.deep.include({ periods: ['2025-11'], files: 1, format: 'csv' })
      expect(await used()).to.deep.equal(before)
      const run = await world.start(key, 'acme_corp', 'aws/cost/cur', { month: '2025-11' })
      expect((await world.ended(key, run)).status).to.equal('COMPLETED')
      const gone = await world.client.call('DELETE', `${source}?purge=true`, { key })
      expect(gone.body).to.deep.include({ deleted: true, rows_removed: 2, removed: { aws_cost_cur: 2 } })
      expect((await world.client.call('GET', source, { key, expect: [404] })).status).to.equal(404)
      const again = await world.client.call('DELETE', `${source}?purge=true`, { key })
      expect(again.body).to.deep.include({ rows_removed: 0 })
    } finally {
      await world.end()
    }
  })

  if (!inProcesses)
    it('are put once when the tenant service fails between the commit and its event', async () => {
      let failures = 0
      const crash = (at: string, subscription: string) => {
        if (at !== 'before-publish' || !subscription.startsWith('tenant.') || failures >= 2) return
        failures += 1
        throw new Error('killed by the test')
      }
      const world = await openOneProcess({ redelivery_ms: 20, crash })
      try {
        const key = await world.onboard('acme_corp')
        failures = 0
        const made = await world.client.call('PUT', '/api/v1/tenants/acme_corp/sources/payer', {
          key,
          body: payer,
          expect: [201],
        })
        expect([made.status, made.body['version'], failures]).to.deep.equal([201, 1, 2])
      } finally {
        await world.end()
      }
    })
})
