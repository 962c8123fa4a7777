/** Values of the REST API that clients read and write in one form only. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { openEngine } from '../src/engine.ts'
import { openBigQueryFront } from '../src/front.ts'

describe('Values over the BigQuery front', function () {
  this.timeout(60_000)
  const setup = async (work: (call: (path: string, body: object) => Promise<unknown>) => Promise<void>) => {
    const folder = mkdtempSync(join(tmpdir(), 'convergence-values-'))
    const engine = await openEngine({ folder, project_id: 'local' })
    const front = await openBigQueryFront({ engine, host: '127.0.0.1', port: 0 })
    try {
      await engine.ensureDataset('acme')
      await work(async (path, body) => {
        const answer = await fetch(`http://127.0.0.1:${front.port}/bigquery/v2/projects/local/${path}`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(body),
        })
        return answer.json()
      })
    } finally {
      await front.close()
      await engine.close()
      rmSync(folder, { recursive: true, force: true })
    }
  }
  const rowsOf = (answer: unknown): unknown => (answer as { rows?: unknown }).rows

  it('writes a fraction of a TIME with six digits, in lists and records too', () =>
    setup(async (call) => {
      const query = "SELECT TIME '10:00:00.5' AS a, TIME '10:00:00' AS b, [TIME '10:00:00.000001'] AS c"
      expect(rowsOf(await call('queries', { query, useLegacySql: false }))).to.deep.equal([
        { f: [{ v: '10:00:00.500000' }, { v: '10:00:00' }, { v: [{ v: '10:00:00.000001' }] }] },
      ])
    }))
  it('keeps a byte-order mark that a text begins with, however long the text is', () =>
    setup(async (call) => {
      const query = "SELECT '\ufeffx' AS a, ['\ufeff' || REPEAT('x', 20)] AS b, LENGTH('\ufeffx') AS c"
      expect(rowsOf(await call('queries', { query, useLegacySql: false }))).to.deep.equal([
        { f: [{ v: '\ufeffx' }, { v: [{ v: `\ufeff${'x'.repeat(20)}` }] }, { v: '2' }] },
      ])
    }))
  it('gives BIGNUMERIC with all its digits, takes them by insertAll, UPDATE and MERGE, and joins by them', () =>
    setup(async (call) => {
      const fine = '12345678901234567890.12345678901234567890123456789012345678'
      const ask = async (query: string) => rowsOf(await call('queries', { query, useLegacySql: false }))
      await ask('CREATE TABLE acme.t (id INT64, x BIGNUMERIC, many ARRAY<BIGNUMERIC>)')
      await call('datasets/acme/tables/t/insertAll', {
        rows: [{ json: { id: 1, x: fine, many: ['1E-38'] } }, { json: { id: 2, x: '-0' } }],
      })
      await ask('UPDATE acme.t SET x = x + 1 WHERE id = 2')
      await ask(
        `MERGE acme.t AS t USING (SELECT BIGNUMERIC '${fine}' AS x, BIGNUMERIC '2e-38' AS y) AS s ON t.x = s.x ` +
          'WHEN MATCHED THEN UPDATE SET x = t.x + s.y WHEN NOT MATCHED THEN INSERT (id) VALUES (9)',
      )
      expect(await ask('SELECT id, x, many FROM acme.t ORDER BY x')).to.deep.equal([
        { f: [{ v: '2' }, { v: '1' }, { v: [] }] },
        { f: [{ v: '1' }, { v: `${fine.slice(0, -2)}8` }, { v: [{ v: `0.${'0'.repeat(37)}1` }] }] },
      ])
    }))
  it('takes NaN and the infinities into FLOAT64 by insertAll, and into no other number', () =>
    setup(async (call) => {
      await call('datasets/acme/tables', {
        tableReference: { tableId: 't' },
        schema: {
          fields: [
            { name: 'f', type: 'FLOAT64' },
            { name: 'n', type: 'NUMERIC' },
          ],
        },
      })
      const insert = (...rows: object[]) =>
        call('datasets/acme/tables/t/insertAll', { rows: rows.map((json) => ({ json })) })
      expect(await insert({ f: 'NaN' }, { f: '-inf' }, { f: 'Infinity' }, { f: 1.5 })).not.to.have.property(
        'insertErrors',
      )
      expect(await insert({ n: 'NaN' })).to.have.property('insertErrors')
      expect(
        rowsOf(await call('queries', { query: 'SELECT f FROM acme.t ORDER BY f', useLegacySql: false })),
      ).to.deep.equal(['NaN', '-Infinity', '1.5', 'Infinity'].map((v) => ({ f: [{ v }] })))
    }))
})
