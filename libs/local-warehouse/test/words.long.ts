/**
 * No fault of the engine reaches a user in DuckDB's words: statements that fail and files that are wrong are swept, by
 * the door and by the front. DuckDB's text stays in the cause.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { DuckDBInstance } from '@duckdb/node-api'
import { expect } from 'chai'
import type { Column } from '@convergence/contracts'
import { openWarehouse } from '@convergence/warehouse'
import type { LoadColumn, LoadSpec } from '@convergence/warehouse'
import { openEngine } from '../src/engine.ts'
import { openBigQueryFront } from '../src/front.ts'

/** Kinds of DuckDB's errors, its hints, types, functions and settings, and the names that the engine gives by itself. */
const engineWords = [
  /duckdb/i,
  /\b[A-Z][A-Za-z ]+ (Error|Exception):|Exception/,
  /LINE \d+:|Candidate|Did you mean|Possible solutions|Try setting|Try increasing|transform error|in file a file/,
  /VARCHAR|BIGINT|HUGEINT|DECIMAL\(38,(9|18)\)|\bDOUBLE\b|\bBLOB\b|STRUCT\(|TIMESTAMPTZ|->/,
  /TRY_CAST|strptime|read_(csv|json|parquet)|auto_detect|ignore_errors|_size\b|list_|struct_|macro|lambda/,
  /_gsql\.\w+\(|\b_[a-z]\d+\b|\$\d|googlesql:|memory_limit|scratch|warehouse\.duckdb|journal\.db|call stack|\u001e|§/,
]
const assertOurWords = (what: string, message: string): void => {
  expect(message, what).to.be.a('string').that.is.not.equal('')
  for (const words of engineWords) expect(message, what).not.to.match(words)
}

const columns: Column[] = [
  { name: 'id', type: 'INT64', mode: 'REQUIRED' },
  { name: 'name', type: 'STRING' },
  { name: 'cost', type: 'NUMERIC' },
  { name: 'exact', type: 'BIGNUMERIC' },
  { name: 'rate', type: 'FLOAT64' },
  { name: 'day', type: 'DATE' },
  { name: 'at', type: 'TIMESTAMP' },
  { name: 'civil', type: 'DATETIME' },
  { name: 'clock', type: 'TIME' },
  { name: 'flag', type: 'BOOL' },
  { name: 'raw', type: 'BYTES' },
  { name: 'doc', type: 'JSON' },
  { name: 'tags', type: 'STRING', mode: 'REPEATED' },
  {
    name: 'rec',
    type: 'STRUCT',
    fields: [
      { name: 'n', type: 'INT64' },
      { name: 'list', type: 'INT64', mode: 'REPEATED' },
    ],
  },
]
const flat = columns.filter(({ mode, type }) => mode !== 'REPEATED' && type !== 'STRUCT')
const header = flat.map(({ name }) => name).join(',')
const lineWith = (name: string, value: string) =>
  flat
    .map((column) => (column.name === name ? value : column.name === 'id' && '1'))
    .map((cell) => cell || '')
    .join(',')
const badValues: readonly (readonly [name: string, value: string])[] = [
  ['id', 'x'],
  ['id', '99999999999999999999'],
  ['cost', '1e40'],
  ['exact', '0.00000000000000000000000000000000000000000000001'],
  ['rate', 'x'],
  ['day', '2025-02-30'],
  ['at', 'never'],
  ['civil', 'x'],
  ['clock', '25:00'],
  ['flag', 'maybe'],
  ['raw', '***'],
]
const csvFiles: readonly (string | Buffer)[] = [
  ...badValues.map(([name, value]) => `${header}\n${lineWith(name, value)}\n`),
  `${header}\n${lineWith('id', '')}\n`,
  `${header}\n${lineWith('doc', '{')}\n`,
  `${header}\n${lineWith('name', '"open')}\n`,
  `${header}\n${lineWith('name', '"a"b')}\n`,
  `${header}\n${lineWith('name', 'a,b,c,d')}\n`,
  `${header}\n1\n`,
  `${header},id\n`,
  '',
  'a,b\n1,2\n',
  '\ufeff\ufeffid,name\n1,x\n',
  Buffer.from([0xff, 0xfe, 0x41, 0x00]),
  Buffer.from(`${header}\n${lineWith('name', '\xff\xfe')}\n`, 'latin1'),
  `${header}\n${lineWith('name', 'x'.repeat(11_000_000))}\n`,
]
const ndjsonFiles: readonly (string | Buffer)[] = [
  ...badValues.map(([name, value]) => JSON.stringify({ id: 1, [name]: value })),
  ...[
    '{"id":1,',
    '[]',
    '7\n{"id":1}',
    '{"id":1}{"id":2}',
    '{"id":1,"id":2}',
    '{"name":"x"}',
    '{"id":9223372036854775808}',
    '{"id":1.5}',
    '{"id":true}',
    '{"id":1,"flag":7}',
    '{"id":1,"rec":{"n":1.5}}',
    '{"id":1,"rec":{"list":[1.5]}}',
    '{"id":1,"cost":1e40}',
    '{"id":1,"raw":"a"}',
    '{"id":1,"tags":"x"}',
    '{"id":1,"tags":[null]}',
    '{"id":1,"rec":7}',
    '{"id":1,"rec":{"n":"x"}}',
    '{"id":1,"rec":{"list":[null]}}',
    '{"id":1,"rec":{"list":7}}',
    '{"id":1,"name":"\\ud800"}',
    '\ufeff{"id":1}',
    '\ufeff\ufeff{"id":1}',
    `{"id":1,"name":"${'x'.repeat(17_000_000)}"}`,
  ],
  Buffer.from('{"id":1,"name":"\xff"}', 'latin1'),
]
/** What a file has in its column `c`, and what the table would have. */
const parquetFiles: readonly (readonly [select: string, column: Partial<LoadColumn>])[] = [
  ["SELECT 'x' AS c", { type: 'INT64' }],
  ["SELECT 'x' AS c", { type: 'STRUCT', fields: [{ name: 'a', type: 'INT64' }] }],
  ["SELECT {'a': 'x'} AS c", { type: 'STRUCT', fields: [{ name: 'a', type: 'INT64' }] }],
  ["SELECT {'b': 'x'} AS c", { type: 'STRUCT', fields: [{ name: 'a', type: 'INT64' }] }],
  ["SELECT MAP {'a': 1} AS c", { type: 'STRUCT', fields: [{ name: 'a', type: 'INT64' }] }],
  ["SELECT [{'a': 'y'}] AS c", { type: 'STRUCT', mode: 'REPEATED', fields: [{ name: 'a', type: 'BIGNUMERIC' }] }],
  ["SELECT ['x'] AS c", { type: 'INT64', mode: 'REPEATED' }],
  ['SELECT [1e300] AS c', { type: 'INT64', mode: 'REPEATED' }],
  ["SELECT ['2025-99-99'] AS c", { type: 'DATE', mode: 'REPEATED' }],
  ['SELECT [[1]] AS c', { type: 'INT64', mode: 'REPEATED' }],
  ['SELECT 1 AS c', { type: 'INT64', mode: 'REPEATED' }],
  ['SELECT [1] AS c', { type: 'INT64' }],
  ['SELECT NULL::INT AS c', { type: 'INT64', mode: 'REQUIRED' }],
  ['SELECT 1e300 AS c', { type: 'NUMERIC' }],
  ['SELECT true AS c', { type: 'DATE' }],
  ["SELECT DATE '2025-01-01' AS c", { type: 'INT64' }],
  ['SELECT INTERVAL 1 DAY AS c', { type: 'INT64' }],
  ['SELECT 18446744073709551615::UBIGINT AS c', { type: 'INT64' }],
  ['SELECT 1 AS other', { type: 'INT64' }],
]

describe('The words of faults', function () {
  this.timeout(300_000)
  const folder = mkdtempSync(join(tmpdir(), 'convergence-words-'))
  const bucket = join(folder, 'buckets/gcs/exports')
  let engine: Awaited<ReturnType<typeof openEngine>>
  let front: Awaited<ReturnType<typeof openBigQueryFront>>
  interface Answer {
    error?: { message: string }
    status?: { state: string; errorResult?: { message: string } }
  }
  const call = async (path: string, body?: unknown): Promise<Answer> =>
    (await (
      await fetch(`http://127.0.0.1:${front.port}/bigquery/v2/projects/local${path}`, {
        ...(body === undefined
          ? {}
          : { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
      })
    ).json()) as Answer
  const run = async (query: string): Promise<string | undefined> =>
    (await call('/queries', { query, useLegacySql: false, defaultDataset: { datasetId: 'acme' } })).error?.message

  before(async () => {
    engine = await openEngine({ folder, project_id: 'local' })
    front = await openBigQueryFront({ engine, host: '127.0.0.1', port: 0 })
    mkdirSync(bucket, { recursive: true })
    const warehouse = openWarehouse({ engine, random: () => 0 })
    await warehouse.ensureDataset('acme')
    await warehouse.ensureDataset('tenants')
    for (const dataset of ['acme', 'tenants']) await warehouse.ensureTable({ dataset, table: 't', columns })
    await warehouse.append('t', [
      {
        id: 1,
        name: 'x',
        cost: '1.5',
        exact: '2',
        rate: 2.5,
        day: '2025-11-19',
        at: '2025-11-19T00:00:00Z',
        flag: true,
      },
      { id: 2, name: 'zz', doc: { a: [1] }, tags: ['a', 'b'], rec: { n: 1, list: [1] } },
    ])
    for (const sql of [
      'INSERT INTO t SELECT * FROM tenants.t',
      'CREATE TABLE narrow (a STRING(2), b NUMERIC(3, 1))',
      'CREATE VIEW seen AS SELECT id FROM t',
    ])
      expect(await run(sql), sql).to.equal(undefined)
  })
  after(async () => {
    await front.close()
    await engine.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it('are ours where a statement fails', async () => {
    const statements = readFileSync(join(import.meta.dirname, 'failing-statements.sql'), 'utf8')
      .trimEnd()
      .split('\n')
    for (const sql of statements) assertOurWords(sql, (await run(sql)) ?? '')
  })

  let count = 0
  /** Loads a file by the door, then twice by the front, and gives what each said. */
  const loadEach = async (
    format: LoadSpec['format'],
    content: string | Buffer,
    { ending = format, more = {} }: { ending?: string; more?: Partial<LoadSpec> } = {},
  ): Promise<(string | undefined)[]> => {
    count += 1
    const name = `f${count}.${ending}`
    const path = join(folder, 'scratch', name)
    for (const one of [path, join(bucket, name)]) writeFileSync(one, content)
    const byDoor = await openWarehouse({ engine, random: () => 0 })
      .runJob(
        { run_id: 'r', step_id: `s${count}`, max_retries: 0, retry_delay_seconds: 0, tenant_id: 'acme' },
        {
          kind: 'load',
          format,
          files: [{ path, name }],
          columns: flat.map((column): LoadColumn => ({ ...column, source: column.name })),
          destination: { project_id: 'local', dataset: 'acme', table: `door_${count}`, write_mode: 'append', columns },
          ...more,
        },
      )
      .then(
        () => undefined,
        (error: unknown) => (error as Error).message,
      )
    const byFront = async (how: string, options: object): Promise<string | undefined> => {
      const jobId = `front-${how}-${count}`
      let answer = await call('/jobs', {
        jobReference: { jobId },
        configuration: {
          load: {
            sourceUris: [`gs://exports/${name}`],
            sourceFormat: { csv: 'CSV', ndjson: 'NEWLINE_DELIMITED_JSON', parquet: 'PARQUET' }[format],
            destinationTable: { projectId: 'local', datasetId: 'acme', tableId: `${how}_${count}` },
            ...options,
          },
        },
      })
      while (answer.status !== undefined && answer.status.state !== 'DONE') answer = await call(`/jobs/${jobId}`)
      return answer.error?.message ?? answer.status?.errorResult?.message
    }
    const fields = columns.map(({ fields: inner, ...column }) => ({
      ...column,
      type: column.type === 'STRUCT' ? 'RECORD' : column.type,
      ...(inner === undefined ? {} : { fields: inner }),
    }))
    return [
      byDoor,
      await byFront('detected', { autodetect: true }),
      await byFront('declared', {
        schema: { fields: format === 'csv' ? fields.slice(0, flat.length) : fields },
        ...(format === 'csv' ? { skipLeadingRows: 1 } : {}),
      }),
    ]
  }
  const sweep = async (
    format: LoadSpec['format'],
    content: string | Buffer,
    more: { ending?: string; more?: Partial<LoadSpec> } = {},
  ): Promise<void> => {
    const said = await loadEach(format, content, more)
    const what = `${format} ${JSON.stringify(content.toString('latin1').slice(0, 200))}`
    // What the columns are by the file's first lines fits the file more often than not.
    assertOurWords(what, said[0] ?? '')
    for (const message of said) if (message !== undefined) assertOurWords(what, message)
  }
  it('are ours where CSV is wrong, and a second byte-order mark is a character of the first name', async () => {
    for (const text of csvFiles) await sweep('csv', text)
    await sweep('csv', gzipSync(`${header}\n`).subarray(0, 20), { ending: 'csv.gz' })
    await sweep('csv', 'no gzip', { ending: 'csv.gz' })
    const only = { columns: [{ name: 'id', type: 'INT64', source: 'id' }] as LoadColumn[] }
    expect((await loadEach('csv', '\ufeffid,name\n1,x\n', { more: only }))[0]).to.equal(undefined)
    expect((await loadEach('csv', '\ufeff\ufeffid,name\n1,x\n', { more: only }))[0]).to.match(
      /has no column id, .* it has \ufeffid, name$/,
    )
  })
  it('are ours where NDJSON is wrong', async () => {
    for (const text of ndjsonFiles) await sweep('ndjson', text)
    await sweep('ndjson', gzipSync('{"id":1}\n').subarray(0, 20), { ending: 'ndjson.gz' })
    await sweep('ndjson', 'no gzip', { ending: 'ndjson.gz' })
    // Nothing looks at it before its columns are detected.
    for (const text of [`${'{"rec":'.repeat(5_000)}1${'}'.repeat(5_000)}`, '{"id":1,"tags":[{}]}']) {
      const [, detected] = await loadEach('ndjson', text)
      assertOurWords(text.slice(0, 100), detected ?? '')
    }
  })
  it('are ours where Parquet is wrong', async () => {
    const connection = await (await DuckDBInstance.create(':memory:')).connect()
    const parquet = async (select: string): Promise<Buffer> => {
      const path = join(folder, 'made.parquet')
      await connection.run(`COPY (${select}) TO '${path}' (FORMAT parquet)`)
      return readFileSync(path)
    }
    const into = (column: Partial<LoadColumn>): { more: Partial<LoadSpec> } => ({
      more: {
        columns: [{ name: 'c', source: 'c', ...column } as LoadColumn],
        destination: { project_id: 'local', dataset: 'acme', table: `parquet_${count}`, write_mode: 'append' },
      },
    })
    for (const [select, column] of parquetFiles) await sweep('parquet', await parquet(select), into(column))
    const whole = await parquet('SELECT range AS c, repeat(CAST(range AS VARCHAR), 5) AS d FROM range(50)')
    for (const broken of [Buffer.from(''), Buffer.from('PAR1'), whole.subarray(0, whole.length - 10)])
      await sweep('parquet', broken, into({ type: 'INT64' }))
    // A few bytes that are hurt may also be nothing that anybody reads.
    for (let at = 4; at < whole.length - 8; at += 37) {
      const hurt = Buffer.from(whole)
      hurt.fill(0xff, at, at + 4)
      for (const message of await loadEach('parquet', hurt, into({ type: 'INT64' })))
        if (message !== undefined) assertOurWords(`hurt at ${at}`, message)
    }
  })
})
