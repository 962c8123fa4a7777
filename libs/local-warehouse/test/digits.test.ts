/** Amounts keep every digit that a provider writes, on their way into tables, through statements and out again. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { expect } from 'chai'
import { parse } from 'yaml'
import { bignumericText, bignumericUnits, toText } from '@convergence/googlesql/bignumeric'
import type { Column } from '@convergence/contracts'
import { openWarehouse } from '@convergence/warehouse'
import type { JobSpec, LoadColumn, Warehouse } from '@convergence/warehouse'
import { openEngine } from '../src/engine.ts'

interface World {
  warehouse: Warehouse
  folder: string
  run(spec: JobSpec): Promise<void>
  load(format: 'csv' | 'ndjson' | 'parquet', name: string, text: string | undefined, table: string): Promise<void>
  texts(query: string): Promise<unknown[]>
}
const open = async (folder: string) => openEngine({ folder, project_id: 'local' })
const setup = async (work: (world: World) => Promise<void>): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), 'convergence-digits-'))
  const engine = await open(folder)
  const warehouse = openWarehouse({ engine, random: () => 0 })
  let steps = 0
  const run = async (spec: JobSpec): Promise<void> => {
    const step_id = `s${(steps += 1)}`
    await warehouse.runJob({ run_id: 'r', step_id, max_retries: 0, retry_delay_seconds: 0, tenant_id: 'acme' }, spec)
  }
  try {
    await warehouse.ensureDataset('acme')
    await work({
      warehouse,
      folder,
      run,
      load: async (format, name, text, table) => {
        const path = join(folder, 'scratch', name)
        if (text !== undefined) writeFileSync(path, text)
        const columns: LoadColumn[] = [
          { name: 'id', type: 'INT64', source: 'id' },
          { name: 'x', type: 'BIGNUMERIC', source: 'x' },
        ]
        const destination = { project_id: 'local', dataset: 'acme', table, write_mode: 'append' as const }
        const files = [{ path, name }]
        if (format !== 'ndjson') return run({ kind: 'load', format, files, columns, destination })
        const declared = columns.map((column) => ({ name: column.name, type: column.type }))
        return run({ kind: 'load', format, files, destination: { ...destination, columns: declared } })
      },
      texts: async (query) =>
        (await warehouse.query({ query, default_dataset: 'acme' })).map((row) => Object.values(row)[0]),
    })
  } finally {
    await engine.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Amounts as providers spell them: of all lengths, with exponents, signs and zeros that say nothing. */
const spelled = (count: number): { text: string; units: bigint }[] => {
  let state = 38
  const random = (below: number): number => {
    state = (state * 1103515245 + 12345) % 2147483648
    return Math.floor((state / 2147483648) * below)
  }
  const digits = (length: number): string => Array.from({ length }, () => String(random(10))).join('')
  return Array.from({ length: count }, (_, k) => {
    const before = digits(1 + random([1, 9, 20, 38][k % 4] ?? 1))
    const behind = digits(random([3, 12, 22, 38][(k >> 2) % 4] ?? 3))
    const sign = ['', '', '-'][random(3)] ?? ''
    const plain = `${sign}${before}${behind === '' ? '' : `.${behind}`}`
    const units = bignumericUnits(`${sign}${before}.${behind}`)
    if (k % 5 !== 0 || behind === '') return { text: plain, units }
    // The same number with the point elsewhere.
    return { text: `${sign}${before.slice(0, 1)}.${before.slice(1)}${behind}E+${before.length - 1}`, units }
  })
}
const edges = [
  '1E-38',
  '-1E-38',
  '-0',
  '-0.000',
  '0E-999',
  '1.23456789E-12',
  '-1.81E-8',
  '.5',
  '5.',
  '+7',
  '007.50',
].map((text) => ({
  text,
  units:
    {
      '1E-38': 1n,
      '-1E-38': -1n,
      '1.23456789E-12': 123456789n * 10n ** 18n,
      '-1.81E-8': -181n * 10n ** 28n,
      '.5': 5n * 10n ** 37n,
      '5.': 5n * 10n ** 38n,
      '+7': 7n * 10n ** 38n,
      '007.50': 75n * 10n ** 37n,
    }[text] ?? 0n,
}))
const values = [
  ...edges,
  ...spelled(400),
  { text: `${'9'.repeat(38)}.${'9'.repeat(38)}`, units: 10n ** 76n - 1n },
  { text: `-${'9'.repeat(38)}.${'9'.repeat(38)}`, units: 1n - 10n ** 76n },
]
const sum = values.reduce((total, { units }) => total + units, 0n)

describe('digits', function () {
  this.timeout(120_000)

  it('are all there after a load of CSV and of NDJSON, in results, sums and order', () =>
    setup(async ({ load, texts }) => {
      await load('csv', 'a.csv', `id,x\n${values.map(({ text }, k) => `${k},${text}\n`).join('')}900,\n`, 'csv')
      const numbers = values.map(({ text }, k) => `{"id":${k},"x":"${text}"}\n`)
      await load('ndjson', 'a.ndjson', `${numbers.join('')}{"id":900}\n`, 'json')
      const exact = values.map(({ units }) => bignumericText(units))
      const sorted = [...values].sort((a, b) => (a.units < b.units ? -1 : Number(a.units > b.units)))
      for (const table of ['csv', 'json']) {
        expect(await texts(`SELECT x FROM ${table} WHERE x IS NOT NULL ORDER BY id`), table).to.deep.equal(exact)
        expect(await texts(`SELECT SUM(x) FROM ${table}`), table).to.deep.equal([bignumericText(sum)])
        expect(await texts(`SELECT x FROM ${table} ORDER BY x`), table).to.deep.equal([
          null,
          ...sorted.map(({ units }) => bignumericText(units)),
        ])
      }
      expect(await texts('SELECT COUNT(*) FROM csv JOIN json ON csv.x = json.x AND csv.id = json.id')).to.deep.equal([
        values.length,
      ])
    }))

  it('are all there after a load of Parquet files whose decimals have different scales', () =>
    setup(async ({ folder, load, texts }) => {
      const instance = await DuckDBInstance.create(':memory:')
      const connection = await instance.connect()
      const write = async (name: string, type: string, value: string): Promise<void> => {
        await connection.run(
          `COPY (SELECT 1 AS id, CAST('${value}' AS ${type}) AS x) TO '${join(folder, 'scratch', name)}' (FORMAT parquet)`,
        )
        await load('parquet', name, undefined, 't')
      }
      await write('a.parquet', 'DECIMAL(38,20)', '-123456789012345678.00000000000000000001')
      await write('b.parquet', 'DECIMAL(38,37)', '3.1415926535897932384626433832795028841')
      await write('c.parquet', 'DECIMAL(18,0)', '123456789012345678')
      await write('d.parquet', 'DOUBLE', '4e-10')
      connection.closeSync()
      instance.closeSync()
      expect(await texts('SELECT x FROM t ORDER BY x')).to.deep.equal([
        '-123456789012345678.00000000000000000001',
        '0.0000000004',
        '3.1415926535897932384626433832795028841',
        '123456789012345678',
      ])
    }))

  it('pass through queries into tables, arrays, records, views and the period that is replaced', () =>
    setup(async ({ warehouse, run, texts }) => {
      const fine = '0.12345678901234567890123456789012345678'
      await warehouse.ensureTable({
        dataset: 'acme',
        table: 't',
        columns: [
          { name: 'id', type: 'INT64' },
          { name: 'x', type: 'BIGNUMERIC' },
          { name: 'many', type: 'BIGNUMERIC', mode: 'REPEATED' },
          { name: 'deep', type: 'STRUCT', fields: [{ name: 'amount', type: 'BIGNUMERIC' }] },
        ],
      })
      const write = (query: string, period?: Record<string, string>) =>
        run({
          kind: 'query',
          query,
          destination: {
            project_id: 'local',
            dataset: 'acme',
            table: 't',
            write_mode: period === undefined ? 'append' : 'truncate',
            ...(period === undefined ? {} : { period }),
          },
        })
      await write(
        `SELECT 1 AS id, BIGNUMERIC '${fine}' AS x, [BIGNUMERIC '${fine}', 2] AS many, STRUCT(BIGNUMERIC '-${fine}' AS amount) AS deep`,
      )
      await write(`SELECT 2 AS id, BIGNUMERIC '1e-38' AS x`)
      await write(`SELECT 3 AS id, BIGNUMERIC '${fine}' AS x`, { x: fine })
      await write(`SELECT 4 AS id, NUMERIC '1.5' AS x`)
      await warehouse.ensureView({ dataset: 'acme', view: 'v', query: 'SELECT x + 1 AS more FROM `local.acme.t`' })
      expect(await texts('SELECT more FROM v ORDER BY more')).to.deep.equal([
        '1.00000000000000000000000000000000000001',
        '1.12345678901234567890123456789012345678',
        '2.5',
      ])
      expect(await texts('SELECT TO_JSON_STRING(t) FROM t WHERE id = 3')).to.deep.equal([
        `{"id":3,"x":"${fine}","many":[],"deep":null}`,
      ])
    }))

  it('of amounts that are FLOAT64 in the export of Google add up: a thousand of 4e-10', () =>
    setup(async ({ warehouse, run, texts }) => {
      const root = join(import.meta.dirname, '../../..')
      const templates = join(root, 'ps_templates/gcp/bq_etl/schemas')
      const columnsOf = (name: string) => JSON.parse(readFileSync(join(templates, name), 'utf8')) as Column[]
      await warehouse.ensureTable({
        dataset: 'acme',
        table: 'export',
        columns: columnsOf('gcp_billing_export_resource_v1.json'),
      })
      await run({
        kind: 'query',
        query:
          "SELECT TIMESTAMP '2025-11-05 01:00:00+00' AS usage_start_time, STRUCT('acme' AS id) AS project, " +
          'CAST(4e-10 AS FLOAT64) AS cost, CAST(0.1 AS FLOAT64) + 0.2 AS cost_at_list FROM UNNEST(GENERATE_ARRAY(1, 1000))',
        destination: { project_id: 'local', dataset: 'acme', table: 'export', write_mode: 'append' },
      })
      const { steps } = parse(readFileSync(join(root, 'configs/gcp/cost/billing.yml'), 'utf8')) as {
        steps: { source: { query: string } }[]
      }
      // What the pipeline reads of each row; which rows are the tenant's is another matter.
      const [selected = ''] = (steps[0]?.source.query ?? '').split('WHERE DATE(usage_start_time)')
      const query = selected
        .replace('{source.table}', 'local.acme.export')
        .replace('{source.name}', 'main')
        .replace(/other_columns$/m, "JSON '{}' AS other_columns")
      await run({
        kind: 'query',
        query,
        destination: {
          project_id: 'local',
          dataset: 'acme',
          table: 'gcp_cost_billing',
          columns: columnsOf('gcp_cost_billing.json'),
          write_mode: 'truncate',
          period: { usage_date: '2025-11-05' },
        },
      })
      expect(await texts('SELECT SUM(cost) FROM gcp_cost_billing')).to.deep.equal(['0.0000004'])
      expect(await texts('SELECT SUM(cost_at_list) FROM gcp_cost_billing')).to.deep.equal(['300.00000000000004'])
    }))

  it('of tables that an older version made are kept, and the tables take all digits from then on', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'convergence-digits-'))
    try {
      const columns: Column[] = [
        { name: 'id', type: 'INT64', mode: 'REQUIRED' },
        { name: 'x', type: 'BIGNUMERIC', mode: 'REQUIRED' },
        { name: 'many', type: 'BIGNUMERIC', mode: 'REPEATED' },
        { name: 'deep', type: 'STRUCT', fields: [{ name: 'amount', type: 'BIGNUMERIC' }] },
      ]
      const rows = [
        { id: 1, x: '-12345678901234567890.000000000000000001', many: ['0.5', '-1'], deep: { amount: '1e-18' } },
        { id: 2, x: '0', many: [], deep: null },
      ]
      const first = await open(folder)
      const made = openWarehouse({ engine: first, random: () => 0 })
      await made.ensureDataset('acme')
      await made.ensureTable({ dataset: 'acme', table: 't', columns })
      await first.insertRows('acme', 't', rows)
      await first.close()
      const older = await DuckDBInstance.create(':memory:')
      const connection = await older.connect()
      await connection.run(`ATTACH '${join(folder, 'warehouse.duckdb')}' AS "local"`)
      // What the version before this one had on its disk.
      const decimal = (value: string) => `CAST(${toText(value)} AS DECIMAL(38,18))`
      for (const [name, type, value] of [
        ['x', 'DECIMAL(38,18)', decimal('x')],
        ['many', 'DECIMAL(38,18)[]', `list_transform(many, lambda one: ${decimal('one')})`],
        [
          'deep',
          'STRUCT(amount DECIMAL(38,18))',
          `CASE WHEN deep IS NOT NULL THEN struct_pack(amount := ${decimal(`struct_extract(deep, 'amount')`)}) END`,
        ],
      ] as const)
        await connection.run(`ALTER TABLE "local".acme.t ALTER ${name} SET DATA TYPE ${type} USING ${value}`)
      connection.closeSync()
      older.closeSync()
      const again = await open(folder)
      const warehouse = openWarehouse({ engine: again, random: () => 0 })
      await again.insertRows('acme', 't', [{ id: 3, x: '1e-38', many: ['1e-38'], deep: { amount: '1e-38' } }])
      expect(await warehouse.query({ query: 'SELECT * FROM acme.t ORDER BY id' })).to.deep.equal([
        {
          id: 1,
          x: '-12345678901234567890.000000000000000001',
          many: ['0.5', '-1'],
          deep: { amount: '0.000000000000000001' },
        },
        { id: 2, x: '0', many: [], deep: null },
        { id: 3, x: `0.${'0'.repeat(37)}1`, many: [`0.${'0'.repeat(37)}1`], deep: { amount: `0.${'0'.repeat(37)}1` } },
      ])
      await again.close()
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
