/**
 * `npm run bench -- --against REV`: a commit of before and the tree as it is, turn by turn in one sitting, so that both
 * see the same machine. Each side runs its own bench in its own folder; the order changes each round, so a drift of the
 * machine favours nobody.
 */
import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { UsageError } from '../command.ts'

export interface Figure {
  name: string
  unit: string
  values: number[]
}
export interface Comparison {
  name: string
  unit: string
  before: number
  now: number
  /** Now over before in each round: 1.03 is 3 % more. */
  ratios: number[]
  /** Median of the ratios, turned round where more is worse: below 1 is slower or larger than before. */
  gain: number
}

const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const [low, high] = [
    sorted[Math.floor((sorted.length - 1) / 2)] ?? 0,
    sorted[Math.ceil((sorted.length - 1) / 2)] ?? 0,
  ]
  return (low + high) / 2
}
/** Rates are better when they grow; times, memory and the rest when they shrink. */
const moreIsBetter = (unit: string): boolean => unit.endsWith('/s')

/** `rounds` are pairs of figures taken one after the other; a figure that one side lacks is left out. */
export const compare = (rounds: readonly { before: readonly Figure[]; now: readonly Figure[] }[]): Comparison[] => {
  const valueOf = (figures: readonly Figure[], name: string): number | undefined => {
    const found = figures.find((figure) => figure.name === name)
    return found === undefined || found.values.length === 0 ? undefined : median(found.values)
  }
  return (rounds[0]?.now ?? []).flatMap(({ name, unit }): Comparison[] => {
    const pairs = rounds.flatMap(({ before, now }) => {
      const [one, other] = [valueOf(before, name), valueOf(now, name)]
      return one === undefined || other === undefined ? [] : [{ before: one, now: other }]
    })
    if (pairs.length === 0) return []
    const ratios = pairs.map((pair) => pair.now / pair.before)
    const ratio = median(ratios)
    return [
      {
        name,
        unit,
        before: median(pairs.map(({ before }) => before)),
        now: median(pairs.map(({ now }) => now)),
        ratios,
        gain: moreIsBetter(unit) ? ratio : 1 / ratio,
      },
    ]
  })
}

/** More than 3 % behind. */
const tolerated = 0.97
const figure = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toFixed(2))

export const comparisonText = (comparisons: readonly Comparison[]): string[] =>
  comparisons.map(({ name, unit, before, now, ratios, gain }) => {
    const spread = `${Math.min(...ratios).toFixed(3)} to ${Math.max(...ratios).toFixed(3)}, n=${ratios.length}`
    const verdict = gain < tolerated ? `${((1 - gain) * 100).toFixed(1)} % behind` : 'in order'
    return (
      `${name.padEnd(46)} ${figure(before).padStart(9)} -> ${figure(now).padStart(9)} ${unit.padEnd(7)} ` +
      `ratio ${median(ratios).toFixed(3)} (${spread})  ${verdict}`
    )
  })

const root = join(import.meta.dirname, '../..')
const git = (...args: string[]): string => execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim()

/** What is installed here, for a tree with the same lock file: packages are linked, workspaces are that tree's own. */
const linkModules = (tree: string): void => {
  const link = (from: string, to: string) => {
    mkdirSync(to, { recursive: true })
    for (const name of readdirSync(from))
      if (name !== '@convergence' && name !== '.cache') symlinkSync(join(from, name), join(to, name))
  }
  link(join(root, 'node_modules'), join(tree, 'node_modules'))
  // Relative links: in the other tree they lead to its own folders.
  const own = join(tree, 'node_modules/@convergence')
  mkdirSync(own)
  for (const name of readdirSync(join(root, 'node_modules/@convergence')))
    symlinkSync(readlinkSync(join(root, 'node_modules/@convergence', name)), join(own, name))
  for (const folder of [
    'tools',
    'e2e',
    ...['libs', 'services'].flatMap((group) => readdirSync(join(root, group)).map((name) => join(group, name))),
  ]) {
    const nested = join(root, folder, 'node_modules')
    if (existsSync(nested) && existsSync(join(tree, folder))) link(nested, join(tree, folder, 'node_modules'))
  }
}

const openTree = (revision: string): { folder: string; commit: string; close(): void } => {
  let commit: string
  try {
    commit = git('rev-parse', '--verify', '--quiet', `${revision}^{commit}`)
  } catch {
    throw new UsageError(`--against expected a commit, such as main or HEAD~1, got ${JSON.stringify(revision)}`)
  }
  const folder = join(mkdtempSync(join(tmpdir(), 'convergence-against-')), 'tree')
  const close = () => {
    git('worktree', 'remove', '--force', folder)
    rmSync(join(folder, '..'), { recursive: true, force: true })
  }
  git('worktree', 'add', '--detach', '--quiet', folder, commit)
  try {
    const lock = (tree: string) => readFileSync(join(tree, 'package-lock.json'), 'utf8')
    if (lock(folder) === lock(root)) linkModules(folder)
    else execFileSync('npm', ['ci', '--no-audit', '--no-fund', '--prefer-offline'], { cwd: folder, stdio: 'inherit' })
  } catch (error) {
    close()
    throw error
  }
  return { folder, commit, close }
}

/** One round of the bench of a tree, as that tree has it. */
const roundOf = (tree: string, parts: readonly string[]): Figure[] => {
  execFileSync(process.execPath, ['tools/bench/main.ts', ...parts], {
    cwd: tree,
    env: { ...process.env, BENCH_ROUNDS: '1', PUBSUB_PORT: '0', BIGQUERY_PORT: '0', KMS_PORT: '0' },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const { figures } = JSON.parse(readFileSync(join(tree, 'bench.json'), 'utf8')) as { figures: Figure[] }
  return figures
}

/** Prints the table; a line of ratios is added to bench-history.jsonl. */
export const benchAgainst = (revision: string, parts: readonly string[], rounds: number): void => {
  const before = openTree(revision)
  try {
    const changed = git('status', '--porcelain') === '' ? '' : ', with uncommitted changes'
    const now = `${git('rev-parse', '--short', 'HEAD')}${changed}`
    console.log(`${before.commit.slice(0, 7)} against ${now}: ${parts.join(', ')}, ${rounds} rounds turn by turn`)
    const trees = { before: before.folder, now: root }
    // What Node compiled is found again from here on, on both sides.
    for (const tree of Object.values(trees)) if (parts.includes('start')) roundOf(tree, ['start'])
    const taken: { before: Figure[]; now: Figure[] }[] = []
    for (let round = 0; round < rounds; round += 1) {
      const pair: { before: Figure[]; now: Figure[] } = { before: [], now: [] }
      const order = round % 2 === 0 ? (['before', 'now'] as const) : (['now', 'before'] as const)
      for (const side of order) pair[side] = roundOf(trees[side], parts)
      taken.push(pair)
      console.log(`round ${round + 1} of ${rounds}`)
      for (const line of comparisonText(compare([pair]))) console.log(`  ${line}`)
    }
    const comparisons = compare(taken)
    console.log(`\nmedians of ${rounds} rounds; ratio is now over before`)
    for (const line of comparisonText(comparisons)) console.log(line)
    appendFileSync(
      join(root, 'bench-history.jsonl'),
      `${JSON.stringify({ at: new Date().toISOString(), before: before.commit, now, comparisons })}\n`,
    )
  } finally {
    before.close()
  }
}
