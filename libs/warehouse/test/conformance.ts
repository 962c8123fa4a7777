/**
 * What the door to the warehouse means, whoever is behind it. A suite gets its target passed in: `open` makes an empty
 * warehouse, with the
 * port beneath it so that answers can be lost between the two.
 */
import { expect } from 'chai'
import { AppError } from '@convergence/contracts'
import type { Column, ErrorCode } from '@convergence/contracts'
import { openWarehouse } from '../src/warehouse.ts'
import type { Chain, Destination, Job, QuerySpec, Warehouse, WarehousePort } from '../src/warehouse.ts'

export interface Opened {
  port: WarehousePort
  /** Lets go of everything that `open` made. */ close(): Promise<void>
}
export interface WarehouseConformance {
  open: () => Promise<Opened>
}

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
const logColumns: Column[] = [
  { name: 'seq', type: 'INT64', mode: 'REQUIRED' },
  { name: 'idx', type: 'INT64', mode: 'REQUIRED' },
  { name: 'event_id', type: 'STRING' },
  { name: 'at', type: 'TIMESTAMP' },
  { name: 'day', type: 'DATE' },
  { name: 'cost', type: 'NUMERIC' },
  { name: 'ok', type: 'BOOL' },
  { name: 'tags', type: 'STRING', mode: 'REPEATED' },
  { name: 'body', type: 'JSON' },
]
const row = (seq: number, more: Record<string, unknown> = {}) => ({
  seq,
  idx: 0,
  event_id: `e${seq}`,
  at: '2025-11-19T01:02:03.000Z',
  day: '2025-11-19',
  cost: '1.5',
  ok: true,
  tags: ['a', 'b'],
  body: { x: [1, { y: null }] },
  ...more,
})

export const warehouseConformance = ({ open }: WarehouseConformance): void => {
  /** A warehouse with the dataset `tenants`, a log in it, and a tenant's dataset. */
  const setup = async (
    work: (world: {
      warehouse: Warehouse
      port: WarehousePort
      through: (port: Partial<WarehousePort>) => Warehouse
    }) => Promise<void>,
  ): Promise<void> => {
    const { port, close } = await open()
    try {
      const through = (other: Partial<WarehousePort>): Warehouse =>
        openWarehouse({ engine: { ...port, ...other }, random: () => 0.5, sleep: () => Promise.resolve() })
      const warehouse = through({})
      await warehouse.ensureDataset('tenants')
      await warehouse.ensureTable({ dataset: 'tenants', table: 'log', columns: logColumns })
      await warehouse.ensureDataset('acme', { labels: { owner: 'tenant' } })
      await work({ warehouse, port, through })
    } finally {
      await close()
    }
  }
  let steps = 0
  const chain = (step_id = `step${(steps += 1)}`): Chain => ({
    run_id: 'r_test',
    step_id,
    max_retries: 2,
    retry_delay_seconds: 1,
    tenant_id: 'acme',
  })
  const into = (warehouse: Warehouse, more: Partial<Destination> = {}): Destination => ({
    project_id: warehouse.project_id,
    dataset: 'acme',
    table: 'costs',
    write_mode: 'append',
    ...more,
  })
  const query = (warehouse: Warehouse, text: string, more: Partial<Destination> = {}): QuerySpec => ({
    kind: 'query',
    query: text,
    destination: into(warehouse, more),
  })
  const costs = async (warehouse: Warehouse) =>
    (await warehouse.query({ query: 'SELECT day, cost FROM costs ORDER BY day, cost', default_dataset: 'acme' })).map(
      ({ day, cost }) => `${String(day)} ${String(cost)}`,
    )
  const day = (text: string, cost: string) => `SELECT DATE '${text}' AS day, NUMERIC '${cost}' AS cost`

  it('runs a job once, whoever asks how often, and gives everybody the same answer', () =>
    setup(async ({ warehouse }) => {
      const one = chain()
      const answers = await Promise.all(
        Array.from({ length: 5 }, () => warehouse.runJob(one, query(warehouse, day('2025-11-19', '1')))),
      )
      expect(answers.map(({ rows_written, attempt }) => `${rows_written} ${attempt}`)).to.deep.equal(
        Array.from({ length: 5 }, () => '1 0'),
      )
      expect(answers.filter(({ adopted }) => !adopted)).to.have.length(1)
      expect((await warehouse.runJob(one, query(warehouse, day('2025-11-19', '1')))).adopted).to.equal(true)
      expect(await costs(warehouse)).to.deep.equal(['2025-11-19 1'])
    }))
  it('adopts a job whose answer was lost', () =>
    setup(async ({ warehouse, port, through }) => {
      let lost = 0
      const flaky = through({
        insert: async (...call) => {
          await port.insert(...call)
          lost += 1
          throw new Error('the answer was lost')
        },
      })
      expect((await flaky.runJob(chain(), query(warehouse, day('2025-11-19', '1')))).rows_written).to.equal(1)
      expect(await flaky.commit('log', { epoch: 'e', shard: 0, seq: 1 }, [row(1)])).to.equal('mine')
      expect(lost).to.equal(2)
      expect(await costs(warehouse)).to.deep.equal(['2025-11-19 1'])
      expect(
        await warehouse.query({ query: 'SELECT COUNT(*) AS n FROM log', default_dataset: 'tenants' }),
      ).to.deep.equal([{ n: 1 }])
    }))
  it('inserts the same id again when the request was lost', () =>
    setup(async ({ warehouse, port, through }) => {
      const ids: string[] = []
      const flaky = through({
        insert: (id, ...call) => {
          ids.push(id)
          return ids.length < 3 ? Promise.reject(new Error('lost on the way')) : port.insert(id, ...call)
        },
      })
      await flaky.runJob(chain('lost'), query(warehouse, day('2025-11-19', '1')))
      expect(ids).to.deep.equal(Array.from({ length: 3 }, () => 'run-r_test-lost-a0'))
    }))
  it('leaves nothing of a failed job, and remembers the failure', () =>
    setup(async ({ warehouse, port }) => {
      await warehouse.runJob(chain(), query(warehouse, day('2025-11-19', '1')))
      await expectCode(
        warehouse.runJob(
          chain('bad'),
          query(warehouse, "SELECT DATE '2025-11-19' AS day, NUMERIC '1' / NUMERIC '0' AS cost", {
            write_mode: 'truncate',
          }),
        ),
        'QUERY_INVALID',
        /zero/,
      )
      expect(await costs(warehouse)).to.deep.equal(['2025-11-19 1'])
      expect((await port.get('run-r_test-bad-a0'))?.error?.code).to.equal('QUERY_INVALID')
      await expectCode(warehouse.runJob(chain('bad'), query(warehouse, day('2025-11-19', '1'))), 'QUERY_INVALID')
      expect(await port.get('run-r_test-bad-a1')).to.equal(undefined)
    }))
  it('goes on with the next id after a failure that may pass, and gives up after max_retries', () =>
    setup(async ({ warehouse, port, through }) => {
      const ids: string[] = []
      let failures = 2
      const failing = through({
        insert: (id, ...call) => {
          ids.push(id)
          if (failures-- <= 0) return port.insert(id, ...call)
          return Promise.resolve({
            job_id: id,
            state: 'DONE',
            labels: {},
            rows_written: 0,
            bytes_processed: 0,
            error: { code: 'JOB_FAILED', message: 'backendError', retryable: true },
          })
        },
      })
      expect((await failing.runJob(chain('retried'), query(warehouse, day('2025-11-19', '1')))).attempt).to.equal(2)
      expect(ids).to.deep.equal(['run-r_test-retried-a0', 'run-r_test-retried-a1', 'run-r_test-retried-a2'])
      failures = 3
      await expectCode(
        failing.runJob(chain('hopeless'), query(warehouse, day('2025-11-19', '1'))),
        'JOB_FAILED',
        /backendError/,
      )
    }))
  it('replaces a period and leaves the others alone', () =>
    setup(async ({ warehouse }) => {
      await warehouse.runJob(
        chain(),
        query(
          warehouse,
          `${day('2025-11-18', '1')} UNION ALL ${day('2025-11-19', '2')} UNION ALL ${day('2025-11-19', '3')}`,
        ),
      )
      const swap = { write_mode: 'truncate', period: { day: '2025-11-19' } } as const
      await warehouse.runJob(chain(), query(warehouse, day('2025-11-19', '9'), swap))
      expect(await costs(warehouse)).to.deep.equal(['2025-11-18 1', '2025-11-19 9'])
      await expectCode(
        warehouse.runJob(
          chain(),
          query(warehouse, `${day('2025-11-19', '5')} UNION ALL ${day('2025-11-20', '5')}`, swap),
        ),
        'ROW_OUTSIDE_PERIOD',
        /2025-11-20/,
      )
      expect(await costs(warehouse)).to.deep.equal(['2025-11-18 1', '2025-11-19 9'])
      await warehouse.runJob(chain(), query(warehouse, `SELECT * FROM (${day('2025-11-19', '5')}) WHERE FALSE`, swap))
      expect(await costs(warehouse)).to.deep.equal(['2025-11-18 1'])
    }))
  it('replaces the days of a range at once, also days of which there is nothing new', () =>
    setup(async ({ warehouse }) => {
      const days = ['2025-11-17', '2025-11-18', '2025-11-19', '2025-11-20']
      const all = days.map((each, k) => `${day(each, String(k))}, 'main' AS source_name`).join(' UNION ALL ')
      const other = `${day('2025-11-18', '7')}, 'other' AS source_name`
      await warehouse.runJob(chain(), query(warehouse, `${all} UNION ALL ${other}`))
      const swap = {
        write_mode: 'truncate',
        period: { day: { from: '2025-11-18', to: '2025-11-19' }, source_name: 'main' },
      } as const
      const outside = `${day('2025-11-19', '9')}, 'main' AS source_name UNION ALL ${day('2025-11-20', '9')}, 'main'`
      await expectCode(
        warehouse.runJob(chain(), query(warehouse, outside, swap)),
        'ROW_OUTSIDE_PERIOD',
        /day = 2025-11-20, the period that is replaced is 2025-11-18 to 2025-11-19/,
      )
      await warehouse.runJob(chain(), query(warehouse, `${day('2025-11-19', '9')}, 'main' AS source_name`, swap))
      expect(await costs(warehouse)).to.deep.equal(['2025-11-17 0', '2025-11-18 7', '2025-11-19 9', '2025-11-20 3'])
    }))
  it('refuses a range of what is no day, and one that ends before it begins', () =>
    setup(async ({ warehouse }) => {
      await warehouse.runJob(chain(), query(warehouse, `${day('2025-11-18', '1')}, 'main' AS source_name`))
      for (const period of [{ source_name: { from: 'a', to: 'b' } }, { day: { from: '2025-11-19', to: '2025-11-18' } }])
        await expectCode(
          warehouse.runJob(chain(), query(warehouse, day('2025-11-18', '2'), { write_mode: 'truncate', period })),
          'CONFIG_INVALID',
          /period\.(source_name|day): expected/,
        )
      expect(await costs(warehouse)).to.deep.equal(['2025-11-18 1'])
    }))
  it('replaces with a period the rows that go with it, and no others', () =>
    setup(async ({ warehouse }) => {
      const row = (date: string, cost: string, name: string | null) =>
        `${day(date, cost)}, ${name === null ? 'CAST(NULL AS STRING)' : `'${name}'`} AS source_name`
      const rows = [
        row('2025-11-18', '1', null),
        row('2025-11-19', '2', null),
        row('2025-11-19', '3', 's3://old'),
        row('2025-11-19', '4', 'other'),
        row('2025-11-19', '5', 'main'),
      ]
      await warehouse.runJob(chain(), query(warehouse, rows.join(' UNION ALL ')))
      await warehouse.runJob(
        chain(),
        query(warehouse, row('2025-11-19', '9', 'main'), {
          write_mode: 'truncate',
          period: { day: '2025-11-19', source_name: 'main' },
          also_replaces: [
            { day: '2025-11-19', source_name: null },
            { day: '2025-11-19', source_name: 's3://old' },
            { day: '2025-11-19', no_such_column: 'x' },
          ],
        }),
      )
      expect(await costs(warehouse)).to.deep.equal(['2025-11-18 1', '2025-11-19 4', '2025-11-19 9'])
    }))
  it('writes an empty table once with write_empty, and everything anew with truncate', () =>
    setup(async ({ warehouse }) => {
      await warehouse.runJob(chain(), query(warehouse, day('2025-11-18', '1'), { write_mode: 'write_empty' }))
      await expectCode(
        warehouse.runJob(chain(), query(warehouse, day('2025-11-18', '1'), { write_mode: 'write_empty' })),
        'TABLE_NOT_EMPTY',
      )
      await warehouse.runJob(chain(), query(warehouse, day('2025-11-20', '2'), { write_mode: 'truncate' }))
      expect(await costs(warehouse)).to.deep.equal(['2025-11-20 2'])
    }))
  it('replaces a table, or a period of it, by what a query reads of itself', () =>
    setup(async ({ warehouse }) => {
      await warehouse.runJob(chain(), query(warehouse, day('2025-11-18', '1')))
      await warehouse.runJob(chain(), query(warehouse, day('2025-11-19', '2')))
      const own = 'SELECT day, cost + @more AS cost FROM acme.costs WHERE cost > 0'
      const more = { parameters: [{ name: 'more', type: 'INT64', value: 1 }] } as const
      const again = (write: Parameters<typeof query>[2], text = own) => ({ ...query(warehouse, text, write), ...more })
      expect((await warehouse.runJob(chain(), again({ write_mode: 'truncate' }))).rows_written).to.equal(2)
      expect(await costs(warehouse)).to.deep.equal(['2025-11-18 2', '2025-11-19 3'])
      await warehouse.runJob(
        chain(),
        again({ write_mode: 'truncate', period: { day: '2025-11-19' } }, `${own} AND day = '2025-11-19'`),
      )
      expect(await costs(warehouse)).to.deep.equal(['2025-11-18 2', '2025-11-19 4'])
      await expectCode(
        warehouse.runJob(chain(), again({ write_mode: 'truncate' }, "SELECT day, ERROR('no') AS cost FROM acme.costs")),
        'QUERY_INVALID',
      )
      expect(await costs(warehouse)).to.deep.equal(['2025-11-18 2', '2025-11-19 4'])
    }))
  it('makes the table that is missing and adds the columns that are', () =>
    setup(async ({ warehouse }) => {
      await warehouse.runJob(
        chain(),
        query(warehouse, day('2025-11-18', '1'), { columns: [{ name: 'note', type: 'STRING' }] }),
      )
      await warehouse.runJob(chain(), query(warehouse, "SELECT DATE '2025-11-19' AS day, 2 AS cost, [1, 2] AS extra"))
      const rows = await warehouse.query({
        query: 'SELECT note, day, cost, extra FROM costs ORDER BY day',
        default_dataset: 'acme',
      })
      expect(rows).to.deep.equal([
        { note: null, day: '2025-11-18', cost: '1', extra: [] },
        { note: null, day: '2025-11-19', cost: '2', extra: [1, 2] },
      ])
      await expectCode(
        warehouse.runJob(chain(), query(warehouse, 'SELECT 1 AS other', { add_columns: false })),
        'QUERY_INVALID',
        /other/,
      )
      await expectCode(warehouse.runJob(chain(), query(warehouse, "SELECT 'x' AS cost")), 'QUERY_INVALID', /cost/)
    }))
  it('names every table that a dry run would read, views followed, and runs nothing', () =>
    setup(async ({ warehouse }) => {
      await warehouse.ensureTable({
        dataset: 'acme',
        table: 'costs',
        columns: [
          { name: 'day', type: 'DATE' },
          { name: 'cost', type: 'NUMERIC' },
        ],
      })
      await warehouse.ensureView({
        dataset: 'acme',
        view: 'recent',
        query:
          `SELECT c.day, l.seq FROM \`${warehouse.project_id}.acme.costs\` AS c JOIN ` +
          `\`${warehouse.project_id}.tenants.log\` AS l ON l.day = c.day`,
      })
      const dry = await warehouse.dryRun({
        query:
          'WITH costs AS (SELECT day FROM recent) SELECT day, COUNT(*) AS n FROM costs WHERE day = @day GROUP BY day',
        parameters: [{ name: 'day', type: 'DATE', value: '2025-11-19' }],
        default_dataset: 'acme',
      })
      expect(dry.statement_type).to.equal('SELECT')
      expect(dry.referenced_tables.map(({ dataset, table }) => `${dataset}.${table}`).sort()).to.deep.equal([
        'acme.costs',
        'tenants.log',
      ])
      expect(dry.columns.map(({ name, type }) => `${name} ${type}`)).to.deep.equal(['day DATE', 'n INT64'])
      expect(
        (await warehouse.dryRun({ query: 'DELETE FROM costs WHERE TRUE', default_dataset: 'acme' })).statement_type,
      ).to.equal('DELETE')
    }))
  it('reads only: a statement that would write is refused', () =>
    setup(async ({ warehouse }) => {
      await expectCode(
        warehouse.query({ query: 'DELETE FROM log WHERE TRUE', default_dataset: 'tenants' }),
        'QUERY_INVALID',
      )
      await expectCode(warehouse.runJob(chain(), query(warehouse, 'CREATE TABLE x (a INT64)')), 'QUERY_INVALID')
      await expectCode(
        warehouse.query({ query: 'SELECT * FROM nothing', default_dataset: 'tenants' }),
        'TABLE_NOT_FOUND',
      )
      await expectCode(
        warehouse.runJob(chain(), query(warehouse, day('2025-11-19', '1'), { dataset: 'nobody' })),
        'TABLE_NOT_FOUND',
      )
    }))
  it('reads a large result in parts, of the moment at which it began, and may be left early', () =>
    setup(async ({ warehouse }) => {
      const statement = { query: 'SELECT k FROM UNNEST(GENERATE_ARRAY(1, 5000)) AS k' }
      const seen: unknown[] = []
      for await (const rows of warehouse.pages(statement, { page_rows: 900 })) {
        expect(rows.length).to.be.within(1, 900)
        for (const { k } of rows) seen.push(k)
      }
      expect(seen.map(Number).toSorted((a, b) => a - b)).to.deep.equal(Array.from({ length: 5000 }, (_, k) => k + 1))
      await warehouse.runJob(chain(), query(warehouse, day('2025-11-19', '1')))
      for (let k = 0; k < 6; k += 1)
        for await (const rows of warehouse.pages({ query: 'SELECT cost FROM costs', default_dataset: 'acme' })) {
          expect(rows).to.deep.equal([{ cost: '1' }])
          break
        }
      const none: unknown[] = []
      for await (const rows of warehouse.pages({
        query: 'SELECT cost FROM costs WHERE FALSE',
        default_dataset: 'acme',
      }))
        none.push(rows)
      expect(none).to.deep.equal([])
      const refused = async (text: string) => {
        for await (const rows of warehouse.pages({ query: text, default_dataset: 'acme' })) none.push(rows)
      }
      await expectCode(refused('SELECT * FROM nothing'), 'TABLE_NOT_FOUND')
      await expectCode(refused('DELETE FROM costs WHERE TRUE'), 'QUERY_INVALID')
      await expectCode(refused("SELECT ERROR('told') FROM costs"), 'QUERY_INVALID')
    }))
  it('gives each commit of a log to one writer', () =>
    setup(async ({ warehouse }) => {
      const at = { epoch: 'e1', shard: 0, seq: 1 }
      const results = await Promise.all(
        ['x', 'y', 'z'].map((event_id) =>
          warehouse.commit('log', at, [row(1, { event_id }), row(1, { event_id, idx: 1 })]),
        ),
      )
      expect(results.filter((result) => result === 'mine')).to.have.length(1)
      const winner = ['x', 'y', 'z'][results.indexOf('mine')]
      expect(
        await warehouse.query({ query: 'SELECT event_id FROM log ORDER BY idx', default_dataset: 'tenants' }),
      ).to.deep.equal([{ event_id: winner }, { event_id: winner }])
      expect(
        await warehouse.commit('log', at, [row(1, { event_id: winner }), row(1, { event_id: winner, idx: 1 })]),
      ).to.equal('mine')
      expect(await warehouse.commit('log', { ...at, epoch: 'e2' }, [row(1, { event_id: 'other epoch' })])).to.equal(
        'mine',
      )
    }))
  it('goes past a commit that failed for good, once its cause is mended, and throws only for its own', () =>
    setup(async ({ warehouse, port, through }) => {
      const at = { epoch: 'e1', shard: 0, seq: 1 }
      const job: Job = {
        job_id: 'adm-e1-0-1-a0',
        state: 'DONE',
        labels: {},
        rows_written: 0,
        bytes_processed: 0,
        error: { code: 'FORBIDDEN', message: 'refused', retryable: false },
      }
      let there = false
      const failed = through({
        insert: (id, ...call) => {
          if (id !== job.job_id) return port.insert(id, ...call)
          const first = !there
          there = true
          return Promise.resolve(first ? job : 'exists')
        },
        get: (id) => (id === job.job_id ? Promise.resolve(there ? job : undefined) : port.get(id)),
      })
      await expectCode(failed.commit('log', at, [row(1)]), 'FORBIDDEN', /refused/)
      expect(await failed.commit('log', at, [row(1)])).to.equal('mine')
      expect(await failed.commit('log', at, [row(1, { event_id: 'other' })])).to.equal('conflict')
      expect(await warehouse.query({ query: 'SELECT event_id FROM log', default_dataset: 'tenants' })).to.deep.equal([
        { event_id: 'e1' },
      ])
    }))
  it('says how a job ended that was asked to stop while nobody answered', () =>
    setup(async ({ warehouse, port, through }) => {
      const over = new AbortController()
      let silent = 3
      const flaky = through({
        insert: async (...call) => {
          const job = await port.insert(...call)
          over.abort(new AppError('TIMED_OUT', 'over'))
          if (job !== 'exists') await port.wait(job.job_id)
          throw new Error('the answer was lost')
        },
        get: (id) =>
          over.signal.aborted && silent-- > 0 ? Promise.reject(new AppError('UNAVAILABLE', 'no answer')) : port.get(id),
      })
      expect(
        (await flaky.runJob({ ...chain('stopped'), signal: over.signal }, query(warehouse, day('2025-11-19', '1'))))
          .rows_written,
        'it had finished',
      ).to.equal(1)
      silent = Infinity
      const never = new AbortController()
      const deaf = through({
        insert: () => {
          never.abort(new AppError('TIMED_OUT', 'over'))
          return Promise.reject(new Error('lost'))
        },
        get: () => Promise.reject(new AppError('UNAVAILABLE', 'no answer')),
      })
      await expectCode(
        deaf.runJob({ ...chain('unknown'), signal: never.signal }, query(warehouse, day('2025-11-19', '1'))),
        'UNAVAILABLE',
      )
    }))
  it('shows the next query what was appended, value for value', () =>
    setup(async ({ warehouse }) => {
      for (let k = 1; k <= 20; k++) {
        await warehouse.append('log', [row(k)])
        expect(
          await warehouse.query({ query: 'SELECT COUNT(*) AS n FROM log', default_dataset: 'tenants' }),
        ).to.deep.equal([{ n: k }])
      }
      expect(
        await warehouse.query({ query: 'SELECT * FROM log WHERE seq = 7', default_dataset: 'tenants' }),
      ).to.deep.equal([row(7)])
      await warehouse.append('log', [{ seq: 100, idx: 0 }])
      expect(
        await warehouse.query({
          query: 'SELECT event_id, `at`, day, cost, ok, tags, body FROM log WHERE seq = 100',
          default_dataset: 'tenants',
        }),
      ).to.deep.equal([{ event_id: null, at: null, day: null, cost: null, ok: null, tags: [], body: null }])
    }))
  it('refuses rows that the table does not take, before they are acknowledged', () =>
    setup(async ({ warehouse }) => {
      await expectCode(warehouse.append('log', [row(1, { at: 'yesterday' })]), 'QUERY_INVALID', /at/)
      await expectCode(warehouse.append('log', [{ idx: 0 }]), 'QUERY_INVALID', /seq/)
      await expectCode(warehouse.append('log', [row(1, { other: 1 })]), 'QUERY_INVALID', /other/)
      await expectCode(warehouse.append('nothing', [row(1)]), 'TABLE_NOT_FOUND')
    }))
  it('takes no day, clock, number or array that BigQuery has not, in rows and in parameters', () =>
    setup(async ({ warehouse }) => {
      const columns: Column[] = [
        { name: 'day', type: 'DATE' },
        { name: 'clock', type: 'TIME' },
        { name: 'at', type: 'TIMESTAMP' },
        { name: 'civil', type: 'DATETIME' },
        { name: 'whole', type: 'INT64' },
        { name: 'list', type: 'INT64', mode: 'REPEATED' },
      ]
      await warehouse.ensureTable({ dataset: 'tenants', table: 'kinds', columns })
      for (const [name, type, value] of [
        ['day', 'DATE', '0000-01-01'],
        ['day', 'DATE', '2025-02-29'],
        ['clock', 'TIME', '24:00:00'],
        ['clock', 'TIME', '10:60:00'],
        ['at', 'TIMESTAMP', '0000-01-01T00:00:00Z'],
        ['at', 'TIMESTAMP', '2025-11-19T24:00:00Z'],
        ['civil', 'DATETIME', '2025-11-19T24:00:00'],
        // As a number of JSON it has lost digits before it comes here.
        ['whole', 'INT64', 2 ** 53],
        ['whole', 'INT64', '9223372036854775808'],
      ] as const) {
        await expectCode(warehouse.append('kinds', [{ [name]: value }]), 'QUERY_INVALID', new RegExp(name))
        await expectCode(
          warehouse.query({ query: 'SELECT @p AS p', parameters: [{ name: 'p', type, value }] }),
          'QUERY_INVALID',
          /@p/,
        )
      }
      await warehouse.append('kinds', [
        { day: '0001-01-01', clock: '23:59:59', whole: '9223372036854775807', list: [2 ** 53 - 1] },
      ])
      expect(
        await warehouse.query({ query: 'SELECT day, whole, list FROM kinds', default_dataset: 'tenants' }),
      ).to.deep.equal([{ day: '0001-01-01', whole: '9223372036854775807', list: [2 ** 53 - 1] }])
    }))
  it('refuses NULL in an array in the same words, whichever way it comes, and lets a query have one', () =>
    setup(async ({ warehouse }) => {
      const columns: Column[] = [
        { name: 'whole', type: 'INT64', mode: 'REPEATED' },
        { name: 'json', type: 'JSON', mode: 'REPEATED' },
        { name: 'one', type: 'STRUCT', fields: [{ name: 'tags', type: 'STRING', mode: 'REPEATED' }] },
        {
          name: 'many',
          type: 'STRUCT',
          mode: 'REPEATED',
          fields: [{ name: 'days', type: 'DATE', mode: 'REPEATED' }],
        },
        ...['epoch', 'event_id'].map((name): Column => ({ name, type: 'STRING' })),
        ...['shard', 'seq', 'idx'].map((name): Column => ({ name, type: 'INT64' })),
      ]
      await warehouse.ensureTable({ dataset: 'tenants', table: 'arrays', columns })
      const wrong: [Record<string, unknown>, string][] = [
        [{ whole: [1, null] }, 'arrays.whole: expected an array of INT64, got NULL in it'],
        [{ json: [{ a: 1 }, null] }, 'arrays.json: expected an array of JSON, got NULL in it'],
        [{ one: { tags: [null] } }, 'arrays.one.tags: expected an array of STRING, got NULL in it'],
        [{ many: [{ days: [] }, null] }, 'arrays.many: expected an array of STRUCT, got NULL in it'],
        [{ many: [{ days: ['2025-11-19', null] }] }, 'arrays.many.days: expected an array of DATE, got NULL in it'],
      ]
      for (const [given, words] of wrong) {
        const appended = await expectCode(warehouse.append('arrays', [given]), 'QUERY_INVALID')
        expect(appended.message).to.contain(words)
        const committed = await expectCode(
          warehouse.commit('arrays', { epoch: 'e', shard: 0, seq: 1 }, [{ ...given, event_id: 'e1', idx: 0 }]),
          'QUERY_INVALID',
        )
        expect(committed.message).to.contain(words)
      }
      // JSON's own null inside of a value is a value.
      const row = { whole: [1], json: [{ a: null }], one: { tags: ['x'] }, many: [{ days: ['2025-11-19'] }] }
      await warehouse.append('arrays', [row])
      expect(
        await warehouse.query({ query: 'SELECT whole, json, one, many FROM arrays', default_dataset: 'tenants' }),
      ).to.deep.equal([row])

      const parameters = [{ name: 'ids', type: 'ARRAY<INT64>', value: [1, null] }]
      expect(
        await warehouse.query({
          query: 'SELECT ARRAY_LENGTH(@ids) AS n, 1 IN UNNEST(@ids) AS yes, 2 IN UNNEST(@ids) AS unknown',
          parameters,
        }),
      ).to.deep.equal([{ n: 2, yes: true, unknown: null }])
      for (const text of [
        'SELECT @ids AS f',
        'SELECT STRUCT(@ids AS f) AS s',
        'SELECT [STRUCT(@ids AS f)] AS s',
        'SELECT ARRAY_AGG(x) AS f FROM UNNEST(@ids) AS x',
      ])
        await expectCode(
          warehouse.query({ query: text, parameters }),
          'QUERY_INVALID',
          /Array cannot have a null element; error in writing field (s\.)?f/,
        )
      await expectCode(
        warehouse.runJob(chain(), { ...query(warehouse, 'SELECT @ids AS f'), parameters }),
        'QUERY_INVALID',
        /Array cannot have a null element; error in writing field f/,
      )
    }))
  it('binds parameters, never pastes them', () =>
    setup(async ({ warehouse }) => {
      await warehouse.append('log', [row(1, { event_id: "a' OR '1'='1" }), row(2)])
      const find = (value: unknown, type = 'STRING') =>
        warehouse.query({
          query: `SELECT seq FROM log WHERE event_id ${type === 'STRING' ? '= @id' : 'IN UNNEST(@id)'} ORDER BY seq`,
          parameters: [{ name: 'id', type, value }],
          default_dataset: 'tenants',
        })
      expect(await find("a' OR '1'='1")).to.deep.equal([{ seq: 1 }])
      expect(await find(['e2', 'e3'], 'ARRAY<STRING>')).to.deep.equal([{ seq: 2 }])
      await expectCode(
        warehouse.query({ query: 'SELECT @d AS d', parameters: [{ name: 'd', type: 'DATE', value: 'x' }] }),
        'QUERY_INVALID',
        /@d/,
      )
    }))
  it('gives numbers without loss and instants in UTC', () =>
    setup(async ({ warehouse }) => {
      expect(
        await warehouse.query({
          query:
            "SELECT NUMERIC '0.10' AS n, BIGNUMERIC '1.000000000000000001' AS b, 9007199254740993 AS i, " +
            "3 AS small, 0.5 AS f, TIMESTAMP '2025-11-19 01:02:03.000456+01:00' AS t, DATE '2025-11-19' AS d, " +
            "b'ab' AS bytes, STRUCT(1 AS x, ['y'] AS y) AS s",
        }),
      ).to.deep.equal([
        {
          n: '0.1',
          b: '1.000000000000000001',
          i: '9007199254740993',
          small: 3,
          f: 0.5,
          t: '2025-11-19T00:02:03.000456Z',
          d: '2025-11-19',
          bytes: 'YWI=',
          s: { x: 1, y: ['y'] },
        },
      ])
    }))
  it('ensures datasets, tables and views, however often and by how many', () =>
    setup(async ({ warehouse }) => {
      expect(
        (
          await Promise.all([1, 2, 3].map(() => warehouse.ensureDataset('globex', { labels: { owner: 'tenant' } })))
        ).sort(),
      ).to.deep.equal(['created', 'existed', 'existed'])
      expect(await warehouse.getDataset('globex')).to.deep.equal({ labels: { owner: 'tenant' } })
      expect(await warehouse.getDataset('nobody')).to.equal(undefined)
      const table = { dataset: 'globex', table: 't', columns: [{ name: 'a', type: 'INT64' }] satisfies Column[] }
      expect((await Promise.all([1, 2, 3].map(() => warehouse.ensureTable(table)))).sort()).to.deep.equal([
        'created',
        'existed',
        'existed',
      ])
      expect(
        await warehouse.ensureTable({ ...table, columns: [...table.columns, { name: 'b', type: 'STRING' }] }),
      ).to.equal('existed')
      const view = { dataset: 'globex', view: 'v', query: 'SELECT a, b FROM t' }
      expect(
        await warehouse.ensureView({ ...view, query: `SELECT a, b FROM \`${warehouse.project_id}.globex.t\`` }),
      ).to.equal('created')
      expect(
        await warehouse.ensureView({ ...view, query: `SELECT a, b FROM \`${warehouse.project_id}.globex.t\`` }),
      ).to.equal('existed')
      expect(await warehouse.query({ query: 'SELECT * FROM v', default_dataset: 'globex' })).to.deep.equal([])
      expect(
        await warehouse.ensureView({ ...view, query: `SELECT b FROM \`${warehouse.project_id}.globex.t\`` }),
      ).to.equal('replaced')
    }))
  it('drops a table, also one that is not there, and writes it anew', () =>
    setup(async ({ warehouse }) => {
      const gone = { dataset: 'acme', table: 'costs' }
      await warehouse.dropTable(gone)
      const short = { expires_hours: 1 }
      expect((await warehouse.runJob(chain(), query(warehouse, day('2025-11-19', '1'), short))).rows_written).to.equal(
        1,
      )
      await Promise.all([warehouse.dropTable(gone), warehouse.dropTable(gone)])
      await expectCode(costs(warehouse), 'TABLE_NOT_FOUND')
      await warehouse.runJob(chain(), query(warehouse, day('2025-11-19', '2'), { write_mode: 'write_empty' }))
      expect(await costs(warehouse)).to.deep.equal(['2025-11-19 2'])
    }))
  it('drops a dataset with all that is in it, and its job ids stay taken', () =>
    setup(async ({ warehouse }) => {
      expect(await warehouse.commit('log', { epoch: 'e1', shard: 0, seq: 1 }, [row(1)])).to.equal('mine')
      await warehouse.dropDataset('tenants')
      await expectCode(warehouse.query({ query: 'SELECT * FROM log', default_dataset: 'tenants' }), 'TABLE_NOT_FOUND')
      await warehouse.ensureDataset('tenants')
      await warehouse.ensureTable({ dataset: 'tenants', table: 'log', columns: logColumns })
      expect(
        await warehouse.query({ query: 'SELECT COUNT(*) AS n FROM log', default_dataset: 'tenants' }),
      ).to.deep.equal([{ n: 0 }])
      expect(await warehouse.commit('log', { epoch: 'e1', shard: 0, seq: 1 }, [row(1, { event_id: 'new' })])).to.equal(
        'conflict',
      )
      expect(await warehouse.commit('log', { epoch: 'e2', shard: 0, seq: 1 }, [row(1)])).to.equal('mine')
    }))
  describe('a chain that is cancelled from elsewhere', () => {
    const name = { run_id: 'r_test', step_id: 'long' }
    /** Takes minutes. */
    const long =
      "SELECT DATE '2025-11-19' AS day, CAST(COUNTIF(MOD(a * b, c) = 1) AS NUMERIC) AS cost " +
      'FROM UNNEST(GENERATE_ARRAY(1, 10000)) AS a, UNNEST(GENERATE_ARRAY(1, 10000)) AS b, ' +
      'UNNEST(GENERATE_ARRAY(1, 10000)) AS c'

    it('ends with its job: no row, no other attempt, and whoever walks it learns so', () =>
      setup(async ({ warehouse, port, through }) => {
        await warehouse.ensureTable({
          dataset: 'acme',
          table: 'costs',
          columns: [
            { name: 'day', type: 'DATE' },
            { name: 'cost', type: 'NUMERIC' },
          ],
        })
        const ended = Promise.all(
          [1, 2].map(() => expectCode(warehouse.runJob(chain('long'), query(warehouse, long)), 'CANCELLED')),
        )
        while ((await port.get('run-r_test-long-a0')) === undefined)
          await new Promise((resolve) => setTimeout(resolve, 5))
        await through({}).cancelChain(name)
        await ended
        expect(await costs(warehouse)).to.deep.equal([])
        expect(await port.get('run-r_test-long-a1')).to.equal(undefined)
        await warehouse.cancelChain(name)
        await expectCode(warehouse.runJob(chain('long'), query(warehouse, day('2025-11-19', '1'))), 'CANCELLED')
      }))
    it("is in nobody's way: what has to be committed first is, however many long jobs run", () =>
      setup(async ({ warehouse, port }) => {
        const ids = ['one', 'two', 'three']
        const ended = Promise.all(
          ids.map((id) => expectCode(warehouse.runJob(chain(id), query(warehouse, long)), 'CANCELLED')),
        )
        for (const id of ids)
          while ((await port.get(`run-r_test-${id}-a0`)) === undefined)
            await new Promise((resolve) => setTimeout(resolve, 5))
        expect(await warehouse.commit('log', { epoch: 'e1', shard: 0, seq: 1 }, [row(1)])).to.equal('mine')
        await Promise.all(ids.map((step_id) => warehouse.cancelChain({ run_id: 'r_test', step_id })))
        await ended
        expect(await costs(warehouse).catch(() => [])).to.deep.equal([])
      }))
    it('lets go of whoever waits for the job, however early it is asked to', () =>
      setup(async ({ warehouse, port }) => {
        await port.insert('waited', query(warehouse, long), {})
        const stop = new AbortController()
        const waiting = expectCode(port.wait('waited', stop.signal), 'CANCELLED')
        stop.abort(new AppError('CANCELLED', 'over'))
        await waiting
        await port.cancel('waited')
        expect((await port.wait('waited')).error?.code).to.equal('CANCELLED')
      }))
    it('keeps what had finished; where nothing runs nothing happens', () =>
      setup(async ({ warehouse, through }) => {
        await warehouse.cancelChain(name)
        await warehouse.runJob(chain('long'), query(warehouse, day('2025-11-19', '1')))
        await through({ cancel: () => Promise.reject(new Error('nothing runs')) }).cancelChain(name)
        expect(await warehouse.runJob(chain('long'), query(warehouse, day('2025-11-19', '1')))).to.include({
          adopted: true,
        })
        expect(await costs(warehouse)).to.deep.equal(['2025-11-19 1'])
      }))
    it('loses the attempt that runs, which is the last one, of this part of the step alone', () =>
      setup(async ({ through }) => {
        const failed = { code: 'JOB_FAILED', message: 'backendError', retryable: true } as const
        const jobs = new Map<string, Pick<Job, 'state' | 'error'>>([
          ['run-r_test-long-a0', { state: 'DONE', error: failed }],
          ['run-r_test-long-a1', { state: 'DONE', error: failed }],
          ['run-r_test-long-a2', { state: 'RUNNING' }],
          ['run-r_test-long-part-a0', { state: 'PENDING' }],
        ])
        const stopped: string[] = []
        const watched = through({
          get: (id) =>
            Promise.resolve(
              jobs.has(id)
                ? { job_id: id, state: 'DONE', labels: {}, rows_written: 0, bytes_processed: 0, ...jobs.get(id) }
                : undefined,
            ),
          cancel: (id) => {
            stopped.push(id)
            return Promise.resolve()
          },
        })
        await watched.cancelChain(name)
        await watched.cancelChain({ ...name, part: 'part' })
        expect(stopped).to.deep.equal(['run-r_test-long-a2', 'run-r_test-long-part-a0'])
        await expectCode(
          through({ get: () => Promise.reject(new AppError('UNAVAILABLE', 'no answer')) }).cancelChain(name),
          'UNAVAILABLE',
        )
      }))
  })
  it('has no effect of a job that was cancelled in time', () =>
    setup(async ({ warehouse }) => {
      const late = new AbortController()
      late.abort(new AppError('TIMED_OUT', 'over'))
      await expectCode(
        warehouse.runJob({ ...chain(), signal: late.signal }, query(warehouse, day('2025-11-19', '1'))),
        'TIMED_OUT',
      )
      await expectCode(costs(warehouse), 'TABLE_NOT_FOUND')
    }))
}
