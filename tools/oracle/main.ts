/**
 * `npm run test:oracle`: the local warehouse beside Google's own GoogleSQL engine, over the corpus and over generated
 * statements. Prints a table, what is different, and one line of counts.
 */
import { runCommand, UsageError } from '../command.ts'
import { compare, type Judgement, type Verdict } from './compare.ts'
import { corpusStatements, layCorpus } from './corpus.ts'
import { deviationOf, deviations } from './deviations.ts'
import { generate, randomOf, statementText, type Statement } from './generate.ts'
import { buildJudge, missingJudge, openJudge, type Judge } from './judge.ts'
import { shrink } from './shrink.ts'
import { openWarehouse, type QueryParameter, type Warehouse } from './warehouse.ts'

interface Engines {
  ours: Warehouse
  judge: Judge
}
type Counts = Record<Verdict | 'known', number>
const noCounts = (): Counts => ({ right: 0, refused: 0, reworded: 0, different: 0, unjudged: 0, known: 0 })

const judged = async (
  { ours, judge }: Engines,
  sql: { ours: string; theirs: string },
  ordered: boolean,
  parameters: readonly QueryParameter[] = [],
): Promise<Judgement & { known?: string | undefined; bothFailed: boolean }> => {
  const [mine, theirs] = await Promise.all([ours.ask(sql.ours, parameters), judge.ask(sql.theirs, parameters)])
  const judgement = compare(mine, theirs, ordered)
  const known = judgement.verdict === 'different' ? deviationOf(sql.ours, mine, theirs) : undefined
  return { ...judgement, known, bothFailed: 'error' in mine && 'error' in theirs }
}
const verdictOf = ({ verdict, known }: Judgement & { known?: string | undefined }): Verdict | 'known' =>
  known === undefined ? verdict : 'known'

interface Found {
  name: string
  sql: string
  why: string
}
interface Report {
  counts: Map<string, Counts & { failed: number }>
  differences: Found[]
  refusals: Map<string, number>
  /** How often each deviation was met. */
  met: Map<string, number>
}
const note = (
  report: Report,
  kind: string,
  judgement: Judgement & { known?: string | undefined; bothFailed: boolean },
): void => {
  const counts = report.counts.get(kind) ?? { ...noCounts(), failed: 0 }
  report.counts.set(kind, counts)
  counts[verdictOf(judgement)] += 1
  if (judgement.bothFailed) counts.failed += 1
  if (judgement.known !== undefined) report.met.set(judgement.known, (report.met.get(judgement.known) ?? 0) + 1)
  if (judgement.verdict !== 'refused' && judgement.verdict !== 'reworded') return
  const why = judgement.why.replace(/^the statement failed: /, '').replace(/ (?:is|are) not supported.*| at \[.*/, '')
  const key = `${judgement.verdict === 'reworded' ? '(other words) ' : ''}${why}`
  report.refusals.set(key, (report.refusals.get(key) ?? 0) + 1)
}

const runCorpus = async (engines: Engines, report: Report): Promise<void> => {
  const relaid = await layCorpus(engines.ours, engines.judge)
  for (const { id, sql, parameters, ordered } of corpusStatements()) {
    const judgement = await judged(engines, { ours: sql, theirs: relaid(sql) }, ordered, parameters)
    note(report, 'corpus', judgement)
    if (verdictOf(judgement) === 'different') report.differences.push({ name: id, sql, why: judgement.why })
  }
}
const runGenerated = async (engines: Engines, report: Report, seed: number, count: number): Promise<void> => {
  const ask = (statement: Statement) => {
    const sql = statementText(statement)
    return judged(engines, { ours: sql, theirs: sql }, statement.ordered)
  }
  const next = async (at: number): Promise<void> => {
    const statement = generate(randomOf(seed * 1_000_003 + at))
    const judgement = await ask(statement)
    note(report, statement.form, judgement)
    if (verdictOf(judgement) !== 'different') return
    const small = await shrink(statement, async (candidate) => verdictOf(await ask(candidate)) === 'different')
    report.differences.push({
      name: `seed ${seed}, statement ${at}`,
      sql: statementText(small),
      why: (await ask(small)).why,
    })
  }
  // While one engine works, the other has the next statement.
  const lanes = Array.from({ length: 3 }, async (_, lane) => {
    for (let at = lane; at < count; at += 3) await next(at)
  })
  await Promise.all(lanes)
}

/** Those that the judge has no more. */
const staleDeviations = async ({ ours, judge }: Engines): Promise<string[]> => {
  const stale: string[] = []
  for (const { name, example, is } of deviations)
    if (!is(example, await ours.ask(example), await judge.ask(example))) stale.push(name)
  return stale
}

const share = ({ right, failed, refused, reworded, different }: Counts & { failed: number }): number => {
  const answered = right - failed
  const accepted = answered + refused + reworded + different
  return accepted === 0 ? 1 : answered / accepted
}
const sum = (all: readonly (Counts & { failed: number })[]): Counts & { failed: number } => {
  const total = { ...noCounts(), failed: 0 }
  for (const counts of all) for (const key of Object.keys(total) as (keyof typeof total)[]) total[key] += counts[key]
  return total
}
const print = (report: Report): boolean => {
  const columns = ['right', 'refused', 'reworded', 'different', 'known', 'unjudged'] as const
  console.log(`${'statements'.padEnd(20)}${columns.map((name) => name.padStart(11)).join('')}   answered of accepted`)
  const line = (name: string, counts: Counts & { failed: number }): void => {
    const cells = columns.map((column) => String(counts[column]).padStart(11)).join('')
    console.log(`${name.padEnd(20)}${cells}${`${(share(counts) * 100).toFixed(1)} %`.padStart(23)}`)
  }
  for (const [kind, counts] of report.counts) line(kind, counts)
  const generated = sum([...report.counts].filter(([kind]) => kind !== 'corpus').map(([, counts]) => counts))
  line('generated, all', generated)
  console.log('\nmost refused:')
  const most = [...report.refusals].toSorted(([, a], [, b]) => b - a).slice(0, 40)
  for (const [why, times] of most) console.log(`${String(times).padStart(5)}  ${why.slice(0, 150)}`)
  for (const { name, sql, why } of report.differences) console.log(`\nDIFFERENT (${name})\n  ${sql}\n  ${why}`)
  if (report.met.size > 0) console.log('\nknown deviations of the judge:')
  for (const [name, times] of report.met) console.log(`${String(times).padStart(5)}  ${name}`)
  const corpus = report.counts.get('corpus') ?? { ...noCounts(), failed: 0 }
  const words = columns.map((column) => `${generated[column] + corpus[column]} ${column}`).join(', ')
  console.log(`\noracle: ${words}; answered ${(share(generated) * 100).toFixed(1)} % of what the judge accepts`)
  return report.differences.length === 0
}

await runCommand(
  {
    name: 'npm run test:oracle',
    synopsis: '[--count 2000] [--seed 1] [--no-corpus]',
    help: `
Asks the local warehouse and Google's own GoogleSQL engine the same statements and compares what they answer.

  --count N      so many generated statements (default 2000)
  --seed N       of the generator (default 1); a statement is its seed and number
  --only N       that statement alone, with both answers
  --no-corpus    without the statements of libs/googlesql/test/corpus
Ends with 1 when an answer is silently another one. Without Java, Maven or ../shared nothing is compared.`,
    options: {
      count: { type: 'string' },
      seed: { type: 'string' },
      only: { type: 'string' },
      'no-corpus': { type: 'boolean' },
    },
  },
  async (values) => {
    const whole = (name: 'count' | 'seed' | 'only', otherwise: number): number => {
      const given = values[name] === undefined ? otherwise : Number(values[name])
      if (!Number.isSafeInteger(given) || given < 0) throw new UsageError(`--${name}: expected a whole number`)
      return given
    }
    const [count, seed] = [whole('count', 2_000), whole('seed', 1)]
    const missing = missingJudge()
    const built = missing === undefined ? buildJudge() : { missing }
    if ('missing' in built) {
      console.log(`SKIPPED oracle: ${built.missing}`)
      return
    }
    const engines: Engines = { ours: await openWarehouse(), judge: openJudge(built.folder) }
    const report: Report = { counts: new Map(), differences: [], refusals: new Map(), met: new Map() }
    try {
      if (values.only !== undefined) {
        const sql = statementText(generate(randomOf(seed * 1_000_003 + whole('only', 0))))
        console.log(sql)
        console.log('ours  ', JSON.stringify(await engines.ours.ask(sql)))
        console.log('theirs', JSON.stringify(await engines.judge.ask(sql)))
        return
      }
      if (values['no-corpus'] !== true) await runCorpus(engines, report)
      await runGenerated(engines, report, seed, count)
      const stale = await staleDeviations(engines)
      const right = print(report)
      for (const name of stale) console.log(`no deviation of the judge any more, take it off the list: ${name}`)
      if (!right || stale.length > 0) process.exitCode = 1
    } finally {
      engines.judge.close()
      await engines.ours.close()
    }
  },
)
