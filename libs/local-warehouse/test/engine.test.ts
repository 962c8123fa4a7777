import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { gzipSync } from 'node:zlib'
import { expect } from 'chai'
import { AppError } from '@convergence/contracts'
import type { Column, ErrorCode } from '@convergence/contracts'
import { openWarehouse } from '@convergence/warehouse'
import type { Chain, LoadColumn, LoadSpec, Warehouse } from '@convergence/warehouse'
import { warehouseConformance } from '@convergence/warehouse/conformance'
import { openEngine } from '../src/engine.ts'

const makeFolder = () => mkdtempSync(join(tmpdir(), 'convergence-warehouse-'))
const remove = (folder: string) => {
  rmSync(folder, { recursive: true, force: true })
}
const expectCode = async (work: Promise<unknown>, code: ErrorCode, words?: RegExp): Promise<void> => {
  const fault = await work.then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(fault, `expected ${code}`).to.be.instanceOf(AppError)
  expect((fault as AppError).code, (fault as AppError).message).to.equal(code)
  if (words !== undefined) expect((fault as AppError).message).to.match(words)
}
let steps = 0
const chain = (): Chain => ({
  run_id: 'r_test',
  step_id: `s${(steps += 1)}`,
  max_retries: 0,
  retry_delay_seconds: 0,
  tenant_id: 'acme',
})

/** A warehouse in its own folder, with the datasets `tenants` and `acme`. */
const setup = async (
  work: (world: { warehouse: Warehouse; folder: string; reopen(): Promise<Warehouse> }) => Promise<void>,
): Promise<void> => {
  const folder = makeFolder()
  const open = async () => openWarehouse({ engine: await openEngine({ folder, project_id: 'local' }), random: () => 0 })
  let warehouse = await open()
  try {
    await warehouse.ensureDataset('tenants')
    await warehouse.ensureDataset('acme')
    await work({
      warehouse,
      folder,
      reopen: async () => {
        await warehouse.close()
        warehouse = await open()
        return warehouse
      },
    })
  } finally {
    await warehouse.close()
    remove(folder)
  }
}

describe('warehouse engine', function () {
  this.timeout(20_000)

  describe('conformance', () => {
    warehouseConformance({
      open: async () => {
        const folder = makeFolder()
        const port = await openEngine({ folder, project_id: 'local' })
        return {
          port,
          close: async () => {
            await port.close()
            remove(folder)
          },
        }
      },
    })
  })

  it('keeps everything across a restart', () =>
    setup(async ({ warehouse, reopen }) => {
      await warehouse.ensureTable({ dataset: 'tenants', table: 'log', columns: [{ name: 'n', type: 'INT64' }] })
      await warehouse.ensureView({ dataset: 'acme', view: 'v', query: 'SELECT n FROM `local.tenants.log`' })
      await warehouse.append('log', [{ n: 1 }, { n: 2 }])
      expect(await warehouse.commit('log', { epoch: 'e', shard: 0, seq: 1 }, [{ n: 3 }])).to.equal('mine')
      const again = await reopen()
      expect(await again.query({ query: 'SELECT n FROM v ORDER BY n', default_dataset: 'acme' })).to.deep.equal([
        { n: 1 },
        { n: 2 },
        { n: 3 },
      ])
      expect(await again.commit('log', { epoch: 'e', shard: 0, seq: 1 }, [{ n: 4 }])).to.equal('conflict')
      expect(await again.healthy()).to.equal(true)
    }))

  it('takes rows with half of a character, which JSON can say, and those that came with them', () =>
    setup(async ({ warehouse, reopen }) => {
      await warehouse.ensureTable({
        dataset: 'tenants',
        table: 'log',
        columns: [
          { name: 'text', type: 'STRING' },
          { name: 'body', type: 'JSON' },
        ],
      })
      expect(
        await warehouse.commit('log', { epoch: 'e', shard: 0, seq: 1 }, [
          { text: 'a \ud83d', body: { b: ['\udc00'] } },
          { text: 'whole 😀', body: null },
        ]),
      ).to.equal('mine')
      await warehouse.append('log', [{ text: '\\ud83d', body: null }])
      const texts = [{ text: 'a �' }, { text: 'whole 😀' }, { text: '\\ud83d' }]
      expect(await warehouse.query({ query: 'SELECT text FROM log', default_dataset: 'tenants' })).to.have.deep.members(
        texts,
      )
      expect(
        await (await reopen()).query({ query: 'SELECT text FROM log', default_dataset: 'tenants' }),
      ).to.have.deep.members(texts)
    }))

  it('loses nothing that was acknowledged when it is killed, and doubles nothing', async function () {
    this.timeout(120_000)
    const folder = makeFolder()
    const said: Record<string, number> = { appended: -1, committed: -1, job: -1, read: -1 }
    try {
      for (let round = 0; round < 3; round++) {
        // Beyond what the killed one may have written and not said.
        const from = 10 + Math.max(...Object.values(said))
        const child = spawn(process.execPath, [join(import.meta.dirname, 'writer.ts'), folder, String(from)], {
          stdio: ['ignore', 'pipe', 'inherit'],
        })
        const gone = new Promise((resolve) => {
          child.once('exit', resolve)
        })
        for await (const line of createInterface({ input: child.stdout })) {
          const [what = '', n] = line.split(' ')
          said[what] = Number(n)
          if (
            (said['job'] ?? 0) >= from + 4 + round &&
            (said['read'] ?? 0) >= from + 3 &&
            (said['committed'] ?? 0) >= from + 20
          )
            child.kill('SIGKILL')
        }
        await gone
        const warehouse = openWarehouse({ engine: await openEngine({ folder, project_id: 'local' }), random: () => 0 })
        try {
          for (const [what, table] of [
            ['appended', '`local.tenants.appended`'],
            ['committed', '`local.tenants.committed`'],
            ['job', '`local.acme.jobs`'],
          ] as const) {
            const rows = await warehouse.query({
              query: `SELECT n, COUNT(*) AS times FROM ${table} WHERE n >= ${from} GROUP BY n ORDER BY n`,
            })
            expect(
              rows.every(({ times }) => times === 1),
              `${what}: each once`,
            ).to.equal(true)
            // What was not acknowledged may be there or not; it was one at a time, so at most one more.
            const acknowledged = (said[what] ?? 0) - from + 1
            expect(
              rows.map(({ n }) => n),
              what,
            ).to.deep.equal(Array.from({ length: rows.length }, (_, k) => from + k))
            expect(rows.length, what).to.be.within(acknowledged, acknowledged + 1)
          }
          const last = said['committed'] ?? 0
          expect(await warehouse.commit('committed', { epoch: 'e', shard: 0, seq: last }, [{ n: last }])).to.equal(
            'mine',
          )
          expect(await warehouse.commit('committed', { epoch: 'e', shard: 0, seq: last }, [{ n: -1 }])).to.equal(
            'conflict',
          )
        } finally {
          await warehouse.close()
        }
      }
    } finally {
      remove(folder)
    }
  })

  it('tells the second owner in one sentence who the first is', () =>
    setup(async ({ folder }) => {
      await expectCode(
        openEngine({ folder, project_id: 'local' }),
        'SETTING_INVALID',
        new RegExp(`in use by process ${process.pid} .*another data folder$`),
      )
    }))
  it('tells in one sentence that a folder or file is not usable', async () => {
    const folder = makeFolder()
    try {
      writeFileSync(join(folder, 'file'), 'x')
      await expectCode(
        openEngine({ folder: join(folder, 'file'), project_id: 'local' }),
        'SETTING_INVALID',
        /expected a folder/,
      )
      writeFileSync(
        join(folder, 'warehouse.duckdb'),
        'this is no database at all, whatever its name says, and it is long enough to be read',
      )
      await expectCode(openEngine({ folder, project_id: 'local' }), 'SETTING_INVALID', /cannot be opened/)
    } finally {
      remove(folder)
    }
  })
  it('makes its files readable by its user only', () =>
    setup(({ folder }) => {
      for (const name of ['journal.db', 'warehouse.duckdb'])
        expect(statSync(join(folder, name)).mode & 0o077, name).to.equal(0)
      return Promise.resolve()
    }))
  it('reaches nothing outside its scratch folder', () =>
    setup(async ({ warehouse }) => {
      await expectCode(warehouse.query({ query: "SELECT * FROM read_csv('/etc/passwd')" }), 'QUERY_UNSUPPORTED')
      const outside = join(tmpdir(), `convergence-outside-${process.pid}.csv`)
      writeFileSync(outside, 'a\n1\n')
      try {
        await expectCode(
          warehouse.runJob(chain(), {
            kind: 'load',
            format: 'csv',
            files: [{ path: outside, name: 'x.csv' }],
            columns: [{ name: 'a', type: 'STRING', source: 'a' }],
            destination: { project_id: 'local', dataset: 'acme', table: 't', write_mode: 'append' },
          }),
          'QUERY_INVALID',
          /outside/,
        )
      } finally {
        rmSync(outside)
      }
    }))
  it('stops a job at whatever moment it is cancelled, and goes on', async () => {
    const folder = makeFolder()
    const engine = await openEngine({ folder, project_id: 'local' })
    const destination = { project_id: 'local', dataset: 'acme', table: 'counts', write_mode: 'append' } as const
    // Takes minutes.
    const query =
      'SELECT COUNTIF(MOD(a * b, c) = 1) AS n FROM UNNEST(GENERATE_ARRAY(1, 10000)) AS a, ' +
      'UNNEST(GENERATE_ARRAY(1, 10000)) AS b, UNNEST(GENERATE_ARRAY(1, 10000)) AS c'
    try {
      await engine.ensureDataset('acme')
      for (let ms = 0; ms < 40; ms++) {
        await engine.insert(`j${ms}`, { kind: 'query', query, destination }, {})
        await new Promise((resolve) => setTimeout(resolve, ms))
        await engine.cancel(`j${ms}`)
        expect((await engine.wait(`j${ms}`)).error?.code, `after ${ms} ms`).to.equal('CANCELLED')
      }
      await engine.insert('short', { kind: 'query', query: 'SELECT 1 AS n', destination }, {})
      expect(await engine.wait('short')).to.deep.include({ rows_written: 1 })
      expect(await engine.query({ query: 'SELECT n FROM acme.counts' })).to.deep.equal([{ n: 1 }])
    } finally {
      await engine.close()
      remove(folder)
    }
  })
  it('has one query more for each of many at once', () =>
    setup(async ({ warehouse }) => {
      await warehouse.ensureTable({ dataset: 'tenants', table: 'log', columns: [{ name: 'n', type: 'INT64' }] })
      await Promise.all(
        Array.from({ length: 300 }, async (_, n) => {
          await warehouse.append('log', [{ n }])
          const found = await warehouse.query({
            query: 'SELECT n FROM log WHERE n = @n',
            parameters: [{ name: 'n', type: 'INT64', value: n }],
            default_dataset: 'tenants',
          })
          expect(found).to.deep.equal([{ n }])
        }),
      )
      expect(
        await warehouse.query({ query: 'SELECT COUNT(*) AS n FROM log', default_dataset: 'tenants' }),
      ).to.deep.equal([{ n: 300 }])
    }))

  describe('loads', () => {
    const columns: LoadColumn[] = [
      { name: 'id', type: 'STRING', source: 'line/id' },
      { name: 'cost', type: 'BIGNUMERIC', source: 'cost' },
      { name: 'day', type: 'DATE', source: 'day', format: '%m/%d/%Y' },
      { name: 'n', type: 'INT64', source: 'n', optional: true },
      { name: 'info', type: 'JSON', source: 'info', wrap_braces: true },
      { name: 'tags', type: 'JSON', object_of: { team: 'tag:team', env: 'tag:env' } },
      { name: 'report', type: 'STRING', value: 'daily' },
    ]
    const csv = 'line/id,cost,day,n,info,tag:team,tag:env\n'
    const crlf = csv.replace('\n', '\r\n')
    const loading = (
      work: (
        load: (files: Record<string, string | Buffer>, more?: Partial<LoadSpec>) => Promise<number>,
        rows: () => Promise<Record<string, unknown>[]>,
        folder: string,
      ) => Promise<void>,
    ) =>
      setup(async ({ warehouse, folder }) => {
        const load = async (files: Record<string, string | Buffer>, more: Partial<LoadSpec> = {}) =>
          (
            await warehouse.runJob(chain(), {
              kind: 'load',
              format: 'csv',
              columns,
              files: Object.entries(files).map(([name, text]) => {
                const path = join(folder, 'scratch', name)
                writeFileSync(path, name.endsWith('.gz') && typeof text === 'string' ? gzipSync(text) : text)
                return { path, name: `bucket/${name}` }
              }),
              destination: { project_id: 'local', dataset: 'acme', table: 'loaded', write_mode: 'append' },
              ...more,
            })
          ).rows_written
        await work(load, () => warehouse.query({ query: 'SELECT * FROM loaded', default_dataset: 'acme' }), folder)
      })

    it('takes CSV with a byte-order mark, CRLF, quotes, more columns, another order, packed or not, as one job', () =>
      loading(async (load, rows) => {
        expect(
          await load({
            'a.csv.gz':
              `\ufeff${csv.trim()},more\r\ni1,1.81E-8,1/2/2025,7,"""k"": 1",red,,x\r\n"i ""2""",,12/31/2025,,,,` +
              'prod,\r\n',
            'b.csv': 'day,cost,line/id,info\n3/4/2025,-0.5,"two\nlines",{}\n',
          }),
        ).to.equal(3)
        expect((await rows()).sort((a, b) => (String(a['id']) < String(b['id']) ? -1 : 1))).to.deep.equal([
          { id: 'i "2"', cost: null, day: '2025-12-31', n: null, info: null, tags: { env: 'prod' }, report: 'daily' },
          {
            id: 'i1',
            cost: '0.0000000181',
            day: '2025-01-02',
            n: 7,
            info: { k: 1 },
            tags: { team: 'red' },
            report: 'daily',
          },
          { id: 'two\nlines', cost: '-0.5', day: '2025-03-04', n: null, info: {}, tags: {}, report: 'daily' },
        ])
      }))
    const wrong: readonly (readonly [what: string, text: string | Buffer, message: string])[] = [
      [
        'a number that is none',
        `${csv}"a\nb",1,1/2/2025,,,,\nx,abc,1/2/2025,,,,\n`,
        "bucket/w.csv:4, column cost: expected BIGNUMERIC, got 'abc'",
      ],
      [
        'more digits than the type has',
        `${csv}x,0.${'123456789'.repeat(5)},1/2/2025,,,,\n`,
        'bucket/w.csv:2, column cost: expected BIGNUMERIC with at most 38 digits before the point and 38 after ' +
          `it, got '0.${'123456789'.repeat(5)}'`,
      ],
      [
        'more digits by an exponent',
        `${csv}x,1.5E-38,1/2/2025,,,,\n`,
        'bucket/w.csv:2, column cost: expected BIGNUMERIC with at most 38 digits before the point and 38 after ' +
          "it, got '1.5E-38'",
      ],
      [
        'a fraction for a whole number',
        `${csv}x,1,1/2/2025,1.6,,,\n`,
        "bucket/w.csv:2, column n: expected INT64, got '1.6'",
      ],
      [
        'a date in another format',
        `${csv}x,1,2025-01-02,,,,\n`,
        "bucket/w.csv:2, column day: expected DATE as %m/%d/%Y, got '2025-01-02'",
      ],
      ['text that is no JSON', `${csv}x,1,1/2/2025,,"{x",,\n`, "bucket/w.csv:2, column info: expected JSON, got '{x'"],
      [
        'a field too few',
        `${csv}x,1,1/2/2025,,,,\nx,1\n`,
        'bucket/w.csv:3: expected 7 fields as in the first line, got 2',
      ],
      [
        'a field too many',
        `${csv}x,1,1/2/2025,,,,,y\n`,
        'bucket/w.csv:2: expected 7 fields as in the first line, got 8',
      ],
      [
        'a quote that is never closed',
        `${csv}x,1,1/2/2025,,,,\n"x,1\n`,
        'bucket/w.csv:3, column line/id: expected a quote that closes the field, got the end of the file',
      ],
      [
        'bytes that are not UTF-8',
        Buffer.concat([Buffer.from(csv), Buffer.from([0xff, 0xfe]), Buffer.from(',1,1/2/2025,,,,\n')]),
        'bucket/w.csv:2: expected UTF-8, got other bytes',
      ],
      [
        'a missing column',
        'line/id,day,info\nx,1/2/2025,\n',
        'bucket/w.csv: has no column cost, which cost is read from; it has line/id, day, info',
      ],
      ['an empty file', '', 'bucket/w.csv: is empty; expected a line with the names of the columns'],
    ]
    it('fails whole, naming file, line and column, and writes nothing', () =>
      loading(async (load, rows) => {
        await load({ 'good.csv': `${csv}x,1,1/2/2025,,,,\n` })
        for (const [what, text, message] of wrong) {
          const fault = await load({ 'good.csv': `${csv}y,1,1/2/2025,,,,\n`, 'w.csv': text }).then(
            () => undefined,
            (error: unknown) => error as AppError,
          )
          expect(`${fault?.code ?? ''} ${fault?.message ?? ''}`, what).to.equal(`EXPORT_INVALID ${message}`)
        }
        expect(await rows()).to.have.length(1)
      }))
    const mixed: [string, string, number][] = [
      [
        'an LF among CRLF',
        `\ufeff${crlf}"two\r\nlines, ""\n""",1,1/2/2025,,,,e\r\nx,1,1/2/2025,,,,e\r\nx,1,1/2/2025,,,,e\nx,1,` +
          '1/2/2025,,,,e\r\n',
        4,
      ],
      ['an LF at the end', `${crlf}x,1,1/2/2025,,,,e\r\nx,1,1/2/2025,,,,e\n`, 2],
      [
        'an LF far below',
        `${crlf}${'x,1,1/2/2025,,,,e\r\n'.repeat(70_000)}x,1,1/2/2025,,,,e\nx,1,1/2/2025,,,,e\r\n`,
        70002,
      ],
      ['a CRLF among LF', `${csv}x"y",1,1/2/2025,,,,e\nx,1,1/2/2025,,,,e\r\nx,1,1/2/2025,,,,e\n`, 3],
      ['a CR among LF', `${csv}x,1,1/2/2025,,,,e\nx,1,1/2/2025,,,,e\rx,1,1/2/2025,,,,e\n`, 3],
      ['an empty line of another ending', `${crlf}x,1,1/2/2025,,,,e\r\n\nx,1,1/2/2025,,,,e\r\n`, 2],
    ]
    it('takes a file whose lines end in several ways, packed or not, and leaves no copy of it', () =>
      loading(async (load, rows, folder) => {
        for (const [what, text, count] of mixed) {
          const name = count > 1_000 ? 'm.csv.gz' : 'm.csv'
          expect(await load({ 'good.csv': `${csv}y,1,1/2/2025,,,,\n`, [name]: text }), what).to.equal(count + 1)
        }
        expect(await rows()).to.have.length(mixed.reduce((sum, [, , count]) => sum + count + 1, 0))
        expect(readdirSync(join(folder, 'scratch')).filter((name) => name.endsWith('.rows.csv'))).to.deep.equal([])
      })).timeout(120_000)
    it('does not take a file that broke off for a whole one', () =>
      loading(async (load) => {
        const whole = gzipSync(
          csv + Array.from({ length: 30_000 }, (_, k) => `${(k * 7919) % 65_521},1,1/2/2025,,,,\n`).join(''),
        )
        await expectCode(
          load({ 'cut.csv.gz': whole.subarray(0, whole.length - 2_000) }),
          'EXPORT_INVALID',
          /cut\.csv\.gz/,
        )
        await expectCode(load({ 'cut.csv.gz': whole.subarray(0, whole.length - 8) }), 'EXPORT_INVALID', /cut\.csv\.gz/)
      }))
    it('takes digits as they are: trailing zeros, exponents, signs', () =>
      loading(async (load, rows) => {
        await load({
          'n.csv':
            `${csv}a,0.1234567890123456780000,1/2/2025,,,,\nb,10E-19,1/2/2025,,,,\nc,+12345678901234567890.5,` +
            '1/2/2025,,,,\nd,-1e3,1/2/2025,,,,\ne,.5,1/2/2025,,,,\n',
        })
        expect(
          (await rows()).sort((a, b) => (String(a['id']) < String(b['id']) ? -1 : 1)).map(({ cost }) => cost),
        ).to.deep.equal(['0.123456789012345678', '0.000000000000000001', '12345678901234567890.5', '-1000', '0.5'])
      }))
    it('replaces a period by a file, and refuses rows outside it', () =>
      loading(async (load, rows) => {
        const destination = {
          project_id: 'local',
          dataset: 'acme',
          table: 'loaded',
          write_mode: 'truncate',
          period: { day: '2025-01-02' },
        } as const
        await load({ 'a.csv': `${csv}a,1,1/2/2025,,,,\nb,1,1/2/2025,,,,\n` })
        await load({ 'a.csv': `${csv}c,1,1/2/2025,,,,\n` }, { destination })
        await expectCode(
          load({ 'a.csv': `${csv}d,1,1/2/2025,,,,\ne,1,1/3/2025,,,,\n` }, { destination }),
          'ROW_OUTSIDE_PERIOD',
          /2025-01-03/,
        )
        expect((await rows()).map(({ id }) => id)).to.deep.equal(['c'])
      }))

    const schema: Column[] = [
      { name: 'id', type: 'STRING', mode: 'REQUIRED' },
      { name: 'cost', type: 'NUMERIC' },
      { name: 'at', type: 'TIMESTAMP' },
      {
        name: 'project',
        type: 'STRUCT',
        fields: [
          { name: 'id', type: 'STRING' },
          {
            name: 'labels',
            type: 'STRUCT',
            mode: 'REPEATED',
            fields: [
              { name: 'key', type: 'STRING' },
              { name: 'value', type: 'STRING' },
            ],
          },
        ],
      },
      {
        name: 'credits',
        type: 'STRUCT',
        mode: 'REPEATED',
        fields: [
          { name: 'name', type: 'STRING' },
          { name: 'amount', type: 'NUMERIC' },
        ],
      },
    ]
    const nested = {
      format: 'ndjson',
      columns: undefined,
      destination: { project_id: 'local', dataset: 'acme', table: 'loaded', write_mode: 'append', columns: schema },
    } as const
    it('takes nested NDJSON without losing digits', () =>
      loading(async (load, rows) => {
        const row = {
          id: 'a',
          cost: '12345678901234567890.123456789',
          at: '2025-11-19T01:02:03.000Z',
          project: { id: 'p', labels: [{ key: 'k', value: 'v' }] },
          credits: [{ name: 'free', amount: '-0.000000001' }],
        }
        expect(
          await load({ 'a.ndjson.gz': `${JSON.stringify(row)}\n`, 'b.ndjson': '{"id":"b","cost":0.5}' }, nested),
        ).to.equal(2)
        expect((await rows()).sort((a, b) => (String(a['id']) < String(b['id']) ? -1 : 1))).to.deep.equal([
          row,
          { id: 'b', cost: '0.5', at: null, project: null, credits: [] },
        ])
      }))
    it('takes nested and repeated BIGNUMERIC of NDJSON as written, and refuses digits that it cannot hold', () =>
      loading(async (load, rows) => {
        const columns: Column[] = [
          { name: 'id', type: 'STRING', mode: 'REQUIRED' },
          { name: 'many', type: 'BIGNUMERIC', mode: 'REPEATED' },
          {
            name: 'deep',
            type: 'STRUCT',
            fields: [
              {
                name: 'list',
                type: 'STRUCT',
                mode: 'REPEATED',
                fields: [
                  { name: 'amount', type: 'BIGNUMERIC' },
                  { name: 'note', type: 'STRING' },
                ],
              },
            ],
          },
        ]
        const big = { ...nested, destination: { ...nested.destination, table: 'loaded', columns } }
        const row = {
          id: 'a',
          many: ['0.000000000000000001', '12345678901234567890'],
          deep: {
            list: [
              { amount: '1.5', note: 'n' },
              { amount: null, note: null },
            ],
          },
        }
        await load(
          { 'a.ndjson': `${JSON.stringify(row)}\n{"id":"b","deep":{"list":[{"amount":1.81e-8}]}}\n{"id":"c"}\n` },
          big,
        )
        expect((await rows()).sort((a, b) => (String(a['id']) < String(b['id']) ? -1 : 1))).to.deep.equal([
          row,
          { id: 'b', many: [], deep: { list: [{ amount: '0.0000000181', note: null }] } },
          { id: 'c', many: [], deep: null },
        ])
        for (const [line, message] of [
          [
            '{"id":"b","many":["0.000000000000000000000000000000000000001"]}',
            'column many: expected BIGNUMERIC with at most 38 digits before the point and 38 after it, got ' +
              "'0.000000000000000000000000000000000000001'",
          ],
          [
            `{"id":"b","deep":{"list":[{"amount":"1.${'123456789'.repeat(5)}"}]}}`,
            'column deep.list.amount: expected BIGNUMERIC with at most 38 digits before the point and 38 after ' +
              `it, got '1.${'123456789'.repeat(5)}'`,
          ],
          ['{"id":"b","deep":{"list":[{"amount":"zz"}]}}', "column deep.list.amount: expected BIGNUMERIC, got 'zz'"],
        ] as const)
          await expectCode(
            load({ 'a.ndjson': `{"id":"a"}\n${line}\n` }, big),
            'EXPORT_INVALID',
            new RegExp(`^bucket/a.ndjson:2, ${message.replaceAll('.', '\\.')}$`),
          )
      }))
    it('names the line and column of what is wrong in NDJSON', () =>
      loading(async (load) => {
        for (const [line, message] of [
          ['{"id":"b","cost":"zz"}', "bucket/a.ndjson:2, column cost: expected NUMERIC, got 'zz'"],
          [
            '{"id":"b","project":{"labels":[{"key":"k"},7]}}',
            'bucket/a.ndjson:2, column project.labels: expected an object, got 7',
          ],
          ['{"id":"b","at":"never"}', "bucket/a.ndjson:2, column at: expected TIMESTAMP, got 'never'"],
          ['{"id":"b",', 'bucket/a.ndjson:2: expected a JSON object, got \'{"id":"b",\''],
          ['{"cost":1}', 'bucket/a.ndjson:2, column id: expected STRING, got null'],
        ] as const) {
          const fault = await load({ 'a.ndjson': `{"id":"a"}\n${line}\n{"id":"c"}\n` }, nested).then(
            () => undefined,
            (error: unknown) => error as AppError,
          )
          expect(`${fault?.code ?? ''} ${fault?.message ?? ''}`).to.equal(`EXPORT_INVALID ${message}`)
        }
      }))
    it('takes for whole numbers and flags of NDJSON what they are, also deep inside', () =>
      loading(async (load, rows) => {
        const columns: Column[] = [
          { name: 'id', type: 'INT64' },
          { name: 'flag', type: 'BOOL' },
          { name: 'many', type: 'STRUCT', mode: 'REPEATED', fields: [{ name: 'n', type: 'INT64', mode: 'REPEATED' }] },
        ]
        const loadLine = (line: string) =>
          load(
            { 'a.ndjson': `${line}\n` },
            {
              format: 'ndjson',
              destination: { project_id: 'local', dataset: 'acme', table: 'loaded', write_mode: 'append', columns },
            },
          )
        await loadLine('{"id":5.0,"flag":true,"many":[{"n":[1e2,"-9223372036854775808"]},{}]}')
        expect(await rows()).to.deep.equal([
          { id: 5, flag: true, many: [{ n: [100, '-9223372036854775808'] }, { n: [] }] },
        ])
        for (const [line, words] of [
          ['{"id":1.5}', 'id: expected INT64, got 1.5'],
          ['{"id":true}', 'id: expected INT64, got true'],
          ['{"flag":7}', 'flag: expected BOOL, got 7'],
          ['{"many":[{"n":[1,0.5]}]}', 'many.n: expected INT64, got 0.5'],
        ] as const)
          await expectCode(loadLine(line), 'EXPORT_INVALID', new RegExp(`a\\.ndjson:1, column ${words}$`))
      }))
    it('refuses NULL inside an array of NDJSON in the words of rows that are appended', () =>
      loading(async (load) => {
        const columns: Column[] = [
          { name: 'whole', type: 'INT64', mode: 'REPEATED' },
          { name: 'json', type: 'JSON', mode: 'REPEATED' },
          { name: 'exact', type: 'BIGNUMERIC', mode: 'REPEATED' },
          { name: 'one', type: 'STRUCT', fields: [{ name: 'tags', type: 'STRING', mode: 'REPEATED' }] },
        ]
        const loadLine = (line: string) =>
          load(
            { 'a.ndjson': `{"whole":[1]}\n${line}\n` },
            {
              format: 'ndjson',
              destination: { project_id: 'local', dataset: 'acme', table: 'arrays', write_mode: 'append', columns },
            },
          )
        for (const [line, path, type] of [
          ['{"whole":[1,null]}', 'whole', 'INT64'],
          ['{"json":[1,null]}', 'json', 'JSON'],
          ['{"exact":[null,"0.5"]}', 'exact', 'BIGNUMERIC'],
          ['{"one":{"tags":["a",null]}}', 'one.tags', 'STRING'],
        ] as const) {
          await expectCode(
            loadLine(line),
            'EXPORT_INVALID',
            new RegExp(`^bucket/a\\.ndjson:2, column ${path}: expected an array of ${type}, got NULL in it$`),
          )
        }
        expect(await loadLine('{"json":[{"a":null}],"one":{"tags":null}}')).to.equal(2)
      }))
  })
})
