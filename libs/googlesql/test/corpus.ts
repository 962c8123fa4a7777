/** The statements of `corpus/`, with what each must answer; corpus/README.md says what the headers mean. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface CorpusCase {
  /** Number and name; unique. */
  id: string
  /** The file that it stands in. */
  subject: string
  /** The statement with its header, which is comments. */
  sql: string
  params?: Record<string, { type: string; value: unknown }>
  expect: unknown[][] | unknown[] | 'ERROR' | 'ANY'
  columns?: string[]
  ordered?: boolean
  check?: string
  str?: boolean
  json?: number[]
  flat?: boolean
}
export type Outcome = 'OK' | 'COLNAMES' | 'REFUSED' | 'WRONG' | 'ERROR'

const folder = join(import.meta.dirname, 'corpus')
const readCase = (subject: string, sql: string): CorpusCase => {
  const spec: Record<string, unknown> = {}
  for (const line of sql.split('\n')) {
    const match = /^-- (\w+): (.*)$/.exec(line)
    if (match === null) break
    const [, key = '', value = 'null'] = match
    spec[key] = key === 'id' ? value : JSON.parse(value)
  }
  return { ...(spec as unknown as CorpusCase), subject, sql }
}

/** DuckDB statements that lay the data. */
export const corpusFixture = (): string => readFileSync(join(folder, 'fixture.ddl'), 'utf8')
export const corpusCases = (): CorpusCase[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.sql'))
    .sort()
    .flatMap((name) =>
      readFileSync(join(folder, name), 'utf8')
        .split(/^(?=-- id: )/m)
        .filter((text) => text.startsWith('-- id: '))
        .map((text) => readCase(name.replace('.sql', ''), text)),
    )
/** Statements whose outcome is not the right one yet, or that are refused. */
export const knownOutcomes = (): Record<string, Outcome> => {
  const known = JSON.parse(readFileSync(join(folder, 'known.json'), 'utf8')) as Record<Outcome, string[]>
  return Object.fromEntries(
    Object.entries(known).flatMap(([outcome, ids]) => ids.map((id) => [id, outcome as Outcome])),
  )
}
