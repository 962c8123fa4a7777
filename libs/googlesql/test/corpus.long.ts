/** Every statement of the corpus, with its expected outcome. */
import { AppError } from '@convergence/contracts'
import { expect } from 'chai'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { corpusCases, corpusFixture, knownOutcomes, type CorpusCase, type Outcome } from './corpus.ts'
import { makeWorld, project, type World } from './world.ts'

/** DuckDB's JSON form of a value to the corpus's. */
const plain = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(plain)
  if (value !== null && typeof value === 'object')
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]))
  return value
}
const stamp = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(\.\d+)?(\+00)?$/
const normal = (value: unknown): unknown => {
  if (typeof value !== 'string') return value
  const match = stamp.exec(value)
  if (match === null) return value
  return `${match[1] ?? ''}T${match[2] ?? ''}${(match[3] ?? '').replace(/0+$/, '').replace(/\.$/, '')}${match[4] === undefined ? '' : 'Z'}`
}
const same = (got: unknown, wanted: unknown, asText: boolean): boolean => {
  if (wanted === '*') return true
  if (Array.isArray(wanted))
    return Array.isArray(got) && got.length === wanted.length && wanted.every((item, at) => same(got[at], item, asText))
  if (wanted !== null && typeof wanted === 'object') {
    const [g, w] = [got as Record<string, unknown>, wanted as Record<string, unknown>]
    return (
      got !== null &&
      typeof got === 'object' &&
      Object.keys(g).join() === Object.keys(w).join() &&
      Object.keys(w).every((key) => same(g[key], w[key], asText))
    )
  }
  if (asText && typeof wanted === 'string' && typeof got === 'string' && /^-?\d+\.\d+$/.test(got))
    return got.replace(/0+$/, '').replace(/\.$/, '') === wanted
  if (typeof wanted === 'number')
    return (
      got !== null &&
      got !== '' &&
      typeof got !== 'boolean' &&
      Math.abs(Number(got) - wanted) <= 1e-9 * Math.max(1e-300, Math.abs(wanted))
    )
  // BYTES that are text come as it.
  const bytes = typeof got === 'string' ? Buffer.from(got).toString('base64') : undefined
  return got === wanted || normal(got) === wanted || bytes === wanted
}
const sameRows = (got: unknown[][], wanted: unknown[][], spec: CorpusCase): boolean => {
  if (got.length !== wanted.length) return false
  const rows = got.map((row) =>
    row.map((cell, at) =>
      spec.json?.includes(at) === true && typeof cell === 'string' ? (JSON.parse(cell) as unknown) : plain(cell),
    ),
  )
  if (spec.ordered === true) return same(rows, wanted, spec.str === true)
  const left = [...rows]
  return wanted.every((row) => {
    const at = left.findIndex((candidate) => same(candidate, row, spec.str === true))
    if (at < 0) return false
    left.splice(at, 1)
    return true
  })
}

const runCase = async (world: World, spec: CorpusCase): Promise<{ outcome: Outcome; why: string }> => {
  let rows: unknown[][]
  let names: string[]
  try {
    const result = await world.query(spec.sql, spec.params)
    rows = result.rows
    names = result.translated.kind === 'query' ? result.translated.columns.map((column) => column.name) : result.names
    if (spec.check !== undefined) rows = await world.rows(spec.check)
  } catch (error) {
    if (error instanceof AppError && error.code === 'QUERY_UNSUPPORTED')
      return { outcome: 'REFUSED', why: error.message }
    if (spec.expect === 'ERROR' && error instanceof AppError && error.code === 'QUERY_INVALID')
      return { outcome: 'OK', why: error.message }
    return { outcome: 'ERROR', why: error instanceof Error ? error.message : String(error) }
  }
  if (spec.expect === 'ANY') return { outcome: 'OK', why: '' }
  if (spec.expect === 'ERROR') return { outcome: 'WRONG', why: `expected an error, got ${JSON.stringify(rows)}` }
  const right =
    spec.flat === true
      ? same(plain(rows[0]?.[0]), spec.expect[0], false)
      : sameRows(rows, spec.expect as unknown[][], spec)
  if (!right) return { outcome: 'WRONG', why: `got ${JSON.stringify(rows)}, expected ${JSON.stringify(spec.expect)}` }
  if (spec.columns !== undefined && names.join() !== spec.columns.join())
    return { outcome: 'COLNAMES', why: names.join() }
  return { outcome: 'OK', why: '' }
}

/** Each in a transaction that is rolled back, DDL too. */
const runIn = async (world: World, spec: CorpusCase): Promise<{ outcome: Outcome; why: string }> => {
  await world.connection.run('BEGIN TRANSACTION')
  try {
    return await runCase(world, spec)
  } finally {
    await world.connection.run('ROLLBACK')
  }
}
/** The tables with their columns and numbers of rows, and what else there is. */
const stateOf = async (world: World): Promise<unknown[][]> => {
  const tables = await world.rows(
    `SELECT sql, schema_name || '.' || table_name FROM duckdb_tables() WHERE database_name = '${project}' ORDER BY ALL`,
  )
  const state: unknown[][] = await world.rows(
    `SELECT schema_name FROM duckdb_schemas() WHERE database_name = '${project}' UNION ALL ` +
      `SELECT sql FROM duckdb_views() WHERE database_name = '${project}' ORDER BY ALL`,
  )
  for (const [sql, table] of tables) state.push([sql, ...(await world.rows(`SELECT count(*) FROM ${String(table)}`))])
  return state
}

describe('GoogleSQL corpus', () => {
  it('gives the expected rows, but for what known.json lists with its outcome', async function () {
    this.timeout(300_000)
    const world = await makeWorld([corpusFixture()])
    const seen: Record<Outcome, string[]> = { OK: [], COLNAMES: [], REFUSED: [], WRONG: [], ERROR: [] }
    const known = knownOutcomes()
    const differences: string[] = []
    const before = await stateOf(world)
    try {
      for (const spec of corpusCases()) {
        const { outcome, why } = await runIn(world, spec)
        seen[outcome].push(spec.id)
        const expected = known[spec.id] ?? 'OK'
        if (outcome !== expected) differences.push(`${spec.id}: expected ${expected}, got ${outcome} ${why}`.trimEnd())
      }
      expect(await stateOf(world), 'a case left something behind').to.deep.equal(before)
    } finally {
      world.close()
    }
    const counts = Object.entries(seen).map(([outcome, ids]) => `${outcome} ${ids.length}`)
    console.log(`    ${counts.join(', ')}`)
    if (process.env['UPDATE_CORPUS'] === '1') {
      const byNumber = (a: string, b: string): number => parseInt(a) - parseInt(b)
      const { COLNAMES, REFUSED, WRONG, ERROR } = seen
      const lists = { WRONG, ERROR, COLNAMES, REFUSED }
      for (const ids of Object.values(lists)) ids.sort(byNumber)
      writeFileSync(join(import.meta.dirname, 'corpus/known.json'), `${JSON.stringify(lists, null, 2)}\n`)
      return
    }
    expect(differences, differences.join('\n')).to.deep.equal([])
  })
})
