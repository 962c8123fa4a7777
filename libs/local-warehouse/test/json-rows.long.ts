/** A log's commit, taken apart without DuckDB, is what DuckDB makes of the same statement. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import type { Column } from '@convergence/contracts'
import { openEngine } from '../src/engine.ts'
import { takeJsonApart } from '../src/json-rows.ts'

const columns: Column[] = [
  { name: 's', type: 'STRING' },
  { name: 'i', type: 'INT64' },
  { name: 'n', type: 'NUMERIC' },
  { name: 'f', type: 'FLOAT64' },
  { name: 'b', type: 'BOOL' },
  { name: 'd', type: 'DATE' },
  { name: 't', type: 'TIMESTAMP' },
  { name: 'j', type: 'JSON' },
  { name: 'list', type: 'STRING', mode: 'REPEATED' },
]
const reader = ({ name, type, mode }: Column): string =>
  mode === 'REPEATED'
    ? `JSON_VALUE_ARRAY(r, '$.${name}')`
    : type === 'JSON'
      ? `PARSE_JSON(JSON_QUERY(r, '$.${name}'))`
      : type === 'STRING'
        ? `JSON_VALUE(r, '$.${name}')`
        : `CAST(JSON_VALUE(r, '$.${name}') AS ${type})`
const into = (dataset: string): string =>
  `INSERT INTO ${dataset}.log (${columns.map(({ name }) => name).join(', ')}) SELECT ` +
  `${columns.map(reader).join(', ')} FROM UNNEST(@rows) AS r`

const texts: readonly string[] = [
  '{"s":"a\'b","i":1,"n":"1.50","f":0.25,"b":true,"d":"2025-11-19","t":"2025-11-19T01:02:03.000456Z","j":{"x":[1,' +
    'null,"y"]},"list":["p","q"]}',
  '{}',
  // No JSON: every JSON_VALUE of it is NULL.
  '{"s":',
  '{"s":null,"j":null,"list":[]}',
  '{"s":5,"i":"-9223372036854775808","n":-0.000000001,"b":"false"}',
  '{"s":1.0}',
  '{"s":"x","s":"y"}',
  '{"i":9007199254740993}',
  '{"n":"12345678901234567890.123456789"}',
  '{"n":"1e2"}',
  '{"n":"0.0000000005"}',
  '{"f":"1e308"}',
  '{"f":1e3}',
  '{"s":1e300}',
  '{"t":"2025-11-19 01:02:03+01:00"}',
  '{"t":"2025-11-19T01:02:03"}',
  '{"s":{"a":1}}',
  '{"s":[1]}',
  '{"list":[1,2.50]}',
  '{"list":"no"}',
  '{"j":"text"}',
  '{"j":12345678901234567890}',
  '{"s":true}',
  '{"b":"TRUE"}',
  '{"i":" 7 "}',
  '{"d":"2024-02-29"}',
]
const wrong = [
  '{"i":"1.5"}',
  '{"i":"9223372036854775808"}',
  '{"d":"2025-02-30"}',
  '{"t":"2025-02-30T00:00:00Z"}',
  '{"n":"x"}',
  '{"b":"yes"}',
  '{"list":["a",null]}',
]

describe('rows of JSON texts', function () {
  this.timeout(20_000)
  const setup = async (
    work: (world: {
      insert(dataset: string, text: string): Promise<string>
      rows(dataset: string): Promise<unknown[]>
    }) => Promise<void>,
  ): Promise<void> => {
    const folder = mkdtempSync(join(tmpdir(), 'convergence-json-rows-'))
    const engine = await openEngine({ folder, project_id: 'local' })
    let k = 0
    try {
      for (const dataset of ['tenants', 'other']) {
        await engine.ensureDataset(dataset)
        await engine.ensureTable({ dataset, table: 'log', columns })
      }
      await work({
        insert: async (dataset, text) => {
          const id = `j${(k += 1)}`
          await engine.submit(
            id,
            {
              kind: 'statement',
              statement: { query: into(dataset), parameters: [{ name: 'rows', type: 'ARRAY<STRING>', value: [text] }] },
            },
            { labels: {}, detail: {}, keep: true },
          )
          return (await engine.wait(id)).error?.code ?? 'OK'
        },
        rows: async (dataset) =>
          await engine.query({
            query:
              `SELECT *, TO_JSON_STRING(j) AS text FROM ${dataset}.log ORDER BY s, i, n, f, b, d, t, ` +
              'TO_JSON_STRING(j), ARRAY_LENGTH(list)',
          }),
      })
    } finally {
      await engine.close()
      rmSync(folder, { recursive: true, force: true })
    }
  }
  it('are the same rows, whoever takes them apart', () =>
    setup(async ({ insert, rows }) => {
      for (const text of texts)
        expect([await insert('tenants', text), await insert('other', text)], text).to.deep.equal(['OK', 'OK'])
      expect(await rows('tenants')).to.deep.equal(await rows('other'))
    }))
  it('fail alike, and leave nothing', () =>
    setup(async ({ insert, rows }) => {
      for (const text of wrong)
        expect([await insert('tenants', text), await insert('other', text)], text).to.deep.equal([
          'QUERY_INVALID',
          'QUERY_INVALID',
        ])
      expect([await rows('tenants'), await rows('other')]).to.deep.equal([[], []])
    }))
  it('are left to DuckDB where it is not certain', () => {
    const cells = columns.map((column) => ({
      column,
      path: [column.name],
      form:
        column.mode === 'REPEATED'
          ? ('values' as const)
          : column.type === 'JSON'
            ? ('json' as const)
            : ('value' as const),
    }))
    const [first = ''] = texts
    expect(takeJsonApart({ parameter: 'rows', cells }, [first])).to.have.length(1)
    for (const text of [
      '{"s":1.0}',
      '{"s":"x","s":"y"}',
      '{"i":9007199254740993}',
      '{"n":"1e2"}',
      '{"b":"TRUE"}',
      '{"list":[1]}',
      ...wrong,
    ])
      expect(takeJsonApart({ parameter: 'rows', cells }, [text]), text).to.equal(undefined)
  })
})
