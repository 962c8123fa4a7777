/** Every statement of the corpus beside the repository, with its expected outcome. */
import { AppError } from '@convergence/contracts'
import { expect } from 'chai'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeWorld, type World } from './world.ts'

const folder = join(import.meta.dirname, '../../../../shared/googlesql')
type Outcome = 'OK' | 'COLNAMES' | 'REFUSED' | 'WRONG' | 'ERROR'
interface Case {
  id: string
  params?: Record<string, { type: string; value: unknown }>
  expect: unknown[][] | unknown[] | 'ERROR' | 'ANY'
  columns?: string[]
  ordered?: boolean
  check?: string
  str?: boolean
  json?: number[]
  flat?: boolean
  notx?: boolean
}

const readCase = (file: string): { spec: Case; sql: string } => {
  const text = readFileSync(join(folder, file), 'utf8')
  const spec: Record<string, unknown> = {}
  for (const line of text.split('\n')) {
    const match = /^-- (\w+): (.*)$/.exec(line)
    if (match === null) break
    spec[match[1] ?? ''] = match[1] === 'id' ? match[2] : JSON.parse(match[2] ?? 'null')
  }
  return { spec: spec as unknown as Case, sql: text }
}

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
  return got === wanted || normal(got) === wanted
}
const sameRows = (got: unknown[][], wanted: unknown[][], spec: Case): boolean => {
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

const runCase = async (world: World, spec: Case, sql: string): Promise<{ outcome: Outcome; why: string }> => {
  let rows: unknown[][]
  let names: string[]
  try {
    const result = await world.query(sql, spec.params)
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

/** Refused by design: scripts, and what docs/LOCAL.md lists. */
const refusals = [
  '105_farm_fingerprint',
  '123_approx_top_count',
  '148_system_time_as_of',
  '153_pipe_syntax',
  '181_script_declare_set',
  '182_script_transaction',
  '183_script_temp_function',
  '185_script_execute_immediate',
  '186_script_assert',
]

describe('GoogleSQL corpus', () => {
  it('gives the expected rows, or refuses what is documented', async function () {
    if (!existsSync(folder)) {
      console.log('    skipped: the corpus (shared/googlesql) is not beside the repository')
      this.skip()
    }
    this.timeout(60_000)
    const fixture = readFileSync(join(folder, '_fixture_duckdb.ddl'), 'utf8')
    const world = await makeWorld([fixture])
    const seen: Record<Outcome, string[]> = { OK: [], COLNAMES: [], REFUSED: [], WRONG: [], ERROR: [] }
    const report: string[] = []
    try {
      for (const file of readdirSync(folder)
        .filter((name) => /^\d+_.*\.sql$/.test(name))
        .sort()) {
        const { spec, sql } = readCase(file)
        await world.connection.run('BEGIN TRANSACTION')
        const { outcome, why } = await runCase(world, spec, sql)
        await world.connection.run('ROLLBACK')
        seen[outcome].push(spec.id)
        if (outcome !== 'OK') report.push(`${outcome} ${spec.id}: ${why}`)
      }
    } finally {
      world.close()
    }
    console.log(
      `    ${Object.entries(seen)
        .map(([outcome, ids]) => `${outcome} ${ids.length}`)
        .join(', ')}`,
    )
    expect(
      report.filter((line) => !line.startsWith('REFUSED')),
      report.join('\n'),
    ).to.deep.equal([])
    expect(seen.REFUSED).to.deep.equal(refusals)
    expect(seen.OK.length).to.be.at.least(128)
  })
})
