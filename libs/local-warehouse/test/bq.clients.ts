/**
 * Google's command line tool `bq` over the REST front, where it is installed. It needs no account: any text is a token
 * here.
 */
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { DuckDBInstance } from '@duckdb/node-api'
import { expect } from 'chai'
import { openBigQueryFront } from '../src/front.ts'
import { openEngine } from '../src/engine.ts'

const isInstalled = (): boolean =>
  (process.env['PATH'] ?? '').split(delimiter).some((folder) => folder !== '' && existsSync(join(folder, 'bq')))

describe('BigQuery front and bq', function () {
  this.timeout(120_000)

  it('makes, loads, asks, shows and removes (skipped where bq is not installed)', async function () {
    if (!isInstalled()) return this.skip()
    const folder = mkdtempSync(join(tmpdir(), 'convergence-bq-'))
    const engine = await openEngine({ folder, project_id: 'local-convergence' })
    const front = await openBigQueryFront({ engine, host: '127.0.0.1', port: 0 })
    writeFileSync(join(folder, 'token'), 'local')
    writeFileSync(join(folder, 'costs.json'), '{"day":"2025-11-18","cost":1.5}\n{"day":"2025-11-19","cost":2}\n')
    const env = {
      PATH: process.env['PATH'],
      HOME: folder,
      CLOUDSDK_CONFIG: join(folder, 'gcloud'),
      CLOUDSDK_AUTH_ACCESS_TOKEN_FILE: join(folder, 'token'),
      CLOUDSDK_CORE_DISABLE_PROMPTS: '1',
      CLOUDSDK_CORE_DISABLE_USAGE_REPORTING: 'true',
      CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK: 'true',
      NO_PROXY: '127.0.0.1',
      no_proxy: '127.0.0.1',
      METADATA_SERVER_DETECTION: 'none',
    }
    const bq = async (...words: string[]): Promise<string> => {
      const { stdout } = await promisify(execFile)(
        'bq',
        [
          '--api',
          `http://127.0.0.1:${front.port}`,
          '--project_id',
          'local-convergence',
          '--quiet',
          '--headless',
          ...words,
        ],
        { cwd: folder, env, timeout: 30_000 },
      ).catch((error: unknown) => {
        const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
        throw new Error(`bq ${words.join(' ')}: ${stdout}${stderr}`)
      })
      return stdout
    }
    try {
      await bq('mk', '--dataset', 'acme')
      await bq(
        'load',
        '--source_format=NEWLINE_DELIMITED_JSON',
        '--time_partitioning_field=day',
        'acme.costs',
        'costs.json',
        'day:DATE,cost:NUMERIC',
      )
      expect(
        JSON.parse(
          await bq(
            'query',
            '--format=json',
            '--nouse_legacy_sql',
            '--parameter=day:DATE:2025-11-19',
            'SELECT day, cost FROM acme.costs WHERE day = @day',
          ),
        ),
      ).to.deep.equal([{ day: '2025-11-19', cost: '2' }])
      expect(JSON.parse(await bq('show', '--format=json', 'acme.costs'))).to.deep.include({
        numRows: '2',
        timePartitioning: { type: 'DAY', field: 'day' },
      })
      expect(JSON.parse(await bq('ls', '--format=json', 'acme'))).to.have.nested.property(
        '[0].tableReference.tableId',
        'costs',
      )
      const instance = await DuckDBInstance.create(':memory:')
      await (
        await instance.connect()
      ).run(`COPY (SELECT 1 AS n, ['a', 'b'] AS names) TO '${join(folder, 'names.parquet')}'`)
      await bq('load', '--source_format=PARQUET', '--parquet_enable_list_inference', 'acme.names', 'names.parquet')
      expect(JSON.parse(await bq('head', '--format=json', 'acme.names'))).to.deep.equal([{ n: '1', names: ['a', 'b'] }])
      await bq('ls', '--row_access_policies', 'acme.costs')
      await bq('update', '--description', 'what it costs', '--set_label', 'plan:starter', 'acme')
      expect(JSON.parse(await bq('show', '--format=json', 'acme'))).to.deep.include({
        description: 'what it costs',
        labels: { plan: 'starter' },
      })
      await bq('update', '--description', 'by day', 'acme.costs')
      await bq('rm', '-r', '-f', 'acme')
      expect(engine.datasets()).to.deep.equal([])
    } finally {
      await front.close()
      await engine.close()
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
