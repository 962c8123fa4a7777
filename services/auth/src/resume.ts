/** Going on where a run ended. */
import { AppError, type Run } from '@convergence/contracts'
import { resultOf } from '@convergence/pipeline'
import type { RouteContext } from './context.ts'
import { hasEnded, type RunRecord, type StepRecord } from './record.ts'

const mostResumptions = 50
/**
 * Steps that need not run again: those that succeeded in the run or in one that it resumed, for a run records none that
 * it skipped. Throws CONFLICT when not all of them are known: a step that appends would append again.
 */
const doneBefore = async (
  { runs: asked }: RouteContext,
  ended: RunRecord,
): Promise<ReadonlyMap<string, StepRecord>> => {
  const done = new Map<string, StepRecord>()
  let run = ended
  for (let resumed = 0; ; resumed += 1) {
    for (const step of run.steps)
      if ((step.status === 'SUCCEEDED' || step.status === 'SKIPPED') && !done.has(step.step_id))
        done.set(step.step_id, step)
    // Only here does a run that names a parent go on where that one ended; a publisher says itself what is skipped, and
    // may name any run.
    if (run.trigger_type !== 'resume' || run.parent_run_id === null) return done
    if (resumed >= mostResumptions)
      throw new AppError(
        'CONFLICT',
        `run ${ended.pipeline_logging_id} was resumed ${mostResumptions} times already; ask for a new run`,
      )
    const parent = await asked.find(run.parent_run_id, ended.tenant_id)
    if (parent === undefined)
      throw new AppError(
        'CONFLICT',
        `run ${run.pipeline_logging_id} went on where ${run.parent_run_id} ended, which is not known any more, ` +
          'nor what it had done; ask for a new run',
      )
    run = parent
  }
}

/**
 * What of a run need not run again, with what the steps behind it may name of it: what is done, but for what cleans up,
 * which is about the run that it stands in, and for sources that were changed since, whose month would be the old one's.
 * Loads replace, so doing one again adds nothing.
 */
export const skipOf = async (
  context: RouteContext,
  ended: RunRecord,
): Promise<{ skip: string[]; results?: NonNullable<Run['results']> }> => {
  const records = await doneBefore(context, ended)
  const { uses = [], steps = [] } = context.deps.pipelines.get(ended.pipeline) ?? {}
  const isOf = (name: string, step_id: string) => step_id === name || step_id.startsWith(`${name}-`)
  const tidying = steps.filter(({ trigger }) => trigger !== undefined).map(({ step_id }) => step_id)
  const done = [...records.keys()].filter((step_id) => !tidying.some((name) => isOf(name, step_id)))
  const skip = await unchanged(context, ended, done)
  const used = skip.filter((step_id) => uses.some((name) => isOf(name, step_id)))
  if (used.length === 0) return { skip }
  return { skip, results: Object.fromEntries(used.flatMap((id) => resultIn(records.get(id)))) }
}
const resultIn = (step: StepRecord | undefined): [string, ReturnType<typeof resultOf>][] =>
  step === undefined
    ? []
    : [
        [
          step.step_id,
          resultOf({
            conclusion: step.status,
            outputs: step.outputs,
            ...(step.rows_written === null ? {} : { rows_written: step.rows_written }),
            ...(step.bytes_processed === null ? {} : { bytes_processed: step.bytes_processed }),
          }),
        ],
      ]

/** Of what is done, that whose source is as it was. */
const unchanged = async (context: RouteContext, ended: RunRecord, done: string[]): Promise<string[]> => {
  const { deps, store } = context
  if (deps.pipelines.get(ended.pipeline)?.uses_sources !== true) return done
  const since = Date.parse(ended.requested_at ?? '')
  const sources = await store.sourcePage(ended.tenant_id, { limit: 1000 })
  const changed = sources.filter(({ recorded_at }) => Date.parse(recorded_at) > since).map(({ name }) => `-${name}-`)
  // The name is followed by the period where the run has several.
  return done.filter((step_id) => !changed.some((item) => `${step_id}-`.includes(item)))
}

/** What is to be done about a run that was resumed already. */
export const resumedBefore = (
  { pipeline_logging_id: id }: RunRecord,
  { pipeline_logging_id: next, status }: RunRecord,
): string => {
  const message = `run ${id} was resumed before as run ${next}, which is ${status}`
  if (!hasEnded(status)) return `${message}; follow it under links`
  return status === 'COMPLETED' ? `${message}; there is nothing to resume` : `${message}; to go on, resume ${next}`
}
