import { gzipSync } from 'node:zlib'
import { expect } from 'chai'
import { AppError, type Source } from '@convergence/contracts'
import type { Objects } from '@convergence/objects'
import { bootstrap } from '@convergence/service'
import { checkTable } from '../../src/exports/check-table.ts'
import { checkObjects, type Checked } from '../../src/exports/check.ts'
import { openSpool } from '../../src/exports/spool.ts'
import { openLoadStates } from '../../src/load-state.ts'
import { purge } from '../../src/processors/setup/sources/purge.ts'
import { contextOf, makeRun, makeStep } from '../fakes.ts'
import {
  awsFolder,
  awsHeader,
  awsLine,
  awsManifest,
  azureFolder,
  azureHeader,
  azureLine,
  azureManifest,
  csvOf,
  inWorld,
  type World,
} from './world.ts'

const signal = new AbortController().signal
const cur = {
  name: 'payer',
  provider: 'aws',
  kind: 'cur',
  bucket: 'acme-billing-4711',
  prefix: '/cur/',
  report_name: 'daily',
} as const
const azure = {
  name: 'ea',
  provider: 'azure',
  kind: 'actual',
  container: 'cost-exports',
  prefix: 'cost',
  export_name: 'daily',
} as const
const checkOf = (
  { objects, folder }: World,
  source: Exclude<Source, { provider: 'gcp' }>,
  may_name = true,
): Promise<Checked> =>
  checkObjects(
    { objects, spool: openSpool({ objects, scratch_folder: `${folder}/scratch` }), signal, may_name },
    source,
  )

describe('a check of a source of objects', () => {
  it(
    "names no folders beside the source's own where only the platform's right shows them",
    inWorld(async (world) => {
      world.put('s3', cur.bucket, 'globex-secret/daily/x.csv', 'a\n')
      const shown = await checkOf(world, { ...cur, prefix: 'nothing' })
      expect(shown.problems.join()).to.include('globex-secret')
      const hidden = await checkOf(world, { ...cur, prefix: 'nothing' }, false)
      expect(hidden.ok).to.equal(false)
      expect(hidden.problems.join()).to.include('got none').and.not.include('globex-secret')
    }),
  )
  const put = ({ put: object }: World, key: string, content: string | Buffer, bucket: string = cur.bucket) => {
    object('s3', bucket, key, content)
  }
  const delivered = (world: World) => {
    put(world, 'cur/daily/20251001-20251101/daily-Manifest.json', awsManifest([]))
    put(world, `${awsFolder}/daily-Manifest.json`, awsManifest([`${awsFolder}/a/daily-1.csv.gz`]))
    put(world, `${awsFolder}/a/daily-1.csv.gz`, gzipSync(csvOf(awsHeader, [awsLine('1.5'), awsLine('2')])))
  }

  it(
    'tells the newest delivery, its months, files and columns, and loads nothing',
    inWorld(async (world) => {
      delivered(world)
      const { ok, found, problems } = await checkOf(world, cur)
      expect([ok, problems]).to.deep.equal([true, []])
      expect(found).to.deep.include({
        newest_delivery: `${awsFolder}/daily-Manifest.json`,
        periods: ['2025-10', '2025-11'],
        files: 1,
        format: 'gzip',
      })
      expect(found.columns).to.deep.equal(awsHeader.split(','))
      expect(found.bytes).to.be.greaterThan(10)
    }),
  )

  it(
    'says which folders there are where nothing is below the prefix, and which bucket is not there',
    inWorld(async (world) => {
      delivered(world)
      const elsewhere = await checkOf(world, { ...cur, report_name: 'hourly' })
      expect(elsewhere.ok).to.equal(false)
      expect(elsewhere.problems[0]).to.match(/nothing|got none; these folders are there: cur\/daily\//)
      const missing = await checkOf(world, { ...cur, bucket: 'acme-billing-9999' })
      expect(missing.problems[0]).to.match(/acme-billing-9999 does not exist/)
      expect(missing.found.files).to.equal(0)
    }),
  )

  it(
    'says when it is another kind of export, and when it is no export at all',
    inWorld(async (world) => {
      delivered(world)
      expect((await checkOf(world, { ...cur, kind: 'focus' })).problems[0]).to.match(
        /kind focus: expected a FOCUS export .*, got a Cost and Usage Report/,
      )
      expect((await checkOf(world, { ...cur, kind: 'cur2' })).problems[0]).to.match(/put the source as kind cur/)
      put(world, 'notes/daily/readme.txt', 'hello')
      expect((await checkOf(world, { ...cur, prefix: 'notes' })).problems[0]).to.match(/expected manifests of months/)
      put(world, `half/daily/20251101-20251201/daily-Manifest.json`, awsManifest(['half/daily/x.csv.gz']))
      expect((await checkOf(world, { ...cur, prefix: 'half' })).problems[0]).to.match(/is the delivery complete/)
    }),
  )

  it(
    'takes the run of an Azure export that would be loaded, in both layouts, and refuses another type',
    inWorld(async (world) => {
      const at = (folder: string, type = 'ActualCost') => {
        const file = `${folder}/202511300400/part_0.csv`
        world.put('azure', azure.container, file, csvOf(azureHeader, [azureLine('1')]))
        world.put(
          'azure',
          azure.container,
          `${folder}/202511300400/manifest.json`,
          azureManifest([file], {
            blobCount: 1,
            dataRowCount: 1,
            exportConfig: { exportName: 'daily', type },
            runInfo: { runId: 'run-1', startDate: '2025-11-01T00:00:00', endDate: '2025-11-30T00:00:00' },
          }),
        )
      }
      at(azureFolder)
      const { ok, found, problems } = await checkOf(world, azure)
      expect([ok, problems]).to.deep.equal([true, []])
      expect(found).to.deep.include({ periods: ['2025-11'], files: 1, rows: 1, format: 'csv' })
      at('other/20251101-20251130/daily')
      expect((await checkOf(world, { ...azure, prefix: 'other' })).ok).to.equal(true)
      expect((await checkOf(world, { ...azure, kind: 'amortized' })).problems[0]).to.match(/got ActualCost/)
      at(azureFolder, 'PriceSheet')
      expect((await checkOf(world, { ...azure, kind: 'pricesheet' })).problems[0]).to.match(
        /kind pricesheet: expected a price sheet .*, got an export of cost/,
      )
      expect((await checkOf(world, { ...azure, kind: 'reservations' })).problems[0]).to.match(
        /expected an export of the use of reservations .*, got PriceSheet/,
      )
    }),
  )

  it(
    'says what is given at the provider where reading is refused, and knows a data export of chosen columns',
    inWorld(async (world) => {
      const refused = new AppError('SETTING_INVALID', 'S3 bucket acme-billing-4711: reading is refused (AccessDenied)')
      const objects: Objects = {
        ...world.objects,
        list: () => {
          throw refused
        },
      }
      expect((await checkOf({ ...world, objects }, cur)).problems).to.deep.equal([
        'S3 bucket acme-billing-4711: reading is refused (AccessDenied): allow s3:ListBucket on ' +
          'arn:aws:s3:::acme-billing-4711 and s3:GetObject on arn:aws:s3:::acme-billing-4711/cur/daily/*',
      ])
      const data = 'v2/daily/data/BILLING_PERIOD=2025-11/daily-1.csv'
      put(world, data, 'line_item_unblended_cost,bill_payer_account_id\n1.5,012345678901\n')
      put(world, 'v2/daily/metadata/BILLING_PERIOD=2025-11/daily-Manifest.json', JSON.stringify({ dataFiles: [data] }))
      const { ok, found, problems } = await checkOf(world, { ...cur, kind: 'cur2', prefix: 'v2' })
      expect([ok, problems, found.periods]).to.deep.equal([true, [], ['2025-11']])
    }),
  )

  it(
    'takes FOCUS files of whoever else bills the tenant',
    inWorld(async (world) => {
      world.put(
        'gcs',
        'acme-saas',
        'vendor/2025-10/bill.csv',
        'BilledCost,BillingPeriodStart,ChargePeriodStart\n1,2025-10-01,2025-10-01\n',
        '2025-11-01',
      )
      world.put(
        'gcs',
        'acme-saas',
        'vendor/2025-11/bill.csv',
        'BilledCost,BillingPeriodStart,ChargePeriodStart\n1,2025-11-01,2025-11-01\n',
        '2025-12-01',
      )
      const any = {
        name: 'saas',
        provider: 'any',
        kind: 'focus',
        store: 'gcs',
        bucket: 'acme-saas',
        prefix: 'vendor',
      } as const
      const { ok, found } = await checkOf(world, any)
      expect([ok, found.newest_delivery, found.periods]).to.deep.equal([
        true,
        'vendor/2025-11/bill.csv',
        ['2025-10', '2025-11'],
      ])
      world.put(
        'gcs',
        'acme-saas',
        'vendor/2025-12/bill.csv',
        'BilledCost,ChargePeriodStart\n1,2025-12-01\n',
        '2026-01-01',
      )
      expect((await checkOf(world, any)).problems).to.deep.equal([
        'vendor/2025-12/bill.csv: expected a column BillingPeriodStart, which says the month of its rows, got none',
      ])
    }),
  )
})

describe('a check of a billing table', () => {
  const table = 'local-convergence.billing_export.detailed'
  const source = { provider: 'gcp', kind: 'detailed', table, projects: ['acme-prod-4711'] } as const
  const prepared = async ({ warehouse }: World) => {
    await warehouse.ensureDataset('billing_export')
    await warehouse.ensureDataset('globex', { labels: { owner: 'tenant', tenant: 'globex' } })
    await warehouse.runJob(
      { run_id: 'r_x', step_id: 's', max_retries: 0, retry_delay_seconds: 0, tenant_id: 'acme' },
      {
        kind: 'query',
        query: `SELECT TIMESTAMP '2025-11-05 01:00:00+00' AS usage_start_time, CAST(1 AS NUMERIC) AS cost,
            STRUCT(id AS id) AS project, STRUCT('r' AS name) AS resource, TIMESTAMP '2025-11-06 02:00:00+00' AS export_time,
            '01AB23-45CD67-89EF01' AS billing_account_id
          FROM UNNEST(['acme-prod-4711', 'acme-prod-4711', 'globex-web-1', NULL]) AS id`,
        destination: {
          project_id: 'local-convergence',
          dataset: 'billing_export',
          table: 'detailed',
          write_mode: 'truncate',
        },
      },
    )
  }
  const check = (world: World, more: object = {}, all_names = true) =>
    checkTable(world.warehouse, 'acme', { ...source, ...more }, { all_names, signal })

  it(
    "counts the tenant's rows and months, and notes what is not loaded",
    inWorld(async (world) => {
      await prepared(world)
      const { ok, found, problems, notes } = await check(world)
      expect([ok, problems]).to.deep.equal([true, []])
      expect(found).to.deep.include({ periods: ['2025-11'], rows: 2, format: 'bigquery' })
      expect(found.newest_delivery).to.match(/^2025-11-06/)
      expect(notes.join('\n'))
        .to.match(/1 projects .*: globex-web-1/)
        .and.match(/1 rows of no project/)
      expect((await check(world, {}, false)).notes.join()).to.not.match(/globex/)
      const all = await check(world, { projects: 'all', unassigned: true })
      expect([all.found.rows, all.notes]).to.deep.equal([4, []])
    }),
  )

  it(
    'says what is wrong: no table, another kind, project names in place of ids, a table that is kept',
    inWorld(async (world) => {
      await prepared(world)
      expect((await check(world, { table: `${table}_not_there` })).problems[0]).to.match(/it is not there/)
      expect((await check(world, { kind: 'focus' })).problems[0]).to.match(/expected columns BilledCost/)
      const wrong = await check(world, { projects: ['acme-prod', 'acme-prod-4711'] })
      expect([wrong.ok, wrong.problems[0]]).to.deep.equal([
        false,
        `table ${table}: projects: expected rows of acme-prod, got none; is it the id, not the name?`,
      ])
      await world.warehouse.ensureTable({
        dataset: 'globex',
        table: 'secret',
        columns: [{ name: 'usage_start_time', type: 'TIMESTAMP', description: '' }],
      })
      await world.warehouse.ensureView({
        dataset: 'billing_export',
        view: 'leads_there',
        query: 'SELECT * FROM `local-convergence.globex.secret`',
      })
      for (const kept of ['globex.secret', 'billing_export.leads_there'])
        expect((await check(world, { table: `local-convergence.${kept}` })).problems[0], kept).to.match(
          /which the platform keeps/,
        )
    }),
  )
})

describe('setup.sources.purge', () => {
  it(
    'removes the rows of one source and no others, from every table that it was loaded into, and says how many',
    inWorld(async ({ warehouse }) => {
      await bootstrap(warehouse, {})
      const configured = (kind: string, version: number) =>
        warehouse.append('tenant_provider_configs_rows', [
          {
            tenant_id: 'acme',
            provider: 'aws',
            domain: 'cost',
            name: 'payer',
            settings: { kind },
            is_active: version === 1,
            version,
            event_id: `e${version}`,
            recorded_at: '2026-01-01T00:00:00Z',
          },
        ])
      await configured('cur', 1)
      await configured('focus', 2)
      const load = (table: string) =>
        warehouse.runJob(
          { run_id: 'r_x', step_id: table, max_retries: 0, retry_delay_seconds: 0, tenant_id: 'acme' },
          {
            kind: 'query',
            query: "SELECT source_name, 1 AS cost FROM UNNEST(['payer', 'payer', 'other', NULL]) AS source_name",
            destination: { project_id: 'local-convergence', dataset: 'acme', table, write_mode: 'truncate' },
          },
        )
      await load('aws_cost_cur')
      const step = makeStep('purge', { config: { tenant_id: 'acme', source_name: 'payer' } })
      const run = makeRun({ tenant_id: 'system' })
      const load_states = openLoadStates({ warehouse, now: () => new Date('2026-03-01T10:00:00Z') })
      const first = await purge({ warehouse, load_states }).run(contextOf(run, step))
      expect(first.outputs).to.deep.include({ rows_removed: 2, removed: { aws_cost_cur: 2 } })
      const left = async () =>
        (
          await warehouse.query({
            query: 'SELECT source_name FROM aws_cost_cur ORDER BY source_name',
            default_dataset: 'acme',
          })
        ).map((row) => row['source_name'])
      expect(await left()).to.deep.equal([null, 'other'])
      const again = await purge({ warehouse, load_states }).run(
        contextOf(makeRun({ tenant_id: 'system', run_id: 'r_2' }), step),
      )
      expect(again.outputs).to.deep.include({ rows_removed: 0 })
      expect(await left()).to.deep.equal([null, 'other'])
    }),
  )
})
