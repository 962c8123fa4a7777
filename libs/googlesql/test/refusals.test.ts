/** What is not on the lists is refused, with its position; nothing passes through. */
import { AppError, tables as centralTables, views } from '@convergence/contracts'
import { expect } from 'chai'
import fc from 'fast-check'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { aggregates } from '../src/functions/aggregates.ts'
import { windowFunctions } from '../src/functions/windows.ts'
import { functions } from '../src/functions.ts'
import { duckdbType, translate, type Catalog } from '../src/googlesql.ts'
import { listsMarkdown, refused } from '../src/lists.ts'
import { makeWorld, project } from './world.ts'

const catalog: Catalog = {
  project_id: project,
  dataset: ({ dataset }) => (dataset === 'd' ? { tables: [] } : undefined),
  table: ({ dataset, table }) =>
    dataset === 'd' && table === 't'
      ? {
          kind: 'table',
          columns: [
            { name: 'x', type: 'INT64' },
            { name: 's', type: 'STRING' },
          ],
        }
      : undefined,
}
const errorOf = (sql: string): AppError | undefined => {
  try {
    translate(sql, { catalog })
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
  return undefined
}

describe('GoogleSQL refusals', () => {
  it('refuses every construct of the documented list by name', () => {
    for (const { example } of refused) {
      const error = errorOf(example)
      expect(error?.code, `${example}: ${error?.message ?? 'accepted'}`).to.equal('QUERY_UNSUPPORTED')
      expect(error?.message).to.match(/ is not supported by the local warehouse at \[\d+:\d+\]; see docs\/LOCAL\.md$/)
    }
  })
  it('refuses every function that is not on the lists, wherever it stands', () => {
    const known = new Set([...functions.keys(), ...aggregates.keys(), ...windowFunctions.keys()])
    const grammar = new Set([
      'CAST',
      'SAFE_CAST',
      'EXTRACT',
      'EXISTS',
      'ARRAY',
      'STRUCT',
      'UNNEST',
      'IF',
      'CASE',
      'INTERVAL',
    ])
    const name = fc
      .oneof(
        fc.stringMatching(/^[a-z][a-z0-9_]{0,14}$/),
        fc.constantFrom(
          'read_csv',
          'read_text',
          'getenv',
          'range',
          'list_sum',
          'struct_pack',
          'error',
          'now',
          'epoch',
          'printf',
          'uuid',
          'query',
          'duckdb_tables',
          'current_setting',
          'strftime',
          'len',
          'unnest',
          'regexp_matches',
          'log2',
          'sha512',
          'initcap',
          'soundex',
          'net.host',
          'safe.lower',
          'ml.predict',
          'apply',
          'nextval',
          'glob',
        ),
      )
      .filter(
        (candidate) =>
          !known.has(candidate.toUpperCase()) &&
          !grammar.has(candidate.toUpperCase()) &&
          !/^(all|and|any|as|asc|at|between|by|contains|create|cross|cube|current|default|define|desc|distinct|else|end|enum|escape|except|exclude|fetch|following|for|from|full|group|groups|grouping|hash|having|ignore|in|inner|intersect|into|is|join|lateral|left|like|limit|lookup|merge|natural|new|no|not|null|nulls|of|on|or|order|outer|over|partition|preceding|proto|qualify|recursive|respect|right|rollup|rows|select|set|some|then|to|treat|true|false|unbounded|union|using|when|where|window|with|within)$/.test(
            candidate,
          ),
      )
    const place = fc.constantFrom<(call: string) => string>(
      (call) => `SELECT ${call} FROM d.t`,
      (call) => `SELECT x FROM d.t WHERE ${call} = 1`,
      (call) => `SELECT x FROM d.t ORDER BY ${call}`,
      (call) => `SELECT COUNT(*) FROM d.t GROUP BY ${call}`,
      (call) => `SELECT IF(TRUE, ${call}, 1)`,
      (call) => `SELECT SUM(${call}) FROM d.t`,
      (call) => `DELETE FROM d.t WHERE ${call}`,
      (call) => `INSERT d.t (x) VALUES (${call})`,
      (call) => `SELECT (SELECT ${call} FROM UNNEST([1]) AS y) FROM d.t`,
      (call) => `UPDATE d.t SET x = ${call} WHERE TRUE`,
      (call) => `CREATE VIEW d.v AS SELECT ${call} AS a`,
      (call) => `SELECT x FROM d.t QUALIFY ROW_NUMBER() OVER (ORDER BY ${call}) = 1`,
      (call) => `SELECT [${call}]`,
      (call) => `SELECT STRUCT(${call} AS a)`,
    )
    const args = fc.constantFrom('', 'x', '1', "'a'", 'x, 1', "'a', 'b', 'c'")
    fc.assert(
      fc.property(name, place, args, (fn, put, list) => {
        const sql = put(`${fn}(${list})`)
        // A column is not known everywhere; then the name is refused before the function.
        const error = errorOf(sql)
        expect(error, sql).to.be.instanceOf(AppError)
        expect(error?.message, sql).to.match(/at \[\d+:\d+\]/)
      }),
      { numRuns: 600 },
    )
  })
  it('survives any text: a translation, or an error of its own', () => {
    const piece = fc.constantFrom(
      'SELECT',
      'FROM',
      'd.t',
      'x',
      's',
      '1',
      "'a'",
      '*',
      '(',
      ')',
      ',',
      'WHERE',
      'GROUP BY',
      'ORDER BY',
      'LIMIT',
      'UNION ALL',
      'JOIN',
      'ON',
      '=',
      '+',
      'AND',
      'NOT',
      'NULL',
      'CASE',
      'WHEN',
      'THEN',
      'END',
      'COUNT(*)',
      'SUM(x)',
      'OVER ()',
      'WITH',
      'AS',
      'a',
      '[',
      ']',
      '.',
      '`',
      '"',
      '@p',
      ';',
      '--',
      '/*',
      'STRUCT',
      'ARRAY',
      'UNNEST',
      'INTERVAL',
      'DAY',
      'CAST',
      'INT64',
      'IN',
      'BETWEEN',
      'LIKE',
      'EXISTS',
      '|>',
      '?',
      '%',
      '\\',
      '\u0000',
      'INSERT',
      'VALUES',
      'MERGE',
      'PRAGMA',
      'ATTACH',
      'COPY',
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 14 }), (pieces) => {
        const error = errorOf(pieces.join(' '))
        if (error !== undefined)
          expect(['QUERY_INVALID', 'QUERY_UNSUPPORTED', 'TABLE_NOT_FOUND']).to.include(error.code)
      }),
      { numRuns: 3000 },
    )
    for (const depth of [150, 5_000]) errorOf(`SELECT ${'('.repeat(depth)}1${')'.repeat(depth)}`)
    errorOf(`SELECT ${Array.from({ length: 2_000 }, () => 'x').join(' + ')} FROM d.t`)
  })
  it('refuses statements of the engine itself', () => {
    for (const sql of [
      'PRAGMA database_list',
      "ATTACH 'x.db'",
      "COPY d.t TO 'x.csv'",
      'SET memory_limit = 1',
      'INSTALL httpfs',
      'VACUUM',
      'EXPORT DATABASE x',
      'SHOW TABLES',
      'DESCRIBE d.t',
      "EXPORT DATA OPTIONS(uri='gs://x') AS SELECT 1",
      'LOAD DATA INTO d.t FROM FILES(format="CSV")',
      'GRANT x ON y TO z',
      'SELECT 1; SELECT 2',
      'EXPLAIN SELECT 1',
    ]) {
      expect(errorOf(sql)?.code, sql).to.equal('QUERY_UNSUPPORTED')
    }
  })
  it('names the position of a fault in the third line', () => {
    expect(errorOf('SELECT\n  x,\n  soundex(s)\nFROM d.t')?.message).to.contain(
      'Function SOUNDEX is not supported by the local warehouse at [3:3]',
    )
    expect(errorOf('SELECT\n  nope FROM d.t')?.message).to.contain('Unrecognized name: nope at [2:3]')
  })
  it('has its lists in docs/LOCAL.md', () => {
    const path = join(import.meta.dirname, '../../../docs/LOCAL.md')
    expect(
      existsSync(path) && readFileSync(path, 'utf8').includes(listsMarkdown()),
      'docs/LOCAL.md differs from the tables: put the text of listsMarkdown() into its marked section',
    ).to.equal(true)
  })
})

describe('GoogleSQL of the platform', () => {
  it('translates and runs every view of schemas/views', async () => {
    const world = await makeWorld([
      'CREATE SCHEMA tenants',
      ...Object.values(centralTables).map(
        (spec) =>
          `CREATE TABLE tenants.${spec.table} (${spec.columns.map((column) => `"${column.name}" ${duckdbType(column)}`).join(', ')})`,
      ),
    ])
    try {
      const texts = Object.entries(views).map(
        ([name, text]) =>
          [name, text.replaceAll('{project_id}', project).replaceAll('{tenant_id}', 'acme_corp')] as const,
      )
      for (const [name, text] of texts) world.addView('tenants', name, text)
      for (const [name, text] of texts) {
        const { translated } = await world.query(text)
        expect(translated.columns.length, name).to.be.greaterThan(1)
        expect(
          translated.referenced_tables.every(({ table }) => table in centralTables),
          name,
        ).to.equal(true)
        await world.query(
          `SELECT COUNT(*) FROM tenants.${name} WHERE ${name === 'tenant_comprehensive_view' ? 'tenant_id' : (translated.columns[0]?.name ?? '')} IS NOT NULL`,
        )
      }
    } finally {
      world.close()
    }
  })
})
