/**
 * A file means the same by both sides of the warehouse's door: what the embedded engine reads, and what the Google side
 * converts before it sends.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { AppError } from '@convergence/contracts'
import type { ColumnType } from '@convergence/contracts'
import { openWarehouse } from '@convergence/warehouse'
import type { LoadColumn, LoadSpec, Warehouse } from '@convergence/warehouse'
import { rowsOfFiles } from '../../warehouse/src/google/files.ts'
import { openEngine } from '../src/engine.ts'

describe('Files by both sides of the warehouse', function () {
  this.timeout(20_000)
  let folder: string
  let warehouse: Warehouse
  let [steps, files] = [0, 0]
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'convergence-files-'))
    warehouse = openWarehouse({ engine: await openEngine({ folder, project_id: 'local' }), random: () => 0 })
    await warehouse.ensureDataset('acme')
  })
  after(async () => {
    await warehouse.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const load = async (spec: LoadSpec): Promise<unknown> => {
    const { table } = spec.destination
    await warehouse.runJob(
      { run_id: 'r', step_id: `s${(steps += 1)}`, max_retries: 0, retry_delay_seconds: 0, tenant_id: 'acme' },
      spec,
    )
    return warehouse.query({ query: `SELECT * FROM ${table}`, default_dataset: 'acme' })
  }
  const outcome = async (work: Promise<unknown>): Promise<unknown> =>
    work.catch((error: unknown) => {
      if (!(error instanceof AppError)) throw error
      return `${error.code} ${error.message}`
    })
  /** The rows of a table that the file was loaded into, by either side, or the fault. */
  const both = async (text: string, columns: readonly LoadColumn[]): Promise<[unknown, unknown]> => {
    const name = `t${(files += 1)}`
    const path = join(folder, 'scratch', `${name}.csv`)
    writeFileSync(path, text)
    const spec: LoadSpec = {
      kind: 'load',
      format: 'csv',
      files: [{ path, name: 'a.csv' }],
      columns,
      destination: { project_id: 'local', dataset: 'acme', table: `${name}_engine`, write_mode: 'append' },
    }
    const engine = await outcome(load(spec))
    const google = await outcome(
      (async () => {
        const sent = join(folder, 'scratch', `${name}.json`)
        const made = await rowsOfFiles(spec)
        let ndjson = ''
        for await (const piece of made.rows([])) ndjson += piece
        writeFileSync(sent, ndjson)
        return load({
          kind: 'load',
          format: 'ndjson',
          files: [{ path: sent, name: 'sent' }],
          destination: { ...spec.destination, table: `${name}_google`, columns: made.columns },
        })
      })(),
    )
    return [engine, google]
  }
  const values: readonly (readonly [ColumnType, readonly string[], string?])[] = [
    ['STRING', ['x', ' x ', 'é', '"', 'a""b', 'null', '\\N']],
    [
      'INT64',
      [
        '1',
        '-1',
        '+1',
        ' 7 ',
        '9223372036854775807',
        '9223372036854775808',
        '-9223372036854775808',
        '1.0',
        '1e3',
        'x',
        '0x1',
        '1_000',
        '007',
      ],
    ],
    [
      'NUMERIC',
      [
        '1',
        '-1.5',
        '.5',
        '5.',
        '1e-3',
        '1.81E-8',
        '0.0000000005',
        '-0.0000000005',
        '0.0000000004999',
        '12345678901234567890123456789.123456789',
        '1,5',
        'x',
        'NaN',
        '1e30',
        '-0',
        '+2',
        '0.10',
        '1_000',
      ],
    ],
    ['BIGNUMERIC', ['1.81E-8', '0.123456789012345678', '1e-18', '-1.50', 'x', '12345678901234567890.5']],
    ['FLOAT64', ['1', '0.1', '1e300', '-1.5E-3', 'x', '.5', '1_000', '1e400']],
    ['BOOL', ['true', 'FALSE', 't', 'f', '1', '0', 'x', '2', '']],
    [
      'DATE',
      [
        '2025-11-19',
        '2025-02-29',
        '2025-13-01',
        '19/11/2025',
        'x',
        '2024-02-29',
        '0000-01-01',
        '0001-01-01',
        '9999-12-31',
        '10000-01-01',
      ],
    ],
    ['TIME', ['10:00:00', '23:59:59.999999', '24:00:00', '10:60:00', '10:00:60', '10:00', 'x']],
    ['DATE', ['11/19/2025', '1/2/2025', '13/01/2025', '02/30/2025', '2025-11-19', 'x'], '%m/%d/%Y'],
    [
      'TIMESTAMP',
      [
        '2025-11-19T01:02:03Z',
        '2025-11-19 01:02:03',
        '2025-11-19T01:02:03.000456Z',
        '2025-11-19T01:02:03+01:00',
        '2025-11-19',
        '2025-11-31T00:00:00Z',
        '2025-11-19T24:00:00Z',
        '2025-11-19T10:00:60Z',
        '0000-01-01T00:00:00Z',
        '0001-01-01T00:00:00Z',
        'x',
      ],
    ],
    ['TIMESTAMP', ['11/19/2025 01:02:03', '11/19/2025', 'x'], '%m/%d/%Y %H:%M:%S'],
    ['DATETIME', ['2025-11-19T01:02:03', '2025-11-19 01:02:03.5', '2025-11-19T24:00:00', '0000-01-01T00:00:00', 'x']],
    ['BYTES', ['YWI=', 'YQ==', 'x']],
    ['JSON', ['{"a": 1}', '[1, null]', '"x"', '1', '{x', 'true', '{"env": "prod",}', '"env": "prod",']],
  ]
  for (const [type, texts, format] of values) {
    it(`read the same as ${type}${format === undefined ? '' : ` in the format ${format}`}`, async () => {
      await Promise.all(
        texts.map(async (text) => {
          const [engine, google] = await both(`Id,Value\n1,"${text.replaceAll('"', '""')}"\n`, [
            { name: 'id', type: 'INT64', source: 'Id' },
            { name: 'value', type, source: 'Value', ...(format === undefined ? {} : { format }) },
          ])
          expect(google, `${JSON.stringify(text)} as ${type}`).to.deep.equal(engine)
        }),
      )
    })
  }
  it('have the same records: quotes, line ends, empty lines, a byte-order mark, no line end at the end', async () => {
    for (const text of [
      'A,B\r\n1,"x,\r\ny"\r\n2,\r\n',
      'A,B\n1,"a ""b"" c"\n\n\n2,z',
      '\ufeffA,B\n1,x\n',
      '"A","B"\n"1",""\n',
      'A,B\n1,x,y\n',
      'A,B\n1\n',
      'A,B\n1,"x\n',
      'A,B\n',
      'A,B',
      '',
      'A,C\n1,2\n',
      'A,B,A\n1,2,3\n',
      'A,B\n, \n',
      'A,B\r1,x\r2,y\r',
      'A,B\r\n1,x\n2,y\r\n',
      'A,B\n1,x\r\n2,y\r3,z\n',
      'A\n""\n',
      'A,B\n1,""\n',
    ]) {
      const [engine, google] = await both(text, [
        { name: 'a', type: 'STRING', source: 'A' },
        { name: 'b', type: 'STRING', source: 'B' },
      ])
      expect(google, JSON.stringify(text)).to.deep.equal(engine)
    }
  })
  it('give the same constants, objects, optional and required columns', async () => {
    const columns: LoadColumn[] = [
      { name: 'a', type: 'NUMERIC', source: 'A', mode: 'REQUIRED' },
      { name: 'o', type: 'STRING', source: 'Nowhere', optional: true },
      { name: 'c', type: 'DATE', value: '2025-11-19' },
      { name: 'n', type: 'INT64', value: 5 },
      { name: 'nothing', type: 'STRING', value: null },
      { name: 'tags', type: 'JSON', source: 'Tags', wrap_braces: true },
      { name: 'rest', type: 'JSON', object_of: { 'k "q"': 'B', gone: 'C', never: 'D' } },
    ]
    for (const text of [
      'A,B,C,Tags\n1.50,x,,"""k"": ""v"""\n2,,"y ""z""","{""k"": 1}"\n3,,,\n',
      'A,B,C,Tags\n,x,,\n',
      'A,B,C,Tags\n1,,,nonsense\n',
    ]) {
      const [engine, google] = await both(text, columns)
      expect(google, JSON.stringify(text)).to.deep.equal(engine)
    }
  })
  it('give the same members of maps, text where JSON is none, and days that are asked for', async () => {
    const columns: LoadColumn[] = [
      { name: 'tags', type: 'JSON', source: 'Tags', wrap_braces: true, or_text: true },
      { name: 'region', type: 'STRING', source: 'Map', key: 'region' },
      { name: 'price', type: 'BIGNUMERIC', source: 'Map', key: 'a/b~c' },
      { name: 'beside', type: 'JSON', object_of: { user_env: 'Env' }, maps: [{ source: 'Map' }] },
      { name: 'some', type: 'JSON', object_of: {}, maps: [{ source: 'Map', prefix: 'resourceTag/' }] },
      { name: 'day', type: 'TIMESTAMP', source: 'Day', within: { from: '2025-11-01', to: '2025-12-01' } },
    ]
    const csv = (...rows: string[][]): string =>
      [['Tags', 'Map', 'Env', 'Day'], ...rows]
        .map((row) => `${row.map((text) => `"${text.replaceAll('"', '""')}"`).join(',')}\n`)
        .join('')
    const day = '2025-11-30T23:59:59Z'
    for (const [row, expected] of [
      [['"k": "v"', '{"region":"eu","a/b~c":"1.5"}', 'prod', day], { region: 'eu', price: '1.5' }],
      [['"k": "v":', '{"region":"","user_env":"x","resourceTag/env":"prod"}', 'prod', '2025-11-01'], { region: null }],
      [['"k": "v",', '{"resourceTag/a":"1","resourceTag/b \\"q\\"":"2","costCategory/t":"3"}', '', ''], {}],
      [['{"k": [1, 2, ]}', 'no map', 'prod', ''], { region: null }],
      [['{"k": "a, ]"}', '[1]', '', ''], { tags: { k: 'a, ]' } }],
      [['{"k": NaN}', '{"region": 7}', '', ''], { tags: '{"k": NaN}', region: '7' }],
      [['', '', '', ''], { tags: null, region: null }],
      [['"x', '{"a/b~c":"much"}', '', ''], undefined],
      [['', '', '', '2025-12-01T00:00:00Z'], undefined],
      [['', '', '', '2025-12-01T00:30:00+01:00'], {}],
      [['', '', '', '2025-10-31'], undefined],
    ] as const) {
      const [engine, google] = await both(csv([...row]), columns)
      expect(google, JSON.stringify(row)).to.deep.equal(engine)
      if (expected === undefined) expect(engine, JSON.stringify(row)).to.match(/^EXPORT_INVALID a\.csv:2, column/)
      else expect((engine as Record<string, unknown>[])[0], JSON.stringify(row)).to.deep.include(expected)
    }
  })
})
