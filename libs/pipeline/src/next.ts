/** What follows: pure questions about a run. */
import {
  AppError,
  type CompiledStep,
  type Fault,
  type NextStep,
  type Run,
  type StepCompleted,
} from '@convergence/contracts'

type Conclusion = StepCompleted['conclusion']
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
  const skip = skipped(run)
  if (!isGraph(run))
    return run.steps
      .filter((step) => !skip.has(step.step_id))
      .slice(0, 1)
      .map(asNext)
  return run.steps
    .filter((step) => !skip.has(step.step_id) && (step.depends_on ?? []).every((id) => skip.has(id)))
    .map(asNext)
}

/**
 * What follows `step_id` in a run without depends_on: [] after the last or after a failure for good. An item of a
 * for_each that failed does not stop the items behind it, and what stands behind them all does not begin. Undefined in
 * a run with depends_on.
 */
export const nextSteps = (run: Run, step_id: string, conclusion: Conclusion): NextStep[] | undefined => {
  const { for_each } = stepOf(run, step_id)
  const isFailed = !isDone(conclusion) || (run.failed ?? []).length > 0
  if (conclusion === 'CANCELLED' || (isFailed && for_each === undefined)) return []
  if (isGraph(run)) return undefined
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

/**
 * The run as it goes on behind a step: what the step found odd, and an item that failed while others follow, are
 * remembered in it. Of branches of a graph, each remembers its own.
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
  const odd = (Array.isArray(warnings) ? warnings : []).map((message) => ({
    step_id,
    message: String(message).slice(0, longestWarning).toWellFormed(),
  }))
  const goesOn = error !== undefined && next !== undefined && next.length > 0
  if (odd.length === 0 && !goesOn) return run
  return {
    ...run,
    ...(odd.length === 0 ? {} : { warnings: [...(run.warnings ?? []), ...odd].slice(0, mostWarnings) }),
    ...(goesOn ? { failed: [...(run.failed ?? []), { step_id, error }] } : {}),
  }
}

/**
 * What may start in a run with depends_on, given all recorded conclusions; `[]` with `ended: true` when nothing is left
 * to wait for.
 */
export const readySteps = (
  run: Run,
  recorded: ReadonlyMap<string, Conclusion>,
  just_completed: string,
): { next: NextStep[]; ended: boolean } => {
  const skip = skipped(run)
  const done = (id: string) => skip.has(id) || isDone(recorded.get(id))
  const just = recorded.get(just_completed)
  if (just !== undefined && !isDone(just)) return { next: [], ended: true }
  // Only what waits for the step that just ended: the rest was started by the one that it waited for last.
  const next = run.steps.filter(
    (step) =>
      !done(step.step_id) &&
      recorded.get(step.step_id) === undefined &&
      (step.depends_on ?? []).includes(just_completed) &&
      (step.depends_on ?? []).every(done),
  )
  return { next: next.map(asNext), ended: next.length === 0 && run.steps.every((step) => done(step.step_id)) }
}
