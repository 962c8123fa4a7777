/** What follows: pure questions about a run. */
import { AppError, type CompiledStep, type Fault, type NextStep, type Run } from '@convergence/contracts'
import { resultsOf, type Conclusion, type Recorded } from './results.ts'

const isDone = (conclusion: Conclusion | undefined): boolean => conclusion === 'SUCCEEDED' || conclusion === 'SKIPPED'
const isGraph = (run: Run): boolean => run.steps.some((step) => step.depends_on !== undefined)
const asNext = ({ step_id, host }: CompiledStep): NextStep => ({ step_id, host })
const skipped = (run: Run): ReadonlySet<string> => new Set(run.skip ?? [])

export const stepOf = (run: Run, step_id: string): CompiledStep => {
  const step = run.steps.find((candidate) => candidate.step_id === step_id)
  if (step === undefined) throw new AppError('EVENT_INVALID', `run ${run.run_id} has no step ${step_id}`)
  return step
}

/** Steps that a run starts with. */
export const firstSteps = (run: Run): NextStep[] => {
  if (isGraph(run)) return openGraph(run, new Map()).ready()
  const skip = skipped(run)
  return run.steps
    .filter((step) => !skip.has(step.step_id))
    .slice(0, 1)
    .map(asNext)
}

/**
 * What follows `step_id` in a run without depends_on: [] after the last or after a failure for good. An item of a
 * for_each that failed does not stop the items behind it, and what stands behind them all does not begin. Undefined in
 * a run with depends_on.
 */
export const nextSteps = (run: Run, step_id: string, conclusion: Conclusion): NextStep[] | undefined => {
  const { for_each } = stepOf(run, step_id)
  if (conclusion === 'CANCELLED') return []
  if (isGraph(run)) return undefined
  const isFailed = !isDone(conclusion) || (run.failed ?? []).length > 0
  if (isFailed && for_each === undefined) return []
  const skip = skipped(run)
  const at = run.steps.findIndex((step) => step.step_id === step_id)
  return run.steps
    .slice(at + 1)
    .filter((step) => !skip.has(step.step_id) && (!isFailed || step.for_each === for_each))
    .slice(0, 1)
    .map(asNext)
}

const mostWarnings = 50
const longestWarning = 1000
const warningsOf = (step_id: string, warnings: unknown): NonNullable<Run['warnings']> =>
  (Array.isArray(warnings) ? warnings : []).map((message) => ({
    step_id,
    message: String(message).slice(0, longestWarning).toWellFormed(),
  }))

/**
 * The run as it goes on behind a step: what the step found odd, and an item that failed while others follow, are
 * remembered in it. A run with depends_on remembers when its next steps are known, by the record.
 */
export const afterStep = (
  run: Run,
  {
    step_id,
    error,
    next,
    warnings,
  }: {
    step_id: string
    error: Fault | undefined
    next: readonly NextStep[] | undefined
    /** The outputs of the step have them. */
    warnings: unknown
  },
): Run => {
  const odd = warningsOf(step_id, warnings)
  const goesOn = error !== undefined && next !== undefined && next.length > 0
  if (odd.length === 0 && !goesOn) return run
  return {
    ...run,
    ...(odd.length === 0 ? {} : { warnings: [...(run.warnings ?? []), ...odd].slice(0, mostWarnings) }),
    ...(goesOn ? { failed: [...(run.failed ?? []), { step_id, error }] } : {}),
  }
}

// ---- runs with depends_on

/** What became of a step: it ended, or it never will begin. */
interface Fate {
  ran: boolean
  /** It, or what it needs, has failed. What cleans up is on such a line too, though it succeeded. */
  failed: boolean
}

/** Steps by their own id, and items by that of their for_each. */
const groupsOf = (run: Run): ReadonlyMap<string, readonly CompiledStep[]> => {
  const groups = new Map<string, CompiledStep[]>()
  for (const step of run.steps) {
    groups.set(step.step_id, [step])
    if (step.for_each !== undefined) groups.set(step.for_each, [...(groups.get(step.for_each) ?? []), step])
  }
  return groups
}

/**
 * A run as a graph: what became of each of its steps follows from what is recorded of those that it needs, and from
 * nothing else. So whoever asks, and how often, gets the same answer.
 */
const openGraph = (run: Run, recorded: Recorded) => {
  const skip = skipped(run)
  const groups = groupsOf(run)
  const idsOf = (names: readonly string[] = []): string[] =>
    names.flatMap((name) => (groups.get(name) ?? []).map(({ step_id }) => step_id))
  const needs = new Map(run.steps.map((step) => [step.step_id, idsOf(step.depends_on)]))
  const fates = new Map<string, Fate>()

  const fateOf = (step: CompiledStep): Fate | undefined => {
    if (skip.has(step.step_id)) return { ran: true, failed: false }
    const needed = (needs.get(step.step_id) ?? []).map((id) => fates.get(id))
    if (needed.includes(undefined)) return undefined
    const afterFailure = needed.some((fate) => fate?.failed === true)
    const record = recorded.get(step.step_id)
    if (record !== undefined) return { ran: true, failed: afterFailure || !isDone(record.conclusion) }
    return afterFailure && (step.trigger ?? 'on_success') === 'on_success' ? { ran: false, failed: true } : undefined
  }
  // A step may stand before what it needs.
  for (let known = -1; known < fates.size;) {
    known = fates.size
    for (const step of run.steps) {
      const fate = fates.has(step.step_id) ? undefined : fateOf(step)
      if (fate !== undefined) fates.set(step.step_id, fate)
    }
  }

  const waitedFor = (step: CompiledStep): string[] => [...(needs.get(step.step_id) ?? []), ...idsOf(step.begins_after)]
  const isReady = (step: CompiledStep): boolean =>
    !fates.has(step.step_id) && recorded.get(step.step_id) === undefined && waitedFor(step).every((id) => fates.has(id))
  /** Whether the step waited for the one that ended, be it by way of some that never will begin. */
  const isBehind = (step: CompiledStep, ended: string, seen = new Set<string>()): boolean =>
    waitedFor(step).some((id) => {
      if (id === ended) return true
      if (seen.has(id) || fates.get(id)?.ran !== false) return false
      seen.add(id)
      const [between] = groups.get(id) ?? []
      return between !== undefined && isBehind(between, ended, seen)
    })
  const startOf = (step: CompiledStep): NextStep => {
    const needless =
      step.trigger === 'on_failure' && !(needs.get(step.step_id) ?? []).some((id) => fates.get(id)?.failed === true)
    return { ...asNext(step), ...(needless ? { skip: 'trigger: on_failure, and no step before it has failed' } : {}) }
  }
  return {
    fates,
    ended: () => run.steps.every(({ step_id }) => fates.has(step_id)),
    /** What may start; `ended`: only what waited for this step, for the rest was started by whom it waited for last. */
    ready: (ended?: string): NextStep[] =>
      run.steps.filter((step) => isReady(step) && (ended === undefined || isBehind(step, ended))).map(startOf),
  }
}

/**
 * How a run with depends_on goes on when a step of it has ended, given all that is recorded: what may start, with the
 * run as those steps see it; or, with `ended`, nothing, and the run as it ended: its warnings and what has failed, in
 * the order of its steps.
 */
export const readySteps = (
  run: Run,
  recorded: Recorded,
  just_completed: string,
): { run: Run; next: NextStep[]; ended: boolean } => {
  const graph = openGraph(run, recorded)
  const next = graph.ready(just_completed)
  const results = resultsOf(run, recorded, (step_id) => graph.fates.get(step_id)?.ran === false)
  const seen = results === undefined ? run : { ...run, results }
  if (next.length > 0 || !graph.ended()) return { run: seen, next, ended: false }
  const failed = run.steps.flatMap(({ step_id }) => {
    const record = recorded.get(step_id)
    return record === undefined || isDone(record.conclusion)
      ? []
      : [
          {
            step_id,
            error: record.error ?? { code: 'INTERNAL', message: `step ${step_id} failed and did not say why` },
          },
        ]
  })
  const warnings = run.steps.flatMap(({ step_id }) => warningsOf(step_id, recorded.get(step_id)?.outputs?.['warnings']))
  const told = warnings.length === 0 ? (run.warnings ?? []) : warnings
  return {
    run: {
      ...seen,
      ...(failed.length === 0 ? {} : { failed }),
      ...(told.length === 0 ? {} : { warnings: told.slice(0, mostWarnings) }),
    },
    next: [],
    ended: true,
  }
}
