import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect } from 'chai'
import { AppError } from '@convergence/contracts'
import type { Column, ErrorCode } from '@convergence/contracts'
import { openBigQuery } from '../src/google.ts'
import type { BigQueryOptions, BigQueryPort } from '../src/google.ts'
import { oneSelect } from '../src/google/sql.ts'
import { openWarehouse } from '../src/warehouse.ts'
import type { Chain, Destination, LoadColumn, LoadSpec, QuerySpec, Warehouse } from '../src/warehouse.ts'
import { fail, startFake } from './fake-bigquery.ts'
import type { Fake } from './fake-bigquery.ts'

const expectCode = async (work: Promise<unknown>, code: ErrorCode, words?: RegExp): Promise<AppError> => {
  const fault = await work.then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(fault, `expected ${code}`).to.be.instanceOf(AppError)
  expect((fault as AppError).code, (fault as AppError).message).to.equal(code)
  if (words !== undefined) expect((fault as AppError).message).to.match(words)
  return fault as AppError
}
interface World {
  port: BigQueryPort
  fake: Fake
  warehouse: Warehouse
  file(name: string, content: string | Buffer): { path: string; name: string }
}
const setup = async (work: (world: World) => Promise<void>, options: Partial<BigQueryOptions> = {}): Promise<void> => {
  const fake = await startFake()
  const folder = mkdtempSync(join(tmpdir(), 'convergence-bigquery-'))
  const port = openBigQuery({
    project_id: 'p',
    location: 'EU',
    api_endpoint: fake.endpoint,
    request_retries: 0,
    unique: () => 'u1',
    ...options,
  })
  const file = (name: string, content: string | Buffer) => {
    const path = join(folder, name)
    writeFileSync(path, content)
    return { path, name }
  }
  try {
    await work({
      port,
      fake,
      file,
      warehouse: openWarehouse({ engine: port, random: () => 0.5, sleep: () => Promise.resolve() }),
    })
  } finally {
    await port.close()
    await fake.close()
    rmSync(folder, { recursive: true, force: true })
  }
}
const into = (more: Partial<Destination> = {}): Destination => ({
  project_id: 'p',
  dataset: 'acme',
  table: 'costs',
  write_mode: 'append',
  ...more,
})
const spec = (more: Partial<Destination> = {}, query = 'SELECT day, cost FROM x'): QuerySpec => ({
  kind: 'query',
  query,
  destination: into(more),
})
interface Configured {
  labels: Record<string, string>
  jobTimeoutMs: string
  query: Record<string, unknown> & { query: string }
  load: Record<string, unknown>
}
const configured = (fake: Fake, id: string) => fake.jobs.get(id)?.configuration as unknown as Configured
/** d DATE, c DECIMAL(38,10), x VARCHAR and m MAP(VARCHAR, VARCHAR), two rows, written by DuckDB. */
const mapsAndDecimals = Buffer.from(
  'UEFSMRUAFRwVICwVBBUAFQYVBgAADjQCAAAABAGtTwAArk8AABUAFUwVQiwVBBUAFQYVBgAAJhgCAAAABAEAGQFQHRqUogD/////////////////////' +
    'FQAVIBUkLBUEFQAVBhUGAAAQPAIAAAAEAQIAAADDqQAAAAAVABWqARU6LBUEFQAVBhUGAABVKAIAAAAEAEEAAABBAQvuAQAkBgAAAHVzZXI6YRUAFaAB' +
    'FTAsFQQVABUGFQYAAFAwAgAAAAQAQQAAAEEDAPYBABABAAAAMhUCGYw1ABgNZHVja2RiX3NjaGVtYRUIABUCJQIYAWQlDAAVDhUgFQIYAWMlChUUFUws' +
    'XBUUFUwAAAAVDCUCGAF4JQAANQIYAW0VAhUCADUEGAlrZXlfdmFsdWUVBAAVDCUAGANrZXklAAAVDCUCGAV2YWx1ZSUAABYEGRwZXCYAHBUCGRUAGRgB' +
    'ZBUCFgQWPhZCJgg8GASuTwAAGAStTwAAFgAoBK5PAAAYBK1PAAAREQAAACYAHBUOGRUAGRgBYxUCFgQWbhZkJko8GBAAAAAAAAAAAAAAAB0alKIAGBD/' +
    '////////////////////FgAoEAAAAAAAAAAAAAAAHRqUogAYEP////////////////////8REQAAACYAHBUMGRUAGRgBeBUCFgQWQhZGJq4BPBgCw6km' +
    'ACgCw6kYABERAAAAJgAcFQwZFQAZOAFtCWtleV92YWx1ZQNrZXkVAhYEFs4BFl4m9AE8GAZ1c2VyOmEYBnVzZXI6YRYCKAZ1c2VyOmEYBnVzZXI6YRER' +
    'AAAAJgAcFQwZFQAZOAFtCWtleV92YWx1ZQV2YWx1ZRUCFgQWxAEWVCbSAjwYATIYATIWAigBMhgBMhERAAAAFoAFFgQmCBaeAwAoKER1Y2tEQiB2ZXJz' +
    'aW9uIHYxLjUuNSAoYnVpbGQgZDhjZGFhMzNmZCkZXBwAABwAABwAABwAABwAAAAUAgAAUEFSMQ==',
  'base64',
)
const costColumns: Column[] = [
  { name: 'day', type: 'DATE' },
  { name: 'cost', type: 'NUMERIC' },
]
const daily = { time_partitioning: { field: 'day', type: 'DAY' } } as const
const chain = (step_id: string, more: Partial<Chain> = {}): Chain => ({
  run_id: 'r_1',
  step_id,
  max_retries: 2,
  retry_delay_seconds: 0,
  tenant_id: 'acme',
  ...more,
})
const logColumns: Column[] = [
  { name: 'seq', type: 'INT64', mode: 'REQUIRED' },
  { name: 'event_id', type: 'STRING' },
  { name: 'tags', type: 'STRING', mode: 'REPEATED' },
  { name: 'body', type: 'JSON' },
]

describe('BigQuery behind the door', function () {
  this.timeout(20_000)

  describe('jobs', () => {
    it('inserts a job under the id that it was given, in its location, with labels and limits', () =>
      setup(
        async ({ port, fake }) => {
          const job = await port.insert(
            'run-r_1-a-a0',
            { ...spec(), maximum_bytes_billed: 1000 },
            { tenant_id: 'acme', step_id: 'Load.Costs' },
          )
          expect(job).to.include({ state: 'RUNNING', job_id: 'run-r_1-a-a0' })
          expect(fake.jobs.get('run-r_1-a-a0')?.jobReference).to.deep.equal({
            projectId: 'p',
            jobId: 'run-r_1-a-a0',
            location: 'EU',
          })
          const { labels, query, jobTimeoutMs } = configured(fake, 'run-r_1-a-a0')
          expect(labels).to.deep.equal({ service: 'executor', tenant_id: 'acme', step_id: 'load_costs' })
          expect(jobTimeoutMs).to.equal('3600000')
          expect(query).to.include({ useLegacySql: false, maximumBytesBilled: '1000' })
          expect(query['query']).to.equal(
            'INSERT INTO `p`.`acme`.`costs` (`day`, `cost`) SELECT s.`day` AS `day`, s.`cost` AS `cost` ' +
              'FROM (\nSELECT day, cost FROM x\n) AS s',
          )
          expect((await port.wait('run-r_1-a-a0')).rows_written).to.equal(2)
          expect(fake.to('GET', /(jobs|queries)\//).map(({ query: asked }) => asked.get('location'))).to.satisfy(
            (all: string[]) => all.length > 0 && all.every((one) => one === 'EU'),
          )
        },
        { labels: { service: 'executor' } },
      ))
    it('answers exists for an id that is taken, and refuses what is no id', () =>
      setup(async ({ port }) => {
        await port.insert('a0', spec(), {})
        expect(await port.insert('a0', spec(), {})).to.equal('exists')
        await expectCode(port.insert('a b', spec(), {}), 'QUERY_INVALID', /job id/)
      }))
    it('repeats a request that met 503 under the same id, and adopts the job when the first one had worked', () =>
      setup(
        async ({ warehouse, fake }) => {
          let faults = 1
          fake.handle(({ method, path, body }) => {
            if (
              method !== 'POST' ||
              !path.endsWith('/jobs') ||
              JSON.stringify(body).includes('dryRun') ||
              faults-- <= 0
            )
              return undefined
            // Executed, and answered with 503.
            fake.jobs.set('run-r_1-a-a0', {
              configuration: { jobType: 'QUERY', query: {}, labels: {} },
              jobReference: {},
              status: { state: 'DONE' },
              statistics: { query: { numDmlAffectedRows: '5' } },
            })
            return fail(503, 'backendError', 'try again')
          })
          expect(await warehouse.runJob(chain('a'), spec())).to.deep.include({
            rows_written: 5,
            attempt: 0,
            adopted: true,
          })
          expect(
            fake
              .to('POST', /\/jobs$/)
              .filter(({ body }) => !JSON.stringify(body).includes('dryRun'))
              .map(({ body }) => (body['jobReference'] as { jobId: string }).jobId),
          ).to.deep.equal(['run-r_1-a-a0', 'run-r_1-a-a0'])
        },
        { request_retries: 1 },
      ))
    it('asks by id when the answer was cut off', () =>
      setup(async ({ warehouse, fake }) => {
        let cut = 1
        fake.handle(({ method, path, body }) => {
          if (method !== 'POST' || !path.endsWith('/jobs') || JSON.stringify(body).includes('dryRun') || cut-- <= 0)
            return undefined
          fake.jobs.set('run-r_1-a-a0', {
            configuration: { jobType: 'QUERY', query: {}, labels: {} },
            jobReference: {},
            status: { state: 'DONE' },
            statistics: { query: { numDmlAffectedRows: '5' } },
          })
          return { lost: true }
        })
        expect(await warehouse.runJob(chain('a'), spec())).to.deep.include({
          rows_written: 5,
          attempt: 0,
          adopted: true,
        })
      }))
    it('goes on along the chain after rateLimitExceeded, backendError and quotaExceeded, and no further', () =>
      setup(async ({ warehouse, fake }) => {
        const reasons = ['rateLimitExceeded', 'quotaExceeded', 'backendError']
        fake.handle(({ method, path, body }) => {
          if (method === 'POST' && path.endsWith('/jobs') && !JSON.stringify(body).includes('dryRun'))
            fake.ends = { error: { reason: reasons.shift() ?? 'backendError', message: 'later' } }
          return undefined
        })
        await expectCode(warehouse.runJob(chain('a'), spec()), 'JOB_FAILED', /job run-r_1-a-a2: backendError: later/)
        expect([...fake.jobs.keys()]).to.deep.equal(['run-r_1-a-a0', 'run-r_1-a-a1', 'run-r_1-a-a2'])
      }))
    const permanent: [string, string, ErrorCode][] = [
      ['invalidQuery', 'division by zero: 1 / 0', 'QUERY_INVALID'],
      ['accessDenied', 'Access Denied: Table p:x.y', 'FORBIDDEN'],
      ['notFound', 'Not found: Table p:x.y', 'TABLE_NOT_FOUND'],
      ['resourcesExceeded', 'too much memory', 'RESOURCE_EXHAUSTED'],
      ['stopped', 'Job execution was cancelled', 'CANCELLED'],
      ['duplicate', 'Already Exists: Table p:acme.costs', 'TABLE_NOT_EMPTY'],
      [
        'invalid',
        'Some rows belong to different partitions rather than destination partition 20251119',
        'ROW_OUTSIDE_PERIOD',
      ],
    ]
    for (const [reason, message, code] of permanent) {
      it(`ends the chain at ${reason} with ${code} and BigQuery's words`, () =>
        setup(async ({ warehouse, fake }) => {
          fake.ends = { error: { reason, message } }
          const fault = await expectCode(warehouse.runJob(chain('a'), spec()), code)
          expect(fault.message).to.equal(`job run-r_1-a-a0: ${reason}: ${message}`)
          expect(fake.jobs.size).to.equal(1)
        }))
    }
    it('tries again after a conflict of two writers, although its reason is that of a wrong query', () =>
      setup(async ({ port, fake }) => {
        fake.ends = {
          error: {
            reason: 'invalidQuery',
            message: 'Could not serialize access to table p:acme.costs due to concurrent update',
          },
        }
        await port.insert('a0', spec(), {})
        expect((await port.wait('a0')).error).to.include({ code: 'JOB_FAILED', retryable: true })
      }))
    it('gives the text of a row outside of its period as the statement raised it', () =>
      setup(async ({ port, fake }) => {
        fake.ends = {
          error: {
            reason: 'invalidQuery',
            message:
              '§ROW_OUTSIDE_PERIOD§acme.costs: a new row has day = 2025-11-20, ' +
              'the period that is replaced is 2025-11-19§; error in query',
          },
        }
        await port.insert('a0', spec(), {})
        expect((await port.wait('a0')).error).to.deep.equal({
          code: 'ROW_OUTSIDE_PERIOD',
          message: 'acme.costs: a new row has day = 2025-11-20, the period that is replaced is 2025-11-19',
          retryable: false,
        })
      }))
    it('waits by one long request while a query runs, and stops waiting when asked to', () =>
      setup(async ({ port, fake }) => {
        await port.insert('a0', spec(), {})
        const job = fake.jobs.get('a0')
        let asked: (() => void) | undefined
        const reached = new Promise<void>((resolve) => {
          asked = resolve
        })
        if (job !== undefined) job.status.state = 'RUNNING'
        fake.handle(({ method, path, query }) => {
          if (method !== 'GET' || !path.endsWith('/queries/a0') || query.get('timeoutMs') === null) return undefined
          asked?.()
          return { body: { jobComplete: false } }
        })
        const over = new AbortController()
        const waiting = port.wait('a0', over.signal).then(
          () => undefined,
          (error: unknown) => error,
        )
        await reached
        over.abort(new AppError('TIMED_OUT', 'over'))
        expect(await waiting).to.have.property('code', 'TIMED_OUT')
        if (job !== undefined) job.status.state = 'DONE'
        expect((await port.wait('a0')).state).to.equal('DONE')
      }))
    it('counts the rows of a job with a destination, which tells no number itself', () =>
      setup(async ({ port, fake }) => {
        fake.ends = { statistics: { query: { totalBytesProcessed: '12' } } }
        await port.insert('a0', spec({ write_mode: 'write_empty' }), {})
        expect(await port.wait('a0')).to.include({ rows_written: 7, bytes_processed: 12 })
      }))
  })

  describe('what a job writes', () => {
    const table = (fake: Fake, more: object = {}, columns: readonly Column[] = costColumns) => {
      fake.tables.set('acme.costs', {
        etag: 'e1',
        type: 'TABLE',
        schema: { fields: columns.map((column) => ({ mode: 'NULLABLE', ...column })) },
        ...more,
      })
    }

    it('replaces a day that is a partition by a destination, guarded by the value', () =>
      setup(async ({ port, fake }) => {
        table(fake, { timePartitioning: daily.time_partitioning })
        await port.insert('a0', spec({ write_mode: 'truncate', period: { day: '2025-11-19' } }), {})
        const { query } = configured(fake, 'a0')
        expect(query).to.deep.include({
          destinationTable: { projectId: 'p', datasetId: 'acme', tableId: 'costs$20251119' },
          writeDisposition: 'WRITE_TRUNCATE',
          createDisposition: 'CREATE_NEVER',
        })
        expect(query['query']).to.match(
          /^SELECT .* WHERE IF\(CAST\(s\.`day` AS DATE\) = @convergence_period_0, TRUE, ERROR\(/s,
        )
        expect(query['queryParameters']).to.deep.equal([
          { name: 'convergence_period_0', parameterType: { type: 'DATE' }, parameterValue: { value: '2025-11-19' } },
        ])
      }))
    const byMerge: [string, object, readonly Column[], Record<string, string | number>][] = [
      ['is no partition', {}, costColumns, { day: '2025-11-19' }],
      [
        'is a day within a partition of a month',
        { timePartitioning: { field: 'day', type: 'MONTH' } },
        costColumns,
        { day: '2025-11-01' },
      ],
      ['has two columns', { timePartitioning: daily.time_partitioning }, costColumns, { day: '2025-11-19', cost: 1 }],
      [
        'is of a table with a REQUIRED column',
        { timePartitioning: daily.time_partitioning },
        [
          { name: 'day', type: 'DATE', mode: 'REQUIRED' },
          { name: 'cost', type: 'NUMERIC' },
        ],
        { day: '2025-11-19' },
      ],
      [
        'is an instant of a day',
        { timePartitioning: daily.time_partitioning },
        [
          { name: 'day', type: 'TIMESTAMP' },
          { name: 'cost', type: 'NUMERIC' },
        ],
        { day: '2025-11-19' },
      ],
    ]
    for (const [which, more, columns, period] of byMerge) {
      it(`replaces a period that ${which} by one MERGE`, () =>
        setup(async ({ port, fake }) => {
          table(fake, more, columns)
          fake.dry = { statementType: 'SELECT', schema: { fields: columns.map(({ name, type }) => ({ name, type })) } }
          await port.insert('a0', spec({ write_mode: 'truncate', period }), {})
          const { query } = configured(fake, 'a0')
          expect(query).not.to.have.property('destinationTable')
          expect(query['query']).to.match(
            /^MERGE `p`\.`acme`\.`costs` AS t USING \(.*ON FALSE WHEN NOT MATCHED BY SOURCE AND t\.`day` = @convergence_period_0.* THEN DELETE WHEN NOT MATCHED BY TARGET THEN INSERT/s,
          )
        }))
    }
    it('replaces a whole table by one MERGE that keeps its schema', () =>
      setup(async ({ port, fake }) => {
        table(fake)
        await port.insert('a0', spec({ write_mode: 'truncate' }), {})
        expect(configured(fake, 'a0').query['query']).to.contain(
          'ON FALSE WHEN NOT MATCHED BY SOURCE THEN DELETE WHEN NOT MATCHED BY TARGET',
        )
      }))
    it('makes the missing table with its partitioning, adds missing columns under the etag, casts numbers', () =>
      setup(async ({ port, fake }) => {
        await port.insert(
          'a0',
          spec({ ...daily, clustering_fields: ['day'], columns: [{ name: 'note', type: 'STRING' }] }),
          {},
        )
        expect(fake.tables.get('acme.costs')).to.deep.include({
          timePartitioning: { field: 'day', type: 'DAY' },
          clustering: { fields: ['day'] },
        })
        expect(
          (fake.tables.get('acme.costs')?.['schema'] as { fields: Column[] }).fields.map(({ name }) => name),
        ).to.deep.equal(['note', 'day', 'cost'])
        fake.dry = {
          statementType: 'SELECT',
          schema: {
            fields: [
              { name: 'cost', type: 'INTEGER' },
              { name: 'extra', type: 'INTEGER', mode: 'REPEATED' },
            ],
          },
        }
        await port.insert('a1', spec(), {})
        const [patch] = fake.to('PATCH', /tables\/costs$/)
        expect(patch?.headers['if-match']).to.equal('e1')
        expect(configured(fake, 'a1').query.query).to.match(
          /\(`cost`, `extra`\) SELECT CAST\(s\.`cost` AS NUMERIC\) AS `cost`, s\.`extra` AS `extra`/,
        )
        await expectCode(
          port.insert('a2', spec({ add_columns: false }, 'SELECT 1'), {}).then(() => {
            fake.dry.schema.fields = [{ name: 'other', type: 'STRING' }]
            return port.insert('a3', spec({ add_columns: false }), {})
          }),
          'QUERY_INVALID',
          /other/,
        )
        fake.dry.schema.fields = [{ name: 'cost', type: 'STRING' }]
        await expectCode(
          port.insert('a4', spec(), {}),
          'QUERY_INVALID',
          /costs\.cost: the table has NUMERIC, the result gives STRING/,
        )
      }))
    it('looks again when somebody else changed the columns at the same time', () =>
      setup(async ({ port, fake }) => {
        table(fake, {}, [{ name: 'day', type: 'DATE' }])
        let raced = 1
        fake.handle(({ method, path }) => {
          if (method !== 'PATCH' || !path.endsWith('/costs') || raced-- <= 0) return undefined
          table(fake, { etag: 'e2' }, [
            { name: 'day', type: 'DATE' },
            { name: 'theirs', type: 'STRING' },
          ])
          return fail(412, 'conditionNotMet', 'Precondition check failed.')
        })
        await port.insert('a0', spec(), {})
        expect(
          (fake.tables.get('acme.costs')?.['schema'] as { fields: Column[] }).fields.map(({ name }) => name),
        ).to.deep.equal(['day', 'theirs', 'cost'])
      }))
    it('writes nothing but the result of one SELECT, and says where it is wrong in the text that was given', () =>
      setup(async ({ port, fake }) => {
        table(fake)
        fake.handle(({ path, body }) =>
          path.endsWith('/jobs') &&
          JSON.stringify(body).includes('dryRun') &&
          JSON.stringify(body).includes('SELEC day')
            ? fail(400, 'invalidQuery', 'Syntax error at [1:1]')
            : undefined,
        )
        await expectCode(
          port.insert('a0', spec({}, 'WITH x AS (SELEC day) SELECT 1'), {}),
          'QUERY_INVALID',
          /dry run: invalidQuery: Syntax error at \[1:1\]/,
        )
        fake.dry.statementType = 'SCRIPT'
        await expectCode(port.insert('a0', spec(), {}), 'QUERY_INVALID', /SCRIPT/)
        fake.dry = {
          statementType: 'SELECT',
          schema: {
            fields: [
              { name: 'a', type: 'STRING' },
              { name: 'A', type: 'STRING' },
            ],
          },
        }
        await expectCode(port.insert('a0', spec(), {}), 'QUERY_INVALID', /two columns/)
        expect(fake.jobs.size).to.equal(0)
      }))
    it('finds one statement where a semicolon stands in strings, names and comments alone', () => {
      for (const query of [
        "SELECT ';' AS a",
        "SELECT \";\", '''x;'''",
        'SELECT `a;b` FROM t -- ; DELETE',
        'SELECT 1 /* ; DROP */',
        '# ;\nSELECT 1',
        "SELECT r'\\';'",
      ])
        expect(oneSelect(query)).to.equal(query)
      expect(oneSelect('SELECT 1 ; -- done')).to.equal('SELECT 1 ')
      for (const query of [
        'SELECT 1; DELETE FROM t WHERE TRUE',
        'DELETE FROM t WHERE TRUE',
        '/* SELECT */ INSERT INTO t VALUES (1)',
        '-- SELECT\nDROP TABLE t',
        "SELECT 'a\\';' ; DROP TABLE t",
        '',
        'EXPORT DATA OPTIONS() AS SELECT 1',
        'CALL p()',
        'SELECT 1 -- x\r; DELETE FROM t WHERE TRUE',
        'SELECT 1 # x\r; DELETE FROM t WHERE TRUE',
        "SELECT 'a\r'; DELETE FROM t WHERE TRUE",
        'SELECT `a\n` FROM t',
        'SELECT 1 /* x',
        "SELECT 'x",
      ]) {
        expect(() => oneSelect(query), query)
          .to.throw(AppError)
          .with.property('code', 'QUERY_INVALID')
      }
      expect(() => oneSelect('SELECT 1 |> WHERE TRUE')).to.throw(AppError, /pipe/)
    })
  })

  describe('commits and small rows', () => {
    const log = (fake: Fake) => {
      fake.tables.set('tenants.log', {
        type: 'TABLE',
        schema: { fields: logColumns.map((column) => ({ mode: 'NULLABLE', ...column })) },
      })
    }

    it('commits rows as one INSERT of bound texts, with the digest that tells whose they are', () =>
      setup(async ({ warehouse, fake }) => {
        log(fake)
        expect(
          await warehouse.commit('log', { epoch: 'e', shard: 0, seq: 1 }, [
            { seq: 1, event_id: "a'b", tags: ['x'], body: { y: 1 } },
          ]),
        ).to.equal('mine')
        const { query, labels } = configured(fake, 'adm-e-0-1-a0')
        expect(query['query']).to.equal(
          'INSERT INTO `p`.`tenants`.`log` (`seq`, `event_id`, `tags`, `body`) SELECT CAST(JSON_VALUE(r, ' +
            "'$.seq') AS INT64), JSON_VALUE(r, '$.event_id'), JSON_VALUE_ARRAY(r, '$.tags'), " +
            "PARSE_JSON(JSON_QUERY(r, '$.body')) FROM UNNEST(@rows) AS r",
        )
        expect(query['queryParameters']).to.deep.equal([
          {
            name: 'rows',
            parameterType: { type: 'ARRAY', arrayType: { type: 'STRING' } },
            parameterValue: { arrayValues: [{ value: '{"seq":1,"event_id":"a\'b","tags":["x"],"body":{"y":1}}' }] },
          },
        ])
        expect(labels['payload']).to.match(/^[0-9a-f]{60}$/)
        expect(
          await warehouse.commit('log', { epoch: 'e', shard: 0, seq: 1 }, [{ seq: 1, event_id: 'other' }]),
        ).to.equal('conflict')
        expect(
          await warehouse.commit('log', { epoch: 'e', shard: 0, seq: 1 }, [
            { seq: 1, event_id: "a'b", tags: ['x'], body: { y: 1 } },
          ]),
        ).to.equal('mine')
      }))
    it('appends what is asked for at the same time as one request, each row under an id', () =>
      setup(async ({ port, fake }) => {
        log(fake)
        await Promise.all([1, 2, 3].map((seq) => port.append('log', [{ seq, event_id: `e${seq}`, body: { x: seq } }])))
        const asked = fake.to('POST', /insertAll$/)
        expect(asked).to.have.length(1)
        expect(asked[0]?.body).to.deep.equal({
          skipInvalidRows: false,
          ignoreUnknownValues: false,
          rows: [1, 2, 3].map((seq, k) => ({
            insertId: `u1-${k}-e${seq}`,
            json: { seq, event_id: `e${seq}`, body: `{"x":${seq}}` },
          })),
        })
        expect(fake.to('GET', /tables\/log$/).length).to.be.lessThan(4)
      }))
    it('sends rows under other ids when they are appended again', () =>
      setup(
        async ({ port, fake }) => {
          log(fake)
          await port.append('log', [{ seq: 1, event_id: 'e1' }])
          await port.append('log', [{ seq: 1, event_id: 'e1' }])
          const ids = fake
            .to('POST', /insertAll$/)
            .map(({ body }) => (body['rows'] as { insertId: string }[])[0]?.insertId)
          expect(new Set(ids).size).to.equal(2)
        },
        {
          unique: (() => {
            let k = 0
            return () => `u${(k += 1)}`
          })(),
        },
      ))
    it("lets one caller's wrong rows fail alone", () =>
      setup(async ({ port, fake }) => {
        log(fake)
        fake.handle(({ path, body }) => {
          if (!path.endsWith('insertAll')) return undefined
          const rows = body['rows'] as { insertId: string }[]
          return rows.some(({ insertId }) => insertId.endsWith('bad'))
            ? {
                body: {
                  insertErrors: rows.map(({ insertId }, index) => ({
                    index,
                    errors: [
                      insertId.endsWith('bad')
                        ? { reason: 'invalid', location: 'body', message: 'no such field' }
                        : { reason: 'stopped', location: '', message: '' },
                    ],
                  })),
                },
              }
            : undefined
        })
        const ends = await Promise.allSettled(
          ['good', 'bad', 'fine'].map((event_id) => port.append('log', [{ seq: 1, event_id }])),
        )
        expect(ends.map(({ status }) => status)).to.deep.equal(['fulfilled', 'rejected', 'fulfilled'])
        await expectCode(
          port.append('log', [{ seq: 1, event_id: 'bad' }]),
          'QUERY_INVALID',
          /tenants\.log, column body: invalid: no such field/,
        )
      }))
    it('refuses rows that the table does not take before they are sent, and never shows a value', () =>
      setup(async ({ port, fake }) => {
        log(fake)
        const fault = await expectCode(
          port.append('log', [{ seq: 'secret-word' }]),
          'QUERY_INVALID',
          /log\.seq: expected INT64, got string/,
        )
        expect(fault.message).not.to.contain('secret')
        await expectCode(port.append('log', [{ event_id: 'x' }]), 'QUERY_INVALID', /no seq/)
        await expectCode(port.append('nothing', [{ seq: 1 }]), 'TABLE_NOT_FOUND')
        await expectCode(port.append('log', [{ seq: 1, other: 1 }]), 'QUERY_INVALID', /other/)
        expect(fake.to('POST', /insertAll$/)).to.deep.equal([])
        fake.tables.set('tenants.log', {
          type: 'TABLE',
          schema: { fields: [...logColumns, { name: 'other', type: 'INTEGER' }] },
        })
        await port.append('log', [{ seq: 1, other: 1 }])
      }))
    it('says UNAVAILABLE when the answer stays out, so that the rows come again', () =>
      setup(async ({ port, fake }) => {
        log(fake)
        fake.handle(({ path }) => (path.endsWith('insertAll') ? { lost: true } : undefined))
        await expectCode(port.append('log', [{ seq: 1 }]), 'UNAVAILABLE', /insert rows into tenants\.log/)
      }))
  })

  describe('files', () => {
    const columns: LoadColumn[] = [
      { name: 'day', type: 'DATE', source: 'Date', format: '%m/%d/%Y' },
      { name: 'cost', type: 'NUMERIC', source: 'Cost', mode: 'REQUIRED' },
      { name: 'n', type: 'INT64', source: 'N', optional: true },
      { name: 'tags', type: 'JSON', source: 'Tags', wrap_braces: true },
      { name: 'who', type: 'STRING', value: 'us' },
      { name: 'rest', type: 'JSON', object_of: { a: 'A', b: 'B' } },
    ]
    const load = (files: LoadSpec['files'], more: Partial<Destination> = {}): LoadSpec => ({
      kind: 'load',
      format: 'csv',
      files,
      columns,
      destination: into({ columns: [], ...more }),
    })
    const csv = 'Date,Cost,N,Tags,A,B\n11/19/2025,1.5,7,"""k"": ""v, w""",x,\n\n11/20/2025,-0.0000000005,,,,"y\nz"\n'
    const rowsOf = (media: string) =>
      media
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown)

    it("loads CSV as one job by upload, converted to the table's types", () =>
      setup(async ({ warehouse, fake, file }) => {
        fake.ends = { statistics: { load: { outputRows: '3', inputFileBytes: '99' } } }
        expect(
          await warehouse.runJob(
            chain('load'),
            load([file('a.csv', csv), file('b.csv.gz', gzipSync('\ufeffCost,Date,Tags\r\n2e1,01/02/2025,{}\r\n'))]),
          ),
        ).to.deep.include({ rows_written: 3, bytes_processed: 99 })
        const [upload] = fake.to('POST', /^\/upload\/bigquery\/v2\/projects\/p\/jobs$/)
        expect(upload?.query.get('uploadType')).to.equal('multipart')
        expect(upload?.body['jobReference']).to.deep.equal({ projectId: 'p', jobId: 'run-r_1-load-a0', location: 'EU' })
        const { load: config, labels } = configured(fake, 'run-r_1-load-a0')
        expect(labels).to.include({ tenant_id: 'acme', run_id: 'r_1', step_id: 'load' })
        expect(config).to.deep.include({
          sourceFormat: 'NEWLINE_DELIMITED_JSON',
          writeDisposition: 'WRITE_APPEND',
          destinationTable: { projectId: 'p', datasetId: 'acme', tableId: 'costs' },
        })
        expect(rowsOf(upload?.media ?? '')).to.deep.equal([
          { day: '2025-11-19', cost: '1.5', n: 7, tags: { k: 'v, w' }, who: 'us', rest: { a: 'x' } },
          { day: '2025-11-20', cost: '-0.000000001', who: 'us', rest: { b: 'y\nz' } },
          { day: '2025-01-02', cost: '20', tags: {}, who: 'us', rest: {} },
        ])
      }))
    it('replaces a partition by its decorator, a table by WRITE_TRUNCATE_DATA, another period by a staging table', () =>
      setup(async ({ port, fake, file }) => {
        const one = file('a.csv', 'Date,Cost,Tags\n11/19/2025,1,\n')
        fake.ends = { statistics: { load: { outputRows: '1' } } }
        await port.insert('a0', load([one], { write_mode: 'truncate', period: { day: '2025-11-19' }, ...daily }), {})
        expect(configured(fake, 'a0').load).to.deep.include({
          writeDisposition: 'WRITE_TRUNCATE',
          destinationTable: { projectId: 'p', datasetId: 'acme', tableId: 'costs$20251119' },
        })
        await port.insert('a1', load([one], { write_mode: 'truncate' }), {})
        expect(configured(fake, 'a1').load).to.include({ writeDisposition: 'WRITE_TRUNCATE_DATA' })
        await port.insert(
          'a2',
          load([one], { write_mode: 'truncate', period: { day: '2025-11-19', who: 'us' }, ...daily }),
          {},
        )
        const [staged = ''] = [...fake.tables.keys()].filter((name) => name.includes('_staging_'))
        expect(staged).to.match(/^acme\._staging_[0-9a-f]{16}_u1$/)
        expect(fake.tables.get(staged)).to.have.property('expirationTime')
        expect([...fake.jobs.keys()].filter((id) => id.startsWith('a2'))).to.have.length(2)
        expect(configured(fake, 'a2').query['query']).to.match(
          /^MERGE .*_staging_.* WHEN NOT MATCHED BY SOURCE AND t\.`day` = @convergence_period_0 AND t\.`who` = @convergence_period_1 THEN DELETE/s,
        )
        await port.wait('a2')
        expect(fake.tables.has(staged), 'the staging table is dropped when the job has ended').to.equal(false)
      }))
    it('begins no upload for a job that is there', () =>
      setup(async ({ port, fake, file }) => {
        const one = file('a.csv', 'Date,Cost,Tags\n11/19/2025,1,\n')
        await port.insert('a0', load([one]), {})
        expect(await port.insert('a0', load([one]), {})).to.equal('exists')
        expect(fake.to('POST', /^\/upload/)).to.have.length(1)
      }))
    it('gives a job to one of two that upload at the same time', () =>
      setup(async ({ port, fake, file }) => {
        const one = file('a.csv', 'Date,Cost,Tags\n11/19/2025,1,\n')
        fake.tables.set('acme.costs', {
          type: 'TABLE',
          schema: { fields: columns.map(({ name, type }) => ({ name, type })) },
        })
        const answers = await Promise.all([1, 2].map(() => port.insert('a0', load([one]), {})))
        expect(answers.map((answer) => (answer === 'exists' ? answer : answer.job_id)).sort()).to.deep.equal([
          'a0',
          'exists',
        ])
        expect(fake.to('POST', /^\/upload/)).to.have.length(2)
      }))
    const wrong: [string, string, ErrorCode, RegExp][] = [
      [
        'a number',
        'Date,Cost,Tags\n11/19/2025,1,\n"11/19/2025","x\ny",\n',
        'EXPORT_INVALID',
        /^a\.csv:3, column Cost: expected NUMERIC, got 'x\ny'$/,
      ],
      [
        'the line after a quoted line end',
        'Date,Cost,Tags,A\n11/19/2025,1,,"a\nb"\n11/19/2025,z,,\n',
        'EXPORT_INVALID',
        /^a\.csv:4, column Cost/,
      ],
      [
        'a date in its format',
        'Date,Cost,Tags\n2025-11-19,1,\n',
        'EXPORT_INVALID',
        /a\.csv:2, column Date: expected DATE as %m\/%d\/%Y, got '2025-11-19'/,
      ],
      ['a date that is none', 'Date,Cost,Tags\n02/30/2025,1,\n', 'EXPORT_INVALID', /a\.csv:2, column Date/],
      [
        'an empty field that is required',
        'Date,Cost,Tags\n11/19/2025,,\n',
        'EXPORT_INVALID',
        /a\.csv:2, column Cost: expected NUMERIC, got an empty field/,
      ],
      [
        'a line with fewer fields',
        'Date,Cost,Tags\n11/19/2025,1\n',
        'EXPORT_INVALID',
        /a\.csv:2: expected 3 fields as in the first line, got 2/,
      ],
      [
        'a quote that is never closed',
        'Date,Cost,Tags\n11/19/2025,1,"x\n',
        'EXPORT_INVALID',
        /a\.csv:2, column Tags: expected a quote that closes the field, got the end of the file/,
      ],
      [
        'a column that is missing',
        'Date,Tags\n11/19/2025,\n',
        'EXPORT_INVALID',
        /a\.csv: has no column Cost, which cost is read from; it has Date, Tags/,
      ],
      ['a column that is there twice', 'Date,Cost,Cost,Tags\n', 'EXPORT_INVALID', /a\.csv:1: has two columns Cost/],
      ['an empty file', '', 'EXPORT_INVALID', /a\.csv: is empty/],
      [
        'JSON',
        'Date,Cost,Tags\n11/19/2025,1,{x\n',
        'EXPORT_INVALID',
        /a\.csv:2, column Tags: expected JSON, got '\{x'/,
      ],
      [
        'a row of another period',
        'Date,Cost,Tags\n11/19/2025,1,\n11/20/2025,1,\n',
        'ROW_OUTSIDE_PERIOD',
        /^a\.csv:3: a new row of acme\.costs has day = 2025-11-20, the period that is replaced is 2025-11-19$/,
      ],
    ]
    for (const [what, content, code, words] of wrong) {
      it(`names file, line and column of ${what}, and leaves no job behind`, () =>
        setup(async ({ warehouse, fake, file }) => {
          await expectCode(
            warehouse.runJob(
              chain('load'),
              load(
                [file('a.csv', content)],
                code === 'ROW_OUTSIDE_PERIOD' ? { write_mode: 'truncate', period: { day: '2025-11-19' } } : {},
              ),
            ),
            code,
            words,
          )
          expect(fake.jobs.size).to.equal(0)
        }))
    }
    it('tells a gzip file that broke off, text that is no UTF-8, and a file that is not there', () =>
      setup(async ({ port, file }) => {
        await expectCode(
          port.insert('a0', load([file('b.csv.gz', gzipSync(csv).subarray(0, 40))]), {}),
          'EXPORT_INVALID',
          /b\.csv\.gz: cannot be read \(it is not a whole gzip file\)/,
        )
        await expectCode(
          port.insert('a0', load([file('c.csv', Buffer.from([0x44, 0xff, 0x0a]))]), {}),
          'EXPORT_INVALID',
          /c\.csv:1: expected UTF-8, got other bytes/,
        )
        const fault = await expectCode(
          port.insert('a0', load([{ path: '/nowhere/d.csv', name: 'd.csv' }]), {}),
          'EXPORT_INVALID',
          /d\.csv: cannot be read \(there is no such file\)/,
        )
        expect(fault.message).not.to.contain('/nowhere')
      }))
    it('gives up on a record without end before it fills the memory', () =>
      setup(async ({ port, file }) => {
        const endless = `Date,Cost,Tags\n11/19/2025,1,\n11/19/2025,1,"${'x'.repeat(12_000_000)}`
        await expectCode(
          port.insert('a0', load([file('a.csv', endless)]), {}),
          'EXPORT_INVALID',
          /a\.csv:3: expected a record of at most 10 MB, got more/,
        )
        await expectCode(
          port.insert(
            'a0',
            {
              kind: 'load',
              format: 'ndjson',
              files: [file('a.json', `{}\n${'x'.repeat(12_000_000)}`)],
              destination: into({ columns: costColumns }),
            },
            {},
          ),
          'EXPORT_INVALID',
          /a\.json:2: the line is longer than 10 MB/,
        )
      }))
    it('reads records across pieces of a file as it reads them whole', () =>
      setup(async ({ port, fake, file }) => {
        fake.ends = { statistics: { load: { outputRows: '1' } } }
        const many = Array.from(
          { length: 20_000 },
          (_, k) => `11/19/2025,${k}.25,"""k"":""${'q'.repeat(k % 40)}""",${k % 3 === 0 ? '"a,\r\n""b"""' : 'plain'}`,
        )
        await port.insert('a0', load([file('a.csv', `Date,Cost,Tags,A\r\n${many.join('\r\n')}`)]), {})
        const rows = rowsOf(fake.to('POST', /^\/upload/)[0]?.media ?? '') as {
          cost: string
          rest: { a: string }
          tags: { k: string }
        }[]
        expect(rows).to.have.length(20_000)
        expect(
          rows.every(
            ({ cost, rest, tags }, k) =>
              cost === `${k}.25` && rest.a === (k % 3 === 0 ? 'a,\r\n"b"' : 'plain') && tags.k.length === k % 40,
          ),
        ).to.equal(true)
      }))
    it('sends NDJSON line by line as it is, and names the line that is wrong', () =>
      setup(async ({ port, fake, file }) => {
        fake.ends = { statistics: { load: { outputRows: '1' } } }
        const ndjson = (name: string, text: string): LoadSpec => ({
          kind: 'load',
          format: 'ndjson',
          files: [file(name, text)],
          destination: into({ columns: costColumns }),
        })
        await port.insert(
          'a0',
          ndjson('a.json', '{"day":"2025-11-19","cost":12345678901234567890.123456789}\n\n{"cost":"2"}'),
          {},
        )
        expect(fake.to('POST', /^\/upload/)[0]?.media.trim()).to.equal(
          '{"day":"2025-11-19","cost":12345678901234567890.123456789}\n{"cost":"2"}',
        )
        await expectCode(
          port.insert('a1', ndjson('b.json', '{"day":"2025-11-19"}\n{"day":"soon"}\n'), {}),
          'EXPORT_INVALID',
          /b\.json:2, column day: expected DATE, got 'soon'/,
        )
        await expectCode(
          port.insert(
            'a1',
            { ...ndjson('n.json', '{"seq":1,"tags":["a",null]}\n'), destination: into({ columns: logColumns }) },
            {},
          ),
          'EXPORT_INVALID',
          /n\.json:1, column tags: expected an array of STRING, got NULL in it/,
        )
        await expectCode(
          port.insert('a1', ndjson('c.json', '{}\nnot\n'), {}),
          'EXPORT_INVALID',
          /c\.json:2: expected a JSON object, got 'not'/,
        )
      }))
    it('sends the rows of Parquet by the same rules as those of CSV', () =>
      setup(async ({ port, fake, file }) => {
        const parquet: LoadSpec = {
          kind: 'load',
          format: 'parquet',
          files: [file('a.parquet', mapsAndDecimals)],
          like_csv: true,
          destination: into(),
          columns: [
            { name: 'day', type: 'DATE', source: 'd' },
            { name: 'cost', type: 'BIGNUMERIC', source: 'c' },
            { name: 'who', type: 'STRING', value: 'us' },
            { name: 'none', type: 'INT64', source: 'n', optional: true },
            { name: 'rest', type: 'JSON', object_of: { k: 'x', gone: 'y' }, maps: [{ source: 'm' }] },
          ],
        }
        await port.insert('a0', parquet, {})
        expect(fake.to('POST', /^\/upload/).map(({ media }) => media)).to.deep.equal([
          '{"day":"2025-11-05","cost":"12.5","who":"us","rest":{"user:a":"2","k":"é"}}\n' +
            '{"day":"2025-11-06","cost":"-0.0000000001","who":"us","rest":{}}\n',
        ])
        await expectCode(
          port.insert('a1', { ...parquet, columns: [{ name: 'day', type: 'DATE', source: 'gone' }] }, {}),
          'EXPORT_INVALID',
          /a\.parquet: has no column gone, which day is read from; it has d, c, x, m/,
        )
        await expectCode(
          port.insert('a2', { ...parquet, columns: [{ name: 'cost', type: 'INT64', source: 'c' }] }, {}),
          'EXPORT_INVALID',
          /a\.parquet, row group 1, row 1, column c: expected INT64, got '12\.5000000000'/,
        )
        await expectCode(
          port.insert('a3', { ...parquet, files: [file('b.parquet', 'PAR1 one')] }, {}),
          'EXPORT_INVALID',
          /b\.parquet: expected a whole Parquet file, which ends with PAR1, got one that breaks off/,
        )
        expect(fake.jobs.has('a3')).to.equal(false)
      }))
  })

  describe('reading', () => {
    const result = (fields: object[], rows: unknown[][], more: object = {}) => ({
      jobComplete: true,
      jobReference: { projectId: 'p', jobId: 'j1' },
      schema: { fields },
      rows: rows.map((cells) => ({ f: cells.map((v) => ({ v })) })),
      ...more,
    })

    it('gives every type as the door has it', () =>
      setup(async ({ port, fake }) => {
        fake.handle(({ path }) =>
          path.endsWith('/queries')
            ? {
                body: result(
                  [
                    { name: 'i', type: 'INTEGER' },
                    { name: 'big', type: 'INTEGER' },
                    { name: 'n', type: 'NUMERIC' },
                    { name: 'f', type: 'FLOAT' },
                    { name: 'nan', type: 'FLOAT' },
                    { name: 'b', type: 'BOOLEAN' },
                    { name: 't', type: 'TIMESTAMP' },
                    { name: 'us', type: 'TIMESTAMP' },
                    { name: 'before', type: 'TIMESTAMP' },
                    { name: 'j', type: 'JSON' },
                    {
                      name: 's',
                      type: 'RECORD',
                      fields: [
                        { name: 'x', type: 'INTEGER' },
                        { name: 'y', type: 'STRING', mode: 'REPEATED' },
                      ],
                    },
                    { name: 'none', type: 'STRING' },
                    { name: 'dt', type: 'DATETIME' },
                  ],
                  [
                    [
                      '3',
                      '9007199254740993',
                      '0.100',
                      '0.5',
                      'NaN',
                      'true',
                      '1763514123000000',
                      '1763514123000456',
                      '-1',
                      '{"a":[1]}',
                      { f: [{ v: '1' }, { v: [{ v: 'q' }] }] },
                      null,
                      '2025-11-19T01:02:03.500000',
                    ],
                  ],
                ),
              }
            : undefined,
        )
        expect(await port.query({ query: 'SELECT 1' })).to.deep.equal([
          {
            i: 3,
            big: '9007199254740993',
            n: '0.1',
            f: 0.5,
            nan: NaN,
            b: true,
            t: '2025-11-19T01:02:03.000Z',
            us: '2025-11-19T01:02:03.000456Z',
            before: '1969-12-31T23:59:59.999999Z',
            j: { a: [1] },
            s: { x: 1, y: ['q'] },
            none: null,
            dt: '2025-11-19T01:02:03.500',
          },
        ])
        expect(fake.requests[0]?.body).to.deep.include({
          location: 'EU',
          useLegacySql: false,
          formatOptions: { useInt64Timestamp: true },
        })
      }))
    it('reads page after page, and waits for a query that takes longer', () =>
      setup(async ({ port, fake }) => {
        fake.handle(({ method, path, query }) => {
          if (path.endsWith('/queries') && method === 'POST')
            return { body: { jobComplete: false, jobReference: { jobId: 'j1' } } }
          if (!path.endsWith('/queries/j1')) return undefined
          const page = Number(query.get('pageToken') ?? '0')
          return {
            body: result(
              [{ name: 'i', type: 'INTEGER' }],
              [[String(page)]],
              page < 2 ? { pageToken: String(page + 1) } : {},
            ),
          }
        })
        expect(await port.query({ query: 'SELECT i FROM t' })).to.deep.equal([{ i: 0 }, { i: 1 }, { i: 2 }])
        expect(await port.query({ query: 'SELECT i FROM t' }, { max_rows: 2 })).to.deep.equal([{ i: 0 }, { i: 1 }])
        expect(
          fake
            .to('GET', /queries\/j1$/)
            .every(
              ({ query }) => query.get('location') === 'EU' && query.get('formatOptions.useInt64Timestamp') === 'true',
            ),
        ).to.equal(true)
      }))
    it('gives each parameter a type, NULL too, and refuses a value that has another', () =>
      setup(async ({ port, fake }) => {
        fake.handle(({ path }) => (path.endsWith('/queries') ? { body: result([], []) } : undefined))
        await port.query({
          query: 'SELECT @a',
          default_dataset: 'acme',
          parameters: [
            { name: 'a', type: 'DATE', value: null },
            { name: 'b', type: 'ARRAY<STRING>', value: ['x', null] },
            { name: 'c', type: 'INT64', value: 5 },
            { name: 'd', type: 'BYTES', value: new Uint8Array([1]) },
            { name: 'e', type: 'JSON', value: { k: 1 } },
          ],
        })
        expect(fake.requests[0]?.body['queryParameters']).to.deep.equal([
          { name: 'a', parameterType: { type: 'DATE' }, parameterValue: { value: null } },
          {
            name: 'b',
            parameterType: { type: 'ARRAY', arrayType: { type: 'STRING' } },
            parameterValue: { arrayValues: [{ value: 'x' }, { value: null }] },
          },
          { name: 'c', parameterType: { type: 'INT64' }, parameterValue: { value: '5' } },
          { name: 'd', parameterType: { type: 'BYTES' }, parameterValue: { value: 'AQ==' } },
          { name: 'e', parameterType: { type: 'JSON' }, parameterValue: { value: '{"k":1}' } },
        ])
        expect(fake.requests[0]?.body).to.deep.include({
          defaultDataset: { projectId: 'p', datasetId: 'acme' },
          parameterMode: 'NAMED',
        })
        for (const [type, value] of [
          ['DATE', 'x'],
          ['INT64', '1.5'],
          ['BOOL', 1],
          ['ARRAY<INT64>', 1],
          ['INT64', '9223372036854775808'],
        ] as const)
          await expectCode(
            port.query({ query: 'SELECT @d', parameters: [{ name: 'd', type, value }] }),
            'QUERY_INVALID',
            /@d/,
          )
      }))
    it('is to be asked anew when its job or what it gave is gone, and says so of a table that is', () =>
      setup(async ({ port, fake }) => {
        for (const [message, code] of [
          ['Not found: Job p:EU.j1', 'UNAVAILABLE'],
          ['Not found: Results of job j1: gone', 'UNAVAILABLE'],
          ['Not found: Table p:acme.job', 'TABLE_NOT_FOUND'],
        ] as const) {
          fake.handle(({ path }) =>
            path.endsWith('/queries')
              ? { body: { jobComplete: false, jobReference: { jobId: 'j1' } } }
              : path.endsWith('/queries/j1')
                ? fail(404, 'notFound', message)
                : undefined,
          )
          await expectCode(port.query({ query: 'SELECT 1' }), code, new RegExp(message))
        }
      }))
    it('never sends a statement that would write', () =>
      setup(async ({ port, fake }) => {
        for (const query of ['DELETE FROM t WHERE TRUE', 'SELECT 1; DROP TABLE t'])
          await expectCode(port.query({ query }), 'QUERY_INVALID', /one SELECT/)
        expect(fake.requests).to.deep.equal([])
      }))
    it('cancels the query on BigQuery when it is no longer wanted', () =>
      setup(async ({ port, fake }) => {
        let cancelled: (() => void) | undefined
        const done = new Promise<void>((resolve) => {
          cancelled = resolve
        })
        const over = new AbortController()
        fake.handle(({ method, path }) => {
          if (path.endsWith('/queries') && method === 'POST')
            return { body: { jobComplete: false, jobReference: { jobId: 'j1' } } }
          if (path.endsWith('/queries/j1')) {
            over.abort(new AppError('CANCELLED', 'enough'))
            return { body: { jobComplete: false, jobReference: { jobId: 'j1' } } }
          }
          if (path.endsWith('/jobs/j1/cancel')) {
            cancelled?.()
            return { body: {} }
          }
          return undefined
        })
        await expectCode(port.query({ query: 'SELECT 1' }, { signal: over.signal }), 'CANCELLED')
        await done
      }))
    it('follows views to the tables that they read, and refuses when BigQuery lists too many', () =>
      setup(async ({ port, fake }) => {
        fake.tables.set('acme.recent', { type: 'VIEW', view: { query: 'SELECT * FROM deeper' } })
        fake.tables.set('acme.costs', { type: 'TABLE' })
        fake.handle(({ path, body }) => {
          const text = JSON.stringify(body)
          const refs = (...names: string[]) => ({
            body: {
              status: { state: 'DONE' },
              statistics: {
                query: {
                  statementType: 'SELECT',
                  schema: { fields: [] },
                  totalBytesProcessed: '7',
                  referencedTables: names.map((tableId) => ({ projectId: 'p', datasetId: 'acme', tableId })),
                },
              },
            },
          })
          if (!path.endsWith('/jobs')) return undefined
          return text.includes('deeper')
            ? refs('costs')
            : text.includes('many')
              ? refs(...Array.from({ length: 50 }, (_, k) => `t${k}`))
              : refs('recent', 'costs')
        })
        expect(await port.dryRun({ query: 'SELECT 1' })).to.deep.equal({
          statement_type: 'SELECT',
          bytes_processed: 7,
          columns: [],
          referenced_tables: [{ project_id: 'p', dataset: 'acme', table: 'costs' }],
        })
        await expectCode(port.dryRun({ query: 'SELECT many' }), 'QUERY_INVALID', /cannot be checked/)
      }))
    it('lets nothing through that a dry run would not list', () =>
      setup(async ({ port, fake }) => {
        for (const [query, at] of [
          ['SELECT * FROM INFORMATION_SCHEMA.TABLES', '1:15'],
          ['SELECT *\nFROM `p.acme.information_schema.TABLES`', '2:14'],
          ['SELECT * FROM `region-eu`.INFORMATION_SCHEMA.JOBS', '1:27'],
          ["SELECT * FROM EXTERNAL_QUERY('c', 'SELECT 1')", '1:15'],
          ['SELECT @@project_id', '1:8'],
          ['SELECT * FROM ML.PREDICT(MODEL `p.d.m`, TABLE t)', '1:15'],
          ['SELECT 1 FROM t -- x\n, `ML` . `PREDICT`(MODEL m)', '2:4'],
          ["SELECT AI.GENERATE('x')", '1:8'],
          // BigQuery reads escapes in quoted names and ends a comment at a carriage return.
          ["SELECT * FROM `EXTERNAL\\x5fQUERY`('c', 'SELECT 1')", '1:16'],
          ['SELECT * FROM `p.acme.INFORMATION\\u005fSCHEMA.TABLES`', '1:23'],
          ['SELECT 1 -- x\r, @@project_id', '1:17'],
          ["SELECT 1 # x\r FROM EXTERNAL_QUERY('c', 'SELECT 1')", '1:20'],
          ['SELECT * FROM ML /* x */ . PREDICT(MODEL `p.d.m`, TABLE t)', '1:15'],
          ['SELECT * FROM `ML.PREDICT`(MODEL `p.d.m`, TABLE t)', '1:16'],
        ] as const) {
          const fault = await expectCode(port.dryRun({ query }), 'QUERY_UNSUPPORTED')
          expect(fault.message, query).to.contain(`[${at}]`)
          await expectCode(port.insert('a0', spec({}, query), {}), 'QUERY_UNSUPPORTED')
        }
        for (const query of [
          "SELECT 'INFORMATION_SCHEMA' AS a -- EXTERNAL_QUERY",
          'SELECT ml.cost FROM costs AS ml',
          'SELECT model FROM t',
          "SELECT '@@x', @d",
        ])
          await port.dryRun({ query, parameters: [{ name: 'd', type: 'DATE', value: null }] })
        fake.handle(({ path }) =>
          path.endsWith('/jobs')
            ? {
                body: {
                  status: { state: 'DONE' },
                  statistics: {
                    query: {
                      statementType: 'SELECT',
                      schema: { fields: [] },
                      referencedRoutines: [{ projectId: 'p', datasetId: 'other', routineId: 'f' }],
                    },
                  },
                },
              }
            : undefined,
        )
        await expectCode(port.dryRun({ query: 'SELECT other.f(1)' }), 'QUERY_UNSUPPORTED', /functions and procedures/)
        expect(fake.jobs.size).to.equal(0)
      }))
    const refusals: [number, string | undefined, ErrorCode][] = [
      [400, 'somethingNew', 'QUERY_INVALID'],
      [403, 'quotaExceeded', 'UNAVAILABLE'],
      [403, 'rateLimitExceeded', 'UNAVAILABLE'],
      [403, 'billingNotEnabled', 'FORBIDDEN'],
      [413, undefined, 'RESOURCE_EXHAUSTED'],
      [429, undefined, 'UNAVAILABLE'],
      [500, 'internalError', 'UNAVAILABLE'],
      [501, 'notImplemented', 'QUERY_UNSUPPORTED'],
      [401, 'authError', 'FORBIDDEN'],
      [404, 'notFound', 'TABLE_NOT_FOUND'],
      [400, 'resourceInUse', 'CONFLICT'],
    ]
    for (const [status, reason, code] of refusals) {
      it(`says ${code} of a request that is answered with ${status}${reason === undefined ? ' and no reason' : ` and ${reason}`}`, () =>
        setup(async ({ port, fake }) => {
          fake.handle(() => (reason === undefined ? { status, body: {} } : fail(status, reason, 'words of Google')))
          await expectCode(
            port.query({ query: 'SELECT 1' }),
            code,
            reason === undefined ? /^query: / : new RegExp(`^query: ${reason}: words of Google$`),
          )
        }))
    }
    it('keeps reason and request of an error, and no parameter of it', () =>
      setup(async ({ port, fake }) => {
        fake.handle(({ path }) =>
          path.endsWith('/queries')
            ? fail(403, 'accessDenied', 'Access Denied: Table p:acme.costs: User does not have permission')
            : undefined,
        )
        const fault = await expectCode(
          port.query({ query: 'SELECT @s', parameters: [{ name: 's', type: 'STRING', value: 'hunter2' }] }),
          'FORBIDDEN',
          /^query: accessDenied: Access Denied: Table p:acme\.costs/,
        )
        expect(fault.message).not.to.contain('hunter2')
      }))
  })

  describe('datasets, tables and the start', () => {
    it('says who made a thing when several make it at once', () =>
      setup(async ({ port, fake }) => {
        expect(
          (await Promise.all([1, 2, 3].map(() => port.ensureDataset('new', { labels: { owner: 'tenant' } })))).sort(),
        ).to.deep.equal(['created', 'existed', 'existed'])
        expect(fake.datasets.get('new')).to.deep.include({ location: 'EU' })
        expect(await port.getDataset('new')).to.deep.equal({ labels: { owner: 'tenant' } })
        expect(await port.getDataset('none')).to.equal(undefined)
        expect(
          (
            await Promise.all(
              [1, 2, 3].map(() => port.ensureTable({ dataset: 'acme', table: 't', columns: costColumns })),
            )
          ).sort(),
        ).to.deep.equal(['created', 'existed', 'existed'])
        expect(await port.ensureView({ dataset: 'acme', view: 'v', query: 'SELECT 1 AS a' })).to.equal('created')
        expect(await port.ensureView({ dataset: 'acme', view: 'v', query: 'SELECT 1 AS a' })).to.equal('existed')
        expect(await port.ensureView({ dataset: 'acme', view: 'v', query: 'SELECT 2 AS a' })).to.equal('replaced')
        await expectCode(port.ensureView({ dataset: 'acme', view: 't', query: 'SELECT 2 AS a' }), 'ALREADY_EXISTS')
        await port.dropDataset('acme')
        await port.dropDataset('acme')
        await expectCode(
          port.ensureTable({ dataset: 'acme', table: 't', columns: costColumns }),
          'TABLE_NOT_FOUND',
          /create table acme\.t: notFound/,
        )
      }))
    const starts: [string, number, string, string, RegExp][] = [
      [
        'the API is off',
        403,
        'accessNotConfigured',
        'BigQuery API has not been used in project 1 before or it is disabled.',
        /BigQuery API is off; turn it on with `gcloud services enable bigquery\.googleapis\.com --project p`/,
      ],
      [
        'a permission is missing',
        403,
        'accessDenied',
        'User does not have bigquery.jobs.create permission in project p.',
        /roles\/bigquery\.jobUser/,
      ],
      ['there are no credentials', 401, 'authError', 'Invalid Credentials', /gcloud auth application-default login/],
      [
        'the project does not exist',
        404,
        'notFound',
        'Project p is not found.',
        /project p \(GCP_PROJECT_ID\) does not exist/,
      ],
      ['the location is none', 400, 'invalid', 'Location Mars does not exist', /BIGQUERY_LOCATION/],
    ]
    for (const [what, status, reason, message, words] of starts) {
      it(`says in one sentence at the start that ${what}`, () =>
        setup(async ({ port, fake }) => {
          fake.handle(({ path, method }) =>
            path.endsWith('/jobs') && method === 'POST' ? fail(status, reason, message) : undefined,
          )
          const fault = await expectCode(port.assertUsable(), 'SETTING_INVALID', words)
          expect(fault.message)
            .to.match(/docs\//)
            .and.not.to.contain('\n')
        }))
    }
    it('says at the start which dataset is missing, and which is elsewhere', () =>
      setup(async ({ port, fake }) => {
        await port.assertUsable(['tenants'])
        await expectCode(
          port.assertUsable(['tenants', 'gone']),
          'SETTING_INVALID',
          /dataset p\.gone does not exist.*tools\/apply makes it/,
        )
        fake.datasets.set('us', { location: 'US' })
        await expectCode(
          port.assertUsable(['us']),
          'SETTING_INVALID',
          /dataset p\.us is in US, BIGQUERY_LOCATION says EU/,
        )
      }))
    it('goes where its options say, whatever the environment says', async () => {
      const before = process.env['BIGQUERY_EMULATOR_HOST']
      process.env['BIGQUERY_EMULATOR_HOST'] = 'http://127.0.0.1:1'
      try {
        await setup(async ({ port, fake }) => {
          await port.assertUsable()
          expect(fake.requests.every(({ path }) => path.startsWith('/bigquery/v2/projects/p/'))).to.equal(true)
        })
      } finally {
        if (before === undefined) delete process.env['BIGQUERY_EMULATOR_HOST']
        else process.env['BIGQUERY_EMULATOR_HOST'] = before
      }
    })
    it('says at the start that nobody answers at the local address, and is not healthy then', () =>
      setup(async ({ port, fake }) => {
        await port.assertUsable()
        expect(await port.healthy()).to.equal(true)
        await fake.close()
        await expectCode(port.assertUsable(), 'SETTING_INVALID', /BIGQUERY_EMULATOR_HOST\) does not answer/)
        expect(await port.healthy()).to.equal(false)
      }))
  })
})
