/** The corpus of libs/googlesql for both engines: its tables, and those of its statements that are queries. */
import { corpusCases } from '@convergence/googlesql/corpus'
import { corpusTables } from '@convergence/googlesql/corpus-tables'
import { scan } from '@convergence/googlesql/lexer'
import type { Judge } from './judge.ts'
import { projectOf, type QueryParameter, type Warehouse } from './warehouse.ts'

/** Lays the tables of the corpus in both engines; what comes back puts a statement in the judge's names of them. */
export const layCorpus = async (ours: Warehouse, judge: Judge): Promise<(sql: string) => string> => {
  const tables = await corpusTables()
  for (const { dataset, table, query } of tables) {
    for (const sql of [`CREATE SCHEMA IF NOT EXISTS ${dataset}`, `CREATE TABLE ${dataset}.${table} AS ${query}`]) {
      const made = await ours.ask(sql)
      if ('error' in made) throw new Error(`the local warehouse does not take ${dataset}.${table}: ${made.error}`)
    }
    // The judge knows names of one part.
    await judge.lay(table, query)
  }
  return (sql) => {
    let text = sql
    for (const { dataset, table } of tables) {
      const [project, whole] = [`\`?${projectOf}\`?\\.`, `\`?${dataset}\`?\\.\`?${table}`]
      text = text.replaceAll(new RegExp(`(?<![\\w.\`])(?:${project})?${whole}(?:\`|(?!\\w))`, 'g'), table)
    }
    return text
  }
}

/** What the judge has not, or what has another value each time. */
const unfit = /CURRENT_(?:TIMESTAMP|DATE|DATETIME|TIME)|GENERATE_UUID|RAND\(|INFORMATION_SCHEMA|__TABLES__/i
interface CorpusStatement {
  id: string
  sql: string
  parameters: readonly QueryParameter[]
  ordered: boolean
}
/** What the judge can run: queries. */
export const corpusStatements = (): CorpusStatement[] =>
  corpusCases().flatMap(({ id, sql, params = {}, ordered = false, check }) => {
    const first = scan(sql).find(({ kind }) => kind !== 'comment' && kind !== 'space')
    if (check !== undefined || first === undefined) return []
    const text = sql.slice(first.start).trim().replace(/;\s*$/, '')
    if (!/^(?:SELECT|WITH|FROM|\()/i.test(text) || unfit.test(text)) return []
    const parameters = Object.entries(params).map(([name, { type, value }]) => ({ name, type, value }))
    return [{ id, sql: text, parameters, ordered }]
  })
