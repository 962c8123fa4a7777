import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { focusDatasetsOf } from '@convergence/contracts/focus'
import { openLog } from '@convergence/service'
import { expect } from 'chai'
import { openClient } from '../client.ts'
import { startPlatform } from '../platform.ts'
import { sampleSources, writeSamples } from '../samples/samples.ts'

/** The command line as a user runs it, in a folder of its own. */
const cli = (
  env: NodeJS.ProcessEnv,
  ...words: string[]
): Promise<{ status: number | null; out: string; error: string }> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(import.meta.dirname, '../cli/main.ts'), ...words], {
      env: { PATH: process.env['PATH'], CONVERGENCE_DATA_DIR: '/nonexistent', ...env },
    })
    let [out, error] = ['', '']
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (error += chunk.toString()))
    child.once('error', reject)
    child.once('close', (status) => {
      resolve({ status, out, error })
    })
  })

describe('the command line', function () {
  this.timeout(120_000)

  it('connects a source, checks it, runs a pipeline to its end and tells what became of it', async () => {
    const data_folder = mkdtempSync(join(tmpdir(), 'convergence-cli-'))
    await writeSamples({
      folder: data_folder,
      tenants: ['acme_corp'],
      seed: 3,
      rows_per_provider: 60,
      month: '2025-11',
      days: ['2025-11-18'],
    })
    const log = openLog({ service: 'test', level: 'error', write: () => undefined })
    const platform = await startPlatform({ data_folder, port: 0, log, close_timeout_ms: 3_000 })
    try {
      const { body } = await openClient(platform.url).call('POST', '/api/v1/tenants/onboard', {
        body: {
          tenant_id: 'acme_corp',
          company_name: 'Acme',
          admin_email: 'admin@acme.example',
          subscription_plan: 'SCALE',
        },
      })
      const tenant = { CONVERGENCE_URL: platform.url, CONVERGENCE_API_KEY: String(body['api_key']) }
      const { payer } = sampleSources('acme_corp', platform.warehouse.project_id)
      const fields = Object.entries(payer ?? {}).map(([name, value]) => `${name}=${String(value)}`)
      const put = await cli(tenant, 'sources', 'put', 'payer', ...fields)
      expect([put.error, put.status]).to.deep.equal(['', 0])
      const list = await cli(tenant, 'sources', 'list')
      expect(list.out)
        .to.match(/^NAME +PROVIDER +KIND +WHERE/)
        .and.include('acme-corp-cur/cur/daily')
      const check = await cli(tenant, 'sources', 'check', 'payer')
      expect([check.status, check.out.endsWith('ok\n')]).to.deep.equal([0, true])
      const badly = await cli(tenant, 'sources', 'put', 'llm', 'provider=any', 'kind=focus', 'store=ftp', 'bucket=acme')
      expect(badly.status).to.equal(3)
      expect(badly.error)
        .to.match(/^ {2}body\.store: /m)
        .and.not.include('\\"')

      const run = await cli(tenant, 'run', 'aws/cost/cur', '--param', 'month=2025-11', '--wait')
      expect([run.error, run.status]).to.deep.equal(['', 0])
      expect(run.out)
        .to.match(/SUCCEEDED +load_month-payer/)
        .and.match(/COMPLETED\n$/)
      const failed = await cli(tenant, 'run', 'aws/cost/cur', '-p', 'month=2024-01', '-w')
      expect(failed.status).to.equal(1)
      expect(failed.out).to.include('FAILED').and.include('2024-01')
      const runs = await cli(tenant, 'runs', 'list', '-o', 'json')
      const { items } = JSON.parse(runs.out) as { items: { status: string; pipeline: string }[] }
      // What follows a load is a run of its own.
      const loads = items.filter(({ pipeline }) => pipeline === 'aws/cost/cur')
      expect(loads.map(({ status }) => status)).to.deep.equal(['FAILED', 'COMPLETED'])
      const csv = await cli(tenant, 'runs', 'list', '-o', 'csv', '--status', 'failed')
      expect(csv.out.trim().split('\n')).to.have.length(2)

      const out = join(data_folder, 'exported')
      const days = ['--from', '2025-11-01', '--to', '2025-12-01', '--out', out]
      const hasFollowed = async (): Promise<boolean> => {
        const { out: told } = await cli(tenant, 'runs', 'list', '-o', 'json')
        const all = (JSON.parse(told) as { items: { status: string; pipeline: string }[] }).items
        return all.some(({ pipeline, status }) => pipeline === 'focus/cost/aws' && status === 'COMPLETED')
      }
      while (!(await hasFollowed()));
      const exported = await cli(tenant, 'focus', 'export', ...days, '--version', '1.2')
      expect([exported.error, exported.status]).to.deep.equal(['', 0])
      expect(exported.out).to.match(/^cost_and_usage {2}\S+cost_and_usage\.csv {2}\d+ bytes\n$/)
      expect(readFileSync(join(out, 'cost_and_usage.csv'), 'utf8').split('\r\n')).to.have.length.above(50)
      const parquet = await cli(tenant, 'focus', 'export', ...days, '--format', 'parquet', '-o', 'json')
      const told = (JSON.parse(parquet.out) as { items: { dataset: string; file: string | null }[] }).items
      expect(told.map(({ dataset }) => dataset)).to.deep.equal(focusDatasetsOf('1.4'))
      const files = told.flatMap(({ dataset, file }) => (file === null ? [] : [`${dataset}.parquet`]))
      expect(files).to.include.members(['cost_and_usage.parquet', 'billing_period.parquet'])
      expect(readdirSync(out).toSorted()).to.deep.equal([...files, 'cost_and_usage.csv'].toSorted())
      expect((await cli(tenant, 'focus', 'export', ...days, '--from', '2025-12-02')).status).to.equal(3)

      expect((await cli(tenant, 'focus', 'queries')).out).to.match(
        /\ntag_coverage +How much of the cost has a tag\? +\[provider\] tag\n/,
      )
      const asked = [
        'focus',
        'query',
        'tag_coverage',
        '--from',
        '2025-11-01',
        '--to',
        '2025-12-01',
        '--param',
        'tag=team',
      ]
      const answered = await cli(tenant, ...asked)
      expect([answered.error, answered.status]).to.deep.equal(['', 0])
      expect(answered.out).to.match(/^PROVIDER +CURRENCY +EFFECTIVE_COST [^\n]*\naws +USD +[0-9.]+ /)
      const pasted = await cli(tenant, ...asked, '--sql')
      expect(pasted.out).to.match(
        /^-- bq query --use_legacy_sql=false --dataset_id=\w+ --parameter=from:DATE:2025-11-01 /,
      )
      expect(pasted.out).to.contain('--parameter=tag:STRING:team <').and.contain('\nORDER BY provider, currency\n')
      expect((await cli(tenant, 'focus', 'query', 'tag_coverage', '--param', 'tga=x')).status).to.equal(3)

      const range = ['custom/examples/daily_row', '--from', '2026-01-01', '--to', '2026-01-03']
      const preview = await cli(tenant, 'backfill', ...range, '--dry-run')
      expect(preview.out)
        .to.match(/^PERIOD +ACTION +REASON/)
        .and.include('3 runs, 0 periods skipped; 0 bytes processed, $0')
      const backfill = await cli(tenant, 'backfill', ...range, '-p', 'fails_on=2026-01-02', '--max-active', '2', '-w')
      expect([backfill.status, backfill.error]).to.deep.equal([1, ''])
      expect(backfill.out)
        .to.include('FAILED  3 of 3 done, 1 failed')
        .and.match(/^2026-01-02 +FAILED +r_/m)
      const backfills = await cli(tenant, 'backfill', 'list', '--tenant', 'acme_corp', '-o', 'json')
      const [{ backfill_id }] = (JSON.parse(backfills.out) as { items: [{ backfill_id: string }] }).items
      expect((await cli(tenant, 'backfill', 'show', backfill_id)).out).to.include('FAILED  3 of 3 done')
      expect((await cli(tenant, 'backfill', 'cancel', backfill_id)).status).to.equal(3)

      // The admin names the tenant; its key is found in the data folder.
      const admin = { CONVERGENCE_URL: platform.url, CONVERGENCE_DATA_DIR: data_folder }
      expect((await cli(admin, 'runs', 'list', '--tenant', 'acme_corp')).out).to.include('aws/cost/cur')
      expect((await cli(admin, 'tenants', 'list')).out).to.include('acme_corp')
      const ofAll = (await cli(admin, 'runs', 'list')).out
      expect(ofAll)
        .to.match(/^acme_corp +r_\w+ +aws\/cost\/cur/m)
        .and.match(/^system +r_\w+ +setup\/tenants\/onboarding/m)
      expect((await cli(admin, 'backfill', 'list')).status).to.equal(2)

      // What follows the load is waited for by its rows.
      const month = ['--from', '2025-11-01', '--to', '2025-12-01']
      let costs = await cli(tenant, 'costs', ...month, '--by', 'service')
      for (let tries = 0; tries < 60 && !costs.out.includes('#'); tries += 1)
        costs = await cli(tenant, 'costs', ...month, '--by', 'service')
      expect(costs.out)
        .to.match(/^SERVICE +AMOUNT +CURRENCY/)
        .and.match(/ USD +#+$/m)
        .and.match(/^total {2}[\d.]+ USD$/m)
      const costCsv = await cli(tenant, 'costs', ...month, '--granularity', 'month', '-o', 'csv')
      expect(costCsv.out).to.match(/^period,amount,currency\n2025-11,[\d.]+,USD\n/)

      expect((await cli(tenant, 'costs', ...month, '--currency', 'EUR')).status).to.equal(3)
      expect((await cli(tenant, 'rates', 'put', '2025-11:USD:EUR=0.5')).out).to.match(
        /^2025-11 +USD +EUR +0.5 +final$/m,
      )
      const file = join(data_folder, 'rates.csv')
      writeFileSync(file, 'period,from,to,rate,status\n2025-10,USD,EUR,0.25,provisional\n2025-11,USD,EUR,0.5,\n')
      expect((await cli(tenant, 'rates', 'import', file)).out)
        .to.match(/^2025-10 +USD +EUR +0.25 +provisional$/m)
        .and.match(/^2025-11 +USD +EUR +0.5 +final$/m)
      expect((await cli(tenant, 'costs', ...month, '--currency', 'EUR')).out).to.match(/^total {2}[\d.]+ EUR$/m)

      const rules = join(data_folder, 'rules.yml')
      writeFileSync(rules, 'rules:\n  - { name: by_team, to_value_of: tag:team }\n')
      const wouldBe = await cli(tenant, 'allocation', 'preview', rules, '--month', '2025-11')
      expect(wouldBe.out)
        .to.match(/^core +by_team +direct/m)
        .and.match(/^unallocated/m)
      expect((await cli(tenant, 'allocation', 'put', rules)).out).to.match(/^1 rules stored, run r_/)
      expect((await cli(tenant, 'allocation', 'show')).out).to.match(/^# version 1, .*\nrules:\n {2}- name: by_team\n/)
      expect((await cli(tenant, 'allocation', 'versions')).out).to.match(/^1 +20/m)
      const month11 = ['--param', 'month=2025-11', '--wait']
      expect((await cli(tenant, 'run', 'focus/cost/allocation', ...month11)).status).to.equal(0)
      expect((await cli(tenant, 'costs', ...month, '--by', 'allocation')).out).to.match(/^core +[\d.]+ +USD/m)
      writeFileSync(rules, 'rules:\n  - { name: by_team, to_value_of: tag.team }\n')
      const faulty = await cli(tenant, 'allocation', 'put', rules)
      expect([faulty.status, faulty.error.includes('rules.yml:2:')]).to.deep.equal([2, true])

      const nightly = ['schedules', 'put', 'nightly', 'custom/examples/daily_row', '--cron', '30 6 * * *']
      expect((await cli(tenant, ...nightly, '--timezone', 'Europe/Berlin', '-p', 'date=yesterday')).status).to.equal(0)
      const schedules = await cli(tenant, 'schedules', 'list')
      expect(schedules.out).to.match(/^nightly +custom\/examples\/daily_row +30 6 \* \* \* +Europe\/Berlin +true +20/m)
      expect((await cli(tenant, 'schedules', 'pause', 'nightly')).out).to.match(/^is_active +false/m)
      expect((await cli(tenant, 'schedules', 'show', 'nightly', '-o', 'json')).out).to.include('"date": "yesterday"')
      expect((await cli(tenant, 'schedules', 'resume', 'nightly')).out).to.match(/^is_active +true/m)
      expect((await cli(tenant, 'schedules', 'delete', 'nightly')).status).to.equal(0)

      const quality = await cli(tenant, 'quality', '--filter', 'status=PASSED', '--limit', '2')
      expect(quality.out)
        .to.match(/^RECORDED_AT +STATUS +CHECK_NAME/)
        .and.match(/^more: --cursor \S+$/m)
      const notified = await cli(tenant, 'notifications', '-o', 'json')
      expect(JSON.parse(notified.out)).to.have.property('items')
      expect((await cli(tenant, 'dead-letters', 'list')).status).to.equal(3)
      expect((await cli(admin, 'dead-letters', 'list')).out).to.equal('none\n')
      expect((await cli(admin, 'dead-letters', 'show', `d_${'0'.repeat(26)}`)).status).to.equal(3)
      expect((await cli(admin, 'queue')).out).to.equal('none\n')
      expect((await cli(admin, 'audit', '--tenant', 'acme_corp', '--filter', 'actor=admin')).status).to.equal(0)

      const created = await cli(admin, 'keys', 'create', '-t', 'acme_corp', '--scope', 'costs:read', '-o', 'json')
      const { key_id, api_key } = JSON.parse(created.out) as { key_id: string; api_key: string }
      const reader = { CONVERGENCE_URL: platform.url, CONVERGENCE_API_KEY: api_key }
      expect((await cli(reader, 'costs', ...month)).status).to.equal(0)
      expect((await cli(reader, 'runs', 'list')).status).to.equal(3)
      expect((await cli(admin, 'keys', 'revoke', key_id)).status).to.equal(0)
      expect((await cli(admin, 'keys', 'list', '-t', 'acme_corp')).out).to.match(new RegExp(`^${key_id} .*false`, 'm'))
      expect((await cli(reader, 'costs', ...month)).status).to.equal(3)

      const onboard = ['tenants', 'onboard', '-t', 'globex', '--company', 'Globex', '--email', 'it@globex.example']
      expect((await cli(admin, ...onboard, '--plan', 'STARTER')).out).to.match(/^api_key +globex_api_/m)
      const changed = await cli(admin, 'tenants', 'change', '-t', 'globex', '--plan', 'SCALE', '--daily', '7')
      expect(changed.out)
        .to.include('"daily":7')
        .and.match(/^subscription_plan +SCALE$/m)
      expect((await cli(admin, 'tenants', 'suspend', '-t', 'globex')).out).to.match(/^status +SUSPENDED$/m)
      expect((await cli(admin, 'tenants', 'reactivate', '-t', 'globex')).out).to.match(/^status +ACTIVE$/m)

      const refused = await cli(tenant, 'run', 'azure/cost/exports', '-p', 'month=2025-11')
      expect(refused.status).to.equal(3)
      expect(refused.error).to.include('SOURCE_UNKNOWN').and.not.include('at ')
    } finally {
      await platform.close()
      rmSync(data_folder, { recursive: true, force: true })
    }
  })

  it('says what is wrong with its use, and that nobody answers', async () => {
    const words = { CONVERGENCE_URL: 'http://127.0.0.1:1', CONVERGENCE_API_KEY: 'acme_corp_api_x' }
    const away = await cli(words, 'runs', 'list')
    expect(away.status).to.equal(4)
    expect(away.error).to.include('http://127.0.0.1:1 does not answer')
    for (const wrong of [
      ['run', 'nonsense'],
      ['run', 'aws/cost/cur', '--param', 'month'],
      ['runs', 'list', '--output', 'xml'],
      ['no-such-command'],
      ['backfill', 'custom/examples/daily_row', '--from', '2026-01-01'],
      ['backfill', 'custom/examples/daily_row', '--from', '2026-01-01', '--to', '2026-01-02', '--max-active', '0'],
      ['focus', 'export', '--from', '2026-01-01', '--to', '2026-02-01'],
      ['focus', 'export', '--from', '2026-01-01', '--to', '2026-02-01', '--out', import.meta.filename],
      ['focus', 'export', '--from', '2026-01-01', '--to', '2026-02-01', '--out', '.', '--version', '2.0'],
      ['sources', 'put'],
      ['costs', '--from', '2026-01-01'],
      ['rates', 'put', 'EUR=1'],
      ['allocation', 'put', '/nonexistent/rules.yml'],
      ['rates', 'import', import.meta.filename],
      ['rates', 'import', '/nonexistent/rates.csv'],
      ['schedules', 'put', 'nightly', 'custom/examples/daily_row', '--cron', '0 6 * * *', '--priority', '10'],
      ['tenants', 'change', '-t', 'acme_corp'],
      ['tenants', 'suspend'],
      ['keys', 'create'],
      ['dead-letters', 'replay'],
      ['sources', 'put', 'payer', '--file', '/nonexistent/source.json'],
      ['sources', 'put', 'payer', '--file', import.meta.filename],
    ])
      expect((await cli(words, ...wrong)).status, wrong.join(' ')).to.equal(2)
    const keyless = await cli({ CONVERGENCE_URL: 'http://127.0.0.1:1' }, 'runs', 'list')
    expect(keyless.status).to.equal(2)
    expect(keyless.error).to.include('no key').and.include('CONVERGENCE_DATA_DIR')
    expect((await cli({}, '--help')).status).to.equal(0)
    expect((await cli({}, '--version')).out).to.match(/^\d+\.\d+\.\d+\n$/)
    for (const group of ['schedules', 'dead-letters', 'keys', 'tenants', 'costs', 'audit'])
      expect((await cli({}, group, '--help')).status, group).to.equal(0)
  })
})
